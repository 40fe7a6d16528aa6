/** Removes what is kept in a folder of the machine. */
import { rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FILES } from "./node_folder.js";
import { LOCK_FILE, lockFolder } from "./node_lock.js";
import type { DiskStorage } from "./protocol.js";
import { DiskError } from "./store.js";

/** Removes the logs, and the folder if nothing else is in it. Throws a `DiskError`, `busy` among them. */
export function deleteFolder(storage: DiskStorage): void {
  if (storage.kind !== "folder") {
    throw new DiskError("unsupported", "Node keeps storages in folders");
  }
  const unlock = lockFolder(storage.path);
  try {
    for (const name of [...FILES, LOCK_FILE]) {
      rmSync(join(storage.path, name), { force: true });
    }
  } catch (error) {
    throw new DiskError("io", `cannot remove the storage ${storage.path}: ${(error as Error).message}`);
  } finally {
    unlock();
  }
  try {
    rmdirSync(storage.path);
  } catch {
    // Somebody else has files there.
  }
}
