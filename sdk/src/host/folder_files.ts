/** Files of the File System Access API behind a mount; loaded by `folderProvider`. */
import type { FileProvider, ProvidedEntry, ProvidedStatus } from "./file_provider.js";
import type { FolderOptions } from "./folder_provider.js";
import { ReadAhead } from "./read_ahead.js";

/** A file that was not written for so long is put in its place, in milliseconds. */
const IDLE_MS = 500;
/** Handles that are kept, so that a path is not walked anew each time. */
const MAX_HANDLES = 1000;

type Handle = FileSystemDirectoryHandle | FileSystemFileHandle;

/** A file that is being written. What was written is in the folder once `stream` is closed. */
interface Writing {
  readonly stream: FileSystemWritableFileStream;
  /** Bytes of the file with what was written. */
  size: number;
  timer: ReturnType<typeof setTimeout>;
}

/** A failure with the name of an errno. */
const refusal = (code: string) => Object.assign(new Error(code), { code });

/** The files of `root`. */
export function folder(
  root: FileSystemDirectoryHandle,
  { readOnly = false, mode = 0o755 }: FolderOptions,
): FileProvider {
  const files = new FolderFiles(root, mode);
  const { stat, list, read } = files;
  return readOnly ? { stat, list, read } : files;
}

class FolderFiles implements FileProvider {
  readonly #root: FileSystemDirectoryHandle;
  readonly #mode: number;
  readonly #handles = new Map<string, Handle>();
  readonly #writing = new Map<string, Promise<Writing>>();
  readonly #ahead = new ReadAhead();
  /** The last operation on each path that has not ended: one comes after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Why what was written could not be put in its place; the next that synchronizes or closes hears of it. */
  readonly #failures = new Map<string, unknown>();

  constructor(root: FileSystemDirectoryHandle, mode: number) {
    this.#root = root;
    this.#mode = mode;
  }

  stat = (path: string): Promise<ProvidedStatus> =>
    this.#inTurn(path, async () => {
      const handle = await this.#find(path);
      if (handle.kind === "directory") {
        return { type: "directory", mode: 0o755 };
      }
      const writing = await this.#writing.get(path);
      if (writing !== undefined) {
        return { type: "file", size: writing.size, mode: this.#mode, modified: Date.now() };
      }
      const file = await this.#file(path, handle);
      this.#ahead.check(path, file);
      const { size, lastModified } = file;
      return { type: "file", size, mode: this.#mode, modified: lastModified };
    });

  list = async (path: string): Promise<ProvidedEntry[]> => {
    const entries: ProvidedEntry[] = [];
    for await (const [name, { kind }] of (await this.#directory(path)).entries()) {
      entries.push({ name, type: kind });
    }
    return entries;
  };

  read = (path: string, offset: number, length: number): Promise<Uint8Array> =>
    this.#inTurn(path, async () => {
      await this.#finish(path);
      const known = this.#ahead.get(path, offset, length);
      if (known !== undefined) {
        return known;
      }
      const handle = await this.#find(path);
      return this.#ahead.read(path, await this.#file(path, handle), offset, length);
    });

  write = (path: string, offset: number, bytes: Uint8Array): Promise<void> =>
    this.#inTurn(path, async () => {
      const writing = await this.#write(path);
      await writing.stream.write({ type: "write", position: offset, data: bytes as Uint8Array<ArrayBuffer> });
      writing.size = Math.max(writing.size, offset + bytes.length);
    });

  truncate = (path: string, size: number): Promise<void> =>
    this.#inTurn(path, async () => {
      const writing = await this.#write(path);
      await writing.stream.truncate(size);
      writing.size = size;
    });

  create = async (path: string): Promise<void> => {
    const [directory, name] = await this.#parent(path);
    if (await this.#exists(path)) {
      throw refusal("EEXIST");
    }
    await directory.getFileHandle(name, { create: true });
  };

  mkdir = async (path: string): Promise<void> => {
    const [directory, name] = await this.#parent(path);
    if (await this.#exists(path)) {
      throw refusal("EEXIST");
    }
    await directory.getDirectoryHandle(name, { create: true });
  };

  remove = (path: string): Promise<void> =>
    this.#inTurn(path, async () => {
      await this.#abandon(path);
      const [directory, name] = await this.#parent(path);
      await directory.removeEntry(name);
      this.#forget(path);
    });

  rmdir = async (path: string): Promise<void> => {
    if ((await this.#find(path)).kind !== "directory") {
      throw refusal("ENOTDIR");
    }
    const [directory, name] = await this.#parent(path);
    await directory.removeEntry(name);
    this.#forget(path);
  };

  /** A file is copied where the browser cannot move it; directories are left to mv(1), which copies them. */
  rename = (path: string, to: string): Promise<void> =>
    this.#inTurn(path, async () => {
      if (path === to) {
        return;
      }
      await this.#finish(path);
      await this.#abandon(to);
      const handle = await this.#find(path);
      if (handle.kind === "directory") {
        throw refusal("EXDEV");
      }
      const [directory, name] = await this.#parent(to);
      const target = await directory.getFileHandle(name, { create: true });
      const stream = await target.createWritable();
      await (await handle.getFile()).stream().pipeTo(stream);
      const [from, old] = await this.#parent(path);
      await from.removeEntry(old);
      this.#forget(path);
      this.#forget(to);
    });

  sync = (path: string): Promise<void> => this.#inTurn(path, () => this.#finish(path));

  close = (path: string): Promise<void> =>
    this.#inTurn(path, () => {
      this.#ahead.forget(path);
      return this.#finish(path);
    });

  /** Runs what is on the same path one after the other. */
  async #inTurn<T>(path: string, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(path);
    const turn = (before ?? Promise.resolve()).then(act, act);
    this.#turns.set(path, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(path) === turn) {
        this.#turns.delete(path);
      }
    }
  }

  /** The stream that writes a file. */
  async #write(path: string): Promise<Writing> {
    this.#ahead.forget(path);
    let opening = this.#writing.get(path);
    if (opening === undefined) {
      opening = this.#openStream(path);
      this.#writing.set(path, opening);
      opening.catch(() => this.#writing.delete(path));
    }
    const writing = await opening;
    clearTimeout(writing.timer);
    writing.timer = this.#finishLater(path);
    return writing;
  }

  async #openStream(path: string): Promise<Writing> {
    const handle = await this.#find(path);
    if (handle.kind === "directory") {
      throw refusal("EISDIR");
    }
    const { size } = await this.#file(path, handle);
    const stream = await handle.createWritable({ keepExistingData: true });
    return { stream, size, timer: this.#finishLater(path) };
  }

  #finishLater(path: string): ReturnType<typeof setTimeout> {
    const finish = () => this.#inTurn(path, () => this.#finish(path));
    return setTimeout(() => finish().catch((error) => this.#failures.set(path, error)), IDLE_MS);
  }

  /** Puts what was written in its place. */
  async #finish(path: string): Promise<void> {
    const failure = this.#failures.get(path);
    this.#failures.delete(path);
    const writing = await this.#writing.get(path);
    this.#writing.delete(path);
    if (writing !== undefined) {
      clearTimeout(writing.timer);
      await writing.stream.close();
    }
    if (failure !== undefined) {
      throw failure;
    }
  }

  /** Drops what was written to a file that is about to go. */
  async #abandon(path: string): Promise<void> {
    const writing = await this.#writing.get(path)?.catch(() => undefined);
    this.#writing.delete(path);
    this.#failures.delete(path);
    if (writing !== undefined) {
      clearTimeout(writing.timer);
      await writing.stream.abort();
    }
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#find(path);
      return true;
    } catch (error) {
      if ((error as DOMException).name === "NotFoundError") {
        return false;
      }
      throw error;
    }
  }

  /** The file behind a handle. The page or others may have removed it: the handle is then no good any more. */
  async #file(path: string, handle: Handle): Promise<File> {
    if (handle.kind === "directory") {
      throw refusal("EISDIR");
    }
    try {
      return await handle.getFile();
    } catch (error) {
      this.#forget(path);
      throw error;
    }
  }

  async #find(path: string): Promise<Handle> {
    if (path === "/") {
      return this.#root;
    }
    const known = this.#handles.get(path);
    if (known?.kind === "file") {
      return known;
    }
    const [directory, name] = await this.#parent(path);
    const handle = await either(
      () => directory.getFileHandle(name),
      () => directory.getDirectoryHandle(name),
    );
    const [oldest] = this.#handles.keys();
    if (this.#handles.size >= MAX_HANDLES && oldest !== undefined) {
      this.#handles.delete(oldest);
    }
    this.#handles.set(path, handle);
    return handle;
  }

  async #directory(path: string): Promise<FileSystemDirectoryHandle> {
    const known = this.#handles.get(path);
    const handle = known?.kind === "directory" ? known : await this.#find(path);
    if (handle.kind !== "directory") {
      throw refusal("ENOTDIR");
    }
    return handle;
  }

  async #parent(path: string): Promise<[FileSystemDirectoryHandle, string]> {
    const end = path.lastIndexOf("/");
    return [await this.#directory(path.slice(0, end) || "/"), path.slice(end + 1)];
  }

  /** Forgets what was read at a path, and the handles there and below. */
  #forget(path: string): void {
    this.#ahead.forget(path);
    for (const known of [...this.#handles.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) {
        this.#handles.delete(known);
      }
    }
  }
}

/** The file of a name, or the directory. */
async function either(file: () => Promise<Handle>, directory: () => Promise<Handle>): Promise<Handle> {
  try {
    return await file();
  } catch (error) {
    switch ((error as DOMException).name) {
      case "TypeMismatchError":
        return directory();
      case "TypeError":
        // The browser does not allow such a name.
        throw refusal("ENOENT");
      default:
        throw error;
    }
  }
}
