/** Serves the root image as `/root.ext2`, and puts it into a build. */
import { constants, createReadStream } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import type { Connect, Plugin } from "vite";

const NAME = "root.ext2";

/** A plugin that serves `image`. */
export function rootImage(image: string): Plugin {
  const serve: Connect.NextHandleFunction = (request, response, next) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === `/${NAME}`) {
      void send(image, response);
    } else {
      next();
    }
  };
  let folder = "";
  return {
    name: "shoal-root-image",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    configureServer(server) {
      server.middlewares.use(serve);
    },
    configurePreviewServer(server) {
      server.middlewares.use(serve);
    },
    async writeBundle() {
      try {
        await copyFile(image, join(folder, NAME), constants.COPYFILE_FICLONE);
      } catch (error) {
        this.warn(`the page is built without its root image, to be put beside it as ${NAME}: ${String(error)}`);
      }
    },
  };
}

async function send(image: string, response: ServerResponse): Promise<void> {
  try {
    const { size } = await stat(image);
    response.writeHead(200, {
      "Content-Type": "application/octet-stream",
      "Content-Length": size,
      "Cache-Control": "no-cache",
    });
    createReadStream(image).pipe(response);
  } catch (error) {
    response.writeHead(404, "no root image: run `cargo xtask build`").end(String(error));
  }
}
