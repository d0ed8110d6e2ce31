// Where the RPC is served: a private Unix socket on one machine, mutual TLS between machines, never openly.
import { chmod, chown, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { LIMITS } from "@wrenn/core";
import { UNARY_UPGRADE, type UnaryServer, unaryServer } from "@wrenn/rpc/unary";
import type { Logger } from "pino";
import { errorInterceptor, translated } from "./errors.ts";
import { rawRoutes } from "./raw.ts";
import { hostAgentRoutes, type ServiceContext } from "./rpc.ts";
import { tunnels } from "./tunnel.ts";

/** The largest message: a whole file of `writeFile`. */
const MAX_MESSAGE_BYTES = LIMITS.filesWriteBytes + 1024 * 1024;

export interface TlsFiles {
  /** PEM files: this host's certificate and key, and the authority that signs the control planes' certificates. */
  certFile: string;
  keyFile: string;
  caFile: string;
}

/** Stops accepting, ends what is open, and resolves once all connections are closed. */
export type StopListening = () => Promise<void>;

/** Serves on a Unix socket that only root and `owner` may connect to. An earlier run's socket is replaced. */
export async function listenOnSocket(
  context: ServiceContext,
  options: { path: string; owner: number; log: Logger },
): Promise<StopListening> {
  await rm(options.path, { force: true });
  const { onRequest, onUpgrade, unary } = handlers(context, options.log);
  const server = createServer({ requestTimeout: 0 }, onRequest).on("upgrade", onUpgrade);
  const sockets = socketsOf(server);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options.path, resolve));
  await chown(options.path, options.owner, options.owner);
  await chmod(options.path, 0o600);
  return () => stop(server, sockets, unary);
}

/** Serves on TCP with mutual TLS: HTTP/2 and HTTP/1.1, only for clients whose certificate the authority has signed. */
export async function listenOnTls(
  context: ServiceContext,
  options: { host: string; port: number; tls: TlsFiles; log: Logger },
): Promise<StopListening> {
  const [cert, key, ca] = await Promise.all([
    readFile(options.tls.certFile),
    readFile(options.tls.keyFile),
    readFile(options.tls.caFile),
  ]);
  const { onRequest, onUpgrade, unary } = handlers(context, options.log);
  const server = createSecureServer(
    {
      cert,
      key,
      ca,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
      allowHTTP1: true,
      // A plain server's own default.
      noDelay: true,
      // A machine that has lost its power says no goodbye; its calls end by this, and its idle connections.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    },
    onRequest,
  );
  const sockets = socketsOf(server);
  // HTTP/1.1 only: HTTP/2 has no upgrades.
  server.on("upgrade", onUpgrade);
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(options.port, options.host, resolve),
  );
  return () => stop(server, sockets, unary);
}

function handlers(context: ServiceContext, log: Logger) {
  const register = hostAgentRoutes(context);
  const raw = rawRoutes(context.manager, log);
  const unary = unaryServer({
    maxBytes: MAX_MESSAGE_BYTES,
    around: (call, run) => translated(log, call, run),
  });
  register(unary);
  const rpc = connectNodeAdapter({
    routes: register,
    interceptors: [errorInterceptor(log)],
    readMaxBytes: MAX_MESSAGE_BYTES,
    grpc: false,
    grpcWeb: false,
  });
  const tunnel = tunnels(context.manager, log);
  return {
    unary,
    onRequest(request: Parameters<typeof rpc>[0], response: Parameters<typeof rpc>[1]): void {
      // HTTP/2's compatibility classes have all that this one uses.
      if (!raw(request as IncomingMessage, response as ServerResponse)) rpc(request, response);
    },
    onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
      if (request.headers.upgrade !== UNARY_UPGRADE) {
        tunnel(request, socket, head);
        return;
      }
      if (head.length > 0) socket.unshift(head);
      socket.write(SWITCHED);
      unary.accept(socket);
    },
  };
}

const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${UNARY_UPGRADE}\r\n\r\n`;

/** All connections: Node forgets what was upgraded, and ends nothing of HTTP/1.1 on a server that speaks HTTP/2. */
function socketsOf(server: Server | Http2SecureServer): Set<Socket> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return open;
}

function stop(
  server: Server | Http2SecureServer,
  sockets: ReadonlySet<Socket>,
  unary: UnaryServer,
): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    unary.close();
    for (const socket of sockets) socket.destroy();
  });
}
