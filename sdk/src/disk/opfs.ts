/**
 * Changes in the origin's private file system (OPFS): two files in the folder `shoal/KEY`.
 *
 * A sync access handle belongs to one Worker alone, so that a second opener is kept out by the browser itself.
 */
import { attempt, DiskError, type Storage, type Store, StoreStatus } from "./store.js";

/** The browser's, which TypeScript's library for pages leaves out: only Workers have it. */
interface SyncAccessHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  flush(): void;
  close(): void;
}

/** The folder of all disks. */
const FOLDER = "shoal";
const FILES = ["log-0", "log-1"] as const;

class HandleStore implements Store {
  readonly #handle: SyncAccessHandle;
  #length: number;
  /** A flush that failed has lost something, whatever the next one says. */
  #isBroken = false;

  constructor(handle: SyncAccessHandle) {
    this.#handle = handle;
    this.#length = handle.getSize();
  }

  length(): number {
    return this.#length;
  }

  readAt(offset: number, into: Uint8Array): StoreStatus {
    let count = 0;
    const status = attempt(() => {
      count = this.#handle.read(into, { at: offset });
    });
    return status === StoreStatus.ok && count !== into.length ? StoreStatus.io : status;
  }

  writeAt(offset: number, bytes: Uint8Array): StoreStatus {
    let count = 0;
    const status = attempt(() => {
      count = this.#handle.write(bytes, { at: offset });
    });
    this.#length = Math.max(this.#length, offset + count);
    // Browsers that do not throw when the quota ends write a part.
    return status === StoreStatus.ok && count !== bytes.length ? StoreStatus.full : status;
  }

  truncate(length: number): StoreStatus {
    const status = attempt(() => this.#handle.truncate(length));
    if (status === StoreStatus.ok) {
      this.#length = length;
    }
    return status;
  }

  sync(): StoreStatus {
    if (this.#isBroken) {
      return StoreStatus.io;
    }
    const status = attempt(() => this.#handle.flush());
    this.#isBroken = status === StoreStatus.io;
    return status;
  }
}

/** Whether this Worker has such files. */
export function hasOpfs(): boolean {
  const scope = globalThis as { FileSystemFileHandle?: { prototype: object } };
  const prototype = scope.FileSystemFileHandle?.prototype;
  return prototype !== undefined && "createSyncAccessHandle" in prototype;
}

/**
 * The files of this key.
 *
 * Throws a `DiskError`: `busy`, `unsupported` where the browser gives no private files (private windows), `full`, `io`.
 */
export async function openOpfs(key: string): Promise<Storage> {
  const opened: SyncAccessHandle[] = [];
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(FOLDER, { create: true });
    const folder = await all.getDirectoryHandle(encodeURIComponent(key), { create: true });
    for (const name of FILES) {
      const file = await folder.getFileHandle(name, { create: true });
      const { createSyncAccessHandle } = file as unknown as { createSyncAccessHandle(): Promise<SyncAccessHandle> };
      opened.push(await createSyncAccessHandle.call(file));
    }
    const [first, second] = opened.map((handle) => new HandleStore(handle));
    const stores = [first as Store, second as Store] as const;
    return { stores, close: async () => closeAll(opened) };
  } catch (error) {
    closeAll(opened);
    throw errorOf(error, key);
  }
}

/** Removes the files of this key, if there are any. Throws a `DiskError`. */
export async function deleteOpfs(key: string): Promise<void> {
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(FOLDER);
    await all.removeEntry(encodeURIComponent(key), { recursive: true });
  } catch (error) {
    // Where there are no private files, none of this key are either.
    const failed = errorOf(error, key);
    if ((error as DOMException).name !== "NotFoundError" && failed.code !== "unsupported") {
      throw failed;
    }
  }
}

function closeAll(handles: readonly SyncAccessHandle[]): void {
  for (const handle of handles) {
    handle.close();
  }
}

function errorOf(error: unknown, key: string): DiskError {
  const { name, message } = error as DOMException;
  switch (name) {
    case "NoModificationAllowedError":
      return new DiskError("busy", `the storage "${key}" is open in another tab or pod`);
    case "QuotaExceededError":
      return new DiskError("full", `there is no room for the storage "${key}"`);
    case "SecurityError":
    case "NotSupportedError":
    case "TypeError":
      return new DiskError("unsupported", `this browser gives no private files here: ${message}`);
    default:
      return new DiskError("io", `cannot open the storage "${key}": ${message}`);
  }
}
