/**
 * What it costs a shell that it can fork: dash, and the same dash without its import of fork, taking
 * turns in one pod. The loader writes only the first anew.
 */
import { readFile } from "node:fs/promises";
import { boot } from "shoal/node";
import { TREE } from "./command.ts";
import { type ComparisonRow, compare, comparisonTable, run } from "./comparison.ts";

/** The import by which a program forks, and a name that no system call has. */
const FORK = "__syscall_fork";
const NOTHING = "__syscall_f---";

/** Turns of the shell's loop. */
const TURNS = 100_000;

const LOOPS: readonly (readonly [string, string])[] = [
  ["count", `i=0; while [ $i -lt ${TURNS} ]; do i=$((i+1)); done; echo $i`],
  ["case", `i=0; while [ $i -lt ${TURNS} ]; do case $i in *7) s=$i;; esac; i=$((i+1)); done; echo $s`],
  ["function", `f() { i=$(($1+1)); }; i=0; while [ $i -lt ${TURNS} ]; do f $i; done; echo $i`],
];

/** Measures `rounds` rounds of each loop. */
export async function measureForking(rounds: number): Promise<readonly ComparisonRow[]> {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${TREE}/target/guest/root.ext2`));
  const pod = await boot({ image, workers: 1 });
  try {
    await pod.files.write("/tmp/dash", withoutFork(await pod.files.read("/bin/dash")));
    await run(pod, "chmod +x /tmp/dash");
    const rows: ComparisonRow[] = [];
    for (const [name, script] of LOOPS) {
      const [usual, without] = ["/bin/dash", "/tmp/dash"].map((shell) => () => run(pod, `${shell} -c '${script}'`));
      if (usual !== undefined && without !== undefined) {
        rows.push(await compare(name, usual, without, rounds));
      }
    }
    return rows;
  } finally {
    pod.close();
  }
}

/** The module with another name in the place of its import. */
function withoutFork(module: Uint8Array): Uint8Array {
  const bytes = Buffer.from(module);
  const at = bytes.indexOf(FORK);
  if (at < 0) {
    throw new Error("dash does not import fork");
  }
  bytes.write(NOTHING, at);
  return bytes;
}

/** The rows as a table in Markdown. */
export function forkingTable(rows: readonly ComparisonRow[]): string {
  return comparisonTable("Loops of dash, with fork and without, processor time", rows);
}
