/** Debian's dash forks: its scripts do in a pod what they do on this machine. */
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestPod } from "./pod.ts";

/** What shells fork for, and what the children have of their parents. */
const SCRIPTS: Record<string, string> = {
  "command substitution":
    'x=$(echo a; echo b >&2; echo c) 2>/dev/null; echo "$x"; echo "$(echo "$(echo deep)")"; echo `echo old`',
  pipelines:
    "printf '%s\\n' c a b | sort | tr a-z A-Z | while read x; do echo \"[$x]\"; done; echo hi | cat | cat | cat; false | true; echo $?",
  subshells: "x=1; (x=2; cd /; (x=3; echo $x); echo $x; exit 7); echo $? $x; (exit 3) || echo failed $?",
  "nested subshells": "f() { if [ $1 -gt 0 ]; then (f $(($1 - 1))); else echo bottom; fi; }; f 40",
  "background jobs":
    "sleep 0.05 & p=$!; wait $p; echo $?; (exit 9) & wait $!; echo $?; for i in 1 2 3; do (exit $i) & done; wait; echo $?",
  traps:
    "trap 'echo bye' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; (trap 'echo sub' EXIT; exit 2); echo $?; (kill -TERM $(sh -c 'echo $PPID')); echo $?",
  "a trap of a job's end": "trap 'echo term; exit 4' TERM; (sleep 0.1; kill -TERM $$) & wait; echo not here",
  "a fork in a trap": "trap 'x=$(echo from a trap)' USR1; kill -USR1 $$; echo $x",
  "here-documents": "x=5; cat <<E; (cat) <<'E'\n$x $(echo in)\nE\n$x\nE",
  redirections:
    "{ echo out; echo err >&2; } 2>&1 | sort; (echo to; echo three >&3) 3>&1 >/dev/null; exec 4>&1; (echo four >&4)",
  functions: "g() { local y=$(echo $1 | sed s/a/b/); echo $y; }; for w in aa ca xa; do z=$(g $w)$z; done; echo $z",
  "loops with forks":
    'i=0; s=; while [ $i -lt 50 ]; do s=$s$(echo $i); i=$((i+1)); case $i in *5) (:) ;; esac; done; echo $s; set -- $s; printf %s "$1" | wc -c',
  errors: "set -e; (false; echo no) || echo yes; (set -u; echo $nothing) 2>/dev/null; echo not here",
  "programs in the background with input": "echo data | { cat & wait; }; (read x; echo got $x) <<E\nline\nE",
  times: "times | wc -l",
  exec: "(exec echo replaced; echo no); x=$(exec sh -c 'echo $0' name); echo $x",
};

interface Result {
  readonly stdout: string;
  readonly status: number;
}

function natively(script: string): Result {
  const cwd = mkdtempSync(join(tmpdir(), "shoal-shell-"));
  const options = {
    cwd,
    env: { PATH: "/bin:/usr/bin", HOME: "/" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  } satisfies ExecFileSyncOptionsWithStringEncoding;
  try {
    return { stdout: execFileSync("/bin/dash", ["-c", script], options), status: 0 };
  } catch (error) {
    const { stdout, status } = error as Result;
    return { stdout, status };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

describe.each([{ workers: 1 }, { workers: 2 }, { mode: "solo" } as const])("dash in a pod with %o", (options) => {
  let pod: TestPod;
  beforeAll(async () => {
    pod = await TestPod.boot(options);
  });
  afterAll(() => pod?.[Symbol.dispose]());

  test.each(Object.entries(SCRIPTS))("%s", async (_, script) => {
    const { stdout, stderr, status } = await pod.run("/bin/dash", ["-c", script], { cwd: "/tmp" });
    expect({ stdout, status: status.shell }, stderr).toEqual(natively(script));
  });
});

describe.each([{ workers: 1 }, { mode: "solo" } as const])("hush in a pod with %o", (options) => {
  test("leaves nothing to the next program in its memory", async () => {
    using pod = await TestPod.boot(options);
    // Its `exec` with a redirection to a free descriptor writes through a pointer with the value 1.
    for (let run = 0; run < 3; run += 1) {
      const { stdout, status } = await pod.shell("exec 3</dev/null; echo $((1 + 1))");
      expect({ stdout, status: status.shell }).toEqual({ stdout: "2\n", status: 0 });
    }
  });
});
