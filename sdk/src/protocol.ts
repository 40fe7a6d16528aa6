/**
 * The messages between the page (or the main thread of Node) and the Workers of a pool.
 *
 * `host/` and `worker/` both import this file and never each other.
 */

/**
 * How a pod runs: `pool` on several Workers that share the kernel's memory, which needs a page that
 * is cross-origin isolated; `solo` on one Worker, on any page.
 */
export type PodMode = "pool" | "solo";

/** What a pod is made of; sent to every Worker as its first message. */
export interface BootMessage {
  readonly type: "boot";
  readonly worker: number;
  readonly nrWorkers: number;
  readonly module: WebAssembly.Module;
  /** The memory that the Workers share; alone, a Worker makes its own of this size. */
  readonly memory: WebAssembly.Memory | WebAssembly.MemoryDescriptor;
  readonly options: KernelOptions;
  /** Absent for the first Worker, which makes the others' seats, and for a Worker alone. */
  readonly seat?: ThreadSeat;
  /** For the first Worker only. */
  readonly image?: Uint8Array;
  /** The way to the disk Worker, which has the root file system; then there is no image. */
  readonly disk?: { readonly port: MessagePort; readonly length: number };
}

/** Options of the kernel itself. */
export interface KernelOptions {
  readonly hostname: string;
  /** The most memory of the pod in bytes; absent: as much as the host gives. */
  readonly memory?: number;
  /** What a pod without a limit says that it has, in bytes. */
  readonly shownMemory: number;
  readonly mounts: readonly HostMount[];
  /** Copies between memories in JavaScript, for engines without multi-memory. */
  readonly copyInJavaScript: boolean;
  /** Whether programs get safepoints: false only to measure what these cost. */
  readonly safepoints: boolean;
  /** How many memories the pod may have for its guests, shared out among the Workers. */
  readonly frames: number;
  /** How many guests the pod may have; 0: the kernel's own choice. */
  readonly stacks: number;
  /** Milliseconds since 1970 at the pod's monotonic zero. */
  readonly epoch: number;
}

/** A folder of the machine that guests see (Node only). */
export interface HostMount {
  readonly host: string;
  readonly guest: string;
  readonly readOnly: boolean;
}

/** Where a further Worker's instance of the kernel keeps its stack and thread-locals. */
export interface ThreadSeat {
  readonly stackTop: number;
  readonly threadLocals: number;
}

/** A thread that starts on another Worker than its maker's. */
export interface MovedThread {
  readonly slot: number;
  /** The number of its program, and that as it was compiled. */
  readonly program: number;
  readonly module: WebAssembly.Module;
  /** The memory of its process. */
  readonly memory: WebAssembly.Memory;
}

/** Starts a process. */
export interface SpawnRequest {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** A terminal for descriptors 0 to 2, or a stream for each. */
  readonly stdio: { readonly terminal: number } | { readonly streams: readonly [number, number, number] };
}

/** What the file API asks of the kernel. */
export type FileRequest =
  | { readonly op: "read"; readonly path: string }
  | { readonly op: "write"; readonly path: string; readonly data: Uint8Array; readonly mode: number }
  | { readonly op: "list"; readonly path: string }
  | { readonly op: "stat"; readonly path: string }
  | { readonly op: "mkdir"; readonly path: string; readonly mode: number }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "snapshot" }
  /** Answered when all that was written before is durable. */
  | { readonly op: "sync" }
  | ({ readonly op: "mount"; readonly path: string } & Omit<HostMount, "guest">)
  | { readonly op: "unmount"; readonly path: string };

/** How the kernel's paths of files that the page provides begin: the number of the mount follows, and the path in it. */
export const PROVIDED = "page:";
/** Handles of such files are numbers from here, far above descriptors. */
export const PROVIDED_HANDLES = 2 ** 40;

/** What the kernel asks about such a file, numbered as in `jspi-glue/src/host_files.rs`. */
export interface ProvidedRequest {
  readonly operation: number;
  readonly path: string;
  /** Operands: a handle, an offset, a size, permissions, times in seconds. */
  readonly a: number;
  readonly b: number;
  /** How many bytes a read takes. */
  readonly length: number;
  /** What a write writes. */
  readonly bytes?: Uint8Array;
  /** The other path, or the target of a symbolic link. */
  readonly text?: string;
}

/** What the page answers, as far as there is more than a number: a status, names with their types, bytes. */
export type ProvidedValue = readonly number[] | readonly (readonly [name: string, type: number])[] | Uint8Array;

/** From the host to the first Worker. */
export type HostMessage =
  | BootMessage
  | { readonly type: "spawn"; readonly id: number; readonly request: SpawnRequest }
  | { readonly type: "kill"; readonly id: number; readonly pid: number; readonly signal: number }
  | { readonly type: "file"; readonly id: number; readonly request: FileRequest }
  | { readonly type: "terminal"; readonly id: number; readonly columns: number; readonly rows: number }
  | { readonly type: "resize"; readonly stream: number; readonly columns: number; readonly rows: number }
  | { readonly type: "stream"; readonly id: number; readonly direction: "input" | "output" }
  | { readonly type: "input"; readonly stream: number; readonly bytes: Uint8Array }
  | { readonly type: "seen"; readonly stream: number; readonly length: number }
  | { readonly type: "close"; readonly stream: number }
  | { readonly type: "ring" }
  /** The answer to a Worker's question about a file; below 0: `-errno`. */
  | { readonly type: "provided"; readonly question: number; readonly status: number; readonly value?: ProvidedValue }
  | ({ readonly type: "thread" } & MovedThread);

/** From a Worker to the host. */
export type WorkerMessage =
  | { readonly type: "booted"; readonly seats: readonly ThreadSeat[] }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "log"; readonly level: LogLevel; readonly message: string }
  | { readonly type: "output"; readonly stream: number; readonly number: number; readonly bytes: Uint8Array }
  | { readonly type: "taken"; readonly stream: number; readonly length: number }
  | { readonly type: "ended"; readonly pid: number; readonly status: number; readonly nrOutputs: number }
  | { readonly type: "ring"; readonly worker: number }
  /** A question about a file that the page provides; without a number it wants no answer. */
  | {
      readonly type: "provided";
      readonly worker: number;
      readonly question?: number;
      readonly request: ProvidedRequest;
    }
  | { readonly type: "thread"; readonly worker: number; readonly thread: MovedThread }
  | { readonly type: "reply"; readonly id: number; readonly value: Reply }
  | { readonly type: "refused"; readonly id: number; readonly errno: number };

/** The answer to a message with an id. */
export type Reply = number | Uint8Array;

/** How urgent a line of the kernel's log is. */
export type LogLevel = "error" | "warning" | "info";
