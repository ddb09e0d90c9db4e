"""Tests of the displays: what they draw, where, and that nothing is cut off."""

from __future__ import annotations

import copy
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import (
    CenterLossClassifier,
    EmbeddingDisplay,
    SpectrogramDisplay,
    Spectrograms,
    SpectrogramTransformer,
    TrainingHistoryDisplay,
    frequencies,
    spectrogram,
)

matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra plot")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

SR = 16000
EMOTIONS = np.array(
    [
        *("angry", "bored", "calm", "contempt", "disgusted", "excited"),
        *("fearful", "frustrated", "happy", "neutral", "sad", "surprised"),
    ]
)
HISTORY = [
    {
        "epoch": epoch,
        "train_loss": 2.0 / epoch + 0.3 * 4.0 / epoch,
        "train_cross_entropy": 2.0 / epoch,
        "train_center_loss": 4.0 / epoch,
        "valid_loss": 3.0 / epoch + 0.3 * 5.0 / epoch,
        "valid_cross_entropy": 3.0 / epoch,
        "valid_center_loss": 5.0 / epoch,
        "valid_unweighted_accuracy": 0.1 * epoch,
    }
    for epoch in range(1, 6)
]


@pytest.fixture(autouse=True)
def closed_figures():
    """Close the figures of a test, and those that other modules left open."""
    plt.close("all")
    yield
    plt.close("all")


def small_classifier(**parameters):
    network = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 4}
    training = {"max_epochs": 2, "early_stopping": True, "validation": "random", "random_state": 0}
    return CenterLossClassifier(**{**network, **training, **parameters})


@pytest.fixture(scope="module")
def items():
    """Spectrograms and labels of three classes."""
    rng = np.random.default_rng(0)
    y = np.array(["sad", "angry", "calm"] * 10)
    X = Spectrograms([rng.normal(loc=len(label), size=(8, n)) for n, label in enumerate(y, start=10)])
    return X, y


@pytest.fixture(scope="module")
def classifier(items):
    return small_classifier().fit(*items)


def vectors(n_classes=3, n=60, dim=5, seed=0):
    """Embeddings, labels and centers of well-separated classes."""
    rng = np.random.default_rng(seed)
    centers = 6 * rng.normal(size=(n_classes, dim))
    codes = np.arange(n) % n_classes
    return centers[codes] + rng.normal(size=(n, dim)), EMOTIONS[codes], centers


def drawn_points(display):
    """Points (n, 2) of each class in the order of the display."""
    return [np.asarray(collection.get_offsets()) for collection in display.points_]


def drawn_centers(display):
    return np.concatenate([np.asarray(center.get_offsets()) for center in display.centers_])


def look(collection):
    """Color and outline of the markers of a class."""
    return tuple(collection.get_facecolor()[0][:3]), collection.get_paths()[0].vertices.tobytes()


def legend_texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def assert_nothing_is_cut(figure):
    """Draw a figure, and check that each text and legend is inside of it."""
    figure.canvas.draw()
    for ax in figure.axes:
        for text in filter(None, [ax.title, ax.xaxis.label, ax.yaxis.label, ax.get_legend()]):
            box = text.get_window_extent()
            if box.width:
                assert figure.bbox.padded(1).count_contains(box.corners()) == 4, text


def overlap(first, second):
    """Whether two boxes share more than a pixel of height and width."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1 and height > 1


# The convention

NOISE = np.random.default_rng(0).normal(size=SR // 10)
DISPLAYS = {
    "spectrogram": lambda c, X, y, **k: SpectrogramDisplay.from_estimator(
        SpectrogramTransformer(), NOISE, **k
    ),
    "spectrogram, computed": lambda c, X, y, **k: SpectrogramDisplay.from_predictions(X[0], **k),
    "embedding": EmbeddingDisplay.from_estimator,
    "embedding, computed": lambda c, X, y, **k: EmbeddingDisplay.from_predictions(*vectors()[:2], **k),
    "history": lambda c, X, y, **k: TrainingHistoryDisplay.from_estimator(c, **k),
    "history, computed": lambda c, X, y, **k: TrainingHistoryDisplay.from_predictions(HISTORY, **k),
}


@pytest.fixture(params=DISPLAYS)
def make(request, classifier, items):
    """Make a display in one of the ways."""
    return lambda **options: DISPLAYS[request.param](classifier, *items, **options)


def test_display_draws_on_the_axes_passed_in(make):
    figure, ax = plt.subplots()
    display = make(ax=ax, title="a title")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_title() == "a title"
    assert plt.get_fignums() == [figure.number]


def test_display_makes_one_figure_per_plot(make):
    display = make()
    assert plt.get_fignums() == [display.figure_.number]
    assert display.ax_.figure is display.figure_
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


def test_axes_of_another_type_are_refused_without_a_figure(make):
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes, got str"):
        make(ax="left")
    assert plt.get_fignums() == []


def test_missing_matplotlib_is_named_with_its_extra(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'needs matplotlib.*`pip install "skser\[plot\]"`'):
        make()


@pytest.mark.parametrize("name", ["spectrogram", "embedding", "history"])
@pytest.mark.parametrize("figsize", [(6.4, 4.8), (3.3, 3.5)])
@pytest.mark.parametrize("layout", ["constrained", "tight", None])
def test_no_text_or_legend_is_cut(name, figsize, layout, classifier, items):
    with plt.rc_context({"font.size": 7}):
        # Without a layout engine, users leave room for the labels of axes themselves.
        margins = None if layout else {"left": 0.22, "bottom": 0.17, "right": 0.8 if "spec" in name else 0.95}
        figure, ax = plt.subplots(figsize=figsize, layout=layout, gridspec_kw=margins)
        DISPLAYS[name](classifier, *items, ax=ax)
        assert_nothing_is_cut(figure)


# Spectrograms


def test_spectrogram_is_that_of_the_transformer():
    y = np.random.default_rng(0).normal(scale=0.1, size=4000)
    transformer = SpectrogramTransformer(kind="stft", n_fft=128, hop_length=64, fmax=4000)
    display = SpectrogramDisplay.from_estimator(transformer, y)
    S = spectrogram(y.astype("float32"), kind="stft", n_fft=128, hop_length=64, fmax=4000).numpy()
    np.testing.assert_allclose(display.mesh_.get_array(), S, rtol=1e-6)
    np.testing.assert_array_equal(display.S, S)


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize(("time", "frequency"), [(0.25, 500), (0.5, 1000), (0.75, 3000)])
def test_a_tone_shows_at_its_time_and_frequency(kind, time, frequency):
    times = np.arange(SR) / SR
    burst = np.exp(-0.5 * ((times - time) / 0.01) ** 2) * np.sin(2 * np.pi * frequency * times)
    mesh = SpectrogramDisplay.from_estimator(SpectrogramTransformer(kind, n_mels=40), burst).mesh_
    corners = mesh.get_coordinates()  # (n_bins + 1, n_frames + 1, time and frequency)
    at_bin, at_frame = np.unravel_index(np.argmax(mesh.get_array()), mesh.get_array().shape)
    (left, low), (right, high) = corners[at_bin, at_frame], corners[at_bin + 1, at_frame + 1]
    assert (left + right) / 2 == pytest.approx(time)
    assert low <= frequency <= high
    assert right - left == pytest.approx(160 / SR)


def test_stft_bins_are_drawn_around_their_frequencies():
    mesh = SpectrogramDisplay.from_predictions(np.zeros((5, 3)), kind="stft", n_fft=8).mesh_
    np.testing.assert_allclose(mesh.get_coordinates()[:, 0, 1], [0, 1000, 3000, 5000, 7000, 8000])


@pytest.mark.parametrize(("fmin", "fmax"), [(0, None), (300, 5000)])
def test_mel_bands_are_drawn_around_the_peaks_of_their_filters(fmin, fmax):
    from librosa import hz_to_mel

    display = SpectrogramDisplay.from_predictions(np.zeros((20, 3)), fmin=fmin, fmax=fmax)
    edges = display.mesh_.get_coordinates()[:, 0, 1]
    peaks = hz_to_mel(frequencies(n_mels=20, fmin=fmin, fmax=fmax))
    np.testing.assert_allclose(hz_to_mel(edges[1:-1]), (peaks[1:] + peaks[:-1]) / 2)
    assert (edges[0], edges[-1]) == display.ax_.get_ylim() == (fmin, fmax or 8000)
    display.figure_.canvas.draw()
    heights = np.diff(display.ax_.transData.transform([(0, edge) for edge in edges])[:, 1])
    np.testing.assert_allclose(heights[1:-1], heights[1], rtol=1e-6)  # on the paper
    np.testing.assert_allclose(heights[[0, -1]], 1.5 * heights[1], rtol=1e-6)


def test_axes_and_color_bar_name_their_units():
    display = SpectrogramDisplay.from_predictions(np.zeros((20, 200)))
    display.figure_.canvas.draw()
    assert display.ax_.get_xlabel() == "time (s)"
    assert display.ax_.get_ylabel() == "frequency (Hz)"
    assert display.colorbar_.ax.get_ylabel() == "power (dB)"
    assert [label.get_text() for label in display.ax_.get_yticklabels()][-3:] == ["2000", "4000", "8000"]
    assert display.ax_.get_xlim() == pytest.approx((0, 1.995))


def test_narrow_band_has_ticks_although_it_contains_no_usual_one():
    display = SpectrogramDisplay.from_predictions(np.zeros((10, 3)), n_fft=2048, fmin=600, fmax=900)
    assert sum(600 <= tick <= 900 for tick in display.ax_.get_yticks()) >= 3


@pytest.mark.parametrize(
    ("lowest", "limits", "expected", "extend"),
    [
        (-100, {}, (-70, 10), "min"),
        (-30, {}, (-30, 10), "neither"),
        (-100, {"dynamic_range": None}, (-100, 10), "neither"),
        (-100, {"dynamic_range": 30}, (-20, 10), "min"),
        (-100, {"vmin": -50}, (-50, 10), "min"),
        (-100, {"vmax": -10}, (-90, -10), "both"),
        (-100, {"vmin": -60, "vmax": 0}, (-60, 0), "both"),
        (-100, {"vmin": 30}, (30, 31), "min"),
        (-100, {"vmax": -120}, (-121, -120), "max"),
    ],
)
def test_colors_span_80_db_or_the_limits_passed_in(lowest, limits, expected, extend):
    S = np.full((8, 10), float(lowest))
    S[2, 3] = 10.0
    display = SpectrogramDisplay.from_predictions(S, kind="stft", n_fft=14, **limits)
    assert display.mesh_.get_clim() == expected
    assert display.colorbar_.extend == extend


def test_silence_has_the_darkest_color():
    display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(n_mels=20), np.zeros(1600))
    display.figure_.canvas.draw()
    mesh = display.mesh_
    assert set(mesh.get_array().compressed()) == {-100.0}
    np.testing.assert_array_equal(mesh.get_facecolor()[0], mesh.get_cmap()(0.0))


def test_default_colors_become_lighter_throughout():
    mesh = SpectrogramDisplay.from_predictions(np.zeros((8, 2)), kind="stft", n_fft=14).mesh_
    rgb = mesh.get_cmap()(np.linspace(0, 1, 64))[:, :3]
    gray = rgb @ [0.299, 0.587, 0.114]  # as ITU-R BT.601 turns colors into gray
    assert (np.diff(gray) > 0).all()


def test_color_map_can_be_chosen_and_the_bar_left_out():
    S = torch.zeros(20, 3, requires_grad=True)
    display = SpectrogramDisplay.from_predictions(S, cmap="gray_r", colorbar=False)
    assert display.mesh_.get_array().shape == (20, 3)
    assert display.mesh_.get_cmap().name == "gray_r"
    assert display.colorbar_ is None
    assert display.figure_.axes == [display.ax_]


def test_a_single_frame_and_a_single_bin_are_visible():
    display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(n_mels=1, n_fft=64), [0.5])
    corners = display.mesh_.get_coordinates()
    assert display.mesh_.get_array().shape == (1, 1)
    np.testing.assert_allclose(corners[1, 1] - corners[0, 0], [80 / SR, 8000])


def test_transformer_of_a_pipeline_or_search_is_used():
    y = np.random.default_rng(0).normal(size=800)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=20), small_classifier())
    assert SpectrogramDisplay.from_estimator(pipe, y).S.shape == (20, 6)
    search = GridSearchCV(SpectrogramTransformer(), {"n_mels": [24]}, scoring=lambda *_: 0, cv=2)
    search.fit([y, y, y, y])
    assert SpectrogramDisplay.from_estimator(search, y).S.shape == (24, 6)


def test_transformer_is_not_changed():
    transformer = SpectrogramTransformer(n_mels=20, n_jobs=2, verbose=1).fit(np.zeros((2, 400)))
    before = dict(vars(transformer))
    # The fitted transformer itself would refuse another length than 400.
    SpectrogramDisplay.from_estimator(transformer, np.zeros(800).tolist())
    assert vars(transformer) == before


def test_a_file_looks_like_its_samples(tmp_path):
    import soundfile

    y = np.random.default_rng(0).uniform(-0.5, 0.5, 1600).astype("float32")
    path = tmp_path / "wütend, 1.wav"
    soundfile.write(path, y, SR, subtype="FLOAT")
    transformer = SpectrogramTransformer(n_mels=20)
    expected = SpectrogramDisplay.from_estimator(transformer, y.tolist()).S
    for name in (path, str(path)):
        np.testing.assert_array_equal(SpectrogramDisplay.from_estimator(transformer, name).S, expected)


@pytest.mark.parametrize(
    "audio",
    [
        ["a.wav", "b.wav"],
        np.array(["a.wav"]),
        pd.Series(["a.wav"], index=[3]),
        [np.zeros(400), np.zeros(300)],
    ],
    ids=["list", "array", "Series", "waveforms"],
)
def test_several_recordings_are_refused(audio):
    with pytest.raises(
        ValueError, match=r"audio must be one recording, got several: pick an item, such as X"
    ):
        SpectrogramDisplay.from_estimator(SpectrogramTransformer(), audio)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (np.zeros((400, 2)), ValueError, r"shape \(400, 2\): .* or take the mean over its channels"),
        (np.zeros((2, 400)), ValueError, r"got an array of shape \(2, 400\): pick a row, such as X\[0\], or"),
        ((16000, np.zeros(400)), TypeError, "pair of a sampling rate and samples.*pass only the samples"),
        ([], ValueError, "the waveform is empty"),
        (0.5, TypeError, "expected a path or a waveform"),
        (None, TypeError, "expected a path or a waveform"),
    ],
    ids=["stereo", "rows", "pair", "empty", "number", "None"],
)
def test_other_objects_than_a_recording_are_refused(audio, error, message):
    with pytest.raises(error, match=message):
        SpectrogramDisplay.from_estimator(SpectrogramTransformer(), audio)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), SpectrogramTransformer()), StandardScaler(), "mel"]
)
def test_estimator_that_does_not_start_with_a_spectrogram_transformer_is_refused(estimator):
    with pytest.raises(TypeError, match=r"Pipeline that starts with one.*use from_predictions"):
        SpectrogramDisplay.from_estimator(estimator, np.zeros(400))


@pytest.mark.parametrize(
    ("S", "parameters", "message"),
    [
        (np.zeros((1, 8, 3)), {}, r"one spectrogram \(n_bins, n_frames\), got shape \(1, 8, 3\)"),
        (np.zeros((8, 0)), {}, r"0 feature\(s\) \(shape=\(8, 0\)\)"),
        (np.zeros((8, 3), dtype=complex), {}, "Complex data not supported"),
        (np.full((8, 3), np.nan), {}, "Input S contains NaN"),
        (
            np.zeros((8, 3)),
            {"kind": "stft"},
            "S has 8 bins, but kind='stft', sr=16000, n_fft.* result in 257",
        ),
        (np.zeros((8, 3)), {"kind": "cqt"}, "kind must be one of 'mel', 'stft'"),
        (np.zeros((8, 3)), {"hop_length": 0}, "hop_length must be an integer in"),
        (np.zeros((8, 3)), {"dynamic_range": 0}, r"dynamic_range must be a number in \(0, inf\)"),
        (np.zeros((8, 3)), {"vmin": np.nan}, "vmin must be a number"),
        (np.zeros((8, 3)), {"vmin": 0, "vmax": -10}, "vmin must be a number below vmax = -10 dB, got 0"),
        (np.zeros((8, 3)), {"cmap": "no such map"}, "no such map"),
    ],
)
def test_spectrogram_that_cannot_be_drawn_is_refused_without_a_figure(S, parameters, message):
    with pytest.raises(ValueError, match=message):
        SpectrogramDisplay.from_predictions(S, **parameters)
    assert plt.get_fignums() == []


@pytest.mark.corpus
def test_recordings_of_ravdess_show_speech_between_silences(ravdess_root):
    path = next(ravdess_root.rglob("03-01-05-01-01-01-01.*"))
    display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(), path)
    loud = np.flatnonzero(display.mesh_.get_array().max(axis=0) > sum(display.mesh_.get_clim()) / 2)
    start, end = display.ax_.get_xlim()
    assert 3 < end - start < 5
    assert 0.5 < loud[0] * 160 / SR < loud[-1] * 160 / SR < end - 0.3


# Embeddings


def test_embedding_is_projected_to_its_principal_components():
    Z, y, centers = vectors()
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    mean = Z.mean(axis=0)
    singular, directions = np.linalg.svd(Z - mean, full_matrices=False)[1:]
    for label, points in zip(display.classes_, drawn_points(display), strict=True):
        expected = (Z[y == label] - mean) @ directions[:2].T
        np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-9)
    expected = (centers - mean) @ directions[:2].T
    np.testing.assert_allclose(np.abs(drawn_centers(display)), np.abs(expected), atol=1e-9)
    first, second = singular[:2] ** 2 / (singular**2).sum()
    assert display.ax_.get_xlabel() == f"principal component 1 ({first:.0%})"
    assert display.ax_.get_ylabel() == f"principal component 2 ({second:.0%})"


@pytest.mark.parametrize("n_classes", [2, 4])  # two classes have a single discriminant
def test_discriminants_are_those_of_scikit_learn(n_classes):
    Z, y, centers = vectors(n_classes=n_classes, n=200)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method="lda")
    lda = LinearDiscriminantAnalysis(n_components=min(2, n_classes - 1)).fit(Z, y)
    np.testing.assert_allclose(display.points, lda.transform(Z))
    np.testing.assert_allclose(display.centers, lda.transform(centers))
    assert display.ax_.get_xlabel() == f"discriminant 1 ({lda.explained_variance_ratio_[0]:.0%})"


def test_embedding_of_an_estimator_is_its_transform(classifier, items):
    X, y = items
    display = EmbeddingDisplay.from_estimator(classifier, X, y)
    Z = classifier.transform(X).astype(float)
    plane = PCA(2, svd_solver="full").fit(Z)
    np.testing.assert_allclose(display.points, plane.transform(Z))
    np.testing.assert_allclose(display.centers, plane.transform(classifier.centers_.astype(float)))
    assert display.classes_.tolist() == ["angry", "calm", "sad"]


class Sampler(BaseEstimator):
    """A step that does nothing after `fit`, as in pipelines of other libraries."""


def test_steps_without_transform_are_skipped(classifier, items):
    pipeline = Pipeline([("sampler", Sampler()), ("net", classifier)])
    display = EmbeddingDisplay.from_estimator(pipeline, *items)
    expected = EmbeddingDisplay.from_estimator(classifier, *items)
    np.testing.assert_array_equal(display.points, expected.points)


def test_classifier_in_a_pipeline_or_search_is_used(classifier, items):
    expected = EmbeddingDisplay.from_estimator(classifier, *items).points
    search = GridSearchCV(classifier, {})
    search.best_estimator_ = classifier
    with_tables = copy.copy(classifier).set_output(transform="pandas")
    at_the_end = Pipeline([("all", "passthrough"), ("classifier", classifier)])
    before_others = make_pipeline(classifier, StandardScaler().fit(expected), SVC().fit([[0], [1]], [0, 1]))
    nested = make_pipeline("passthrough", make_pipeline(search))
    for estimator in (search, with_tables, at_the_end, before_others, nested):
        display = EmbeddingDisplay.from_estimator(estimator, *items)
        np.testing.assert_array_equal(display.points, expected)
        assert len(display.centers_) == 3


def test_recordings_go_through_the_whole_pipeline():
    rng = np.random.default_rng(0)
    X, y = [rng.normal(scale=0.1, size=n) for n in range(800, 812)], ["calm", "sad"] * 6
    classifier = small_classifier(early_stopping=False, max_epochs=1)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y)
    display = EmbeddingDisplay.from_estimator(pipe, X, y)
    assert [len(points) for points in drawn_points(display)] == [6, 6]


@pytest.mark.parametrize("method", ["pca", None])
def test_two_dimensions_are_drawn_unchanged(method):
    Z, y, centers = vectors(dim=2)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    np.testing.assert_array_equal(np.concatenate(drawn_points(display)), Z[np.argsort(y, kind="stable")])
    np.testing.assert_array_equal(drawn_centers(display), centers)
    assert display.ax_.get_xlabel() == "embedding dimension 1"
    assert display.projection is None


def test_one_dimension_is_drawn_with_a_row_for_each_class():
    Z, y, centers = vectors(dim=1)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    for row, (label, points) in enumerate(zip(display.classes_, drawn_points(display), strict=True)):
        np.testing.assert_array_equal(points[:, 0], Z[y == label, 0])
        assert (np.abs(points[:, 1] - row) < 0.5).all()
    np.testing.assert_array_equal(drawn_centers(display), np.column_stack([centers[:, 0], range(3)]))
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["angry", "bored", "calm"]


def test_unfitted_transformer_is_copied_and_fitted():
    Z, y, centers = vectors()
    method = make_pipeline(StandardScaler(), PCA(2))
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    by_hand = clone(method).fit(Z)
    np.testing.assert_allclose(display.points, by_hand.transform(Z))
    np.testing.assert_allclose(display.centers, by_hand.transform(centers))
    assert not hasattr(method[-1], "components_")


def test_fitted_transformer_is_used_unchanged():
    Z, y, centers = vectors()
    plane = EmbeddingDisplay.from_predictions(vectors(seed=1)[0], y).projection
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=plane)
    np.testing.assert_array_equal(display.points, plane.transform(Z))
    np.testing.assert_array_equal(display.centers, plane.transform(centers))
    assert display.projection is plane
    # Without the shares of variance, which are those of the items that the plane was fitted to.
    assert display.ax_.get_xlabel() == "principal component 1"


def test_centers_are_left_out_if_the_method_cannot_project_them():
    Z, y, centers = vectors(n=20)
    method = TSNE(perplexity=3, max_iter=250, random_state=0)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    assert display.points.shape == (20, 2)
    assert display.centers is None
    assert display.centers_ == []
    assert display.ax_.get_xlabel() == "TSNE dimension 1"
    assert legend_texts(display) == ["angry", "bored", "calm"]


class Recorder:
    """A transformer from outside scikit-learn that keeps the labels it is fitted with."""

    def __init__(self, seen):
        self.seen = seen

    def fit_transform(self, X, *labels):
        self.seen[:] = labels
        return X[:, :2]

    def __deepcopy__(self, memo):
        return self  # so that a test sees what its copy sees


class SupervisedRecorder(Recorder):
    """A transformer that says that it requires labels."""

    def __sklearn_tags__(self):
        tags = LinearDiscriminantAnalysis().__sklearn_tags__()
        assert tags.target_tags.required
        return tags


def test_labels_reach_only_supervised_transformers():
    Z, y, _ = vectors()
    unsupervised, supervised = Recorder([]), SupervisedRecorder([])
    EmbeddingDisplay.from_predictions(Z, y, method=unsupervised)
    EmbeddingDisplay.from_predictions(Z, y, method=supervised)
    assert unsupervised.seen == []
    assert supervised.seen[0].tolist() == y.tolist()


def test_discriminants_of_few_items_warn():
    Z, y = np.random.default_rng(0).normal(size=(90, 30)), EMOTIONS[np.arange(90) % 3]
    with pytest.warns(
        UserWarning, match="fits 30 dimensions to only 89 items, so that classes look separated"
    ):
        EmbeddingDisplay.from_predictions(Z[:89], y[:89], method="lda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EmbeddingDisplay.from_predictions(Z, y, method="lda")


@pytest.mark.parametrize("n_classes", [2, 8, 12, 96])
def test_classes_differ_in_color_and_marker(n_classes):
    y = np.arange(n_classes)
    points = np.column_stack([y, y])
    display = EmbeddingDisplay.from_predictions(points, y, centers=points, legend=None)
    looks = [look(collection) for collection in display.points_]
    assert len(set(looks)) == n_classes
    assert len({color for color, _ in looks}) == min(n_classes, 8)
    assert len({marker for _, marker in looks}) == min(n_classes, 12)
    for collection, center in zip(display.points_, display.centers_, strict=True):
        assert look(center) == look(collection)
        assert center.get_sizes()[0] > 3 * collection.get_sizes()[0]
        assert center.get_zorder() > collection.get_zorder()


def test_legend_keeps_the_order_of_the_classes_and_names_the_centers():
    Z, y, centers = vectors()
    order = ["calm", "angry", "bored"]
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers[[2, 0, 1]], classes=order)
    assert legend_texts(display) == [*order, "center"]
    np.testing.assert_allclose(drawn_points(display)[0].mean(axis=0), drawn_centers(display)[0], atol=1)


def test_classes_without_items_keep_their_center_and_other_labels_have_none():
    Z, y, centers = vectors(n_classes=4)
    shown = y != "calm"
    display = EmbeddingDisplay.from_predictions(
        Z[shown], y[shown], centers=centers[1:], classes=EMOTIONS[1:4]
    )
    assert display.classes_.tolist() == ["bored", "calm", "contempt", "angry"]
    assert [len(points) for points in drawn_points(display)] == [15, 0, 15, 15]
    assert len(display.centers_) == 3


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, 0, 7], ["b", "a", "_c"], [False, True]])
def test_labels_of_each_type_are_drawn(labels):
    pd = pytest.importorskip("pandas")
    y = np.array(labels)[np.arange(60) % len(labels)]
    display = EmbeddingDisplay.from_predictions(
        pd.DataFrame(vectors()[0]), pd.Series(y, index=np.arange(60) + 5)
    )
    assert legend_texts(display) == [str(label) for label in sorted(labels)]
    assert [len(points) for points in drawn_points(display)] == [60 // len(labels)] * len(labels)


def test_dollars_in_labels_are_not_read_as_formulas():
    y = np.array(["$x$", r"$\frac$", "c"])[np.arange(60) % 3]
    display = EmbeddingDisplay.from_predictions(vectors()[0], y)
    display.figure_.canvas.draw()
    assert legend_texts(display)[0] == r"\$\frac\$"


def test_percent_signs_are_escaped_for_latex():
    Z, y, _ = vectors()
    with plt.rc_context({"text.usetex": True}):
        display = EmbeddingDisplay.from_predictions(Z, y, legend=None)
        assert display.ax_.get_xlabel().endswith(r"\%)")
        display = TrainingHistoryDisplay.from_predictions(HISTORY, legend=None)
        assert display.accuracy_ax_.get_ylabel() == r"validation UA (\%)"


@pytest.mark.parametrize("shared", [False, True])
def test_both_dimensions_have_the_same_scale(shared):
    Z, y, _ = vectors()
    figure, axes = plt.subplots(1, 2, sharex=shared, sharey=shared, layout="constrained")
    for ax in axes:
        EmbeddingDisplay.from_predictions(Z, y, ax=ax)
    figure.canvas.draw()
    origin, right, up = axes[0].transData.transform([(0, 0), (1, 0), (0, 1)])
    assert right[0] - origin[0] == pytest.approx(up[1] - origin[1], rel=1e-6)


def test_style_of_items_and_centers_can_be_changed():
    Z, y, centers = vectors()
    display = EmbeddingDisplay.from_predictions(
        Z, y, centers=centers, scatter_kw={"s": 7, "alpha": 0.5}, center_kw={"s": 99, "color": "red"}
    )
    assert display.points_[0].get_sizes().tolist() == [7]
    assert display.points_[0].get_alpha() == 0.5
    assert display.centers_[0].get_sizes().tolist() == [99]
    assert tuple(display.centers_[0].get_facecolor()[0]) == (1, 0, 0, 1)


@pytest.mark.parametrize("short", ["c", "fc"])
def test_style_takes_short_names_of_arguments(short):
    Z, y, centers = vectors()
    look = {short: "red", "ec": "none", "lw": 0, "alpha": 1}
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, scatter_kw=look, center_kw=look)
    for drawn in (*display.points_, *display.centers_):
        assert tuple(drawn.get_facecolor()[0]) == (1, 0, 0, 1)
        assert not len(drawn.get_edgecolor())
        assert drawn.get_linewidth().tolist() == [0]


def test_style_with_two_names_of_one_argument_is_refused_without_a_figure():
    Z, y, _ = vectors()
    with pytest.raises(TypeError, match="Got both 'linewidth' and 'lw'"):
        EmbeddingDisplay.from_predictions(Z, y, center_kw={"linewidth": 1, "lw": 2})
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("where", "width", "layout", "expected"),
    [
        ("inside", 6.4, "constrained", "inside"),
        ("right", 6.4, "constrained", "right"),
        ("below", 6.4, "constrained", "below"),
        ("auto", 6.4, "constrained", "right"),
        ("auto", 3.3, "constrained", "below"),
        ("auto", 6.4, None, "inside"),
    ],
)
def test_legend_is_at_its_place(where, width, layout, expected):
    Z, y, _ = vectors()
    figure, ax = plt.subplots(figsize=(width, 4), layout=layout)
    display = EmbeddingDisplay.from_predictions(Z, y, legend=where, ax=ax)
    figure.canvas.draw()
    legend, axes = display.legend_.get_window_extent(), ax.get_window_extent()
    assert overlap(legend, axes) == (expected == "inside")
    assert (legend.x0 >= axes.x1) == (expected == "right")
    assert (legend.y1 <= axes.y0) == (expected == "below")


@pytest.mark.parametrize("method", ["pca", "lda"])
@pytest.mark.parametrize("width", [3.3, 6.4])
def test_labels_of_twelve_classes_neither_overlap_nor_are_cut(method, width):
    Z, y, centers = vectors(n_classes=12, n=240)
    with plt.rc_context({"figure.figsize": (width, 4), "font.size": 8}):
        display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    assert_nothing_is_cut(display.figure_)
    ax, legend = display.ax_, display.legend_
    boxes = [text.get_window_extent() for text in (ax.xaxis.label, ax.yaxis.label, *legend.get_texts())]
    assert len(boxes) == 15
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_two_items_and_equal_items_are_drawn():
    display = EmbeddingDisplay.from_predictions([[0.0, 1, 2], [3, 4, 6]], ["sad", "calm"])
    assert display.points.shape == (2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = EmbeddingDisplay.from_predictions(np.ones((4, 3)), ["sad", "calm"] * 2)
    assert display.ax_.get_xlabel() == "principal component 1"
    display.figure_.canvas.draw()


Z, Y, _ = vectors()
TWO = [[0.0, 1], [2, 3]]
OTHERS = [SVC(), make_pipeline(StandardScaler(), SVC()), None]


@pytest.mark.parametrize(
    ("embeddings", "y", "parameters", "error", "message"),
    [
        ([[0.0, 1, 2]], ["sad"], {}, ValueError, r"n_components=2 must be .*min\(n_samples"),
        ([[0.0, 1], [2, np.nan]], ["sad", "calm"], {}, ValueError, "embeddings contains NaN"),
        (TWO, ["sad"], {}, ValueError, r"inconsistent numbers of samples: \[2, 1\]"),
        (np.zeros((0, 2)), [], {}, ValueError, "0 sample"),
        ([0.0, 1], ["sad", "calm"], {}, ValueError, "Expected 2D array"),
        (TWO, [0.1, 0.7], {}, ValueError, "Unknown label type"),
        (TWO, [["sad", "calm"], ["sad", "sad"]], {}, ValueError, "should be a 1d array"),
        (TWO, np.array(["sad", None], dtype=object), {}, ValueError, "y has no value for item 1, got None"),
        (TWO, ["sad", 1], {}, ValueError, "y mixes text and integers"),
        (Z, Y, {"method": "umap"}, ValueError, "method must be one of 'lda', 'pca', got 'umap'"),
        (Z, Y, {"method": PCA}, TypeError, r'method must be "pca", "lda", None or a transformer'),
        (Z, Y, {"method": 2}, TypeError, r'method must be "pca", "lda", None or a transformer'),
        (Z, Y, {"method": None}, ValueError, "points must have 1 or 2 dimensions, got 5: project them"),
        (Z, Y, {"method": PCA(3)}, ValueError, r"1 or 2 dimensions, got 3: .*PCA\(n_components=2\)"),
        (Z, ["sad"] * 60, {"method": "lda"}, ValueError, "needs at least two classes, got 1"),
        (Z[:2], Y[:2], {"method": "lda"}, ValueError, "samples must be more than the number of classes"),
        (Z, Y, {"legend": "left"}, ValueError, "legend must be one of 'auto', 'below', 'inside', 'right'"),
        (Z, Y, {"classes": ["angry", "angry"]}, ValueError, "classes must differ from each other"),
        (Z, Y, {"classes": [0, 1, 2]}, ValueError, "the labels in y, .* are not among the classes"),
        (Z, Y, {"centers": np.zeros((2, 5))}, ValueError, r"centers must have shape \(3, 5\)"),
        (Z, Y, {"centers": np.zeros((3, 2))}, ValueError, r"centers must have shape \(3, 5\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:method=.lda. fits")
def test_embeddings_that_cannot_be_drawn_are_refused(embeddings, y, parameters, error, message):
    with pytest.raises(error, match=message):
        EmbeddingDisplay.from_predictions(embeddings, y, **parameters)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        *((other, TypeError, "a Pipeline that holds one.*use from_predictions") for other in OTHERS),
        (small_classifier(), NotFittedError, "CenterLossClassifier instance is not fitted"),
        (make_pipeline(small_classifier()), NotFittedError, "CenterLossClassifier instance is not fitted"),
    ],
)
def test_estimator_without_a_fitted_classifier_of_this_package_is_refused(estimator, error, message, items):
    with pytest.raises(error, match=message):
        EmbeddingDisplay.from_estimator(estimator, *items)
    with pytest.raises(error, match=message):
        TrainingHistoryDisplay.from_estimator(estimator)


# Training histories


def test_curves_are_those_of_the_history_and_add_up_to_the_joint_loss(classifier):
    lines = TrainingHistoryDisplay.from_estimator(classifier).lines_
    factors = dict.fromkeys(list(HISTORY[0])[1:], 1)
    factors |= {"train_center_loss": 0.3, "valid_center_loss": 0.3, "valid_unweighted_accuracy": 100}
    assert set(lines) == set(factors)
    for key, factor in factors.items():
        expected = [factor * row[key] for row in classifier.history_]
        np.testing.assert_allclose(lines[key].get_ydata(), expected, rtol=1e-12)
        assert lines[key].get_xdata().tolist() == [1, 2]
    for part in ("train", "valid"):
        parts = lines[f"{part}_cross_entropy"].get_ydata() + lines[f"{part}_center_loss"].get_ydata()
        np.testing.assert_allclose(lines[f"{part}_loss"].get_ydata(), parts, rtol=1e-5)


def test_history_of_the_net_can_be_drawn(classifier):
    of_net = TrainingHistoryDisplay.from_predictions(classifier.net_.history)
    of_classifier = TrainingHistoryDisplay.from_predictions(classifier.history_)
    for key, line in of_classifier.lines_.items():
        assert of_net.lines_[key].get_ydata().tolist() == line.get_ydata().tolist()


def test_weight_is_that_of_the_training_and_not_one_set_later(classifier):
    changed = copy.copy(classifier).set_params(center_lambda=2)
    display = TrainingHistoryDisplay.from_estimator(changed)
    assert display.center_lambda == 0.3
    assert "0.3 × center loss" in legend_texts(display)


@pytest.mark.parametrize("center_lambda", [None, 0])
def test_center_loss_without_a_weight_is_drawn_unweighted(center_lambda):
    display = TrainingHistoryDisplay.from_predictions(HISTORY, center_lambda=center_lambda)
    expected = [row["train_center_loss"] for row in HISTORY]
    assert display.lines_["train_center_loss"].get_ydata().tolist() == expected
    assert "center loss" in legend_texts(display)


def test_accuracy_has_its_own_axes_below_the_losses():
    display = TrainingHistoryDisplay.from_predictions(HISTORY)
    display.figure_.canvas.draw()
    assert display.lines_["valid_unweighted_accuracy"].axes is display.accuracy_ax_
    assert {line.axes for key, line in display.lines_.items() if "loss" in key} == {display.ax_}
    upper, lower = display.ax_.get_window_extent(), display.accuracy_ax_.get_window_extent()
    assert lower.y1 < upper.y0
    assert (lower.x0, lower.x1) == pytest.approx((upper.x0, upper.x1), abs=1)
    assert display.accuracy_ax_.get_ylabel() == "validation UA (%)"
    assert display.ax_.get_xlim() == display.accuracy_ax_.get_xlim()


@pytest.mark.parametrize("layout", ["constrained", None])
def test_axes_passed_in_are_divided_within_their_room(layout):
    figure, axes = plt.subplots(2, 2, layout=layout, figsize=(9, 7), gridspec_kw={"wspace": 0.4})
    figure.canvas.draw()
    room = axes[0, 1].get_tightbbox()
    display = TrainingHistoryDisplay.from_predictions(HISTORY, ax=axes[0, 1], legend=None)
    figure.canvas.draw()
    assert display.ax_ is axes[0, 1]
    for ax in (axes[0, 0], axes[1, 1]):
        for part in (display.ax_, display.accuracy_ax_):
            assert not overlap(part.get_tightbbox(), ax.get_tightbbox())
    assert display.accuracy_ax_.get_window_extent().y0 >= room.y0 - 30


def test_axes_outside_of_a_grid_are_divided():
    ax = plt.figure().add_axes((0.2, 0.2, 0.5, 0.5))
    display = TrainingHistoryDisplay.from_predictions(HISTORY, ax=ax, legend=None)
    below = display.accuracy_ax_.get_position()
    assert below.bounds[:3] == pytest.approx((0.2, 0.2, 0.5))
    assert below.y1 < ax.get_position().y0 < ax.get_position().y1 == pytest.approx(0.7)


def test_two_axes_take_one_panel_each():
    axes = plt.figure().subplots(1, 2)
    display = TrainingHistoryDisplay.from_predictions(HISTORY, ax=axes)
    assert [display.ax_, display.accuracy_ax_] == list(axes)


def test_best_epoch_is_marked_on_both_axes(classifier):
    display = TrainingHistoryDisplay.from_estimator(classifier)
    assert [line.get_xdata()[0] for line in display.best_epoch_lines_] == [classifier.best_epoch_] * 2
    assert [line.axes for line in display.best_epoch_lines_] == [display.ax_, display.accuracy_ax_]
    losses = ["joint loss", "cross-entropy", "0.3 × center loss"]
    best = f"best epoch: {classifier.best_epoch_}"
    assert legend_texts(display) == [*losses, "training", "validation", best]


def test_lines_differ_in_print_without_color():
    lines = TrainingHistoryDisplay.from_predictions(HISTORY).lines_
    looks = {
        (line.get_linestyle(), line.get_marker())
        for key, line in lines.items()
        if "loss" in key or "entropy" in key
    }
    assert len(looks) == 6


def test_training_without_validation_needs_one_panel(items):
    fitted = small_classifier(early_stopping=False, max_epochs=1).fit(*items)
    display = TrainingHistoryDisplay.from_estimator(fitted)
    assert display.accuracy_ax_ is None
    assert display.best_epoch_lines_ == []
    assert sorted(display.lines_) == ["train_center_loss", "train_cross_entropy", "train_loss"]
    assert display.figure_.axes == [display.ax_]
    assert legend_texts(display) == ["joint loss", "cross-entropy", "0.3 × center loss"]


def test_a_single_epoch_is_visible():
    display = TrainingHistoryDisplay.from_predictions(HISTORY[:1], best_epoch=1)
    display.figure_.canvas.draw()
    line = display.lines_["train_loss"]
    assert (line.get_marker(), line.get_markevery()) == ("o", 1)
    low, high = display.accuracy_ax_.get_xlim()
    assert [tick for tick in display.accuracy_ax_.get_xticks() if low <= tick <= high] == [1]


def test_epochs_without_validation_leave_a_gap():
    later = {key: value for key, value in HISTORY[0].items() if not key.startswith("valid")}
    display = TrainingHistoryDisplay.from_predictions([*HISTORY, {**later, "epoch": 6}])
    assert np.isnan(display.lines_["valid_loss"].get_ydata()).tolist() == [False] * 5 + [True]
    assert not np.isnan(display.lines_["train_loss"].get_ydata()).any()


@pytest.mark.parametrize("width", [3.3, 6.4])
def test_labels_of_a_training_neither_overlap_nor_are_cut(width):
    with plt.rc_context({"figure.figsize": (width, 4), "font.size": 8}):
        display = TrainingHistoryDisplay.from_predictions(HISTORY, best_epoch=4, center_lambda=0.25)
    assert_nothing_is_cut(display.figure_)
    legend = display.legend_.get_window_extent()
    for ax in display.figure_.axes:
        assert not overlap(legend, ax.get_window_extent())
        assert not overlap(legend, ax.xaxis.label.get_window_extent())


@pytest.mark.parametrize(
    ("history", "parameters", "message"),
    [
        ([], {}, "history must be a list of at least one dictionary, one per epoch.*list with 0 items"),
        ({"train_loss": [1.0]}, {}, "history must be a list of at least one dictionary.*dict with 1 items"),
        (None, {}, "history must be a list of at least one dictionary.*NoneType"),
        ([{"epoch": 1}], {}, "history has none of the keys train_loss, train_cross_entropy"),
        (HISTORY, {"best_epoch": 0}, r"best_epoch must be an integer in \[1, 5\], got 0"),
        (HISTORY, {"best_epoch": 6}, r"best_epoch must be an integer in \[1, 5\], got 6"),
        (HISTORY, {"center_lambda": -1}, r"center_lambda must be a number in \[0, inf\)"),
        (HISTORY, {"legend": "left"}, "legend must be one of"),
        (HISTORY, {"ax": []}, "ax must be one matplotlib Axes, two of them, or None, got 0"),
    ],
)
def test_history_that_cannot_be_drawn_is_refused(history, parameters, message):
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay.from_predictions(history, **parameters)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["embeddings", "centers"])
def test_masked_points_and_centers_are_refused(name):
    arrays = {"embeddings": np.eye(3), "centers": np.eye(3)}
    arrays[name] = np.ma.masked_equal(arrays[name], 1)
    with pytest.raises(ValueError, match=rf"{name} has a masked value at index \(0, 0\)"):
        EmbeddingDisplay.from_predictions(arrays["embeddings"], ["a", "b", "c"], centers=arrays["centers"])


class TestInputOfSpectrograms:
    S = np.random.default_rng(0).normal(size=(8, 20))

    def test_half_precision_is_drawn(self):
        S = torch.tensor(self.S).bfloat16()
        shown = SpectrogramDisplay.from_predictions(S).mesh_.get_array()
        np.testing.assert_array_equal(shown, S.float().numpy())

    def test_masked_values_are_refused(self):
        with pytest.raises(ValueError, match=r"S has a masked value at index \(0, 1\)"):
            SpectrogramDisplay.from_predictions(np.ma.masked_equal(self.S, self.S[0, 1]))

    @pytest.mark.parametrize("name", ["vmin", "vmax"])
    def test_a_level_must_be_a_number(self, name):
        with pytest.raises(TypeError, match=f"{name} must be a number, got 'a' of type str"):
            SpectrogramDisplay.from_predictions(self.S, **{name: "a"})
