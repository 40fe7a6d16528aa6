/** The kernel's exports, and its memory as JavaScript sees it. */

/** What the kernel module exports; addresses and lengths are bytes in its memory. */
export interface KernelExports extends WebAssembly.Exports {
  readonly __indirect_function_table: WebAssembly.Table;
  /** Absent in the kernel for one Worker, as the next three are. */
  readonly __stack_pointer?: WebAssembly.Global;
  readonly __tls_size?: WebAssembly.Global;
  readonly __tls_align?: WebAssembly.Global;
  readonly __wasm_init_tls?: (address: number) => void;
  allocate(length: number): number;
  release(address: number, length: number): void;
  allocate_image(length: number): number;
  attach_disk(length: number): void;
  boot(address: number, length: number): number;
  attach(worker: number): void;
  doorbell(worker: number): number;
  memory_shim(kind: number): number;
  stack_probe(): number;
  disk_done(sequence: number, status: number, isFull: number): void;
  something_arrived(): void;
  pump(): number;
  rings_seen(): number;
  set_budgets(frames: number, stacks: number): void;
  make_frames(): void;
  guest_begins(slot: number): number;
  thread_arrives(slot: number): void;
  guest_ended(slot: number, trapped: number, address: number, length: number): void;
  spawn(address: number, length: number): number;
  kill(pid: number, signal: number): number;
  open_terminal(columns: number, rows: number): number;
  resize_terminal(stream: number, columns: number, rows: number): number;
  open_stream(direction: number): number;
  push_input(stream: number, address: number, length: number): number;
  output_seen(stream: number, length: number): void;
  close_stream(stream: number): void;
  file(operation: number, address: number, length: number): number;
  syscall(slot: number, number: number, ...args: number[]): number;
  syscall_result(slot: number): number;
  safepoint(slot: number): number;
  memory_grow(slot: number, pages: number): number;
  signal_next(slot: number, stackPointer: number): number;
  signal_word(slot: number, which: number): number;
  signal_return(slot: number, ucontext: number): void;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The kernel's memory has no room for a message or an answer. */
export class OutOfMemory extends Error {
  constructor() {
    super("the kernel's memory is full");
  }
}

/** One Worker's instance of the kernel. */
export class Kernel {
  constructor(
    readonly exports: KernelExports,
    readonly memory: WebAssembly.Memory,
  ) {}

  /** Whether other Workers have this memory too; alone, it may move: views end when it grows. */
  get isShared(): boolean {
    return this.exports.__wasm_init_tls !== undefined;
  }

  /** The bytes at `address`, as a view that is good until the memory grows. */
  view(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address >>> 0, length >>> 0);
  }

  /** A copy of the bytes at `address`. */
  copy(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view(address, length));
  }

  /** The text at `address`. */
  text(address: number, length: number): string {
    return decoder.decode(this.copy(address, length));
  }

  /** Calls `use` with the address of a copy of `bytes`. */
  lend<T>(bytes: Uint8Array, use: (address: number, length: number) => T): T {
    const address = this.exports.allocate(bytes.length);
    if (address === 0) {
      throw new OutOfMemory();
    }
    try {
      this.view(address, bytes.length).set(bytes);
      return use(address, bytes.length);
    } finally {
      this.exports.release(address, bytes.length);
    }
  }

  /** Leaves a block for the kernel, as calls leave one for the host; 0 when there is no memory. */
  leaveBlock(status: number, bytes: Uint8Array): number {
    const address = this.exports.allocate(bytes.length + 8) >>> 0;
    if (address !== 0) {
      const head = new DataView(this.memory.buffer, address, 8);
      head.setInt32(0, status, true);
      head.setUint32(4, bytes.length, true);
      this.view(address + 8, bytes.length).set(bytes);
    }
    return address;
  }

  /** Takes the block that a call has left: a status word, a length, and bytes. */
  takeBlock(address: number): { status: number; bytes: Uint8Array } {
    if (address === 0) {
      throw new OutOfMemory();
    }
    const head = new DataView(this.memory.buffer, address >>> 0, 8);
    const status = head.getInt32(0, true);
    const length = head.getUint32(4, true);
    const bytes = this.copy((address >>> 0) + 8, length);
    this.exports.release(address, length + 8);
    return { status, bytes };
  }
}

/** Writes words and byte strings as the kernel's `wire` module reads them. */
export class Writer {
  #parts: Uint8Array[] = [];

  word(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value >>> 0, true);
    this.#parts.push(bytes);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.word(value.length);
    this.#parts.push(value);
    return this;
  }

  text(value: string): this {
    return this.bytes(encoder.encode(value));
  }

  list(values: readonly string[]): this {
    this.word(values.length);
    for (const value of values) {
      this.text(value);
    }
    return this;
  }

  finish(): Uint8Array {
    const length = this.#parts.reduce((sum, part) => sum + part.length, 0);
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
