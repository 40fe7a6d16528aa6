/** Starting the program, with the words and statuses that shells have for what fails. */
import { Errno, S_IFDIR, S_IFMT, S_IFREG } from "../generated/abi.js";
import { KernelError } from "../host/errors.js";
import type { Pod } from "../host/pod.js";
import type { Process } from "../host/process.js";
import type { Terminal } from "../host/terminal.js";
import type { Arguments } from "./arguments.js";

/** Statuses as in sh(1), and as docker-run(1) for its own failures. */
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;
export const FAILURE = 125;

const HOME = "/root";
const ANY_EXECUTE = 0o111;

/** The run ends here, with a status for the shell. */
export class ExitError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/**
 * Starts the program of `args`, with a terminal or with streams.
 *
 * @throws ExitError saying what cannot be run and why.
 */
export async function start(pod: Pod, args: Arguments, terminal?: Terminal): Promise<Process> {
  const cwd = await workingDirectory(pod, args);
  const path = await find(pod, args, cwd);
  const options = { argv0: args.program, env: args.env, cwd };
  try {
    return await pod.run(path, args.argv, terminal === undefined ? options : { ...options, terminal });
  } catch (error) {
    if (!(error instanceof KernelError)) {
      throw error;
    }
    throw new ExitError(error.message, isAbsence(error) ? NOT_FOUND : NOT_EXECUTABLE);
  }
}

/** The path of the program, looked up in `PATH` as a shell does. */
async function find(pod: Pod, args: Arguments, cwd: string): Promise<string> {
  const { program } = args;
  if (program.includes("/")) {
    return program;
  }
  let refused: string | undefined;
  for (const directory of (args.env.PATH ?? "").split(":")) {
    const path = `${directory || "."}/${program}`;
    const mode = await modeOf(pod, path.startsWith("/") ? path : `${cwd}/${path}`);
    if (mode === undefined || (mode & S_IFMT) !== S_IFREG) {
      continue;
    }
    if ((mode & ANY_EXECUTE) !== 0) {
      return path;
    }
    refused ??= path;
  }
  if (refused !== undefined) {
    throw new ExitError(`${refused}: Permission denied`, NOT_EXECUTABLE);
  }
  throw new ExitError(`${program}: not found`, NOT_FOUND);
}

/** Where the program starts: where the command line says, or at home if the image has one. */
async function workingDirectory(pod: Pod, { cwd }: Arguments): Promise<string> {
  if (cwd === undefined) {
    const mode = await modeOf(pod, HOME);
    return mode !== undefined && (mode & S_IFMT) === S_IFDIR ? HOME : "/";
  }
  try {
    await pod.files.list(cwd);
    return cwd;
  } catch (error) {
    if (error instanceof KernelError) {
      throw new ExitError(`--cwd ${error.message}`, FAILURE);
    }
    throw error;
  }
}

/** The mode of what is at `path`, if anything is. */
async function modeOf(pod: Pod, path: string): Promise<number | undefined> {
  try {
    return (await pod.files.stat(path)).mode;
  } catch (error) {
    if (error instanceof KernelError) {
      return undefined;
    }
    throw error;
  }
}

function isAbsence(error: KernelError): boolean {
  return error.errno === Errno.ENOENT || error.errno === Errno.ENOTDIR;
}
