/** A pod for tests: the built image, the log kept, and programs run to their end. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type BootOptions, boot, type ExitStatus, type Pod } from "shoal/node";

/** What `cargo xtask build guest` made. */
export const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));

/** What a program did. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: ExitStatus;
}

/** How a program is run. */
export interface ProgramOptions {
  /** Its working directory; `/` by default. */
  readonly cwd?: string;
  /** Milliseconds after which it is killed; 60,000 by default. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const SIGKILL = 9;

/** A pod whose log is kept. */
export class TestPod implements Disposable {
  readonly #pod: Pod;
  /** The lines of the kernel's log so far. */
  readonly log: string[];

  private constructor(pod: Pod, log: string[]) {
    this.#pod = pod;
    this.log = log;
  }

  /** Boots the image that was built. */
  static async boot(options: Omit<BootOptions, "image" | "onLog">): Promise<TestPod> {
    const log: string[] = [];
    const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${BUILT}root.ext2`));
    const pod = await boot({ ...options, image, onLog: (_, message) => log.push(message) });
    return new TestPod(pod, log);
  }

  /** The files of the pod. */
  get files(): Pod["files"] {
    return this.#pod.files;
  }

  /**
   * Runs the program at `path` to its end, its input empty; one that takes too long is killed.
   *
   * @throws KernelError as execve(2) fails.
   */
  async run(path: string, argv: readonly string[] = [], options: ProgramOptions = {}): Promise<Outcome> {
    const { cwd = "/", timeout = DEFAULT_TIMEOUT_MS } = options;
    const process = await this.#pod.run(path, argv, { cwd, env: { PATH: "/bin:/usr/bin", HOME: "/" } });
    process.stdio?.stdin.end();
    const timer = setTimeout(() => void process.kill(SIGKILL), timeout);
    try {
      const [status, stdout = "", stderr = ""] = await Promise.all([
        process.exit,
        process.stdio?.stdout.text(),
        process.stdio?.stderr.text(),
      ]);
      return { stdout, stderr, status };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a line of shell, the words behind it as `$0`, `$1` and so on. */
  shell(line: string, words: readonly string[] = [], options: ProgramOptions = {}): Promise<Outcome> {
    return this.run("/bin/sh", ["-c", line, ...words], options);
  }

  /** Ends the pod. */
  [Symbol.dispose](): void {
    this.#pod.close();
  }
}
