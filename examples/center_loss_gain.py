"""Compare softmax with and without center loss on Mel and STFT spectrograms, with speakers kept apart.

python examples/center_loss_gain.py
python examples/center_loss_gain.py --corpus ravdess:path/to/ravdess --folds 6 --only 4 5 6
python examples/center_loss_gain.py --corpus ravdess:path/to/ravdess --device cuda
python examples/center_loss_gain.py --corpus ravdess:path/to/ravdess --protocol published

The two fits of a pair share fold, seed, initial weights and batches. Each fit is written to a row of
OUTPUT/fits.csv, so a run that was stopped continues where it stopped. ``--baselines`` adds methods without a
network, and ``--embedding-dims`` sets the sizes of the embedding. ``--protocol published`` repeats the
paper's experiment instead, in which training and test share the speakers (center_loss_published.py).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import center_loss_published as published
import center_loss_report as report
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import skser
from skser import (
    CenterLossClassifier,
    Spectrograms,
    SpectrogramTransformer,
    intra_inter_ratio,
    load_audio,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import load_corpus

# Silence around the speech is trimmed, since it only costs time. Of the STFT, only the bins below 4 kHz are
# used, at half the cost.
TRANSFORMERS = {
    "mel": SpectrogramTransformer(kind="mel", trim_db=40),
    "stft": SpectrogramTransformer(kind="stft", fmax=4000, trim_db=40),
}
ON_EMBEDDINGS = {
    "svc": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
    "knn": make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=15)),
    "lda": LinearDiscriminantAnalysis(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
}
TRADITIONAL = {
    "majority class": DummyClassifier(strategy="most_frequent"),
    "MFCC statistics + SVC": make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced")),
    "ComParE_2016 + SVC": make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced")),
}


class Fit(NamedTuple):
    """One fit of the experiment."""

    features: str
    method: str
    embedding_dim: int
    fold: int
    seed: int


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    default = CenterLossClassifier()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--features", nargs="+", default=["mel", "stft"], choices=["mel", "stft"])
    parser.add_argument("--center-lambda", type=float, default=default.center_lambda, metavar="LAMBDA")
    parser.add_argument("--center-alpha", type=float, default=default.center_alpha, metavar="ALPHA")
    parser.add_argument("--embedding-dims", type=int, nargs="+", default=[default.embedding_dim])
    parser.add_argument("--max-epochs", type=int, default=default.max_epochs)
    parser.add_argument(
        "--folds",
        nargs="+",
        default=["3"],
        help="number of folds of neighboring speakers (default: 3), or the speakers of each: A,B C,D",
    )
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the test folds (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--baselines", action="store_true", help="add SVCs on MFCC and openSMILE features")
    parser.add_argument("--protocol", default="apart", choices=["apart", "published"])
    parser.add_argument("--network", default="crnn", choices=["crnn", "published"])
    parser.add_argument(
        "--stages", nargs="*", default=["primary"], choices=published.STAGES, help="of --protocol published"
    )
    parser.add_argument("--max-steps", type=int, default=published.MAX_STEPS, help="of --protocol published")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--n-jobs", type=int, default=1, help="parallel fits, one thread each (default: 1)")
    parser.add_argument("--output", type=Path, default=Path("center_loss_gain"))
    arguments = parser.parse_args()
    if len(arguments.folds) == 1:
        arguments.folds = int(arguments.folds[0])
    return arguments


def speaker_folds(speakers: np.ndarray, folds: int | list[str]) -> list[np.ndarray]:
    """Assign each speaker to one test fold: neighbors to the same one, or as listed."""
    names = np.unique(speakers)
    if isinstance(folds, list):
        if sorted(",".join(folds).split(",")) != names.tolist():
            raise SystemExit(f"--folds must list each speaker once: {', '.join(names)}.")
        return [np.isin(speakers, fold.split(",")) for fold in folds]
    if not 2 <= folds <= len(names):
        raise SystemExit(f"--folds must be between 2 and the number of speakers, {len(names)}.")
    return [np.isin(speakers, fold) for fold in np.array_split(names, folds)]


def planned(arguments: argparse.Namespace) -> list[Fit]:
    """List the fits; the two of a pair are neighbors, so that a stopped run leaves complete pairs."""
    n_folds = arguments.folds if isinstance(arguments.folds, int) else len(arguments.folds)
    folds = arguments.only or range(1, n_folds + 1)
    fits = [
        Fit(features, method, size, fold, seed)
        for size in arguments.embedding_dims
        for seed in arguments.seeds
        for features in arguments.features
        for fold in folds
        for method in report.METHODS
    ]
    if arguments.baselines:
        fits += [Fit(name, "traditional", 0, fold, 0) for name in TRADITIONAL for fold in folds]
    return fits


def classifier_for(fit: Fit, arguments: argparse.Namespace) -> CenterLossClassifier:
    """Make the classifier of a fit; the two of a pair differ only in lambda."""
    if arguments.network == "published":  # the paper's settings, without a validation set
        center_lambda = published.LAMBDA if fit.method == "center" else 0.0
        arm = published.Fit("apart", "", fit.features, "published", center_lambda, 0.5, 0, fit.seed)
        classifier = published.classifier_for(arm, arguments.max_epochs, arguments.device)
        return classifier.set_params(early_stopping=False, random_state=fit.seed)
    return CenterLossClassifier(
        center_lambda=arguments.center_lambda if fit.method == "center" else 0.0,
        center_alpha=arguments.center_alpha,
        embedding_dim=fit.embedding_dim,
        max_epochs=arguments.max_epochs,
        device=arguments.device,
        random_state=fit.seed,
    )


def parameters_of(fit: Fit, arguments: argparse.Namespace) -> str:
    """Write the parameters that determine a row, except its fold and seed."""
    if fit.method == "traditional":
        return json.dumps({"corpus": arguments.corpus.split(":")[0], "folds": arguments.folds})
    own = classifier_for(fit, arguments).get_params() | transformer_for(fit.features, arguments).get_params()
    of_the_machine = ("checkpoint_dir", "device", "max_duration", "max_nbytes", "memory", "n_jobs")
    for name in (*of_the_machine, "precision", "random_state", "verbose"):
        own.pop(name, None)
    return json.dumps(
        {"corpus": arguments.corpus.split(":")[0], "folds": arguments.folds} | own, default=list
    )


def transformer_for(features: str, arguments: argparse.Namespace) -> SpectrogramTransformer:
    """Make the transformer of a kind of spectrogram, as the network expects it."""
    return TRANSFORMERS[features] if arguments.network == "crnn" else published.transformer_for(features)


def train_network(fit: Fit, classifier: CenterLossClassifier, X: Any, y: np.ndarray, test: np.ndarray):
    """Fit the network on the other speakers; score its predictions and its embeddings."""
    start = time.perf_counter()
    classifier.fit(X[~test], y[~test])
    seconds = time.perf_counter() - start
    embedding = classifier.transform(X[test])
    training_embedding = classifier.transform(X[~test])
    values = {"intra_inter_ratio": intra_inter_ratio(embedding, y[test])}
    for name, other in ON_EMBEDDINGS.items():
        y_pred = other.fit(training_embedding, y[~test]).predict(embedding)
        values[f"{name}_UA"] = unweighted_accuracy(y[test], y_pred)
    arrays = {"embedding": embedding, "y": y[test], "centers": classifier.centers_}
    arrays["history"] = np.array(json.dumps(classifier.history_))
    return row_of(y[test], classifier.predict(X[test]), seconds) | values, arrays


def train_traditional(fit: Fit, X: np.ndarray, y: np.ndarray, test: np.ndarray):
    """Fit a baseline on the other speakers."""
    start = time.perf_counter()
    y_pred = TRADITIONAL[fit.features].fit(X[~test], y[~test]).predict(X[test])
    return row_of(y[test], y_pred, time.perf_counter() - start), None


def row_of(y: np.ndarray, y_pred: np.ndarray, seconds: float) -> dict[str, Any]:
    """Score predictions, and keep them, so that other tables can be made from the rows."""
    return {
        "UA": unweighted_accuracy(y, y_pred),
        "WA": weighted_accuracy(y, y_pred),
        "seconds": round(seconds, 1),
        "y": json.dumps(y.tolist()),
        "y_pred": json.dumps(y_pred.tolist()),
    }


def run(fit: Fit, arguments: argparse.Namespace, X: Any, y: np.ndarray, test: np.ndarray):
    """Run one fit on one thread."""
    if arguments.device == "cpu" or not torch.cuda.is_available():
        torch.set_num_threads(1)  # so that the results do not depend on --n-jobs
    if fit.method == "traditional":
        return fit, *train_traditional(fit, X, y, test)
    return fit, *train_network(fit, classifier_for(fit, arguments), X, y, test)


def features_for(name: str, corpus: Any, arguments: argparse.Namespace) -> Spectrograms | np.ndarray:
    """Compute one kind of features for the whole corpus; they learn nothing from the data."""
    if name in TRANSFORMERS:
        return transformer_for(name, arguments).fit_transform(corpus.data)
    if name == "majority class":
        return np.zeros((len(corpus.data), 1))
    compute = mfcc_statistics if name.startswith("MFCC") else compare_functionals
    return compute([load_audio(item, sr=16000) for item in corpus.data])


def mfcc_statistics(waveforms: list[np.ndarray]) -> np.ndarray:
    """Mean, deviation and extremes of MFCC, their slopes, pitch and loudness."""
    import librosa

    rows = []
    for y in waveforms:
        mfcc = librosa.feature.mfcc(y=y, sr=16000, n_mfcc=20)
        pitch = librosa.yin(y, fmin=60, fmax=600, sr=16000)[None, : mfcc.shape[1]]
        tracks = np.concatenate(
            [mfcc, librosa.feature.delta(mfcc, mode="nearest"), librosa.feature.rms(y=y), pitch]
        )
        rows.append(np.concatenate([f(tracks, axis=1) for f in (np.mean, np.std, np.min, np.max)]))
    return np.stack(rows)


def compare_functionals(waveforms: list[np.ndarray]) -> np.ndarray:
    """Compute the 6,373 functionals of ComParE_2016 with openSMILE."""
    try:
        import opensmile
    except ImportError as error:
        raise SystemExit('--baselines needs openSMILE: pip install "skser[baselines]".') from error
    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    return np.concatenate([smile.process_signal(y, 16000).to_numpy() for y in waveforms])


def code_version() -> str:
    """Version of the package, with a digest of its modules."""
    digest = hashlib.sha256()
    for path in sorted(Path(skser.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{skser.__version__}+{digest.hexdigest()[:12]}"


def results(arguments: argparse.Namespace, todo: list[Fit]) -> Iterator[tuple[Fit, dict, dict | None]]:
    """Run the missing fits, and yield each as it ends."""
    if not todo:
        return
    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    y = np.asarray(corpus.target).astype(str)
    folds = speaker_folds(np.asarray(corpus.groups), arguments.folds)
    for features in dict.fromkeys(fit.features for fit in todo):
        X = features_for(features, corpus, arguments)
        tasks = (
            delayed(run)(fit, arguments, X, y, folds[fit.fold - 1])
            for fit in todo
            if fit.features == features
        )
        yield from Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")(tasks)


def main() -> None:
    """Run the missing fits, then print the tables and draw the pictures."""
    arguments = parse_arguments()
    if arguments.protocol == "published":
        published.main(arguments)
        return
    fits = planned(arguments)
    keys = {fit: hashlib.sha256(parameters_of(fit, arguments).encode()).hexdigest()[:12] for fit in fits}
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = arguments.output / "fits.csv"
    done = report.read_rows(table)
    todo = [fit for fit in fits if (*map(str, fit), keys[fit]) not in done]
    print(f"{len(fits)} fits, of which {len(fits) - len(todo)} are in {table}", flush=True)
    version = code_version()
    for number, (fit, values, arrays) in enumerate(results(arguments, todo), start=1):
        parameters = parameters_of(fit, arguments)
        row = fit._asdict() | {"key": keys[fit], "version": version, "parameters": parameters} | values
        if arrays is not None:
            name = "-".join(map(str, (*fit, keys[fit])))
            np.savez_compressed(arguments.output / f"{name}.npz", **arrays)
        report.append(table, row)
        print(f"{number:4d} of {len(todo)}: {' '.join(map(str, fit))}: UA {100 * row['UA']:.1f}", flush=True)
    rows = pd.read_csv(table, dtype={"key": str}).set_index([*Fit._fields, "key"], drop=False)
    rows = rows.loc[[(*fit, keys[fit]) for fit in fits]].reset_index(drop=True)
    report.write_tables(rows, arguments.output)
    report.draw(rows, arguments.output)


if __name__ == "__main__":
    main()
