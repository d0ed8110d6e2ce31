// What is on the hosts' disks, and what needs it.
import { type Static, Type } from "typebox";

const Bytes = (description: string) => Type.Integer({ minimum: 0, description });

const StorageEntry = Type.Object(
  {
    kind: Type.String({ description: "`image`, `snapshot` or `sandbox`.", examples: ["snapshot"] }),
    id: Type.String({ description: "Hash of an image, id of a snapshot or sandbox." }),
    name: Type.Optional(
      Type.String({
        description: "Template, or `owner/snapshot`, where it has a name.",
        examples: ["minimal"],
      }),
    ),
    size_bytes: Bytes("Bytes it takes on disk (blocks, not length)."),
    used_by: Type.Array(Type.String(), {
      description: "What needs it: `template …`, `snapshot …`, `sandbox …`. Empty: about to go.",
      examples: [["template minimal", "sandbox sb-k3v9q0x7m2p5a8zt"]],
    }),
  },
  { additionalProperties: false, description: "One thing that is stored." },
);

const HostStorage = Type.Object(
  {
    host_id: Type.String({ description: "The machine.", examples: ["local"] }),
    free_bytes: Bytes("Free on the file system of its data directory."),
    total_bytes: Bytes("Size of that file system."),
    entries: Type.Array(StorageEntry, { description: "Everything that is kept there." }),
  },
  { additionalProperties: false, description: "The disk of one machine." },
);

export const Storage = Type.Object(
  { hosts: Type.Array(HostStorage, { description: "The machines that can be reached." }) },
  {
    $id: "Storage",
    additionalProperties: false,
    description: "What the platform keeps on disk, by machine.",
    examples: [
      {
        hosts: [
          {
            host_id: "local",
            free_bytes: 52_428_800_000,
            total_bytes: 104_857_600_000,
            entries: [
              {
                kind: "snapshot",
                id: "snap-0a1b2c3d-0123456789abcdef01234567",
                name: "operator/warm",
                size_bytes: 83_886_080,
                used_by: ["template operator/warm", "sandbox sb-k3v9q0x7m2p5a8zt"],
              },
            ],
          },
        ],
      },
    ],
  },
);
export type Storage = Static<typeof Storage>;
