/**
 * Pods in real browsers, for tests and measurements.
 *
 * ```ts
 * await using pod = await PodPage.open("firefox", { workers: 2 });
 * const { stdout, status } = await pod.run("/bin/uname", ["-a"]);
 * ```
 */
export { type BrowserName, type LaunchedBrowser, type LaunchOptions, launch } from "./browsers.ts";
export { type Finished, PodPage, type PodPageOptions } from "./pod_page.ts";
export { type Isolation, type Site, serve } from "./site.ts";
export { TerminalPage, type TerminalPageOptions } from "./terminal_page.ts";
