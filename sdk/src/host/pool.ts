/** The Workers of a pod and the messages to them. */
import type { BootMessage, HostMessage, KernelOptions, LogLevel, PodMode, Reply, WorkerMessage } from "../protocol.js";
import { KernelError, PodError } from "./errors.js";

/** A request that expects an answer, without the id that the pool gives it. */
export type Request = HostMessage extends infer M ? (M extends { id: number } ? Omit<M, "id"> : never) : never;

/** A Worker as its host uses it, the same in a page and in Node. */
export interface Port<To, From> {
  post(message: To, transfer?: Transferable[]): void;
  onMessage(listener: (message: From) => void): void;
  onError(listener: (error: Error) => void): void;
  terminate(): void;
}

/** A Worker of the pool. */
export type PoolPort = Port<HostMessage, WorkerMessage>;

/** The disk Worker as the pool uses it. */
export interface PoolDisk {
  /** Bytes of the disk. */
  readonly length: number;
  /** A port to it for one more Worker. */
  connect(): MessagePort;
}

/** What happens in a pod. */
export interface PoolEvents {
  output(stream: number, bytes: Uint8Array): void;
  taken(stream: number, length: number): void;
  ended(pid: number, status: number): void;
  log(level: LogLevel, message: string): void;
  /** A Worker asks about a file that the page provides. */
  provided(message: Extract<WorkerMessage, { type: "provided" }>): void;
  failed(error: PodError): void;
}

/** What a pod is made of. */
export interface PoolParts {
  readonly mode: PodMode;
  readonly nrWorkers: number;
  /** The kernel, built for this mode. */
  readonly module: WebAssembly.Module;
  /** The root file system in memory; empty where there is a disk. */
  readonly image: Uint8Array;
  /** Opens the disk, given what memory the Workers share. */
  readonly openDisk?: (memory: WebAssembly.Memory | undefined) => Promise<PoolDisk>;
  /** Whether nobody else needs the image: it then moves to the Worker instead of being copied. */
  readonly ownsImage: boolean;
  readonly options: KernelOptions;
}

/** Bytes of the kernel's memory at first and at most, in pages of 64 KiB. */
const MIN_PAGES = 512;
const MAX_PAGES = 16384;

interface Waiting {
  readonly subject: string;
  resolve(value: Reply): void;
  reject(error: Error): void;
}

type Output = { readonly stream: number; readonly bytes: Uint8Array };

/** A fixed pool of Workers around one kernel. */
export class Pool {
  readonly #events: PoolEvents;
  readonly #ports: PoolPort[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #early = new Map<number, Output>();
  /** Who waits for a Worker to boot. */
  readonly #booting = new Set<(error: PodError) => void>();
  readonly #lateEnds: { pid: number; status: number; nrOutputs: number }[] = [];
  #nextId = 1;
  #nextOutput = 1;
  #isClosed = false;

  private constructor(events: PoolEvents) {
    this.#events = events;
  }

  /** Starts Workers with `newPort` and boots the kernel in them. */
  static async boot(newPort: (index: number) => PoolPort, parts: PoolParts, events: PoolEvents): Promise<Pool> {
    const { nrWorkers, module, image, options } = parts;
    const pool = new Pool(events);
    const size = { initial: MIN_PAGES + Math.ceil(image.length / 65536), maximum: MAX_PAGES };
    const memory = parts.mode === "pool" ? new WebAssembly.Memory({ ...size, shared: true }) : size;
    const common = { type: "boot", nrWorkers, module, memory, options } as const;
    const ports = Array.from({ length: nrWorkers }, (_, index) => newPort(index));
    pool.#ports.push(...ports);
    try {
      const [first, ...others] = ports;
      if (first === undefined) {
        throw new PodError("a pool without Workers");
      }
      const disk = await parts.openDisk?.(memory instanceof WebAssembly.Memory ? memory : undefined);
      const moves = parts.ownsImage && image.length === image.buffer.byteLength;
      const own = { ...common, worker: 0, ...(disk === undefined ? { image } : {}) };
      const { seats } = await pool.#start(first, own, moves ? [image.buffer] : [], disk);
      const started = others.map((port, index) => {
        const seat = seats[index];
        if (seat === undefined) {
          throw new PodError("the kernel made no seat for a Worker");
        }
        return pool.#start(port, { ...common, worker: index + 1, seat }, [], disk);
      });
      await Promise.all(started);
    } catch (error) {
      pool.close();
      throw error;
    }
    return pool;
  }

  /** Asks the kernel something and waits for its answer. */
  request(request: Request, transfer: Transferable[] = []): Promise<Reply> {
    if (this.#isClosed) {
      return Promise.reject(new PodError("the pod is closed"));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { subject: subjectOf(request), resolve, reject });
      this.#ports[0]?.post({ ...request, id } as HostMessage, transfer);
    });
  }

  /** Tells the kernel something. */
  tell(message: Exclude<HostMessage, { id: number }>, transfer: Transferable[] = []): void {
    this.#ports[0]?.post(message, transfer);
  }

  /** Tells a Worker what it has asked. */
  answer(worker: number, message: Extract<HostMessage, { type: "provided" }>, transfer: Transferable[]): void {
    this.#ports[worker]?.post(message, transfer);
  }

  /** How many Workers there are. */
  get size(): number {
    return this.#ports.length;
  }

  /** Ends all Workers. */
  close(): void {
    this.#isClosed = true;
    for (const port of this.#ports) {
      port.terminate();
    }
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new PodError("the pod was closed"));
    }
    this.#waiting.clear();
  }

  #start(
    port: PoolPort,
    message: BootMessage,
    transfer: Transferable[],
    disk: PoolDisk | undefined,
  ): Promise<Extract<WorkerMessage, { type: "booted" }>> {
    return new Promise((resolve, reject) => {
      this.#booting.add(reject);
      const fail = (error: PodError) => this.#fail(error);
      port.onError((error) => {
        fail(new PodError(error.message));
      });
      port.onMessage((reply) => {
        if (reply.type === "booted") {
          this.#booting.delete(reject);
          resolve(reply);
        } else if (reply.type === "failed") {
          fail(new PodError(reply.message));
        } else {
          this.#receive(reply);
        }
      });
      if (disk === undefined) {
        port.post(message, transfer);
      } else {
        const way = disk.connect();
        port.post({ ...message, disk: { port: way, length: disk.length } }, [...transfer, way]);
      }
    });
  }

  #fail(error: PodError): void {
    if (this.#isClosed) {
      return;
    }
    this.close();
    // Whoever boots hears of a failure from the promise, later ones are an event.
    if (this.#booting.size === 0) {
      this.#events.failed(error);
    }
    for (const reject of this.#booting) {
      reject(error);
    }
    this.#booting.clear();
  }

  #receive(message: Exclude<WorkerMessage, { type: "booted" | "failed" }>): void {
    switch (message.type) {
      case "log":
        this.#events.log(message.level, message.message);
        break;
      case "output":
        this.#early.set(message.number, message);
        this.#release();
        break;
      case "taken":
        this.#events.taken(message.stream, message.length);
        break;
      case "ended":
        this.#lateEnds.push(message);
        this.#release();
        break;
      case "ring":
        this.#ports[message.worker]?.post({ type: "ring" });
        break;
      case "thread":
        this.#ports[message.worker]?.post({ type: "thread", ...message.thread });
        break;
      case "provided":
        this.#events.provided(message);
        break;
      case "reply":
        this.#take(message.id)?.resolve(message.value);
        break;
      case "refused": {
        const waiting = this.#take(message.id);
        waiting?.reject(new KernelError(message.errno, waiting.subject));
        break;
      }
    }
  }

  /** Passes outputs on in the order the kernel made them, then the ends that came after them. */
  #release(): void {
    for (let next = this.#early.get(this.#nextOutput); next !== undefined; next = this.#early.get(this.#nextOutput)) {
      this.#early.delete(this.#nextOutput);
      this.#nextOutput = (this.#nextOutput + 1) >>> 0;
      this.#events.output(next.stream, next.bytes);
    }
    for (let index = 0; index < this.#lateEnds.length; ) {
      const end = this.#lateEnds[index];
      if (end !== undefined && end.nrOutputs < this.#nextOutput) {
        this.#lateEnds.splice(index, 1);
        this.#events.ended(end.pid, end.status);
      } else {
        index += 1;
      }
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

/** What a refused request was about, for people. */
function subjectOf(request: Request): string {
  switch (request.type) {
    case "spawn":
      return request.request.path;
    case "file":
      return "path" in request.request ? request.request.path : request.request.op;
    case "kill":
      return `kill ${request.pid}`;
    default:
      return request.type;
  }
}
