import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GuestClient } from "../guest/client.ts";
import { listeningLog } from "../testing/fake-host.ts";
import { rehearse } from "./rehearse.ts";

type Start = GuestClient["process"]["start"];

/** A guest whose commands go as `start` says. */
const guestWith = (
  start: (cmd: string | undefined, signal: AbortSignal | undefined) => AsyncIterable<unknown>,
) =>
  ({
    process: { start: ((request, options) => start(request.process?.cmd, options?.signal)) as Start },
  }) as Pick<GuestClient, "process">;

describe("rehearse", () => {
  it("runs a command to its end", async () => {
    const { log, lines } = listeningLog();
    let ended = "";
    const guest = guestWith(async function* (cmd) {
      yield { event: { event: { case: "start", value: { pid: 7 } } } };
      await new Promise(setImmediate);
      ended = String(cmd);
      yield {
        event: { event: { case: "end", value: { exitCode: 0, exited: true, status: "exit status 0" } } },
      };
    });
    await rehearse(guest, AbortSignal.timeout(10_000), log);
    assert.deepEqual([ended, lines], ["/bin/sh", []]);
  });

  it("is nothing that a template fails for: one without a shell is told of and kept", async () => {
    const { log, lines } = listeningLog();
    // biome-ignore lint/correctness/useYield: it fails before it has anything to tell
    const guest = guestWith(async function* () {
      throw new ConnectError("no such file", Code.NotFound);
    });
    await rehearse(guest, AbortSignal.timeout(10_000), log);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ["the guest has not rehearsed a command"],
    );
  });

  it("does not wait for a shell that does not end", async () => {
    const { log, lines } = listeningLog();
    const guest = guestWith(async function* (_, signal) {
      yield { event: { event: { case: "start", value: { pid: 7 } } } };
      await new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    });
    await rehearse(guest, AbortSignal.timeout(50), log);
    assert.equal(lines.length, 1);
  });
});
