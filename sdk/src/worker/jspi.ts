/** JavaScript Promise Integration, as far as TypeScript's library does not declare it. */

type AnyFunction = (...args: never[]) => unknown;

interface PromiseIntegration {
  Suspending?: new (callee: AnyFunction) => object;
  promising?: (callee: AnyFunction) => (...args: number[]) => Promise<unknown>;
}

const engine = WebAssembly as unknown as PromiseIntegration;

/** Whether this engine can suspend a WebAssembly stack. */
export function hasPromiseIntegration(): boolean {
  return typeof engine.Suspending === "function" && typeof engine.promising === "function";
}

/** An import that suspends its caller until the promise it returns settles. */
export function suspending(callee: (slot: number) => Promise<number>): WebAssembly.ImportValue {
  if (engine.Suspending === undefined) {
    throw new Error("this engine has no JavaScript Promise Integration");
  }
  return new engine.Suspending(callee as AnyFunction) as unknown as WebAssembly.ImportValue;
}

/** An export that runs on a stack of its own. */
export function promising(callee: AnyFunction): (...args: number[]) => Promise<unknown> {
  if (engine.promising === undefined) {
    throw new Error("this engine has no JavaScript Promise Integration");
  }
  return engine.promising(callee);
}
