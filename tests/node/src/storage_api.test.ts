/** Storages by the package: what embedders call. */
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BootOptions, boot, deleteStorage, importStorage, type Pod, PodError, StorageError } from "shoal/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE, native, temporaryFolder } from "./shoal.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

const storageAt = (name: string) => ({ folder: join(folder.path, name) });

async function withPod<T>(options: Omit<BootOptions, "image">, use: (pod: Pod) => Promise<T>): Promise<T> {
  const pod = await boot({ image: IMAGE, ...options });
  try {
    return await use(pod);
  } finally {
    await pod.shutdown();
  }
}

/** The error of a promise that must not be kept. */
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("a storage", () => {
  it("has what was synced when the pod is closed at once", async () => {
    const storage = storageAt("closed");
    const pod = await boot({ image: IMAGE, storage });
    await pod.files.write("/root/synced", "here");
    await pod.sync();
    pod.close();
    expect(await errorOf(pod.files.read("/root/synced"))).toBeInstanceOf(PodError);
    // The disk lets go a moment later.
    await expect.poll(() => errorOf(withPod({ storage }, (next) => next.files.list("/root")))).toBe(undefined);
    expect(await withPod({ storage }, (next) => next.files.readText("/root/synced"))).toBe("here");
  });

  it("moves by export and import, only over the same image", async () => {
    const [from, to] = [storageAt("from"), storageAt("to")];
    const bytes = await withPod({ storage: from }, async (pod) => {
      await pod.files.write("/root/file", "moved");
      return pod.storage?.export();
    });
    expect(bytes).toBeInstanceOf(Uint8Array);
    await importStorage({ image: IMAGE, storage: to }, bytes ?? new Uint8Array());
    expect(await withPod({ storage: to }, (pod) => pod.files.readText("/root/file"))).toBe("moved");
    const garbage = await errorOf(importStorage({ image: IMAGE, storage: to }, new Uint8Array(10_000)));
    expect(garbage).toBeInstanceOf(StorageError);
    expect(await withPod({ storage: to }, (pod) => pod.files.readText("/root/file"))).toBe("moved");
  });

  it("gives the whole image, sound, by parts and at once", async () => {
    const storage = storageAt("image");
    const image = join(folder.path, "whole.ext2");
    await withPod({ storage }, async (pod) => {
      await pod.files.write("/root/file", "in the image");
      const snapshot = await pod.files.snapshot();
      let at = 0;
      for await (const part of pod.storage?.image() ?? []) {
        expect(Buffer.compare(part, snapshot.subarray(at, at + part.length))).toBe(0);
        at += part.length;
      }
      expect(at).toBe((await stat(IMAGE)).size);
      await writeFile(image, snapshot);
    });
    expect((await native("e2fsck", ["-fn", image])).status).toBe(0);
    const pod = await boot({ image });
    expect(await pod.files.readText("/root/file")).toBe("in the image");
    pod.close();
  });

  it("tells of itself, and gets smaller", async () => {
    await withPod({ storage: storageAt("shrinks") }, async (pod) => {
      const before = await pod.storage?.statistics();
      for (let round = 0; round < 5; round += 1) {
        await pod.files.write("/root/file", new Uint8Array(1 << 20).fill(round + 1));
        await pod.sync();
      }
      const full = await pod.storage?.statistics();
      expect(full?.changedBytes).toBeGreaterThan((before?.changedBytes ?? 0) + (1 << 20));
      await pod.storage?.compact();
      const after = await pod.storage?.statistics();
      expect(after?.logBytes).toBeLessThan((full?.logBytes ?? 0) / 2);
      expect(Buffer.compare(await pod.files.read("/root/file"), new Uint8Array(1 << 20).fill(5))).toBe(0);
    });
  });

  it("is one pod's, also within one process, and goes when nobody has it", async () => {
    const storage = storageAt("deleted");
    await withPod({ storage }, async (pod) => {
      await pod.files.write("/root/file", "x");
      expect(await errorOf(boot({ image: IMAGE, storage }))).toMatchObject({ name: "StorageError", code: "busy" });
      expect(await errorOf(deleteStorage(storage))).toMatchObject({ name: "StorageError", code: "busy" });
    });
    await deleteStorage(storage);
    expect(await errorOf(readdir(storage.folder))).toMatchObject({ code: "ENOENT" });
    await withPod({ storage }, async (pod) => {
      expect(await errorOf(pod.files.read("/root/file"))).toMatchObject({ name: "KernelError" });
    });
  });
});

describe("options that make no sense", () => {
  it.each([
    ["a key in Node", { storageKey: "name" }, "folder"],
    ["two storages", { storageKey: "a", storage: { key: "b" } }, "storageKey"],
    ["a key and a folder", { storage: { key: "a", folder: "b" } }, "either a key or a folder"],
    ["none of both", { storage: {} }, "needs a key"],
    ["an empty key", { storageKey: "" }, "1 to 100"],
    ["a small limit", { storage: { folder: "/nowhere", limit: 5 } }, "limit"],
    ["an address that is none", { image: { url: "no address", stream: "ranges" } }, "not an address"],
    ["another way to stream", { image: { url: "http://x/", stream: "carrier pigeons" } }, "carrier pigeons"],
  ])("are refused: %s", async (_, options, words) => {
    const error = await errorOf(boot({ image: IMAGE, ...(options as Partial<BootOptions>) }));
    expect(error).toBeInstanceOf(PodError);
    expect((error as Error).message).toContain(words);
  });
});

describe("a pod without a storage", () => {
  it("has nothing to sync", async () => {
    const pod = await boot({ image: IMAGE });
    await pod.sync();
    expect(pod.storage).toBe(undefined);
    await pod.shutdown();
  });
});
