/** What Shoal offers in a page and in Node alike; `index.ts` and `node.ts` add how to boot there. */
export type { DiskErrorCode, DiskStatistics } from "./disk/protocol.js";
export type { PodStorage } from "./host/disk.js";
export { KernelError, PodError, StorageError } from "./host/errors.js";
export type { FileProvider, ProvidedEntry, ProvidedMount, ProvidedStatus } from "./host/file_provider.js";
export type { DirectoryEntry, FileStatus, Files } from "./host/files.js";
export { type FolderOptions, folderProvider } from "./host/folder_provider.js";
export type { MemoryUsage } from "./host/memory_usage.js";
export type { BootOptions } from "./host/pod.js";
export { Pod } from "./host/pod.js";
export type { ExitStatus, Process, ProcessStdio, RunOptions } from "./host/process.js";
export type { DiskOptions, ImageSource, StorageOptions, StreamedImage } from "./host/storage.js";
export type { InputStream, OutputStream } from "./host/streams.js";
export type { Terminal, TerminalOptions } from "./host/terminal.js";
export type { HostMount, LogLevel, PodMode } from "./protocol.js";
