// The servers that listen: plain HTTP, and TLS beside it. Each request goes to the API, or to the sandbox it names.
import { readFile } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { routeUpgrades, shouldUpgrade } from "../exec/upgrade.ts";
import type { SandboxProxy } from "../proxy/proxy.ts";
import { answerClientError } from "./client-error.ts";

/** Longer than most load balancers keep an idle connection, so that they are the ones to close it. */
const KEEP_ALIVE_MS = 72_000;

const OPTIONS: ServerOptions = {
  // Bodies are bounded by how long they stand still, not by how long they take.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
  requireHostHeader: false,
  shouldUpgradeCallback: shouldUpgrade,
};

/** A plain server. `api` answers what the proxy does not claim. */
export function httpListener(proxy: SandboxProxy, api: RequestListener): Server {
  return attach(createServer(OPTIONS), proxy, api);
}

export interface TlsListen {
  host: string;
  port: number;
  /** PEM files; the certificate names the domain and `*.domain`. */
  certFile: string;
  keyFile: string;
}

/** Listens with a certificate. The result stops it, breaking off what is open. */
export async function listenTls(
  proxy: SandboxProxy,
  api: RequestListener,
  { host, port, certFile, keyFile }: TlsListen,
): Promise<{ port: number; close(): Promise<void> }> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  const server = createTlsServer({ ...OPTIONS, cert, key, minVersion: "TLSv1.2" });
  attach(server as unknown as Server, proxy, api);
  server.on("clientError", answerClientError);
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function attach(server: Server, proxy: SandboxProxy, api: RequestListener): Server {
  const dispatch = (request: IncomingMessage, response: ServerResponse) => {
    if (proxy.claims(request)) proxy.serve(request, response);
    else api(request, response as Parameters<RequestListener>[1]);
  };
  server.on("request", dispatch);
  // Node would answer these itself, without a body.
  server.on("checkExpectation", dispatch);
  routeUpgrades(server, proxy, dispatch);
  return server;
}
