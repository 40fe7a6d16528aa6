/**
 * Where a disk keeps its changes: two files of bytes with a barrier, of which the overlay's log uses one
 * (`fs/overlay`, ADR 0032). `memory_store.ts`, `node_folder.ts`, `opfs.ts` and `indexed_db.ts` have them.
 */
import type { DiskErrorCode } from "./protocol.js";

/** What a store answers; the numbers are those of `jspi-glue/disk`. */
export const StoreStatus = {
  ok: 0,
  /** It failed; repeating may or may not help. */
  io: 1,
  /** There is no room: the browser's quota, or a full disk. */
  full: 2,
  /** It is being done: `Storage.onSettled` is called, and then the same call is made again. */
  pending: 3,
} as const;
export type StoreStatus = (typeof StoreStatus)[keyof typeof StoreStatus];

/**
 * A file of bytes with a barrier. Nothing throws.
 *
 * Between two barriers writes may reach the medium in any order, in part or not at all. A store that works in
 * the background takes writes at once, keeps their order, and answers reads of them; its `sync` is `pending` until they
 * are on the medium. The arrays are views of the module's memory: they are valid only during the call.
 */
export interface Store {
  /** Bytes that it has. */
  length(): number;
  /** Fills `into` with the bytes from `offset` on; `io` when they do not all exist. */
  readAt(offset: number, into: Uint8Array): StoreStatus;
  /** Stores bytes from `offset` on, which is at most the length; the store grows as needed. Never `pending`. */
  writeAt(offset: number, bytes: Uint8Array): StoreStatus;
  /** Cuts it off at `length` bytes. */
  truncate(length: number): StoreStatus;
  /** The barrier: everything before it is on the medium when it answers `ok`. `io` once is `io` for good. */
  sync(): StoreStatus;
}

/** The two stores of a disk, which nobody else has open. */
export interface Storage {
  readonly stores: readonly [Store, Store];
  /**
   * Whether writes and cuts get to the medium in the order of their calls, over both stores, and none before all
   * earlier ones: what a store in the background has to do. The overlay's barriers then need no waiting in between;
   * only the answer to a flush waits, for `sync` of both. A write that fails there stays where it is in the order and
   * is tried again by the next `sync`, which answers `full` or `io` until then.
   */
  readonly isOrdered?: boolean;
  /**
   * Whether what is read from now on shall stay in memory: something long, that reads much of a log, starts anew after
   * each `pending`. Fetching ahead of it is welcome. Absent where reads are never pending.
   */
  hold?(isHeld: boolean): void;
  /** Called whenever something that was `pending` is done or has failed. Absent: nothing is ever pending. */
  onSettled?: (() => void) | undefined;
  /** Lets go, after what was written so far got to the medium as far as it does. */
  close(): Promise<void>;
}

/** Why a disk is not there, for whoever started the pod. */
export class DiskError extends Error {
  readonly code: DiskErrorCode;

  constructor(code: DiskErrorCode, message: string) {
    super(message);
    this.name = "DiskError";
    this.code = code;
  }
}

/** What an exception of a host's function means for a store. */
export function statusOf(error: unknown): StoreStatus {
  const { name, code } = error as { name?: string; code?: unknown };
  const isFull = name === "QuotaExceededError" || code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
  return isFull ? StoreStatus.full : StoreStatus.io;
}

/** The status of something that answers nothing, or throws. */
export function attempt(action: () => void): StoreStatus {
  try {
    action();
    return StoreStatus.ok;
  } catch (error) {
    return statusOf(error);
  }
}
