"""The form in which every corpus is returned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils import Bunch


def as_bunch(
    data: list[Any],
    fields: dict[str, Any],
    *,
    label: str,
    speaker: str | None,
    text: str,
    grouping: str = "Speakers",
    **more: Any,
) -> Bunch:
    """Gather a corpus."""
    import pandas as pd

    target = _as_array(fields[label])
    groups = None if speaker is None else _as_array(fields[speaker])
    return Bunch(
        data=data,
        target=target,
        groups=groups,
        frame=pd.DataFrame(fields),
        target_names=np.unique(target).tolist(),
        DESCR=f"{text.strip()}\n\n{counts(target, groups, grouping)}\n",
        **more,
    )


def _as_array(values: Iterable[Any]) -> np.ndarray:
    """Numbers or booleans as they are, anything else as str."""
    array = np.array(list(values))
    return array if array.dtype.kind in "biuf" else array.astype(str)


def counts(target: np.ndarray, groups: np.ndarray | None, grouping: str) -> str:
    """Items a class and number of groups, as lines of text."""
    names, counts = np.unique(target, return_counts=True)
    lines = [f"Items: {len(target)}", *(f"  {name}: {n}" for name, n in zip(names, counts, strict=True))]
    if groups is None:
        return "\n".join([*lines, f"{grouping}: not known"])
    return "\n".join([*lines, f"{grouping}: {len(np.unique(groups))}"])
