/** What is on its way from the server: sends what the module says, hands over what comes. */
import type { Answer, Fetcher } from "./fetcher.js";
import type { DiskModule } from "./module.js";

/** What `disk_next` answers for a chunk; 1 is for a range. */
const CHUNK = 2;
/** What `disk_answer` takes besides statuses of HTTP. */
const STALLED = 1;
/** What it answers when bytes have failed to come. */
const FAILED = 2;
/** How long a disk that closes waits for what is on its way, in milliseconds. */
const LANDING_MS = 1000;

/** What downloads need. */
export interface DownloadOptions {
  readonly module: DiskModule;
  readonly fetcher: Fetcher;
  /** Of the image, or of the manifest; absent when nothing is far away. */
  readonly url: string | undefined;
  /** Something has arrived, or failed. */
  readonly arrived: () => void;
  /** Stores in the background have been written. */
  readonly settle: () => void;
  readonly log: (message: string) => void;
}

/** The requests that the planner wants. */
export class Downloads {
  readonly #options: DownloadOptions;
  readonly #flying = new Map<number, AbortController>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;
  /** Nothing is sent any more; called when nothing is on its way. */
  #landed: (() => void) | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
  }

  /** Sends what is to be sent now, and comes back when it is time. */
  pump(): void {
    const { url, module, settle } = this.#options;
    if (url === undefined || this.#isEnded) {
      return;
    }
    const now = performance.now();
    const { disk_stalled, disk_tick, disk_next, disk_wake } = module.exports;
    for (let id = disk_stalled(now); id >= 0; id = disk_stalled(now)) {
      this.#flying.get(id)?.abort();
      this.#flying.delete(id);
      this.#answer(id, { status: STALLED, body: new Uint8Array(0), bodyLength: 0 });
    }
    if (disk_tick(now) !== 0) {
      settle();
    }
    const next = () => (this.#landed === undefined ? disk_next(now) : 0);
    for (let kind = next(); kind !== 0; kind = next()) {
      this.#send(url, kind);
    }
    if (this.#flying.size === 0) {
      this.#landed?.();
    }
    const wake = disk_wake();
    clearTimeout(this.#timer);
    this.#timer = wake < 0 ? undefined : setTimeout(() => this.pump(), Math.max(1, wake - performance.now()));
  }

  /** Sends nothing any more, and waits a while for what is on its way: where bytes are kept, the next boot has them. */
  async land(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#landed = resolve;
    const timer = setTimeout(resolve, LANDING_MS);
    this.pump();
    if (this.#flying.size > 0) {
      await promise;
    }
    clearTimeout(timer);
  }

  /** Aborts everything; nothing is answered any more. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    for (const flight of this.#flying.values()) {
      flight.abort();
    }
    this.#flying.clear();
  }

  #send(url: string, kind: number): void {
    const { module, fetcher } = this.#options;
    const [id, start, end] = module.numbers();
    const text = module.text();
    const flight = new AbortController();
    this.#flying.set(id, flight);
    const length = end - start;
    const ask =
      kind === CHUNK
        ? // What does not compress gets a little longer.
          { url: new URL(text, url).href, limit: length + (length >> 6) + 1024 }
        : { url, range: [start, end] as const, limit: length, ...(text !== "" && { ifRange: text }) };
    const onProgress = () => module.exports.disk_progress(id, performance.now());
    void fetcher.ask({ ...ask, signal: flight.signal, onProgress }).then((answer) => {
      if (this.#flying.delete(id) && !this.#isEnded) {
        this.#answer(id, answer);
        this.pump();
      }
    });
  }

  #answer(id: number, answer: Answer): void {
    const { module, arrived, log } = this.#options;
    const encoder = new TextEncoder();
    const texts = [answer.etag, answer.contentRange].map((text) => text && encoder.encode(text));
    const [etag, range] = texts.map((text) => (text === undefined || text === "" ? undefined : text));
    const room = module.room((etag?.length ?? 0) + (range?.length ?? 0) + answer.body.length);
    room.set(etag ?? []);
    room.set(range ?? [], etag?.length ?? 0);
    room.set(answer.body, (etag?.length ?? 0) + (range?.length ?? 0));
    const { status, retryAfter, bodyLength } = answer;
    const lengths = [etag?.length ?? -1, range?.length ?? -1] as const;
    const outcome = module.exports.disk_answer(id, status, ...lengths, retryAfter ?? -1, bodyLength, performance.now());
    if (outcome === FAILED) {
      log(module.text());
    }
    if (outcome !== 0) {
      arrived();
    }
  }
}
