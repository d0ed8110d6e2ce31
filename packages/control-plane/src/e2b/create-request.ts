// A creation in E2B's words as one in the platform's.
import type { E2bCreateRequest } from "@wrenn/api";
import { newToken } from "@wrenn/core";
import type { SandboxNetwork } from "../db/schema.ts";
import type { CreateOptions } from "../services/create-sandbox.ts";
import { templateName } from "./aliases.ts";
import { timeoutOf } from "./timeout.ts";
import { asks, refuse } from "./unsupported.ts";

/** Throws `not_implemented` for what the platform does not have. */
export function toCreateOptions(request: E2bCreateRequest): CreateOptions {
  const { network = {}, mcp, iam, volumeMounts, autoPauseMemory } = request;
  refuse({
    "the MCP gateway": asks(mcp),
    "workload identity (iam)": asks(iam),
    "mounting volumes": asks(volumeMounts),
    "pausing without memory": autoPauseMemory === false,
  });
  const restricted = network.allowPublicTraffic === false;
  const rules = toNetwork({ ...network, allow_internet_access: request.allow_internet_access });
  return {
    template: templateName(request.templateID ?? "base"),
    timeout_sec: timeoutOf(request.timeout),
    ttl_mode: "deadline",
    on_timeout: request.autoPause === true ? "pause" : "destroy",
    auto_resume: request.autoResume?.enabled === true,
    ...(request.metadata && { metadata: request.metadata }),
    ...(request.envVars && { envs: request.envVars }),
    ...(restricted && { traffic_token: newToken() }),
    ...(Object.keys(rules).length > 0 && { network: rules }),
  };
}

/** An address or a prefix; whether it is one, the host checks. */
const IPV4 = /^\d+(?:\.\d+){3}(?:\/\d+)?$/;

interface NetworkRequest {
  allowOut?: string[] | undefined;
  denyOut?: string[] | undefined;
  rules?: unknown;
  egressProxy?: unknown;
  allowPublicTraffic?: boolean | undefined;
  maskRequestHost?: string | undefined;
  allow_internet_access?: boolean | undefined;
}

/** Only what differs from the platform's own rules. Throws `not_implemented` for what it cannot enforce. */
export function toNetwork(request: NetworkRequest): SandboxNetwork {
  const { allowOut = [], denyOut = [], rules, egressProxy, allowPublicTraffic, maskRequestHost } = request;
  refuse({
    "an egress proxy": asks(egressProxy),
    "changing requests on their way (rules)": asks(rules),
    "allowing traffic by domain (allowOut)": allowOut.some((entry) => !IPV4.test(entry)),
  });
  return {
    ...(allowPublicTraffic === false && { allowPublicTraffic }),
    ...(maskRequestHost !== undefined && { maskRequestHost }),
    ...(allowOut.length > 0 && { allowOut }),
    ...(denyOut.length > 0 && { denyOut }),
    ...(request.allow_internet_access === false && { allowInternetAccess: false }),
  };
}
