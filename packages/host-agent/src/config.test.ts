import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readConfig } from "./config.ts";

const MINIMAL = { WRENN_DATA_DIR: "/d", WRENN_BLOCK: "3", WRENN_SOCKET: "/s" };

describe("readConfig()", () => {
  it("needs three settings and has defaults for the rest", () => {
    const config = readConfig(MINIMAL);
    assert.equal(config.block, 3);
    assert.equal(config.maxSandboxes, 254);
    assert.equal(config.dns, undefined);
    assert.equal(config.tls, undefined);
    for (const name of Object.keys(MINIMAL)) {
      assert.throws(() => readConfig({ ...MINIMAL, [name]: undefined }), {
        code: "invalid_argument",
        message: new RegExp(name),
      });
    }
  });

  it("refuses numbers that are none or out of range", () => {
    for (const bad of ["", " ", "x", "-1", "256", "1.5", "0x", "NaN", "1e9"]) {
      assert.throws(() => readConfig({ ...MINIMAL, WRENN_BLOCK: bad }), { code: "invalid_argument" }, bad);
    }
  });

  it("never listens on TCP without all three TLS files", () => {
    const tls = {
      WRENN_TLS_LISTEN: "[::1]:9000",
      WRENN_TLS_CERT: "/c",
      WRENN_TLS_KEY: "/k",
      WRENN_TLS_CA: "/ca",
    };
    assert.deepEqual(readConfig({ ...MINIMAL, ...tls }).tls, {
      host: "::1",
      port: 9000,
      certFile: "/c",
      keyFile: "/k",
      caFile: "/ca",
    });
    for (const name of ["WRENN_TLS_CERT", "WRENN_TLS_KEY", "WRENN_TLS_CA"]) {
      assert.throws(() => readConfig({ ...MINIMAL, ...tls, [name]: undefined }), {
        message: new RegExp(name),
      });
    }
    for (const bad of ["9000", ":9000", "h:70000", "h:x"]) {
      assert.throws(
        () => readConfig({ ...MINIMAL, ...tls, WRENN_TLS_LISTEN: bad }),
        { code: "invalid_argument" },
        bad,
      );
    }
  });
});
