/** The machine's files for the kernel's `hostfs` (Node); `jspi-glue/src/host_files.rs` is the other side. */
import * as fs from "node:fs";
import { constants } from "node:os";
import type { HostFiles } from "./imports.js";

/** Operations, numbered as the kernel numbers them. */
const enum Operation {
  Status = 0,
  Read = 1,
  Write = 2,
  List = 3,
  Make = 4,
  MakeDirectory = 5,
  Unlink = 6,
  RemoveDirectory = 7,
  Rename = 8,
  Symlink = 9,
  ReadLink = 10,
  Truncate = 11,
  Mode = 12,
  Times = 13,
  Link = 14,
}

/** Files kept open between calls. */
const MAX_OPEN = 64;
const EIO = 5;
const EFBIG = 27;

interface OpenFile {
  readonly fd: number;
  readonly isWritable: boolean;
}

/** Serves `hostfs` with `node:fs`; a failed operation answers `-errno`. */
export function hostFiles(): HostFiles {
  const open = new Map<string, OpenFile>();

  const forget = (path: string): void => {
    for (const [name, file] of open) {
      if (name === path || name.startsWith(`${path}/`)) {
        open.delete(name);
        fs.closeSync(file.fd);
      }
    }
  };
  const descriptor = (path: string, isWritable: boolean): number => {
    const known = open.get(path);
    if (known !== undefined && (known.isWritable || !isWritable)) {
      return known.fd;
    }
    if (known !== undefined) {
      forget(path);
    }
    const [oldest] = open.keys();
    if (open.size >= MAX_OPEN && oldest !== undefined) {
      forget(oldest);
    }
    const fd = fs.openSync(path, isWritable ? fs.constants.O_RDWR : fs.constants.O_RDONLY);
    open.set(path, { fd, isWritable });
    return fd;
  };

  const perform = (operation: Operation, path: string, a: number, b: number, buffer: Uint8Array): number => {
    switch (operation) {
      case Operation.Status:
        return putStatus(fs.lstatSync(path), buffer);
      case Operation.Read:
        return fs.readSync(descriptor(path, false), buffer, 0, buffer.length, a);
      case Operation.Write:
        return fs.writeSync(descriptor(path, true), buffer, 0, buffer.length, a);
      case Operation.List:
        return putNames(path, a, buffer);
      case Operation.Make:
        fs.closeSync(fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, a));
        return 0;
      case Operation.MakeDirectory:
        fs.mkdirSync(path, { mode: a });
        return 0;
      case Operation.Unlink:
        forget(path);
        fs.unlinkSync(path);
        return 0;
      case Operation.RemoveDirectory:
        fs.rmdirSync(path);
        return 0;
      case Operation.Rename: {
        const target = textOf(buffer);
        forget(path);
        forget(target);
        fs.renameSync(path, target);
        return 0;
      }
      case Operation.Symlink:
        fs.symlinkSync(textOf(buffer), path);
        return 0;
      case Operation.Link:
        fs.linkSync(textOf(buffer), path);
        return 0;
      case Operation.ReadLink: {
        const target = fs.readlinkSync(path, { encoding: "buffer" });
        if (target.length > buffer.length) {
          return -EFBIG;
        }
        buffer.set(target);
        return target.length;
      }
      case Operation.Truncate:
        fs.ftruncateSync(descriptor(path, true), a);
        return 0;
      case Operation.Mode:
        fs.chmodSync(path, a);
        return 0;
      case Operation.Times:
        fs.lutimesSync(path, a, b);
        return 0;
    }
  };

  return (operation, path, a, b, buffer) => {
    try {
      return perform(operation, path, a, b, buffer);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const known = constants.errno as unknown as Record<string, number>;
      return -(code === undefined ? EIO : (known[code] ?? EIO));
    }
  };
}

/** Mode, links, owner, group, size, blocks, device, inode and three times: 12 numbers. */
function putStatus(status: fs.Stats, buffer: Uint8Array): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const numbers = [
    status.mode,
    status.nlink,
    status.uid,
    status.gid,
    status.size,
    status.blocks,
    status.dev,
    status.ino,
    status.atimeMs,
    status.mtimeMs,
    status.ctimeMs,
    status.rdev,
  ];
  for (const [index, number] of numbers.entries()) {
    view.setFloat64(index * 8, number, true);
  }
  return numbers.length;
}

/** Names from the `skip`th on, each ended by NUL, as many as fit; how many. */
function putNames(path: string, skip: number, buffer: Uint8Array): number {
  let count = 0;
  let at = 0;
  for (const name of fs.readdirSync(path, { encoding: "buffer" }).slice(skip)) {
    if (at + name.length + 1 > buffer.length) {
      break;
    }
    buffer.set(name, at);
    buffer[at + name.length] = 0;
    at += name.length + 1;
    count += 1;
  }
  return count;
}

/** Text in the kernel's memory, which is shared: the decoder takes a copy only. */
function textOf(buffer: Uint8Array): string {
  return new TextDecoder().decode(new Uint8Array(buffer));
}
