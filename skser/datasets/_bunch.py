"""The form in which every corpus is returned."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch


def as_bunch(
    data: list[Any], fields: dict[str, Any], *, label: str, speaker: str | None, text: str, **more: Any
) -> Bunch:
    """Gather a corpus.

    Parameters
    ----------
    data : list
        Paths or waveforms.
    fields : dict of str to sequence
        Columns of the frame, one value an item.
    label : str
        Name of the column that holds the labels.
    speaker : str or None
        Name of the column that holds the speakers; None where they are not known.
    text : str
        What the corpus is; counts are added to it.
    **more : object
        Further entries.

    Returns
    -------
    Bunch
        With data, target, groups, frame, target_names and DESCR.
    """
    import pandas as pd

    target = np.array(fields[label], dtype=str)
    groups = None if speaker is None else np.array(fields[speaker])
    return Bunch(
        data=data,
        target=target,
        groups=groups,
        frame=pd.DataFrame(fields),
        target_names=np.unique(target).tolist(),
        DESCR=f"{text.strip()}\n\n{_counts(target, groups)}\n",
        **more,
    )


def _counts(target: np.ndarray, groups: np.ndarray | None) -> str:
    """Items a class and speakers, as lines of text."""
    names, counts = np.unique(target, return_counts=True)
    lines = [f"Items: {len(target)}", *(f"  {name}: {n}" for name, n in zip(names, counts, strict=True))]
    if groups is None:
        return "\n".join([*lines, "Speakers: not known"])
    return "\n".join([*lines, f"Speakers: {len(np.unique(groups))}"])
