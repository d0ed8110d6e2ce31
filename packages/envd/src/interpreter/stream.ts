// An execution as the body of an answer: lines of JSON, as they come.
import type { Attachments } from "../streams/attachments.ts";
import type { OpenStreams } from "../streams/open-streams.ts";
import type { Context } from "./context.ts";
import type { Execution } from "./execution.ts";

/** Between two signs of life. */
const KEEPALIVE_MS = 5_000;

/**
 * The answer to the caller of an execution. When the caller goes away before its end, the execution is abandoned, unless
 * that is because the guest was frozen: then it goes on, as every process does.
 */
export function answerWith(
  execution: Execution,
  context: Context,
  open: { attachments: Attachments; streams: OpenStreams },
): Response {
  const drained = open.streams.enter();
  const leave = open.attachments.attach({ close: (reason) => execution.detach(reason) }, () => {
    if (execution.state !== "over") context.abandon(execution);
  });
  const timer = setInterval(() => execution.keepAlive(), KEEPALIVE_MS);
  const over = () => {
    clearInterval(timer);
    drained();
    leave();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // Nobody asks for more in this case, so that the end has to come from here.
      execution.output.onCutOff = () => {
        controller.error(new Error("the answer was not taken in time"));
        over();
      };
    },
    async pull(controller) {
      try {
        const line = await execution.output.next();
        if (line !== undefined) return controller.enqueue(line);
        controller.close();
      } catch (reason) {
        controller.error(reason);
      }
      over();
    },
    cancel: over,
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}
