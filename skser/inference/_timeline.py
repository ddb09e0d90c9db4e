"""Emotions over time in recordings of any length."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._utils import check_number, is_path, join_steps, prefix_errors, requests_metadata, without_mask
from ..audio import find_cure, is_pair, stream_waveform
from ._model import check_model, find_sampling_rate
from ._prediction import Found, predict_by_speaker, predict_in_batches
from ._reject_option import with_reject
from ._segments import cut_windows
from ._turns import Turns, cut_checked_turns, read_turns

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 1e9  # s, 31 years
_WINDOW, _HOP = 3.0, 1.0  # s


def predict_timeline(
    model: Any,
    recording: Any,
    *,
    window: float = _WINDOW,
    hop: float = _HOP,
    turns: pd.DataFrame | None = None,
    reject: float | None = None,
    silence_db: float | None = 40.0,
) -> pd.DataFrame:
    """Predict the emotions over time in a recording of any length.

    The recording is read block by block, and each window or turn is predicted as if it were a recording of
    its own. Memory does not grow with the length of the recording.

    Parameters
    ----------
    model : Pipeline
        A fitted classifier with `predict_proba` whose first step takes recordings, such as
        `SpectrogramTransformer`; or a `RejectOption` or a fitted search over one.
    recording : str, path-like, array-like of shape (n_times,), or sequence of these
        A file, or a waveform at the sampling rate of the model; or a list of files or waveforms.
    window : float, default=3.0
        Length of the windows in seconds, above 0 and at most 1e9. The best length is that of the recordings
        with which the model was trained.
    hop : float, default=1.0
        Distance between the starts of two windows in seconds, above 0 and at most 1e9.
    turns : pandas.DataFrame, default=None
        Turns of speakers, which are predicted instead of windows: the columns `start` and `end` in seconds,
        and optionally `speaker`. Turns may overlap, and those that end after the recording are cut off there.
        Other columns are not used. `window` and `hop` must have their defaults.
    reject : float, default=None
        Windows or turns whose highest probability is below this value, in [0, 1], have the label "unknown".
        None gives all of them a label, unless `model` is a `RejectOption`, which has its own threshold.
    silence_db : float or None, default=40.0
        Windows or turns are silent if they are more than this many dB, above 0, below the loudest one of
        the recording, or below -90 dB re full scale. The level is that of the loudest 25 ms. None means that
        nothing is silent.

    Returns
    -------
    pandas.DataFrame
        One row per window or turn: `start` and `end` in seconds, `speaker` (if `turns` has it), `silent`
        (bool), `label`, `probability` (the highest one), and `probability_<label>` for each class. Silent
        rows have neither a label (None) nor probabilities (NaN). With a list of recordings, the first column
        is `file`: the path, or the position of a waveform.

    Raises
    ------
    TypeError
        If `model` does not start with a step for recordings or has no `predict_proba`, or a parameter has a
        wrong type.
    ValueError
        If a parameter is outside its range, a recording holds NaN or infinite samples or is empty, a turn
        starts after the end of the recording, or `window` or `hop` is set together with `turns`.
    OSError
        If a file is missing, unreadable, damaged, cut off, or not audio.

    See Also
    --------
    TimelineDisplay : Draws the timeline.
    RejectOption : Finds a threshold for `reject`.
    skser.datasets.make_conversation : Recordings with known turns, to test a model.

    Notes
    -----
    All windows of a recording have equal length. If they do not reach its end, there is one more, which ends
    with the recording, so its distance to the previous one is shorter than `hop`. A recording shorter
    than a window has one row.

    Silence is relative to the loudest window, like `trim_db` of :func:`load_audio`, so it does not
    depend on the level of the recording. It is not a detector of speech: noise and music have labels too, and
    in a recording with a single very loud noise, quiet speech counts as silent.

    `max_duration` of the first step does not apply, because its windows are waveforms.

    The speakers of `turns` are passed as `groups` to the steps that request them, all turns of the recording
    that are not silent together. Then the features of all turns are in memory, but not their waveforms.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skser import CenterLossClassifier, SpectrogramTransformer, predict_timeline
    >>> rng = np.random.default_rng(0)
    >>> X, y = [rng.normal(scale=level, size=8000) for level in (0.01, 0.2) * 10], ["calm", "angry"] * 10
    >>> classifier = CenterLossClassifier(
    ...     channels=(4, 4), rnn_units=4, augmentation=None, max_epochs=20, lr=1e-2, random_state=0
    ... )
    >>> model = make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y)
    >>> recording = np.concatenate([X[1], X[0], np.zeros(16000)])
    >>> predict_timeline(model, recording, window=0.5, hop=0.5)[["start", "end", "silent", "label"]]
       start  end  silent  label
    0    0.0  0.5   False  angry
    1    0.5  1.0   False   calm
    2    1.0  1.5    True   None
    3    1.5  2.0    True   None
    """
    import pandas as pd

    check_model(model)
    check_number("window", window, low=0, high=_LONGEST, closed="right")
    check_number("hop", hop, low=0, high=_LONGEST, closed="right")
    check_number("silence_db", silence_db, low=0, closed="neither", optional=True)
    if turns is not None and (window, hop) != (_WINDOW, _HOP):
        raise ValueError(
            f"window={window:g} and hop={hop:g} have no effect, because turns are predicted instead of "
            "windows: leave out window and hop, or turns."
        )
    model = with_reject(model, reject)
    recording = without_mask("recording", recording)
    settings: Any = {"window": window, "hop": hop, "silence_db": silence_db}
    if _is_single(recording):
        return _predict_one(model, recording, read_turns(turns), **settings)
    if turns is not None:
        raise ValueError(
            "turns describes a single recording, but several were passed: call predict_timeline once per "
            "recording."
        )
    tables = []
    for index, one in enumerate(_check_recordings(recording)):
        # Errors name the path of a file.
        with nullcontext() if is_path(one) else prefix_errors(f"item {index}"):
            table = _predict_one(model, one, None, **settings)
        # Of objects, because the path of a file need not be UTF-8.
        file = pd.Series(os.fspath(one), table.index, dtype=object) if is_path(one) else index
        table.insert(0, "file", file)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _is_single(recording: Any) -> bool:
    """Whether a value is one recording: a path, an array of numbers, or a pair, which is refused later."""
    if is_path(recording) or is_pair(recording):
        return True
    if isinstance(recording, (list, tuple)):
        return len(recording) > 0 and isinstance(recording[0], Real)
    return getattr(getattr(recording, "dtype", None), "kind", "O") in "fiubc"


def _check_recordings(recordings: Any) -> list[Any]:
    """List several recordings."""
    if cure := find_cure(recordings):
        raise TypeError(f"recording is of type {type(recordings).__name__}: {cure}.")
    found = list(recordings) if isinstance(recordings, Iterable) else []
    if not found:
        raise TypeError(
            "recording must be a path, a waveform of shape (n_times,) as an array, or a list of at least one "
            f"of these, got {recordings!r}."
        )
    return found


def _predict_one(
    model: Any, recording: Any, turns: Turns | None, *, window: float, hop: float, silence_db: float | None
) -> pd.DataFrame:
    """Make the table of one recording."""
    sr = find_sampling_rate(model)
    blocks = stream_waveform(recording, sr)
    if turns is None:
        if round(hop * sr) < 1:
            raise ValueError(f"hop={hop:g} s is shorter than a sample at {sr} Hz: choose a longer hop.")
        segments = cut_windows(blocks, window, hop, sr)
        found = predict_in_batches(model, segments, sr, silence_db)
        start, end = (np.array(found.spans) / sr).T
        return _make_table({"start": start, "end": end}, model.classes_, found)
    order = np.argsort(turns.start, kind="stable")
    segments = cut_checked_turns(blocks, turns, order, sr)
    columns = {"start": turns.start[order], "end": turns.end[order]}
    if turns.speakers is not None:
        columns["speaker"] = turns.speakers[order]
    if turns.speakers is not None and requests_metadata(join_steps(model), "predict_proba", "groups"):
        found = predict_by_speaker(model, segments, columns["speaker"], sr, silence_db)
    else:
        found = predict_in_batches(model, segments, sr, silence_db)
    table = _make_table(columns, model.classes_, found)
    return table.iloc[np.argsort(order)].reset_index(drop=True)  # in the order of the turns


def _make_table(columns: dict[str, NDArray[Any]], classes: NDArray[Any], found: Found) -> pd.DataFrame:
    """Make the table of one recording; silent rows have neither labels nor probabilities."""
    import pandas as pd

    n = len(found.spans)
    labels, probabilities = np.full(n, None, dtype=object), np.full((n, len(classes)), np.nan)
    labels[found.rows] = found.labels.tolist()
    probabilities[found.rows] = found.probabilities
    table = pd.DataFrame({**columns, "silent": found.silent, "label": pd.Series(labels, dtype=object)})
    table["probability"] = probabilities.max(axis=1)
    return table.join(pd.DataFrame(probabilities, columns=classes).add_prefix("probability_"))
