/**
 * The page: boots a pod, shows its shell, says how things are.
 *
 * `?workers=N` sets the number of Workers, `?frames=N` that of memories, `?memory=N` the bytes that the pod may have,
 * `?storage=NAME` keeps what is changed under that name.
 * `window.shoal` is there for the browser's console and for tests.
 */
import type { Pod } from "shoal";
import { Screen } from "./screen.ts";
import { describe, runShell, start } from "./session.ts";
import "./style.css";

declare global {
  interface Window {
    /** The running pod, if it has booted, and what its terminal shows. */
    shoal: { readonly pod: Pod | undefined; terminalText(): string };
  }
}

const screen = new Screen(element("screen"));
const status = element("status");
const notice = element("notice");
const restart = element("restart") as HTMLButtonElement;
let pod: Pod | undefined;

window.shoal = {
  get pod() {
    return pod;
  },
  terminalText: () => screen.text(),
};
restart.addEventListener("click", () => void run());
void run();

/** Boots a pod unless one runs, and a shell in it; offers another when that has ended. */
async function run(): Promise<void> {
  restart.hidden = true;
  notice.hidden = true;
  try {
    const summary = pod === undefined ? await bootPod() : `${workersOf(pod)}, a new shell`;
    show("running", summary);
    if (pod !== undefined) {
      const ended = describe(await runShell(pod, screen));
      screen.note(`[the shell ended with ${ended}]`);
      show("ended", `the shell ended with ${ended}: Restart starts another, the files stay`);
      offerRestart();
    }
  } catch (error) {
    fail(error);
  }
}

/** Boots the pod; what to say of it. */
async function bootPod(): Promise<string> {
  show("booting", "booting…");
  const words = new URLSearchParams(location.search);
  const number = (name: string) => (words.has(name) ? { [name]: Number(words.get(name)) } : {});
  const key = words.get("storage");
  const storage = key === null ? {} : { storageKey: key };
  const before = performance.now();
  pod = await start({ ...number("workers"), ...number("frames"), ...number("memory"), ...storage });
  return `${workersOf(pod)}, booted in ${Math.round(performance.now() - before)} ms`;
}

function workersOf(running: Pod): string {
  if (running.mode === "solo") {
    return "solo: 1 Worker, no shared memory";
  }
  return running.workers === 1 ? "1 Worker" : `${running.workers} Workers`;
}

function offerRestart(): void {
  restart.hidden = false;
  restart.focus();
}

/** Says what keeps the pod from running; Restart boots another. */
function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  pod?.close();
  pod = undefined;
  screen.connect(undefined);
  element("notice-text").textContent = message;
  notice.hidden = false;
  show("failed", "no pod");
  offerRestart();
}

/** Shows a line at the bottom; `state` is for style and tests. */
function show(state: "booting" | "running" | "ended" | "failed", text: string): void {
  document.body.dataset.state = state;
  status.textContent = text;
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) {
    throw new Error(`the page has no #${id}`);
  }
  return found;
}
