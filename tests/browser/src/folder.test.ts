/** A folder of the File System Access API in a pod: one of OPFS, as only people can choose another. */
import { fileURLToPath } from "node:url";
import type * as Shoal from "shoal";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Isolation, type Site, serve } from "./site.ts";
import { TerminalPage } from "./terminal_page.ts";

/** Where the page's server has the SDK. */
const SDK = `/@fs${fileURLToPath(new URL("../../../sdk/dist/index.js", import.meta.url))}`;

interface ShoalWindow {
  readonly shoal: { readonly pod: Shoal.Pod | undefined };
  readonly folderProvider: typeof Shoal.folderProvider;
}

const SETUPS: [name: "chromium" | "firefox", isolation: Isolation][] = [
  ["chromium", "isolated"],
  ["firefox", "isolated"],
  ["chromium", "not isolated"],
  ["firefox", "not isolated"],
];

describe.each(SETUPS)("a folder in %s, %s", (name, isolation) => {
  let site: Site;
  let browser: LaunchedBrowser;
  let terminal: TerminalPage;

  beforeAll(async () => {
    site = await serve(isolation);
    browser = await launch(name);
    terminal = await TerminalPage.open(browser, site, {});
    await terminal.waitForPrompt();
    expect(onDemand()).toEqual([]);
    // The test runner would rewrite an import in the function below.
    const content = `import { folderProvider } from "${SDK}"; window.folderProvider = folderProvider;`;
    await terminal.page.addScriptTag({ type: "module", content });
    await terminal.page.waitForFunction("window.folderProvider !== undefined");
    await terminal.page.evaluate(async () => {
      const { shoal, folderProvider } = window as unknown as ShoalWindow;
      const root = await navigator.storage.getDirectory();
      for await (const old of root.keys()) {
        await root.removeEntry(old, { recursive: true });
      }
      const provider = await folderProvider(await root.getDirectoryHandle("shared", { create: true }));
      await shoal.pod?.mount({ guest: "/mnt/folder", provider });
      const readOnly = await folderProvider(await root.getDirectoryHandle("shared"), { readOnly: true });
      await shoal.pod?.mount({ guest: "/mnt/view", provider: readOnly });
    });
    expect(onDemand()).not.toEqual([]);
  });

  afterEach(() => {
    expect(terminal.errors.splice(0), "errors on the console").toEqual([]);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  /** What only such mounts need, as far as it was loaded. */
  const onDemand = () => site.requests.filter((path) => /\/(provided|folder)_files\.js$/.test(path));

  /** What `script` writes in the folder, to both its outputs. */
  const sh = (script: string) =>
    terminal.page.evaluate(async (text: string) => {
      const { stdio, exit } = (await (window as unknown as ShoalWindow).shoal.pod?.run("/bin/sh", ["-c", text])) ?? {};
      stdio?.stdin.end();
      const output = await stdio?.stdout.text();
      await exit;
      return output;
    }, `exec 2>&1; cd /mnt/folder; ${script}`);

  /** What the page itself finds in a file of the folder. */
  const onPage = (path: string) =>
    terminal.page.evaluate(async (names: string[]) => {
      let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("shared");
      for (const directory of names.slice(0, -1)) {
        folder = await folder.getDirectoryHandle(directory);
      }
      return (await (await folder.getFileHandle(names.at(-1) ?? "")).getFile()).text();
    }, path.split("/"));

  test("has what guests write, and shows guests what the page writes", async () => {
    expect(await sh("mkdir -p a/b; echo from the guest >a/b/f; cat a/b/f")).toBe("from the guest\n");
    await expect.poll(() => onPage("a/b/f")).toBe("from the guest\n");
    await terminal.page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("shared");
      const stream = await (await folder.getFileHandle("page", { create: true })).createWritable();
      await stream.write("from the page\n");
      await stream.close();
    });
    expect(await sh("ls; cat page; cat ../view/a/b/f")).toBe("a\npage\nfrom the page\nfrom the guest\n");
  });

  test("shows what the page writes to a file that guests read", async () => {
    const wait = "while read b <steps && [ $b = 1 ]; do :; done";
    const reader = sh(`seq 3 >steps; exec 3<steps; read a <&3; echo >ready; ${wait}; read c <&3; echo $a $b $c`);
    await expect.poll(() => onPage("ready")).toBe("\n");
    await terminal.page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("shared");
      const stream = await (await folder.getFileHandle("steps")).createWritable();
      await stream.write("4\n5\n6\n");
      await stream.close();
    });
    expect(await reader).toBe("1 4 5\n");
    expect(await sh("cat steps; echo 7 >>steps; cat steps; echo 8 >steps; cat steps; rm steps ready")).toBe(
      "4\n5\n6\n4\n5\n6\n7\n8\n",
    );
  });

  test("takes a large file in pieces, appends, truncates and moves", async () => {
    const script = "seq 1 200000 >big; md5sum <big; echo more >>big; tail -n 1 big; mv big a/large; wc -c a/large";
    const output = await sh(script);
    expect(output?.split("\n")).toEqual([
      expect.stringMatching(/^[0-9a-f]{32} {2}-$/),
      "more",
      expect.stringMatching(/^\d{7} a\/large$/),
      "",
    ]);
    expect(await sh("seq 1 200000 | md5sum")).toBe(`${output?.split("\n")[0]}\n`);
    expect(await sh("truncate -s 6 a/large; cat a/large; mv a c; ls c; rm -r c; ls")).toBe("1\n2\n3\nb\nlarge\npage\n");
  });

  test("says what it cannot do", async () => {
    expect(await sh("ln -s a b; mkdir page; cat none; touch ../view/x")).toBe(
      [
        "ln: b: Operation not permitted",
        "mkdir: can't create directory 'page': File exists",
        "cat: can't open 'none': No such file or directory",
        "touch: ../view/x: Read-only file system",
        "",
      ].join("\n"),
    );
    expect(await sh("cp page s; chmod 600 s; printf '#!/bin/sh\\necho ran\\n' >s; ./s; rm s")).toBe("ran\n");
  });
});
