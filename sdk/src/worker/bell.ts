/**
 * The bell of a Worker of the pool: a word in the kernel's memory that changes when another Worker
 * has something for it.
 */
import type { Kernel } from "./kernel.js";

type WaitAsync = (
  array: Int32Array,
  index: number,
  value: number,
) => { async: boolean; value: string | Promise<string> };

/** What an engine without `Atomics.waitAsync` does not have. */
const { waitAsync } = Atomics as { waitAsync?: WaitAsync };

/** Whether Workers wake each other through memory; else by messages. */
export const hasWaitAsync = typeof waitAsync === "function";

/** Waits for one Worker's bell. */
export class Bell {
  /** The kernel's memory as it was at boot: shared memory stays where it is, and the bell is in it. */
  readonly #words: Int32Array;
  readonly #index: number;
  #isWaiting = false;

  constructor(kernel: Kernel, worker: number) {
    this.#words = new Int32Array(kernel.memory.buffer);
    this.#index = kernel.exports.doorbell(worker) >>> 2;
  }

  /** Calls `wake` once it rings; false: it has rung since it was `seen`, so nobody waits. */
  wait(seen: number, wake: () => void): boolean {
    if (this.#isWaiting || waitAsync === undefined) {
      return true;
    }
    const waiting = waitAsync(this.#words, this.#index, seen);
    if (!waiting.async) {
      return false;
    }
    this.#isWaiting = true;
    void (waiting.value as Promise<string>).then(() => {
      this.#isWaiting = false;
      wake();
    });
    return true;
  }
}

/** Rings the bell of `worker` after the kernel has changed its word. */
export function ring({ exports, memory }: Kernel, worker: number): void {
  Atomics.notify(new Int32Array(memory.buffer), exports.doorbell(worker) >>> 2);
}
