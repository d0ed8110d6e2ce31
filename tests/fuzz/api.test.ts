// The platform against requests made from its own description, and against what is no request at all.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { openApiDocument } from "@wrenn/api";
import fc from "fast-check";
import { stringify } from "yaml";
import { type Operation, readDocument } from "./document.ts";
import { frames, runSession } from "./exec-stream.ts";
import { agentRequest, tryAgent } from "./host-agent.ts";
import { checkAnswer } from "./oracle.ts";
import { brokenBytes, tryBytes } from "./raw-http.ts";
import type { FuzzRequest } from "./request.ts";
import { invalidRequest, validRequest } from "./request-arbitrary.ts";
import { send } from "./send.ts";
import { RUNS, SEED, share } from "./settings.ts";
import { openWorld, type World } from "./world.ts";

/** Tests are named before the platform runs; that it serves the same document is the first of them. */
const { operations } = readDocument(stringify(openApiDocument({ version: "" })));

describe(`the API under WRENN_FUZZ_SEED=${SEED} WRENN_FUZZ_RUNS=${RUNS}`, () => {
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world?.close());

  const attempt = async (request: FuzzRequest) => {
    const base = world.platform.url;
    checkAnswer(request, await send(base, request), base);
  };
  const served = (id: string): Operation => {
    const operation = world.document.operations.find((candidate) => candidate.id === id);
    assert.ok(operation, `${id} is served`);
    return operation;
  };

  it("serves the document of its routes", () => {
    assert.deepEqual(
      world.document.operations.map(({ id }) => id),
      operations.map(({ id }) => id),
    );
  });

  for (const { id } of operations) {
    it(`${id}: refuses what is not valid, for the first reason, and changes nothing`, async () => {
      const before_ = await world.picture();
      await fc.assert(
        fc.asyncProperty(invalidRequest(served(id), world.fixtures), attempt),
        share(0.5 / operations.length),
      );
      await world.assertUnchanged(before_);
      await world.assertAlive();
    });

    it(`${id}: answers what is valid as it is documented`, async () => {
      await fc.assert(
        fc.asyncProperty(validRequest(served(id), world.fixtures), attempt),
        share(0.2 / operations.length),
      );
      await world.assertAlive();
    });
  }

  it("ends every exec stream with exit, error or a close, whatever its client says", async () => {
    const { platform, fixtures, document } = world;
    const url = `${platform.url.replace("http", "ws")}/v1/sandboxes/${fixtures.running}/exec/stream`;
    await fc.assert(
      fc.asyncProperty(frames(document), (sent) => runSession(url, fixtures.key, { sent, document })),
      share(0.1),
    );
    await world.assertAlive();
  });

  it("survives bytes that are no HTTP", async () => {
    const { platform, fixtures } = world;
    const { hostname, port } = new URL(platform.url);
    const head = `Host: localhost\r\nX-API-Key: ${fixtures.key}\r\n`;
    const requests = [
      `GET /v1/sandboxes?limit=1 HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
      `POST /v1/sandboxes/${fixtures.running}/ping HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      `POST /v1/sandboxes/${fixtures.running}/ping HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    ];
    await fc.assert(
      fc.asyncProperty(brokenBytes(requests), (bytes) =>
        tryBytes({ host: hostname, port: Number(port) }, bytes),
      ),
      share(0.1),
    );
    await world.assertAlive();
  });

  it("the host agent answers every call with its result or a Connect error", async () => {
    const { platform, fixtures } = world;
    const before_ = await world.picture();
    const socket = `/run/wrenn/${platform.block}/agent.sock`;
    await fc.assert(
      fc.asyncProperty(agentRequest(fixtures), (request) => tryAgent(socket, request)),
      share(0.2),
    );
    await world.assertUnchanged(before_);
    await world.assertAlive();
  });
});
