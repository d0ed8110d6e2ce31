// Where one guest may go beyond what holds for all: rules that its owner gives.
import { WrennError } from "@wrenn/core";
import { parseIpv4 } from "../plan/address.ts";

/** IPv4 addresses and prefixes. `allow` beats `deny`; neither opens what no guest may reach. */
export interface Egress {
  allow: readonly string[];
  deny: readonly string[];
}

const MAX_ENTRIES = 256;

/** Whether the text is an IPv4 address, or a prefix such as `203.0.113.0/24`. */
export function isIpv4Prefix(text: string): boolean {
  const [address = "", bits = "32", ...more] = text.split("/");
  if (more.length > 0 || !/^(?:[12]?\d|3[0-2])$/.test(bits)) return false;
  try {
    parseIpv4(address);
    return true;
  } catch {
    return false;
  }
}

/** Throws `invalid_argument` naming the entry that is wrong: what passes may stand in a ruleset. */
export function assertEgress({ allow, deny }: Egress): void {
  for (const [field, entries] of Object.entries({ allow, deny })) {
    if (entries.length > MAX_ENTRIES) {
      throw new WrennError("invalid_argument", `${field} must have at most ${MAX_ENTRIES} entries`, {
        field,
      });
    }
    for (const entry of entries) {
      if (!isIpv4Prefix(entry)) {
        throw new WrennError("invalid_argument", `${field}: ${entry} is no IPv4 address or prefix`, {
          field,
        });
      }
    }
  }
}

/** The sets that {@link egressVerdicts} looks into. */
export function egressSets({ allow, deny }: Egress): string[] {
  return [...set("allowed", allow), ...set("denied", deny)];
}

/** The end of the chain for what a guest sends to the world. A rule that nothing passes stands for a prefix of 0 bits. */
export function egressVerdicts({ allow, deny }: Egress): string[] {
  if (allow.some(isEverything)) return ["accept"];
  return [
    ...(allow.length > 0 ? ["ip daddr @allowed accept"] : []),
    ...(deny.some((entry) => !isEverything(entry)) ? ["ip daddr @denied drop"] : []),
    deny.some(isEverything) ? "drop" : "accept",
  ];
}

/** Whether a guest goes nowhere: then it needs no names either, and asking for them would be a way out. */
export function isClosed({ allow, deny }: Egress): boolean {
  return allow.length === 0 && deny.some(isEverything);
}

function set(name: string, entries: readonly string[]): string[] {
  const elements = entries.filter((entry) => !isEverything(entry));
  return [
    `set ${name} {`,
    "type ipv4_addr; flags interval; auto-merge",
    ...(elements.length > 0 ? [`elements = { ${elements.join(", ")} }`] : []),
    "}",
  ];
}

function isEverything(entry: string): boolean {
  return entry.endsWith("/0");
}
