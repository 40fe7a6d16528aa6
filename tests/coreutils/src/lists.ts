/** What is kept of the suite: how each test ends on Linux, and which end otherwise here, and why. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SUITE, type Test, type Verdict } from "./machine.ts";

const file = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));

const makefile = readFileSync(join(SUITE, "tests/local.mk"), "utf8");

/** The scripts in `text`, a part of the makefile: a line for each. */
function scripts(text: string): string[] {
  return [...text.matchAll(/^ {2}(tests\/\S+\/\S+\.sh)\s*\\?$/gm)].map(([, name = ""]) => name);
}

/** The tests that are scripts of the shell. */
export function readTests(): Test[] {
  const [, list = ""] = /^all_root_tests =(.*?\n)\n/ms.exec(makefile) ?? [];
  const roots = new Set(scripts(list));
  // What the tests of factor are made with is listed, too.
  const names = scripts(makefile).filter((name) => !name.startsWith("tests/factor/"));
  return names.map((name) => ({ name, isRoots: roots.has(name) }));
}

/** How many tests are in perl, which pods lack. */
export const nrPerlTests = [...makefile.matchAll(/^ {2}tests\/\S+\.x?pl\s*\\?$/gm)].length;

/** The lines of a list that are no comments, cut at `|`. */
function rows(name: string): string[][] {
  return readFileSync(file(name), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
}

/** What is known of a test on Linux. */
export interface Recorded {
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** How the tests ended on Linux when that was recorded, and how long they took. */
export function readRecord(): Map<string, Recorded> {
  return new Map(
    rows("linux.txt").map(([name = "", verdict, seconds]) => [
      name,
      { verdict: verdict as Verdict, seconds: Number(seconds) },
    ]),
  );
}

/** Makes `record` the record. */
export function writeRecord(record: ReadonlyMap<string, Recorded>): void {
  const lines = [...record]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { verdict, seconds }]) => `${name} | ${verdict} | ${seconds.toFixed(1)}\n`);
  writeFileSync(file("linux.txt"), `# test | on Linux | seconds there\n${lines.join("")}`);
}

/** A test that does not end here as on Linux. */
export interface Difference {
  readonly name: string;
  readonly here: Verdict;
  /** What the list says of Linux. */
  readonly onLinux: Verdict;
  readonly reason: string;
}

export function readDifferences(): Difference[] {
  return rows("differences.txt").map(([name = "", here, onLinux, reason = ""]) => ({
    name,
    here: here as Verdict,
    onLinux: onLinux as Verdict,
    reason,
  }));
}

/** The README of this suite. */
export function readme(): string {
  return readFileSync(file("README.md"), "utf8");
}
