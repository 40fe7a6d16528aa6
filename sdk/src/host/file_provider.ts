/** Files that a page makes up or has: what it implements to show them to guests. */

type Awaitable<T> = T | Promise<T>;

/** What is known of a file. */
export interface ProvidedStatus {
  readonly type: "file" | "directory" | "symlink";
  /** Bytes; 0 by default. */
  readonly size?: number;
  /** Permissions; 0o755 by default. */
  readonly mode?: number;
  /** Last change of the contents in milliseconds since 1970; 0 by default. */
  readonly modified?: number;
}

/** A name in a directory. */
export interface ProvidedEntry {
  readonly name: string;
  readonly type: ProvidedStatus["type"];
}

/**
 * The functions behind a mount, plain or async. Paths begin with a slash; `/` is the directory that is mounted.
 *
 * A function fails by throwing: an error with a `code` such as `ENOENT`, or a `DOMException`, becomes that error of
 * Linux; anything else is `EIO` and a line in the log. Without `write` the mount is read-only. All files belong to root.
 */
export interface FileProvider {
  stat(path: string): Awaitable<ProvidedStatus>;
  list(path: string): Awaitable<readonly ProvidedEntry[]>;
  /** The bytes from byte `offset` on, at most `length`; fewer only at the end. */
  read(path: string, offset: number, length: number): Awaitable<Uint8Array>;
  /** Writes all of `bytes` at byte `offset`. */
  write?(path: string, offset: number, bytes: Uint8Array): Awaitable<void>;
  /** Makes an empty file; its name is new. Absent: `EPERM`. */
  create?(path: string, mode: number): Awaitable<void>;
  /** Sets the size in bytes. Absent: `EPERM`. */
  truncate?(path: string, size: number): Awaitable<void>;
  /** Makes a directory; its name is new. Absent: `EPERM`. */
  mkdir?(path: string, mode: number): Awaitable<void>;
  /** Removes a file. Absent: `EPERM`. */
  remove?(path: string): Awaitable<void>;
  /** Removes an empty directory. Absent: `EPERM`. */
  rmdir?(path: string): Awaitable<void>;
  /** Moves a name over another. Absent: `EXDEV`, and mv(1) copies. */
  rename?(path: string, to: string): Awaitable<void>;
  /** Absent: `EPERM`. */
  symlink?(target: string, path: string): Awaitable<void>;
  /** The target of a symbolic link. Absent: `EINVAL`. */
  readlink?(path: string): Awaitable<string>;
  /** Sets the permissions. Absent: they stay as they are, and nobody is told. */
  chmod?(path: string, mode: number): Awaitable<void>;
  /** Sets both times, in seconds since 1970. Absent: they stay as they are, and nobody is told. */
  utimes?(path: string, accessed: number, modified: number): Awaitable<void>;
  /** Makes what was written durable. */
  sync?(path: string): Awaitable<void>;
  /** Nobody has the file open any more. */
  close?(path: string): Awaitable<void>;
}

/** A mount of files that the page provides. */
export interface ProvidedMount {
  /** Where guests see them; directories are made as need be. */
  readonly guest: string;
  readonly provider: FileProvider;
  /** Whether all changes fail with `EROFS`; true without {@link FileProvider.write}. */
  readonly readOnly?: boolean;
}
