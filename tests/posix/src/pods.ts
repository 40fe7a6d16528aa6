/** Where cases run: some pods that they share, and a new one for a case that is tried again. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot, type Pod } from "shoal/node";

const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));
const PROGRAMS = join(BUILT, "posix");
/** A case that takes longer is killed, as on Linux (`xtask/src/guest/posix.rs`). */
const TIMEOUT_MS = 60_000;
/** One that goes on nevertheless is given up. */
const LOST_MS = 75_000;
const ENVIRONMENT = { PATH: "/bin:/usr/bin", HOME: "/" };

/** How a case ends, in the words of `linux.txt`, and what it says. */
export interface End {
  readonly result: string;
  readonly says: string;
}

/** A new pod with the programs in `/mnt`. */
export async function newPod(): Promise<Pod> {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? join(BUILT, "root.ext2")));
  const mounts = [{ host: PROGRAMS, guest: "/mnt", readOnly: true }];
  return boot({ image, workers: 1, mounts, onLog: () => undefined });
}

/** The suite's word for an exit status. */
function named(status: number): string {
  const words: Record<number, string> = { 0: "passes", 1: "fails", 2: "unresolved", 4: "unsupported", 5: "untested" };
  const isSignal = status > 128 && status <= 192;
  return words[status] ?? (isSignal ? `signal ${status - 128}` : `status ${status}`);
}

/** Runs a case in a folder of its own. */
export async function run(pod: Pod, name: string): Promise<End> {
  if (!existsSync(join(PROGRAMS, name))) {
    return { result: "does not compile", says: "" };
  }
  const cwd = `/tmp/${name}`;
  await pod.files.makeDirectory(cwd);
  const child = await pod.run(`/mnt/${name}`, [], { cwd, env: ENVIRONMENT });
  child.stdio?.stdin.end();
  const said = Promise.all([child.stdio?.stdout.text(), child.stdio?.stderr.text()]).then((texts) => texts.join(""));
  const limit = setTimeout(() => void child.kill(constants.signals.SIGKILL).catch(() => undefined), TIMEOUT_MS);
  const lost = Promise.withResolvers<undefined>();
  const end = setTimeout(lost.resolve, LOST_MS, undefined);
  const status = await Promise.race([child.exit, lost.promise]);
  clearTimeout(limit);
  clearTimeout(end);
  if (status === undefined) {
    return { result: "cannot be killed", says: "" };
  }
  // A child that it has left behind may hold its output open.
  const late = new Promise<string>((resolve) => setTimeout(resolve, 1000, "(a child goes on)"));
  return { result: named(status.shell), says: await Promise.race([said, late]) };
}
