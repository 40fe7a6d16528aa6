/** `shoal run`: boots a pod in Node and runs a program with this terminal. */
import { access, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { boot, KernelError, type Pod, PodError, type Process } from "./node.js";
import type { HostMount } from "./protocol.js";

const USAGE = `usage: shoal run [option]... -- PROGRAM [ARGUMENT]...
  --workers N              Workers of the pool (default 2)
  --image FILE             root file system, an Ext2 image
  --mount HOST:GUEST[:ro]  shows a folder of this machine; may be repeated
  --env NAME=VALUE         sets a variable; may be repeated
  --cwd DIR                working directory in the pod (default /root)
  --tty, --no-tty          with or without a terminal (default: as this one)
  --copy-in-js             copies between memories in JavaScript
  --save-image FILE        writes the root file system to FILE at the end`;

/** The image that `./shoal` builds. */
const DEFAULT_IMAGE = fileURLToPath(new URL("../../target/guest/root.ext2", import.meta.url));
const COMMAND_NOT_FOUND = 127;
const FAILURE = 125;

interface Arguments {
  readonly workers: number;
  readonly image: string;
  readonly mounts: HostMount[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly tty: boolean;
  readonly copyInJavaScript: boolean;
  readonly saveImage: string | undefined;
  readonly program: string;
  readonly argv: string[];
}

class UsageError extends Error {}

function parse(args: readonly string[], defaultImage: string): Arguments {
  const split = args.indexOf("--");
  if (split < 0) {
    throw new UsageError("the program follows --");
  }
  const [program, ...argv] = args.slice(split + 1);
  if (program === undefined) {
    throw new UsageError("no program");
  }
  const { values } = parseArgs({
    args: args.slice(0, split),
    options: {
      workers: { type: "string", default: "2" },
      image: { type: "string", default: defaultImage },
      mount: { type: "string", multiple: true, default: [] },
      env: { type: "string", multiple: true, default: [] },
      cwd: { type: "string", default: "/root" },
      tty: { type: "boolean" },
      "copy-in-js": { type: "boolean", default: false },
      "save-image": { type: "string" },
    },
    allowNegative: true,
  });
  const env: Record<string, string> = { TERM: process.env.TERM ?? "dumb" };
  for (const assignment of values.env) {
    const at = assignment.indexOf("=");
    if (at <= 0) {
      throw new UsageError(`--env ${assignment}: not NAME=VALUE`);
    }
    env[assignment.slice(0, at)] = assignment.slice(at + 1);
  }
  return {
    workers: Number(values.workers),
    image: values.image,
    mounts: values.mount.map(parseMount),
    env,
    cwd: values.cwd,
    tty: values.tty ?? (process.stdin.isTTY === true && process.stdout.isTTY === true),
    copyInJavaScript: values["copy-in-js"],
    saveImage: values["save-image"],
    program,
    argv,
  };
}

function parseMount(text: string): HostMount {
  const [host, guest, mode, ...rest] = text.split(":");
  if (!host || !guest?.startsWith("/") || rest.length > 0 || (mode !== undefined && mode !== "ro" && mode !== "rw")) {
    throw new UsageError(`--mount ${text}: not HOST:GUEST[:ro]`);
  }
  return { host: resolve(host), guest, readOnly: mode === "ro" };
}

/** The path of `program`, looked up as a shell does. */
async function find(pod: Pod, program: string): Promise<string> {
  if (program.includes("/")) {
    return program;
  }
  for (const directory of ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
    const path = `${directory}/${program}`;
    try {
      const { mode } = await pod.files.stat(path);
      if ((mode & 0o111) !== 0) {
        return path;
      }
    } catch (error) {
      if (!(error instanceof KernelError)) {
        throw error;
      }
    }
  }
  throw new PodError(`${program}: not found in the pod`);
}

async function runWithTerminal(pod: Pod, path: string, args: Arguments): Promise<Process> {
  const { stdin, stdout } = process;
  const terminal = await pod.openTerminal({
    columns: stdout.columns ?? 80,
    rows: stdout.rows ?? 24,
    onOutput: (bytes) => void stdout.write(bytes),
  });
  if (stdin.isTTY) {
    stdin.setRawMode(true);
  }
  stdin.on("data", (bytes: Buffer) => terminal.type(bytes));
  stdin.on("end", () => terminal.type("\x04"));
  stdout.on("resize", () => terminal.resize(stdout.columns, stdout.rows));
  return pod.run(path, args.argv, { argv0: args.program, env: args.env, cwd: args.cwd, terminal });
}

async function runWithStreams(pod: Pod, path: string, args: Arguments): Promise<Process> {
  const child = await pod.run(path, args.argv, { argv0: args.program, env: args.env, cwd: args.cwd });
  const { stdio } = child;
  if (stdio === undefined) {
    throw new PodError("a process without streams");
  }
  stdio.stdout.onData((bytes) => void process.stdout.write(bytes));
  stdio.stderr.onData((bytes) => void process.stderr.write(bytes));
  process.stdin.on("data", (bytes: Buffer) => {
    process.stdin.pause();
    void stdio.stdin.write(bytes).then(() => process.stdin.resume());
  });
  process.stdin.on("end", () => stdio.stdin.end());
  process.stdin.on("error", () => stdio.stdin.end());
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => void child.kill(constants.signals[name]).catch(() => undefined));
  }
  return child;
}

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  if (command !== "run") {
    throw new UsageError(command === undefined ? "no command" : `no such command: ${command}`);
  }
  const args = parse(rest, process.env.SHOAL_IMAGE ?? DEFAULT_IMAGE);
  await access(args.image).catch(() => {
    throw new PodError(`${args.image}: no such image`);
  });
  const pod = await boot(args);
  try {
    const path = await find(pod, args.program);
    const child = args.tty ? await runWithTerminal(pod, path, args) : await runWithStreams(pod, path, args);
    const { shell } = await child.exit;
    if (args.saveImage !== undefined) {
      await writeFile(args.saveImage, await pod.files.snapshot());
    }
    return shell;
  } finally {
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(false);
    }
    process.stdin.destroy();
    pod.close();
  }
}

/** Settles when what was written to `stream` has left. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((done) => {
    stream.write("", () => done());
  });
}

try {
  const status = await main();
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(status);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`shoal: ${message}\n${error instanceof UsageError ? `${USAGE}\n` : ""}`);
  process.exit(message.includes("not found in the pod") ? COMMAND_NOT_FOUND : FAILURE);
}
