// Idempotency-Key: a repetition gets the first answer, and nothing is done twice.
import { createHash } from "node:crypto";
import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import type { Db } from "../db/connect.ts";
import { type Claim, claimKey, type KeptAnswer, keepAnswer, releaseKey } from "../db/queries/idempotency.ts";
import { wasNeverSent } from "../hosts/errors.ts";
import type { Caller } from "../services/caller.ts";
import { fromThrown, toErrorAnswer } from "./errors.ts";
import type { Answer } from "./handler.ts";

const HEADER = "idempotency-key";
const ACCEPTED = /^[!-~]{1,255}$/;

/** A larger answer is not kept: 24 hours of captured output would fill the database. */
const MAX_KEPT_BYTES = 1024 * 1024;

interface Work {
  caller: Caller;
  /** Status of a success. */
  status: number;
  run: () => Promise<Answer | undefined>;
}

export class Idempotency {
  readonly #db: Db;
  readonly #worker: number;
  /** Requests that are being carried out in this process. */
  readonly #running = new Map<string, Promise<unknown>>();

  constructor({ db, worker }: { db: Db; worker: number }) {
    this.#db = db;
    this.#worker = worker;
  }

  /** Runs the work, unless the request's key says that it was run before. */
  async run(request: FastifyRequest, work: Work): Promise<Answer | undefined> {
    const key = request.headers[HEADER];
    if (key === undefined) return await work.run();
    if (typeof key !== "string" || !ACCEPTED.test(key)) {
      throw new WrennError("invalid_argument", "Idempotency-Key must be 1 to 255 printable characters", {
        field: HEADER,
      });
    }
    const claim = { owner: work.caller.owner, key, fingerprint: fingerprint(request), worker: this.#worker };
    const subject = `${claim.owner} ${key}`;
    // Of two requests at once in this process, the second waits for the first one's answer.
    for (let other = this.#running.get(subject); other; other = this.#running.get(subject)) await other;
    const running = this.#claimAndRun(claim, work);
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running.set(subject, settled);
    try {
      return await running;
    } finally {
      if (this.#running.get(subject) === settled) this.#running.delete(subject);
    }
  }

  async #claimAndRun(claim: Claim, work: Work): Promise<Answer | undefined> {
    const known = await claimKey(this.#db, claim);
    switch (known.state) {
      case "claimed":
        return await this.#runAndKeep(claim, work);
      case "mismatch":
        throw new WrennError("idempotency_mismatch", "this Idempotency-Key was used for another request", {
          field: HEADER,
        });
      case "running":
        throw new WrennError(
          "unavailable",
          "the first request with this Idempotency-Key is still being carried out",
          {
            retryAfterSec: 1,
          },
        );
      case "answered":
        return replay(known.answer);
    }
  }

  async #runAndKeep(claim: Claim, { status, run }: Work): Promise<Answer | undefined> {
    let answer: Answer | undefined;
    try {
      answer = await run();
    } catch (reason) {
      await this.#keepFailure(claim, fromThrown(reason));
      throw reason;
    }
    const body = answer?.body === undefined ? undefined : JSON.stringify(answer.body);
    await keepAnswer(this.#db, claim, kept(status, answer?.headers ?? {}, body ?? ""));
    return answer;
  }

  /** Refusals changed nothing and may be tried again; after other failures nobody knows, so they are final. */
  async #keepFailure(claim: Claim, error: WrennError): Promise<void> {
    if (changedNothing(error)) {
      await releaseKey(this.#db, claim);
      return;
    }
    const { status, headers, body } = toErrorAnswer(error);
    await keepAnswer(this.#db, claim, kept(status, headers, JSON.stringify(body)));
  }
}

function changedNothing(error: WrennError): boolean {
  if (error.httpStatus < 500 || error.code === "not_implemented") return true;
  return error.code === "unavailable" && wasNeverSent(error);
}

function kept(status: number, headers: Record<string, string>, body: string): KeptAnswer {
  return { status, headers, ...(body.length <= MAX_KEPT_BYTES && { body }) };
}

function replay({ status, headers, body }: KeptAnswer): Answer {
  if (body === undefined) {
    throw new WrennError(
      "idempotency_mismatch",
      "the request was carried out; its answer was too large to be kept",
      {
        field: HEADER,
      },
    );
  }
  if (status >= 400) {
    const { error } = JSON.parse(body) as ReturnType<typeof toErrorAnswer>["body"];
    throw new WrennError(error.code, error.message, { field: error.field });
  }
  return body === "" ? { headers } : { headers, body: JSON.parse(body) as unknown };
}

function fingerprint(request: FastifyRequest): Buffer {
  const body = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
  return createHash("sha256").update(`${request.method} ${request.url}\n`).update(body).digest();
}
