// The events of inotify(7), as bytes and as values.

export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x0100_0000;
export const IN_DONT_FOLLOW = 0x0200_0000;
export const IN_ISDIR = 0x4000_0000;

/** wd, mask, cookie and len of `struct inotify_event`. */
const HEADER_BYTES = 16;

export interface InotifyEvent {
  watch: number;
  mask: number;
  /** The same in both halves of a move. */
  cookie: number;
  /** Empty: the watched directory itself. */
  name: string;
}

/** Whole events from what was read. Names that are not UTF-8 are decoded with replacement characters. */
export function parseInotifyEvents(bytes: Uint8Array): InotifyEvent[] {
  const events: InotifyEvent[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at + 12, true);
    const padded = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const end = padded.indexOf(0);
    events.push({
      watch: view.getInt32(at, true),
      mask: view.getUint32(at + 4, true),
      cookie: view.getUint32(at + 8, true),
      name: Buffer.from(end === -1 ? padded : padded.subarray(0, end)).toString("utf8"),
    });
    at += HEADER_BYTES + length;
  }
  return events;
}
