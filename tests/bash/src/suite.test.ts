/**
 * bash's own suite: each `run-NAME` finds no difference between what `NAME.tests` prints in a pod
 * and `NAME.right`.
 *
 * `fails.txt` names those that do not, each with the reason: they only have to come to an end.
 * One that passes nevertheless is reported.
 */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot } from "shoal/node";
import { afterAll, describe, expect, test } from "vitest";

const BUILT = fileURLToPath(new URL("../../../target/guest/", import.meta.url));
/** Where bash was built: some scripts read its files. */
const BUILD = join(BUILT, "build/bash");
/** The suite, and with it the programs that its scripts call. */
const SUITE = join(BUILD, "tests");
const IMAGE = process.env.SHOAL_IMAGE ?? join(BUILT, "root.ext2");
const FAILS = fileURLToPath(new URL("../fails.txt", import.meta.url));
/** A script that takes longer is killed. */
const TIMEOUT_MS = 250_000;

/** What the suite's `run-all` sets, in a folder of its own. */
const ENVIRONMENT = {
  BASH_TSTOUT: "/tmp/printed",
  BUILD_DIR: "/mnt",
  HOME: "/root",
  PATH: "/tmp/suite:/bin:/usr/bin:/sbin:/usr/sbin",
  TERM: "dumb",
  THIS_SH: "/bin/bash",
  TMPDIR: "/tmp",
};

/** Scripts that run others. */
const COLLECTIONS = ["all", "gprof", "minimal"];

const names = readdirSync(SUITE)
  .filter((entry) => entry.startsWith("run-"))
  .map((entry) => entry.slice("run-".length))
  .filter((name) => !COLLECTIONS.includes(name));

/** The names in `fails.txt`, before the first `|` of each line. */
const fails = new Set(
  readFileSync(FAILS, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("|", 1)[0]?.trim() ?? ""),
);

/** What passes although it is listed. */
const fresh: string[] = [];

/** Runs one script in a pod, at a terminal and as no superuser: whether it passes, and the differences. */
async function verdict(name: string): Promise<{ passes: boolean; differences: string }> {
  const image = new Uint8Array(await readFile(IMAGE));
  const mounts = [{ host: BUILD, guest: "/mnt", readOnly: true }];
  const pod = await boot({ image, workers: 1, mounts, onLog: () => undefined });
  try {
    const steps = [
      "cp -r /mnt/tests /tmp/suite && chown -R user /tmp/suite && cd /tmp/suite",
      `exec su user -s /bin/bash -c "script -q -c 'bash ./run-${name}; echo ended' /dev/null" </dev/null`,
    ];
    const child = await pod.run("/bin/sh", ["-c", steps.join("\n")], { cwd: "/", env: ENVIRONMENT });
    child.stdio?.stdin.end();
    const limit = setTimeout(() => void child.kill(constants.signals.SIGKILL).catch(() => undefined), TIMEOUT_MS);
    const [text = ""] = await Promise.all([child.stdio?.stdout.text(), child.exit, child.stdio?.stderr.text()]);
    clearTimeout(limit);
    // What `diff` finds; the status is another's in some.
    return { passes: text.endsWith("ended\r\n") && !/^@@ /m.test(text), differences: text };
  } finally {
    pod.close();
  }
}

describe.concurrent("bash's suite", () => {
  test.each(names)("%s", async (name) => {
    const { passes, differences } = await verdict(name);
    if (!fails.has(name)) {
      expect(passes, differences).toBe(true);
    } else if (passes) {
      fresh.push(name);
    }
  });
});

afterAll(() => {
  console.info(`of bash's ${names.length} scripts ${names.length - fails.size} have to pass`);
  if (fresh.length > 0) {
    console.info(`pass and are in fails.txt: ${fresh.join(", ")}`);
  }
});
