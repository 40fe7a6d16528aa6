/**
 * What is measured: the programs of `guest/bench`, which print nanoseconds for one round.
 *
 * The same source runs in the pod and, compiled for this machine, on native Linux.
 */

/** What of the Worker-per-process baseline does the same work; see `baseline.ts`. */
export type BaselineName = "call" | "switch" | "spawn";

/** One row of the table. */
export interface Benchmark {
  readonly name: string;
  readonly title: string;
  readonly program: string;
  readonly argv: readonly string[];
  /** Workers of the pod. */
  readonly workers: 1 | 2;
  readonly baseline?: BaselineName;
}

/** All rows, in the order of the table. */
export const BENCHMARKS: readonly Benchmark[] = [
  { name: "getpid", title: "getpid", program: "getpid", argv: [], workers: 1, baseline: "call" },
  { name: "clock_gettime", title: "clock_gettime", program: "clock_gettime", argv: [], workers: 1, baseline: "call" },
  { name: "open_close", title: "open and close", program: "open_close", argv: [], workers: 1 },
  { name: "pread_4k", title: "read of 4 KiB, cached", program: "pread_4k", argv: [], workers: 1 },
  {
    name: "pipe_round_trip_near",
    title: "pipe round trip, one CPU",
    program: "pipe_round_trip",
    argv: ["near"],
    workers: 1,
    baseline: "switch",
  },
  {
    name: "pipe_round_trip_far",
    title: "pipe round trip, two CPUs",
    program: "pipe_round_trip",
    argv: ["far"],
    workers: 2,
    baseline: "switch",
  },
  {
    name: "pipe_throughput_near",
    title: "64 KiB through a pipe, one CPU",
    program: "pipe_throughput",
    argv: ["near"],
    workers: 1,
  },
  {
    name: "pipe_throughput_far",
    title: "64 KiB through a pipe, two CPUs",
    program: "pipe_throughput",
    argv: ["far"],
    workers: 2,
  },
  {
    name: "spawn_wait",
    title: "spawn and wait for true",
    program: "spawn_wait",
    argv: [],
    workers: 1,
    baseline: "spawn",
  },
];

/** The number that a program printed. */
export function nanoseconds(program: string, output: string): number {
  const value = Number(output.trim());
  if (output.trim() === "" || !Number.isFinite(value) || value <= 0) {
    throw new Error(`${program} printed ${JSON.stringify(output)}, not nanoseconds`);
  }
  return value;
}
