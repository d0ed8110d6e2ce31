// Idempotency-Key: a repetition gets the first answer, and nothing is done twice.
import { createHash } from "node:crypto";
import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Db } from "../db/connect.ts";
import { type Claim, claimKey, type KeptAnswer, keepAnswer, releaseKey } from "../db/queries/idempotency.ts";
import { wasNeverSent } from "../hosts/errors.ts";
import type { Caller } from "../services/caller.ts";
import { fromThrown, toErrorAnswer } from "./errors.ts";
import type { Answer } from "./handler.ts";
import { UnkeptAnswers } from "./unkept-answers.ts";

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

/**
 * The database decides who carries a request out, and keeps the answer. When it does not take an answer, the client
 * gets it all the same, and this process keeps it until a repetition finds the database well again. A key that
 * the database has as running here, while this process neither runs it nor has an answer to it, stands for nothing
 * that was done: its claim or its release went wrong. So a repetition is carried out. Only when answers had to be
 * forgotten, because there were too many, nobody knows; then it is not, until the key has expired.
 *
 * Another control plane knows none of this. As long as this one lives, it says that the request is still being
 * carried out, until a repetition has come here. When this one has ended, or its lock is gone for a moment because
 * its connection broke (see `Worker`), it takes a key without an answer and carries the request out, be it a second
 * time.
 */
export class Idempotency {
  readonly #db: Db;
  readonly #worker: number;
  readonly #log: Logger;
  /** Requests that are being carried out in this process. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #unkept = new UnkeptAnswers();

  constructor({ db, worker, log }: { db: Db; worker: number; log: Logger }) {
    this.#db = db;
    this.#worker = worker;
    this.#log = log;
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
    const subject = subjectOf(claim);
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
    const unkept = this.#unkept.get(subjectOf(claim));
    if (unkept && !unkept.fingerprint.equals(claim.fingerprint)) throw mismatch();
    const takesOwn = unkept !== undefined || !this.#unkept.hasForgotten;
    const known = await claimKey(this.#db, claim, { takesOwn });
    switch (known.state) {
      case "claimed":
        if (!unkept) return await this.#runAndKeep(claim, work);
        await this.#keep(claim, unkept.answer);
        return replay(unkept.answer);
      case "mismatch":
        throw mismatch();
      case "running":
        throw new WrennError(
          "unavailable",
          "the first request with this Idempotency-Key is still being carried out",
          {
            retryAfterSec: 1,
          },
        );
      case "answered":
        this.#unkept.delete(subjectOf(claim));
        return replay(known.answer);
    }
  }

  async #runAndKeep(claim: Claim, { status, run }: Work): Promise<Answer | undefined> {
    let answer: Answer | undefined;
    let body: string | undefined;
    try {
      answer = await run();
      body = answer?.body === undefined ? undefined : JSON.stringify(answer.body);
    } catch (reason) {
      await this.#keepFailure(claim, reason);
      throw reason;
    }
    await this.#keep(claim, kept(status, answer?.headers ?? {}, body ?? ""));
    return answer;
  }

  /** Refusals changed nothing and may be tried again; after other failures nobody knows, so they are final. */
  async #keepFailure(claim: Claim, reason: unknown): Promise<void> {
    if (changedNothing(reason)) {
      await this.#release(claim);
      return;
    }
    const { status, headers, body } = toErrorAnswer(fromThrown(reason));
    await this.#keep(claim, kept(status, headers, JSON.stringify(body)));
  }

  /** Keeps the answer, here when the database does not take it: the client is to have it in either case. */
  async #keep(claim: Claim, answer: KeptAnswer): Promise<void> {
    const subject = subjectOf(claim);
    try {
      await keepAnswer(this.#db, claim, answer);
      this.#unkept.delete(subject);
    } catch (reason) {
      this.#unkept.add(subject, { fingerprint: claim.fingerprint, answer });
      this.#failed(claim, reason, "the database did not take the answer to an Idempotency-Key");
    }
  }

  /** A key that cannot be given back is taken by the next request with it; this one's refusal is what counts. */
  async #release(claim: Claim): Promise<void> {
    try {
      await releaseKey(this.#db, claim);
    } catch (reason) {
      this.#failed(claim, reason, "an Idempotency-Key could not be given back");
    }
  }

  #failed({ owner, key }: Claim, reason: unknown, message: string): void {
    this.#log.error({ owner, idempotency_key: key, err: reason }, message);
  }
}

/** A key has no space in it, so this is unambiguous. */
function subjectOf({ owner, key }: Claim): string {
  return `${owner} ${key}`;
}

function mismatch(): WrennError {
  return new WrennError("idempotency_mismatch", "this Idempotency-Key was used for another request", {
    field: HEADER,
  });
}

function changedNothing(reason: unknown): boolean {
  const { httpStatus, code } = fromThrown(reason);
  if (httpStatus < 500 || code === "not_implemented") return true;
  // A database that refuses a connection looks like a host that does, and says nothing of what was done before.
  // What the host's client throws is a WrennError already; the database's failures are not.
  return code === "unavailable" && reason instanceof WrennError && wasNeverSent(reason);
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
