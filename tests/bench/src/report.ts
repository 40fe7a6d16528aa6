/** The numbers as a table and as JSON. */
import type { BaselineName, Benchmark } from "./programs.ts";

/** One row: nanoseconds for one round, the best of all tries. */
export interface Row {
  readonly benchmark: Benchmark;
  podNs: number;
  nativeNs: number;
}

/** On what the numbers were measured. */
export interface Machine {
  readonly date: string;
  readonly host: string;
  readonly cores: number;
  readonly processor: string;
  readonly system: string;
  readonly revision: string;
}

/** A duration with three digits and a unit. */
export function duration(ns: number): string {
  for (const [unit, length] of [
    ["ms", 1e6],
    ["µs", 1e3],
  ] as const) {
    if (ns >= length) {
      return `${(ns / length).toPrecision(3)} ${unit}`;
    }
  }
  return `${ns.toPrecision(3)} ns`;
}

/** How many times as fast as another the pod is. */
function times(other: number, pod: number): string {
  const ratio = other / pod;
  return `${ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(2)}x`;
}

/** The table, in Markdown. */
export function table(rows: readonly Row[], baselines: Record<BaselineName, number>): string {
  const head = ["one round of", "pod", "native", "pod is faster by", "Worker per process", "pod is faster by"];
  const body = rows.map(({ benchmark, podNs, nativeNs }) => {
    const baselineNs = benchmark.baseline === undefined ? undefined : baselines[benchmark.baseline];
    return [
      benchmark.title,
      duration(podNs),
      duration(nativeNs),
      times(nativeNs, podNs),
      baselineNs === undefined ? "" : duration(baselineNs),
      baselineNs === undefined ? "" : times(baselineNs, podNs),
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

/** The same for programs to read. */
export function json(machine: Machine, rows: readonly Row[], baselines: Record<BaselineName, number>): string {
  const results = rows.map(({ benchmark, podNs, nativeNs }) => {
    const baselineNs = benchmark.baseline === undefined ? undefined : baselines[benchmark.baseline];
    return {
      name: benchmark.name,
      title: benchmark.title,
      workers: benchmark.workers,
      pod_ns: podNs,
      native_ns: nativeNs,
      ratio_to_native: podNs / nativeNs,
      ...(baselineNs === undefined ? {} : { baseline_ns: baselineNs, ratio_to_baseline: podNs / baselineNs }),
    };
  });
  return `${JSON.stringify({ machine, results, baselines_ns: baselines }, null, 2)}\n`;
}
