/** Where things are. */
import { fileURLToPath } from "node:url";

const under = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The C programs of this folder. */
export const PROGRAMS = fileURLToPath(new URL("../programs/", import.meta.url));
/** The packages that the tests need, pinned. */
export const REQUIREMENTS = fileURLToPath(new URL("../requirements.txt", import.meta.url));
/** Where everything goes that is built or fetched; pods have it at `/mnt`. */
export const TARGET = under("target/wasi/");
/** The oracle. */
export const WASMTIME = `${TARGET}wheels/wasmtime_cli/wasmtime`;
/** The root image of the pods. */
export const IMAGE = process.env.SHOAL_IMAGE ?? under("target/guest/root.ext2");
/** Whether CPython's own tests run: they take a minute. */
export const RUNS_CPYTHON_TESTS = process.env.SHOAL_CPYTHON_TESTS !== undefined;
