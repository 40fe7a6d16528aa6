/** What the disk Worker needs of its host; `browser.ts` and `node.ts` have it. */
import type { DiskReply, DiskRequest, DiskStorage, FromDisk } from "./protocol.js";
import type { Storage } from "./store.js";

/** A port to a Worker of the pool. */
export interface DiskPort {
  post(reply: DiskReply, transfer: Transferable[]): void;
}

/** Bytes of a file of the machine, read at once. */
export interface BaseFile {
  readonly length: number;
  /** Milliseconds since 1970 of the last change. */
  readonly modified: number;
  /** Fills `into` from `offset` on; false when that fails. */
  readAt(offset: number, into: Uint8Array): boolean;
  close(): void;
}

/** What differs between Node and a browser. */
export interface DiskHost {
  post(message: FromDisk, transfer?: Transferable[]): void;
  /** Hands over the requests that come by a port. */
  listen(port: MessagePort, listener: (request: DiskRequest, port: DiskPort) => void): void;
  /** The bytes of `shoal_disk.wasm`. */
  loadModule(): Promise<BufferSource>;
  /** Throws a `DiskError`. */
  openStorage(storage: DiskStorage): Promise<Storage>;
  /** Throws a `DiskError`; absent where there are no files. */
  openFile?(path: string): BaseFile;
}
