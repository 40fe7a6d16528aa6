/** Bytes of files that were read ahead: each look into a file of a browser takes milliseconds, however short it is. */

/** How much is read at once, in bytes. */
const AHEAD = 128 << 10;
/** Files of which something is kept; the one that was not looked into for longest is dropped. */
const MAX_FILES = 32;
/** How long what was read is taken for what the file has, in milliseconds: the page and others may write it. */
const FRESH_MS = 100;

/** A part of a file. */
interface Part {
  readonly start: number;
  readonly bytes: Uint8Array;
  /** The file that it is of, as it was. */
  readonly file: File;
  /** When that was. */
  readonly at: number;
}

/** What was read ahead, by the paths of the files. */
export class ReadAhead {
  readonly #parts = new Map<string, Part>();

  /** The bytes at an offset, fewer at the end of the file; nothing unless they were read a moment ago. */
  get(path: string, offset: number, length: number): Uint8Array | undefined {
    const part = this.#parts.get(path);
    if (part === undefined || performance.now() - part.at > FRESH_MS) {
      return undefined;
    }
    const { start, bytes, file } = part;
    if (offset < start || Math.min(offset + length, file.size) > start + bytes.length) {
      return undefined;
    }
    return bytes.slice(offset - start, offset - start + length);
  }

  /** Reads from a file, and what follows. */
  async read(path: string, file: File, offset: number, length: number): Promise<Uint8Array> {
    const at = performance.now();
    const end = offset + Math.max(length, AHEAD);
    const bytes = new Uint8Array(await file.slice(offset, end).arrayBuffer());
    this.#parts.delete(path);
    const [oldest] = this.#parts.keys();
    if (this.#parts.size >= MAX_FILES && oldest !== undefined) {
      this.#parts.delete(oldest);
    }
    this.#parts.set(path, { start: offset, bytes, file, at });
    return bytes.slice(0, length);
  }

  /** Drops what was read of a file that is another now. */
  check(path: string, { size, lastModified }: File): void {
    const file = this.#parts.get(path)?.file;
    if (file !== undefined && (file.size !== size || file.lastModified !== lastModified)) {
      this.#parts.delete(path);
    }
  }

  /** Drops what was read of the file at a path. */
  forget(path: string): void {
    this.#parts.delete(path);
  }
}
