/** The page of `examples/web-demo`, served as `./shoal web` serves it. */
import { fileURLToPath } from "node:url";
import { createServer, type Plugin } from "vite";

/** Whether the server sends the headers that make a page cross-origin isolated. */
export type Isolation = "isolated" | "not isolated";

/** A server that runs; disposing it ends it. */
export interface Site extends AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for so far, by the page and its Workers. */
  readonly requests: readonly string[];
}

const PAGE = fileURLToPath(new URL("../../../examples/web-demo", import.meta.url));

/** Serves the page on a free port of this machine, and what `plugins` serve. */
export async function serve(isolation: Isolation = "isolated", plugins: readonly Plugin[] = []): Promise<Site> {
  // The page's own configuration reads this when it is loaded, that is within this call.
  process.env.SHOAL_NO_ISOLATION = isolation === "isolated" ? "0" : "1";
  const requests: string[] = [];
  const server = await createServer({
    plugins: [
      ...plugins,
      {
        name: "requests",
        configureServer: ({ middlewares }) => {
          middlewares.use((request, _response, next) => {
            requests.push(new URL(request.url ?? "/", "http://site").pathname);
            next();
          });
        },
      },
    ],
    root: PAGE,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0, watch: null },
  });
  await server.listen();
  const url = server.resolvedUrls?.local[0];
  if (url === undefined) {
    throw new Error("the server has no address");
  }
  return { url, requests, [Symbol.asyncDispose]: () => server.close() };
}
