/** The disk Worker, driven by its messages as the page and the pod's Workers drive it. */
import { Worker } from "node:worker_threads";
import type {
  DiskBase,
  DiskErrorCode,
  DiskReply,
  DiskRequest,
  DiskStatistics,
  DiskStorage,
  DiskTask,
  FromDisk,
  OpenMessage,
} from "../../../sdk/dist/disk/protocol.js";
import { ROOT } from "./shoal.ts";

const ENTRY = `${ROOT}/sdk/dist/disk/node.js`;
/** What Workers share: room for the bytes of the requests in flight. */
const SHARED_PAGES = 1024;
const SLOT_BYTES = 4 << 20;
const NR_SLOTS = (SHARED_PAGES << 16) / SLOT_BYTES;

/** A disk that is not there. */
export class Refused extends Error {
  readonly code: DiskErrorCode;

  constructor(code: DiskErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How a disk is opened by a test. */
export interface Options {
  readonly base: DiskBase;
  readonly storage?: DiskStorage;
  readonly limit?: number;
  /** As in a pod of one Worker: bytes go by messages. */
  readonly isSolo?: boolean;
}

/** A row of a change. */
export type Row = readonly [offset: number, bytes: Uint8Array] | readonly [offset: number, discarded: number];

type Unnumbered = DiskTask extends infer T ? (T extends DiskTask ? Omit<T, "id"> : never) : never;

/** An open disk. */
export class DiskClient implements AsyncDisposable {
  readonly length: number;
  readonly logs: string[] = [];
  readonly #worker: Worker;
  readonly #memory: WebAssembly.Memory | undefined;
  /** Two, as two Workers would have: the numbering is one. */
  readonly #ports: MessagePort[];
  readonly #waiting = new Map<number, (reply: DiskReply) => void>();
  readonly #tasks = new Map<number, [(value: Uint8Array | DiskStatistics | undefined) => void, (e: Error) => void]>();
  #sequence = 0;
  #task = 0;
  #isKilled = false;

  private constructor(worker: Worker, length: number, memory: WebAssembly.Memory | undefined) {
    this.#worker = worker;
    this.length = length;
    this.#memory = memory;
    this.#ports = [0, 1].map(() => {
      const { port1, port2 } = new MessageChannel();
      worker.postMessage({ type: "connect", port: port2 }, [port2 as never]);
      port1.onmessage = ({ data }: MessageEvent<DiskReply>) => {
        this.#waiting.get(data.sequence)?.(data);
        this.#waiting.delete(data.sequence);
      };
      return port1;
    });
    worker.on("message", (message: FromDisk) => this.#take(message));
  }

  static async open({ base, storage = { kind: "memory" }, limit, isSolo = false }: Options): Promise<DiskClient> {
    const worker = new Worker(ENTRY);
    const memory = isSolo
      ? undefined
      : new WebAssembly.Memory({ initial: SHARED_PAGES, maximum: SHARED_PAGES, shared: true });
    const open: OpenMessage = {
      type: "open",
      base,
      storage,
      ...(limit !== undefined && { limit }),
      ...(memory && { memory }),
    };
    const logs: string[] = [];
    const opened = new Promise<number>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("message", (message: FromDisk) => {
        if (message.type === "opened") {
          resolve(message.length);
        } else if (message.type === "failed" && message.id === undefined) {
          reject(new Refused(message.code, message.message));
        } else if (message.type === "log") {
          logs.push(message.message);
        }
      });
    });
    worker.postMessage(open);
    try {
      const client = new DiskClient(worker, await opened, memory);
      client.logs.push(...logs);
      return client;
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  /** Posts a request; the answer, with what was read. */
  request(operation: DiskRequest["operation"], offset: number, length: number, bytes?: Uint8Array): Promise<DiskReply> {
    this.#sequence += 1;
    return this.requestAs(this.#sequence, operation, offset, length, bytes);
  }

  /** The same with a number of the test's choice. */
  async requestAs(
    sequence: number,
    operation: DiskRequest["operation"],
    offset: number,
    length: number,
    bytes?: Uint8Array,
  ): Promise<DiskReply> {
    this.#sequence = Math.max(this.#sequence, sequence);
    const address = (sequence % NR_SLOTS) * SLOT_BYTES;
    const place = this.#memory && new Uint8Array(this.#memory.buffer, address, Math.min(length, SLOT_BYTES));
    place?.set(bytes ?? []);
    const request: DiskRequest = {
      sequence,
      operation,
      offset,
      length,
      address,
      ...(this.#memory === undefined && bytes !== undefined && { bytes }),
    };
    const reply = await new Promise<DiskReply>((resolve) => {
      this.#waiting.set(sequence, resolve);
      this.#ports[sequence % this.#ports.length]?.postMessage(request);
    });
    return operation === "read" && reply.status === 0 && place !== undefined
      ? { ...reply, bytes: new Uint8Array(place) }
      : reply;
  }

  /** Reads, or throws the error number as text. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const { status, bytes } = await this.request("read", offset, length);
    if (status !== 0 || bytes === undefined) {
      throw new Error(`read: ${status}`);
    }
    return bytes;
  }

  /** Makes a change of these rows. */
  change(rows: readonly Row[]): Promise<DiskReply> {
    const bytes = tableOf(rows);
    return this.request("change", rows.length, bytes.length, bytes);
  }

  /** Writes, or throws. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const { status } = await this.change([[offset, bytes]]);
    if (status !== 0) {
      throw new Error(`write: ${status}`);
    }
  }

  /** Flushes, or throws. */
  async flush(): Promise<void> {
    const { status } = await this.request("flush", 0, 0);
    if (status !== 0) {
      throw new Error(`flush: ${status}`);
    }
  }

  task(task: Unnumbered & { type: "statistics" }): Promise<DiskStatistics>;
  task(task: Unnumbered & { type: "export" | "image" }): Promise<Uint8Array>;
  task(task: Unnumbered): Promise<undefined>;
  task(task: Unnumbered): Promise<Uint8Array | DiskStatistics | undefined> {
    this.#task += 1;
    const id = this.#task;
    this.#worker.postMessage({ ...task, id });
    return new Promise((resolve, reject) => this.#tasks.set(id, [resolve, reject]));
  }

  /** Ends the Worker as a tab's end does: nothing is asked. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    for (const port of this.#ports) {
      port.close();
    }
    await this.#worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isKilled) {
      await this.task({ type: "close" });
      await this.kill();
    }
  }

  #take(message: FromDisk): void {
    if (message.type === "log") {
      this.logs.push(message.message);
    } else if (message.type === "done") {
      this.#tasks.get(message.id)?.[0](message.value);
    } else if (message.type === "failed" && message.id !== undefined) {
      this.#tasks.get(message.id)?.[1](new Refused(message.code, message.message));
    }
  }
}

/** The table of a change, and its bytes. */
export function tableOf(rows: readonly Row[]): Uint8Array {
  const contents = rows.flatMap(([, what]) => (typeof what === "number" ? [] : [what]));
  const bytes = new Uint8Array(rows.length * 16 + contents.reduce((sum, { length }) => sum + length, 0));
  const view = new DataView(bytes.buffer);
  let at = rows.length * 16;
  for (const [index, [offset, what]] of rows.entries()) {
    view.setBigUint64(index * 16, BigInt(offset), true);
    view.setUint32(index * 16 + 8, typeof what === "number" ? what : what.length, true);
    view.setUint32(index * 16 + 12, typeof what === "number" ? 1 : 0, true);
    if (typeof what !== "number") {
      bytes.set(what, at);
      at += what.length;
    }
  }
  return bytes;
}

/** Bytes that look random, and are the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** An image of noise whose superblock says that its blocks have 4 KiB. */
export function imageOf(length: number, seed = 1): Uint8Array {
  const image = noise(length, seed);
  image.set([0x53, 0xef], 1024 + 56);
  image.set([2, 0, 0, 0], 1024 + 24);
  return image;
}
