/** Pipelines, statuses and streams. */
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { native, outcomeOf, run, sh, start } from "./shoal.ts";

describe("a pipeline", () => {
  for (const options of [["--workers", "1"], ["--workers", "2"], ["--workers", "4"], ["--solo"], ["--copy-in-js"]]) {
    it(`gives the README's answer with ${options.join(" ")}`, async () => {
      expect(await sh("echo Hello World | sha1sum | tr a-z A-Z", options)).toEqual({
        status: 0,
        signal: undefined,
        stdout: "648A6A6FFFFDAA0BADB23B8BAF90B6168DD16B3A  -\n",
        stderr: "",
      });
    });
  }
});

describe("a status", () => {
  it("is the program's", async () => {
    expect((await sh("exit 7")).status).toBe(7);
  });

  it("is 128 and the signal's number for a killed program", async () => {
    expect((await sh("kill -KILL $$")).status).toBe(128 + constants.signals.SIGKILL);
    expect((await sh("kill -TERM $$")).status).toBe(128 + constants.signals.SIGTERM);
  });

  for (const [program, status, why] of [
    ["/etc/passwd", 126, "/etc/passwd: Permission denied"],
    ["/bin", 126, "/bin: Permission denied"],
    ["/no/such/program", 127, "/no/such/program: No such file or directory"],
    ["/etc/passwd/x", 127, "/etc/passwd/x: Not a directory"],
    ["no-such-program", 127, "no-such-program: not found"],
  ] as const) {
    it(`is ${status} for ${program}`, async () => {
      expect(await run(["--", program])).toMatchObject({ status, stdout: "", stderr: `shoal: ${why}\n` });
    });
  }

  it("is the program's without shared memory too", async () => {
    expect((await sh("exit 7", ["--solo"])).status).toBe(7);
    expect((await sh("kill -TERM $$", ["--solo"])).status).toBe(128 + constants.signals.SIGTERM);
  });

  it("is a shell's inside the pod too", async () => {
    const { stdout } = await sh("/etc/passwd; echo $?; no-such-program; echo $?");
    expect(stdout).toBe("126\n127\n");
  });
});

describe("options", () => {
  it("set the environment, the path and the folder", async () => {
    const { stdout } = await run(["--env", "A=b=c", "--cwd", "/etc", "--", "sh", "-c", 'echo "$A $PWD $HOME"']);
    expect(stdout).toBe("b=c /etc /root\n");
    const found = await run(["--env", "PATH=/nowhere", "--", "ls"]);
    expect(found).toMatchObject({ status: 127, stderr: "shoal: ls: not found\n" });
  });

  it("name a folder that is not there", async () => {
    expect(await run(["--cwd", "/none", "--", "ls"])).toMatchObject({
      status: 125,
      stderr: "shoal: --cwd /none: No such file or directory\n",
    });
  });

  for (const [args, why] of [
    [["--workers", "x", "--", "true"], "--workers x: not a number"],
    [["--workers", "0", "--", "true"], "workers must be a whole number from 1 to 64"],
    [["--solo", "--workers", "2", "--", "true"], 'a pod in mode "solo" has one Worker, not 2'],
    [["--env", "x", "--", "true"], "--env x: not NAME=VALUE"],
    [["--mount", "/etc", "--", "true"], "--mount /etc: not HOST:GUEST[:ro]"],
    [["true"], "Unexpected argument 'true'"],
    [["--"], "no program"],
  ] as const) {
    it(`are refused: ${args.join(" ")}`, async () => {
      const { status, stderr } = await run(args);
      expect(status).toBe(125);
      expect(stderr).toContain(why);
    });
  }

  it("are explained", async () => {
    expect(await run(["--help"])).toMatchObject({ status: 0, stdout: expect.stringContaining("usage: shoal run") });
  });
});

describe("streams", () => {
  it("carry every byte", async () => {
    const input = new Uint8Array(3_000_000).map((_, index) => (index * 2654435761) >>> 13);
    const expected = await native("sha256sum", [], { input });
    expect((await run(["--", "sha256sum"], { input })).stdout).toBe(expected.stdout);
    const back = await run(["--", "sh", "-c", "gzip -c | gzip -dc | sha256sum"], { input });
    expect(back.stdout).toBe(expected.stdout);
  });

  it("are two for output", async () => {
    expect(await sh("echo out; echo err >&2")).toMatchObject({ stdout: "out\n", stderr: "err\n" });
  });

  it("break for a writer whose reader has gone", async () => {
    const child = start(["--", "yes"]);
    child.stdout.once("data", () => child.stdout.destroy());
    const status = await new Promise((resolve) => child.on("exit", resolve));
    expect(status).toBe(128 + constants.signals.SIGPIPE);
  });

  it("wait for a slow reader", async () => {
    const child = start(["--", "sh", "-c", "yes | head -c 20000000; echo done >&2"]);
    child.stdout.pause();
    let isDone = false;
    child.stderr.once("data", () => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(isDone).toBe(false);
    const { stdout, status } = await outcomeOf(child);
    expect([stdout.length, status]).toEqual([20_000_000, 0]);
  });
});

describe("a signal to the command", () => {
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    it(`ends it and the program: ${name}`, async () => {
      const child = start(["--", "sh", "-c", "echo ready; sleep 1000; echo late"]);
      child.stdout.once("data", () => child.kill(name));
      const { status, stdout } = await outcomeOf(child);
      expect([status, stdout]).toEqual([128 + constants.signals[name], "ready\n"]);
    });
  }

  it("is the program's to handle", async () => {
    const child = start(["--", "sh", "-c", 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 1; done']);
    child.stdout.once("data", () => child.kill("SIGTERM"));
    expect(await outcomeOf(child)).toMatchObject({ status: 3, stdout: "ready\ncaught\n" });
  });

  it("ends it for good the second time", async () => {
    const child = start(["--", "sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 1; done']);
    child.stdout.once("data", () => {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGTERM"), 300);
    });
    expect(await outcomeOf(child)).toMatchObject({ status: 143, stdout: "ready\n" });
  });
});
