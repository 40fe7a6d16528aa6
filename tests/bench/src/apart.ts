/**
 * Comparisons, each try in a process of its own.
 *
 * Where an engine and the system happen to put code, stacks and memories decides for the whole life of
 * a process whether some loops run at one speed or at another, up to half slower, with whatever is
 * compared and without it alike. So a row has the lower of each side's medians over several processes.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ComparisonRow } from "./comparison.ts";
import { measureForking } from "./forking.ts";
import { measureSafepoints } from "./safepoints.ts";

/** The comparisons by name; each measures a number of rounds. */
const COMPARISONS = { safepoints: measureSafepoints, fork: measureForking } as const;

export type ComparisonName = keyof typeof COMPARISONS;

/** Rounds of each try. */
const ROUNDS = 5;

const FILE = fileURLToPath(import.meta.url);

/** Measures a comparison in `tries` processes, one after the other. */
export async function measureApart(name: ComparisonName, tries: number): Promise<readonly ComparisonRow[]> {
  let best: readonly ComparisonRow[] = [];
  for (let round = 1; round <= tries; round += 1) {
    process.stderr.write(`shoal: try ${round} of ${tries}: ${name}\n`);
    const { stdout } = await promisify(execFile)(process.execPath, [FILE, name]);
    const rows = JSON.parse(stdout) as readonly ComparisonRow[];
    best = round === 1 ? rows : best.map((row, at) => lower(row, rows[at] ?? row));
  }
  return best;
}

function lower(one: ComparisonRow, other: ComparisonRow): ComparisonRow {
  const withMs = Math.min(one.withMs, other.withMs);
  const withoutMs = Math.min(one.withoutMs, other.withoutMs);
  return { name: one.name, withMs, withoutMs, overhead: withMs / withoutMs - 1 };
}

if (import.meta.main) {
  const name = process.argv[2];
  if (name !== "safepoints" && name !== "fork") {
    throw new Error(`no such comparison: ${name}`);
  }
  process.stdout.write(JSON.stringify(await COMPARISONS[name](ROUNDS)));
}
