import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseStat, treeOf } from "./descendants.ts";

test("parseStat() is not misled by the command's name", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(), fc.nat(), (name, pid, ppid, pgrp, session) => {
      const stat = parseStat(`${pid} (${name}) S ${ppid} ${pgrp} ${session} 0 -1 4194560 10 0`);
      assert.deepEqual(stat, { pid, state: "S", ppid, pgrp, session });
    }),
  );
});

test("parseStat() yields nothing for anything else", () => {
  for (const text of ["", "1", "1 (x", "1 (x)", "1 (x) S", "1 (x) S a b c", "x (x) S 1 2 3"]) {
    assert.equal(parseStat(text), undefined, text);
  }
});

test("treeOf() holds exactly what leads back to the root by parent, group or session", () => {
  const process = fc.record({
    pid: fc.integer({ min: 2, max: 60 }),
    state: fc.constantFrom("S", "R", "Z"),
    ppid: fc.integer({ min: 1, max: 60 }),
    pgrp: fc.integer({ min: 1, max: 60 }),
    session: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(process, { selector: (p) => p.pid }), (processes) => {
      const root = 2;
      const tree = treeOf(root, processes);
      const byPid = new Map(processes.map((p) => [p.pid, p]));
      const belongs = (pid: number, seen = new Set<number>()): boolean => {
        const p = byPid.get(pid);
        if (pid === root) return true;
        if (p === undefined || seen.has(pid)) return false;
        return p.pgrp === root || p.session === root || belongs(p.ppid, seen.add(pid));
      };
      const expected = processes.filter((p) => p.state !== "Z" && belongs(p.pid)).map((p) => p.pid);
      assert.deepEqual(tree.toSorted(), expected.toSorted());
    }),
  );
});
