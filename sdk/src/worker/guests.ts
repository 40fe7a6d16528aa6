/**
 * Guests: their memories, instances and suspended stacks.
 *
 * A *frame* is a `WebAssembly.Memory` with its helper instance. Engines allow few memories in a
 * tab and free them late, so frames are zeroed and reused. The guest's imports are bound to its
 * shim's exports: no JavaScript stands on a suspended stack.
 */
import { promising, suspending } from "./jspi.js";
import type { Kernel } from "./kernel.js";

const ENOMEM = 12;
const ENOEXEC = 8;
/** The most that a 32-bit memory can have, in pages of 64 KiB. */
const MAX_PAGES = 65536;
/** The helpers that the kernel calls, in the order of `guest_memory.rs`. */
const HELPERS = ["copy_in", "copy_out", "copy_in_string", "size", "grow", "fill"] as const;
/** The largest memory that is kept for the next guest, in bytes: zeroed pages still cost memory. */
const MAX_IDLE_LENGTH = 64 << 20;
/** How far below the lowest used byte of a stack is looked for more, in bytes. */
const STACK_WINDOW = 1 << 20;

type WasmFunction = (...args: number[]) => number;

interface Frame {
  readonly memory: WebAssembly.Memory;
  /** Index of the first helper in the kernel's function table. */
  readonly base: number;
  readonly helpers: Readonly<Record<string, WasmFunction>>;
}

interface Program {
  readonly guest: WebAssembly.Module;
  readonly shim: WebAssembly.Module;
}

interface Guest {
  readonly frame: Frame;
  readonly start: WasmFunction;
  /** Resolves the promise that the guest is parked on. */
  resume: ((value: number) => void) | undefined;
}

/** The guests of one Worker. */
export class Guests {
  readonly #kernel: Kernel;
  readonly #memoryShim: WebAssembly.Module;
  readonly #copyInJavaScript: boolean;
  readonly #park: WebAssembly.ImportValue;
  readonly #pump: () => void;
  readonly #programs = new Map<number, Program>();
  readonly #idleFrames: Frame[] = [];
  /** Places in the kernel's function table that the helpers of dropped frames have left. */
  readonly #freeBases: number[] = [];
  readonly #guests: (Guest | undefined)[] = [];

  constructor(kernel: Kernel, memoryShim: WebAssembly.Module, copyInJavaScript: boolean, pump: () => void) {
    this.#kernel = kernel;
    this.#memoryShim = memoryShim;
    this.#copyInJavaScript = copyInJavaScript;
    this.#pump = pump;
    this.#park = suspending((slot) => {
      const parked = new Promise<number>((resolve) => {
        const guest = this.#guests[slot];
        if (guest !== undefined) {
          guest.resume = resolve;
        }
      });
      pump();
      return parked;
    });
  }

  /** Makes the instance for `slot`; the base of its memory helpers, or a negative error number. */
  start(
    slot: number,
    program: number,
    guestCode: () => Uint8Array<ArrayBuffer>,
    shimCode: () => Uint8Array<ArrayBuffer>,
    minPages: number,
    stackPointer: number,
  ): number {
    let modules = this.#programs.get(program);
    try {
      if (modules === undefined) {
        modules = { guest: new WebAssembly.Module(guestCode()), shim: new WebAssembly.Module(shimCode()) };
        this.#programs.set(program, modules);
      }
    } catch {
      return -ENOEXEC;
    }
    let frame: Frame;
    try {
      frame = this.#takeFrame(minPages);
    } catch {
      // Firefox throws a bare string when it is out of memories.
      return -ENOMEM;
    }
    try {
      const shim = new WebAssembly.Instance(modules.shim, {
        kernel: { memory: this.#kernel.memory, ...this.#kernel.exports },
        guest: { memory: frame.memory },
        host: { park: this.#park, slot: new WebAssembly.Global({ value: "i32" }, slot) },
      });
      const guest = new WebAssembly.Instance(modules.guest, {
        shoal: { memory: frame.memory, ...shim.exports },
      });
      const pointer = guest.exports.__stack_pointer as WebAssembly.Global | undefined;
      if (pointer !== undefined) {
        pointer.value = stackPointer | 0;
      }
      this.#guests[slot] = { frame, start: guest.exports._start as WasmFunction, resume: undefined };
      return frame.base;
    } catch {
      // A segment does not fit: what the ones before it wrote is not known.
      this.#giveBack(frame, 0);
      return -ENOEXEC;
    }
  }

  /** Lets a new guest run, after the kernel has returned. */
  run(slot: number, argument: number): void {
    const guest = this.#guests[slot];
    if (guest === undefined) {
      return;
    }
    queueMicrotask(() => {
      try {
        promising(guest.start as (...args: never[]) => unknown)(argument).then(
          () => this.#ended(slot, undefined),
          (reason: unknown) => this.#ended(slot, describe(reason)),
        );
      } catch (reason) {
        // The engine has no room for one more stack.
        this.#ended(slot, describe(reason));
      }
    });
  }

  /** Resumes a parked guest. */
  resume(slot: number): void {
    const guest = this.#guests[slot];
    const resume = guest?.resume;
    if (guest !== undefined && resume !== undefined) {
      guest.resume = undefined;
      resume(0);
    }
  }

  /** Takes a guest's frame back, zeroed where it was used. */
  end(slot: number, stackTop: number): void {
    const guest = this.#guests[slot];
    if (guest === undefined) {
      return;
    }
    this.#guests[slot] = undefined;
    this.#giveBack(guest.frame, stackTop >>> 0);
  }

  /** How many frames there are, in use and idle. */
  get frameCount(): number {
    return this.#idleFrames.length + this.#guests.filter((guest) => guest !== undefined).length;
  }

  /** Tells the kernel that a guest has returned, or what it trapped with. */
  #ended(slot: number, trap: string | undefined): void {
    const { exports } = this.#kernel;
    if (trap === undefined) {
      exports.guest_ended(slot, 0, 0, 0);
    } else {
      this.#kernel.lend(new TextEncoder().encode(trap), (address, length) =>
        exports.guest_ended(slot, 1, address, length),
      );
    }
    this.#pump();
  }

  #takeFrame(minPages: number): Frame {
    const found = this.#idleFrames.findLastIndex((frame) => frame.memory.buffer.byteLength >= minPages * 65536);
    const index = found >= 0 ? found : this.#idleFrames.length - 1;
    const frame = this.#idleFrames[index];
    if (frame === undefined) {
      return this.#newFrame(minPages);
    }
    const missing = minPages - (frame.memory.buffer.byteLength >>> 16);
    if (missing > 0) {
      // When this throws, the frame stays idle.
      frame.memory.grow(missing);
    }
    this.#idleFrames.splice(index, 1);
    return frame;
  }

  #newFrame(minPages: number): Frame {
    const memory = new WebAssembly.Memory({ initial: minPages, maximum: MAX_PAGES });
    const kernelMemory = this.#kernel.memory;
    const copy =
      (to: WebAssembly.Memory, from: WebAssembly.Memory) => (target: number, source: number, length: number) =>
        new Uint8Array(to.buffer, target >>> 0, length >>> 0).set(
          new Uint8Array(from.buffer, source >>> 0, length >>> 0),
        );
    const host = this.#copyInJavaScript
      ? { copy_in: copy(kernelMemory, memory), copy_out: copy(memory, kernelMemory) }
      : {};
    const instance = new WebAssembly.Instance(this.#memoryShim, {
      kernel: { memory: kernelMemory },
      guest: { memory },
      host,
    });
    const helpers = instance.exports as Record<string, WasmFunction>;
    const table = this.#kernel.exports.__indirect_function_table;
    const base = this.#freeBases.pop() ?? table.grow(HELPERS.length);
    for (const [index, name] of HELPERS.entries()) {
      table.set(base + index, helpers[name]);
    }
    return { memory, base, helpers };
  }

  /** Keeps a frame for the next guest, zeroed, or drops it when it is large. */
  #giveBack(frame: Frame, stackTop: number): void {
    if (frame.memory.buffer.byteLength <= MAX_IDLE_LENGTH) {
      this.#clean(frame, stackTop);
      this.#idleFrames.push(frame);
      return;
    }
    const table = this.#kernel.exports.__indirect_function_table;
    for (const index of HELPERS.keys()) {
      table.set(frame.base + index, null);
    }
    this.#freeBases.push(frame.base);
  }

  /**
   * Zeroes the used part of the stack, which ends at `stackTop`, and all from there on.
   *
   * A program may write to all of its memory, wherever the kernel's map of it ends: a frame may have
   * been larger before. What is zero is only read.
   */
  #clean(frame: Frame, stackTop: number): void {
    const size = frame.memory.buffer.byteLength;
    frame.helpers.clean_down?.(Math.min(stackTop, size), STACK_WINDOW);
    frame.helpers.clean?.(Math.min(stackTop, size), size);
  }
}

/** What a guest trapped with; engines throw bare values when they run out of something. */
function describe(reason: unknown): string {
  return reason instanceof Error ? `${reason.name}: ${reason.message}` : `the engine threw ${String(reason)}`;
}
