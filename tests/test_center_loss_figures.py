"""The figures of the page on center loss show the kept rows."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest

plt = pytest.importorskip("matplotlib.pyplot", reason="figures need the extra plot")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("center_loss_figures")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_each_gain_is_a_point_on_its_interval(figures, ax):
    rows = pd.DataFrame(
        [
            ("ravdess", "mel", "published", "shared", 6.0, -1.0, 13.0),
            ("emodb", "stft", "default", "apart", 2.0, 1.0, 3.0),
        ],
        columns=["corpus", "features", "network", "speakers", "gain", "low", "high"],
    )
    figures.draw_gains(rows, ax)
    lines = [line.get_xdata().tolist() for line in ax.lines[:4]]
    assert lines == [[-1.0, 13.0], [6.0], [1.0, 3.0], [2.0]]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [
        "speakers shared, published network: RAVDESS, Mel",
        "speakers apart, default network: EmoDB, STFT",
    ]


def test_accuracies_are_drawn_over_the_weights(figures, ax):
    figures.draw_weights(pd.Series({0.0: 40.0, 0.3: 45.0}), "speakers apart", ax)
    assert ax.lines[0].get_ydata().tolist() == [40.0, 45.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.3"]


def test_kept_rows_are_drawn(figures):
    gains = figures.gains().set_index(["speakers", "network", "corpus", "features"]).gain
    assert gains["shared", "published", "emodb", "mel"] == pytest.approx(11.58)
    stft = pd.read_csv(ROOT / "benchmarks" / "results" / "center_loss_apart" / "stft_pooled.csv")
    assert gains["apart", "default", "pooled", "stft"] == stft.gain.iloc[-1]
    rows = pd.read_csv(ROOT / "benchmarks" / "results" / "recipe.csv")
    plain = rows[(rows.trial == "augmented") & (rows.device == "CPU")].UA.mean()
    assert figures.by_weight_apart()[0.0] == pytest.approx(100 * plain)
    assert figures.by_weight_shared()[0.6] == pytest.approx(78.46)


def test_files_do_not_change_from_one_run_to_the_next(figures, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    texts = []
    for _ in range(2):
        figures.main()
        texts.append([path.read_bytes() for path in sorted(tmp_path.iterdir())])
    assert len(texts[0]) == 2
    assert texts[0] == texts[1]
