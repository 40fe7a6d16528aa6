/**
 * Shoal in a page: boots a pod, runs programs, shows terminals, moves files.
 *
 * In Node, import `shoal/node`: the same names.
 */
import { browserHost } from "./host/browser.js";
import { type BootOptions, Pod } from "./host/pod.js";

/** Boots a pod in this page. */
export function boot(options: BootOptions): Promise<Pod> {
  return Pod.boot(browserHost(), options);
}

export * from "./public.js";
