/**
 * `npm run bench -- [--in node|chromium|firefox] [--solo] [--json FILE] [--tries N] [--only PATTERN]...
 * [--processes N] [--churn N]`.
 *
 * Pod and native take turns, so that a noisy moment hits both. A pattern is the name of a benchmark
 * or of a group; `*` stands for anything. What fails leaves an empty place and a line below the
 * tables, and the exit status tells. In Node, `safepoints` compares programs with and without these, and
 * `fork` a shell with and without its import of fork.
 */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { parseArgs } from "node:util";
import { type ComparisonName, measureApart } from "./apart.ts";
import { measureNative } from "./command.ts";
import { forkingTable } from "./forking.ts";
import { HOSTS, type HostName, type MeasuringHost, openHost } from "./host.ts";
import { type Benchmark, benchmarks, select } from "./programs.ts";
import { type BaselineNumbers, json, type Row, tables } from "./report.ts";
import { safepointTable } from "./safepoints.ts";
import type { Transcript } from "./transcript.ts";

const { values } = parseArgs({
  options: {
    in: { type: "string", default: "node" },
    solo: { type: "boolean", default: false },
    json: { type: "string" },
    tries: { type: "string", default: "3" },
    only: { type: "string", multiple: true, default: [] },
    processes: { type: "string", default: "2000" },
    churn: { type: "string", default: "10000" },
  },
});

/** The comparisons with something left out. */
const COMPARISONS: readonly ComparisonName[] = ["safepoints", "fork"];

/** How long one benchmark may take, in milliseconds; some start thousands of Workers. */
const PATIENCE = 300_000;

function hostName(): HostName {
  const name = HOSTS.find((known) => known === values.in);
  if (name === undefined) {
    throw new Error(`--in ${values.in}: one of ${HOSTS.join(", ")}`);
  }
  return name;
}

function whole(name: "tries" | "processes" | "churn"): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${name} ${values[name]}: not a whole number above 0`);
  }
  return value;
}

/** The commit that is measured, marked when the tree differs from it. */
function revision(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/** What went wrong or otherwise than asked, each said once. */
const notes = new Set<string>();
let hasFailed = false;

/** Does something, or notes why that failed. */
async function attempt<T>(subject: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    hasFailed = true;
    notes.add(`${subject} failed: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

async function measureAll(host: MeasuringHost, chosen: readonly Benchmark[], tries: number): Promise<Row[]> {
  const rows = chosen.flatMap((benchmark) =>
    benchmark.quantities.map((quantity): Row => ({ benchmark, quantity, pod: [], native: [] })),
  );
  const take = (benchmark: Benchmark, where: "pod" | "native", transcript: Transcript | undefined) => {
    if (transcript === undefined) {
      return;
    }
    for (const row of rows.filter((row) => row.benchmark === benchmark)) {
      row[where].push(row.quantity.of(transcript));
    }
    for (const line of transcript.notes.split("\n").filter((line) => line !== "")) {
      notes.add(`${benchmark.name}, ${where}: ${line}`);
    }
  };
  for (let round = 1; round <= tries; round += 1) {
    for (const benchmark of chosen) {
      const { name } = benchmark;
      process.stderr.write(`shoal: try ${round} of ${tries}: ${name}\n`);
      take(benchmark, "native", await attempt(`${name}, native,`, () => measureNative(benchmark, PATIENCE)));
      take(benchmark, "pod", await attempt(`${name}, pod,`, () => host.measure(benchmark, PATIENCE)));
    }
  }
  return rows;
}

/** The baselines that the rows are compared with. */
async function measureBaselines(host: MeasuringHost, rows: readonly Row[], tries: number): Promise<BaselineNumbers> {
  const needed = new Set(rows.map(({ quantity }) => quantity.baseline ?? ""));
  const crowd = [...needed].some((name) => name.startsWith("crowd"));
  const others = [...needed].some((name) => name !== "" && !name.startsWith("crowd"));
  process.stderr.write("shoal: a Worker for each process\n");
  const rounds = others ? await attempt("the baseline", () => host.baseline(tries)) : undefined;
  const sizes = crowd
    ? await attempt("the crowd of Workers", () => host.crowd(whole("processes"), PATIENCE))
    : undefined;
  if (sizes !== undefined && sizes.note !== "") {
    notes.add(`Worker per process: ${sizes.note}`);
  }
  const { note: _, ...numbers } = { note: "", ...sizes };
  return { ...rounds, ...numbers };
}

async function main(): Promise<void> {
  const tries = whole("tries");
  const mode = values.solo ? "solo" : "pool";
  const chosen = select(benchmarks({ processes: whole("processes"), churn: whole("churn") }), values.only).filter(
    ({ workers, disk }) => (mode === "pool" || workers === 1) && (disk === undefined || values.in === "node"),
  );
  const compared = COMPARISONS.filter(
    (name) => (values.only.length === 0 || values.only.includes(name)) && values.in === "node" && mode === "pool",
  );
  if (chosen.length === 0 && compared.length === 0) {
    throw new Error(`--only ${values.only.join(" ")}: no such benchmark`);
  }
  const loadBefore = loadavg()[0] ?? Number.NaN;
  await using host = await openHost(hostName(), mode);
  const rows = await measureAll(host, chosen, tries);
  const baselines = await measureBaselines(host, rows, tries);
  const comparison = (name: ComparisonName) =>
    compared.includes(name) ? attempt(name, () => measureApart(name, tries)) : undefined;
  const safepoints = await comparison("safepoints");
  const fork = await comparison("fork");
  const processors = cpus();
  const machine = {
    date: new Date().toISOString(),
    host: host.version,
    cores: processors.length,
    processor: processors[0]?.model ?? "unknown",
    memory_bytes: totalmem(),
    system: `${type()} ${release()}`,
    load: [loadBefore, loadavg()[0] ?? Number.NaN],
    revision: revision(),
  };
  const report = { machine, rows, baselines, notes: [...notes] };
  const load = machine.load.map((mean) => mean.toFixed(1)).join(" to ");
  process.stdout.write(`${machine.host}, ${machine.cores} x ${machine.processor}, ${machine.system}, load ${load}\n\n`);
  process.stdout.write(`${tables(report)}\n`);
  if (safepoints !== undefined) {
    process.stdout.write(`\n${safepointTable(safepoints)}\n`);
  }
  if (fork !== undefined) {
    process.stdout.write(`\n${forkingTable(fork)}\n`);
  }
  if (values.json !== undefined) {
    await writeFile(values.json, json(report, { safepoints, fork }));
  }
  process.exitCode = hasFailed ? 1 : 0;
}

await main();
