// ENV: variables that the template's sandboxes have, unless their creator sets others.
import type { Command } from "./guest-shell.ts";
import { shellWord } from "./shell-word.ts";

/** Read by every login shell, which is what clients run commands in. */
const PROFILE = "/etc/profile.d/wrenn-template.sh";

/** New variables come first, and what is set already stays: so do those of a sandbox, and of the parent template. */
const SCRIPT = `
set -eu
{ printf '%s' "$2"; cat -- "$1" 2>/dev/null || true; } > "$1.new"
chmod 0644 -- "$1.new"
mv -- "$1.new" "$1"
`;

export function environmentCommand(envs: Readonly<Record<string, string>>): Command {
  const lines = Object.entries(envs).map(
    ([name, value]) => `if [ -z "\${${name}+x}" ]; then export ${name}=${shellWord(value)}; fi\n`,
  );
  return {
    script: SCRIPT,
    args: [PROFILE, lines.join("")],
    surroundings: { user: "root", workdir: "/", envs: {} },
    timeoutMs: 60_000,
  };
}
