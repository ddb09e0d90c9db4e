"""Data and models shared by the tests of model files."""

from __future__ import annotations

import numpy as np
import pytest
from model_files import FEATURES, make
from sklearn.pipeline import Pipeline

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    """16 noisy ramps of unequal length, rising or falling."""
    rng = np.random.default_rng(0)
    return Spectrograms(
        [
            rng.normal(size=(8, n)) + (-1) ** index * np.linspace(-2, 2, n)
            for index, n in enumerate(rng.integers(5, 30, 16))
        ]
    )


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["falling", "rising"] * 8)


@pytest.fixture(scope="module")
def speakers() -> np.ndarray:
    return np.repeat(np.arange(4), 4)


@pytest.fixture(scope="module")
def waveforms() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [0.1 * rng.normal(size=n).astype(np.float32) for n in rng.integers(700, 3000, 8)]


@pytest.fixture(scope="module")
def fitted(X, y) -> CenterLossClassifier:
    return make().fit(X, y)


@pytest.fixture(scope="module")
def pipeline(waveforms) -> Pipeline:
    steps = [("spectrogram", SpectrogramTransformer(**FEATURES)), ("classifier", make())]
    return Pipeline(steps).fit(waveforms, ["calm", "angry"] * 4)
