// What the proxy itself answers, in the shape that E2B's clients read.
import { WrennError } from "@wrenn/core";

export interface Refusal {
  status: number;
  /** Sent as JSON. `code` repeats the status: clients branch on it. */
  body: { code: number; message: string; sandboxId?: string; port?: number };
}

export interface Destination {
  sandboxId: string;
  port: number | undefined;
}

/** No sandbox of that id runs: unknown, paused and deleted ones are not told apart. */
export function notRunning({ sandboxId }: Destination): Refusal {
  return { status: 502, body: { sandboxId, message: "The sandbox was not found", code: 502 } };
}

export function portClosed({ sandboxId, port }: Destination): Refusal {
  const message = "The sandbox is running but port is not open";
  return { status: 502, body: { sandboxId, message, ...(port !== undefined && { port }), code: 502 } };
}

/** A path of the guest agent that is not for clients. It does not exist for them. */
export class HiddenRoute extends WrennError {
  constructor() {
    super("not_found", "there is no such route");
  }
}

/** A failure as the client sees it. Before the first byte of an answer, a lost connection looks like a closed port. */
export function refusalOf(reason: unknown, destination: Destination): Refusal {
  if (!(reason instanceof WrennError)) return portClosed(destination);
  if (reason.code === "guest_unreachable") return portClosed(destination);
  if (reason.code === "not_found" && !(reason instanceof HiddenRoute)) return notRunning(destination);
  const { httpStatus: status, message } = reason;
  return { status, body: { sandboxId: destination.sandboxId, message, code: status } };
}

/** For people with a browser. Nothing in it comes from the request but a number and a checked id. */
export function asHtml({ status, body }: Refusal): string {
  const text = body.message.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const port = body.port === undefined ? "" : ` (port ${body.port})`;
  return `<!doctype html><meta charset="utf-8"><title>${status}</title><h1>${status}</h1><p>${text}${port}</p>\n`;
}
