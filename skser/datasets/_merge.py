"""Several corpora as one, with a common set of labels."""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import counted, is_path, listed, make_frame, plain_labels, printable
from ._bunch import check_corpus, make_bunch
from ._filters import check_list

if TYPE_CHECKING:
    import pandas as pd

_LEFT_OUT = "(left out)"


def merge_corpora(
    corpora: Mapping[str, Bunch],
    *,
    labels: Mapping[Any, Any] | None = None,
    left_out: Iterable[Any] = (),
) -> Bunch:
    """Merge corpora into one, with a common set of labels.

    Prints a table of the labels: their names in the corpora, their names in the result, and how many items
    of each corpus have them.

    Parameters
    ----------
    corpora : mapping of str to Bunch
        The corpora of the loaders, by short names such as "emodb". They are not changed.
    labels : mapping, default=None
        The name in the result of each label in the corpora, such as ``{"anger": "angry", "angry": "angry"}``.
        None keeps all names.
    left_out : iterable, default=()
        Labels whose items are left out, such as ``["calm"]``, by their names in the corpora.

    Returns
    -------
    Bunch
        The items of one corpus after the other. `data` (list) and `target` (ndarray) are as in the corpora,
        with the new names of the labels. `groups` (ndarray of str) are prefixed by the names of the corpora,
        as in "emodb:03". `frame` (pandas.DataFrame) has all columns of the corpora, where missing values are
        NaN, and the columns original_label, label, speaker (prefixed in the same way) and corpus.
        `target_names` are the labels that occur, sorted; `DESCR` has the table and the descriptions of the
        corpora with their licenses and citations. `sr` (int) is the sampling rate in Hz if the items are
        waveforms.

    Raises
    ------
    TypeError
        If `corpora` is not a mapping of corpora, `labels` is not a mapping, or `left_out` is not a list.
    ValueError
        If a label is neither in `labels` nor in `left_out`, or in both; if `labels` is None and a label in
        `left_out` does not occur; if the speakers of a corpus are not known; if one corpus has paths and
        another one waveforms; if the sampling rates of waveforms differ; if two corpora have the same file;
        if no item is left.

    See Also
    --------
    skser.evaluate : With ``cv="corpus"``, trains on all corpora except one and tests on this one.

    Examples
    --------
    >>> from skser.datasets import make_emotional_speech, merge_corpora
    >>> one = make_emotional_speech(n_speakers=1, n_per_class=2, emotions=["sad", "angry"], random_state=0)
    >>> two = make_emotional_speech(n_speakers=1, n_per_class=1, emotions=["sad", "happy"], random_state=1)
    >>> corpus = merge_corpora(
    ...     {"one": one, "two": two}, labels={"sad": "negative", "angry": "negative"}, left_out=["happy"]
    ... )
    label     merged one two
    angry   negative   2   0
    happy (left out)   0   1
      sad   negative   2   1
    >>> corpus.groups.tolist(), corpus.target_names
    (['one:speaker_01', 'one:speaker_01', 'one:speaker_01', 'one:speaker_01', 'two:speaker_01'], ['negative'])
    """
    import pandas as pd

    _check_corpora(corpora)
    if labels is not None and not isinstance(labels, Mapping):
        raise TypeError(f"labels must map labels to names, as a dict does, got {type(labels).__name__}.")
    targets = {name: plain_labels("target", corpus.target).tolist() for name, corpus in corpora.items()}
    new_names = _find_names(targets, labels, check_list("left_out", left_out))
    table = _count_labels(targets, new_names)
    parts = [_read_part(name, corpus, targets[name], new_names) for name, corpus in corpora.items()]
    data = {name: items for name, (items, _, _) in zip(corpora, parts, strict=True)}
    _check_kinds(data)
    _check_files(data)
    frame = pd.concat([part for _, _, part in parts], ignore_index=True)
    if frame.empty:
        raise ValueError("No item is left: leave out fewer labels.")
    descriptions = [f"{name}: {corpus.get('DESCR', '').strip()}" for name, corpus in corpora.items()]
    bunch = make_bunch(
        [item for items in data.values() for item in items],
        frame,
        label="label",
        speaker="speaker",
        text="\n\n".join(["Merged corpora", table, *descriptions]),
        **_common_rate(corpora),
    )
    bunch.groups = np.concatenate([groups for _, groups, _ in parts])
    sys.stdout.write(printable(f"{table}\n"))
    return bunch


def _check_corpora(corpora: Any) -> None:
    """Raise unless corpora are a mapping of names to corpora."""
    if not isinstance(corpora, Mapping) or not corpora:
        raise TypeError(
            "corpora must be a dict of names and corpora, such as {'emodb': load_emodb(...)}, got "
            f"{type(corpora).__name__}."
        )
    for name, corpus in corpora.items():
        if not isinstance(name, str):
            raise TypeError(
                f"the name of a corpus must be a str, got {name!r} of type {type(name).__name__}."
            )
        cure = "give a Bunch with data, target and groups"
        check_corpus(f"the corpus {name!r}", corpus, ["data", "target"], cure)


def _find_names(
    targets: Mapping[str, list[Any]], labels: Mapping[Any, Any] | None, left_out: list[Any]
) -> dict[Any, Any]:
    """Find the new name of each label; the labels that are left out have none."""
    every = set().union(*targets.values())
    if labels is None:
        if unknown := [label for label in left_out if label not in every]:
            raise ValueError(
                f"left_out has {listed(unknown)}, which no corpus has: the labels are "
                f"{listed(_sorted_labels(every), 20)}."
            )
        labels = {label: label for label in every if label not in left_out}
    if both := [label for label in left_out if label in labels]:
        raise ValueError(f"labels and left_out both have {listed(both)}: remove them from one of the two.")
    texts = [
        f"{label!r} of {name}"
        for name, target in targets.items()
        for label in sorted(set(target))
        if label not in labels and label not in left_out
    ]
    if texts:
        raise ValueError(
            f"labels has no name for {listed(texts, 8)}: add these labels to it, or list them in left_out."
        )
    return {label: labels[label] for label in every if label in labels}


def _sorted_labels(labels: Iterable[Any]) -> list[Any]:
    """Sort labels, those of the same type together."""
    return sorted(labels, key=lambda label: (type(label).__name__, label))


def _count_labels(targets: Mapping[str, list[Any]], new_names: dict[Any, Any]) -> str:
    """Make the table of labels, their new names, and their counts in the corpora."""
    import pandas as pd

    counts = {name: Counter(target) for name, target in targets.items()}
    rows = [
        (label, new_names.get(label, _LEFT_OUT), *(count[label] for count in counts.values()))
        for label in _sorted_labels(set().union(*counts.values()))
    ]
    # Of objects, because pandas puts two spaces between columns of numbers.
    table = pd.DataFrame(rows, columns=["label", "merged", *counts], dtype=object)
    text: str = table.to_string(index=False)
    return text


def _read_part(
    name: str, corpus: Bunch, target: list[Any], new_names: dict[Any, Any]
) -> tuple[list[Any], np.ndarray, pd.DataFrame]:
    """Select the items of one corpus that have a new label, their groups, and their rows."""
    import pandas as pd

    kept = [index for index, label in enumerate(target) if label in new_names]
    columns = pd.DataFrame(index=range(len(target))) if corpus.get("frame") is None else corpus.frame
    rows = columns.iloc[kept].reset_index(drop=True)
    groups = corpus.get("groups")
    named = [columns[key] for key in ("speaker", "actor") if key in columns]
    speakers = next((column for column in named if not column.isna().any()), groups)
    if speakers is None:
        raise ValueError(
            f"the speakers of the corpus {name!r} are not known: give its loader speaker=, or set its groups."
        )
    added = {
        "original_label": [target[index] for index in kept],
        "label": [new_names[target[index]] for index in kept],
        "speaker": _prefix(name, speakers)[kept],
        "corpus": [name] * len(kept),
    }
    frame = make_frame({**rows, **added})
    return (
        [corpus.data[index] for index in kept],
        _prefix(name, speakers if groups is None else groups)[kept],
        frame,
    )


def _check_kinds(data: Mapping[str, list[Any]]) -> None:
    """Raise if one corpus has paths and another one waveforms, which no transformer takes together."""
    first = {name: is_path(items[0]) for name, items in data.items() if items}
    with_paths = [name for name, has_paths in first.items() if has_paths]
    with_waveforms = [name for name in first if name not in with_paths]
    if with_paths and with_waveforms:
        one, other = with_paths[0], with_waveforms[0]
        raise ValueError(
            f"the corpus {one!r} has paths, but the corpus {other!r} has waveforms: load the files of "
            f"{one!r} with load_audio at the sampling rate of {other!r}, or write the waveforms of "
            f"{other!r} to files."
        )


def _check_files(data: Mapping[str, list[Any]]) -> None:
    """Raise if two corpora have the same file, which would have a speaker in each of them."""
    owners: dict[str, str] = {}
    shared = defaultdict(list)
    for name, items in data.items():
        for file in (os.path.realpath(os.path.expanduser(item)) for item in items if is_path(item)):
            if owners.setdefault(file, name) != name:
                shared[owners[file], name].append(file)
    if shared:
        (one, other), files = next(iter(shared.items()))
        raise ValueError(
            f"the corpora {one!r} and {other!r} both have {counted(len(files), 'file')} ({listed(files)}): "
            "keep each in only one of them, so that it is not in both training and test set."
        )


def _prefix(name: str, speakers: Any) -> np.ndarray:
    """Prefix speakers with the name of their corpus."""
    return np.array(
        [f"{name}:{speaker}" for speaker in plain_labels(f"groups of {name!r}", speakers).tolist()]
    )


def _common_rate(corpora: Mapping[str, Bunch]) -> dict[str, Any]:
    """Return the sampling rate of corpora of waveforms as an entry; none if all are paths."""
    rates = {name: corpus["sr"] for name, corpus in corpora.items() if "sr" in corpus}
    if len(set(rates.values())) > 1:
        texts = ", ".join(f"{name}: {rate} Hz" for name, rate in rates.items())
        raise ValueError(f"the corpora have different sampling rates ({texts}): resample their waveforms.")
    return {"sr": next(iter(rates.values()))} if rates else {}
