/** Where a browser keeps changes: in OPFS, or in IndexedDB where it is missing or asked for. */
import { hasDatabase, openDatabase } from "./indexed_db.js";
import { memoryStorage } from "./memory_store.js";
import { hasOpfs, openOpfs } from "./opfs.js";
import type { DiskStorage } from "./protocol.js";
import { DiskError, type Storage } from "./store.js";
import { lockKey } from "./web_lock.js";

/** How often files that somebody still has are tried, and how long after each other, in milliseconds. */
const MAX_TRIES = 20;
const PAUSE_MS = 50;

/** Opens it; throws a `DiskError`. */
export async function openBrowserStorage(storage: DiskStorage): Promise<Storage> {
  switch (storage.kind) {
    case "memory":
      return memoryStorage();
    case "folder":
      throw new DiskError("unsupported", "a browser has no folders of the machine: name a key");
    case "browser": {
      const unlock = await lockKey(storage.key);
      try {
        const opened = await openKey(storage.key, storage.database);
        const { close } = opened;
        opened.close = () => close().finally(unlock);
        return opened;
      } catch (error) {
        unlock();
        throw error;
      }
    }
  }
}

/** What is there goes on: a database that was begun while the browser had no private files is not left. */
async function openKey(key: string, database: boolean | undefined): Promise<Storage> {
  const isDatabase = database ?? (!hasOpfs() || (await hasDatabase(key)));
  if (isDatabase) {
    return openDatabase(key);
  }
  for (let nrTries = 1; ; nrTries += 1) {
    try {
      return await openOpfs(key);
    } catch (error) {
      const code = error instanceof DiskError ? error.code : undefined;
      if (database === undefined && code === "unsupported") {
        return openDatabase(key);
      }
      // The lock is ours: whoever had the files is gone, and the browser is about to close them.
      if (code !== "busy" || nrTries === MAX_TRIES) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
