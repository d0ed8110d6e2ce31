// Memory that the kernel is told about by its address.
import { addressOf } from "./libc.ts";

const PAGE_BYTES = 4096;

/**
 * A buffer whose bytes stay where they are, starting at a page. Whoever hands {@link address} to the kernel keeps the
 * object alive meanwhile.
 */
export class NativeBuffer {
  readonly bytes: Buffer<ArrayBuffer>;
  readonly address: number;

  /** All zeros. */
  constructor(length: number) {
    const whole = new ArrayBuffer(length + PAGE_BYTES);
    const start = addressOf(new Uint8Array(whole));
    const skipped = (PAGE_BYTES - (start % PAGE_BYTES)) % PAGE_BYTES;
    this.bytes = Buffer.from(whole, skipped, length);
    this.address = start + skipped;
  }

  /** The same memory in words. */
  words(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, Math.floor(this.bytes.length / 4));
  }
}
