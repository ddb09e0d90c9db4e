"""Measure what means of speakers are worth, and how much of it depends on balanced emotions.

One corpus is split by speakers, several corpora are left out one after the other:

    python benchmarks/speaker_means.py ravdess:path/to/ravdess --speakers-per-fold 2
    python benchmarks/speaker_means.py ravdess:path/to/ravdess emodb:path/to/emodb --emotions angry happy sad

The rows are the model without a normalizer; with a normalizer that subtracts the mean of all test recordings
of each speaker, that of the training speakers, or that of a few enrolled recordings that are not scored; and
the first two on test speakers that are resampled to skewed emotions. Rows with draws are averages over seeds.
``--output`` adds a column for these corpora to a CSV file, or replaces it.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from skser import SpeakerNormalizer, SpeechEncoderTransformer, evaluate, skew_test_sets
from skser.datasets import load_corpus, merge_corpora

HEADS = {"logistic": LogisticRegression(C=0.01, max_iter=1000), "svc": SVC()}
Splits = list[tuple[np.ndarray, np.ndarray]]


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="LOADER:PATH, see skser.datasets.load_corpus")
    parser.add_argument("--emotions", nargs="+", help="emotions to keep (default: all)")
    parser.add_argument("--speakers-per-fold", type=int, default=1, help="consecutive speakers in a test set")
    parser.add_argument(
        "--folds", type=int, nargs="+", help="numbers of the folds to use, from 1 (default: all)"
    )
    parser.add_argument("--encoder", default="ge2e")
    parser.add_argument("--layer", type=int, default=2)
    parser.add_argument("--head", choices=HEADS, default="logistic")
    parser.add_argument("--enroll", type=int, default=10, help="enrolled recordings per speaker")
    parser.add_argument(
        "--seeds", type=int, default=50, help="number of draws of the skewed and enrolled rows"
    )
    parser.add_argument("--memory", help="folder of a cache for the features")
    parser.add_argument("--output", type=Path, help="CSV file with a column of UA for these corpora")
    arguments = parser.parse_args()
    if arguments.output and not arguments.output.absolute().parent.is_dir():
        parser.error(f"the folder of --output {arguments.output} does not exist")
    return arguments


def read(arguments: argparse.Namespace) -> Bunch:
    """Load the corpora, and keep the wanted emotions."""
    corpora = {spec.partition(":")[0]: load_corpus(spec) for spec in arguments.corpora}
    found = {label for corpus in corpora.values() for label in corpus.target.tolist()}
    left_out = found.difference(arguments.emotions or found)
    return merge_corpora(corpora, left_out=sorted(left_out))


def folds_of(corpus: Bunch, n_speakers: int, numbers: list[int] | None) -> Splits:
    """Test consecutive speakers, in the order of the corpus."""
    speakers = pd.unique(corpus.groups)
    parts = [speakers[first : first + n_speakers] for first in range(0, len(speakers), n_speakers)]
    chosen = parts if numbers is None else [parts[number - 1] for number in numbers]
    masks = [np.isin(corpus.groups, part) for part in chosen]
    return [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks]


def folds_of_corpora(corpus: Bunch) -> Splits:
    """Test each corpus on the labels that it shares with the others."""
    splits = []
    for name in pd.unique(corpus.frame["corpus"]):
        is_test = (corpus.frame["corpus"] == name).to_numpy()
        shared = np.isin(corpus.target, corpus.target[~is_test])
        splits.append((np.flatnonzero(~is_test), np.flatnonzero(is_test & shared)))
    return splits


def measure(corpus: Bunch, splits: Splits, head: Any, n_enroll: int, n_seeds: int) -> pd.DataFrame:
    """Evaluate each row of the table; UA in %, pooled and by fold."""
    plain = make_pipeline(StandardScaler(), head)
    with_means = make_pipeline(SpeakerNormalizer(), StandardScaler(), head)
    skewed = [
        skew_test_sets(splits, corpus.target, corpus.groups, random_state=seed) for seed in range(n_seeds)
    ]
    test = {"speaker_means": "test"}
    enrolled = [
        {"speaker_means": "enrolled", "n_enroll": n_enroll, "random_state": seed} for seed in range(n_seeds)
    ]
    rows: dict[str, list[tuple[Any, Splits, dict[str, Any]]]] = {
        "no normalizer": [(plain, splits, {})],
        "mean of the test recordings": [(with_means, splits, test)],
        "mean of the training speakers": [(with_means, splits, {})],
        f"mean of {n_enroll} enrolled recordings": [(with_means, splits, options) for options in enrolled],
        "no normalizer, skewed": [(plain, part, {}) for part in skewed],
        "mean of the test recordings, skewed": [(with_means, part, test) for part in skewed],
    }
    table = {}
    for name, trials in rows.items():
        found = [evaluate(model, corpus, cv=cv, **options) for model, cv, options in trials]
        pooled = [evaluation.unweighted_accuracy for evaluation in found]
        by_fold = np.mean([evaluation.folds["UA"] for evaluation in found], axis=0)
        scores = {"UA": np.mean(pooled), "std": np.std(pooled)}
        scores |= {f"fold {fold}": score for fold, score in enumerate(by_fold, start=1)}
        table[name] = {"draws": len(found), **{key: round(100 * score, 1) for key, score in scores.items()}}
    return pd.DataFrame(table).T


def add_column(path: Path, name: str, table: pd.DataFrame) -> None:
    """Write UA and its deviation over the draws as a column of a CSV file; keep the other columns."""
    texts = {
        row: f"{line.UA} ± {line['std']}" if line.draws > 1 else str(line.UA)
        for row, line in table.iterrows()
    }
    kept = pd.read_csv(path, index_col="row", dtype=str) if path.exists() else pd.DataFrame(index=list(texts))
    if kept.index.tolist() != [*texts]:
        raise SystemExit(f"{path} has other rows than {', '.join(texts)}: give another --output.")
    columns = kept.assign(**{name: texts})
    columns.to_csv(path, index_label="row", lineterminator="\n")


def main() -> None:
    """Compute the features once, and print the table."""
    arguments = parse_arguments()
    corpus = read(arguments)
    encoder = SpeechEncoderTransformer(
        arguments.encoder, layer=arguments.layer, memory=arguments.memory, verbose=True
    )
    corpus.data = encoder.fit_transform(corpus.data)
    if len(arguments.corpora) > 1:
        splits = folds_of_corpora(corpus)
    else:
        splits = folds_of(corpus, arguments.speakers_per_fold, arguments.folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of repeated items and absent classes, which skewed test sets have
        table = measure(corpus, splits, HEADS[arguments.head], arguments.enroll, arguments.seeds)
    print(table.astype({"draws": int}).to_string())
    if arguments.output:
        names = [address.partition(":")[0] for address in arguments.corpora]
        add_column(arguments.output, " + ".join(names), table)


if __name__ == "__main__":
    main()
