import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { parseServerName } from "./server-line.ts";
import { serviceWord } from "./word.ts";

/** A server of a service as HAProxy shows it. */
export type ServerStat = {
  name: string;
  container: string;
  port: number;
  isStandby: boolean;
  address: string;
  /** `UP`, `DOWN`, `DRAIN`, `MAINT`, `no check`, some with more behind it. */
  status: string;
  /** Requests and tunnels on it. */
  sessions: number;
  /** Result of the last check: `L4OK`, `L4CON`, …; `* ` before it while the next one runs. */
  check: string;
  /** What the last check saw, `Connection refused`. */
  checkInfo: string;
};

const Row = z.object({
  svname: z.string(),
  addr: z.string(),
  status: z.string(),
  scur: z.coerce.number().int(),
  check_status: z.string(),
  last_chk: z.string(),
});

/** The command that shows the servers of a service, without those of others. */
export function showServers(service: string): string {
  return `show stat ${serviceWord(service)} 4 -1`;
}

/** Reads the CSV of `show stat` (management guide, section 9.1); servers that are not ours are left out. */
export function parseStat(csv: string): ServerStat[] {
  const lines = csv.split("\n").filter((line) => line.trim() !== "");
  const head = lines.shift();
  if (head === undefined) return [];
  // A worker of an earlier configuration may not know the service.
  if (!head.startsWith("# ")) {
    if (/no such proxy|can't find/i.test(head)) return [];
    throw new DeployerError("edge", `the edge gave an answer that makes no sense: ${head.slice(0, 200)}`);
  }
  const columns = head.slice(2).split(",");
  return lines.flatMap((line) => {
    const cells = splitCsv(line);
    const row = Row.parse(Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""])));
    const server = parseServerName(row.svname);
    if (server === undefined) return [];
    return [
      {
        name: row.svname,
        ...server,
        address: row.addr.replace(/:\d+$/, ""),
        status: row.status,
        sessions: row.scur,
        check: row.check_status,
        checkInfo: row.last_chk,
      },
    ];
  });
}

/** Texts with a comma or a quote in them stand in quotes. */
function splitCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
  );
}
