/** Programs that compute all the time, beside a shell: turns, signals and Control-C in each browser. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Site, serve } from "./site.ts";
import { TerminalPage } from "./terminal_page.ts";

describe.each(["chromium", "firefox"] as const)("%s", (name) => {
  let site: Site;
  let browser: LaunchedBrowser;

  beforeAll(async () => {
    site = await serve();
    browser = await launch(name);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  test.each([1, 2])("a shell beside programs that compute, on %d Worker(s)", async (workers) => {
    await using terminal = await TerminalPage.open(browser, site, { workers });
    await terminal.waitForPrompt();
    for (const signal of ["TERM", "KILL", "INT"]) {
      await terminal.command("while :; do :; done &");
      expect(await terminal.command("p=$!; echo $((6 * 7))")).toBe("42");
      // The shell's own words on its jobs may stand before or behind.
      await terminal.command("state() { sleep 0.1; echo is $(cut -d' ' -f3 /proc/$p/stat); }");
      expect(await terminal.command("kill -STOP $p; state")).toContain("is T");
      expect(await terminal.command("kill -CONT $p; state")).toContain("is R");
      await terminal.command(`kill -${signal} $p`);
      expect(await terminal.command("sleep 0.1; [ -e /proc/$p ] || echo gone")).toContain("gone");
      await terminal.command("jobs");
    }
    await terminal.type("sh -c 'echo go; while :; do :; done'\n");
    await terminal.waitForText(/\ngo $/);
    await terminal.press("c", "Control");
    expect(await terminal.command("echo $?")).toBe("130");
    expect(terminal.errors).toEqual([]);
  });
});
