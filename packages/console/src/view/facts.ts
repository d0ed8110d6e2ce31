// What is known about a sandbox, as pairs of terms and descriptions.
import type { Sandbox } from "@wrenn/sdk";
import { h, setText } from "../dom/element.ts";
import { ago, dayAndTime, left, mebibytes, plural, seconds, timeOfDay, took } from "../text/format.ts";
import { visible } from "../text/visible.ts";
import { labels } from "./labels.ts";

type Describe = (sandbox: Sandbox, now: number) => string;

/** In the order in which they are shown; the empty string hides a row. */
const FACTS: readonly (readonly [term: string, describe: Describe])[] = [
  ["Template", ({ template }) => visible(template)],
  ["Size", size],
  ["Isolation", ({ isolation }) => (isolation === "kvm" ? "kvm (hardware)" : "tcg (emulated)")],
  ["Time-out", timeout],
  ["Host", ({ host_id, host_ip }) => [visible(host_id), host_ip].filter(Boolean).join(", ")],
  ["Guest", ({ guest_ip = "" }) => guest_ip],
  ["Created", ({ created_at }) => dayAndTime(new Date(created_at))],
  ["Ready after", startTook],
  ["Last active", lastActive],
];

/** `now`: by the service's clock. */
export function facts(): { element: HTMLElement; set(sandbox: Sandbox, now: number): void } {
  const rows = FACTS.map(([term, describe]) => {
    const description = h("dd");
    return { element: h("div", {}, h("dt", {}, term), description), description, describe };
  });
  const tags = labels();
  const metadata = h("div", { class: "wide" }, h("dt", {}, "Metadata"), h("dd", {}, tags.element));
  return {
    element: h("dl", { class: "facts" }, ...rows.map(({ element }) => element), metadata),
    set(sandbox, now) {
      for (const { element, description, describe } of rows) {
        const text = describe(sandbox, now);
        setText(description, text);
        element.hidden = text === "";
      }
      tags.set(sandbox.metadata);
      metadata.hidden = Object.keys(sandbox.metadata).length === 0;
    },
  };
}

function size({ vcpus, memory_mb, disk_mb }: Sandbox): string {
  return [plural(vcpus, "vCPU"), mebibytes(memory_mb), `${mebibytes(disk_mb)} disk`].join(" · ");
}

function timeout({ timeout_sec, ttl_mode, on_timeout, expires_at }: Sandbox, now: number): string {
  if (timeout_sec === 0) return "none";
  const rest = expires_at === undefined ? "" : `${left(Date.parse(expires_at) - now)} of `;
  const kind = ttl_mode === "inactivity" ? "idle" : "in all";
  return `${rest}${seconds(timeout_sec)} ${kind}, then ${on_timeout}`;
}

/** From the request to the guest's first answer. */
function startTook({ created_at, started_at }: Sandbox): string {
  return started_at === undefined ? "" : took(Date.parse(started_at) - Date.parse(created_at));
}

function lastActive({ last_active_at }: Sandbox, now: number): string {
  if (last_active_at === undefined) return "";
  return `${timeOfDay(new Date(last_active_at)).slice(0, 8)} (${ago(now - Date.parse(last_active_at))})`;
}
