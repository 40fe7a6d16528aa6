/**
 * `shoal run` at a real terminal.
 *
 * util-linux's `script` makes the pseudo-terminal; `stty` of this machine changes its size and
 * tells its modes before and after.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CLI, IMAGE, native, temporaryFolder } from "./shoal.ts";

/** What the shell in the pod is told to show before each line. */
export const PROMPT = "pod$ ";
/** How long something may take to appear, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Control characters, by the key that is held with Ctrl. */
export const control = (key: string): string => String.fromCharCode(key.charCodeAt(0) & 0x1f);
/** What the keys of a terminal send. */
export const KEYS = {
  enter: "\r",
  escape: "\x1b",
  backspace: "\x7f",
  up: "\x1b[A",
  right: "\x1b[C",
  left: "\x1b[D",
} as const;

/** A shell of this machine in a pseudo-terminal, that runs `shoal run` and tells how it ended. */
export class TerminalSession {
  readonly #script: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  readonly #remove: () => PromiseLike<void>;
  readonly #closed: Promise<void>;
  #output = "";
  /** How much of the output earlier expectations have used up. */
  #seen = 0;
  #wake: () => void = () => undefined;

  private constructor(script: ChildProcessWithoutNullStreams, folder: string, remove: () => PromiseLike<void>) {
    this.#script = script;
    this.#folder = folder;
    this.#remove = remove;
    script.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
      this.#wake();
    });
    script.stdin.on("error", () => undefined);
    this.#closed = new Promise((resolve) => script.on("close", () => resolve()));
  }

  /** Opens a terminal of 80 columns and 24 rows and runs `shoal run` with `args` in it. */
  static async open(args: readonly string[]): Promise<TerminalSession> {
    const folder = await temporaryFolder();
    const steps = [
      `cd ${quote(folder.path)}`,
      "stty cols 80 rows 24",
      "tty >tty",
      "stty -g >before",
      // One process in the foreground, whose id is known.
      ["sh", "-c", 'echo $$ >pid; exec "$0" "$@"', process.execPath, CLI, "run", ...args].map(quote).join(" "),
      "echo $? >status",
      "stty -g >after",
    ];
    const script = spawn("script", ["-qfe", "-E", "always", "-c", steps.join("; "), "/dev/null"], {
      env: { ...process.env, SHOAL_IMAGE: IMAGE, TERM: "xterm", SHELL: "/bin/sh" },
    });
    return new TerminalSession(script, folder.path, () => folder[Symbol.asyncDispose]());
  }

  /** Opens a terminal with an interactive shell of the pod and waits for its prompt. */
  static async shell(options: readonly string[] = []): Promise<TerminalSession> {
    const session = await TerminalSession.open([...options, "--env", `PS1=${PROMPT}`, "--", "sh", "-i"]);
    await session.expect(PROMPT);
    return session;
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#script.stdin.write(text);
  }

  /** Types a line and Enter. */
  line(text: string): void {
    this.type(`${text}${KEYS.enter}`);
  }

  /** Waits until the terminal has shown `text`, since what was expected last; what came before it. */
  async expect(text: string): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = this.#output.indexOf(text, this.#seen);
      if (at >= 0) {
        const before = this.#output.slice(this.#seen, at);
        this.#seen = at + text.length;
        return before;
      }
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(this.#output.slice(this.#seen))}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Runs one command of the pod's shell; what it printed, with line ends as in a file. */
  async command(text: string): Promise<string> {
    this.line(text);
    await this.expect("\r\n");
    return (await this.expect(PROMPT)).replaceAll("\r\n", "\n").replaceAll("\x1b[6n", "");
  }

  /** Gives the terminal another size, as a window manager does. */
  async resize(columns: number, rows: number): Promise<void> {
    const tty = (await this.#record("tty")) ?? "";
    await native("stty", ["-F", tty, "cols", String(columns), "rows", String(rows)]);
  }

  /** The process id of `shoal run`. */
  async pid(): Promise<number> {
    return Number(await this.#record("pid"));
  }

  /** Waits for the end: the status, and whether the terminal's modes are as before. */
  async end(): Promise<{ status: number; restored: boolean }> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`still runs: ${JSON.stringify(this.#output.slice(this.#seen))}`)),
        PATIENCE_MS,
      );
    });
    await Promise.race([this.#closed, late]);
    clearTimeout(timer);
    const [before, after, status] = await Promise.all(["before", "after", "status"].map((name) => this.#record(name)));
    return { status: Number(status), restored: before !== undefined && before === after };
  }

  /** Ends whatever still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#script.kill("SIGKILL");
    await this.#remove();
  }

  async #record(name: string): Promise<string | undefined> {
    return (await readFile(join(this.#folder, name), "utf8").catch(() => undefined))?.trim();
  }
}

/** A word for sh. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
