// `wrenn status`: whether an instance runs, and how it answers.
import { askHealth } from "./health.ts";
import { type Instance, runningInstance } from "./instance.ts";
import { dataLayout } from "./layout.ts";

export interface Status {
  data_dir: string;
  /** `running` answers, `failing` does not answer with 200, `stopped` is not there. */
  state: "running" | "failing" | "stopped";
  /** What `GET /health` said. */
  health?: string;
  instance?: Instance;
}

export async function statusOf(dataDir: string): Promise<Status> {
  const instance = await runningInstance(dataLayout(dataDir).instance);
  if (!instance) return { data_dir: dataDir, state: "stopped" };
  const { ok, what } = await askHealth(instance.url);
  return { data_dir: dataDir, state: ok ? "running" : "failing", health: what, instance };
}

export function formatStatus(status: Status): string {
  const lines = [`data directory  ${status.data_dir}`, `state           ${status.state}`];
  if (status.instance) {
    lines.push(`API             ${status.instance.url} (${status.health})`);
    lines.push(
      `supervisor      ${status.instance.pid}, block ${status.instance.block}, version ${status.instance.version}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
