// Numbers of the kernel's userfaultfd interface. Source: include/uapi/linux/userfaultfd.h; struct offsets in 32-bit words.

/** `struct uffd_msg` is packed: event u8, then at byte 8 what the event says. */
export const MESSAGE = { bytes: 32, words: 8 } as const;

/** `uffd_msg.event`. */
export const EVENT = { pageFault: 0x12, fork: 0x13, remap: 0x14, remove: 0x15, unmap: 0x16 } as const;

/** Requests of ioctl_userfaultfd(2), made of the direction, the size of the argument, 0xAA and a number. */
export const REQUEST = {
  /** `struct uffdio_copy`: dst, src, len, mode, copy; 64 bits each. */
  copy: 0xc028aa03,
  /** `struct uffdio_zeropage`: start, len, mode, zeropage. */
  zeroPage: 0xc020aa04,
  /** `struct uffdio_range`: start, len. */
  wake: 0x8010aa02,
} as const;
