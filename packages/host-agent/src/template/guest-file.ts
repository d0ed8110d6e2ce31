// Guest parts that were made elsewhere: on a host that is to compile and download nothing.
import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { GuestArtifacts } from "@wrenn/template";

/**
 * Reads what `prepareGuest` of @wrenn/template once returned, as JSON. The paths are this machine's.
 *
 * @throws `invalid_argument` when the file is not there, or is not such a description.
 */
export async function readGuestFile(path: string): Promise<GuestArtifacts> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new WrennError("invalid_argument", `WRENN_GUEST_FILE: ${path} cannot be read as JSON`, { cause });
  }
  const { kernel, kernelVersion, initramfs, agentDrive, hashes } = (parsed ?? {}) as Partial<GuestArtifacts>;
  const texts = [kernel, kernelVersion, initramfs, agentDrive];
  const digests = [hashes?.kernel, hashes?.initramfs, hashes?.agentDrive];
  const complete =
    texts.every((text) => typeof text === "string" && text !== "") &&
    digests.every((digest) => typeof digest === "string" && /^[0-9a-f]{64}$/.test(digest));
  if (complete) return parsed as GuestArtifacts;
  throw new WrennError("invalid_argument", `WRENN_GUEST_FILE: ${path} does not describe a guest's parts`);
}
