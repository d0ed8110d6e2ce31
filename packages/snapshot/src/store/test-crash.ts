// For tests, as a process of its own: saves a second generation and collects the first, until it is killed on the way.
import { SnapshotStore } from "./store.ts";
import { save, TrialMemory } from "./test-store.ts";

const [dir = "", base = "", parent = ""] = process.argv.slice(2);
using store = await SnapshotStore.open(dir);
const memory = new TrialMemory().set(1, 1).set(2, 2).set(3, 3);
const { id } = await save(store, { origin: { kind: "continued", parent, base }, memory, disk: "new" });
await store.collect([id]);
