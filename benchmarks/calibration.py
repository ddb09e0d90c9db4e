"""Measure how well probabilities agree with the accuracy on speakers outside the training set.

    python benchmarks/calibration.py ravdess:../shared/corpora/ravdess --memory cache
    python benchmarks/calibration.py ravdess:../shared/corpora/ravdess --models spectrogram

Each model is measured plain and calibrated: with one temperature, from predictions for training speakers that
it was not trained on. The test speakers have no influence on it. Consecutive speakers are tested together, or
the sets of --folds. Rows are appended to OUTPUT as evaluations end; a run that was stopped continues with the
missing ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skser import CenterLossClassifier, Evaluation, SpectrogramTransformer, SpeechEncoderTransformer, evaluate
from skser.datasets import load_corpus

LINEAR = ("logistic", "three speeds")
MODELS = (*LINEAR, "dense", "spectrogram")
CALIBRATIONS = ("none", "speakers")
N_FOLDS = 5  # of the training speakers, as in CenterLossClassifier


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", help="LOADER:PATH, see skser.datasets.load_corpus")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS[:3])
    parser.add_argument("--speakers-per-fold", type=int, default=2, help="consecutive speakers in a test set")
    parser.add_argument("--folds", nargs="+", help='test sets instead, such as "EB0 KS0 MP0" "KD0 MK0 TP0"')
    parser.add_argument("--memory", help="folder of a cache for the features")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "calibration.csv")
    return parser.parse_args()


def make_splits(corpus: Bunch, folds: list[str] | None, n_speakers: int) -> list[tuple[Any, Any]]:
    """Test sets of whole speakers; all other speakers are the training set."""
    names, groups = pd.unique(corpus.groups).astype(str), corpus.groups.astype(str)
    parts = [names[first : first + n_speakers] for first in range(0, len(names), n_speakers)]
    if folds is not None:
        parts = [np.array(fold.split()) for fold in folds]
        if unknown := sorted(set().union(*(fold.split() for fold in folds)) - set(names)):
            raise SystemExit(
                f"--folds has {', '.join(unknown)}, but the speakers of the corpus are {', '.join(names)}."
            )
    masks = [np.isin(groups, part) for part in parts]
    return [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks]


def make_features(name: str, corpus: Bunch, memory: str | None) -> Any:
    """Input of a model, which depends on no other recording."""
    if name == "spectrogram":
        return SpectrogramTransformer(memory=memory).fit_transform(corpus.data)
    speeds = (0.86, 1.0, 1.16) if name == "three speeds" else (1.0,)
    return SpeechEncoderTransformer(speeds=speeds, memory=memory).fit_transform(corpus.data)


def make_model(name: str, calibration: str, device: str, seed: int) -> Any:
    """Make a model; a linear one is calibrated by `evaluate_calibrated`."""
    if name in LINEAR:
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    network = "dense" if name == "dense" else "crnn"
    return CenterLossClassifier(
        network=network,
        calibration=None if calibration == "none" else calibration,
        device=device,
        random_state=seed,
    )


def evaluate_calibrated(model: Any, corpus: Bunch, splits: list[tuple[Any, Any]]) -> Evaluation:
    """Evaluate a model with CalibratedClassifierCV, whose folds are speakers of the training set."""
    parts = []
    for train, test in splits:
        folds = list(GroupKFold(N_FOLDS).split(train, groups=corpus.groups[train]))
        calibrated = CalibratedClassifierCV(model, method="temperature", cv=folds, ensemble=False)
        parts.append(evaluate(calibrated, corpus, cv=[(train, test)]))
    predictions = pd.concat([part.predictions for part in parts], ignore_index=True)
    return Evaluation(predictions, pd.concat([part.folds for part in parts]), parts[0].labels)


def measure(name: str, calibration: str, corpus: Bunch, splits: Any, arguments: Any) -> dict[str, Any]:
    """Evaluate one model, and return its scores."""
    model = make_model(name, calibration, arguments.device, arguments.seed)
    if name in LINEAR and calibration != "none":
        evaluation = evaluate_calibrated(model, corpus, splits)
    else:
        evaluation = evaluate(model, corpus, cv=splits)
    scores = evaluation.calibration
    assert scores is not None
    return {"UA": evaluation.unweighted_accuracy, "WA": evaluation.weighted_accuracy, **scores}


def main() -> None:
    """Make the missing rows, then print the table."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    corpus, loader = load_corpus(arguments.corpus), arguments.corpus.partition(":")[0]
    splits = make_splits(corpus, arguments.folds, arguments.speakers_per_fold)
    key = ["corpus", "model", "calibration", "seed"]
    rows = pd.read_csv(arguments.output, keep_default_na=False) if arguments.output.exists() else None
    done = set() if rows is None else set(rows[key].itertuples(index=False, name=None))
    for name in arguments.models:
        todo = [kind for kind in CALIBRATIONS if (loader, name, kind, arguments.seed) not in done]
        if not todo:
            continue
        data = Bunch(**{**corpus, "data": make_features(name, corpus, arguments.memory)})
        for kind in todo:
            scores = measure(name, kind, data, splits, arguments)
            row = dict(zip(key, (loader, name, kind, arguments.seed), strict=True)) | scores
            is_new = not arguments.output.exists()
            pd.DataFrame([row]).round(4).to_csv(arguments.output, mode="a", header=is_new, index=False)
    print(pd.read_csv(arguments.output, keep_default_na=False).to_string(index=False))


if __name__ == "__main__":
    main()
