/** The first look at an image: its length, its name among images, and its first bytes. */
import type { Answer, Fetcher } from "./fetcher.js";
import type { BaseFile, DiskHost } from "./host.js";
import { type Devices, type DiskModule, Status } from "./module.js";
import type { DiskBase } from "./protocol.js";
import { DiskError } from "./store.js";

/** What is asked for first: as much as a read gets, or, where most is here already, what names the image. */
const FIRST_BYTES = 128 << 10;
const NAMING_BYTES = 2048;
/** The Ext2 superblock, which names an image where the server does not. */
const SUPERBLOCK = [1024, 2048] as const;
/** Manifests and lists beyond this are not ours. */
const MANIFEST_BYTES = 256 << 20;
const HOT_LIST_BYTES = 4 << 20;

/** What preparing an image needs. */
export interface ImageOptions {
  readonly module: DiskModule;
  readonly devices: Devices;
  readonly fetcher: Fetcher;
  readonly host: DiskHost;
  /** Whether there are changes, or copies of the image, already. */
  readonly isKnown: boolean;
  /** Whether changes outlive the pod, so that the image needs a name. */
  readonly isLasting: boolean;
}

/** An image that the module knows. */
export interface Image {
  /** Chunks are beside it; for ranges it is the image. */
  readonly url?: string;
  /** Ranges that are read first, as doubles. */
  readonly hot?: Promise<Float64Array | undefined>;
  close?(): void;
}

/** Tells the module about the image. Throws a `DiskError`. */
export async function prepareImage(base: DiskBase, options: ImageOptions): Promise<Image> {
  switch (base.kind) {
    case "bytes": {
      const { bytes } = base;
      return prepareHere(options, {
        length: bytes.length,
        modified: -1,
        readAt: (offset, into) => {
          into.set(bytes.subarray(offset, offset + into.length));
          return true;
        },
        close: () => {},
      });
    }
    case "file": {
      const file = options.host.openFile?.(base.path);
      if (file === undefined) {
        throw new DiskError("unsupported", "a browser has no files of the machine");
      }
      return prepareHere(options, file);
    }
    case "ranges":
      return await prepareRanges(base.url, options);
    case "chunks":
      return await prepareChunks(base.url, options);
  }
}

function prepareHere({ module, devices, isLasting }: ImageOptions, file: BaseFile): Image {
  devices.readBase = (offset, into) => file.readAt(offset, into);
  check(module, module.exports.disk_image_here(file.length, file.modified, isLasting ? 1 : 0));
  return { close: () => file.close() };
}

async function prepareRanges(url: string, { module, fetcher, isKnown }: ImageOptions): Promise<Image> {
  const hot = hotList(url, fetcher);
  const count = isKnown ? NAMING_BYTES : FIRST_BYTES;
  const first = await fetcher.insist({ url, range: [0, count], limit: count }, [206, 200, 416]);
  if (first.status === 200) {
    throw new DiskError("unsupported", `${url}: the server does not give byte ranges`);
  }
  const length = await lengthOf(url, first, fetcher);
  if (first.status === 416 || first.body.length !== Math.min(count, length)) {
    throw new DiskError("unsupported", `${url}: the server sent other bytes than the first ${count}`);
  }
  const encoder = new TextEncoder();
  const name = encoder.encode(nameOf(first));
  const etag = encoder.encode(first.etag ?? "");
  const room = module.room(name.length + etag.length + first.body.length);
  room.set(name);
  room.set(etag, name.length);
  room.set(first.body, name.length + etag.length);
  const etagLength = first.etag === undefined ? -1 : etag.length;
  check(module, module.exports.disk_image_ranges(length, name.length, etagLength));
  return { url, hot };
}

/** What tells this image from others of its length. */
function nameOf({ etag, lastModified, body }: Answer): string {
  if (etag?.startsWith('"') === true) {
    return `etag ${etag}`;
  }
  if (lastModified !== undefined) {
    return `modified ${lastModified}`;
  }
  return `superblock ${Array.from(body.subarray(...SUPERBLOCK)).join(" ")}`;
}

/** Bytes of the image: a server of another origin may not tell them with the range. */
async function lengthOf(url: string, first: Answer, fetcher: Fetcher): Promise<number> {
  const told = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(first.contentRange ?? "")?.[1];
  const length = Number(told ?? (await fetcher.insist({ url, method: "HEAD", limit: 0 }, [200])).bodyLength);
  if (!Number.isSafeInteger(length) || length <= 0) {
    throw new DiskError("unsupported", `${url}: the server does not tell how long the image is`);
  }
  return length;
}

/** The list beside the image, if there is one. */
async function hotList(url: string, fetcher: Fetcher): Promise<Float64Array | undefined> {
  const location = new URL(url);
  location.pathname += ".hot.json";
  const { status, body } = await fetcher.ask({ url: location.href, limit: HOT_LIST_BYTES });
  if (status !== 200 || body.length > HOT_LIST_BYTES) {
    return undefined;
  }
  try {
    const { format, ranges } = JSON.parse(new TextDecoder().decode(body)) as { format?: unknown; ranges?: unknown };
    const numbers = Array.isArray(ranges) ? ranges.flat() : [];
    const isWell = format === 1 && numbers.length % 2 === 0 && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    return isWell ? Float64Array.from(numbers as number[]) : undefined;
  } catch {
    return undefined;
  }
}

async function prepareChunks(url: string, { module, fetcher }: ImageOptions): Promise<Image> {
  const { body } = await fetcher.insist({ url, limit: MANIFEST_BYTES }, [200]);
  module.room(body.length).set(body);
  const status = module.exports.disk_image_chunks();
  if (status !== Status.ok) {
    throw new DiskError("unsupported", `${url}: ${module.text()}`);
  }
  return { url };
}

function check(module: DiskModule, status: number): void {
  if (status !== Status.ok) {
    throw new DiskError("io", module.text());
  }
}
