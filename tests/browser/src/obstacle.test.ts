/** What the page says where it cannot run a pod. */
import { mkdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Isolation, serve } from "./site.ts";
import { PICTURES, TerminalPage, type TerminalPageOptions } from "./terminal_page.ts";

describe.each(["chromium", "firefox"] as const)("without what a pod needs, the page in %s", (name) => {
  let browser: LaunchedBrowser;

  beforeAll(async () => {
    await mkdir(PICTURES, { recursive: true });
    browser = await launch(name);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
  });

  /** The page's notice, once it is there, and nothing on the console. */
  const notice = async (isolation: Isolation, options: TerminalPageOptions = {}) => {
    await using site = await serve(isolation);
    await using terminal = await TerminalPage.open(browser, site, options);
    await terminal.waitForState("failed");
    await terminal.picture(`${name}-${isolation.replace(" ", "-")}`);
    expect(terminal.errors).toEqual([]);
    return await terminal.page.$eval("#notice", (element) => element.textContent ?? "");
  };

  test("names the headers that isolate a page, when it is told to use several Workers", async () => {
    const text = await notice("not isolated", { workers: 2 });
    expect(text).toContain("not cross-origin isolated");
    expect(text).toContain("Cross-Origin-Opener-Policy: same-origin");
    expect(text).toContain("Cross-Origin-Embedder-Policy: require-corp");
  });

  test.each(["isolated", "not isolated"] as const)(
    "names the browsers that can suspend WebAssembly, %s",
    async (isolation) => {
      const text = await notice(isolation, { beforeLoad: () => Reflect.deleteProperty(WebAssembly, "Suspending") });
      expect(text).toContain("JavaScript Promise Integration");
      expect(text).toContain("Firefox 153");
    },
  );
});
