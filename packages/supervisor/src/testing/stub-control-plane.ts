// Stands in for the control plane: /health answers 200 when key, database and agent can be reached as its user,
// and tells who that is.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";

process.title = "wrenn-control-plane";
if (process.argv[2] === "--load-only") process.exit(0);
const [host = "", port = ""] = (process.env["WRENN_LISTEN"] ?? "").split(":");
const key = readFileSync(process.env["WRENN_BOOTSTRAP_KEY_FILE"] ?? "", "utf8").trim();
const databaseSocket = new URL(process.env["DATABASE_URL"] ?? "").searchParams.get("host");

const server = createServer(async (request, response) => {
  if (request.url === "/v1/templates") {
    response.writeHead(request.headers["x-api-key"] === key ? 409 : 401).end("{}");
    return;
  }
  try {
    await reach(`${databaseSocket}/.s.PGSQL.5432`);
    await reach((process.env["WRENN_HOSTS"] ?? "").slice("unix:".length));
    response.end(JSON.stringify({ uid: field("Uid"), capabilities: field("CapEff") }));
  } catch (error) {
    response.writeHead(503).end(String(error));
  }
});
server.listen(Number(port), host);
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});

async function reach(path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ path }, resolve);
  socket.once("error", reject);
  await promise;
  socket.destroy();
}

/** The first value of a line of /proc/self/status. */
function field(name: string): string | undefined {
  return new RegExp(`^${name}:\\s+(\\w+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1];
}
