// The events of a process, as one caller gets them.
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { type ProcessEvent, ProcessEventSchema } from "@wrenn/rpc/envd";
import { eventStream } from "../streams/event-stream.ts";
import type { Subscription } from "../streams/subscription.ts";

const KEEPALIVE = create(ProcessEventSchema, { event: { case: "keepalive", value: {} } });

/** `start`, output, `end`; see {@link eventStream}. */
export async function* processEvents(
  start: ProcessEvent,
  subscription: Subscription<ProcessEvent>,
  context: HandlerContext,
): AsyncGenerator<{ event: ProcessEvent }> {
  const isLast = ({ event }: ProcessEvent) => event.case === "end";
  for await (const event of eventStream({ start, keepalive: KEEPALIVE, subscription, context, isLast })) {
    yield { event };
  }
}
