// Connections that go on as something else than HTTP.
import type { ClientRequest, IncomingMessage } from "node:http";
import { Socket } from "node:net";

/**
 * Sends a request for an upgrade. Resolves with the connection, or with the answer of a server that does not switch;
 * rejects with what broke the connection.
 */
export async function upgraded(request: ClientRequest): Promise<Socket | IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket | IncomingMessage>();
  request.once("upgrade", (_response, socket: Socket, head) => {
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  request.once("response", resolve);
  request.on("error", reject);
  request.end();
  return await promise;
}

/** What a request for an upgrade says beside its path. */
export function upgradeTo(protocol: string): { connection: "upgrade"; upgrade: string } {
  return { connection: "upgrade", upgrade: protocol };
}

export function isSocket(answer: Socket | IncomingMessage): answer is Socket {
  return answer instanceof Socket;
}
