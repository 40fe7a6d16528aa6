/** A pod with shells in it, one after the other. */
import { type BootOptions, boot, type ExitStatus, type Pod } from "shoal";
import type { Screen } from "./screen.ts";

const SHELL = "/bin/sh";
/** A login shell: it reads `/etc/profile`. */
const ARGUMENTS = ["-l"] as const;
const ENVIRONMENT = { TERM: "xterm-256color", COLORTERM: "truecolor", USER: "root", LOGNAME: "root" } as const;

/** Boots a pod; what is left out is as usual. */
export function start(options: Pick<BootOptions, "workers" | "frames" | "memory" | "storageKey">): Promise<Pod> {
  return boot({ image: new URL("root.ext2", document.baseURI), ...options });
}

/**
 * Runs a login shell on `screen` until it ends; what it leaves running hears a hang-up.
 *
 * @throws PodError when the pod fails before that.
 */
export async function runShell(pod: Pod, screen: Screen): Promise<ExitStatus> {
  const { columns, rows } = screen;
  const terminal = await pod.openTerminal({ columns, rows, onOutput: (bytes) => screen.write(bytes) });
  const shell = await pod.run(SHELL, ARGUMENTS, { argv0: "sh", cwd: "/root", env: ENVIRONMENT, terminal });
  if (screen.columns !== columns || screen.rows !== rows) {
    terminal.resize(screen.columns, screen.rows);
  }
  screen.connect({
    typed: (text) => terminal.type(text),
    resized: (newColumns, newRows) => terminal.resize(newColumns, newRows),
  });
  try {
    return await shell.exit;
  } finally {
    screen.connect(undefined);
    terminal.close();
  }
}

/** How a shell ended, for people. */
export function describe(status: ExitStatus): string {
  return status.signal === undefined ? `status ${status.code}` : `signal ${status.signal}`;
}
