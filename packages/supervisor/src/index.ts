// @wrenn/supervisor: runs the platform on one machine. The command is main.ts; this is for tests and tools.
export { Program, type ProgramOptions } from "./bundle/program.ts";
export { agentCodeCache, LOAD_ONLY } from "./code-cache.ts";
export { compileSources } from "./compile.ts";
export { type Instance, readInstance, runningInstance } from "./instance.ts";
export { type DataLayout, DEFAULT_CACHE_DIR, DEFAULT_DATA_DIR, dataLayout, SOURCE_ROOT } from "./layout.ts";
export { NODE_FLAGS } from "./node-flags.ts";
