"""Makes kernels: loads once what every kernel needs, then forks one whenever the agent asks for it.

    python3 main.py SOCKET [MODULE ...]

A kernel made by forking is there at once and shares the memory of what is loaded, which is what an emulated guest
needs: importing takes it tens of seconds. Reads lines `{"key": ..., "language": ...}` on stdin, one for each kernel,
until stdin ends. A kernel connects to SOCKET and says its key; see wrenn_kernels/session.py for what follows. Prints
`ready` once, when everything is loaded.
"""

import importlib
import json
import os
import signal
import socket
import sys
from types import FrameType

from wrenn_kernels.bash_kernel import BashKernel
from wrenn_kernels.channel import Channel
from wrenn_kernels.output import Output
from wrenn_kernels.python_kernel import PythonKernel, load_shell
from wrenn_kernels.session import Kernel, serve


def main() -> None:
    path, *modules = sys.argv[1:]
    # User code finds what lies in its working directory, and nothing of this one.
    sys.path[0] = ""
    # Modules may print something.
    ready = os.dup(1)
    os.dup2(2, 1)
    for module in modules:
        importlib.import_module(module)
    load_shell()
    # Children are reaped by the kernel; the agent sees them end by their sockets.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, ignore)
    os.write(ready, b"ready\n")
    os.close(ready)
    orders = os.fdopen(os.dup(0), "rb")
    # What kernels and their programs read is empty.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    while line := orders.readline():
        if os.fork() == 0:
            os.close(orders.fileno())
            run(path, json.loads(line))


def run(path: str, order: dict[str, str]) -> None:
    """The life of one kernel, which ends with its connection. Does not return."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        channel = Channel(connection)
        channel.tell(hello={"key": order["key"], "pid": os.getpid()})
        serve(channel, lambda output: make(order["language"], channel, output))
    except BaseException as error:  # noqa: BLE001 - the last word of a process
        os.write(2, f"kernel: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(0)


def make(language: str, channel: Channel, output: Output) -> Kernel:
    if language == "bash":
        return BashKernel(channel, output)
    return PythonKernel(channel, output)


def ignore(_signal: int, _frame: FrameType | None) -> None:
    """Does nothing. A handler, and not SIG_IGN: programs that are started get the default back."""


if __name__ == "__main__":
    main()
