/** Files of this machine in the pod, and what the pod makes of them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { native, sh, temporaryFolder } from "./shoal.ts";

/** Real text, on every machine that can build the guests. */
const HEADERS = "/usr/include/linux";
const MOUNT = ["--mount", `${HEADERS}:/mnt:ro`];

/** A folder with the applets of this machine's busybox. */
let applets: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  applets = await temporaryFolder();
  await native("busybox", ["--install", "-s", applets.path]);
});
afterAll(() => applets[Symbol.asyncDispose]());

/** The same script by busybox on this machine, in the folder that the pod has at /mnt. */
async function nativeSh(script: string): Promise<string> {
  const env = { PATH: applets.path };
  const { stdout } = await native("/usr/bin/env", ["sh", "-c", script.replaceAll("/mnt", HEADERS)], { env });
  return stdout;
}

describe("a folder of this machine", () => {
  for (const script of [
    'find /mnt -name "*.h" | xargs cat | sort | uniq -c | sort -rn | head',
    "cd /mnt; find . -type f | sort | xargs sha256sum",
    "cd /mnt; ls -l | awk 'NR > 1 { print $1, $5, $9 }'",
    "cd /mnt; cat *.h | sed -n 's/^#define[ \\t]*\\([A-Z_]*\\)[ \\t].*/\\1/p' | sort -u",
    "cd /mnt; cat *.h | awk '{ n += NF; l[length($0)]++ } END { print n, NR; for (i in l) print i, l[i] }' | sort -n",
    "cd /mnt; grep -rlw ioctl . | sort",
    "cd /mnt; cat *.h | tr -cs A-Za-z '\\n' | sort | uniq -c | sort -k1,1nr -k2 | head -20",
  ]) {
    it(`gives what it gives to busybox here: ${script}`, async () => {
      const [pod, here] = await Promise.all([sh(script, MOUNT), nativeSh(script)]);
      expect(here.length).toBeGreaterThan(10);
      expect(pod).toEqual({ status: 0, signal: undefined, stdout: here, stderr: "" });
    });
  }

  it("refuses changes when it is mounted so", async () => {
    const script = "touch /mnt/x || rm /mnt/types.h || mv /mnt/types.h /tmp || echo refused";
    const { stdout, stderr } = await sh(script, MOUNT);
    expect(stdout).toBe("refused\n");
    expect(stderr.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it("takes changes when it is not", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "given"), "from here\n");
    const script = [
      "cd /mnt && tr a-z A-Z <given >taken && mkdir d && mv taken d/moved && ln -s d/moved link && rm given",
      "chmod 750 d && touch -d '2001-02-03 04:05:06' d/moved",
    ].join(" && ");
    expect(await sh(script, ["--mount", `${folder.path}:/mnt`])).toMatchObject({ status: 0, stderr: "" });
    const { stdout } = await native("sh", ["-c", 'cd "$0" && cat link && find . | sort && stat -c %a d', folder.path]);
    expect(stdout).toBe("FROM HERE\n.\n./d\n./d/moved\n./link\n750\n");
  });

  it("is named when it is not there", async () => {
    const { status, stderr } = await sh("true", ["--mount", "/no/such/folder:/mnt"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^shoal: --mount .*No such file or directory.*\n$/);
  });
});

describe("an archive", () => {
  it("comes back as it was", async () => {
    const sums = "find . -type f | sort | xargs sha256sum";
    const script = [
      "cd /mnt",
      "tar -czf /tmp/a.tgz .",
      "mkdir /root/b && cd /root/b && tar -xzf /tmp/a.tgz",
      sums,
      "find . | wc -l",
    ].join(" && ");
    const here = await nativeSh(`cd /mnt && ${sums} && find . | wc -l`);
    expect(await sh(script, MOUNT)).toEqual({ status: 0, signal: undefined, stdout: here, stderr: "" });
  });

  it("of the pod is read here", async () => {
    await using folder = await temporaryFolder();
    const script = "cd /mnt && tar -czf /out/a.tgz *.h && gzip -9 -c types.h >/out/types.gz";
    expect(await sh(script, [...MOUNT, "--mount", `${folder.path}:/out`])).toMatchObject({ status: 0, stderr: "" });
    const check = `cd ${HEADERS} && tar -dzf "$0/a.tgz" && gzip -dc "$0/types.gz" | cmp - types.h && echo same`;
    expect(await native("sh", ["-c", check, folder.path])).toMatchObject({ stdout: "same\n", stderr: "" });
  });

  it("of this machine is read in the pod", async () => {
    await using folder = await temporaryFolder();
    const make = 'cd "$1" && tar -czf "$0/a.tgz" *.h && cat *.h | bzip2 -c >"$0/a.bz2"';
    await native("busybox", ["sh", "-c", make, folder.path, HEADERS]);
    const script = [
      "mkdir /root/b && cd /root/b && tar -xzf /in/a.tgz",
      "for f in *.h; do cmp $f /mnt/$f || exit 1; done",
      "cat *.h | md5sum && bzip2 -dc /in/a.bz2 | md5sum",
    ].join(" && ");
    const { stdout, stderr, status } = await sh(script, [...MOUNT, "--mount", `${folder.path}:/in:ro`]);
    expect([status, stderr]).toEqual([0, ""]);
    const [first, second] = stdout.trim().split("\n");
    expect(first).toBe(second);
  });
});
