/** Files that are no good programs: the process or its `execve` fails, the pod goes on. */
import { constants } from "node:os";
import { KernelError } from "shoal/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  buildModule,
  call,
  callWith,
  constant,
  DIVIDE,
  DROP,
  FOREVER,
  fill,
  GROW,
  type Import,
  load,
  type ModuleParts,
  OR,
  SIZE,
  SUBTRACT,
  store,
  UNREACHABLE,
} from "./module.ts";
import { TestPod } from "./pod.ts";

const { ENOEXEC, ENOSYS, ENOMEM } = constants.errno;
const { SIGABRT, SIGFPE, SIGKILL, SIGSEGV } = constants.signals;

const EXIT: Import = { module: "linux", name: "__syscall_exit_group", nrParameters: 1 };
const SLEEP: Import = { module: "linux", name: "__syscall_clock_nanosleep_time64", nrParameters: 4 };

const PODS = [
  { mode: "pool", workers: 1 },
  { mode: "pool", workers: 2 },
  { mode: "solo", workers: 1 },
] as const;

describe.each(PODS)("$mode, $workers Worker(s)", ({ mode, workers }) => {
  let pod: TestPod;
  let nrFiles = 0;
  beforeAll(async () => {
    pod = await TestPod.boot({ mode, workers });
  });
  afterAll(() => pod?.[Symbol.dispose]());
  // Whatever a test did: the pod still runs programs.
  afterEach(async () => {
    const { stdout, status } = await pod.shell("echo one | cat");
    expect([stdout, status.code]).toEqual(["one\n", 0]);
  });

  /** Makes an executable file of its own and returns its path. */
  async function file(contents: Uint8Array | string): Promise<string> {
    nrFiles += 1;
    const path = `/tmp/file${nrFiles}`;
    await pod.files.write(path, contents, 0o755);
    return path;
  }

  const program = (parts: ModuleParts) => file(buildModule(parts));

  /** The error with which a file cannot be executed. */
  async function execError(path: string): Promise<number | undefined> {
    try {
      await pod.run(path);
      return undefined;
    } catch (error) {
      return error instanceof KernelError ? error.errno : Number.NaN;
    }
  }

  test("a module without a stack runs to its end", async () => {
    const path = await program({ imports: [EXIT], entry: [...callWith(0, 5), ...DROP] });
    expect((await pod.run(path)).status.code).toBe(5);
    expect((await pod.run(await program({ entry: [] }))).status.code).toBe(0);
  });

  test("a module with two memories is no program", async () => {
    const path = await program({ entry: [], nrMemories: 2 });
    expect(await execError(path)).toBe(ENOEXEC);
    expect(pod.log.filter((line) => line.startsWith(`${path}: `))).toHaveLength(1);
    // As with glibc's execvp, it is then tried as a script.
    expect((await pod.shell('"$0"', [path])).status.code).not.toBe(0);
  });

  test("a module whose data does not fit is no program", async () => {
    expect(await execError(await program({ entry: [], dataAt: 65536 }))).toBe(ENOEXEC);
  });

  test("a truncated module is no program", async () => {
    const bytes = buildModule({ imports: [EXIT], entry: UNREACHABLE });
    for (const length of [4, 8, bytes.length - 1]) {
      expect(await execError(await file(bytes.slice(0, length)))).toBe(ENOEXEC);
    }
  });

  test("a module that wants all memory there is runs or is refused", async () => {
    const path = await program({ imports: [EXIT], entry: [...callWith(0, 5), ...DROP], pages: 65536 });
    expect([undefined, ENOMEM]).toContain(await execError(path));
  });

  test("what a module grows is its own, and the next process sees zeros", async () => {
    const PAGE = 65536;
    // Exits with the size that it sees at last, in pages.
    const grows = await program({
      imports: [EXIT],
      entry: [...constant(40), ...GROW, ...DROP, ...fill(PAGE, 0xaa, 40 * PAGE), ...SIZE, ...call(0), ...DROP],
    });
    // Writes behind its end, where its memory goes on if another process had it before.
    const overruns = await program({
      imports: [EXIT],
      entry: [...fill(30 * PAGE, 0xbb, PAGE), ...SIZE, ...call(0), ...DROP],
    });
    const sees = await program({
      imports: [EXIT],
      pages: 41,
      entry: [
        ...constant(0),
        ...Array.from({ length: 40 }, (_, page) => [...load((page + 1) * PAGE + 4 * page), ...OR]).flat(),
        ...call(0),
        ...DROP,
      ],
    });
    for (let round = 0; round < 3; round += 1) {
      expect((await pod.run(grows)).status.code).toBe(41);
      expect((await pod.run(sees)).status.code).toBe(0);
      const { code, signal } = (await pod.run(overruns)).status;
      expect(code === 1 || signal === SIGSEGV).toBe(true);
      expect((await pod.run(sees)).status.code).toBe(0);
    }
  });

  test("a module grows up to what there is", async () => {
    const path = await program({
      imports: [EXIT],
      entry: [...constant(65535), ...GROW, ...constant(-1), ...SUBTRACT, ...SIZE, ...SUBTRACT, ...call(0), ...DROP],
    });
    // -1 - -1 - 1 page.
    expect((await pod.run(path)).status.code).toBe(255);
  });

  test("unknown imports answer ENOSYS, and the log names each once", async () => {
    for (const name of ["nonsense", "gibberish"]) {
      const unknown: Import = { module: "env", name, nrParameters: 1 };
      const path = await program({
        imports: [EXIT, unknown],
        entry: [...constant(0), ...callWith(1, 7), ...SUBTRACT, ...call(0), ...DROP],
      });
      for (let run = 0; run < 2; run += 1) {
        expect((await pod.run(path)).status.code).toBe(ENOSYS);
      }
      expect(pod.log.filter((line) => line.includes(`env.${name}`))).toHaveLength(1);
    }
  });

  test.each([
    { trap: "unreachable", code: UNREACHABLE, signal: SIGABRT },
    { trap: "a load past the end of memory", code: [...load(-4), ...DROP], signal: SIGSEGV },
    { trap: "a division by zero", code: [...constant(1), ...constant(0), ...DIVIDE, ...DROP], signal: SIGFPE },
    { trap: "a call of itself without end", code: call(0), signal: SIGSEGV },
  ])("$trap kills the process, in the start function too", async ({ code, signal }) => {
    const inEntry = await program({ entry: code });
    expect((await pod.run(inEntry)).status.signal).toBe(signal);
    const inStart = await program({ start: code, entry: [] });
    expect((await pod.run(inStart)).status.signal).toBe(signal);
    // The parent learns of it as of any other end.
    const { status } = await pod.shell('"$0"; exit $?', [inStart]);
    expect(status.code).toBe(128 + signal);
  });

  test("a loop without end is killed, in the start function too", async () => {
    for (const parts of [{ entry: FOREVER }, { start: FOREVER, entry: [] }]) {
      const { status } = await pod.run(await program(parts), [], { timeout: 200 });
      expect(status.signal).toBe(SIGKILL);
    }
  });

  test("a start function may wait", async () => {
    const path = await program({
      imports: [EXIT, SLEEP],
      // 20 ms on CLOCK_MONOTONIC, the time at address 16.
      start: [...store(24, 20_000_000), ...callWith(1, 1, 0, 16, 0), ...DROP],
      entry: [...callWith(0, 6), ...DROP],
    });
    const started = performance.now();
    expect((await pod.run(path)).status.code).toBe(6);
    expect(performance.now() - started).toBeGreaterThanOrEqual(19);
  });

  test("a program for another machine is no program", async () => {
    const elf = new Uint8Array(200);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0]);
    const path = await file(elf);
    expect(await execError(path)).toBe(ENOEXEC);
    expect(pod.log.some((line) => line.startsWith(`${path}: `) && line.includes("ELF"))).toBe(true);
    // As with glibc's execvp, it is then tried as a script.
    expect((await pod.shell('"$0"', [path])).status.code).not.toBe(0);
  });

  test("text without #! is no program, and a script for the shell", async () => {
    const path = await file('echo "script: $0 $1"\nexit 4\n');
    expect(await execError(path)).toBe(ENOEXEC);
    for (const shell of ["/bin/dash", "/bin/sh"]) {
      const { stdout, status } = await pod.run(shell, ["-c", `exec ${path} word`]);
      expect([stdout, status.code]).toEqual([`script: ${path} word\n`, 4]);
    }
  });

  test("an empty file is no program, and an empty script for the shell", async () => {
    const path = await file("");
    expect(await execError(path)).toBe(ENOEXEC);
    expect((await pod.shell('"$0"', [path])).status.code).toBe(0);
  });

  test("children outlive a parent that exits", async () => {
    const path = `/tmp/orphan${workers}`;
    const { status } = await pod.shell('(sleep 1; echo "$PPID" >"$0") >/dev/null 2>&1 & exit 3', [path]);
    expect(status.code).toBe(3);
    expect(await exists(path)).toBe(false);
    await expect.poll(() => exists(path)).toBe(true);
  });

  test("processes killed in the midst of their children leave those alone", async () => {
    const path = `/tmp/left${workers}`;
    const { status } = await pod.shell('(sleep 0.2; echo left >"$0") & sleep 9 & kill -KILL $$', [path]);
    expect(status.signal).toBe(SIGKILL);
    await expect.poll(() => exists(path)).toBe(true);
  });

  async function exists(path: string): Promise<boolean> {
    return (await pod.files.stat(path).catch(() => undefined)) !== undefined;
  }
});
