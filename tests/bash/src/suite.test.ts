/**
 * bash's own suite: each `run-NAME` finds no difference between what `NAME.tests` prints in a pod
 * and `NAME.right`.
 *
 * `fails.txt` names those that do, each with the reason: they only have to come to an end. One
 * that passes nevertheless is reported. With `RECORD=1` the scripts run on this machine, and
 * `linux.txt` has then how they ended.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { readFailures, readme, readRecord, summary, type Verdict, writeRecord } from "./lists.ts";
import { isPass, runInPod, runOnLinux, SUITE } from "./machine.ts";

/** Scripts that run others. */
const COLLECTIONS = ["all", "gprof", "minimal"];

const names = readdirSync(SUITE)
  .filter((entry) => entry.startsWith("run-"))
  .map((entry) => entry.slice("run-".length))
  .filter((name) => !COLLECTIONS.includes(name));

if (process.env.RECORD === undefined) {
  compare();
} else {
  record();
}

function compare(): void {
  const failures = readFailures();
  const fails = new Set(failures.map(({ name }) => name));
  /** What passes although it is listed. */
  const fresh: string[] = [];

  describe.concurrent("bash's suite", () => {
    test.each(names)("%s", async (name) => {
      const text = await runInPod(name);
      if (!fails.has(name)) {
        expect(isPass(text), text).toBe(true);
      } else if (isPass(text)) {
        fresh.push(name);
      }
    });
  });

  describe("the lists", () => {
    const linux = readRecord();

    test("have every script", () => {
      expect([...linux.keys()].sort()).toEqual([...names].sort());
    });

    test("say of a failure what Linux did, and why", () => {
      for (const { name, onLinux, reason } of failures) {
        expect(onLinux.split(" ", 1)[0], name).toBe(linux.get(name));
        expect(reason, name).not.toBe("");
      }
    });

    test("are what the README counts", () => {
      const passes = names.filter((name) => linux.get(name) === "passes");
      const agree = names.filter((name) => (linux.get(name) === "fails") === fails.has(name));
      const sentence = summary(names.length, passes.length, names.length - fails.size, agree.length);
      expect(readme()).toContain(sentence);
      expect(agree.length / names.length).toBeGreaterThanOrEqual(0.95);
    });
  });

  afterAll(() => {
    console.info(`of bash's ${names.length} scripts ${names.length - fails.size} have to pass`);
    if (fresh.length > 0) {
      console.info(`pass and are in fails.txt: ${fresh.join(", ")}`);
    }
  });
}

function record(): void {
  const verdicts = new Map<string, Verdict>();

  describe.concurrent("bash's suite on Linux", () => {
    test.each(names)("%s", async (name) => {
      verdicts.set(name, isPass(await runOnLinux(name)) ? "passes" : "fails");
    });
  });

  afterAll(() => {
    const shell = execFileSync("/bin/bash", ["-c", 'echo "bash $BASH_VERSION"'], { encoding: "utf8" });
    if (verdicts.size === names.length) {
      writeRecord(verdicts, shell.trim());
    }
  });
}
