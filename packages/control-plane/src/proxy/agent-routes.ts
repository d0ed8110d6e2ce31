// What of the guest agent's port is for clients. The rest is how the platform runs the guest.

/** Exactly these; the agent takes paths literally, so there is no other spelling of them. */
const ROUTES = new Set(["/health", "/metrics", "/envs", "/files", "/files/compose"]);
const SERVICES = /^\/(?:process\.Process|filesystem\.Filesystem)\/[A-Za-z]{1,64}$/;

/** Whether clients may ask the agent for this target (path and query). */
export function isForClients(target: string): boolean {
  const path = target.split("?", 1)[0] ?? "";
  return ROUTES.has(path) || SERVICES.test(path);
}
