// @wrenn/supervisor: runs the platform on one machine. The command is main.ts; this is for tests and tools.
export { type Instance, readInstance, runningInstance } from "./instance.ts";
export { type DataLayout, DEFAULT_DATA_DIR, dataLayout } from "./layout.ts";
