// The read-only devices that snapshots begin with: one for each image and size, shared by all sandboxes on it.
import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { Scope, WrennError } from "@wrenn/core";
import { createDevice, findDevice, removeDevice } from "./device.ts";
import { attachLoop, detachLoop, findLoop } from "./loop.ts";
import { Shared } from "./shared.ts";
import { originTable, SECTOR_BYTES } from "./table.ts";

/** A device that nobody can write, and its size. */
export interface Origin {
  device: string;
  bytes: number;
  /** Which one it is, for {@link Origins.release}. */
  key: string;
}

interface Opened {
  device: string;
  bytes: number;
  scope: Scope;
}

/**
 * Loop devices are counted per image, and those made larger with zeros per image and size. Invariant: a device exists
 * while, and only while, somebody holds it; the devices of others are never touched, because names begin with the
 * block's prefix. What an earlier process has left and a machine still uses is taken over by the first who acquires it;
 * what nobody does is left to {@link sweepDevices}.
 */
export class Origins {
  readonly #loops: Shared<Opened>;
  readonly #sized: Shared<Opened>;
  readonly #devices = new Set<string>();
  readonly #images = new Set<string>();

  /** @param prefix of the names of this block's devices, {@link BlockPlan.devicePrefix} */
  constructor(prefix: string) {
    this.#loops = new Shared({
      make: (image) => this.#openLoop(image),
      giveBack: ({ scope }) => scope.close(),
    });
    this.#sized = new Shared({
      make: (key) => this.#openSized(prefix, key),
      giveBack: ({ scope }) => scope.close(),
    });
  }

  /** The device of an image, read as if it had `bytes` bytes. Throws `invalid_argument` when the image is larger. */
  async acquire(image: string, bytes: number): Promise<Origin> {
    const key = keyOf(await realpath(image), bytes);
    const { device } = await this.#sized.acquire(key);
    return { device, bytes, key };
  }

  /** Ends one use. The image may have been deleted meanwhile. */
  async release(origin: Origin): Promise<void> {
    await this.#sized.release(origin.key);
  }

  /** Names of devices and paths of images that somebody holds. */
  held(): { devices: ReadonlySet<string>; files: ReadonlySet<string> } {
    return { devices: this.#devices, files: this.#images };
  }

  async #openLoop(image: string): Promise<Opened> {
    await using scope = new Scope();
    const { size } = await stat(image);
    const loop = await scope.take(
      "loop device",
      async () => findLoop(image) ?? (await attachLoop(image, { readOnly: true })),
      detachLoop,
    );
    this.#images.add(image);
    scope.defer("path of the image", () => void this.#images.delete(image));
    // The kernel drops what does not fill a sector.
    return { device: loop.device, bytes: size - (size % SECTOR_BYTES), scope: scope.move() };
  }

  async #openSized(prefix: string, key: string): Promise<Opened> {
    const { image, bytes } = JSON.parse(key) as { image: string; bytes: number };
    await using scope = new Scope();
    const loop = await scope.take(
      "loop device",
      () => this.#loops.acquire(image),
      () => this.#loops.release(image),
    );
    if (loop.bytes > bytes) {
      throw new WrennError("invalid_argument", `${image} does not fit on a disk of ${bytes} bytes`);
    }
    if (loop.bytes === bytes) return { device: loop.device, bytes, scope: scope.move() };
    const name = `${prefix}${originName(key)}`;
    const table = originTable({ image: loop.device, imageBytes: loop.bytes, bytes });
    const device = await scope.take(
      "origin device",
      async () => (await findDevice(name)) ?? (await createDevice(name, table, { readOnly: true })),
      () => removeDevice(name),
    );
    this.#devices.add(name);
    scope.defer("name of the origin device", () => void this.#devices.delete(name));
    return { device, bytes, scope: scope.move() };
  }
}

/** How the names of origins go on after a block's prefix; those of sandboxes begin otherwise. */
export const ORIGIN_MARK = "origin-";

function originName(key: string): string {
  return `${ORIGIN_MARK}${createHash("sha256").update(key).digest("hex").slice(0, 16)}`;
}

function keyOf(image: string, bytes: number): string {
  return JSON.stringify({ image, bytes });
}
