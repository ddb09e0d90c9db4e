"""Rows of inference, of the grid search and of the import."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from harness import Measurement, NotRunError, Row, Settings, compare, pinned
from joblib import parallel_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from workloads import MEDIAN, N_CLASSES, SR, Prototype, durations, recordings, spectrograms, waveforms

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    to_onnx,
    unweighted_accuracy_scorer,
)

CALLS = 20  # per timing of a latency
GRID = {"center_lambda": [0.03, 0.1, 0.3, 1], "center_alpha": [0.1, 0.5]}


def classifier_of(max_epochs: int = 1) -> CenterLossClassifier:
    """Make a classifier on the CPU."""
    return CenterLossClassifier(max_epochs=max_epochs, device="cpu", random_state=0)


def functionals() -> Any:
    """Make openSMILE's extractor of 6,373 functionals per file."""
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)


def network_pipeline() -> Pipeline:
    """Make the pipeline of spectrograms and the network."""
    return make_pipeline(SpectrogramTransformer(n_jobs=1), classifier_of())


def encoder_pipeline() -> Pipeline:
    """Make the pipeline of encoder statistics and a logistic regression."""
    return make_pipeline(SpeechEncoderTransformer(n_jobs=1), StandardScaler(), LogisticRegression(C=0.01))


def predicting(make: Callable[[], Pipeline]) -> Callable[[Settings], Measurement]:
    """Make the function that compares files to labels with the same by openSMILE and an SVC."""

    def measure(settings: Settings) -> Measurement:
        n, smile = settings.size(64, 4), functionals()
        y = np.arange(n) % N_CLASSES
        with tempfile.TemporaryDirectory() as folder:
            paths, source = real_or_synthetic(n, Path(folder))
            pipeline = make().fit(paths, y)
            svc = make_pipeline(StandardScaler(), SVC(C=10)).fit(smile.process_files(paths), y)
            return compare(
                lambda: pipeline.predict(paths),
                lambda: svc.predict(smile.process_files(paths)),
                settings,
                rounds=3,
                warm_up=False,
                note=source,
            )

    return measure


def encoder_statistics(settings: Settings) -> Measurement:
    """Compare the statistics of the encoder with openSMILE's functionals of the same files."""
    smile = functionals()
    with tempfile.TemporaryDirectory() as folder:
        paths, source = real_or_synthetic(settings.size(64, 4), Path(folder))
        encoder = SpeechEncoderTransformer(n_jobs=1).fit(paths)  # loads the weights
        return compare(
            lambda: encoder.transform(paths),
            lambda: smile.process_files(paths),
            settings,
            rounds=3,
            warm_up=False,
            note=source,
        )


def real_or_synthetic(n: int, folder: Path) -> tuple[list[str], str]:
    """Find real recordings or write synthetic ones; also returns which of the two."""
    try:
        return recordings(n), "RAVDESS"
    except NotRunError:
        paths = [str(folder / f"{index}.wav") for index in range(n)]
        for path, y in zip(paths, waveforms(durations(n)), strict=True):
            soundfile.write(path, y, SR)
        return paths, "synthetic recordings"


# One utterance


def repeated(function: Callable[[], Any]) -> Callable[[], None]:
    """Make the function that calls another one several times."""

    def call() -> None:
        for _ in range(CALLS):
            function()

    return call


def prototype_latency() -> Callable[[], None]:
    """Make the function that answers one utterance with the prototype."""
    S, lengths = (torch.from_numpy(array) for array in spectrograms(np.array([MEDIAN]))[0].pad(0.0))
    prototype = Prototype().eval()
    return repeated(torch.inference_mode()(lambda: prototype(S, lengths)[0].softmax(dim=1)))


def fitted() -> CenterLossClassifier:
    """Train a classifier."""
    return classifier_of().fit(*spectrograms(durations(8)))


def one_eager(settings: Settings) -> Measurement:
    """Compare predict_proba of one utterance, including its checks, with the bare prototype."""
    X, classifier = spectrograms(np.array([MEDIAN]))[0], fitted()
    return compare(repeated(lambda: classifier.predict_proba(X)), prototype_latency(), settings)


def one_onnx(settings: Settings) -> Measurement:
    """Compare the exported model on one utterance with the bare prototype."""
    from onnxruntime import InferenceSession, SessionOptions

    S, lengths = spectrograms(np.array([MEDIAN]))[0].pad(0.0)
    options = SessionOptions()
    options.intra_op_num_threads = settings.threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        to_onnx(fitted(), path)
        session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {"spectrogram": S, "lengths": lengths}
    return compare(repeated(lambda: session.run(["probabilities"], inputs)), prototype_latency(), settings)


# Grid search


def search(estimator: Any, settings: Settings, grid: dict[str, list[float]], n_jobs: int = 1) -> GridSearchCV:
    """Make a grid search over folds of speakers."""
    scorer, cv = unweighted_accuracy_scorer, GroupKFold(settings.size(5, 2))
    return GridSearchCV(estimator, grid, scoring=scorer, cv=cv, refit=False, n_jobs=n_jobs)


def search_features(settings: Settings) -> Measurement:
    """Compare a search over pipelines, its cache empty, with as many fits on ready features."""
    n = settings.size(10, 8)
    Y, y, groups = waveforms(durations(n)), np.arange(n) % N_CLASSES, np.arange(n) // 2
    classifier = classifier_of(settings.size(3, 1))
    X = SpectrogramTransformer(n_jobs=1).fit_transform(Y)
    grid = {f"centerlossclassifier__{name}": values for name, values in GRID.items()}

    def searched() -> None:
        with tempfile.TemporaryDirectory() as folder:
            pipe = make_pipeline(SpectrogramTransformer(memory=folder, n_jobs=1), classifier)
            search(pipe, settings, grid).fit(Y, y, groups=groups)

    def by_hand() -> None:
        for parameters in ParameterGrid(GRID):
            for train, test in GroupKFold(settings.size(5, 2)).split(X, y, groups):
                model = clone(classifier).set_params(**parameters).fit(X[train], y[train])
                unweighted_accuracy_scorer(model, X[test], y[test])

    return compare(searched, by_hand, settings, rounds=3, warm_up=False)


def search_workers(settings: Settings) -> Measurement:
    """Compare a search in two workers of one thread with one in a single worker of one thread."""
    X, y = spectrograms(durations(settings.size(20, 8)))
    groups = np.arange(len(X)) // N_CLASSES

    def searching(n_jobs: int) -> Callable[[], None]:
        def call() -> None:
            with pinned(1), parallel_config("loky", inner_max_num_threads=1):
                search(classifier_of(), settings, GRID, n_jobs).fit(X, y, groups=groups)

        return call

    return compare(searching(2), searching(1), settings, rounds=3, warm_up=False)


# Import


def importing(settings: Settings) -> Measurement:
    """Compare importing skser with importing the packages that it is built on."""

    def fresh(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    return compare(fresh("import skser"), fresh("import torch, sklearn, skorch"), settings)


OPENSMILE = "openSMILE ComParE_2016 functionals + SVC on the same files"
FUNCTIONALS = "openSMILE ComParE_2016 functionals of the same files"
PREDICT = "features + predict, 64 utterances"
ENCODER_PREDICT = "encoder statistics + predict, 64 utterances"
ENCODER = "encoder statistics, 64 utterances, one thread"
PROTOTYPE = "the prototype, eager"
SEARCH = "8 candidates x 5 folds, features included"
WORKERS = "grid search, 2 workers of one thread"
IMPORTS = "importing torch, sklearn and skorch"
ROWS = [
    Row("predict-opensmile", PREDICT, OPENSMILE, predicting(network_pipeline), target=0.20),
    Row("predict-encoder", ENCODER_PREDICT, OPENSMILE, predicting(encoder_pipeline), target=0.8),
    Row("features-encoder", ENCODER, FUNCTIONALS, encoder_statistics, target=0.8),
    Row("one-eager", "one utterance, eager", PROTOTYPE, one_eager, target=0.6),
    Row("one-onnx", "one utterance, ONNX (once exported)", PROTOTYPE, one_onnx, target=0.3),
    Row("search-features", SEARCH, "40 fits on ready features", search_features, target=1.05),
    Row("search-workers", WORKERS, "1 worker of one thread", search_workers, target=0.60),
]
IMPORT_ROWS = [Row("import", "import skser", IMPORTS, importing, target=1.1)]
