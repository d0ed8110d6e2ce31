// @wrenn/console: the page at /test. The control plane serves its files and knows nothing of its inside.
export { buildConsole, type ConsoleFile } from "./build.ts";
