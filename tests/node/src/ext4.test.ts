/** An ext4 as the root image: as `mke2fs` makes it, read-only, verified. */
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { boot } from "shoal/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FarServer } from "./far_server.ts";
import { IMAGE, native, sh, temporaryFolder } from "./shoal.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let files: string;
let image: string;

/** Runs a command of this machine that must succeed; what it says. */
async function must(program: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await native(program, args);
  expect([program, status, stderr]).toEqual([program, 0, expect.any(String)]);
  return stdout;
}

/** The same image with something done to it by `debugfs`. */
async function changed(name: string, ...commands: string[]): Promise<string> {
  const copy = join(folder.path, name);
  await copyFile(image, copy);
  for (const command of commands) {
    await must("debugfs", "-w", "-R", command, copy);
  }
  return copy;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  files = join(folder.path, "files");
  image = join(folder.path, "root.ext4");
  await mkdir(files);
  await must("debugfs", "-R", `rdump / ${files}`, IMAGE);
  await must("sh", "-c", `cd ${files}/root && seq 200000 >numbers && ln -s numbers link && mkdir -p many`);
  await must("sh", "-c", `cd ${files}/root/many && for i in $(seq 3000); do echo $i >a-long-name-of-a-file-$i; done`);
  await must("mke2fs", "-q", "-t", "ext4", "-d", files, image, "64M");
});
afterAll(() => folder[Symbol.asyncDispose]());

describe("a pod on an ext4", () => {
  it("has all files of the disk", async () => {
    const sums = "cd $0 && find bin usr root etc -xdev -type f | LC_ALL=C sort | xargs sha256sum | sha256sum";
    const { stdout, stderr, status } = await sh(sums.replace("$0", "/"), ["--image", image]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^shoal: the root is mounted read-only: .*\n$/);
    expect(stdout).toBe(await must("sh", "-c", sums, files));
  });

  it("is told as what it is, and takes no changes; file systems in memory do", async () => {
    const script =
      "grep ' / ' /proc/mounts; echo >/root/new; rm /root/numbers; mount -o remount,rw /; echo here >/tmp/new; cat /tmp/new";
    const { stdout, stderr } = await sh(script, ["--image", image]);
    expect(stdout).toBe("/dev/root / ext4 ro,relatime 0 0\nhere\n");
    expect(stderr.match(/Read-only file system/g)).toHaveLength(3);
  });

  it("is as it was when it is saved", async () => {
    const saved = join(folder.path, "saved.ext4");
    expect((await sh("cat /root/many/* >/dev/null; sync", ["--image", image, "--save-image", saved])).status).toBe(0);
    expect(Buffer.compare(await readFile(saved), await readFile(image))).toBe(0);
  });

  it("is refused when its journal must be read first", async () => {
    const unclean = await changed("unclean.ext4", "feature needs_recovery");
    const { status, stderr } = await sh("true", ["--image", unclean]);
    expect(status).not.toBe(0);
    expect(stderr).toContain("needs_recovery");
  });

  it("answers an error for what its checksums do not match", async () => {
    const broken = await changed("broken.ext4", "set_inode_field /root/numbers checksum 0x12345678");
    const { status, stdout, stderr } = await sh("cat /root/numbers; cat /root/link; cat /etc/passwd", [
      "--image",
      broken,
    ]);
    // `EUCLEAN`, for which musl has no words.
    expect(stderr.match(/No error information/g)).toHaveLength(2);
    expect([status, stdout]).toEqual([0, await readFile(join(files, "etc/passwd"), "utf8")]);
  });
});

describe("an ext4 that is far away", () => {
  let server: FarServer;
  beforeEach(async () => {
    server = await FarServer.start();
    server.files.set("/image", await readFile(image));
  });
  afterEach(() => server[Symbol.asyncDispose]());

  it("is streamed", async () => {
    const pod = await boot({ image: { url: server.url("/image"), stream: "ranges" } });
    try {
      expect(await pod.files.readText("/root/link")).toBe(await readFile(join(files, "root/numbers"), "utf8"));
      expect(await pod.files.list("/root/many")).toHaveLength(3000);
    } finally {
      await pod.shutdown();
    }
  });
});
