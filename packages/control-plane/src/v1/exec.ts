// Routes of running commands.
import type { ExecRequest } from "@wrenn/api";
import { handler } from "../http/handler.ts";
import { execInSandbox } from "../services/exec.ts";
import type { Services } from "../services/services.ts";

export function execHandlers(services: Services) {
  const { tickets, streams, exec } = services;
  return {
    execInSandbox: handler<ExecRequest>(async ({ caller, sandbox, body }) => {
      const { response, hostMs, guestMs } = await execInSandbox(exec, caller, sandbox, body);
      const timing = `host;dur=${hostMs.toFixed(3)}, guest;dur=${guestMs.toFixed(3)}`;
      return { body: response, headers: { "server-timing": timing } };
    }),
    createExecTicket: handler(async ({ caller, sandbox }) => ({
      body: await tickets.create(caller, sandbox),
    })),
    execStream: handler(async ({ caller, sandbox, request, reply }) => {
      streams.accept({ caller, sandbox, request, reply });
      return undefined;
    }),
  };
}
