/** Files in the memory of a test, whose functions take their time. */
import type { FileProvider, ProvidedEntry, ProvidedStatus } from "../../../sdk/dist/node.js";

const refusal = (code: string) => Object.assign(new Error(code), { code });

/** A moment: some answers come at once, some after a timer. */
let turn = 0;
async function moment(): Promise<void> {
  turn += 1;
  if (turn % 3 === 0) {
    await new Promise((resolve) => setTimeout(resolve, turn % 2));
  }
}

/** A tree of files. Its functions may be taken out one by one. */
export class MemoryFiles implements FileProvider {
  /** What was asked, with its operands. */
  readonly calls: string[] = [];
  /** Contents by path; `null` for directories. */
  readonly #files = new Map<string, Uint8Array | null>([["/", null]]);
  readonly #times = new Map<string, number>();

  /** All paths but that of the root. */
  names(): string[] {
    return [...this.#files.keys()].filter((path) => path !== "/");
  }

  stat = async (path: string): Promise<ProvidedStatus> => {
    await this.#note("stat", path);
    const file = this.#find(path);
    const modified = this.#times.get(path) ?? 0;
    return file === null ? { type: "directory", modified } : { type: "file", size: file.length, modified, mode: 0o755 };
  };

  list = async (path: string): Promise<ProvidedEntry[]> => {
    await this.#note("list", path);
    return this.#below(path).map((child) => ({
      name: child.slice(child.lastIndexOf("/") + 1),
      type: this.#find(child) === null ? "directory" : "file",
    }));
  };

  read = async (path: string, offset: number, length: number): Promise<Uint8Array> => {
    await this.#note("read", path, offset, length);
    return this.#bytes(path).slice(offset, offset + length);
  };

  write = async (path: string, offset: number, bytes: Uint8Array): Promise<void> => {
    await this.#note("write", path, offset, bytes.length);
    const old = this.#bytes(path);
    const file = offset + bytes.length > old.length ? new Uint8Array(offset + bytes.length) : old;
    if (file !== old) {
      file.set(old);
    }
    file.set(bytes, offset);
    this.#put(path, file);
  };

  truncate = async (path: string, size: number): Promise<void> => {
    await this.#note("truncate", path, size);
    const file = new Uint8Array(size);
    file.set(this.#bytes(path).subarray(0, size));
    this.#put(path, file);
  };

  create = async (path: string): Promise<void> => {
    await this.#note("create", path);
    this.#make(path, new Uint8Array());
  };

  mkdir = async (path: string): Promise<void> => {
    await this.#note("mkdir", path);
    this.#make(path, null);
  };

  remove = async (path: string): Promise<void> => {
    await this.#note("remove", path);
    this.#bytes(path);
    this.#files.delete(path);
  };

  rmdir = async (path: string): Promise<void> => {
    await this.#note("rmdir", path);
    if (this.#find(path) !== null) {
      throw refusal("ENOTDIR");
    }
    if (this.#below(path).length > 0) {
      throw refusal("ENOTEMPTY");
    }
    this.#files.delete(path);
  };

  rename = async (path: string, to: string): Promise<void> => {
    await this.#note("rename", path);
    this.#find(path);
    for (const old of [...this.#files.keys()].filter((each) => each === path || each.startsWith(`${path}/`))) {
      this.#files.set(to + old.slice(path.length), this.#find(old));
      this.#files.delete(old);
    }
  };

  async #note(operation: string, ...operands: (string | number)[]): Promise<void> {
    this.calls.push([operation, ...operands].join(" "));
    await moment();
  }

  #find(path: string): Uint8Array | null {
    const file = this.#files.get(path);
    if (file === undefined) {
      throw refusal("ENOENT");
    }
    return file;
  }

  #bytes(path: string): Uint8Array {
    const file = this.#find(path);
    if (file === null) {
      throw refusal("EISDIR");
    }
    return file;
  }

  #make(path: string, file: Uint8Array | null): void {
    if (this.#files.has(path)) {
      throw refusal("EEXIST");
    }
    this.#put(path, file);
  }

  #put(path: string, file: Uint8Array | null): void {
    this.#files.set(path, file);
    this.#times.set(path, Date.now());
  }

  #below(path: string): string[] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return this.names().filter((each) => each.startsWith(prefix) && !each.slice(prefix.length).includes("/"));
  }
}
