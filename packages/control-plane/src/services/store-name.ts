// What hosts call the content that only this platform names.
import { randomBytes } from "node:crypto";

const STORE_NAME = /^(snap|image)-([0-9a-f]{8})-[0-9a-f]{24}$/;

/**
 * A name that only this platform gives. Names of snapshots belong to owners, so hosts know another one; it carries
 * the control plane that asked for it, so that content in the making can be told from content that was left over.
 */
export function newStoreName(worker: number, kind: "snap" | "image" = "snap"): string {
  return `${kind}-${worker.toString(16).padStart(8, "0")}-${randomBytes(12).toString("hex")}`;
}

/** The control plane that made up a name; nothing for a name that is none of ours. */
export function makerOf(storeName: string): number | undefined {
  const match = STORE_NAME.exec(storeName);
  return match?.[2] === undefined ? undefined : Number.parseInt(match[2], 16);
}

/** Whether a host's base template is there only for the build that has made it of an image. */
export function isPassing(storeName: string): boolean {
  return STORE_NAME.exec(storeName)?.[1] === "image";
}
