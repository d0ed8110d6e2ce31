// What `./wrenn up`, `down`, `status`, `logs` and `doctor` run: node packages/supervisor/src/main.ts COMMAND …
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// See code-cache.ts; everything is loaded after this.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "wrenn", "supervisor"));
await import("./commands.ts");
