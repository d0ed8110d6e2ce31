import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressOf, hostNameOf, urlOfPort } from "./address.ts";

const ID = "sb-k3v9q0x7m2p5a8zt";
const to = (host: string, headers: Record<string, string> = {}) =>
  addressOf({ headers: { host, ...headers } });

test("a host name of a sandbox says it all, whatever the domain and the headers", () => {
  assert.deepEqual(to(`3000-${ID}.example.com`), { sandboxId: ID, port: 3000 });
  assert.deepEqual(to(`3000-${ID.toUpperCase()}.localhost:8000`), { sandboxId: ID, port: 3000 });
  const headers = { "e2b-sandbox-id": "other", "e2b-sandbox-port": "1" };
  assert.deepEqual(to(`3000-${ID}.example.com`, headers), { sandboxId: ID, port: 3000 });
});

test("headers do where the host name says nothing", () => {
  const headers = { "e2b-sandbox-id": ID, "e2b-sandbox-port": "49983" };
  assert.deepEqual(to("127.0.0.1:8000", headers), { sandboxId: ID, port: 49_983 });
  assert.deepEqual(to("127.0.0.1", { "e2b-sandbox-id": "x" }), { sandboxId: "x", port: undefined });
  for (const port of ["0", "65536", "-1", "1e3", "", "99999999"]) {
    assert.equal(to("h", { ...headers, "e2b-sandbox-port": port })?.port, undefined, port);
  }
});

test("everything else is not the proxy's", () => {
  for (const host of [
    "127.0.0.1:8000",
    "example.com",
    `${ID}.example.com`,
    `80-${ID}`,
    `80-${ID}x.com`,
    "",
  ]) {
    assert.equal(to(host), undefined, host);
  }
  assert.equal(addressOf({ headers: {} }), undefined);
});

test("addressOf() reads what hostNameOf() writes", () => {
  const id = fc.stringMatching(/^sb-[a-z0-9]{16}$/);
  fc.assert(
    fc.property(id, fc.integer({ min: 1, max: 65_535 }), fc.domain(), (sandboxId, port, domain) => {
      assert.deepEqual(to(hostNameOf(sandboxId, port, domain)), { sandboxId, port });
    }),
  );
});

test("urlOfPort() is below the domain, or below localhost where there is none", () => {
  const place = { id: ID, port: 80, domain: undefined, ownHost: "127.0.0.1:8000" };
  assert.equal(urlOfPort(place), `http://80-${ID}.localhost:8000/`);
  assert.equal(urlOfPort({ ...place, ownHost: "here" }), `http://80-${ID}.localhost/`);
  assert.equal(
    urlOfPort({ ...place, domain: "sandbox.example:4443" }),
    `https://80-${ID}.sandbox.example:4443/`,
  );
});
