// Which address of a VMM is which page of the guest's memory, as the VMM says when it hands its userfaultfd over.
// Source: `GuestRegionUffdMapping` in Firecracker's src/vmm/src/persist.rs, docs/snapshotting/
// handling-page-faults-on-snapshot-resume.md (v1.16).
import { WrennError } from "@wrenn/core";
import { PAGE_BYTES } from "../vmm.ts";

/** Regions of one machine. x86-64 has two (below and above the hole for devices), and one for each that is added. */
export const MAX_REGIONS = 64;

/** Addresses of user space lie below this; a number holds them exactly. */
const ADDRESS_LIMIT = 2 ** 47;

/** A part of the guest's memory in one piece of the VMM's address space. */
export interface Region {
  /** First address in the VMM, a multiple of 4096. */
  address: number;
  /** First page in the saved memory. */
  firstPage: number;
  pages: number;
}

/** The regions of a memory: disjoint, all of it, ascending by page. */
export class Regions {
  readonly list: readonly Region[];
  /** Where the last look-up was found: most are in the largest region. */
  #last: Region;

  private constructor(list: readonly Region[], first: Region) {
    this.list = list;
    this.#last = first;
  }

  /**
   * Reads the JSON of a handshake for a memory of so many pages. Throws `invalid_argument` with what is wrong with it.
   */
  static parse(text: string, pages: number): Regions {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw wrong("not JSON", cause);
    }
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_REGIONS) {
      throw wrong(`not a list of 1 to ${MAX_REGIONS} regions`);
    }
    const list = value.map(regionOf).sort((a, b) => a.firstPage - b.firstPage);
    let covered = 0;
    for (const { firstPage, pages: own } of list) {
      if (firstPage !== covered)
        throw wrong(`page ${Math.min(firstPage, covered)} is in no region, or in two`);
      covered += own;
    }
    if (covered !== pages) throw wrong(`${covered} pages instead of ${pages}`);
    const byAddress = list.toSorted((a, b) => a.address - b.address);
    for (const [i, { address }] of byAddress.entries()) {
      const before = byAddress[i - 1];
      if (before && before.address + before.pages * PAGE_BYTES > address) throw wrong("regions overlap");
    }
    return new Regions(list, list[0] as Region);
  }

  /** The region in which an address lies; undefined when it is none of the guest's. */
  at(address: number): Region | undefined {
    if (!holds(this.#last, address)) {
      const found = this.list.find((region) => holds(region, address));
      if (!found) return undefined;
      this.#last = found;
    }
    return this.#last;
  }

  /** The region that holds a page. */
  of(page: number): Region {
    const { firstPage, pages } = this.#last;
    if (!(page >= firstPage && page < firstPage + pages)) {
      const found = this.list.find((region) => page < region.firstPage + region.pages);
      if (!found) throw new WrennError("internal", `page ${page} is in no region`);
      this.#last = found;
    }
    return this.#last;
  }
}

/** The page that an address of a region stands for. */
export function pageAt(region: Region, address: number): number {
  return region.firstPage + Math.floor((address - region.address) / PAGE_BYTES);
}

/** The first address of a page of a region. */
export function addressOf(region: Region, page: number): number {
  return region.address + (page - region.firstPage) * PAGE_BYTES;
}

function holds({ address, pages }: Region, wanted: number): boolean {
  return wanted >= address && wanted < address + pages * PAGE_BYTES;
}

/** One entry; fields that are not known are left alone, as newer versions may add some. */
function regionOf(entry: unknown): Region {
  if (typeof entry !== "object" || entry === null) throw wrong("a region is not an object");
  const fields = entry as Record<string, unknown>;
  // `page_size_kib` holds bytes, in spite of its name, and goes away with version 2.
  const pageSize = fields["page_size"] ?? fields["page_size_kib"];
  if (pageSize !== PAGE_BYTES)
    throw wrong(`pages of ${JSON.stringify(pageSize)} bytes: only ${PAGE_BYTES} are served`);
  const address = multiple(fields, "base_host_virt_addr");
  const size = multiple(fields, "size");
  if (size === 0 || address + size > ADDRESS_LIMIT) throw wrong("a region that no process can have");
  return { address, firstPage: multiple(fields, "offset") / PAGE_BYTES, pages: size / PAGE_BYTES };
}

function multiple(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !(value >= 0 && value < ADDRESS_LIMIT) || value % PAGE_BYTES !== 0) {
    throw wrong(`${name} is not a multiple of ${PAGE_BYTES}`);
  }
  return value;
}

function wrong(what: string, cause?: unknown): WrennError {
  return new WrennError("invalid_argument", `a VMM describes its memory wrongly: ${what}`, { cause });
}
