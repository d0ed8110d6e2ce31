// A process that stands in for Firecracker: its socket, its API, and files where it would write them. Its guest writes a
// few pages of memory each time it is let run.
import {
  appendFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { FakeApi } from "./fake-api.ts";

/** What goes wrong, where and how. */
export interface Fault {
  /** Name of an operation, or `listening`. */
  at: string;
  /** `never`: no answer. */
  how: "dies" | "refuses" | "never" | "nonsense" | "endless";
}

export interface FakeSettings {
  /** What the confinement shows it, longest path first. */
  binds: { from: string; to: string }[];
  /** File that a line is added to for each call: `{"name": …, "status": …, "body": …}`. */
  log: string;
  fault?: Fault | undefined;
}

export const SETTINGS_VARIABLE = "WRENN_FAKE_FIRECRACKER";
export const STATE_START = "fake state";
const PAGE = 4096;
/** Pages that the guest writes when it boots, and how many further ones whenever it goes on. */
export const BOOT_PAGES = [0, 1, 7, 100];
export const FIRST_LATER_PAGE = 200;

if (import.meta.main) main();

function main(): void {
  const settings = JSON.parse(process.env[SETTINGS_VARIABLE] ?? "{}") as FakeSettings;
  const { fault } = settings;
  const option = (name: string) => process.argv[process.argv.indexOf(name) + 1] ?? "";
  const outside = (path: string) => {
    const bind = settings.binds.find(({ to }) => path === to || path.startsWith(`${to}/`));
    return bind ? `${bind.from}${path.slice(bind.to.length)}` : path;
  };
  console.error("fake Firecracker");
  if (fault?.at === "listening") {
    if (fault.how === "dies") process.exit(3);
    setInterval(() => {}, 1000);
    return;
  }
  const api = new FakeApi(option("--id"), effects(outside));
  const server = createServer((request, response) => {
    void (async () => {
      const { method = "", url = "" } = request;
      const text = await read(request);
      const name = FakeApi.nameOf(method, url) ?? `${method} ${url}`;
      const strikes = fault?.at === name ? fault.how : undefined;
      if (strikes === "dies") process.exit(4);
      if (strikes === "never") return;
      if (strikes === "endless") {
        response.writeHead(200);
        const flood = () => response.write("x".repeat(PAGE)) && setImmediate(flood);
        response.on("drain", flood);
        flood();
        return;
      }
      const answer =
        strikes === "refuses"
          ? { status: 400, body: { fault_message: "not \u001b[31mtoday" } }
          : strikes === "nonsense"
            ? { status: 200, body: { state: "Paused" } }
            : await api.handle(method, url, text);
      appendFileSync(settings.log, `${JSON.stringify({ name, status: answer.status, body: text })}\n`);
      response.writeHead(answer.status, { server: "Firecracker API", "content-type": "application/json" });
      response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body), () => {
        if (api.broken) process.exit(1);
      });
    })();
  });
  server.listen(outside(option("--api-sock")));
}

function effects(outside: (path: string) => string) {
  let pages = 0;
  let later = FIRST_LATER_PAGE;
  const dirty = new Set<number>();
  const assertFile = (path: string) => {
    if (!existsSync(outside(path))) throw new Error(`cannot open ${path}: No such file or directory`);
  };
  return {
    assertFile,
    boot(memoryMb: number) {
      pages = memoryMb * 256;
      for (const page of BOOT_PAGES) dirty.add(page);
    },
    async load({
      snapshot_path,
      backend,
    }: {
      snapshot_path: string;
      backend: { type: string; path: string };
    }) {
      const state = readFileSync(outside(snapshot_path), "utf8");
      if (!state.startsWith(STATE_START)) throw new Error("Failed to load snapshot state from file");
      pages = Number(state.slice(STATE_START.length));
      assertFile(backend.path);
      if (backend.type === "File" && statSync(outside(backend.path)).size !== pages * PAGE)
        throw new Error("the file of memory has another size");
      if (backend.type === "Uffd") await handOver(outside(backend.path));
    },
    save({
      snapshot_path,
      mem_file_path,
      full,
    }: {
      snapshot_path: string;
      mem_file_path: string;
      full: boolean;
    }) {
      writeFileSync(outside(snapshot_path), `${STATE_START} ${pages}`);
      const file = openSync(outside(mem_file_path), "r+");
      if (statSync(outside(mem_file_path)).size !== pages * PAGE)
        throw new Error("the picture has another size");
      const written = full ? Array.from({ length: pages }, (_, page) => page) : [...dirty];
      for (const page of written)
        writeSync(file, Buffer.alloc(PAGE, dirty.has(page) ? page : 0), 0, PAGE, page * PAGE);
      if (!full) dirty.clear();
    },
    resumed() {
      dirty.add(later++);
    },
  };
}

/** Connects to the server of its memory as Firecracker does, but with nothing to hand over, and waits for what follows. */
async function handOver(path: string): Promise<void> {
  const socket = connect(path);
  socket.write(JSON.stringify([{ base_host_virt_addr: 4096, size: 8192, offset: 0, page_size: 4096 }]));
  await new Promise((resolve) =>
    socket
      .once("close", resolve)
      .once("error", () => {})
      .resume(),
  );
  throw new Error("its memory is not served");
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
