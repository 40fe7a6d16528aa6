/** The files of a pod, for the embedder. Paths are absolute; errors are those of Linux. */
import type { PodStorage } from "./disk.js";
import type { Pool } from "./pool.js";

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "other";
}

/** What is known of a file. */
export interface FileStatus {
  readonly mode: number;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

const TYPES: Readonly<Record<number, DirectoryEntry["type"]>> = { 4: "directory", 8: "file", 10: "symlink" };

/** Reads and writes files of the pod's file systems. */
export class Files {
  readonly #pool: Pool;
  readonly #storage: PodStorage | undefined;

  constructor(pool: Pool, storage: PodStorage | undefined) {
    this.#pool = pool;
    this.#storage = storage;
  }

  /** The contents of a file. */
  async read(path: string): Promise<Uint8Array> {
    return (await this.#pool.request({ type: "file", request: { op: "read", path } })) as Uint8Array;
  }

  /** The contents of a file as text. */
  async readText(path: string): Promise<string> {
    return new TextDecoder().decode(await this.read(path));
  }

  /** Makes or replaces a file. */
  async write(path: string, data: Uint8Array | string, mode = 0o644): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    await this.#pool.request({ type: "file", request: { op: "write", path, data: bytes, mode } });
  }

  /** The names in a directory, without `.` and `..`. */
  async list(path: string): Promise<DirectoryEntry[]> {
    const bytes = (await this.#pool.request({ type: "file", request: { op: "list", path } })) as Uint8Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const entries: DirectoryEntry[] = [];
    for (let at = 0; at < bytes.length; ) {
      const type = TYPES[view.getUint32(at, true)] ?? "other";
      const length = view.getUint32(at + 4, true);
      entries.push({ name: new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length)), type });
      at += 8 + length;
    }
    return entries;
  }

  /** Mode, size and time of a file; symbolic links are followed. */
  async stat(path: string): Promise<FileStatus> {
    const bytes = (await this.#pool.request({ type: "file", request: { op: "stat", path } })) as Uint8Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { mode: view.getFloat64(0, true), size: view.getFloat64(8, true), modified: view.getFloat64(16, true) };
  }

  /** Makes a directory. */
  async makeDirectory(path: string, mode = 0o755): Promise<void> {
    await this.#pool.request({ type: "file", request: { op: "mkdir", path, mode } });
  }

  /** Removes a file or an empty directory. */
  async remove(path: string): Promise<void> {
    await this.#pool.request({ type: "file", request: { op: "remove", path } });
  }

  /** The root file system as an image, with everything written back. */
  async snapshot(): Promise<Uint8Array> {
    if (this.#storage !== undefined) {
      return this.#storage.wholeImage();
    }
    return (await this.#pool.request({ type: "file", request: { op: "snapshot" } })) as Uint8Array;
  }
}
