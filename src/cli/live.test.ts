import { expect, test } from "bun:test";

import type { EventAnswer } from "../client/answers.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { tellLive } from "./live.ts";
import type { Teller } from "./teller.ts";

const PLAIN = { NO_COLOR: "1", LANG: "C.UTF-8" };
const PULL = {
  image: "shop/web:v2",
  downloaded_bytes: 60 * 2 ** 20,
  total_bytes: 120 * 2 ** 20,
  layers: 9,
  layers_done: 3,
};

function scene({ columns = 80, env = PLAIN }: { columns?: number; env?: Record<string, string> } = {}) {
  const screen = fakeTerminal(columns);
  let now = 0;
  const teller = tellLive(screen.terminal, { now: () => now, env });
  const event = (phase: string, text: string, level: EventAnswer["level"] = "info") =>
    teller.event({ seq: 1, at: "2026-11-23T12:00:00Z", phase, level, text });
  return { ...screen, teller, event, pass: (milliseconds: number): void => void (now += milliseconds) };
}

function whileOpen(teller: Teller, look: () => void): void {
  try {
    look();
  } finally {
    teller.end();
  }
}

test("the step that goes on is the last line, with its pulls above; what is done stays, with its time", () => {
  const { teller, event, pass, screen } = scene();
  whileOpen(teller, () => {
    event("started", "its turn has come");
    pass(1_500);
    event("resolved", "to be rolled out: shop/web:v2");
    teller.progress(PULL);
    teller.progress({ ...PULL, image: "shop/db:v1", total_bytes: 0, downloaded_bytes: 0 });
    pass(2_000);
    teller.progress(PULL);
    expect(screen().split("\n")).toEqual([
      "✓ started       1.5 s  its turn has come",
      "  ━━━━━━━━━━━━────────────  shop/web:v2: 60 MiB of 120 MiB, 3 of 9 layers",
      "  ────────────────────────  shop/db:v1: 0 bytes of 0 bytes, 3 of 9 layers",
      "⠋ resolved      2.0 s  to be rolled out: shop/web:v2",
      "",
    ]);
    event("gating", "web is asked");
  });
  expect(screen()).toBe(
    [
      "✓ started       1.5 s  its turn has come",
      "✓ resolved      2.0 s  to be rolled out: shop/web:v2",
      "✓ gating        0.0 s  web is asked",
      "",
    ].join("\n"),
  );
});

test("a step that ends in an error has failed; warnings, output and what is said stay above", () => {
  const { teller, event, screen } = scene();
  whileOpen(teller, () => {
    event("gating", "web is asked");
    event("log", "little room is left", "warn");
    teller.say("the daemon went away");
    event("going_back", "web: exit 1", "error");
    event("output", "Error: no database");
    event("ended", "rolled_back: exit 1", "error");
  });
  expect(screen()).toBe(
    [
      "! log                  little room is left",
      "the daemon went away",
      "✗ gating        0.0 s  web is asked",
      "✗ going_back           web: exit 1",
      "  │ Error: no database",
      "✗ ended                rolled_back: exit 1",
      "",
    ].join("\n"),
  );
});

test("a line that is redrawn is one row, of whatever characters, also after the window was made narrower", () => {
  const { teller, event, screen, resize } = scene({ columns: 60 });
  whileOpen(teller, () => {
    event("started", "日本語".repeat(30));
    for (let n = 0; n < 5; n += 1) teller.progress(PULL);
    const rows = screen().split("\n");
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(Bun.stringWidth(row)).toBeLessThan(60);
    resize(25);
    for (let n = 0; n < 5; n += 1) teller.progress(PULL);
    expect(screen().split("\n")).toHaveLength(3);
    resize(1);
    teller.progress(PULL);
    resize(60);
    teller.progress(PULL);
    expect(screen()).toContain("━");
  });
});

test("what others say moves nothing on the screen", () => {
  const { teller, event, written } = scene();
  const bad = "\u001b[2J\u001b]0;title\u0007\r\n\u009b31m\u202eevil";
  whileOpen(teller, () => {
    event("log", bad, "warn");
    event("output", bad);
    event("ended", bad, "error");
    event(bad, bad);
    teller.say(bad);
    teller.progress({ ...PULL, image: bad });
  });
  const own = ["\u001b[A", "\u001b[J", "\u001b[2K", "\n", "\r"];
  const rest = own.reduce((text, sequence) => text.replaceAll(sequence, ""), written());
  expect(rest).not.toMatch(/\p{Cc}|\p{Bidi_Control}/u);
});

test("colours and characters are those that the terminal has", () => {
  for (const [env, mark] of [
    [{ LANG: "C.UTF-8" }, "\u001b[32m✓\u001b[0m"],
    [{ LANG: "en_US.utf8", NO_COLOR: "" }, "\u001b[32m✓\u001b[0m"],
    [{ LANG: "C", NO_COLOR: "1" }, "+ started"],
    [{ LANG: "C.UTF-8", LC_ALL: "POSIX", NO_COLOR: "1" }, "+ started"],
  ] as const) {
    const { teller, event, written } = scene({ env });
    whileOpen(teller, () => event("started", "x"));
    expect(written()).toContain(mark);
  }
});
