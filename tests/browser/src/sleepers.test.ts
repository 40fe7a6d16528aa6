/** More processes than a tab has memories: each sleeps, and a signal reaches each. */
import { expect, test } from "vitest";
import { PodPage } from "./pod_page.ts";

/** `SHOAL_SLEEPERS` says how many; Chromium gives a tab 125 memories, Firefox 999. */
const COUNT = Number(process.env.SHOAL_SLEEPERS ?? 300);
const TIMEOUT_MS = 300_000;

const SCRIPT = `
  n=0; while [ $n -lt ${COUNT} ]; do sleep 100000 & n=$((n + 1)); done
  ps -o comm | grep -c '^sleep'
  grep '^pod' /proc/shoal/pool
  killall -USR1 sleep; wait
  ps -o comm | grep -c '^sleep'`;

test.each(["chromium", "firefox"] as const)(
  `${COUNT} processes sleep in one tab of %s, and a signal ends each`,
  async (name) => {
    await using pod = await PodPage.open(name, { workers: 2 });
    const { stdout, stderr } = await pod.run("/bin/sh", ["-c", SCRIPT]);
    expect(stderr).toBe("");
    const [started, numbers = "", left] = stdout.trim().split("\n");
    expect([started, left]).toEqual([String(COUNT), "0"]);
    const frames = Number(/ frames (\d+) /.exec(numbers)?.[1]);
    expect(frames).toBeGreaterThan(0);
    expect(frames).toBeLessThanOrEqual(112);
    expect(Number(/ swapped (\d+) /.exec(numbers)?.[1])).toBeGreaterThanOrEqual(COUNT - frames);
  },
  TIMEOUT_MS,
);
