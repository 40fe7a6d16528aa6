/** The machine's files for the kernel's `hostfs` (Node); `jspi-glue/src/host_files.rs` is the other side. */
import * as fs from "node:fs";
import { constants } from "node:os";
import { Errno } from "../generated/abi.js";
import type { HostFiles } from "./imports.js";

/** Ends a name in a listing: a byte that no UTF-8 text has. */
const END_OF_NAME = 0xff;

type Operation = (path: string, a: number, b: number, buffer: Uint8Array) => number;

/** Listings that did not fit one call, by path: the kernel asks for the rest at once. */
const listings = new Map<string, fs.Dirent[]>();

/** What the kernel may ask for, by its number. Numbers are operands or descriptors. */
const OPERATIONS: readonly Operation[] = [
  /* 0 lstat */ (path, _a, _b, buffer) => putStatus(fs.lstatSync(path), buffer),
  /* 1 open */ (path, writes) =>
    fs.openSync(path, (writes === 0 ? fs.constants.O_RDONLY : fs.constants.O_RDWR) | fs.constants.O_NOFOLLOW),
  /* 2 create */ (path, mode) => {
    fs.closeSync(fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, mode));
    return 0;
  },
  /* 3 close */ (_path, fd) => done(fs.closeSync(fd)),
  /* 4 fstat */ (_path, fd, _b, buffer) => putStatus(fs.fstatSync(fd), buffer),
  /* 5 read */ (_path, fd, offset, buffer) => fs.readSync(fd, buffer, 0, buffer.length, offset),
  /* 6 write */ (_path, fd, offset, buffer) => fs.writeSync(fd, buffer, 0, buffer.length, offset),
  /* 7 truncate */ (_path, fd, size) => done(fs.ftruncateSync(fd, size)),
  /* 8 sync */ (_path, fd) => done(fs.fsyncSync(fd)),
  /* 9 list */ (path, skip, _b, buffer) => putNames(path, skip, buffer),
  /* 10 mkdir */ (path, mode) => done(fs.mkdirSync(path, { mode })),
  /* 11 unlink */ (path) => done(fs.unlinkSync(path)),
  /* 12 rmdir */ (path) => done(fs.rmdirSync(path)),
  /* 13 rename */ (path, _a, _b, target) => done(fs.renameSync(path, textOf(target))),
  /* 14 link */ (path, _a, _b, name) => done(fs.linkSync(path, textOf(name))),
  /* 15 symlink */ (path, _a, _b, target) => done(fs.symlinkSync(textOf(target), path)),
  /* 16 readlink */ (path, _a, _b, buffer) => {
    const target = fs.readlinkSync(path, { encoding: "buffer" });
    if (target.length > buffer.length) {
      return -Errno.ENAMETOOLONG;
    }
    buffer.set(target);
    return target.length;
  },
  /* 17 chmod */ (path, mode) => done(fs.chmodSync(path, mode)),
  /* 18 utimes */ (path, accessed, modified) => done(fs.lutimesSync(path, accessed, modified)),
  /* 19 the end of a call, which only files that the page provides have to know */ () => 0,
  /* 20 append */ (_path, fd, _b, buffer) => {
    const { size } = fs.fstatSync(fd);
    for (let done = 0; done < buffer.length; ) {
      done += fs.writeSync(fd, buffer, done, buffer.length - done, size + done);
    }
    return size;
  },
];

/** Serves `hostfs` with `node:fs`; a failed operation answers `-errno`. */
export function hostFiles(): HostFiles {
  return (operation, path, a, b, buffer) => {
    try {
      return OPERATIONS[operation]?.(path, a, b, buffer) ?? -Errno.EIO;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const known = constants.errno as unknown as Record<string, number>;
      return -(code === undefined ? Errno.EIO : (known[code] ?? Errno.EIO));
    }
  };
}

/** The answer of an operation that has none. */
function done(_result: unknown): number {
  return 0;
}

/** Mode, links, owner, group, size, blocks, device, inode, three times and device number. */
function putStatus(status: fs.Stats, buffer: Uint8Array): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const { mode, nlink, uid, gid, size, blocks, dev, ino, atimeMs, mtimeMs, ctimeMs, rdev } = status;
  const numbers = [mode, nlink, uid, gid, size, blocks, dev, ino, atimeMs, mtimeMs, ctimeMs, rdev];
  for (const [index, number] of numbers.entries()) {
    view.setFloat64(index * 8, number, true);
  }
  return numbers.length;
}

/** Type and name of the entries from the `skip`th on, as many as fit; how many. */
function putNames(path: string, skip: number, buffer: Uint8Array): number {
  const entries = (skip > 0 ? listings.get(path) : undefined) ?? fs.readdirSync(path, { withFileTypes: true });
  let count = 0;
  let at = 0;
  for (const entry of entries.slice(skip)) {
    const name = new TextEncoder().encode(entry.name);
    if (at + name.length + 2 > buffer.length) {
      break;
    }
    buffer[at] = typeOf(entry);
    buffer.set(name, at + 1);
    buffer[at + 1 + name.length] = END_OF_NAME;
    at += name.length + 2;
    count += 1;
  }
  if (count === 0) {
    listings.delete(path);
  } else {
    listings.set(path, entries);
  }
  return count;
}

/** `d_type` of readdir(3); 0 when it is not known. */
function typeOf(entry: fs.Dirent): number {
  const kinds: [boolean, number][] = [
    [entry.isFile(), 8],
    [entry.isDirectory(), 4],
    [entry.isSymbolicLink(), 10],
    [entry.isFIFO(), 1],
    [entry.isSocket(), 12],
    [entry.isCharacterDevice(), 2],
    [entry.isBlockDevice(), 6],
  ];
  return kinds.find(([is]) => is)?.[1] ?? 0;
}

/** Text in the kernel's memory, which may be shared: the decoder takes a copy only. */
function textOf(buffer: Uint8Array): string {
  return new TextDecoder().decode(new Uint8Array(buffer));
}
