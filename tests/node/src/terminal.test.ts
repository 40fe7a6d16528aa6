/** A shell at a real terminal: editing, job control, sizes, modes. */
import { describe, expect, it } from "vitest";
import { control, KEYS, PROMPT, TerminalSession } from "./terminal.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("line editing", () => {
  it("moves, inserts and deletes", async () => {
    await using session = await TerminalSession.shell();
    session.type(`echo abd${KEYS.left}c${KEYS.right}efX${KEYS.backspace}`);
    session.line("");
    await session.expect("\r\nabcdef\r\n");
    await session.expect(PROMPT);
  });

  it("has a history", async () => {
    await using session = await TerminalSession.shell();
    expect(await session.command("echo first-$((1+1))")).toBe("first-2\n");
    expect(await session.command("echo second-$((1+1))")).toBe("second-2\n");
    session.line(`${KEYS.up}${KEYS.up}`);
    await session.expect("\r\nfirst-2\r\n");
    await session.expect(PROMPT);
  });

  it("completes names", async () => {
    await using session = await TerminalSession.shell();
    session.type("cat /etc/hostn\t");
    await session.expect("ame");
  });
});

describe("keys", () => {
  it("interrupt a program in the foreground", async () => {
    await using session = await TerminalSession.shell();
    session.line("cat");
    await session.expect("\r\n");
    session.line("copied");
    await session.expect("copied\r\ncopied\r\n");
    session.type(control("C"));
    await session.expect("^C");
    await session.expect(PROMPT);
    expect(await session.command("echo $?")).toBe("130\n");
  });

  it.each([["--workers 1"], ["--solo"]])("interrupt and stop a program that makes no call with %s", async (option) => {
    await using session = await TerminalSession.shell(option.split(" "));
    session.line("while :; do :; done");
    await session.expect("\r\n");
    await pause(300);
    session.type(control("C"));
    await session.expect(PROMPT);
    session.line("sh -c 'while :; do :; done'");
    await session.expect("\r\n");
    await pause(300);
    session.type(control("Z"));
    await session.expect(PROMPT);
    expect(await session.command("jobs")).toContain("Stopped");
    session.line("fg");
    await session.expect("fg\r\n");
    await pause(300);
    session.type(control("C"));
    await session.expect(PROMPT);
    expect(await session.command("echo $?")).toBe("130\n");
  });

  it.each(["1", "2"])("are answered while programs compute in the background, on %s Worker(s)", async (workers) => {
    await using session = await TerminalSession.shell(["--workers", workers]);
    for (let nth = 1; nth <= 3; nth += 1) {
      await session.command("while :; do :; done &");
    }
    const before = performance.now();
    for (let nth = 0; nth < 10; nth += 1) {
      expect(await session.command(`echo answer-$((${nth}+1))`)).toBe(`answer-${nth + 1}\n`);
    }
    // Without preemption it would take for ever; with it, a slice for each key.
    expect(performance.now() - before).toBeLessThan(5000);
    const state = "cut -d' ' -f3 /proc/$p/stat";
    await session.command("p=$!; kill -STOP $p");
    expect(await session.command(`sleep 0.1; ${state}`)).toContain("T\n");
    await session.command("kill -CONT $p");
    expect(await session.command(`sleep 0.1; ${state}`)).toContain("R\n");
    await session.command("kill %1; kill -9 %2; kill -INT %3; sleep 0.1");
    const jobs = await session.command("jobs; jobs; echo none");
    expect(jobs).not.toContain("Running");
  });

  it("interrupt a flood of output", async () => {
    await using session = await TerminalSession.shell();
    session.line("yes");
    await pause(500);
    session.type(control("C"));
    await session.expect(PROMPT);
    expect(await session.command("echo $?")).toBe("130\n");
  });

  it("arrive all, however many are pasted at once", async () => {
    await using session = await TerminalSession.shell();
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i} ${"x".repeat(60)}`);
    session.line("cat >/tmp/lines");
    await session.expect("\r\n");
    session.type(lines.map((line) => `${line}${KEYS.enter}`).join(""));
    await session.expect(`${lines.at(-1)}\r\n`);
    session.type(control("D"));
    await session.expect(PROMPT);
    expect(await session.command("wc -l </tmp/lines; tail -n 1 /tmp/lines")).toBe(`500\n${lines.at(-1)}\n`);
    // An editor reads keys one by one, without echo.
    session.line("vi /tmp/edited");
    await session.expect("/tmp/edited");
    session.type(`i${lines.join(KEYS.enter)}`);
    await session.expect(`line 499 ${"x".repeat(60)}`);
    session.type(KEYS.escape);
    await pause(500);
    session.line(":wq");
    await session.expect(PROMPT);
    expect(await session.command("cmp /tmp/lines /tmp/edited && echo same")).toBe("same\n");
  });

  it("end a pipeline as a whole", async () => {
    await using session = await TerminalSession.shell();
    session.line("sleep 100 | cat | cat");
    await session.expect("\r\n");
    await pause(300);
    session.type(control("C"));
    await session.expect(PROMPT);
    expect(await session.command("ps | grep -c [s]leep")).toBe("0\n");
  });

  it("end the input", async () => {
    await using session = await TerminalSession.shell();
    session.line("cat; echo status $?");
    await session.expect("\r\n");
    session.type(control("D"));
    await session.expect("status 0\r\n");
    await session.expect(PROMPT);
    session.type(control("D"));
    expect(await session.end()).toEqual({ status: 0, restored: true });
  });

  it("stop a job, which goes on in the foreground and in the background", async () => {
    await using session = await TerminalSession.shell();
    session.line("cat");
    await session.expect("\r\n");
    session.type(control("Z"));
    await session.expect(PROMPT);
    expect(await session.command("jobs")).toContain("Stopped");
    session.line("fg");
    await session.expect("fg\r\n");
    session.line("back");
    await session.expect("back\r\nback\r\n");
    session.type(control("Z"));
    await session.expect(PROMPT);
    // In the background, it reads from the terminal: SIGTTIN stops it again.
    await session.command("bg");
    await pause(300);
    expect(await session.command("jobs")).toContain("Stopped");
    await session.command("kill -KILL %1");
    await pause(300);
    expect(await session.command("jobs; ps | grep -c [c]at")).toMatch(/(^|\n)0\n$/);
    session.line("sleep 100");
    await session.expect("\r\n");
    session.type(control("Z"));
    await session.expect(PROMPT);
    await session.command("bg");
    expect(await session.command("jobs")).toContain("Running");
  });
});

describe("jobs", () => {
  it("go to the background and come back, stop, go on and end by name", async () => {
    await using session = await TerminalSession.shell();
    await session.command("sleep 100 &");
    expect(await session.command("jobs")).toMatch(/^\[1\].*Running.*sleep 100/);
    session.line("fg");
    await session.expect("fg\r\n");
    await pause(300);
    session.type(control("Z"));
    await session.expect(PROMPT);
    expect(await session.command("jobs")).toMatch(/^\[1\].*Stopped.*sleep 100/);
    await session.command("bg %1");
    expect(await session.command("jobs")).toMatch(/^\[1\].*Running.*sleep 100/);
    await session.command("sleep 200 &");
    expect(await session.command("jobs")).toMatch(/^\[1\].*sleep 100\n\[2\].*sleep 200\n$/);
    await session.command("kill %1; sleep 0.2");
    await session.command("jobs");
    expect(await session.command("jobs")).toMatch(/^\[2\].*Running.*sleep 200\n$/);
    await session.command("kill %2; sleep 0.2");
    await session.command("jobs");
    expect(await session.command("jobs; echo none")).toBe("none\n");
  });

  it("lose their terminal with the shell", async () => {
    await using session = await TerminalSession.shell();
    await session.command("trap '' HUP; setsid sh -c 'sleep 0.3; : >/dev/tty' 2>/tmp/lost &");
    expect(await session.command("sleep 1.5; cat /tmp/lost")).toMatch(/\/dev\/tty/);
  });
});

describe("the settings of the terminal", () => {
  it("are shown, changed, saved and restored", async () => {
    await using session = await TerminalSession.shell();
    const settings = await session.command("stty -a");
    expect(settings).toMatch(/24.*rows.*80|rows 24.*columns 80/);
    expect(settings).toContain("intr = ^C");
    await session.command("saved=$(stty -g)");
    await session.command("stty -echo -isig eof ^B");
    session.line("stty -a | grep -o -e -isig -e 'eof = ^.'");
    expect((await session.expect(PROMPT)).replaceAll("\r\n", "\n")).toContain("eof = ^B\n-isig\n");
    session.line("stty $saved");
    await session.expect(PROMPT);
    expect(await session.command('[ "$(stty -g)" = "$saved" ] && echo restored')).toBe("restored\n");
  });

  it("let programs read secrets and single keys", async () => {
    await using session = await TerminalSession.shell();
    session.line("stty -echo; read secret; stty echo; echo got $secret");
    await session.expect("\r\n");
    await pause(300);
    session.line("swordfish");
    const shown = await session.expect("got swordfish\r\n");
    expect(shown).not.toContain("swordfish");
    await session.expect(PROMPT);
    session.line("stty -icanon min 3 time 0; dd bs=9 count=1 2>/dev/null | od -c; stty sane");
    await session.expect("\r\n");
    await pause(300);
    session.type("xyz");
    await session.expect("x   y   z\r\n");
    await session.expect(PROMPT);
  });
});

describe("a terminal in the terminal", () => {
  it("records what a program shows", async () => {
    await using session = await TerminalSession.shell();
    const recorded = await session.command(
      "script -q -c 'tty; stty size; [ -t 0 ] && echo interactive' /tmp/typescript",
    );
    expect(recorded).toMatch(/^\/dev\/pts\/0\n24 80\ninteractive\n$/);
    expect(await session.command("grep -c interactive /tmp/typescript; ls /dev/pts | cat")).toBe("1\nptmx\n");
  });

  it("has a shell with jobs of its own", async () => {
    await using session = await TerminalSession.shell();
    // The echo of this line is no prompt.
    session.line("PS1='in''ner# ' script -q -c 'sh -i' /tmp/typescript");
    await session.expect("inner# ");
    session.line("echo go; sleep 100");
    await session.expect("\r\ngo\r\n");
    await pause(500);
    session.type(control("Z"));
    await session.expect("inner# ");
    session.line("jobs");
    await session.expect("Stopped");
    await session.expect("inner# ");
    session.line("kill -9 %1; tty; exit 3");
    await session.expect("/dev/pts/0\r\n");
    await session.expect(PROMPT);
    expect(await session.command("tty")).toBe("/dev/tty1\n");
  });
});

describe("a pager", () => {
  it("shows a file page by page", async () => {
    await using session = await TerminalSession.shell();
    await session.command("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line-$i; done >/tmp/lines");
    session.line("less /tmp/lines");
    const first = await session.expect("line-23");
    expect(first).toContain("line-1");
    session.type(" ");
    await session.expect("line-46");
    session.type("G");
    await session.expect("line-100");
    session.type("/line-77");
    await pause(300);
    session.line("");
    await session.expect("line-77");
    session.type("q");
    await session.expect(PROMPT);
  });
});

describe("the window", () => {
  it("has its size in the pod, and may change it", async () => {
    await using session = await TerminalSession.shell();
    expect(await session.command("stty size")).toBe("24 80\n");
    session.line(`sh -c 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.1; done'`);
    await session.expect("\r\nready\r\n");
    await session.resize(132, 43);
    await session.expect("43 132\r\n");
    await session.expect(PROMPT);
    expect(await session.command("stty size")).toBe("43 132\n");
  });
});

describe("an editor", () => {
  it("writes a file", async () => {
    await using session = await TerminalSession.shell();
    session.line("vi /tmp/note");
    await session.expect("/tmp/note");
    session.type(`ihello${KEYS.enter}world${KEYS.escape}`);
    await pause(500);
    session.line(":wq");
    await session.expect(PROMPT);
    expect(await session.command("cat /tmp/note")).toBe("hello\nworld\n");
  });
});

describe("the modes of this terminal", () => {
  it("are as before after an exit", async () => {
    await using session = await TerminalSession.shell();
    session.line("stty raw -echo; exit 5");
    expect(await session.end()).toEqual({ status: 5, restored: true });
  });

  it("are as before when the program is killed", async () => {
    await using session = await TerminalSession.shell();
    session.line("kill -KILL $$");
    expect(await session.end()).toEqual({ status: 137, restored: true });
  });

  it("are as before when the command is told to end", async () => {
    await using session = await TerminalSession.shell();
    process.kill(await session.pid(), "SIGTERM");
    expect(await session.end()).toEqual({ status: 129, restored: true });
  });

  it("are as before when nothing could be run", async () => {
    await using session = await TerminalSession.open(["--", "no-such-program"]);
    await session.expect("shoal: no-such-program: not found\r\n");
    expect(await session.end()).toEqual({ status: 127, restored: true });
  });
});
