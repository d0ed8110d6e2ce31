// Which port of which sandbox a request is for: by its host name, or by a pair of headers.
import type { IncomingMessage } from "node:http";
import { isSandboxId } from "@wrenn/core";

export const SANDBOX_HEADER = "e2b-sandbox-id";
export const PORT_HEADER = "e2b-sandbox-port";

export interface SandboxAddress {
  /** As the client wrote it: it may be no sandbox's. */
  sandboxId: string;
  /** Undefined when the client named none, or something that is none. */
  port: number | undefined;
}

/** First label of a sandbox's host name; what follows it is the operator's choice and not looked at. */
const HOST = /^(\d{1,5})-(sb-[a-z0-9]{16})\./i;

/** Where a request goes; nothing when it is none of the proxy's. The host name wins over the headers. */
export function addressOf({ headers }: Pick<IncomingMessage, "headers">): SandboxAddress | undefined {
  const [, hostPort, hostId] = HOST.exec(headers.host ?? "") ?? [];
  if (hostId !== undefined) return { sandboxId: hostId.toLowerCase(), port: toPort(hostPort) };
  const id = headers[SANDBOX_HEADER];
  if (id === undefined) return undefined;
  return { sandboxId: String(id), port: toPort(headers[PORT_HEADER]) };
}

/** Host name of a port of a sandbox, below the domain that leads here. */
export function hostNameOf(sandboxId: string, port: number, domain: string): string {
  if (!isSandboxId(sandboxId)) throw new Error(`${sandboxId} is no sandbox id`);
  return `${port}-${sandboxId}.${domain}`;
}

/**
 * Address of a port for people and programs outside: below the domain by TLS, or, without one, below `localhost` at the
 * port of this service that the caller has used. Browsers and curl take every name below it for this machine.
 */
export function urlOfPort(place: {
  id: string;
  port: number;
  domain: string | undefined;
  ownHost: string | undefined;
}): string {
  const { id, port, domain, ownHost } = place;
  if (domain !== undefined) return `https://${hostNameOf(id, port, domain)}/`;
  const ownPort = /:(\d+)$/.exec(ownHost ?? "")?.[0] ?? "";
  return `http://${hostNameOf(id, port, `localhost${ownPort}`)}/`;
}

function toPort(text: string | string[] | undefined): number | undefined {
  if (typeof text !== "string" || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}
