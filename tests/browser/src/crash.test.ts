/**
 * A browser that is killed in the middle of writing: what was synced is there at the next boot, and the file system is sound.
 *
 * `SHOAL_KILLS=50` kills each browser fifty times on each kind of storage.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { launch } from "./browsers.ts";
import { faultsOf } from "./faults.ts";
import { serve } from "./site.ts";
import { StoragePage, type StorageWindow, smallImage, storageSite } from "./storage_page.ts";

const NR_KILLS = Number(process.env.SHOAL_KILLS ?? 2);
/** How long programs write before a kill, in milliseconds, at least and at most. */
const [SHORTEST_MS, LONGEST_MS] = [200, 1200];
/** So many files stay, so that the disk never fills; of these, so many are compared: the writer is ahead of what it has said. */
const NR_KEPT = 60;
const NR_COMPARED = 20;

/** Writes what file `i` holds: 50 to 3,000 lines, each byte of which follows from `i`. */
const CONTENTS = "seq $i $((i + 50 + i * 37 % 2950))";

/**
 * Makes files for ever, each by a rename; says `i` when file `i` is durable. Beside it something else writes and removes
 * without ever asking for that.
 */
const writer = (from: number) => `
  mkdir -p d; cd d
  (while :; do seq 1 20000 >noise; cp noise noise2; rm noise; done) &
  i=${from}
  while :; do
    i=$((i + 1))
    ${CONTENTS} >t && mv t f$i && sync && echo $i
    rm -f f$((i - ${NR_KEPT}))
  done`;

/** Compares the files up to the last one that was durable; says what is wrong. */
const checker = (last: number) => `
  cd d
  i=${Math.max(1, last - NR_COMPARED + 1)}
  while [ $i -le ${last} ]; do
    ${CONTENTS} | cmp - f$i || { echo "file $i of ${last} is wrong; there are" *; }
    i=$((i + 1))
  done`;

describe.each([
  ["chromium", false],
  ["chromium", true],
  ["firefox", false],
  ["firefox", true],
] as const)("%s, with a database: %s", (name, database) => {
  it(`has what was synced after each of ${NR_KILLS} kills`, { timeout: 120_000 + NR_KILLS * 15_000 }, async () => {
    const profile = await mkdtemp(join(tmpdir(), `shoal-crash-${name}-`));
    const [image, upload] = [join(profile, "small.ext2"), join(profile, "upload.ext2")];
    await smallImage(image);
    await using site = await serve("isolated", [storageSite(image, upload)]);
    let last = 0;
    try {
      for (let kill = 0; kill <= NR_KILLS; kill += 1) {
        await using browser = await launch(name, { profile });
        const page = await StoragePage.open(browser, site);
        expect(await page.boot({ storage: { key: "crash", database } })).toBe("ok");
        if (last > 0) {
          expect(await page.sh(checker(last)), `after kill ${kill}`).toEqual({ status: 0, stdout: "", stderr: "" });
        }
        await rm(upload, { force: true });
        await page.uploadImage();
        expect(await faultsOf(upload), `after kill ${kill}`).toBe("");
        if (kill < NR_KILLS) {
          const before = last;
          await page.page.exposeFunction("synced", (number: number) => {
            last = Math.max(last, number);
          });
          await page.page.evaluate(async (script: string) => {
            const { pod, synced } = window as unknown as StorageWindow & { synced(number: number): Promise<void> };
            const { stdio } = (await pod?.run("/bin/sh", ["-c", script], { cwd: "/root" })) ?? {};
            const decoder = new TextDecoder();
            let line = "";
            stdio?.stdout.onData((bytes) => {
              line += decoder.decode(bytes, { stream: true });
              const words = line.split("\n");
              line = words.pop() ?? "";
              for (const word of words) {
                void synced(Number(word));
              }
            });
          }, writer(before));
          await expect.poll(() => last).toBeGreaterThan(before);
          await new Promise((resolve) => setTimeout(resolve, SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS)));
          await browser.kill();
        }
      }
      console.info(`${name}, ${database ? "IndexedDB" : "private files"}: ${last} files synced over ${NR_KILLS} kills`);
    } finally {
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
