// For tests: what they do with sandboxes over HTTP again and again, in few words.
import assert from "node:assert/strict";
import type { Code } from "@connectrpc/connect";
import { eventually } from "./eventually.ts";
import { hostError } from "./host-error.ts";
import type { Answer, TestService } from "./service.ts";

export interface SandboxCalls {
  /** Asks for an action on a sandbox, as the operator unless another key is given. */
  act(id: string, action: string, body?: object, key?: string): Promise<Answer>;
  /** What a sandbox answers as. */
  look(id: string): Promise<Answer["body"]>;
  statusOf(id: string): Promise<string>;
  /** Waits for a status. */
  becomes(id: string, status: string): Promise<true>;
  /** Makes a paused sandbox and returns its id. */
  paused(body?: object): Promise<string>;
  /** The last message that the host got by a method. */
  lastMessage(method: string): Record<string, unknown>;
  /** Lets the host refuse a method from now on. */
  refuse(method: string, code: Parameters<typeof hostError>[0], connect: Code): void;
  /** Makes an owner who may have `max` running sandboxes, and returns a key of theirs. */
  limit(owner: string, max: number): Promise<string>;
}

/** On a service that need not be there before the first call. */
export function sandboxCalls(service: () => TestService): SandboxCalls {
  const act: SandboxCalls["act"] = (id, action, body, key = service().key) =>
    service().call("POST", `/v1/sandboxes/${id}/${action}`, { key, ...(body && { body }) });
  const look: SandboxCalls["look"] = async (id) => (await service().call("GET", `/v1/sandboxes/${id}`)).body;
  const statusOf: SandboxCalls["statusOf"] = async (id) => (await look(id)).status;
  return {
    act,
    look,
    statusOf,
    becomes: (id, status) => eventually(async () => ((await statusOf(id)) === status ? true : undefined)),
    paused: async (body = {}) => {
      const id = await service().sandbox(body);
      assert.equal((await act(id, "pause")).status, 200);
      return id;
    },
    lastMessage: (method) => {
      const last = service().host.callsOf(method).at(-1);
      assert.ok(last, `${method} was not called`);
      return last.message as Record<string, unknown>;
    },
    refuse: (method, code, connect) => {
      service().host.before[method] = () => {
        throw hostError(code, connect);
      };
    },
    limit: async (owner, max) => {
      const key = await service().keyOf(owner);
      const { db } = service().database;
      await db.updateTable("owners").set({ max_running: max }).where("id", "=", owner).execute();
      return key;
    },
  };
}
