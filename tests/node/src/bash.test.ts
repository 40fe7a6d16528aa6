/** bash at a terminal and in scripts, as on Linux. */
import { describe, expect, it } from "vitest";
import { run } from "./shoal.ts";
import { control, KEYS, PROMPT, TerminalSession } from "./terminal.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A terminal with bash, without its files of settings. */
async function bash(): Promise<TerminalSession> {
  const session = await TerminalSession.open(["--env", `PS1=${PROMPT}`, "--", "bash", "--norc", "--noprofile", "-i"]);
  await session.expect(PROMPT);
  session.line("bind 'set enable-bracketed-paste off'");
  await session.expect(PROMPT);
  return session;
}

describe("bash at a terminal", () => {
  it("has jobs", async () => {
    await using session = await bash();
    expect(await session.command("sleep 100 &")).toMatch(/^\[1\] \d+\n$/);
    expect(await session.command("jobs")).toMatch(/^\[1\]\+ {2}Running +sleep 100 &\n$/);
    session.line("fg");
    await session.expect("sleep 100\r\n");
    await pause(300);
    session.type(control("Z"));
    await session.expect("Stopped");
    await session.expect(PROMPT);
    expect(await session.command("bg")).toMatch(/^\[1\]\+ sleep 100 &\n$/);
    expect(await session.command("jobs")).toMatch(/^\[1\]\+ {2}Running +sleep 100 &\n$/);
    await session.command("kill %1");
    expect(await session.command("wait %1; echo $?")).toMatch(/143\n$/);
    expect(await session.command("jobs; echo none")).toMatch(/none\n$/);
  });

  it("stops and continues a pipeline as one job", async () => {
    await using session = await bash();
    session.line("sleep 100 | cat | cat");
    await session.expect("\r\n");
    await pause(500);
    session.type(control("Z"));
    await session.expect("Stopped");
    await session.expect(PROMPT);
    session.line("fg");
    await session.expect("sleep 100 | cat | cat\r\n");
    await pause(300);
    session.type(control("C"));
    await session.expect(PROMPT);
    expect(await session.command("echo $?")).toBe("130\n");
  });

  it("edits lines and has a history", async () => {
    await using session = await bash();
    session.type(`echo abd${KEYS.left}c${KEYS.right}efX${KEYS.backspace}`);
    session.line("");
    await session.expect("abcdef\r\n");
    await session.expect(PROMPT);
    session.line(KEYS.up);
    await session.expect("abcdef\r\n");
    await session.expect(PROMPT);
    session.type("cat /etc/hostn\t");
    await session.expect("ame");
    session.type(control("C"));
    await session.expect(PROMPT);
  });

  it("runs traps between commands", async () => {
    await using session = await bash();
    await session.command("trap 'echo hi' USR1");
    expect(await session.command("kill -USR1 $$")).toBe("hi\n");
    expect(await session.command("(sleep 0.2; kill -USR1 $$) & wait; echo waited")).toMatch(/hi\nwaited\n/);
  });

  it("has a terminal of its own in script", async () => {
    await using session = await bash();
    expect(await session.command("script -q -c 'bash -c \"tty; stty size\"' /dev/null")).toMatch(
      /\/dev\/pts\/0\n24 80\n$/,
    );
  });
});

describe("bash in a script", () => {
  it.each([
    ["substitutes processes", "cat <(echo a) <(echo b)", "a\nb\n"],
    ["substitutes commands", 'x=$(echo one; echo two); echo "$x" $(($(echo 2)+3))', "one\ntwo 5\n"],
    ["has subshells", "x=1; (x=2; echo $x; (exit 5); echo $?); echo $x", "2\n5\n1\n"],
    ["has pipelines with statuses", `true | false | (exit 3); echo \${PIPESTATUS[@]}`, "0 1 3\n"],
    ["has here documents", "cat <<X | tr a-z A-Z\nhere $((1+1))\nX\ncat <<<word", "HERE 2\nword\n"],
    ["waits for the next job", "sleep 0.3 & (sleep 0.1; exit 7) & wait -n; echo $?; wait; echo $?", "7\n0\n"],
    ["reads loops through pipes", "seq 3 | while read n; do echo $((n*n)); done", "1\n4\n9\n"],
    ["has a last pipe of its own", "shopt -s lastpipe; echo v | read v; echo $v", "v\n"],
    [
      "has co-processes",
      `coproc cat; echo co >&\${COPROC[1]}; read l <&\${COPROC[0]}; echo $l; kill $COPROC_PID`,
      "co\n",
    ],
    ["runs traps at the end", "trap 'echo bye' EXIT; (trap 'echo sub' EXIT); echo main", "sub\nmain\nbye\n"],
    [
      "has arrays and patterns",
      `a=(x "y z"); declare -A m=([k]=v); [[ ab =~ b ]] && echo \${#a[@]} \${m[k]} \${BASH_REMATCH[0]}`,
      "2 v b\n",
    ],
    [
      "nests a thousand subshells",
      `s='echo bottom'; for ((i = 0; i < 1000; i++)); do s="( $s; exit \\$? )"; done; eval "$s"; echo $?`,
      "bottom\n0\n",
    ],
    [
      "outlives a fork bomb within a limit",
      `(ulimit -u 30; bomb() { bomb | bomb & }; bomb) 2>/tmp/errors; sleep 2
       grep -q 'fork: .*Resource temporarily unavailable' /tmp/errors && echo refused; echo alive`,
      "refused\nalive\n",
    ],
  ])("%s", async (_, script, output) => {
    const { stdout, stderr, status } = await run(["--", "bash", "-c", script]);
    expect(stdout, stderr).toBe(output);
    expect(status).toBe(0);
  });
});
