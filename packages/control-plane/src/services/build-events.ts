// The events of a build on a host, with the first one already at hand.
import { REQUEST_ID_HEADER } from "@wrenn/api";
import { WrennError } from "@wrenn/core";
import type { BuildTemplateResponse } from "@wrenn/rpc/hostagent";
import { fromRpc } from "../hosts/errors.ts";
import type { HostClient } from "../hosts/host-client.ts";

export type BuildEvents = AsyncIterable<BuildTemplateResponse["event"]>;

/** Asks the host to build, and waits for its first word. Throws what it refuses with. */
export async function openBuild(
  client: HostClient,
  { name, recipe }: { name: string; recipe: string },
  requestId: string,
): Promise<BuildEvents> {
  const attempted = `building template ${name}`;
  const stream = client.rpc.buildTemplate({ name, recipe }, { headers: { [REQUEST_ID_HEADER]: requestId } });
  const iterator = stream[Symbol.asyncIterator]();
  let first: IteratorResult<BuildTemplateResponse>;
  try {
    first = await iterator.next();
  } catch (reason) {
    throw fromRpc(reason, attempted);
  }
  if (first.done) throw new WrennError("internal", `${attempted}: the host said nothing`);
  return continued(first.value, iterator, attempted);
}

async function* continued(
  first: BuildTemplateResponse,
  iterator: AsyncIterator<BuildTemplateResponse>,
  attempted: string,
): BuildEvents {
  yield first.event;
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value.event;
  } catch (reason) {
    throw fromRpc(reason, attempted);
  }
}
