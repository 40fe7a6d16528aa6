/** One opener at a time for a key of this origin: a Web Lock, which ends with its tab or Worker however that ends. */
import { DiskError } from "./store.js";

/**
 * How long a lock may be held by somebody who is about to go, in milliseconds: the page that a reload has ended
 * keeps its own until its Workers are gone.
 */
const PATIENCE_MS = 1000;

/** The name of the lock of `key`. */
export function lockName(key: string): string {
  return `shoal:${key}`;
}

/** Locks `key`; the function lets go. Throws a `DiskError`: `busy`, `unsupported`. */
export async function lockKey(key: string): Promise<() => void> {
  const { locks } = navigator as { locks?: LockManager };
  if (locks === undefined) {
    throw new DiskError("unsupported", "this browser has no Web Locks, or the page was not served by HTTPS");
  }
  const held = Promise.withResolvers<() => void>();
  const released = Promise.withResolvers<void>();
  const holding = locks.request(lockName(key), { signal: AbortSignal.timeout(PATIENCE_MS) }, () => {
    held.resolve(released.resolve);
    return released.promise;
  });
  holding.catch((error: DOMException) => held.reject(errorOf(error, key)));
  return held.promise;
}

function errorOf({ name, message }: DOMException, key: string): DiskError {
  return name === "TimeoutError" || name === "AbortError"
    ? new DiskError("busy", `the storage "${key}" is open in another tab or pod`)
    : new DiskError("unsupported", `this page cannot lock the storage "${key}": ${message}`);
}
