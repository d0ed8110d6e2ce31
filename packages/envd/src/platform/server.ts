// The HTTP server.
import { closeConnections } from "./sockets.ts";

/** The connections of the server, and of those beside it. */
export interface Connections {
  /** Closes all but the one that carries `request`; how: see {@link closeConnections}. Returns how many. */
  closeOthers(request: Request, how: "finish" | "reset"): number;
}

export interface ServeOptions {
  port: number;
  hostname: string;
  /** Ports of other listeners of this process, whose connections come from the same outside. */
  otherPorts: () => readonly number[];
  createHandler: (connections: Connections) => (request: Request) => Promise<Response>;
}

/** Bodies have no size limit here: uploads are as large as the disk, RPC messages are limited where they are read. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Listens; the result says on which port (0 asks for any). Streams stay open however quiet they are. */
export function serve({ port, hostname, otherPorts, createHandler }: ServeOptions): { port: number } {
  const handle = createHandler({
    closeOthers: (request, how) =>
      closeConnections([server.port ?? port, ...otherPorts()], server.requestIP(request), how),
  });
  const server = Bun.serve({
    port,
    hostname,
    idleTimeout: 0,
    maxRequestBodySize: NO_LIMIT,
    development: false,
    fetch: (request) => handle(request),
    // A file that vanished between its check and its sending ends up here.
    error: () =>
      Response.json(
        { code: 500, message: "the answer could not be sent", error_code: "internal" },
        { status: 500 },
      ),
  });
  return { port: server.port ?? port };
}

/** A body that {@link serve} sends with sendfile(2), honouring Range. */
export function fileBody(path: string): Blob {
  return Bun.file(path);
}
