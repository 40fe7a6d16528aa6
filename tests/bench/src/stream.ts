/**
 * `npm run stream -- [--latency MS] [--size MIB] [--tries N]`: how long a pod takes from an image at a web server to
 * a shell's prompt, and what it fetches for that.
 *
 * The image is the guests' root file system with room, served by ranges with a pause before each answer. A boot
 * without a storage fetches what it needs, one with a list of what a boot reads fetches that ahead, and one
 * with a storage that has seen a boot fetches what is left. Block by block would be a pause for each read
 * of the file system.
 */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { boot } from "shoal/node";
import { TREE } from "./command.ts";

const { values } = parseArgs({
  options: {
    latency: { type: "string", default: "200" },
    size: { type: "string", default: "2048" },
    tries: { type: "string", default: "3" },
  },
});
const LATENCY_MS = Number(values.latency);
const FOLDER = join(TREE, "target/bench-stream");
const IMAGE = join(FOLDER, "root.ext2");
const ROOT_IMAGE = process.env.SHOAL_IMAGE ?? join(TREE, "target/guest/root.ext2");
/** What a boot to a shell reads. */
const HOT = ["/dev", "/proc", "/tmp", "/bin/sh", "/etc/passwd", "/etc/profile", "/root"];

/** One boot. */
interface Outcome {
  readonly milliseconds: number;
  readonly bytes: number;
  readonly nrRequests: number;
}

function makeImage(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  const tree = join(FOLDER, "tree");
  mkdirSync(tree, { recursive: true });
  const debugfs = (command: string) => execFileSync("debugfs", ["-R", command, ROOT_IMAGE], { encoding: "utf8" });
  debugfs(`rdump / ${tree}`);
  const hot = HOT.filter((path) => existsSync(join(tree, path))).flatMap((path) => ["--hot", path]);
  const options = ["--owner", "0:0", "--size", values.size, ...hot, "--output", IMAGE, tree];
  execFileSync(join(TREE, "shoal"), ["image", "build", ...options], { stdio: "inherit" });
  rmSync(tree, { recursive: true });
}

/** Serves the image and its list, and counts. */
async function serve() {
  const file = openSync(IMAGE, "r");
  const { size } = fstatSync(file);
  const list = readFileSync(`${IMAGE}.hot.json`);
  const state = { latency: 0, hasList: false, bytes: 0, nrRequests: 0 };
  const answer = (url: string, range: string | undefined, response: ServerResponse) => {
    state.nrRequests += 1;
    response.setHeader("ETag", '"a"');
    if (url.endsWith(".json")) {
      response.writeHead(state.hasList ? 200 : 404).end(state.hasList ? list : "");
      return;
    }
    const [, first = "0", last = "0"] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    const length = Math.min(Number(last), size - 1) - Number(first) + 1;
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, Number(first));
    state.bytes += length;
    const headers = { "Content-Range": `bytes ${first}-${last}/${size}`, "Content-Length": length };
    response.writeHead(206, headers).end(bytes);
  };
  const server = createServer((request, response) => {
    setTimeout(() => answer(request.url ?? "/", request.headers.range, response), state.latency);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/root.ext2`;
  const close = () => {
    server.closeAllConnections();
    server.close();
    closeSync(file);
  };
  return { url, state, close };
}

type Site = Awaited<ReturnType<typeof serve>>;

/** From `boot` to the prompt of a shell in a terminal. */
async function measure({ url, state }: Site, folder: string | undefined): Promise<Outcome> {
  Object.assign(state, { bytes: 0, nrRequests: 0 });
  const started = performance.now();
  const pod = await boot({
    image: { url, stream: "ranges" },
    ...(folder === undefined ? {} : { storage: { folder } }),
  });
  const prompt = Promise.withResolvers<number>();
  const decoder = new TextDecoder();
  let shown = "";
  const terminal = await pod.openTerminal({
    columns: 80,
    rows: 24,
    onOutput(bytes) {
      shown += decoder.decode(bytes, { stream: true });
      if (/[#$] /.test(shown)) {
        prompt.resolve(performance.now() - started);
      }
    },
  });
  const shell = await pod.run("/bin/sh", [], { terminal });
  const milliseconds = await prompt.promise;
  const { bytes, nrRequests } = state;
  terminal.type("exit\n");
  await shell.exit;
  await pod.shutdown();
  return { milliseconds, bytes, nrRequests };
}

async function best(site: Site, folder: () => string | undefined): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (let nr = 0; nr < Number(values.tries); nr += 1) {
    outcomes.push(await measure(site, folder()));
  }
  outcomes.sort((a, b) => a.milliseconds - b.milliseconds);
  return outcomes[Math.floor((outcomes.length - 1) / 2)] as Outcome;
}

function show(what: string, { milliseconds, bytes, nrRequests }: Outcome): void {
  const columns = [`${milliseconds.toFixed(0)} ms`, `${(bytes / 1024).toFixed(0)} KiB`, `${nrRequests} requests`];
  console.log(`${what.padEnd(52)}${columns.map((column) => column.padStart(14)).join("")}`);
}

makeImage();
const site = await serve();
const none = () => undefined;
let nrFolders = 0;
const fresh = () => {
  nrFolders += 1;
  return join(FOLDER, `storage-${nrFolders}`);
};
console.log(
  `An image of ${values.size} MiB, ${LATENCY_MS} ms before each answer; median of ${values.tries} boots to a prompt:`,
);
show("near (no pause)", await best(site, none));
site.state.latency = LATENCY_MS;
const far = await best(site, none);
show("far", far);
site.state.hasList = true;
const ahead = await best(site, fresh);
show("far, with the list of what a boot reads", ahead);
const seen = fresh();
await measure(site, seen);
show("far, a second boot with its storage", await best(site, () => seen));
site.close();
rmSync(FOLDER, { recursive: true });
