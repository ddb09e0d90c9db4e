"""Tests of the audit of a corpus, and of dropping the recordings in its table."""

from __future__ import annotations

import os
import re
import threading
import warnings
import weakref
from enum import Enum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from joblib import parallel_config
from sklearn.utils import Bunch

from skser import load_audio
from skser.datasets import audit, drop, load_audio_files, load_ravdess, make_emotional_speech
from skser.datasets._audit import SEVERITIES

SR = 16000
COLUMNS = ["item", "path", "problem", "severity", "detail", "same_as"]


def noise(seed=0, n=SR // 2, level=0.1):
    return level * np.random.default_rng(seed).standard_normal(n).clip(-4, 4)


def write(path, y, sr=SR, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr, **how)
    return str(path)


def cut(path, share):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(share * len(content))])
    return path


def found(table):
    """Pairs of item and problem."""
    return list(zip(table["item"].tolist(), table["problem"].tolist(), strict=True))


def problems(recording, **parameters):
    """Problems of one recording between two good ones."""
    table = audit([noise(7), recording, noise(8)], sr=SR, **parameters)
    assert set(table["item"]) <= {1}
    return table["problem"].tolist()


def detail(recording, **parameters):
    (sentence,) = audit([recording], sr=SR, **parameters)["detail"]
    return sentence


@pytest.fixture
def corpus(tmp_path):
    """Twelve good recordings of two labels and three speakers."""
    for i in range(12):
        write(tmp_path / "cörpus of" / ["happy", "sad"][i % 2] / f"{'abc'[i % 3]}_{i:02d}.wav", noise(i))
    return load_audio_files(tmp_path / "cörpus of", speaker=r"([a-c])_\d+")


def test_a_good_corpus_gives_an_empty_table_with_its_columns(corpus):
    for good in (corpus, make_emotional_speech(n_speakers=2, n_per_class=2, random_state=0), []):
        table = audit(good)
        assert isinstance(table, pd.DataFrame)
        assert list(table.columns) == COLUMNS
        assert len(table) == 0
        assert (table["item"].dtype, table["same_as"].dtype) == (np.int64, pd.Int64Dtype())


def test_a_finding_names_the_file_and_the_severity(corpus):
    Path(corpus.data[3]).write_bytes(b"")
    table = audit(corpus)
    assert found(table) == [(3, "empty")]
    assert table["path"].tolist() == [corpus.data[3]]
    assert table["severity"].tolist() == ["error"]
    assert table["same_as"].isna().all()
    assert "empty" in table["detail"][0]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "problem", "word"),
    [
        (None, "missing", ""),
        (POINTER, "git-lfs pointer", "git lfs pull"),
        (b"", "empty", "empty"),
        (b"hello\n", "unreadable", ""),
        (b"RIFF" + bytes(100), "unreadable", ""),
        (bytes(1000), "unreadable", ""),
        (b"\xff\xfb\x90", "unreadable", ""),
    ],
)
def test_files_without_audio_are_named(tmp_path, content, problem, word):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    assert problems(tmp_path / "a.wav") == [problem]
    assert word in detail(tmp_path / "a.wav")
    assert problems(tmp_path) == ["unreadable"]


@pytest.mark.parametrize(
    "item",
    [None, 3, np.nan, b"a.wav", "a\0b.wav", "\udcff.wav", ["x"], np.ones((2, 3)), np.ones(3) + 1j],
    ids=repr,
)
def test_an_invalid_item_is_a_finding_and_not_an_error(item):
    assert problems(item) in (["unreadable"], ["missing"])


def test_a_file_without_samples_is_empty(tmp_path):
    assert problems(write(tmp_path / "a.wav", np.zeros(0))) == ["empty"]
    assert problems(np.zeros(0)) == ["empty"]


def test_a_file_that_is_too_long_is_named_and_not_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", noise())
    assert problems(path, max_duration=None) == problems(path, max_duration=0.5) == []
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    assert audit([path], max_duration=0.4)[["problem", "severity"]].values.tolist() == [["too long", "error"]]
    with pytest.raises(ValueError, match="max_duration must be a number"):
        audit([path], max_duration=0)


@pytest.mark.parametrize("how", [{}, {"format": "OGG", "subtype": "OPUS"}])
def test_an_ogg_file_without_its_end_is_truncated(tmp_path, how):
    path = cut(write(tmp_path / "a.ogg", noise(n=3 * SR), **how), 0.7)
    assert problems(path) == ["truncated"]
    assert "Ogg stream" in detail(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, (np.inf, -np.inf)])
def test_samples_that_are_not_finite_are_named(tmp_path, value):
    y = np.stack([noise(), noise()], axis=1)
    y[[5, 9]] = value  # the mean of opposite infinities is NaN
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert problems(write(tmp_path / "a.wav", y, subtype="FLOAT")) == ["non-finite"]
        assert problems(y[:, 0]) == ["non-finite"]
    assert "2 of 8000" in detail(y[:, 0])


def with_values(value, n):
    """Noise whose first samples have this value."""
    y = noise(n=SR)
    y[:n] = value
    return y


def sine(level_db, offset=0.0):
    """Sine of this level, which is 3.01 dB below its amplitude."""
    return offset + 10 ** (level_db / 20) * np.sqrt(2) * np.sin(2 * np.pi * 400 * np.arange(SR) / SR)


QUIET = "the level of its loudest 25 ms is -60.1 dB re full scale, below silence_db=-60."


@pytest.mark.parametrize(
    ("problem", "bad", "good", "sentence"),
    [
        ("too short", noise(n=400), noise(n=512), "it lasts 25 ms, below the 32 ms needed."),
        ("nearly silent", sine(-60.1), sine(-59.9), QUIET),
        ("nearly silent", sine(-60.1, 0.3), sine(-59.9, 0.3), QUIET),
        ("mostly zeros", with_values(0, 8800), with_values(0, 8000), "55% of its samples are exactly zero."),
        ("clipped", with_values(1, 16), with_values(1, 15), "0.10% of its samples are at full scale."),
        ("clipped", with_values(-1, 16), with_values(-1, 15), "0.10% of its samples are at full scale."),
        ("out of range", 3 * sine(-3.01), 1.9 * with_values(0, 0), "its samples reach 3.0"),
    ],
)
def test_samples_beyond_a_threshold_are_named(problem, bad, good, sentence):
    assert problems(bad) == [problem]
    assert problems(good) == []
    assert detail(bad).startswith(sentence)


def test_parameters_set_the_thresholds():
    assert problems(noise(n=511)) == ["too short"]
    assert problems(noise(n=511), min_duration=0.031) == []
    assert problems(sine(-63)) == ["nearly silent"]
    assert problems(sine(-63), silence_db=-64) == []


def test_the_duration_of_a_file_is_taken_at_its_own_rate(tmp_path):
    paths = [write(tmp_path / f"{i}.wav", noise(i, n=2000), 48000) for i in range(2)]
    assert found(audit(paths, min_duration=0.05)) == [(0, "too short"), (1, "too short")]
    assert found(audit(paths, min_duration=0.04)) == []


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_equal_samples_and_the_faintest_noise_are_silent(tmp_path, value):
    assert problems(noise(level=1e-5)) == ["silent"]  # below one step of 16 bits
    assert problems(np.full(SR, value)) == ["silent"]
    assert problems(write(tmp_path / "a.flac", np.full(SR, value))) == ["silent"]
    assert detail(np.full(SR, value)) == f"each of its 16000 samples is {value:g}."


def test_short_speech_in_a_quiet_recording_is_not_silent():
    y = noise(n=10 * SR, level=1e-4)
    assert problems(y) == ["nearly silent"]
    y[5 * SR : 5 * SR + 800] *= 100
    assert problems(y) == []


def test_integers_are_scaled_before_the_check(tmp_path):
    assert problems(noise(level=3000).astype(np.int16)) == []
    assert problems(write(tmp_path / "a.wav", with_values(1, 16))) == ["clipped"]


@pytest.mark.parametrize("extension", ["wav", "aiff", "au", "mp3"])
def test_a_truncated_file_is_named(tmp_path, extension):
    path = write(tmp_path / f"a.{extension}", noise(n=2 * SR))
    assert problems(path) == []
    assert problems(cut(path, 0.5)) == ["truncated"]
    share = int(re.match(r"it holds (\d+)%", detail(path))[1])
    assert share == pytest.approx(50, abs=12 if extension == "mp3" else 1)


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\xf0\xff\x7f"])
def test_a_header_without_a_length_is_not_a_problem(tmp_path, size):
    path = Path(write(tmp_path / "a.wav", noise()))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = size
    path.write_bytes(content)
    assert problems(path) == []


def test_different_channels_are_named(tmp_path):
    y = noise()
    assert problems(write(tmp_path / "equal.wav", np.stack([y, y], axis=1))) == []
    assert problems(write(tmp_path / "lossy.wav", np.stack([y, 1.005 * y], axis=1))) == []
    path = write(tmp_path / "other.wav", np.stack([y, noise(1)], axis=1))
    assert problems(path) == ["channels differ"]
    # Half the difference of two independent noises of level s has a level of s / sqrt(2).
    assert re.search(r"differ from their mean, which is used, by -3\.[0-2] dB re their level", detail(path))


def test_opposite_channels_are_silent_too(tmp_path):
    y = np.round(noise() * 2**15) / 2**15
    assert problems(write(tmp_path / "a.wav", np.stack([y, -y], axis=1))) == ["silent", "channels differ"]


def test_a_sampling_rate_unlike_most_is_named(tmp_path):
    rates = [24414, 96000, 24414, 8000, 24414]
    table = audit([write(tmp_path / f"{i}.wav", noise(i), sr) for i, sr in enumerate(rates)])
    assert found(table) == [(1, "odd sampling rate"), (3, "odd sampling rate")]
    assert table["detail"][0] == "it has 96000 Hz, 3 of 5 recordings have 24414 Hz."


def test_the_same_samples_at_a_lower_rate_are_odd_but_not_a_copy(tmp_path):
    paths = [write(tmp_path / f"{sr}.wav", noise(), sr) for sr in (8000, SR)]
    assert found(audit(paths)) == [(0, "odd sampling rate")]


def test_labels_and_groups_that_differ_only_in_case_or_spaces_are_named():
    corpus = Bunch(
        data=[noise(seed) for seed in range(6)],
        target=["happy", "Happy", "happy", "sad", "sad", "sad"],
        groups=["Jos\u00e9", "Jose\u0301", "Jos\u00e9", "Eve", "Eve", "E ve"],
        sr=SR,
    )
    table = audit(corpus)
    assert found(table) == [(1, "similar label"), (1, "similar group"), (5, "similar group")]
    assert set(table["severity"]) == {"warning"}
    assert table["detail"][0] == "its label is 'Happy', but 2 of 6 items have 'happy'."
    assert table["detail"][2] == "its group is 'E ve', but 2 of 6 items have 'Eve'."


@pytest.mark.parametrize("groups", [[1, 2, 1], ["Ann", "Anna", "Ann"], ["1", "01", "1"], [True, False, True]])
def test_different_groups_are_not_similar(groups):
    corpus = Bunch(data=[noise(seed) for seed in range(3)], target=[0, 1, 1], groups=groups, sr=SR)
    assert audit(corpus).empty


def test_copies_are_found_by_content_in_any_lossless_format(tmp_path):
    y = np.round(noise() * 2**15) / 2**15
    paths = [
        write(tmp_path / "a.wav", y),
        write(tmp_path / "other.wav", noise(1)),
        write(tmp_path / "b.flac", y),
        write(tmp_path / "stereo.wav", np.stack([y, y], axis=1)),
    ]
    table = audit([*paths, y.astype(np.float32)], sr=SR)
    assert found(table) == [(2, "duplicate"), (3, "duplicate"), (4, "duplicate")]
    assert table["same_as"].tolist() == [0, 0, 0]
    assert table["severity"].tolist() == ["error"] * 3
    assert table["detail"][0] == f"the same waveform as item 0 ({paths[0]})."


def test_silent_or_broken_recordings_are_not_copies_of_each_other(tmp_path):
    broken = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in broken:
        path.write_bytes(b"")
    table = audit([*broken, np.zeros(SR), np.zeros(SR)], sr=SR)
    assert table["problem"].tolist() == ["empty", "empty", "silent", "silent"]


@pytest.mark.parametrize(
    ("target", "groups", "problem", "sentence"),
    [
        (
            ["sad", "sad", "happy", "sad"],
            None,
            "duplicate with another label",
            "label 'sad' instead of 'happy'",
        ),
        ([1, 1, 1, 1], np.array([3, 4, 4, 3]), "duplicate in another group", "group 3 instead of 4"),
    ],
)
def test_every_copy_with_another_label_or_group_is_an_error(target, groups, problem, sentence):
    corpus = Bunch(
        data=[noise(0), noise(1), noise(0), noise(0)], target=np.array(target), groups=groups, sr=SR
    )
    table = audit(corpus)
    assert found(table) == [(i, problem) for i in (0, 2, 3)]
    assert table["same_as"].tolist() == [2, 0, 2]
    assert set(table["severity"]) == {"error"}
    assert table["detail"][1] == f"the same waveform as item 0, with {sentence}."


@pytest.mark.parametrize("name", ["target", "groups"])
def test_mixed_labels_and_groups_are_named(name):
    message = rf"corpus\.{name} mixes integers and text \(item 0 is 1, item 2 is '1'\)"
    with pytest.raises(ValueError, match=message):
        audit({"data": [noise(), noise(), noise()], name: [1, None, "1"]}, sr=SR)


@pytest.mark.parametrize("value", [3, "ann", np.array(3), 2.5])
@pytest.mark.parametrize("name", ["target", "groups"])
def test_a_single_value_for_all_items_is_named(name, value):
    with pytest.raises(TypeError, match=rf"corpus\.{name} is .*, a single value: give one entry per item"):
        audit({"data": [noise()], name: value}, sr=SR)


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b"],
        ["a", float("nan"), "b"],
        [1.0, float("nan"), 2.0],
        pd.array([1, None, 2], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        np.array(["2024-05-01", "NaT", "2024-05-02"], dtype="datetime64[D]"),
    ],
)
@pytest.mark.parametrize(("name", "noun"), [("target", "label"), ("groups", "group")])
def test_a_missing_label_or_group_is_a_finding(values, name, noun):
    corpus = Bunch(data=[noise(0), noise(1), noise(2)], sr=SR, **{name: values})
    table = audit(corpus)
    assert found(table) == [(1, f"missing {noun}")]
    assert table["severity"].tolist() == ["error"]
    assert table["detail"].tolist() == [f"it has no {noun}."]
    assert list(drop(corpus, table)[name]) == [values[0], values[2]]


def test_all_labels_may_be_missing():
    table = audit({"data": [noise(0), noise(1)], "target": [None, None]}, sr=SR)
    assert found(table) == [(0, "missing label"), (1, "missing label")]


def test_a_missing_label_contradicts_no_other():
    corpus = Bunch(data=[noise(0)] * 3, target=["sad", None, "sad"], sr=SR)
    assert found(audit(corpus)) == [(1, "missing label"), (1, "duplicate"), (2, "duplicate")]
    corpus = Bunch(data=[noise(0)] * 3, target=["sad", None, "happy"], sr=SR)
    problem = "duplicate with another label"
    assert found(audit(corpus)) == [(0, problem), (1, "missing label"), (2, problem)]


@pytest.mark.parametrize(("name", "noun"), [("target", "label"), ("groups", "group")])
def test_the_copy_without_a_label_or_group_is_not_the_one_to_keep(name, noun):
    corpus = Bunch(data=[noise(0)] * 3, sr=SR, **{name: [None, "a", "a"]})
    table = audit(corpus)
    assert found(table) == [(0, f"missing {noun}"), (0, "duplicate"), (2, "duplicate")]
    assert drop(corpus, table)[name] == ["a"]


def test_other_problems_can_be_dropped_from_a_corpus_with_missing_labels():
    DESCR = "A corpus.\n\nItems: 3\n  sad: 2\nSpeakers: not known\n"
    corpus = Bunch(data=[noise(0), np.zeros(SR), noise(1)], target=["sad", "sad", None], sr=SR, DESCR=DESCR)
    cleaned = drop(corpus, audit(corpus), problems=["silent"])
    assert cleaned.target == ["sad", None]
    assert cleaned.DESCR == "A corpus.\n\nLeft out after an audit: 1 of 3 items (1 silent).\n"


def test_only_later_copies_of_one_label_and_group_are_errors():
    corpus = Bunch(data=[noise(0), noise(1), noise(0)], target=[1, 2, 1], groups=None, sr=SR)
    table = audit(corpus)
    assert found(table) == [(2, "duplicate")]
    assert set(table["severity"]) == {"error"}


def test_findings_are_sorted_by_item_then_errors_first():
    y = np.zeros(100)
    y[:20] = 1
    table = audit([noise(), y, y, np.zeros(5)], sr=SR)
    assert found(table) == [
        (1, "too short"),
        (1, "mostly zeros"),
        (1, "clipped"),
        (2, "too short"),
        (2, "duplicate"),
        (2, "mostly zeros"),
        (2, "clipped"),
        (3, "too short"),
        (3, "silent"),
    ]


def damaged(corpus):
    """Damage some files of a corpus in different ways."""
    paths = [Path(path) for path in corpus.data]
    paths[1].write_bytes(paths[0].read_bytes())
    paths[2].unlink()
    cut(paths[4], 0.3)
    write(paths[5], np.zeros(SR))
    write(paths[7], noise(7), 8000)
    return corpus


def test_a_back_end_without_generators_can_show_a_progress_bar(corpus, capsys):
    expected = audit(corpus)
    with parallel_config("multiprocessing", n_jobs=2):
        pd.testing.assert_frame_equal(audit(corpus, verbose=True), expected)
    assert "12/12" in capsys.readouterr().err


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_and_the_progress_bar_change_nothing(corpus, n_jobs, capsys):
    damaged(corpus)
    single = audit(corpus, n_jobs=1)
    assert len(single) >= 5
    pd.testing.assert_frame_equal(audit(corpus, n_jobs=n_jobs), single)
    assert capsys.readouterr().err == ""
    pd.testing.assert_frame_equal(audit(corpus, n_jobs=n_jobs, verbose=True), single)
    assert "12/12" in capsys.readouterr().err


def test_every_file_is_decoded_once(corpus, monkeypatch):
    opened, plain = [], soundfile.SoundFile
    monkeypatch.setattr(soundfile, "SoundFile", lambda path: opened.append(path) or plain(path))
    audit(corpus, n_jobs=1)
    assert [os.fsdecode(path) for path in opened] == corpus.data


def test_one_waveform_per_thread_is_in_memory(corpus, monkeypatch):
    held, most, lock = 0, 0, threading.Lock()
    plain = soundfile.SoundFile.read

    def read(self, **how):
        nonlocal held, most
        y = plain(self, **how)
        with lock:
            held += 1
            most = max(most, held)
        weakref.finalize(y, let_go)
        return y

    def let_go():
        nonlocal held
        with lock:
            held -= 1

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    audit(corpus, n_jobs=2)
    assert held == 0
    assert 1 <= most <= 2


def test_a_corpus_may_be_an_array_series_or_tuple(corpus):
    damaged(corpus)
    table = audit(list(corpus.data))
    assert len(table) >= 4
    paths = [Path(path) for path in corpus.data]
    for data in (tuple(corpus.data), np.array(corpus.data), pd.Series(corpus.data), iter(corpus.data), paths):
        pd.testing.assert_frame_equal(audit(data), table)
    assert found(audit(np.stack([noise(0), np.zeros(SR // 2)]), sr=SR)) == [(1, "silent")]


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        ("a.wav", TypeError, "got str: load a folder with load_audio_files, put one path into a list"),
        (None, TypeError, "corpus must be the Bunch of a loader or a list of recordings, got NoneType"),
        ({"target": [1]}, TypeError, "corpus must be the Bunch"),
        ({"data": [np.zeros(9)], "sr": "16000"}, TypeError, "sr must be an integer, got '16000'"),
        ({"data": [np.zeros(9)], "sr": 0}, ValueError, "sr must be an integer in"),
        (pd.DataFrame({"path": ["a.wav"]}), TypeError, "got DataFrame: .* take one column of a DataFrame"),
        (np.ones(100), TypeError, "corpus is a single waveform: wrap it in a list"),
        ([noise()], ValueError, "corpus holds waveforms without a sampling rate: pass sr"),
        (
            {"data": ["a.wav"], "target": [1, 2]},
            ValueError,
            r"corpus\.target has 2 entries but corpus\.data has 1",
        ),
    ],
)
def test_an_invalid_corpus_is_refused(corpus, error, message):
    with pytest.raises(error, match=message):
        audit(corpus)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"sr": 0}, ValueError, "sr must be an integer in"),
        ({"min_duration": -1}, ValueError, "min_duration must be a number in"),
        ({"silence_db": 3}, ValueError, "silence_db must be a number in"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer"),
        ({"verbose": "yes"}, TypeError, "verbose must be True or False"),
    ],
)
def test_parameters_of_audit_are_checked(parameters, error, message):
    with pytest.raises(error, match=message):
        audit([noise()], **({"sr": SR} | parameters))


def test_every_entry_of_a_bad_item_is_dropped(corpus):
    damaged(corpus)
    cleaned = drop(corpus, audit(corpus))
    stay = [i for i in range(12) if i not in (1, 2, 4, 5)]
    assert cleaned.data == [corpus.data[i] for i in stay]
    assert cleaned.target.tolist() == corpus.target[stay].tolist()
    assert cleaned.groups.tolist() == corpus.groups[stay].tolist()
    assert cleaned.frame["path"].tolist() == cleaned.data
    assert cleaned.frame["label"].tolist() == cleaned.target.tolist()
    assert cleaned.frame.index.tolist() == list(range(8))
    assert found(audit(cleaned))
    assert set(audit(cleaned)["severity"]) == {"warning"}


def test_severity_and_problems_choose_the_dropped_items(corpus):
    damaged(corpus)
    table = audit(corpus)

    def kept(rows=table, **parameters):
        return [corpus.data.index(path) for path in drop(corpus, rows, **parameters).data]

    assert kept(severity="warning") == [0, 3, 6, 8, 9, 10, 11]
    assert len(audit(drop(corpus, table, severity="warning"))) == 0
    assert kept(problems=["truncated", "odd sampling rate"]) == [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]
    # Rows may be removed from the table, and severities changed.
    assert kept(table[table["problem"] == "missing"]) == [0, 1, *range(3, 12)]
    assert kept(table[table["problem"] == "none"]) == list(range(12))
    assert 7 in kept()
    table.loc[table["problem"] == "odd sampling rate", "severity"] = "error"
    assert 7 not in kept()


def test_the_given_corpus_is_not_changed(corpus):
    damaged(corpus)
    before = {name: corpus[name].copy() for name in ("data", "target", "groups", "frame", "target_names")}
    text, names = corpus.DESCR, list(corpus)
    cleaned = drop(corpus, audit(corpus))
    assert (corpus.data, corpus.target_names, corpus.DESCR) == (before["data"], before["target_names"], text)
    assert np.array_equal(corpus.target, before["target"])
    assert np.array_equal(corpus.groups, before["groups"])
    pd.testing.assert_frame_equal(corpus.frame, before["frame"])
    assert list(cleaned) == names == list(corpus)
    cleaned.data.append("more")
    assert len(corpus.data) == 12


def test_the_description_names_the_dropped_items_and_counts_again(corpus):
    damaged(corpus)
    cleaned = drop(corpus, audit(corpus))
    text = corpus.DESCR.partition("Items:")[0]
    dropped = "Left out after an audit: 4 of 12 items (1 missing, 1 truncated, 1 silent, 1 duplicate)."
    counts = "Items: 8\n  happy: 2\n  sad: 6\nSpeakers: 3\n"
    assert cleaned["DESCR"] == f"{text}{dropped}\n\n{counts}"
    once = drop(corpus, audit(corpus), problems=["missing", "silent"])
    twice = drop(once, audit(once), problems=["duplicate"])
    lines = "2 of 12 items (1 missing, 1 silent).\n\nLeft out after an audit: 1 of 10 items (1 duplicate)."
    assert lines in twice.DESCR


def test_without_problems_the_corpus_is_equal(corpus):
    same = drop(corpus, audit(corpus), severity="warning")
    assert same is not corpus
    assert same.data == corpus.data
    assert np.array_equal(same.target, corpus.target)
    assert "Left out after an audit: none of 12 items." in same.DESCR


def labelled(data, target, **more):
    return Bunch(data=data, target=np.array(target), sr=SR, **more)


def test_counts_of_members_of_an_enum_name_their_values(corpus):
    emotion = Enum("emotion", {label: label for label in set(corpus.target.tolist())})
    corpus.target = np.array([emotion(label) for label in corpus.target.tolist()])
    counts = corpus.DESCR.partition("Items: 12")[2]
    assert drop(corpus, audit(corpus)).DESCR.partition("Items: 12")[2] == counts != ""


def test_one_copy_of_duplicates_is_kept():
    corpus = labelled([noise(0), noise(0), noise(1), noise(0)], list("aaaa"))
    cleaned = drop(corpus, audit(corpus))
    assert [y[0] for y in cleaned.data] == [noise(0)[0], noise(1)[0]]


def test_another_copy_is_kept_if_the_first_is_unusable(tmp_path):
    # The first is truncated; its copies are complete files of the remaining samples.
    first = cut(write(tmp_path / "first.wav", noise(0)), 0.5)
    y, _ = soundfile.read(first)
    copies = [write(tmp_path / f"copy {i}.wav", y) for i in range(2)]
    corpus = labelled([first, *copies, write(tmp_path / "other.wav", noise(1))], list("aaaa"))
    table = audit(corpus)
    assert found(table) == [(0, "truncated"), (1, "duplicate"), (2, "duplicate")]
    assert drop(corpus, table, severity="warning").data == [corpus.data[1], corpus.data[3]]


def test_no_copy_is_kept_if_labels_contradict_each_other():
    corpus = labelled([noise(0), noise(1), noise(0), noise(2)], list("abbb"), target_names=list("ab"))
    with pytest.warns(UserWarning, match="No item of 1 label is left: a") as record:
        cleaned = drop(corpus, audit(corpus))
    assert record[0].filename == __file__
    assert cleaned.target.tolist() == ["b", "b"]
    assert cleaned.target_names == ["b"]


def test_labels_may_be_numbers_booleans_or_a_series():
    data = [noise(0), np.zeros(SR), noise(2), noise(3)]
    for target in ([1, 1, 2, 2], [True, True, False, False], [0.5, 0.5, 1, 1]):
        corpus = labelled(data, target, target_names=sorted(set(target)))
        cleaned = drop(corpus, audit(corpus))
        assert cleaned.target.dtype == corpus.target.dtype
        assert cleaned.target.tolist() == target[:1] + target[2:]
        assert cleaned.target_names == corpus.target_names
    series = Bunch(data=data, target=pd.Series(list("aabb"), index=[5, 6, 7, 8]), sr=SR)
    cleaned = drop(series, audit(series))
    assert cleaned.target.tolist() == ["a", "b", "b"]
    assert cleaned.target.index.tolist() == [0, 1, 2]


def test_a_corpus_may_lack_labels_groups_frame_and_description():
    corpus = Bunch(data=[noise(0), np.zeros(SR)], groups=None, sr=SR)
    cleaned = drop(corpus, audit(corpus))
    assert sorted(cleaned) == ["data", "groups", "sr"]
    assert (len(cleaned.data), cleaned.groups, cleaned.sr) == (1, None, SR)


def test_a_table_from_a_file_is_accepted(corpus, tmp_path):
    waveforms = labelled([noise(0), np.zeros(SR), noise(0)], list("aaa"))
    for data, n_kept in ((damaged(corpus), 7), (waveforms, 1)):
        audit(data).to_csv(tmp_path / "audit.csv", index=False)
        assert len(drop(data, pd.read_csv(tmp_path / "audit.csv"), severity="warning").data) == n_kept


def test_a_table_of_another_corpus_is_refused(corpus):
    damaged(corpus)
    table = audit(corpus)
    other = Bunch(**(dict(corpus) | {"data": corpus.data[::-1]}))
    with pytest.raises(
        ValueError, match=r"table is from another corpus \(item 1 is '.*' in table and '.*' in corpus\): au"
    ):
        drop(other, table)
    cleaned = drop(corpus, table)
    with pytest.raises(ValueError, match="table is for 12 items but corpus has 8: audit this corpus again"):
        drop(cleaned, table)
    table.attrs.clear()  # then positions and paths are compared
    with pytest.raises(ValueError, match=r"table is from another corpus \(item 1 is"):
        drop(cleaned, table)
    with pytest.raises(
        ValueError, match="table has an item 1 but corpus has only 1: audit this corpus again"
    ):
        drop(labelled([noise(0)], ["a"]), table)


def test_an_empty_result_is_refused():
    corpus = labelled([np.zeros(SR), np.zeros(5)], list("ab"))
    with pytest.raises(ValueError, match="None of the 2 items would remain: choose fewer problems"):
        drop(corpus, audit(corpus))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"corpus": ["a.wav"]},
            TypeError,
            r"corpus must be the Bunch of a loader, got list: for a list, keep",
        ),
        ({"corpus": Bunch(target=[1])}, TypeError, "corpus must be the Bunch of a loader"),
        ({"corpus": labelled([noise()], list("ab"))}, ValueError, r"corpus\.target has 2 entries but"),
        ({"table": [1]}, TypeError, "table must be the DataFrame that audit returns, got list"),
        ({"table": pd.DataFrame({"item": [0]})}, ValueError, "table lacks the column 'path': give the table"),
        ({"severity": "fatal"}, ValueError, "severity must be one of 'error', 'warning', got 'fatal'"),
        ({"problems": "silent"}, TypeError, r"problems must be a list, got 'silent': write \['silent'\]"),
        ({"problems": ["loud"]}, ValueError, "each of problems must be one of .*, got 'loud'"),
    ],
)
def test_arguments_of_drop_are_checked(arguments, error, message):
    corpus = labelled([noise(0), np.zeros(SR)], list("ab"))
    with pytest.raises(error, match=message):
        drop(**({"corpus": corpus, "table": audit(corpus)} | arguments))


def test_every_problem_is_documented_and_is_an_error_or_a_warning():
    errors, listed_warnings = audit.__doc__.partition("These are errors:")[2].split("These are warnings:")
    for problem, severity in SEVERITIES.items():
        assert problem in (errors if severity == "error" else listed_warnings), problem


@pytest.mark.corpus
def test_ravdess_has_one_duplicate(ravdess_root):
    corpus = load_ravdess(ravdess_root, actors=[7])
    table = audit(corpus, n_jobs=2)
    assert set(table["problem"]) <= {"duplicate", "mostly zeros"}
    (row,) = table[table["problem"] == "duplicate"].to_dict("records")
    assert Path(row["path"]).stem == "03-01-03-01-02-02-07"
    assert Path(corpus.data[row["same_as"]]).stem == "03-01-03-01-02-01-07"
    cleaned = drop(corpus, table, problems=["duplicate"])
    assert len(cleaned.data) == 59
    assert "Items: 59" in cleaned.DESCR


@pytest.mark.corpus
def test_ravdess_has_digital_silence_but_no_errors(ravdess_root):
    corpus = load_ravdess(ravdess_root, actors=[1])
    table = audit(corpus)
    zeros = [i for i, path in enumerate(corpus.data) if np.mean(load_audio(path) == 0) > 0.5]
    assert found(table) == [(i, "mostly zeros") for i in zeros]
    assert len(zeros) > 3
