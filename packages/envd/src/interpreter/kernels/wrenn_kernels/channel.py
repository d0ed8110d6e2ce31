"""A kernel's connection to the agent: lines of JSON both ways."""

import json
import socket
import threading
from typing import Any

from .plain import plain

# Bytes of a line: what the agent takes. The largest lines are results, images above all.
MAX_LINE = 16 * 1024 * 1024


class Channel:
    """
    Sends whole lines from any thread. Lines that begin with `!` are for the agent, all others are passed on to whoever
    waits for the execution's results. Everything is ASCII: clients decode chunks of bytes one by one, and some of them
    take U+2028 for the end of a line.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._lines = connection.makefile("rb")
        # Whether the main thread is sending, and was to be interrupted meanwhile.
        self._sending = self._owed = False

    def receive(self) -> dict[str, Any] | None:
        """The agent's next message; None when it has gone."""
        line = self._lines.readline()
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def tell(self, **message: object) -> None:
        """Says something to the agent."""
        self._send(b"!" + json.dumps(message).encode())

    def emit(self, message: dict[str, Any]) -> None:
        """Adds a line to the results. One that is too long is replaced by a note on stderr."""
        line = json.dumps(plain(message), allow_nan=False).encode()
        if len(line) >= MAX_LINE:
            text = f"[a {message['type']} of {len(line)} bytes was left out; at most {MAX_LINE} are passed on]\n"
            line = json.dumps({"type": "stderr", "text": text, "timestamp": 0}).encode()
        self._send(line)

    def interrupt(self) -> None:
        """For a signal's handler: raises KeyboardInterrupt in the main thread, but never in the middle of a line."""
        if not self._sending:
            raise KeyboardInterrupt
        self._owed = True

    def _send(self, line: bytes) -> None:
        if threading.current_thread() is not threading.main_thread():
            return self._send_whole(line)
        self._owed = False
        self._sending = True
        try:
            self._send_whole(line)
        finally:
            self._sending = False
        if self._owed:
            raise KeyboardInterrupt

    def _send_whole(self, line: bytes) -> None:
        with self._lock:
            self._connection.sendall(line + b"\n")
