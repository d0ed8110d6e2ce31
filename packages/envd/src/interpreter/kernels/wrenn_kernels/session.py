"""
What the agent and a kernel say to each other.

    kernel  !{"hello": {"key", "pid"}}            which order this is the answer to
    agent   {"op": "begin", "cwd", "envs", "seed"}
    kernel  !{"ready": true} or !{"failed": text}
    agent   {"op": "execute", "id", "code", "envs"}
    kernel  lines of results, then !{"done": id}
    agent   {"op": "interrupt", "id"}             like Ctrl-C; nothing when that execution is over
    agent   {"op": "renew", "envs", "seed"}       also in the middle of an execution: it is another copy now
"""

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from .channel import Channel
from .output import Output
from .randomness import reseed
from .results import error


Orders = queue.SimpleQueue[dict[str, Any]]


class Kernel(Protocol):
    """Runs code of one language."""

    def execute(self, code: str, envs: dict[str, str]) -> None:
        """Runs code; `envs` hold for this one execution. What goes wrong in the code is a line of its results."""

    def interrupt(self) -> None:
        """Ends the execution under way and what it started. From another thread."""

    def forget(self) -> None:
        """That execution is over: no interrupt of it is left for the next one."""

    def renew(self, envs: dict[str, str], seed: bytes) -> None:
        """Takes over an environment (all of it that is not the user's own) and randomness. From another thread."""


class Turns:
    """Which execution is under way, so that an interrupt hits the one that was meant."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._lock = threading.Lock()
        self._current: int | None = None
        self._cancelled: int | None = None

    def begin(self, number: int) -> bool:
        """Whether it is still wanted."""
        with self._lock:
            if self._cancelled == number:
                return False
            self._current = number
            return True

    def end(self) -> None:
        with self._lock:
            self._current = None
            self._kernel.forget()

    def interrupt(self, number: int) -> None:
        with self._lock:
            if self._current == number:
                self._kernel.interrupt()
            else:
                # Not begun yet, or over; numbers are never used again.
                self._cancelled = number


def serve(channel: Channel, make: Callable[[Output], Kernel]) -> None:
    """Serves the agent until it closes the connection."""
    begin = channel.receive()
    if begin is None:
        return
    try:
        os.chdir(begin["cwd"])
    except OSError as failure:
        channel.tell(failed=f"{begin['cwd']}: {failure.strerror}")
        return
    os.environ["PWD"] = os.getcwd()
    seed = bytes.fromhex(begin["seed"])
    reseed(seed)
    output = Output(channel)
    kernel = make(output)
    kernel.renew(begin["envs"], seed)
    output.drain()
    channel.tell(ready=True)
    turns = Turns(kernel)
    orders: Orders = queue.SimpleQueue()
    threading.Thread(target=listen, args=(channel, kernel, turns, orders), name="orders", daemon=True).start()
    while True:
        order = orders.get()
        if turns.begin(order["id"]):
            kernel.execute(order["code"], order["envs"])
            turns.end()
        else:
            channel.emit(error("KeyboardInterrupt", "", "KeyboardInterrupt"))
        output.drain()
        channel.tell(done=order["id"])


def listen(channel: Channel, kernel: Kernel, turns: Turns, orders: Orders) -> None:
    """Reads what the agent says. Nothing else can be done once it has gone."""
    while (order := channel.receive()) is not None:
        if order["op"] == "execute":
            orders.put(order)
        elif order["op"] == "interrupt":
            turns.interrupt(order["id"])
        else:
            seed = bytes.fromhex(order["seed"])
            reseed(seed)
            kernel.renew(order["envs"], seed)
    os._exit(0)
