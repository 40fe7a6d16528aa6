/** The page with its terminal, used as a person does: keys in, text out. */
import { fileURLToPath } from "node:url";
import type { KeyInput, Page } from "puppeteer-core";
import { errorsOf, type LaunchedBrowser } from "./browsers.ts";
import type { Site } from "./site.ts";

/** The folder of screenshots, for people to look at. */
export const PICTURES = fileURLToPath(new URL("../../../target/browser", import.meta.url));

/** How a page is opened. */
export interface TerminalPageOptions {
  /** Workers of the pod; the page's own default otherwise. */
  readonly workers?: number;
  /** Memories for guests; the page's own default otherwise. */
  readonly frames?: number;
  /** The most memory of the pod, in bytes; the page's own default otherwise. */
  readonly memory?: number;
  /** The key of the pod's storage; none otherwise. */
  readonly storage?: string;
  /** Runs in the page before its own scripts. */
  readonly beforeLoad?: () => void;
  /** Gets the address of everything that the page loads. */
  readonly onRequest?: (url: string) => void;
}

/** What the page tells of itself; see `examples/web-demo/src/main.ts`. */
interface ShoalWindow {
  readonly shoal: { terminalText(): string };
}

/** How long a screen may take to show what is waited for, in milliseconds. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 25;
/** How much of a terminal an error shows, in lines. */
const LINES_SHOWN = 50;
/** A line of the shell that waits for a command. */
const PROMPT = /[#$] $/;

/** A page with a terminal. */
export class TerminalPage implements AsyncDisposable {
  readonly page: Page;
  /** What the browser's console got as errors, and exceptions that nobody caught. */
  readonly errors: string[];

  private constructor(page: Page) {
    this.page = page;
    this.errors = errorsOf(page);
  }

  /** Opens the page of `site`; does not wait for its pod. */
  static async open(
    { browser }: LaunchedBrowser,
    site: Site,
    options: TerminalPageOptions = {},
  ): Promise<TerminalPage> {
    const opened = new TerminalPage(await browser.newPage());
    const url = new URL(site.url);
    for (const name of ["workers", "frames", "memory", "storage"] as const) {
      const value = options[name];
      if (value !== undefined) {
        url.searchParams.set(name, String(value));
      }
    }
    opened.page.on("request", (request) => options.onRequest?.(request.url()));
    if (options.beforeLoad !== undefined) {
      await opened.page.evaluateOnNewDocument(options.beforeLoad);
    }
    await opened.page.goto(url.href, { waitUntil: "load" });
    return opened;
  }

  /** Waits until the page says that it is `state`: booting, running, ended or failed. */
  async waitForState(state: string): Promise<void> {
    const reached = () => this.page.evaluate(() => document.body.dataset.state ?? "");
    await this.#waitUntil(async () => (await reached()) === state, `the page to be ${state}`);
  }

  /** The terminal's text, lines that have scrolled away included, without what ends the last one. */
  async text(): Promise<string> {
    return this.page.evaluate(() => (window as unknown as ShoalWindow).shoal.terminalText());
  }

  /** Waits until the shell asks for a command. */
  async waitForPrompt(): Promise<void> {
    await this.waitForText(PROMPT);
  }

  /** Waits until the terminal's text matches; the text. */
  async waitForText(pattern: RegExp): Promise<string> {
    let text = "";
    const matches = async () => {
      text = await this.text();
      // The terminal cannot tell the blank behind a prompt from an empty cell.
      return pattern.test(`${text} `);
    };
    await this.#waitUntil(matches, `${String(pattern)} on the terminal`);
    return text;
  }

  /** Presses the keys of `text`. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text);
  }

  /** Presses one key, with Control held if asked. */
  async press(key: KeyInput, modifier?: "Control"): Promise<void> {
    if (modifier !== undefined) {
      await this.page.keyboard.down(modifier);
    }
    await this.page.keyboard.press(key);
    if (modifier !== undefined) {
      await this.page.keyboard.up(modifier);
    }
  }

  /** Types a command and Return; what the terminal shows below it at the next prompt. */
  async command(line: string): Promise<string> {
    await this.waitForPrompt();
    const echo = `${line}\n`;
    const nrBefore = (await this.text()).split(echo).length;
    await this.type(line);
    await this.press("Enter");
    let below: string[] = [];
    const isDone = async () => {
      const parts = (await this.text()).split(echo);
      below = parts.at(-1)?.split("\n") ?? [];
      return parts.length > nrBefore && PROMPT.test(`${below.at(-1)} `);
    };
    await this.#waitUntil(isDone, `a prompt below ${JSON.stringify(line)}`);
    return below.slice(0, -1).join("\n");
  }

  /** Waits for a prompt below the line that begins at `start`; what is between the two. */
  async outputSince(start: number): Promise<string> {
    let lines: string[] = [];
    const isDone = async () => {
      lines = (await this.text()).slice(start).split("\n");
      return lines.length > 1 && PROMPT.test(`${lines.at(-1)} `);
    };
    await this.#waitUntil(isDone, "a new prompt");
    return lines.slice(1, -1).join("\n");
  }

  /** Takes a screenshot. */
  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: `${PICTURES}/${name}.png` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }

  async #waitUntil(condition: () => Promise<boolean>, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await condition())) {
      if (performance.now() > deadline) {
        const errors = this.errors.length > 0 ? `\nThe console has:\n${this.errors.join("\n")}` : "";
        const end = (await this.text()).split("\n").slice(-LINES_SHOWN).join("\n");
        throw new Error(`waited in vain for ${what}. The terminal shows:\n${end}${errors}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
