// A machine's disk without a machine: QEMU's own block layer, driven by qemu-io, on the layers that a store gives.
import { run } from "@wrenn/linux";
import type { DiskLayer, Machine } from "@wrenn/vmm";

/** One request writes or reads so many bytes. */
export const BLOCK_BYTES = 4096;

export class Disk {
  readonly #layers: DiskLayer[];

  constructor(layers: readonly DiskLayer[]) {
    this.#layers = [...layers];
  }

  /** As much of a machine as a store uses. */
  get machine(): Machine {
    const addLayer = async (_disk: string, layer: DiskLayer) => void this.#layers.push(layer);
    return { addLayer } as Partial<Machine> as Machine;
  }

  /** Fills blocks, by their numbers, each with one byte. What is written is with the kernel afterwards. */
  async write(blocks: Readonly<Record<number, number>>): Promise<void> {
    const commands = Object.entries(blocks).map(
      ([block, byte]) => `write -P ${byte} ${Number(block) * BLOCK_BYTES} ${BLOCK_BYTES}`,
    );
    await this.#io([...commands, "flush"]);
  }

  /** Throws unless each of these blocks is filled with that byte. */
  async assertHolds(blocks: Readonly<Record<number, number>>): Promise<void> {
    await this.#io(
      Object.entries(blocks).map(
        ([block, byte]) => `read -P ${byte} ${Number(block) * BLOCK_BYTES} ${BLOCK_BYTES}`,
      ),
    );
  }

  async #io(commands: string[]): Promise<void> {
    const node = this.#layers.reduce<object | undefined>((below, layer, index) => {
      const readOnly = index < this.#layers.length - 1;
      return nodeOf(layer, { readOnly, below });
    }, undefined);
    const argv = commands.flatMap((command) => ["-c", command]);
    const { stdout } = await run(["qemu-io", ...argv, `json:${JSON.stringify(node)}`], { timeoutMs: 60_000 });
    const failure = stdout.split("\n").find((line) => /failed|error|invalid/i.test(line));
    if (failure) throw new Error(`${commands.join("; ")}: ${failure}`);
  }
}

function nodeOf(
  layer: DiskLayer,
  { readOnly, below }: { readOnly: boolean; below: object | undefined },
): object {
  const access = { "read-only": readOnly };
  const isDevice = layer.format === "device";
  return {
    driver: isDevice ? "raw" : layer.format,
    ...access,
    file: {
      driver: isDevice ? "host_device" : "file",
      filename: layer.path,
      ...access,
      ...(isDevice ? { cache: { direct: true } } : { locking: "off" }),
    },
    ...(layer.format === "qcow2" ? { backing: below ?? null } : {}),
  };
}
