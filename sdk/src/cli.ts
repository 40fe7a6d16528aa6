/** `shoal run`: boots a pod in Node and runs a program with this terminal. */
import { stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Arguments, parseArguments, USAGE, UsageError } from "./cli/arguments.js";
import { ExitError, FAILURE } from "./cli/program.js";
import { flush, release, runWithStreams, runWithTerminal } from "./cli/stdio.js";
import { boot, type Pod } from "./node.js";

/** The image that `./shoal` builds. */
const DEFAULT_IMAGE = fileURLToPath(new URL("../../target/guest/root.ext2", import.meta.url));

/** Runs what the command line asks for; the status for the shell. */
async function main([command, ...rest]: readonly string[]): Promise<number> {
  if (command !== "run" && command !== "--help") {
    throw new UsageError(command === undefined ? "no command" : `no such command: ${command}`);
  }
  const words = command === "run" ? rest : ["--help"];
  const args = parseArguments(words, process.env.SHOAL_IMAGE ?? DEFAULT_IMAGE);
  if (args === undefined) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (typeof args.image === "string") {
    await expectImage(args.image);
  }
  return run(args);
}

async function run(args: Arguments): Promise<number> {
  const image = typeof args.image === "string" ? args.image : String(args.image.url);
  const pod = await boot(args).catch((error: Error) => {
    throw new ExitError(error.message.replace(/^the root image:/, `${image}:`), FAILURE);
  });
  const tty = args.tty ?? (process.stdin.isTTY === true && process.stdout.isTTY === true);
  try {
    const child = await (tty ? runWithTerminal : runWithStreams)(pod, args);
    const { shell } = await child.exit;
    if (args.saveImage !== undefined) {
      await writeFile(args.saveImage, pod.storage?.image() ?? (await pod.files.snapshot()));
    }
    await shutDown(pod, args);
    return shell;
  } finally {
    release();
    pod.close();
  }
}

/** Waits until all that is kept is kept. */
async function shutDown(pod: Pod, { storage }: Arguments): Promise<void> {
  if (storage !== undefined) {
    await pod.shutdown().catch((error: Error) => {
      throw new ExitError(`what was changed last is not in ${storage.folder}: ${error.message}`, FAILURE);
    });
  }
}

async function expectImage(path: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) {
    throw new ExitError(`${path}: no such image`, FAILURE);
  }
  if (!status.isFile() || status.size === 0) {
    throw new ExitError(`${path}: ${status.isFile() ? "empty" : "not a file"}, so no Ext2 image`, FAILURE);
  }
}

let status: number;
try {
  status = await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`shoal: ${message}\n${error instanceof UsageError ? `${USAGE}\n` : ""}`);
  status = error instanceof ExitError ? error.status : FAILURE;
}
await Promise.all([flush(process.stdout), flush(process.stderr)]);
process.exit(status);
