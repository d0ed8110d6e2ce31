// Which of the tops that a record names are there.
import { access } from "node:fs/promises";
import type { RootfsStore } from "./rootfs-store.ts";

/**
 * A top is named before it is made, and an agent may end in between: what is not there has nothing of the disk. Returns the
 * others in their order.
 */
export async function madeTops(
  rootfs: Pick<RootfsStore, "path">,
  dir: string,
  tops: readonly string[],
): Promise<string[]> {
  const there = await Promise.all(
    tops.map((top) =>
      access(rootfs.path({ dir }, top)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return tops.filter((_, index) => there[index]);
}
