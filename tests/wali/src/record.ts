/** `npm run record`: keeps what Linux answers here, on x86-64, in `linux/NAME.out`. */
import { writeFile } from "node:fs/promises";
import { recordOf, runOnLinux } from "./oracle.ts";
import { recordPath } from "./places.ts";
import { NAMES, OPTIONS } from "./programs.ts";
import compileAll from "./setup.ts";

await compileAll();
for (const name of NAMES) {
  await writeFile(recordPath(name), recordOf(await runOnLinux(name, OPTIONS[name])));
}
