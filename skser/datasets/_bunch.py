"""The Bunch that every loader returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import plain_labels, printable

if TYPE_CHECKING:
    import pandas as pd

# Last lines of the description of a corpus recorded by the user.
LICENCE = "License and citation: those of the people who recorded them."
_UNKNOWN = "groups is None because the speakers are not known: pass speaker= for cross-validation by speaker."
UNKNOWN_SPEAKERS = f"{LICENCE}\n{_UNKNOWN}"


def make_bunch(
    data: list[Any],
    columns: Mapping[str, list[Any]] | pd.DataFrame,
    *,
    label: str,
    speaker: str | None,
    text: str,
    group_name: str = "Speakers",
    **entries: Any,
) -> Bunch:
    """Make a corpus from recordings and the columns of their frame, which include labels and groups."""
    target = plain_labels(f"the column {label!r}", list(columns[label]))
    groups = None if speaker is None else plain_labels(f"the column {speaker!r}", list(columns[speaker]))
    return Bunch(
        data=data,
        target=target,
        groups=groups,
        frame=make_frame(columns),
        target_names=np.unique(target).tolist(),
        DESCR=f"{printable(text.strip())}\n\n{describe_counts(target, groups, group_name)}\n",
        **entries,
    )


def make_frame(data: Any) -> pd.DataFrame:
    """Make a frame, in which the names of files need not be UTF-8."""
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except UnicodeEncodeError:  # by PyArrow, which pandas 3 uses for text if it is installed
        return pd.DataFrame(data, dtype=object)


def describe_counts(target: np.ndarray, groups: np.ndarray | None, group_name: str) -> str:
    """Describe the number of items per class, and the number of groups, in lines of text."""
    names, counts = np.unique(target, return_counts=True)
    lines = [f"Items: {len(target)}", *(f"  {name}: {n}" for name, n in zip(names, counts, strict=True))]
    n_groups = "not known" if groups is None else len(np.unique(groups))
    return printable("\n".join([*lines, f"{group_name}: {n_groups}"]))
