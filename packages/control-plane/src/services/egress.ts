// Rules for where a sandbox goes, as its host takes them.
import type { SandboxNetwork } from "../db/schema.ts";

const EVERYWHERE = "0.0.0.0/0";

/** Without internet access, everything is denied that is not allowed by name. */
export function egressOf({ allowOut = [], denyOut = [], allowInternetAccess }: SandboxNetwork): {
  allow: string[];
  deny: string[];
} {
  const closed = allowInternetAccess === false && !denyOut.includes(EVERYWHERE);
  return { allow: allowOut, deny: closed ? [...denyOut, EVERYWHERE] : denyOut };
}
