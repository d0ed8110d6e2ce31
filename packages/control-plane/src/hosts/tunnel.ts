// A connection to a port of a guest, through its host: see the host agent's `server/tunnel.ts`.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import { fromRawBody, unreachable } from "./errors.ts";
import type { HostClient } from "./host-client.ts";
import { readBounded } from "./raw-files.ts";
import { isSocket, upgraded, upgradeTo } from "./upgrade.ts";

export interface GuestPort {
  sandboxId: string;
  port: number;
  requestId: string;
}

/** Connects. Throws what the host says: `not_found`, `invalid_state`, `guest_unreachable` for a port that is closed. */
export async function openTunnel(
  host: HostClient,
  { sandboxId, port, requestId }: GuestPort,
): Promise<Socket> {
  const attempted = `connecting to port ${port} of sandbox ${sandboxId}`;
  const request = host.endpoint.request({
    method: "GET",
    path: `/raw/v1/sandboxes/${sandboxId}/ports/${port}`,
    headers: { ...upgradeTo("wrenn-tcp"), [REQUEST_ID_HEADER]: requestId },
  });
  let answer: Socket | IncomingMessage;
  try {
    answer = await upgraded(request);
  } catch (reason) {
    throw reason instanceof WrennError ? reason : unreachable(attempted, reason);
  }
  if (isSocket(answer)) return answer;
  throw fromRawBody(answer.statusCode ?? 0, await readBounded(answer), attempted);
}
