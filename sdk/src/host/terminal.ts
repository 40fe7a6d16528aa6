/** A terminal of a pod: the page's end of it. */
import type { Pool } from "./pool.js";

/** How a terminal is made. */
export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  /**
   * Gets what is to be shown: bytes with control sequences.
   *
   * Programs that write faster than it shows wait for the promises it returns.
   */
  readonly onOutput: (bytes: Uint8Array) => void | Promise<void>;
}

/** The keyboard and screen end of a terminal. */
export class Terminal {
  readonly #pool: Pool;
  readonly #onOutput: TerminalOptions["onOutput"];

  constructor(
    pool: Pool,
    /** Its number in the kernel. */
    readonly stream: number,
    options: TerminalOptions,
  ) {
    this.#pool = pool;
    this.#onOutput = options.onOutput;
  }

  /** Types bytes or text, control characters included. */
  type(data: Uint8Array | string): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (bytes.length > 0) {
      this.#pool.tell({ type: "input", stream: this.stream, bytes });
    }
  }

  /** Tells the programs that the window has another size. */
  resize(columns: number, rows: number): void {
    this.#pool.tell({ type: "resize", stream: this.stream, columns, rows });
  }

  /** Closes the window: the terminal hangs up, and its programs get `SIGHUP`. */
  close(): void {
    this.#pool.tell({ type: "close", stream: this.stream });
  }

  /** The kernel has something to show. */
  async show(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    await this.#onOutput(bytes);
    this.#pool.tell({ type: "seen", stream: this.stream, length });
  }
}
