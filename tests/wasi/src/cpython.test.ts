/** CPython's own tests in a pod, with the results that they have in wasmtime. With `SHOAL_CPYTHON_TESTS` only. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WasiPod } from "./oracle.ts";
import { TARGET, WASMTIME } from "./places.ts";

const PYTHON = "npm/python-3.11.3.wasm";
const LIBRARY = "cpython/usr/lib/python3.11";
const TIMEOUT_MS = 300_000;

let pod: WasiPod;
beforeAll(async () => {
  const mounts = [{ host: `${TARGET}npm/usr/local`, guest: "/usr/local", readOnly: true }];
  pod = await WasiPod.boot({ workers: 1, mounts });
});
afterAll(() => pod?.[Symbol.dispose]());

/** Each test and how it ended, in the order of names. */
function results(report: string): string[] {
  const lines = report.match(/^.* \.\.\. (ok|skipped|FAIL|ERROR|expected failure)\b/gm) ?? [];
  return lines.sort();
}

async function inWasmtime(argv: readonly string[]): Promise<string> {
  const directories = ["--dir", `${TARGET}::/mnt`, "--dir", `${TARGET}npm/usr/local::/usr/local`];
  const options = [...directories, "--env", `PYTHONPATH=/mnt/${LIBRARY}`, "--allow-precompiled"];
  const command = promisify(execFile)(WASMTIME, ["run", ...options, `${TARGET}${PYTHON}.compiled`, ...argv], {
    maxBuffer: 1 << 26,
  });
  return command.then(
    ({ stderr }) => stderr,
    (error: { stderr: string }) => error.stderr,
  );
}

test.each(["test_math", "test_json", "test_re"])(
  "%s",
  async (name) => {
    const argv = ["-m", "unittest", "-v", `test.${name}`];
    const [wanted, found] = await Promise.all([
      inWasmtime(argv),
      pod.run(PYTHON, { argv, env: { PYTHONPATH: `/mnt/${LIBRARY}` } }),
    ]);
    expect(results(wanted).length).toBeGreaterThan(70);
    expect(results(found.stderr)).toEqual(results(wanted));
  },
  TIMEOUT_MS,
);

test(
  "test_os",
  async () => {
    const argv = ["-m", "unittest", "-v", "test.test_os"];
    const found = await pod.run(PYTHON, { argv, env: { PYTHONPATH: `/mnt/${LIBRARY}` } });
    const all = results(found.stderr);
    expect(all.length).toBeGreaterThan(300);
    expect(all.filter((line) => !/(ok|skipped|expected failure)$/.test(line))).toEqual([]);
  },
  TIMEOUT_MS,
);
