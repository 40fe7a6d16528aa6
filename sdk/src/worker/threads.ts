/**
 * Instances of the kernel that share its memory: each needs a stack and thread-locals of its own.
 *
 * The kernel for one Worker has neither to set up.
 */
import type { ThreadSeat } from "../protocol.js";
import type { KernelExports } from "./kernel.js";

/** Bytes of the kernel's own stack in each further Worker. */
const KERNEL_STACK = 1 << 20;

/** Makes a new instance the one of `seat`, or the first without one; before any other call. */
export function takeSeat(exports: KernelExports, seat: ThreadSeat | undefined): void {
  const { __stack_pointer: stackPointer, __wasm_init_tls: initThreadLocals } = exports;
  if (seat !== undefined && stackPointer !== undefined) {
    stackPointer.value = seat.stackTop;
  }
  initThreadLocals?.(seat?.threadLocals ?? allocateThreadLocals(exports));
}

/** Makes seats for `count` further Workers. */
export function makeSeats(exports: KernelExports, count: number): ThreadSeat[] {
  return Array.from({ length: count }, () => {
    const stack = exports.allocate(KERNEL_STACK);
    return { stackTop: (stack + KERNEL_STACK) & ~15, threadLocals: allocateThreadLocals(exports) };
  });
}

/** A block for the thread-locals of one instance. */
function allocateThreadLocals(exports: KernelExports): number {
  const align = Math.max(numberOf(exports.__tls_align), 16);
  const address = exports.allocate(numberOf(exports.__tls_size) + align);
  return (address + align - 1) & -align;
}

function numberOf(global: WebAssembly.Global | undefined): number {
  return global === undefined ? 0 : Number(global.value);
}
