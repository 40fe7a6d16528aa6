/** Where coreutils' suite runs: in a few pods, or for the record on this machine. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot, type Pod } from "shoal/node";

const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));
/** The programs for a pod, and the suite. */
const GNU = join(BUILT, "gnu");
export const SUITE = join(GNU, "coreutils");
/** The same programs for this machine. */
const NATIVE = join(GNU, "coreutils-native");
const IMAGE = process.env.SHOAL_IMAGE ?? join(BUILT, "root.ext2");
/** A test that takes longer is killed. */
const TIMEOUT_MS = 120_000;

/** How a test ends: by its exit status 0, 77 or another; `TIMEOUT` is ours. */
export type Verdict = "PASS" | "SKIP" | "FAIL" | "TIMEOUT";

/** The verdict, and what the test said. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly output: string;
}

/** A test: a script below the suite's folder. */
export interface Test {
  readonly name: string;
  /** Whether it is for the superuser. */
  readonly isRoots: boolean;
}

/** A place with the suite. */
export interface Machine {
  run(test: Test): Promise<Outcome>;
  close(): void;
}

/** Whoever runs tests that are not for the superuser: a user of pods and of Debian. */
const USER = "nobody";
const USER_ID = 65534;

/** The names of the programs, as the suite's makefile tells its scripts. */
const programs = readdirSync(join(SUITE, "src")).filter((name) => name !== "getlimits");

/** What the suite's makefile sets, for the suite in `top`. */
function environment(top: string, path: string): Record<string, string> {
  return {
    AWK: "awk",
    CC: "cc",
    CONFIG_HEADER: `${top}/lib/config.h`,
    EGREP: "grep -E",
    EXEEXT: "",
    HOME: "/",
    LC_ALL: "C",
    LOCALE_FR: "none",
    LOCALE_FR_UTF8: "none",
    MAKE: "make",
    PACKAGE_VERSION: "9.1",
    PATH: `${top}/src:${path}`,
    PERL: "perl",
    SHELL: "/bin/bash",
    TMPDIR: "/tmp",
    VERSION: "9.1",
    abs_srcdir: top,
    abs_top_builddir: top,
    abs_top_srcdir: top,
    built_programs: programs.join(" "),
    fail: "0",
    host_os: "linux-gnu",
    host_triplet: "x86_64-pc-linux-gnu",
    srcdir: ".",
    top_srcdir: ".",
  };
}

/** What runs a test whose standard error is also its descriptor 9. */
function command(top: string, { name }: Test): string {
  const environment = `CU_TEST_NAME=coreutils,${name.replaceAll("/", "-")}`;
  return `cd ${top} && umask 022 && ${environment} exec bash ${name} 9>&2 </dev/null`;
}

function verdictOf(status: number): Verdict {
  return status === 0 ? "PASS" : status === 77 ? "SKIP" : "FAIL";
}

/** A pod; after a test that hung, a new one. */
class PodMachine implements Machine {
  #pod: Pod | undefined;

  async run(test: Test): Promise<Outcome> {
    this.#pod ??= await bootPod();
    const env = environment("/tmp/suite", "/opt/bin:/bin:/usr/bin:/sbin:/usr/sbin");
    const user = test.isRoots ? "root" : USER;
    const args = ["-s", "/bin/bash", user, "-c", `{ ${command("/tmp/suite", test)}; } 2>&1`];
    const child = await this.#pod.run("/bin/su", args, { cwd: "/", env });
    child.stdio?.stdin.end();
    const output = child.stdio?.stdout.text();
    const errors = child.stdio?.stderr.text();
    const limit = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => limit.resolve(undefined), TIMEOUT_MS);
    const status = await Promise.race([child.exit, limit.promise]);
    clearTimeout(timer);
    if (status === undefined) {
      await child.kill(constants.signals.SIGKILL).catch(() => undefined);
      this.close();
      return { verdict: "TIMEOUT", output: "" };
    }
    // A process that the test has left may hold the streams: it goes with the rest of the user's.
    await sweep(this.#pod);
    return { verdict: verdictOf(status.shell), output: `${await output}${await errors}` };
  }

  close(): void {
    this.#pod?.close();
    this.#pod = undefined;
  }
}

async function bootPod(): Promise<Pod> {
  const image = new Uint8Array(await readFile(IMAGE));
  const mounts = [{ host: GNU, guest: "/opt", readOnly: true }];
  const pod = await boot({ image, workers: 1, mounts, onLog: () => undefined });
  // The scripts want a shell that forks as /bin/sh.
  const setup = `cp -a /opt/coreutils /tmp/suite && chown -R ${USER} /tmp/suite && ln -sf bash /bin/sh`;
  const child = await pod.run("/bin/bash", ["-c", setup], { cwd: "/" });
  child.stdio?.stdin.end();
  const [{ shell }, errors] = await Promise.all([child.exit, child.stdio?.stderr.text(), child.stdio?.stdout.text()]);
  if (shell !== 0) {
    throw new Error(`the suite could not be copied into the pod: status ${shell}: ${errors}`);
  }
  return pod;
}

/** Ends what the user has left running. */
async function sweep(pod: Pod): Promise<void> {
  const child = await pod.run("/bin/su", ["-s", "/bin/bash", USER, "-c", "kill -KILL -1"], { cwd: "/" });
  child.stdio?.stdin.end();
  await Promise.all([child.exit, child.stdio?.stderr.text(), child.stdio?.stdout.text()]);
}

/** This machine, with the commands that a pod has and no others: no compiler, no perl, no debugger. */
class NativeMachine implements Machine {
  readonly #top = mkdtempSync(join(tmpdir(), "coreutils-suite-"));
  readonly #suite = join(this.#top, "suite");
  readonly #commands = join(this.#top, "commands");

  constructor() {
    cpSync(NATIVE, this.#suite, { recursive: true, verbatimSymlinks: true });
    for (const entry of ["", ...readdirSync(this.#suite, { recursive: true, encoding: "utf8" })]) {
      if (!entry.startsWith("src/")) {
        chownSync(join(this.#suite, entry), USER_ID, USER_ID);
      }
    }
    chmodSync(this.#top, 0o755);
    mkdirSync(this.#commands);
    for (const path of readFileSync(join(BUILT, "programs/busybox.links"), "utf8").trim().split("\n")) {
      symlinkSync("/bin/busybox", join(this.#commands, path.slice(path.lastIndexOf("/") + 1)));
    }
    for (const name of ["bash", "cmp", "dash", "diff", "diff3", "sdiff", "sed"]) {
      rmSync(join(this.#commands, name), { force: true });
      symlinkSync(`/usr/bin/${name}`, join(this.#commands, name));
    }
  }

  run(test: Test): Promise<Outcome> {
    const id = test.isRoots ? 0 : USER_ID;
    const child = spawn("/bin/bash", ["-c", command(this.#suite, test)], {
      cwd: this.#suite,
      env: environment(this.#suite, this.#commands),
      uid: id,
      gid: id,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    return new Promise((resolve, reject) => {
      const end = (verdict: Verdict) => {
        clearTimeout(timer);
        killGroup(child.pid);
        resolve({ verdict, output: Buffer.concat(chunks).toString() });
      };
      const timer = setTimeout(() => end("TIMEOUT"), TIMEOUT_MS);
      child.on("error", reject);
      child.on("exit", (status) => end(verdictOf(status ?? 1)));
    });
  }

  close(): void {
    rmSync(this.#top, { recursive: true, force: true });
  }
}

/** Ends what a test has left in its process group. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      process.kill(-pid, "SIGKILL");
    }
  } catch {
    // There is nobody left.
  }
}

/** Machines for as many tests at a time as there are, each used by one at a time. */
export class Machines {
  readonly #make: () => Machine;
  readonly #free: Machine[] = [];

  constructor(isNative: boolean) {
    this.#make = () => (isNative ? new NativeMachine() : new PodMachine());
  }

  async run(test: Test): Promise<Outcome> {
    const machine = this.#free.pop() ?? this.#make();
    try {
      return await machine.run(test);
    } finally {
      this.#free.push(machine);
    }
  }

  close(): void {
    for (const machine of this.#free.splice(0)) {
      machine.close();
    }
  }
}
