import { expect, test } from "bun:test";

const PROGRAM = `
  import { printAll } from "${import.meta.dir}/print.ts";
  process.exit(printAll(1, "x".repeat(3_000_000)) ? 0 : 9);
`;

test("all of it reaches a reader that is slow, whatever comes after", async () => {
  const child = Bun.spawn(["sh", "-c", `"$0" -e "$1" | (sleep 0.3; wc -c)`, process.execPath, PROGRAM], {
    stdout: "pipe",
  });
  expect((await child.stdout.text()).trim()).toBe("3000000");
});

test("a reader that has gone ends it", async () => {
  const script = `"$0" -e "$1" > >(head -c 1 > /dev/null)`;
  const child = Bun.spawn(["bash", "-c", script, process.execPath, PROGRAM]);
  expect(await child.exited).toBe(9);
});
