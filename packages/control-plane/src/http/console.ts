// The console at /test: a page and its files, made by @wrenn/console when somebody first asks for them. A control
// plane that nobody looks at starts no compiler and keeps no page.
import type { ConsoleFile } from "@wrenn/console";
import { WrennError } from "@wrenn/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/**
 * Scripts, styles and connections are this server's, and nothing else is: no inline script or style, no frame, no
 * form that is sent. Trusted Types make the browser refuse every way of turning text into markup or script.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** The name of a file changes with its content. */
const FOR_EVER = "public, max-age=31536000, immutable";

export function registerConsole(app: FastifyInstance): void {
  let built: Promise<Map<string, ConsoleFile>> | undefined;
  const files = () => {
    built ??= build().catch((reason: unknown) => {
      built = undefined; // the next request tries again
      throw reason;
    });
    return built;
  };
  const send = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const path = request.url.split("?", 1)[0] ?? "";
    const file = (await files()).get(path);
    if (!file) throw new WrennError("not_found", "there is no such file of the console; see /test");
    reply.headers({
      "content-security-policy": POLICY,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      ...(path !== "/test" && { "cache-control": FOR_EVER }),
    });
    await reply.type(file.contentType).send(file.content);
  };
  app.get("/test", send);
  app.get("/test/:file", send);
}

async function build(): Promise<Map<string, ConsoleFile>> {
  const { buildConsole } = await import("@wrenn/console");
  return new Map((await buildConsole()).map((file) => [file.path, file]));
}
