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
  /** Milliseconds after which it is killed; 20,000 by default. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;
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
   * Runs `argv` to its end with `/dev/null` as its input; a program that takes too long is killed.
   *
   * Dash only opens `/dev/null`: the program runs in its place, with its path as `argv[0]`.
   */
  async run(argv: readonly string[], options: ProgramOptions = {}): Promise<Outcome> {
    const process = await this.#pod.run("/bin/dash", ["-c", 'exec "$0" "$@" </dev/null', ...argv], {
      cwd: options.cwd ?? "/",
      env: { PATH: "/bin:/usr/bin", HOME: "/" },
    });
    const timeout = options.timeout ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => void process.kill(SIGKILL), timeout);
    try {
      const [status, stdout, stderr] = await Promise.all([
        process.exit,
        process.stdio?.stdout.text(),
        process.stdio?.stderr.text(),
      ]);
      return { stdout: stdout ?? "", stderr: stderr ?? "", status };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a line of shell; what it prints, errors among it. */
  async shell(line: string, options: ProgramOptions = {}): Promise<Outcome> {
    return this.run(["/bin/dash", "-c", line], options);
  }

  /** Ends the pod. */
  [Symbol.dispose](): void {
    this.#pod.close();
  }
}
