/** The memory of processes of this machine. */
import { readdir, readFile } from "node:fs/promises";

const KIB = 1024;

/**
 * Bytes of main memory that a process and all its descendants have.
 *
 * A page that several have counts once: it is the sum of their proportional shares (`Pss`). What
 * the machine's kernel has for each process, some ten KiB, is not in it.
 */
export async function residentBytes(root: number): Promise<number> {
  const children = new Map<number, number[]>();
  for (const name of await readdir("/proc")) {
    const parent = /^\d+$/.test(name) ? await parentOf(Number(name)) : undefined;
    if (parent !== undefined) {
      const known = children.get(parent);
      known === undefined ? children.set(parent, [Number(name)]) : known.push(Number(name));
    }
  }
  let sum = 0;
  const left = [root];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    sum += await share(pid);
    left.push(...(children.get(pid) ?? []));
  }
  return sum;
}

/** The parent of a process; undefined: it has ended. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name is in parentheses and may have any character.
  const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
  return parent === undefined ? undefined : Number(parent);
}

async function share(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * KIB;
}
