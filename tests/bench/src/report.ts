/** The numbers as tables and as JSON. */
import type { ComparisonRow } from "./comparison.ts";
import { type BaselineName, type Benchmark, GROUPS, type Group, type Quantity, type Unit } from "./programs.ts";

/** What was compared with something and without it. */
export interface Comparisons {
  readonly safepoints: readonly ComparisonRow[] | undefined;
  readonly fork: readonly ComparisonRow[] | undefined;
}

/** One row and its number of each try. */
export interface Row {
  readonly benchmark: Benchmark;
  readonly quantity: Quantity;
  readonly pod: number[];
  readonly native: number[];
}

/** What was measured of the Worker-per-process baseline. */
export type BaselineNumbers = Partial<Record<BaselineName, number>>;

/** On what the numbers were measured. */
export interface Machine {
  readonly date: string;
  readonly host: string;
  readonly cores: number;
  readonly processor: string;
  readonly memory_bytes: number;
  readonly system: string;
  /** The mean numbers of running processes in the last minute, at the beginning and at the end. */
  readonly load: readonly number[];
  readonly revision: string;
}

/** Everything of one run. */
export interface Report {
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly baselines: BaselineNumbers;
  /** What did not go as asked, a line each. */
  readonly notes: readonly string[];
}

const SCALES: Readonly<Record<Unit, readonly (readonly [string, number])[]>> = {
  ns: [
    ["s", 1e9],
    ["ms", 1e6],
    ["µs", 1e3],
    ["ns", 1],
  ],
  bytes: [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
    ["B", 1],
  ],
  count: [],
};

/** A number with three digits and a unit. */
export function shown(value: number, unit: Unit): string {
  for (const [name, length] of SCALES[unit]) {
    if (Math.abs(value) >= length) {
      const size = value / length;
      return `${Math.abs(size) >= 1000 ? Math.round(size) : size.toPrecision(3)} ${name}`;
    }
  }
  return unit === "count" ? value.toLocaleString("en") : value.toPrecision(3);
}

/** What of several tries counts; undefined without any. */
export function counted(values: readonly number[], statistic: Benchmark["statistic"]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[statistic === "best" ? 0 : (sorted.length - 1) >> 1];
}

/** How many times as good as another the pod is: above 1 it is better. */
function advantage(other: number | undefined, pod: number | undefined, { unit, isRest }: Quantity): number | undefined {
  if (isRest || other === undefined || pod === undefined || other <= 0 || pod <= 0) {
    return undefined;
  }
  return unit === "count" ? pod / other : other / pod;
}

function times(ratio: number | undefined): string {
  return ratio === undefined ? "" : `${ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(2)}x`;
}

function evaluated({ benchmark, quantity, pod, native }: Row, baselines: BaselineNumbers) {
  const { statistic } = benchmark;
  return {
    pod: counted(pod, statistic),
    native: counted(native, statistic),
    baseline: quantity.baseline === undefined ? undefined : baselines[quantity.baseline],
  };
}

/** The tables, in Markdown, one for each group. */
export function tables({ rows, baselines, notes }: Report): string {
  const groups = Object.keys(GROUPS) as Group[];
  const parts = groups.flatMap((group) => {
    const some = rows.filter(({ benchmark }) => benchmark.group === group);
    return some.length === 0 ? [] : [`### ${GROUPS[group]}\n\n${table(some, baselines)}`];
  });
  if (notes.length > 0) {
    parts.push(notes.map((note) => `- ${note}`).join("\n"));
  }
  return parts.join("\n\n");
}

function table(rows: readonly Row[], baselines: BaselineNumbers): string {
  const head = ["", "pod", "native", "pod is better by", "Worker per process", "pod is better by"];
  const body = rows.map((row) => {
    const { title, unit } = row.quantity;
    const { pod, native, baseline } = evaluated(row, baselines);
    const show = (value: number | undefined) => (value === undefined ? "" : shown(value, unit));
    return [
      title,
      pod === undefined ? "failed" : show(pod),
      show(native),
      times(advantage(native, pod, row.quantity)),
      show(baseline),
      times(advantage(baseline, pod, row.quantity)),
    ];
  });
  const widths = head.map((name, column) =>
    Math.max(...[head, ...body].map((line) => line[column]?.length ?? 0), name.length),
  );
  const show = (line: readonly string[]) =>
    `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? `${"-".repeat(width + 2)}` : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [show(head), rule, ...body.map(show)].join("\n");
}

/** The same for programs to read, with every try. */
export function json({ machine, rows, baselines, notes }: Report, comparisons: Comparisons): string {
  const results = rows.map((row) => {
    const { benchmark, quantity, pod, native } = row;
    const values = evaluated(row, baselines);
    return {
      name: quantity.name,
      title: quantity.title,
      group: benchmark.group,
      unit: quantity.unit,
      statistic: benchmark.statistic,
      workers: benchmark.workers,
      ...values,
      better_than_native: advantage(values.native, values.pod, quantity),
      better_than_baseline: advantage(values.baseline, values.pod, quantity),
      tries: { pod, native },
    };
  });
  return `${JSON.stringify({ machine, results, baselines, ...comparisons, notes }, null, 2)}\n`;
}
