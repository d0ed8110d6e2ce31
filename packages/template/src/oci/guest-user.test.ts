import assert from "node:assert/strict";
import { test } from "node:test";
import { withGuestUser } from "./guest-user.ts";

const USER = { name: "user", home: "/home/user" };
const ROOT = {
  passwd: "root:x:0:0:root:/root:/bin/bash",
  group: "root:x:0:",
  shadow: "root:*:19000:0:99999:7:::\n",
};

test("a user gets the first id that nobody has", () => {
  const { accounts, id } = withGuestUser(ROOT, USER);
  assert.equal(id, 1000);
  assert.deepEqual(accounts.passwd.split("\n"), [ROOT.passwd, "user:x:1000:1000::/home/user:/bin/bash", ""]);
  assert.deepEqual(accounts.group.split("\n"), ["root:x:0:", "user:x:1000:", ""]);
  const node = {
    ...ROOT,
    passwd: `${ROOT.passwd}\nnode:x:1000:1000::/home/node:/bin/bash\n`,
    group: "user:x:1001:",
  };
  const second = withGuestUser(node, USER);
  assert.equal(second.id, 1002);
  assert.match(second.accounts.group, /^user1002:x:1002:$/m);
});

test("a user that is there stays as it is", () => {
  const there = { ...ROOT, passwd: `${ROOT.passwd}\nuser:x:7:7::/srv:/bin/sh\n` };
  assert.deepEqual(withGuestUser(there, USER), { accounts: there, id: undefined });
});
