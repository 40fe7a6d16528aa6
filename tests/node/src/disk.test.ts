/** The disk Worker with an image that is here: requests, what is kept, tasks. */
import { mkdir, open, readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskClient, imageOf, noise, type Options, Refused, tableOf } from "./disk.ts";
import { temporaryFolder } from "./shoal.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const IMAGE = imageOf(4 * MIB);
const EIO = -5;
const EINVAL = -22;
const ENOSPC = -28;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nrFolders = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

/** A storage that nobody used yet. */
function newStorage(): { kind: "folder"; path: string } {
  nrFolders += 1;
  return { kind: "folder", path: join(folder.path, `storage-${nrFolders}`, "made") };
}

function bytes(image: Uint8Array = IMAGE): Options["base"] {
  return { kind: "bytes", bytes: image };
}

/** Equal, and no megabytes of text where they are not. */
function same(found: Uint8Array, wanted: Uint8Array): boolean {
  return Buffer.compare(found, wanted) === 0;
}

function flip(image: Uint8Array, at: number): void {
  image[at] = 255 - (image[at] ?? 0);
}

/** A block of one number. */
function filled(number: number): Uint8Array {
  const block = Buffer.alloc(64 * KIB);
  block.writeUInt32BE(number);
  return block.fill(block.subarray(0, 4));
}

async function codeOf(opening: Promise<DiskClient>): Promise<string> {
  try {
    await (await opening).kill();
    return "opened";
  } catch (error) {
    return error instanceof Refused ? `${error.code}: ${error.message}` : String(error);
  }
}

describe.each([
  ["in a pool", false],
  ["with one Worker", true],
])("requests %s", (_name, isSolo) => {
  it("read, change and discard in their order", async () => {
    await using disk = await DiskClient.open({ base: bytes(), isSolo });
    expect(disk.length).toBe(IMAGE.length);
    expect(same(await disk.read(1000, 70_000), IMAGE.subarray(1000, 71_000))).toBe(true);
    const [a, b] = [noise(8192, 2), noise(600, 3)];
    // All at once, by two ports: each read sees the changes before it, and none after.
    const [before, changed, between, again, after] = await Promise.all([
      disk.read(4096, 8192),
      disk.change([
        [4096, a],
        [100_000, b],
      ]),
      disk.read(4096, 8192),
      disk.change([[8192, 4096]]),
      disk.read(4096, 8192),
      disk.flush(),
    ]);
    expect([changed, again].map(({ status, isFull }) => [status, isFull])).toEqual([
      [0, false],
      [0, false],
    ]);
    expect([same(before, IMAGE.subarray(4096, 12_288)), same(between, a)]).toEqual([true, true]);
    expect(same(after.subarray(0, 4096), a.subarray(0, 4096))).toBe(true);
    expect(same(after.subarray(4096), new Uint8Array(4096))).toBe(true);
    expect(same(await disk.read(100_000, 600), b)).toBe(true);
  });

  it("wait for those before them, whichever port is faster", async () => {
    await using disk = await DiskClient.open({ base: bytes(), isSolo });
    const change = tableOf([[0, noise(4096, 9)]]);
    const late = disk.requestAs(3, "read", 0, 4096);
    const flushed = disk.requestAs(2, "flush", 0, 0);
    const first = await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 100, "nothing"))]);
    expect(first).toBe("nothing");
    const made = disk.requestAs(1, "change", 1, change.length, change);
    expect((await Promise.all([made, flushed, late])).map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(same((await late).bytes as Uint8Array, noise(4096, 9))).toBe(true);
  });

  it("that make no sense are refused, and change nothing", async () => {
    await using disk = await DiskClient.open({ base: bytes(), isSolo });
    const row = tableOf([[0, noise(4096, 1)]]);
    const beyond = tableOf([
      [0, noise(512, 1)],
      [IMAGE.length - 100, noise(512, 1)],
    ]);
    const discard = tableOf([[IMAGE.length, 1]]);
    const kind = row.slice();
    kind[12] = 2;
    const replies = await Promise.all([
      disk.request("read", IMAGE.length - 10, 11),
      disk.request("read", 2 ** 53 - 1, 4096),
      disk.request("read", -1, 4096),
      disk.request("read", 0.5, 512),
      disk.request("change", 2, row.length, row),
      disk.request("change", 0, row.length, row),
      disk.request("change", 1e9, row.length, row),
      disk.request("change", 2, beyond.length, beyond),
      disk.request("change", 1, discard.length, discard),
      disk.request("change", 1, kind.length, kind),
      disk.request("reverse" as "read", 1, row.length, row),
    ]);
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => EINVAL));
    expect(same(await disk.read(0, 4096), IMAGE.subarray(0, 4096))).toBe(true);
  });
});

describe("changes in a folder", () => {
  it("are there after closing, and after the Worker was killed, as of the last flush", async () => {
    const storage = newStorage();
    const [kept, lost] = [noise(300_000, 5), noise(300_000, 6)];
    {
      await using disk = await DiskClient.open({ base: bytes(), storage });
      await disk.write(8192, kept);
      await disk.flush();
      await disk.change([[8192, 4096]]);
    }
    for (let round = 0; round < 3; round += 1) {
      const disk = await DiskClient.open({ base: bytes(), storage });
      expect(same(await disk.read(8192, kept.length), kept)).toBe(true);
      await disk.write(8192, lost);
      await disk.write(1 * MIB, lost);
      await disk.kill();
    }
    await using disk = await DiskClient.open({ base: bytes(), storage });
    const { changedBytes } = await disk.task({ type: "statistics" });
    // 8192 is a block's start, the end is within one.
    expect(changedBytes).toBe(Math.ceil(kept.length / 4096) * 4096);
    expect(same(await disk.read(1 * MIB, 300_000), IMAGE.subarray(1 * MIB, 1 * MIB + 300_000))).toBe(true);
  });

  it("come back as they were at a flush when the Worker dies at any time", async () => {
    const storage = newStorage();
    let flushed = 0;
    for (let round = 1; round <= 8; round += 1) {
      const disk = await DiskClient.open({ base: bytes(), storage });
      // What is there is whole: the same number in each of the places.
      const places = [0, 1, 2, 3].map((place) => place * 512 * KIB + 64 * KIB);
      const found = await Promise.all(places.map((place) => disk.read(place, 64 * KIB)));
      if (round > 1) {
        const number = new DataView((found[0] as Uint8Array).slice().buffer).getUint32(0);
        expect(number).toBeGreaterThanOrEqual(flushed);
        for (const block of found) {
          expect(same(block, filled(number))).toBe(true);
        }
      }
      const end = Date.now() + 20 * round;
      let isOver = false;
      const killed = new Promise<void>((resolve) => setTimeout(() => resolve(disk.kill()), 20 * round));
      void killed.then(() => {
        isOver = true;
      });
      for (let number = flushed + 1; Date.now() < end && !isOver; number += 1) {
        const block = filled(number);
        // In several requests: only the flush makes them one.
        const changes = Promise.all(places.map((place) => disk.change([[place, block]])));
        const done = Promise.all([changes, disk.flush()]).then(() => true);
        if (!(await Promise.race([done, killed.then(() => false)]))) {
          break;
        }
        flushed = number;
      }
      await killed;
    }
    expect(flushed).toBeGreaterThan(0);
  });

  it("belong to their image", async () => {
    const storage = newStorage();
    const write = async (base: Options["base"]) => {
      await using disk = await DiskClient.open({ base, storage });
      await disk.write(0, noise(4096, 1));
      await disk.flush();
    };
    await write(bytes());
    const changed = "changed: the saved changes belong to another image, of 4194304 bytes";
    const far = IMAGE.slice();
    flip(far, 3 * MIB);
    expect(await codeOf(DiskClient.open({ base: bytes(far), storage }))).toBe(changed);
    expect(await codeOf(DiskClient.open({ base: bytes(IMAGE.subarray(0, 2 * MIB)), storage }))).toBe(changed);
    // A file is the same by its time.
    const path = join(folder.path, "image");
    await writeFile(path, IMAGE);
    await utimes(path, 1e9, 1e9);
    expect(await codeOf(DiskClient.open({ base: { kind: "file", path }, storage }))).toBe(changed);
    const other = newStorage();
    for (const [time, code] of [
      [1e9, "opened"],
      [1e9, "opened"],
      [1e9 + 1, changed],
    ] as const) {
      await utimes(path, time, time);
      expect(await codeOf(DiskClient.open({ base: { kind: "file", path }, storage: other }))).toBe(code);
    }
    expect(await codeOf(DiskClient.open({ base: bytes(), storage }))).toBe("opened");
  });

  it("are refused when they are damaged, or cannot be had", async () => {
    const storage = newStorage();
    {
      await using disk = await DiskClient.open({ base: bytes(), storage });
      await disk.write(0, noise(64 * KIB, 1));
      await disk.flush();
    }
    const log = join(storage.path, "log-0");
    const file = await open(log, "r+");
    await file.write(noise(8192, 3), 0, 8192, 0);
    await file.close();
    expect(await codeOf(DiskClient.open({ base: bytes(), storage }))).toMatch(
      /^corrupt: the saved changes are damaged/,
    );
    await writeFile(join(folder.path, "a-file"), "");
    const inFile = { kind: "folder", path: join(folder.path, "a-file") } as const;
    expect(await codeOf(DiskClient.open({ base: bytes(), storage: inFile }))).toMatch(/^io: cannot open the storage/);
    const missing = { kind: "file", path: join(folder.path, "no such image") } as const;
    expect(await codeOf(DiskClient.open({ base: missing }))).toMatch(/^io: cannot open the image: ENOENT/);
    const key = { kind: "browser", key: "x" } as const;
    expect(await codeOf(DiskClient.open({ base: bytes(), storage: key }))).toMatch(/^unsupported: /);
  });

  it("that rot are EIO where they are read", async () => {
    const storage = newStorage();
    const disk = await DiskClient.open({ base: bytes(), storage });
    await disk.write(0, noise(64 * KIB, 1));
    await disk.flush();
    const { size } = await stat(join(storage.path, "log-0"));
    const file = await open(join(storage.path, "log-0"), "r+");
    await file.write(new Uint8Array(64), 0, 64, size - 4096);
    await file.close();
    expect((await disk.request("read", 60 * KIB, 4096)).status).toBe(EIO);
    expect(same(await disk.read(0, 4096), noise(64 * KIB, 1).subarray(0, 4096))).toBe(true);
    await disk[Symbol.asyncDispose]();
  });
});

describe("a disk of gigabytes in a file", () => {
  it("is read and changed beyond 4 GiB", async () => {
    const path = join(folder.path, "sparse");
    const length = 6 * 1024 * MIB;
    await writeFile(path, IMAGE.subarray(0, 8192));
    await truncate(path, length);
    const file = await open(path, "r+");
    await file.write(noise(4096, 8), 0, 4096, 5 * 1024 * MIB);
    await file.close();
    const storage = newStorage();
    {
      await using disk = await DiskClient.open({ base: { kind: "file", path }, storage });
      expect(disk.length).toBe(length);
      expect(same(await disk.read(5 * 1024 * MIB, 4096), noise(4096, 8))).toBe(true);
      await disk.write(length - 4096, noise(4096, 9));
      await disk.flush();
    }
    await using disk = await DiskClient.open({ base: { kind: "file", path }, storage });
    expect(same(await disk.read(length - 4096, 4096), noise(4096, 9))).toBe(true);
    const part = await disk.task({ type: "image", offset: length - 8192, length: 8192 });
    expect(same(part.subarray(4096), noise(4096, 9))).toBe(true);
    expect(same(part.subarray(0, 4096), new Uint8Array(4096))).toBe(true);
  });
});

describe("tasks", () => {
  it("export and import changes, and give the image with them", async () => {
    await using source = await DiskClient.open({ base: bytes(), storage: newStorage() });
    const block = noise(2 * MIB + 4096, 4);
    await source.write(512 * KIB, block);
    await source.flush();
    await source.write(0, noise(4096, 7));
    const exported = await source.task({ type: "export" });
    expect(exported.length).toBeLessThan(block.length + 64 * KIB);
    const merged = await source.task({ type: "image", offset: 100, length: IMAGE.length - 100 });
    const wanted = IMAGE.slice();
    wanted.set(block, 512 * KIB);
    wanted.set(noise(4096, 7), 0);
    expect(same(merged, wanted.subarray(100))).toBe(true);
    await expect(source.task({ type: "image", offset: IMAGE.length, length: 1 })).rejects.toThrow("no such bytes");

    const storage = newStorage();
    {
      await using target = await DiskClient.open({ base: bytes(), storage });
      await target.write(3 * MIB, noise(4096, 1));
      await target.flush();
      await target.task({ type: "import", bytes: exported });
    }
    await using target = await DiskClient.open({ base: bytes(), storage });
    wanted.set(IMAGE.subarray(0, 4096), 0);
    expect(same(await target.task({ type: "image", offset: 0, length: IMAGE.length }), wanted)).toBe(true);

    const damaged = exported.slice();
    flip(damaged, 9000);
    flip(damaged, 5);
    flip(damaged, 4101);
    await expect(target.task({ type: "import", bytes: damaged })).rejects.toMatchObject({ code: "corrupt" });
    await expect(target.task({ type: "import", bytes: new Uint8Array(3) })).rejects.toMatchObject({ code: "corrupt" });
    await using other = await DiskClient.open({ base: bytes(imageOf(4 * MIB, 77)) });
    await expect(other.task({ type: "import", bytes: exported })).rejects.toMatchObject({ code: "changed" });
    // What was there stays.
    expect(same(await target.read(512 * KIB, 4096), block.subarray(0, 4096))).toBe(true);
  });

  it("compact the log, and tell sizes", async () => {
    const storage = newStorage();
    await using disk = await DiskClient.open({ base: bytes(), storage });
    for (let round = 0; round < 8; round += 1) {
      await disk.write(0, noise(1 * MIB, round));
      await disk.flush();
    }
    const before = await disk.task({ type: "statistics" });
    expect(before).toMatchObject({ changedBytes: 1 * MIB, keptBytes: 0, fetchedBytes: 0, nrRequests: 0 });
    expect(before.garbageBytes).toBeGreaterThan(7 * MIB);
    await disk.task({ type: "compact" });
    const after = await disk.task({ type: "statistics" });
    expect(after.changedBytes).toBe(1 * MIB);
    expect(after.logBytes).toBeLessThan(1.1 * MIB);
    const sizes = await Promise.all(
      ["log-0", "log-1"].map(async (name) => (await stat(join(storage.path, name))).size),
    );
    expect(Math.min(...sizes)).toBe(0);
    expect(Math.max(...sizes)).toBe(after.logBytes);
    expect(same(await disk.read(0, 1 * MIB), noise(1 * MIB, 7))).toBe(true);
  });

  it("close the disk: others may open it, and requests fail", async () => {
    const storage = newStorage();
    const disk = await DiskClient.open({ base: bytes(), storage });
    await disk.task({ type: "close" });
    expect((await disk.request("read", 0, 512)).status).toBe(EIO);
    await expect(disk.task({ type: "compact" })).rejects.toMatchObject({ code: "io" });
    await disk.task({ type: "close" });
    expect(await codeOf(DiskClient.open({ base: bytes(), storage }))).toBe("opened");
    await disk.kill();
  });
});

describe("a disk that is full", () => {
  it("says so early, and has room again after discards", async () => {
    await using disk = await DiskClient.open({ base: bytes(), storage: newStorage(), limit: 2 * MIB });
    let at = 0;
    for (let isFull = false; !isFull; at += 128 * KIB) {
      expect(at).toBeLessThan(2 * MIB);
      const reply = await disk.change([[at, noise(128 * KIB, at)]]);
      expect(reply.status).toBe(0);
      ({ isFull } = await disk.request("flush", 0, 0));
    }
    expect(at).toBeGreaterThan(1 * MIB);
    expect((await disk.change([[0, at]])).status).toBe(0);
    await disk.flush();
    const after = await disk.change([[0, noise(256 * KIB, 1)]]);
    expect([after.status, after.isFull]).toEqual([0, false]);
    await disk.flush();
  });

  it("takes no more than its limit, and goes on being read", async () => {
    const storage = newStorage();
    const limit = 1 * MIB;
    await using disk = await DiskClient.open({ base: bytes(), storage, limit });
    const statuses: number[] = [];
    for (let at = 0; at < 2 * MIB; at += 256 * KIB) {
      const { status } = await disk.change([[at, noise(256 * KIB, at)]]);
      const flushed = await disk.request("flush", 0, 0);
      statuses.push(status === 0 ? flushed.status : status);
    }
    expect(statuses.slice(0, 3)).toEqual([0, 0, 0]);
    expect(statuses.slice(4)).toEqual([ENOSPC, ENOSPC, ENOSPC, ENOSPC]);
    expect((await stat(join(storage.path, "log-0"))).size).toBeLessThanOrEqual(limit);
    expect(same(await disk.read(0, 256 * KIB), noise(256 * KIB, 0))).toBe(true);
    expect(same(await disk.read(3 * MIB, 4096), IMAGE.subarray(3 * MIB, 3 * MIB + 4096))).toBe(true);
  });
});

it("keeps nothing in memory", async () => {
  const path = join(folder.path, "untouched");
  await mkdir(path);
  await writeFile(join(path, "image"), IMAGE);
  {
    await using disk = await DiskClient.open({ base: { kind: "file", path: join(path, "image") } });
    await disk.write(0, noise(4096, 1));
    await disk.flush();
    expect(same(await disk.read(0, 4096), noise(4096, 1))).toBe(true);
  }
  expect(same(await readFile(join(path, "image")), IMAGE)).toBe(true);
});
