// Tickets: they let a browser, which cannot set headers on a WebSocket, open one exec stream.
import { createHash, randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { ExecTicket } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { Db } from "../db/connect.ts";
import type { KeyHolder } from "../db/queries/api-keys.ts";
import { insertTicket, redeemTicket } from "../db/queries/exec-tickets.ts";
import type { SandboxRow } from "../db/schema.ts";
import type { Caller } from "./caller.ts";
import type { KeyService } from "./keys.ts";

const LIFETIME_SEC = 30;

export class TicketService {
  readonly #db: Db;
  readonly #keys: KeyService;
  readonly #allowedOrigins: readonly string[];

  constructor({ db, keys, allowedOrigins }: { db: Db; keys: KeyService; allowedOrigins: readonly string[] }) {
    this.#db = db;
    this.#keys = keys;
    this.#allowedOrigins = allowedOrigins;
  }

  /** Makes a ticket for a sandbox of the caller's. Only its hash is stored. */
  async create(caller: Caller, { id }: SandboxRow): Promise<ExecTicket> {
    const ticket = randomBytes(32).toString("base64url");
    const ticketRow = { hash: hashOf(ticket), keyId: caller.keyId, sandboxId: id, lifetimeSec: LIFETIME_SEC };
    const expiresAt = await insertTicket(this.#db, ticketRow);
    return { ticket, expires_at: expiresAt.toISOString() };
  }

  /**
   * Uses a ticket up. Throws `forbidden` for a page of another origin, so that a ticket that leaked into one is
   * worth nothing there, and `unauthorized` when it is not good for this sandbox or its key was revoked.
   */
  async redeem(
    ticket: string,
    { sandboxId, headers }: { sandboxId: string; headers: IncomingHttpHeaders },
  ): Promise<KeyHolder> {
    if (!isOriginAllowed(headers, this.#allowedOrigins)) {
      throw new WrennError(
        "forbidden",
        "pages of this origin may not open exec streams; see WRENN_ALLOWED_ORIGINS",
      );
    }
    const keyId = await redeemTicket(this.#db, hashOf(ticket), sandboxId);
    if (keyId === undefined) {
      throw new WrennError(
        "unauthorized",
        "the ticket is unknown, used, late or for another sandbox; get a new one",
      );
    }
    return await this.#keys.holderOf(keyId);
  }
}

/** Clients that are no browsers send no origin. A browser's page must come from this server or a named origin. */
export function isOriginAllowed({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  if (origin === undefined || allowed.includes(origin)) return true;
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
}

function hashOf(ticket: string): Buffer {
  return createHash("sha256").update(ticket).digest();
}
