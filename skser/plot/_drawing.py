"""Functions shared by the displays: import of matplotlib, axes, colors and markers, curves, legends."""

from __future__ import annotations

import re
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._utils import check_choice, import_extra

# Okabe and Ito, "Color universal design", 2008: distinguishable with any kind of color vision. Yellow,
# which is weak on white paper, is the last one.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "d")
_LINES = ("-", "--", "-.")

_OUTSIDE = {"frameon": False, "handlelength": 1.5, "handletextpad": 0.5, "columnspacing": 1}
_LEGEND_PLACES: dict[str, dict[str, Any]] = {
    "inside": {"loc": "best"},
    "right": {"loc": "upper left", "bbox_to_anchor": (1, 1), **_OUTSIDE},
    "below": {"loc": "upper center", "bbox_to_anchor": (0.5, 0), **_OUTSIDE},
}
_WIDE = 3.5  # inches of width from which a legend fits beside the axes


def import_pyplot() -> Any:
    """Import matplotlib.pyplot, or raise an error that explains how to install it."""
    return import_extra("matplotlib.pyplot", "drawing", "plot")


def check_drawing(ax: Any, legend: Any = None) -> None:
    """Raise unless matplotlib can be imported and draw on these axes, with the legend in a known place."""
    import_pyplot()
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be a matplotlib Axes, got {type(ax).__name__}: pass one that plt.subplots() returns."
        )
    if legend is not None:
        check_choice("legend", legend, ("auto", *_LEGEND_PLACES))


def open_axes(ax: Any, title: str | None) -> Any:
    """Return the axes passed in, or those of a new figure, with the title."""
    if ax is None:
        _, ax = import_pyplot().subplots(layout="constrained")  # makes room for labels and legends
    if title is not None:
        ax.set_title(title)
    return ax


def as_percentages(dim: str, **shares: Any) -> list[NDArray[np.float64]]:
    """Convert the two coordinates of a curve from shares to percentages."""
    x, y = curve = [100 * np.asarray(values, dtype=float) for values in shares.values()]
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(
            f"{' and '.join(shares)} must be of the same shape ({dim},) with at least one value, got "
            f"{x.shape} and {y.shape}."
        )
    return curve


def draw_curve(ax: Any, x: Any, y: Any, name: str | None, look: dict[str, Any]) -> Any:
    """Draw a curve in a color that the axes do not have yet, and a legend if it has a name."""
    label = None if name is None else plain(name)
    (line,) = ax.plot(x, y, **(_curve_style(ax) | {"label": label} | look))
    if name is not None:
        ax.legend(loc="best")
    return line


def _curve_style(ax: Any) -> dict[str, str]:
    """Color that the fewest lines on the axes have, and its line style, which is also visible in gray."""
    from matplotlib.colors import same_color

    drawn = [sum(same_color(line.get_color(), color) for line in ax.lines) for color in COLORS]
    index = int(np.argmin(drawn))
    return {"color": COLORS[index], "linestyle": _LINES[index % len(_LINES)]}


def line_arguments(look: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `Axes.plot` by their full names, such as "color" for "c"."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    arguments: dict[str, Any] = normalize_kwargs(look, Line2D)
    return arguments


def scatter_arguments(look: dict[str, Any] | None) -> dict[str, Any]:
    """Arguments of `Axes.scatter` by their full names, such as "linewidth" for "lw"."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.collections import PathCollection

    arguments: dict[str, Any] = normalize_kwargs(look or {}, PathCollection)
    return arguments


def class_style(index: int) -> dict[str, str]:
    """Color and marker of a class: 96 different pairs, of which the first 12 have different markers."""
    # Without a shift, 8 colors and 12 markers would repeat after 24 classes.
    return {"color": COLORS[index % 8], "marker": _MARKERS[(index + index // 24) % 12]}


def plain(text: Any) -> str:
    """Escape the characters that matplotlib or LaTeX would read as a formula or a command."""
    from matplotlib import rcParams

    special = r"[$%&#_{}]" if rcParams["text.usetex"] else r"\$"
    return re.sub(special, r"\\\g<0>", str(text))


def draw_legend(axes: list[Any], handles: list[Any], labels: list[str], where: str) -> Any:
    """Draw the legend of a column of axes, in as many columns as fit."""
    # Not `figure.legend`, which would put the legends of several displays in one figure at the same place.
    if where == "auto":
        where = _automatic_place(axes[0])
    ax, place = axes[0], {"handles": handles, "labels": labels, **_LEGEND_PLACES[where]}
    if where == "below":
        ax = axes[-1]
        place["bbox_transform"] = _bottom_of_labels(ax)
    legend, box = ax.legend(**place), ax.get_window_extent()
    if where == "inside":
        return legend
    size = legend.get_window_extent()
    columns = ceil(size.height / box.height) if where == "right" else int(1.1 * box.width / size.width)
    return ax.legend(**place, ncols=min(max(columns, 1), len(labels)))


def _automatic_place(ax: Any) -> str:
    """Default place of the legend: outside the axes if a layout engine makes room for it there."""
    if ax.figure.get_layout_engine() is None:
        return "inside"
    return "right" if ax.get_window_extent().width / ax.figure.dpi >= _WIDE else "below"


def _bottom_of_labels(ax: Any) -> Any:
    """Coordinates of the axes, moved down by the height of the labels below them."""
    from matplotlib.transforms import ScaledTranslation

    inches = (ax.get_window_extent().y0 - ax.get_tightbbox().y0) / ax.figure.dpi
    return ax.transAxes + ScaledTranslation(0, -inches, ax.figure.dpi_scale_trans)


def split_axes(ax: Any, upper: float) -> Any:
    """Divide axes at a share of their height, and return the new lower axes, which share the x axis."""
    figure, spec = ax.figure, ax.get_subplotspec()
    ax.tick_params(labelbottom=False)
    if spec is not None:
        parts = spec.subgridspec(2, 1, height_ratios=(upper, 1 - upper))
        ax.set_subplotspec(parts[0])
        return figure.add_subplot(parts[1], sharex=ax)
    x, y, width, height = ax.get_position().bounds
    ax.set_position((x, y + (1 - upper) * height, width, upper * height))
    return figure.add_axes((x, y, width, (0.9 - upper) * height), sharex=ax)
