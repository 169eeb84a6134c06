const ALERT = /^\[ALERT\]\s+\(\d+\)\s*: (?:config : )?/;
/** What HAProxy adds to an error that it has named before. */
const SUMMARY = /^(?:Error\(s\) found in configuration file|Fatal errors found in configuration)/;

/** The first thing that HAProxy complains about in what it printed; its last line when it complains of nothing. */
export function complaintIn(lines: readonly string[]): string {
  const alerts = lines.filter((line) => ALERT.test(line)).map((line) => line.replace(ALERT, ""));
  const last = lines.findLast((line) => line.trim() !== "");
  return alerts.find((line) => !SUMMARY.test(line)) ?? alerts[0] ?? last ?? "it said nothing";
}
