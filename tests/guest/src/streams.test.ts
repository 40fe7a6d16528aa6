/** Streams of processes that do not care for them. */
import { readFile } from "node:fs/promises";
import { boot, KernelError, type Pod } from "shoal/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUILT } from "./pod.ts";

let pod: Pod;
beforeAll(async () => {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${BUILT}root.ext2`));
  pod = await boot({ image, workers: 1 });
});
afterAll(() => pod?.close());

test("a writer goes on when the process ends without reading", async () => {
  const child = await pod.run("/bin/sh", ["-c", "read line"]);
  const written = child.stdio?.stdin.write(`line\n${"x".repeat(1 << 20)}`);
  expect((await child.exit).code).toBe(0);
  await written;
  await child.stdio?.stdin.write("nobody hears this");
});

test("programs that are not there leave the pod as it was", async () => {
  for (let round = 0; round < 50; round += 1) {
    await expect(pod.run("/no/such/program", [])).rejects.toThrow(KernelError);
  }
  const child = await pod.run("/bin/sh", ["-c", "echo still here"]);
  expect(await child.stdio?.stdout.text()).toBe("still here\n");
});
