/** Every C program of this folder does in a pod what it does in wasmtime. */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ModuleOptions, runInWasmtime, WasiPod } from "./oracle.ts";
import { PROGRAMS } from "./places.ts";

const PODS = [
  { name: "one Worker", options: { workers: 1 } },
  { name: "one Worker without shared memory", options: { mode: "solo" } },
] as const;

/** Text that does not fit into a pipe. */
const LONG = Array.from({ length: 20_000 }, (_, line) => `line ${line * 7}\n`).join("");

const OPTIONS: Readonly<Record<string, ModuleOptions>> = {
  arguments: { argv: ["42", "", "two words", "üñï"], env: { NAME: "value", EMPTY: "", EQUALS: "a=b" } },
  input: { stdin: LONG },
};

const programs = readdirSync(PROGRAMS)
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -".c".length))
  .filter((name) => name !== "library");

describe.each(PODS)("$name", ({ options }) => {
  let pod: WasiPod;
  beforeAll(async () => {
    pod = await WasiPod.boot(options);
  });
  afterAll(() => pod?.[Symbol.dispose]());

  test.each(programs)("%s", async (name) => {
    const module = `programs/${name}.wasm`;
    const [wanted, found] = await Promise.all([runInWasmtime(module, OPTIONS[name]), pod.run(module, OPTIONS[name])]);
    expect(wanted.stdout.length).toBeGreaterThan(10);
    expect(found).toEqual(wanted);
  });
});
