// The pure parts of the database child; up.test.ts runs a real one.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findInstallation } from "./installation.ts";
import { scramVerifier } from "./scram.ts";
import { databaseUrl, externalDatabaseNotice, publicDatabaseUrl, serverSettings } from "./settings.ts";
import { parsePasswd } from "./system-user.ts";

let root: string;
before(() => {
  root = mkdtempSync(join(tmpdir(), "wrenn-database-"));
  for (const version of ["9.6", "14", "15", "17"]) {
    mkdirSync(join(root, "versions", version, "bin"), { recursive: true });
    writeFileSync(join(root, "versions", version, "bin/postgres"), "");
  }
  mkdirSync(join(root, "versions/18"));
});
after(() => rmSync(root, { recursive: true }));

function dataOf(version: string): string {
  const directory = mkdtempSync(join(root, "data-"));
  writeFileSync(join(directory, "PG_VERSION"), `${version}\n`);
  return directory;
}

describe("the PostgreSQL that runs", () => {
  const versions = (): string => join(root, "versions");

  it("is the newest complete one for a new directory", async () => {
    const found = await findInstallation(join(root, "absent"), versions());
    assert.deepEqual(found, { major: 17, bin: join(versions(), "17/bin") });
  });

  it("is the one that made an old directory", async () => {
    assert.equal((await findInstallation(dataOf("15"), versions())).major, 15);
  });

  it("is refused with a remedy when that is not installed", async () => {
    await assert.rejects(findInstallation(dataOf("16"), versions()), {
      code: "unavailable",
      message: /made by PostgreSQL 16, .*installed: 15, 17.*apt-get install postgresql-16/,
    });
    await assert.rejects(
      findInstallation(join(root, "absent"), join(root, "none")),
      /apt-get install postgresql/,
    );
  });
});

describe("the database's password", () => {
  it("is stored as PostgreSQL stores it", () => {
    // Password, salt and rounds of the exchange in RFC 7677; the verifier is that of a real server.
    assert.equal(
      scramVerifier("pencil", Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64")),
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==" +
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });

  it("differs with every salt", () => {
    assert.notEqual(scramVerifier("pencil"), scramVerifier("pencil"));
  });
});

describe("the server's settings", () => {
  it("open no port", () => {
    const settings = serverSettings("/run/wrenn/7/pg");
    assert.ok(settings.includes("listen_addresses="));
    assert.ok(settings.includes("unix_socket_directories=/run/wrenn/7/pg"));
  });

  it("are reached by a URL that any parser takes", () => {
    const url = new URL(databaseUrl("/run/wrenn/7/pg", "secret"));
    assert.equal(url.searchParams.get("host"), "/run/wrenn/7/pg");
    assert.equal(url.password, "secret");
  });
});

describe("a database that is not the instance's own", () => {
  it("is named without its password", () => {
    assert.equal(
      publicDatabaseUrl("postgres://app:s%40cret@db.example:5433/app?password=s%40cret&sslmode=require"),
      "postgres://app@db.example:5433/app",
    );
    assert.equal(
      publicDatabaseUrl(databaseUrl("/run/wrenn/7/pg", "secret")),
      "postgres://wrenn@localhost/wrenn?host=/run/wrenn/7/pg",
    );
    assert.equal(publicDatabaseUrl("host=db password=secret"), "one that is no URL");
  });

  it("is said to be another one than that which is there", () => {
    const url = "postgres://app:secret@db/app";
    assert.doesNotMatch(externalDatabaseNotice(url, undefined), /secret|unset/);
    assert.match(
      externalDatabaseNotice(url, "/var/lib/wrenn/postgres"),
      /\/var\/lib\/wrenn\/postgres.*unset/,
    );
  });
});

describe("parsePasswd()", () => {
  it("finds a user by its whole name", () => {
    const text = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:1:2::/:\npostgres:x:101:104::/:/bin/bash\n";
    assert.deepEqual(parsePasswd(text, "postgres"), { uid: 101, gid: 104 });
    assert.equal(parsePasswd(text, "nobody"), undefined);
  });
});
