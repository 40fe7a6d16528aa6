/**
 * What safepoints cost: the same programs in a pod with them and in a pod without, taking turns.
 *
 * Both pods have one Worker in this process; how it is timed: see `comparison.ts` and `apart.ts`.
 */
import { readFile } from "node:fs/promises";
import { boot, type Pod } from "shoal/node";
import { GUEST_FOLDER, TREE } from "./command.ts";
import { type ComparisonRow, compare, comparisonTable, percent, run } from "./comparison.ts";

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

/** Measures `rounds` rounds of each computation. */
export async function measureSafepoints(rounds: number): Promise<readonly ComparisonRow[]> {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${TREE}/target/guest/root.ext2`));
  const pods: Pod[] = [];
  try {
    for (const safepoints of [true, false]) {
      const pod = await boot({ image: image.slice(), workers: 1, safepoints });
      pods.push(pod);
      await pod.files.write("/tmp/program.lua", LUA);
      await run(pod, PREPARE);
    }
    const rows: ComparisonRow[] = [];
    for (const computation of COMPUTATIONS) {
      const [usual, other] = pods.map((pod) => () => run(pod, computation.command));
      if (usual !== undefined && other !== undefined) {
        rows.push(await compare(computation.name, usual, other, rounds));
      }
    }
    return rows;
  } finally {
    for (const pod of pods) {
      pod.close();
    }
  }
}

/** The report as a table in Markdown. */
export function safepointTable(rows: readonly ComparisonRow[]): string {
  const logarithms = rows.map(({ overhead }) => Math.log1p(overhead));
  const mean = logarithms.reduce((sum, value) => sum + value, 0) / rows.length;
  return `${comparisonTable("Safepoints, processor time", rows)}\n| geometric mean | | | ${percent(Math.expm1(mean))} |`;
}
