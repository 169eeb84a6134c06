import { cell, quoted, type Row } from "./table.ts";

/** What a row of the HTTP table promises. */
export type ExpectedReply = {
  status: number;
  /** Undefined where the row gives a status alone. */
  text: string | undefined;
  /** The value of the `Allow` header; `""` when the row says no more than that there is one. */
  allow: string | undefined;
};

/** Statuses whose words never differ. */
const WORDS: Readonly<Record<number, string>> = {
  200: "deploy request successful for service web\n",
  401: "unauthorized\n",
  405: "method not allowed\n",
};

/** Reads the columns `original`, `body` and `ours`; undefined for a row that promises something else than a reply. */
export function expectedReply(row: Row): ExpectedReply | undefined {
  const ours = cell(row, "ours");
  const original = originalReply(row);
  if (ours === "" || ours === "same" || /^same[,;] /.test(ours)) {
    return original && { ...original, allow: allowOf(ours) };
  }
  const status = Number(/^(\d{3})\b/.exec(ours)?.[1]);
  if (Number.isNaN(status)) return undefined;
  const said = /^\d{3} `([^`]+)`/.exec(ours)?.[1];
  if (said !== undefined) return { status, text: `${said}\n`, allow: undefined };
  if (ours.includes("no body")) return { status, text: "", allow: undefined };
  return { status, text: WORDS[status], allow: allowOf(ours) };
}

/** What the original answered; undefined where the table tells it in prose. */
function originalReply(row: Row): ExpectedReply | undefined {
  const status = Number(/^(\d{3}) /.exec(cell(row, "original"))?.[1]);
  const [body] = quoted(cell(row, "body"));
  if (Number.isNaN(status) || body === undefined) return undefined;
  return { status, text: JSON.parse(body) as string, allow: undefined };
}

function allowOf(ours: string): ExpectedReply["allow"] {
  const given = /`Allow: ([^`]+)`/.exec(ours)?.[1];
  if (given !== undefined) return given;
  return ours.includes("`Allow`") ? "" : undefined;
}
