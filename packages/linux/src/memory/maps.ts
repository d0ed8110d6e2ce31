// What a process has mapped: `/proc/PID/maps`, proc_pid_maps(5). Pure.

export interface Mapping {
  start: number;
  /** First address after it. */
  end: number;
  /** Four characters: `rwx` or `-` in each place, then `p`rivate or `s`hared. */
  permissions: string;
  /** Of the mapped file; 0 for anonymous memory. */
  inode: number;
}

/** Addresses of user space have 47 bits (57 with five-level tables only when asked for), so numbers hold them exactly. */
export function parseMaps(text: string): Mapping[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ (\d+)/.exec(line);
    if (!match) return [];
    const [, start = "", end = "", permissions = "", inode = ""] = match;
    return [
      { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), permissions, inode: Number(inode) },
    ];
  });
}
