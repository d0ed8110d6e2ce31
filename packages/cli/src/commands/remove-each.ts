// Deleting several things by their names.
import type { Context } from "../context.ts";
import { describeFailure } from "../failure.ts";
import { print } from "../output/print.ts";

/**
 * Deletes all of them at once. Each is carried out whatever becomes of the others; what was deleted is printed, and then the
 * first failure is thrown, with the others said before it.
 */
export async function removeEach(
  { process: { stdout, stderr } }: Context,
  {
    names,
    json,
    remove,
  }: { names: readonly string[]; json: boolean; remove: (name: string) => Promise<void> },
): Promise<void> {
  const results = await Promise.allSettled(names.map(remove));
  const deleted = names.filter((_, index) => results[index]?.status === "fulfilled");
  print(stdout, { json, value: { deleted }, text: () => "" });
  const [first, ...others] = results.flatMap((result) => (result.status === "rejected" ? [result] : []));
  for (const { reason } of others) stderr.write(`${describeFailure(reason)}\n`);
  if (first) throw first.reason;
}
