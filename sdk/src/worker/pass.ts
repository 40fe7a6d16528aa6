/**
 * Passes of the loader that few programs need: modules of their own, which the first such program of a
 * Worker loads. `jspi-glue/fork` and `jspi-glue/wali` are the other side.
 */

/** How a pass has ended: with a module, with none because such a program cannot fork, or with a reason. */
export interface Outcome {
  readonly status: number;
  readonly bytes: Uint8Array;
}

/** Those that there are, by the middle of their modules' names. */
export type PassName = "fork" | "wali";

interface PassExports extends WebAssembly.Exports {
  pass_input(length: number): number;
  pass_write(...numbers: number[]): number;
  pass_output(): number;
  pass_output_len(): number;
}

const REFUSED = -1;
/** What an instance has at first, and at most: pages of 64 KiB. */
const MEMORY: WebAssembly.MemoryDescriptor = { initial: 64, maximum: 32768 };

/** The passes of one Worker. */
export class Passes {
  readonly #load: (name: PassName) => BufferSource;
  readonly #modules = new Map<PassName, WebAssembly.Module>();

  /** `load` gives a module's bytes at once: the kernel waits. */
  constructor(load: (name: PassName) => BufferSource) {
    this.#load = load;
  }

  /** Writes a guest anew; what the numbers are, the pass knows. */
  write(name: PassName, guest: Uint8Array, ...numbers: number[]): Outcome {
    try {
      const module = this.#modules.get(name) ?? new WebAssembly.Module(this.#load(name));
      this.#modules.set(name, module);
      // An instance for each guest: its memory goes with it.
      const memory = new WebAssembly.Memory(MEMORY);
      const pass = new WebAssembly.Instance(module, { env: { memory } }).exports as PassExports;
      const address = pass.pass_input(guest.length) >>> 0;
      new Uint8Array(memory.buffer, address, guest.length).set(guest);
      const status = pass.pass_write(...numbers);
      return { status, bytes: new Uint8Array(memory.buffer, pass.pass_output() >>> 0, pass.pass_output_len() >>> 0) };
    } catch (error) {
      const programs = name === "fork" ? "programs that fork" : "programs for WALI";
      const reason = `the pass for ${programs} has failed: ${error instanceof Error ? error.message : error}`;
      return { status: REFUSED, bytes: new TextEncoder().encode(reason) };
    }
  }
}
