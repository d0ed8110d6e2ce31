// The bound on a sandbox's labels.
import { LIMITS, WrennError } from "@wrenn/core";

/** A bound on what is stored and sent with every list. Throws `invalid_argument`. */
export function checkMetadata(metadata: Record<string, string> | undefined): void {
  if (metadata && Buffer.byteLength(JSON.stringify(metadata)) > LIMITS.metadataBytes) {
    throw new WrennError(
      "invalid_argument",
      `metadata must be at most ${LIMITS.metadataBytes} bytes as JSON`,
      { field: "metadata" },
    );
  }
}
