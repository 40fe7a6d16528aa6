/** What is wrong with an image. */
import { execFile } from "node:child_process";

/** What e2fsck finds wrong with an image; it changes nothing. Empty: nothing. */
export function faultsOf(image: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("e2fsck", ["-fn", image], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") {
        reject(error);
      } else {
        resolve(error === null ? "" : `${stdout}${stderr}`);
      }
    });
  });
}
