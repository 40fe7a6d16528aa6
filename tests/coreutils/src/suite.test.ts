/**
 * The suite of GNU coreutils: each script of the shell ends in a pod as it did on Linux, unless
 * `differences.txt` says how it ends here, and why. One that ends as on Linux nevertheless is reported.
 * What took long on Linux runs with `SHOAL_COREUTILS=all` only.
 *
 * With `RECORD=1` the scripts run on this machine, and `linux.txt` has then how they ended.
 */
import { afterAll, describe, expect, test } from "vitest";
import { nrPerlTests, type Recorded, readDifferences, readme, readRecord, readTests, writeRecord } from "./lists.ts";
import { Machines } from "./machine.ts";

const tests = readTests();
const names = tests.map(({ name }) => name);

/** A test that took as many seconds on Linux is slow. */
const SLOW = 2;

if (process.env.RECORD === undefined) {
  compare();
} else {
  record();
}

function compare(): void {
  const machines = new Machines(false);
  const linux = readRecord();
  const isSlow = (name: string) => (linux.get(name)?.seconds ?? 0) >= SLOW;
  const chosen = process.env.SHOAL_COREUTILS === "all" ? tests : tests.filter(({ name }) => !isSlow(name));
  const differences = new Map(readDifferences().map((one) => [one.name, one]));
  /** What ends as on Linux although it is listed. */
  const fresh: string[] = [];

  describe.concurrent("coreutils' suite", () => {
    test.each(chosen)("$name", async (one) => {
      const { name } = one;
      const listed = differences.get(name);
      const wanted = listed?.here ?? linux.get(name)?.verdict;
      let { verdict, output } = await machines.run(one);
      if (verdict !== wanted) {
        // Tests that measure time may be wrong once on a busy machine.
        ({ verdict, output } = await machines.run(one));
      }
      if (listed !== undefined && verdict === listed.onLinux) {
        fresh.push(name);
      } else {
        expect(verdict, output).toBe(wanted);
      }
    });
  });

  describe("the lists", () => {
    test("have every test", () => {
      expect([...linux.keys()].sort()).toEqual([...names].sort());
    });

    test("say of a difference what Linux did, and why", () => {
      for (const { name, here, onLinux, reason } of differences.values()) {
        expect(onLinux, name).toBe(linux.get(name)?.verdict);
        expect(here, name).not.toBe(onLinux);
        expect(reason, name).not.toBe("");
      }
    });

    test("are what the README counts", () => {
      const count = (verdict: string) => [...linux.values()].filter((one) => one.verdict === verdict).length;
      const here = names.filter((name) => (differences.get(name)?.here ?? linux.get(name)?.verdict) === "PASS");
      const share = ((100 * (names.length - differences.size)) / names.length).toFixed(1);
      expect(readme()).toContain(
        `Of ${names.length} scripts ${count("PASS")} pass on Linux and ${count("SKIP")} are skipped there; ` +
          `${here.length} pass here. ${names.length - differences.size} end alike, ${share} %. ` +
          `${nrPerlTests} tests are in perl.`,
      );
    });
  });

  afterAll(() => {
    machines.close();
    if (fresh.length > 0) {
      console.info(`end as on Linux and are in differences.txt: ${fresh.join(", ")}`);
    }
  });
}

function record(): void {
  const machines = new Machines(true);
  const ends = new Map<string, Recorded>();

  describe.concurrent("coreutils' suite on Linux", () => {
    test.each(tests)("$name", async (one) => {
      const start = performance.now();
      const { verdict } = await machines.run(one);
      ends.set(one.name, { verdict, seconds: (performance.now() - start) / 1000 });
    });
  });

  afterAll(() => {
    machines.close();
    if (ends.size === names.length) {
      writeRecord(ends);
    }
  });
}
