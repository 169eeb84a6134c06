const ALERT = /^\[ALERT\]\s+\(\d+\)\s*: (?:config : )?/;
/** What HAProxy adds to an error that it has named before. */
const SUMMARY = /^(?:Error\(s\) found in configuration file|Fatal errors found in configuration)/;

/** The status of a reload, and what stands between it and what was said. */
const NOT_SAID = /^(?:Success=\d|--|\s*)$/;
const NOT_BOUND = /cannot bind socket.*\[.*:(\d+)\]/;

export const NOTHING = "it said nothing";

/** The first thing that HAProxy complains about in what it printed; its last line when it complains of nothing. */
export function complaintIn(lines: readonly string[]): string {
  const alerts = lines.filter((line) => ALERT.test(line)).map((line) => line.replace(ALERT, ""));
  const last = lines.findLast((line) => !NOT_SAID.test(line));
  return withRemedy(alerts.find((line) => !SUMMARY.test(line)) ?? alerts[0] ?? last ?? NOTHING);
}

function withRemedy(complaint: string): string {
  const [, port] = NOT_BOUND.exec(complaint) ?? [];
  if (port === undefined) return complaint;
  return `port ${port} of this host is taken (ss -ltnp 'sport = :${port}' names by whom): free it, or name another under x-deployer.edge; HAProxy says: ${complaint}`;
}
