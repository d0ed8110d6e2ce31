// The line of /etc/hosts that gives a machine's own name an address.

/** The address that Debian gives the machine's name (hosts(5) there). */
const OWN_ADDRESS = "127.0.1.1";

/**
 * The text with `hostname` first among the names of 127.0.1.1 and `former` no longer there. Other names on that line,
 * its comment, and all other lines stay as they are.
 */
export function withOwnName(text: string, hostname: string, former: string): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => /^\s*127\.0\.1\.1(\s|$)/.test(line));
  if (at === -1) {
    const separator = text === "" || text.endsWith("\n") ? "" : "\n";
    return `${text}${separator}${OWN_ADDRESS}\t${hostname}\n`;
  }
  const [, entry = "", comment = ""] = /^([^#]*)(#.*)?$/.exec(lines[at] ?? "") ?? [];
  const names = entry.trim().split(/\s+/).slice(1);
  const others = names.filter((name) => name !== hostname && name !== former);
  const renewed = `${OWN_ADDRESS}\t${[hostname, ...others].join(" ")}`;
  lines[at] = comment === "" ? renewed : `${renewed} ${comment}`;
  return lines.join("\n");
}
