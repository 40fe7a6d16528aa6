/** A Worker of the pool: boots its instance of the kernel and answers the host's messages. */
import { Errno } from "../generated/abi.js";
import type { BootMessage, HostMessage, KernelOptions, Reply, WorkerMessage } from "../protocol.js";
import { Bell } from "./bell.js";
import { DiskClient } from "./disk.js";
import { Guests } from "./guests.js";
import { type HostFiles, hostImports } from "./imports.js";
import { hasPromiseIntegration } from "./jspi.js";
import { Kernel, type KernelExports, OutOfMemory, Writer } from "./kernel.js";
import { Panics } from "./panics.js";
import { Passes, type PassName } from "./pass.js";
import { Provided } from "./provided.js";
import { Pump } from "./pump.js";
import { makeSeats, takeSeat } from "./threads.js";

const OPERATIONS = {
  read: 0,
  write: 1,
  list: 2,
  stat: 3,
  mkdir: 4,
  remove: 5,
  snapshot: 6,
  sync: 7,
  mount: 8,
  unmount: 9,
} as const;
/** Bit 0: no safepoints; bit 1: memories of programs with threads are shared. */
const loaderMode = (options: KernelOptions, nrWorkers: number): number =>
  (options.safepoints ? 0 : 1) | (nrWorkers > 1 ? 2 : 0);

/** The kernel's answer when what was asked for is not here yet. */
const NOT_YET = -512;
/** Something may have arrived by another Worker's port: when to ask again at the latest, in milliseconds. */
const AGAIN_MS = 10;

/** Bytes as the boot request has them: whole KiB, 4 TiB at most. */
const toKib = (bytes: number): number => Math.min(Math.floor(bytes / 1024), 0xffffffff);

/** What differs between a Worker of a page and one of Node. */
export interface WorkerHost {
  post(message: WorkerMessage, transfer?: Transferable[]): void;
  readonly files?: HostFiles;
  /** The bytes of `shoal_<name>.wasm`, at once: the kernel waits for them. */
  loadPass(name: PassName): BufferSource;
}

type FileMessage = Extract<HostMessage, { type: "file" }>;
/** What may want something that is not here yet. */
type HostRequest = FileMessage | Extract<HostMessage, { type: "spawn" }>;

/** What was asked for cannot be booted. */
class BootError extends Error {}

/** Handles messages of the host, the first of which boots. */
export class PoolWorker {
  readonly #host: WorkerHost;
  readonly #panics = new Panics((message) => this.#host.post({ type: "log", level: "error", message }));
  #kernel: Kernel | undefined;
  #guests: Guests | undefined;
  #pump: Pump | undefined;
  #disk: DiskClient | undefined;
  readonly #provided = new Provided(
    (message, transfer) => this.#host.post(message, transfer),
    () => this.#provisionArrived(),
  );
  /** What is made again when something has arrived. */
  #stalled: HostRequest[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(host: WorkerHost) {
    this.#host = host;
  }

  /** Answers one message. */
  handle(message: HostMessage): void {
    if (message.type === "boot") {
      this.#boot(message).catch((error) => this.#host.post({ type: "failed", message: describe(error) }));
      return;
    }
    try {
      this.#dispatch(message);
    } catch (error) {
      if (!(error instanceof OutOfMemory && "id" in message)) {
        this.#panics.note(error);
        throw error;
      }
      this.#reply(message.id, -Errno.ENOMEM);
    }
    this.#pump?.run();
  }

  async #boot(message: BootMessage): Promise<void> {
    if (!hasPromiseIntegration()) {
      throw new BootError(
        "this engine has no JavaScript Promise Integration (JSPI): Node 26, Chromium 137 or Firefox 153 and later have it",
      );
    }
    const { options, worker } = message;
    this.#provided.worker = worker;
    const memory =
      message.memory instanceof WebAssembly.Memory ? message.memory : new WebAssembly.Memory(message.memory);
    const host = hostImports({
      epoch: options.epoch,
      files: this.#host.files,
      passes: new Passes((name) => this.#host.loadPass(name)),
      panics: this.#panics,
      post: (reply, transfer) => this.#host.post(reply, transfer),
      disk: () => this.#disk,
      provided: this.#provided,
      kernel: () => this.#expectKernel(),
      guests: () => this.#expectGuests(),
    });
    const instance = new WebAssembly.Instance(message.module, { env: { memory }, host });
    const exports = instance.exports as KernelExports;
    const kernel = new Kernel(exports, memory);
    this.#kernel = kernel;
    takeSeat(exports, message.seat);
    if (message.disk !== undefined) {
      const arrived = () => this.#arrived();
      this.#disk = new DiskClient(message.disk.port, () => kernel, arrived);
    }
    if (message.seat === undefined) {
      await this.#bootKernel(kernel, message);
    }
    exports.attach(worker);
    const block = kernel.takeBlock(exports.stack_probe()).bytes as BufferSource;
    const { probe } = new WebAssembly.Instance(new WebAssembly.Module(block)).exports;
    const bell = kernel.isShared ? new Bell(kernel, worker) : undefined;
    const pump = new Pump(kernel, bell, (slot) => guests.resume(slot), this.#panics);
    this.#pump = pump;
    const guests = new Guests(
      kernel,
      probe as WebAssembly.ImportValue,
      options.copyInJavaScript,
      () => pump.run(),
      this.#panics,
    );
    this.#guests = guests;
    if (message.seat === undefined) {
      exports.set_budgets(options.frames, options.stacks);
    }
    exports.make_frames();
    const seats = makeSeats(exports, message.seat === undefined ? message.nrWorkers - 1 : 0);
    this.#host.post({ type: "booted", seats });
    pump.run();
  }

  async #bootKernel(kernel: Kernel, message: BootMessage): Promise<void> {
    if (message.disk === undefined) {
      const image = message.image ?? new Uint8Array();
      const address = kernel.exports.allocate_image(image.length);
      if (address === 0) {
        throw new BootError(`an image of ${image.length} bytes does not fit into the kernel's memory`);
      }
      kernel.view(address, image.length).set(image);
    } else {
      kernel.exports.attach_disk(message.disk.length);
    }
    const request = new Writer()
      .word(message.nrWorkers)
      .word(loaderMode(message.options, message.nrWorkers))
      .text(message.options.hostname)
      .word(toKib(message.options.memory ?? 0))
      .word(toKib(message.options.shownMemory))
      .word(message.options.mounts.length);
    for (const mount of message.options.mounts) {
      request
        .text(mount.host)
        .text(mount.guest)
        .word(mount.readOnly ? 1 : 0);
    }
    const bytes = request.finish();
    const boot = () => kernel.lend(bytes, (at, length) => kernel.takeBlock(kernel.exports.boot(at, length)));
    let block = boot();
    while (block.status === NOT_YET) {
      await this.#disk?.arrival();
      block = boot();
    }
    if (block.status < 0) {
      throw new BootError(new TextDecoder().decode(block.bytes));
    }
  }

  #dispatch(message: Exclude<HostMessage, BootMessage>): void {
    const kernel = this.#expectKernel();
    const { exports } = kernel;
    switch (message.type) {
      case "spawn": {
        const { request } = message;
        const terminal = "terminal" in request.stdio;
        const streams = "terminal" in request.stdio ? [request.stdio.terminal, 0, 0] : request.stdio.streams;
        const writer = new Writer().text(request.path).list(request.argv).list(request.env).text(request.cwd);
        writer.word(terminal ? 1 : 0);
        for (const stream of streams) {
          writer.word(stream);
        }
        this.#answer(
          message,
          kernel.lend(writer.finish(), (at, length) =>
            this.#provided.forHost(message.id, () => exports.spawn(at, length)),
          ),
        );
        break;
      }
      case "kill":
        this.#reply(message.id, exports.kill(message.pid, message.signal));
        break;
      case "file":
        this.#file(message);
        break;
      case "terminal":
        this.#reply(message.id, exports.open_terminal(message.columns, message.rows));
        break;
      case "stream":
        this.#reply(message.id, exports.open_stream(message.direction === "input" ? 0 : 1));
        break;
      case "resize":
        exports.resize_terminal(message.stream, message.columns, message.rows);
        break;
      case "input":
        kernel.lend(message.bytes, (at, length) => exports.push_input(message.stream, at, length));
        break;
      case "seen":
        exports.output_seen(message.stream, message.length);
        break;
      case "close":
        exports.close_stream(message.stream);
        break;
      case "thread":
        this.#expectGuests().receive(message);
        break;
      case "provided":
        this.#provided.receive(message);
        break;
      case "ring":
        break;
    }
  }

  #file(message: FileMessage): void {
    const { request } = message;
    if (request.op === "sync" && this.#stalled.some((other) => other.type === "file" && other.request.op === "sync")) {
      // The kernel makes one after the other.
      this.#stalled.push(message);
      return;
    }
    const kernel = this.#expectKernel();
    const writer = new Writer();
    if ("path" in request) {
      writer.text(request.path);
    }
    if (request.op === "write") {
      writer.word(request.mode).bytes(request.data);
    } else if (request.op === "mkdir") {
      writer.word(request.mode);
    } else if (request.op === "mount") {
      writer.text(request.host).word(request.readOnly ? 1 : 0);
    }
    const operation = OPERATIONS[request.op];
    const { status, bytes } = kernel.lend(writer.finish(), (at, length) =>
      this.#provided.forHost(message.id, () => kernel.takeBlock(kernel.exports.file(operation, at, length))),
    );
    this.#answer(message, status < 0 ? status : bytes);
  }

  /** Answers a request, or keeps it until what it wants has arrived. */
  #answer(message: HostRequest, value: Reply): void {
    if (value !== NOT_YET) {
      this.#provided.end(-message.id);
      this.#reply(message.id, value);
      return;
    }
    this.#stalled.push(message);
    this.#retry ??= setTimeout(() => this.#arrived(), AGAIN_MS);
  }

  /** The page has answered. */
  #provisionArrived(): void {
    this.#expectKernel().exports.something_arrived();
    this.#arrived();
  }

  #arrived(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const message of stalled) {
      this.handle(message);
    }
    this.#pump?.run();
  }

  #reply(id: number, value: Reply): void {
    if (typeof value === "number" && value < 0) {
      this.#host.post({ type: "refused", id, errno: -value });
    } else {
      this.#host.post({ type: "reply", id, value });
    }
  }

  #expectKernel(): Kernel {
    if (this.#kernel === undefined) {
      throw new Error("the kernel has not booted");
    }
    return this.#kernel;
  }

  #expectGuests(): Guests {
    if (this.#guests === undefined) {
      throw new Error("the Worker has not booted");
    }
    return this.#guests;
  }
}

/** Why a failed Worker failed: with the stack if it is nobody's mistake but ours. */
function describe(error: unknown): string {
  if (error instanceof BootError) {
    return error.message;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
