"""Random input: each call ends in a right result or in a clear error, within bounds of time and memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from skser import CenterLossClassifier, RecordingsError, SpectrogramTransformer, load_audio
from skser.datasets import audit

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks" / "reliability"))

import damaged_files
import random_inputs
from outcomes import Outcomes, without_stderr

pytestmark = pytest.mark.reliability


def assert_reliable(summary: dict[str, Any], n: int, share_right: float) -> None:
    """Nothing is wrong, slow or large, and both outcomes occur."""
    assert summary["wrong"] == []
    assert summary["n"] >= n
    assert summary["outcomes"]["right result"] > share_right * summary["n"]
    assert summary["outcomes"]["clear error"] > share_right * summary["n"]
    assert summary["worst_s"] < 20  # a busy machine is slow
    assert summary["grown_mb"] < 1000


def test_damaged_files_end_in_a_right_result_or_a_clear_error() -> None:
    assert_reliable(damaged_files.run(n=150), n=150, share_right=0.2)


@pytest.mark.corpus
def test_damaged_real_recordings_end_in_a_right_result_or_a_clear_error(ravdess_root: Path) -> None:
    assert_reliable(damaged_files.run(n=60, seed=1, real=ravdess_root / "Actor_01"), n=60, share_right=0.2)


def test_random_input_ends_in_a_right_result_or_a_clear_error() -> None:
    assert_reliable(random_inputs.run(n=50), n=100, share_right=0.1)


def test_a_header_that_states_no_samples_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, np.full(800, 0.5), 16000)
    content = path.read_bytes()
    place = content.index(b"SSND") + 4
    # The chunk of the samples has no bytes, and they begin 32 MB after its start.
    path.write_bytes(content[:place] + bytes([0, 0, 0, 0, 2]) + content[place + 5 :])
    with pytest.raises(ValueError, match=r"a\.aiff.*the waveform is empty"):
        load_audio(path, 16000)


def test_the_same_seed_gives_the_same_damages() -> None:
    first, second = (damaged_files.run(n=20, seed=3)["outcomes"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (lambda: {}["a"], "raw error"),
        (lambda: np.zeros(-1), "raw error"),
        (lambda: load_audio("none.wav"), "clear error"),
        (lambda: 1, "right result"),
        (lambda: 2, "wrong result"),
    ],
)
def test_outcomes_are_distinguished(call: Any, outcome: str) -> None:
    outcomes = Outcomes()
    assert outcomes.add(call, lambda result: None if result == 1 else "not 1", "a call") == outcome
    assert len(outcomes.wrong) == (outcome not in ("clear error", "right result"))


def test_the_audit_names_all_files_that_the_transformer_refuses(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    originals = [path.read_bytes() for path in damaged_files.make_originals(tmp_path)]
    paths = []
    with without_stderr():
        for i in range(60):
            damage = damaged_files.DAMAGES[rng.integers(len(damaged_files.DAMAGES))]
            paths.append(tmp_path / f"{i}.wav")
            paths[-1].write_bytes(damage(originals[rng.integers(len(originals))], rng))
        table = audit(paths, n_jobs=1, min_duration=0)
        with pytest.raises(RecordingsError) as caught:
            SpectrogramTransformer().transform(paths)
    refused = [failure.item for failure in caught.value.failures]
    assert 20 < len(refused) < 60
    assert set(refused) <= set(table["item"][table["severity"] == "error"])


# Extreme numbers and missing values

SMALL = random_inputs.SMALL


@pytest.fixture
def X() -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(6, 4, 9)))


@pytest.mark.parametrize("lr", [1e38, 1e300])
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_a_learning_rate_beyond_float32_is_named(lr: float, schedule: str, X: list[np.ndarray]) -> None:
    classifier = CenterLossClassifier(lr=lr, schedule=schedule, random_state=0, **SMALL)
    with pytest.raises(ValueError, match="lower"):
        classifier.fit(X, ["a", "b"] * 3)
    assert not hasattr(classifier, "net_")


def test_answers_are_finite_or_an_error(X: list[np.ndarray]) -> None:
    classifier = CenterLossClassifier(lr=1e30, random_state=0, **SMALL)
    with pytest.raises(ValueError, match=r"outputs are NaN or infinite: train it with a lower lr"):
        classifier.fit(X, ["a", "b"] * 3).predict_proba(X)


def test_a_network_beyond_the_memory_is_named(X: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"network does not fit into memory .*: lower channels"):
        CenterLossClassifier(**{**SMALL, "embedding_dim": 10**13}).fit(X, ["a", "b"] * 3)


def test_integers_beyond_all_floats_are_named(X: list[np.ndarray]) -> None:
    with pytest.raises(
        ValueError, match=r"^lr must be a number in \(0, inf\), got one of 100 digits or more"
    ):
        CenterLossClassifier(**SMALL, lr=10**400).fit(X, ["a", "b"] * 3)
    with pytest.raises(ValueError, match="sample_weight must hold one number per item"):
        CenterLossClassifier(**SMALL).fit(X, ["a", "b"] * 3, sample_weight=[10**400] * 6)
    with pytest.raises(ValueError, match="X holds a number beyond the range of float32"):
        CenterLossClassifier(**SMALL).fit([[10**400], [1]], ["a", "b"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_labels_and_groups_are_named(missing: Any, X: list[np.ndarray]) -> None:
    classifier = CenterLossClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"^y has no value for item 5"):
        classifier.fit(X, ["a", "b", "a", "b", "a", missing])
    with pytest.raises(ValueError, match=r"^groups has no value for item 5"):
        classifier.fit(X, ["a", "b"] * 3, groups=pd.Series(["s"] * 5 + [missing], dtype=object))
    with pytest.raises(ValueError, match=r"^groups has no value for item 5"):
        classifier.fit(X, ["a", "b"] * 3, groups=[*"stuvw", missing])


def test_a_list_of_text_and_numbers_is_not_read_as_text(X: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"^y mixes text and integers \(item 0 is 'a', item 5 is 1"):
        CenterLossClassifier(**SMALL).fit(X, ["a", "b", "a", "b", "a", 1])


def test_more_processes_than_recordings_are_not_started() -> None:
    with pytest.raises(ValueError, match="n_jobs must be an integer in"):
        SpectrogramTransformer(n_jobs=10**30).transform([np.zeros(10)])
    assert len(SpectrogramTransformer(n_jobs=10**6).transform([np.zeros(10)])) == 1
