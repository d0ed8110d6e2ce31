"""
What a matplotlib figure shows, as data: the shapes that the clients of the code interpreter know.

Lines, scatter plots, bars, pies, and boxes drawn with `patch_artist=True`. A figure of several axes is a superchart of
their charts. Whatever else is `unknown`, with its title and no elements.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from .plain import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Chart = dict[str, Any]

# A unit in a label: `Time (s)`, `Length [m]`.
UNIT = re.compile(r"\s\((.+?)\)|\s\[(.+?)\]")
# Points of one line or scatter; of a longer one, the first.
MAX_POINTS = 50_000


def chart_of(figure: Figure) -> Chart | None:
    """The chart of a figure; None of an empty one."""
    axes = figure.axes
    if not axes:
        return None
    if len(axes) == 1:
        return chart_of_axes(axes[0])
    title = figure._suptitle
    return {
        "type": "superchart",
        "title": title.get_text() if title else None,
        "elements": [chart_of_axes(each) for each in axes],
    }


def chart_of_axes(axes: Axes) -> Chart:
    for kind, of in (("pie", pie), ("bar", bars), ("box_and_whisker", boxes), ("scatter", scatter), ("line", lines)):
        content = of(axes)
        if content is not None:
            return {"type": kind, "title": axes.get_title() or None, **content}
    return {"type": "unknown", "title": axes.get_title() or None, "elements": []}


def lines(axes: Axes) -> Chart | None:
    if not axes.lines or axes.patches or axes.collections:
        return None
    return {
        **points_chart(axes),
        "elements": [
            {"label": line.get_label(), "points": points(line.get_xdata(orig=True), line.get_ydata(orig=True))}
            for line in axes.lines
        ],
    }


def scatter(axes: Axes) -> Chart | None:
    from matplotlib.collections import PathCollection

    clouds = list(axes.collections)
    if not clouds or axes.patches or axes.lines or not all(isinstance(each, PathCollection) for each in clouds):
        return None
    return {
        **points_chart(axes),
        "elements": [
            {"label": cloud.get_label(), "points": points(*zip(*cloud.get_offsets().tolist(), strict=True))}
            for cloud in clouds
            if len(cloud.get_offsets())
        ],
    }


def bars(axes: Axes) -> Chart | None:
    from matplotlib.container import BarContainer

    groups = [each for each in axes.containers if isinstance(each, BarContainer)]
    drawn = {id(bar) for group in groups for bar in group}
    if not groups or axes.collections or any(id(patch) not in drawn for patch in axes.patches):
        return None
    upright = groups[0].orientation != "horizontal"
    names = tick_names(axes.xaxis if upright else axes.yaxis)
    labels = labels_of(axes)
    if not upright:
        # What is measured is `y`, wherever it is drawn.
        labels = {f"{to}_{what}": labels[f"{by}_{what}"] for what in ("label", "unit") for to, by in (("x", "y"), ("y", "x"))}
    elements = []
    for group in groups:
        for bar in group:
            middle = bar.get_x() + bar.get_width() / 2 if upright else bar.get_y() + bar.get_height() / 2
            value = bar.get_height() if upright else bar.get_width()
            label = names.get(round(float(middle), 6), f"{middle:g}")
            elements.append({"label": label, "group": group.get_label(), "value": plain(value)})
    return {**labels, "elements": elements}


def pie(axes: Axes) -> Chart | None:
    from matplotlib.patches import Wedge

    if not axes.patches or axes.lines or not all(isinstance(patch, Wedge) for patch in axes.patches):
        return None
    return {
        "elements": [
            {"label": patch.get_label(), "angle": round(abs(float(patch.theta2 - patch.theta1)), 4), "radius": plain(patch.r)}
            for patch in axes.patches
        ]
    }


def boxes(axes: Axes) -> Chart | None:
    """Each box is a patch from the first to the third quartile; the lines at its place are whiskers, caps, median, outliers."""
    from matplotlib.patches import PathPatch

    if not axes.patches or not all(isinstance(patch, PathPatch) for patch in axes.patches):
        return None
    spans = [patch.get_path().get_extents() for patch in axes.patches]
    # Boxes stand side by side along one axis: there, all of them have the same size.
    upright = len({round(span.width, 6) for span in spans}) == 1
    names = tick_names(axes.xaxis if upright else axes.yaxis)
    elements = [box(axes, span, upright) for span in spans]
    for element, span in zip(elements, spans, strict=True):
        middle = (span.x0 + span.x1) / 2 if upright else (span.y0 + span.y1) / 2
        element["label"] = names.get(round(float(middle), 6), f"{middle:g}")
    return {**labels_of(axes), "elements": elements}


def box(axes: Axes, span: Any, upright: bool) -> Chart:
    low, high = (span.y0, span.y1) if upright else (span.x0, span.x1)
    left, right = (span.x0, span.x1) if upright else (span.y0, span.y1)
    ends, median, outliers = [low, high], None, []
    for line in axes.lines:
        across, along = (line.get_xdata(), line.get_ydata()) if upright else (line.get_ydata(), line.get_xdata())
        across, along = [float(v) for v in across], [float(v) for v in along]
        if not across or min(across) < left or max(across) > right:
            continue
        if line.get_linestyle() == "None":
            outliers += along
        elif len(along) == 2 and along[0] == along[1] and min(across) == left and max(across) == right:
            median = along[0]
        else:
            ends += along
    return {
        "min": plain(min(ends)),
        "first_quartile": plain(low),
        "median": plain(median),
        "third_quartile": plain(high),
        "max": plain(max(ends)),
        "outliers": plain(outliers),
    }


def labels_of(axes: Axes) -> Chart:
    chart: Chart = {}
    for name, label in (("x", axes.get_xlabel()), ("y", axes.get_ylabel())):
        unit = UNIT.search(label)
        chart[f"{name}_label"] = label or None
        chart[f"{name}_unit"] = (unit[1] or unit[2]) if unit else None
    return chart


def points_chart(axes: Axes) -> Chart:
    chart = labels_of(axes)
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        ticks = [float(tick) for tick in axis.get_majorticklocs()]
        scale = scale_of(axis)
        chart[f"{name}_ticks"] = dates(ticks) if scale == "datetime" else ticks
        chart[f"{name}_tick_labels"] = axis.get_major_formatter().format_ticks(ticks)
        chart[f"{name}_scale"] = scale
    return chart


def scale_of(axis: Axis) -> str:
    converter = type(axis.converter).__name__
    if "Date" in converter:
        return "datetime"
    return "categorical" if "Category" in converter else axis.get_scale()


def dates(ticks: list[float]) -> list[str]:
    from matplotlib.dates import num2date

    return [num2date(tick).isoformat() for tick in ticks]


def tick_names(axis: Axis) -> dict[float, str]:
    """Texts of ticks by their place."""
    ticks = [float(tick) for tick in axis.get_majorticklocs()]
    names = axis.get_major_formatter().format_ticks(ticks)
    return {round(tick, 6): str(name) for tick, name in zip(ticks, names, strict=True) if str(name)}


def points(xs: Any, ys: Any) -> list[list[Any]]:
    """Pairs, as they were given: dates and categories are texts."""
    pairs = islice(zip(moments(xs), moments(ys), strict=False), MAX_POINTS)
    return [[plain(x), plain(y)] for x, y in pairs]


def moments(values: Any) -> list[Any]:
    """numpy's times as texts: as Python's they would be numbers."""
    dtype = getattr(values, "dtype", None)
    if dtype is not None and dtype.kind == "M":
        return [str(value) for value in values.astype("datetime64[s]")]
    return list(values)
