"""Drives a sandbox by E2B's unmodified client: its environment says where. Prints what it has seen, as JSON."""

import json
import time

from e2b import CommandExitException, NotFoundException, Sandbox, SandboxNotRunningException


def main() -> None:
    seen = {}
    sandbox = Sandbox.create(template="base", timeout=600, metadata={"run": "python"}, envs={"GREETING": "hello"})
    again = sandbox
    try:
        result = sandbox.commands.run("echo $GREETING $(whoami); echo oops >&2", cwd="/tmp")
        seen["command"] = [result.stdout, result.stderr, result.exit_code]
        try:
            sandbox.commands.run("exit 3")
        except CommandExitException as error:
            seen["exit"] = error.exit_code
        chunks: list[str] = []
        sandbox.commands.run("for i in 1 2 3; do echo $i; done", on_stdout=chunks.append)
        seen["streamed"] = "".join(chunks)

        background = sandbox.commands.run("cat", background=True, stdin=True)
        sandbox.commands.send_stdin(background.pid, "through\n")
        for stdout, _, _ in background:
            if stdout:
                seen["stdin"] = stdout
                break
        seen["listed"] = any(process.pid == background.pid for process in sandbox.commands.list())
        seen["killed process"] = background.kill()

        sandbox.files.write("dir/hello.txt", "héllo")
        sandbox.files.write("dir/bytes", bytes(range(256)))
        seen["text"] = sandbox.files.read("dir/hello.txt")
        seen["bytes"] = bytes(sandbox.files.read("dir/bytes", format="bytes")) == bytes(range(256))
        seen["names"] = sorted(entry.name for entry in sandbox.files.list("dir"))
        watch = sandbox.files.watch_dir("dir")
        sandbox.files.write("dir/new", "x")
        until = time.monotonic() + 20
        names: set[str] = set()
        while "new" not in names and time.monotonic() < until:
            names |= {event.name for event in watch.get_new_events()}
            time.sleep(0.05)
        seen["watched"] = "new" in names
        watch.stop()
        sandbox.files.remove("dir/hello.txt")
        try:
            sandbox.files.read("dir/hello.txt")
        except NotFoundException:
            seen["removed"] = True

        page = Sandbox.list(query=None).next_items()
        seen["found"] = [sandbox.sandbox_id] == [item.sandbox_id for item in page]
        counter = sandbox.commands.run("while true; do date +%s%N > count; sleep 0.1; done", background=True)
        seen["paused"] = sandbox.pause() is not False
        seen["state"] = str(Sandbox.get_info(sandbox.sandbox_id).state.value)
        again = Sandbox.connect(sandbox.sandbox_id, timeout=600)
        seen["kept"] = again.files.read("dir/new")
        seen["alive"] = any(process.pid == counter.pid for process in again.commands.list())
        seen["metrics"] = len(again.get_metrics()) > 0
    finally:
        seen["killed"] = again.kill()
    seen["killed again"] = again.kill()
    try:
        again.commands.run("true")
    except SandboxNotRunningException:
        seen["gone"] = True
    print(json.dumps(seen))


main()
