"""What a kernel's process, and every program that it starts, writes to its stdout and stderr."""

import codecs
import os
import select
import sys
import threading
import time

from .channel import Channel

CHUNK = 64 * 1024
# Chunks that one `drain` takes: a program in the background that never stops writing holds nobody up.
DRAIN_CHUNKS = 64


class Output:
    """
    Descriptors 1 and 2 become pipes whose other ends are read here and sent on as they come. Python's own output takes
    the same way, so that all of it keeps its order, and a slow reader slows down whoever writes.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._pipes = {capture(1): ("stdout", decoder()), capture(2): ("stderr", decoder())}
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
        threading.Thread(target=self._pump, name="output", daemon=True).start()

    def drain(self) -> None:
        """Sends all that has been written so far. What comes afterwards on the channel is then in order behind it."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # noqa: BLE001 - user code may have put anything there, or closed it
                pass
        with self._lock:
            for pipe in self._pipes:
                for _ in range(DRAIN_CHUNKS):
                    if not self._pass_on(pipe):
                        break

    def _pump(self) -> None:
        poll = select.poll()
        for pipe in self._pipes:
            poll.register(pipe, select.POLLIN)
        while True:
            for pipe, _ in poll.poll():
                with self._lock:
                    self._pass_on(pipe)

    def _pass_on(self, pipe: int) -> bool:
        """Sends what one read gives; whether there was anything. Under the lock."""
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        kind, decode = self._pipes[pipe]
        if text := decode.decode(data):
            self._channel.emit({"type": kind, "text": text, "timestamp": time.time_ns()})
        return True


def capture(descriptor: int) -> int:
    """Puts a pipe in a descriptor's place; the end to read from, which does not wait."""
    reading, writing = os.pipe()
    os.dup2(writing, descriptor)
    os.close(writing)
    os.set_blocking(reading, False)
    return reading


def decoder() -> codecs.IncrementalDecoder:
    """A character may be cut in two by the size of a read."""
    return codecs.getincrementaldecoder("utf-8")(errors="replace")
