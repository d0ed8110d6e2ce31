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

  it("leaves the choice of the VMM to the host unless one is asked for, and names its binary", () => {
    const of = (env: NodeJS.ProcessEnv) => {
      const { vmm, firecracker } = readConfig({ ...MINIMAL, ...env });
      return [vmm, firecracker];
    };
    assert.deepEqual(of({}), ["auto", undefined]);
    assert.deepEqual(of({ FIRECRACKER_BIN: "/x/fc" }), ["auto", "/x/fc"]);
    assert.deepEqual(of({ FIRECRACKER_BIN: "/x/fc", WRENN_VMM: "firecracker" }), ["firecracker", "/x/fc"]);
    assert.deepEqual(of({ WRENN_VMM: "qemu" }), ["qemu", undefined]);
    for (const vmm of ["auto", "firecracker"])
      assert.throws(() => of({ FIRECRACKER_BIN: "x/fc", WRENN_VMM: vmm }), {
        code: "invalid_argument",
        message: /FIRECRACKER_BIN must be an absolute path/,
      });
    assert.throws(() => of({ WRENN_VMM: "xen" }), {
      message: /WRENN_VMM must be one of: auto, qemu, firecracker/,
    });
  });

  it("bounds disks and network only when told to", () => {
    assert.deepEqual(readConfig(MINIMAL).rates, { disk: undefined, network: undefined });
    const rates = { WRENN_DISK_BYTES_PER_SEC: "1000", WRENN_NET_PACKETS_PER_SEC: "50" };
    assert.deepEqual(readConfig({ ...MINIMAL, ...rates }).rates, {
      disk: { bytesPerSec: 1000, opsPerSec: undefined },
      network: { bytesPerSec: undefined, opsPerSec: 50 },
    });
    assert.throws(() => readConfig({ ...MINIMAL, WRENN_DISK_OPS_PER_SEC: "0" }), {
      code: "invalid_argument",
    });
  });

  it("knows three ways of giving memory back to a saved machine", () => {
    assert.equal(readConfig(MINIMAL).memory, "auto");
    for (const memory of ["auto", "shared", "lazy"])
      assert.equal(readConfig({ ...MINIMAL, WRENN_MEMORY: memory }).memory, memory);
    assert.throws(() => readConfig({ ...MINIMAL, WRENN_MEMORY: "eager" }), {
      code: "invalid_argument",
      message: /WRENN_MEMORY must be one of: auto, shared, lazy/,
    });
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
