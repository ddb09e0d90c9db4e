"""Data frames with text of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def make_frame(data: Any) -> pd.DataFrame:
    """Make a frame, in which names of files and classes need not be UTF-8."""
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except UnicodeEncodeError:  # by PyArrow, which pandas 3 uses for text if it is installed
        return pd.DataFrame(data, dtype=object)
