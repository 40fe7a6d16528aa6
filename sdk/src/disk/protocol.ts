/**
 * The messages to and from the disk Worker, which owns a pod's disk: an image, and the changes to it that are kept.
 *
 * The page opens the disk and connects it with each Worker of the pool by a port; these ask it for bytes.
 * The requests of a pod have one numbering, whatever port they come by. The disk makes changes and flushes in that
 * order; reads see all changes before them, and do not wait for each other.
 */

/** What the disk is without any changes: an Ext2 image. */
export type DiskBase =
  /** In memory, all of it. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** A file of the machine (Node only). */
  | { readonly kind: "file"; readonly path: string }
  /** At a server that gives ranges of bytes; beside it there may be a list of what a boot reads, `URL.hot.json`. */
  | { readonly kind: "ranges"; readonly url: string }
  /** The manifest of an image in chunks; the chunks are beside it. */
  | { readonly kind: "chunks"; readonly url: string };

/** Where changes are kept. */
export type DiskStorage =
  /** Nowhere: they go with the pod. */
  | { readonly kind: "memory" }
  /** In the browser, by this key: in OPFS, or in IndexedDB where OPFS is missing or `database` says so. */
  | { readonly kind: "browser"; readonly key: string; readonly database?: boolean }
  /** In a folder of the machine (Node only), which is made if need be. */
  | { readonly kind: "folder"; readonly path: string };

/** Opens the disk; the first message. */
export interface OpenMessage {
  readonly type: "open";
  readonly base: DiskBase;
  readonly storage: DiskStorage;
  /** The most bytes that changes take; absent: as many as the host gives. */
  readonly limit?: number;
  /** The memory that the Workers share: bytes come from there and go there. Absent in `solo`: messages have them. */
  readonly memory?: WebAssembly.Memory;
}

/** A Worker's port to the disk: that of a `MessageChannel`. */
export interface ConnectMessage {
  readonly type: "connect";
  readonly port: MessagePort;
}

/** Something to do with the whole disk; answered by `done` or `failed` with the same id. */
export type DiskTask =
  /** All changes that were flushed, as bytes that `import` takes. */
  | { readonly type: "export"; readonly id: number }
  /** Puts an export in the place of all changes; only before a Worker is connected. */
  | { readonly type: "import"; readonly id: number; readonly bytes: Uint8Array }
  /** The image with its changes, from this byte on, this many: an export of gigabytes goes by parts. */
  | { readonly type: "image"; readonly id: number; readonly offset: number; readonly length: number }
  /** Takes out of the log what is overwritten. */
  | { readonly type: "compact"; readonly id: number }
  | { readonly type: "statistics"; readonly id: number }
  /** Lets go of the storage, so that others may open it. */
  | { readonly type: "close"; readonly id: number };

/** From the page. */
export type ToDisk = OpenMessage | ConnectMessage | DiskTask;

/** Why a disk cannot be opened, or a task not be done. */
export type DiskErrorCode =
  /** Another pod has this storage open: in another tab, or another process. */
  | "busy"
  /** The changes were made to another image. */
  | "changed"
  /** What is kept contradicts itself. */
  | "corrupt"
  /** There is no room for it. */
  | "full"
  /** The host has no such storage, or the server does not give what it has to. */
  | "unsupported"
  /** The network or the storage failed. */
  | "io";

/** How a disk has been used. */
export interface DiskStatistics {
  /** Bytes of blocks that differ from the image. */
  readonly changedBytes: number;
  /** Bytes of blocks of the image that are kept here. */
  readonly keptBytes: number;
  /** Bytes that the log takes. */
  readonly logBytes: number;
  /** Bytes of the log that compaction would free, about. */
  readonly garbageBytes: number;
  /** Bytes that came from the server, and in how many requests. */
  readonly fetchedBytes: number;
  readonly nrRequests: number;
}

/** To the page. */
export type FromDisk =
  /** `length`: bytes of the disk. */
  | { readonly type: "opened"; readonly length: number }
  | { readonly type: "failed"; readonly id?: number; readonly code: DiskErrorCode; readonly message: string }
  | { readonly type: "done"; readonly id: number; readonly value?: Uint8Array | DiskStatistics }
  | { readonly type: "log"; readonly level: "error" | "warning" | "info"; readonly message: string };

/** What a Worker asks for. */
export interface DiskRequest {
  /** From 1 on, without gaps over all Workers of the pod. */
  readonly sequence: number;
  /**
   * - `read`: `length` bytes at byte `offset`
   * - `change`: a table of `offset` rows, in `length` bytes in all, that are followed by the bytes of its writes.
   *   A row has 16 bytes: a u64 of the first byte, a u32 of how many, and a u32 that is 0 for a write and 1 for a
   *   discard, which has no bytes. Little-endian.
   * - `flush`: all changes before it are on the medium when it is answered, and become valid at once
   */
  readonly operation: "read" | "change" | "flush";
  readonly offset: number;
  readonly length: number;
  /** Where the bytes are, or shall be, in the shared memory. */
  readonly address: number;
  /** Those of a change, where no memory is shared. */
  readonly bytes?: Uint8Array;
}

/** An answer, by the port that the request came by. */
export interface DiskReply {
  readonly sequence: number;
  /** 0, or a negative error number: `-EIO`, `-ENOSPC`, `-EROFS`, `-EINVAL`. */
  readonly status: number;
  /** Whether new data had better be refused: what room there is, is kept for freeing some. */
  readonly isFull: boolean;
  /** Those of a read, where no memory is shared. */
  readonly bytes?: Uint8Array;
}
