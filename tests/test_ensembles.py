"""scikit-learn's ensembles and other estimators around the classifier: which of them take spectrograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - HalvingGridSearchCV needs it
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skser import CenterLossClassifier, SpectrogramTransformer

SMALL = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 15, "lr": 1e-2}
CLASSIFIER = CenterLossClassifier(**SMALL, random_state=0, device="cpu")
PIPELINE = make_pipeline(SpectrogramTransformer(n_fft=128, n_mels=8), CLASSIFIER)
SPEAKERS = np.arange(24) // 6
CV = StratifiedKFold(2)

WORKING = {
    "VotingClassifier": lambda e: VotingClassifier([("a", e), ("b", e)], voting="soft"),
    "StackingClassifier": lambda e: StackingClassifier([("a", e)], LogisticRegression(C=100), cv=CV),
    "OneVsRestClassifier": OneVsRestClassifier,
    "CalibratedClassifierCV": lambda e: CalibratedClassifierCV(e, cv=CV),
    "RandomizedSearchCV": lambda e: RandomizedSearchCV(e, {}, n_iter=1, cv=CV, error_score="raise"),
    "HalvingGridSearchCV": lambda e: HalvingGridSearchCV(e, {}, cv=CV, error_score="raise"),
}
BINARY = {
    "FixedThresholdClassifier": FixedThresholdClassifier,
    "TunedThresholdClassifierCV": lambda e: TunedThresholdClassifierCV(e, cv=CV),
}
REFUSING = {
    "BaggingClassifier": BaggingClassifier,
    "AdaBoostClassifier": AdaBoostClassifier,
    "OneVsOneClassifier": OneVsOneClassifier,
    "StackingClassifier(passthrough=True)": lambda e: StackingClassifier([("a", e)], cv=CV, passthrough=True),
}


@pytest.fixture(scope="module")
def waveforms() -> list[np.ndarray]:
    """Tones of three frequencies and of unequal length."""
    lengths = np.random.default_rng(0).integers(3000, 5000, 24)
    return [
        np.sin(np.arange(n) / (1 + 2 * (index % 3))).astype(np.float32) for index, n in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["low", "mid", "high"])[np.arange(24) % 3]


@pytest.fixture(scope="module", params=["spectrograms", "paths"])
def data(
    request: pytest.FixtureRequest, waveforms: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> tuple[BaseEstimator, object]:
    """An estimator and its input."""
    if request.param == "spectrograms":
        return CLASSIFIER, PIPELINE[0].transform(waveforms)
    folder: Path = tmp_path_factory.mktemp("recordings")
    for index, waveform in enumerate(waveforms):
        soundfile.write(folder / f"{index}.wav", waveform, 16000)
    return PIPELINE, [str(folder / f"{index}.wav") for index in range(len(waveforms))]


@pytest.mark.parametrize("name", WORKING)
def test_ensemble_learns(name, data, y):
    estimator, X = data
    assert WORKING[name](estimator).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("name", BINARY)
def test_threshold_is_applied_to_two_classes(name, data, y):
    estimator, X = data
    assert BINARY[name](estimator).fit(X, y == "low").score(X, y == "low") > 0.9


def test_curves_score_each_point(data, y):
    estimator, X = data
    settings = {"groups": SPEAKERS, "cv": GroupKFold(2), "error_score": "raise"}
    _, _, by_size = learning_curve(estimator, X, y, train_sizes=[0.5, 1.0], **settings)
    name = "random_state" if estimator is CLASSIFIER else "centerlossclassifier__random_state"
    _, by_seed = validation_curve(estimator, X, y, param_name=name, param_range=[0, 1], **settings)
    assert np.isfinite(by_size).all()
    assert np.isfinite(by_seed).all()
    assert by_size.shape == by_seed.shape == (2, 2)
    assert by_size[1].mean() > 0.6


@pytest.mark.parametrize("name", REFUSING)
def test_estimator_that_needs_a_table_refuses_spectrograms(name, y):
    S = PIPELINE[0].transform([np.zeros(3000 + 100 * n) for n in range(24)])
    with pytest.raises(ValueError, match=r"Found array with dim 3|NaN|same number of dimensions"):
        REFUSING[name](CLASSIFIER).fit(S, y)


@pytest.mark.parametrize("ensemble", [BaggingClassifier, AdaBoostClassifier, OneVsOneClassifier])
def test_the_same_estimator_takes_embeddings(ensemble, waveforms, y):
    model = make_pipeline(*PIPELINE.named_steps.values(), ensemble(DecisionTreeClassifier(max_depth=2)))
    assert model.fit(waveforms, y).score(waveforms, y) > 0.9
