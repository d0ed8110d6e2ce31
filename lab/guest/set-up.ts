// What makes a bare guest into a host: its disks, its kernel modules, its keys.
import { readFile } from "node:fs/promises";
import { INSIDE } from "../layout.ts";
import { certificatePaths } from "../machine/certificates.ts";
import type { LabGuest } from "./lab-guest.ts";

/** Those that nothing loads by itself. */
const MODULES = [
  "kvm_amd",
  "dm_mod",
  "dm_snapshot",
  "dm_zero",
  "loop",
  "nbd",
  "tun",
  "veth",
  "vhost_vsock",
  "nf_tables",
] as const;

/** The host agent's directory under /run is, in a guest, where the agent drive is; what runs from that has been loaded. */
const RUN = "/run/wrenn";

/** Mounts the store (vdc) and the code (vdd), loads what a host of the platform wants, and brings in the TLS files. */
export async function setUpLab(guest: LabGuest, tlsDir: string): Promise<void> {
  await guest.run(["mkdir", "-p", INSIDE.code, INSIDE.store]);
  await guest.run(["mount", "-t", "ext4", "-o", "noatime", "/dev/vdc", INSIDE.store]);
  await guest.run(["mount", "-t", "erofs", "-o", "ro", "/dev/vdd", INSIDE.code]);
  await guest.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", RUN]);
  // Waiting busily for a guest to wake up, as KVM does for a moment, would here take the processor from that guest.
  await guest.run(["modprobe", "kvm", "halt_poll_ns=0"]);
  await guest.run(["modprobe", "-a", ...MODULES]);
  const { ca, host } = certificatePaths(tlsDir);
  await guest.write(`${INSIDE.tls}/ca.pem`, await readFile(ca));
  await guest.write(`${INSIDE.tls}/host.pem`, await readFile(host.cert));
  await guest.write(`${INSIDE.tls}/host.key`, await readFile(host.key));
}
