// Where packages come from: the machine's own Debian mirrors for building, Debian's public ones inside the image.
import { run } from "@wrenn/linux";

/** The suites with their areas that a release is made of, besides itself. */
const PUBLIC_MIRROR = "http://deb.debian.org";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Lines for sources.list(5): this machine's own Debian sources of a suite and its updates, so that its mirror is used;
 * the public ones when it has none (another release, or package lists never fetched).
 */
export async function buildSources(suite: string, signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await run(
    [
      "apt-get",
      "indextargets",
      "--format",
      "$(ORIGIN)\t$(CODENAME)\t$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)",
      "Created-By: Packages",
    ],
    { timeoutMs: 30_000, signal },
  );
  const own = parseIndexTargets(stdout, suite);
  return own.length > 0 ? own : publicSources(suite);
}

/** Sources lines from `ORIGIN, CODENAME, RELEASE, COMPONENT, URI` rows: Debian's own `main` of that suite only. */
export function parseIndexTargets(rows: string, suite: string): string[] {
  const names = [suite, `${suite}-updates`, `${suite}-security`];
  const lines = rows.split("\n").flatMap((row) => {
    const [origin, codename = "", release = "", component, uri = ""] = row.split("\t");
    const wanted = origin === "Debian" && component === "main" && names.includes(codename);
    return wanted ? [`deb [signed-by=${KEYRING}] ${uri} ${release} main`] : [];
  });
  const hasBase = lines.some((line) => line.endsWith(` ${suite} main`));
  return hasBase ? [...new Set(lines)] : [];
}

/** Debian's public mirrors for a suite. */
export function publicSources(suite: string): string[] {
  return [
    `deb [signed-by=${KEYRING}] ${PUBLIC_MIRROR}/debian ${suite} main`,
    `deb [signed-by=${KEYRING}] ${PUBLIC_MIRROR}/debian ${suite}-updates main`,
    `deb [signed-by=${KEYRING}] ${PUBLIC_MIRROR}/debian-security ${suite}-security main`,
  ];
}
