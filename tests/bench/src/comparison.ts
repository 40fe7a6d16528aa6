/**
 * Two ways to do the same, compared by turns in this process.
 *
 * The time is the processor time of this process: what else the machine does changes it little. Each
 * number is the median of several rounds, after some in which the engine compiles.
 */
import type { Pod } from "shoal/node";

/** Rounds that do not count: the engine's best code is not there yet. */
const WARM_UP = 4;

/** Milliseconds of processor time with something and without it, and how much more it is with it. */
export interface ComparisonRow {
  readonly name: string;
  readonly withMs: number;
  readonly withoutMs: number;
  /** 0.05 stands for 5 % more. */
  readonly overhead: number;
}

/**
 * Measures `rounds` rounds of both, which give what they printed.
 *
 * @throws when they do not always print the same.
 */
export async function compare(
  name: string,
  usual: () => Promise<string>,
  without: () => Promise<string>,
  rounds: number,
): Promise<ComparisonRow> {
  const times: [number[], number[]] = [[], []];
  const outputs = new Set<string>();
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    // The one that goes first changes.
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const started = process.cpuUsage();
      outputs.add(await (which === 0 ? usual() : without()));
      const { user, system } = process.cpuUsage(started);
      if (round >= WARM_UP) {
        times[which].push((user + system) / 1000);
      }
    }
  }
  if (outputs.size !== 1) {
    throw new Error(`${name} printed ${outputs.size} different outputs`);
  }
  const [withMs, withoutMs] = [median(times[0]), median(times[1])];
  return { name, withMs, withoutMs, overhead: withMs / withoutMs - 1 };
}

/** Runs a command of the shell to its end: what it printed. */
export async function run(pod: Pod, command: string): Promise<string> {
  const child = await pod.run("/bin/sh", ["-c", command]);
  child.stdio?.stdin.end();
  const texts = Promise.all([child.stdio?.stdout.bytes(), child.stdio?.stderr.text()]);
  const [{ shell }, [output, errors]] = [await child.exit, await texts];
  if (shell !== 0) {
    throw new Error(`"${command}" ended with status ${shell}: ${errors}`);
  }
  return Buffer.from(output ?? []).toString("latin1");
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** As people write it. */
export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** The rows as a table in Markdown. */
export function comparisonTable(title: string, rows: readonly ComparisonRow[]): string {
  const ms = (value: number) => `${value.toPrecision(3)} ms`;
  return [
    `### ${title}`,
    "",
    "|         |     with |  without |   more |",
    "|---------|---------:|---------:|-------:|",
    ...rows.map(
      ({ name, withMs, withoutMs, overhead }) =>
        `| ${name.padEnd(7)} | ${ms(withMs).padStart(8)} | ${ms(withoutMs).padStart(8)} | ${percent(overhead).padStart(6)} |`,
    ),
  ].join("\n");
}
