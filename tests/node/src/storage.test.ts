/** `shoal run --storage`: what is kept in a folder, over an image of this machine or of a server. */
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE, imageTool, imageToolMs, native, outcomeOf, run, sh, start, temporaryFolder } from "./shoal.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nrStorages = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  expect(await imageTool("--help")).toMatchObject({ status: 0 });
}, imageToolMs);
afterAll(() => folder[Symbol.asyncDispose]());

/** Options for a storage that is not there yet. */
function fresh(): { readonly path: string; readonly options: readonly string[] } {
  nrStorages += 1;
  const path = join(folder.path, `storage-${nrStorages}`);
  return { path, options: ["--storage", path] };
}

/** What e2fsck and our own checker find wrong with what a storage makes of the image. */
async function faultsOf(options: readonly string[]): Promise<string> {
  const image = join(folder.path, "merged.ext2");
  expect(await sh("true", [...options, "--save-image", image])).toMatchObject({ status: 0, stderr: "" });
  const verdicts = [await native("e2fsck", ["-fn", image]), await imageTool("fsck", image)];
  return verdicts.map(({ status, stdout, stderr }) => (status === 0 ? "" : `${stdout}${stderr}`)).join("");
}

/** Waits until a child has written a line that `isWanted`; how many lines there were. */
function lines(child: ReturnType<typeof start>, isWanted: (line: string, number: number) => boolean): Promise<number> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.on("exit", () => reject(new Error(`ended after ${JSON.stringify(text)}`)));
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk;
      const all = text.split("\n").slice(0, -1);
      if (all.some(isWanted)) {
        resolve(all.length);
      }
    });
  });
}

describe("a storage", () => {
  for (const mode of [["--workers", "2"], ["--workers", "1"], ["--solo"]]) {
    it(`keeps what a run has changed for the next one, with ${mode.join(" ")}`, async () => {
      const { options } = fresh();
      const before = await readFile(IMAGE);
      const first = await sh(
        "mkdir -p a/b; seq 1 100000 >a/b/numbers; ln -s b a/link; chmod 700 a; rm /etc/motd 2>/dev/null; echo done",
        [...options, ...mode],
      );
      expect(first).toMatchObject({ status: 0, stdout: "done\n", stderr: "" });
      const second = await sh("seq 1 100000 | cmp - a/link/numbers; stat -c %a a; rm -r a; echo kept", [
        ...options,
        ...mode,
      ]);
      expect(second).toMatchObject({ status: 0, stdout: "700\nkept\n", stderr: "" });
      expect(await sh("ls", [...options, ...mode])).toMatchObject({ status: 0, stdout: "", stderr: "" });
      expect(await faultsOf(options)).toBe("");
      expect((await readFile(IMAGE)).equals(before)).toBe(true);
    });
  }

  it("is one process's at a time, and the next one's at once when that is killed", async () => {
    const { path, options } = fresh();
    const first = start([...options, "--", "sh", "-c", "echo first >who; sync; echo ready; sleep 100"]);
    await lines(first, (line) => line === "ready");
    const second = await sh("echo second", options);
    expect(second).toMatchObject({
      status: 125,
      stdout: "",
      stderr: `shoal: the storage ${path} is in use by another pod\n`,
    });
    first.kill("SIGKILL");
    await new Promise((resolve) => first.once("close", resolve));
    expect(await sh("cat who", options)).toMatchObject({ status: 0, stdout: "first\n", stderr: "" });
  });

  it("has what was synced before the process is killed, and is sound", async () => {
    const { options } = fresh();
    let last = 0;
    for (let kill = 0; kill < 3; kill += 1) {
      const script = [
        "(while :; do seq 1 20000 >noise; cp noise noise2; rm noise; done) &",
        `i=${last}; while :; do i=$((i+1)); seq $i $((i+2000)) >t && mv t f$i && sync && echo $i; done`,
      ].join("\n");
      const child = start([...options, "--", "sh", "-c", script]);
      const nr = await lines(child, (_, number) => number === 5 + kill * 4);
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      last += nr;
      const check = `i=1; while [ $i -le ${last} ]; do seq $i $((i+2000)) | cmp - f$i; i=$((i+1)); done; echo checked`;
      expect(await sh(check, options)).toMatchObject({ status: 0, stdout: "checked\n", stderr: "" });
      expect(await faultsOf(options)).toBe("");
    }
  });

  it("that is full refuses more, and the pod goes on", async () => {
    const { options } = fresh();
    // A larger file system than the limit.
    const image = join(folder.path, "large.ext2");
    await copyFile(IMAGE, image);
    expect(spawnSync("resize2fs", ["-f", image, "256M"]).status).toBe(0);
    const limited = [...options, "--image", image, "--storage-limit", "64M"];
    const script = [
      "dd if=/dev/urandom of=big bs=64k count=1500 || echo refused",
      "echo small >small 2>/dev/null; rm big; sync; echo room >room; sync; cat room",
    ].join("; ");
    const { status, stdout, stderr } = await sh(script, limited);
    expect([status, stdout]).toEqual([0, "refused\nroom\n"]);
    expect(stderr).toContain("No space left on device");
    expect(await sh("cat room; ls big", limited)).toMatchObject({ stdout: "room\n" });
    expect(await faultsOf(limited)).toBe("");
  });

  it("is not laid over another image", async () => {
    const { options } = fresh();
    expect((await sh("echo mine >file", options)).status).toBe(0);
    const other = join(folder.path, "other.ext2");
    await copyFile(IMAGE, other);
    const { status } = spawnSync("debugfs", ["-w", "-R", "mkdir /other", other]);
    expect(status).toBe(0);
    const { status: refused, stderr } = await sh("cat file", [...options, "--image", other]);
    expect(refused).toBe(125);
    expect(stderr).toMatch(/^shoal: .*another image/);
    expect(await sh("cat file", options)).toMatchObject({ status: 0, stdout: "mine\n" });
  });

  it("says what is wrong with its folder, its limit and its contents", async () => {
    expect(await sh("true", ["--storage-limit", "1M"])).toMatchObject({ status: 125 });
    expect((await sh("true", [...fresh().options, "--storage-limit", "5"])).stderr).toContain("limit");
    const { path, options } = fresh();
    await writeFile(path, "a file");
    const { status, stderr } = await sh("true", options);
    expect([status, stderr.split("\n").length]).toEqual([125, 2]);
    expect(stderr).toContain(path);
    const broken = fresh();
    await mkdir(broken.path);
    await sh("echo x >x", broken.options);
    for (const name of (await readdir(broken.path)).filter((file) => file.startsWith("log"))) {
      const bytes = await readFile(join(broken.path, name));
      await writeFile(
        join(broken.path, name),
        bytes.map((byte) => byte ^ 0x55),
      );
    }
    const damaged = await sh("cat x", broken.options);
    expect([damaged.status, damaged.stdout]).toEqual([125, ""]);
  });
});

/** A static server of one folder's files, with ranges. */
async function serveFiles(root: string): Promise<AsyncDisposable & { readonly url: string; bytes: number }> {
  const state = { bytes: 0 };
  const server = createServer((request, response) => {
    void readFile(join(root, new URL(request.url ?? "/", "http://x").pathname)).then(
      (all) => {
        const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
        const start = Number(first ?? 0);
        const end = last ? Math.min(Number(last), all.length - 1) : all.length - 1;
        const part = all.subarray(start, end + 1);
        state.bytes += part.length;
        response.writeHead(first === undefined ? 200 : 206, {
          ETag: `"${all.length}"`,
          "Content-Length": part.length,
          ...(first === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${all.length}` }),
        });
        response.end(request.method === "HEAD" ? undefined : part);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    get bytes() {
      return state.bytes;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe("an image of a server", () => {
  it("is read as it is needed, with a storage and without", async () => {
    const root = join(folder.path, "site");
    await mkdir(root, { recursive: true });
    await copyFile(IMAGE, join(root, "root.ext2"));
    await using server = await serveFiles(root);
    const image = ["--image", `${server.url}root.ext2`];
    const hello = { status: 0, stdout: "648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -\n", stderr: "" };
    const script = "echo Hello World | sha1sum | tr a-z A-Z";
    expect(await sh(script, image)).toMatchObject(hello);
    const first = server.bytes;
    expect(first).toBeLessThan(16 << 20);
    const { options } = fresh();
    expect(await sh(`echo new >file; ${script}`, [...image, ...options])).toMatchObject(hello);
    const before = server.bytes;
    expect(await sh(`cat file; ${script}`, [...image, ...options])).toMatchObject({ stdout: `new\n${hello.stdout}` });
    console.info(`a boot fetched ${first} bytes, the second with a storage ${server.bytes - before}`);
    expect(server.bytes - before).toBeLessThan(first);
  });

  it("is put together of chunks, with a storage and without", async () => {
    const files = join(folder.path, "files");
    const site = join(folder.path, "chunked");
    await mkdir(files);
    await native("debugfs", ["-R", `rdump / ${files}`, IMAGE]);
    expect(await imageTool("build", files, "-o", site, "--chunked")).toMatchObject({ status: 0 });
    await using server = await serveFiles(site);
    const image = ["--image", `${server.url}manifest`];
    const script = "cd /; find bin etc usr -xdev -type f | LC_ALL=C sort | xargs sha256sum | sha256sum";
    const { stdout } = await native("sh", ["-c", script.replace("/", files)]);
    expect(await sh(script, image)).toMatchObject({ status: 0, stdout, stderr: "" });
    const { options } = fresh();
    expect(await sh("echo kept >/root/file", [...image, ...options])).toMatchObject({ status: 0, stderr: "" });
    expect(await sh("cat /root/file", [...image, ...options])).toMatchObject({ stdout: "kept\n", stderr: "" });
    expect(await faultsOf([...image, ...options])).toBe("");
  });

  it("that is not there is named", async () => {
    await using server = await serveFiles(folder.path);
    const { status, stdout, stderr } = await run(["--image", `${server.url}none.ext2`, "--", "true"]);
    expect([status, stdout]).toEqual([125, ""]);
    expect(stderr).toContain(`${server.url}none.ext2`);
    expect(stderr).toContain("404");
  });
});

describe("a terminal that hangs up", () => {
  it("loses nothing that was written before", async () => {
    const { options } = fresh();
    const child = start([...options, "--", "sh", "-c", "echo kept >file; echo ready; sleep 100"]);
    const ended = outcomeOf(child);
    child.stdout.once("data", () => child.kill("SIGTERM"));
    expect((await ended).status).toBe(143);
    expect(await sh("cat file", options)).toMatchObject({ status: 0, stdout: "kept\n" });
  });
});
