// Exec: through the API, and the same call made directly to the guest agent.

import type { Result } from "./result.ts";
import { figure } from "./statistics.ts";
import type { GuestTarget, Target } from "./target.ts";

/** What is run: the cheapest program there is, so that the platform's share is seen and not the program's. */
const COMMAND = "/bin/true";

/** `pairs` interleaved pairs, after a tenth as many to warm up. */
export async function benchExec(target: Target, guest: GuestTarget, pairs: number): Promise<Result[]> {
  const viaApi: number[] = [];
  const direct: number[] = [];
  const overhead: number[] = [];
  for (let i = -Math.ceil(pairs / 10); i < pairs; i++) {
    // Whoever goes first may find colder caches: they take turns.
    const order = i % 2 === 0 ? ["api", "direct"] : ["direct", "api"];
    for (const way of order) {
      const began = performance.now();
      const guestMs = way === "api" ? await execViaApi(target) : await guest.exec(COMMAND);
      const ms = performance.now() - began;
      if (i < 0) continue;
      if (way === "direct") direct.push(ms);
      else {
        viaApi.push(ms);
        overhead.push(ms - guestMs);
      }
    }
  }
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

/** One exec; returns the host agent's span around its guest call, `ms`, from the answer's `Server-Timing`. */
async function execViaApi({ url, key, sandboxId }: Target): Promise<number> {
  const response = await fetch(`${url}/v1/sandboxes/${sandboxId}/exec`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ cmd: COMMAND }),
  });
  const result = (await response.json()) as { exit_code?: number };
  if (result.exit_code !== 0) throw new Error(`exec through the API failed: ${JSON.stringify(result)}`);
  const span = /guest;dur=([\d.]+)/.exec(response.headers.get("server-timing") ?? "")?.[1];
  if (span === undefined) throw new Error("the answer has no Server-Timing with the guest's span");
  return Number(span);
}
