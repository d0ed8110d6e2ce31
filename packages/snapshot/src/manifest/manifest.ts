// `manifest.json`: what a snapshot is, what it was taken from, and what continuing it really needs.
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { BOUNDS, NAME_PATTERN, WrennError } from "@wrenn/core";
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { MAX_BUILDS } from "../mapping/page-map.ts";

const ID_PATTERN = "^[0-9a-f]{32}$";
const SHA256_PATTERN = "^[0-9a-f]{64}$";

/** A content hash, or one with the size in MiB that the image was grown to. */
const IMAGE_PATTERN = "^[0-9a-f]{64}(\\.[0-9]{1,6}m)?$";

/** Layers that one snapshot adds. One, unless an earlier one could not be finished after its layer had been frozen. */
export const MAX_OWN_LAYERS = 64;

/** Layers of one disk. Merging starts far below. */
export const MAX_DISK_LAYERS = 256;

const Id = () => Type.String({ pattern: ID_PATTERN });
const Hash = () => Type.String({ pattern: SHA256_PATTERN });
const Count = (bounds: { min: number; max: number }) =>
  Type.Integer({ minimum: bounds.min, maximum: bounds.max });
const Strict = { additionalProperties: false } as const;

const File = Type.Object(
  {
    bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    /** Finds what a disk or a power cut damaged; nobody but root can write here. It runs at several GB/s. */
    crc32: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
  },
  Strict,
);

const DiskLayerRef = Type.Union([
  Type.Object({ kind: Type.Literal("image"), name: Type.String({ pattern: IMAGE_PATTERN }) }, Strict),
  /** `index`: which of the layers that the snapshot holds. */
  Type.Object(
    { kind: Type.Literal("snapshot"), id: Id(), index: Count({ min: 0, max: MAX_OWN_LAYERS - 1 }) },
    Strict,
  ),
]);

/** What the caller knows about the machine that is saved. */
const FACTS = {
  /** Milliseconds since the epoch. */
  createdAt: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  vcpus: Count(BOUNDS.vcpus),
  diskMb: Count(BOUNDS.disk_mb),
  accelerator: Type.Union([Type.Literal("kvm"), Type.Literal("tcg")]),
  /** What the saved devices depend on: see `Vmm.fingerprint`. */
  vmm: Type.Record(
    Type.String({ pattern: "^[a-zA-Z0-9._-]{1,64}$" }),
    Type.String({ maxLength: 1024, pattern: "^[^\\u0000]*$" }),
    { ...Strict, maxProperties: 64 },
  ),
  images: Type.Object({ kernel: Hash(), initramfs: Hash(), agentDrive: Hash() }, Strict),
  /** Of the kernel. */
  commandLine: Type.String({ maxLength: 4096, pattern: "^[^\\u0000]*$" }),
  /** Frequency of the time stamp counter that the guest has found at its boot, kHz. */
  tscKhz: Type.Integer({ minimum: 1, maximum: 100_000_000 }),
  /** Where that figure comes from (`TscSource` of @wrenn/template); snapshots from before this was told have none. */
  tscSource: Type.Optional(
    Type.Union([
      Type.Literal("refined"),
      Type.Literal("detected"),
      Type.Literal("nominal"),
      Type.Literal("current"),
    ]),
  ),
  /** The guest agent's access token: a secret, for which the file has mode 0600. */
  token: Type.String({ pattern: "^[!-~]{1,256}$" }),
  /** Name of the template that the machine comes from in the end. */
  template: Type.String({ pattern: NAME_PATTERN }),
  /** Bottom first. */
  disk: Type.Array(DiskLayerRef, { minItems: 1, maxItems: MAX_DISK_LAYERS }),
};

const Facts = Type.Object(FACTS, Strict);
const Manifest = Type.Object(
  {
    version: Type.Literal(1),
    id: Id(),
    /** What the machine continued from; null for one that was booted. For people only: nothing is read through it. */
    parent: Type.Union([Id(), Type.Null()]),
    /** Snapshot whose memory image the machine is started from; null = the machine starts from this snapshot's own. */
    base: Type.Union([Id(), Type.Null()]),
    /** Snapshot that this one is a rewritten copy of. */
    replaces: Type.Union([Id(), Type.Null()]),
    /** 1 for a booted machine, then one more with each snapshot. */
    generation: Type.Integer({ minimum: 1, maximum: 0xffff_ffff }),
    memoryMb: Count(BOUNDS.memory_mb),
    ...FACTS,
    /** Whose `memory.bin` the header refers to. */
    builds: Type.Array(Id(), { maxItems: MAX_BUILDS }),
    files: Type.Object(
      { memory: File, header: File, devices: File, disks: Type.Array(File, { maxItems: MAX_OWN_LAYERS }) },
      Strict,
    ),
  },
  Strict,
);

export type SnapshotFile = Static<typeof File>;
export type DiskLayerRef = Static<typeof DiskLayerRef>;
export type SnapshotFacts = Static<typeof Facts>;
export type Manifest = Static<typeof Manifest>;
export type TscFacts = Pick<SnapshotFacts, "tscKhz" | "tscSource">;

const manifests = Compile(Manifest);

/** Largest manifest that is read, `bytes`. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export function newSnapshotId(): string {
  return randomBytes(16).toString("hex");
}

export function isSnapshotId(value: string): boolean {
  return /^[0-9a-f]{32}$/.test(value);
}

/** What a snapshot says of the time stamp counter. */
export function tscOf({ tscKhz, tscSource }: TscFacts): TscFacts {
  return { tscKhz, ...(tscSource !== undefined && { tscSource }) };
}

/** The manifest itself. Throws `internal` with the first thing that is wrong; never shows the token. */
export function checkManifest(value: unknown): Manifest {
  if (manifests.Check(value)) return value;
  const [first] = manifests.Errors(value);
  const where = first ? `${first.instancePath || "/"} ${first.message}` : "unknown reason";
  throw new WrennError("internal", `a snapshot's manifest is not valid: ${where}`);
}

/** The text of a manifest, with the CRC-32 of all the rest in `crc32`. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, crc32: crc32(JSON.stringify(manifest)) }, null, 2)}\n`;
}

/** A manifest from its text. One without a checksum was written by an earlier version. Throws `internal`. */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WrennError("internal", "a snapshot's manifest is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || !("crc32" in value)) return checkManifest(value);
  const { crc32: written, ...manifest } = value;
  // Names keep their order, so this is the text that it was made of.
  if (written !== crc32(JSON.stringify(manifest)))
    throw new WrennError("internal", "a snapshot's manifest is not what was written");
  return checkManifest(manifest);
}
