"""The tables made from rows of fits, and the kept tables, which come from the kept rows."""

from __future__ import annotations

import importlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("center_loss_report")


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("recipe")


def make_rows(**arms: list[list[float]]) -> pd.DataFrame:
    """Rows of arms with their UA by fold and seed; WA is half of it."""
    return pd.DataFrame(
        {
            "features": "mel",
            "method": method,
            "embedding_dim": 64,
            "fold": fold,
            "seed": seed,
            "UA": value,
            "WA": value / 2,
            "intra_inter_ratio": 0.5,
            "svc_UA": value,
            "knn_UA": 0.1,
            "lda_UA": 0.2,
            "logistic_UA": 0.3,
            "y": json.dumps(["calm", "calm", "sad"]),
            "y_pred": json.dumps(["calm", "sad", "sad"]),
        }
        for method, folds in arms.items()
        for fold, seeds in enumerate(folds, start=1)
        for seed, value in enumerate(seeds)
    )


PAIRS = {"softmax": [[0.50, 0.60], [0.30, 0.40]], "center": [[0.53, 0.62], [0.29, 0.46]]}


def test_differences_are_those_of_the_same_fold_and_seed(report):
    differences = report.paired_differences(make_rows(**PAIRS), "UA")
    np.testing.assert_allclose(differences, [[3, 2], [-1, 6]])


def test_seeds_without_all_their_fits_are_left_out(report):
    rows = make_rows(**PAIRS)
    rows = rows[~((rows.method == "center") & (rows.fold == 2) & (rows.seed == 1))]
    np.testing.assert_allclose(report.paired_differences(rows, "UA"), [[3], [-1]])


def test_interval_covers_the_folds_that_can_be_drawn(report):
    """Of two folds of one seed, a quarter of the draws only holds one fold: both ends are reached."""
    assert report.bootstrap_interval(np.full((3, 3), 1.5)) == (1.5, 1.5)
    assert report.bootstrap_interval(np.array([[-2.0], [4.0]])) == (-2, 4)
    assert report.bootstrap_interval(np.array([[-2.0], [4.0]]), confidence=0.4) == (1, 1)


def test_interval_of_many_differences_is_near_the_normal_one(report):
    differences = np.random.default_rng(0).normal(size=(400, 1))
    low, high = report.bootstrap_interval(differences)
    half = 1.96 * differences.std() / 20
    assert (low, high) == pytest.approx((differences.mean() - half, differences.mean() + half), abs=0.01)


def test_gain_is_the_mean_difference_in_points(report):
    table = report.gains(make_rows(**PAIRS)).set_index("score")
    assert table.gain.tolist() == pytest.approx([2.5, 1.25])
    assert table.pairs["UA"] == "+3.0 +2.0 -1.0 +6.0"


def test_arm_without_its_pair_has_no_gain(report):
    assert report.gains(make_rows(softmax=PAIRS["softmax"])).empty


def test_accuracies_embeddings_and_recalls_are_those_of_each_arm(report):
    rows = make_rows(**PAIRS)
    accuracy = report.accuracies(rows).set_index("method")
    assert accuracy.UA.tolist() == pytest.approx([45, 47.5])
    assert accuracy.UA_std["softmax"] == pytest.approx(np.std([50, 60, 30, 40], ddof=1))
    assert accuracy.fits.tolist() == [4, 4]
    worth = report.worth(rows).set_index("method")
    assert worth.loc["center", ["head", "svc", "knn", "intra/inter"]].tolist() == pytest.approx(
        [47.5, 47.5, 10, 0.5]
    )
    recall = report.recalls(rows).set_index("method")
    assert recall.loc["center", ["calm", "sad"]].tolist() == [50, 100]


def test_lead_of_a_trial_is_over_the_folds_and_seeds_of_both(recipe):
    rows = pd.DataFrame(
        [("augmented", 1, 0, 0.5), ("augmented", 2, 0, 0.4), ("other", 1, 0, 0.53), ("other", 2, 0, 0.41)],
        columns=["trial", "fold", "seed", "UA"],
    ).assign(device="CPU", WA=0.25, seconds=[1, 3, 5, 7])
    table = recipe.summary(rows)
    other = [47, 25, 2, 1, 6, 2]  # UA, WA, lead, its error, seconds, fits
    assert table.loc["other", "CPU"].tolist() == pytest.approx(other)
    assert recipe.summary(rows[:1].assign(trial="other")).columns.tolist() == ["UA", "WA", "seconds", "fits"]


def test_lead_of_a_trial_is_over_fits_on_the_same_device(recipe):
    rows = pd.DataFrame(
        [
            ("augmented", "CPU", 0.5),
            ("other", "CPU", 0.53),
            ("augmented", "GPU", 0.6),
            ("other", "GPU", 0.61),
        ],
        columns=["trial", "device", "UA"],
    ).assign(fold=1, seed=0, WA=0.25, seconds=1)
    lead = recipe.summary(rows).lead
    assert lead.loc["other"].to_dict() == pytest.approx({"CPU": 3, "GPU": 1})


def test_kept_summary_comes_from_kept_rows_of_the_first_six_speakers(recipe):
    rows = pd.read_csv(RESULTS / "recipe.csv")
    text = recipe.summary(rows).to_csv(float_format="%.1f", lineterminator="\n")
    assert (RESULTS / "recipe_summary.csv").read_text() == text
    assert not rows.duplicated(["trial", "device", "fold", "seed"]).any()
    assert set(rows.fold) == {1, 2, 3}  # folds of two speakers


COMPARISON = RESULTS / "center_loss_gain"


def test_kept_tables_of_the_comparison_come_from_the_kept_rows(report, tmp_path, capsys):
    rows = pd.read_csv(COMPARISON / "fits.csv")
    order = ["mel", "stft", "majority class", "MFCC statistics + SVC", "ComParE_2016 + SVC"]
    rows = rows.sort_values(
        ["embedding_dim", "features", "method"],
        key=lambda column: (
            column.map({name: n for n, name in enumerate([*order, "softmax", "center"])})
            if column.name != "embedding_dim"
            else -column
        ),
        kind="stable",
    )
    report.write_tables(rows, tmp_path)
    for path in tmp_path.glob("*.csv"):
        kept, made = (
            pd.read_csv(folder / path.name).sort_values(["features"], kind="stable")
            for folder in (COMPARISON, tmp_path)
        )
        pd.testing.assert_frame_equal(kept.reset_index(drop=True), made.reset_index(drop=True))


def test_comparison_holds_each_reporting_fold_and_seed_in_every_arm(report):
    rows = pd.read_csv(COMPARISON / "fits.csv")
    assert set(rows.fold) == {4, 5, 6}
    for _, part in rows[rows.method.isin(report.METHODS)].groupby(report.ARM):
        assert sorted(zip(part.fold, part.seed, strict=True)) == [(f, s) for f in (4, 5, 6) for s in range(3)]


def test_manual_shows_the_rates_measured_on_a_gpu():
    measured = json.loads((RESULTS / "gpu.json").read_text())
    text = (ROOT / "docs" / "user_guide" / "speed.rst").read_text(encoding="utf-8")
    fits = measured["fit, batches of 256"]
    rates = [*fits.values(), *measured["features"].values(), measured["predict"]["256"]]
    assert len(rates) == 7
    for row in rates:
        assert f"- {row['utterances_per_second']:,.0f}\n" in text
    for name in ("float32", "bfloat16", "bare loop, copying"):
        assert f"- {fits[name]['over_bare_loop']:.2f}\n" in text
    assert f"{100 * fits['float32']['busy']:.0f} %" in text
    small = measured["fit, batches of 32"]["float32"]
    assert f"- {small['utterances_per_second']:,.0f}\n     - {small['over_bare_loop']:.2f}\n" in text
    assert measured["device"] in text
    rows = json.loads((RESULTS / "speed_gpu.json").read_text())
    assert rows["environment"]["gpu"] == measured["device"]
    assert [row["name"] for row in rows["rows"]] == ["gpu-fit", "gpu-fit-copying"]
    for row in rows["rows"]:
        assert f"{row['ratio']:.2f}" in text


def test_tables_of_the_embedding_sizes_come_from_rows_that_share_folds_and_seeds(report, tmp_path, capsys):
    kept = RESULTS / "embedding_dims"
    rows = pd.read_csv(kept / "fits.csv", dtype={"key": str})
    assert set(rows.embedding_dim) == {2, 8, 64}
    for _, part in rows.groupby(report.ARM):
        assert sorted(zip(part.fold, part.seed, strict=True)) == [(fold, 0) for fold in (4, 5, 6)]
    report.write_tables(rows, tmp_path)
    for path in kept.glob("[!f]*.csv"):
        assert path.read_text() == (tmp_path / path.name).read_text()


def test_stems_were_compared_in_each_fold_and_seed(recipe):
    stem = importlib.import_module("stem")
    rows = pd.read_csv(RESULTS / "stem.csv")
    assert sorted(zip(rows.stem, rows.fold, rows.seed, strict=True)) == sorted(
        itertools.product(stem.STEMS, (1, 2, 3), range(8))
    )
    assert "over 24 pairs" in stem.describe(rows)


def test_kept_table_of_the_published_experiment_comes_from_the_kept_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    published = importlib.import_module("center_loss_published")
    folder = RESULTS / "center_loss_published"
    rows = published.read_rows(folder / "published.csv")
    table = published.gain_table(rows[rows.stage == "primary"])
    kept = pd.read_csv(folder / "published_gain.csv")
    pd.testing.assert_frame_equal(table, kept, atol=0.005, check_dtype=False)


def test_kept_table_of_the_published_weights_comes_from_the_kept_rows(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    published = importlib.import_module("center_loss_published")
    folder = RESULTS / "center_loss_published"
    shutil.copy(folder / "published.csv", tmp_path)
    published.report(tmp_path)
    kept, made = (path / "published_lambda.csv" for path in (folder, tmp_path))
    assert kept.read_text() == made.read_text()


def test_kept_rows_of_the_published_experiment_are_those_that_the_script_plans(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    published = importlib.import_module("center_loss_published")
    table = RESULTS / "center_loss_published" / "published.csv"
    rows = published.read_rows(table)
    for (stage, corpus, features, epochs), part in rows.groupby(["stage", "corpus", "features", "epochs"]):
        planned = published.planned(stage, corpus, features)
        assert len(published.rows_of(table, planned, int(epochs))) == len(part)
