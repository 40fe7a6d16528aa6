/**
 * Changes in IndexedDB, for browsers without private files: the bytes of both logs by chunks, one record each.
 *
 * A database is asynchronous, and the log is not: what is written stays in memory until a transaction has put it, and what is
 * read and not there is fetched first (`pending`). One transaction goes at a time, of durability "strict".
 * It has all that is dirty of both logs, so that the records are always those of one moment: no barrier has to wait for another.
 */
import { DiskError, type Storage, type Store, StoreStatus, statusOf } from "./store.js";

/** Bytes of a record. A small commit rewrites the last one and the header's. */
const CHUNK_BYTES = 64 << 10;
/** Bytes of clean chunks that each store keeps in memory. */
const CLEAN_BYTES = 8 << 20;
/** Bytes of dirty chunks from which on they are written before anybody asks for a barrier. */
const DIRTY_BYTES = 4 << 20;

const CHUNKS = "chunks";
const LENGTHS = "lengths";
const VERSION = 1;

/** The name of the database of `key`. */
export function databaseName(key: string): string {
  return `shoal:${key}`;
}

/** A part of a log in memory. */
interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is written while the rest is fetched: it goes over that. Absent: all of it is here. */
  patches?: { readonly at: number; readonly bytes: Uint8Array }[];
  isDirty: boolean;
  /** In the transaction that runs: only there, until it is done. */
  isLeaving: boolean;
}

/** What a transaction has of one store. */
interface Leaving {
  readonly chunks: readonly (readonly [number, Chunk])[];
  /** The first chunk that is deleted before others are put. */
  readonly cut: number;
}

/** The transactions that write, for both stores: each takes all that is dirty, so that all have been there at one moment. */
class Writer {
  readonly #database: IDBDatabase;
  readonly #settled: () => void;
  stores: readonly DatabaseStore[] = [];
  /** What the last transaction came to. A database that failed has lost something for good. */
  status: StoreStatus = StoreStatus.ok;
  #writing: Promise<void> | undefined;
  /** Whether the transaction that runs is for a barrier, and whether one was refused for lack of room. */
  #isAsked = false;
  #isRefused = false;

  constructor(database: IDBDatabase, settled: () => void) {
    this.#database = database;
    this.#settled = settled;
  }

  /** Whether there is too much in memory to wait for a barrier. */
  get isBehind(): boolean {
    return this.stores.reduce((sum, { nrDirty }) => sum + nrDirty, 0) * CHUNK_BYTES >= DIRTY_BYTES;
  }

  /** The barrier of both stores. */
  sync(): StoreStatus {
    if (this.status === StoreStatus.io) {
      return StoreStatus.io;
    }
    if (this.#writing === undefined) {
      if (!this.stores.some(({ isDirty }) => isDirty)) {
        return StoreStatus.ok;
      }
      if (this.#isRefused) {
        // Said once for each attempt: the caller decides whether there is another.
        this.#isRefused = false;
        return StoreStatus.full;
      }
      this.write();
    }
    this.#isAsked = this.#writing !== undefined;
    return StoreStatus.pending;
  }

  /** Puts all that is dirty in one transaction, unless one runs, or something is only half here. */
  write(): void {
    const { stores } = this;
    if (this.#writing !== undefined || this.status === StoreStatus.io || !stores.some(({ isDirty }) => isDirty)) {
      return;
    }
    if (stores.every(({ isWhole }) => isWhole)) {
      const leaving = stores.map((store) => store.leave());
      this.#writing = this.#put(leaving).then((status) => {
        this.#writing = undefined;
        this.status = status;
        this.#isRefused = this.#isAsked && status === StoreStatus.full;
        this.#isAsked = false;
        for (const [log, store] of stores.entries()) {
          store.left(leaving[log] as Leaving, status === StoreStatus.ok);
        }
        this.#settled();
      });
    }
  }

  /** Puts what is dirty, as far as it goes. */
  async finish(): Promise<void> {
    await this.#writing;
    this.write();
    await this.#writing;
  }

  #put(leaving: readonly Leaving[]): Promise<StoreStatus> {
    return new Promise((resolve) => {
      try {
        const transaction = this.#database.transaction([CHUNKS, LENGTHS], "readwrite", { durability: "strict" });
        transaction.oncomplete = () => resolve(StoreStatus.ok);
        transaction.onabort = () => resolve(statusOf(transaction.error ?? {}));
        const records = transaction.objectStore(CHUNKS);
        for (const [log, { chunks, cut }] of leaving.entries()) {
          if (Number.isFinite(cut)) {
            records.delete(IDBKeyRange.bound([log, cut], [log, Number.POSITIVE_INFINITY]));
          }
          for (const [number, { bytes }] of chunks) {
            records.put(bytes.buffer, [log, number]);
          }
          transaction.objectStore(LENGTHS).put(this.stores[log]?.length(), log);
        }
      } catch (error) {
        resolve(statusOf(error));
      }
    });
  }
}

class DatabaseStore implements Store {
  readonly #database: IDBDatabase;
  readonly #log: number;
  readonly #writer: Writer;
  readonly #settled: () => void;
  /** By number; the one that was used last is the last. */
  readonly #chunks = new Map<number, Chunk>();
  /** Those whose fetching failed, until somebody heard of it. */
  readonly #lost = new Set<number>();
  #length: number;
  #isLengthDirty = false;
  /** The first chunk that has to be deleted before others are put. */
  #cut = Number.POSITIVE_INFINITY;
  nrDirty = 0;
  /** How many chunks are fetched ahead while everything is held; 0 when nothing is. */
  #nrAhead = 0;

  constructor(database: IDBDatabase, log: number, length: number, writer: Writer, settled: () => void) {
    this.#database = database;
    this.#log = log;
    this.#length = length;
    this.#writer = writer;
    this.#settled = settled;
  }

  length(): number {
    return this.#length;
  }

  readAt(offset: number, into: Uint8Array): StoreStatus {
    if (offset + into.length > this.#length) {
      return StoreStatus.io;
    }
    const absent: number[] = [];
    let isReady = true;
    let isLost = false;
    eachChunk(offset, into.length, (number) => {
      const chunk = this.#use(number);
      isReady &&= chunk !== undefined && chunk.patches === undefined;
      isLost = this.#lost.delete(number) || isLost;
      if (chunk === undefined) {
        absent.push(number);
      }
    });
    if (isLost) {
      return StoreStatus.io;
    }
    if (!isReady) {
      this.#fetch([...absent, ...this.#following(absent)]);
      return StoreStatus.pending;
    }
    eachChunk(offset, into.length, (number, within, at, count) => {
      const chunk = this.#chunks.get(number);
      if (chunk !== undefined) {
        into.set(chunk.bytes.subarray(within, within + count), at);
      }
    });
    return StoreStatus.ok;
  }

  writeAt(offset: number, bytes: Uint8Array): StoreStatus {
    const { status, isBehind } = this.#writer;
    if (status === StoreStatus.io || offset > this.#length) {
      return StoreStatus.io;
    }
    if (isBehind) {
      this.#writer.write();
      if (status === StoreStatus.full) {
        // The browser has refused what is here already: no more of it.
        return StoreStatus.full;
      }
    }
    const before = this.#length;
    this.#length = Math.max(before, offset + bytes.length);
    this.#isLengthDirty ||= this.#length !== before;
    eachChunk(offset, bytes.length, (number, within, at, count) => {
      const hasMore = count !== CHUNK_BYTES && number * CHUNK_BYTES < before;
      if (hasMore && !this.#chunks.has(number)) {
        this.#fetch([number]);
      }
      const part = bytes.subarray(at, at + count);
      const chunk = this.#use(number) ?? this.#insert(number);
      chunk.bytes.set(part, within);
      chunk.patches?.push({ at: within, bytes: part.slice() });
      this.#soil(chunk);
    });
    return StoreStatus.ok;
  }

  truncate(length: number): StoreStatus {
    if (this.#writer.status === StoreStatus.io) {
      return StoreStatus.io;
    }
    if (length < this.#length) {
      this.#length = length;
      this.#isLengthDirty = true;
      const first = Math.ceil(length / CHUNK_BYTES);
      this.#cut = Math.min(this.#cut, first);
      for (const [number, chunk] of this.#chunks) {
        if (number >= first) {
          this.#chunks.delete(number);
          this.#clean(chunk);
        }
      }
    }
    return StoreStatus.ok;
  }

  sync(): StoreStatus {
    return this.#writer.sync();
  }

  /**
   * Keeps what is read from now on. Each `pending` fetches twice as much ahead as the one before it, so that what starts anew
   * after each does so a few times, however long the log is.
   */
  hold(isHeld: boolean): void {
    this.#nrAhead = isHeld ? Math.max(this.#nrAhead, 1) : 0;
  }

  /** Whether it has something that is not in the database. */
  get isDirty(): boolean {
    return this.nrDirty > 0 || this.#isLengthDirty;
  }

  /** Whether all that is dirty can be put: the rest of each chunk is here. */
  get isWhole(): boolean {
    return ![...this.#chunks.values()].some(({ isDirty, patches }) => isDirty && patches !== undefined);
  }

  /** What a transaction shall have; clean from now on. */
  leave(): Leaving {
    const chunks = [...this.#chunks].filter(([, { isDirty }]) => isDirty);
    const cut = this.#cut;
    this.#cut = Number.POSITIVE_INFINITY;
    this.#isLengthDirty = false;
    for (const [, chunk] of chunks) {
      this.#clean(chunk);
      chunk.isLeaving = true;
    }
    return { chunks, cut };
  }

  /** The transaction is over; what did not get to the medium is dirty again. */
  left({ chunks, cut }: Leaving, isDone: boolean): void {
    for (const [number, chunk] of chunks) {
      chunk.isLeaving = false;
      if (!isDone && this.#chunks.get(number) === chunk) {
        this.#soil(chunk);
      }
    }
    if (!isDone) {
      this.#cut = Math.min(this.#cut, cut);
      this.#isLengthDirty = true;
    }
  }

  /** The chunk as the one that was used last. */
  #use(number: number): Chunk | undefined {
    const chunk = this.#chunks.get(number);
    if (chunk !== undefined) {
      this.#chunks.delete(number);
      this.#chunks.set(number, chunk);
    }
    return chunk;
  }

  /** A chunk of zeros, and room for it. */
  #insert(number: number): Chunk {
    const chunk: Chunk = { bytes: new Uint8Array(CHUNK_BYTES), isDirty: false, isLeaving: false };
    const nrClean = this.#chunks.size - this.nrDirty;
    let nrSpare = this.#nrAhead > 0 ? 0 : nrClean - CLEAN_BYTES / CHUNK_BYTES;
    for (const [old, { isDirty, isLeaving, patches }] of this.#chunks) {
      if (nrSpare <= 0) {
        break;
      }
      if (!isDirty && !isLeaving && patches === undefined) {
        this.#chunks.delete(old);
        nrSpare -= 1;
      }
    }
    this.#chunks.set(number, chunk);
    return chunk;
  }

  #soil(chunk: Chunk): void {
    this.nrDirty += chunk.isDirty ? 0 : 1;
    chunk.isDirty = true;
  }

  #clean(chunk: Chunk): void {
    this.nrDirty -= chunk.isDirty ? 1 : 0;
    chunk.isDirty = false;
  }

  /** The chunks to fetch along with these. */
  #following(absent: readonly number[]): number[] {
    const first = (absent.at(-1) ?? Number.POSITIVE_INFINITY) + 1;
    const end = Math.min(first + this.#nrAhead, Math.ceil(this.#length / CHUNK_BYTES));
    const following: number[] = [];
    for (let number = first; number < end; number += 1) {
      if (!this.#chunks.has(number)) {
        following.push(number);
      }
    }
    this.#nrAhead *= absent.length > 0 ? 2 : 1;
    return following;
  }

  /** Fetches chunks that are not in memory: nothing that is newer than their records is. */
  #fetch(numbers: readonly number[]): void {
    if (numbers.length === 0) {
      return;
    }
    const fetched = numbers.map((number) => {
      const chunk = this.#insert(number);
      chunk.patches = [];
      return { number, chunk };
    });
    // A record that is not there is lost, too.
    const end = () => this.#fetched(fetched);
    try {
      const transaction = this.#database.transaction(CHUNKS, "readonly");
      for (const { number, chunk } of fetched) {
        const request = transaction.objectStore(CHUNKS).get([this.#log, number]);
        request.onsuccess = () => fill(chunk, request.result);
      }
      transaction.oncomplete = end;
      transaction.onabort = end;
    } catch {
      queueMicrotask(end);
    }
  }

  /** What was fetched is here, or lost. */
  #fetched(chunks: readonly { readonly number: number; readonly chunk: Chunk }[]): void {
    for (const { number, chunk } of chunks) {
      // One that was cut off in the meantime is nobody's.
      if (chunk.patches !== undefined && this.#chunks.get(number) === chunk) {
        this.#chunks.delete(number);
        this.#lost.add(number);
        if (chunk.isDirty) {
          this.#writer.status = StoreStatus.io;
        }
        this.#clean(chunk);
      }
    }
    this.#settled();
  }
}

/** Puts a record below what was written over it. */
function fill(chunk: Chunk, record: unknown): void {
  if (record instanceof ArrayBuffer) {
    chunk.bytes.set(new Uint8Array(record).subarray(0, CHUNK_BYTES));
    for (const { at, bytes } of chunk.patches ?? []) {
      chunk.bytes.set(bytes, at);
    }
    delete chunk.patches;
  }
}

/** Calls `visit` with each chunk of a range: its number, where in it, where in the range, and how many bytes. */
function eachChunk(
  offset: number,
  length: number,
  visit: (number: number, within: number, at: number, count: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const within = (offset + at) % CHUNK_BYTES;
    const count = Math.min(CHUNK_BYTES - within, length - at);
    visit(Math.floor((offset + at) / CHUNK_BYTES), within, at, count);
    at += count;
  }
}

/** Opens the database of `key`, which the caller has locked. Throws a `DiskError`. */
export async function openDatabase(key: string): Promise<Storage> {
  try {
    const database = await connect(databaseName(key));
    const settled = () => storage.onSettled?.();
    const writer = new Writer(database, settled);
    const [first = 0, second = 0] = await Promise.all([0, 1].map((log) => lengthOf(database, log)));
    const stores = [
      new DatabaseStore(database, 0, first, writer, settled),
      new DatabaseStore(database, 1, second, writer, settled),
    ] as const;
    writer.stores = stores;
    const storage: Storage = {
      stores,
      hold: (isHeld) => {
        for (const store of stores) {
          store.hold(isHeld);
        }
      },
      isOrdered: true,
      async close() {
        await writer.finish();
        database.close();
      },
    };
    return storage;
  } catch (error) {
    throw errorOf(error as DOMException, key);
  }
}

/** Whether there is a database of `key`; no, where the browser does not tell. */
export async function hasDatabase(key: string): Promise<boolean> {
  const list = await indexedDB.databases?.().catch(() => []);
  return list?.some(({ name }) => name === databaseName(key)) ?? false;
}

/** Removes the database of `key`, if there is one. Throws a `DiskError`. */
export async function deleteDatabase(key: string): Promise<void> {
  const { indexedDB } = globalThis as { indexedDB?: IDBFactory };
  if (indexedDB !== undefined) {
    await new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(databaseName(key));
      request.onsuccess = resolve;
      request.onerror = () => reject(errorOf(request.error as DOMException, key));
    });
  }
}

function connect(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(CHUNKS);
      request.result.createObjectStore(LENGTHS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function lengthOf(database: IDBDatabase, log: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = database.transaction(LENGTHS).objectStore(LENGTHS).get(log);
    request.onsuccess = () => resolve(typeof request.result === "number" ? request.result : 0);
    request.onerror = () => reject(request.error);
  });
}

function errorOf({ name, message }: DOMException, key: string): DiskError {
  switch (name) {
    case "QuotaExceededError":
      return new DiskError("full", `there is no room for the storage "${key}"`);
    case "InvalidStateError":
    case "SecurityError":
    case "ReferenceError":
      return new DiskError("unsupported", `this browser gives no database here: ${message}`);
    default:
      return new DiskError("io", `cannot open the storage "${key}": ${message}`);
  }
}
