/** The disk Worker with images that are far away: ranges, chunks, and servers that misbehave. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DiskClient, imageOf, noise, type Options, Refused } from "./disk.ts";
import { FarServer } from "./far_server.ts";
import { imageTool, imageToolMs, temporaryFolder } from "./shoal.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const IMAGE = imageOf(16 * MIB);
const EIO = -5;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: FarServer;
let nrFolders = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());
beforeEach(async () => {
  server = await FarServer.start();
  server.files.set("/image", IMAGE);
});
afterEach(() => server[Symbol.asyncDispose]());

function newStorage(): { kind: "folder"; path: string } {
  nrFolders += 1;
  return { kind: "folder", path: join(folder.path, `storage-${nrFolders}`) };
}

function ranges(): Options["base"] {
  return { kind: "ranges", url: server.url("/image") };
}

function same(found: Uint8Array, wanted: Uint8Array): boolean {
  return Buffer.compare(found, wanted) === 0;
}

async function isRight(disk: DiskClient, offset: number, length: number, image = IMAGE): Promise<boolean> {
  return same(await disk.read(offset, length), image.subarray(offset, offset + length));
}

async function codeOf(opening: Promise<DiskClient>): Promise<string> {
  try {
    await (await opening).kill();
    return "opened";
  } catch (error) {
    return error instanceof Refused ? `${error.code}: ${error.message}` : String(error);
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe("an image that is read by ranges", () => {
  it.each([
    ["in a pool", false],
    ["with one Worker", true],
  ])("comes as it is read, %s, and nothing comes twice", async (_name, isSolo) => {
    await using disk = await DiskClient.open({ base: ranges(), isSolo });
    expect(disk.length).toBe(IMAGE.length);
    const places = [5000, 5 * MIB, 5 * MIB + 4096, 11 * MIB + 77, IMAGE.length - 4096, 5 * MIB];
    const right = await Promise.all(places.map((place) => isRight(disk, place, 4096)));
    expect(right).toEqual(places.map(() => true));
    expect(await isRight(disk, 5 * MIB + 100, 100 * KIB)).toBe(true);
    const asked = server.of("/image").slice(1);
    expect(asked.length).toBeLessThanOrEqual(4);
    const sorted = asked.map(({ start, end }) => [start, end] as const).sort(([a], [b]) => a - b);
    for (const [index, [start, end]] of sorted.entries()) {
      expect([start % (128 * KIB), Math.min(end % (128 * KIB), IMAGE.length - end)]).toEqual([0, 0]);
      expect(start).toBeGreaterThanOrEqual(sorted[index - 1]?.[1] ?? 0);
    }
    expect(asked.every(({ ifRange }) => ifRange === '"v1"')).toBe(true);
    const { fetchedBytes, nrRequests } = await disk.task({ type: "statistics" });
    expect(nrRequests).toBe(server.requests.length);
    expect(fetchedBytes).toBe(server.of("/image").reduce((sum, { start, end }) => sum + end - start, 0));
  });

  it("is changed in parts of blocks that are not here", async () => {
    await using disk = await DiskClient.open({ base: ranges() });
    const image = IMAGE.slice();
    const rows = [9 * MIB + 5, 3 * MIB + 1000, 14 * MIB + 4095].map((at) => [at, noise(3000, at)] as const);
    for (const [at, bytes] of rows) {
      image.set(bytes, at);
    }
    const [changed, flushed, right] = await Promise.all([
      disk.change(rows),
      disk.request("flush", 0, 0),
      isRight(disk, 9 * MIB, 64 * KIB, image),
    ]);
    expect([changed.status, flushed.status, right]).toEqual([0, 0, true]);
    expect(same(await disk.task({ type: "image", offset: 0, length: image.length }), image)).toBe(true);
  });

  it("keeps what was on its way when it was closed, and does not wait for a server that is silent", async () => {
    const storage = newStorage();
    server.delay = 300;
    {
      await using disk = await DiskClient.open({ base: ranges(), storage });
      void disk.request("read", 9 * MIB, 4096);
      await sleep(100);
    }
    const asked = server.of("/image").length;
    {
      await using disk = await DiskClient.open({ base: ranges(), storage });
      expect(await isRight(disk, 9 * MIB, 4096)).toBe(true);
      const again = server.of("/image").slice(asked);
      expect(again.filter(({ end }) => end > 4096)).toEqual([]);
      server.delay = 60_000;
      void disk.request("read", 3 * MIB, 4096);
      await sleep(100);
    }
    // It ended at all.
    expect(server.of("/image").some(({ start }) => start === 3 * MIB)).toBe(true);
  });

  it("is here at the second opening, and what it lists is there before it is read", async () => {
    const storage = newStorage();
    const hot = {
      format: 1,
      ranges: [
        [2 * MIB, 64 * KIB],
        [7 * MIB, 1 * MIB],
      ],
    };
    server.files.set("/image.hot.json", Buffer.from(JSON.stringify(hot)));
    {
      await using disk = await DiskClient.open({ base: ranges(), storage });
      await sleep(500);
      const before = server.of("/image").length;
      expect(await isRight(disk, 2 * MIB, 64 * KIB)).toBe(true);
      expect(await isRight(disk, 7 * MIB, 1 * MIB)).toBe(true);
      expect(await isRight(disk, 0, 100 * KIB)).toBe(true);
      expect(server.of("/image").length).toBe(before);
      expect(await isRight(disk, 12 * MIB, 64 * KIB)).toBe(true);
      await sleep(1200);
      // No flush: what was fetched is kept all the same.
      await disk.kill();
    }
    server.requests.length = 0;
    await using disk = await DiskClient.open({ base: ranges(), storage });
    for (const [at, length] of [
      [0, 128 * KIB],
      [2 * MIB, 64 * KIB],
      [7 * MIB, 1 * MIB],
      [12 * MIB, 128 * KIB],
    ] as const) {
      expect(await isRight(disk, at, length)).toBe(true);
    }
    const { fetchedBytes, keptBytes, changedBytes } = await disk.task({ type: "statistics" });
    expect(fetchedBytes).toBeLessThan(4 * KIB);
    expect(keptBytes).toBeGreaterThan(1 * MIB);
    expect(changedBytes).toBe(0);
    await disk.write(12 * MIB, noise(4096, 1));
    await disk.flush();
    expect(same(await disk.read(12 * MIB, 4096), noise(4096, 1))).toBe(true);
  });

  it("that has changed is not mixed with what is kept, or with what has come", async () => {
    const storage = newStorage();
    {
      await using disk = await DiskClient.open({ base: ranges(), storage });
      expect(await isRight(disk, 0, 4096)).toBe(true);
      server.etag = '"v2"';
      expect((await disk.request("read", 8 * MIB, 4096)).status).toBe(EIO);
      expect((await disk.request("read", 12 * MIB, 4096)).status).toBe(EIO);
      expect(disk.logs.join()).toContain("the image has changed on the server");
      // What is here is still right.
      expect(await isRight(disk, 0, 4096)).toBe(true);
    }
    const refused = "changed: the saved changes belong to another image, of 16777216 bytes";
    expect(await codeOf(DiskClient.open({ base: ranges(), storage }))).toBe(refused);
    server.etag = '"v1"';
    expect(await codeOf(DiskClient.open({ base: ranges(), storage }))).toBe("opened");
    // Without strong tags the time names it, or the superblock.
    server.etag = 'W/"1"';
    server.lastModified = "Mon, 01 Jan 2024 00:00:00 GMT";
    const other = newStorage();
    expect(await codeOf(DiskClient.open({ base: ranges(), storage: other }))).toBe("opened");
    server.lastModified = "Mon, 01 Jan 2024 00:00:01 GMT";
    expect(await codeOf(DiskClient.open({ base: ranges(), storage: other }))).toBe(refused);
    server.etag = undefined;
    server.lastModified = undefined;
    const third = newStorage();
    expect(await codeOf(DiskClient.open({ base: ranges(), storage: third }))).toBe("opened");
    expect(await codeOf(DiskClient.open({ base: ranges(), storage: third }))).toBe("opened");
    server.files.set("/image", imageOf(IMAGE.length, 2));
    expect(await codeOf(DiskClient.open({ base: ranges(), storage: third }))).toBe(refused);
  });
});

describe("a server that misbehaves", () => {
  it("is refused where it gives no ranges, no such file, or no length", async () => {
    const code = () => codeOf(DiskClient.open({ base: ranges() }));
    server.trick = (response, { end }) => {
      response.writeHead(200, { "Content-Length": IMAGE.length });
      response.write(IMAGE.subarray(0, end));
      return true;
    };
    expect(await code()).toMatch(/^unsupported: .*does not give byte ranges/);
    server.trick = () => false;
    server.files.delete("/image");
    expect(await code()).toMatch(/^io: .*the server says 404/);
    server.files.set("/image", IMAGE);
    // A server of another origin does not show the range; then HEAD has to tell the length.
    let tellsLength = false;
    server.trick = (response, { path, start, end }) => {
      if (path !== "/image") {
        return false;
      }
      if (end < IMAGE.length) {
        response.writeHead(206).end(IMAGE.subarray(start, end));
      } else {
        response.writeHead(200, tellsLength ? { "Content-Length": IMAGE.length } : {}).end();
      }
      return true;
    };
    expect(await code()).toMatch(/^unsupported: .*how long the image is/);
    tellsLength = true;
    expect(await code()).toBe("opened");
    server.trick = (response) => {
      response.writeHead(206, { "Content-Range": "bytes 0-9/1000000" }).end("0123456789");
      return true;
    };
    expect(await code()).toMatch(/^unsupported: .*sent other bytes/);
  });

  it("is asked again while it is busy, breaks off, or sends other bytes", async () => {
    const tricks: ((response: import("node:http").ServerResponse, start: number, end: number) => void)[] = [
      (response) => response.writeHead(503, { "Retry-After": "1" }).end("busy"),
      (response) => void response.destroy(),
      (response, start, end) => {
        response.writeHead(206, {
          "Content-Range": `bytes ${start}-${end - 1}/${IMAGE.length}`,
          "Content-Length": end - start,
        });
        response.write(IMAGE.subarray(start, start + 1000));
        setTimeout(() => response.destroy(), 20);
      },
      (response, start, end) =>
        response
          .writeHead(206, { "Content-Range": `bytes ${start + 512}-${end + 511}/${IMAGE.length}` })
          .end(IMAGE.subarray(start + 512, end + 512)),
      (response, start, end) => response.writeHead(206).end(IMAGE.subarray(start, end + 7)),
    ];
    for (const [index, trick] of tricks.entries()) {
      await using disk = await DiskClient.open({ base: ranges() });
      let nrTricks = 0;
      server.trick = (response, { start, end }) => {
        nrTricks += 1;
        if (nrTricks > 1) {
          return false;
        }
        trick(response, start, end);
        return true;
      };
      const at = (index + 1) * 2 * MIB;
      expect(await isRight(disk, at, 4096)).toBe(true);
      expect(nrTricks).toBeGreaterThan(1);
      server.trick = () => false;
    }
  });

  it("that sends less than was asked for gets the rest asked for", async () => {
    server.trick = (response, { path, start, end }) => {
      if (path !== "/image" || start === 0) {
        return false;
      }
      const last = Math.min(start + 50_000, end);
      const headers = { "Content-Range": `bytes ${start}-${last - 1}/${IMAGE.length}` };
      response.writeHead(206, headers).end(IMAGE.subarray(start, last));
      return true;
    };
    await using disk = await DiskClient.open({ base: ranges() });
    expect(await isRight(disk, 6 * MIB, 200 * KIB)).toBe(true);
  });

  it("that stalls is given up for another try", async () => {
    await using disk = await DiskClient.open({ base: ranges() });
    let nrStalls = 0;
    server.trick = (response, { start, end }) => {
      nrStalls += 1;
      if (nrStalls > 1) {
        return false;
      }
      response.writeHead(206, {
        "Content-Range": `bytes ${start}-${end - 1}/${IMAGE.length}`,
        "Content-Length": end - start,
      });
      response.write(IMAGE.subarray(start, start + 1000));
      return true;
    };
    const begin = performance.now();
    expect(await isRight(disk, 8 * MIB, 4096)).toBe(true);
    expect(performance.now() - begin).toBeGreaterThan(14_000);
    expect(nrStalls).toBe(2);
  });

  it("that is not there gives EIO after a while, and bytes when it is back", async () => {
    await using disk = await DiskClient.open({ base: ranges() });
    await server.down();
    const begin = performance.now();
    const [read, change, flush] = await Promise.all([
      disk.request("read", 4 * MIB, 4096),
      disk.change([[12 * MIB + 10, noise(10, 1)]]),
      disk.request("flush", 0, 0),
    ]);
    expect([read.status, change.status, flush.status]).toEqual([EIO, EIO, 0]);
    expect(performance.now() - begin).toBeGreaterThan(4000);
    expect(disk.logs.join()).toMatch(/bytes \d+ to \d+ of the image: no connection/);
    // What is here can be read meanwhile.
    expect(await isRight(disk, 0, 4096)).toBe(true);
    await server.up();
    expect(await isRight(disk, 4 * MIB, 4096)).toBe(true);
    expect((await disk.change([[12 * MIB + 10, noise(10, 1)]])).status).toBe(0);
  });

  it("that is slow does not hold up what is here", async () => {
    await using disk = await DiskClient.open({ base: ranges() });
    server.delay = 400;
    let isFarHere = false;
    const far = isRight(disk, 4 * MIB, 4096).then((right) => {
      isFarHere = true;
      return right;
    });
    for (let nr = 0; nr < 20; nr += 1) {
      expect(await isRight(disk, nr * 4096, 4096)).toBe(true);
      await disk.write(1 * MIB + nr * 4096, noise(4096, nr));
      await disk.flush();
    }
    expect(isFarHere).toBe(false);
    expect(await far).toBe(true);
  });
});

describe("an image in chunks", () => {
  let site: string;
  let image: Uint8Array;
  let manifest: string;

  beforeAll(async () => {
    const source = join(folder.path, "source");
    site = join(folder.path, "site");
    await mkdir(source);
    for (let number = 0; number < 12; number += 1) {
      await writeFile(join(source, `file-${number}`), noise(400_000, number));
    }
    const plain = join(folder.path, "plain.ext2");
    const build = (...args: string[]) => imageTool("build", source, "--size", "32", ...args);
    const outcomes = [await build("-o", plain), await build("-o", site, "--chunked")];
    expect(outcomes.map(({ status, stderr }) => (status === 0 ? "" : stderr))).toEqual(["", ""]);
    image = await readFile(plain);
    manifest = "/manifest";
  }, imageToolMs);

  async function serve(): Promise<void> {
    server.files.clear();
    for (const entry of await readdir(site, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) {
        const path = join(entry.parentPath, entry.name);
        server.files.set(path.slice(site.length), await readFile(path));
      }
    }
  }

  it("comes as it is read, and is here at the second opening", async () => {
    await serve();
    const storage = newStorage();
    const base = () => ({ kind: "chunks", url: server.url(manifest) }) as const;
    {
      await using disk = await DiskClient.open({ base: base(), storage });
      expect(disk.length).toBe(image.length);
      expect(await isRight(disk, 1024, 4096, image)).toBe(true);
      expect(same(await disk.task({ type: "image", offset: 0, length: image.length }), image)).toBe(true);
      const asked = server.requests.filter(({ path }) => path.includes("/chunks/")).map(({ path }) => path);
      expect(new Set(asked).size).toBe(asked.length);
      await disk.write(4096, noise(4096, 5));
      await disk.flush();
    }
    server.requests.length = 0;
    await using disk = await DiskClient.open({ base: base(), storage });
    const changed = Uint8Array.from(image);
    changed.set(noise(4096, 5), 4096);
    expect(same(await disk.task({ type: "image", offset: 0, length: image.length }), changed)).toBe(true);
    expect(server.requests.filter(({ path }) => path.includes("/chunks/"))).toEqual([]);
  });

  it("takes no chunk that is not what the manifest names", async () => {
    await serve();
    const chunks = [...server.files.keys()].filter((path) => path.includes("/chunks/"));
    let nrDamaged = 0;
    server.trick = (response, { path }) => {
      if (!chunks.includes(path) || nrDamaged >= 2) {
        return false;
      }
      nrDamaged += 1;
      response.writeHead(200).end(noise(1000, nrDamaged));
      return true;
    };
    {
      await using disk = await DiskClient.open({ base: { kind: "chunks", url: server.url(manifest) } });
      expect(await isRight(disk, 0, 1 * MIB, image)).toBe(true);
    }
    server.trick = () => false;
    await using disk = await DiskClient.open({ base: { kind: "chunks", url: server.url(manifest) } });
    expect(await isRight(disk, 0, 4096, image)).toBe(true);
    for (const chunk of chunks) {
      server.files.delete(chunk);
    }
    const last = image.findLastIndex((byte) => byte !== 0);
    expect((await disk.request("read", last - (last % 4096), 4096)).status).toBe(EIO);
    expect(disk.logs.join()).toContain("the server refuses the image (status 404)");
  });

  it("has to have a manifest", async () => {
    server.files.set("/image", noise(5000, 3));
    const base = { kind: "chunks", url: server.url("/image") } as const;
    expect(await codeOf(DiskClient.open({ base }))).toMatch(/^unsupported: /);
    const missing = { kind: "chunks", url: server.url("/no-image") } as const;
    expect(await codeOf(DiskClient.open({ base: missing }))).toMatch(/^io: .*404/);
  });
});
