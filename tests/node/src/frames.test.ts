/** Many processes in few memories: what they compute does not depend on the number of frames. */
import { describe, expect, it } from "vitest";
import { sh } from "./shoal.ts";

const PATTERN = "/usr/lib/shoal/tests/pattern";
/** Seeds of the mix; `SHOAL_SEEDS` says how many. */
const SEEDS = Array.from({ length: Number(process.env.SHOAL_SEEDS ?? 2) }, (_, index) => index + 1);
const MIX_TIMEOUT_MS = 120_000;

/** 300 processes at once whose work depends on `seed`, each with a file for what it prints. */
function mix(seed: number): string {
  return `
    mkdir /tmp/mix; cd /tmp/mix; n=0
    while [ $n -lt 200 ]; do
      ${PATTERN} child $((n * 1000 + ${seed})) $((n % 5 + 2)) >pattern.$n 2>&1 &
      n=$((n + 1))
    done
    n=0
    while [ $n -lt 25 ]; do
      seq $((n * ${seed} % 977)) $((n * 50 + 2000)) | sort -r | awk 'NR % 3 { print $1 * ${seed} }' | sha1sum >pipe.$n 2>&1 &
      n=$((n + 1))
    done
    wait
    cat pattern.* pipe.*
    # An instance goes a moment after its process was waited for.
    until grep -q '^pod guests 2 ' /proc/shoal/pool; do sleep 0.01; done
    grep -h '^pod' /proc/shoal/pool >&2`;
}

describe("a mix of 300 processes", () => {
  it.each(SEEDS)(
    "computes the same with ten frames: seed %i",
    async (seed) => {
      const [free, forced] = [await sh(mix(seed)), await sh(mix(seed), ["--frames", "10"])];
      expect(forced.stdout).toBe(free.stdout);
      expect(free.stdout.match(/^seed \d+: [0-9a-f]{8}$/gm)).toHaveLength(200);
      expect(free.stdout.match(/^[0-9a-f]{40} {2}-$/gm)).toHaveLength(25);
      expect(free.stderr).toMatch(/^pod .* swap_outs 0 swap_ins 0 /);
      expect(forced.stderr).toMatch(/^pod guests 2 .* frames \d+ max_frames 10 .* swap_outs [1-9]\d{2,}/);
    },
    MIX_TIMEOUT_MS,
  );
});

describe("one frame", () => {
  it("is enough for a pipeline, whose memories take turns", async () => {
    const { stdout, stderr } = await sh(
      "seq 3000 | sort -n | tail -1; ulimit -n; cat </proc/shoal/pool | grep -c worker",
      ["--workers", "1", "--frames", "1"],
    );
    expect({ stdout, stderr }).toEqual({ stdout: "3000\n1024\n1\n", stderr: "" });
  });
});

describe("sleeping processes", () => {
  const COUNT = Number(process.env.SHOAL_SLEEPERS ?? 500);

  it(
    `number ${COUNT}, and a signal ends each`,
    async () => {
      const script = `
        n=0; while [ $n -lt ${COUNT} ]; do sleep 100000 & n=$((n + 1)); done
        ps -o comm | grep -c '^sleep'
        grep -h '^pod' /proc/shoal/pool >&2
        killall -USR1 sleep; wait; ps -o comm | grep -c '^sleep'`;
      const { stdout, stderr } = await sh(script, ["--frames", "100"]);
      expect(stdout).toBe(`${COUNT}\n0\n`);
      expect(stderr).toMatch(new RegExp(`^pod guests ${COUNT + 2} runnable \\d+ frames \\d+ max_frames 100 `));
    },
    MIX_TIMEOUT_MS,
  );
});

describe("processes one after the other", () => {
  const COUNT = Number(process.env.SHOAL_CYCLES ?? 300);

  it(
    `leave no frame and no slot behind after ${COUNT} kills`,
    async () => {
      const script = `
        cycle() { n=0; while [ $n -lt $1 ]; do sleep 1000 & /bin/true; kill -9 $!; wait $! 2>/dev/null; n=$((n + 1)); done; }
        pool() { while read -r who numbers; do [ $who = pod ] && break; done </proc/shoal/pool; }
        look() {
          until pool; case $numbers in "guests 1 "*) true;; *) false;; esac; do true; done
          echo "${"$"}{numbers%% swap_outs*}"; grep -h '^kernel' /proc/shoal/memory
        }
        cycle 50; look; cycle ${COUNT}; look`;
      const { stdout } = await sh(script, ["--frames", "3", "--workers", "1"]);
      const [before = "", kernelBefore = "", after, kernelAfter = ""] = stdout.trim().split("\n");
      expect(after).toBe(before);
      expect(before).toMatch(/^guests 1 .* frames 3 max_frames 3 idle 2 shared 0 swapped 0 /);
      const bytes = (line: string) => Number(line.split(" ")[1]);
      expect(bytes(kernelAfter) - bytes(kernelBefore)).toBeLessThan(1 << 20);
    },
    MIX_TIMEOUT_MS,
  );
});
