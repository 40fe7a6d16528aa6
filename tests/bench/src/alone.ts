/**
 * `node alone.ts OPTIONS PROGRAM [ARGUMENT]...`: a program in a pod that has a process of this
 * machine to itself, so that its memory can be told apart. OPTIONS are those of `boot`, as JSON.
 *
 * Before a pause is passed on, all Workers collect their garbage: what is measured then is in use.
 */
import { readFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { fileURLToPath } from "node:url";
import { boot } from "shoal/node";

/** V8 gives memory back in the background, in milliseconds. */
const SETTLING_MS = 300;
const COLLECT = "HeapProfiler.collectGarbage";

/** Lets this thread and all Workers collect their garbage. */
async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  const left = new Map<string, () => void>();
  const workers: Promise<void>[] = [];
  session.on("NodeWorker.attachedToWorker", ({ params: { sessionId } }) => {
    workers.push(new Promise((resolve) => left.set(sessionId, resolve)));
    const message = JSON.stringify({ id: 1, method: COLLECT });
    void session.post("NodeWorker.sendMessageToWorker", { sessionId, message });
  });
  session.on("NodeWorker.receivedMessageFromWorker", ({ params: { sessionId } }) => left.get(sessionId)?.());
  await session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  await session.post(COLLECT);
  await Promise.all(workers);
  await session.post("NodeWorker.disable");
  session.disconnect();
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
}

const [options = "{}", program = "", ...argv] = process.argv.slice(2);
const image = process.env.SHOAL_IMAGE ?? fileURLToPath(new URL("../../../target/guest/root.ext2", import.meta.url));
const pod = await boot({ image: new Uint8Array(await readFile(image)), ...JSON.parse(options) });
const { stdio, exit } = await pod.run(program, argv);
void (async () => {
  for await (const bytes of process.stdin) {
    await stdio?.stdin.write(bytes);
  }
})();
stdio?.stderr.onData((bytes) => void process.stderr.write(bytes));
for await (const chunk of stdio?.stdout ?? []) {
  if (new TextDecoder().decode(chunk).includes("pause ")) {
    await collectGarbage();
  }
  process.stdout.write(chunk);
}
const { shell } = await exit;
pod.close();
process.exit(shell);
