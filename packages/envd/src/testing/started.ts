// For tests: processes that are started and then acted upon, and what calls fail with.
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Process, StartRequestSchema } from "@wrenn/rpc/envd";

/** The selector of a process. */
export const byPid = (pid: number) => ({ selector: { case: "pid", value: pid } }) as const;

/** Starts, and returns the pid with the rest of the events. */
export async function begin(
  client: Client<typeof Process>,
  request: MessageInitShape<typeof StartRequestSchema>,
  options: CallOptions = {},
) {
  const events = client.start(request, options)[Symbol.asyncIterator]();
  const first = (await events.next()).value?.event?.event;
  assert.ok(first?.case === "start");
  return { pid: first.value.pid, events };
}

/** For `assert.rejects`: the Connect code, the platform's own code, and the field that is named. */
export const failsWith = (code: Code, wrenn: string, field?: string) => (error: unknown) => {
  assert.ok(error instanceof ConnectError, String(error));
  const { metadata } = error;
  assert.deepEqual(
    [Code[error.code], metadata.get("wrenn-code"), metadata.get("wrenn-field") ?? undefined],
    [Code[code], wrenn, field],
    error.message,
  );
  return true;
};
