// The events of something that goes on, as one caller gets them.
import type { HandlerContext } from "@connectrpc/connect";
import { connectionKey } from "../rpc/call.ts";
import { keepaliveInterval } from "./keepalive.ts";
import type { Subscription } from "./subscription.ts";

export interface EventStreamOptions<T> {
  /** Sent first. */
  start: T;
  /** Sent while it is quiet, as often as the caller wishes. */
  keepalive: T;
  subscription: Subscription<T>;
  context: HandlerContext;
  /** Whether nothing comes behind this event. */
  isLast?: (event: T) => boolean;
}

/**
 * The start event, then what the subscription brings. Throws the reason when the call is aborted (deadline, lost
 * connection) before the last event. The subscription is closed in any case.
 */
export async function* eventStream<T>({
  start,
  keepalive,
  subscription,
  context,
  isLast = () => false,
}: EventStreamOptions<T>): AsyncGenerator<T> {
  const { signal } = context;
  const leave = () => subscription.close();
  signal.addEventListener("abort", leave, { once: true });
  subscription.onCutOff = () => context.values.get(connectionKey)?.abort?.();
  const timer = setInterval(() => {
    if (subscription.idle) subscription.offer({ event: keepalive, bytes: 0 });
  }, keepaliveInterval(context.requestHeader));
  try {
    yield start;
    for (let event = await subscription.next(); event !== undefined; event = await subscription.next()) {
      yield event;
      if (isLast(event)) return;
    }
    signal.throwIfAborted();
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", leave);
    subscription.close();
  }
}
