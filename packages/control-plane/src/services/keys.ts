// API keys: made, checked, revoked.
import { createHash } from "node:crypto";
import { newToken, WrennError } from "@wrenn/core";
import type { Db } from "../db/connect.ts";
import {
  findKeyHolder,
  findKeyHolderById,
  insertKey,
  type KeyHolder,
  listKeys,
  noteKeyUse,
  revokeKey,
} from "../db/queries/api-keys.ts";
import { recordAudit } from "../db/queries/audit.ts";
import type { Position } from "../db/queries/sandbox-find.ts";
import type { ApiKeyRow } from "../db/schema.ts";
import type { Caller } from "./caller.ts";
import { parseKey } from "./key-format.ts";

/** How long a checked key is trusted. Below the second within which a revocation must be felt everywhere. */
const TRUST_MS = 800;

/** Keys remembered at most; with more in use at once, some checks go to the database. */
const MAX_TRUSTED = 10_000;

/** The owner of the bootstrap key. */
export const OPERATOR = "operator";

export class KeyService {
  readonly #db: Db;
  readonly #now: () => number;
  readonly #trusted = new Map<string, { holder: KeyHolder; until: number }>();
  readonly #used = new Set<string>();

  constructor({ db, now = () => performance.now() }: { db: Db; now?: () => number }) {
    this.#db = db;
    this.#now = now;
  }

  /** The holder of the key in a request's header. Throws `unauthorized`. */
  async authenticate(header: string | undefined): Promise<KeyHolder> {
    const secret = parseKey(header);
    if (secret === undefined) throw unauthorized();
    const hash = hashKey(secret);
    const id = hash.toString("base64");
    const trusted = this.#trusted.get(id);
    if (trusted && trusted.until > this.#now()) return trusted.holder;
    const asked = this.#now();
    const holder = await findKeyHolder(this.#db, hash);
    if (!holder) {
      this.#trusted.delete(id);
      throw unauthorized();
    }
    if (this.#trusted.size >= MAX_TRUSTED) this.#trusted.clear();
    this.#trusted.set(id, { holder, until: asked + TRUST_MS });
    this.#used.add(holder.keyId);
    return holder;
  }

  /** The holder of a key that was checked earlier. Throws `unauthorized` if it was revoked since. */
  async holderOf(keyId: string): Promise<KeyHolder> {
    const holder = await findKeyHolderById(this.#db, keyId);
    if (!holder) throw unauthorized();
    return holder;
  }

  /** Makes a key. The secret is in the result and nowhere else. */
  async create(
    caller: Caller,
    { name, owner = caller.owner }: { name: string; owner?: string | undefined },
  ): Promise<{ row: ApiKeyRow; key: string }> {
    if (owner !== caller.owner && !caller.operator) {
      throw new WrennError("forbidden", "only the operator makes keys of other owners", { field: "owner" });
    }
    const secret = newToken();
    const row = await insertKey(this.#db, { ...newKey(secret), owner, name });
    if (!row) throw new WrennError("internal", "the new key could not be stored");
    await recordAudit(this.#db, {
      action: "key.create",
      subject: row.id,
      by: caller,
      detail: { owner, name },
    });
    return { row, key: `wrn_${secret}` };
  }

  /** Registers the secret that the supervisor wrote to a file. Safe to repeat at every start. */
  async bootstrap(text: string): Promise<void> {
    const secret = parseKey(text.trim());
    if (secret === undefined) throw new Error("the bootstrap key file must hold wrn_ and 64 hex digits");
    await insertKey(this.#db, { ...newKey(secret), owner: OPERATOR, name: "bootstrap" }, { operator: true });
  }

  list(
    caller: Caller,
    page: { after?: Position | undefined; limit?: number | undefined },
  ): Promise<ApiKeyRow[]> {
    return listKeys(this.#db, { owner: caller.owner, ...page });
  }

  /** Revokes a key of the caller's. Throws `not_found`. */
  async revoke(caller: Caller, id: string): Promise<void> {
    if (!(await revokeKey(this.#db, caller.owner, id)))
      throw new WrennError("not_found", `you have no key ${id}`);
    this.#trusted.clear();
    await recordAudit(this.#db, { action: "key.revoke", subject: id, by: caller });
  }

  /** Writes down which keys were used since the last call. */
  async flush(): Promise<void> {
    const ids = [...this.#used];
    this.#used.clear();
    await noteKeyUse(this.#db, ids);
  }
}

/** SHA-256. A key is 256 random bits, so a slow hash would protect nothing. */
export function hashKey(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function newKey(secret: string): { id: string; prefix: string; hash: Buffer } {
  const hash = hashKey(secret);
  return { id: `key-${hash.toString("hex", 0, 6)}`, prefix: `wrn_${secret.slice(0, 8)}`, hash };
}

function unauthorized(): WrennError {
  return new WrennError("unauthorized", "send a valid API key in the header X-API-Key");
}
