/** The way to files that the page provides: a module that is loaded when a guest first comes to one. */
import { type HostMessage, PROVIDED, PROVIDED_HANDLES, type WorkerMessage } from "../protocol.js";
import type { ProvidedFiles } from "./provided_files.js";

/** Not an errno: the answer comes later. */
const NOT_YET = -4096;
/** The operation that ends a call. */
const END = 19;

/** Files that the page provides, as a Worker has them. */
export class Provided {
  /** Which Worker this is. */
  worker = 0;
  readonly #post: (message: WorkerMessage, transfer?: Transferable[]) => void;
  readonly #arrived: () => void;
  #files: ProvidedFiles | undefined;
  #isLoading = false;
  /** Who asks, when the kernel says that nobody does. */
  #host: number | undefined;

  /** `arrived` is called when what was not there before may be. */
  constructor(post: (message: WorkerMessage, transfer?: Transferable[]) => void, arrived: () => void) {
    this.#post = post;
    this.#arrived = arrived;
  }

  /** Whether an operation is on such a file. */
  has(operation: number, path: string, handle: number): boolean {
    return operation === END || handle >= PROVIDED_HANDLES || path.startsWith(PROVIDED);
  }

  /** One operation for the guest in slot `caller`. */
  perform(caller: number, operation: number, path: string, a: number, b: number, buffer: Uint8Array): number {
    if (this.#files !== undefined) {
      return this.#files.perform(this.#host ?? caller, operation, path, a, b, buffer);
    }
    if (operation === END) {
      return 0;
    }
    if (!this.#isLoading) {
      this.#isLoading = true;
      import("./provided_files.js").then(
        ({ ProvidedFiles }) => {
          this.#files = new ProvidedFiles(this.worker, this.#post);
          this.#arrived();
        },
        (error) => this.#post({ type: "log", level: "error", message: String(error) }),
      );
    }
    return NOT_YET;
  }

  /** Makes a request of the host; it asks by the negative of its number. */
  forHost<T>(id: number, run: () => T): T {
    this.#host = -id;
    try {
      return run();
    } finally {
      this.#host = undefined;
    }
  }

  /** What `caller` wanted is over, or its guest is. */
  end(caller: number): void {
    this.#files?.end(caller);
  }

  /** The page has answered. */
  receive(message: Extract<HostMessage, { type: "provided" }>): void {
    this.#files?.receive(message);
    this.#arrived();
  }
}
