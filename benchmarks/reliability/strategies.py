"""Hypothesis strategies for the input that users may pass to the estimators, good or bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from hypothesis import strategies as st

ODD: list[Any] = [
    *(None, True, "", "x", b"x", np.nan, np.inf, -np.inf, -1, 0, 0.0, 0.5, 1, 2, 1e-320, -1e300, 1j),
    *(1e38, 1e300, 10**30, 10**400, 2**63, np.int64(3), np.float32(0.5), np.array([1, 2]), object()),
    *([], (), {}, [1], (1, "a"), {"a": 1}, [[]], [None], Path("x"), pd.NA, slice(None)),
]
DTYPES = ["float32", "float64", "float16", ">f4", "int16", "int32", "int64", "uint8", "bool", "complex64"]
SHAPES = [(0,), (1,), (2,), (700,), (1600,), (1600,), (3, 4), (1, 1), ()]
GOOD_FILES = ("a.wav", "b.flac", "c.ogg", "d.mp3")


@st.composite
def waveforms(draw: st.DrawFn) -> Any:
    """One waveform, mostly a good one."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if draw(st.integers(0, 2)):
        return rng.normal(scale=0.1, size=draw(st.integers(1, 2000)))
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(ODD))
    y = rng.normal(scale=0.1, size=draw(st.sampled_from(SHAPES)))
    if y.size and draw(st.integers(0, 3)) == 0:
        y.flat[0] = draw(st.sampled_from([np.nan, np.inf, 1e30, 1e300, 1e-300, 0]))
    with np.errstate(all="ignore"):
        array = y.astype(draw(st.sampled_from([*DTYPES, "object", "U8"])))
    return draw(st.sampled_from([array, array.tolist(), tuple(array.ravel())]))


def make_files(folder: Path) -> list[Any]:
    """Write files, good and bad; returns their paths, the good ones most often, and other odd paths."""
    y = np.random.default_rng(0).normal(scale=0.1, size=1600)
    for name in GOOD_FILES:
        soundfile.write(folder / name, y, 16000)
    soundfile.write(folder / "stereo.wav", np.stack([y, -y], 1), 44100)
    soundfile.write(folder / "nan.wav", np.full(10, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "nothing.wav", np.zeros(0), 16000)
    soundfile.write(folder / "slow.wav", y, 1)
    (folder / "cut.wav").write_bytes((folder / "a.wav").read_bytes()[:900])
    (folder / "text.wav").write_text("no audio")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "a.raw").write_bytes(bytes(100))
    names = [path.name for path in sorted(folder.iterdir())]
    odd = ["none.wav", ".", "", "x" * 5000, "null\0.wav", "\udcff.wav", "ü.wav", "a.wav/b.wav", "~"]
    good = [folder / name for name in (*GOOD_FILES, "stereo.wav")]
    return [*good * 12, *(str(folder / name) for name in [*names, *odd]), *odd, "/dev/null", "/dev/zero"]


def recordings(files: list[Any]) -> st.SearchStrategy[Any]:
    """X of the transformer: collections of all kinds, mostly of one kind of item."""
    paths, mixed = st.sampled_from(files), st.one_of(st.sampled_from(files), waveforms())
    items = (paths, waveforms(), paths, waveforms(), mixed)
    lists = st.one_of(*(st.lists(item, max_size=4) for item in items))
    tables = st.sampled_from([(2, 800), (1, 1), (0, 5), (5, 0), (2, 3, 4), (7,)]).map(np.zeros)
    series = lists.map(lambda X: pd.Series(X, dtype=object))
    arrays = series.map(lambda X: X.to_numpy())
    return st.one_of(lists, lists.map(tuple), series, arrays, tables, st.sampled_from(ODD))


KAISER, COSINE = ("kaiser", 8.0), ("general_cosine", [0.5, 0.5])
TRANSFORMER: dict[str, list[Any]] = {
    **{"kind": ["mel", "stft"], "sr": [8000, 22050, 1], "n_fft": [64, 512, 511, 1]},
    **{"win_length": [None, 100, 512], "hop_length": [1, 160, 2**31]},
    **{"window": ["hamming", KAISER, list(KAISER), COSINE, ("kaiser", np.nan), ()]},
    **{"n_mels": [1, 20, 10**9], "fmin": [0, 50, 1e5], "fmax": [None, 4000, 1e-320]},
    **{"ref": ["max", "mean", 0.5], "top_db": [None, 60], "trim_db": [None, 30]},
    **{"max_duration": [None, 0.01, 10], "backend": ["torch", "numpy"], "n_jobs": [None, 1]},
    **{"memory": [None], "max_nbytes": ["1G", 0, 1000]},
}
WEIGHTS = [None, "balanced", {"a": 1, "b": 2}, {"c": 1}]
CLASSIFIER: dict[str, list[Any]] = {
    **{"center_lambda": [0, 0.3], "center_alpha": [0, 1], "channels": [(2,), [2, 3], (0,), ()]},
    **{"rnn": ["gru", "lstm"], "rnn_units": [1, 2], "pooling": ["last", "attention"]},
    **{"dropout": [0.0, 0.9, 1.0], "embedding_dim": [1, 2], "class_weight": WEIGHTS},
    **{"augmentation": [None, "moderate", {"gain": 3}, {"gian": 3}], "batch_size": [1, 2, 100]},
    **{"lr": [1e-3, 1.0, 1e30], "schedule": ["constant", "one-cycle"], "weight_decay": [0.0, 0.1]},
    **{"early_stopping": [False, True], "validation": ["auto", "groups", "random"]},
    **{"validation_fraction": [0.2, 0.9], "patience": [1, 5], "warm_start": [False, True]},
    **{"device": ["cpu", "abacus"], "random_state": [0, None], "callbacks": [None, []]},
    **{"net_params": [None, {"lr": 1}, {"optimizer__betas": (0.9, 0.99)}]},
}


def parameters(known: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """A few parameters of an estimator: usual ones, or any with a quarter of odd values."""

    def pairs(values: Any) -> st.SearchStrategy[Any]:
        names = st.sampled_from(sorted(known))
        return names.flatmap(lambda name: st.tuples(st.just(name), values(known[name])))

    usual = pairs(lambda values: st.sampled_from(values[:2]))
    any_value = pairs(lambda values: st.sampled_from(values * 3) | st.sampled_from(ODD))
    return st.lists(usual, max_size=4).map(dict) | st.lists(any_value, max_size=3).map(dict)


@st.composite
def training_data(draw: st.DrawFn) -> tuple[Any, Any, Any, Any]:
    """X, y, groups and sample_weight of the classifier, of which one or two may be wrong."""
    n = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    X: Any = [rng.normal(size=(3, length)) for length in rng.integers(1, 12, n)]
    labels = [["a", "b"], [0, 1], [True, False], [1.0, 2.0], [0.5, 1.5], [None, "a"], ["a", 1]]
    pair = draw(st.sampled_from(labels))
    y: Any = [pair[i % 2] for i in range(n)]
    groups: Any = draw(st.sampled_from([None, list(range(n)), ["s", *"t" * (n - 1)], [0] * n]))
    weight: Any = draw(st.sampled_from([None, [1.0] * n, [0.0] * n, [-1.0] * n, [1e30] * n]))
    wrong = draw(st.sampled_from(["", "", "", "", "X", "item", "y", "label", "groups", "weight"]))
    odd = draw(st.sampled_from(ODD))
    if wrong == "item":
        X[-1] = draw(st.sampled_from([odd, np.full((3, 2), np.nan), np.full((3, 2), 1e38), np.zeros((4, 2))]))
    elif wrong == "label":
        y[-1] = odd
    X = odd if wrong == "X" else X
    y = odd if wrong == "y" else draw(st.sampled_from([y, y, y, np.array(y, dtype=object), y[:-1]]))
    groups = odd if wrong == "groups" else groups
    return X, y, groups, odd if wrong == "weight" else weight
