/**
 * A page with nothing but the SDK, for tests of storages: `window.sdk`.
 *
 * It survives: the same browser profile and the same port give the same origin, and so the same storages.
 */
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { appendFile, copyFile, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import type { Page } from "puppeteer-core";
import type * as Sdk from "shoal";
import type { Plugin } from "vite";
import { errorsOf, type LaunchedBrowser } from "./browsers.ts";
import type { Site } from "./site.ts";

const DIST = fileURLToPath(new URL("../../../sdk/dist", import.meta.url));
const IMAGE = process.env.SHOAL_IMAGE ?? fileURLToPath(new URL("../../../target/guest/root.ext2", import.meta.url));

const HTML = `<!doctype html><title>storage</title>
<link rel="icon" href="data:,">
<script type="module">
import * as sdk from "/@fs${DIST}/index.js";
import * as database from "/@fs${DIST}/disk/indexed_db.js";
window.sdk = sdk;
window.database = database;
document.body.dataset.state = "ready";
</script>`;
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** What the page has for scripts of tests. */
export interface StorageWindow extends Window {
  readonly sdk: typeof Sdk;
  /** `sdk/dist/disk/indexed_db.js`. */
  readonly database: { openDatabase(key: string): Promise<unknown> };
  pod: Sdk.Pod | undefined;
}

/** Makes a copy of the root image that is quick to load and to export. */
export async function smallImage(file: string): Promise<void> {
  await copyFile(IMAGE, file);
  await promisify(execFile)("resize2fs", ["-f", file, "24M"]);
}

/**
 * Serves the page at `/storage`, the file `image` at `/small.ext2` and, by ranges of bytes, at `/ranges.ext2`. It appends what is
 * posted to `/upload` to the file `upload`.
 */
export function storageSite(image: string, upload: string): Plugin {
  return {
    name: "storage",
    configureServer: ({ middlewares }) => {
      middlewares.use((request, response, next) => {
        const { pathname } = new URL(request.url ?? "/", "http://site");
        if (pathname === "/storage") {
          response.writeHead(200, { "Content-Type": "text/html", ...ISOLATION }).end(HTML);
        } else if (pathname === "/ranges.ext2" || pathname === "/small.ext2") {
          void sendRange(image, request, response);
        } else if (pathname === "/upload") {
          void receive(request, upload).then(() => response.writeHead(204).end());
        } else {
          next();
        }
      });
    },
  };
}

/** Bytes of the image as `Range` says. */
async function sendRange(image: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { size, mtimeMs } = await stat(image);
  const headers = {
    ETag: `"${size}-${mtimeMs}"`,
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  if (request.method === "HEAD" || first === undefined) {
    response.writeHead(200, { ...headers, "Content-Length": size });
    if (request.method === "HEAD") {
      response.end();
    } else {
      createReadStream(image).pipe(response);
    }
    return;
  }
  const start = Number(first);
  const end = Math.min(last ? Number(last) : size - 1, size - 1);
  response.writeHead(206, {
    ...headers,
    "Content-Range": `bytes ${start}-${end}/${size}`,
    "Content-Length": end - start + 1,
  });
  createReadStream(image, { start, end }).pipe(response);
}

async function receive(request: IncomingMessage, file: string): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) {
    parts.push(part as Buffer);
  }
  await appendFile(file, gunzipSync(Buffer.concat(parts)));
}

/** How a program ended. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One page, with a pod or without. */
export class StoragePage {
  readonly page: Page;
  /** What the console got as errors. */
  readonly errors: string[];

  private constructor(page: Page) {
    this.page = page;
    this.errors = errorsOf(page);
  }

  /** Opens it; no pod runs. */
  static async open({ browser }: LaunchedBrowser, site: Site): Promise<StoragePage> {
    const opened = new StoragePage(await browser.newPage());
    await opened.page.goto(new URL("storage", site.url).href);
    await opened.#ready();
    return opened;
  }

  /** As a person presses the key: whatever runs in the page ends. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.#ready();
  }

  /** Boots a pod; `ok`, or the code and message of its error. */
  async boot(options: { readonly image?: string; readonly storage?: Sdk.StorageOptions; readonly mode?: Sdk.PodMode }) {
    return this.page.evaluate(async ({ image = "small.ext2", ...rest }) => {
      const scope = window as unknown as StorageWindow;
      const url = new URL(image, document.baseURI);
      try {
        scope.pod = await scope.sdk.boot({
          image: image === "ranges.ext2" ? { url, stream: "ranges" } : url,
          ...rest,
        });
        return "ok";
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        return `${code ?? "no code"}: ${message}`;
      }
    }, options);
  }

  /** Runs a script by the pod's shell. */
  async sh(script: string): Promise<Ran> {
    return this.page.evaluate(async (words: string) => {
      const { pod } = window as unknown as StorageWindow;
      if (pod === undefined) {
        throw new Error("no pod");
      }
      const { stdio, exit } = await pod.run("/bin/sh", ["-c", words], { cwd: "/root" });
      stdio?.stdin.end();
      const [status, stdout, stderr] = await Promise.all([exit, stdio?.stdout.text(), stdio?.stderr.text()]);
      return { status: status.shell, stdout: stdout ?? "", stderr: stderr ?? "" };
    }, script);
  }

  /** What the shell writes for a script that succeeds. */
  async output(script: string): Promise<string> {
    const { status, stdout, stderr } = await this.sh(script);
    if (status !== 0) {
      throw new Error(`${script}: status ${status}\n${stdout}${stderr}`);
    }
    return stdout;
  }

  /** Sends the image with its changes to the site, which appends it to its file. */
  async uploadImage(): Promise<void> {
    await this.page.evaluate(async () => {
      const { pod } = window as unknown as StorageWindow;
      for await (const part of pod?.storage?.image() ?? []) {
        // The driver of the browser gets a copy of all that is posted, in JSON.
        const packed = new Blob([part as BlobPart]).stream().pipeThrough(new CompressionStream("gzip"));
        await fetch("upload", { method: "POST", body: await new Response(packed).blob() });
      }
    });
  }

  async #ready(): Promise<void> {
    await this.page.waitForFunction(() => document.body?.dataset.state === "ready");
  }
}
