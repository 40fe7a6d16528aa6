/** Threads of one process compute on two Workers at once, in each browser. */
import { expect, test } from "vitest";
import { PodPage } from "./pod_page.ts";

const PROGRAM = "/usr/lib/shoal/tests/thread_spread";
/** Microseconds each with a processor for both threads, two slices of 10 ms with one. */
const ROUNDS = 20_000;

test.each(["chromium", "firefox"] as const)("%s: threads on two Workers", async (name) => {
  await using page = await PodPage.open(name, { workers: 2 });
  const { stdout } = await page.run(PROGRAM, ["handshake", String(ROUNDS)]);
  expect(stdout).toBe(`handshake: ${ROUNDS} ${ROUNDS}\ntwo processors: yes\n`);
  const ends = await page.run(PROGRAM, []);
  expect(ends.stdout).toContain("kill: killed by signal 9\n");
  expect(ends.status).toBe(0);
});
