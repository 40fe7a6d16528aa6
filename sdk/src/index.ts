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

export { KernelError, PodError } from "./host/errors.js";
export type { DirectoryEntry, FileStatus, Files } from "./host/files.js";
export type { MemoryUsage } from "./host/memory_usage.js";
export type { BootOptions } from "./host/pod.js";
export { Pod } from "./host/pod.js";
export type { ExitStatus, Process, ProcessStdio, RunOptions } from "./host/process.js";
export type { InputStream, OutputStream } from "./host/streams.js";
export type { Terminal, TerminalOptions } from "./host/terminal.js";
export type { HostMount, LogLevel, PodMode } from "./protocol.js";
