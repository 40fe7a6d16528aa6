/** A pod: one kernel on a pool of Workers, as an embedder sees it. */
import type { HostMount, KernelOptions, LogLevel, PodMode, WorkerMessage } from "../protocol.js";
import type { Disks, PodStorage } from "./disk.js";
import { KernelError, PodError } from "./errors.js";
import type { ProvidedMount } from "./file_provider.js";
import { Files } from "./files.js";
import { type MemoryUsage, parseMemoryUsage } from "./memory_usage.js";
import { Mounts } from "./mounts.js";
import { Pool, type PoolPort } from "./pool.js";
import { Process, type ProcessStdio, type RunOptions } from "./process.js";
import { type ImageSource, needsDisk, type StorageOptions } from "./storage.js";
import { InputStream, OutputStream } from "./streams.js";
import { Terminal, type TerminalOptions } from "./terminal.js";

/** How a pod is made. */
export interface BootOptions {
  /** The root file system: an Ext2 image, as bytes, where to fetch it, or where to read it as it is needed. */
  readonly image: ImageSource;
  /** Where changes to the image are kept. Absent: they go with the pod. */
  readonly storage?: StorageOptions;
  /** The same as `storage: { key }`. */
  readonly storageKey?: string;
  /**
   * `pool` or `solo`: several Workers that share memory, or one that needs none. By default a pool,
   * but solo in a page that is not cross-origin isolated.
   */
  readonly mode?: PodMode;
  /** How many Workers the pod has for its whole life: in a pool 2 by default, in solo always 1. */
  readonly workers?: number;
  /**
   * The most memory that the pod takes, in bytes: its programs' memories, its files in memory and
   * the kernel, but not the image. At least 8 MiB. By default a pod in Node has no limit, and one in
   * a page has half of what `navigator.deviceMemory` says, or 2 GiB.
   */
  readonly memory?: number;
  /** The name that `uname -n` shows. */
  readonly hostname?: string;
  /** Files that guests see: folders of the machine (Node only), and what the page provides. */
  readonly mounts?: readonly (HostMount | ProvidedMount)[];
  /** Copies between memories in JavaScript: for engines without multi-memory, and for tests. */
  readonly copyInJavaScript?: boolean;
  /**
   * Whether programs get safepoints; true by default.
   *
   * @internal For the benchmark of what they cost. Without them a program that makes no system
   * calls keeps its Worker for ever, and no signal reaches it.
   */
  readonly safepoints?: boolean;
  /**
   * How many `WebAssembly.Memory` objects guests may have, shared out among the Workers; further
   * processes share them by swapping. By default what the host gives safely.
   */
  readonly frames?: number;
  /** Gets the lines of the kernel's log; warnings and errors go to the console by default. */
  readonly onLog?: (level: LogLevel, message: string) => void;
}

/** What differs between a page and Node. */
export interface Host {
  newPort(index: number): PoolPort;
  loadKernel(mode: PodMode): Promise<WebAssembly.Module>;
  loadImage(location: string | URL): Promise<Uint8Array>;
  /** What only pods with a disk need. */
  loadDisks(): Promise<Disks>;
  /** How much memory this host has for a pod. */
  memory(): HostMemory;
  /** How many `WebAssembly.Memory` objects a pod may make here for its guests. */
  readonly frames: number;
  /** Why Workers of this host cannot share memory, if they cannot. */
  sharingObstacle(): string | undefined;
  /** Why this host cannot run any pod, if it cannot. */
  obstacle(): string | undefined;
}

/** Memory of a host, in bytes. */
export interface HostMemory {
  /** The limit of a pod for which nobody sets one. */
  readonly limit?: number;
  /** What a pod without a limit says that it has. */
  readonly shown: number;
}

/** What a program finds in its environment if nobody says otherwise. */
export const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  HOME: "/root",
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
};
const DEFAULT_WORKERS = 2;
const MAX_WORKERS = 64;
const MIN_MEMORY = 8 << 20;

/** A running pod. */
export class Pod {
  /** The files of the pod. */
  readonly files: Files;
  /** Whether it is a pool of Workers or one alone. */
  readonly mode: PodMode;
  /** What is kept of it; absent where its image is in memory and goes with it. */
  readonly storage: PodStorage | undefined;
  readonly #pool: Pool;
  readonly #mounts: Mounts;
  readonly #terminals = new Map<number, Terminal>();
  readonly #inputs = new Map<number, InputStream>();
  readonly #outputs = new Map<number, OutputStream>();
  readonly #processes = new Map<number, PromiseWithResolvers<number>>();
  readonly #earlyEnds = new Map<number, number>();

  private constructor(
    pool: Pool,
    mode: PodMode,
    storage: PodStorage | undefined,
    log: (level: LogLevel, message: string) => void,
  ) {
    this.#pool = pool;
    this.#mounts = new Mounts(pool, log);
    this.mode = mode;
    this.storage = storage;
    this.files = new Files(pool, storage);
    storage?.attach(() => pool.request({ type: "file", request: { op: "sync" } }));
  }

  /**
   * Boots a pod on `host`.
   *
   * @throws PodError when the host lacks something (it says what) or the image is no Ext2; StorageError
   * when the storage, or an image that is streamed, cannot be had.
   */
  static async boot(host: Host, options: BootOptions): Promise<Pod> {
    const obstacle = host.obstacle();
    if (obstacle !== undefined) {
      throw new PodError(obstacle);
    }
    const hostMemory = host.memory();
    const memory = options.memory ?? hostMemory.limit;
    if (memory !== undefined && !(Number.isSafeInteger(memory) && memory >= MIN_MEMORY)) {
      throw new PodError(`memory must be a whole number of bytes from ${MIN_MEMORY} on`);
    }
    if (options.frames !== undefined && (!Number.isInteger(options.frames) || options.frames < 1)) {
      throw new PodError("frames must be a whole number above 0");
    }
    const { mode, nrWorkers } = chooseMode(host, options);
    const [module, image] = await Promise.all([host.loadKernel(mode), imageOf(host, options)]);
    const kernelOptions: KernelOptions = {
      hostname: options.hostname ?? "shoal",
      ...(memory === undefined ? {} : { memory }),
      shownMemory: hostMemory.shown,
      mounts: options.mounts?.filter((mount) => "host" in mount) ?? [],
      frames: options.frames ?? host.frames,
      stacks: 0,
      copyInJavaScript: options.copyInJavaScript ?? false,
      safepoints: options.safepoints ?? true,
      epoch: performance.timeOrigin + performance.now(),
    };
    const log = options.onLog ?? logToConsole;
    let pod: Pod | undefined;
    let storage: PodStorage | undefined;
    const failed = (error: PodError) => {
      log("error", error.message);
      pod?.failed(error);
    };
    const openDisk = async (memory: WebAssembly.Memory | undefined) => {
      storage = await (await host.loadDisks()).open(options, memory, { log, failed });
      return storage;
    };
    const parts = {
      mode,
      nrWorkers,
      module,
      image,
      ownsImage: image !== options.image,
      options: kernelOptions,
      ...(needsDisk(options) ? { openDisk } : {}),
    };
    try {
      const pool = await Pool.boot((index) => host.newPort(index), parts, {
        output: (stream, data) => pod?.output(stream, data),
        taken: (stream, length) => pod?.taken(stream, length),
        ended: (pid, status) => pod?.ended(pid, status),
        log,
        provided: (message) => pod?.asked(message),
        failed,
      });
      pod = new Pod(pool, mode, storage, log);
      for (const mount of options.mounts?.filter((one) => "provider" in one) ?? []) {
        await pod.mount(mount);
      }
      return pod;
    } catch (error) {
      pod?.close();
      await storage?.close();
      throw error;
    }
  }

  /** Opens a terminal. */
  async openTerminal(options: TerminalOptions): Promise<Terminal> {
    const { columns, rows } = options;
    const stream = (await this.#pool.request({ type: "terminal", columns, rows })) as number;
    const terminal = new Terminal(this.#pool, stream, options);
    this.#terminals.set(stream, terminal);
    return terminal;
  }

  /**
   * Runs the program at `path` with `argv` behind its name. No shell takes part.
   *
   * @throws KernelError as execve(2) fails.
   */
  async run(path: string, argv: readonly string[], options: RunOptions = {}): Promise<Process> {
    const environment = { ...DEFAULT_ENVIRONMENT, ...options.env };
    const stdio = options.terminal === undefined ? await this.#openStdio() : undefined;
    const request = {
      path,
      argv: [options.argv0 ?? path, ...argv],
      env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      cwd: options.cwd ?? "/",
      stdio:
        stdio === undefined
          ? { terminal: options.terminal?.stream ?? 0 }
          : { streams: [stdio.stdin.stream, stdio.stdout.stream, stdio.stderr.stream] as const },
    };
    const spawned = this.#pool.request({ type: "spawn", request });
    // Nobody will use the streams of a process that there is not.
    spawned.catch(() => this.#closeStdio(stdio));
    const pid = (await spawned) as number;
    const exit = Promise.withResolvers<number>();
    const early = this.#earlyEnds.get(pid);
    this.#earlyEnds.delete(pid);
    if (early === undefined) {
      this.#processes.set(pid, exit);
    } else {
      exit.resolve(early);
    }
    const close = () => this.#closeStdio(stdio);
    exit.promise.then(close, close);
    return new Process(this.#pool, pid, exit.promise, stdio);
  }

  /**
   * Shows files to guests: a folder of the machine (Node only), or what the page provides.
   *
   * @throws KernelError as mkdir(2) and mount(2) fail.
   */
  mount(mount: HostMount | ProvidedMount): Promise<void> {
    return this.#mounts.mount(mount);
  }

  /**
   * Ends the last mount at `guest`.
   *
   * @throws KernelError as umount(2) fails: `EBUSY` while files of it are in use.
   */
  unmount(guest: string): Promise<void> {
    return this.#mounts.unmount(guest);
  }

  /** How the pod's memory is used now: `/proc/shoal/memory`. */
  async memoryUsage(): Promise<MemoryUsage> {
    return parseMemoryUsage(await this.files.read("/proc/shoal/memory"));
  }

  /** The number of Workers, which does not change. */
  get workers(): number {
    return this.#pool.size;
  }

  /** As `storage.sync`; nothing to wait for without a storage. */
  async sync(): Promise<void> {
    await this.storage?.sync();
  }

  /**
   * Ends the pod as `close` does, but first puts everything where it is kept; settles when others may open the storage.
   *
   * @throws KernelError as `sync` does; the pod has ended nevertheless.
   */
  async shutdown(): Promise<void> {
    try {
      await this.sync();
    } finally {
      this.close();
      await this.storage?.close();
    }
  }

  /**
   * Ends the pod at once: all its processes, all its Workers. What is not in an image is gone; of a storage, what was not
   * synced.
   */
  close(): void {
    this.#pool.close();
    void this.storage?.close();
    this.failed(new PodError("the pod was closed"));
  }

  async #openStdio(): Promise<ProcessStdio> {
    const open = async (direction: "input" | "output") =>
      (await this.#pool.request({ type: "stream", direction })) as number;
    const stdin = new InputStream(this.#pool, await open("input"));
    const stdout = new OutputStream(this.#pool, await open("output"));
    const stderr = new OutputStream(this.#pool, await open("output"));
    this.#inputs.set(stdin.stream, stdin);
    this.#outputs.set(stdout.stream, stdout);
    this.#outputs.set(stderr.stream, stderr);
    return { stdin, stdout, stderr };
  }

  #closeStdio(stdio: ProcessStdio | undefined): void {
    if (stdio === undefined) {
      return;
    }
    stdio.stdin.abandon();
    for (const output of [stdio.stdout, stdio.stderr]) {
      output.end();
      this.#outputs.delete(output.stream);
    }
    this.#inputs.delete(stdio.stdin.stream);
    for (const { stream } of [stdio.stdin, stdio.stdout, stdio.stderr]) {
      this.#pool.tell({ type: "close", stream });
    }
  }

  /** @internal A guest has written. */
  output(stream: number, bytes: Uint8Array): void {
    void this.#terminals.get(stream)?.show(bytes);
    this.#outputs.get(stream)?.push(bytes);
  }

  /** @internal A guest has read. */
  taken(stream: number, length: number): void {
    this.#inputs.get(stream)?.taken(length);
  }

  /** @internal A Worker asks about a file that the page provides. */
  asked(message: Extract<WorkerMessage, { type: "provided" }>): void {
    void this.#mounts.answer(message);
  }

  /** @internal A process has ended. */
  ended(pid: number, status: number): void {
    const exit = this.#processes.get(pid);
    this.#processes.delete(pid);
    if (exit === undefined) {
      this.#earlyEnds.set(pid, status);
    } else {
      exit.resolve(status);
    }
  }

  /** @internal There is no kernel any more: nobody will say how the processes ended. */
  failed(error: PodError): void {
    for (const exit of this.#processes.values()) {
      exit.reject(error);
    }
    this.#processes.clear();
  }
}

/** The image in memory; empty where the pod has a disk. */
function imageOf(host: Host, options: BootOptions): Promise<Uint8Array> | Uint8Array {
  const { image } = options;
  if (needsDisk(options)) {
    return new Uint8Array();
  }
  return image instanceof Uint8Array ? image : host.loadImage(image as string | URL);
}

/**
 * How the pod runs and on how many Workers.
 *
 * @throws PodError when the host cannot run what is asked for, or it makes no sense.
 */
function chooseMode(host: Host, { mode: wanted, workers }: BootOptions): { mode: PodMode; nrWorkers: number } {
  if (workers !== undefined && (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS)) {
    throw new PodError(`workers must be a whole number from 1 to ${MAX_WORKERS}`);
  }
  const obstacle = wanted === "solo" ? undefined : host.sharingObstacle();
  if (wanted === "pool" && obstacle !== undefined) {
    throw new PodError(obstacle);
  }
  if (wanted !== "solo" && obstacle === undefined) {
    return { mode: "pool", nrWorkers: workers ?? DEFAULT_WORKERS };
  }
  if (workers !== undefined && workers > 1) {
    throw new PodError(obstacle ?? `a pod in mode "solo" has one Worker, not ${workers}`);
  }
  return { mode: "solo", nrWorkers: 1 };
}

function logToConsole(level: LogLevel, message: string): void {
  if (level === "error") {
    console.error(`shoal: ${message}`);
  } else if (level === "warning") {
    console.warn(`shoal: ${message}`);
  }
}

export { KernelError, PodError };
