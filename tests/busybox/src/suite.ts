/**
 * busybox's own test suite, applet by applet.
 *
 * It follows the suite's `runtest`: a folder with the applet's name has one script for each case,
 * which passes when `sh -x -e` ends with 0; a file `APPLET.tests` runs its cases itself and prints
 * a line for each.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BUILD, type Machine, newMachine } from "./machine.ts";

const SUITE = join(BUILD, "testsuite");

/** What the suite says of a case. */
export type Verdict = "PASS" | "FAIL" | "SKIPPED" | "UNTESTED";

/** One case. */
export interface Case {
  /** `applet: name`; names that occur twice in an applet carry a number. */
  readonly name: string;
  readonly verdict: Verdict;
}

/** The options that busybox was built with, without `CONFIG_`. */
function builtOptions(): Set<string> {
  const lines = readFileSync(join(BUILD, ".config"), "utf8").split("\n");
  const names = lines.map((line) => /^CONFIG_([A-Z0-9_]+)=/.exec(line)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

const options = builtOptions();

/** Takes as long as a third of all others, so it begins first. */
const LONGEST = "bc";

/** The applets that have tests and were built: the longest, then in the order of their names. */
export function applets(): string[] {
  const names = readdirSync(SUITE).flatMap((entry) => {
    if (entry.endsWith(".tests")) {
      return [entry.slice(0, -".tests".length)];
    }
    return statSync(join(SUITE, entry)).isDirectory() ? [entry] : [];
  });
  const links = readFileSync(join(BUILD, "busybox.links"), "utf8").split("\n");
  const built = new Set(links.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  // Tests of the program as a whole.
  const isBuilt = (name: string) => built.has(name) || name === "busybox";
  const sorted = [...new Set(names)].filter(isBuilt).sort();
  return [LONGEST, ...sorted.filter((name) => name !== LONGEST)];
}

/** What `runtest` leaves in the environment of all scripts, from `testing.sh`. */
const ENVIRONMENT = { ECHO: "echo", FAILCOUNT: "0", SHELL: "/bin/sh", SKIP: "", VERBOSE: process.env.VERBOSE ?? "" };

/** The scripts of an old-style applet. */
function scripts(applet: string): string[] {
  const folder = join(SUITE, applet);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** Whether busybox was built with all that a script asks for. */
function isTestable(applet: string, script: string): boolean {
  const text = readFileSync(join(SUITE, applet, script), "utf8");
  const wanted = [...text.matchAll(/^# FEATURE: (.*)$/gm)].flatMap((match) => (match[1] ?? "").split(/\s+/));
  return wanted.every((name) => options.has(name.replace(/^CONFIG_/, "")));
}

/** Puts the applet in front of the names, and a number behind the second and later of the same name. */
function named(applet: string, cases: readonly Case[]): Case[] {
  const seen = new Map<string, number>();
  return cases.map(({ name, verdict }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { name: `${applet}: ${name}${count === 1 ? "" : ` (${count})`}`, verdict };
  });
}

/** Runs one script of an old-style applet in a folder of its own. */
async function runScript(machine: Machine, applet: string, script: string): Promise<Verdict> {
  if (!isTestable(applet, script)) {
    return "UNTESTED";
  }
  const cwd = `${machine.top}/${applet}.${script}`;
  const tsdir = `${machine.top}/testsuite`;
  await machine.makeDirectory(cwd);
  const env = { ...ENVIRONMENT, bindir: machine.top, tsdir, d: tsdir };
  const { status } = await machine.sh(["-x", "-e", `${tsdir}/${applet}/${script}`], cwd, env);
  return status === 0 ? "PASS" : "FAIL";
}

/** Runs `APPLET.tests`. */
async function runTests(machine: Machine, applet: string): Promise<Case[]> {
  const tsdir = `${machine.top}/testsuite`;
  const env = {
    ...ENVIRONMENT,
    bindir: machine.top,
    tsdir,
    OPTIONFLAGS: `:${[...options].join(":")}:`,
    PATH: `${machine.path}:${tsdir}:${machine.top}`,
  };
  const { output } = await machine.sh(["-c", `exec ./${applet}.tests`], tsdir, env);
  if (ENVIRONMENT.VERBOSE !== "") {
    process.stdout.write(output);
  }
  const lines = output.matchAll(/^(PASS|FAIL|SKIPPED|UNTESTED): (.*)$/gm);
  return [...lines].map(([, verdict, name]) => ({ name: name ?? "", verdict: verdict as Verdict }));
}

/** Runs all cases of an applet on a machine of its own. */
export async function runApplet(applet: string): Promise<Case[]> {
  await using machine = await newMachine();
  const cases: Case[] = [];
  for (const script of scripts(applet)) {
    cases.push({ name: script, verdict: await runScript(machine, applet, script) });
  }
  if (existsSync(join(SUITE, `${applet}.tests`))) {
    cases.push(...(await runTests(machine, applet)));
  }
  return named(applet, cases);
}
