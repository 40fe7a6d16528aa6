/** Every C program of this folder prints in a pod what it prints on Linux, and ends the same way. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BootOptions } from "shoal/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestPod } from "./pod.ts";

/** A way in which pods run. */
interface PodKind {
  readonly name: string;
  readonly options: Pick<BootOptions, "mode" | "workers" | "copyInJavaScript" | "storage">;
  /** Where programs make their files; a file system in memory by default. */
  readonly folder?: string;
}

/** Where the image has the programs. */
const GUEST_FOLDER = "/usr/lib/shoal/tests";

const STORAGE = mkdtempSync(join(tmpdir(), "shoal-guest-"));
afterAll(() => rmSync(STORAGE, { recursive: true }));

const PODS: readonly PodKind[] = [
  { name: "one Worker", options: { workers: 1 } },
  { name: "two Workers", options: { workers: 2 } },
  { name: "one Worker without shared memory", options: { mode: "solo" } },
  { name: "one Worker, memory copied by JavaScript", options: { workers: 1, copyInJavaScript: true } },
  {
    name: "two Workers, on a disk that is kept",
    options: { workers: 2, storage: { folder: STORAGE } },
    folder: "/root",
  },
];

const SOURCES = fileURLToPath(new URL("..", import.meta.url));

const programs = readdirSync(SOURCES)
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -".c".length));

/** What Linux prints (`cargo xtask record`), how the program ends included. */
const recorded = (name: string) => readFileSync(`${SOURCES}linux/${name}.out`, "utf8");

describe.each(PODS)("$name", ({ options, folder = "/tmp" }) => {
  let pod: TestPod;
  beforeAll(async () => {
    pod = await TestPod.boot(options);
  });
  afterAll(() => pod?.[Symbol.dispose]());

  test.each(programs)("%s", async (name) => {
    const cwd = `${folder}/${name}`;
    await pod.files.makeDirectory(cwd);
    // The shell only opens /dev/null: the program runs in its place, with its path as `argv[0]`.
    const { stdout, stderr, status } = await pod.shell('exec "$0" </dev/null', [`${GUEST_FOLDER}/${name}`], { cwd });
    expect(`${stdout}exit status ${status.shell}\n`, stderr).toBe(recorded(name));
  });
});
