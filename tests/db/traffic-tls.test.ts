// API and sandboxes by host name and TLS, with a certificate that the operator gives.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createPort } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { run } from "@wrenn/linux";
import { type ClientOptions, WebSocket, WebSocketServer } from "ws";
import { type TestService, testService } from "./service.ts";

let dir: string;
let service: TestService;
let guest: Server;
let tlsPort: number;
const cert = () => join(dir, "cert.pem");

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "wrenn-tls-"));
  await makeCertificate(dir);
  guest = createServer((request, response) => {
    if (request.url === "/health") response.writeHead(204).end();
    else response.end(`guest ${request.url}`);
  });
  new WebSocketServer({ server: guest }).on("connection", (socket) => socket.send("hello"));
  guest.listen(0, "127.0.0.1");
  await once(guest, "listening");
  tlsPort = await freePort();
  service = await testService({
    WRENN_DOMAIN: `sbx.test:${tlsPort}`,
    WRENN_TLS_LISTEN: `127.0.0.1:${tlsPort}`,
    WRENN_TLS_CERT: cert(),
    WRENN_TLS_KEY: join(dir, "key.pem"),
  });
  const { port } = guest.address() as AddressInfo;
  service.host.tunnels.ports.set(3000, port).set(49_983, port);
});
after(async () => {
  await service?.[Symbol.asyncDispose]();
  guest?.closeAllConnections();
  guest?.close();
  await rm(dir, { recursive: true, force: true });
});

test("E2B's client needs a domain and a key, and nothing else", async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--require", join(import.meta.dirname, "local-names.cjs"), join(import.meta.dirname, "tls-client.ts")],
    {
      env: {
        PATH: process.env["PATH"],
        NODE_EXTRA_CA_CERTS: cert(),
        E2B_DOMAIN: `sbx.test:${tlsPort}`,
        E2B_API_KEY: service.key.replace("wrn_", "e2b_"),
      },
      timeout: 60_000,
    },
  );
  const { running, host, page } = JSON.parse(stdout);
  assert.equal(running, true);
  assert.match(host, new RegExp(`^3000-sb-[a-z0-9]{16}\\.sbx\\.test:${tlsPort}$`));
  assert.equal(page, "guest /page");
});

test("a WebSocket goes to a sandbox by TLS", async () => {
  const id = await service.sandbox();
  const options: ClientOptions & { servername: string } = {
    headers: { host: `3000-${id}.sbx.test` },
    servername: `3000-${id}.sbx.test`,
    ca: await readFile(cert()),
  };
  const socket = new WebSocket(`wss://127.0.0.1:${tlsPort}/`, options);
  assert.equal(String((await once(socket, "message"))[0]), "hello");
  socket.terminate();
});

async function makeCertificate(into: string): Promise<void> {
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    join(into, "key.pem"),
  ];
  const names = ["-subj", "/CN=sbx.test", "-addext", "subjectAltName=DNS:sbx.test,DNS:*.sbx.test"];
  await run(["openssl", "req", "-x509", ...key, ...names, "-days", "2", "-out", join(into, "cert.pem")], {
    timeoutMs: 30_000,
  });
}

/** The domain has to name the port before the service is there. */
async function freePort(): Promise<number> {
  const server = createPort().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
