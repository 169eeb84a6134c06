import { expect, test } from "bun:test";

import type { ToldEvent } from "./deployment-record.ts";
import type { Answer } from "./peer-answer.ts";
import { longestGap, wrongAnswers } from "./witnesses.ts";

const SWITCHED = 1_000;
const ENDED = 2_000;
const TOLD = {
  old: "v1",
  candidate: "v2",
  serving: "v2",
  events: [told("switching", SWITCHED), told("ended", ENDED)],
};

function told(phase: string, at: number): ToldEvent {
  return { seq: 1, at: new Date(at).toISOString(), phase, level: "info", text: "" };
}

function answered(version: string | undefined, at: number, took = 10): Answer {
  return {
    url: "http://web:8080/",
    at,
    took,
    ...(version === undefined ? { failure: "refused" } : { version }),
  };
}

const ANSWERS: [name: string, answer: Answer, isWrong: boolean][] = [
  ["the old version before the switch", answered("v1", 0), false],
  ["the candidate before the switch", answered("v2", 0), true],
  ["the candidate, asked before the switch and answered after it", answered("v2", SWITCHED - 5), false],
  ["either between switch and end", answered("v1", SWITCHED + 1), false],
  ["a stranger", answered("v3", SWITCHED + 1), true],
  ["the old version after the end of a success", answered("v1", ENDED + 1), true],
  ["no answer at all", answered(undefined, ENDED + 1), false],
];

test.each(ANSWERS)("%s: is told from what nobody may see", (_, answer, isWrong) => {
  expect(wrongAnswers([answer], TOLD)).toEqual(isWrong ? [answer] : []);
});

test("without a switch nobody may see the candidate, and where nothing serves nobody is answered", () => {
  const ended = TOLD.events.filter(({ phase }) => phase === "ended");
  expect(wrongAnswers([answered("v2", ENDED - 1)], { ...TOLD, events: ended })).toHaveLength(1);
  expect(wrongAnswers([answered("v1", ENDED + 1)], { ...TOLD, serving: undefined })).toHaveLength(1);
});

test("a gap is from answer to answer, whoever failed in between, and from the beginning", () => {
  const answers = [answered("v1", 300), answered(undefined, 400), answered("v2", 900), answered("v2", 950)];
  expect(longestGap(answers, 100)).toBe(600);
  expect(longestGap(answers, -1_000)).toBe(1_310);
});
