/** The programs of this folder, and what some are given. */
import { readdirSync } from "node:fs";
import type { RunOptions } from "./oracle.ts";
import { PROGRAMS } from "./places.ts";

export const NAMES: readonly string[] = readdirSync(PROGRAMS)
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -".c".length));

export const OPTIONS: Readonly<Record<string, RunOptions>> = {
  hello: { argv: ["first", "", "with space"], env: { W_ONE: "1", W_TWO: "a = b", OTHER: "no" }, stdin: "line\nend" },
};
