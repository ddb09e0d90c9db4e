"""The parts of a spectrogram that a prediction depends on, and their picture."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skser import CenterLossClassifier, SaliencyDisplay, SpectrogramTransformer
from skser.classifier import compute_saliency
from skser.datasets import make_emotional_speech

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    corpus = make_emotional_speech(n_speakers=6, emotions=["sad", "angry"], duration=0.6, random_state=0)
    transformer = SpectrogramTransformer(n_mels=24, hop_length=320)
    classifier = CenterLossClassifier(
        channels=(8, 8), rnn_units=8, embedding_dim=8, max_epochs=15, lr=1e-2, random_state=0
    )
    return make_pipeline(transformer, classifier).fit(corpus.data, corpus.target)


@pytest.fixture
def matplotlib():
    matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    matplotlib.use("Agg")
    yield matplotlib
    importlib.import_module("matplotlib.pyplot").close("all")


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("saliency")


def recordings(n, seed=1):
    """Recordings of speakers that are not in the training set."""
    corpus = make_emotional_speech(
        n_speakers=n // 10, emotions=["sad", "angry"], duration=0.6, random_state=seed
    )
    return corpus.data


def test_silencing_the_marked_part_lowers_the_probability_more_than_a_random_part(pipe, benchmark):
    random = np.random.default_rng(0)
    spectrograms = pipe[0].transform(recordings(100))
    rows = [benchmark.measure(pipe[1], S, 0.1, random) for S in spectrograms]
    difference = np.array([row["marked"] - row["random"] for row in rows])
    assert len(difference) == 100
    assert benchmark.interval(difference)[0] > 0
    assert np.median([row["energy_ratio"] for row in rows]) == pytest.approx(1, abs=0.1)


def test_random_part_has_as_many_cells_of_each_level(benchmark):
    random = np.random.default_rng(0)
    S = random.normal(size=(40, 50))
    marked = benchmark.marked_part(S + random.normal(size=S.shape), 0.1)
    chosen = benchmark.random_part(S, marked, random)
    assert marked.sum() == chosen.sum() == 200
    assert (marked & chosen).sum() < 150
    np.testing.assert_allclose(np.sort(S[marked]), np.sort(S[chosen]), atol=0.5)
    assert benchmark.energy(S, chosen) == pytest.approx(benchmark.energy(S, marked), rel=0.01)


def test_marked_part_has_the_highest_values(benchmark):
    saliency = np.arange(20.0).reshape(4, 5)
    assert np.argwhere(benchmark.marked_part(saliency, 0.1)).tolist() == [[3, 3], [3, 4]]


@pytest.mark.parametrize("number", [0, 1])
def test_saliency_is_the_slope_of_the_log_probability_times_the_level(pipe, number):
    classifier = pipe[1]
    S = np.array(pipe[0].transform(recordings(10)[:1])[0])
    saliency = compute_saliency(classifier, S, number)
    step = 0.05  # dB
    cells = np.argwhere(np.abs(saliency) >= np.sort(np.abs(saliency), axis=None)[-5])
    for cell in map(tuple, cells):
        moved = np.repeat(S[None], 2, axis=0)
        moved[(0, *cell)] -= step
        moved[(1, *cell)] += step
        # `decision_function` returns one column for two classes.
        scores = np.stack([np.zeros(2), classifier.decision_function(list(moved))], axis=1)
        low, high = log_softmax(scores, axis=1)[:, number]
        slope = (high - low) / (2 * step)
        assert saliency[cell] == pytest.approx(slope * (S[cell] - S.min()), rel=0.05)


def test_saliency_follows_the_temperature(pipe):
    classifier, S = pipe[1], np.array(pipe[0].transform(recordings(10)[:1])[0])
    (probability,) = classifier.predict_proba([S])[:, 0]
    plain = compute_saliency(classifier, S, 0)
    classifier.temperature_ = 2.0
    try:
        (warmer,) = classifier.predict_proba([S])[:, 0]
        found = compute_saliency(classifier, S, 0)
    finally:
        classifier.temperature_ = 1.0
    # The slope of log p is that of the score times 1 - p.
    np.testing.assert_allclose(found, plain * (1 - warmer) / (1 - probability) / 2, rtol=1e-3, atol=1e-6)


def test_saliency_leaves_the_classifier_as_it_was(pipe):
    S = np.array(pipe[0].transform(recordings(10)[:1])[0])
    before = pipe[1].predict_proba([S])
    compute_saliency(pipe[1], S, 0)
    assert np.array_equal(pipe[1].predict_proba([S]), before)


@pytest.mark.usefixtures("matplotlib")
def test_picture_shows_the_predicted_class(pipe):
    recording = recordings(10)[0]
    display = SaliencyDisplay.from_estimator(pipe, recording)
    S = pipe[0].transform([recording])[0]
    (label,), (probabilities,) = pipe.predict([recording]), pipe.predict_proba([recording])
    assert display.label == label
    assert display.probability == pytest.approx(probabilities.max())
    assert display.ax_.get_title() == f"{label} ({100 * probabilities.max():.0f} %)"
    assert np.array_equal(display.S, S)
    number = int(probabilities.argmax())
    np.testing.assert_array_equal(display.saliency, compute_saliency(pipe[1], np.array(S), number))
    assert display.mesh_.get_array().shape == S.shape
    assert display.ax_.get_ylabel() == "frequency (Hz)"


@pytest.mark.usefixtures("matplotlib")
def test_picture_shows_another_class_on_request(pipe):
    displays = [
        SaliencyDisplay.from_estimator(pipe, recordings(10)[0], label=label) for label in ("sad", "angry")
    ]
    assert displays[0].probability + displays[1].probability == pytest.approx(1)
    # Of two classes, each cell that supports one opposes the other.
    assert (np.sign(displays[0].saliency) == -np.sign(displays[1].saliency)).mean() > 0.99


def test_picture_uses_axes_and_draws_positive_values(matplotlib):
    _, ax = importlib.import_module("matplotlib.pyplot").subplots()
    S, saliency = RANDOM.normal(size=(6, 8)), np.zeros((6, 8))
    saliency[2, 3], saliency[4, 4] = 2.0, -5.0
    display = SaliencyDisplay.from_predictions(S, saliency, ax=ax, colorbar=False, title="a $")
    assert display.ax_ is ax
    assert display.colorbar_ is None
    assert np.argwhere(display.mesh_.get_array() > 0).tolist() == [[2, 3]]
    assert ax.get_title() == "a $"


@pytest.mark.usefixtures("matplotlib")
def test_saliency_without_positive_values_is_drawn_without_marks():
    display = SaliencyDisplay.from_predictions(RANDOM.normal(size=(6, 8)), np.zeros((6, 8)))
    assert not display.mesh_.get_array().any()
    assert display.ax_.get_title() == ""


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    "make",
    [
        lambda pipe: pipe[1],
        lambda pipe: make_pipeline(StandardScaler(), LogisticRegression()),
        lambda pipe: make_pipeline(pipe[0], StandardScaler(), pipe[1]),
        lambda pipe: make_pipeline(pipe[0], LogisticRegression()),
    ],
)
def test_pipelines_without_gradients_are_refused(pipe, make):
    with pytest.raises(TypeError, match="through which gradients pass, or a fitted search over one, got"):
        SaliencyDisplay.from_estimator(make(pipe), recordings(10)[0])


@pytest.mark.usefixtures("matplotlib")
def test_wrong_input_is_refused(pipe):
    with pytest.raises(ValueError, match=r"^label='bored' is not one of the classes \['angry', 'sad'\]"):
        SaliencyDisplay.from_estimator(pipe, recordings(10)[0], label="bored")
    for saliency in (np.zeros((8, 6)), np.full((6, 8), np.nan)):
        with pytest.raises(
            ValueError, match=r"^saliency must be finite and of the shape of S, \(6, 8\), got"
        ):
            SaliencyDisplay.from_predictions(np.zeros((6, 8)), saliency)


def test_saliency_may_be_a_tensor_with_a_gradient():
    S = np.random.default_rng(0).normal(size=(8, 20))
    tensors = torch.tensor(S), torch.tensor(S, requires_grad=True)
    marked = SaliencyDisplay.from_predictions(*tensors).mesh_.get_array()
    np.testing.assert_array_equal(marked, SaliencyDisplay.from_predictions(S, S).mesh_.get_array())


@pytest.mark.parametrize(("probability", "error"), [("high", TypeError), (2, ValueError)])
def test_a_probability_out_of_range_is_refused(probability, error):
    S = np.zeros((8, 20))
    with pytest.raises(error, match="probability must be a number"):
        SaliencyDisplay.from_predictions(S, S, label="calm", probability=probability)
