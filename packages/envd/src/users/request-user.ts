// Which user a request wants to act as.
import { WrennError } from "@wrenn/core";
import type { AgentState } from "../agent/state.ts";
import type { User, UserDirectory } from "./user-directory.ts";

/** The user when neither the request nor `/init` names one and the template has it. */
const USUAL_USER = "user";

/**
 * The user of `Authorization: Basic base64("name:")`; without that header the default of `/init`, or `user`,
 * or root where the root file system lacks those. An unknown or malformed name is `unauthorized`.
 */
export function requestUser(headers: Headers, users: UserDirectory, state: AgentState): User {
  return namedUser(basicUser(headers.get("authorization")), users, state);
}

/** As {@link requestUser}, with the name already known (`undefined` = the default). */
export function namedUser(name: string | undefined, users: UserDirectory, state: AgentState): User {
  if (name !== undefined) return users.get(name);
  return users.find(state.defaultUser ?? USUAL_USER) ?? users.get("root");
}

/** The user name in an `Authorization` header, `undefined` when there is no header or the name is empty. */
export function basicUser(header: string | null): string | undefined {
  if (header === null) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]*={0,2}) *$/i.exec(header)?.[1];
  if (encoded === undefined) {
    throw new WrennError("unauthorized", 'the Authorization header must be: Basic base64("<user>:")');
  }
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const name = colon === -1 ? decoded : decoded.slice(0, colon);
  return name === "" ? undefined : name;
}
