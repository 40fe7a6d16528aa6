/** `shoal run` as a child process. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** The command line of the SDK, as `./shoal run` starts it. */
export const CLI = join(ROOT, "sdk/dist/cli.js");
/** The root image that `./shoal` builds. */
export const IMAGE = process.env.SHOAL_IMAGE ?? join(ROOT, "target/guest/root.ext2");

/** How a command ended and what it wrote. */
export interface Outcome {
  /** The exit status, or undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface CommandOptions {
  /** What it reads. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `shoal run` with `args`. */
export function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [CLI, "run", ...args], { env: { ...process.env, SHOAL_IMAGE: IMAGE, ...env } });
}

/** Runs `shoal run` with `args` to its end. */
export function run(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const child = start(args, options.env);
  return outcomeOf(child, options.input);
}

/** Runs `script` by the pod's `sh`. */
export function sh(script: string, options: readonly string[] = [], command: CommandOptions = {}): Promise<Outcome> {
  return run([...options, "--", "sh", "-c", script], command);
}

/** Runs a command of this machine. */
export function native(program: string, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return outcomeOf(spawn(program, [...args], { env: { ...process.env, LC_ALL: "C", ...options.env } }), options.input);
}

/** `./shoal image` is compiled when it is first used, with a compressor in C: minutes on a small machine. */
export const imageToolMs = 900_000;

/** Runs `./shoal image`. */
export function imageTool(...args: readonly string[]): Promise<Outcome> {
  return native(join(ROOT, "shoal"), ["image", ...args]);
}

/** Feeds a child and collects what it writes until it has ended. */
export async function outcomeOf(
  child: ChildProcessWithoutNullStreams,
  input: string | Uint8Array = "",
): Promise<Outcome> {
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve([status, signal]));
  });
  // A program that does not read its input closes the pipe: no failure of the test.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [stdout, stderr, [status, signal]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status: status ?? undefined, signal: signal ?? undefined, stdout, stderr };
}

/** A new folder for one test, removed when `using` ends. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "shoal-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
