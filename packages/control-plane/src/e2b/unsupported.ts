// Parts of E2B's protocol that this platform does not have: refused by name, never ignored.
import { WrennError } from "@wrenn/core";

/** Throws `not_implemented` for each feature that is asked for. */
export function refuse(features: Readonly<Record<string, boolean>>): void {
  for (const [feature, asked] of Object.entries(features)) {
    if (asked) throw new WrennError("not_implemented", `${feature} is not supported by this platform`);
  }
}

/** Whether a field asks for something: absent, null, and empty lists and objects do not. */
export function asks(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}
