/**
 * A crowd of sleeping processes where each has a Worker of its own, as cheap as it can be made.
 *
 * Each Worker has a shared memory of two pages, which its kernel would need too, and waits in
 * `Atomics.wait`. Nothing is compiled and nothing is loaded. As a program (`node crowd.ts N`) it
 * writes what `transcript.ts` reads, so that it may end as badly as it likes.
 */

/** How far it came. */
export interface Crowd {
  readonly reached: number;
  /** Nanoseconds until all of them ran. */
  readonly allNs: number;
  /** Why there are fewer than asked for. */
  readonly why: string | undefined;
}

/**
 * Starts up to `wanted` Workers, some at a time, and leaves them asleep.
 *
 * `goOn` is asked now and then. Runs in Node and in a page, where it arrives as text: it uses
 * nothing of this module.
 */
export async function startCrowd(
  host: "node" | "page",
  wanted: number,
  goOn: (reached: number, allNs: number) => Promise<string | undefined> = async () => undefined,
): Promise<Crowd> {
  const AT_ONCE = 8;
  const PATIENCE_MS = 20_000;
  const sleep = "(memory) => Atomics.wait(new Int32Array(memory.buffer), 0, 0)";
  let start: (memory: WebAssembly.Memory) => Promise<void>;
  // Who is not referred to may be collected.
  const crowd: object[] = [];
  if (host === "node") {
    const { Worker } = await import("node:worker_threads");
    const source = `const { parentPort, workerData } = require("node:worker_threads");
      parentPort.postMessage(0);
      (${sleep})(workerData);`;
    start = (memory) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(source, { eval: true, workerData: memory });
        crowd.push(worker);
        worker.once("message", resolve).once("error", reject);
      });
  } else {
    const source = `onmessage = ({ data }) => { postMessage(0); (${sleep})(data); };`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    start = (memory) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(url);
        crowd.push(worker);
        worker.onmessage = () => resolve();
        worker.onerror = (event) => reject(new Error(event.message || "a Worker failed"));
        worker.postMessage(memory);
      });
  }
  const late = () =>
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`no Worker started for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
  let reached = 0;
  let allNs = 0;
  let why: string | undefined;
  try {
    while (reached < wanted && why === undefined) {
      const started = performance.now();
      const some = Math.min(AT_ONCE, wanted - reached);
      const starts = Array.from({ length: some }, async () => {
        await start(new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true }));
        reached += 1;
      });
      await Promise.race([Promise.all(starts), late()]);
      allNs += (performance.now() - started) * 1e6;
      why = await goOn(reached, allNs);
    }
  } catch (reason) {
    // Firefox throws a bare string when it is out of memories.
    why = reason instanceof Error ? reason.message : String(reason);
  }
  // The page keeps them until it is closed.
  (globalThis as { shoalCrowd?: object[] }).shoalCrowd = crowd;
  return { reached, allNs, why };
}

/** What is left to the machine, as a share of its memory. */
const RESERVE = 0.2;

/** After how many Workers it tells how far it is: the next may end the process. */
const STEP = 200;

async function main(wanted: number): Promise<void> {
  const { freemem, totalmem } = await import("node:os");
  const { writeSync } = await import("node:fs");
  const answers = process.stdin[Symbol.asyncIterator]();
  const say = (line: string) => writeSync(1, `${line}\n`);
  const standStill = async (name: string) => {
    say(`pause ${name}`);
    await answers.next();
  };
  const tell = async (reached: number, allNs: number) => {
    say(`reached ${reached}`);
    say(`start_each ${allNs / reached}`);
    await standStill("after");
  };
  await standStill("before");
  const { reached, allNs, why } = await startCrowd("node", wanted, async (reached, allNs) => {
    if (reached % STEP === 0) {
      await tell(reached, allNs);
    }
    return freemem() < totalmem() * RESERVE ? "the machine's memory is needed by others" : undefined;
  });
  await tell(reached, allNs);
  if (why !== undefined) {
    process.stderr.write(`${why}\n`);
  }
  process.exit(0);
}

// The page has no `process`, and gets the function alone.
if (typeof process === "object" && process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  await main(Number(process.argv[2]));
}
