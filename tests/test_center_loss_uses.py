"""The scores of benchmarks/center_loss_uses.py, and the kept table, which comes from the kept rows."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def uses(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("center_loss_uses")


def test_accuracy_of_half_counts_the_most_confident_items(uses):
    right = np.array([True, False, True, False])
    assert uses.accuracy_of_half(right, np.array([0.9, 0.1, 0.8, 0.2])) == 1
    assert uses.accuracy_of_half(right, np.array([0.1, 0.9, 0.2, 0.8])) == 0


def test_mean_average_precision_agrees_with_a_calculation_by_hand(uses):
    # Sorted by distance from 0: calm, sad, calm; precision 1 at the first and 2/3 at the second calm item.
    items, labels = np.array([[1.0], [2.0], [3.0]]), np.array(["calm", "sad", "calm"])
    found = uses.mean_average_precision(np.array([[0.0]]), np.array(["calm"]), items, labels)
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_at_most_half_of_the_recordings_of_an_emotion_are_labeled(uses):
    y = np.array(["calm"] * 6 + ["sad"] * 20 + ["angry"])
    drawn = uses.draw_labeled(np.arange(27), y, 5)
    counts = pd.Series(y[drawn]).value_counts()
    assert counts.to_dict() == {"sad": 5, "calm": 3}


def test_interval_weights_corpora_equally(uses):
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("a", 3), ("b", 1)], names=["corpus", "fold"])
    mean, low, high = uses.interval(pd.Series([1.0, 1.0, 1.0, 5.0], index=index))
    assert (mean, low, high) == (3, 3, 3)


def test_kept_tables_come_from_the_kept_rows(uses):
    folder = ROOT / "benchmarks" / "results" / "center_loss_uses"
    tables = uses.summaries(uses.rows_of(folder / "uses.csv"))
    for name, table in tables.items():
        assert (folder / name).read_text() == table.to_csv(
            index=False, float_format="%.1f", lineterminator="\n"
        )


def test_kept_rows_are_complete(uses):
    rows = uses.rows_of(ROOT / "benchmarks" / "results" / "center_loss_uses" / "uses.csv")
    for corpus, part in rows.groupby("corpus"):
        emotions = sorted(set(part.left_out) - {""})
        planned = [tuple(map(str, fit)) for fit in uses.planned(corpus, emotions)]
        assert sorted(part[[*uses.Fit._fields]].astype(str).itertuples(index=False, name=None)) == sorted(
            planned
        )
