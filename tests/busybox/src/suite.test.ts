/**
 * Every case that `pass.txt` lists passes.
 *
 * A case that passes and is not listed is reported, so that the list grows: `UPDATE=1 npm test`
 * writes it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { applets, type Case, runApplet, type Verdict } from "./suite.ts";

const LIST = fileURLToPath(new URL("../pass.txt", import.meta.url));
const isUpdate = process.env.UPDATE !== undefined;

const listed = readFileSync(LIST, "utf8")
  .split("\n")
  .filter((line) => line !== "");
const cases: Case[] = [];
/** Applets that did not come to their end: their cases are unknown. */
let nrBroken = 0;

/** The names of all cases that ended so, sorted by bytes as `LC_ALL=C sort` does. */
function endedAs(verdict: Verdict): string[] {
  const names = cases.filter((one) => one.verdict === verdict).map(({ name }) => name);
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

describe.concurrent("busybox's suite", () => {
  test.each(applets())("%s", async (applet) => {
    nrBroken += 1;
    const results = await runApplet(applet);
    nrBroken -= 1;
    cases.push(...results);
    if (!isUpdate) {
      const passed = results.filter(({ verdict }) => verdict === "PASS").map(({ name }) => name);
      const wanted = listed.filter((line) => line.startsWith(`${applet}: `));
      expect(wanted.filter((name) => !passed.includes(name))).toEqual([]);
    }
  });
});

afterAll(() => {
  const passed = endedAs("PASS");
  const failed = endedAs("FAIL");
  const nrSkipped = endedAs("SKIPPED").length + endedAs("UNTESTED").length;
  console.info(`of busybox's cases ${passed.length} pass, ${failed.length} fail, ${nrSkipped} need what is not built`);
  console.info(failed.map((name) => `fails: ${name}`).join("\n"));
  const fresh = passed.filter((name) => !listed.includes(name));
  if (isUpdate && nrBroken === 0) {
    writeFileSync(LIST, passed.map((name) => `${name}\n`).join(""));
  } else if (fresh.length > 0) {
    console.info(`pass and are not in pass.txt (UPDATE=1 npm test adds them):\n${fresh.join("\n")}`);
  }
});
