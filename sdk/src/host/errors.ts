/** Errors of the public API. */

/** The kernel refused an operation. */
export class KernelError extends Error {
  constructor(
    /** The number of `errno(3)`. */
    readonly errno: number,
    /** What was asked for. */
    readonly operation: string,
  ) {
    super(`${operation}: error ${errno}`);
    this.name = "KernelError";
  }
}

/** The pod could not be started, or is no more. */
export class PodError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PodError";
  }
}
