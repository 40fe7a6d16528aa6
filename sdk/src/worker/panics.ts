/**
 * Says when the kernel has panicked.
 *
 * A panic is a trap without a text, so that the kernel has no code for texts. What tells it from a trap of
 * a guest is the module of its innermost frame; the place in that module is what there is to find it by.
 */

/** A frame of WebAssembly: whose it is, and where. `name (url:wasm-function[1]:0x2)`, or `name@url:…` in Firefox. */
const FRAME = /([^\s(@]+?):(wasm-function\[\d+\]:0x[0-9a-f]+)/;

/** Whether one of the kernel's functions has trapped. */
export class Panics {
  readonly #say: (line: string) => void;
  #kernel: string | undefined;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Notes which module the kernel is; called by a function that the kernel imports. */
  learn(): void {
    this.#kernel ??= FRAME.exec(new Error().stack ?? "")?.[1];
  }

  /** Logs `reason` if it is a trap in the kernel. */
  note(reason: unknown): void {
    if (!(reason instanceof WebAssembly.RuntimeError)) {
      return;
    }
    const frame = FRAME.exec(reason.stack ?? "");
    if (frame !== null && frame[1] === this.#kernel) {
      this.#say(`kernel panic: ${reason.message} at ${frame[2]}`);
    }
  }
}
