import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { closeDescriptor } from "../libc/libc.ts";
import { NativeBuffer } from "../libc/native-buffer.ts";
import { until } from "../run/until.ts";
import { listenUnix } from "./unix-listener.ts";
import { acceptUnix, peerCredentials, receiveDescriptors } from "./unix-peer.ts";

describe("acceptUnix()", () => {
  const dir = mkdtempSync(join(tmpdir(), "wrenn-peer-"));
  after(() => rmSync(dir, { recursive: true }));

  it("takes a connection, says who it is and what it sends, and when it goes", async () => {
    const path = join(dir, "socket");
    const before = readdirSync("/proc/self/fd").length;
    const listener = listenUnix(path, { nonBlocking: true });
    assert.equal(acceptUnix(listener), undefined);
    const client = connect(path);
    await once(client, "connect");
    const connection = acceptUnix(listener);
    assert.ok(connection !== undefined);
    assert.deepEqual(peerCredentials(connection), {
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    const buffer = new NativeBuffer(16);
    assert.equal(receiveDescriptors(connection, buffer), undefined);
    client.write("twenty bytes of text");
    let text = "";
    const all = () => {
      const part = receiveDescriptors(connection, buffer);
      if (part) {
        assert.deepEqual(part.descriptors, []);
        text += buffer.bytes.toString("latin1", 0, part.bytes);
      }
      return text.length === 20;
    };
    assert.ok(await until(all, { timeoutMs: 5000 }));
    assert.equal(text, "twenty bytes of text");
    client.destroy();
    await once(client, "close");
    assert.deepEqual(receiveDescriptors(connection, buffer), { bytes: 0, descriptors: [] });
    closeDescriptor(connection);
    closeDescriptor(listener);
    assert.equal(readdirSync("/proc/self/fd").length, before);
  });
});
