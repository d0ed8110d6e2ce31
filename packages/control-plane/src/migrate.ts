// Command: node packages/control-plane/src/migrate.ts up | down | create NAME. Reads DATABASE_URL.
import { connectDatabase } from "./db/connect.ts";
import { createMigration, migrateDown, migrateUp } from "./db/migrator.ts";

const USAGE = "usage: migrate.ts up | down | create NAME  (DATABASE_URL names the database)";

const [command, name] = process.argv.slice(2);
if (command === "create" && name !== undefined) {
  console.log(await createMigration(name, new Date()));
} else if ((command === "up" || command === "down") && process.env["DATABASE_URL"]) {
  await migrate(command, process.env["DATABASE_URL"]);
} else {
  console.error(USAGE);
  process.exitCode = 2;
}

async function migrate(direction: "up" | "down", url: string): Promise<void> {
  const db = connectDatabase({ url, onIdleError: (error) => console.error(error.message) });
  try {
    const names = await (direction === "up" ? migrateUp(db) : migrateDown(db));
    console.log(
      names.length === 0 ? "nothing to do" : names.map((done) => `${direction} ${done}`).join("\n"),
    );
  } finally {
    await db.destroy();
  }
}
