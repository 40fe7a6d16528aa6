/** Benchmarks as processes of this machine: native programs, pods by themselves, the baseline's crowd. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Benchmark } from "./programs.ts";
import { residentBytes } from "./resident.ts";
import { Listener, type Transcript } from "./transcript.ts";

/** The root of the repository. */
export const TREE = fileURLToPath(new URL("../../..", import.meta.url));
/** Where the image has the programs. */
export const GUEST_FOLDER = "/usr/lib/shoal/bench/";
const NATIVE_FOLDER = `${TREE}/target/guest/native-bench/`;
const ALONE = fileURLToPath(new URL("alone.ts", import.meta.url));

/**
 * Runs a command that writes as {@link Listener} reads, at most `patience` milliseconds.
 *
 * @throws when it fails, or takes longer; unless what it told until then is of use.
 */
export async function runCommand(
  path: string,
  argv: readonly string[],
  patience: number,
  wanted: "all" | "untilItFails" = "all",
): Promise<Transcript> {
  const child = spawn(path, argv, { stdio: ["pipe", "pipe", "pipe"], timeout: patience, killSignal: "SIGKILL" });
  const ended = once(child, "close");
  const notes = text(child.stderr);
  // It may end before it has read everything.
  child.stdin.on("error", () => undefined);
  const listener = new Listener(() => residentBytes(child.pid ?? process.pid));
  try {
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      const answer = await listener.hear(chunk);
      if (answer !== "") {
        child.stdin.write(answer);
      }
    }
    const [code, signal] = (await ended) as [number | null, string | null];
    if (signal !== null && wanted === "untilItFails") {
      return listener.soFar(`its process ended with ${signal}`);
    }
    return listener.end(signal === null ? path : `${path} (${signal})`, code ?? -1, await notes);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Runs a benchmark on this machine, as `./shoal build guest` compiled it. */
export function measureNative({ program, argv }: Benchmark, patience: number): Promise<Transcript> {
  return runCommand(NATIVE_FOLDER + program, argv, patience);
}

/** Runs a benchmark in a pod that has a process of this machine to itself. */
export function measureAlone(benchmark: Benchmark, mode: "pool" | "solo", patience: number): Promise<Transcript> {
  const { program, argv, workers, frames } = benchmark;
  const options = JSON.stringify({ mode, workers, frames });
  return runCommand(process.execPath, [ALONE, options, GUEST_FOLDER + program, ...argv], patience);
}
