/** The root image: what is written to it, when it is full, when it is none. */
import { copyFile, mkdir, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI, IMAGE, native, outcomeOf, ROOT, run, sh, start, temporaryFolder } from "./shoal.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

/** What e2fsck finds wrong with an image; it changes nothing. */
async function faultsOf(image: string): Promise<string> {
  const { status, stdout, stderr } = await native("e2fsck", ["-fn", image]);
  return status === 0 ? "" : `${stdout}${stderr}`;
}

describe("the saved image", () => {
  it("is sound after thousands of changes, and has them", async () => {
    const image = join(folder.path, "busy.ext2");
    const script = [
      "mkdir /root/t && cd /root/t && mkdir a b && cd a",
      'i=0; while [ $i -lt 5000 ]; do echo "number $i" >f$i; i=$((i+1)); done',
      "for f in f1*; do echo more >>$f; done",
      "for f in f12*; do mv $f ../b/moved-$f; done",
      "mv f* ../b; cd ../b; rm f2* f3*",
      "mkdir -p c/d/e/f; mv moved-* c/d/e; mv c/d ..; ln f400 hard; ln -s f400 soft; rm f400",
      "dd if=/dev/urandom of=big bs=64k count=300 2>/dev/null; cp big cut; truncate -s 100000 cut",
      "dd if=big of=holes bs=1 count=1 seek=30000000 2>/dev/null; rmdir c",
      "cd /root/t; find . -type f | sort | xargs sha256sum >/root/sums; find . | wc -l",
    ].join("; ");
    const { stdout, stderr, status } = await sh(script, ["--save-image", image]);
    expect([status, stderr]).toEqual([0, ""]);
    const nr = (prefix: string) =>
      Array.from({ length: 5000 }, (_, i) => `f${i}`).filter((f) => f.startsWith(prefix)).length;
    // Files that stay; a, b, d, e, f; hard and soft for f400; three big ones; and the folder.
    expect(stdout).toBe(`${5000 - nr("f2") - nr("f3") + 5 + 1 + 3 + 1}\n`);
    expect(await faultsOf(image)).toBe("");
    const again = await sh("cd /root/t; sha256sum -c ../sums | grep -vc OK; cat b/hard b/soft", ["--image", image]);
    expect(again.stdout).toBe("0\nnumber 400\n");
  });

  it("is sound when it is full", async () => {
    const image = join(folder.path, "full.ext2");
    const script = [
      "dd if=/dev/zero of=/root/big bs=64k || echo refused",
      "echo more >/root/more; mkdir /root/d",
      "rm /root/big; echo room >/root/room; cat /root/room",
    ].join("; ");
    const { stdout, stderr, status } = await sh(script, ["--save-image", image]);
    expect([status, stdout]).toEqual([0, "refused\nroom\n"]);
    expect(stderr).toContain("No space left on device");
    expect(await faultsOf(image)).toBe("");
  });

  it("is sound when it stays full, and when it has no inodes left", async () => {
    const image = join(folder.path, "inodes.ext2");
    const script = [
      "mkdir /root/d; cd /root/d; seq 100000 | split -l 1 -a 5 - x || echo refused",
      "echo more >more || echo refused",
      "dd if=/dev/zero of=/root/sums bs=64k || echo refused",
    ].join("; ");
    const { stdout, stderr, status } = await sh(script, ["--save-image", image]);
    expect([status, stdout]).toEqual([0, "refused\nrefused\nrefused\n"]);
    expect(stderr).toContain("No space left on device");
    expect(await faultsOf(image)).toBe("");
  });

  it("cannot be written where there is no folder", async () => {
    const { status, stderr } = await sh("true", ["--save-image", "/no/such/folder/image"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^shoal: .*\/no\/such\/folder\/image.*\n$/);
  });

  it("is made when the program is told to end", async () => {
    const image = join(folder.path, "ended.ext2");
    const child = start(["--save-image", image, "--", "sh", "-c", "echo kept >/root/kept; echo ready; sleep 100"]);
    child.stdout.once("data", () => child.kill("SIGTERM"));
    expect((await outcomeOf(child)).status).toBe(143);
    expect(await faultsOf(image)).toBe("");
    expect((await sh("cat /root/kept", ["--image", image])).stdout).toBe("kept\n");
  });
});

describe("an image of nothing but a program", () => {
  it("runs it", async () => {
    const root = join(folder.path, "root");
    await mkdir(root);
    await copyFile(join(ROOT, "target/guest/tests/hello"), join(root, "hello"));
    const image = join(folder.path, "hello.ext2");
    expect(await native("mke2fs", ["-q", "-t", "ext2", "-d", root, image, "4m"])).toMatchObject({ status: 0 });
    const { stdout, stderr, status } = await run(["--image", image, "--", "/hello"]);
    const recorded = await readFile(join(ROOT, "tests/guest/linux/hello.out"), "utf8");
    expect({ stderr, stdout: `${stdout}exit status ${status}\n` }).toEqual({ stderr: "", stdout: recorded });
  });
});

describe("an image that is none", () => {
  /** A changed copy of the root image. */
  async function changed(name: string, change: (path: string) => Promise<void>): Promise<string> {
    const path = join(folder.path, name);
    await copyFile(IMAGE, path);
    await change(path);
    return path;
  }

  async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
    const file = await open(path, "r+");
    await file.write(bytes, 0, bytes.length, at);
    await file.close();
  }

  const cases: readonly [string, () => Promise<string>, string][] = [
    ["that is not there", async () => "/no/such/image", "no such image"],
    ["that is a folder", async () => folder.path, "not a file"],
    ["that is empty", () => changed("empty", (path) => truncate(path, 0)), "empty"],
    ["of a few bytes", () => changed("short", (path) => truncate(path, 700)), "no Ext2 superblock"],
    ["that was cut", () => changed("cut", (path) => truncate(path, 1_000_000)), "longer than the device"],
    ["of other bytes", () => changed("text", (path) => writeFile(path, "text".repeat(9999))), "no Ext2 superblock"],
    [
      "with a broken superblock",
      () => changed("broken", (path) => overwrite(path, 1024 + 40, new Uint8Array(4).fill(255))),
      "inodes per group",
    ],
  ];
  for (const [what, make, why] of cases) {
    it(`is refused: one ${what}`, async () => {
      const image = await make();
      const { status, stdout, stderr } = await sh("true", ["--image", image]);
      expect([status, stdout]).toEqual([125, ""]);
      expect(stderr.startsWith(`shoal: ${image}: `)).toBe(true);
      expect(stderr).toContain(why);
      expect(stderr.split("\n")).toHaveLength(2);
    });
  }

  it("does no harm with random bytes in its tables", async () => {
    for (const seed of [1, 2, 3]) {
      const noise = new Uint8Array(4096).map((_, i) => (i * 2654435761 + seed * 40503) >>> 9);
      // Group descriptors, bitmaps and inodes follow the superblock.
      const image = await changed(`noise-${seed}`, (path) => overwrite(path, 4096 * (1 + seed), noise));
      const { status, signal } = await sh("ls -lR / >/dev/null; echo x >/root/x; cat /etc/passwd", ["--image", image]);
      expect(signal).toBeUndefined();
      expect(status).toBeLessThan(128);
    }
  });
});

describe("a Node without JSPI", () => {
  it("says which version it takes", async () => {
    const without = ["--import", "data:text/javascript,delete WebAssembly.Suspending"];
    const { status, stderr } = await native(process.execPath, [...without, CLI, "run", "--image", IMAGE, "--", "true"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^shoal: Node .* has no .*JSPI.*: Node 26 or later has it\n$/);
  });
});
