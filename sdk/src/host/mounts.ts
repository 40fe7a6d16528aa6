/** File systems that are mounted from outside: folders of the machine, and files that the page provides. */
import type { HostMount, LogLevel, WorkerMessage } from "../protocol.js";
import type { ProvidedMount } from "./file_provider.js";
import type { Pool } from "./pool.js";
import type { ProvidedMounts } from "./provided_files.js";

/** The mounts of a pod. */
export class Mounts {
  readonly #pool: Pool;
  readonly #log: (level: LogLevel, message: string) => void;
  #provided: ProvidedMounts | undefined;

  constructor(pool: Pool, log: (level: LogLevel, message: string) => void) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Mounts a folder of the machine (Node only), or files that the page provides. */
  async mount(mount: HostMount | ProvidedMount): Promise<void> {
    if ("host" in mount) {
      await this.#request(mount.guest, mount.host, mount.readOnly);
      return;
    }
    const { guest, provider, readOnly } = mount;
    if (this.#provided === undefined) {
      const { ProvidedMounts } = await import("./provided_files.js");
      this.#provided ??= new ProvidedMounts(this.#log);
    }
    const provided = this.#provided;
    const host = provided.add(provider);
    try {
      await this.#request(guest, host, readOnly ?? provider.write === undefined);
    } catch (error) {
      provided.delete(host);
      throw error;
    }
  }

  /** Ends the last mount at `guest`. */
  async unmount(guest: string): Promise<void> {
    await this.#pool.request({ type: "file", request: { op: "unmount", path: guest } });
  }

  /** Answers a Worker's question. */
  async answer({ worker, question, request }: Extract<WorkerMessage, { type: "provided" }>): Promise<void> {
    const answer = await this.#provided?.answer(request);
    if (answer === undefined || question === undefined) {
      return;
    }
    const { value } = answer;
    this.#pool.answer(
      worker,
      { ...answer, question },
      value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : [],
    );
  }

  async #request(path: string, host: string, readOnly: boolean): Promise<void> {
    await this.#pool.request({ type: "file", request: { op: "mount", path, host, readOnly } });
  }
}
