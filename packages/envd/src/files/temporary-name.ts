// Names of files that are not whole yet.
import { randomHex } from "../platform/random.ts";

/** What becomes of such a file: one that was not there, or the new content of one that was. */
export type Upload = "new" | "replacing";

export function temporaryName(upload: Upload): string {
  return `.wrenn-upload-${upload}-${randomHex(8)}`;
}

/** Which upload a file name belongs to, if it is one of those. */
export function uploadOf(name: string): Upload | undefined {
  const [, kind] = /^\.wrenn-upload-(new|replacing)-[0-9a-f]{16}$/.exec(name) ?? [];
  return kind as Upload | undefined;
}
