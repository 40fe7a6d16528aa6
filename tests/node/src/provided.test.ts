/** Files that the embedder provides: the same as files in memory to guests, whatever time the answers take. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { boot, type FileProvider, type LogLevel, type Pod } from "../../../sdk/dist/node.js";
import { MemoryFiles } from "./memory_files.ts";
import { IMAGE } from "./shoal.ts";

describe.each(["pool", "solo"] as const)("a mount that the embedder provides, in mode %s", (mode) => {
  let pod: Pod;
  const files = new MemoryFiles();
  const lines: [LogLevel, string][] = [];

  /** Runs `script` by the pod's `sh`. */
  async function sh(script: string): Promise<{ status: number; stdout: string; stderr: string }> {
    const { stdio, exit } = await pod.run("/bin/sh", ["-c", script]);
    stdio?.stdin.end();
    const [status, stdout, stderr] = await Promise.all([exit, stdio?.stdout.text(), stdio?.stderr.text()]);
    return { status: status.shell, stdout: stdout ?? "", stderr: stderr ?? "" };
  }

  /** Mounts a provider for one test: like an empty directory, but for `parts`. */
  async function mounted(parts: Partial<FileProvider>, ...without: string[]): Promise<AsyncDisposable> {
    const guest = "/mnt/one";
    const provider: FileProvider = { ...new MemoryFiles(), ...parts };
    for (const name of without) {
      Reflect.deleteProperty(provider, name);
    }
    await pod.mount({ guest, provider });
    return { [Symbol.asyncDispose]: () => pod.unmount(guest) };
  }

  beforeAll(async () => {
    const image = new Uint8Array(await readFile(IMAGE));
    const mounts = [{ guest: "/mnt/page", provider: files }];
    pod = await boot({ image, mode, mounts, onLog: (level, message) => lines.push([level, message]) });
  });
  afterAll(() => pod.close());

  it.each([
    "echo one >a; echo two >>a; cat a; wc -c a; cp a b; cmp a b; rm a; ls",
    "mkdir -p x/y; echo deep >x/y/z; mv x w; cat w/y/z; rmdir w; rm w/y/z; rmdir w/y w; ls -a",
    "seq 1 50000 >n; md5sum n; sed -i s/7/seven/ n; md5sum n; truncate -s 1000 n; md5sum n; rm n",
    "for i in $(seq 1 40); do echo $i >f$i; done; ls | sort; cat f*| md5sum; mv f1 f2; cat f2; rm f*",
    "(for i in 1 2 3 4; do (echo $i >>log) & done; wait; sort log; rm log)",
    "set -C; echo a >once; echo b >once; cat once; rm once",
    "exec 5<>t; echo kept >&5; rm t; ls; echo new >t; cat t; cat <&5; cat /proc/self/fd/5; rm t",
    "printf '#!/bin/sh\\necho ran $1\\n' >s; chmod +x s; ./s it; rm s; ./s it",
    "cat none; mkdir d; cat d; rm d; rmdir d; touch d/e",
    "echo a >a; dd if=a of=b bs=1 seek=5000000 2>/dev/null; wc -c b; tail -c 3 b; rm a b",
  ])("does what files in memory do: %s", async (script) => {
    const at = (folder: string) => sh(`mkdir -p ${folder} && cd ${folder} && { ${script}; }`);
    const [provided, memory] = [await at("/mnt/page"), await at("/tmp/memory")];
    expect(provided).toEqual(memory);
    await sh("rm -r /tmp/memory /mnt/page/*");
    expect(files.names()).toEqual([]);
  });

  it("serves the embedder's own file API", async () => {
    const text = "x".repeat(300_000);
    await pod.files.write("/mnt/page/api", text);
    expect(await pod.files.readText("/mnt/page/api")).toBe(text);
    expect(await pod.files.list("/mnt/page")).toEqual([{ name: "api", type: "file" }]);
    expect(await pod.files.stat("/mnt/page/api")).toMatchObject({ size: 300_000 });
    await pod.files.remove("/mnt/page/api");
    expect(files.names()).toEqual([]);
  });

  it("makes each change once, and asks for nothing twice", async () => {
    files.calls.length = 0;
    expect((await sh("cd /mnt/page; mkdir m; echo 1 >m/f; mv m/f m/g; rm m/g; rmdir m")).stderr).toBe("");
    const changes = files.calls.filter((call) => !/^(stat|list|read) /.test(call));
    expect(changes).toEqual(["mkdir /m", "create /m/f", "write /m/f 0 2", "rename /m/f", "remove /m/g", "rmdir /m"]);
  });

  it("shows programs the errors that the provider means", async () => {
    const domError = new DOMException("no", "NotAllowedError");
    const fail = (error: unknown) => () => Promise.reject(error);
    await using _mount = await mounted({
      mkdir: fail(Object.assign(new Error(), { code: "ENOSPC" })),
      rmdir: fail(new Error("unheard of")),
      create: fail(domError),
    });
    lines.length = 0;
    const { stderr } = await sh("cd /mnt/one; mkdir d; echo a >f; ln -s a b");
    expect(stderr.match(/: [A-Z][a-z A-Z]*$/gm)).toEqual([
      ": No space left on device",
      ": Permission denied",
      ": Operation not permitted",
    ]);
    expect(lines).toEqual([]);
  });

  it("says EIO for a failure that means nothing to Linux, and tells the log", async () => {
    await using _mount = await mounted({ write: () => Promise.reject(new TypeError("a bug in the page")) });
    lines.length = 0;
    expect((await sh("echo a >/mnt/one/f")).stderr).toContain("I/O error");
    expect(lines.map(([level]) => level)).toEqual(["warning"]);
    expect(lines[0]?.[1]).toContain("a bug in the page");
  });

  it("is read-only without a function that writes", async () => {
    await using _mount = await mounted({}, "write");
    expect((await sh("cd /mnt/one; touch a; mkdir b; grep one /proc/mounts")).stdout).toContain(" hostfs ro,");
    expect((await sh("touch /mnt/one/a")).stderr).toContain("Read-only file system");
  });

  it("lets go of a guest that is killed while it waits, and keeps nothing for it", async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const made: string[] = [];
    const slow = new MemoryFiles();
    const { mkdir } = slow;
    slow.mkdir = async (path) => {
      made.push(path);
      asked.resolve();
      await gate.promise;
      await mkdir(path);
    };
    await using _mount = await mounted(slow);
    const { stdio, exit, kill } = await started("/bin/mkdir", "/mnt/one/d");
    await asked.promise;
    await kill(9);
    expect(await exit).toMatchObject({ signal: 9 });
    gate.resolve();
    await stdio?.stdout.text();
    // The page has made it all the same, and the answer that nobody took is not the next one's.
    expect(await sh("cd /mnt/one; rmdir d; mkdir d && ls")).toEqual({ status: 0, stdout: "d\n", stderr: "" });
    expect(made).toEqual(["/d", "/d"]);
  });

  /** A process with its functions. */
  async function started(path: string, ...argv: string[]) {
    const process = await pod.run(path, argv);
    return { stdio: process.stdio, exit: process.exit, kill: (signal: number) => process.kill(signal) };
  }

  it("tells a provider when nobody has a file open any more", async () => {
    const closed: string[] = [];
    const provider = Object.assign(new MemoryFiles(), { close: (path: string) => void closed.push(path) });
    await pod.mount({ guest: "/mnt/one", provider });
    expect((await sh("echo a >/mnt/one/f; cat /mnt/one/f /mnt/one/f")).stdout).toBe("a\na\n");
    await pod.unmount("/mnt/one");
    expect(new Set(closed)).toEqual(new Set(["/f"]));
    expect(closed.length).toBeGreaterThan(1);
  });

  it("cannot be unmounted while it is in use", async () => {
    await pod.mount({ guest: "/mnt/one", provider: new MemoryFiles() });
    const { stdio, exit } = await started("/bin/sh", "-c", "cd /mnt/one; echo in; read line");
    for await (const _chunk of stdio?.stdout ?? []) {
      await expect(pod.unmount("/mnt/one")).rejects.toMatchObject({ errno: 16 });
      stdio?.stdin.end();
    }
    await exit;
    await pod.unmount("/mnt/one");
    expect((await sh("ls /mnt/one")).stdout).toBe("");
  });
});
