/** Programs in Rust do in a pod what they do on Linux. */
import { join } from "node:path";
import { native, ROOT, run, sh, temporaryFolder } from "shoal-node-tests";
import { expect, test } from "vitest";

/** Where `cargo xtask` has the programs. */
const BUILT = join(ROOT, "target/guest/rust");
const MOUNT = ["--mount", `${BUILT}:/mnt:ro`];

test.each([
  { mode: "a pool", options: ["--workers", "2"] },
  { mode: "one Worker without shared memory", options: ["--solo"] },
])("the standard library sees in $mode what it sees on Linux", async ({ options }) => {
  await using folder = await temporaryFolder();
  const input = "a line\n";
  const program = join(BUILT, "native/std-test");
  const onLinux = await native("env", ["-i", "-C", folder.path, "PATH=/bin:/usr/bin", "HOME=/", program], { input });
  expect(onLinux).toMatchObject({ status: 0, stderr: "" });
  const inPod = await run(
    [
      ...options,
      ...MOUNT,
      "--cwd",
      "/tmp",
      "--env",
      "PATH=/bin:/usr/bin",
      "--env",
      "HOME=/",
      "--",
      "/mnt/bin/std-test",
    ],
    { input },
  );
  expect(inPod).toMatchObject({ status: 0, stdout: onLinux.stdout });
});

test("a panic says where, and ends the program by SIGABRT", async () => {
  const { status, stderr } = await run([...MOUNT, "--", "/mnt/bin/std-test", "panic"]);
  expect(status).toBe(128 + 6);
  expect(stderr).toMatch(/panicked at src\/processes\.rs:\d+:\d+:\non purpose\n/);
});

test("ripgrep finds what grep finds", async () => {
  const folder = join(ROOT, "executor");
  const pattern = "fn [a-z_]+\\(&mut self";
  const sorted = (text: string) => text.trim().split("\n").sort();
  const here = await native("grep", ["-rnE", pattern, folder]);
  expect(here.status).toBe(0);
  const script = `/mnt/bin/rg -j1 --no-ignore --hidden -n --no-heading '${pattern}' /tree; /mnt/bin/rg --version | head -n 1`;
  const { stdout, stderr } = await sh(script, [...MOUNT, "--mount", `${folder}:/tree:ro`]);
  const lines = sorted(stdout);
  const version = lines.find((line) => line.startsWith("ripgrep "));
  expect([version, stderr]).toEqual([expect.stringMatching(/^ripgrep 15\./), ""]);
  expect(lines.filter((line) => line !== version)).toEqual(
    sorted(here.stdout).map((line) => line.replace(folder, "/tree")),
  );
});

/** A pod makes thousands of changes in a second; whoever asks for millions has an hour. */
const FSX_PATIENCE_MS = 3_600_000;

test("fsx finds no byte of a file that is not what was written", { timeout: FSX_PATIENCE_MS }, async () => {
  const count = process.env.SHOAL_FSX ?? "10000";
  const { status, stdout, stderr } = await run([
    ...["--mount", `${ROOT}/tests/rust:/config:ro`],
    ...MOUNT,
    ...["--", "/mnt/bin/fsx", "-f", "/config/fsx.toml", "-S", "7", "-N", count, "-P", "/tmp", "/var/tmp/file"],
  ]);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "All operations completed A-OK!\n", stderr: "" });
});
