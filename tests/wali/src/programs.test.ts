/** The programs of this folder print in a pod what they print on Linux, and end alike. */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunOptions, runOnLinux, WaliPod } from "./oracle.ts";
import { PROGRAMS } from "./places.ts";

const NAMES = readdirSync(PROGRAMS)
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -".c".length));

/** What some programs are given. */
const OPTIONS: Readonly<Record<string, RunOptions>> = {
  hello: { argv: ["first", "", "with space"], env: { W_ONE: "1", W_TWO: "a = b", OTHER: "no" }, stdin: "line\nend" },
};

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

  test.skipIf(process.arch !== "x64").each(NAMES)("%s does what it does on Linux", async (name) => {
    const options = OPTIONS[name] ?? {};
    const [wanted, found] = await Promise.all([runOnLinux(name, options), pod.run(name, options)]);
    expect(wanted.stdout).not.toBe("");
    expect(found).toEqual(wanted);
  });

  test("they stand in pipelines of the shell", async () => {
    const line = "echo input | W_X=y /mnt/hello.wasm one | tail -n 3; /mnt/process.wasm >/dev/null; echo $?";
    const { stdout } = await pod.execute("/bin/sh", { argv: ["-c", line] });
    expect(stdout).toBe("variable: W_X=y\ninput\nfd: 3\nKilled\n137\n");
  });
});
