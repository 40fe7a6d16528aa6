/** A pod with little memory: what fits runs, what does not is refused, nothing dies. */
import { copyFile, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { boot } from "../../../sdk/dist/node.js";
import { IMAGE, native, sh, temporaryFolder } from "./shoal.ts";

const SMALL = ["--memory", "64M"];
/** A program that takes memory until it is refused, says so, and waits for the end of its input. */
const HOG = "/usr/lib/shoal/tests/memory_limit hog";
/** Starts it, and goes on when it has been refused memory; `hog_ends` lets it end. */
const HAVE_HOG = [
  "mkfifo /tmp/go /tmp/said",
  `(${HOG} </tmp/go >/tmp/said; echo hog $?) & hog=$!`,
  "exec 9>/tmp/go; read said </tmp/said; echo $said",
  "hog_ends() { exec 9>&-; wait $hog; }",
].join("; ");
const MIB = 1 << 20;

/** Prints `name` of `/proc/shoal/memory` in MiB, rounded down. */
const show = (name: string) => `awk '$1 == "${name}" { print int($2 / 1048576) }' /proc/shoal/memory`;
/** Prints how often something was refused. */
const REFUSED = `awk '$1 == "refused" { print $2 }' /proc/shoal/memory`;

describe("a pod of 64 MiB", () => {
  it("runs the pipeline and says how large it is", async () => {
    const script = [
      "echo Hello World | sha1sum | tr a-z A-Z",
      "awk '/^MemTotal/ { print $2 }' /proc/meminfo",
      "free -m | awk '/Mem/ { print ($2 == 64 && $4 > 40 && $4 < 64) }'",
      show("limit"),
      "cat /proc/sys/vm/overcommit_memory",
      show("peak"),
    ].join("; ");
    const { stdout, stderr } = await sh(script, SMALL);
    const [sum, total, free, limit, overcommit, peak] = stdout.split("\n");
    expect([sum, total, free, limit, overcommit, stderr]).toEqual([
      "648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -",
      "65536",
      "1",
      "64",
      "2",
      "",
    ]);
    expect(Number(peak)).toBeLessThan(16);
  });

  it("has 200 sleepers, and their memory back when they have gone", async () => {
    const script = [
      "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done",
      "ps -o comm | grep -c '^sleep'",
      show("used"),
      "killall sleep; wait; sleep 0.2; ps -o comm | grep -c '^sleep'",
      show("used"),
      REFUSED,
    ].join("; ");
    const { stdout, stderr } = await sh(script, SMALL);
    const [sleepers, full, left, empty, refused] = stdout.trim().split("\n").map(Number);
    expect([sleepers, left, refused, stderr]).toEqual([200, 0, 0, ""]);
    expect(full).toBeLessThanOrEqual(60);
    expect(empty).toBeLessThan(12);
  });

  it("has as many on ten memories, the rest in store", async () => {
    const script = [
      "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done",
      "awk '$1 == \"swap\" { print ($2 > 100000 && $2 < 16777216) }' /proc/shoal/memory",
      `${show("used")}; killall sleep; wait; ${show("swap")}; ${show("used")}; ${REFUSED}`,
    ].join("; ");
    const { stdout, stderr } = await sh(script, [...SMALL, "--frames", "10"]);
    const [isSwapped, full, swap, empty, refused] = stdout.trim().split("\n").map(Number);
    expect([isSwapped, swap, refused, stderr]).toEqual([1, 0, 0, ""]);
    expect(full).toBeLessThanOrEqual(60);
    expect(empty).toBeLessThan(12);
  });

  it("sorts 30 MB through files on its disk", async () => {
    await using folder = await temporaryFolder();
    const image = join(folder.path, "large.ext2");
    await copyFile(IMAGE, image);
    await truncate(image, 128 * MIB);
    expect((await native("resize2fs", [image])).status).toBe(0);
    // Busybox's sort has all lines in memory, so the lines go into ten files by their first digit.
    const make = `seq 300000 | awk '{ printf "%06d%094d\\n", ($1 * 7919) % 999983, $1 }'`;
    const script = [
      `set -e; mkdir /var/sort; cd /var/sort; ${make} >lines; wc -c <lines`,
      "awk '{ print > (\"part.\" substr($0, 1, 1)) }' lines; rm lines",
      "for part in part.?; do sort $part >>sorted; rm $part; done",
      'awk \'$0 "" < last { print "not sorted" } { last = $0 "" }\' sorted; sha1sum <sorted',
      show("used"),
    ].join("; ");
    const [inPod, here] = await Promise.all([
      sh(script, [...SMALL, "--image", image]),
      native("sh", ["-c", `${make.replaceAll(/seq|awk/g, "busybox $&")} | LC_ALL=C sort | sha1sum`]),
    ]);
    const [size, sum, used] = inPod.stdout.trim().split("\n");
    expect([size, `${sum}\n`, inPod.stderr]).toEqual(["30300000", here.stdout, ""]);
    // The block cache is all that is left of it.
    expect(Number(used)).toBeLessThan(20);
  });

  it.each([
    { mode: "in a pool", options: [] },
    { mode: "in one Worker without shared memory", options: ["--solo"] },
  ])("refuses memory to who takes all of it, and the shell beside goes on $mode", async ({ options }) => {
    const script = `${HAVE_HOG}; ${show("used")}; echo still; ls -d /etc; hog_ends; ${show("used")}`;
    const { stdout, stderr, status } = await sh(script, [...SMALL, ...options]);
    const [refused = "", used, ...rest] = stdout.trim().split("\n");
    expect(refused).toMatch(/^ENOMEM after 5\d MiB$/);
    expect(Number(used)).toBeGreaterThan(56);
    expect([rest.slice(0, -1), status]).toEqual([["still", "/etc", "hog 0"], 0]);
    expect(Number(rest.at(-1))).toBeLessThan(12);
    expect(stderr).toMatch(
      /^shoal: out of memory: pid \d+ \(memory_limit\) asked for \d+ KiB, \d+ of 65536 KiB are in use\n$/,
    );
  });

  it("refuses to start what does not fit", async () => {
    const crowd = "i=0; while [ $i -lt 99 ]; do sleep 99 9>&- & i=$((i+1)); done";
    const script = `${HAVE_HOG}; ${crowd}; hog_ends; killall sleep; wait; echo alive`;
    const { stdout, stderr } = await sh(script, SMALL);
    expect(stdout.trim().split("\n").at(-1)).toBe("alive");
    expect(stderr).toContain("can't execute 'sleep': Out of memory");
  });

  it("counts files in memory, and the block cache gives way", async () => {
    const script = [
      "cat /bin/* >/dev/null; dd if=/dev/zero of=/root/file bs=1M count=12 2>/dev/null; cat /root/file >/dev/null",
      show("caches"),
      "mount -t tmpfs -o size=1g none /mnt; dd if=/dev/zero of=/mnt/file bs=1M 2>/root/error; grep -c 'No space left on device' /root/error",
      show("files"),
      show("caches"),
      `rm /mnt/file; ${show("files")}; ${REFUSED}`,
    ].join("; ");
    const { stdout } = await sh(script, SMALL);
    const [before, dd, files, after, removed, refused] = stdout.trim().split("\n");
    expect(dd).toBe("1");
    expect(Number(before)).toBeGreaterThanOrEqual(8);
    expect(Number(files)).toBeGreaterThan(50);
    expect(Number(after)).toBeLessThan(2);
    expect(Number(removed)).toBe(0);
    expect(Number(refused)).toBeGreaterThan(0);
  });
});

describe("the memory of a pod", () => {
  it("is told to its embedder", async () => {
    const image = await readFile(IMAGE);
    const pod = await boot({ image, memory: 32 * MIB, onLog: () => undefined });
    try {
      const before = await pod.memoryUsage();
      expect(before).toMatchObject({
        limit: 32 * MIB,
        total: 32 * MIB,
        disk_image: image.length,
        refused: 0,
        guests: 0,
      });
      const hog = await pod.run("/usr/lib/shoal/tests/memory_limit", ["hog"]);
      const words = await new Promise<Uint8Array>((resolve) => hog.stdio?.stdout.onData(resolve));
      expect(new TextDecoder().decode(words)).toMatch(/^ENOMEM after 2\d MiB\n$/);
      const during = await pod.memoryUsage();
      expect(during.guests).toBeGreaterThan(20 * MIB);
      expect(during.used).toBeLessThanOrEqual(during.limit);
      hog.stdio?.stdin.end();
      expect(await hog.exit).toMatchObject({ shell: 0 });
      const after = await pod.memoryUsage();
      expect(after.guests).toBe(0);
      expect(after.peak).toBeGreaterThan(28 * MIB);
    } finally {
      pod.close();
    }
  });

  it("must be enough for a kernel", async () => {
    await expect(boot({ image: IMAGE, memory: 1000 })).rejects.toThrow("memory must be a whole number of bytes");
    expect((await sh("true", ["--memory", "lots"])).stderr).toContain("--memory lots: not a number with K, M or G");
  });
});
