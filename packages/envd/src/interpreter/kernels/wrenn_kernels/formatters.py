"""Two more forms of values, beside those of Jupyter: the columns of a data frame, and what a chart shows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.formatters import BaseFormatter
from traitlets import Unicode

from .charts import chart_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

# A larger frame is shown as Jupyter does, in part; its file is the way to get all of it.
MAX_CELLS = 50_000


def add_formatters(shell: InteractiveShell) -> None:
    """Adds them to a shell. The libraries need not be there, or loaded."""
    display: Any = shell.display_formatter
    for formatter in (Data(parent=display), Chart(parent=display)):
        display.formatters[formatter.format_type] = formatter
        display.active_types = [*display.active_types, formatter.format_type]


class Data(BaseFormatter):
    """Lists of values by column, of a pandas DataFrame."""

    format_type = Unicode("wrenn/data")
    _return_type = dict

    def __call__(self, value: Any) -> dict[Any, Any] | None:
        if not is_one(value, "pandas.core.frame", "DataFrame") or value.size > MAX_CELLS:
            return None
        columns: dict[Any, Any] = value.to_dict(orient="list")
        return columns


class Chart(BaseFormatter):
    """What a figure of matplotlib shows. Not by its type: changing the format of pictures forgets those."""

    format_type = Unicode("wrenn/chart")
    _return_type = dict

    def __call__(self, value: Any) -> dict[Any, Any] | None:
        if not is_one(value, "matplotlib.figure", "Figure"):
            return None
        try:
            return chart_of(value)
        except Exception:  # noqa: BLE001 - an unusual figure still has its picture
            return None


def is_one(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class, of a module that may not be loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
