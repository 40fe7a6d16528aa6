/** Where things are. */
import { fileURLToPath } from "node:url";

const under = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The C programs of this folder. */
export const PROGRAMS = fileURLToPath(new URL("../programs/", import.meta.url));
/** What Linux answered to one of them. */
export const recordPath = (name: string): string => fileURLToPath(new URL(`../linux/${name}.out`, import.meta.url));
/** Where they are compiled to: `NAME.wasm` for WALI, `NAME` for Linux; pods have it at `/mnt`. */
export const TARGET = under("target/wali/");
/** The root image of the pods. */
export const IMAGE = process.env.SHOAL_IMAGE ?? under("target/guest/root.ext2");
