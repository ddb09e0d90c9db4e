"""The table of the turns of speakers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._segments import Segment, cut_turns

_MOST_SAMPLES = 2**53  # more than any recording has


class Turns(NamedTuple):
    """Start and end of each turn in seconds, and its speaker if there is such a column."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    speakers: NDArray[Any] | None


def read_turns(table: Any) -> Turns | None:
    """Check a table of turns; None stays None."""
    if table is None:
        return None
    missing = [name for name in ("start", "end") if name not in getattr(table, "columns", ())]
    if missing:
        raise TypeError(
            "turns must be a DataFrame with the columns start and end (in seconds) and optionally speaker, "
            f"got {type(table).__name__} without {' and '.join(missing)}."
        )
    if not len(table):
        raise ValueError("turns has no rows: leave it out to predict windows.")
    start, end = (_seconds(table[name], name) for name in ("start", "end"))
    wrong = ~(np.isfinite(start) & np.isfinite(end) & (start >= 0) & (end > start))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"row {row} of turns is from {start[row]} to {end[row]} s: each turn must start at 0 or later "
            "and end after its start."
        )
    speakers = table["speaker"].to_numpy() if "speaker" in table.columns else None
    if speakers is not None and (unknown := table["speaker"].isna().to_numpy()).any():
        raise ValueError(f"row {unknown.argmax()} of turns has no speaker: fill it in, or omit the column.")
    return Turns(start, end, speakers)


def _seconds(column: Any, name: str) -> NDArray[np.float64]:
    """Convert a column of numbers."""
    # Durations and dates are refused, because converting them would give nanoseconds.
    try:
        values: NDArray[np.float64] = column.to_numpy(dtype=np.float64)
        is_time = column.dtype.kind in "mM"
    except (AttributeError, TypeError, ValueError):
        is_time = True
    if is_time:
        raise TypeError(f"the column {name!r} of turns must hold numbers, the times in seconds.")
    return values


def cut_checked_turns(
    blocks: Iterable[np.ndarray], turns: Turns, order: NDArray[np.intp], sr: int
) -> Iterator[Segment]:
    """Cut turns in an order in which their starts increase; raise if one begins after the recording."""
    first, last = (
        np.round(seconds[order] * sr).clip(max=_MOST_SAMPLES).astype(np.int64)
        for seconds in (turns.start, turns.end)
    )
    last = np.maximum(last, first + 1)
    spans = list(zip(first.tolist(), last.tolist(), strict=True))
    for row, segment in zip(order, cut_turns(blocks, spans), strict=True):
        if not len(segment.y):
            raise ValueError(
                f"row {row} of turns starts at {turns.start[row]:g} s, after the end of the recording: "
                "remove it, give the recording that belongs to the turns, or convert milliseconds to seconds."
            )
        yield segment
