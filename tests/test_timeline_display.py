"""Pictures of timelines, and of risk and coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skser import (
    CenterLossClassifier,
    RejectOption,
    RiskCoverageDisplay,
    SpectrogramTransformer,
    TimelineDisplay,
    predict_timeline,
    risk_coverage_curve,
)
from skser.plot._cells import cell_edges, envelope

matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra plot")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed_figures():
    plt.close("all")
    yield
    plt.close("all")


class MeanOverTime(TransformerMixin, BaseEstimator):
    """Mean of each bin over time."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.array([item.mean(axis=1) for item in X])


def make_timeline(start, end, angry, silent=None, label=None):
    angry = np.array(angry, dtype=float)
    return pd.DataFrame(
        {
            "start": np.array(start, dtype=float),
            "end": np.array(end, dtype=float),
            "silent": np.isnan(angry) if silent is None else silent,
            "label": np.where(angry > 0.5, "angry", "calm") if label is None else label,
            "probability_angry": angry,
            "probability_calm": 1 - angry,
        }
    )


def test_edges_of_overlapping_windows_are_between_their_centers():
    edges, rows = cell_edges(np.array([0.0, 1, 2, 2.5]), np.array([3.0, 4, 5, 5.5]))
    assert edges.tolist() == [0, 2, 3, 3.75, 5.5]
    assert rows == [0, 1, 2, 3]


@pytest.fixture
def small_model():
    """A small model, and one second of noise."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(scale=0.1, size=(4, 4000)).astype(np.float32), ["calm", "angry"] * 2
    model = make_pipeline(SpectrogramTransformer(n_mels=8), MeanOverTime(), LogisticRegression())
    return model.fit(list(X), y), X.ravel()


@pytest.mark.parametrize("lengths", [{"window": 2}, {"hop": 0.5}, {"window": 2, "hop": 0.5}])
def test_lengths_of_windows_are_refused_together_with_turns(small_model, lengths):
    turns = pd.DataFrame({"start": [0.0], "end": [0.5]})
    for call in (predict_timeline, TimelineDisplay.from_estimator):
        with pytest.raises(
            ValueError, match=r"turns are predicted instead of windows: leave out window and h"
        ):
            call(*small_model, turns=turns, **lengths)


def test_turns_need_no_lengths_of_windows(small_model):
    turns = pd.DataFrame({"start": [0.0], "end": [0.5]})
    assert len(predict_timeline(*small_model, turns=turns)) == 1
    TimelineDisplay.from_estimator(*small_model, turns=turns)


def test_turns_in_milliseconds_are_refused_with_the_cure(small_model):
    turns = pd.DataFrame({"start": [0, 500], "end": [500, 900]})
    with pytest.raises(
        ValueError, match=r"row 1 of turns starts at 500 s, after .*convert milliseconds to s"
    ):
        predict_timeline(*small_model, turns=turns)


def test_gaps_between_turns_are_cells_of_their_own():
    edges, rows = cell_edges(np.array([1.0, 2, 5]), np.array([2.0, 4, 6]))
    assert edges.tolist() == [1, 2, 4, 5, 6]
    assert rows == [0, 1, -1, 2]


def test_a_turn_within_another_is_drawn_inside_it():
    edges, rows = cell_edges(np.array([0.0, 6, 8]), np.array([10.0, 7, 9]))
    assert edges.tolist() == [0, 6, 7, 8, 9, 10]
    assert rows == [0, 1, 0, 2, 0]


def test_cells_are_gaps_exactly_where_no_turn_is():
    rng = np.random.default_rng(0)
    for _ in range(100):
        start = rng.uniform(0, 20, 6)
        end = start + rng.uniform(0.1, 6, 6)
        order = np.argsort(start + end)
        start, end = start[order], end[order]
        edges, rows = cell_edges(start, end)
        assert (edges[0], edges[-1]) == (start.min(), end.max())
        assert (np.diff(edges) > 0).all()
        times = rng.uniform(edges[0], edges[-1], 100)
        row = np.array(rows)[np.searchsorted(edges, times) - 1]
        covered = (start[:, np.newaxis] <= times) & (times <= end[:, np.newaxis])
        np.testing.assert_array_equal(row >= 0, covered.any(axis=0))
        assert covered[row, np.arange(100)][row >= 0].all()


@pytest.mark.parametrize("n_blocks", [1, 7])
def test_envelope_holds_the_extremes_of_each_part(n_blocks):
    y = np.random.default_rng(0).normal(size=50_003).astype(np.float32)
    times, low, high = envelope(np.array_split(y, n_blocks), 1000)
    parts = np.split(y, np.arange(30, len(y), 30))  # 5,001 parts of 10 ms, three per column
    assert low.tolist() == [part.min() for part in parts]
    assert high.tolist() == [part.max() for part in parts]
    assert times[:2].tolist() == [0.015, 0.045]


def test_envelope_of_a_short_recording_has_one_column():
    _, low, high = envelope([np.array([0.5, -0.25], np.float32)], 16000)
    assert (low.tolist(), high.tolist()) == ([-0.25], [0.5])


def test_cells_show_the_probabilities():
    display = TimelineDisplay.from_predictions(make_timeline([0, 1], [1, 2], [0.2, 0.9]))
    assert np.ma.allclose(display.mesh_.get_array().reshape(2, 2), [[0.2, 0.9], [0.8, 0.1]])
    assert display.mesh_.get_clim() == (0, 1)
    assert display.waveform_ax_ is None
    assert display.ax_.get_xlabel() == "time (s)"


def test_rows_are_drawn_in_order_of_time():
    display = TimelineDisplay.from_predictions(make_timeline([1, 0], [2, 1], [0.9, 0.2]))
    assert np.ma.allclose(display.mesh_.get_array().reshape(2, 2)[0], [0.2, 0.9])


def test_silent_rows_are_hatched_and_gaps_are_not():
    display = TimelineDisplay.from_predictions(make_timeline([0, 1, 3], [1, 2, 4], [0.2, np.nan, 0.7]))
    (hatches,) = [artist for artist in display.ax_.collections if artist.get_hatch()]
    (span,) = hatches.get_paths()
    assert span.get_extents().extents == pytest.approx([1, 0, 2, 2])
    cells = display.mesh_.get_array().reshape(2, 4)
    assert np.ma.getmaskarray(cells)[0].tolist() == [False, True, True, False]


def test_labels_that_are_no_classes_have_a_row():
    table = make_timeline([0, 1, 2], [1, 2, 3], [0.2, 0.55, np.nan], label=["calm", "unknown", None])
    display = TimelineDisplay.from_predictions(table)
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["angry", "calm", "unknown"]
    last = np.ma.getmaskarray(display.mesh_.get_array().reshape(3, 3))[2]
    assert last.tolist() == [True, False, True]


def test_picture_of_an_estimator_equals_that_of_its_timeline(tmp_path):
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=4000) for _ in range(4)], ["calm", "angry"] * 2
    classifier = CenterLossClassifier(channels=(4,), rnn_units=4, max_epochs=1, random_state=0)
    model = make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y)
    path = tmp_path / "a.wav"
    soundfile.write(path, rng.normal(scale=0.1, size=20_000), 16000)
    display = TimelineDisplay.from_estimator(model, path, window=0.5, hop=0.25, reject=0.9)
    timeline = predict_timeline(model, path, window=0.5, hop=0.25, reject=0.9)
    pd.testing.assert_frame_equal(display.timeline, timeline)
    assert display.waveform_ax_.get_ylabel() == "amplitude"
    assert display.waveform_ax_.get_xlim() == display.ax_.get_xlim() == (0, 1.25)
    assert display.waveform_ax_.get_position().y0 > display.ax_.get_position().y1
    (polygon,) = display.waveform_ax_.collections
    assert polygon.get_datalim(display.waveform_ax_.transData).x1 <= 1.25


def test_axes_passed_in_are_used_and_divided():
    _, (left, right) = plt.subplots(1, 2)
    timeline = make_timeline([0, 1], [1, 2], [0.2, 0.9])
    display = TimelineDisplay.from_predictions(timeline, recording=np.zeros(32000), ax=right, colorbar=False)
    assert display.waveform_ax_ is right
    assert display.colorbar_ is None
    assert left.get_position().x1 < display.ax_.get_position().x0


def test_gray_shows_the_order_of_probabilities():
    grays = plt.get_cmap("Blues")(np.linspace(0, 1, 11))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(grays) < 0).all()


@pytest.mark.parametrize("timeline", [None, pd.DataFrame({"start": [0]}), make_timeline([], [], [])])
def test_other_tables_raise(timeline):
    with pytest.raises(TypeError, match="timeline must be the DataFrame of predict_timeline"):
        TimelineDisplay.from_predictions(timeline)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_saved_timeline_is_drawn_whatever_the_types_of_its_columns(tmp_path, backend):
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    label = ["calm", "unknown", None]
    table = make_timeline([0, 1, 2], [1, 2, 3], [0.25, 0.625, np.nan], label=label)
    table.to_csv(tmp_path / "timeline.csv", index=False)
    saved = pd.read_csv(tmp_path / "timeline.csv", dtype_backend=backend)
    expected, drawn = (TimelineDisplay.from_predictions(each) for each in (table, saved))
    np.testing.assert_array_equal(
        drawn.mesh_.get_array().filled(-1), expected.mesh_.get_array().filled(-1), strict=True
    )
    names = [[text.get_text() for text in display.ax_.get_yticklabels()] for display in (expected, drawn)]
    assert names == [["angry", "calm", "unknown"]] * 2


@pytest.mark.parametrize(
    ("recording", "sr", "error", "message"),
    [
        ("missing.wav", 16000, FileNotFoundError, "missing.wav"),
        ([0.0, np.nan], 16000, ValueError, "NaN or infinite samples"),
        (np.zeros(9), 2**20 + 1, ValueError, r"sr must be an integer in \[1, 1048576\], got 1048577"),
    ],
)
def test_recording_that_cannot_be_drawn_changes_no_axes(recording, sr, error, message):
    timeline = make_timeline([0], [1], [0.2])
    figure, ax = plt.subplots()
    position = ax.get_position().bounds
    with pytest.raises(error, match=message):
        TimelineDisplay.from_predictions(timeline, recording=recording, sr=sr, ax=ax)
    assert figure.axes == [ax]
    assert ax.get_position().bounds == position
    with pytest.raises(error, match=message):
        TimelineDisplay.from_predictions(timeline, recording=recording, sr=sr)
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("end", [1, 2])
def test_rows_must_end_after_their_start(end):
    with pytest.raises(ValueError, match="end must be greater than start in each row of timeline"):
        TimelineDisplay.from_predictions(make_timeline([0, 2], [1, end], [0.5, 0.5]))


def test_timeline_of_several_files_raises():
    timeline = make_timeline([0, 0], [1, 1], [0.2, 0.9]).assign(file=["a.wav", "b.wav"])
    with pytest.raises(ValueError, match="timeline covers several files: select one, such as"):
        TimelineDisplay.from_predictions(timeline)
    TimelineDisplay.from_predictions(timeline[timeline["file"] == "b.wav"])


@pytest.fixture
def items():
    rng = np.random.default_rng(0)
    y = np.tile(["angry", "calm"], 40)
    return rng.normal(loc=(y == "calm").astype(float))[:, np.newaxis], y, np.repeat([1, 2, 3, 4], 20)


def test_curve_is_in_percent(items):
    X, y, _ = items
    model = LogisticRegression().fit(X, y)
    display = RiskCoverageDisplay.from_estimator(model, X, y)
    risks, coverages, _ = risk_coverage_curve(y, model.predict(X), model.predict_proba(X).max(axis=1))
    np.testing.assert_allclose(display.line_.get_ydata(), 100 * risks)
    np.testing.assert_allclose(display.line_.get_xdata(), 100 * coverages)
    assert display.point_ is None
    assert display.ax_.get_legend() is None


def test_threshold_of_a_reject_option_is_marked(items):
    X, y, groups = items
    model = RejectOption(LogisticRegression(), coverage=0.5).fit(X, y, groups=groups)
    display = RiskCoverageDisplay.from_estimator(model, X, y)
    answered = model.predict(X) != "unknown"
    assert display.point_.get_xdata() == [pytest.approx(100 * answered.mean())]
    assert display.point_.get_ydata() == [pytest.approx(100 * (model.predict(X) != y)[answered].mean())]


def test_threshold_of_a_search_is_marked(items):
    X, y, groups = items
    model = RejectOption(LogisticRegression(), coverage=0.5).fit(X, y, groups=groups)
    search = GridSearchCV(RejectOption(LogisticRegression()), {"threshold": [model.threshold_]}, cv=2)
    display = RiskCoverageDisplay.from_estimator(search.fit(X, y), X, y)
    expected = RiskCoverageDisplay.from_estimator(model, X, y)
    assert display.point_.get_xdata() == expected.point_.get_xdata()


def test_threshold_that_answers_nothing_is_not_marked():
    display = RiskCoverageDisplay.from_predictions([0, 1], [0, 0], [0.6, 0.7], threshold=0.9)
    assert display.point_ is None


def test_curves_share_axes_and_a_legend(items):
    X, y, _ = items
    first = RiskCoverageDisplay.from_estimator(LogisticRegression().fit(X, y), X, y, name="A")
    second = RiskCoverageDisplay.from_predictions(y, y, X[:, 0], name="B $", ax=first.ax_, linestyle="--")
    assert second.ax_ is first.ax_
    assert [text.get_text() for text in first.ax_.get_legend().get_texts()] == ["A", r"B \$"]


def test_shapes_that_differ_raise():
    with pytest.raises(ValueError, match=r"risks and coverages must be of the same shape"):
        RiskCoverageDisplay([0.1], [0.5, 1.0]).plot()


@pytest.mark.parametrize("thresholds", [None, [0.9, 0.8, 0.7]])
def test_threshold_needs_the_thresholds_of_the_curve(thresholds):
    display = RiskCoverageDisplay([0.1, 0.2], [0.5, 1.0], thresholds=thresholds, threshold=0.7)
    with pytest.raises(ValueError, match=r"only be drawn with thresholds of the shape of risks, \(2,\), got"):
        display.plot()


def test_colorbar_must_be_true_or_false():
    with pytest.raises(TypeError, match="colorbar must be True or False, got 'x'"):
        TimelineDisplay.from_predictions(make_timeline([0], [1], [0.5]), colorbar="x")


@pytest.mark.parametrize("start", ["a", np.nan, pd.Timedelta(seconds=1)])
def test_times_must_be_finite_numbers(start):
    with pytest.raises(ValueError, match="start and end of timeline must be finite numbers"):
        TimelineDisplay.from_predictions(make_timeline([0], [1], [0.5]).assign(start=start))
