/** The requests of a pod's Workers: in order where the order matters, and again where something is not there yet. */
import { Errno } from "../generated/abi.js";
import { type DiskModule, Status } from "./module.js";
import type { DiskReply, DiskRequest } from "./protocol.js";

/** The most bytes of one request. */
const MAX_BYTES = 64 << 20;

/** Error numbers of the statuses; all others are failures of the disk. */
const ERRORS: Readonly<Record<number, number>> = {
  [Status.ok]: 0,
  [Status.full]: -Errno.ENOSPC,
  [Status.invalid]: -Errno.EINVAL,
  [Status.readOnly]: -Errno.EROFS,
};

/** A reply, and its bytes where no memory is shared. */
export type Reply = (reply: DiskReply, transfer: Transferable[]) => void;

interface Waiting {
  readonly request: DiskRequest;
  readonly reply: Reply;
}

/** What the requests need besides the module. */
export interface RequestOptions {
  readonly module: DiskModule;
  /** The memory of the Workers, if they share one. */
  readonly memory: WebAssembly.Memory | undefined;
  /** Whether what was flushed is on the medium; a status. */
  readonly settle: () => number;
  /** A change or a flush has answered this; after `pending` it is made again from its start. */
  readonly made: (status: number) => void;
  /** The module has trapped: nothing will work any more. */
  readonly onBroken: (error: unknown) => void;
}

/** Makes requests; see `DiskRequest` for their order. */
export class Requests {
  readonly #options: RequestOptions;
  /** What has come before its turn. */
  readonly #early = new Map<number, Waiting>();
  #next = 1;
  /** Changes and flushes in order; the first is being made. */
  readonly #lane: Waiting[] = [];
  /** Reads in order that wait for bytes, or for a change before them. */
  #reads: Waiting[] = [];
  /** Numbers of reads of our own, which wait for no turn: above all others. */
  #internal = 2 ** 50;
  #isEnded = false;

  constructor(options: RequestOptions) {
    this.#options = options;
  }

  /** Whether something waits. */
  get isWaiting(): boolean {
    return this.#lane.length > 0 || this.#reads.length > 0;
  }

  /** Takes a request. */
  accept(request: DiskRequest, reply: Reply): void {
    if (this.#isEnded) {
      reply({ sequence: request.sequence, status: -Errno.EIO, isFull: false }, []);
      return;
    }
    this.#early.set(request.sequence, { request, reply });
    for (let waiting = this.#take(); waiting !== undefined; waiting = this.#take()) {
      if (waiting.request.operation !== "read") {
        this.#lane.push(waiting);
        if (this.#lane.length === 1) {
          this.#advance();
        }
      } else if (this.#isBehind(waiting) || !this.#make(waiting)) {
        this.#reads.push(waiting);
      }
    }
  }

  /** Reads bytes of the disk as it is now, for the page. */
  read(offset: number, length: number): Promise<Uint8Array> {
    this.#internal += 1;
    const request: DiskRequest = { sequence: this.#internal, operation: "read", offset, length, address: -1 };
    return new Promise((resolve, reject) => {
      const reply: Reply = ({ status, bytes }) => {
        if (bytes === undefined) {
          reject(new Error(status === -Errno.EINVAL ? "there are no such bytes" : "the image cannot be read"));
        } else {
          resolve(bytes);
        }
      };
      const waiting = { request, reply };
      if (this.#isEnded) {
        this.#finish(waiting, Status.io);
      } else if (!this.#make(waiting)) {
        this.#reads.push(waiting);
      }
    });
  }

  /** Something has arrived, failed, or got to the medium: makes what can be made. */
  retry(): void {
    this.#advance();
    this.#retryReads();
  }

  /** Ends everything with `-EIO`. */
  end(): void {
    this.#isEnded = true;
    const all = [...this.#lane.splice(0), ...this.#reads.splice(0), ...this.#early.values()];
    this.#early.clear();
    for (const waiting of all) {
      this.#finish(waiting, Status.io);
    }
  }

  #take(): Waiting | undefined {
    const waiting = this.#early.get(this.#next);
    if (waiting !== undefined) {
      this.#early.delete(this.#next);
      this.#next += 1;
    }
    return waiting;
  }

  #isBehind({ request: { sequence } }: Waiting): boolean {
    return this.#lane.some(({ request }) => request.operation === "change" && request.sequence < sequence);
  }

  #advance(): void {
    let hasChanged = false;
    for (let first = this.#lane[0]; first !== undefined && this.#make(first); first = this.#lane[0]) {
      hasChanged ||= first.request.operation === "change";
      this.#lane.shift();
    }
    if (hasChanged) {
      this.#retryReads();
    }
  }

  #retryReads(): void {
    if (this.#reads.length > 0) {
      const reads = this.#reads;
      this.#reads = [];
      this.#reads = [...reads.filter((waiting) => this.#isBehind(waiting) || !this.#make(waiting)), ...this.#reads];
    }
  }

  /** Makes a request and answers it; false when it has to wait. */
  #make(waiting: Waiting): boolean {
    try {
      const status = this.#isEnded ? Status.io : this.#status(waiting.request);
      if (status === Status.pending) {
        return false;
      }
      this.#finish(waiting, status);
    } catch (error) {
      this.#isEnded = true;
      this.#finish(waiting, Status.io);
      this.#options.onBroken(error);
    }
    return true;
  }

  #status(request: DiskRequest): number {
    const { module, memory, settle, made } = this.#options;
    const { sequence, operation, offset, length, address } = request;
    if (operation === "flush") {
      const status = module.exports.disk_flush();
      made(status);
      return status === Status.ok ? settle() : status;
    }
    const isWhole = [offset, length, address].every(Number.isSafeInteger) && offset >= 0 && length >= 0;
    if (!isWhole || length > MAX_BYTES) {
      return Status.invalid;
    }
    if (operation === "read") {
      return module.exports.disk_read(sequence, offset, length);
    }
    const bytes = request.bytes ?? (memory === undefined ? undefined : shared(memory, address, length));
    if (operation !== "change" || bytes?.length !== length || offset > length) {
      return Status.invalid;
    }
    module.room(length).set(bytes);
    const status = module.exports.disk_change(sequence, offset);
    made(status);
    return status;
  }

  #finish({ request, reply }: Waiting, status: number): void {
    const { module, memory } = this.#options;
    const { sequence, operation, length, address } = request;
    const answer = { sequence, status: ERRORS[status] ?? -Errno.EIO };
    if (this.#isEnded) {
      reply({ ...answer, isFull: false }, []);
      return;
    }
    if (status === Status.ok && operation === "read") {
      const bytes = module.room(length);
      const place = memory === undefined || address < 0 ? undefined : shared(memory, address, length);
      if (place === undefined && memory !== undefined && address >= 0) {
        reply({ sequence, status: -Errno.EINVAL, isFull: false }, []);
      } else if (place === undefined) {
        const copy = bytes.slice();
        reply({ ...answer, isFull: module.exports.disk_is_full() !== 0, bytes: copy }, [copy.buffer]);
      } else {
        place.set(bytes);
        reply({ ...answer, isFull: module.exports.disk_is_full() !== 0 }, []);
      }
      return;
    }
    reply({ ...answer, isFull: module.exports.disk_is_full() !== 0 }, []);
  }
}

/** Bytes of the memory that the Workers share; absent when it has no such place. */
function shared(memory: WebAssembly.Memory, address: number, length: number): Uint8Array | undefined {
  const { buffer } = memory;
  return address >= 0 && address + length <= buffer.byteLength ? new Uint8Array(buffer, address, length) : undefined;
}
