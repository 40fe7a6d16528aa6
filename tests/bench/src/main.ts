/**
 * `npm run bench -- [--in node|chromium|firefox] [--json FILE] [--tries N] [--only NAME]`.
 *
 * Pod and native take turns, so that a noisy moment hits both; each number is the best of all tries.
 */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { cpus, release, type } from "node:os";
import { parseArgs } from "node:util";
import { HOSTS, type HostName, openHost } from "./host.ts";
import { measureNative } from "./native.ts";
import { BENCHMARKS } from "./programs.ts";
import { json, type Machine, type Row, table } from "./report.ts";

const { values } = parseArgs({
  options: {
    in: { type: "string", default: "node" },
    json: { type: "string" },
    tries: { type: "string", default: "3" },
    only: { type: "string", multiple: true },
  },
});

function hostName(): HostName {
  const name = HOSTS.find((known) => known === values.in);
  if (name === undefined) {
    throw new Error(`--in ${values.in}: one of ${HOSTS.join(", ")}`);
  }
  return name;
}

/** The commit that is measured, marked when the tree differs from it. */
function revision(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

async function main(): Promise<void> {
  const tries = Math.max(1, Number(values.tries));
  const { only } = values;
  const rows: Row[] = BENCHMARKS.filter(({ name }) => only === undefined || only.includes(name)).map((benchmark) => ({
    benchmark,
    podNs: Number.POSITIVE_INFINITY,
    nativeNs: Number.POSITIVE_INFINITY,
  }));
  await using host = await openHost(hostName());
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    for (const row of rows) {
      process.stderr.write(`shoal: try ${attempt} of ${tries}: ${row.benchmark.title}\n`);
      row.nativeNs = Math.min(row.nativeNs, await measureNative(row.benchmark));
      row.podNs = Math.min(row.podNs, await host.measure(row.benchmark));
    }
  }
  const baselines = await host.baseline(tries);
  const processors = cpus();
  const machine: Machine = {
    date: new Date().toISOString(),
    host: host.version,
    cores: processors.length,
    processor: processors[0]?.model ?? "unknown",
    system: `${type()} ${release()}`,
    revision: revision(),
  };
  process.stdout.write(`${machine.host}, ${machine.cores} x ${machine.processor}, ${machine.system}\n\n`);
  process.stdout.write(`${table(rows, baselines)}\n`);
  if (values.json !== undefined) {
    await writeFile(values.json, json(machine, rows, baselines));
  }
}

await main();
