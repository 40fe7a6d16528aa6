/** Changes in a folder of the machine (Node): the two files of the log. */
import * as fs from "node:fs";
import { join } from "node:path";
import { lockFolder } from "./node_lock.js";
import { attempt, DiskError, type Storage, type Store, StoreStatus } from "./store.js";

/** The names of the logs. */
export const FILES = ["log-0", "log-1"] as const;

class FileStore implements Store {
  readonly #fd: number;
  #length: number;
  /** A barrier that failed has lost something, whatever the next one says (Linux reports it once). */
  #isBroken = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.#length = fs.fstatSync(fd).size;
  }

  length(): number {
    return this.#length;
  }

  readAt(offset: number, into: Uint8Array): StoreStatus {
    return attempt(() => {
      if (readFully(this.#fd, into, offset) !== into.length) {
        throw new Error("the file has ended");
      }
    });
  }

  writeAt(offset: number, bytes: Uint8Array): StoreStatus {
    return attempt(() => {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
        this.#length = Math.max(this.#length, offset + done);
      }
    });
  }

  truncate(length: number): StoreStatus {
    return attempt(() => {
      fs.ftruncateSync(this.#fd, length);
      this.#length = length;
    });
  }

  sync(): StoreStatus {
    if (this.#isBroken) {
      return StoreStatus.io;
    }
    const status = attempt(() => fs.fdatasyncSync(this.#fd));
    this.#isBroken = status === StoreStatus.io;
    return status;
  }
}

/** Reads until `into` is full or the file ends; how many bytes. */
export function readFully(fd: number, into: Uint8Array, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const count = fs.readSync(fd, into, done, into.length - done, offset + done);
    if (count === 0) {
      break;
    }
    done += count;
  }
  return done;
}

/** The log in the folder at `path`, which is made if need be. Throws a `DiskError`. */
export function openFolder(path: string): Storage {
  const unlock = lockFolder(path);
  const opened: number[] = [];
  try {
    for (const name of FILES) {
      opened.push(fs.openSync(join(path, name), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644));
    }
    // The names are on the medium before what they name counts.
    const folder = fs.openSync(path, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(folder);
    } finally {
      fs.closeSync(folder);
    }
    const [first, second] = opened.map((fd) => new FileStore(fd));
    return {
      stores: [first as Store, second as Store],
      async close() {
        closeAll(opened);
        unlock();
      },
    };
  } catch (error) {
    closeAll(opened);
    unlock();
    const code = attempt(() => {
      throw error;
    });
    throw new DiskError(
      code === StoreStatus.full ? "full" : "io",
      `cannot open the storage: ${(error as Error).message}`,
    );
  }
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) {
    fs.closeSync(fd);
  }
}
