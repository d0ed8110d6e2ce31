// The kernel modules that a guest needs before it has a root file system.

/**
 * In the order of loading, as paths below `kernel/` of the module directory. Debian's cloud kernel has ext4 and devtmpfs
 * built in, virtio and erofs not. A module comes after those that it depends on.
 */
export const GUEST_MODULES: readonly string[] = [
  "drivers/virtio/virtio_ring.ko",
  "drivers/virtio/virtio.ko",
  "drivers/virtio/virtio_mmio.ko",
  "drivers/block/virtio_blk.ko",
  "net/core/failover.ko",
  "drivers/net/net_failover.ko",
  "drivers/net/virtio_net.ko",
  // The source of randomness that a VMM may offer: the kernel draws on it by itself, also after a restore.
  "drivers/char/hw_random/virtio-rng.ko",
  "lib/libcrc32c.ko",
  "fs/erofs/erofs.ko",
];
