// Swagger UI at /docs, from the installed package; no page of it asks another machine for anything.
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { openApiDocument } from "@wrenn/api";
import type { FastifyInstance } from "fastify";

/** The UI sets inline styles and data: images; scripts come from here only. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export async function registerDocs(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    mode: "static",
    specification: { document: openApiDocument({ version }) as never },
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    uiConfig: { deepLinking: true, tryItOutEnabled: true },
    uiHooks: {
      onRequest: (_request, reply, next) => {
        reply.header("content-security-policy", POLICY);
        next();
      },
    },
  });
}
