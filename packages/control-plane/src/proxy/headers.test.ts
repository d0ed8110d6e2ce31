import assert from "node:assert/strict";
import { test } from "node:test";
import { requestHeaders, responseHeaders } from "./headers.ts";

test("requestHeaders() keeps order, spelling and repetitions, and drops what is not the guest's", () => {
  const rawHeaders = [
    ...["Host", "3000-sb.example.com", "X-Thing", "1", "x-thing", "2", "Connection", "keep-alive, X-Hop"],
    ...["X-Hop", "gone", "X-API-Key", "secret", "E2B-Traffic-Access-Token", "secret", "Cookie", "a=b"],
    ...["Transfer-Encoding", "chunked", "X-Forwarded-For", "10.0.0.1", "X-Forwarded-Proto", "gopher"],
  ];
  assert.deepEqual(requestHeaders({ rawHeaders, host: undefined, peer: "10.0.0.2", proto: "https" }), [
    ...["Host", "3000-sb.example.com", "X-Thing", "1", "x-thing", "2", "Cookie", "a=b"],
    ...["x-forwarded-for", "10.0.0.1, 10.0.0.2", "x-forwarded-proto", "https"],
    ...["x-forwarded-host", "3000-sb.example.com"],
  ]);
});

test("requestHeaders() can show the guest another host", () => {
  const headers = requestHeaders({
    rawHeaders: ["Host", "a"],
    host: "localhost:80",
    peer: "::1",
    proto: "http",
  });
  assert.deepEqual(headers.slice(0, 2), ["Host", "localhost:80"]);
  assert.equal(headers.at(-1), "a");
});

test("responseHeaders() keeps cookies apart and drops what concerns the connection", () => {
  const raw = [
    "Set-Cookie",
    "a",
    "Set-Cookie",
    "b",
    "Keep-Alive",
    "timeout=5",
    "Connection",
    "close, X-Y",
    "X-Y",
    "z",
  ];
  assert.deepEqual(responseHeaders(raw), ["Set-Cookie", "a", "Set-Cookie", "b"]);
});
