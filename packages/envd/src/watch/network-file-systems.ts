// File systems that others can change without this kernel's knowledge.

/** `f_type` of file systems (statfs(2), include/uapi/linux/magic.h). */
const NETWORK_TYPES = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff53_4d42, // CIFS
  0xfe53_4d42, // SMB 2
  0x6573_5546, // FUSE, virtiofs
  0x0102_1997, // 9P
  0x00c3_6400, // Ceph
  0x5346_414f, // AFS
]);

/** Whether a type as statfs(2) gives it, signed or not, is that of a network file system. */
export function isNetworkFileSystem(type: number): boolean {
  return NETWORK_TYPES.has(type >>> 0);
}
