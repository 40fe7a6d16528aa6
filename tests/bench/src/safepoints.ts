/**
 * What safepoints cost: the same programs in a pod with them and in a pod without, taking turns.
 *
 * Both pods have one Worker in this process, and the time is the processor time of this process:
 * what else the machine does changes it little. Each number is the median of several rounds, after
 * some in which the engine compiles.
 */
import { readFile } from "node:fs/promises";
import { boot, type Pod } from "shoal/node";
import { GUEST_FOLDER, TREE } from "./command.ts";

/** Rounds that do not count: the engine's best code is not there yet. */
const WARM_UP = 4;

/** Something that computes. */
interface Computation {
  readonly name: string;
  /** A command for the shell. */
  readonly command: string;
}

const LUA = `
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
local numbers, words, length = {}, {}, 0
for i = 1, 100000 do numbers[i] = i * 7919 % 10007 end
table.sort(numbers)
for i = 1, 20000 do words[#words + 1] = string.format("%d:%s", i, ("x"):rep(i % 10)) end
for word in table.concat(words, ","):gmatch("[^,]+") do length = length + #word end
print(fib(24), numbers[1000], length)
`;

/** Makes the files: 40,000 lines of text, and four times that. */
const PREPARE = `
i=0
while [ $i -lt 40000 ]; do
  echo "$i the quick brown fox $((i * 7919 % 10007)) jumps"
  i=$((i + 1))
done >/tmp/text
cat /tmp/text /tmp/text /tmp/text /tmp/text >/tmp/long`;

const COMPUTATIONS: readonly Computation[] = [
  { name: "sha1sum", command: "sha1sum /tmp/long /tmp/long" },
  { name: "gzip", command: "gzip -c /tmp/long" },
  { name: "sort", command: "sort -k 6 /tmp/text" },
  { name: "awk", command: "awk '{ n[$6 % 100] += $1; s += length($0) } END { print s, n[7] }' /tmp/long" },
  { name: "lua", command: "lua /tmp/program.lua" },
  { name: "sieve", command: `${GUEST_FOLDER}sieve 60` },
];

/** Milliseconds of processor time, and how much more it is with safepoints. */
export interface SafepointRow {
  readonly name: string;
  readonly withMs: number;
  readonly withoutMs: number;
  /** 0.05 stands for 5 % more. */
  readonly overhead: number;
}

/** All rows, and what they are in the geometric mean. */
export interface SafepointReport {
  readonly rows: readonly SafepointRow[];
  readonly overhead: number;
}

/** Measures `rounds` rounds of each computation. */
export async function measureSafepoints(rounds: number): Promise<SafepointReport> {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${TREE}/target/guest/root.ext2`));
  const pods: Pod[] = [];
  try {
    for (const safepoints of [true, false]) {
      const pod = await boot({ image: image.slice(), workers: 1, safepoints });
      pods.push(pod);
      await pod.files.write("/tmp/program.lua", LUA);
      await run(pod, PREPARE);
    }
    const rows: SafepointRow[] = [];
    for (const computation of COMPUTATIONS) {
      process.stderr.write(`shoal: safepoints: ${computation.name}\n`);
      rows.push(await compare(computation, pods, rounds));
    }
    const logarithms = rows.map(({ overhead }) => Math.log1p(overhead));
    const mean = logarithms.reduce((sum, value) => sum + value, 0) / rows.length;
    return { rows, overhead: Math.expm1(mean) };
  } finally {
    for (const pod of pods) {
      pod.close();
    }
  }
}

async function compare({ name, command }: Computation, pods: readonly Pod[], rounds: number): Promise<SafepointRow> {
  const times = pods.map((): number[] => []);
  const outputs = new Set<string>();
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    // The one that goes first changes.
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const which of order) {
      const pod = pods[which];
      if (pod === undefined) {
        continue;
      }
      const started = process.cpuUsage();
      outputs.add(await run(pod, command));
      const { user, system } = process.cpuUsage(started);
      if (round >= WARM_UP) {
        times[which]?.push((user + system) / 1000);
      }
    }
  }
  if (outputs.size !== 1) {
    throw new Error(`${name} printed ${outputs.size} different outputs`);
  }
  const [withMs, withoutMs] = times.map(median);
  if (withMs === undefined || withoutMs === undefined) {
    throw new Error(`${name}: no time`);
  }
  return { name, withMs, withoutMs, overhead: withMs / withoutMs - 1 };
}

/** Runs a command to its end: what it printed. */
async function run(pod: Pod, command: string): Promise<string> {
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

/** The report as a table in Markdown. */
export function safepointTable({ rows, overhead }: SafepointReport): string {
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  const ms = (value: number) => `${value.toPrecision(3)} ms`;
  return [
    "### Safepoints, processor time",
    "",
    "|         |     with |  without |   more |",
    "|---------|---------:|---------:|-------:|",
    ...rows.map(
      ({ name, withMs, withoutMs, overhead }) =>
        `| ${name.padEnd(7)} | ${ms(withMs).padStart(8)} | ${ms(withoutMs).padStart(8)} | ${percent(overhead).padStart(6)} |`,
    ),
    `| geometric mean | | | ${percent(overhead)} |`,
  ].join("\n");
}
