/**
 * What is measured: the programs of `guest/bench`, and what their numbers mean.
 *
 * The same source runs in the pod and, compiled for this machine, on native Linux.
 */
import type { Transcript } from "./transcript.ts";

/** What of the Worker-per-process baseline does the same; see `baseline.ts` and `crowd.ts`. */
export type BaselineName = "call" | "switch" | "spawn" | "kill" | CrowdName;
/** What a crowd of sleeping Workers tells. */
export type CrowdName = "crowd_size" | "crowd_start" | "crowd_memory";

/** What a number counts; less is better, but of a count. */
export type Unit = "ns" | "bytes" | "count";

/** Tables of the output. */
export const GROUPS = {
  calls: "Calls and pipes",
  files: "Files",
  pool: "Many processes on few Workers",
} as const;
export type Group = keyof typeof GROUPS;

/** One row of a table. */
export interface Quantity {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly baseline?: BaselineName;
  /** Without ratios: both are near nothing. */
  readonly isRest?: true;
  /** The number in what the program wrote. */
  of(transcript: Transcript): number;
}

/** A program that is run, in a pod and natively. */
export interface Benchmark {
  readonly name: string;
  readonly group: Group;
  readonly program: string;
  readonly argv: readonly string[];
  /** Workers of the pod. */
  readonly workers: 1 | 2;
  /** It gets a pod that ran nothing before, in a process or browser of its own: for its memory. */
  readonly isAlone?: true;
  /** Not the image in memory, in Node alone: one with room for many files; or the image under a storage. */
  readonly disk?: "roomy" | "stored";
  /** How many memories guests may have; the pod's own number otherwise. */
  readonly frames?: number;
  /** What of several tries counts: noise only adds to a short loop; a single event has no best. */
  readonly statistic: "best" | "median";
  readonly quantities: readonly Quantity[];
}

/** How large the crowds are. */
export interface Scale {
  /** Sleeping processes. */
  readonly processes: number;
  /** Processes one after the other. */
  readonly churn: number;
}

/** What the programs that make many files tell, and what it is. */
const FILE_STEPS = {
  small_files: [
    ["create", "make 10,000 files of 1,000 bytes"],
    ["stat", "look each up"],
    ["remove", "remove them"],
    ["both", "make and remove them"],
  ],
  package_tree: [
    ["unpack", "unpack a tree of 30,000 files"],
    ["list", "list it with attributes"],
    ["remove", "remove it"],
  ],
} as const;

/** A program that prints nanoseconds for one round of what its name says. */
function loop(name: string, title: string, more: Partial<Benchmark> & { baseline?: BaselineName } = {}): Benchmark {
  const { baseline, ...others } = more;
  return {
    name,
    group: "calls",
    program: name,
    argv: [],
    workers: 1,
    statistic: "best",
    quantities: [{ name, title, unit: "ns", of: number("ns"), ...(baseline === undefined ? {} : { baseline }) }],
    ...others,
  };
}

/** Everything, in the order of the tables. */
export function benchmarks({ processes, churn }: Scale): readonly Benchmark[] {
  const idle = Math.min(1000, processes);
  const thousands = (count: number) => count.toLocaleString("en");
  const growth = ({ residentBytes }: Transcript) =>
    existing(residentBytes, "after") - existing(residentBytes, "before");
  return [
    loop("getpid", "getpid", { baseline: "call" }),
    loop("clock_gettime", "clock_gettime", { baseline: "call" }),
    loop("open_close", "open and close"),
    loop("pread_4k", "read of 4 KiB, cached"),
    loop("pipe_round_trip_near", "pipe round trip, one CPU", {
      program: "pipe_round_trip",
      argv: ["near"],
      baseline: "switch",
    }),
    loop("pipe_round_trip_far", "pipe round trip, two CPUs", {
      program: "pipe_round_trip",
      argv: ["far"],
      workers: 2,
      baseline: "switch",
    }),
    loop("pipe_throughput_near", "64 KiB through a pipe, one CPU", { program: "pipe_throughput", argv: ["near"] }),
    loop("pipe_throughput_far", "64 KiB through a pipe, two CPUs", {
      program: "pipe_throughput",
      argv: ["far"],
      workers: 2,
    }),
    loop("spawn_wait", "spawn and wait for true", { baseline: "spawn" }),
    loop("fork_wait", "fork of 2 MiB and wait for its end", { baseline: "spawn" }),
    loop("random_read", "4 KiB from anywhere in 16 MiB", { group: "files" }),
    loop("sequential_read", "16 MiB in pieces of 64 KiB", { group: "files" }),
    loop("random_read_stored", "4 KiB from anywhere, with a storage", {
      program: "random_read",
      group: "files",
      disk: "stored",
    }),
    loop("sequential_read_stored", "16 MiB in pieces, with a storage", {
      program: "sequential_read",
      group: "files",
      disk: "stored",
    }),
    ...(["small_files", "package_tree"] as const).map(
      (name): Benchmark => ({
        name,
        group: "files",
        program: name,
        argv: [],
        workers: 1,
        disk: "roomy",
        statistic: "best",
        quantities: FILE_STEPS[name].map(([step, title]) => ({
          name: `${name}_${step}`,
          title,
          unit: "ns",
          of: number(step),
        })),
      }),
    ),
    ...([1, 2] as const).map(
      (workers): Benchmark => ({
        name: `kill_spinner_${workers}`,
        group: "pool",
        program: "kill_spinner",
        argv: [workers === 1 ? "near" : "far"],
        workers,
        statistic: "median",
        quantities: [
          {
            name: `kill_spinner_${workers}`,
            title: `kill and reap a spinner, ${cpus(workers)}`,
            unit: "ns",
            baseline: "kill",
            of: number("killed"),
          },
          {
            name: `late_beside_spinner_${workers}`,
            title: `lateness of a sleep beside it, ${cpus(workers)}`,
            unit: "ns",
            of: number("late"),
          },
        ],
      }),
    ),
    ...([1, 2] as const).map((workers) =>
      loop(`two_busy_${workers}`, `two programs that compute, ${cpus(workers)}`, {
        group: "pool",
        program: "two_busy",
        argv: [workers === 1 ? "near" : "any"],
        workers,
        statistic: "median",
      }),
    ),
    ...([1, 2] as const).map((workers) =>
      loop(`two_threads_${workers}`, `two threads that compute, ${cpus(workers)}`, {
        group: "pool",
        program: "two_threads",
        workers,
        statistic: "median",
      }),
    ),
    loop("idle_round_trip", `pipe round trip, one CPU, ${thousands(idle)} asleep`, {
      group: "pool",
      program: "pipe_round_trip",
      argv: ["near", String(idle)],
      baseline: "switch",
    }),
    loop("turns_4m", "turn of two processes of 4 MiB", { group: "pool", statistic: "median" }),
    // One memory for whoever asks, one for both who answer.
    loop("turns_4m_swapped", "the same, one swapped out and in", {
      group: "pool",
      program: "turns_4m",
      frames: 2,
      isAlone: true,
      statistic: "median",
    }),
    {
      name: "sleepers",
      group: "pool",
      program: "sleepers",
      argv: [String(processes)],
      workers: 2,
      isAlone: true,
      statistic: "median",
      quantities: [
        {
          name: "sleepers_reached",
          title: `sleepers alive, of ${thousands(processes)}`,
          unit: "count",
          baseline: "crowd_size",
          of: number("reached"),
        },
        {
          name: "sleepers_start",
          title: "start of one of them",
          unit: "ns",
          baseline: "crowd_start",
          of: number("start_each"),
        },
        { name: "sleepers_start_first", title: "start of the first 100, each", unit: "ns", of: number("start_first") },
        { name: "sleepers_start_last", title: "start of the last 100, each", unit: "ns", of: number("start_last") },
        { name: "sleepers_start_all", title: "start of all", unit: "ns", of: number("start_all") },
        {
          name: "sleepers_memory",
          title: "resident memory of one",
          unit: "bytes",
          baseline: "crowd_memory",
          of: (transcript) => growth(transcript) / number("reached")(transcript),
        },
        { name: "sleepers_end", title: "signal to one and its end", unit: "ns", of: number("end_each") },
      ],
    },
    {
      name: "churn",
      group: "pool",
      program: "churn",
      argv: [String(churn)],
      workers: 1,
      isAlone: true,
      statistic: "median",
      quantities: [
        {
          name: "churn",
          title: `spawn and wait, ${thousands(churn)} times`,
          unit: "ns",
          baseline: "spawn",
          of: number("each"),
        },
        { name: "churn_first", title: "the first tenth of them", unit: "ns", of: number("first") },
        { name: "churn_last", title: "the last tenth of them", unit: "ns", of: number("last") },
        { name: "churn_growth", title: "resident memory they leave behind", unit: "bytes", isRest: true, of: growth },
      ],
    },
  ];
}

/** Those whose name or group matches a pattern (`*` stands for anything), all without patterns. */
export function select(all: readonly Benchmark[], patterns: readonly string[]): readonly Benchmark[] {
  const expressions = patterns.map((pattern) => {
    const quoted = pattern.split("*").map((part) => part.replaceAll(/[^\w-]/g, "\\$&"));
    return new RegExp(`^${quoted.join(".*")}$`);
  });
  return all.filter(
    ({ name, group }) =>
      expressions.length === 0 || expressions.some((expression) => expression.test(name) || expression.test(group)),
  );
}

function cpus(workers: 1 | 2): string {
  return workers === 1 ? "one CPU" : "two CPUs";
}

function number(name: string): (transcript: Transcript) => number {
  return ({ numbers }) => existing(numbers, name);
}

function existing(values: ReadonlyMap<string, number>, name: string): number {
  const value = values.get(name);
  if (value === undefined) {
    throw new Error(`the program told nothing of "${name}"`);
  }
  return value;
}
