/** What is kept of the suite: how each script ends on Linux, and which fail here, with the reason. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** How a script ends. */
export type Verdict = "passes" | "fails";

/** The lines of a list that are no comments, cut at `|`. */
function rows(name: string): string[][] {
  return readFileSync(file(name), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
}

/** How the scripts ended on Linux when that was recorded. */
export function readRecord(): Map<string, Verdict> {
  return new Map(rows("linux.txt").map(([name = "", verdict]) => [name, verdict === "passes" ? verdict : "fails"]));
}

/** Makes `verdicts` the record. */
export function writeRecord(verdicts: ReadonlyMap<string, Verdict>, shell: string): void {
  const lines = [...verdicts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, verdict]) => `${name} | ${verdict}\n`);
  writeFileSync(file("linux.txt"), `# script | on Linux, with ${shell}\n${lines.join("")}`);
}

/** A script that does not pass here. */
export interface Failure {
  readonly name: string;
  /** What the list says of Linux. */
  readonly onLinux: string;
  readonly reason: string;
}

/** The scripts that fail in a pod. */
export function readFailures(): Failure[] {
  return rows("fails.txt").map(([name = "", onLinux = "", reason = ""]) => ({ name, onLinux, reason }));
}

/** The sentence with which the README sums up. */
export function summary(nrScripts: number, nrOnLinux: number, nrHere: number, nrAgree: number): string {
  const share = ((100 * nrAgree) / nrScripts).toFixed(1);
  return `Of ${nrScripts} scripts ${nrOnLinux} pass on Linux and ${nrHere} here; ${nrAgree} end alike, ${share} %.`;
}

/** The README of this suite. */
export function readme(): string {
  return readFileSync(file("README.md"), "utf8");
}
