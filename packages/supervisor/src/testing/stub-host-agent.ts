// Stands in for the host agent: listens on its socket, says what it was given, and leaves when asked,
// after WRENN_STUB_STOP_MS.
import { chmodSync, rmSync } from "node:fs";
import { createServer } from "node:net";

const socket = process.env["WRENN_SOCKET"] ?? "";
process.title = "wrenn-host-agent";
if (process.argv[2] === "--load-only") process.exit(0);
rmSync(socket, { force: true });
const server = createServer((client) => {
  client.on("error", () => {}); // a client that only looked whether it can connect
  client.end();
});
server.listen(socket, () => {
  chmodSync(socket, 0o777);
  const names = Object.keys(process.env).filter((name) => name.startsWith("WRENN_"));
  console.log(JSON.stringify({ msg: "listening", names }));
});
process.on("SIGTERM", () => {
  console.log(JSON.stringify({ msg: "stopping" }));
  const stopped = () => {
    console.log(JSON.stringify({ msg: "stopped" }));
    process.exit(0);
  };
  setTimeout(() => server.close(stopped), Number(process.env["WRENN_STUB_STOP_MS"] ?? 0));
});
