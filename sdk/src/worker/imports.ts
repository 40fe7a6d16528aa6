/** The host's functions that the kernel imports; `jspi-glue/src/imports.rs` is the other side. */
import type { LogLevel, WorkerMessage } from "../protocol.js";
import { hasWaitAsync, ring } from "./bell.js";
import type { DiskClient } from "./disk.js";
import type { Guests } from "./guests.js";
import type { Kernel } from "./kernel.js";
import type { Panics } from "./panics.js";
import type { Passes } from "./pass.js";
import type { Provided } from "./provided.js";

const ENOEXEC = 8;
const ENOSYS = 38;
const encoder = new TextEncoder();
const LEVELS: readonly LogLevel[] = ["error", "warning", "info"];

/** What the imports need of a Worker; `kernel` and `guests` are there once it has started. */
export interface ImportContext {
  readonly epoch: number;
  readonly files: HostFiles | undefined;
  readonly provided: Provided;
  readonly panics: Panics;
  readonly passes: Passes;
  post(message: WorkerMessage, transfer?: Transferable[]): void;
  readonly disk: () => DiskClient | undefined;
  kernel(): Kernel;
  guests(): Guests;
}

/** One operation on the machine's files: `operation` and its operands as the kernel gives them. */
export type HostFiles = (operation: number, path: string, a: number, b: number, buffer: Uint8Array) => number;

/** The import object's `host` part. */
export function hostImports(context: ImportContext): WebAssembly.ModuleImports {
  const { post, kernel, guests } = context;
  const started = performance.timeOrigin - context.epoch;
  let monotonic = 0;
  let coarseDate = 0;
  return {
    monotonic_ms: () => {
      monotonic = started + performance.now();
      return monotonic;
    },
    // In a page `Date.now` takes a fifth of the time. Where it has not moved on, neither has this
    // clock; if somebody sets it, that costs a look at the right one.
    coarse_ms() {
      const date = Date.now();
      if (date !== coarseDate) {
        coarseDate = date;
        monotonic = started + performance.now();
      }
      return monotonic;
    },
    realtime_ms: () => performance.timeOrigin + performance.now(),
    random(address: number, length: number) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += 65536) {
        crypto.getRandomValues(bytes.subarray(at, at + 65536));
      }
      kernel().view(address, length).set(bytes);
    },
    log(level: number, address: number, length: number) {
      post({ type: "log", level: LEVELS[level] ?? "info", message: kernel().text(address, length) });
    },
    process_ended(pid: number, status: number, nrOutputs: number) {
      post({ type: "ended", pid, status, nrOutputs: nrOutputs >>> 0 });
    },
    output(stream: number, number: number, address: number, length: number) {
      const bytes = kernel().copy(address, length);
      post({ type: "output", stream, number: number >>> 0, bytes }, [bytes.buffer]);
    },
    input_taken(stream: number, length: number) {
      post({ type: "taken", stream, length });
    },
    start_guest(
      slot: number,
      program: number,
      guest: number,
      guestLength: number,
      frame: number,
      stackPointer: number,
    ) {
      return guests().start(slot, program, () => kernel().copy(guest, guestLength), frame, stackPointer);
    },
    start_thread(
      slot: number,
      program: number,
      frame: number,
      stackPointer: number,
      entry: number,
      ...args: [number, number, number]
    ) {
      return guests().startThread(slot, program, frame, stackPointer, entry, args);
    },
    run_guest: (slot: number, argument: number) => guests().run(slot, argument),
    resume_guest: (slot: number) => guests().resume(slot),
    end_guest(slot: number) {
      guests().end(slot);
      context.provided.end(slot);
    },
    stack_pointer: (slot: number) => guests().stackPointer(slot),
    make_frame(kind: number) {
      // The first import that every Worker's kernel calls, before any guest runs.
      context.panics.learn();
      return guests().makeFrame(kind);
    },
    send_thread(slot: number, worker: number, program: number, frame: number) {
      const thread = guests().pack(slot, program, frame);
      if (thread !== undefined) {
        post({ type: "thread", worker, thread });
      }
    },
    drop_frame: (frame: number) => guests().dropFrame(frame),
    ring(worker: number) {
      if (hasWaitAsync) {
        ring(kernel(), worker);
      } else {
        post({ type: "ring", worker });
      }
    },
    /** 0, or a block with the engine's words for what is wrong with a module. */
    validate(address: number, length: number) {
      const bytes = kernel().copy(address, length);
      try {
        if (WebAssembly.validate(bytes)) {
          return 0;
        }
        // Only what compiles modules says why.
        new WebAssembly.Module(bytes);
        return 0;
      } catch (error) {
        return kernel().leaveBlock(-ENOEXEC, encoder.encode(error instanceof Error ? error.message : String(error)));
      }
    },
    write_fork(address: number, length: number, forkPoint: number, kernelFork: number, slot: number) {
      const guest = kernel().view(address, length);
      const { status, bytes } = context.passes.write("fork", guest, forkPoint, kernelFork, slot);
      return kernel().leaveBlock(status, bytes);
    },
    translate_wali(address: number, length: number) {
      const { status, bytes } = context.passes.write("wali", kernel().view(address, length));
      return kernel().leaveBlock(status, bytes);
    },
    disk_request: (operation: number, sequence: number, offset: number, address: number, length: number) =>
      context.disk()?.request(operation, sequence, offset, address, length),
    files(
      caller: number,
      operation: number,
      path: number,
      pathLength: number,
      a: number,
      b: number,
      buffer: number,
      length: number,
    ) {
      const text = kernel().text(path, pathLength);
      const bytes = kernel().view(buffer, length);
      if (context.provided.has(operation, text, a)) {
        return context.provided.perform(caller >>> 0, operation, text, a, b, bytes);
      }
      return context.files?.(operation, text, a, b, bytes) ?? -ENOSYS;
    },
  };
}
