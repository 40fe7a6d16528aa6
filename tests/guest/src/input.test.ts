/** Input of a process: everything arrives, however fast it is written. */
import { readFile } from "node:fs/promises";
import { boot, type Pod } from "shoal/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUILT } from "./pod.ts";

let pod: Pod;
beforeAll(async () => {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${BUILT}root.ext2`));
  pod = await boot({ image, workers: 2 });
});
afterAll(() => pod?.close());

test("writes that nobody waits for arrive in order, and the end behind them", async () => {
  const chunk = new Uint8Array(1 << 20).fill(0x79);
  const reader = await pod.run("/bin/sh", ["-c", "sleep 0.1; wc -c"]);
  const writes = Array.from({ length: 64 }, () => reader.stdio?.stdin.write(chunk));
  reader.stdio?.stdin.end();
  await Promise.all(writes);
  expect(await reader.stdio?.stdout.text()).toBe(`${64 << 20}\n`);
});

test("writes to a process that ends settle", async () => {
  const reader = await pod.run("/bin/sh", ["-c", "head -c 1"]);
  const writes = Array.from({ length: 8 }, () => reader.stdio?.stdin.write(new Uint8Array(1 << 20)));
  await Promise.all(writes);
  expect((await reader.exit).code).toBe(0);
});
