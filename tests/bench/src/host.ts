/** Where the pod runs: Node or a browser. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { boot, type Pod } from "shoal/node";
import { baseline } from "./baseline.ts";
import { type BaselineName, type Benchmark, nanoseconds } from "./programs.ts";

/** Where the pod runs. */
export const HOSTS = ["node", "chromium", "firefox"] as const;
export type HostName = (typeof HOSTS)[number];

/** A host with a pod of one Worker and a pod of two. */
export interface MeasuringHost extends AsyncDisposable {
  /** Its name and version. */
  readonly version: string;
  /** Nanoseconds for one round in the pod. */
  measure(benchmark: Benchmark): Promise<number>;
  /** Nanoseconds for one round of each baseline, the best of `tries`. */
  baseline(tries: number): Promise<Record<BaselineName, number>>;
}

const TREE = fileURLToPath(new URL("../../..", import.meta.url));
/** Where the image has the programs. */
const GUEST_FOLDER = "/usr/lib/shoal/bench/";

/** Starts a host. */
export function openHost(name: HostName): Promise<MeasuringHost> {
  return name === "node" ? openNode() : openBrowser(name);
}

async function openNode(): Promise<MeasuringHost> {
  const image = new Uint8Array(await readFile(process.env.SHOAL_IMAGE ?? `${TREE}/target/guest/root.ext2`));
  const pods = new Map<number, Pod>();
  for (const workers of [1, 2]) {
    pods.set(workers, await boot({ image: image.slice(), workers }));
  }
  return {
    version: `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    async measure({ program, argv, workers }) {
      const pod = pods.get(workers);
      const child = await pod?.run(GUEST_FOLDER + program, argv);
      child?.stdio?.stdin.end();
      const texts = Promise.all([child?.stdio?.stdout.text(), child?.stdio?.stderr.text()]);
      const [status, [output, errors]] = [await child?.exit, await texts];
      return nanosecondsOf(program, status?.shell, output, errors);
    },
    baseline: (tries) => baseline("node", tries),
    async [Symbol.asyncDispose]() {
      for (const pod of pods.values()) {
        pod.close();
      }
    },
  };
}

async function openBrowser(name: "chromium" | "firefox"): Promise<MeasuringHost> {
  const { launch, PodPage, serve } = await import("shoal-browser-tests");
  await using undo = new AsyncDisposableStack();
  const pods = new Map([
    [1, undo.use(await PodPage.open(name, { workers: 1 }))],
    [2, undo.use(await PodPage.open(name, { workers: 2 }))],
  ]);
  const version = (await pods.get(1)?.version()) ?? name;
  const all = undo.move();
  return {
    version,
    async measure({ program, argv, workers }) {
      const finished = await pods.get(workers)?.run(GUEST_FOLDER + program, argv);
      return nanosecondsOf(program, finished?.status, finished?.stdout, finished?.stderr);
    },
    async baseline(tries) {
      await using site = await serve();
      await using browser = await launch(name);
      const page = await browser.browser.newPage();
      await page.goto(site.url);
      return (await page.evaluate(`(${baseline.toString()})("page", ${tries})`)) as Record<BaselineName, number>;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function nanosecondsOf(program: string, status = -1, output = "", errors = ""): number {
  if (status !== 0) {
    throw new Error(`${program} ended with status ${status}: ${errors.trim() || output.trim()}`);
  }
  return nanoseconds(program, output);
}
