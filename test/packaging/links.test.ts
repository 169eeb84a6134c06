import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

import { ROOT } from "./workflow.ts";

const LINK = /\]\(([^)\s]+)\)/g;
/** Of the project as GitHub shows it, not of a folder in it. */
const OF_GITHUB = "../../releases";

const pages = ["*.md", "docs/**/*.md", "bench/results/*.md"]
  .flatMap((pattern) => Array.from(new Bun.Glob(pattern).scanSync(ROOT)))
  .toSorted();

test.each(pages)("every link of %s leads somewhere", (page) => {
  const broken = [...textOf(page).matchAll(LINK)]
    .map(([, target = ""]) => target)
    .filter((target) => target !== OF_GITHUB && !/^https?:/.test(target))
    .filter((target) => !leads(page, target));
  expect(broken).toEqual([]);
});

test("there are pages, and a link to each page of the docs from the README", () => {
  const docs = pages.filter((page) => /^docs\/[^/]+\.md$/.test(page));
  expect(docs.length).toBeGreaterThan(5);
  for (const page of docs) expect(textOf("README.md")).toContain(`](${page})`);
});

function leads(from: string, target: string): boolean {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(textOf(file)).has(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}
