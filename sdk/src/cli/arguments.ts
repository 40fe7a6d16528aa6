/** The command line of `shoal run`. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DEFAULT_ENVIRONMENT } from "../host/pod.js";
import type { StorageOptions, StreamedImage } from "../host/storage.js";
import type { HostMount, PodMode } from "../protocol.js";

export const USAGE = `usage: shoal run [option]... -- PROGRAM [ARGUMENT]...
  --workers N              Workers of the pool (default 2)
  --memory SIZE            most memory of the pod: a number with K, M or G (default: no limit)
  --solo                   one Worker without shared memory, as on a page that is not isolated
  --image FILE             root file system, an Ext2 image; or its http(s) address, to be read as it is needed
                           by ranges of bytes, or by chunks where the name ends with "manifest"
  --storage DIR            keeps what is changed in DIR, over the same image (default: it goes with the pod)
  --storage-limit SIZE     the most that changes take
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
  /** A file's path, or the address of an image that is streamed. */
  readonly image: string | StreamedImage;
  /** Absent: changes are not kept. */
  readonly storage?: StorageOptions;
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
    ...(values.memory === undefined ? {} : { memory: parseSize("memory", values.memory) }),
    mode: values.solo ? "solo" : "pool",
    ...(values.workers === undefined ? {} : { workers: parseCount("workers", values.workers) }),
    ...(values.frames === undefined ? {} : { frames: parseCount("frames", values.frames) }),
    image: parseImage(values.image),
    ...parseStorage(values.storage, values["storage-limit"]),
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
        storage: { type: "string" },
        "storage-limit": { type: "string" },
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
function parseSize(option: string, text: string): number {
  const [, digits, unit] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`--${option} ${text}: not a number with K, M or G`);
  }
  return Number(digits) * 1024 ** ["", "K", "M", "G"].indexOf((unit ?? "").toUpperCase());
}

/** A path, or an address and how what is there is read. */
function parseImage(text: string): string | StreamedImage {
  if (!/^https?:\/\//.test(text)) {
    return text;
  }
  const url = URL.parse(text);
  if (url === null) {
    throw new UsageError(`--image ${text}: not an address`);
  }
  return { url, stream: url.pathname.endsWith("manifest") ? "chunks" : "ranges" };
}

function parseStorage(folder?: string, limit?: string): { storage?: StorageOptions } {
  if (folder === undefined) {
    if (limit !== undefined) {
      throw new UsageError("--storage-limit is of a storage: --storage names it");
    }
    return {};
  }
  if (folder === "") {
    throw new UsageError("--storage: no folder");
  }
  const most = limit === undefined ? {} : { limit: parseSize("storage-limit", limit) };
  return { storage: { folder: resolve(folder), ...most } };
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
