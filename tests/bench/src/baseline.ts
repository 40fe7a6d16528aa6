/**
 * What a system with a Worker for each process pays, as cheap as it can be made.
 *
 * - `switch`: two Workers wake each other through shared memory, there and back. No call of a
 *   kernel, no pipe: the floor below any round trip between two such processes.
 * - `call`: a system call that another thread serves: one Worker writes a number, the other answers.
 *   The same two switches, with arguments and a result.
 * - `spawn`: a Worker is made, runs nothing, tells so and is terminated.
 * - `kill`: a Worker that computes for ever is terminated, until that is known: in Node from its
 *   event, in a page from a lock that it held.
 *
 * {@link baseline} runs in Node and in a page, where it arrives as text: it uses nothing of this
 * module.
 */
import type { BaselineName, CrowdName } from "./programs.ts";

/** Nanoseconds for one round of each. */
export type Baselines = Record<Exclude<BaselineName, CrowdName>, number>;

/** What differs between Node and a page. */
export type BaselineHost = "node" | "page";

/** Nanoseconds for one round of each, the best of `tries` means; of kills the median. */
export async function baseline(host: BaselineHost, tries: number): Promise<Baselines> {
  const ROUNDS = 2000;
  const SPAWNS = 10;
  const KILLS = 9;
  const NAP_MS = 30;
  const SLOTS = 8;
  // The other Worker: answers each request until it is told to end.
  const echo = (words: Int32Array): void => {
    for (let served = 0; ; served += 1) {
      Atomics.wait(words, 0, served);
      if (Atomics.load(words, 2) === 0) {
        return;
      }
      words[3] = (words[4] ?? 0) + (words[5] ?? 0);
      Atomics.store(words, 1, served + 1);
      Atomics.notify(words, 1);
    }
  };
  // The Worker that is measured: milliseconds for all rounds.
  const ask = (words: Int32Array, first: number, rounds: number, nrArguments: number): number => {
    const started = performance.now();
    for (let round = first; round < first + rounds; round += 1) {
      for (let argument = 0; argument < nrArguments; argument += 1) {
        words[4 + argument] = round;
      }
      Atomics.store(words, 0, round + 1);
      Atomics.notify(words, 0);
      Atomics.wait(words, 1, round);
    }
    return performance.now() - started;
  };
  const body = (prologue: string): string => `"use strict";
    const echo = ${echo.toString()};
    const ask = ${ask.toString()};
    ${prologue}
    listen((data) => {
      const words = data.memory === undefined ? undefined : new Int32Array(data.memory);
      if (data.role === "echo") echo(words);
      if (data.role === "ask") reply(ask(words, data.first, data.rounds, data.nrArguments));
      if (data.role === "nothing") reply(0);
      if (data.role === "spin") spin(() => reply(0));
    });`;
  interface Port {
    post(message: object): void;
    once(): Promise<number>;
    terminate(): unknown;
    /** Settles when a terminated Worker that spins is no more. */
    isGone(): Promise<unknown>;
  }
  let start: () => Port;
  if (host === "node") {
    const { Worker } = await import("node:worker_threads");
    const source = body(`const { parentPort } = require("node:worker_threads");
      const listen = (use) => parentPort.on("message", use);
      const reply = (value) => parentPort.postMessage(value);
      const spin = (ready) => { ready(); for (;;); };`);
    start = () => {
      const worker = new Worker(source, { eval: true });
      return {
        post: (message) => worker.postMessage(message),
        once: () => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
        terminate: () => worker.terminate(),
        isGone: () => worker.terminate(),
      };
    };
  } else {
    const source = body(`const listen = (use) => { onmessage = (event) => use(event.data); };
      const reply = (value) => postMessage(value);
      const spin = (ready) => navigator.locks.request("spinner", () => { ready(); for (;;); });`);
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    start = () => {
      const worker = new Worker(url);
      return {
        post: (message) => worker.postMessage(message),
        once: () =>
          new Promise((resolve, reject) => {
            worker.onmessage = (event: MessageEvent<number>) => resolve(event.data);
            worker.onerror = (event) => reject(new Error(event.message));
          }),
        terminate: () => worker.terminate(),
        isGone: () => navigator.locks.request("spinner", () => undefined),
      };
    };
  }

  const memory = new SharedArrayBuffer(4 * SLOTS);
  const words = new Int32Array(memory);
  words[2] = 1;
  const [server, client] = [start(), start()];
  server.post({ role: "echo", memory });
  let first = 0;
  const rounds = async (nrArguments: number): Promise<number> => {
    const answer = client.once();
    client.post({ role: "ask", memory, first, rounds: ROUNDS, nrArguments });
    first += ROUNDS;
    return ((await answer) * 1e6) / ROUNDS;
  };
  const spawns = async (): Promise<number> => {
    const started = performance.now();
    for (let spawn = 0; spawn < SPAWNS; spawn += 1) {
      const worker = start();
      const answer = worker.once();
      worker.post({ role: "nothing" });
      await answer;
      await worker.terminate();
    }
    return ((performance.now() - started) * 1e6) / SPAWNS;
  };
  const kills = async (): Promise<number[]> => {
    const times: number[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const worker = start();
      const answer = worker.once();
      worker.post({ role: "spin" });
      await answer;
      await new Promise((resolve) => setTimeout(resolve, NAP_MS));
      const killed = performance.now();
      void worker.terminate();
      await worker.isGone();
      times.push((performance.now() - killed) * 1e6);
    }
    return times;
  };
  const killed: number[] = [];
  const best = { call: Number.POSITIVE_INFINITY, switch: Number.POSITIVE_INFINITY, spawn: Number.POSITIVE_INFINITY };
  try {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      best.switch = Math.min(best.switch, await rounds(0));
      best.call = Math.min(best.call, await rounds(2));
      best.spawn = Math.min(best.spawn, await spawns());
      killed.push(...(await kills()));
    }
  } finally {
    Atomics.store(words, 2, 0);
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
    await client.terminate();
    await server.terminate();
  }
  const kill = killed.sort((a, b) => a - b)[killed.length >> 1] ?? Number.NaN;
  return { ...best, kill };
}
