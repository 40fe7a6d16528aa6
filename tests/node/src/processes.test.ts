/** Many processes on few threads. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { outcomeOf, sh, start } from "./shoal.ts";

/** The threads of a process of this machine. */
async function threadsOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^Threads:\s*(\d+)$/m.exec(status)?.[1]);
}

/** Waits until a child's output has `text`. */
function output(child: ReturnType<typeof start>, text: string): Promise<void> {
  let shown = "";
  return new Promise((resolve, reject) => {
    child.on("exit", () => reject(new Error(`ended with ${JSON.stringify(shown)}`)));
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk;
      if (shown.includes(text)) {
        resolve();
      }
    });
  });
}

describe("300 processes at once", () => {
  it("need no thread of their own", async () => {
    const script = [
      "sleep 1000 & echo one; read go",
      "i=1; while [ $i -lt 300 ]; do sleep 1000 & i=$((i+1)); done",
      "ps -o comm | grep -c '^sleep'; echo all; read go; killall sleep; wait; ps -o comm | grep -c '^sleep'",
    ].join("; ");
    const child = start(["--workers", "2", "--", "sh", "-c", script]);
    await output(child, "one\n");
    const before = await threadsOf(child.pid);
    child.stdin.write("go\n");
    await output(child, "300\nall\n");
    expect(await threadsOf(child.pid)).toBeLessThanOrEqual(before);
    expect(await outcomeOf(child, "go\n")).toMatchObject({ stdout: "0\n", stderr: "" });
  });

  it("pass bytes through a chain of pipes", async () => {
    const chain = Array.from({ length: 100 }, () => "cat").join(" | ");
    const { stdout, status } = await sh(`seq 20000 | ${chain} | md5sum; seq 20000 | md5sum`);
    const [first, second] = stdout.trim().split("\n");
    expect([status, first]).toEqual([0, second]);
  });
});

describe("processes one after the other", () => {
  it("leave nothing behind", async () => {
    const script = "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done; ps | wc -l; ls /proc/self/fd | wc -l";
    const { stdout } = await sh(script);
    const [processes, descriptors] = stdout.trim().split("\n").map(Number);
    // The heading, init, sh, ps and wc; the descriptors of ls: 0 to 2 and the folder.
    expect([processes, descriptors]).toEqual([5, 4]);
  });
});

describe.each([["--workers 1"], ["--solo"]])("a program that makes no call, with %s", (option) => {
  const BUSY = "while :; do :; done";
  const ONE = option.split(" ");

  it("is killed", async () => {
    const script = `sh -c '${BUSY}' & sleep 0.3; kill -KILL $!; wait $!; echo $?`;
    expect((await sh(script, ONE)).stdout).toBe("137\n");
  });

  it("handles signals", async () => {
    const script = `dash -c 'trap "echo caught; exit 3" TERM; ${BUSY}' & sleep 0.5; kill $!; wait $!; echo $?`;
    expect((await sh(script, ONE)).stdout).toBe("caught\n3\n");
  });

  it("leaves time to others", async () => {
    const busy = Array.from({ length: 3 }, () => `sh -c '${BUSY}' &`).join(" ");
    const script = `${busy} seq 1000 | sort -rn | head -n 1; sleep 0.1; echo done; killall -KILL sh`;
    expect((await sh(script, ONE)).stdout).toBe("1000\ndone\n");
  });

  it("stops and goes on", async () => {
    const script = [
      `sh -c '${BUSY}' & sleep 0.3`,
      "state() { cut -d' ' -f3 /proc/$!/stat; }",
      "state; kill -STOP $!; sleep 0.1; state; kill -CONT $!; sleep 0.1; state; kill $!; wait $!; echo $?",
    ].join("; ");
    expect((await sh(script, ONE)).stdout).toBe("R\nT\nR\n143\n");
  });

  it("is killed many times over, and nothing is left", async () => {
    const kill = `sh -c '${BUSY}' & usleep 20000; kill -KILL $!; wait $!`;
    const script = `i=0; while [ $i -lt 50 ]; do ${kill}; i=$((i+1)); done 2>/dev/null; ps -o comm | grep -c '^sh'`;
    expect((await sh(script, option === "--solo" ? ONE : ["--workers", "2"])).stdout).toBe("1\n");
  });

  it("ends with the command", async () => {
    const child = start([...ONE, "--", "sh", "-c", `echo ready; ${BUSY}`]);
    child.stdout.once("data", () => child.kill("SIGTERM"));
    expect((await outcomeOf(child)).status).toBe(143);
  });
});

describe("programs that compute", () => {
  const BUSY = "while :; do :; done";

  it("share a Worker by their nice values", async () => {
    const script = [
      `sh -c '${BUSY}' & a=$!; nice -n 5 sh -c '${BUSY}' & b=$!`,
      "sleep 2; cut -d' ' -f14 /proc/$a/stat /proc/$b/stat; kill -KILL $a $b",
    ].join("; ");
    const { stdout } = await sh(script, ["--workers", "1"]);
    const [first = 0, second = 0] = stdout.trim().split("\n").map(Number);
    // 1024 : 335, and room for a busy machine.
    expect(first / second).toBeGreaterThan(2);
    expect(first / second).toBeLessThan(4.5);
  });

  it.each([
    ["side by side", `sh -c '${BUSY}' & sh -c '${BUSY}' &`],
    ["in a pipeline", `sh -c '${BUSY}' | sh -c '${BUSY}' &`],
  ])("use two Workers, %s", async (_how, start) => {
    const script = `${start} sleep 0.5; for p in /proc/[0-9]*; do grep -q while $p/cmdline && cut -d' ' -f39 $p/stat; done`;
    const kill = "; killall -KILL sh";
    const { stdout } = await sh(`exec 2>/dev/null; ${script}${kill}`, ["--workers", "2"]);
    const workers = stdout.trim().split("\n");
    // The shell that looks is there, too.
    expect(workers).toContain("0");
    expect(workers).toContain("1");
  });

  it("stay where they are told to", async () => {
    const busy = `taskset 1 sh -c '${BUSY}' &`;
    const script = `${busy} a=$!; ${busy} b=$!; sleep 0.3; cut -d' ' -f39 /proc/$a/stat /proc/$b/stat; kill -KILL $a $b`;
    expect((await sh(script, ["--workers", "2"])).stdout).toBe("0\n0\n");
  });
});

describe("short pipelines", () => {
  it("stay on one Worker", async () => {
    const look = "cut -d' ' -f39 /proc/self/stat";
    const script = `${look} | cat; i=0; while [ $i -lt 20 ]; do sh -c "${look}" | sort | tail -n 1; i=$((i+1)); done`;
    const { stdout } = await sh(script, ["--workers", "2"]);
    const workers = stdout.trim().split("\n").map(Number);
    expect(workers.filter((worker) => worker === workers[0]).length).toBeGreaterThan(15);
  });
});
