/** Errors of the public API. */
import { errnoText } from "../generated/abi.js";

/** The kernel refused an operation. */
export class KernelError extends Error {
  constructor(
    /** The number of `errno(3)`. */
    readonly errno: number,
    /** What was asked for: a path, or the name of the operation. */
    readonly subject: string,
  ) {
    super(`${subject}: ${errnoText[errno] ?? `error ${errno}`}`);
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
