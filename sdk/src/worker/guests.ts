/**
 * Guests: their memories, instances and suspended stacks.
 *
 * A *frame* is a `WebAssembly.Memory` with its helper instance, named by where its helpers are in
 * the kernel's function table. The kernel says which frame a guest gets, and when one is made or
 * dropped: guests may share one. The guest's imports are the kernel's exports, and the suspending
 * `park`: no JavaScript stands on a suspended stack.
 */

import type { MovedThread } from "../protocol.js";
import { promising, suspending } from "./jspi.js";
import type { Kernel } from "./kernel.js";
import type { Panics } from "./panics.js";

const ENOMEM = 12;
const ENOEXEC = 8;
/** The most that a 32-bit memory can have, in pages of 64 KiB. */
const MAX_PAGES = 65536;
/** The most of a shared memory where the engine has no room to reserve all of that: 1 GiB. */
const FEWER_PAGES = 16384;
/** The kinds of frames, as `FrameKind` in the kernel has them; 0 is a Worker's own. */
const SHARED = 1;
const ARRIVED = 2;
/** The helpers that the kernel calls, in the order of `guest_memory.rs`. */
const HELPERS = [
  "copy_in",
  "copy_out",
  "copy_in_string",
  "size",
  "grow",
  "fill",
  "clean",
  "clean_down",
  "exchange",
] as const;

/** The exports that threads are entered at, in the order of `ThreadEntry` in the loader. */
const THREAD_ENTRIES = ["__wasm_thread_start", "__wasm_thread_start_libc", "__startThread"] as const;

type WasmFunction = (...args: number[]) => number;

interface Guest {
  readonly start: WasmFunction;
  readonly stackPointer: WebAssembly.Global | undefined;
  /** Resolves the promise that the guest is parked on. */
  resume: ((value: number) => void) | undefined;
}

/** The guests of one Worker. */
export class Guests {
  readonly #kernel: Kernel;
  /** The modules of helpers: for memories of this Worker, and for shared ones. */
  readonly #memoryShims: (WebAssembly.Module | undefined)[] = [];
  readonly #probe: WebAssembly.ImportValue;
  readonly #copyInJavaScript: boolean;
  readonly #park: WebAssembly.ImportValue;
  readonly #pump: () => void;
  readonly #panics: Panics;
  readonly #programs = new Map<number, WebAssembly.Module>();
  /** The memories of frames, by the index of the first helper in the kernel's function table. */
  readonly #frames = new Map<number, WebAssembly.Memory>();
  /** Places in the kernel's function table that the helpers of dropped frames have left. */
  readonly #freeBases: number[] = [];
  readonly #guests: (Guest | undefined)[] = [];
  /** The memory that came with a thread, while the kernel hears of it. */
  #arrived: WebAssembly.Memory | undefined;

  constructor(
    kernel: Kernel,
    probe: WebAssembly.ImportValue,
    copyInJavaScript: boolean,
    pump: () => void,
    panics: Panics,
  ) {
    this.#kernel = kernel;
    this.#probe = probe;
    this.#copyInJavaScript = copyInJavaScript;
    this.#pump = pump;
    this.#panics = panics;
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

  /** Makes the instance for `slot` in `frame`; 0, or a negative error number. */
  start(
    slot: number,
    program: number,
    code: () => Uint8Array<ArrayBuffer>,
    frame: number,
    stackPointer: number,
  ): number {
    let module = this.#programs.get(program);
    try {
      if (module === undefined) {
        module = new WebAssembly.Module(code());
        this.#programs.set(program, module);
      }
    } catch {
      return -ENOEXEC;
    }
    return this.#instantiate(slot, module, frame, stackPointer, "_start");
  }

  /** Makes one more instance of a program that runs in `frame`, which runs soon; 0, or a negative error number. */
  startThread(
    slot: number,
    program: number,
    frame: number,
    stackPointer: number,
    entry: number,
    args: readonly number[],
  ): number {
    const module = this.#programs.get(program);
    const name = THREAD_ENTRIES[entry];
    if (module === undefined || name === undefined) {
      return -ENOEXEC;
    }
    const made = this.#instantiate(slot, module, frame, stackPointer, name);
    if (made === 0) {
      this.run(slot, ...args);
    }
    return made;
  }

  #instantiate(
    slot: number,
    module: WebAssembly.Module,
    frame: number,
    stackPointer: number,
    entry: "_start" | (typeof THREAD_ENTRIES)[number],
  ): number {
    const memory = this.#frames.get(frame);
    if (memory === undefined) {
      return -ENOMEM;
    }
    try {
      const guest = new WebAssembly.Instance(module, {
        kernel: this.#kernel.exports as unknown as WebAssembly.ModuleImports,
        guest: { memory },
        host: { park: this.#park, probe: this.#probe, slot: new WebAssembly.Global({ value: "i32" }, slot) },
      });
      const pointer = guest.exports.__stack_pointer as WebAssembly.Global | undefined;
      if (pointer !== undefined) {
        pointer.value = stackPointer | 0;
      }
      this.#guests[slot] = { start: guest.exports[entry] as WasmFunction, stackPointer: pointer, resume: undefined };
      return 0;
    } catch {
      return -ENOEXEC;
    }
  }

  /** Lets a new guest run, after the kernel has returned. */
  run(slot: number, ...args: number[]): void {
    const guest = this.#guests[slot];
    if (guest === undefined) {
      return;
    }
    queueMicrotask(() => {
      if (this.#kernel.exports.guest_begins(slot) !== 0) {
        this.#ended(slot, "its memory is lost");
        return;
      }
      try {
        promising(guest.start as (...args: never[]) => unknown)(...args).then(
          () => this.#ended(slot, undefined),
          (reason: unknown) => {
            // The guest's own trap, or one in a call that it made.
            this.#panics.note(reason);
            this.#ended(slot, describe(reason));
          },
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

  /** Forgets a guest's instance. */
  end(slot: number): void {
    this.#guests[slot] = undefined;
  }

  /** Where a parked guest has its stack pointer; negative when it has none. */
  stackPointer(slot: number): number {
    const pointer = this.#guests[slot]?.stackPointer;
    return pointer === undefined ? -1 : pointer.value >>> 0;
  }

  /** What another Worker needs to start a thread of a program that runs here. */
  pack(slot: number, program: number, frame: number): MovedThread | undefined {
    const module = this.#programs.get(program);
    const memory = this.#frames.get(frame);
    return module && memory && { slot, program, module, memory };
  }

  /** Takes a thread that another Worker has sent. */
  receive({ slot, program, module, memory }: MovedThread): void {
    this.#programs.set(program, this.#programs.get(program) ?? module);
    this.#arrived = memory;
    this.#kernel.exports.thread_arrives(slot);
    this.#arrived = undefined;
  }

  /** Makes a frame, all zero, or one of the memory that arrived; its number, or a negative error number. */
  makeFrame(kind: number): number {
    try {
      const memory = kind === ARRIVED ? this.#arrived : makeMemory(kind === SHARED);
      if (memory === undefined) {
        return -ENOMEM;
      }
      const base = this.#installHelpers(memory, kind === 0 ? 0 : 1);
      this.#frames.set(base, memory);
      return base;
    } catch {
      // Firefox throws a bare string when it is out of memories.
      return -ENOMEM;
    }
  }

  /** Forgets a frame that no guest has. */
  dropFrame(frame: number): void {
    const table = this.#kernel.exports.__indirect_function_table;
    for (const index of HELPERS.keys()) {
      table.set(frame + index, null);
    }
    this.#frames.delete(frame);
    this.#freeBases.push(frame);
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

  /** Puts the helpers for a memory into the kernel's function table; the index of the first. */
  #installHelpers(memory: WebAssembly.Memory, isShared: 0 | 1): number {
    const kernelMemory = this.#kernel.memory;
    let shim = this.#memoryShims[isShared];
    if (shim === undefined) {
      const { bytes } = this.#kernel.takeBlock(
        this.#kernel.exports.memory_shim(isShared | (this.#copyInJavaScript ? 2 : 0)),
      );
      shim = new WebAssembly.Module(bytes as BufferSource);
      this.#memoryShims[isShared] = shim;
    }
    const copy =
      (to: WebAssembly.Memory, from: WebAssembly.Memory) => (target: number, source: number, length: number) =>
        new Uint8Array(to.buffer, target >>> 0, length >>> 0).set(
          new Uint8Array(from.buffer, source >>> 0, length >>> 0),
        );
    const host = this.#copyInJavaScript
      ? { copy_in: copy(kernelMemory, memory), copy_out: copy(memory, kernelMemory) }
      : {};
    const instance = new WebAssembly.Instance(shim, {
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
    return base;
  }
}

/** A memory of a page; throws when the engine has no more. */
function makeMemory(shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared });
  } catch (reason) {
    if (!shared) {
      throw reason;
    }
    // The engine reserves the maximum of a shared one.
    return new WebAssembly.Memory({ initial: 1, maximum: FEWER_PAGES, shared });
  }
}

/** What a guest trapped with; engines throw bare values when they run out of something. */
function describe(reason: unknown): string {
  return reason instanceof Error ? `${reason.name}: ${reason.message}` : `the engine threw ${String(reason)}`;
}
