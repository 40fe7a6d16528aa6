/**
 * The loop of a Worker: runs the kernel's executor whenever something may be ready.
 *
 * Guests resume as microtasks, one at a time. A chain of them would starve messages and timers, so
 * after a few milliseconds the kernel has the pump wait for a macrotask before it goes on.
 */
import type { Bell } from "./bell.js";
import type { Kernel } from "./kernel.js";
import type { Panics } from "./panics.js";

/** The kernel's answer when a guest runs next, which pumps when it parks or ends. Below it: BUSY - 1 - slot of one to resume. */
const BUSY = -2;
/** `setTimeout` takes no more than this, in milliseconds. */
const MAX_TIMEOUT_MS = 0x7fffffff;

/** Runs one Worker's executor. */
export class Pump {
  readonly #kernel: Kernel;
  /** Rung by other Workers; a Worker alone has none. */
  readonly #bell: Bell | undefined;
  readonly #hop: (task: () => void) => void;
  readonly #resume: (slot: number) => void;
  readonly #panics: Panics;
  #isRunning = false;
  #isHopping = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(kernel: Kernel, bell: Bell | undefined, resume: (slot: number) => void, panics: Panics) {
    this.#kernel = kernel;
    this.#bell = bell;
    this.#resume = resume;
    this.#panics = panics;
    this.#hop = macrotask();
  }

  /** Runs what is ready; called whenever a guest has parked or ended, and for every event. */
  run(): void {
    if (this.#isRunning || this.#isHopping) {
      return;
    }
    this.#isRunning = true;
    let wait: number;
    try {
      wait = this.#kernel.exports.pump();
    } catch (error) {
      this.#panics.note(error);
      throw error;
    } finally {
      this.#isRunning = false;
    }
    if (wait < BUSY) {
      this.#resume(BUSY - 1 - wait);
    } else if (wait >= 0) {
      this.#waitForBell();
      this.#waitForTimer(wait);
    } else if (wait !== BUSY) {
      this.#hopAndRun();
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

  #waitForBell(): void {
    if (this.#bell?.wait(this.#kernel.exports.rings_seen(), () => this.run()) === false) {
      this.#hopAndRun();
    }
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
