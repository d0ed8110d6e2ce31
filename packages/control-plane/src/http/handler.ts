// What a handler of one operation gets and gives.
import type { E2bOperationId, OperationId } from "@wrenn/api";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SandboxRow } from "../db/schema.ts";
import type { Caller } from "../services/caller.ts";

/** A request that has passed all checks. Which parts there are, the route table says. */
export interface Call<Body = unknown, Query = unknown> {
  caller: Caller;
  /** The sandbox in the path, in a status that allows the operation. */
  sandbox: SandboxRow;
  params: Readonly<Record<string, string>>;
  query: Query;
  body: Body;
  /** For streams and upgrades. */
  request: FastifyRequest;
  reply: FastifyReply;
}

export interface Answer {
  /** Where it is not the one of the route's success. */
  status?: number;
  /** Sent as JSON. Absent: empty. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** Returns nothing when it has taken the connection over. */
export type Handler<Body = unknown, Query = unknown> = (
  call: Call<Body, Query>,
) => Promise<Answer | undefined>;

/** One for each operation of the route table. */
export type Handlers = Readonly<Record<OperationId, Handler>>;

/** The same for the E2B surface. */
export type E2bHandlers = Readonly<Record<E2bOperationId, Handler>>;

/** Gives a handler the types that the schemas of its route have made sure of. */
export function handler<Body = undefined, Query = undefined>(handle: Handler<Body, Query>): Handler {
  return handle as Handler;
}
