// JSON bodies of the plain HTTP routes.
import { LIMITS, WrennError } from "@wrenn/core";

/** The body as JSON, `{}` when it is empty. Errors: `too_large`, `invalid_argument`; `route` names it in messages. */
export async function readJson(
  request: Request,
  route: string,
  maxBytes: number = LIMITS.jsonBodyBytes,
): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new WrennError("too_large", `the body of ${route} is over ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new WrennError("invalid_argument", `the body of ${route} is not JSON`, { cause });
  }
}
