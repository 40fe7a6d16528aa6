/**
 * Files that the page provides, for the kernel's `hostfs`; `host/provided_files.ts` answers. Loaded when first asked.
 *
 * The page takes its time, and the kernel does not wait: it gets `NOT_YET`, and makes the whole system call again when
 * something has arrived. What a call has asked is kept by the caller until the call is over: asked again, it gets the
 * same answers, and a change is made once. So reads see what the call saw when it first came there.
 */
import { Errno } from "../generated/abi.js";
import {
  type HostMessage,
  PROVIDED_HANDLES,
  type ProvidedRequest,
  type ProvidedValue,
  type WorkerMessage,
} from "../protocol.js";

const STATUS = 0;
const OPEN = 1;
const CREATE = 2;
const CLOSE = 3;
const FSTAT = 4;
const READ = 5;
const WRITE = 6;
const LIST = 9;
const MAKE_DIRECTORY = 10;
const RENAME = 13;
const LINK = 14;
const SYMLINK = 15;
const READ_LINK = 16;
const MODE = 17;
const END = 19;
const APPEND = 20;

/** Operations that change nothing. */
const LOOKS: ReadonlySet<number> = new Set([STATUS, FSTAT, READ, LIST, READ_LINK]);

/** Not an errno: the answer comes later. */
const NOT_YET = -4096;
/** The caller of what no system call asks: nobody says when that is over. */
const NOBODY = 0xffffffff;
/** How long answers for nobody are kept, in milliseconds. */
const NOBODY_MS = 10_000;
/** Ends a name in a listing: a byte that no UTF-8 text has. */
const END_OF_NAME = 0xff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The directory that is mounted is there from the start: mode, links, owner, group, size, blocks, device, inode, times. */
const ROOT = [0o40755, 2, 0, 0, 0, 0, 0, 1, Date.now(), Date.now(), Date.now(), 0];

/** Something that a call has asked. */
interface Question extends ProvidedRequest {
  readonly number: number;
  answer?: { readonly status: number; readonly value: ProvidedValue | undefined; readonly at: number };
  /** The call has had the answer since it was last made again. */
  isUsed: boolean;
  /** The kernel has the handle that was opened. */
  isHeld: boolean;
}

/** Asks the page, and keeps its answers. */
export class ProvidedFiles {
  readonly #worker: number;
  readonly #post: (message: WorkerMessage, transfer?: Transferable[]) => void;
  /** What calls have asked, by their callers. */
  readonly #calls = new Map<number, Question[]>();
  readonly #open = new Map<number, Question>();
  #last = 0;

  constructor(worker: number, post: (message: WorkerMessage, transfer?: Transferable[]) => void) {
    this.#worker = worker;
    this.#post = post;
  }

  /** One operation for `caller`, as `HostFiles`. */
  perform(caller: number, operation: number, path: string, a: number, b: number, buffer: Uint8Array): number {
    if (operation === CLOSE) {
      return this.#close(a);
    }
    if (operation === END) {
      return this.end(a);
    }
    if (operation === STATUS && !path.includes("/")) {
      return putStatus(ROOT, buffer);
    }
    let call = this.#calls.get(caller) ?? [];
    if (caller === NOBODY) {
      call = call.filter(({ answer }) => answer === undefined || performance.now() - answer.at < NOBODY_MS);
    }
    this.#calls.set(caller, call);
    if (operation === MODE && call.some((one) => isMaking(one) && one.path === path)) {
      // It was made with these permissions.
      return 0;
    }
    const names = operation === RENAME || operation === LINK || operation === SYMLINK;
    const text = names ? decoder.decode(new Uint8Array(buffer)) : undefined;
    const question = find(call, { operation, path, a, b, length: buffer.length, text } as ProvidedRequest);
    if (question?.answer === undefined) {
      if (question === undefined) {
        const bytes = operation === WRITE || operation === APPEND ? new Uint8Array(buffer) : undefined;
        this.#ask(call, { operation, path, a, b, length: buffer.length, bytes, text } as ProvidedRequest);
      }
      for (const one of call) {
        one.isUsed = false;
      }
      return NOT_YET;
    }
    question.isUsed = true;
    question.isHeld = operation === OPEN && question.answer.status >= 0;
    return put(question.answer.status, question.answer.value, operation === LIST ? a : 0, buffer);
  }

  /** The page has answered. */
  receive({ question: number, status, value }: Extract<HostMessage, { type: "provided" }>): void {
    const question = this.#open.get(number);
    this.#open.delete(number);
    if (question !== undefined) {
      question.answer = { status, value, at: performance.now() };
    } else if (status >= PROVIDED_HANDLES) {
      // Who wanted this handle is gone.
      this.#tellClosed(status);
    }
  }

  /** The call of `caller` is over, or its guest is; how many other guests have asked, and wait. */
  end(caller: number): number {
    const call = this.#calls.get(caller) ?? [];
    this.#calls.delete(caller);
    for (const question of call) {
      this.#open.delete(question.number);
      if (question.operation === OPEN && !question.isHeld && (question.answer?.status ?? 0) >= PROVIDED_HANDLES) {
        this.#tellClosed(question.answer?.status ?? 0);
      }
    }
    return [...this.#calls.keys()].filter((other) => other >= 0 && other !== NOBODY).length;
  }

  #ask(call: Question[], request: ProvidedRequest): void {
    this.#last += 1;
    const question = { ...request, number: this.#last, isUsed: false, isHeld: false };
    call.push(question);
    this.#open.set(question.number, question);
    const transfer = request.bytes === undefined ? [] : [request.bytes.buffer as ArrayBuffer];
    this.#post({ type: "provided", worker: this.#worker, question: question.number, request }, transfer);
  }

  /** A handle that a call has opened is kept until the call is over: made again, it gets the same one. */
  #close(handle: number): number {
    for (const call of this.#calls.values()) {
      const opened = call.find((one) => one.operation === OPEN && one.answer?.status === handle);
      if (opened !== undefined) {
        opened.isHeld = false;
        return 0;
      }
    }
    this.#tellClosed(handle);
    return 0;
  }

  #tellClosed(handle: number): void {
    const request = { operation: CLOSE, path: "", a: handle, b: 0, length: 0 };
    this.#post({ type: "provided", worker: this.#worker, request });
  }
}

/**
 * What a call has asked before in the same place. What it only looks at it may have twice, as long as it has changed
 * nothing since; and the rest of a list is that of the list.
 */
function find(call: readonly Question[], request: ProvidedRequest): Question | undefined {
  const { operation, path, a, b, length, text } = request;
  const isSame = (one: Question) =>
    one.operation === operation &&
    one.path === path &&
    one.text === text &&
    (operation === LIST || (one.a === a && one.b === b && one.length === length));
  if (LOOKS.has(operation)) {
    const last = call.findLastIndex((one) => one.isUsed && isSame(one));
    if (last >= 0 && !call.slice(last).some((one) => one.isUsed && !LOOKS.has(one.operation))) {
      return call[last];
    }
  }
  return call.find((one) => !one.isUsed && isSame(one));
}

const isMaking = ({ operation }: Question): boolean => operation === CREATE || operation === MAKE_DIRECTORY;

/** Puts an answer where the kernel wants it: a status, names from the `skip`th on, or bytes. */
function put(status: number, value: ProvidedValue | undefined, skip: number, buffer: Uint8Array): number {
  if (status < 0 || value === undefined) {
    return status;
  }
  if (value instanceof Uint8Array) {
    if (value.length > buffer.length) {
      return -Errno.ENAMETOOLONG;
    }
    buffer.set(value);
    return value.length;
  }
  if (typeof value[0] === "number") {
    return putStatus(value as readonly number[], buffer);
  }
  let count = 0;
  let at = 0;
  for (const [name, type] of (value as readonly (readonly [string, number])[]).slice(skip)) {
    const bytes = encoder.encode(name);
    if (at + bytes.length + 2 > buffer.length) {
      break;
    }
    buffer[at] = type;
    buffer.set(bytes, at + 1);
    buffer[at + 1 + bytes.length] = END_OF_NAME;
    at += bytes.length + 2;
    count += 1;
  }
  return count;
}

/** The numbers of a status, as `host_files.rs` reads them. */
function putStatus(numbers: readonly number[], buffer: Uint8Array): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  for (const [index, number] of numbers.entries()) {
    view.setFloat64(index * 8, number, true);
  }
  return numbers.length;
}
