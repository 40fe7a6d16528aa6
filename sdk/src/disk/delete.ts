/** Removes what a browser keeps under a key. */
import { deleteDatabase } from "./indexed_db.js";
import { deleteOpfs } from "./opfs.js";
import type { DiskStorage } from "./protocol.js";
import { DiskError } from "./store.js";
import { lockKey } from "./web_lock.js";

/** Removes all of it, wherever it is; nothing is there is fine. Throws a `DiskError`, `busy` among them. */
export async function deleteBrowserStorage(storage: DiskStorage): Promise<void> {
  if (storage.kind !== "browser") {
    throw new DiskError("unsupported", "a page keeps storages by key");
  }
  const unlock = await lockKey(storage.key);
  try {
    await deleteDatabase(storage.key);
    await deleteOpfs(storage.key);
  } finally {
    unlock();
  }
}
