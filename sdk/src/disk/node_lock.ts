/**
 * One opener at a time for a folder of the machine (Node).
 *
 * Node has no flock(2). SQLite, which is in it, has a lock that is the kernel's own (fcntl(2), or what Windows has): it
 * ends with its process however that ends, and keeps threads of one process apart as well. The file stays empty.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DiskError } from "./store.js";

/** What is locked, in the folder. */
export const LOCK_FILE = "lock";
/** SQLite's primary result codes. */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/** Locks the folder at `path`, which is made if need be; the function lets go. Throws a `DiskError`. */
export function lockFolder(path: string): () => void {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(path, { recursive: true });
    database = new DatabaseSync(join(path, LOCK_FILE));
    // A journal would be a second file, and be left behind by a process that is killed.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    throw errorOf(error as Error & { errcode?: number }, path);
  }
  const held = database;
  return () => held.close();
}

function errorOf(error: Error & { errcode?: number; code?: string }, path: string): DiskError {
  if (error.errcode === SQLITE_BUSY) {
    return new DiskError("busy", `the storage ${path} is in use by another pod`);
  }
  const isFull = error.errcode === SQLITE_FULL || error.code === "ENOSPC" || error.code === "EDQUOT";
  return new DiskError(isFull ? "full" : "io", `cannot open the storage ${path}: ${error.message}`);
}
