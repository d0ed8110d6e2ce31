// COPY: an archive of the build's context, unpacked in the guest and put where it belongs.
import type { GuestAgent } from "../../hosts/guest-agent.ts";
import type { HostClient } from "../../hosts/host-client.ts";
import { RawUpload } from "../../hosts/raw-files.ts";
import { runInGuest } from "./guest-shell.ts";
import type { Action } from "./plan.ts";

const UNPACK_MS = 10 * 60_000;
const ARCHIVE = "/tmp/.wrenn-copy.tar";

/**
 * `$1` archive, `$2` source within it (may be a pattern), `$3` target, `$4` owner, `$5` mode or empty. As in a Dockerfile: a
 * directory's content goes into the target; several files, and any target that ends in a slash, make it a directory.
 */
const SCRIPT = `
set -euo pipefail
unpacked=$(mktemp -d)
trap 'rm -rf -- "$unpacked" "$1"' EXIT
tar --extract --no-same-owner --file "$1" --directory "$unpacked"
IFS=
shopt -s nullglob dotglob
found=("$unpacked"/$2)
if [ \${#found[@]} -eq 0 ] && [ -e "$unpacked/$2" ]; then found=("$unpacked/$2"); fi
if [ \${#found[@]} -eq 0 ]; then echo "nothing of that name was sent: $2" >&2; exit 1; fi
chown -R -- "$4": "\${found[@]}"
if [ -n "$5" ]; then chmod -R -- "$5" "\${found[@]}"; fi
if [ \${#found[@]} -eq 1 ] && [ -d "\${found[0]}" ]; then
  if [ ! -d "$3" ]; then mkdir -p -- "$3"; chown -- "$4": "$3"; fi
  cp -a -- "\${found[0]}/." "$3/"
elif [ \${#found[@]} -gt 1 ] || [ "\${3%/}" != "$3" ] || [ -d "$3" ]; then
  if [ ! -d "$3" ]; then mkdir -p -- "$3"; chown -- "$4": "$3"; fi
  cp -a -- "\${found[@]}" "\${3%/}/"
else
  mkdir -p -- "$(dirname -- "$3")"
  cp -a -- "\${found[0]}" "$3"
fi
`;

export interface CopyOrder {
  action: Extract<Action, { type: "copy" }>;
  /** The archive, packed or not. */
  bytes: AsyncIterable<Buffer>;
  host: HostClient;
  guest: GuestAgent;
  sandboxId: string;
  requestId: string;
}

export async function copyIntoGuest(order: CopyOrder, onLine: (line: string) => void): Promise<void> {
  const { action, bytes, host, guest, sandboxId, requestId } = order;
  const upload = new RawUpload(host, { sandboxId, path: ARCHIVE, requestId });
  try {
    for await (const chunk of bytes) await upload.write(chunk);
    await upload.finish();
  } catch (reason) {
    upload.abort();
    throw reason;
  }
  const args = [ARCHIVE, action.source, action.target, action.owner, action.mode];
  const surroundings = { user: "root", workdir: "/", envs: {} };
  await runInGuest(guest, { script: SCRIPT, args, surroundings, timeoutMs: UNPACK_MS }, onLine);
}
