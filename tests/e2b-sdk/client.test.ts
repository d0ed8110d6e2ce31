// E2B's unmodified client on one platform: all that it does in a sandbox, with saved ones, templates, and under load.
import { after, before, describe } from "node:test";
import { codeTests } from "./code.ts";
import { loadTests } from "./load.ts";
import { type E2bPlatform, startE2b } from "./platform.ts";
import { sandboxTests } from "./sandbox.ts";
import { savedTests } from "./saved.ts";
import { templateTests } from "./template.ts";

describe("E2B's client", () => {
  let e2b: E2bPlatform | undefined;
  before(async () => {
    e2b = await startE2b({ WRENN_SAMPLE_INTERVAL_MS: "1000" });
  });
  after(() => e2b?.platform.stop());
  const platform = () => {
    if (e2b) return e2b;
    throw new Error("the platform did not start");
  };

  sandboxTests(platform);
  savedTests(platform);
  templateTests(platform);
  codeTests(platform);
  loadTests(platform);
});
