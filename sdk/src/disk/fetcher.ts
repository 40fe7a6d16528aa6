/** Requests to the server that an image is at: sent, watched, aborted, counted. What an answer means, others say. */
import { DiskError } from "./store.js";

/** What came back; `status` 0 is a broken connection. */
export interface Answer {
  readonly status: number;
  readonly etag?: string;
  readonly contentRange?: string;
  readonly lastModified?: string;
  /** Seconds. */
  readonly retryAfter?: number;
  /** Bytes of the body: those that were received, or were announced where it was not read. */
  readonly bodyLength: number;
  readonly body: Uint8Array;
}

/** What to ask for. */
export interface Ask {
  readonly url: string;
  readonly method?: "GET" | "HEAD";
  /** First byte, and the one after the last. */
  readonly range?: readonly [number, number];
  readonly ifRange?: string;
  /** The most bytes that make sense: a longer body is cut off behind them. */
  readonly limit: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: () => void;
}

const NOTHING = new Uint8Array(0);
/** For the requests before there is a plan: as often, and as long after each other, as the planner does it. */
const TRIES = 6;
const FIRST_PAUSE_MS = 250;
const STALL_MS = 15_000;

/** Sends requests. */
export class Fetcher {
  fetchedBytes = 0;
  nrRequests = 0;
  /** Servers of other origins may allow ranges and refuse this header. */
  #sendsIfRange = true;
  readonly #ended = new AbortController();

  /** One request; throws nothing. */
  async ask(ask: Ask): Promise<Answer> {
    const answer = await this.#send(ask, this.#sendsIfRange);
    if (answer.status !== 0 || ask.ifRange === undefined || !this.#sendsIfRange || ask.signal?.aborted === true) {
      return answer;
    }
    // The connection broke, or the server of another origin does not want the header.
    const again = isForeign(ask.url) ? await this.#send(ask, false) : answer;
    this.#sendsIfRange = again.status === 0;
    return again;
  }

  /** One request, again while that may help. Throws a `DiskError` without an answer of one of these statuses. */
  async insist(ask: Ask, statuses: readonly number[]): Promise<Answer> {
    for (let number = 1; ; number += 1) {
      const stall = new AbortController();
      let timer = setTimeout(() => stall.abort(), STALL_MS);
      const onProgress = () => {
        clearTimeout(timer);
        timer = setTimeout(() => stall.abort(), STALL_MS);
      };
      const answer = await this.ask({ ...ask, signal: stall.signal, onProgress });
      clearTimeout(timer);
      if (statuses.includes(answer.status)) {
        return answer;
      }
      const { status } = answer;
      const mayHelp = [0, 408, 425, 429].includes(status) || (status >= 500 && status !== 501 && status !== 505);
      if (!mayHelp || number === TRIES || this.#ended.signal.aborted) {
        throw new DiskError("io", `${ask.url}: ${status === 0 ? "no connection" : `the server says ${status}`}`);
      }
      await sleep(Math.max(FIRST_PAUSE_MS * 2 ** (number - 1), (answer.retryAfter ?? 0) * 1000));
    }
  }

  /** Aborts everything. */
  end(): void {
    this.#ended.abort();
  }

  async #send(ask: Ask, withIfRange: boolean): Promise<Answer> {
    const { url, range, ifRange, limit, onProgress } = ask;
    const headers = new Headers();
    if (range !== undefined) {
      headers.set("Range", `bytes=${range[0]}-${range[1] - 1}`);
      if (ifRange !== undefined && withIfRange) {
        headers.set("If-Range", ifRange);
      }
    }
    const signals = [this.#ended.signal, ...(ask.signal === undefined ? [] : [ask.signal])];
    this.nrRequests += 1;
    try {
      // The overlay keeps what has come; a cache would lock requests for one file against each other.
      const response = await fetch(url, {
        method: ask.method ?? "GET",
        headers,
        cache: "no-store",
        signal: AbortSignal.any(signals),
      });
      onProgress?.();
      const isRead = response.status === (range === undefined ? 200 : 206) && ask.method !== "HEAD";
      const announced = Number(response.headers.get("Content-Length") ?? 0);
      const body = isRead ? await this.#body(response, limit, onProgress) : NOTHING;
      if (!isRead) {
        await response.body?.cancel();
      }
      return { ...described(response), body, bodyLength: isRead ? body.length : announced };
    } catch {
      return { status: 0, body: NOTHING, bodyLength: 0 };
    }
  }

  async #body(response: Response, limit: number, onProgress?: () => void): Promise<Uint8Array> {
    const reader = response.body?.getReader();
    const parts: Uint8Array[] = [];
    let length = 0;
    while (reader !== undefined && length <= limit) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      parts.push(value);
      length += value.length;
      this.fetchedBytes += value.length;
      onProgress?.();
    }
    if (length > limit) {
      await reader?.cancel();
    }
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) {
      return only;
    }
    const body = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      body.set(part, at);
      at += part.length;
    }
    return body;
  }
}

/** Status and headers. */
function described({ status, headers }: Response): Omit<Answer, "body" | "bodyLength"> {
  const etag = headers.get("ETag");
  const contentRange = headers.get("Content-Range");
  const lastModified = headers.get("Last-Modified");
  const retryAfter = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  return {
    status,
    ...(etag !== null && { etag }),
    ...(contentRange !== null && { contentRange }),
    ...(lastModified !== null && { lastModified }),
    ...(retryAfter >= 0 && { retryAfter: Math.min(retryAfter, 3600) }),
  };
}

/** Whether a page's Worker asks another origin, which may refuse headers. */
function isForeign(url: string): boolean {
  const { location } = globalThis as { location?: { origin: string } };
  return location !== undefined && new URL(url).origin !== location.origin;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
