// Control plane and host agent on different machines: both show a certificate of the same authority, or nothing is said.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Code, createClient } from "@connectrpc/connect";
import { HostAgentService } from "@wrenn/rpc/hostagent";
import { pino } from "pino";
import { type Endpoint, openEndpoint } from "../../packages/control-plane/src/hosts/endpoint.ts";
import { listenOnTls, type StopListening } from "../../packages/host-agent/src/server/listen.ts";
import type { ServiceContext } from "../../packages/host-agent/src/server/rpc.ts";

const dir = mkdtempSync(join(tmpdir(), "wrenn-tls-"));

/** Calls that have reached the host agent's methods. */
let served = 0;

/** What a stream waits for before it ends. */
let held: Promise<void> | undefined;

/** The parts of a host agent that the calls below come to. */
const context = {
  templates: {
    list: () => {
      served++;
      return [];
    },
  },
  builds: {
    follow: async function* () {
      served++;
      yield { type: "log", line: "one" };
      yield { type: "log", line: "two" };
      await held;
    },
  },
  manager: {
    use: async (_: string, operation: (guest: unknown, gone: AbortSignal) => Promise<unknown>) => {
      served++;
      const guest = { readFile: async () => ({ body: Readable.from([Buffer.from("content")]) }) };
      return await operation(guest, new AbortController().signal);
    },
  },
} as unknown as ServiceContext;

describe("mutual TLS between machines", { timeout: 60_000 }, () => {
  let address = "";
  let stop: StopListening;
  const open: Endpoint[] = [];
  const endpoint = (files: { authority: string; client: string; at?: string }) => {
    const made = openEndpoint(files.at ?? address, {
      ca: join(dir, `${files.authority}.crt`),
      cert: join(dir, `${files.client}.crt`),
      key: join(dir, `${files.client}.key`),
    });
    open.push(made);
    return made;
  };
  const clientOf = ({ transport }: Endpoint) => createClient(HostAgentService, transport);

  before(async () => {
    for (const authority of ["ours", "theirs"]) {
      makeAuthority(authority);
      certify(`${authority}-host`, authority);
      certify(`${authority}-client`, authority);
    }
    const port = await freePort();
    address = `https://127.0.0.1:${port}`;
    stop = await listen(port);
  });

  after(async () => {
    for (const { close } of open) close();
    await stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it("serves calls, streams and bodies to a client of its authority", async () => {
    const known = endpoint({ authority: "ours", client: "ours-client" });
    assert.deepEqual((await clientOf(known).listTemplates({})).templates, []);
    const lines: unknown[] = [];
    for await (const { event } of clientOf(known).buildTemplate({ name: "t" })) lines.push(event.value);
    assert.deepEqual(lines, ["one", "two"]);
    const path = "/raw/v1/sandboxes/sb-1/files?path=%2Ffile";
    const call = known.request({ method: "GET", path, headers: {} });
    call.end();
    const [answer] = (await once(call, "response")) as [IncomingMessage];
    assert.equal(await text(answer), "content");
  });

  it("refuses a client of another authority before anything is served", async () => {
    const before = served;
    const stranger = clientOf(endpoint({ authority: "ours", client: "theirs-client" }));
    await assert.rejects(stranger.listTemplates({}), { code: Code.Unavailable });
    await assert.rejects(async () => {
      for await (const _ of stranger.buildTemplate({ name: "t" }));
    });
    assert.equal(served, before);
  });

  it("is refused by a client that knows another authority", async () => {
    const before = served;
    const wary = clientOf(endpoint({ authority: "theirs", client: "ours-client" }));
    await assert.rejects(wary.listTemplates({}), { code: Code.Unavailable });
    assert.equal(served, before);
  });

  it("looks after connections on which nothing is said", async () => {
    await clientOf(endpoint({ authority: "ours", client: "ours-client" })).listTemplates({});
    const port = Number(new URL(address).port);
    // A lost acknowledgement's timer may run before it.
    while (!serverTimers(port).every((timer) => timer === KEEP_ALIVE)) await setTimeout(5);
  });

  it("ends what is open when it stops", async () => {
    const port = await freePort();
    const stopThis = await listen(port);
    const made = endpoint({ authority: "ours", client: "ours-client", at: `https://127.0.0.1:${port}` });
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    const stream = clientOf(made).buildTemplate({ name: "t" })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    assert.equal((await stream.next()).done, false);
    const broken = assert.rejects(stream.next());
    const idle = connect(port, "127.0.0.1");
    await once(idle, "connect");
    const closed = once(idle, "close");
    await stopThis();
    await Promise.all([broken, closed]);
    resolve();
    held = undefined;
  });

  it("does not speak without TLS", async () => {
    const before = served;
    await assert.rejects(fetch(address.replace("https:", "http:")));
    assert.equal(served, before);
  });

  it("is not spoken to without a certificate of one's own", () => {
    assert.throws(() => openEndpoint(address, undefined), /WRENN_HOST_TLS_CERT/);
  });
});

/** In `/proc/net/tcp`: the timer of a connection that sends nothing and has keep-alive on. */
const KEEP_ALIVE = "02";
const ESTABLISHED = "01";

/** The timers of the connections to this port of ours, at the end that listens. */
function serverTimers(port: number): string[] {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  const timers: string[] = [];
  for (const line of lines) {
    const [, address, , state, , timer = ""] = line.trim().split(/\s+/);
    if (address?.endsWith(local) && state === ESTABLISHED) timers.push(timer.slice(0, 2));
  }
  assert.notEqual(timers.length, 0);
  return timers;
}

async function listen(port: number): Promise<StopListening> {
  return await listenOnTls(context, {
    host: "127.0.0.1",
    port,
    tls: {
      caFile: join(dir, "ours.crt"),
      certFile: join(dir, "ours-host.crt"),
      keyFile: join(dir, "ours-host.key"),
    },
    log: pino({ level: "silent" }),
  });
}

function makeAuthority(name: string): void {
  newKey(name);
  openssl("req", "-x509", "-key", `${name}.key`, "-out", `${name}.crt`, "-days", "1", "-subj", `/CN=${name}`);
}

/** A certificate for 127.0.0.1 that `authority` has signed. */
function certify(name: string, authority: string): void {
  newKey(name);
  openssl("req", "-new", "-key", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
  writeFileSync(join(dir, "names.ext"), "subjectAltName=IP:127.0.0.1\n");
  const signer = ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`, "-CAcreateserial"];
  const request = [
    "-req",
    "-in",
    `${name}.csr`,
    "-out",
    `${name}.crt`,
    "-days",
    "1",
    "-extfile",
    "names.ext",
  ];
  openssl("x509", ...request, ...signer);
}

function newKey(name: string): void {
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", `${name}.key`);
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
