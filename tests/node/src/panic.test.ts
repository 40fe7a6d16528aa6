/** A trap in the kernel is told from one in a guest, which calls it, by the frames on the stack. */
import { describe, expect, it } from "vitest";
import { Panics } from "../../../sdk/dist/worker/panics.js";

/** `(module (import "host" "call" (func)) (func (export "calls") call 0) (func (export "traps") unreachable))` */
const MODULE = [
  [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  [1, 4, 1, 0x60, 0, 0],
  [2, 13, 1, 4, ...Buffer.from("host"), 4, ...Buffer.from("call"), 0, 0],
  [3, 3, 2, 0, 0],
  [7, 17, 2, 5, ...Buffer.from("calls"), 0, 1, 5, ...Buffer.from("traps"), 0, 2],
  [10, 10, 2, 4, 0, 0x10, 0, 0x0b, 3, 0, 0, 0x0b],
];

interface Parts extends WebAssembly.Exports {
  calls(): void;
  traps(): void;
}

/** An instance whose import is `call`; `mark` makes it a module of its own. */
function make(call: () => void, mark: number): Parts {
  const bytes = new Uint8Array([...MODULE, [0, 2, 1, mark]].flat());
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { host: { call } }).exports as Parts;
}

function caught(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("it did not trap");
}

describe("a panic", () => {
  it("is a trap whose innermost frame is the kernel's", () => {
    const lines: string[] = [];
    const panics = new Panics((line) => lines.push(line));
    const kernel = make(() => panics.learn(), 0x61);
    kernel.calls();
    const guest = make(() => kernel.traps(), 0x62);
    panics.note(caught(() => guest.traps()));
    panics.note(new Error("nothing of WebAssembly's"));
    expect(lines).toEqual([]);
    panics.note(caught(() => guest.calls()));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^kernel panic: unreachable at wasm-function\[2\]:0x[0-9a-f]+$/);
  });
});
