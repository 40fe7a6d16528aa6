/** A process that the embedder started. */
import type { Pool } from "./pool.js";
import type { InputStream, OutputStream } from "./streams.js";
import type { Terminal } from "./terminal.js";

/** How a program is run. */
export interface RunOptions {
  /** Environment variables, on top of HOME, LANG and PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory; `/` by default. */
  readonly cwd?: string;
  /** The program's name for itself; its path by default. */
  readonly argv0?: string;
  /** The terminal for descriptors 0 to 2; without one, the process has streams. */
  readonly terminal?: Terminal;
}

/** The streams of a process without a terminal. */
export interface ProcessStdio {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

/** How a process ended. */
export interface ExitStatus {
  /** The argument of `exit`, or undefined when a signal ended it. */
  readonly code: number | undefined;
  /** The signal that ended it, or undefined. */
  readonly signal: number | undefined;
  /** As a shell's `$?` has it: the code, or 128 and the signal. */
  readonly shell: number;
}

const SIGTERM = 15;

/** A process that was started with `Pod.run`. */
export class Process {
  readonly #pool: Pool;

  constructor(
    pool: Pool,
    /** Its process id. */
    readonly pid: number,
    status: Promise<number>,
    /** Its streams, unless it has a terminal. */
    readonly stdio: ProcessStdio | undefined,
  ) {
    this.#pool = pool;
    this.exit = status.then(decodeStatus);
    // Who does not wait for a process need not hear that its pod has failed.
    this.exit.catch(() => undefined);
  }

  /** Settles when it has ended; rejects with a `PodError` when the pod ends before it. */
  readonly exit: Promise<ExitStatus>;

  /** Sends it a signal: `SIGTERM` by default. */
  async kill(signal: number = SIGTERM): Promise<void> {
    await this.#pool.request({ type: "kill", pid: this.pid, signal });
  }
}

function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) {
    const code = (status >> 8) & 0xff;
    return { code, signal: undefined, shell: code };
  }
  return { code: undefined, signal, shell: 128 + signal };
}
