import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { it } from "node:test";
import { WrennError } from "@wrenn/core";
import { explainDiskFull } from "./disk-full.ts";

const errno = (code: string) => Object.assign(new Error(code), { code });

it("an errno anywhere in the causes of an unexplained failure makes it no_space", async () => {
  const wrapped = new WrennError("internal", "could not write", { cause: errno("ENOSPC") });
  for (const reason of [errno("ENOSPC"), errno("EDQUOT"), wrapped]) {
    const error = await explainDiskFull(tmpdir(), reason, "pausing sb-1");
    assert.ok(error instanceof WrennError);
    assert.equal(error.code, "no_space");
    assert.equal(error.message, "pausing sb-1: this host's disk is full; delete snapshots or sandboxes");
    assert.equal(error.cause, reason);
  }
});

it("another failure stays what it is where the disk has space, and an explained one everywhere", async () => {
  for (const reason of [errno("EIO"), new WrennError("internal", "x"), new WrennError("not_found", "x")])
    assert.equal(await explainDiskFull(tmpdir(), reason, "x"), reason);
  const explained = new WrennError("capacity", "full", { cause: errno("ENOSPC") });
  assert.equal(await explainDiskFull(tmpdir(), explained, "x"), explained);
});

it("a directory that is not there explains nothing", async () => {
  const reason = new Error("x");
  assert.equal(await explainDiskFull("/nonexistent/dir", reason, "x"), reason);
});
