/** Standard input and output of a process as streams of bytes. */
import type { Pool } from "./pool.js";

/** Bytes that may wait in the kernel for a reader. */
const HIGH_WATER = 1 << 18;

/** Bytes that wait here until the kernel has room. */
interface Chunk {
  bytes: Uint8Array;
  readonly passed: () => void;
}

/** What a process reads. */
export class InputStream {
  readonly #pool: Pool;
  #unread = 0;
  #isEnded = false;
  #waiting: Chunk[] = [];

  constructor(
    pool: Pool,
    /** Its number in the kernel. */
    readonly stream: number,
  ) {
    this.#pool = pool;
  }

  /** Writes bytes or text; settles once the kernel has had room for all of it. */
  async write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (bytes.length === 0 || this.#isEnded) {
      return;
    }
    await new Promise<void>((passed) => {
      this.#waiting.push({ bytes, passed });
      this.#send();
    });
  }

  /** Ends the input: behind what was written the process reads an end of file. */
  end(): void {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#send();
    }
  }

  /** The process has read `length` bytes. */
  taken(length: number): void {
    this.#unread -= length;
    if (this.#waiting.length > 0) {
      this.#send();
    }
  }

  /** Nobody will read any more: what was and is written goes nowhere. */
  abandon(): void {
    this.#isEnded = true;
    for (const chunk of this.#waiting.splice(0)) {
      chunk.passed();
    }
  }

  /** Passes on what the kernel has room for, and the end behind all. */
  #send(): void {
    for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
      const room = HIGH_WATER - this.#unread;
      if (room <= 0) {
        return;
      }
      // A copy of its own: a message would carry all of the buffer that a view is of.
      const part = chunk.bytes.slice(0, room);
      this.#unread += part.length;
      this.#pool.tell({ type: "input", stream: this.stream, bytes: part });
      chunk.bytes = chunk.bytes.subarray(part.length);
      if (chunk.bytes.length === 0) {
        this.#waiting.shift();
        chunk.passed();
      }
    }
    if (this.#isEnded) {
      this.#pool.tell({ type: "input", stream: this.stream, bytes: new Uint8Array() });
    }
  }
}

/**
 * Gets a chunk of output.
 *
 * The process waits while too many bytes wait for the promises that this returns.
 */
export type OutputListener = (bytes: Uint8Array) => void | Promise<void>;

/** What a process writes: iterate over it, or take all of it. */
export class OutputStream implements AsyncIterable<Uint8Array> {
  readonly #pool: Pool;
  #chunks: Uint8Array[] = [];
  #isEnded = false;
  #listener: OutputListener | undefined;
  #wake: (() => void) | undefined;

  constructor(
    pool: Pool,
    /** Its number in the kernel. */
    readonly stream: number,
  ) {
    this.#pool = pool;
  }

  /** Calls `listener` with every chunk instead of keeping it. */
  onData(listener: OutputListener): void {
    this.#listener = listener;
    for (const chunk of this.#chunks.splice(0)) {
      void this.#pass(chunk);
    }
  }

  /** All of it, once the process has ended. */
  async bytes(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this) {
      chunks.push(chunk);
    }
    const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** All of it as text, once the process has ended. */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#pool.tell({ type: "seen", stream: this.stream, length: chunk.length });
        yield chunk;
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** The kernel has sent bytes. */
  push(bytes: Uint8Array): void {
    if (this.#listener !== undefined) {
      void this.#pass(bytes);
      return;
    }
    this.#chunks.push(bytes);
    this.#wake?.();
  }

  /** Takes no more: a process that goes on writing gets `SIGPIPE`. */
  close(): void {
    this.end();
    this.#listener = () => undefined;
    this.#chunks = [];
    this.#pool.tell({ type: "close", stream: this.stream });
  }

  /** No more will come. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    await this.#listener?.(bytes);
    this.#pool.tell({ type: "seen", stream: this.stream, length });
  }
}
