// @wrenn/linux/uffd: what a thread that serves another process's page faults needs, and nothing that it does not.
export { ERRNO } from "../libc/errno.ts";
export { closeDescriptor } from "../libc/libc.ts";
export { NativeBuffer } from "../libc/native-buffer.ts";
export {
  acceptUnix,
  type PeerCredentials,
  peerCredentials,
  type Received,
  receiveDescriptors,
} from "../socket/unix-peer.ts";
export { EventFd } from "../wait/event-fd.ts";
export { POLL, PollSet } from "../wait/poll-set.ts";
export { EVENT } from "./abi.ts";
export { Userfaultfd } from "./userfaultfd.ts";
