/** A Worker of the pool: boots its instance of the kernel and answers the host's messages. */
import { Errno } from "../generated/abi.js";
import type { BootMessage, FileRequest, HostMessage, KernelOptions, Reply, WorkerMessage } from "../protocol.js";
import { Bell } from "./bell.js";
import { Guests } from "./guests.js";
import { type HostFiles, hostImports } from "./imports.js";
import { hasPromiseIntegration } from "./jspi.js";
import { Kernel, type KernelExports, OutOfMemory, Writer } from "./kernel.js";
import { Panics } from "./panics.js";
import { Passes, type PassName } from "./pass.js";
import { Pump } from "./pump.js";
import { makeSeats, takeSeat } from "./threads.js";

const OPERATIONS = { read: 0, write: 1, list: 2, stat: 3, mkdir: 4, remove: 5, snapshot: 6 } as const;
/** Bit 0: no safepoints; bit 1: memories of programs with threads are shared. */
const loaderMode = (options: KernelOptions, nrWorkers: number): number =>
  (options.safepoints ? 0 : 1) | (nrWorkers > 1 ? 2 : 0);

/** Bytes as the boot request has them: whole KiB, 4 TiB at most. */
const toKib = (bytes: number): number => Math.min(Math.floor(bytes / 1024), 0xffffffff);

/** What differs between a Worker of a page and one of Node. */
export interface WorkerHost {
  post(message: WorkerMessage, transfer?: Transferable[]): void;
  readonly files?: HostFiles;
  /** The bytes of `shoal_<name>.wasm`, at once: the kernel waits for them. */
  loadPass(name: PassName): BufferSource;
}

/** What was asked for cannot be booted. */
class BootError extends Error {}

/** Handles messages of the host, the first of which boots. */
export class PoolWorker {
  readonly #host: WorkerHost;
  readonly #panics = new Panics((message) => this.#host.post({ type: "log", level: "error", message }));
  #kernel: Kernel | undefined;
  #guests: Guests | undefined;
  #pump: Pump | undefined;

  constructor(host: WorkerHost) {
    this.#host = host;
  }

  /** Answers one message. */
  handle(message: HostMessage): void {
    if (message.type === "boot") {
      try {
        this.#boot(message);
      } catch (error) {
        this.#host.post({ type: "failed", message: describe(error) });
      }
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

  #boot(message: BootMessage): void {
    if (!hasPromiseIntegration()) {
      throw new BootError(
        "this engine has no JavaScript Promise Integration (JSPI): Node 26, Chromium 137 or Firefox 153 and later have it",
      );
    }
    const { options, worker } = message;
    const memory =
      message.memory instanceof WebAssembly.Memory ? message.memory : new WebAssembly.Memory(message.memory);
    const host = hostImports({
      epoch: options.epoch,
      files: this.#host.files,
      passes: new Passes((name) => this.#host.loadPass(name)),
      panics: this.#panics,
      post: (reply, transfer) => this.#host.post(reply, transfer),
      kernel: () => this.#expectKernel(),
      guests: () => this.#expectGuests(),
    });
    const instance = new WebAssembly.Instance(message.module, { env: { memory }, host });
    const exports = instance.exports as KernelExports;
    const kernel = new Kernel(exports, memory);
    this.#kernel = kernel;
    takeSeat(exports, message.seat);
    if (message.seat === undefined) {
      this.#bootKernel(kernel, message);
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

  #bootKernel(kernel: Kernel, message: BootMessage): void {
    const image = message.image ?? new Uint8Array();
    const address = kernel.exports.allocate_image(image.length);
    if (address === 0) {
      throw new BootError(`an image of ${image.length} bytes does not fit into the kernel's memory`);
    }
    kernel.view(address, image.length).set(image);
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
    const block = kernel.lend(request.finish(), (at, length) => kernel.takeBlock(kernel.exports.boot(at, length)));
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
        this.#reply(
          message.id,
          kernel.lend(writer.finish(), (at, length) => exports.spawn(at, length)),
        );
        break;
      }
      case "kill":
        this.#reply(message.id, exports.kill(message.pid, message.signal));
        break;
      case "file":
        this.#file(message.id, message.request);
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
      case "ring":
        break;
    }
  }

  #file(id: number, request: FileRequest): void {
    const kernel = this.#expectKernel();
    const writer = new Writer();
    if (request.op !== "snapshot") {
      writer.text(request.path);
    }
    if (request.op === "write") {
      writer.word(request.mode).bytes(request.data);
    } else if (request.op === "mkdir") {
      writer.word(request.mode);
    }
    const operation = OPERATIONS[request.op];
    const { status, bytes } = kernel.lend(writer.finish(), (at, length) =>
      kernel.takeBlock(kernel.exports.file(operation, at, length)),
    );
    this.#reply(id, status < 0 ? status : bytes);
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
