/** Threads of one process compute on several Workers at once, and whatever ends them leaves nothing behind. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestPod } from "./pod.ts";

const PROGRAM = "/usr/lib/shoal/tests/thread_spread";

/**
 * Rounds in which two threads wait for each other without any call: microseconds each with a processor for both, two
 * slices of 10 ms with one.
 */
const ROUNDS = 20_000;

describe.each([
  { name: "two Workers", options: { workers: 2 } },
  { name: "two Workers, memory copied by JavaScript", options: { workers: 2, copyInJavaScript: true } },
  { name: "four Workers", options: { workers: 4 } },
  { name: "four Workers with four memories", options: { workers: 4, frames: 4 } },
])("$name", ({ options }) => {
  let pod: TestPod;
  beforeAll(async () => {
    pod = await TestPod.boot(options);
  });
  afterAll(() => pod?.[Symbol.dispose]());

  test("two threads hand a word over without calls", async () => {
    const { stdout } = await pod.run(PROGRAM, ["handshake", String(ROUNDS)]);
    expect(stdout).toBe(`handshake: ${ROUNDS} ${ROUNDS}\ntwo processors: yes\n`);
  });

  test("all ends of processes with threads on several Workers free their memories", async () => {
    const rounds = Number(process.env.SHOAL_THREAD_ROUNDS ?? 2);
    const once = await pod.run(PROGRAM);
    for (let round = 1; round < rounds; round++) {
      expect((await pod.run(PROGRAM)).stdout).toBe(once.stdout);
    }
    const { stdout } = await pod.shell("grep ^pod /proc/shoal/pool");
    // The shell and grep.
    expect(stdout).toContain("pod guests 2 ");
    expect(once.stdout).toContain("kill: killed by signal 9\n");
  });
});
