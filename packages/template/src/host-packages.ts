// What the host must have for the builds of this package.

/**
 * Debian packages with the commands that are run here. `dpkg-deb`, `apt-get`, `unshare`, `flock` and `cat` are part of
 * every Debian. What ends up in a guest is not taken from the host but from packages downloaded into the cache.
 */
export const HOST_PACKAGES: readonly string[] = [
  "ca-certificates",
  "cpio",
  "debian-archive-keyring",
  "e2fsprogs",
  "erofs-utils",
  "lz4",
  "mmdebstrap",
  "umoci",
  "util-linux",
];
