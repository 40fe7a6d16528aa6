/** What is loaded only when a program needs it: ordinary programs run without it. */
import { spawn } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE, type Outcome, outcomeOf, ROOT } from "./shoal.ts";

const SDK = join(ROOT, "sdk/dist");
const PASSES = ["shoal_fork.wasm", "shoal_wali.wasm"];
/** A program for WALI: `_start` calls `__proc_exit(5)`. */
const WALI_PROGRAM = Buffer.from(
  "0061736d0100000001080260017f0060000002140104" +
    "77616c690b5f5f70726f635f657869740000" +
    "03020101050301000107130206" +
    "6d656d6f7279020006" +
    "5f73746172740001" +
    "0a0801060041051000" +
    "0b",
  "hex",
);
const MODES = [
  ["a pool of two Workers", ["--workers", "2"]],
  ["one Worker", ["--solo"]],
] as const;

/** `shoal run` of the SDK in `folder`. */
function run(folder: string, options: readonly string[], argv: readonly string[]): Promise<Outcome> {
  const args = [join(folder, "cli.js"), "run", ...options, "--", ...argv];
  return outcomeOf(spawn(process.execPath, args, { env: { ...process.env, SHOAL_IMAGE: IMAGE } }));
}

describe.each(MODES)("a pass of the loader in %s", (_name, options) => {
  let without: string;

  beforeAll(async () => {
    without = await mkdtemp(join(tmpdir(), "shoal-without-"));
    await cp(SDK, without, { recursive: true, filter: (file) => !PASSES.includes(basename(file)) });
    await writeFile(join(without, "exit.wasm"), WALI_PROGRAM, { mode: 0o755 });
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

  it("is needed by a program for WALI", async () => {
    const mounted = [...options, "--mount", `${without}:/mnt:ro`];
    const missing = await run(without, mounted, ["sh", "-c", "/mnt/exit.wasm; echo $?"]);
    expect(missing.stderr).toMatch(/exit\.wasm: the pass for programs for WALI has failed: .*shoal_wali\.wasm/);
    const { status, stderr } = await run(SDK, mounted, ["/mnt/exit.wasm"]);
    expect([status, stderr]).toEqual([5, ""]);
  });
});
