// What tests of the reconciler wait for.
import { eventually } from "./eventually.ts";
import type { TestService } from "./service.ts";

/** A sandbox as the API has it. */
export async function sandboxOf(service: TestService, id: string) {
  return (await service.call("GET", `/v1/sandboxes/${id}`)).body;
}

/** Resolves with the sandbox once it has that status. */
export async function becomes(service: TestService, id: string, status: string) {
  return await eventually(async () => {
    const body = await sandboxOf(service, id);
    return body.status === status ? body : undefined;
  });
}

/** Resolves when the reconciler has made a whole round from now on. */
export async function aRound({ host }: TestService): Promise<void> {
  const lists = () => host.callsOf("listSandboxes").length;
  const before = lists();
  await eventually(async () => lists() >= before + 2 || undefined);
}
