/** The page's terminal in each browser: a shell, its signals, its editing, its size. */
import { mkdir } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Site, serve } from "./site.ts";
import { PICTURES, TerminalPage } from "./terminal_page.ts";

describe.each(["chromium", "firefox"] as const)("the page in %s", (name) => {
  let site: Site;
  let browser: LaunchedBrowser;
  let terminal: TerminalPage;

  beforeAll(async () => {
    await mkdir(PICTURES, { recursive: true });
    site = await serve();
    browser = await launch(name);
    terminal = await TerminalPage.open(browser, site);
    await terminal.waitForPrompt();
  });

  afterEach(() => {
    expect(terminal.errors.splice(0), "errors on the console").toEqual([]);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  test("runs a pipeline of three processes", async () => {
    const output = await terminal.command("echo Hello World | sha1sum | tr a-z A-Z");
    expect(output).toBe("648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -");
  });

  test("starts in the home of root, with a size and a terminal", async () => {
    expect(await terminal.command("pwd; id -un; tty; echo $TERM")).toBe("/root\nroot\n/dev/tty1\nxterm-256color");
  });

  test("Control-C ends a program that reads and one that sleeps", async () => {
    for (const program of ["cat", "sleep 100"]) {
      await terminal.waitForPrompt();
      const before = (await terminal.text()).length;
      await terminal.type(program);
      await terminal.press("Enter");
      if (program === "cat") {
        await terminal.type("echoed");
        await terminal.press("Enter");
        await terminal.waitForText(/\nechoed\nechoed $/);
      } else {
        await terminal.waitForText(/sleep 100 $/);
      }
      await terminal.press("c", "Control");
      expect(await terminal.outputSince(before)).toMatch(/\^C$/);
      expect(await terminal.command("echo $?")).toBe("130");
    }
  });

  test("Control-D ends the input", async () => {
    await terminal.waitForPrompt();
    const before = (await terminal.text()).length;
    await terminal.type("wc -l\n1\n2\n");
    await terminal.press("d", "Control");
    expect(await terminal.outputSince(before)).toBe("1\n2\n2");
  });

  test("arrow up brings the last command back", async () => {
    expect(await terminal.command("echo $((6 * 7))")).toBe("42");
    const before = (await terminal.text()).length;
    await terminal.press("ArrowUp");
    await terminal.waitForText(/echo \$\(\(6 \* 7\)\) $/);
    await terminal.press("Backspace");
    await terminal.press("Backspace");
    await terminal.press("Backspace");
    await terminal.type("8))\n");
    expect(await terminal.outputSince(before)).toBe("48");
  });

  test("text that is not ASCII goes in and out", async () => {
    expect(await terminal.command("echo 'Grüße' | wc -c")).toBe("8");
    expect(await terminal.command("echo 'Grüße' | od -An -tx1")).toBe(" 47 72 c3 bc c3 9f 65 0a");
    expect(await terminal.command("printf '\\344\\270\\226\\347\\225\\214 \\360\\237\\220\\237\\n'")).toBe("世界 🐟");
    await terminal.picture(`${name}-terminal`);
  });

  test("a program that writes much is all shown", async () => {
    const output = await terminal.command("seq 1 4000");
    expect(output).toBe(Array.from({ length: 4000 }, (_, index) => index + 1).join("\n"));
  });

  test("a resized window tells the programs its size", async () => {
    const size = async () => (await terminal.command("stty size")).split(" ").map(Number);
    const [rows = 0, columns = 0] = await size();
    expect(rows).toBeGreaterThan(20);
    expect(columns).toBeGreaterThan(80);
    await terminal.type("sh -c 'trap \"stty size\" WINCH; echo ready; while :; do sleep 0.1; done'\n");
    await terminal.waitForText(/\nready $/);
    await terminal.page.setViewport({ width: 640, height: 400 });
    const told = await terminal.waitForText(/\nready\n\d+ \d+ $/);
    const [newRows, newColumns] = told.split("\n").at(-1)?.split(" ").map(Number) ?? [];
    expect(newRows).toBeLessThan(rows);
    expect(newColumns).toBeLessThan(columns);
    await terminal.press("c", "Control");
    await terminal.waitForPrompt();
    expect(await size()).toEqual([newRows, newColumns]);
    await terminal.page.setViewport({ width: 960, height: 600 });
    await expect.poll(size).toEqual([rows, columns]);
  });

  test("a full-screen editor draws, edits and leaves the screen", async () => {
    await terminal.type("vi /tmp/note\n");
    await terminal.waitForText(/~\n.*\/tmp\/note/s);
    await terminal.type("iwritten in a tab");
    await terminal.press("Escape");
    // Keys that come too soon after an Escape would be taken for a part of its sequence.
    await terminal.waitForText(/- \/tmp\/note \[Modified\]/);
    await terminal.picture(`${name}-editor`);
    await terminal.type(":wq\n");
    expect(await terminal.command("cat /tmp/note")).toBe("written in a tab");
  });

  test("a shell that ends can be followed by another, with the same files", async () => {
    await terminal.command("echo kept >/tmp/kept");
    await terminal.type("exit 3\n");
    await terminal.waitForState("ended");
    await terminal.waitForText(/\[the shell ended with status 3\]/);
    await terminal.page.click("#restart");
    await terminal.waitForState("running");
    expect(await terminal.command("cat /tmp/kept")).toBe("kept");
  });

  test("a hundred programs live at once and die at once", async () => {
    await terminal.command("for i in $(seq 100); do sleep 100 & done");
    expect(await terminal.command("ps | grep -c '[s]leep 100'")).toBe("100");
    await terminal.command("killall sleep");
    expect(await terminal.command("ps | grep -c '[s]leep 100'")).toBe("0");
  });

  test("the shell outlives a program that starts itself again and again", async () => {
    await using small = await TerminalPage.open(browser, site, { memory: 64 << 20 });
    const bomb = "echo 'sh /tmp/bomb' >/tmp/bomb; sh /tmp/bomb; echo $?";
    expect(await small.command(bomb)).toBe("sh: can't execute 'sh': Out of memory\n2");
    expect(await small.command("echo alive; ps | grep -c '[b]omb'")).toBe("alive\n0");
    expect(small.errors).toEqual([]);
  });

  test("runs on one Worker and on four", async () => {
    for (const workers of [1, 4]) {
      await using other = await TerminalPage.open(browser, site, { workers });
      expect(await other.command("seq 1 1000 | sort -rn | head -n 1")).toBe("1000");
      expect(await other.page.$eval("#status", (status) => status.textContent)).toContain(`${workers} Worker`);
      expect(other.errors).toEqual([]);
    }
  });
});
