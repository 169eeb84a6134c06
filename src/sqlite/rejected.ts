import type { Database } from "bun:sqlite";

import { z } from "zod";

import type { History } from "../core/history.ts";
import { KEPT_REJECTIONS, KEPT_VERIFIED, type Rejection } from "../core/rejection.ts";
import { transaction } from "./transaction.ts";

type Row = Omit<Rejection, "verified" | "claims"> & { verified: number; claims: string | null };

const ClaimsJson = z.record(z.string(), z.unknown());

/** The part of the store that knows whom we have sent away. */
export function createRejected(database: Database): Pick<History, "addRejections" | "rejections"> {
  const insert = database.query(
    `INSERT INTO rejected (at, remote, method, path, code, cause, verified, claims, unlisted)
     VALUES ($at, $remote, $method, $path, $code, $cause, $verified, $claims, $unlisted)`,
  );
  // SQLite numbers a row one more than the largest there is, and the largest always stays.
  const deleteOld = database.query(
    `DELETE FROM rejected WHERE seq <= (SELECT MAX(seq) FROM rejected) - ${KEPT_REJECTIONS - KEPT_VERIFIED}
       AND seq NOT IN (SELECT seq FROM rejected WHERE verified = 1 ORDER BY seq DESC LIMIT ${KEPT_VERIFIED})`,
  );
  const select = database.query<Row, [number]>(
    "SELECT at, remote, method, path, code, cause, verified, claims, unlisted FROM rejected ORDER BY seq DESC LIMIT ?",
  );
  const add = transaction(database, (rejections: readonly Rejection[]) => {
    for (const rejection of rejections) insert.run(toRow(rejection));
    deleteOld.run();
  });
  return {
    addRejections: (rejections) => add(rejections),
    rejections: (limit) => select.all(limit).map(fromRow),
  };
}

function toRow({ verified, claims, ...rest }: Rejection): Row {
  return {
    ...rest,
    verified: Number(verified),
    claims: claims === undefined ? null : JSON.stringify(claims),
  };
}

function fromRow({ verified, claims, ...rest }: Row): Rejection {
  return {
    ...rest,
    verified: verified === 1,
    claims: claims === null ? undefined : ClaimsJson.parse(JSON.parse(claims)),
  };
}
