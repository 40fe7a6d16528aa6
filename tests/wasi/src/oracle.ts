/** A module run by wasmtime, and by a pod, each in an empty working directory. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BootOptions, boot, type ExitStatus, type Pod } from "shoal/node";
import { IMAGE, TARGET, WASMTIME } from "./places.ts";

/** What a module did. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** As a shell has it. */
  readonly status: number;
}

/** How a module is run. */
export interface ModuleOptions {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  /** Files of the working directory. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What a pod has besides what all have. */
export type PodOptions = Pick<BootOptions, "mode" | "workers" | "mounts">;

/** Runs `module`, a path below `target/wasi`, by wasmtime. */
export async function runInWasmtime(module: string, options: ModuleOptions = {}): Promise<Outcome> {
  const { argv = [], env = {}, stdin = "", files = {} } = options;
  const root = await mkdtemp(join(tmpdir(), "shoal-wasi-"));
  try {
    await mkdir(`${root}/cwd`);
    for (const [name, text] of Object.entries(files)) {
      await writeFile(`${root}/cwd/${name}`, text);
    }
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const directories = ["--dir", `${root}::/`, "--dir", `${root}/cwd::.`];
    const path = `${TARGET}${module}`;
    const compiled = existsSync(`${path}.compiled`);
    const program = compiled ? ["--allow-precompiled", "--argv0", path, `${path}.compiled`] : [path];
    const child = spawn(WASMTIME, ["run", ...variables, ...directories, ...program, ...argv]);
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
      child.on("close", (code) => resolve(code ?? -1));
    });
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { stdout, stderr, status };
  } finally {
    await rm(root, { recursive: true });
  }
}

const SIGKILL = 9;
const TIMEOUT_MS = 240_000;

/** A pod that has `target/wasi` at `/mnt`. */
export class WasiPod implements Disposable {
  readonly #pod: Pod;
  #nrDirectories = 0;
  /** The lines of the kernel's log so far. */
  readonly log: string[];

  private constructor(pod: Pod, log: string[]) {
    this.#pod = pod;
    this.log = log;
  }

  static async boot(options: PodOptions): Promise<WasiPod> {
    const log: string[] = [];
    const image = new Uint8Array(await readFile(IMAGE));
    const mounts = [{ host: TARGET, guest: "/mnt", readOnly: true }, ...(options.mounts ?? [])];
    return new WasiPod(await boot({ ...options, image, mounts, onLog: (_, line) => log.push(line) }), log);
  }

  /** The pod itself. */
  get pod(): Pod {
    return this.#pod;
  }

  /** Runs `module`, a path below `target/wasi`. */
  run(module: string, options: ModuleOptions = {}): Promise<Outcome> {
    return this.execute(`/mnt/${module}`, options);
  }

  /** Runs a line of shell. */
  shell(line: string): Promise<Outcome> {
    return this.execute("/bin/sh", { argv: ["-c", line] });
  }

  /** Runs any program of the pod in a working directory of its own. */
  async execute(path: string, options: ModuleOptions = {}): Promise<Outcome> {
    const { argv = [], env = {}, stdin = "", files = {} } = options;
    this.#nrDirectories += 1;
    const cwd = `/tmp/work${this.#nrDirectories}`;
    await this.#pod.files.makeDirectory(cwd);
    for (const [name, text] of Object.entries(files)) {
      await this.#pod.files.write(`${cwd}/${name}`, text);
    }
    const process = await this.#pod.run(path, argv, { cwd, env });
    const timer = setTimeout(() => void process.kill(SIGKILL), TIMEOUT_MS);
    try {
      const stdio = process.stdio;
      const [status, stdout = "", stderr = ""] = await Promise.all([
        process.exit,
        stdio?.stdout.text(),
        stdio?.stderr.text(),
        feed(stdio?.stdin, stdin, process.exit),
      ]);
      return { stdout, stderr, status: status.shell };
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#pod.close();
  }
}

/** Writes what a process is to read; that it reads no more of it is its own affair. */
async function feed(
  stdin: { write(data: string | Uint8Array): unknown; end(): unknown } | undefined,
  data: string | Uint8Array,
  exit: Promise<ExitStatus>,
): Promise<void> {
  if (data.length > 0) {
    await Promise.race([stdin?.write(data), exit]);
  }
  await stdin?.end();
}
