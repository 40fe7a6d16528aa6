/** A program run by Linux, and by a pod, each in an empty working directory. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { type BootOptions, boot, type Pod } from "shoal/node";
import { IMAGE, TARGET } from "./places.ts";

/** What a program did. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** As a shell has it. */
  readonly status: number;
}

/** What is kept of an outcome, as text. */
export function recordOf({ stdout, stderr, status }: Outcome): string {
  return `${stdout}${stderr}exit status ${status}\n`;
}

/** How a program is run. */
export interface RunOptions {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Runs `name` natively. */
export async function runOnLinux(name: string, { argv = [], env = {}, stdin = "" }: RunOptions = {}): Promise<Outcome> {
  const cwd = await mkdtemp(join(tmpdir(), "shoal-wali-"));
  try {
    const child = spawn(`${TARGET}${name}`, argv, { cwd, env });
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
    const text = async (stream: NodeJS.ReadableStream) => {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) {
        chunks.push(Buffer.from(chunk));
      }
      return Buffer.concat(chunks).toString();
    };
    const ended = new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve(signal === null ? (code ?? -1) : 128 + constants.signals[signal]));
    });
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { stdout, stderr, status };
  } finally {
    await rm(cwd, { recursive: true });
  }
}

const SIGKILL = 9;
const TIMEOUT_MS = 60_000;

/** A pod that has `target/wali` at `/mnt`. */
export class WaliPod implements Disposable {
  readonly pod: Pod;
  /** The lines of the kernel's log so far. */
  readonly log: string[];
  #nrDirectories = 0;

  private constructor(pod: Pod, log: string[]) {
    this.pod = pod;
    this.log = log;
  }

  static async boot(options: Pick<BootOptions, "mode" | "workers">): Promise<WaliPod> {
    const log: string[] = [];
    const image = new Uint8Array(await readFile(IMAGE));
    const mounts = [{ host: TARGET, guest: "/mnt", readOnly: true }];
    return new WaliPod(await boot({ ...options, image, mounts, onLog: (_, line) => log.push(line) }), log);
  }

  /** Runs `name` as it was compiled for WALI. */
  run(name: string, options: RunOptions = {}): Promise<Outcome> {
    return this.execute(`/mnt/${name}.wasm`, options);
  }

  /** Runs any program of the pod in a working directory of its own. */
  async execute(path: string, { argv = [], env = {}, stdin = "" }: RunOptions = {}): Promise<Outcome> {
    this.#nrDirectories += 1;
    const cwd = `/tmp/work${this.#nrDirectories}`;
    await this.pod.files.makeDirectory(cwd);
    const process = await this.pod.run(path, argv, { cwd, env });
    const timer = setTimeout(() => void process.kill(SIGKILL), TIMEOUT_MS);
    try {
      const stdio = process.stdio;
      if (stdin !== "") {
        await Promise.race([stdio?.stdin.write(stdin), process.exit]);
      }
      await stdio?.stdin.end();
      const [status, stdout = "", stderr = ""] = await Promise.all([
        process.exit,
        stdio?.stdout.text(),
        stdio?.stderr.text(),
      ]);
      return { stdout, stderr, status: status.shell };
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.pod.close();
  }
}
