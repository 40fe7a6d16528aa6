/** What an embedder says of images and of what is kept, in the words of the disk Worker. */
import type { DiskBase, DiskStorage } from "../disk/protocol.js";
import type { DiskHost } from "./disk.js";
import type { DiskOptions, ImageSource } from "./storage.js";

const MAX_KEY = 100;
const MIN_LIMIT = 1 << 20;

/**
 * The disk's base: streamed, or what a host makes of a location.
 *
 * @throws PodError for an address that is none.
 */
export async function baseOf(image: ImageSource, { base, error }: Pick<DiskHost, "base" | "error">): Promise<DiskBase> {
  if (image instanceof Uint8Array) {
    return { kind: "bytes", bytes: image };
  }
  if (typeof image === "string" || image instanceof URL) {
    return base(image);
  }
  const { stream } = image;
  if (stream !== "ranges" && stream !== "chunks") {
    throw error(`an image is streamed by "ranges" or "chunks", not by "${String(stream)}"`);
  }
  const page = (globalThis as { document?: { readonly baseURI: string } }).document?.baseURI;
  const url = URL.parse(image.url, page);
  if (url === null) {
    throw error(`${image.url}: not an address`);
  }
  return { kind: stream, url: url.href };
}

/**
 * Where changes go.
 *
 * @throws PodError when it makes no sense.
 */
export function storageOf({ storage, storageKey }: Omit<DiskOptions, "image">, error: DiskHost["error"]): DiskStorage {
  if (storage !== undefined && storageKey !== undefined) {
    throw error("either storage or storageKey: they say the same");
  }
  const { key, folder, limit, database } = storage ?? (storageKey === undefined ? {} : { key: storageKey });
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= MIN_LIMIT)) {
    throw error(`the limit of a storage must be a whole number of bytes from ${MIN_LIMIT} on`);
  }
  if (key !== undefined && folder !== undefined) {
    throw error("a storage has either a key or a folder");
  }
  if (folder !== undefined) {
    return { kind: "folder", path: folder };
  }
  if (key === undefined) {
    if (storage !== undefined && limit === undefined) {
      throw error("a storage needs a key (in a page) or a folder (in Node)");
    }
    return { kind: "memory" };
  }
  if (key.length < 1 || key.length > MAX_KEY || key === "." || key === "..") {
    throw error(`the key of a storage is a name of 1 to ${MAX_KEY} characters, not ${JSON.stringify(key)}`);
  }
  return { kind: "browser", key, ...(database === undefined ? {} : { database }) };
}
