/** Interpreters that others have built, unmodified: they do in a pod what they do in wasmtime. */
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInWasmtime, WasiPod } from "./oracle.ts";

const QUICKJS = "wheels/bin/quickjs.wasm";
const PYTHON = "wheels/bin/python.wasm";

const script = (name: string) => readFile(fileURLToPath(new URL(`../scripts/${name}`, import.meta.url)), "utf8");

let pod: WasiPod;
beforeAll(async () => {
  pod = await WasiPod.boot({ workers: 1 });
});
afterAll(() => pod?.[Symbol.dispose]());

describe("QuickJS", () => {
  test("runs a script that uses files, and reads its input", async () => {
    const options = {
      argv: ["--std", "-m", "script.js", "an argument"],
      files: { "script.js": await script("quickjs.js"), "input.txt": "first\nsecond\n" },
      stdin: "one\ntwo\n",
      env: { GREETING: "hello" },
    };
    const [wanted, found] = await Promise.all([runInWasmtime(QUICKJS, options), pod.run(QUICKJS, options)]);
    expect(wanted.stdout).toContain("done\n");
    expect(found).toEqual(wanted);
  });

  test("ends with the status of a script that fails", async () => {
    const options = { argv: ["-e", "throw new TypeError('not this way')"] };
    const [wanted, found] = await Promise.all([runInWasmtime(QUICKJS, options), pod.run(QUICKJS, options)]);
    expect(wanted.status).toBe(1);
    expect(found).toEqual(wanted);
  });

  test("stands in a pipeline of the shell, between its commands", async () => {
    const reader = "let line, n = 0; while ((line = std.in.getline()) !== null) n += Number(line); print(n)";
    const { stdout, stderr, status } = await pod.shell(
      `seq 1000 | /mnt/${QUICKJS} --std -e '${reader}' | sed 's/^/sum: /'; exit 3`,
    );
    expect([stdout, stderr, status]).toEqual(["sum: 500500\n", "", 3]);
  });

  test("finds absolute paths, and relative ones below the working directory", async () => {
    const { stdout, stderr } = await pod.shell(
      [
        "mkdir -p /tmp/there && cd /tmp/there && echo relative >file && echo absolute >/tmp/file",
        `/mnt/${QUICKJS} --std -e 'print(std.loadFile("file") + std.loadFile("/tmp/file") + std.loadFile("/nothing"))'`,
      ].join("; "),
    );
    expect([stdout, stderr]).toEqual(["relative\nabsolute\nnull\n", ""]);
  });

  test("dies of a signal while it waits, and while it runs", async () => {
    const SIGTERM = 15;
    for (const code of ["os.sleep(1000000)", "for (;;);"]) {
      const process = await pod.pod.run(`/mnt/${QUICKJS}`, ["--std", "-e", `print("here"); std.out.flush(); ${code}`]);
      const output = process.stdio?.stdout.text();
      const { stdout } = await pod.shell(
        `until ps -o args | grep -q "[p]rint.*here"; do sleep 0.05; done; sleep 0.3; kill ${process.pid}; echo sent`,
      );
      expect(stdout).toBe("sent\n");
      expect((await process.exit).signal).toBe(SIGTERM);
      expect(await output).toBe("here\n");
    }
  });

  test("ends when nobody reads what it writes", async () => {
    const { stdout, status } = await pod.shell(`/mnt/${QUICKJS} -e 'for (;;) print("y")' | head -n 2`);
    expect([stdout, status]).toEqual(["y\ny\n", 0]);
  });
});

describe("CPython", () => {
  test.each(["library.py", "files.py"])("%s prints what it prints in wasmtime", async (name) => {
    const options = {
      argv: ["script.py", "one", "two"],
      files: { "script.py": await script(name) },
      env: { PYTHONHASHSEED: "0" },
      stdin: "typed\n",
    };
    const [wanted, found] = await Promise.all([runInWasmtime(PYTHON, options), pod.run(PYTHON, options)]);
    expect(wanted.stderr).toBe("");
    expect(wanted.stdout).toContain("done\n");
    expect(found).toEqual(wanted);
  });

  test("ends with the status of sys.exit, and writes a traceback", async () => {
    const options = { argv: ["-c", "import sys; sys.exit(41)"] };
    expect(await pod.run(PYTHON, options)).toEqual(await runInWasmtime(PYTHON, options));
    const failing = { argv: ["-c", "[][1]"] };
    const found = await pod.run(PYTHON, failing);
    expect(found.stderr).toContain("IndexError");
    expect(found).toEqual(await runInWasmtime(PYTHON, failing));
  });
});

describe("what is no program", () => {
  test("a library is refused with a reason", async () => {
    const failed = pod.execute("/mnt/programs/library.wasm").then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(await failed).toMatchObject({ errno: constants.errno.ENOEXEC });
    expect(pod.log.join("\n")).toContain("/mnt/programs/library.wasm: a library (reactor), not a program");
  });
});
