/** Before all tests: compiles the programs, for WALI and for Linux. */
import { execFile } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { promisify } from "node:util";
import { PROGRAMS, TARGET } from "./places.ts";

const run = promisify(execFile);

const COMMON = ["-O1", "-Wall", "-Wextra", "-Werror", "-std=gnu17"];
const WALI = [
  "--target=wasm32-linux-muslwali",
  // Else clang runs any wasm-opt in PATH, which may be too old for what clang writes.
  "--no-wasm-opt",
  "-nostdlib",
  "-ffreestanding",
  "-Wl,--stack-first",
  "-Wl,-z,stack-size=65536",
];
const THREADED = ["-matomics", "-mbulk-memory", "-Wl,--shared-memory", "-Wl,--max-memory=67108864"];

export default async function setup(): Promise<void> {
  await mkdir(TARGET, { recursive: true });
  const sources = (await readdir(PROGRAMS)).filter((file) => file.endsWith(".c"));
  await Promise.all(sources.map((source) => compile(source.slice(0, -".c".length), `${PROGRAMS}${source}`)));
}

async function compile(name: string, source: string): Promise<void> {
  const threads = name.startsWith("threads") ? THREADED : [];
  const exceptions = name.startsWith("jump_catch") ? ["-mexception-handling"] : [];
  await run("clang-22", [...WALI, ...threads, ...exceptions, ...COMMON, "-o", `${TARGET}${name}.wasm`, source]);
  if (process.arch === "x64") {
    await run("clang-22", [...COMMON, "-fno-builtin", "-pthread", "-o", `${TARGET}${name}`, source]);
  }
}
