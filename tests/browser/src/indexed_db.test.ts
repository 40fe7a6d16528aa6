/** The store of a disk's changes in IndexedDB, in real browsers: against bytes in memory, and across reloads. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LaunchedBrowser, launch } from "./browsers.ts";
import { type Site, serve } from "./site.ts";
import { StoragePage, storageSite } from "./storage_page.ts";

/** As in `sdk/src/disk/store.ts`. */
interface Store {
  length(): number;
  readAt(offset: number, into: Uint8Array): number;
  writeAt(offset: number, bytes: Uint8Array): number;
  truncate(length: number): number;
  sync(): number;
}
interface Storage {
  readonly stores: readonly [Store, Store];
  onSettled?: () => void;
  hold(isHeld: boolean): void;
  close(): Promise<void>;
}

/**
 * Runs in the page: random calls on both stores and on arrays. What differs, and a hash of what was there at the end.
 *
 * - `syncs`: whether it ends with a barrier and without a close, as a crash does
 */
async function exercise(key: string, seed: number, rounds: number): Promise<{ faults: string[]; sums: number[] }> {
  const OK = 0;
  const PENDING = 3;
  const faults: string[] = [];
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const { database } = window as unknown as { database: { openDatabase(key: string): Promise<Storage> } };
  const storage = await database.openDatabase(key);
  const settled = () =>
    new Promise<void>((resolve) => {
      storage.onSettled = resolve;
    });
  const finish = async (call: () => number) => {
    for (;;) {
      const next = settled();
      const status = call();
      if (status !== PENDING) {
        return status;
      }
      await next;
    }
  };
  const expectOk = (status: number, what: string) => {
    if (status !== OK) {
      faults.push(`${what}: status ${status}`);
    }
  };
  const load = async (store: Store) => {
    const bytes = new Uint8Array(store.length());
    expectOk(await finish(() => store.readAt(0, bytes)), "reading all");
    return bytes;
  };
  const models: Uint8Array[] = [await load(storage.stores[0]), await load(storage.stores[1])];
  for (let round = 0; round < rounds; round += 1) {
    const which = random(2);
    const store = storage.stores[which] as Store;
    let model = models[which] as Uint8Array;
    const action = random(20);
    if (action < 10) {
      const length = random(random(8) === 0 ? 400_000 : 5000);
      const offset = random(3) === 0 ? random(model.length + 1) : model.length;
      const bytes = crypto.getRandomValues(new Uint8Array(Math.min(length, 60_000)));
      const whole = new Uint8Array(length);
      for (let at = 0; at < length; at += bytes.length) {
        whole.set(bytes.subarray(0, length - at), at);
      }
      expectOk(store.writeAt(offset, whole), "write");
      if (offset + length > model.length) {
        const grown = new Uint8Array(offset + length);
        grown.set(model);
        model = grown;
      }
      model.set(whole, offset);
      models[which] = model;
      // The array is the module's own: what becomes of it later means nothing.
      whole.fill(0xee);
    } else if (action < 17 && model.length > 0) {
      const offset = random(model.length);
      const into = new Uint8Array(Math.min(random(100_000), model.length - offset));
      expectOk(await finish(() => store.readAt(offset, into)), "read");
      const same = into.every((byte, at) => byte === model[offset + at]);
      if (!same) {
        faults.push(`round ${round}: other bytes at ${offset} + ${into.length}`);
      }
    } else if (action < 18) {
      const length = random(4) === 0 ? 0 : random(model.length + 1);
      expectOk(store.truncate(length), "truncate");
      models[which] = model.slice(0, length);
    } else {
      expectOk(await finish(() => store.sync()), "sync");
    }
    if (store.length() !== models[which]?.length) {
      faults.push(`round ${round}: length ${store.length()}, not ${models[which]?.length}`);
    }
  }
  if (storage.stores[0].readAt(storage.stores[0].length(), new Uint8Array(1)) !== 1) {
    faults.push("read beyond the end");
  }
  expectOk(await finish(() => storage.stores[0].sync()), "the last sync");
  const hash = (bytes: Uint8Array) => bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length);
  const sums = models.map(hash);
  const again = [await load(storage.stores[0]), await load(storage.stores[1])].map(hash);
  if (String(again) !== String(sums)) {
    faults.push("what is there at the end is not what was written");
  }
  return { faults, sums };
}

/** Runs in the page: the hashes of what is there. */
async function look(key: string): Promise<number[]> {
  const { database } = window as unknown as { database: { openDatabase(key: string): Promise<Storage> } };
  const storage = await database.openDatabase(key);
  const sums: number[] = [];
  for (const store of storage.stores) {
    const bytes = new Uint8Array(store.length());
    let status = 3;
    while (status === 3) {
      const next = new Promise<void>((resolve) => {
        storage.onSettled = resolve;
      });
      status = store.readAt(0, bytes);
      await (status === 3 ? next : undefined);
    }
    sums.push(bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length));
  }
  await storage.close();
  return sums;
}

/** Runs in the page: how often something that reads a whole log begins anew, as it does after each `pending`. */
async function scan(key: string, length: number): Promise<{ nrBegun: number; isRight: boolean }> {
  const { database } = window as unknown as { database: { openDatabase(key: string): Promise<Storage> } };
  const contents = new Uint8Array(length).map((_, at) => (at >> 12) ^ at);
  const written = await database.openDatabase(key);
  written.stores[0].writeAt(0, contents);
  await written.close();
  const storage = await database.openDatabase(key);
  const [store] = storage.stores;
  let nrBegun = 0;
  let isRight = false;
  storage.hold(true);
  for (let status = 3; status === 3 && nrBegun < 1000; ) {
    nrBegun += 1;
    const next = new Promise<void>((resolve) => {
      storage.onSettled = resolve;
    });
    isRight = true;
    status = 0;
    for (let at = 0; at < length && status === 0; at += 4096) {
      const into = new Uint8Array(4096);
      status = store.readAt(at, into);
      isRight &&= into.every((byte, within) => byte === contents[at + within]);
    }
    await (status === 3 ? next : undefined);
  }
  storage.hold(false);
  await storage.close();
  return { nrBegun, isRight };
}

describe.each(["chromium", "firefox"] as const)("the store in IndexedDB of %s", (name) => {
  let site: Site;
  let browser: LaunchedBrowser;

  beforeAll(async () => {
    site = await serve("isolated", [storageSite("/dev/null", "/dev/null")]);
    browser = await launch(name);
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
  });

  it.each([1, 2])("keeps what was synced when the page goes, whatever was done before (seed %i)", async (seed) => {
    const page = await StoragePage.open(browser, site);
    for (const round of [0, 1]) {
      const { faults, sums } = await page.page.evaluate(exercise, `model-${seed}`, seed * 10 + round, 400);
      expect(faults).toEqual([]);
      await page.reload();
      expect(await page.page.evaluate(look, `model-${seed}`)).toEqual(sums);
    }
    expect(page.errors).toEqual([]);
    await page.page.close();
  });

  it("is read from end to end by something that begins anew each time that it has to wait", async () => {
    const page = await StoragePage.open(browser, site);
    const { nrBegun, isRight } = await page.page.evaluate(scan, "scan", 20 << 20);
    expect(isRight).toBe(true);
    // Chunks of 64 KiB, twice as many each time.
    expect(nrBegun).toBeLessThan(12);
    await page.page.close();
  });
});
