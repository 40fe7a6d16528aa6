/** The Wasm module of a disk, and what it imports: the other side of `jspi-glue/disk`. */
import { type Store, StoreStatus } from "./store.js";

/** How a call has ended; `Status` of `jspi-glue/disk`. */
export const Status = {
  ok: 0,
  io: 1,
  full: 2,
  pending: 3,
  invalid: 4,
  readOnly: 5,
  changed: 6,
  corrupt: 7,
  unsupported: 8,
} as const;

/** What the module exports; `jspi-glue/disk/src/exports.rs` says what each does. Times are milliseconds. */
export interface DiskExports extends WebAssembly.Exports {
  disk_buffer(length: number): number;
  disk_text(): number;
  disk_text_len(): number;
  disk_numbers(): number;
  disk_image_here(length: number, modified: number, isNamed: number): number;
  disk_image_ranges(length: number, nameLength: number, etagLength: number): number;
  disk_image_chunks(): number;
  disk_open(limit: number, isLasting: number, now: number): number;
  disk_length(): number;
  disk_read(sequence: number, offset: number, length: number): number;
  disk_change(sequence: number, rows: number): number;
  disk_flush(): number;
  disk_is_full(): number;
  disk_note_full(): void;
  disk_next(now: number): number;
  disk_answer(
    id: number,
    status: number,
    etagLength: number,
    rangeLength: number,
    retryAfter: number,
    bodyLength: number,
    now: number,
  ): number;
  disk_progress(id: number, now: number): void;
  disk_stalled(now: number): number;
  disk_wake(): number;
  disk_tick(now: number): number;
  disk_prefetch(): void;
  disk_export(): number;
  disk_import(): number;
  disk_compact(): number;
  disk_statistics(): void;
  disk_close(): void;
}

/** What the module works on; stores by number: 0 and 1 are the log's, 2 is exported to or imported from. */
export interface Devices {
  readonly stores: Store[];
  /** The image, where it is here. */
  readBase?: (offset: number, into: Uint8Array) => boolean;
  /** Whether the log's stores keep the order, so that a barrier in between need not wait. */
  isOrdered: boolean;
}

/** What an instance has at first, and at most: pages of 64 KiB. */
const MEMORY: WebAssembly.MemoryDescriptor = { initial: 64, maximum: 32768 };
const LOG_STORES = 2;

/** An instance. */
export class DiskModule {
  readonly exports: DiskExports;
  readonly #memory: WebAssembly.Memory;

  private constructor(exports: DiskExports, memory: WebAssembly.Memory) {
    this.exports = exports;
    this.#memory = memory;
  }

  static async load(bytes: BufferSource, devices: Devices): Promise<DiskModule> {
    const memory = new WebAssembly.Memory(MEMORY);
    const view = (address: number, length: number) => new Uint8Array(memory.buffer, address >>> 0, length >>> 0);
    const store = (number: number) => devices.stores[number];
    const host = {
      store_length: (number: number) => store(number)?.length() ?? 0,
      store_read: (number: number, offset: number, address: number, length: number) =>
        store(number)?.readAt(offset, view(address, length)) ?? StoreStatus.io,
      store_write: (number: number, offset: number, address: number, length: number) =>
        store(number)?.writeAt(offset, view(address, length)) ?? StoreStatus.io,
      store_truncate: (number: number, length: number) => store(number)?.truncate(length) ?? StoreStatus.io,
      store_sync: (number: number) => {
        if (devices.isOrdered && number < LOG_STORES) {
          return StoreStatus.ok;
        }
        return store(number)?.sync() ?? StoreStatus.io;
      },
      base_read: (offset: number, address: number, length: number) =>
        devices.readBase?.(offset, view(address, length)) === true ? Status.ok : Status.io,
    };
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory }, host });
    return new DiskModule(instance.exports as DiskExports, memory);
  }

  /** The buffer with room for so many bytes. The view is valid until the next call of the module. */
  room(length: number): Uint8Array {
    const address = this.exports.disk_buffer(length) >>> 0;
    return new Uint8Array(this.#memory.buffer, address, length);
  }

  /** The text of the last failure or request. */
  text(): string {
    const { disk_text, disk_text_len } = this.exports;
    return new TextDecoder().decode(new Uint8Array(this.#memory.buffer, disk_text() >>> 0, disk_text_len() >>> 0));
  }

  /** The numbers that were answered last. */
  numbers(): [number, number, number, number] {
    const [a = 0, b = 0, c = 0, d = 0] = new Float64Array(this.#memory.buffer, this.exports.disk_numbers() >>> 0, 4);
    return [a, b, c, d];
  }
}
