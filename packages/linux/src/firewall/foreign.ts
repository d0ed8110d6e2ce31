// Other firewalls on the host: a packet that we accept is still lost when one of them drops it.

import { type HostSide, inNetns } from "../run/host-side.ts";
import { run } from "../run/run.ts";

export interface ForeignForwardRule {
  family: string;
  table: string;
  chain: string;
  /** `policy`: the chain drops what no rule of it accepts; `rule`: it ends in an unconditional drop or reject. */
  kind: "policy" | "rule";
}

/** Chains of other programs that drop forwarded packets by default, and so the traffic of guests. */
export async function foreignForwardRules(host: HostSide = {}): Promise<ForeignForwardRule[]> {
  const { stdout } = await run(inNetns(host.netns, ["nft", "-j", "list", "ruleset"]), {
    timeoutMs: 10_000,
    maxOutput: 64 * 1024 * 1024,
  });
  return findForeignForwardRules(JSON.parse(stdout) as NftDocument);
}

/** The part of libnftables-json(5) that matters here. */
export interface NftDocument {
  nftables: {
    chain?: { family: string; table: string; name: string; type?: string; hook?: string; policy?: string };
    rule?: { family: string; table: string; chain: string; expr: Record<string, unknown>[] };
  }[];
}

export function findForeignForwardRules(document: NftDocument): ForeignForwardRule[] {
  const found: ForeignForwardRule[] = [];
  for (const { chain } of document.nftables) {
    if (chain?.hook !== "forward" || chain.type !== "filter") continue;
    if (chain.family !== "ip" && chain.family !== "inet") continue;
    if (/^wrenn_\d+$/.test(chain.table)) continue;
    const where = { family: chain.family, table: chain.table, chain: chain.name };
    if (chain.policy === "drop") found.push({ ...where, kind: "policy" });
    const last = document.nftables
      .flatMap(({ rule }) => rule ?? [])
      .findLast(
        (rule) => rule.family === chain.family && rule.table === chain.table && rule.chain === chain.name,
      );
    if (last && dropsEverything(last.expr)) found.push({ ...where, kind: "rule" });
  }
  return found;
}

/** Whether a rule has no condition: nothing but counters and comments before the verdict. */
function dropsEverything(expr: Record<string, unknown>[]): boolean {
  const statements = expr.filter((statement) => !("counter" in statement) && !("log" in statement));
  const [only] = statements;
  return statements.length === 1 && only !== undefined && ("drop" in only || "reject" in only);
}
