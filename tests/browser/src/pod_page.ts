/** A pod in a browser that runs programs without a terminal: for benchmarks and tests of the SDK. */
import type { Pod } from "shoal";
import { type BrowserName, type LaunchedBrowser, launch } from "./browsers.ts";
import { type Isolation, type Site, serve } from "./site.ts";
import { TerminalPage } from "./terminal_page.ts";

/** How the pod is made. */
export interface PodPageOptions {
  /** Workers of the pool; the page's own default otherwise. */
  readonly workers?: number;
  /** Memories for guests; the page's own default otherwise. */
  readonly frames?: number;
  /** Whether the page may share memory; it may by default. */
  readonly isolation?: Isolation;
}

/** How a program ended and what it wrote. */
export interface Finished {
  /** As a shell's `$?`: the exit code, or 128 and the signal. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The page tells of its pod; see `examples/web-demo/src/main.ts`. */
interface ShoalWindow {
  readonly shoal: { readonly pod: Pod | undefined };
}

/** A browser with one page, and a pod in it. The root image is `SHOAL_IMAGE` or the built one. */
export class PodPage implements AsyncDisposable {
  readonly #browser: LaunchedBrowser;
  readonly #site: Site;
  readonly #page: TerminalPage;
  #nrTalks = 0;

  private constructor(browser: LaunchedBrowser, site: Site, page: TerminalPage) {
    this.#browser = browser;
    this.#site = site;
    this.#page = page;
  }

  /** Starts a browser, serves the page to it and waits until its pod has booted. */
  static async open(name: BrowserName, options: PodPageOptions = {}): Promise<PodPage> {
    await using undo = new AsyncDisposableStack();
    const site = undo.use(await serve(options.isolation));
    const browser = undo.use(await launch(name));
    const page = await TerminalPage.open(browser, site, options);
    await page.waitForPrompt();
    undo.move();
    return new PodPage(browser, site, page);
  }

  /** The browser's product and version. */
  version(): Promise<string> {
    return this.#browser.browser.version();
  }

  /**
   * Runs the program at `path` in the guest, with nothing to read, and waits for its end.
   *
   * `argv` are the arguments behind its name. No shell takes part.
   */
  run(path: string, argv: readonly string[] = []): Promise<Finished> {
    return this.#page.page.evaluate(
      async (program: string, words: string[]): Promise<Finished> => {
        const { pod } = (window as unknown as ShoalWindow).shoal;
        if (pod === undefined) {
          throw new Error("the page's pod does not run");
        }
        const { stdio, exit } = await pod.run(program, words);
        stdio?.stdin.end();
        const [status, stdout, stderr] = await Promise.all([exit, stdio?.stdout.text(), stdio?.stderr.text()]);
        return { status: status.shell, stdout: stdout ?? "", stderr: stderr ?? "" };
      },
      path,
      [...argv],
    );
  }

  /** The browser's first process on this machine. */
  processId(): number {
    return this.#browser.browser.process()?.pid ?? 0;
  }

  /** Lets the page and its Workers collect their garbage, where the browser can be told to. */
  async collectGarbage(): Promise<void> {
    if (this.#browser.name === "chromium") {
      const { page } = this.#page;
      const sessions = [await page.createCDPSession(), ...page.workers().map((worker) => worker.client)];
      await Promise.all(sessions.map((session) => session.send("HeapProfiler.collectGarbage")));
      await sessions[0]?.detach();
    }
  }

  /**
   * Runs the program at `path` and talks with it: `hear` gets what it writes to its standard output,
   * and what that returns is what it reads.
   */
  async converse(
    path: string,
    argv: readonly string[],
    hear: (text: string) => Promise<string>,
  ): Promise<Omit<Finished, "stdout">> {
    const { page } = this.#page;
    this.#nrTalks += 1;
    const name = `shoalHears${this.#nrTalks}`;
    await page.exposeFunction(name, hear);
    return page.evaluate(
      async (program: string, words: string[], listener: string) => {
        const { pod } = (window as unknown as ShoalWindow).shoal;
        if (pod === undefined) {
          throw new Error("the page's pod does not run");
        }
        const hears = (window as unknown as Record<string, (text: string) => Promise<string>>)[listener];
        const { stdio, exit } = await pod.run(program, words);
        const errors = stdio?.stderr.text();
        const decoder = new TextDecoder();
        for await (const chunk of stdio?.stdout ?? []) {
          const answer = await hears?.(decoder.decode(chunk, { stream: true }));
          await stdio?.stdin.write(answer ?? "");
        }
        return { status: (await exit).shell, stderr: (await errors) ?? "" };
      },
      path,
      [...argv],
      name,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser[Symbol.asyncDispose]();
    await this.#site[Symbol.asyncDispose]();
  }
}
