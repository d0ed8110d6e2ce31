// What the hosts keep on disk, with the names that owners gave it.
import type { Storage } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { GetStorageResponse } from "@wrenn/rpc/hostagent";
import type { Db } from "../db/connect.ts";
import { namesOfStores } from "../db/queries/snapshots.ts";
import type { HostDirectory } from "../hosts/directory.ts";
import type { Host } from "../hosts/host.ts";
import type { Caller } from "./caller.ts";

const TIMEOUT_MS = 30_000;

export class StorageService {
  readonly #db: Db;
  readonly #hosts: HostDirectory;

  constructor({ db, hosts }: { db: Db; hosts: HostDirectory }) {
    this.#db = db;
    this.#hosts = hosts;
  }

  /** All hosts that can be reached. Throws `forbidden` unless the operator asks. */
  async get(caller: Caller): Promise<Storage> {
    if (!caller.operator) throw new WrennError("forbidden", "only the operator sees what all owners store");
    const hosts = await this.#hosts.fresh();
    if (hosts.length === 0)
      throw new WrennError("unavailable", "no host can be reached; try again", { retryAfterSec: 1 });
    const answers = await Promise.all(hosts.map((host) => ask(host, caller)));
    const names = await this.#names(answers.map(({ answer }) => answer));
    return { hosts: answers.map(({ host, answer }) => present(host, answer, names)) };
  }

  /** Hosts call snapshots by store names; `owner/name` is what people know. */
  async #names(answers: readonly GetStorageResponse[]): Promise<(text: string) => string> {
    const entries = answers.flatMap((answer) => answer.entries);
    const words = entries.flatMap(({ name, usedBy }) => [name, ...usedBy.map((user) => splitUser(user)[1])]);
    const known = await namesOfStores(this.#db, [...new Set(words)]);
    return (store) => {
      const { owner = null, name = store } = known.get(store) ?? {};
      return owner === null ? name : `${owner}/${name}`;
    };
  }
}

async function ask(host: Host, { requestId }: Caller): Promise<{ host: Host; answer: GetStorageResponse }> {
  const attempted = `asking host ${host.id} what it stores`;
  return {
    host,
    answer: await host.client.call("getStorage", {}, { attempted, requestId, timeoutMs: TIMEOUT_MS }),
  };
}

function present(
  { id }: Host,
  { entries, freeBytes, totalBytes }: GetStorageResponse,
  nameOf: (store: string) => string,
): Storage["hosts"][number] {
  return {
    host_id: id,
    free_bytes: Number(freeBytes),
    total_bytes: Number(totalBytes),
    entries: entries.map((entry) => ({
      kind: entry.kind,
      id: entry.id,
      ...(entry.name !== "" && { name: nameOf(entry.name) }),
      size_bytes: Number(entry.sizeBytes),
      used_by: entry.usedBy.map((user) => {
        const [kind, name] = splitUser(user);
        return kind === "" ? nameOf(name) : `${kind} ${nameOf(name)}`;
      }),
    })),
  };
}

/** `template minimal` is a kind and a name; neither holds a blank. */
function splitUser(user: string): [kind: string, name: string] {
  const at = user.indexOf(" ");
  return at < 0 ? ["", user] : [user.slice(0, at), user.slice(at + 1)];
}
