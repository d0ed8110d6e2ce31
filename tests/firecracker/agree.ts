// Compares our schemas of Firecracker's API with a published description: `node tests/firecracker/agree.ts FILE`, or the
// file that FIRECRACKER_SPEC names (src/firecracker/swagger/firecracker.yaml of its sources). The description is another
// project's and is not kept here.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { OPERATIONS } from "../../packages/vmm/src/firecracker/api/operations.ts";
import { SCHEMAS } from "../../packages/vmm/src/firecracker/api/schemas.ts";
import { type Description, disagreements } from "../../packages/vmm/src/firecracker/testing/agreement.ts";

const path = process.argv[2] ?? process.env["FIRECRACKER_SPEC"];
if (!path) {
  console.error("usage: node tests/firecracker/agree.ts FILE");
  process.exit(2);
}
const description = parse(await readFile(path, "utf8")) as Description;
const found = disagreements(description);
for (const sentence of found) console.error(sentence);
const counts = `${Object.keys(SCHEMAS).length} schemas, ${Object.keys(OPERATIONS).length} calls`;
console.log(`Firecracker ${description.info?.version}: ${counts}, ${found.length} differences`);
process.exitCode = found.length === 0 ? 0 : 1;
