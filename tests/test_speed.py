"""The table of speeds: how its ratios are made, which rows it holds, and that each of them runs."""

from __future__ import annotations

import csv
import importlib
import json
import math
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from skser import SpectrogramNetwork, SpectrogramTransformer

ROOT = Path(__file__).resolve().parents[1]
SPEED = ROOT / "benchmarks" / "speed"
RESULTS = ROOT / "benchmarks" / "results"

# The names and targets of all rows that were promised.
PROMISED = {
    **{"features-librosa": "<= 0.27", "features-torch": "<= 1", "predict-opensmile": "<= 0.2"},
    **{"epoch-bucketed": "<= 0.7", "padding": "<= 1.08", "fit-default": "<= 1.05", "fit-tiny": "<= 1.4"},
    **{"step-prototype": "<= 0.45", "step-flops": ">= 0.55", "one-eager": "<= 0.6", "one-onnx": "<= 0.3"},
    **{"search-features": "<= 1.05", "search-workers": "<= 0.6", "length-transform": "<= 1.3"},
    **{"length-fit": "<= 1.3", "length-predict": "<= 1.3", "corpus-size": "<= 1.05", "memory": "<= 12"},
    **{"import": "<= 1.1", "evaluate-folds": "<= 0.62"},
    **{f"time-to-accuracy-{name}": "<= 0.5" for name in ("ravdess", "emodb", "nemo")},
}


def script(name):
    """Give the fixture that imports a script."""

    @pytest.fixture
    def imported(monkeypatch):
        monkeypatch.syspath_prepend(str(SPEED))
        return importlib.import_module(name)

    return imported


harness, bench, workloads = script("harness"), script("bench"), script("workloads")
training, growth, breakdown = script("training"), script("growth"), script("breakdown")


@pytest.fixture
def tiny(harness):
    return harness.Settings(tiny=True)


def test_ratio_is_the_median_over_rounds_and_its_spread_that_of_the_quartiles(harness):
    measured = harness.summarise([1.0, 9.0, 2.0, 4.0, 3.0])
    assert (measured.low, measured.ratio, measured.high, measured.rounds) == (2.0, 3.0, 4.0, 5)


def test_sides_are_timed_in_turn_after_a_warm_up(harness, monkeypatch):
    calls, times = [], iter([9, 9, 2, 4, 6, 4, 1, 4])  # of A and B in turn, the first two to warm up

    def clock(function):
        function()
        return next(times)

    monkeypatch.setattr(harness, "clock", clock)
    monkeypatch.setattr(harness, "SECONDS", 0)
    sides = (lambda: calls.append("A"), lambda: calls.append("B"))
    measured = harness.compare(*sides, harness.Settings(), rounds=3, scale=10)
    assert "".join(calls) == "AB" * 4
    assert (measured.low, measured.ratio, measured.high) == (3.75, 5, 10)  # of 2.5, 5 and 15


@pytest.mark.parametrize(
    ("target", "higher", "ratio", "met", "wanted"),
    [
        (0.4, False, 0.39, True, "<= 0.4"),
        (0.4, False, 0.41, False, "<= 0.4"),
        (0.6, True, 0.61, True, ">= 0.6"),
        (0.6, True, 0.59, False, ">= 0.6"),
        (None, False, 5.0, None, ""),
    ],
)
def test_row_is_met_on_the_right_side_of_its_target(harness, bench, tiny, target, higher, ratio, met, wanted):
    row = harness.Row("name", "case", "other", lambda _: harness.summarise([ratio]), target, higher)
    described = harness.run_row(row, tiny)
    assert (described["met"], described["target"]) == (met, wanted)
    assert bench.unmet([described]) == ("name" if met is False else "none")
    assert bench.cells(described)["met"] == {True: "yes", False: "no", None: ""}[met]


def test_row_that_lacks_something_names_it_and_counts_as_neither(harness, bench, tiny):
    def without_recordings(settings):
        raise harness.NotRunError("needs recordings")

    def without_module(settings):
        import no_such_module  # noqa: F401

    rows = [harness.Row("a", "case", "", measure, 1.0) for measure in (without_recordings, without_module)]
    described = [harness.run_row(row, tiny) for row in rows]
    notes = ["not run: needs recordings", "not run: No module named 'no_such_module'"]
    assert [bench.cells(row)["met"] for row in described] == notes
    assert bench.unmet(described) == "none"


def test_threads_are_pinned_and_restored(harness):
    before = torch.get_num_threads()
    with harness.pinned(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_environment_names_threads_and_versions_and_no_host(harness, tiny):
    described = harness.environment(tiny)
    assert described["threads"] == 1
    assert described["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert platform.node() not in json.dumps(described)


# Workloads


def test_durations_are_spread_as_those_of_iemocap(workloads):
    seconds = workloads.durations(5531)
    assert np.median(seconds) == pytest.approx(3.6, rel=1e-3)
    assert np.quantile(seconds, 0.95) == pytest.approx(11, rel=1e-2)
    assert (seconds.min(), seconds.max()) == (0.6, 34.0)
    assert not np.array_equal(seconds, np.sort(seconds))


def test_spectrograms_are_as_long_as_those_of_the_waveforms(workloads):
    seconds = np.array([0.6, 1.234, 3.6])
    X, y = workloads.spectrograms(seconds)
    expected = SpectrogramTransformer().transform(workloads.waveforms(seconds))
    assert X.lengths.tolist() == expected.lengths.tolist()
    assert (X.n_bins, len(y)) == (expected.n_bins, 3)


def test_features_of_all_sides_agree(workloads):
    librosa = importlib.import_module("librosa")
    y = workloads.waveforms(np.array([0.7]))[0]
    parameters = {"n_fft": 512, "hop_length": 160, "n_mels": 64, "pad_mode": "constant"}
    theirs = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=16000, **parameters))
    ours = SpectrogramTransformer(top_db=None).transform([y])[0]
    np.testing.assert_allclose(ours, np.maximum(theirs, -100), atol=1e-3)


def test_prototype_has_the_widths_of_the_paper(workloads):
    network = workloads.Prototype()
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    shapes = [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
    assert shapes == [(48, 7, 2), (64, 3, 1), (80, 3, 1), (96, 3, 1)]
    logits, z = network(torch.zeros(2, 64, 100), torch.tensor([100, 60]))
    assert (logits.shape, z.shape) == ((2, 4), (2, 64))


def test_operations_of_a_step_are_those_counted_by_hand(training, workloads):
    network = workloads.default_network(augmentation=None, channels=(2, 3), rnn_units=4, embedding_dim=5)
    batch = {"spectrogram": torch.zeros(1, 64, 8), "lengths": torch.tensor([8])}, torch.tensor([0])
    frames = 8 // 4
    forward = 2 * frames * 32 * 49 * 2  # stem: 2 operations, frames, bins, kernel, channels
    first = 2 * forward  # its input needs no gradient
    second = 3 * (2 * frames * 32 * 9 * 2 * 3)
    recurrent = 3 * 2 * (2 * frames * 12 * (3 * 16 + 4))  # both directions; three gates of four units
    dense = 3 * (2 * 8 * 5 + 2 * 5 * 4)
    counted = sum(training.flops(training.stepping(network, batch)).values())
    assert counted == pytest.approx(first + second + recurrent + dense, rel=0.05)


@pytest.mark.parametrize("parameters", [{}, {"channels": (4, 8), "rnn_units": 8}])
def test_bare_loop_trains_on_the_batches_of_the_fit(training, workloads, parameters, monkeypatch):
    seen, forward = [], SpectrogramNetwork.forward

    def watched(network, spectrogram, lengths):
        seen.append(lengths.tolist())
        found = forward(network, spectrogram, lengths)
        seen.append(float(torch.rand(())))  # the state of the generator shows how the batch was stretched
        return found

    X, y = workloads.spectrograms(np.linspace(0.3, 0.8, 70))
    classifier = training.plain_classifier("cpu", 2, **parameters)
    monkeypatch.setattr(SpectrogramNetwork, "forward", watched)
    classifier.fit(X, y)
    fitted = seen.copy()
    seen.clear()
    training.bare_loop(X, y, classifier, torch.device("cpu"), **parameters)
    assert seen == fitted


def test_memory_of_a_call_is_its_peak(growth):
    def allocate():
        block = np.ones(2**23)  # 64 MiB
        time.sleep(0.05)  # long enough to be seen on a busy machine
        assert block[-1] == 1

    _, much = growth.measured(allocate)
    _, little = growth.measured(lambda: time.sleep(0.05))
    assert 60 < much["memory"] / 2**20 < 80 > 16 > little["memory"] / 2**20


# Rows and scripts

FAST = (
    *("features-librosa", "features-torch", "features-padded", "padding", "padding-augmented"),
    *("features-librosa-long", "step-prototype", "step-flops", "step-threads", "one-eager", "one-onnx"),
    *("fit-tiny", "epoch-bucketed", "search-features", "length-transform", "length-fit", "length-predict"),
    "memory",
)


@pytest.mark.parametrize("name", FAST)
def test_row_runs_at_a_tiny_size(name, bench, harness, workloads, tiny, monkeypatch):
    monkeypatch.setattr(workloads, "LONGEST", 2.0)
    monkeypatch.setattr(importlib.import_module("inference"), "GRID", {"center_lambda": [0.03, 1]})
    (row,) = (row for row in bench.ROWS if row.name == name)
    described = harness.run_row(row, tiny)
    assert math.isfinite(described["ratio"])
    assert described["ratio"] > 0


def test_script_runs_single_rows_and_adds_them_to_a_file(tmp_path):
    output = tmp_path / "speed.json"
    command = [sys.executable, str(SPEED / "bench.py"), "--tiny", "--output", str(output), "--only"]
    for name in ("step-flops", "padding"):
        printed = subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout
        assert name in printed
    described = json.loads(output.read_text())
    assert [row["name"] for row in described["rows"]] == ["padding", "step-flops"]
    table = pd.read_csv(tmp_path / "speed.csv", dtype=str)
    assert table.ratio[0] == f"{described['rows'][0]['ratio']:.2f}"


def test_single_rows_do_not_join_those_of_another_environment(bench, tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({"environment": {"threads": 1}, "rows": []}))
    with pytest.raises(SystemExit, match="was measured in another environment: name another file"):
        bench.other_rows(path, {"threads": 2})


def test_growth_continues_with_the_missing_corpora(growth, tmp_path, monkeypatch, capsys):
    measured = []

    def in_a_process(n, seconds, threads):
        measured.append((n, seconds))
        result = {"seconds": 0.1 * n, "memory": 2**20 * n}
        return {"frames": 100 * n} | dict.fromkeys(growth.STAGES, result)

    monkeypatch.setattr(growth, "in_a_process", in_a_process)
    options = ["--sizes", "8", "16", "--seconds", "1", "2", "--output", str(tmp_path / "growth.csv")]
    monkeypatch.setattr("sys.argv", ["growth.py", *options])
    growth.main()
    assert measured == [(8, None), (16, None), (3600, 1.0), (1800, 2.0)]
    rows = pd.read_csv(tmp_path / "growth.csv")
    assert len(rows) == 12
    rows[:9].to_csv(tmp_path / "growth.csv", index=False)
    growth.main()
    assert measured[4:] == [(1800, 2.0)]
    table = pd.read_csv(tmp_path / "growth_exponents.csv")
    assert table[table.series == "size"].time.tolist() == pytest.approx([1, 1, 1])
    assert "predict" in capsys.readouterr().out


def test_exponents_are_slopes_between_logarithms(growth):
    n = np.array([1, 4, 16])
    common = {"stage": "fit", "memory": 2.0**30 * n}
    by_size = pd.DataFrame({"series": "size", "utterances": n, "time": 5 * n**1.5, **common})
    by_length = pd.DataFrame({"series": "length", "utterances": 64 // n, "seconds": n, "time": 3.0, **common})
    found = growth.exponents(pd.concat([by_size, by_length])).set_index("series")
    assert found.time["size"] == pytest.approx(1.5)
    assert found.time["length"] == pytest.approx(1)  # the same time per hour, whatever the length
    assert found.memory.tolist() == pytest.approx([1, 1])
    nothing = growth.exponents(by_size.assign(memory=0))
    assert nothing.memory[0] == pytest.approx(0, abs=1e-9)  # counts as the smallest amount


def test_parts_of_a_step_are_found_and_make_up_the_whole(breakdown):
    shares = breakdown.parts_of_step(1)
    assert set(shares) == {*breakdown.PARTS, breakdown.REST}
    assert all(0 < share < 1 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1)


def test_arithmetic_of_the_transform_is_a_part_of_it(breakdown):
    assert 0 < breakdown.arithmetic_of_transform(1, 1) < 1


# The tables that are kept


def test_kept_table_holds_all_promised_rows_and_is_that_of_the_kept_rows(bench):
    rows = {row.name: row for row in bench.ROWS}
    assert len(rows) == len(bench.ROWS)
    assert {name: row.wanted() for name, row in rows.items()}.items() >= PROMISED.items()
    kept = json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))["rows"]
    with (RESULTS / "speed.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [bench.cells(row) for row in kept]
    assert {row["name"] for row in kept if row["ratio"] is not None} >= PROMISED.keys()
    for row in kept:
        made = rows[row["name"]]
        assert (row["case"], row["against"], row["target"]) == (made.case, made.against, made.wanted())
    assert bench.unmet(kept).split(", ") == [
        *("features-librosa", "features-librosa-real", "features-librosa-long", "search-features"),
        *("search-workers", "time-to-accuracy-nemo", "length-transform", "length-fit"),
    ]


def test_kept_growth_is_that_of_the_kept_rows(growth):
    rows = pd.read_csv(RESULTS / "growth.csv")
    assert set(rows[rows.series == "size"].utterances) == {500, 2000, 8000, 50_000}
    assert set(rows[rows.series == "length"].seconds) == {1, 2, 4, 8, 16, 32}
    kept = pd.read_csv(RESULTS / "growth_exponents.csv")
    pd.testing.assert_frame_equal(kept, growth.exponents(rows).round(2))


def test_page_names_rows_that_exist(bench):
    page = (ROOT / "docs" / "user_guide" / "speed.rst").read_text(encoding="utf-8")
    shown = set(re.findall(r"``([a-z]+(?:-[a-z0-9]+)+)``", page)) - {"bench-growth"}
    assert shown
    assert shown <= {row.name for row in bench.ROWS}
    assert "benchmarks/results/speed.csv" in page
