"""Legends outside of the axes, in figures with and without a layout engine."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from ._style import font_inches, height_in_inches, is_wide

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend


_COMPACT: dict[str, Any] = {
    "frameon": False,
    "columnspacing": 1.0,
    "handlelength": 1.5,
    "handletextpad": 0.5,
}


def place_legend(axes: Sequence[Axes], entries: Sequence[tuple[Any, str]], where: str) -> Legend:
    """Draw a legend for a column of labelled axes, as large as it needs to be."""
    # "auto" is at the right where there is room, and otherwise below.
    handles, labels = [handle for handle, _ in entries], [label for _, label in entries]
    if where == "auto":
        where = "right" if is_wide(axes[0]) else "below"
    if where == "inside":
        return axes[0].legend(handles, labels, loc="best")
    legend = _right(axes[0], handles, labels) if where == "right" else _below(axes[-1], handles, labels)
    if legend.figure.get_layout_engine() is None:
        _make_room(axes, legend, where)
    return legend


def _right(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> Legend:
    """Draw a legend at the right, in as many columns as its height asks for."""
    line = 1.6 * font_inches("legend.fontsize")
    ncols = ceil(len(labels) * line / max(height_in_inches(ax), line))
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1), "borderaxespad": 0.5}
    return ax.legend(handles, labels, ncols=ncols, **place, **_COMPACT)


def _below(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> Legend:
    """Draw a legend below, in as many columns as fit the width of the axes."""
    box, decorated = ax.get_window_extent(), ax.get_tightbbox()
    labels_below = box.y0 - decorated.y0 if decorated else 0
    pad = 0.3 + labels_below / ax.figure.dpi / font_inches("legend.fontsize")  # in heights of a letter
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": pad}
    for ncols in range(len(labels), 0, -1):
        legend = ax.legend(handles, labels, ncols=ncols, **place, **_COMPACT)
        # It may reach under the labels of the other axis.
        if legend.get_window_extent().width <= 1.1 * box.width:
            break
    return legend


def _make_room(axes: Sequence[Axes], legend: Legend, where: str) -> None:
    """Shrink axes that no layout engine arranges by the size of their legend, as a colour bar does."""
    from matplotlib.transforms import Bbox

    figure = axes[0].figure
    size = legend.get_window_extent().transformed(figure.transSubfigure.inverted())
    whole = Bbox.union([ax.get_position() for ax in axes])
    right = where == "right"
    narrower = max(1 - size.width / whole.width, 0.2) if right else 1.0
    lower = 1.0 if right else max(1 - max(size.height, -size.y0) / whole.height, 0.2)
    for ax in axes:
        box = ax.get_position()
        ax.set_position(
            (
                whole.x0 + (box.x0 - whole.x0) * narrower,
                whole.y1 - (whole.y1 - box.y0) * lower,
                box.width * narrower,
                box.height * lower,
            )
        )
