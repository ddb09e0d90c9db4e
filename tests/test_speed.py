"""The table of speeds: how its ratios come about, what it holds, and that each of its rows runs."""

from __future__ import annotations

import csv
import importlib
import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SPEED = ROOT / "benchmarks" / "speed"
PAGE = (ROOT / "docs" / "user_guide" / "speed.rst").read_text(encoding="utf-8")

# Case, against, and target, of everything that was promised.
PROMISED = {
    (
        "log-Mel features, one BLAS thread",
        "librosa.feature.melspectrogram, warm, same parameters",
        "<= 0.4",
    ),
    ("log-Mel features, one BLAS thread", "a plain loop over torch.stft", "<= 1"),
    (
        "features + predict, 64 utterances",
        "openSMILE ComParE_2016 functionals + SVC on the same files",
        "<= 0.2",
    ),
    ("epoch, bucketed batches", "the same with random batches", "<= 0.7"),
    ("padded over real frames, whole corpus", "", "<= 1.08"),
    ("fit of the default network", "a bare PyTorch loop, same module, batches and optimizer", "<= 1.05"),
    ("fit of a tiny network", "a bare PyTorch loop, same module, batches and optimizer", "<= 1.4"),
    ("default network, training step", "the prototype", "<= 0.45"),
    ("training step, FLOP/s (higher is better)", "a large matrix product in the same run", ">= 0.6"),
    ("one utterance, eager", "the prototype, eager", "<= 0.6"),
    ("one utterance, ONNX (once exported)", "the prototype, eager", "<= 0.3"),
    ("8 candidates x 5 folds, features included", "40 fits on features at hand", "<= 1.05"),
    ("grid search, 2 workers of one thread", "1 worker of one thread", "<= 0.6"),
    ("cost a frame between utterances of 1 and 32 s: transform", "", "<= 1.3"),
    ("cost a frame between utterances of 1 and 32 s: fit", "", "<= 1.3"),
    ("cost a frame between utterances of 1 and 32 s: predict", "", "<= 1.3"),
    ("time and memory against corpus size, exponent", "linear", "<= 1.05"),
    ("peak memory of fit a frame in the batch", "", "<= 12"),
    ("import skser", "importing torch, sklearn and skorch alone", "<= 1.1"),
}


@pytest.fixture(autouse=True)
def _paths(monkeypatch):
    monkeypatch.syspath_prepend(str(SPEED))


@pytest.fixture
def harness():
    return importlib.import_module("harness")


@pytest.fixture
def rows():
    return importlib.import_module("registry").all_rows()


@pytest.fixture
def tiny(harness):
    return harness.Settings(seconds=0, tiny=True)


def test_ratio_is_the_median_over_rounds_and_its_spread_that_of_the_quartiles(harness):
    measured = harness.summarise([1.0, 9.0, 2.0, 4.0, 3.0])
    assert (measured.low, measured.ratio, measured.high, measured.rounds) == (2.0, 3.0, 4.0, 5)


def test_sides_are_timed_by_turns_after_a_warm_up(harness, monkeypatch):
    calls, times = [], iter([9, 9, 2, 4, 6, 4, 1, 4])  # of A and B in turn, the first two to warm up

    def clock(function):
        function()
        return next(times)

    monkeypatch.setattr(harness, "clock", clock)
    measured = harness.compare(
        lambda: calls.append("A"), lambda: calls.append("B"), harness.Settings(seconds=0), rounds=3, scale=10
    )
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
def test_row_is_met_on_the_right_side_of_its_target(harness, tiny, target, higher, ratio, met, wanted):
    bench = importlib.import_module("bench")
    row = harness.Row(
        "name", "case", "other", lambda settings: harness.summarise([ratio]), target=target, higher=higher
    )
    described = harness.run_row(row, tiny)
    assert (described["met"], described["target"]) == (met, wanted)
    assert bench.unmet([described]) == ("name" if met is False else "none")
    assert bench.cells(described)["met"] == {True: "yes", False: "no", None: ""}[met]


def test_row_that_lacks_something_says_what_and_counts_as_neither(harness, tiny):
    bench = importlib.import_module("bench")

    def refuse(settings):
        raise harness.NotRunError("needs recordings")

    lacking = [
        harness.Row("a", "case", "", refuse, target=1.0),
        harness.Row("b", "case", "", refuse, target=1.0, needs=("no_such_module",)),
        harness.Row("c", "case", "", refuse, target=1.0, device="cuda"),
    ]
    described = [harness.run_row(row, tiny) for row in lacking]
    assert [row["note"] for row in described] == [
        "not run: needs recordings",
        "not run: needs no_such_module",
        "not run: needs --device cuda",
    ]
    assert bench.unmet(described) == "none"
    assert bench.cells(described[0])["met"] == "not run: needs recordings"


def test_threads_are_pinned_and_given_back(harness):
    before = torch.get_num_threads()
    with harness.pinned(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_table_holds_everything_that_was_promised_under_names_of_its_own(rows):
    assert {(row.case, row.against, row.wanted()) for row in rows} >= PROMISED
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)


def test_environment_names_threads_and_versions_and_no_host(harness, tiny):
    described = harness.environment(tiny)
    assert described["threads"] == 1
    assert (
        described["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    )  # without the build
    assert importlib.import_module("platform").node() not in json.dumps(described)


def test_durations_are_spread_as_those_of_iemocap():
    seconds = importlib.import_module("workloads").durations(5531)
    assert np.median(seconds) == pytest.approx(3.6, rel=1e-3)
    assert np.quantile(seconds, 0.95) == pytest.approx(11, rel=1e-2)
    assert (seconds.min(), seconds.max()) == (0.6, 34.0)
    assert not np.array_equal(seconds, np.sort(seconds))


def test_spectrograms_are_as_long_as_those_of_the_waveforms():
    workloads, seconds = importlib.import_module("workloads"), np.array([0.6, 1.234, 3.6])
    X, y = workloads.spectrograms(seconds)
    expected = (
        importlib.import_module("features").SpectrogramTransformer().transform(workloads.waveforms(seconds))
    )
    assert X.lengths.tolist() == expected.lengths.tolist()
    assert (X.n_bins, len(y)) == (expected.n_bins, 3)


def test_features_of_all_sides_agree():
    features, librosa = (importlib.import_module(name) for name in ("features", "librosa"))
    y = importlib.import_module("workloads").waveforms(np.array([0.7]))[0]
    theirs = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=y, sr=16000, n_fft=512, hop_length=160, n_mels=64, pad_mode="constant"
        )
    )
    ours = features.SpectrogramTransformer(top_db=None).transform([y])[0]
    np.testing.assert_allclose(ours, np.maximum(theirs, -100), atol=1e-3)


def test_prototype_has_the_widths_of_the_paper():
    network = importlib.import_module("workloads").Prototype()
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions] == [
        (48, 7, 2),
        (64, 3, 1),
        (80, 3, 1),
        (96, 3, 1),
    ]
    logits, z = network(torch.zeros(2, 64, 100), torch.tensor([100, 60]))
    assert (logits.shape, z.shape) == ((2, 4), (2, 64))


def test_operations_of_a_step_are_those_counted_by_hand():
    training, steps = (importlib.import_module(name) for name in ("training", "steps"))
    network = steps.default_network(augmentation=None, channels=(2, 3), rnn_units=4, embedding_dim=5)
    batch = {"spectrogram": torch.zeros(1, 64, 8), "lengths": torch.tensor([8])}, torch.tensor([0])
    frames = 8 // 4
    forward = 2 * frames * 32 * 49 * 2  # stem: 2 operations, frames, bins, kernel, channels
    first = 2 * forward  # its input needs no gradient
    second = 3 * (2 * frames * 32 * 9 * 2 * 3)
    recurrent = 3 * 2 * (2 * frames * 12 * (3 * 16 + 4))  # both directions; three gates of four units
    dense = 3 * (2 * 8 * 5 + 2 * 5 * 4)
    counted = training.flops(training.stepping(network, batch))
    assert counted == pytest.approx(first + second + recurrent + dense, rel=0.05)


def test_exponent_is_the_slope_between_logarithms():
    growing = importlib.import_module("growing")
    sizes = np.array([1, 2, 4, 8])
    assert growing.exponent(sizes, 5 * sizes**1.5) == pytest.approx(1.5)
    rows = {
        n: {stage: {"seconds": 0.1 * n, "memory": 2**30 if stage == "fit" else 0} for stage in growing.STAGES}
        for n in (10, 20, 40)
    }
    found = growing.exponents(rows)
    assert found["seconds of transform"] == pytest.approx(1)
    assert found["memory of fit"] == pytest.approx(0, abs=1e-9)
    assert found["memory of predict"] == pytest.approx(0, abs=1e-9)  # nothing counts as the smallest amount


def test_memory_of_a_call_is_the_peak_that_it_leaves_behind_or_not():
    stages = importlib.import_module("stages")

    def allocate():
        block = np.ones(2**23)  # 64 MiB
        time.sleep(0.05)  # long enough to be seen on a busy machine
        assert block[-1] == 1

    _, much = stages.measured(allocate)
    _, little = stages.measured(lambda: time.sleep(0.05))
    assert 60 < much["memory"] / 2**20 < 80 > 16 > little["memory"] / 2**20


FAST = (
    *("features-librosa", "features-torch", "features-padded", "padding", "padding-augmented"),
    *("step-prototype", "step-flops", "step-augmented", "step-threads", "one-eager", "one-onnx", "fit-tiny"),
    *("epoch-bucketed", "search-features", "length-transform", "length-fit", "length-predict", "memory"),
)


@pytest.fixture
def few_and_short(monkeypatch):
    """Cut what is tiny already further: utterances of two seconds at most, and two candidates of a search."""
    monkeypatch.setattr(importlib.import_module("workloads"), "LONGEST", 2.0)
    monkeypatch.setattr(importlib.import_module("search"), "GRID", {"center_lambda": [0.03, 1]})


@pytest.mark.parametrize("name", FAST)
def test_row_runs_at_a_tiny_size(name, rows, harness, tiny, few_and_short):
    (row,) = (row for row in rows if row.name == name)
    described = harness.run_row(row, tiny)
    assert math.isfinite(described["ratio"])
    assert described["ratio"] > 0


def test_script_runs_single_rows_and_writes_json_and_table(tmp_path):
    command = [sys.executable, str(SPEED / "bench.py"), "--tiny", "--seconds", "0", "--only"]
    command += ["step-flops", "padding", "--output", str(tmp_path / "speed.json")]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    described = json.loads((tmp_path / "speed.json").read_text())
    assert [row["name"] for row in described["rows"]] == ["padding", "step-flops"]
    assert all(row["name"] in printed for row in described["rows"])
    with (tmp_path / "speed.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert table[0]["ratio"] == f"{described['rows'][0]['ratio']:.2f}"


def test_single_rows_join_those_of_the_same_environment_alone(tmp_path):
    bench, path = importlib.import_module("bench"), tmp_path / "speed.json"
    assert bench.others(path, {"threads": 1}) == {}
    path.write_text(json.dumps({"environment": {"threads": 1}, "rows": [{"name": "padding", "ratio": 1.0}]}))
    assert bench.others(path, {"threads": 1}) == {"padding": {"name": "padding", "ratio": 1.0}}
    with pytest.raises(
        SystemExit, match="was measured in another environment: name another file or delete it"
    ):
        bench.others(path, {"threads": 2})


def test_growth_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    growth, measured = importlib.import_module("growth"), []

    def in_a_process(n, threads, seconds):
        measured.append((n, seconds))
        return {"frames": 100 * n} | {
            stage: {"seconds": 0.1 * n, "memory": 2**20 * n} for stage in growth.STAGES
        }

    monkeypatch.setattr(growth, "in_a_process", in_a_process)
    options = ["--sizes", "8", "16", "--seconds", "1", "2", "--hours", "0.01"]
    monkeypatch.setattr("sys.argv", ["growth.py", *options, "--output", str(tmp_path / "growth.csv")])
    growth.main()
    assert measured == [(8, None), (16, None), (36, 1.0), (18, 2.0)]
    rows = pd.read_csv(tmp_path / "growth.csv")
    assert len(rows) == 12
    rows[:9].to_csv(tmp_path / "growth.csv", index=False)
    growth.main()
    assert measured[4:] == [(18, 2.0)]
    table = pd.read_csv(tmp_path / "growth_exponents.csv")
    assert table[table.series == "size"].time.tolist() == pytest.approx([1, 1, 1])
    assert "predict" in capsys.readouterr().out


def test_lengths_are_compared_by_the_time_of_an_utterance_and_the_memory_of_the_whole():
    growth = importlib.import_module("growth")
    seconds = np.array([1.0, 4.0, 16.0])
    table = pd.DataFrame(
        {
            "series": "length",
            "utterances": (64 / seconds).astype(int),
            "seconds": seconds,
            "stage": "fit",
            "time": 3.0,
            "memory": 2**30 * seconds,
        }
    )
    found = growth.exponents(table).iloc[0]
    assert found.time == pytest.approx(1)  # as much an hour, whatever the length
    assert found.memory == pytest.approx(1)


def test_kept_growth_is_that_of_the_kept_rows():
    growth, results = importlib.import_module("growth"), ROOT / "benchmarks" / "results"
    rows = pd.read_csv(results / "growth.csv")
    assert set(rows[rows.series == "size"].utterances) == {500, 2000, 8000, 50_000}
    assert set(rows[rows.series == "length"].seconds) == {1, 2, 4, 8, 16, 32}
    kept = pd.read_csv(results / "growth_exponents.csv")
    pd.testing.assert_frame_equal(kept, growth.exponents(rows).round(2))


def test_page_names_rows_and_scripts_that_exist(rows):
    names = {row.name for row in rows}
    shown = set(re.findall(r"``([a-z]+(?:-[a-z0-9]+)+)``", PAGE)) - {"bench-growth"}
    assert shown
    assert shown <= names
    assert "benchmarks/results/speed.csv" in PAGE


def test_kept_table_is_that_of_the_kept_rows():
    bench = importlib.import_module("bench")
    described = json.loads((ROOT / "benchmarks" / "results" / "speed.json").read_text(encoding="utf-8"))
    with (ROOT / "benchmarks" / "results" / "speed.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert table == [bench.cells(row) for row in described["rows"]]
    cases = {
        (row["case"], row["against"], row["target"]) for row in described["rows"] if row["ratio"] is not None
    }
    assert cases >= PROMISED
    assert bench.unmet(described["rows"]) == "step-flops, length-transform"
    assert "Two targets of the table are not met" in PAGE


def test_page_quotes_the_kept_profile_and_growth():
    results, page = ROOT / "benchmarks" / "results", " ".join(PAGE.split())
    with (results / "breakdown.csv").open(newline="", encoding="utf-8") as file:
        kept = {row["what"]: row["value"] for row in csv.DictReader(file)}
    rate = kept["FLOP/s of the convolutions over those of a matrix product"]
    share = kept["convolutions, share of a training step"]
    assert f"reach {rate} of the rate of the matrix product, in {share} of the time" in page
    short, long = (kept[f"Fourier transforms and products, share of the transform of {n} s"] for n in (1, 32))
    assert f"are {short} of the time of recordings of 1 s and {long} of that of 32 s" in page
    rows = pd.read_csv(results / "growth.csv").set_index(["series", "utterances", "stage"]).time
    assert f"trained on 8,000 utterances in {rows['size', 8000, 'fit']:.0f} s" in page
    assert round(rows["length", 3600, "fit"] / rows["length", 3600, "transform"]) == 5
    assert "the transform takes a fifth of a single epoch of training" in page


def test_blocks_that_are_compiled_compute_what_the_networks_do():
    compiled, steps = importlib.import_module("compiled"), importlib.import_module("steps")
    network, twin = (steps.default_network(augmentation=None, channels=(3, 4, 5)).double() for _ in range(2))
    twin.convolutions = torch.nn.ModuleList([compiled.FusedBlocks(twin.convolutions, "eager")])
    twin.convolutions[0]._compiled = twin.convolutions[0]._plain
    S, lengths = torch.randn(3, 64, 90, dtype=torch.double), torch.tensor([90, 40, 7])
    gradients = []
    for made in (network, twin):
        made(S, lengths)[0].square().sum().backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
        gradients[-1] += [value for name, value in made.named_buffers() if "running" in name]
    torch.testing.assert_close(*gradients)


def test_parts_of_a_step_are_found_and_make_up_the_whole():
    breakdown = importlib.import_module("breakdown")
    shares = breakdown.parts_of_step(1)
    assert set(shares) == {*breakdown.PARTS, breakdown.REST}
    assert all(0 < share < 1 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1)


def test_arithmetic_of_the_transform_is_a_part_of_it():
    breakdown = importlib.import_module("breakdown")
    assert 0 < breakdown.arithmetic_of_transform(1, 1) < 1


@pytest.mark.parametrize("parameters", [{}, {"channels": (4, 8), "rnn_units": 8}])
def test_bare_loop_trains_on_the_batches_of_the_fit(parameters, monkeypatch):
    training, workloads = importlib.import_module("training"), importlib.import_module("workloads")
    from skser import CenterLossClassifier, SpectrogramNetwork
    from skser.training import EpochSeed

    seen, forward = [], SpectrogramNetwork.forward

    def watched(network, spectrogram, lengths):
        seen.append(lengths.tolist())
        found = forward(network, spectrogram, lengths)
        seen.append(float(torch.rand(())))  # where the generator stands tells how the batch was stretched
        return found

    X, y = workloads.spectrograms(np.linspace(0.3, 0.8, 70))
    classifier = CenterLossClassifier(max_epochs=2, schedule="constant", random_state=0, **parameters)
    monkeypatch.setattr(SpectrogramNetwork, "forward", watched)
    seeds = EpochSeed(classifier.fit(X, y).seed_)
    fitted = seen.copy()
    seen.clear()
    training.bare_loop(X, y, 2, seeds, **parameters)
    assert seen == fitted
