/** A static HTTP server with byte ranges, as simple ones are, that can be told to misbehave. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request for a range: first byte and the one behind the last. */
export interface RangeRequest {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly ifRange: string | undefined;
}

/** What to do instead of a good answer; false for nothing. */
export type Trick = (response: ServerResponse, request: RangeRequest) => boolean;

/** Files by their paths. */
export class FarServer implements AsyncDisposable {
  readonly files = new Map<string, Uint8Array>();
  /** All requests for contents, in order. */
  readonly requests: RangeRequest[] = [];
  etag: string | undefined = '"v1"';
  lastModified: string | undefined;
  trick: Trick = () => false;
  /** Milliseconds before each answer. */
  delay = 0;
  #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<FarServer> {
    const server = new FarServer();
    await server.up();
    return server;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** Requests for this file. */
  of(path: string): RangeRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Nobody listens any more, and what was open is cut off. */
  async down(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** It is there again, where it was. */
  async up(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? "/", "http://server").pathname;
    const file = this.files.get(path);
    const asked = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const start = Number(asked?.[1] ?? 0);
    const end = Math.min(Number(asked?.[2] ?? Number.MAX_SAFE_INTEGER) + 1, file?.length ?? 0);
    const ifRange = request.headers["if-range"]?.toString();
    const wanted = { path, start, end, ifRange };
    this.requests.push(wanted);
    setTimeout(() => {
      if (this.etag !== undefined) {
        response.setHeader("ETag", this.etag);
      }
      if (this.lastModified !== undefined) {
        response.setHeader("Last-Modified", this.lastModified);
      }
      if (this.trick(response, wanted)) {
        return;
      }
      if (file === undefined) {
        response.writeHead(404).end("no such file");
      } else if (asked === null || (ifRange !== undefined && ifRange !== this.etag)) {
        response.writeHead(200, { "Content-Length": file.length }).end(file);
      } else {
        const headers = { "Content-Range": `bytes ${start}-${end - 1}/${file.length}`, "Content-Length": end - start };
        response.writeHead(206, headers).end(file.subarray(start, end));
      }
    }, this.delay);
  }
}
