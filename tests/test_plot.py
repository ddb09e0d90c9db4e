"""Tests of the displays: what they draw, where, and that nothing of it is cut."""

from __future__ import annotations

import copy
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
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
        "angry",
        "bored",
        "calm",
        "contempt",
        "disgusted",
        "excited",
        "fearful",
        "frustrated",
        "happy",
        "neutral",
        "sad",
        "surprised",
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
    """Close what a test drew, and what those of other modules left open."""
    plt.close("all")
    yield
    plt.close("all")


def small_classifier(**parameters):
    settings = {
        "channels": (4, 4),
        "rnn_units": 4,
        "embedding_dim": 4,
        "max_epochs": 2,
        "early_stopping": True,
        "validation": "random",
        "random_state": 0,
    }
    return CenterLossClassifier(**{**settings, **parameters})


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


def assert_nothing_is_cut(figure):
    """Draw a figure and hold every text and legend in it."""
    figure.canvas.draw()
    page = figure.bbox
    for ax in figure.axes:
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label, ax.get_legend()]
        for text in filter(None, texts):
            box = text.get_window_extent()
            if box.width:
                assert box.x0 >= page.x0 - 1, text
                assert box.y0 >= page.y0 - 1, text
                assert box.x1 <= page.x1 + 1, text
                assert box.y1 <= page.y1 + 1, text


def overlap(first, second):
    """Whether two boxes share more than a pixel of height and width."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1 and height > 1


# The convention


def every_display(classifier, items):
    """Each display in each way of making it."""
    X, y = items
    transformer = SpectrogramTransformer(n_mels=20)
    noise = np.random.default_rng(0).normal(size=SR // 10)
    return {
        "spectrogram, estimator": lambda **k: SpectrogramDisplay.from_estimator(transformer, noise, **k),
        "spectrogram, predictions": lambda **k: SpectrogramDisplay.from_predictions(X[0], **k),
        "embedding, estimator": lambda **k: EmbeddingDisplay.from_estimator(classifier, X, y, **k),
        "embedding, predictions": lambda **k: EmbeddingDisplay.from_predictions(*vectors()[:2], **k),
        "history, estimator": lambda **k: TrainingHistoryDisplay.from_estimator(classifier, **k),
        "history, predictions": lambda **k: TrainingHistoryDisplay.from_predictions(HISTORY, **k),
    }


DISPLAYS = [
    f"{what}, {how}"
    for what in ("spectrogram", "embedding", "history")
    for how in ("estimator", "predictions")
]


@pytest.mark.parametrize("name", DISPLAYS)
def test_display_draws_on_the_axes_it_is_given(name, classifier, items):
    figure, ax = plt.subplots()
    display = every_display(classifier, items)[name](ax=ax, title="a title")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_title() == "a title"
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", DISPLAYS)
def test_display_makes_one_figure_where_it_is_given_none(name, classifier, items):
    display = every_display(classifier, items)[name]()
    assert plt.get_fignums() == [display.figure_.number]
    assert display.ax_.figure is display.figure_


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_again_and_returns_the_display(name, classifier, items):
    display = every_display(classifier, items)[name]()
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


@pytest.mark.parametrize("name", DISPLAYS)
def test_display_refuses_what_is_no_axes_and_leaves_no_figure(name, classifier, items):
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes, got str"):
        every_display(classifier, items)[name](ax="left")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", DISPLAYS)
def test_missing_matplotlib_is_named_with_its_extra(name, classifier, items, monkeypatch):
    make = every_display(classifier, items)[name]
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'needs matplotlib.*`pip install "skser\[plot\]"`'):
        make()


@pytest.mark.parametrize("name", DISPLAYS[::2])
@pytest.mark.parametrize("figsize", [(6.4, 4.8), (3.3, 3.5)])
@pytest.mark.parametrize("layout", ["constrained", None])
def test_no_text_or_legend_is_cut(name, figsize, layout, classifier, items):
    with plt.rc_context({"font.size": 7}):
        # Room for labels is what matplotlib alone leaves to the user.
        margins = {"left": 0.22, "bottom": 0.17, "right": 0.8 if "spect" in name else 0.95}
        figure, ax = plt.subplots(figsize=figsize, layout=layout, gridspec_kw=None if layout else margins)
        every_display(classifier, items)[name](ax=ax)
        assert_nothing_is_cut(figure)


# Spectrograms


def test_spectrogram_is_the_transformers(items):
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
    S = np.zeros((5, 3))
    mesh = SpectrogramDisplay.from_predictions(S, kind="stft", n_fft=8).mesh_
    edges = mesh.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose(edges, [0, 1000, 3000, 5000, 7000, 8000])


@pytest.mark.parametrize(("fmin", "fmax"), [(0, None), (300, 5000)])
def test_mel_bands_are_drawn_around_the_peaks_of_their_filters(fmin, fmax):
    from librosa import hz_to_mel

    display = SpectrogramDisplay.from_predictions(np.zeros((20, 3)), fmin=fmin, fmax=fmax)
    edges = display.mesh_.get_coordinates()[:, 0, 1]
    peaks = hz_to_mel(frequencies(n_mels=20, fmin=fmin, fmax=fmax))
    np.testing.assert_allclose(hz_to_mel(edges[1:-1]), (peaks[1:] + peaks[:-1]) / 2)
    assert (edges[0], edges[-1]) == (fmin, fmax or 8000)
    assert display.ax_.get_ylim() == (fmin, fmax or 8000)


def test_mel_bands_are_equally_high():
    display = SpectrogramDisplay.from_predictions(np.zeros((20, 3)))
    display.figure_.canvas.draw()
    edges = display.mesh_.get_coordinates()[:, 0, 1]
    pixels = display.ax_.transData.transform([(0, edge) for edge in edges])[:, 1]
    heights = np.diff(pixels)
    np.testing.assert_allclose(heights[1:-1], heights[1], rtol=1e-6)
    np.testing.assert_allclose(heights[[0, -1]], 1.5 * heights[1], rtol=1e-6)


def test_axes_and_colour_bar_name_their_units():
    display = SpectrogramDisplay.from_predictions(np.zeros((20, 200)))
    display.figure_.canvas.draw()
    assert display.ax_.get_xlabel() == "time (s)"
    assert display.ax_.get_ylabel() == "frequency (Hz)"
    assert display.colorbar_.ax.get_ylabel() == "power (dB)"
    assert [label.get_text() for label in display.ax_.get_yticklabels()][-3:] == ["2000", "4000", "8000"]
    assert display.ax_.get_xlim() == pytest.approx((0, 1.995))


def test_narrow_band_has_ticks_though_it_holds_no_usual_one():
    display = SpectrogramDisplay.from_predictions(np.zeros((10, 3)), n_fft=2048, fmin=600, fmax=900)
    shown = [tick for tick in display.ax_.get_yticks() if 600 <= tick <= 900]
    assert len(shown) >= 3


def test_digital_silence_takes_no_more_than_80_db_of_the_colours():
    S = np.full((8, 10), -100.0)
    S[2, 3] = 10.0
    display = SpectrogramDisplay.from_predictions(S, kind="stft", n_fft=14)
    assert display.mesh_.get_clim() == (-70, 10)
    assert display.colorbar_.extend == "min"


def test_colours_span_no_more_than_there_is():
    S = np.linspace(-30, 0, 80).reshape(8, 10)
    display = SpectrogramDisplay.from_predictions(S, kind="stft", n_fft=14)
    assert display.mesh_.get_clim() == (-30, 0)
    assert display.colorbar_.extend == "neither"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"dynamic_range": None}, (-100, 10)),
        ({"dynamic_range": 30}, (-20, 10)),
        ({"vmin": -50}, (-50, 10)),
        ({"vmax": -10}, (-90, -10)),
        ({"vmin": -60, "vmax": 0}, (-60, 0)),
        ({"vmin": 30}, (30, 31)),
        ({"vmax": -120}, (-121, -120)),
    ],
)
def test_colour_limits_can_be_given(limits, expected):
    S = np.full((8, 10), -100.0)
    S[2, 3] = 10.0
    display = SpectrogramDisplay.from_predictions(S, kind="stft", n_fft=14, **limits)
    assert display.mesh_.get_clim() == expected


def test_silence_has_the_darkest_colour():
    display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(n_mels=20), np.zeros(1600))
    display.figure_.canvas.draw()
    mesh = display.mesh_
    assert set(mesh.get_array().compressed()) == {-100.0}
    np.testing.assert_array_equal(mesh.get_facecolor()[0], mesh.get_cmap()(0.0))


def test_default_colours_grow_lighter_throughout():
    mesh = SpectrogramDisplay.from_predictions(np.zeros((8, 2)), kind="stft", n_fft=14).mesh_
    rgb = mesh.get_cmap()(np.linspace(0, 1, 64))[:, :3]
    grey = rgb @ [0.299, 0.587, 0.114]  # as ITU-R BT.601 turns colours into grey
    assert (np.diff(grey) > 0).all()


def test_colour_map_can_be_chosen_and_the_bar_left_out():
    display = SpectrogramDisplay.from_predictions(np.zeros((20, 3)), cmap="gray_r", colorbar=False)
    assert display.mesh_.get_cmap().name == "gray_r"
    assert display.colorbar_ is None
    assert display.figure_.axes == [display.ax_]


def test_a_single_frame_and_a_single_bin_can_be_seen():
    display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(n_mels=1, n_fft=64), [0.5])
    corners = display.mesh_.get_coordinates()
    assert display.mesh_.get_array().shape == (1, 1)
    assert corners[1, 1, 0] - corners[0, 0, 0] == pytest.approx(80 / SR)
    assert corners[1, 1, 1] - corners[0, 0, 1] == 8000


def test_pipeline_and_search_give_their_transformer():
    y = np.random.default_rng(0).normal(size=800)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=20), small_classifier())
    assert SpectrogramDisplay.from_estimator(pipe, y).S.shape == (20, 6)
    search = GridSearchCV(SpectrogramTransformer(), {"n_mels": [24]}, scoring=lambda *_: 0, cv=2)
    search.fit([y, y, y, y])
    assert SpectrogramDisplay.from_estimator(search, y).S.shape == (24, 6)


def test_transformer_is_left_as_it_was():
    transformer = SpectrogramTransformer(n_mels=20, n_jobs=2, verbose=1).fit(np.zeros((2, 400)))
    before = dict(vars(transformer))
    # Not the 400 samples it was fitted on, which would be refused.
    SpectrogramDisplay.from_estimator(transformer, np.zeros(800).tolist())
    assert vars(transformer) == before


def test_file_shows_as_its_samples_do(tmp_path):
    import soundfile

    y = np.random.default_rng(0).uniform(-0.5, 0.5, 1600).astype("float32")
    path = tmp_path / "wütend, 1.wav"
    soundfile.write(path, y, SR, subtype="FLOAT")
    transformer = SpectrogramTransformer(n_mels=20)
    of_file = SpectrogramDisplay.from_estimator(transformer, path)
    of_text = SpectrogramDisplay.from_estimator(transformer, str(path))
    of_samples = SpectrogramDisplay.from_estimator(transformer, y.tolist())
    np.testing.assert_array_equal(of_file.S, of_samples.S)
    np.testing.assert_array_equal(of_text.S, of_samples.S)


def test_tensors_are_drawn_as_arrays_are():
    S = torch.zeros(20, 3, requires_grad=True)
    assert SpectrogramDisplay.from_predictions(S).mesh_.get_array().shape == (20, 3)


@pytest.mark.parametrize(
    "audio", [["a.wav", "b.wav"], np.zeros((2, 400)), [np.zeros(400), np.zeros(300)], 0.5, None, [None, 0.5]]
)
def test_several_recordings_are_refused(audio):
    with pytest.raises(ValueError, match=r"audio must be one recording.*pick an item, such as X\[0\]"):
        SpectrogramDisplay.from_estimator(SpectrogramTransformer(), audio)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("estimator", [StandardScaler(), make_pipeline(StandardScaler(), PCA()), "mel"])
def test_estimator_without_a_spectrogram_transformer_is_refused(estimator):
    with pytest.raises(TypeError, match=r"Pipeline that starts with one.*use from_predictions"):
        SpectrogramDisplay.from_estimator(estimator, np.zeros(400))


@pytest.mark.parametrize(
    ("S", "parameters", "message"),
    [
        (np.zeros((1, 8, 3)), {}, r"one spectrogram \(n_bins, n_frames\), got shape \(1, 8, 3\)"),
        (np.zeros((8, 0)), {}, r"got shape \(8, 0\)"),
        (np.zeros((8, 3), dtype=complex), {}, "S must be real"),
        (np.full((8, 3), np.nan), {}, "S holds NaN or infinity"),
        (
            np.zeros((8, 3)),
            {"kind": "stft"},
            "S has 8 bins where kind='stft', sr=16000, n_fft=512.* make 257",
        ),
        (np.zeros((8, 3)), {"kind": "cqt"}, "kind must be one of 'mel', 'stft'"),
        (np.zeros((8, 3)), {"hop_length": 0}, "hop_length must be an integer in"),
        (np.zeros((8, 3)), {"dynamic_range": 0}, r"dynamic_range must be a number in \(0, inf\)"),
        (np.zeros((8, 3)), {"vmin": np.nan}, "vmin must be a number"),
        (np.zeros((8, 3)), {"vmin": 0, "vmax": -10}, "vmin must be below vmax = -10 dB, got 0"),
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


def test_embedding_is_projected_on_its_principal_components():
    Z, y, centers = vectors()
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    mean = Z.mean(axis=0)
    axes = np.linalg.svd(Z - mean, full_matrices=False)[2][:2].T
    for label, points in zip(display.classes_, drawn_points(display), strict=True):
        np.testing.assert_allclose(np.abs(points), np.abs((Z[y == label] - mean) @ axes), atol=1e-9)
    np.testing.assert_allclose(np.abs(drawn_centers(display)), np.abs((centers - mean) @ axes), atol=1e-9)


def test_axes_tell_the_share_of_variance():
    Z, y, _ = vectors()
    display = EmbeddingDisplay.from_predictions(Z, y)
    variance = np.sort(np.linalg.eigvalsh(np.cov(Z.T)))[::-1]
    first, second = 100 * variance[:2] / variance.sum()
    assert display.ax_.get_xlabel() == f"first principal component ({first:.0f} % of variance)"
    assert display.ax_.get_ylabel() == f"second principal component ({second:.0f} % of variance)"


def test_discriminants_are_those_of_scikit_learn():
    Z, y, centers = vectors(n_classes=4, n=200)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method="lda")
    lda = LinearDiscriminantAnalysis(n_components=2).fit(Z, y)
    np.testing.assert_allclose(
        np.concatenate(drawn_points(display)), lda.transform(Z[np.argsort(y, kind="stable")])
    )
    np.testing.assert_allclose(drawn_centers(display), lda.transform(centers))
    share = 100 * lda.explained_variance_ratio_[0]
    assert display.ax_.get_xlabel() == f"first discriminant ({share:.0f} % of variance between classes)"


def test_embedding_of_an_estimator_is_its_transform(classifier, items):
    X, y = items
    display = EmbeddingDisplay.from_estimator(classifier, X, y)
    by_hand = EmbeddingDisplay.from_predictions(
        classifier.transform(X), y, centers=classifier.centers_, classes=classifier.classes_
    )
    np.testing.assert_array_equal(display.points, by_hand.points)
    np.testing.assert_array_equal(display.centers, by_hand.centers)
    np.testing.assert_allclose(display.centers, display.projection.transform(classifier.centers_))
    assert display.classes_.tolist() == ["angry", "calm", "sad"]


def test_pipeline_gives_the_embeddings_of_its_classifier(classifier, items):
    X, y = items
    expected = EmbeddingDisplay.from_estimator(classifier, X, y).points
    at_the_end = Pipeline([("all", "passthrough"), ("classifier", classifier)])
    before_others = make_pipeline(classifier, StandardScaler().fit(expected), SVC().fit([[0], [1]], [0, 1]))
    for pipe in (at_the_end, before_others):
        display = EmbeddingDisplay.from_estimator(pipe, X, y)
        np.testing.assert_array_equal(display.points, expected)
        assert len(display.centers_) == 3


def test_search_gives_its_best_estimator(classifier, items):
    search = GridSearchCV(classifier, {})
    search.best_estimator_ = classifier
    display = EmbeddingDisplay.from_estimator(search, *items)
    np.testing.assert_array_equal(display.points, EmbeddingDisplay.from_estimator(classifier, *items).points)


def test_table_output_is_drawn_as_arrays_are(classifier, items):
    with_tables = copy.copy(classifier).set_output(transform="pandas")
    assert hasattr(with_tables.transform(items[0]), "columns")
    display = EmbeddingDisplay.from_estimator(with_tables, *items)
    np.testing.assert_array_equal(display.points, EmbeddingDisplay.from_estimator(classifier, *items).points)


def test_recordings_go_through_the_whole_pipeline():
    rng = np.random.default_rng(0)
    X, y = [rng.normal(scale=0.1, size=n) for n in range(800, 812)], ["calm", "sad"] * 6
    classifier = small_classifier(early_stopping=False, max_epochs=1)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y)
    display = EmbeddingDisplay.from_estimator(pipe, X, y)
    assert [len(points) for points in drawn_points(display)] == [6, 6]


def test_two_dimensions_are_drawn_as_they_are():
    Z, y, centers = vectors(dim=2)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    np.testing.assert_array_equal(np.concatenate(drawn_points(display)), Z[np.argsort(y, kind="stable")])
    np.testing.assert_array_equal(drawn_centers(display), centers)
    assert display.ax_.get_xlabel() == "first dimension of the embedding"
    assert display.projection is None


def test_one_dimension_is_drawn_with_a_row_for_each_class():
    Z, y, centers = vectors(dim=1)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    for row, (label, points) in enumerate(zip(display.classes_, drawn_points(display), strict=True)):
        np.testing.assert_array_equal(points[:, 0], Z[y == label, 0])
        assert (np.abs(points[:, 1] - row) < 0.5).all()
    np.testing.assert_array_equal(drawn_centers(display), np.column_stack([centers[:, 0], range(3)]))
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == ["angry", "bored", "calm"]


def test_discriminants_of_two_classes_are_drawn_as_one_dimension():
    Z, y, centers = vectors(n_classes=2)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method="lda")
    assert display.points.shape == (60, 1)
    assert display.ax_.get_xlabel() == "first discriminant (100 % of variance between classes)"


def test_any_transformer_is_copied_and_fitted():
    Z, y, centers = vectors()
    method = make_pipeline(StandardScaler(), PCA(2))
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    by_hand = clone(method).fit(Z)
    np.testing.assert_allclose(display.points, by_hand.transform(Z))
    np.testing.assert_allclose(display.centers, by_hand.transform(centers))
    assert not hasattr(method[-1], "components_")


def test_fitted_transformer_is_taken_as_it_is():
    Z, y, centers = vectors()
    others = vectors(seed=1)[0]
    plane = EmbeddingDisplay.from_predictions(others, y).projection
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=plane)
    np.testing.assert_array_equal(display.points, plane.transform(Z))
    np.testing.assert_array_equal(display.centers, plane.transform(centers))
    assert display.projection is plane
    assert "%" not in display.ax_.get_xlabel()  # which shares would be those of the other items


def test_centers_are_left_out_where_the_projection_is_of_the_items_alone():
    from sklearn.manifold import TSNE

    Z, y, centers = vectors(n=20)
    method = TSNE(perplexity=3, max_iter=250, random_state=0)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers, method=method)
    assert display.points.shape == (20, 2)
    assert display.centers is None
    assert display.centers_ == []
    assert display.ax_.get_xlabel() == "first dimension of TSNE"
    assert [text.get_text() for text in display.legend_.get_texts()] == ["angry", "bored", "calm"]


class Recorder:
    """A transformer of no library that keeps what it was fitted with."""

    seen = ()

    def fit_transform(self, X, *labels):
        Recorder.seen = labels
        return X[:, :2]

    def get_params(self, deep=True):
        return {}


class SupervisedRecorder(PCA):
    """A transformer that says that it needs labels."""

    seen = ()

    def fit_transform(self, X, *labels):
        SupervisedRecorder.seen = labels
        return super().fit_transform(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def test_labels_reach_supervised_transformers_alone():
    Z, y, _ = vectors()
    EmbeddingDisplay.from_predictions(Z, y, method=Recorder())
    EmbeddingDisplay.from_predictions(Z, y, method=SupervisedRecorder(2))
    assert Recorder.seen == ()
    assert SupervisedRecorder.seen[0].tolist() == y.tolist()


def test_discriminants_of_few_items_warn():
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(90, 30)), EMOTIONS[np.arange(90) % 3]
    with pytest.warns(UserWarning, match="fits 30 dimensions to 89 items, so few that they look separated"):
        EmbeddingDisplay.from_predictions(Z[:89], y[:89], method="lda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EmbeddingDisplay.from_predictions(Z, y, method="lda")


@pytest.mark.parametrize("n_classes", [2, 8, 12])
def test_every_class_has_a_look_of_its_own(n_classes):
    Z, y, centers = vectors(n_classes=n_classes, n=120)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers)
    colours = [tuple(items.get_facecolor()[0][:3]) for items in display.points_]
    markers = [items.get_paths()[0].vertices.tobytes() for items in display.points_]
    assert len(set(markers)) == n_classes
    assert len(set(colours)) == min(n_classes, 8)
    for items, center in zip(display.points_, display.centers_, strict=True):
        assert tuple(items.get_facecolor()[0][:3]) == tuple(center.get_facecolor()[0][:3])
        assert center.get_sizes()[0] > 3 * items.get_sizes()[0]
        assert center.get_zorder() > items.get_zorder()


def test_looks_do_not_repeat_among_96_classes():
    y = np.arange(96)
    display = EmbeddingDisplay.from_predictions(np.column_stack([y, y]), y, legend=None)
    looks = {
        (tuple(items.get_facecolor()[0][:3]), items.get_paths()[0].vertices.tobytes())
        for items in display.points_
    }
    assert len(looks) == 96


def test_legend_keeps_the_order_of_the_classes_and_names_the_centers():
    Z, y, centers = vectors()
    order = ["calm", "angry", "bored"]
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers[[2, 0, 1]], classes=order)
    assert [text.get_text() for text in display.legend_.get_texts()] == [*order, "center"]
    np.testing.assert_allclose(drawn_points(display)[0].mean(axis=0), drawn_centers(display)[0], atol=1)


def test_label_that_the_classifier_does_not_know_is_drawn_without_a_center():
    Z, y, centers = vectors(n_classes=4)
    display = EmbeddingDisplay.from_predictions(Z, y, centers=centers[1:], classes=EMOTIONS[1:4])
    assert display.classes_.tolist() == ["bored", "calm", "contempt", "angry"]
    assert len(display.points_) == 4
    assert len(display.centers_) == 3


def test_class_without_items_keeps_its_center():
    Z, y, centers = vectors()
    display = EmbeddingDisplay.from_predictions(
        Z[y != "calm"], y[y != "calm"], centers=centers, classes=EMOTIONS[:3]
    )
    assert [len(points) for points in drawn_points(display)] == [20, 20, 0]
    assert len(display.centers_) == 3


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, 0, 7], ["b", "a", "_c"]])
def test_every_kind_of_label_is_drawn(labels):
    Z, _, _ = vectors()
    display = EmbeddingDisplay.from_predictions(Z, np.array(labels)[np.arange(60) % 3])
    expected = [str(label) for label in sorted(labels)]
    assert [text.get_text() for text in display.legend_.get_texts()] == expected
    assert [len(points) for points in drawn_points(display)] == [20, 20, 20]


def test_booleans_and_tables_are_drawn():
    import pandas as pd

    Z, _, _ = vectors()
    y = pd.Series(np.arange(60) % 2 == 0, index=np.arange(60) + 5)
    display = EmbeddingDisplay.from_predictions(pd.DataFrame(Z), y)
    assert [text.get_text() for text in display.legend_.get_texts()] == ["False", "True"]


def test_dollars_in_labels_are_no_formula():
    Z, _, _ = vectors()
    display = EmbeddingDisplay.from_predictions(Z, np.array(["$x$", r"$\frac$", "c"])[np.arange(60) % 3])
    display.figure_.canvas.draw()
    assert display.legend_.get_texts()[0].get_text() == r"\$\frac\$"


def test_latex_gets_its_per_cent_signs_escaped():
    Z, y, _ = vectors()
    with plt.rc_context({"text.usetex": True}):
        display = EmbeddingDisplay.from_predictions(Z, np.char.replace(y, "a", "_"), legend=None)
        assert r" \% of variance" in display.ax_.get_xlabel()


def test_distances_are_drawn_to_one_scale():
    Z, y, _ = vectors()
    display = EmbeddingDisplay.from_predictions(Z, y)
    display.figure_.canvas.draw()
    origin, right, up = display.ax_.transData.transform([(0, 0), (1, 0), (0, 1)])
    assert right[0] - origin[0] == pytest.approx(up[1] - origin[1], rel=1e-6)


def test_shared_axes_can_be_drawn():
    Z, y, _ = vectors()
    figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, layout="constrained")
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


@pytest.mark.parametrize(("where", "inside"), [("inside", True), ("right", False), ("below", False)])
def test_legend_is_where_it_is_wanted(where, inside):
    Z, y, _ = vectors(n_classes=12)
    display = EmbeddingDisplay.from_predictions(Z, y, legend=where)
    display.figure_.canvas.draw()
    legend, axes = display.legend_.get_window_extent(), display.ax_.get_window_extent()
    assert overlap(legend, axes) == inside


def test_legend_is_below_narrow_axes_and_beside_wide_ones():
    Z, y, _ = vectors()
    for width, beside in ((3.3, False), (6.4, True)):
        with plt.rc_context({"figure.figsize": (width, 4)}):
            display = EmbeddingDisplay.from_predictions(Z, y)
        display.figure_.canvas.draw()
        legend, axes = display.legend_.get_window_extent(), display.ax_.get_window_extent()
        assert (legend.x0 >= axes.x1) == beside
        assert (legend.y1 <= axes.y0) == (not beside)


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


def test_labels_of_two_kinds_are_refused():
    with pytest.raises(TypeError, match="the labels in y must be of one kind"):
        EmbeddingDisplay.from_predictions([[0.0, 1], [2, 3]], np.array(["sad", None], dtype=object))


def test_two_items_and_equal_items_are_drawn():
    display = EmbeddingDisplay.from_predictions([[0.0, 1, 2], [3, 4, 6]], ["sad", "calm"])
    assert display.points.shape == (2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = EmbeddingDisplay.from_predictions(np.ones((4, 3)), ["sad", "calm"] * 2)
    assert display.ax_.get_xlabel() == "first principal component"
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0, 1, 2]], ["sad"]), 'method="pca" needs two items or more, got 1'),
        (([[0.0, 1], [2, np.nan]], ["sad", "calm"]), "embeddings contains NaN"),
        (([[0.0, 1], [2, 3]], ["sad"]), "embeddings has 2 rows but y has 1 labels"),
        ((np.zeros((0, 2)), []), "0 sample"),
        (([0.0, 1], ["sad", "calm"]), "Expected 2D array"),
        (([[0.0, 1], [2, 3]], [0.1, 0.7]), "Unknown label type: continuous"),
        (([[0.0, 1], [2, 3]], [["sad", "calm"], ["sad", "sad"]]), "should be a 1d array"),
    ],
)
def test_embeddings_that_cannot_be_drawn_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_predictions(*arguments)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"method": "umap"}, ValueError, "method must be one of 'lda', 'pca', got 'umap'"),
        ({"method": PCA}, TypeError, r'method must be "pca", "lda", None or a transformer'),
        ({"method": 2}, TypeError, r'method must be "pca", "lda", None or a transformer'),
        ({"method": None}, ValueError, "method=None draws 1 or 2 dimensions as they are, got 5"),
        ({"method": PCA(3)}, ValueError, "method=PCA must give 1 or 2 dimensions.*set its n_components=2"),
        ({"legend": "left"}, ValueError, "legend must be one of 'auto', 'below', 'inside', 'right'"),
        ({"classes": ["angry", "angry"]}, ValueError, "classes must differ from each other"),
        ({"classes": [0, 1, 2]}, ValueError, "none of the labels in y, .* is one of the classes"),
        ({"centers": np.zeros((2, 5))}, ValueError, r"centers must be of shape \(3, 5\)"),
        ({"centers": np.zeros((3, 2))}, ValueError, r"centers must be of shape \(3, 5\)"),
    ],
)
def test_wrong_parameters_of_an_embedding_are_refused(parameters, error, message):
    Z, y, _ = vectors()
    with pytest.raises(error, match=message):
        EmbeddingDisplay.from_predictions(Z, y, **parameters)
    assert plt.get_fignums() == []


def test_discriminants_need_classes_and_items():
    with pytest.raises(ValueError, match=r"needs two classes or more.*got 4 items of 1 classes"):
        EmbeddingDisplay.from_predictions(np.zeros((4, 3)), ["sad"] * 4, method="lda")
    with pytest.raises(ValueError, match="more items than classes, got 2 items of 2 classes"):
        EmbeddingDisplay.from_predictions(np.zeros((2, 3)), ["sad", "calm"], method="lda")


def test_points_of_three_dimensions_are_refused():
    Z, y, _ = vectors()
    with pytest.raises(ValueError, match="points must have 1 or 2 dimensions, got 5"):
        EmbeddingDisplay(Z, y).plot()
    with pytest.raises(ValueError, match="axis_labels must be 2, one for each dimension, got 1"):
        EmbeddingDisplay(Z[:, :2], y, axis_labels=["one"]).plot()


@pytest.mark.parametrize("estimator", [SVC(), make_pipeline(StandardScaler(), SVC()), None])
def test_estimator_without_a_classifier_of_this_package_is_refused(estimator):
    with pytest.raises(TypeError, match=r"a Pipeline that holds one.*use from_predictions"):
        EmbeddingDisplay.from_estimator(estimator, [[0.0]], ["sad"])
    with pytest.raises(TypeError, match=r"a Pipeline that holds one.*use from_predictions"):
        TrainingHistoryDisplay.from_estimator(estimator)


def test_unfitted_classifier_is_refused(items):
    for estimator in (small_classifier(), make_pipeline(small_classifier())):
        with pytest.raises(NotFittedError, match="CenterLossClassifier instance is not fitted"):
            EmbeddingDisplay.from_estimator(estimator, *items)
        with pytest.raises(NotFittedError, match="CenterLossClassifier instance is not fitted"):
            TrainingHistoryDisplay.from_estimator(estimator)


# Training histories


def test_curves_are_those_of_the_history(classifier):
    display = TrainingHistoryDisplay.from_estimator(classifier)
    for key, factor in {
        "train_loss": 1,
        "train_cross_entropy": 1,
        "train_center_loss": 0.3,
        "valid_loss": 1,
        "valid_cross_entropy": 1,
        "valid_center_loss": 0.3,
        "valid_unweighted_accuracy": 100,
    }.items():
        expected = [factor * row[key] for row in classifier.history_]
        np.testing.assert_allclose(display.lines_[key].get_ydata(), expected, rtol=1e-12)
        assert display.lines_[key].get_xdata().tolist() == [1, 2]
    assert len(display.lines_) == 7


@pytest.mark.parametrize("part", ["train", "valid"])
def test_parts_add_up_to_the_joint_loss(part, classifier):
    lines = TrainingHistoryDisplay.from_estimator(classifier).lines_
    parts = lines[f"{part}_cross_entropy"].get_ydata() + lines[f"{part}_center_loss"].get_ydata()
    np.testing.assert_allclose(lines[f"{part}_loss"].get_ydata(), parts, rtol=1e-5)


def test_weight_is_that_of_the_training_and_not_one_set_since(classifier):
    changed = copy.copy(classifier).set_params(center_lambda=2)
    display = TrainingHistoryDisplay.from_estimator(changed)
    assert display.center_lambda == 0.3
    assert "0.3 × center loss" in [text.get_text() for text in display.legend_.get_texts()]


@pytest.mark.parametrize("center_lambda", [None, 0])
def test_center_loss_without_a_weight_is_drawn_unweighted(center_lambda):
    display = TrainingHistoryDisplay.from_predictions(HISTORY, center_lambda=center_lambda)
    expected = [row["train_center_loss"] for row in HISTORY]
    assert display.lines_["train_center_loss"].get_ydata().tolist() == expected
    assert "center loss" in [text.get_text() for text in display.legend_.get_texts()]


def test_accuracy_has_axes_of_its_own_below_the_losses():
    display = TrainingHistoryDisplay.from_predictions(HISTORY)
    display.figure_.canvas.draw()
    assert display.lines_["valid_unweighted_accuracy"].axes is display.accuracy_ax_
    assert {line.axes for key, line in display.lines_.items() if "loss" in key} == {display.ax_}
    upper, lower = display.ax_.get_window_extent(), display.accuracy_ax_.get_window_extent()
    assert not overlap(upper, lower)
    assert (lower.x0, lower.x1) == pytest.approx((upper.x0, upper.x1), abs=1)
    assert display.accuracy_ax_.get_ylabel() == "validation UA (%)"
    assert display.ax_.get_xlim() == display.accuracy_ax_.get_xlim()


@pytest.mark.parametrize("layout", ["constrained", None])
def test_given_axes_are_divided_within_their_room(layout):
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


def test_free_axes_are_divided_as_well():
    figure = plt.figure()
    ax = figure.add_axes((0.2, 0.2, 0.5, 0.5))
    display = TrainingHistoryDisplay.from_predictions(HISTORY, ax=ax, legend=None)
    below = display.accuracy_ax_.get_position()
    assert below.bounds[:3] == pytest.approx((0.2, 0.2, 0.5))
    assert below.y1 < ax.get_position().y0 < ax.get_position().y1 == pytest.approx(0.7)


def test_two_axes_take_one_panel_each():
    _, axes = plt.subplots(1, 2)
    display = TrainingHistoryDisplay.from_predictions(HISTORY, ax=axes)
    assert [display.ax_, display.accuracy_ax_] == list(axes)


def test_best_epoch_is_marked_on_both_axes(classifier):
    display = TrainingHistoryDisplay.from_estimator(classifier)
    assert [line.get_xdata()[0] for line in display.best_epoch_lines_] == [classifier.best_epoch_] * 2
    assert [line.axes for line in display.best_epoch_lines_] == [display.ax_, display.accuracy_ax_]
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [
        "joint loss",
        "cross-entropy",
        "0.3 × center loss",
        "training",
        "validation",
        f"best epoch: {classifier.best_epoch_}",
    ]


def test_lines_differ_in_print_without_colour():
    display = TrainingHistoryDisplay.from_predictions(HISTORY)
    looks = {
        (line.get_linestyle(), line.get_marker())
        for key, line in display.lines_.items()
        if line.axes is display.ax_
    }
    assert len(looks) == 6


def test_training_without_validation_needs_one_panel(items):
    fitted = small_classifier(early_stopping=False, max_epochs=1).fit(*items)
    display = TrainingHistoryDisplay.from_estimator(fitted)
    assert display.accuracy_ax_ is None
    assert display.best_epoch_lines_ == []
    assert sorted(display.lines_) == ["train_center_loss", "train_cross_entropy", "train_loss"]
    assert display.figure_.axes == [display.ax_]
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["joint loss", "cross-entropy", "0.3 × center loss"]


def test_a_single_epoch_can_be_seen():
    display = TrainingHistoryDisplay.from_predictions(HISTORY[:1], best_epoch=1)
    display.figure_.canvas.draw()
    assert display.lines_["train_loss"].get_marker() == "o"
    low, high = display.accuracy_ax_.get_xlim()
    assert [tick for tick in display.accuracy_ax_.get_xticks() if low <= tick <= high] == [1]


def test_epochs_without_validation_leave_a_gap():
    later = [{**row, "epoch": 6} for row in HISTORY[:1]]
    later = [{key: value for key, value in row.items() if not key.startswith("valid")} for row in later]
    display = TrainingHistoryDisplay.from_predictions(HISTORY + later)
    assert np.isnan(display.lines_["valid_loss"].get_ydata()).tolist() == [False] * 5 + [True]
    assert not np.isnan(display.lines_["train_loss"].get_ydata()).any()


def test_history_of_the_net_is_drawn_too(classifier):
    display = TrainingHistoryDisplay.from_predictions(classifier.net_.history)
    expected = [row["train_loss"] for row in classifier.history_]
    assert display.lines_["train_loss"].get_ydata().tolist() == expected


@pytest.mark.parametrize("width", [3.3, 6.4])
def test_labels_of_a_training_are_not_cut(width):
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
        ([], {}, "history must be a list with a dictionary for each epoch, one or more.*list with 0 items"),
        ({"train_loss": [1.0]}, {}, "history must be a list with a dictionary.*dict with 1 items"),
        (None, {}, "history must be a list with a dictionary.*NoneType"),
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
