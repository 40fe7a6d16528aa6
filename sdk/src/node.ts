/**
 * Shoal in Node: boots a pod, runs programs, shows terminals, moves files.
 *
 * In a page, import `shoal`: the same names.
 */
import { nodeHost } from "./host/node.js";
import { type BootOptions, Pod } from "./host/pod.js";
import type { DiskOptions, StorageOptions } from "./host/storage.js";

/** Boots a pod in this process. */
export function boot(options: BootOptions): Promise<Pod> {
  return Pod.boot(nodeHost(), options);
}

/**
 * Puts what `PodStorage.export` gave in the place of all that a storage has.
 *
 * - `options`: the image that the changes were made to, and the storage
 *
 * @throws StorageError when it is another image, when a pod has the storage open, or when there is no room.
 */
export async function importStorage(options: DiskOptions, bytes: Uint8Array): Promise<void> {
  await (await nodeHost().loadDisks()).import(options, bytes);
}

/**
 * Removes all that a storage has.
 *
 * @throws StorageError when a pod has it open.
 */
export async function deleteStorage(storage: StorageOptions): Promise<void> {
  await (await nodeHost().loadDisks()).delete(storage);
}

export * from "./public.js";
