"""Runs Python in IPython's shell: its display of values, its tracebacks, `await`, `!` and `%`."""

import os
import signal
import sys
import warnings
from types import FrameType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from .channel import Channel
from .environment import GuestEnvironment, for_now
from .formatters import add_formatters
from .output import Output
from .results import error, result


class PythonKernel:
    """The shell is this process's only one, and was there before the process was forked."""

    def __init__(self, channel: Channel, output: Output) -> None:
        self._channel = channel
        self._shell = load_shell()
        self._shell.send = Sender(channel, output)
        self._guest = GuestEnvironment()
        self._running = False
        self._interrupted = False
        signal.signal(signal.SIGINT, self._on_interrupt)

    def execute(self, code: str, envs: dict[str, str]) -> None:
        shell = self._shell
        self._channel.emit({"type": "number_of_executions", "execution_count": shell.execution_count})
        try:
            with for_now(envs):
                self._running = True
                if self._interrupted:
                    raise KeyboardInterrupt
                shell.run_cell(code, store_history=True)
                self._running = False
        except KeyboardInterrupt:
            self._running = False
            # It came when the code had not begun or had ended already.
            shell.send.error("KeyboardInterrupt", "", "KeyboardInterrupt")

    def interrupt(self) -> None:
        self._interrupted = True
        # The programs that the code has started and waits for are in this group, too.
        os.killpg(0, signal.SIGINT)

    def forget(self) -> None:
        self._interrupted = False

    def renew(self, envs: dict[str, str], seed: bytes) -> None:
        self._guest.take_over(envs)

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self._running:
            self._channel.interrupt()


class Sender:
    """Where the shell's results go. What was printed before a result comes before it."""

    def __init__(self, channel: Channel, output: Output) -> None:
        self._channel = channel
        self._output = output

    def result(self, bundle: dict[str, Any], is_main: bool) -> None:
        self._output.drain()
        self._channel.emit(result(bundle, is_main))

    def error(self, name: str, value: str, traceback: str) -> None:
        self._output.drain()
        self._channel.emit(error(name, value, traceback))


class Value(DisplayHook):
    """The value of a cell's last expression."""

    shell: Any

    def write_output_prompt(self) -> None:
        """A prompt is for people at a terminal."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        self.shell.send.result(format_dict, True)

    def finish_displayhook(self) -> None:
        """Nothing was printed that needs an end."""


class Display(DisplayPublisher):
    """What a cell displays, figures among it."""

    shell: Any

    def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
        self.shell.send.result(data, False)

    def clear_output(self, wait: bool = False) -> None:
        """What has been sent has been sent."""


class Shell(InteractiveShell):
    """IPython without a terminal, a history on disk, or colours."""

    displayhook_class = Type(Value)
    display_pub_class = Type(Display)
    send: Sender

    # Programs write straight to the kernel's output, as they would in a terminal.
    system = InteractiveShell.system_raw

    def _showtraceback(self, etype: type, evalue: BaseException, stb: Any) -> None:
        try:
            value = str(evalue)
        except Exception:  # noqa: BLE001 - user code again
            value = "<no text>"
        self.send.error(etype.__name__, value, "\n".join(stb))

    def init_user_ns(self) -> None:
        super().init_user_ns()
        # The code ends; the kernel is not the code's to end.
        self.user_ns["exit"] = self.user_ns["quit"] = sys.exit

    def ask_exit(self) -> None:
        """As above."""

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no screen: figures are pictures in the results."""


def load_shell() -> Shell:
    """The shell, made and exercised at the first call, so that the first cell finds everything loaded."""
    if Shell.initialized():
        return Shell.instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    warnings.filterwarnings("ignore", message="To exit: use", category=UserWarning)
    shell = Shell.instance(config=config)
    shell.send = Silence()
    add_formatters(shell)
    shell.run_cell("1 / 0", store_history=False)
    if "matplotlib" in sys.modules:
        shell.run_line_magic("matplotlib", "inline")
        shell.run_cell(FIGURE, store_history=False, silent=True)
    shell.user_ns.pop("figure", None)
    shell.last_traceback = sys.last_traceback = None  # type: ignore[attr-defined]
    return shell


FIGURE = """
from matplotlib import pyplot as figure
figure.plot([1, 2])
figure.show()
figure.close("all")
"""


class Silence(Sender):
    """For what is done before there is anybody to tell."""

    def __init__(self) -> None:
        pass

    def result(self, bundle: dict[str, Any], is_main: bool) -> None:
        pass

    def error(self, name: str, value: str, traceback: str) -> None:
        pass
