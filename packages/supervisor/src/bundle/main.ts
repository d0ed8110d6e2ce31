// Bundles a program in a process that ends: node packages/supervisor/src/bundle/main.ts TREE ENTRY OUTFILE
import { chmod, rename, rm } from "node:fs/promises";
import { bundle } from "./bundle.ts";

const [root = "", entry = "", outfile = ""] = process.argv.slice(2);
// Complete or not there: somebody may be starting the one that it replaces.
const written = `${outfile}.${process.pid}`;
try {
  await bundle({ root, entry, outfile: written });
  // The control plane's user reads it too.
  await chmod(written, 0o644);
  await rename(written, outfile);
} finally {
  await rm(written, { force: true });
}
