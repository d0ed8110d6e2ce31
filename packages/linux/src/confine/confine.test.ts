import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Confinement, confine } from "./confine.ts";

const base: Confinement = { uid: 1001, gid: 1002, binds: { ro: ["/usr"] }, limits: { nofile: 64 } };

describe("confine()", () => {
  it("is one argument vector from limits to program", () => {
    const argv = confine(
      {
        ...base,
        netns: "/run/netns/wrenn-7-0",
        binds: { ro: ["/usr"], rw: [{ from: "/srv/a", to: "/data" }], devices: ["/dev/net/tun"] },
        symlinks: [{ target: "usr/lib", path: "/lib" }],
        tmpfs: [{ path: "/tmp", bytes: 4096 }],
        limits: { nofile: 64, fsizeBytes: 5, nproc: 6, memlockBytes: 7 },
        chdir: "/data",
        hostname: "guest",
      },
      ["/usr/bin/true", "--flag"],
      { info: 3, block: 4 },
    );
    assert.deepEqual(argv, [
      ...["prlimit", "--core=0:0", "--nofile=64:64", "--fsize=5:5", "--nproc=6:6", "--memlock=7:7", "--"],
      ...["nsenter", "--net=/run/netns/wrenn-7-0", "--"],
      ...["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
      ...["--as-pid-1", "--new-session", "--hostname", "guest", "--chdir", "/data"],
      ...["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", "4096", "--tmpfs", "/tmp"],
      ...["--ro-bind", "/usr", "/usr", "--bind", "/srv/a", "/data", "--dir", "/dev/net"],
      ...["--dev-bind", "/dev/net/tun", "/dev/net/tun", "--symlink", "usr/lib", "/lib"],
      ...["--remount-ro", "/"],
      ...["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"],
      ...["--info-fd", "3", "--block-fd", "4", "--"],
      ...["/usr/bin/setpriv", "--reuid=1001", "--regid=1002", "--clear-groups", "--no-new-privs"],
      ...["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"],
      ...["/usr/bin/true", "--flag"],
    ]);
  });

  it("ends in the program's own words, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (args) => {
        const argv = confine(base, ["/usr/bin/true", ...args]);
        assert.deepEqual(argv.slice(argv.length - args.length - 1), ["/usr/bin/true", ...args]);
        assert.equal(argv.includes("--block-fd") && !args.includes("--block-fd"), false);
      }),
    );
  });

  it("joins no network namespace when none is given", () => {
    assert.equal(confine(base, ["/usr/bin/true"]).includes("nsenter"), false);
  });
});
