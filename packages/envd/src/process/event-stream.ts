// The events of a process, as one caller sees them.
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type ProcessEvent, ProcessEventSchema } from "@wrenn/rpc/envd";
import { connectionKey } from "../rpc/call.ts";
import { keepaliveInterval } from "./keepalive.ts";
import type { Subscription } from "./subscription.ts";

const KEEPALIVE = create(ProcessEventSchema, { event: { case: "keepalive", value: {} } });

/**
 * The start event, then what the subscription brings, with keep-alives while that is quiet. Throws the reason
 * when the call is aborted (deadline, lost connection) before the end. The subscription is closed in any case.
 */
export async function* eventStream(
  startEvent: ProcessEvent,
  subscription: Subscription<ProcessEvent>,
  context: HandlerContext,
): AsyncGenerator<{ event: ProcessEvent }> {
  const { signal } = context;
  const leave = () => subscription.close();
  signal.addEventListener("abort", leave, { once: true });
  subscription.onCutOff = () => context.values.get(connectionKey)?.abort?.();
  const keepalive = setInterval(() => {
    if (subscription.idle) subscription.offer({ event: KEEPALIVE, bytes: 0 });
  }, keepaliveInterval(context.requestHeader));
  try {
    yield { event: startEvent };
    for (let event = await subscription.next(); event !== undefined; event = await subscription.next()) {
      yield { event };
      if (event.event.case === "end") return;
    }
    signal.throwIfAborted();
  } finally {
    clearInterval(keepalive);
    signal.removeEventListener("abort", leave);
    subscription.close();
  }
}
