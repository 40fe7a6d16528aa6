/** Errors of the public API. */
import type { DiskErrorCode } from "../disk/protocol.js";
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

/** A pod's storage, or the image behind it, could not be had or used. */
export class StorageError extends PodError {
  constructor(
    /** What kind of trouble it is: `busy` is another pod that has it open. */
    readonly code: DiskErrorCode,
    message: string,
  ) {
    super(message);
    this.name = "StorageError";
  }
}

/** A `StorageError`, or without a code a `PodError`. */
export function diskError(message: string, code?: DiskErrorCode): PodError {
  return code === undefined ? new PodError(message) : new StorageError(code, message);
}
