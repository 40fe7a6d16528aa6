/** A Worker's way to the disk Worker: posts the kernel's requests, and tells the kernel of the answers. */
import type { DiskReply, DiskRequest } from "../disk/protocol.js";
import type { Kernel } from "./kernel.js";

/** Numbered as in `jspi-glue/src/imports.rs`. */
const OPERATIONS = ["read", "change", "flush"] as const;

/** The disk as the kernel's imports see it. */
export class DiskClient {
  readonly #port: MessagePort;
  readonly #kernel: () => Kernel;
  readonly #onArrival: () => void;
  /** Reads whose bytes come in messages, by sequence: where these go. */
  readonly #reads = new Map<number, number>();
  #waiting: (() => void)[] = [];

  /** `onArrival` is called when an answer has come. */
  constructor(port: MessagePort, kernel: () => Kernel, onArrival: () => void) {
    this.#port = port;
    this.#kernel = kernel;
    this.#onArrival = onArrival;
    port.onmessage = ({ data }: MessageEvent<DiskReply>) => this.#receive(data);
  }

  /** Asks for something; the bytes at `address` belong to the request until it is answered. */
  request(number: number, sequence: number, offset: number, address: number, length: number): void {
    const operation = OPERATIONS[number] ?? "flush";
    const request: DiskRequest = { sequence, operation, offset, length, address: address >>> 0 };
    if (this.#kernel().isShared || operation === "flush") {
      this.#port.postMessage(request);
    } else if (operation === "read") {
      this.#reads.set(sequence, request.address);
      this.#port.postMessage(request);
    } else {
      const bytes = this.#kernel().copy(address, length);
      this.#port.postMessage({ ...request, bytes }, [bytes.buffer]);
    }
  }

  /** Resolves when the next answer has come. */
  arrival(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #receive({ sequence, status, isFull, bytes }: DiskReply): void {
    const kernel = this.#kernel();
    const address = this.#reads.get(sequence);
    if (address !== undefined) {
      this.#reads.delete(sequence);
      kernel.view(address, bytes?.length ?? 0).set(bytes ?? []);
    }
    kernel.exports.disk_done(sequence, status, isFull ? 1 : 0);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) {
      resolve();
    }
    this.#onArrival();
  }
}
