/** Storages in real browsers: what is kept over reloads, in private files and in IndexedDB, and one pod at a time. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { faultsOf } from "./faults.ts";
import { type Site, serve } from "./site.ts";
import { StoragePage, type StorageWindow, smallImage, storageSite } from "./storage_page.ts";
import { TerminalPage } from "./terminal_page.ts";

describe.each(["chromium", "firefox"] as const)("a storage in %s", (name) => {
  let folder: string;
  let upload: string;
  let site: Site;
  let browser: LaunchedBrowser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "shoal-storage-"));
    upload = join(folder, "upload.ext2");
    const image = join(folder, "small.ext2");
    await smallImage(image);
    site = await serve("isolated", [storageSite(image, upload)]);
    browser = await launch(name);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    { where: "private files", database: false, mode: "pool" },
    { where: "IndexedDB", database: true, mode: "pool" },
    { where: "private files, solo", database: false, mode: "solo" },
    { where: "IndexedDB, solo", database: true, mode: "solo" },
  ] as const)("keeps files over a reload, in $where", async ({ database, mode }) => {
    const storage = { key: `kept ${mode}/${database}`, database };
    const page = await StoragePage.open(browser, site);
    expect(await page.boot({ storage, mode })).toBe("ok");
    await page.output("mkdir -p a/b && seq 1 50000 >a/b/numbers && ln -s b a/link && sync");
    await page.reload();
    expect(await page.boot({ storage, mode })).toBe("ok");
    expect(await page.output("seq 1 50000 | cmp - a/link/numbers && rm -r a && echo gone >note")).toBe("");
    await page.page.evaluate(() => (window as unknown as StorageWindow).pod?.sync());
    await page.reload();
    expect(await page.boot({ storage, mode })).toBe("ok");
    expect(await page.output("ls; cat note")).toBe("note\ngone\n");
    await rm(upload, { force: true });
    await page.uploadImage();
    expect(await faultsOf(upload)).toBe("");
    expect(page.errors).toEqual([]);
    await page.page.close();
  });

  it("gives each key its own, and nothing to a pod without", async () => {
    const page = await StoragePage.open(browser, site);
    for (const key of ["one", "two", "../one", "ein Schlüssel"]) {
      expect(await page.boot({ storage: { key } })).toBe("ok");
      expect(await page.output(`ls; echo '${key}' >key; sync`)).toBe("");
      await page.page.evaluate(() => (window as unknown as StorageWindow).pod?.shutdown());
    }
    expect(await page.boot({ storage: { key: "one" } })).toBe("ok");
    expect(await page.output("cat key")).toBe("one\n");
    await page.reload();
    expect(await page.boot({})).toBe("ok");
    expect(await page.output("ls")).toBe("");
    expect(page.errors).toEqual([]);
    await page.page.close();
  });

  it.each([{ database: false }, { database: true }])("is one pod's at a time ($database)", async ({ database }) => {
    const storage = { key: `shared ${database}`, database };
    const first = await StoragePage.open(browser, site);
    const second = await StoragePage.open(browser, site);
    expect(await first.boot({ storage })).toBe("ok");
    const busy = `busy: the storage "${storage.key}" is open in another tab or pod`;
    expect(await second.boot({ storage })).toBe(busy);
    const remove = (key: string) =>
      (window as unknown as StorageWindow).sdk.deleteStorage({ key }).then(
        () => "deleted",
        (error: { code: string }) => error.code,
      );
    expect(await second.page.evaluate(remove, storage.key)).toBe("busy");
    expect(await second.boot({ storage: { key: "another" } })).toBe("ok");
    await first.output("echo first >who; sync");
    await first.page.close();
    await second.reload();
    expect(await second.boot({ storage })).toBe("ok");
    expect(await second.output("cat who")).toBe("first\n");
    await second.page.evaluate(() => (window as unknown as StorageWindow).pod?.shutdown());
    expect(await second.page.evaluate(remove, storage.key)).toBe("deleted");
    expect(await second.boot({ storage })).toBe("ok");
    expect(await second.output("ls")).toBe("");
    await second.page.close();
  });

  it("is kept by the page with a terminal under the name in its address", async () => {
    for (const expected of ["", "kept\n"]) {
      await using terminal = await TerminalPage.open(browser, site, { storage: "terminal" });
      expect(await terminal.command("cat kept 2>/dev/null; echo kept >kept; sync; echo synced")).toBe(
        `${expected}synced`,
      );
      expect(terminal.errors).toEqual([]);
    }
  });

  it("is written when the page is hidden", async () => {
    const storage = { key: "hidden" };
    const page = await StoragePage.open(browser, site);
    expect(await page.boot({ storage })).toBe("ok");
    await page.output("echo written >note");
    const flushed = await page.page.evaluate(async () => {
      const { pod } = window as unknown as StorageWindow;
      const before = (await pod?.storage?.statistics())?.changedBytes ?? 0;
      Object.defineProperty(document, "visibilityState", { value: "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
      for (let round = 0; round < 100; round += 1) {
        if (((await pod?.storage?.statistics())?.changedBytes ?? 0) > before) {
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return false;
    });
    expect(flushed).toBe(true);
    await page.page.close();
  });

  it("moves to another key by export and import", async () => {
    const page = await StoragePage.open(browser, site);
    expect(await page.boot({ storage: { key: "from" } })).toBe("ok");
    await page.output("seq 1 30000 >numbers");
    await page.page.evaluate(async () => {
      const { pod, sdk } = window as unknown as StorageWindow;
      const bytes = (await pod?.storage?.export()) ?? new Uint8Array();
      const image = new URL("small.ext2", document.baseURI);
      await sdk.importStorage({ image, storageKey: "to" }, bytes);
    });
    await page.reload();
    expect(await page.boot({ storage: { key: "to" } })).toBe("ok");
    expect(await page.output("seq 1 30000 | cmp - numbers; ls")).toBe("numbers\n");
    expect(page.errors).toEqual([]);
    await page.page.close();
  });

  it("lies over an image that is streamed by ranges", async () => {
    const storage = { key: "streamed" };
    const page = await StoragePage.open(browser, site);
    const fetched = () =>
      page.page.evaluate(
        async () => (await (window as unknown as StorageWindow).pod?.storage?.statistics())?.fetchedBytes,
      );
    expect(await page.boot({ image: "ranges.ext2", storage })).toBe("ok");
    expect(await page.output("echo Hello World | sha1sum | tr a-z A-Z; echo new >file; sync")).toBe(
      "648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -\n",
    );
    const first = await fetched();
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(16 << 20);
    await page.reload();
    expect(await page.boot({ image: "ranges.ext2", storage })).toBe("ok");
    expect(await page.output("cat file")).toBe("new\n");
    console.info(`${name}: the first boot fetched ${first} bytes, the second ${await fetched()}`);
    expect(page.errors).toEqual([]);
    await page.page.close();
  });
});
