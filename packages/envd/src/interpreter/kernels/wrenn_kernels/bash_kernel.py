"""Runs bash: one shell whose variables, functions and directory stay from one execution to the next."""

import os
import re
import select
import shlex
import signal
import subprocess
import threading

from .channel import Channel
from .output import Output
from .results import error

# Interactive, because only then does SIGINT end what is running and leave the shell. It reads its own commands from
# stdin, without prompts, history and job control; what it runs reads nothing.
COMMAND = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
SET_UP = "set +m +H +o history; unset HISTFILE; PS1= PS2=; shopt -u checkwinsize"

# Seconds between two interrupts of the same code.
INTERRUPT_EVERY = 0.2

# What can be a variable of the shell. Programs may be given others: a new shell passes those on.
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


class BashKernel:
    """A shell that has ended (`exit`) is replaced by a new one, and its state is gone."""

    def __init__(self, channel: Channel, output: Output) -> None:
        self._channel = channel
        self._output = output
        self._count = 0
        self._interrupted = False
        self._woken, self._wake = os.pipe()
        self._envs: dict[str, str] = {}
        self._lock = threading.Lock()
        # Not SIG_IGN, which the shell would inherit.
        signal.signal(signal.SIGINT, lambda _signal, _frame: None)
        self._start()

    def execute(self, code: str, envs: dict[str, str]) -> None:
        self._count += 1
        self._channel.emit({"type": "number_of_executions", "execution_count": self._count})
        status = self._run(code, envs)
        if status is None:
            status = str(self._end())
            os.write(2, f"bash has ended with status {status}; its variables and directory are gone\n".encode())
            self._start()
        if status != "0":
            self._output.drain()
            self._channel.emit(error("ExitStatus", status, f"bash: exit status {status}"))

    def interrupt(self) -> None:
        """The shell is told where its answer is waited for."""
        self._interrupted = True
        os.write(self._wake, b"!")

    def forget(self) -> None:
        self._interrupted = False

    def renew(self, envs: dict[str, str], seed: bytes) -> None:
        """Between two executions: the shell reads it when it has time."""
        given, self._envs = self._envs, envs
        lines = [take_over(name, given.get(name), value) for name, value in envs.items() if NAME.fullmatch(name)]
        # A seed of bash's generator is a number of 32 bits.
        self._say(*lines, f"RANDOM={int.from_bytes(seed[:4], 'little')}")

    def _start(self) -> None:
        code_end, self._code = os.pipe()
        self._status, status_end = os.pipe()
        self._said = b""
        self._ends = (code_end, status_end)
        errors = os.dup(2)
        self._shell = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            # It begins with a complaint about having no terminal.
            stderr=subprocess.DEVNULL,
            pass_fds=(*self._ends, errors),
            env={**os.environ, **self._envs, "PS1": "", "PS2": ""},
            process_group=0,
        )
        for descriptor in (*self._ends, errors):
            os.close(descriptor)
        self._say(f"exec 2>&{errors} {errors}>&-; {SET_UP}")

    def _end(self) -> int:
        """
        The status of a shell that says nothing any more, once it has ended: code may have put another program in its
        place (`exec`), which can be interrupted as well.
        """
        os.close(self._code)
        os.close(self._status)
        while True:
            try:
                return self._shell.wait(INTERRUPT_EVERY)
            except subprocess.TimeoutExpired:
                if self._interrupted:
                    os.killpg(self._shell.pid, signal.SIGINT)

    def _run(self, code: str, envs: dict[str, str]) -> str | None:
        """The status of the code; None when the shell has ended."""
        code_end, status_end = self._ends
        self._say(
            *(keep(name, value) for name, value in envs.items()),
            f"IFS= read -r -d '' -u {code_end} __wrenn_code; printf '0\\n' >&{status_end}",
            # The code cannot reach the shell's own channels.
            f'eval "$__wrenn_code" {code_end}<&- {status_end}>&- </dev/null',
            f"printf '%s\\n' \"$?\" >&{status_end}",
            *(put_back(name) for name in envs),
        )
        try:
            write_all(self._code, code.encode() + b"\0")
        except BrokenPipeError:
            return None
        # Only then may it be interrupted: an interrupt while it reads would leave a part of the code there.
        return None if self._answer() is None else self._answer(interruptible=True)

    def _say(self, *lines: str) -> None:
        """At once, so that nothing comes between the lines."""
        assert self._shell.stdin is not None
        try:
            with self._lock:
                write_all(self._shell.stdin.fileno(), "".join(f"{line}\n" for line in lines).encode())
        except BrokenPipeError:
            pass  # It has ended, which is found out where its answer is waited for.

    def _answer(self, interruptible: bool = False) -> str | None:
        """A line of the shell; None when it has ended."""
        while b"\n" not in self._said:
            wait: float | None = None
            if interruptible and self._interrupted:
                # Again and again: one may come just before the code begins, and is lost.
                os.killpg(self._shell.pid, signal.SIGINT)
                wait = INTERRUPT_EVERY
            ready = select.select([self._status, *([self._woken] if interruptible else [])], [], [], wait)[0]
            if self._woken in ready:
                os.read(self._woken, 64)
            if self._status not in ready:
                continue
            data = os.read(self._status, 64)
            if not data:
                return None
            self._said += data
        line, self._said = self._said.split(b"\n", 1)
        return line.decode()


def take_over(name: str, given: str | None, value: str) -> str:
    """Exports a variable, unless it was given another value before and no longer has that: then it is the user's own."""
    export = f"export {name}={shlex.quote(value)}"
    if given is None:
        return export
    return f'[ "${{{name}+=}}${{{name}-}}" != {shlex.quote("=" + given)} ] || {export}'


def keep(name: str, value: str) -> str:
    return f"__wrenn_had_{name}=${{{name}+x}} __wrenn_was_{name}=${{{name}-}}; export {name}={shlex.quote(value)}"


def put_back(name: str) -> str:
    return (
        f"if [ -n \"$__wrenn_had_{name}\" ]; then {name}=$__wrenn_was_{name}; else unset {name}; fi; "
        f"unset __wrenn_had_{name} __wrenn_was_{name}"
    )


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
