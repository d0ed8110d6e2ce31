// A fetch that writes every call down.
import type { ActivityLog, Outcome } from "./activity.ts";

/** The most of an error's message that is shown, in characters. */
const MAX_DETAIL = 500;

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** `fetch`, with an entry in `log` for every call. */
export function recordingFetch(log: ActivityLog, fetch: Fetch): Fetch {
  return async (input, init) => {
    const url = new URL(String(input));
    const method = init?.method ?? "GET";
    const end = log.begin({ method, path: url.pathname + url.search, isRead: isRead(method, url) });
    const begun = performance.now();
    try {
      const response = await fetch(input, init);
      end({ ...(await outcomeOf(response)), ms: performance.now() - begun });
      return response;
    } catch (error) {
      end({ ...failure(error), ms: performance.now() - begun, requestId: undefined });
      throw error;
    }
  };
}

/** A ticket changes nothing either: the stream that it is for has an entry of its own. */
function isRead(method: string, { pathname }: URL): boolean {
  return method === "GET" || pathname.endsWith("/exec/ticket");
}

async function outcomeOf(response: Response): Promise<Omit<Outcome, "ms">> {
  const requestId = response.headers.get("x-request-id") ?? undefined;
  if (response.ok) return { ok: true, result: String(response.status), detail: "", requestId };
  const { code, message } = await errorIn(response.clone());
  return { ok: false, result: `${response.status} ${code}`.trim(), detail: message, requestId };
}

async function errorIn(response: Response): Promise<{ code: string; message: string }> {
  try {
    const { error } = (await response.json()) as { error: { code: unknown; message: unknown } };
    return { code: String(error.code), message: String(error.message).slice(0, MAX_DETAIL) };
  } catch {
    return { code: "", message: "the answer did not come from this API" };
  }
}

function failure(error: unknown): Pick<Outcome, "ok" | "result" | "detail"> {
  const wasGivenUp = error instanceof DOMException && error.name === "AbortError";
  if (wasGivenUp) return { ok: true, result: "given up", detail: "" };
  const detail = error instanceof Error ? error.message : String(error);
  return { ok: false, result: "no connection", detail };
}
