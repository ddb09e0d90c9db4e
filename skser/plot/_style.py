"""What the displays share: matplotlib when it is needed, axes, colours and markers, labels that fit."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .._utils import check_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito, "Color universal design", 2008: told apart with any kind of colour vision. Yellow, which
# is weak on white paper, comes last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "d")
LEGENDS = ("auto", "right", "below", "inside")

# Inches of width from which there is room for a legend beside the axes.
_WIDE = 3.5


def import_pyplot(caller: str) -> ModuleType:
    """Import matplotlib.pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which cannot be imported ({error}): "
            'install it with `pip install "skser[plot]"`.'
        ) from error
    return plt


def class_style(index: int) -> dict[str, str]:
    """Colour and marker of a class; each of the first 96 pairs occurs once, each of 12 markers first."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        # 8 colours and 12 markers alone would meet again after 24.
        "marker": MARKERS[(index + index // 24) % len(MARKERS)],
    }


def class_area(index: int) -> float:
    """Area of a class's marker, relative to a disc's, at which both look alike in size."""
    return {"*": 1.7, "P": 1.3, "X": 1.2, "p": 1.2}.get(class_style(index)["marker"], 1.0)


def check_axes(ax: Any) -> None:
    """Raise unless something is one matplotlib Axes."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be a matplotlib Axes, got {type(ax).__name__}: "
            "pass one of those that plt.subplots() gives."
        )


def check_legend(legend: Any) -> None:
    """Raise unless a legend's place is known."""
    if legend is not None:
        check_choice("legend", legend, LEGENDS)


def new_axes(*, aspect: float, narrow_aspect: float) -> Axes:
    """Make a figure as wide as matplotlib's settings say; aspects are height over width."""
    import matplotlib.pyplot as plt

    width = plt.rcParams["figure.figsize"][0]
    height = width * (narrow_aspect if width < _WIDE + 1 else aspect)
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def is_wide(ax: Axes) -> bool:
    """Whether a legend fits beside the axes."""
    return width_in_inches(ax) >= _WIDE


def width_in_inches(ax: Axes) -> float:
    """Width of the axes, before decorations are made room for."""
    return float(ax.get_window_extent().width / ax.figure.dpi)


def height_in_inches(ax: Axes) -> float:
    """Height of the axes, before decorations are made room for."""
    return float(ax.get_window_extent().height / ax.figure.dpi)


def font_inches(setting: Any) -> float:
    """Height of letters in inches, of a setting such as "axes.labelsize"."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=rcParams[setting]).get_size_in_points()) / 72


def fitted(text: str, inches: float) -> str:
    """Break the label of an axis before its bracket where it is longer than the axis."""
    too_long = len(text) * 0.5 * font_inches("axes.labelsize") > inches  # letters are half as wide as high
    return text.replace(" (", "\n(") if too_long else text


def plain(text: Any) -> str:
    """Text of a label in which neither matplotlib nor LaTeX finds a formula or a command."""
    from matplotlib import rcParams

    special = r"[$%&#_{}]" if rcParams["text.usetex"] else r"\$"
    return re.sub(special, r"\\\g<0>", str(text))


def per_cent(text: str) -> str:
    """Text of a label with formulas whose per cent signs begin no comment of LaTeX."""
    from matplotlib import rcParams

    return re.sub(r"(?<!\\)%", r"\\%", text) if rcParams["text.usetex"] else text
