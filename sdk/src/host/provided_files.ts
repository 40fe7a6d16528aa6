/** Answers what Workers ask about files that the page provides; loaded with the first such mount. */
import { Errno } from "../generated/abi.js";
import {
  type HostMessage,
  type LogLevel,
  PROVIDED,
  PROVIDED_HANDLES,
  type ProvidedRequest,
  type ProvidedValue,
} from "../protocol.js";
import type { FileProvider, ProvidedStatus } from "./file_provider.js";

/** A file that lost its name and is open goes on with a copy of its bytes, up to this many, ... */
const MAX_KEPT = 64 << 20;
/** ... and up to this many when nobody has read or written it yet. */
const MAX_KEPT_UNUSED = 256 << 10;
/** Paths whose inode numbers are known; the oldest gets a new number. */
const MAX_NUMBERS = 1 << 16;

const TYPES = { file: 8, directory: 4, symlink: 10 } as const;

/** What a `DOMException` is on Linux. */
const DOM_ERRORS: Readonly<Record<string, keyof typeof Errno>> = {
  NotFoundError: "ENOENT",
  TypeMismatchError: "ENOTDIR",
  NotAllowedError: "EACCES",
  SecurityError: "EACCES",
  InvalidModificationError: "ENOTEMPTY",
  NoModificationAllowedError: "EBUSY",
  QuotaExceededError: "ENOSPC",
  NotSupportedError: "EPERM",
  DataCloneError: "EIO",
};

/** An open file. */
interface Opened {
  readonly mount: number;
  /** Absent once it has lost its name. */
  path: string | undefined;
  /** What is left of a file without a name. */
  kept?: Kept;
  isUsed: boolean;
}

/** A file without a name. */
interface Kept {
  readonly status: readonly number[];
  bytes: Uint8Array;
}

/** A failure with the name of an errno. */
class Refusal extends Error {
  constructor(readonly code: keyof typeof Errno) {
    super(code);
  }
}

type Answer = number | ProvidedValue;

/** All mounts of a pod that the page provides. */
export class ProvidedMounts {
  readonly #log: (level: LogLevel, message: string) => void;
  readonly #mounts = new Map<number, FileProvider>();
  readonly #opened = new Map<number, Opened>();
  readonly #numbers = new Map<string, number>();
  /** The last append to each path: they come one after the other. */
  readonly #appends = new Map<string, Promise<number>>();
  #lastMount = 0;
  #lastHandle = PROVIDED_HANDLES;
  #lastNumber = 1;

  constructor(log: (level: LogLevel, message: string) => void) {
    this.#log = log;
  }

  /** Adds a mount: its path for the kernel. */
  add(provider: FileProvider): string {
    this.#lastMount += 1;
    this.#mounts.set(this.#lastMount, provider);
    return `${PROVIDED}${this.#lastMount}`;
  }

  /** Forgets a mount. */
  delete(path: string): void {
    this.#mounts.delete(Number(path.slice(PROVIDED.length)));
  }

  /** Answers a question; what it says is never a rejection. */
  async answer(request: ProvidedRequest): Promise<Omit<Extract<HostMessage, { type: "provided" }>, "question">> {
    try {
      const value = await this.#answer(request);
      return typeof value === "number" ? { type: "provided", status: value } : { type: "provided", status: 0, value };
    } catch (error) {
      return { type: "provided", status: -this.#errno(error, request) };
    }
  }

  #answer(request: ProvidedRequest): Answer | Promise<Answer> {
    const { operation, a, b, text = "" } = request;
    if (a >= PROVIDED_HANDLES) {
      return this.#onHandle(request);
    }
    const [mount, provider, path] = this.#find(request.path);
    const to = () => this.#find(text)[2];
    switch (operation) {
      case 0:
        return this.#status(mount, path, () => provider.stat(path));
      case 1:
        this.#lastHandle += 1;
        this.#opened.set(this.#lastHandle, { mount, path, isUsed: false });
        return this.#lastHandle;
      case 2:
        return done(call(provider.create, "EPERM").call(provider, path, a));
      case 9:
        return (async () => (await provider.list(path)).map(({ name, type }) => [name, TYPES[type]] as const))();
      case 10:
        return done(call(provider.mkdir, "EPERM").call(provider, path, a));
      case 11:
        return this.#takeName(mount, path, () => call(provider.remove, "EPERM").call(provider, path));
      case 12:
        return this.#takeName(mount, path, () => call(provider.rmdir, "EPERM").call(provider, path));
      case 13:
        return this.#rename(mount, provider, path, to());
      case 15:
        return done(call(provider.symlink, "EPERM").call(provider, text, path));
      case 16:
        return (async () => new TextEncoder().encode(await call(provider.readlink, "EINVAL").call(provider, path)))();
      case 17:
        return done(provider.chmod?.(path, a));
      case 18:
        return done(provider.utimes?.(path, a, b));
      default:
        throw new Refusal("EPERM");
    }
  }

  /** An operation on an open file, which may have lost its name. */
  async #onHandle({ operation, a, b, length, bytes = new Uint8Array() }: ProvidedRequest): Promise<Answer> {
    const file = this.#opened.get(a);
    const provider = this.#mounts.get(file?.mount ?? 0);
    if (file === undefined || provider === undefined) {
      throw new Refusal("EBADF");
    }
    const { path } = file;
    if (operation === 3) {
      this.#opened.delete(a);
      const isLast = path !== undefined && !this.#openedAt(file.mount, path).some(([, other]) => other.path === path);
      return done(isLast ? provider.close?.(path) : undefined);
    }
    if (path === undefined) {
      return onKept(file, operation, b, length, bytes);
    }
    file.isUsed ||= operation === 5 || operation === 6 || operation === 20;
    switch (operation) {
      case 4:
        return this.#status(file.mount, path, () => provider.stat(path));
      case 5:
        return (await provider.read(path, b, length)).slice(0, length);
      case 6:
        await call(provider.write, "EROFS").call(provider, path, b, bytes);
        return bytes.length;
      case 7:
        return done(call(provider.truncate, "EPERM").call(provider, path, b));
      case 8:
        return done(provider.sync?.(path));
      case 20:
        return this.#append(`${file.mount}${path}`, async () => {
          const { size = 0 } = await provider.stat(path);
          await call(provider.write, "EROFS").call(provider, path, size, bytes);
          return size;
        });
      default:
        throw new Refusal("EPERM");
    }
  }

  /** Writes at the end; where that was. */
  async #append(key: string, act: () => Promise<number>): Promise<number> {
    const turn = (this.#appends.get(key) ?? Promise.resolve()).then(act, act);
    this.#appends.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#appends.get(key) === turn) {
        this.#appends.delete(key);
      }
    }
  }

  /** The mount, its provider and the path in it. */
  #find(whole: string): [number, FileProvider, string] {
    const end = whole.indexOf("/");
    const mount = Number(whole.slice(PROVIDED.length, end < 0 ? undefined : end));
    const provider = this.#mounts.get(mount);
    if (provider === undefined) {
      throw new Refusal("EIO");
    }
    if (whole.includes("\ufffd")) {
      // The name is no UTF-8.
      throw new Refusal("EILSEQ");
    }
    return [mount, provider, end < 0 ? "/" : whole.slice(end)];
  }

  async #status(mount: number, path: string, stat: () => ProvidedStatus | Promise<ProvidedStatus>): Promise<number[]> {
    const { type, size = 0, mode = 0o755, modified = 0 } = await stat();
    const inode = path === "/" ? 1 : this.#number(`${mount}${path}`);
    const blocks = Math.ceil(size / 512);
    const links = type === "directory" ? 2 : 1;
    const kind = TYPES[type] << 12;
    return [kind | (mode & 0o7777), links, 0, 0, size, blocks, mount, inode, modified, modified, modified, 0];
  }

  /** The inode number of what is at a path now: no two files ever have the same. */
  #number(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) {
      return known;
    }
    const [oldest] = this.#numbers.keys();
    if (this.#numbers.size >= MAX_NUMBERS && oldest !== undefined) {
      this.#numbers.delete(oldest);
    }
    this.#lastNumber += 1;
    this.#numbers.set(key, this.#lastNumber);
    return this.#lastNumber;
  }

  /** The open files at a path and below it. */
  #openedAt(mount: number, path: string): [number, Opened][] {
    const isBelow = (other: string | undefined) => other === path || other?.startsWith(`${path}/`);
    return [...this.#opened].filter(([, file]) => file.mount === mount && isBelow(file.path));
  }

  /** Takes a name away. A file that is open goes on without one. */
  async #takeName(mount: number, path: string, act: () => void | Promise<void>): Promise<number> {
    const files = this.#openedAt(mount, path).map(([, file]) => file);
    const kept = await this.#keep(mount, path, files);
    await act();
    for (const file of files) {
      file.path = undefined;
      if (kept !== undefined) {
        file.kept = kept;
      }
    }
    this.#numbers.delete(`${mount}${path}`);
    return 0;
  }

  /** The bytes of a file that is about to lose its name, if they may be missed and are not too many. */
  async #keep(mount: number, path: string, files: readonly Opened[]): Promise<Kept | undefined> {
    const provider = this.#mounts.get(mount);
    if (files.length === 0 || provider === undefined) {
      return undefined;
    }
    const limit = files.some(({ isUsed }) => isUsed) ? MAX_KEPT : MAX_KEPT_UNUSED;
    const stat = await provider.stat(path);
    const { type, size = 0 } = stat;
    if (type !== "file" || size > limit) {
      return undefined;
    }
    return { status: await this.#status(mount, path, () => stat), bytes: await provider.read(path, 0, size) };
  }

  async #rename(mount: number, provider: FileProvider, path: string, to: string): Promise<number> {
    const rename = call(provider.rename, "EXDEV");
    const moving = this.#openedAt(mount, path);
    await this.#takeName(mount, to, () => rename.call(provider, path, to));
    for (const [, file] of moving) {
      file.path = to + (file.path?.slice(path.length) ?? "");
    }
    const from = `${mount}${path}`;
    for (const [key, number] of [...this.#numbers]) {
      if (key === from || key.startsWith(`${from}/`)) {
        this.#numbers.delete(key);
        this.#numbers.set(`${mount}${to}${key.slice(from.length)}`, number);
      }
    }
    return 0;
  }

  /** The number of the errno that a failure stands for; one that says nothing is put into the log. */
  #errno(error: unknown, request: ProvidedRequest): number {
    const { code, name } = error as { code?: unknown; name?: string };
    const known = Errno[code as keyof typeof Errno] ?? Errno[DOM_ERRORS[name ?? ""] as keyof typeof Errno];
    if (known !== undefined) {
      return known;
    }
    const path = request.path || this.#opened.get(request.a)?.path;
    this.#log("warning", `the provider of ${path ?? "a file"} failed: ${String(error)}`);
    return Errno.EIO;
  }
}

/** A function of a provider, which may lack it. */
function call<T>(implementation: T | undefined, code: keyof typeof Errno): T {
  if (implementation === undefined) {
    throw new Refusal(code);
  }
  return implementation;
}

/** The answer of an operation that has none. */
async function done(result: void | Promise<void>): Promise<number> {
  await result;
  return 0;
}

/** An operation on a file without a name. */
function onKept(file: Opened, operation: number, at: number, length: number, bytes: Uint8Array): Answer {
  const { kept } = file;
  if (kept === undefined) {
    throw new Refusal("ESTALE");
  }
  const resize = (size: number) => {
    if (size > MAX_KEPT) {
      throw new Refusal("ENOSPC");
    }
    const resized = new Uint8Array(size);
    resized.set(kept.bytes.subarray(0, size));
    kept.bytes = resized;
  };
  switch (operation) {
    case 4: {
      // Without links.
      const size = kept.bytes.length;
      return kept.status
        .with(1, 0)
        .with(4, size)
        .with(5, Math.ceil(size / 512));
    }
    case 5:
      return kept.bytes.slice(at, at + length);
    case 6:
      if (at + bytes.length > kept.bytes.length) {
        resize(at + bytes.length);
      }
      kept.bytes.set(bytes, at);
      return bytes.length;
    case 7:
      resize(at);
      return 0;
    case 20: {
      const end = kept.bytes.length;
      resize(end + bytes.length);
      kept.bytes.set(bytes, end);
      return end;
    }
    default:
      return 0;
  }
}
