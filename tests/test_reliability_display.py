"""The diagram of accuracies over probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skser import CenterLossClassifier, RejectOption, ReliabilityDisplay, RiskCoverageDisplay
from skser.metrics import reliability_curve

matplotlib = pytest.importorskip("matplotlib", reason="pictures need the extra plot")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def data():
    """Three overlapping classes."""
    rng = np.random.default_rng(0)
    y = np.tile(["angry", "calm", "sad"], 40)
    return rng.normal(size=(120, 3)) + np.unique(y, return_inverse=True)[1][:, None], y


def test_diagram_shows_the_curve(data):
    X, y = data
    model = LogisticRegression().fit(X, y)
    display = ReliabilityDisplay.from_estimator(model, X, y, n_bins=4, title="new speakers")
    accuracies, confidences, _ = reliability_curve(
        y, model.predict(X), model.predict_proba(X).max(axis=1), n_bins=4
    )
    np.testing.assert_allclose(display.line_.get_xdata(), 100 * confidences)
    np.testing.assert_allclose(display.line_.get_ydata(), 100 * accuracies)
    assert display.ax_.get_title() == "new speakers"
    assert display.ax_.get_legend() is None


def test_diagrams_share_axes_and_one_diagonal(data):
    X, y = data
    first = ReliabilityDisplay.from_estimator(LogisticRegression().fit(X, y), X, y, name="A")
    second = ReliabilityDisplay.from_predictions(
        y, y, np.full(len(y), 0.5), name="B $", ax=first.ax_, marker="s"
    )
    assert second.ax_ is first.ax_
    assert [text.get_text() for text in second.ax_.get_legend().texts] == ["calibrated", "A", r"B \$"]
    assert second.line_.get_marker() == "s"


@pytest.mark.parametrize("display", [ReliabilityDisplay, RiskCoverageDisplay])
def test_curves_on_the_same_axes_differ_in_color_and_line_style(data, display):
    _, y = data
    ax, lines = None, []
    for _ in range(9):
        drawn = display.from_predictions(y, y, np.linspace(0, 1, len(y)), ax=ax)
        ax = drawn.ax_
        lines.append(drawn.line_)
    colors = [line.get_color() for line in lines]
    assert len(set(colors[:8])) == 8
    assert colors[8] == colors[0]
    assert [line.get_linestyle() for line in lines[:4]] == ["-", "--", "-.", "-"]


@pytest.mark.parametrize("display", [ReliabilityDisplay, RiskCoverageDisplay])
def test_curves_take_short_names_of_arguments(data, display):
    _, y = data
    line = display.from_predictions(y, y, np.full(len(y), 0.5), c="red", ls=":", lw=3).line_
    assert (line.get_color(), line.get_linestyle(), line.get_linewidth()) == ("red", ":", 3)


@pytest.mark.parametrize("display", [ReliabilityDisplay, RiskCoverageDisplay])
def test_arguments_of_the_same_meaning_are_refused_without_a_figure(data, display):
    _, y = data
    with pytest.raises(TypeError, match="Got both 'color' and 'c'"):
        display.from_predictions(y, y, np.full(len(y), 0.5), color="blue", c="red")
    assert not plt.get_fignums()


def test_diagram_of_a_reject_option_shows_the_probabilities(data):
    X, y = data
    settings = {"channels": (4,), "rnn_units": 4, "embedding_dim": 4, "max_epochs": 1, "random_state": 0}
    model = CenterLossClassifier(**settings).fit(X, y)
    rejecter = RejectOption(model, threshold=2.0, confidence="distance").fit(X, y)
    lines = [ReliabilityDisplay.from_estimator(found, X, y).line_ for found in (model, rejecter)]
    np.testing.assert_array_equal(lines[0].get_xydata(), lines[1].get_xydata())


def test_wrong_curves_are_refused():
    with pytest.raises(
        ValueError, match=r"of the same shape \(n_bins,\) with at least one value, got \(1,\)"
    ):
        ReliabilityDisplay([0.1], [0.5, 1.0]).plot()
