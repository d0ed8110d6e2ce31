// What dpkg says is installed in a tree.

/** Names and versions from `/var/lib/dpkg/status`, sorted by name; packages that are only configured are left out. */
export function installedPackages(status: string): Record<string, string> {
  const rows = status.split("\n\n").flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1];
    const [name, version] = [field("Package"), field("Version")];
    const installed = field("Status") === "install ok installed";
    return installed && name !== undefined && version !== undefined ? [[name, version] as const] : [];
  });
  return Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
}
