/** What programs see in /proc, beside what Linux shows there. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { native, sh, temporaryFolder } from "./shoal.ts";

/** A folder with the applets of this machine's busybox. */
let applets: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  applets = await temporaryFolder();
  await native("busybox", ["--install", "-s", applets.path]);
});
afterAll(() => applets[Symbol.asyncDispose]());

/** The same script by busybox on this machine. */
async function nativeSh(script: string): Promise<string> {
  const { stdout } = await native("/usr/bin/env", ["sh", "-c", script], { env: { PATH: applets.path } });
  return stdout;
}

async function podSh(script: string): Promise<string> {
  const { stdout, stderr } = await sh(script);
  expect(stderr).toBe("");
  return stdout;
}

/** The lines of a text in which each number is replaced by `N`, and each row of blanks by one. */
function shape(text: string): string[] {
  const lines = text.replaceAll(/[0-9]+(\.[0-9]+)?/g, "N").replaceAll(/[ \t]+/g, " ");
  return lines.split("\n").filter((line) => line !== "");
}

describe("the lines of", () => {
  for (const script of [
    "head -1 /proc/self/stat | cut -d' ' -f1,2,4-",
    "cat /proc/self/statm",
    "cat /proc/uptime",
    "cat /proc/loadavg",
    "cat /proc/self/limits | cut -c1-25,67-",
    "head -3 /proc/swaps | head -1",
    "head -2 /proc/partitions",
    "cat /proc/self/schedstat",
    "cat /proc/self/fdinfo/0 | head -3",
    "grep -A1 stack /proc/self/smaps | tail -1",
    "ps -o pid,ppid,stat,comm | head -1",
    "top -bn1 | head -3 | tail -1",
    "free | head -2",
    "df -P | head -1",
  ]) {
    it(`\`${script}\` have Linux's form`, async () => {
      const [pod, here] = await Promise.all([podSh(script), nativeSh(script)]);
      expect(shape(pod)).toEqual(shape(here));
    });
  }

  for (const [file, separator] of [
    ["/proc/self/status", "[:\t]"],
    ["/proc/meminfo", ":"],
    ["/proc/self/smaps_rollup", ":"],
    ["/proc/stat", " "],
    ["/proc/cpuinfo", "[:\t]"],
  ]) {
    it(`${file} have names that Linux has, in its order`, async () => {
      // One processor is enough, and each may have any number of them.
      const script = `awk -F'${separator}' '$1 == "" { exit } $1 !~ /[0-9]/ { print $1 }' ${file}`;
      const [pod, here] = (await Promise.all([podSh(script), nativeSh(script)])).map((text) => text.split("\n"));
      const common = pod?.filter((name) => here?.includes(name)) ?? [];
      expect(common).toEqual(here?.filter((name) => common.includes(name)));
      expect(common.length).toBeGreaterThan(5);
    });
  }
});

describe("programs", () => {
  it("find each other", async () => {
    const script = [
      "sleep 99 & one=$!",
      "sleep 98 & other=$!",
      '[ "$(pidof sleep | tr " " "\\n" | sort -n)" = "$(pgrep sleep)" ] && pgrep -f "sleep 98" | grep -x $other',
      "cat /proc/$one/cmdline | tr '\\0' ' '",
      "readlink /proc/$one/exe; ls /proc/$one/task | grep -x $one; pwdx $one",
      "pkill -o -x sleep; killall sleep; wait; pidof sleep || echo none",
    ].join("; ");
    const lines = (await podSh(script)).replaceAll(/^\d+/gm, "N");
    expect(lines).toBe("N\nsleep 99 /bin/busybox\nN\nN: /root\nnone\n");
  });

  it("see what is open", async () => {
    const script = [
      "exec 5<>/tmp/five 6>>/tmp/six",
      "readlink /proc/$$/fd/5; readlink /proc/$$/fd/6",
      "stat -c %a /proc/$$/fd/5 /proc/$$/fd/6",
      "echo more >&6; grep -c . /tmp/six; grep pos /proc/$$/fdinfo/6",
      "lsof | grep -c '/tmp/six$'",
    ].join("; ");
    expect(await podSh(script)).toMatch(/^\/tmp\/five\n\/tmp\/six\n700\n300\n1\npos:\t5\n[1-9]\n$/);
  });

  it("open what is open already by its link", async () => {
    const script = [
      "echo out >/dev/stdout",
      "echo piped | cat /dev/stdin",
      "echo again | cat - >/dev/stdout",
      "echo one two | tee /dev/fd/1 | wc -l",
      "echo gone >/tmp/gone; exec 7</tmp/gone; rm /tmp/gone; readlink /proc/self/fd/7; cat /proc/self/fd/7",
    ].join("; ");
    const { stdout, stderr } = await sh(`${script}; echo problem >/dev/stderr`);
    expect([stdout, stderr]).toEqual(["out\npiped\nagain\n2\n/tmp/gone (deleted)\ngone\n", "problem\n"]);
  });

  it("read every file there is", async () => {
    const script =
      "for f in $(find /proc -type f | grep -v '/[0-9]'); do cat $f >/dev/null || echo $f; done; echo done";
    expect(await podSh(script)).toBe("done\n");
  });
});

describe("/sys", () => {
  it("has the processors that programs count", async () => {
    const script = [
      "cd /sys/devices/system/cpu",
      '[ "$(ls -d cpu[0-9]* | wc -l)" = "$(nproc)" ] && [ "$(nproc)" = "$(grep -c ^processor /proc/cpuinfo)" ] && echo same',
      "cat online present | uniq | wc -l",
      "cat cpu0/topology/core_id",
      "find /sys -type f -exec cat {} + >/dev/null && echo read",
      "mkdir made 2>/dev/null || echo refused",
      "stat -f -c %T /sys; grep -c sysfs /proc/filesystems",
    ].join("\n");
    expect(await podSh(script)).toBe("same\n1\n0\nread\nrefused\nsysfs\n1\n");
  });
});

describe("a process", () => {
  it("says what it may do, and how dear it is", async () => {
    const script = [
      "grep Cap /proc/self/status",
      "echo 500 >/proc/$$/oom_score_adj; cat /proc/$$/oom_score_adj",
      "echo 1001 2>/dev/null >/proc/$$/oom_score_adj || echo refused",
      "setuidgid user grep CapEff /proc/self/status; setuidgid user id -u",
    ].join("\n");
    const lines = (await podSh(script)).split("\n");
    const all = "000001ffffffffff";
    expect(lines.slice(0, 5)).toEqual([
      "CapInh:\t0000000000000000",
      `CapPrm:\t${all}`,
      `CapEff:\t${all}`,
      `CapBnd:\t${all}`,
      "CapAmb:\t0000000000000000",
    ]);
    expect(lines.slice(5, 7)).toEqual(["500", "refused"]);
    expect(lines.slice(7)).toEqual(["CapEff:\t0000000000000000", "1000", ""]);
  });
});

describe("memory and time", () => {
  it("are those of the pod", async () => {
    const script = [
      "sleep 99 &",
      "ps -o comm,vsz,rss | awk '$1 == \"sleep\" { print ($3 > 0) }'",
      "free | awk '/Mem/ { print ($3 > 0 && $3 + $4 + $6 == $2) }'",
      "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done",
      "awk '{ print ($14 > 0) }' /proc/$$/stat",
      "awk '/^cpu / { print ($2 > 0) }' /proc/stat",
      "awk '{ print ($1 > 0 && $1 < 100) }' /proc/uptime",
      "kill %1",
    ].join("\n");
    expect(await podSh(script)).toBe("1\n".repeat(5));
  });
});
