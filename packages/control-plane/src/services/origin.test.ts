import assert from "node:assert/strict";
import { test } from "node:test";
import { isOriginAllowed } from "./tickets.ts";

test("isOriginAllowed() lets this server's pages, named origins and programs in", () => {
  assert.equal(isOriginAllowed({ host: "h:80" }, []), true, "no browser");
  assert.equal(isOriginAllowed({ origin: "http://h:8000", host: "h:8000" }, []), true);
  assert.equal(isOriginAllowed({ origin: "http://h:8000", host: "H:8000" }, []), true);
  assert.equal(
    isOriginAllowed({ origin: "https://console.example", host: "h" }, ["https://console.example"]),
    true,
  );
});

test("isOriginAllowed() keeps everybody else out", () => {
  for (const origin of [
    "http://evil",
    "null",
    "",
    "http://h:8001",
    "http://h",
    "http://h:8000.evil",
    "http://evil/h:8000",
  ]) {
    assert.equal(isOriginAllowed({ origin, host: "h:8000" }, ["https://console.example"]), false, origin);
  }
  assert.equal(isOriginAllowed({ origin: "http://h" }, []), false, "no host to compare with");
});
