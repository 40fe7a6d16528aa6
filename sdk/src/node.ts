/**
 * Shoal in Node: boots a pod, runs programs, shows terminals, moves files.
 *
 * In a page, import `shoal`: the same names.
 */
import { nodeHost } from "./host/node.js";
import { type BootOptions, Pod } from "./host/pod.js";

/** Boots a pod in this process. */
export function boot(options: BootOptions): Promise<Pod> {
  return Pod.boot(nodeHost(), options);
}

export * from "./public.js";
