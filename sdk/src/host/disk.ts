/** A pod's disk, as the page has it: the disk Worker behind promises. */
import type {
  ConnectMessage,
  DiskBase,
  DiskErrorCode,
  DiskStatistics,
  DiskStorage,
  DiskTask,
  FromDisk,
  ToDisk,
} from "../disk/protocol.js";
import type { LogLevel } from "../protocol.js";
import type { PodError } from "./errors.js";
import type { PoolDisk, Port } from "./pool.js";
import type { DiskOptions, StorageOptions } from "./storage.js";
import { baseOf, storageOf } from "./storage_options.js";

/** A task without the id that the disk gives it. */
type Task = DiskTask extends infer T ? (T extends DiskTask ? Omit<T, "id"> : never) : never;
type Value = Uint8Array | DiskStatistics | undefined;

/** How much of an image an export takes at a time, in bytes. */
const PART_BYTES = 4 << 20;
/** How long a disk that was closed may take to let go before it is ended, in milliseconds. */
const PATIENCE_MS = 2000;

/** What differs between a page and Node, of disks; and what the entry of the package has already. */
export interface DiskHost {
  /** A `StorageError`, or without a code a `PodError`: an import of these would split the package's entry. */
  error(message: string, code?: DiskErrorCode): PodError;
  /** Starts a disk Worker. */
  newDisk(): Port<ToDisk, FromDisk>;
  /** What an image at this place is for it. */
  base(location: string | URL): Promise<DiskBase>;
  /** Removes what is kept there; throws a `DiskError`. */
  delete(storage: DiskStorage): Promise<void>;
  /** Calls `listener` whenever nobody looks any more, and what nobody looks at may soon be gone; how to end that. */
  onHidden?(listener: () => void): () => void;
}

/** The disks of a host. */
export class Disks {
  readonly #host: DiskHost;

  constructor(host: DiskHost) {
    this.#host = host;
  }

  /**
   * Starts a Worker and opens a disk in it.
   *
   * - `memory`: what the Workers of the pod share, where they share any
   *
   * @throws PodError when the options make no sense, StorageError when there is no such disk to be had.
   */
  open(options: DiskOptions, memory: WebAssembly.Memory | undefined, events: DiskEvents): Promise<PodStorage> {
    return PodStorage.open(this.#host, options, memory, events);
  }

  /** As `importStorage` of the package. */
  async import(options: DiskOptions, bytes: Uint8Array): Promise<void> {
    const disk = await this.open(options, undefined, { log: () => undefined, failed: () => undefined });
    try {
      await disk.import(bytes);
    } finally {
      await disk.close();
    }
  }

  /** As `deleteStorage` of the package. */
  async delete(storage: StorageOptions): Promise<void> {
    const { error } = this.#host;
    await this.#host.delete(storageOf({ storage }, error)).catch((reason: Error & { code?: DiskErrorCode }) => {
      throw error(reason.message, reason.code);
    });
  }
}

/** What a disk tells its pod. */
export interface DiskEvents {
  log(level: LogLevel, message: string): void;
  /** The disk Worker itself failed; nothing more will be answered. */
  failed(error: PodError): void;
}

/** What is kept of a pod: the disk Worker, with its disk open. */
export class PodStorage implements PoolDisk {
  readonly #host: DiskHost;
  readonly #port: Port<ToDisk, FromDisk>;
  readonly #waiting = new Map<number, PromiseWithResolvers<Value>>();
  readonly #opened = Promise.withResolvers<number>();
  readonly #events: DiskEvents;
  #nextId = 1;
  #closing: Promise<void> | undefined;
  /** Asks the kernel to write what it has. */
  #writeBack: (() => Promise<unknown>) | undefined;
  #stopWatching: (() => void) | undefined;
  /** Bytes that it has. */
  length = 0;

  private constructor(host: DiskHost, events: DiskEvents) {
    this.#host = host;
    this.#events = events;
    this.#port = host.newDisk();
    this.#port.onMessage((message) => this.#receive(message));
    this.#port.onError((error) => this.#fail(host.error(`the disk's Worker failed: ${error.message}`, "io")));
  }

  /** @internal See `Disks`. */
  static async open(
    host: DiskHost,
    options: DiskOptions,
    memory: WebAssembly.Memory | undefined,
    events: DiskEvents,
  ): Promise<PodStorage> {
    const storage = storageOf(options, host.error);
    const base = await baseOf(options.image, host);
    const disk = new PodStorage(host, events);
    try {
      await disk.#open(base, storage, options, memory);
      return disk;
    } catch (error) {
      disk.#port.terminate();
      throw error;
    }
  }

  async #open(
    base: DiskBase,
    storage: DiskStorage,
    options: DiskOptions,
    memory: WebAssembly.Memory | undefined,
  ): Promise<void> {
    const limit = options.storage?.limit;
    // The image of somebody else is copied, one that was fetched for the disk moves there.
    const moves = base.kind === "bytes" && base.bytes !== options.image && isWhole(base.bytes);
    this.#port.post(
      {
        type: "open",
        base,
        storage,
        ...(limit === undefined ? {} : { limit }),
        ...(memory === undefined ? {} : { memory }),
      },
      moves ? [base.bytes.buffer] : [],
    );
    this.length = await this.#opened.promise;
  }

  /** @internal A further Worker's port to it. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#port.post({ type: "connect", port: port1 } satisfies ConnectMessage, [port1]);
    return port2;
  }

  /** @internal The kernel runs: `writeBack` asks it for all that it has not written. */
  attach(writeBack: () => Promise<unknown>): void {
    this.#writeBack = writeBack;
    this.#stopWatching = this.#host.onHidden?.(() => void this.sync().catch(() => undefined));
  }

  /**
   * Puts all that was changed where it is kept; settles when no crash can take it any more.
   *
   * @throws KernelError `ENOSPC` when there is no room, `EIO` when the storage has failed.
   */
  async sync(): Promise<void> {
    await this.#writeBack?.();
  }

  /**
   * All changes to the image, as `importStorage` takes them: what is here now.
   *
   * @throws StorageError
   */
  async export(): Promise<Uint8Array> {
    await this.sync();
    return (await this.#ask({ type: "export" })) as Uint8Array;
  }

  /**
   * The image with its changes, by parts.
   *
   * Programs that change files meanwhile make an image of several moments: let them wait, or take it when they have ended.
   *
   * @throws StorageError
   */
  async *image(): AsyncGenerator<Uint8Array> {
    await this.sync();
    for (let offset = 0; offset < this.length; offset += PART_BYTES) {
      const length = Math.min(PART_BYTES, this.length - offset);
      yield (await this.#ask({ type: "image", offset, length })) as Uint8Array;
    }
  }

  /** @internal All parts of it. */
  async wholeImage(): Promise<Uint8Array> {
    const whole = new Uint8Array(this.length);
    let at = 0;
    for await (const part of this.image()) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** @internal Puts an export in the place of all changes, before `connect`. */
  async import(bytes: Uint8Array): Promise<void> {
    await this.#ask({ type: "import", bytes });
  }

  /** Makes the storage smaller by what is overwritten in it. */
  async compact(): Promise<void> {
    await this.#ask({ type: "compact" });
  }

  /** How it has been used. */
  async statistics(): Promise<DiskStatistics> {
    return (await this.#ask({ type: "statistics" })) as DiskStatistics;
  }

  /** @internal Lets go of the storage and ends the Worker; settles when others may open it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopWatching?.();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, PATIENCE_MS);
    await Promise.race([this.#ask({ type: "close" }).catch(() => undefined), late.promise]);
    clearTimeout(timer);
    this.#end(this.#host.error("the disk was closed"));
  }

  #ask(task: Task): Promise<Value> {
    if (this.#closing !== undefined && task.type !== "close") {
      return Promise.reject(this.#host.error("the disk is closed"));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = Promise.withResolvers<Value>();
    this.#waiting.set(id, answer);
    this.#port.post({ ...task, id } as DiskTask);
    return answer.promise;
  }

  #receive(message: FromDisk): void {
    switch (message.type) {
      case "opened":
        this.#opened.resolve(message.length);
        break;
      case "done":
        this.#take(message.id)?.resolve(message.value);
        break;
      case "failed": {
        const error = this.#host.error(message.message, message.code);
        if (message.id === undefined) {
          this.#opened.reject(error);
        } else {
          this.#take(message.id)?.reject(error);
        }
        break;
      }
      case "log":
        this.#events.log(message.level, message.message);
        break;
    }
  }

  #take(id: number): PromiseWithResolvers<Value> | undefined {
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    return answer;
  }

  #fail(error: PodError): void {
    this.#closing ??= Promise.resolve();
    this.#opened.reject(error);
    this.#end(error);
    this.#events.failed(error);
  }

  #end(error: PodError): void {
    this.#port.terminate();
    for (const { reject } of this.#waiting.values()) {
      reject(error);
    }
    this.#waiting.clear();
  }
}

function isWhole(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer && bytes.length === bytes.buffer.byteLength;
}
