"""Data frames with text of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def make_frame(data: Any) -> pd.DataFrame:
    """Make a frame, in which names of files and classes need not be UTF-8."""
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except UnicodeEncodeError:  # by PyArrow, which pandas 3 uses for text if it is installed
        frame = pd.DataFrame(data, dtype=object)
    columns = data if isinstance(data, Mapping) else {name: frame[name].tolist() for name in frame}
    for name, values in columns.items():
        with suppress(UnicodeEncodeError):
            frame[name] = pd.DataFrame({name: values}, index=frame.index)[name]
    return frame
