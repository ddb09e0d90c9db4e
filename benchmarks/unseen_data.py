"""The corpora, folds, features and test sets of unseen_speakers.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skser import Spectrograms, SpeechEncoderTransformer, load_audio, normalize_by_group, skew_test_sets
from skser.datasets import load_corpus

SPEAKERS = {  # in the test set of each fold
    "ravdess": ("1 2", "3 4", "5 6", "7 8", "9 10", "11 12"),
    "emodb": ("03 08", "09 10", "11 12", "13 14", "15 16"),
    "nemo": ("EB0 KS0 MP0", "KD0 MK0 TP0", "IC0 SM0 WR0"),
}
LINES = (*SPEAKERS, *(f"others to {name}" for name in SPEAKERS))
EMOTIONS = ("angry", "happy", "neutral", "sad")  # of tests on another corpus
MODES = ("plain", "mean removed")
STATISTICS = ("mean", "std", "max", "min")
N_UNITS = 256  # features of a layer
COMPARE = {"compare": True}
FRAMES = {"frames": True}  # of layer 2, trimmed
N_DRAWS, N_ENROLLED = 5, 10

Split = tuple[np.ndarray, np.ndarray]


class Data(NamedTuple):
    """The items of a line and its outer folds."""

    corpora: tuple[str, ...]
    kept: np.ndarray  # positions in the concatenated corpora
    y: np.ndarray
    groups: np.ndarray
    units: np.ndarray  # speaker, or corpus, of each item: what inner folds keep apart
    splits: list[Split]
    tables: Callable[..., np.ndarray]  # of a corpus, trim_db, layer and speeds; layer 0 is ComParE
    frames: Callable[[], Spectrograms]


def load_data(line: str, root: Path, folder: Path) -> Data:
    """Load the labels and speakers of a line, and make its outer folds."""
    target = line.removeprefix("others to ")
    corpora = (target,) if line == target else tuple(SPEAKERS)
    loaded = {name: load_corpus(f"{name}:{root / name}") for name in corpora}
    y = np.concatenate([corpus.target for corpus in loaded.values()])
    groups = np.concatenate(
        [[f"{name}:{group}" for group in corpus.groups] for name, corpus in loaded.items()]
    )
    kept = np.arange(len(y)) if line == target else np.flatnonzero(np.isin(y, EMOTIONS))
    y, groups = y[kept], groups[kept]
    names = np.array([group.partition(":")[0] for group in groups])
    tests = [names == target] if line != target else [np.isin(groups, fold) for fold in folds_of(target)]
    splits = [(np.flatnonzero(~test), np.flatnonzero(test)) for test in tests]

    @functools.cache
    def tables(corpus: str, trim_db: float | None, layer: int, *speeds: float) -> np.ndarray:
        return read_table(folder, corpus, loaded[corpus].data, trim_db, layer, *speeds)

    @functools.cache
    def frames() -> Spectrograms:
        recordings = [recording for corpus in loaded.values() for recording in corpus.data]
        return SpeechEncoderTransformer(memory=folder / "frames").transform(
            [recordings[item] for item in kept]
        )

    units = groups if line == target else names
    return Data(corpora, kept, y, groups, units, splits, tables, frames)


def folds_of(corpus: str) -> list[list[str]]:
    """Names of the test speakers of each outer fold."""
    return [[f"{corpus}:{name}" for name in fold.split()] for fold in SPEAKERS[corpus]]


def read_table(
    folder: Path, corpus: str, recordings: list[Any], trim_db: float | None, layer: int, *speeds: float
) -> np.ndarray:
    """Read the features of a corpus, a mean over speeds; compute them if they are not in the folder."""
    if len(speeds) > 1:
        return np.mean(
            [read_table(folder, corpus, recordings, trim_db, layer, speed) for speed in speeds], axis=0
        )
    suffix = "" if speeds in ((), (1.0,)) else f"_{speeds[0]}"
    path = folder / (f"{corpus}_{trim_db}_{layer}{suffix}.npy" if layer else f"{corpus}_compare.npy")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        table = encode(recordings, trim_db, layer, speeds) if layer else compare_functionals(recordings)
        np.save(path, table)
    return np.load(path)


def encode(recordings: list[Any], trim_db: float | None, layer: int, speeds: tuple[float, ...]) -> np.ndarray:
    """Compute all statistics of one layer of the encoder."""
    transformer = SpeechEncoderTransformer(
        layer=layer, trim_db=trim_db, statistics=STATISTICS, speeds=speeds or (1.0,)
    )
    return transformer.transform(recordings)


def compare_functionals(recordings: list[Any]) -> np.ndarray:
    """Compute the 6,373 functionals of ComParE_2016 with openSMILE."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    rows = [smile.process_signal(load_audio(item, sr=16000), 16000).to_numpy() for item in recordings]
    return np.concatenate(rows).astype(np.float32)


def features_of(data: Data, features: dict[str, Any]) -> Any:
    """Return the table, or the frames, of the line's items."""
    if features == FRAMES:
        return data.frames()
    if features == COMPARE:
        return np.concatenate([data.tables(corpus, None, 0) for corpus in data.corpora])[data.kept]
    columns = features["statistics"] * N_UNITS
    layers = [
        np.concatenate(
            [
                data.tables(corpus, features["trim_db"], layer, *features.get("speeds", ()))
                for corpus in data.corpora
            ]
        )
        for layer in features["layers"]
    ]
    return np.hstack([layer[data.kept, :columns] for layer in layers])


def normalized(data: Data, features: dict[str, Any], mode: str) -> Any:
    """Return the features, without the mean of each speaker's recordings if the mode says so."""
    Z = features_of(data, features)
    return normalize_by_group(Z, data.groups) if mode == "mean removed" else Z


def inner_splits(data: Data, train: np.ndarray) -> list[Split]:
    """Leave out pairs of the training speakers, or one of the training corpora."""
    units = pd.unique(data.units[train])
    if len(data.corpora) == 1:
        order = [name for fold in folds_of(data.corpora[0]) for name in fold if name in units]
        parts = [order[first : first + 2] for first in range(0, len(order), 2)]
    else:
        parts = [[name] for name in units]
    tests = [np.isin(data.units[train], part) for part in parts]
    return [(train[~test], train[test]) for test in tests]


def test_sets(data: Data, mode: str, fold: int) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Name the test sets and draws, with their items and the items whose means are those of the speakers."""
    test = data.splits[fold][1]
    yield "all", 0, test, test
    for draw in range(N_DRAWS):
        skewed = skew_test_sets(data.splits, data.y, data.groups, random_state=draw)[fold][1]
        yield "skewed", draw, skewed, skewed
    if mode == "plain":
        return
    for draw in range(N_DRAWS):
        random = np.random.default_rng([draw, fold])
        speakers = data.groups[test]
        enrolled = np.concatenate(
            [random.choice(test[speakers == name], N_ENROLLED, replace=False) for name in pd.unique(speakers)]
        )
        yield f"{N_ENROLLED} enrolled", draw, np.setdiff1d(test, enrolled), enrolled
