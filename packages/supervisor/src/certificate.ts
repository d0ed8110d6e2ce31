// The certificate that the operator gives: copied to where the control plane, which is not root, may read it.
import { chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import type { RuntimeLayout } from "./layout.ts";

/** Variables that name the operator's files, and the names of their copies. */
const FILES = { WRENN_TLS_CERT: "tls.crt", WRENN_TLS_KEY: "tls.key" } as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** Copies what is named. Throws `invalid_argument` when a file cannot be read. */
export async function copyCertificate(
  env: Environment,
  { runtime, uid }: { runtime: Pick<RuntimeLayout, "dir">; uid: number },
): Promise<void> {
  for (const [variable, path] of Object.entries(certificateSettings(env, runtime))) {
    const source = env[variable] ?? "";
    const content = await readFile(source).catch((cause: unknown) => {
      throw new WrennError("invalid_argument", `${variable}: ${source} cannot be read`, { cause });
    });
    await writeFile(path, content, { mode: 0o400 });
    await chown(path, uid, uid);
  }
}

/** The same variables as the control plane is to see them. */
export function certificateSettings(
  env: Environment,
  { dir }: Pick<RuntimeLayout, "dir">,
): Record<string, string> {
  const named = Object.entries(FILES).filter(([variable]) => env[variable]);
  return Object.fromEntries(named.map(([variable, name]) => [variable, join(dir, name)]));
}
