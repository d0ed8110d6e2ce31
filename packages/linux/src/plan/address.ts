// IPv4 addresses as numbers: the arithmetic behind the plan of a slot.

/** 32-bit number of a dotted quad. Throws `RangeError` for anything else. */
export function parseIpv4(text: string): number {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    throw new RangeError(`${JSON.stringify(text)} is not an IPv4 address`);
  }
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

/** Dotted quad of a 32-bit number. Throws `RangeError` outside 0..2^32-1, so nothing ever wraps. */
export function formatIpv4(address: number): string {
  if (!Number.isInteger(address) || address < 0 || address > 0xffff_ffff) {
    throw new RangeError(`${address} is not a 32-bit address`);
  }
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** Whether an address lies in a prefix such as `10.0.0.0/8`. */
export function inPrefix(address: string, prefix: string): boolean {
  const [network = "", bits = "32"] = prefix.split("/");
  const size = 2 ** (32 - Number(bits));
  return Math.floor(parseIpv4(address) / size) === Math.floor(parseIpv4(network) / size);
}
