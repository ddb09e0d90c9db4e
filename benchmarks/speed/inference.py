"""Rows of inference: many recordings, and a single utterance at low latency."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from harness import Measurement, NotRunError, Row, Settings, compare, recordings
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from workloads import MEDIAN, N_CLASSES, SR, Prototype, durations, spectrograms, waveforms

from skser import CenterLossClassifier, SpectrogramTransformer, to_onnx

_CALLS = 20  # of which one latency is made


def against_opensmile(settings: Settings) -> Measurement:
    """Compare the way from files to labels with that over openSMILE's functionals and an SVC."""
    import opensmile

    n = settings.size(64, 4)
    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    y = np.arange(n) % N_CLASSES
    with tempfile.TemporaryDirectory() as folder:
        paths, source = _files(n, Path(folder))
        network = make_pipeline(
            SpectrogramTransformer(n_jobs=1), CenterLossClassifier(max_epochs=1, random_state=0, device="cpu")
        ).fit(paths, y)
        machine = make_pipeline(StandardScaler(), SVC(C=10)).fit(smile.process_files(paths), y)
        return compare(
            lambda: network.predict(paths),
            lambda: machine.predict(smile.process_files(paths)),
            settings,
            rounds=3,
            most=3,
            warm_up=False,
            note=source,
        )


def _files(n: int, folder: Path) -> tuple[list[str], str]:
    """Give real recordings, or write synthetic ones; and say which."""
    try:
        return recordings(n), "RAVDESS"
    except NotRunError:
        paths = [str(folder / f"{index}.wav") for index in range(n)]
        for path, y in zip(paths, waveforms(durations(n)), strict=True):
            soundfile.write(path, y, SR)
        return paths, "synthetic recordings"


def _fitted() -> CenterLossClassifier:
    X, y = spectrograms(durations(8))
    return CenterLossClassifier(max_epochs=1, random_state=0, device="cpu").fit(X, y)


def _prototype_latency(S: torch.Tensor) -> Callable[[], Any]:
    prototype, lengths = Prototype().eval(), torch.tensor([S.shape[1]])

    def call() -> None:
        with torch.inference_mode():
            for _ in range(_CALLS):
                prototype(S[None], lengths)[0].softmax(dim=1)

    return call


def one_eager(settings: Settings) -> Measurement:
    """Compare predict_proba of one utterance, its checks included, with the prototype alone."""
    X, _ = spectrograms(np.array([MEDIAN]))
    classifier = _fitted()

    def call() -> None:
        for _ in range(_CALLS):
            classifier.predict_proba(X)

    return compare(call, _prototype_latency(torch.tensor(X[0])), settings, most=20)


def one_onnx(settings: Settings) -> Measurement:
    """Compare the exported model on one utterance with the prototype alone."""
    from onnxruntime import InferenceSession, SessionOptions

    X, _ = spectrograms(np.array([MEDIAN]))
    S, lengths = X.pad(0.0)
    options = SessionOptions()
    options.intra_op_num_threads = settings.threads
    with tempfile.TemporaryDirectory() as folder:
        to_onnx(_fitted(), Path(folder) / "model.onnx")
        session = InferenceSession(Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"])

    def call() -> None:
        for _ in range(_CALLS):
            session.run(["probabilities"], {"spectrogram": S, "lengths": lengths})

    return compare(call, _prototype_latency(torch.tensor(X[0])), settings, most=20)


ROWS = [
    Row(
        "predict-opensmile",
        "features + predict, 64 utterances",
        "openSMILE ComParE_2016 functionals + SVC on the same files",
        against_opensmile,
        target=0.20,
        needs=("opensmile",),
    ),
    Row("one-eager", "one utterance, eager", "the prototype, eager", one_eager, target=0.6),
    Row(
        "one-onnx",
        "one utterance, ONNX (once exported)",
        "the prototype, eager",
        one_onnx,
        target=0.3,
        needs=("onnx", "onnxruntime"),
    ),
]
