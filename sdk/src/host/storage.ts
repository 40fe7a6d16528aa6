/** What an embedder says of images and of what is kept. */
/** An image that is read as it is needed, from a web server. */
export interface StreamedImage {
  readonly url: string | URL;
  /**
   * - `ranges`: an Ext2 image at a server that gives ranges of bytes
   * - `chunks`: the manifest of an image in chunks, as `./shoal image` makes it, at any server
   */
  readonly stream: "ranges" | "chunks";
}

/** A root file system: bytes, where to fetch them at once, or where to read them as they are needed. */
export type ImageSource = Uint8Array | string | URL | StreamedImage;

/** Where the changes to an image are kept: `key` in a page, `folder` in Node. */
export interface StorageOptions {
  /** A name of 1 to 100 characters; each has its own changes, at this origin. */
  readonly key?: string;
  /** A folder of the machine, which is made if need be. */
  readonly folder?: string;
  /** The most bytes that changes take; by default as many as the browser or the machine gives. */
  readonly limit?: number;
  /** Whether they are in IndexedDB; by default in the browser's private files (OPFS) where it has them. */
  readonly database?: boolean;
}

/** What a disk is made of. */
export interface DiskOptions {
  readonly image: ImageSource;
  /** Absent: changes go with the pod. */
  readonly storage?: StorageOptions;
  /** The same as `storage: { key }`. */
  readonly storageKey?: string;
}

/** Whether these need the disk Worker: a pod whose image is in memory, and is not kept, goes without. */
export function needsDisk({ image, storage, storageKey }: DiskOptions): boolean {
  return storage !== undefined || storageKey !== undefined || (typeof image === "object" && "stream" in image);
}
