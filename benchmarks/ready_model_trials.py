"""Compare ways to train the model "speech-emotions" that serves strangers and enrolled speakers.

    python benchmarks/ready_model_trials.py ../shared/corpora benchmarks/results/ready_model.csv

The folder must contain ravdess/, nemo/ and emodb/. The ways differ in the means that are subtracted in
training: the average of all speakers ("plain"), the mean of each speaker ("mean removed"), or both, so that
each item is used twice ("both"). Each way is tested on

- speakers of the corpus that it was trained on ("speakers"), and
- the corpus that it was not trained on ("corpora").

C, and the way that is used, are chosen within each training set by cross-validation over its speakers: the
highest UA, averaged over the corpora of the training set and over recordings without and with their speaker's
mean. Test sets are never used to choose. If the training set has several corpora, logits are divided by the
temperature that suits a corpus which is left out of it. "ECE uncooled" is the error without this step.

Rows are appended to the output after each fold, and a run that was stopped continues with the missing folds.
The tables are printed at the end.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ready_model import LOADERS, cool, find_temperature, fit, load_corpora
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline

from skser import (
    SpeechEncoderTransformer,
    skew_test_sets,
    unweighted_accuracy,
    weighted_accuracy,
)

WAYS = {"plain": ("overall",), "mean removed": ("own",), "both": ("own", "overall")}
CS = (0.0003, 0.001, 0.003, 0.01, 0.03)
N_INNER_FOLDS = 4
SPEAKERS_PER_FOLD = {"ravdess": 2, "nemo": 3, "emodb": 2}
N_ENROLLED = 10
SEEDS = range(5)
N_BINS = 10


class Data(NamedTuple):
    """Features, labels, speakers and corpora of items."""

    Z: np.ndarray
    y: np.ndarray
    speakers: np.ndarray
    corpora: np.ndarray

    def take(self, items: np.ndarray) -> Data:
        """Select items by a mask or by their numbers."""
        return Data(*(column[items] for column in self))


class Fold(NamedTuple):
    """Training and test items, as masks."""

    protocol: str
    corpus: str
    number: int
    train: np.ndarray
    test: np.ndarray


def make_folds(data: Data) -> Iterator[Fold]:
    """Test each corpus on its own speakers, some per fold, and after training on the other corpora."""
    for name in LOADERS:
        is_here = data.corpora == name
        speakers = pd.unique(data.speakers[is_here])  # in the order of the corpus
        n_folds = len(speakers) // SPEAKERS_PER_FOLD[name]
        for number, part in enumerate(np.array_split(speakers, n_folds), start=1):
            test = np.isin(data.speakers, part)
            yield Fold("speakers", name, number, is_here & ~test, test)
        yield Fold("corpora", name, 1, ~is_here, is_here & np.isin(data.y, data.y[~is_here]))


def predict(model: Pipeline, data: Data, enrolled: np.ndarray | None) -> np.ndarray:
    """Predict probabilities, after speakers were enrolled from some of the items; None enrolls nobody."""
    if enrolled is None:
        return model.predict_proba(data.Z)
    normalizer = copy.copy(model[0]).enroll(data.Z[enrolled], data.speakers[enrolled])
    return model[1:].predict_proba(normalizer.transform(data.Z, data.speakers))


def calibration_error(probabilities: np.ndarray, is_correct: np.ndarray) -> float:
    """Expected calibration error of the top label, with bins of equal size (Nixon et al., 2019)."""
    confidence = probabilities.max(axis=1)
    bins = np.array_split(np.argsort(confidence, kind="stable"), N_BINS)
    gaps = [len(items) * abs(confidence[items].mean() - is_correct[items].mean()) for items in bins]
    return sum(gaps) / len(confidence)


def score(
    model: Pipeline, data: Data, enrolled: np.ndarray | None, scored: np.ndarray, temperature: float = 1
) -> dict[str, float]:
    """Compute UA, WA and calibration error on the items that are scored."""
    probabilities, y = predict(model, data, enrolled)[scored], data.y[scored]
    predicted = model.classes_[probabilities.argmax(axis=1)]
    uncooled = probabilities**temperature
    uncooled /= uncooled.sum(axis=1, keepdims=True)
    return {
        "UA": unweighted_accuracy(y, predicted),
        "WA": weighted_accuracy(y, predicted),
        "ECE": calibration_error(probabilities, predicted == y),
        "ECE uncooled": calibration_error(uncooled, predicted == y),
    }


def mean_accuracy(data: Data, predicted: np.ndarray) -> float:
    """Average UA over the corpora."""
    parts = [data.corpora == name for name in np.unique(data.corpora)]
    return float(np.mean([unweighted_accuracy(data.y[part], predicted[part]) for part in parts]))


def choose(data: Data) -> pd.DataFrame:
    """Cross-validate each way and C over speakers, without ("none") and with ("test") their means."""
    splits = list(GroupKFold(N_INNER_FOLDS).split(data.Z, data.y, data.speakers))
    rows = []
    for way, C in itertools.product(WAYS, CS):
        predicted = {"none": data.y.copy(), "test": data.y.copy()}
        for train, test in splits:
            model, part = fit(*data.take(train)[:3], WAYS[way], C), data.take(test)
            everyone = None if way == "plain" else np.ones(len(test), dtype=bool)
            for mode, enrolled in (("none", None), ("test", everyone)):
                predicted[mode][test] = model.classes_[predict(model, part, enrolled).argmax(axis=1)]
        scores = {mode: mean_accuracy(data, labels) for mode, labels in predicted.items()}
        rows.append({"way": way, "C": C, **scores, "chosen by": np.mean([*scores.values()])})
    return pd.DataFrame(rows)


def draw(data: Data, seed: int) -> np.ndarray:
    """Draw the items from which each speaker is enrolled, as a mask."""
    random = np.random.default_rng(seed)
    drawn = np.zeros(len(data.y), dtype=bool)
    for name in np.unique(data.speakers):
        drawn[random.choice(np.flatnonzero(data.speakers == name), N_ENROLLED, replace=False)] = True
    return drawn


def skew(data: Data, seed: int) -> Data:
    """Resample the items of each speaker, so that one or two emotions dominate."""
    splits = [(np.array([], dtype=int), np.arange(len(data.y)))]
    ((_, items),) = skew_test_sets(splits, data.y, data.speakers, random_state=seed)
    return data.take(items)


def score_modes(model: Pipeline, way: str, data: Data, temperature: float) -> Iterator[dict[str, object]]:
    """Score strangers, enrolled speakers, and both with skewed emotions; means over seeds."""
    every = np.ones(len(data.y), dtype=bool)
    drawn = [draw(data, seed) for seed in SEEDS]
    skewed = [skew(data, seed) for seed in SEEDS]
    trials = {
        "none": [(data, None, every)],
        "test": [(data, every, every)],
        "enrolled": [(data, items, ~items) for items in drawn],
        "none, skewed": [(part, None, np.ones(len(part.y), dtype=bool)) for part in skewed],
        "test, skewed": [(part, *[np.ones(len(part.y), dtype=bool)] * 2) for part in skewed],
    }
    for mode, draws in trials.items():
        # A plain model is used without means, whatever is known about the speaker.
        used = [(part, None if way == "plain" else items, scored) for part, items, scored in draws]
        scores = pd.DataFrame([score(model, *trial, temperature) for trial in used])
        yield {"mode": mode, **scores.mean().round(4)}


def try_fold(data: Data, fold: Fold) -> list[dict[str, object]]:
    """Choose in the training set, and test each way with its best C."""
    train, test = data.take(fold.train), data.take(fold.test)
    trials = choose(train)
    chosen_way = trials.loc[trials["chosen by"].idxmax(), "way"]
    rows = []
    for way, of_way in trials.groupby("way", sort=False):
        best = of_way.loc[of_way["chosen by"].idxmax()]
        model = fit(*train[:3], WAYS[way], best["C"])
        temperature = 1.0
        if fold.protocol == "corpora":
            temperature = find_temperature(*train, WAYS[way], best["C"])
            cool(model, temperature)
        inner = {"inner none": round(best["none"], 4), "inner test": round(best["test"], 4)}
        for scores in score_modes(model, way, test, temperature):
            fixed = {"protocol": fold.protocol, "corpus": fold.corpus, "fold": fold.number}
            settings = {"way": way, "C": best["C"], "temperature": round(temperature, 3)}
            rows.append({**fixed, **settings, "chosen": way == chosen_way, **inner, **scores})
    return rows


def accuracy_table(rows: pd.DataFrame) -> pd.DataFrame:
    """UA in %, the mean over folds, by mode and way, and by protocol and corpus."""
    rows = pd.concat([rows, rows[rows["chosen"]].assign(way="chosen")])
    columns = ["protocol", "corpus"]
    return 100 * rows.pivot_table("UA", ["mode", "way"], columns, sort=False)


def calibration_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Calibration error in % of the way that was chosen, on corpora that it was not trained on."""
    chosen = rows[rows["chosen"] & (rows["protocol"] == "corpora")]
    return 100 * chosen.pivot_table(["ECE", "ECE uncooled"], "mode", "corpus", sort=False)


def choices(rows: pd.DataFrame) -> pd.Series:
    """Count the folds that chose each way and C."""
    of_folds = rows[rows["chosen"] & (rows["mode"] == "none")]
    return of_folds.groupby(["protocol", "corpus", "way", "C"], sort=False).size()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder that contains ravdess, nemo and emodb")
    parser.add_argument("output", type=Path, help="CSV file of the rows")
    parser.add_argument("--memory", help="folder of a cache for the features")
    return parser.parse_args()


def read_data(folder: Path, memory: str | None) -> Data:
    """Load the corpora, and compute their features."""
    corpus = load_corpora(folder, LOADERS)
    Z = SpeechEncoderTransformer(memory=memory, verbose=True).fit_transform(corpus.data)
    return Data(Z, corpus.target, corpus.groups, corpus.frame["corpus"].to_numpy())


def main() -> None:
    """Try the folds that are not in the output, and print the tables."""
    arguments = parse_arguments()
    done = pd.read_csv(arguments.output) if arguments.output.exists() else None
    finished = (
        set() if done is None else set(zip(done["protocol"], done["corpus"], done["fold"], strict=True))
    )
    data = read_data(arguments.corpora, arguments.memory)
    for fold in make_folds(data):
        if (fold.protocol, fold.corpus, fold.number) in finished:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of emotions that a skewed test set lacks
            rows = try_fold(data, fold)
        is_new = not arguments.output.exists()
        pd.DataFrame(rows).to_csv(arguments.output, mode="a", header=is_new, index=False)
        print(f"{fold.protocol}: {fold.corpus}, fold {fold.number}", flush=True)
    rows = pd.read_csv(arguments.output)
    print("\nUA in %", accuracy_table(rows).to_string(float_format="{:.1f}".format), sep="\n")
    print(
        "\ncalibration error in %", calibration_table(rows).to_string(float_format="{:.1f}".format), sep="\n"
    )
    print("\nfolds that chose", choices(rows).to_string(), sep="\n")


if __name__ == "__main__":
    main()
