/** What is loaded only when a program needs it: ordinary programs run without it. */
import { spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE, type Outcome, outcomeOf, ROOT } from "./shoal.ts";

const SDK = join(ROOT, "sdk/dist");
const PASS = join("host", "shoal_fork.wasm");
const MODES = [
  ["a pool of two Workers", ["--workers", "2"]],
  ["one Worker", ["--solo"]],
] as const;

/** `shoal run` of the SDK in `folder`. */
function run(folder: string, options: readonly string[], argv: readonly string[]): Promise<Outcome> {
  const args = [join(folder, "cli.js"), "run", ...options, "--", ...argv];
  return outcomeOf(spawn(process.execPath, args, { env: { ...process.env, SHOAL_IMAGE: IMAGE } }));
}

describe.each(MODES)("the pass for fork in %s", (_name, options) => {
  let without: string;

  beforeAll(async () => {
    without = await mkdtemp(join(tmpdir(), "shoal-without-"));
    await cp(SDK, without, { recursive: true, filter: (file) => !file.endsWith(sep + PASS) });
  });

  afterAll(() => rm(without, { recursive: true, force: true }));

  it("is not needed by a pipeline, a job or a script", async () => {
    const script =
      "ls /bin | sort | head -n 1; sleep 0 & wait $!; for i in 1 2; do (echo $i); done | tr 12 ab; echo $(id -u)";
    const { status, stdout, stderr } = await run(without, options, ["sh", "-c", script]);
    expect([status, stdout, stderr]).toEqual([0, "arch\na\nb\n0\n", ""]);
  });

  it("is needed by a shell that forks, which says so where it is missing", async () => {
    const missing = await run(without, options, ["sh", "-c", "dash -c '(exit 3)'; echo $?"]);
    expect(missing.stdout).toBe("127\n");
    expect(missing.stderr).toMatch(/dash: the pass for programs that fork has failed: .*shoal_fork\.wasm/);
    const { status, stdout } = await run(SDK, options, ["dash", "-c", "x=1; (x=2; echo $x; exit 3); echo $x $?"]);
    expect([status, stdout]).toEqual([0, "2\n1 3\n"]);
  });
});
