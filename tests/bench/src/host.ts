/** Where the pod runs: Node or a browser. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot, type Pod, type Process } from "shoal/node";
import type { PodPage } from "shoal-browser-tests";
import { type Baselines, baseline } from "./baseline.ts";
import { GUEST_FOLDER, measureAlone, runCommand, TREE } from "./command.ts";
import { type Crowd, startCrowd } from "./crowd.ts";
import type { Benchmark, CrowdName } from "./programs.ts";
import { residentBytes } from "./resident.ts";
import { Listener, type Transcript } from "./transcript.ts";

/** Where the pod runs. */
export const HOSTS = ["node", "chromium", "firefox"] as const;
export type HostName = (typeof HOSTS)[number];

/** How far a crowd of Workers came, and what stopped it. */
export type CrowdNumbers = Readonly<Record<CrowdName, number>> & { readonly note: string };

/** What kind of pods: pools of one Worker and of two, or one Worker without shared memory. */
export type Mode = "pool" | "solo";

/** A host with a pod for each number of Workers. */
export interface MeasuringHost extends AsyncDisposable {
  /** Its name and version. */
  readonly version: string;
  /** Runs a benchmark in the pod, for at most `patience` milliseconds. */
  measure(benchmark: Benchmark, patience: number): Promise<Transcript>;
  /** What a Worker for each process costs. */
  baseline(tries: number): Promise<Baselines>;
  /** As many sleeping Workers as can be had, up to `wanted`. */
  crowd(wanted: number, patience: number): Promise<CrowdNumbers>;
}

/** Starts a host. */
export function openHost(name: HostName, mode: Mode): Promise<MeasuringHost> {
  return name === "node" ? openNode(mode) : openBrowser(name, mode);
}

/**
 * Waits for `work` for some time.
 *
 * @throws when it takes longer; `abandon` ends it then.
 */
async function within<T>(patience: number, work: Promise<T>, abandon: () => unknown): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${patience / 1000} s`)), patience);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    await abandon();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function openNode(mode: Mode): Promise<MeasuringHost> {
  const read = async (path: string) => new Uint8Array(await readFile(path));
  const image = await read(process.env.SHOAL_IMAGE ?? `${TREE}/target/guest/root.ext2`);
  const pods = new Map<number | "roomy" | "stored", Pod>();
  const folder = await mkdtemp(join(tmpdir(), "shoal-bench-"));
  const podFor = async ({ workers, disk }: Benchmark): Promise<Pod> => {
    const kind = disk ?? workers;
    const contents = () => (disk === "roomy" ? read(`${TREE}/target/guest/roomy.ext2`) : image.slice());
    const storage = disk === "stored" ? { storage: { folder } } : {};
    const pod = pods.get(kind) ?? (await boot({ image: await contents(), mode, workers, ...storage }));
    pods.set(kind, pod);
    return pod;
  };
  return {
    version: `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    async measure(benchmark, patience) {
      const { workers, disk, program, argv } = benchmark;
      if (benchmark.isAlone) {
        return measureAlone(benchmark, mode, patience);
      }
      const pod = await podFor(benchmark);
      // After a failure nobody knows what still runs in it.
      const drop = () => {
        pods.delete(disk ?? workers);
        pod.close();
      };
      const child = await pod.run(GUEST_FOLDER + program, argv);
      return within(patience, listenTo(child, program), drop);
    },
    baseline: (tries) => baseline("node", tries),
    async crowd(wanted, patience) {
      const path = new URL("crowd.ts", import.meta.url).pathname;
      const {
        numbers,
        residentBytes: bytes,
        notes,
      } = await runCommand(process.execPath, [path, String(wanted)], patience, "untilItFails");
      const reached = numbers.get("reached") ?? 0;
      return {
        crowd_size: reached,
        crowd_start: numbers.get("start_each") ?? Number.NaN,
        crowd_memory: ((bytes.get("after") ?? Number.NaN) - (bytes.get("before") ?? Number.NaN)) / reached,
        note: reached < wanted && notes !== "" ? `reached ${reached} of ${wanted}: ${notes}` : notes,
      };
    },
    async [Symbol.asyncDispose]() {
      for (const pod of pods.values()) {
        pod.close();
      }
      // The disk Worker may still be about to end.
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Follows a program in a pod to its end. */
async function listenTo({ stdio, exit }: Process, program: string): Promise<Transcript> {
  const listener = new Listener(() => residentBytes(process.pid));
  const notes = stdio?.stderr.text();
  const decoder = new TextDecoder();
  for await (const chunk of stdio?.stdout ?? []) {
    const answer = await listener.hear(decoder.decode(chunk, { stream: true }));
    await stdio?.stdin.write(answer);
  }
  return listener.end(program, (await exit).shell, (await notes) ?? "");
}

async function openBrowser(name: "chromium" | "firefox", mode: Mode): Promise<MeasuringHost> {
  const { launch, PodPage, serve } = await import("shoal-browser-tests");
  const isolation = mode === "solo" ? "not isolated" : "isolated";
  const pages = new Map<number, PodPage>();
  const pageWith = async (workers: 1 | 2): Promise<PodPage> => {
    const page = pages.get(workers) ?? (await PodPage.open(name, { workers, isolation }));
    pages.set(workers, page);
    return page;
  };
  const follow = async (page: PodPage, { program, argv }: Benchmark, patience: number): Promise<Transcript> => {
    const listener = new Listener(async () => {
      await page.collectGarbage();
      return residentBytes(page.processId());
    });
    const talk = page.converse(GUEST_FOLDER + program, argv, (text) => listener.hear(text));
    const { status, stderr } = await within(patience, talk, () => page[Symbol.asyncDispose]());
    return listener.end(program, status, stderr);
  };
  const version = await (await pageWith(1)).version();
  return {
    version,
    async measure(benchmark, patience) {
      const { workers, frames } = benchmark;
      if (benchmark.isAlone) {
        const some = frames === undefined ? {} : { frames };
        await using page = await PodPage.open(name, { workers, isolation, ...some });
        return await follow(page, benchmark, patience);
      }
      try {
        return await follow(await pageWith(workers), benchmark, patience);
      } catch (error) {
        // Nobody knows what still runs in it.
        await pages.get(workers)?.[Symbol.asyncDispose]();
        pages.delete(workers);
        throw error;
      }
    },
    async baseline(tries) {
      await using site = await serve();
      await using browser = await launch(name);
      const page = await browser.browser.newPage();
      await page.goto(site.url);
      return (await page.evaluate(`(${baseline.toString()})("page", ${tries})`)) as Baselines;
    },
    async crowd(wanted, patience) {
      await using site = await serve();
      await using browser = await launch(name);
      const page = await browser.browser.newPage();
      // The page's own pod would hold memories: only its headers are of use.
      page.on("request", (request) => {
        const isNeeded = request.isNavigationRequest() || request.url().startsWith("blob:");
        void (isNeeded ? request.continue() : request.abort());
      });
      await page.setRequestInterception(true);
      await page.goto(site.url, { waitUntil: "domcontentloaded" });
      const root = browser.browser.process()?.pid ?? process.pid;
      const before = await residentBytes(root);
      const started = page.evaluate(`(${startCrowd.toString()})("page", ${wanted})`) as Promise<Crowd>;
      const { reached, allNs, why } = await within(patience, started, () => browser[Symbol.asyncDispose]());
      const after = await residentBytes(root);
      return {
        crowd_size: reached,
        crowd_start: allNs / reached,
        crowd_memory: (after - before) / reached,
        note: why === undefined ? "" : `reached ${reached} of ${wanted}: ${why}`,
      };
    },
    async [Symbol.asyncDispose]() {
      for (const page of pages.values()) {
        await page[Symbol.asyncDispose]();
      }
    },
  };
}
