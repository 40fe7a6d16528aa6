/** The programs on native Linux: what `./shoal build guest` compiled for this machine. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Benchmark, nanoseconds } from "./programs.ts";

const FOLDER = fileURLToPath(new URL("../../../target/guest/native-bench/", import.meta.url));
const start = promisify(execFile);

/** Nanoseconds for one round on this machine. */
export async function measureNative(benchmark: Benchmark): Promise<number> {
  const { stdout } = await start(FOLDER + benchmark.program, benchmark.argv);
  return nanoseconds(benchmark.program, stdout);
}
