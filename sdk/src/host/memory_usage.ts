/** How the memory of a pod is used. */

/** Memory of a pod, in bytes but for `refused`. */
export interface MemoryUsage {
  /** The limit that the pod was made with; 0: none. */
  readonly limit: number;
  /** What its programs see as the memory of their machine. */
  readonly total: number;
  /** What is in use now; the following parts are in it. */
  readonly used: number;
  /** The most that was in use at a time. */
  readonly peak: number;
  /** Programs' stacks, data, heaps and mappings. */
  readonly guests: number;
  /** Files in memory (tmpfs). */
  readonly files: number;
  /** What lies in pipes. */
  readonly pipes: number;
  /** Loaded programs. */
  readonly programs: number;
  /** The kernel's own heap but for the rest of this list. */
  readonly kernel: number;
  /** What caches give back when it is needed: part of `kernel` and `programs`. */
  readonly caches: number;
  /** What programs without a memory of their own have in store; `guests` has it already. */
  readonly swap: number;
  /** Memories of ended programs that wait for the next ones; not in `used`. */
  readonly idle_frames: number;
  /** The image of the root file system; not in `used`. */
  readonly disk_image: number;
  /** How often a program or a file was refused memory. */
  readonly refused: number;
}

/** Reads the text of `/proc/shoal/memory`: a name and a number in each line. */
export function parseMemoryUsage(text: Uint8Array): MemoryUsage {
  const lines = new TextDecoder().decode(text).trimEnd().split("\n");
  const pairs = lines.map((line): [string, number] => {
    const [name = "", value] = line.split(" ");
    return [name, Number(value)];
  });
  return Object.fromEntries(pairs) as unknown as MemoryUsage;
}
