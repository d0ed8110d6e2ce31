import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatReport } from "./doctor.ts";
import { parseInstalled, parseList } from "./packages.ts";

describe("doctor", () => {
  it("shows the remedy below what is missing, and says whether that matters", () => {
    const text = formatReport({
      ready: false,
      checks: [
        { name: "a", ok: true, required: true, detail: "there" },
        { name: "b", ok: false, required: false, detail: "slow", remedy: "faster" },
        { name: "c", ok: false, required: true, detail: "gone", remedy: "get it" },
      ],
    });
    assert.deepEqual(text.split("\n").slice(0, 5), [
      "ok       a: there",
      "limited  b: slow",
      "         → faster",
      "MISSING  c: gone",
      "         → get it",
    ]);
    assert.match(text, /cannot run sandboxes/);
  });

  it("reads the list of packages and what dpkg says", () => {
    assert.deepEqual(parseList("# comment\n\nqemu\nnftables\n"), ["qemu", "nftables"]);
    const installed = parseInstalled(
      "installed\tqemu\t1:7.2\nconfig-files\tnftables\t1.0\nnot-installed\tx\t\n",
    );
    assert.deepEqual([...installed], [["qemu", "1:7.2"]]);
  });
});
