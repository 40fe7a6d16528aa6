/** Chromium over the DevTools protocol and Firefox over WebDriver BiDi, each with a new profile or one that stays. */
import { constants } from "node:fs";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";

/** The browsers that Shoal is tested in. */
export type BrowserName = "chromium" | "firefox";

/** A browser that runs; disposing it ends it and removes its profile. */
export interface LaunchedBrowser extends AsyncDisposable {
  readonly name: BrowserName;
  readonly browser: Browser;
  /** Ends all its processes at once, as a crash does; nothing is written any more. */
  kill(): Promise<void>;
}

/** How a browser is started. */
export interface LaunchOptions {
  /** The folder of its profile, which is there and stays; absent: a new one for this launch. */
  readonly profile?: string;
}

/** What the programs are called, the first that is installed is taken. */
const PROGRAMS = {
  chromium: ["chromium", "chromium-browser", "google-chrome"],
  firefox: ["firefox-esr", "firefox"],
} as const;

const CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];

/**
 * Starts a browser without a window.
 *
 * @throws when it is not installed, or does not start.
 */
export async function launch(name: BrowserName, { profile }: LaunchOptions = {}): Promise<LaunchedBrowser> {
  const executablePath = await find(PROGRAMS[name]);
  const folder = profile ?? (await mkdtemp(join(tmpdir(), `shoal-${name}-`)));
  const browser = await puppeteer.launch({
    browser: name === "chromium" ? "chrome" : "firefox",
    executablePath,
    args: name === "chromium" ? CHROMIUM_ARGUMENTS : [],
    userDataDir: folder,
    // Firefox as root refuses a home that is somebody else's. What a killed browser leaves goes with its profile.
    env: { ...process.env, HOME: folder, TMPDIR: folder },
    defaultViewport: { width: 960, height: 600 },
    // A benchmark is one call that may take minutes.
    protocolTimeout: 0,
  });
  const first = browser.process();
  const ended = new Promise<void>((resolve) => first?.once("exit", () => resolve()));
  let isKilled = false;
  return {
    name,
    browser,
    async kill() {
      isKilled = true;
      if (first?.pid === undefined) {
        throw new Error("the browser has no process of this machine");
      }
      // It was started as the first of a group of its own.
      process.kill(-first.pid, "SIGKILL");
      await ended;
    },
    async [Symbol.asyncDispose]() {
      if (!isKilled) {
        await browser.close();
      }
      if (profile === undefined) {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

/** What the console of `page` gets as errors from now on, and exceptions that nobody catches: the list grows. */
export function errorsOf(page: Page): string[] {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") {
      errors.push(message.text());
    }
  });
  return errors;
}

async function find(programs: readonly string[]): Promise<string> {
  for (const program of programs) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const file = join(folder, program);
      try {
        await access(file, constants.X_OK);
        return file;
      } catch {
        // The next one, then.
      }
    }
  }
  throw new Error(`none of ${programs.join(", ")} is installed`);
}
