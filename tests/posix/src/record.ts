/** What is recorded of the cases: how they end on Linux, and where pods differ and why. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A case, as `linux.txt` has it. */
export interface Case {
  /** Its file below `conformance/interfaces`, with dots: `sem_wait.1-1`. */
  readonly name: string;
  /** How it ends on Linux. */
  readonly native: string;
  /** How long it takes there; 0 when that is less than two. */
  readonly seconds: number;
}

/** The lines of a file of this folder, split at `|`. */
function rows(file: string): string[][] {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
}

/** Every case that is a program on Linux. */
export function cases(): Case[] {
  return rows("linux.txt").map(([name = "", native = "", seconds = "0"]) => ({
    name,
    native,
    seconds: Number(seconds),
  }));
}

/** How the cases end in a pod that end otherwise on Linux; each has to have a reason. */
export function differences(): Map<string, string> {
  const natives = new Map(cases().map(({ name, native }) => [name, native]));
  const lines = rows("differs.txt").map(([name = "", native, here = "", reason = ""]) => {
    if (natives.get(name) !== native || here === native || reason === "") {
      throw new Error(`differs.txt and linux.txt contradict each other, or a reason is missing: ${name}`);
    }
    return [name, here] as const;
  });
  return new Map(lines);
}
