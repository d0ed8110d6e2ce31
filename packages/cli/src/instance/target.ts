// Which service a command speaks to, and with which key.
import { WrennClient } from "@wrenn/sdk";
import { CliError } from "../failure.ts";
import { dataDirOf, localApiKey, runningInstance } from "./instance.ts";

const DEFAULT_URL = "http://127.0.0.1:8000";

export interface Target {
  url: string;
  apiKey: string;
}

export interface TargetOptions {
  dataDir: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
}

/** A client of the service that the environment or the data directory names. */
export function clientOf(options: TargetOptions): WrennClient {
  return new WrennClient(targetOf(options));
}

/** `WRENN_URL`, else the instance of the data directory, else the default address. */
export function targetOf({ dataDir: flag, env }: TargetOptions): Target {
  const dataDir = dataDirOf(flag, env);
  const url = env["WRENN_URL"] || (runningInstance(dataDir)?.url ?? DEFAULT_URL);
  const apiKey = env["WRENN_API_KEY"] || (isLoopback(url) ? localApiKey(dataDir) : undefined);
  if (apiKey === undefined) {
    throw new CliError(
      `no API key for ${url}: set WRENN_API_KEY, or run as a user that can read ${dataDir}/api-key. ` +
        "A platform that runs has written that file; start one with: wrenn up",
    );
  }
  return { url, apiKey };
}

/** The key of this machine's platform is for this machine: it is not sent anywhere else. */
export function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
