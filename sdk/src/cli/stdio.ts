/** This process's terminal, streams and signals, passed on to a program in a pod. */
import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import type { Pod } from "../host/pod.js";
import type { Process } from "../host/process.js";
import type { OutputStream } from "../host/streams.js";
import type { Arguments } from "./arguments.js";
import { start } from "./program.js";

type SignalName = "SIGHUP" | "SIGINT" | "SIGTERM";

/** Runs the program of `args` in a terminal that looks like this process's. */
export async function runWithTerminal(pod: Pod, args: Arguments): Promise<Process> {
  const { stdin, stdout } = process;
  const terminal = await pod.openTerminal({
    columns: stdout.columns ?? 80,
    rows: stdout.rows ?? 24,
    onOutput: (bytes) => write(stdout, bytes),
  });
  const child = await start(pod, args, terminal);
  if (stdin.isTTY) {
    makeRaw();
  }
  stdin.on("data", (bytes: Buffer) => terminal.type(bytes));
  stdin.on("end", () => terminal.type("\x04"));
  // The window is gone, or somebody wants this process to end: programs hear a hang-up.
  const hangUp = () => terminal.close();
  stdin.on("error", hangUp);
  stdout.on("error", hangUp);
  stdout.on("resize", () => terminal.resize(stdout.columns, stdout.rows));
  onSignals(hangUp);
  return child;
}

/**
 * Leaves every byte in both directions to the pod's terminal.
 *
 * Node's raw mode still puts a carriage return before each line feed, which the pod has done
 * where it was wanted; only stty(1) can say so. `release` takes back both.
 */
function makeRaw(): void {
  process.stdin.setRawMode(true);
  // Without stty there is one carriage return too many, which few programs show.
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

/** Runs the program of `args` with this process's streams. */
export async function runWithStreams(pod: Pod, args: Arguments): Promise<Process> {
  const child = await start(pod, args);
  const { stdio } = child;
  if (stdio === undefined) {
    throw new Error("a process without streams");
  }
  connect(stdio.stdout, process.stdout);
  connect(stdio.stderr, process.stderr);
  process.stdin.on("data", (bytes: Buffer) => {
    process.stdin.pause();
    void stdio.stdin.write(bytes).then(() => process.stdin.resume());
  });
  process.stdin.on("end", () => stdio.stdin.end());
  process.stdin.on("error", () => stdio.stdin.end());
  onSignals((name) => signal(child, name));
  return child;
}

/** Gives this process's terminal back. */
export function release(): void {
  if (process.stdin.isTTY) {
    process.stdin.setRawMode(false);
  }
  process.stdin.destroy();
}

/** Settles when what was written to `stream` has left. */
export function flush(stream: NodeJS.WriteStream): Promise<void> {
  return stream.destroyed ? Promise.resolve() : write(stream, "");
}

/** Passes output on as fast as it is taken; a reader that has gone is a broken pipe in the pod. */
function connect(output: OutputStream, stream: NodeJS.WriteStream): void {
  stream.on("error", () => output.close());
  output.onData((bytes) => write(stream, bytes));
}

function write(stream: NodeJS.WriteStream, data: Uint8Array | string): Promise<void> {
  // A failed write is an event of the stream too: that is where it is handled.
  return new Promise((done) => {
    stream.write(data, () => done());
  });
}

/** Calls `first` for a signal; a second one ends this process at once. */
function onSignals(first: (name: SignalName) => void): void {
  let count = 0;
  for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      count += 1;
      if (count === 1) {
        first(name);
        return;
      }
      release();
      process.exit(128 + constants.signals[name]);
    });
  }
}

function signal(child: Process, name: SignalName): void {
  // It may have ended meanwhile.
  child.kill(constants.signals[name]).catch(() => undefined);
}
