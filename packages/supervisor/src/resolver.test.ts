import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseResolver } from "./resolver.ts";

const CONF = "# comment\nsearch example\nnameserver ::1\nnameserver 127.0.0.53\n nameserver\t192.0.2.53 \n";

describe("the guests' resolver", () => {
  it("is the one that was named", () => {
    assert.equal(chooseResolver("198.51.100.1", CONF), "198.51.100.1");
    for (const bad of ["", "::1", "resolver.example", "1.2.3"]) {
      assert.throws(() => chooseResolver(bad, CONF), { code: "invalid_argument", field: "dns" });
    }
  });

  it("is otherwise the host's first that a guest can reach", () => {
    assert.equal(chooseResolver(undefined, CONF), "192.0.2.53");
    assert.equal(chooseResolver(undefined, "nameserver 127.0.0.53\n"), undefined);
    assert.equal(chooseResolver(undefined, ""), undefined);
  });
});
