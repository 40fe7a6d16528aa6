/**
 * The cases of `posixtestsuite`: each ends in a pod as it ends on Linux.
 *
 * `linux.txt` has how they end there; `differs.txt` names those that end otherwise here, each with the reason. One
 * that ends as on Linux although it is listed is reported.
 */
import type { Pod } from "shoal/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type End, newPod, run } from "./pods.ts";
import { type Case, cases, differences } from "./record.ts";

/** Pods that the cases share: each has one Worker. */
const NR_PODS = 4;
/** How often a case is run, as most measure time and run beside many others. */
const TRIES = 3;

const differing = differences();
/** Cases that take two seconds or more on Linux, or have no end in a pod, run on demand only. */
const isAll = process.env.SHOAL_POSIX === "all";
const isQuick = ({ name, seconds }: Case) => seconds === 0 && differing.get(name) !== "signal 9";
/** One that would take the pod from the others. */
const isRun = ({ name }: Case) => differing.get(name) !== "not run";
/** The longest begin first. */
const all = cases();
const chosen = all.filter((one) => isRun(one) && (isAll || isQuick(one))).sort((a, b) => b.seconds - a.seconds);

/** What ends as on Linux although it is in `differs.txt`. */
const fresh: string[] = [];

let pods: Pod[] = [];
let nrStarted = 0;

beforeAll(async () => {
  pods = await Promise.all(Array.from({ length: NR_PODS }, newPod));
});

/** The last of those that run a second time: they wait for each other. */
let queue: Promise<unknown> = Promise.resolve();

/** Runs a case alone in a new pod. */
function runAlone(name: string): Promise<End> {
  const end = queue.then(async () => {
    const pod = await newPod();
    try {
      return await run(pod, name);
    } finally {
      pod.close();
    }
  });
  queue = end.catch(() => undefined);
  return end;
}

describe.concurrent("posixtestsuite", () => {
  test.each(chosen)("$name", async ({ name, native }) => {
    const expected = differing.get(name) ?? native;
    const pod = pods[nrStarted++ % NR_PODS];
    const ends = [await run(pod as Pod, name)];
    while (ends.length < TRIES && !ends.some(({ result }) => result === expected || result === native)) {
      ends.push(await runAlone(name));
    }
    const results = ends.map(({ result }) => result);
    if (expected !== native && results.includes(native)) {
      fresh.push(name);
    } else {
      expect(results, ends.map(({ says }) => says).join("\n---\n")).toContain(expected);
    }
  });
});

afterAll(() => {
  for (const pod of pods) {
    pod.close();
  }
  const nrEqual = all.length - differing.size;
  console.info(
    `of ${all.length} cases ${nrEqual} end as on Linux, ${differing.size} need not; ${chosen.length} are run`,
  );
  if (fresh.length > 0) {
    console.info(`end as on Linux and are in differs.txt: ${fresh.join(", ")}`);
  }
});
