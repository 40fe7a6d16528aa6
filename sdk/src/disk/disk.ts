/**
 * The disk Worker: opens a disk, connects Workers to it, fetches what is far away, does the page's tasks.
 *
 * Everything happens in one thread, one thing after the other; what waits is in `requests.ts`, what is on its way in `downloads.ts`.
 */
import { Downloads } from "./downloads.js";
import { Fetcher } from "./fetcher.js";
import type { DiskHost, DiskPort } from "./host.js";
import { type Image, prepareImage } from "./image.js";
import { MemoryStore } from "./memory_store.js";
import { type Devices, DiskModule, Status } from "./module.js";
import type { DiskErrorCode, DiskRequest, DiskStatistics, DiskTask, OpenMessage, ToDisk } from "./protocol.js";
import { Requests } from "./requests.js";
import { DiskError, type Storage } from "./store.js";

/** The store of the module that is exported to, and imported from. */
const EXCHANGE = 2;
/** An image is read by pieces, so that Workers' requests come in between. */
const PIECE_BYTES = 1 << 20;

const CODES: Readonly<Record<number, DiskErrorCode>> = {
  [Status.changed]: "changed",
  [Status.corrupt]: "corrupt",
  [Status.unsupported]: "unsupported",
};

/** A disk that is open. */
interface Open {
  readonly module: DiskModule;
  readonly devices: Devices;
  readonly storage: Storage;
  readonly image: Image;
  /** Whether what was fetched is kept for the next boot. */
  readonly isLasting: boolean;
  readonly fetcher: Fetcher;
  readonly downloads: Downloads;
  readonly requests: Requests;
}

/** A disk, from its first message on. */
export class Disk {
  readonly #host: DiskHost;
  #open: Open | undefined;
  /** Requests that came before the disk was open. */
  #early: [DiskRequest, DiskPort][] = [];
  #isOver = false;
  /** The tasks, one after the other. */
  #tasks: Promise<void> = Promise.resolve();
  /** Called when something has arrived, failed, or got to the medium. */
  readonly #waiters: (() => void)[] = [];

  constructor(host: DiskHost) {
    this.#host = host;
  }

  /** Takes a message of the page's. */
  handle(message: ToDisk): void {
    if (message.type === "connect") {
      this.#host.listen(message.port, (request, port) => this.#accept(request, port));
      return;
    }
    const id = message.type === "open" ? undefined : message.id;
    const work = message.type === "open" ? () => this.#begin(message) : () => this.#run(message);
    this.#tasks = this.#tasks.then(work).catch((error: unknown) => this.#fail(error, id));
  }

  #accept(request: DiskRequest, port: DiskPort): void {
    const open = this.#open;
    if (open === undefined && !this.#isOver) {
      this.#early.push([request, port]);
    } else if (open === undefined) {
      port.post({ sequence: request.sequence, status: -5, isFull: false }, []);
    } else {
      open.requests.accept(request, (reply, transfer) => port.post(reply, transfer));
      open.downloads.pump();
    }
  }

  async #begin({ base, storage: where, limit, memory }: OpenMessage): Promise<void> {
    const host = this.#host;
    const storage = await host.openStorage(where);
    const fetcher = new Fetcher();
    let image: Image | undefined;
    try {
      const devices: Devices = { stores: [...storage.stores], isOrdered: storage.isOrdered === true };
      const module = await DiskModule.load(await host.loadModule(), devices);
      const isKnown = storage.stores.some((store) => store.length() > 0);
      const isLasting = where.kind !== "memory";
      image = await prepareImage(base, { module, devices, fetcher, host, isKnown, isLasting });
      const arrived = () => this.#arrived();
      const downloads = new Downloads({
        module,
        fetcher,
        url: image.url,
        arrived,
        settle: () => void settled(module, storage),
        log: (text) => this.#log(text),
      });
      storage.onSettled = arrived;
      await this.#until(storage, downloads, () => {
        const status = module.exports.disk_open(limit ?? -1, isLasting ? 1 : 0, performance.now());
        return isDone(status, () => module.text());
      });
      const requests = new Requests({
        module,
        memory,
        settle: () => settled(module, storage),
        made: (status) => storage.hold?.(status === Status.pending),
        onBroken: (error) => this.#broken(error),
      });
      this.#open = { module, devices, storage, image, isLasting, fetcher, downloads, requests };
      host.post({ type: "opened", length: module.exports.disk_length() });
      void image.hot?.then((hot) => this.#prefetch(hot));
    } catch (error) {
      this.#isOver = true;
      fetcher.end();
      image?.close?.();
      await storage.close();
      this.#refuseEarly();
      throw error;
    }
    for (const [request, port] of this.#early.splice(0)) {
      this.#accept(request, port);
    }
    this.#open?.downloads.pump();
  }

  /** Tries again after each event until it is done. */
  async #until(storage: Storage, downloads: Downloads, isDone: () => boolean): Promise<void> {
    storage.hold?.(true);
    try {
      while (!isDone()) {
        const event = new Promise<void>((resolve) => this.#waiters.push(resolve));
        downloads.pump();
        await event;
      }
    } finally {
      storage.hold?.(false);
    }
  }

  #arrived(): void {
    this.#open?.requests.retry();
    for (const resolve of this.#waiters.splice(0)) {
      resolve();
    }
  }

  #prefetch(hot: Float64Array | undefined): void {
    const open = this.#open;
    if (open !== undefined && hot !== undefined) {
      open.module.room(hot.byteLength).set(new Uint8Array(hot.buffer));
      open.module.exports.disk_prefetch();
      open.downloads.pump();
    }
  }

  async #run(task: DiskTask): Promise<void> {
    const { id } = task;
    const open = this.#open;
    if (open === undefined) {
      if (task.type !== "close") {
        throw new DiskError("io", "the disk is not open");
      }
      this.#host.post({ type: "done", id });
      return;
    }
    const value = await this.#result(task, open);
    const bytes = value instanceof Uint8Array ? [value.buffer] : [];
    this.#host.post(value === undefined ? { type: "done", id } : { type: "done", id, value }, bytes);
  }

  async #result(task: DiskTask, open: Open): Promise<Uint8Array<ArrayBuffer> | DiskStatistics | undefined> {
    const { module, devices } = open;
    switch (task.type) {
      case "export": {
        let store = new MemoryStore();
        await this.#whole(open, () => {
          store = new MemoryStore();
          devices.stores[EXCHANGE] = store;
          return module.exports.disk_export();
        });
        devices.stores.length = EXCHANGE;
        return store.bytes();
      }
      case "import":
        devices.stores[EXCHANGE] = MemoryStore.of(task.bytes);
        await this.#whole(open, () => module.exports.disk_import());
        devices.stores.length = EXCHANGE;
        return undefined;
      case "image":
        return await readImage(open.requests, open.downloads, task.offset, task.length);
      case "compact":
        await this.#whole(open, () => module.exports.disk_compact());
        return undefined;
      case "statistics":
        return statistics(open);
      case "close":
        await this.#close(open);
        return undefined;
    }
  }

  /** A task of the module, and then the barrier. */
  async #whole({ module, storage, downloads }: Open, work: () => number): Promise<void> {
    const say = () => module.text();
    await this.#until(storage, downloads, () => isDone(work(), say));
    await this.#until(storage, downloads, () => isDone(settled(module, storage), say));
  }

  async #close(open: Open): Promise<void> {
    const { module, storage, image, isLasting, fetcher, downloads, requests } = open;
    this.#isOver = true;
    this.#open = undefined;
    requests.end();
    if (isLasting) {
      await downloads.land();
    }
    module.exports.disk_close();
    downloads.end();
    fetcher.end();
    storage.onSettled = undefined;
    await storage.close();
    image.close?.();
  }

  /** The module has trapped: whatever it holds is not to be trusted. What was flushed is on the medium. */
  #broken(error: unknown): void {
    const { requests, downloads } = this.#open ?? {};
    this.#isOver = true;
    this.#open = undefined;
    downloads?.end();
    requests?.end();
    const message = `the disk has failed: ${error instanceof Error ? error.message : String(error)}`;
    this.#host.post({ type: "log", level: "error", message });
  }

  #refuseEarly(): void {
    for (const [request, port] of this.#early.splice(0)) {
      this.#accept(request, port);
    }
  }

  #fail(error: unknown, id: number | undefined): void {
    const code = error instanceof DiskError ? error.code : "io";
    const message = error instanceof Error ? error.message : String(error);
    this.#host.post(id === undefined ? { type: "failed", code, message } : { type: "failed", id, code, message });
  }

  #log(message: string): void {
    this.#host.post({ type: "log", level: "warning", message });
  }
}

/** Whether a call that may be `pending` is done. Throws a `DiskError`. */
function isDone(status: number, say: () => string): boolean {
  switch (status) {
    case Status.ok:
    case Status.pending:
      return status === Status.ok;
    case Status.full:
      throw new DiskError("full", "there is no room in the storage");
    case Status.io:
      throw new DiskError("io", "the storage, or the image, cannot be read or written");
    default:
      throw new DiskError(CODES[status] ?? "io", say());
  }
}

/** Whether everything is on the medium that the module has given to stores in the background. */
function settled(module: DiskModule, { stores, isOrdered }: Storage): number {
  if (isOrdered !== true) {
    return Status.ok;
  }
  const statuses = stores.map((store) => store.sync());
  const status = statuses.find((found) => found !== Status.ok && found !== Status.pending);
  if (status === Status.full) {
    module.exports.disk_note_full();
  }
  return status ?? (statuses.includes(Status.pending) ? Status.pending : Status.ok);
}

async function readImage(
  requests: Requests,
  downloads: Downloads,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const image = new Uint8Array(length);
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const piece = requests.read(offset + at, Math.min(PIECE_BYTES, length - at));
    downloads.pump();
    image.set(await piece, at);
  }
  return image;
}

function statistics({ module, fetcher }: Open): DiskStatistics {
  module.exports.disk_statistics();
  const [changedBytes, keptBytes, logBytes, garbageBytes] = module.numbers();
  const { fetchedBytes, nrRequests } = fetcher;
  return { changedBytes, keptBytes, logBytes, garbageBytes, fetchedBytes, nrRequests };
}
