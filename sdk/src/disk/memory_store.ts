/** Changes that go with the pod: stores in memory, by pieces, as a growing array would be copied again and again. */
import { type Storage, type Store, StoreStatus } from "./store.js";

const PIECE_BYTES = 1 << 20;

export class MemoryStore implements Store {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** A store with these bytes. */
  static of(bytes: Uint8Array): MemoryStore {
    const store = new MemoryStore();
    store.writeAt(0, bytes);
    return store;
  }

  /** All its bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    this.readAt(0, bytes);
    return bytes;
  }

  length(): number {
    return this.#length;
  }

  readAt(offset: number, into: Uint8Array): StoreStatus {
    if (offset + into.length > this.#length) {
      return StoreStatus.io;
    }
    this.#eachPiece(offset, into.length, (piece, within, at, count) => {
      into.set(piece.subarray(within, within + count), at);
    });
    return StoreStatus.ok;
  }

  writeAt(offset: number, bytes: Uint8Array): StoreStatus {
    if (offset > this.#length) {
      return StoreStatus.io;
    }
    const end = offset + bytes.length;
    try {
      while (this.#pieces.length * PIECE_BYTES < end) {
        this.#pieces.push(new Uint8Array(PIECE_BYTES));
      }
    } catch {
      return StoreStatus.full;
    }
    this.#eachPiece(offset, bytes.length, (piece, within, at, count) => {
      piece.set(bytes.subarray(at, at + count), within);
    });
    this.#length = Math.max(this.#length, end);
    return StoreStatus.ok;
  }

  truncate(length: number): StoreStatus {
    this.#length = Math.min(this.#length, length);
    this.#pieces.length = Math.ceil(this.#length / PIECE_BYTES);
    return StoreStatus.ok;
  }

  sync(): StoreStatus {
    return StoreStatus.ok;
  }

  #eachPiece(
    offset: number,
    length: number,
    visit: (piece: Uint8Array, within: number, at: number, count: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const within = (offset + at) % PIECE_BYTES;
      const count = Math.min(PIECE_BYTES - within, length - at);
      const piece = this.#pieces[Math.floor((offset + at) / PIECE_BYTES)];
      if (piece !== undefined) {
        visit(piece, within, at, count);
      }
      at += count;
    }
  }
}

/** Two empty stores. */
export function memoryStorage(): Storage {
  return { stores: [new MemoryStore(), new MemoryStore()], close: async () => {} };
}
