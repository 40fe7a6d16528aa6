/** The programs of this folder print in a pod what they print on Linux, and end alike. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordOf, runOnLinux, WaliPod } from "./oracle.ts";
import { recordPath } from "./places.ts";
import { NAMES, OPTIONS } from "./programs.ts";

const KINDS = [
  ["a pool of two Workers", { workers: 2 }],
  ["one Worker", { mode: "solo" }],
] as const;

describe.each(KINDS)("in %s", (_, kind) => {
  let pod: WaliPod;
  beforeAll(async () => {
    pod = await WaliPod.boot(kind);
  });
  afterAll(() => pod?.[Symbol.dispose]());

  test.each(NAMES)("%s does what it does on Linux", async (name) => {
    expect(recordOf(await pod.run(name, OPTIONS[name]))).toBe(await readFile(recordPath(name), "utf8"));
  });

  test("a jump to a function that has returned is in the log", async () => {
    expect((await pod.run("jump_lost")).status).toBe(128 + 6);
    expect(pod.log.join("\n")).toContain("wali.longjmp to a function that has returned");
  });

  test("they stand in pipelines of the shell", async () => {
    const line = "echo input | W_X=y /mnt/hello.wasm one | tail -n 3; /mnt/process.wasm >/dev/null; echo $?";
    const { stdout } = await pod.execute("/bin/sh", { argv: ["-c", line] });
    expect(stdout).toBe("variable: W_X=y\ninput\nfd: 3\nKilled\n137\n");
  });
});

// Machines differ, in file systems and in what a sandbox allows: who runs this shall know, and that is all.
test.runIf(process.arch === "x64").each(NAMES)("Linux here runs %s", async (name) => {
  const here = recordOf(await runOnLinux(name, OPTIONS[name]));
  expect(here).not.toBe("");
  if (here !== (await readFile(recordPath(name), "utf8"))) {
    console.warn(`Linux here: ${name} answers otherwise than recorded:\n${here}`);
  }
});
