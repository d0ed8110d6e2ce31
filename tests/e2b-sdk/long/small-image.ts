// An image of a few programs of this machine: bash, what a build's steps use, and the libraries of both.
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Entry } from "../../../packages/template/src/testing/archive.ts";

const PROGRAMS = "bash cat chmod chown cp dirname env ls mkdir mktemp mv pwd rm sleep tar whoami".split(" ");

/** Entries of one layer. The programs lie below `/usr`; `/bin` and the like are links, as Debian has them. */
export function smallSystem(): Entry[] {
  const files = new Set<string>();
  for (const program of PROGRAMS) {
    const path = realpathSync(`/usr/bin/${program}`);
    files.add(`/usr/bin/${program}`);
    const said = execFileSync("ldd", [path], { encoding: "utf8" });
    for (const [, library = ""] of said.matchAll(/(\/\S+) \(0x/g)) files.add(library);
  }
  const places = [...files].map((file) => ({ path: place(file), content: readFileSync(file) }));
  const directories = new Set(["etc", "usr", "root"]);
  for (const { path } of places)
    for (let dir = dirname(path); dir !== "."; dir = dirname(dir)) directories.add(dir);
  return [
    ...[...directories].sort().map((path): Entry => ({ path: `${path}/`, type: "Directory" })),
    ...["bin", "lib", "lib64"].map(
      (path): Entry => ({ path, type: "SymbolicLink", linkpath: `usr/${path}` }),
    ),
    ...places.map(({ path, content }): Entry => ({ path, content, mode: 0o755 })),
    { path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/bash\n" },
    { path: "etc/group", content: "root:x:0:\n" },
  ];
}

/** Where a file of this machine is below `/usr`, whatever link it was named by. */
function place(file: string): string {
  const name = basename(file);
  const dir = dirname(file);
  const real = lstatSync(`/${dir.split("/")[1]}`).isSymbolicLink() ? `/usr${dir}` : dir;
  return `${real.slice(1)}/${name}`;
}
