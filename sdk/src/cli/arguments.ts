/** The command line of `shoal run`. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_ENVIRONMENT } from "../host/pod.js";
import type { HostMount, PodMode } from "../protocol.js";

export const USAGE = `usage: shoal run [option]... -- PROGRAM [ARGUMENT]...
  --workers N              Workers of the pool (default 2)
  --memory SIZE            most memory of the pod: a number with K, M or G (default: no limit)
  --solo                   one Worker without shared memory, as on a page that is not isolated
  --image FILE             root file system, an Ext2 image
  --mount HOST:GUEST[:ro]  shows a folder of this machine; may be repeated
  --env NAME=VALUE         sets a variable; may be repeated
  --cwd DIR                working directory in the pod (default /root, or / without that)
  --tty, --no-tty          with or without a terminal (default: as this one)
  --frames N               memories for processes, which share them if there are more (default 1024)
  --copy-in-js             copies between memories in JavaScript
  --save-image FILE        writes the root file system to FILE at the end
  --help                   says this`;

/** What `shoal run` was asked to do. */
export interface Arguments {
  /** Bytes; absent: no limit. */
  readonly memory?: number;
  readonly mode: PodMode;
  /** Absent: as many as the mode has by default. */
  readonly workers?: number;
  readonly frames?: number;
  readonly image: string;
  readonly mounts: readonly HostMount[];
  readonly env: Readonly<Record<string, string>>;
  /** Absent: nobody said where. */
  readonly cwd: string | undefined;
  /** Whether the program gets a terminal; undefined: as this process has one. */
  readonly tty: boolean | undefined;
  readonly copyInJavaScript: boolean;
  readonly saveImage: string | undefined;
  /** As it was typed: a path, or a name to look up in `PATH`. */
  readonly program: string;
  readonly argv: readonly string[];
}

/** The command line makes no sense. */
export class UsageError extends Error {}

/**
 * Reads the words behind `run`; undefined: only help is asked for.
 *
 * @throws UsageError
 */
export function parseArguments(args: readonly string[], defaultImage: string): Arguments | undefined {
  const split = args.indexOf("--");
  const values = parseOptions(split < 0 ? args : args.slice(0, split), defaultImage);
  if (values.help) {
    return undefined;
  }
  const [program, ...argv] = split < 0 ? [] : args.slice(split + 1);
  if (program === undefined) {
    throw new UsageError("no program: it follows --");
  }
  return {
    ...(values.memory === undefined ? {} : { memory: parseSize(values.memory) }),
    mode: values.solo ? "solo" : "pool",
    ...(values.workers === undefined ? {} : { workers: parseCount("workers", values.workers) }),
    ...(values.frames === undefined ? {} : { frames: parseCount("frames", values.frames) }),
    image: values.image,
    mounts: values.mount.map(parseMount),
    env: { ...DEFAULT_ENVIRONMENT, TERM: process.env.TERM ?? "dumb", ...parseEnvironment(values.env) },
    cwd: values.cwd,
    tty: values.tty,
    copyInJavaScript: values["copy-in-js"],
    saveImage: values["save-image"],
    program,
    argv,
  };
}

function parseOptions(args: readonly string[], defaultImage: string) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        memory: { type: "string" },
        workers: { type: "string" },
        solo: { type: "boolean", default: false },
        frames: { type: "string" },
        image: { type: "string", default: defaultImage },
        mount: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
        cwd: { type: "string" },
        tty: { type: "boolean" },
        "copy-in-js": { type: "boolean", default: false },
        "save-image": { type: "string" },
        help: { type: "boolean", default: false },
      },
      allowNegative: true,
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function parseCount(option: string, text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new UsageError(`--${option} ${text}: not a number`);
  }
  return Number(text);
}

/** A number of bytes, or of KiB, MiB or GiB. */
function parseSize(text: string): number {
  const [, digits, unit] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`--memory ${text}: not a number with K, M or G`);
  }
  return Number(digits) * 1024 ** ["", "K", "M", "G"].indexOf((unit ?? "").toUpperCase());
}

function parseEnvironment(assignments: readonly string[]): Record<string, string> {
  const pairs = assignments.map((assignment): [string, string] => {
    const at = assignment.indexOf("=");
    if (at <= 0) {
      throw new UsageError(`--env ${assignment}: not NAME=VALUE`);
    }
    return [assignment.slice(0, at), assignment.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}

function parseMount(text: string): HostMount {
  const [host, guest, mode, ...rest] = text.split(":");
  if (!host || !guest?.startsWith("/") || rest.length > 0 || (mode !== undefined && mode !== "ro" && mode !== "rw")) {
    throw new UsageError(`--mount ${text}: not HOST:GUEST[:ro]`);
  }
  return { host: resolve(host), guest, readOnly: mode === "ro" };
}
