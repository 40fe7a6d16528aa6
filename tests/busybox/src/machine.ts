/** Where the suite runs: in a pod, or for comparison on this machine. */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot, type Pod } from "shoal/node";

const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));

/** The folder in which the guest's busybox was built: Debian's source with its `.config`. */
export const BUILD = join(BUILT, "build/busybox");

/** A script that takes longer is killed, and what it has not reported counts as failed. */
const TIMEOUT_MS = 300_000;

/** How a script ended. */
export interface Outcome {
  /** As a shell shows it in `$?`. */
  readonly status: number;
  readonly output: string;
}

/** A place with the suite in `top/testsuite` and busybox in `top/busybox`. */
export interface Machine extends AsyncDisposable {
  readonly top: string;
  /** The folders that the suite's scripts find applets in. */
  readonly path: string;
  makeDirectory(path: string): Promise<void>;
  /** Runs busybox's shell with `args` to its end. */
  sh(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<Outcome>;
}

/** A machine for one applet: this one with the busybox that `ORACLE` names, else a new pod. */
export function newMachine(): Promise<Machine> {
  const oracle = process.env.ORACLE;
  return oracle === undefined ? PodMachine.boot() : Promise.resolve(new NativeMachine(oracle));
}

class PodMachine implements Machine {
  readonly top = "/tmp/busybox";
  readonly path = "/bin:/usr/bin:/sbin:/usr/sbin";
  readonly #pod: Pod;

  private constructor(pod: Pod) {
    this.#pod = pod;
  }

  static async boot(): Promise<PodMachine> {
    const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? join(BUILT, "root.ext2")));
    const mounts = [{ host: BUILD, guest: "/mnt", readOnly: true }];
    const machine = new PodMachine(await boot({ image, workers: 1, mounts, onLog: () => undefined }));
    const setup = `mkdir ${machine.top} && cp -r /mnt/testsuite /mnt/.config ${machine.top} && ln -s /bin/busybox ${machine.top}`;
    const { status } = await machine.sh(["-c", setup], "/", {});
    if (status !== 0) {
      throw new Error(`the suite could not be copied into the pod: status ${status}`);
    }
    return machine;
  }

  makeDirectory(path: string): Promise<void> {
    return this.#pod.files.makeDirectory(path);
  }

  async sh(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
    const child = await this.#pod.run("/bin/sh", args, { cwd, env: { PATH: this.path, ...env } });
    child.stdio?.stdin.end();
    const limit = setTimeout(() => void child.kill(constants.signals.SIGKILL).catch(() => undefined), TIMEOUT_MS);
    // Both are read to the end, or a script that says much would wait for a reader.
    const [output, { shell }] = await Promise.all([child.stdio?.stdout.text(), child.exit, child.stdio?.stderr.text()]);
    clearTimeout(limit);
    return { status: shell, output: output ?? "" };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#pod.close();
    return Promise.resolve();
  }
}

class NativeMachine implements Machine {
  readonly top = mkdtempSync(join(tmpdir(), "busybox-suite-"));
  readonly path: string;

  constructor(busybox: string) {
    cpSync(join(BUILD, "testsuite"), join(this.top, "testsuite"), { recursive: true });
    cpSync(join(BUILD, ".config"), join(this.top, ".config"));
    symlinkSync(busybox, join(this.top, "busybox"));
    const links = join(this.top, "links");
    mkdirSync(links);
    for (const path of readFileSync(join(BUILD, "busybox.links"), "utf8").trim().split("\n")) {
      symlinkSync(busybox, join(links, path.slice(path.lastIndexOf("/") + 1)));
    }
    this.#useShell(join(links, "sh"));
    this.path = `${links}:${this.top}:${process.env.PATH}`;
  }

  /** Lets the suite's scripts run in `shell`, as they do in a pod, and not in the machine's. */
  #useShell(shell: string): void {
    const folder = join(this.top, "testsuite");
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".tests"))) {
      const script = readFileSync(join(folder, name), "latin1");
      writeFileSync(join(folder, name), script.replace(/^#!.*/, `#!${shell}`), "latin1");
    }
  }

  makeDirectory(path: string): Promise<void> {
    mkdirSync(path);
    return Promise.resolve();
  }

  sh(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
    const child = spawn(join(this.top, "links/sh"), [...args], {
      cwd,
      env: { HOME: this.top, PATH: this.path, ...env },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status, signal) => {
        const output = Buffer.concat(chunks).toString();
        resolve({ status: status ?? 128 + constants.signals[signal ?? "SIGKILL"], output });
      });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.top, { recursive: true, force: true });
    return Promise.resolve();
  }
}
