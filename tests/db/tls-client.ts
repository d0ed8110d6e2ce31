// A program as a user of E2B's client writes it: nothing but the domain and the key in the environment.
import { Sandbox } from "e2b";

const sandbox = await Sandbox.create();
const running = await sandbox.isRunning();
const page = await fetch(`https://${sandbox.getHost(3000)}/page`);
process.stdout.write(JSON.stringify({ running, host: sandbox.getHost(3000), page: await page.text() }));
await sandbox.kill();
