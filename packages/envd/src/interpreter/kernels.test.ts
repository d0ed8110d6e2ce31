// Parts of the kernels by themselves: what an interrupt must not do, at moments that clients cannot choose.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const KERNELS = join(import.meta.dirname, "kernels");

/** Runs Python where it finds the kernels' modules, and fails with its traceback. */
function python(script: string): void {
  const { status, stderr } = spawnSync("/usr/bin/python3", ["-B", "-"], {
    ...{ cwd: KERNELS, input: script, encoding: "utf8", timeout: 60_000 },
    env: { PATH: "/usr/bin:/bin", PYTHONPATH: KERNELS },
  });
  assert.equal(status, 0, stderr);
}

test("an interrupt in the middle of a line comes behind it", () =>
  python(`
import json, signal, socket, threading
from wrenn_kernels.channel import Channel

ours, theirs = socket.socketpair()
channel = Channel(theirs)
signal.signal(signal.SIGINT, lambda *_: channel.interrupt())
size = 8_000_000
got = b""

def read():
    global got
    # More than a socket holds: once some of it has come, the rest is being sent.
    got = ours.recv(1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    while data := ours.recv(65536):
        got += data

reader = threading.Thread(target=read, daemon=True)
reader.start()
try:
    channel.emit({"type": "result", "text": "x" * size})
    interrupted = False
except KeyboardInterrupt:
    interrupted = True
channel.emit({"type": "result", "text": "next"})
theirs.shutdown(socket.SHUT_WR)
reader.join()
lengths = [len(json.loads(line)["text"]) for line in got.splitlines()]
assert (interrupted, lengths) == (True, [size, 4]), (interrupted, lengths)
`));

for (const [kernel, code] of [
  ["python_kernel.PythonKernel", "1"],
  ["bash_kernel.BashKernel", "sleep 0.5"],
]) {
  const [module, name] = (kernel ?? "").split(".");
  test(`an interrupt of an execution that has just ended leaves the next one alone: ${name}`, () =>
    python(`
import os, socket, sys
os.setsid()
from wrenn_kernels.channel import Channel
from wrenn_kernels.output import Output
from wrenn_kernels.session import Turns
from wrenn_kernels.${module} import ${name}

errors = os.dup(2)
ours, theirs = socket.socketpair()
channel = Channel(theirs)
kernel = ${name}(channel, Output(channel))
turns = Turns(kernel)
for number in (1, 2):
    assert turns.begin(number)
    kernel.execute("${code}", {})
    if number == 1:
        turns.interrupt(number)
    turns.end()
theirs.shutdown(socket.SHUT_WR)
said = b"".join(iter(lambda: ours.recv(65536), b""))
os.write(errors, said)
os._exit(1 if b'"error"' in said else 0)
`));
}
