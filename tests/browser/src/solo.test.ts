/** The page without the headers that isolate it: one Worker, no shared memory, the same terminal. */
import { mkdir } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Site, serve } from "./site.ts";
import { PICTURES, TerminalPage } from "./terminal_page.ts";

describe.each(["chromium", "firefox"] as const)("the page in %s without isolation", (name) => {
  let site: Site;
  let browser: LaunchedBrowser;
  let terminal: TerminalPage;
  const kernels: string[] = [];

  beforeAll(async () => {
    await mkdir(PICTURES, { recursive: true });
    site = await serve("not isolated");
    browser = await launch(name);
    terminal = await TerminalPage.open(browser, site, { onRequest: (url) => kernels.push(url) });
    await terminal.waitForPrompt();
  });

  afterEach(() => {
    expect(terminal.errors.splice(0), "errors on the console").toEqual([]);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  test("has no shared memory, loads one kernel and says so", async () => {
    expect(await terminal.page.evaluate(() => [crossOriginIsolated, "SharedArrayBuffer" in globalThis])).toEqual([
      false,
      false,
    ]);
    const names = kernels
      .map((url) => new URL(url).pathname.split("/").at(-1))
      .filter((file) => file?.endsWith(".wasm"));
    expect(names).toEqual(["shoal_kernel_solo.wasm"]);
    expect(await terminal.page.$eval("#status", (status) => status.textContent)).toContain("solo");
    await terminal.picture(`${name}-solo`);
  });

  test("runs a pipeline of three processes", async () => {
    const output = await terminal.command("echo Hello World | sha1sum | tr a-z A-Z");
    expect(output).toBe("648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -");
  });

  test("loads the pass for fork when a program that forks comes, and not before", async () => {
    const passes = () => site.requests.filter((path) => path.endsWith("/shoal_fork.wasm")).length;
    expect(await terminal.command("ls /bin | sort | head -n 1")).toBe("arch");
    expect(passes()).toBe(0);
    expect(await terminal.command("dash -c '(echo child; exit 3); echo $?'")).toBe("child\n3");
    expect(passes()).toBe(1);
  });

  test("Control-C ends a loop of the shell that makes no call", async () => {
    await terminal.waitForPrompt();
    await terminal.type("while :; do :; done\n");
    await terminal.waitForText(/done $/);
    await terminal.press("c", "Control");
    await terminal.waitForText(/done\n\^C\n?[^\n]*[#$] $/);
    expect(await terminal.command("echo alive")).toBe("alive");
  });

  test("Control-C ends a program that makes no call", async () => {
    await terminal.type("sh -c 'echo started; while :; do :; done'\n");
    await terminal.waitForText(/\nstarted $/);
    await terminal.press("c", "Control");
    await terminal.waitForText(/\nstarted\n\^C\n?[^\n]*[#$] $/);
    expect(await terminal.command("echo $?")).toBe("130");
  });

  test("the prompt stays usable beside a loop, which kill ends", async () => {
    await terminal.command("while :; do :; done &");
    expect(await terminal.command("seq 1 1000 | sort -rn | head -n 1")).toBe("1000");
    await terminal.command("kill %1; wait 2>/dev/null");
    expect(await terminal.command("jobs; echo none")).toBe("none");
  });

  test("the kernel's memory may grow under all that runs", async () => {
    // Files in memory are the kernel's: 112 MiB do not fit what it has after boot.
    const big = "head -c 112m /dev/zero >/tmp/big; wc -c </tmp/big; rm /tmp/big";
    expect(await terminal.command(big)).toBe(String(112 << 20));
    expect(await terminal.command("echo Hello World | sha1sum | tr a-z A-Z")).toContain("648A6A6F");
  });
});
