import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { WrennError } from "@wrenn/core";
import { archive, digestOf } from "../testing/archive.ts";
import { type ImageOptions, makeImage, TestRegistry, writeLayout } from "../testing/test-image.ts";
import { type ImageSources, openImage, parseRegistries } from "./open-image.ts";
import { pullImage, resolveImage } from "./pull.ts";

const FILES = [{ path: "a", content: "hello" }];

describe("images", () => {
  let dir = "";
  let sources: ImageSources;
  let count = 0;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "wrenn-oci-"));
    sources = { layoutDir: dir, registries: [] };
  });
  after(() => rm(dir, { recursive: true }));

  const signal = AbortSignal.timeout(60_000);
  const pull = async (name: string, from = sources, credentials?: { username: string; password: string }) => {
    const { source, version } = await openImage(from, name, credentials);
    const image = await resolveImage(source, version, signal);
    const target = join(dir, `pulled-${count++}`);
    await pullImage(source, image, { dir: target, signal, onLog: () => undefined });
    return image;
  };
  const layoutOf = async (layers: Parameters<typeof makeImage>[0], options?: ImageOptions) => {
    const name = `layout-${count++}`;
    const image = makeImage(layers, options);
    await writeLayout(join(dir, name), { v1: image });
    return { name: `oci:${name}:v1`, path: join(dir, name), image };
  };

  describe("from a layout", () => {
    it("are pulled in each packing, behind an index, by tag, by digest and when they are the only one", async () => {
      for (const packing of ["gzip", "zstd", "none"] as const) {
        for (const index of [false, true]) {
          const { name, image } = await layoutOf([FILES], { packing, index, envs: ["A=b=c", "1=no"] });
          const { config, digest } = await pull(name);
          assert.deepEqual(config, { diffIds: [digestOf(archive(FILES))], envs: { A: "b=c" } });
          assert.ok(image.blobs.has(digest));
          assert.equal((await pull(name.replace(/:v1$/, ""))).digest, digest);
          assert.equal((await pull(name.replace(/:v1$/, `@${digest}`))).digest, digest);
        }
      }
    });

    it("are not found outside the directory, nor where nothing is", async () => {
      const { name, path } = await layoutOf([FILES]);
      await symlink("/", join(dir, "root"));
      await symlink("..", join(dir, "up"));
      for (const wrong of ["oci:nothing:v1", name.replace("v1", "v2"), "oci:root", "oci:root/etc", "oci:up"])
        await assert.rejects(pull(wrong), { code: "not_found" }, wrong);
      const nowhere = { ...sources, layoutDir: undefined };
      await assert.rejects(pull(name, nowhere), { code: "forbidden" });
      await rm(join(path, "index.json"));
      await symlink("/etc/passwd", join(path, "index.json"));
      await assert.rejects(pull(name), { code: "not_found" });
    });

    it("that are damaged are refused", async () => {
      const changed = async (change: (image: ReturnType<typeof makeImage>) => void) => {
        const image = makeImage([FILES]);
        change(image);
        const name = `damaged-${count++}`;
        await writeLayout(join(dir, name), { v1: image });
        return `oci:${name}:v1`;
      };
      const swap = await changed(({ blobs, manifest }) => {
        const { layers } = JSON.parse(String(blobs.get(manifest)));
        blobs.set(
          layers[0].digest,
          Buffer.from("something else, and longer than what was said about the layer"),
        );
      });
      await assert.rejects(pull(swap), /damaged/);
      const bytes = await changed(({ blobs, manifest }) => {
        const { config } = JSON.parse(String(blobs.get(manifest)));
        blobs.set(config.digest, Buffer.from('{"os":"linux"}'));
      });
      await assert.rejects(pull(bytes), /damaged/);
      const { path, name, image } = await layoutOf([FILES]);
      await writeFile(join(path, "blobs/sha256", image.manifest.slice(7)), "no JSON");
      await assert.rejects(pull(name), /damaged/);
      const other = await layoutOf([FILES], { architecture: "arm64" });
      await assert.rejects(pull(other.name), /arm64/);
      const many = await layoutOf(Array.from({ length: 257 }, () => []));
      await assert.rejects(pull(many.name), { code: "too_large" });
    });

    it("whose layers lie about what is in them are refused", async () => {
      // The manifest's packed digest is right; the configuration names another content.
      const image = makeImage([FILES]);
      const manifest = JSON.parse(String(image.blobs.get(image.manifest)));
      const config = JSON.parse(String(image.blobs.get(manifest.config.digest)));
      config.rootfs.diff_ids = [digestOf(Buffer.from("other"))];
      const put = (document: unknown) => {
        const bytes = Buffer.from(JSON.stringify(document));
        image.blobs.set(digestOf(bytes), bytes);
        return { digest: digestOf(bytes), size: bytes.length };
      };
      manifest.config = put(config);
      image.manifest = put(manifest).digest;
      await writeLayout(join(dir, "lying"), { v1: image });
      await assert.rejects(pull("oci:lying:v1"), /damaged.*something else/);
      const holes = "27 GNU.sparse.major=1\n";
      const sparse = [{ path: "x", type: "ExtendedHeader", content: holes } as const, ...FILES];
      await assert.rejects(pull((await layoutOf([sparse])).name), /holes/);
    });

    it("whose archives one reader passes over or takes for packed, and another reads, are refused", async () => {
      const holes = "27 GNU.sparse.major=1\n";
      const unnamed = [{ path: "", type: "ExtendedHeader", content: holes } as const, ...FILES];
      await assert.rejects(pull((await layoutOf([unnamed])).name), /damaged/);
      const sparse = archive([...FILES, { path: "x", type: "ExtendedHeader", content: holes }, ...FILES]);
      // The first file's name begins as packed bytes do.
      sparse.set([0x1f, 0x8b, 0x08, 0x04], 0);
      sparse.fill(" ", 148, 156);
      const sum = sparse.subarray(0, 512).reduce((total, byte) => total + byte, 0);
      sparse.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      await assert.rejects(pull((await layoutOf([sparse], { packing: "none" })).name), /holes/);
      await pull((await layoutOf([Buffer.alloc(1024)])).name);
    });

    it("that are not there whole leave no file open", async () => {
      const { name, path, image } = await layoutOf([FILES]);
      const { layers } = JSON.parse(String(image.blobs.get(image.manifest)));
      await rm(join(path, "blobs/sha256", layers[0].digest.slice(7)));
      const open = () => readdirSync("/proc/self/fd").length;
      await assert.rejects(pull(name));
      const before = open();
      for (let i = 0; i < 20; i++) await assert.rejects(pull(name));
      assert.ok(open() <= before + 1, `${open()} descriptors after ${before}`);
    });
  });

  describe("from a registry", () => {
    it("are pulled without credentials, with a password, and with a token; credentials stay where they belong", async () => {
      await using registry = await TestRegistry.start(makeImage([FILES], { index: true }));
      await using store = await TestRegistry.start(registry.image);
      const from = { layoutDir: undefined, registries: parseRegistries(`plain:${registry.name}`) };
      const name = `${registry.name}/app:v1`;
      const { username, password } = registry;
      assert.ok((await pull(name, from)).digest);
      for (const guard of ["basic", "token"] as const) {
        registry.guard = guard;
        assert.ok((await pull(name, from, { username, password })).digest, guard);
        await assert.rejects(pull(name, from, { username, password: "wrong" }), (error: Error) => {
          assert.match(error.message, /does not let us in/);
          assert.doesNotMatch(JSON.stringify(error) + error.message, /wrong|c29tZWJvZH/);
          return true;
        });
      }
      // Without TLS it may lead to nobody but itself.
      registry.redirect = `http://${store.name}`;
      await assert.rejects(pull(name, from, { username, password }), /without TLS/);
      assert.deepEqual(store.asked, []);
    });

    it("that are not allowed, not there or not reachable are refused", async () => {
      await using registry = await TestRegistry.start(makeImage([FILES]));
      const from = { layoutDir: undefined, registries: parseRegistries(`plain:${registry.name}`) };
      await assert.rejects(pull(`${registry.name}/app:v1`), { code: "forbidden" });
      await assert.rejects(pull("debian:13", from), { code: "forbidden" });
      assert.deepEqual(registry.asked, []);
      await assert.rejects(pull(`${registry.name}/app:v2`, from), { code: "not_found" });
      await assert.rejects(pull(`${registry.name}/other:v1`, from), { code: "not_found" });
      const gone = { layoutDir: undefined, registries: parseRegistries("plain:127.0.0.1:1") };
      await assert.rejects(pull("127.0.0.1:1/app:v1", gone), { code: "unavailable" });
    });

    it("that give no token where they say so are refused, and are not quoted", async () => {
      await using registry = await TestRegistry.start(makeImage([FILES]));
      registry.guard = "token";
      const { username, password } = registry;
      const from = { layoutDir: undefined, registries: parseRegistries(`plain:${registry.name}`) };
      for (const said of ["<p>not now</p>", "null", "{}", '{"token":7}', '{"token":"a\\nb"}']) {
        registry.token = said;
        await assert.rejects(
          pull(`${registry.name}/app:v1`, from, { username, password }),
          (error: Error) => {
            assert.equal((error as WrennError).code, "unavailable", said);
            assert.doesNotMatch(error.message, /not now/);
            return true;
          },
        );
      }
    });

    it("a blob that is not what its digest says is refused", async () => {
      const image = makeImage([FILES]);
      await using registry = await TestRegistry.start(image);
      const from = { layoutDir: undefined, registries: parseRegistries(`plain:${registry.name}`) };
      const { layers } = JSON.parse(String(image.blobs.get(image.manifest)));
      const { digest, size } = layers[0];
      image.blobs.set(digest, Buffer.alloc(size, 1));
      await assert.rejects(pull(`${registry.name}/app:v1`, from), /damaged/);
    });
  });

  it("registries are listed by name", () => {
    assert.deepEqual(parseRegistries("docker.io, plain:127.0.0.1:5000,r.example:443"), [
      { name: "docker.io", plain: false },
      { name: "127.0.0.1:5000", plain: true },
      { name: "r.example:443", plain: false },
    ]);
    for (const wrong of ["http://r.example", "r.example/x", "a b", "plain:"])
      assert.throws(() => parseRegistries(wrong), wrong);
  });
});
