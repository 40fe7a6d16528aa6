/** Programs without a terminal, as benchmarks run them. */
import { expect, test } from "vitest";
import { PodPage } from "./pod_page.ts";

test.each(["chromium", "firefox"] as const)("a pod in %s runs programs and tells how they ended", async (name) => {
  await using pod = await PodPage.open(name, { workers: 2 });
  expect(await pod.run("/bin/echo", ["a", "b"])).toEqual({ status: 0, stdout: "a b\n", stderr: "" });
  expect(await pod.run("/bin/sh", ["-c", "echo wrong >&2; exit 7"])).toEqual({
    status: 7,
    stdout: "",
    stderr: "wrong\n",
  });
  await expect(pod.run("/no/such/program")).rejects.toThrow(/no\/such\/program: No such file or directory/);
  expect(await pod.version()).toMatch(/\d/);
});
