import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withFixedPasswordDays, withUser } from "./accounts.ts";

const SYSTEM = {
  passwd: "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
  group: "root:x:0:\ndaemon:x:1:\nusers:x:100:\n",
  shadow: "root:*:20254:0:99999:7:::\ndaemon:*:20255:0:99999:7:::\n",
  gshadow: "root:*::\n",
};
const ann = { name: "ann", home: "/home/ann", sudo: "none" } as const;

describe("the user database", () => {
  it("gets a user for whom no password fits", () => {
    const { passwd, group, shadow, gshadow } = withUser(SYSTEM, ann);
    assert.equal(passwd.slice(SYSTEM.passwd.length), "ann:x:1000:1000::/home/ann:/bin/bash\n");
    assert.equal(group.slice(SYSTEM.group.length), "ann:x:1000:\n");
    assert.match(shadow.slice(SYSTEM.shadow.length), /^ann:!:\d+:/);
    assert.equal(gshadow.slice(SYSTEM.gshadow.length), "ann:!::\n");
  });

  it("refuses a name or an id that a package has taken", () => {
    const clash = { code: "invalid_argument", field: "recipe.user.name" };
    assert.throws(() => withUser(SYSTEM, { ...ann, name: "daemon" }), clash);
    assert.throws(() => withUser(SYSTEM, { ...ann, name: "users" }), clash);
    assert.throws(() => withUser({ ...SYSTEM, group: `${SYSTEM.group}other:x:1000:\n` }, ann), clash);
  });

  it("does not tell the day of the build", () => {
    const fixed = withFixedPasswordDays(SYSTEM.shadow);
    assert.equal(fixed, withFixedPasswordDays(SYSTEM.shadow.replaceAll("2025", "2099")));
    assert.equal(fixed.split("\n").length, 3);
    assert.match(fixed, /^root:\*:\d+:0:99999:7:::\ndaemon:/);
  });
});
