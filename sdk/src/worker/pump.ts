/**
 * The loop of a Worker: runs the kernel's executor whenever something may be ready.
 *
 * Guests resume as microtasks, one at a time. A chain of them would starve messages and timers, so
 * after a few milliseconds the kernel has the pump wait for a macrotask before it goes on.
 */
import type { Kernel } from "./kernel.js";

/** The kernel's answer when a guest runs next: it pumps when it parks or ends. */
const BUSY = -2;
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
    this.#isRunning = true;
    // Before the executor says that it is idle: a later wake changes the bell.
    const seen = Atomics.load(this.#words, this.#bell);
    let wait: number;
    try {
      wait = this.#kernel.exports.pump();
    } finally {
      this.#isRunning = false;
    }
    if (wait === BUSY) {
      return;
    }
    if (wait < 0) {
      this.#hopAndRun();
    } else {
      this.#waitForBell(seen);
      this.#waitForTimer(wait);
    }
  }

  #hopAndRun(): void {
    this.#isHopping = true;
    this.#hop(() => {
      this.#isHopping = false;
      this.run();
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
        this.run();
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
      this.run();
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
