// `wrenn up` with stand-ins for the two daemons: node up-with-stubs.ts SOURCE_ROOT DATA_DIR
import { parseListenAddress } from "../listen-address.ts";
import { up } from "../up.ts";

const [, , sourceRoot = "", dataDir = "", listen = "127.0.0.1:0"] = process.argv;
process.title = "wrenn-supervisor";
process.exitCode = await up({
  sourceRoot,
  dataDir,
  cacheDir: `${dataDir}-cache`,
  listen: parseListenAddress(listen),
  dns: "192.0.2.1",
  vmm: undefined,
  memory: undefined,
  databaseUrl: undefined,
});
