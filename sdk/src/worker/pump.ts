/**
 * The loop of a Worker: runs the kernel's executor whenever something may be ready.
 *
 * Guests resume as microtasks. A chain of them would starve messages and timers, so after a few
 * milliseconds the pump waits for a macrotask before it goes on.
 */
import type { Kernel } from "./kernel.js";

/** Milliseconds of guests and kernel between two macrotasks. */
const SLICE_MS = 4;
/** Parks between two looks at the clock. */
const PARKS_PER_LOOK = 32;
/** `setTimeout` takes no more than this, in milliseconds. */
const MAX_TIMEOUT_MS = 0x7fffffff;

type WaitAsync = (
  array: Int32Array,
  index: number,
  value: number,
) => { async: boolean; value: string | Promise<string> };

/** Runs one Worker's executor. */
export class Pump {
  readonly #kernel: Kernel;
  /** The kernel's memory as it was at boot: the bell lies in it. */
  readonly #words: Int32Array;
  readonly #bell: number;
  readonly #hop: (task: () => void) => void;
  #isRunning = false;
  #isHopping = false;
  #isWaiting = false;
  #parks = 0;
  #sliceStart = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(kernel: Kernel, worker: number) {
    this.#kernel = kernel;
    this.#words = new Int32Array(kernel.memory.buffer);
    this.#bell = kernel.exports.doorbell(worker) >>> 2;
    this.#hop = macrotask();
  }

  /** Whether Workers wake each other through memory; else by messages. */
  static get hasWaitAsync(): boolean {
    return typeof (Atomics as { waitAsync?: WaitAsync }).waitAsync === "function";
  }

  /** Runs what is ready; called whenever a guest has parked or ended, and for every event. */
  run(): void {
    if (this.#isRunning || this.#isHopping) {
      return;
    }
    this.#parks += 1;
    if (this.#parks % PARKS_PER_LOOK === 0 && performance.now() - this.#sliceStart > SLICE_MS) {
      this.#hopAndRun();
      return;
    }
    this.#isRunning = true;
    // Before the executor says that it is idle: a later wake changes the bell.
    const seen = Atomics.load(this.#words, this.#bell);
    let wait: number;
    try {
      wait = this.#kernel.exports.pump();
    } finally {
      this.#isRunning = false;
    }
    if (wait < 0) {
      this.#hopAndRun();
    } else {
      this.#waitForBell(seen);
      this.#waitForTimer(wait);
    }
  }

  /** Runs what is ready at the start of a macrotask. */
  runFresh(): void {
    this.#sliceStart = performance.now();
    this.run();
  }

  #hopAndRun(): void {
    this.#isHopping = true;
    this.#hop(() => {
      this.#isHopping = false;
      this.runFresh();
    });
  }

  #waitForTimer(milliseconds: number): void {
    if (milliseconds === Number.POSITIVE_INFINITY) {
      return;
    }
    const at = performance.now() + milliseconds;
    if (this.#timer !== undefined && this.#timerAt <= at) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.runFresh();
      },
      Math.min(Math.ceil(milliseconds), MAX_TIMEOUT_MS),
    );
  }

  #waitForBell(seen: number): void {
    if (this.#isWaiting || !Pump.hasWaitAsync) {
      return;
    }
    const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;
    const waiting = waitAsync(this.#words, this.#bell, seen);
    if (!waiting.async) {
      this.#hopAndRun();
      return;
    }
    this.#isWaiting = true;
    void (waiting.value as Promise<string>).then(() => {
      this.#isWaiting = false;
      this.runFresh();
    });
  }
}

/** The fastest way to a new macrotask that this host has. */
function macrotask(): (task: () => void) => void {
  const immediate = (globalThis as { setImmediate?: (task: () => void) => void }).setImmediate;
  if (immediate !== undefined) {
    return (task) => immediate(task);
  }
  const { port1, port2 } = new MessageChannel();
  const tasks: (() => void)[] = [];
  port1.onmessage = () => tasks.shift()?.();
  return (task) => {
    tasks.push(task);
    port2.postMessage(undefined);
  };
}
