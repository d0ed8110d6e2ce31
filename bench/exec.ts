// Exec: through the API, and the same call made directly to the guest agent.
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import type { GuestTarget, Target } from "./target.ts";

/** What is run: the cheapest program there is, so that the platform's share is seen and not the program's. */
const COMMAND = "/bin/true";

/** `pairs` interleaved pairs, after a tenth as many to warm up. */
export async function benchExec(target: Target, guest: GuestTarget, pairs: number): Promise<Result[]> {
  const agent = new Agent({ keepAlive: true });
  const viaApi: number[] = [];
  const direct: number[] = [];
  const overhead: number[] = [];
  for (let i = -Math.ceil(pairs / 10); i < pairs; i++) {
    // Whoever goes first may find colder caches: they take turns.
    const order = i % 2 === 0 ? ["api", "direct"] : ["direct", "api"];
    for (const way of order) {
      const began = performance.now();
      const guestMs = way === "api" ? await execViaApi(target, agent) : await guest.exec(COMMAND);
      const ms = performance.now() - began;
      if (i < 0) continue;
      if (way === "direct") direct.push(ms);
      else {
        viaApi.push(ms);
        overhead.push(ms - guestMs);
      }
    }
  }
  agent.destroy();
  return [
    {
      name: "exec /bin/true through the API",
      unit: "ms",
      platform: figure(viaApi),
      raw: figure(direct),
      promises: [{ number: "P1", of: "ratio", bound: { max: 1.15 } }],
    },
    {
      name: "exec: API time minus the host agent's span around its guest call",
      unit: "ms",
      platform: figure(overhead),
      promises: [
        { number: "P2", of: "median", bound: { max: 3 } },
        { number: "P3", of: "p95", bound: { max: 10 } },
      ],
    },
  ];
}

/**
 * One exec; returns the host agent's span around its guest call, `ms`, from the answer's `Server-Timing`. Through
 * `node:http`, as the direct call is: the difference is to be the platform's, not a client's.
 */
async function execViaApi({ url, key, sandboxId }: Target, agent: Agent): Promise<number> {
  const body = JSON.stringify({ cmd: COMMAND });
  const call = request(`${url}/v1/sandboxes/${sandboxId}/exec`, {
    agent,
    method: "POST",
    headers: {
      "x-api-key": key,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    },
  });
  call.end(body);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  const result = JSON.parse(await text(response)) as { exit_code?: number };
  if (result.exit_code !== 0) throw new Error(`exec through the API failed: ${JSON.stringify(result)}`);
  const span = /guest;dur=([\d.]+)/.exec(String(response.headers["server-timing"]))?.[1];
  if (span === undefined) throw new Error("the answer has no Server-Timing with the guest's span");
  return Number(span);
}
