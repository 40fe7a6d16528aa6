/** busybox's ash, which forks, at a terminal and in scripts. */
import { describe, expect, it } from "vitest";
import { native, run } from "./shoal.ts";
import { control, KEYS, PROMPT, TerminalSession } from "./terminal.ts";

/** Before that, keys are for the shell. */
const untilItRuns = () => new Promise((resolve) => setTimeout(resolve, 1000));

async function open(): Promise<TerminalSession> {
  const session = await TerminalSession.open(["--env", `PS1=${PROMPT}`, "--", "ash", "-i"]);
  await session.expect(PROMPT);
  return session;
}

describe("ash at a terminal", () => {
  it("edits lines and has a history", async () => {
    await using session = await open();
    expect(await session.command("echo one two")).toBe("one two\n");
    session.type(KEYS.up);
    await session.expect("echo one two");
    expect(await session.command(" three")).toBe("one two three\n");
  });

  it("is interrupted with what it runs, and ends with the input", async () => {
    await using session = await open();
    session.line("(sleep 100; echo late) | cat");
    await session.expect("cat\r\n");
    await untilItRuns();
    session.type(control("C"));
    await session.expect(PROMPT);
    expect(await session.command("echo $?")).toBe("130\n");
    session.type(control("D"));
    expect((await session.end()).status).toBe(0);
  });

  it("has jobs that stop, go on and end by name", async () => {
    await using session = await open();
    session.line("sleep 100");
    await session.expect("100\r\n");
    await untilItRuns();
    session.type(control("Z"));
    await session.expect(PROMPT);
    expect(await session.command("jobs")).toMatch(/^\[1\].*Stopped.*sleep 100/);
    await session.command("bg %1");
    expect(await session.command("jobs")).toMatch(/^\[1\].*Running.*sleep 100/);
    expect(await session.command("kill %1; wait %1; echo $?")).toMatch(/143\n/);
  });
});

describe("a script of ash", () => {
  for (const script of [
    "x=1; (x=2; echo $x; exit 3); echo $? $x",
    'f() { echo in $1; return 4; }; y=$(f a; echo $?); echo "$y"',
    "echo b a c | tr ' ' '\\n' | while read -r v; do echo \"<$v>\"; done | sort",
    "trap 'echo ended' EXIT; (trap 'echo inner' EXIT; true); false || echo so",
    "sleep 10 & kill $!; wait $!; echo $?",
    "x=$(echo a | (read y; echo $y)); echo $x",
    "cat <<END\n$(echo here) $((6 * 7))\nEND",
    "nosuchprogram; echo $?; set -- a b; for v; do printf '%s.' \"$v\"; done; echo",
  ]) {
    it(`does what it does on Linux: ${script}`, async () => {
      const [pod, here] = await Promise.all([
        run(["--", "ash", "-c", script]),
        native("busybox", ["ash", "-c", script]),
      ]);
      expect([pod.stdout, pod.status]).toEqual([here.stdout, here.status]);
    });
  }
});
