// The resolver that guests may ask: the one address their firewall lets DNS through to.
import { isIPv4 } from "node:net";
import { WrennError } from "@wrenn/core";

/** `--dns` as given, else the first IPv4 name server of the host; undefined when it has none. */
export function chooseResolver(given: string | undefined, resolvConf: string): string | undefined {
  if (given !== undefined) {
    if (!isIPv4(given)) {
      throw new WrennError("invalid_argument", `--dns ${given}: expected an IPv4 address`, { field: "dns" });
    }
    return given;
  }
  return nameServers(resolvConf).find((address) => isIPv4(address) && !address.startsWith("127."));
}

/** The addresses on the `nameserver` lines of resolv.conf(5). */
export function nameServers(resolvConf: string): string[] {
  return resolvConf
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([keyword]) => keyword === "nameserver")
    .flatMap(([, address]) => address ?? []);
}
