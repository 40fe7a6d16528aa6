/**
 * The loader's pass for programs that fork: a module of its own, which the first such program of a
 * Worker loads. `jspi-glue/fork` is the other side.
 */

/** How the pass has ended: with a module, with none because such a program cannot fork, or with a reason. */
export interface Outcome {
  readonly status: number;
  readonly bytes: Uint8Array;
}

interface PassExports extends WebAssembly.Exports {
  fork_input(length: number): number;
  fork_write(forkPoint: number, kernelFork: number, slot: number): number;
  fork_output(): number;
  fork_output_len(): number;
}

const REFUSED = -1;
/** What an instance has at first, and at most: pages of 64 KiB. */
const MEMORY: WebAssembly.MemoryDescriptor = { initial: 64, maximum: 32768 };

/** The pass of one Worker. */
export class ForkPass {
  readonly #load: () => BufferSource;
  #module: WebAssembly.Module | undefined;

  /** `load` gives the module's bytes at once: the kernel waits. */
  constructor(load: () => BufferSource) {
    this.#load = load;
  }

  /** Writes a guest anew; the numbers are those of `Seams` in the loader. */
  write(guest: Uint8Array, forkPoint: number, kernelFork: number, slot: number): Outcome {
    try {
      this.#module ??= new WebAssembly.Module(this.#load());
      // An instance for each guest: its memory goes with it.
      const memory = new WebAssembly.Memory(MEMORY);
      const pass = new WebAssembly.Instance(this.#module, { env: { memory } }).exports as PassExports;
      const address = pass.fork_input(guest.length) >>> 0;
      new Uint8Array(memory.buffer, address, guest.length).set(guest);
      const status = pass.fork_write(forkPoint, kernelFork, slot);
      return { status, bytes: new Uint8Array(memory.buffer, pass.fork_output() >>> 0, pass.fork_output_len() >>> 0) };
    } catch (error) {
      const reason = `the pass for programs that fork has failed: ${error instanceof Error ? error.message : error}`;
      return { status: REFUSED, bytes: new TextEncoder().encode(reason) };
    }
  }
}
