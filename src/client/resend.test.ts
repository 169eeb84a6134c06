import { expect, test } from "bun:test";

import { ClientError } from "./client-error.ts";
import { LOST_PATIENCE_MS } from "./reach.ts";
import { resend } from "./resend.ts";

const lost = new ClientError("unreachable", "lost", { patienceMs: LOST_PATIENCE_MS });
const refused = new ClientError("unreachable", "refused", { patienceMs: 15_000 });
const noName = new ClientError("unreachable", "no such name");
const full = (retryAfterMs?: number) =>
  new ClientError("queue_full", "full", { patienceMs: LOST_PATIENCE_MS, retryAfterMs });

/** Sends as often as there are failures, and once more; for ever with `always`. */
function sending(failures: readonly unknown[], always?: unknown, enough?: AbortSignal) {
  let now = 0;
  let sent = 0;
  const said: string[] = [];
  const waited: number[] = [];
  const result = resend(
    async () => {
      const failure = failures[sent] ?? always;
      sent += 1;
      if (failure !== undefined) throw failure;
      return "done";
    },
    {
      now: () => now,
      sleep: async (milliseconds) => {
        waited.push(milliseconds);
        now += milliseconds;
      },
      say: (text) => said.push(text),
      enough,
    },
  );
  return { result, said, waited, sent: () => sent, now: () => now };
}

test("what was lost is sent again, told once, with growing pauses", async () => {
  const { result, said, waited } = sending([lost, refused, lost]);
  expect(await result).toBe("done");
  expect(said).toEqual(["lost; trying again"]);
  expect(waited).toEqual([500, 1000, 2000]);
});

test("what changes nothing is not tried again", async () => {
  for (const failure of [noName, new ClientError("not_found", "x"), new Error("bug")]) {
    const { result, sent } = sending([failure]);
    await expect(result).rejects.toBe(failure);
    expect(sent()).toBe(1);
  }
});

test("a refusal ends it also after an answer was lost, a name that is gone for a moment does not", async () => {
  const denied = new ClientError("unauthorized", "denied");
  await expect(sending([lost, denied]).result).rejects.toBe(denied);
  expect(await sending([lost, noName, noName]).result).toBe("done");
});

test("nobody there is given up soon, a lost answer late and with a doubt", async () => {
  const soon = sending([], refused);
  await expect(soon.result).rejects.toBe(refused);
  expect(soon.now()).toBeLessThan(15_000);
  const late = sending([lost], refused);
  await expect(late.result).rejects.toThrow(/refused; the request may have arrived all the same/);
  expect(late.now()).toBeGreaterThan(130_000);
});

test("an answer says how long to wait, within reason", async () => {
  const { result, waited } = sending([full(7_000), full(3_600_000), full()]);
  expect(await result).toBe("done");
  expect(waited).toEqual([7_000, 30_000, 2_000]);
});

test("who has waited long enough in a pause does not send again", async () => {
  const controller = new AbortController();
  let sent = 0;
  const patience = {
    now: () => 0,
    sleep: async (_: number, enough?: AbortSignal) => {
      expect(enough).toBe(controller.signal);
      controller.abort();
    },
    say: () => undefined,
    enough: controller.signal,
  };
  const send = () => {
    sent += 1;
    return Promise.reject(full(30_000));
  };
  await expect(resend(send, patience)).rejects.toThrow("full");
  expect(sent).toBe(1);
});

test("who has waited long enough waits no more", async () => {
  const { result, sent } = sending([], lost, AbortSignal.abort());
  await expect(result).rejects.toThrow("lost");
  expect(sent()).toBe(1);
});
