/** Where bash's suite runs: in a pod, or for the record on this machine. */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot } from "shoal/node";

const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));
/** Where bash was built: some scripts read its files. */
const BUILD = join(BUILT, "build/bash");
/** The suite, and with it the programs that its scripts call. */
export const SUITE = join(BUILD, "tests");
/** GNU's sed and diff, which two of the scripts want. */
const GNU = join(BUILT, "gnu");
const IMAGE = process.env.SHOAL_IMAGE ?? join(BUILT, "root.ext2");
/** A script that takes longer is killed. */
const TIMEOUT_MS = 250_000;

/** What the suite's `run-all` sets, for the suite in `folder` and the rest of the source in `build`. */
function environment(folder: string, build: string, path: string): Record<string, string> {
  return {
    BASH_TSTOUT: join(folder, "../printed"),
    BUILD_DIR: build,
    HOME: "/root",
    PATH: `${folder}:${path}`,
    TERM: "dumb",
    THIS_SH: "/bin/bash",
    TMPDIR: "/tmp",
  };
}

/** The command that runs a script at a terminal of its own. */
function command(name: string): string {
  return `script -q -c 'bash ./run-${name}; echo ended' /dev/null`;
}

/** What a script prints in a new pod, to a user who is no superuser. */
export async function runInPod(name: string): Promise<string> {
  const image = new Uint8Array(await readFile(IMAGE));
  const mounts = [
    { host: BUILD, guest: "/mnt", readOnly: true },
    { host: GNU, guest: "/opt", readOnly: true },
  ];
  const pod = await boot({ image, workers: 1, mounts, onLog: () => undefined });
  try {
    const steps = [
      "cp -r /mnt/tests /tmp/suite && chown -R user /tmp/suite && cd /tmp/suite",
      `exec su user -s /bin/bash -c "${command(name)}" </dev/null`,
    ];
    const env = environment("/tmp/suite", "/mnt", "/opt/bin:/bin:/usr/bin:/sbin:/usr/sbin");
    const child = await pod.run("/bin/sh", ["-c", steps.join("\n")], { cwd: "/", env });
    child.stdio?.stdin.end();
    const limit = setTimeout(() => void child.kill(constants.signals.SIGKILL).catch(() => undefined), TIMEOUT_MS);
    const [text = ""] = await Promise.all([child.stdio?.stdout.text(), child.exit, child.stdio?.stderr.text()]);
    clearTimeout(limit);
    return text;
  } finally {
    pod.close();
  }
}

/** The user that scripts run as on this machine, where the superuser makes the record. */
const USER = 1000;

/** What a script prints on this machine, with its bash: it has to be of the suite's version. */
export async function runOnLinux(name: string): Promise<string> {
  const top = mkdtempSync(join(tmpdir(), "bash-suite-"));
  try {
    const folder = join(top, "suite");
    cpSync(SUITE, folder, { recursive: true });
    compileTools(folder);
    for (const entry of ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })]) {
      chownSync(join(folder, entry), USER, USER);
    }
    chownSync(top, USER, USER);
    chmodSync(top, 0o755);
    return await spawnScript(name, folder);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

/** Puts the programs that scripts call in the place of the pod's. */
function compileTools(folder: string): void {
  for (const name of ["recho", "zecho", "printenv", "xcase"]) {
    const args = ["-O1", "-w", "-DHAVE_CONFIG_H", "-I.", "-Iinclude", "-o", join(folder, name), `support/${name}.c`];
    execFileSync("gcc", args, { cwd: BUILD });
  }
}

function spawnScript(name: string, folder: string): Promise<string> {
  const env = environment(folder, BUILD, "/bin:/usr/bin:/sbin:/usr/sbin");
  // In the pod `su` sets the one, and nobody else uses the other.
  env.HOME = env.TMPDIR = join(folder, "..");
  const child = spawn("/bin/bash", ["-c", command(name)], {
    cwd: folder,
    env,
    uid: USER,
    gid: USER,
    stdio: ["pipe", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** Whether a script came to its end and `diff` found nothing; its status is another's in some. */
export function isPass(text: string): boolean {
  return text.endsWith("ended\r\n") && !/^\d+(,\d+)?[acd]\d+(,\d+)?\r$/m.test(text);
}
