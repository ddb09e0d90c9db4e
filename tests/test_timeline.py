"""Emotions over time: windows, turns, silence, and recordings of any length."""

from __future__ import annotations

import os
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

import skser.inference._prediction as prediction_module
from skser import (
    CenterLossClassifier,
    RejectOption,
    SpeakerNormalizer,
    SpectrogramTransformer,
    load_audio,
    predict_timeline,
)
from skser.audio import _decoding as decoding
from skser.inference import find_sampling_rate

SR = 1000


class Means(TransformerMixin, BaseEstimator):
    """Means of waveforms at 1 kHz; remembers the lengths in each batch."""

    sr = SR

    def __init__(self):
        self.batches = []

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        self.batches.append([len(y) for y in X])
        return np.array([[y.mean()] for y in X])


class NamedMeans(Means):
    """Means in a table whose column has a name."""

    def transform(self, X):
        return pd.DataFrame(super().transform(X), columns=["mean"])


class FirstFeature(ClassifierMixin, BaseEstimator):
    """The first feature is the probability of "angry"."""

    def fit(self, X, y):
        self.classes_ = np.array(["angry", "calm"])
        return self

    def predict_proba(self, X):
        return np.stack([X[:, 0], 1 - X[:, 0]], axis=1)


class BySpeaker(TransformerMixin, BaseEstimator):
    """Subtracts the mean of each speaker and adds 0.5, so that 0.5 is a speaker's average."""

    __metadata_request__transform = {"groups": True}  # noqa: RUF012

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X, groups=None):
        Z = X.copy()
        for name in () if groups is None else np.unique(groups):
            Z[groups == name, 0] += 0.5 - X[groups == name, 0].mean()
        return Z


class AtHalfTheRate(Means):
    """Means of waveforms at 500 Hz."""

    sr = SR // 2


@pytest.fixture
def model():
    pipe = make_pipeline(Means(), FirstFeature()).fit([np.zeros(3)], ["calm"])
    pipe[0].batches.clear()
    return pipe


def ramp(seconds):
    """Rises by 0.01 per second, so that the mean of a part shows its place."""
    return np.arange(int(seconds * SR)) / SR / 100 + 0.1


def test_row_of_a_window_is_the_prediction_of_its_samples(model):
    y = ramp(10)
    table = predict_timeline(model, y, window=3, hop=1)
    assert table["start"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert table["end"].tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    expected = [y[start * SR : (start + 3) * SR].mean() for start in range(8)]
    np.testing.assert_allclose(table["probability_angry"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["probability_calm"], 1 - np.array(expected), rtol=1e-5)
    assert table["probability"].tolist() == table["probability_calm"].tolist()
    assert table["label"].tolist() == ["calm"] * 8
    assert not table["silent"].any()
    columns = ["start", "end", "silent", "label", "probability", "probability_angry", "probability_calm"]
    assert table.columns.tolist() == columns


def test_last_window_ends_with_the_recording(model):
    table = predict_timeline(model, ramp(5.4), window=3, hop=1)
    assert table["start"].tolist() == [0, 1, 2, 2.4]
    assert table["end"].tolist() == [3, 4, 5, 5.4]
    np.testing.assert_allclose(table["probability_angry"].iloc[-1], ramp(5.4)[2400:].mean(), rtol=1e-5)


def test_windows_that_reach_the_end_are_not_repeated(model):
    assert len(predict_timeline(model, ramp(6), window=2, hop=2)) == 3


def test_hop_beyond_the_window_skips_samples(model):
    table = predict_timeline(model, ramp(21), window=1, hop=10)
    assert table["start"].tolist() == [0, 10, 20]


@pytest.mark.parametrize("n", [1, 2, 999, 3000])
def test_recording_up_to_a_window_has_one_row(model, n):
    table = predict_timeline(model, np.full(n, 0.3), window=3)
    assert table[["start", "end"]].to_numpy().tolist() == [[0, n / SR]]
    np.testing.assert_allclose(table["probability_angry"], 0.3, rtol=1e-5)


@pytest.mark.parametrize("block", [7, 1000, 2500, 10**6])
def test_blocks_do_not_change_the_windows(model, block, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    soundfile.write(path, ramp(7.7), SR, subtype="FLOAT")
    whole = predict_timeline(model, load_audio(path, SR), window=2, hop=0.7)
    monkeypatch.setattr(decoding, "BLOCK_SAMPLES", block)
    pd.testing.assert_frame_equal(predict_timeline(model, path, window=2, hop=0.7), whole)


def test_file_of_another_rate_is_resampled(model, tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.repeat(ramp(6), 8), 8 * SR)
    table = predict_timeline(model, path)
    np.testing.assert_allclose(
        table["probability_angry"], [0.1 + 0.01 * (k + 1.5) for k in range(4)], atol=1e-3
    )


def test_probabilities_are_those_of_the_pipeline_for_the_part():
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=4000) for _ in range(4)], ["calm", "angry"] * 2
    classifier = CenterLossClassifier(channels=(4,), rnn_units=4, max_epochs=1, random_state=0)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y)
    recording = rng.normal(size=20_000)
    table = predict_timeline(pipe, recording, window=0.5, hop=0.25)
    expected = np.concatenate([pipe.predict_proba([recording[a : a + 8000]]) for a in range(0, 12_001, 4000)])
    np.testing.assert_allclose(table[["probability_angry", "probability_calm"]], expected, atol=1e-6)


def test_windows_of_a_batch_have_equal_length_and_bounded_samples(model, monkeypatch):
    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 10.0)
    predict_timeline(model, ramp(20.5), window=3, hop=1)
    batches = model[0].batches
    assert {length for batch in batches for length in batch} == {3000}
    assert max(map(len, batches)) == 3
    assert sum(map(len, batches)) == 19


@pytest.mark.parametrize("hop", [2, 350])
def test_samples_in_memory_do_not_grow_with_the_recording(model, tmp_path, monkeypatch, hop):
    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 4.0)
    monkeypatch.setattr(decoding, "BLOCK_SAMPLES", 4000)
    peaks = []
    for seconds in (20, 20, 400):  # the first call imports
        path = tmp_path / "a.wav"
        soundfile.write(path, np.full(seconds * SR, 0.3), SR)
        tracemalloc.start()
        predict_timeline(model, path, window=2, hop=hop)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 100 * SR * 4  # bytes: 100 of the further 380 seconds


def test_silence_is_relative_to_the_loudest_window(model):
    y = np.concatenate([np.full(1000, level) for level in (0.5, 0.0052, 0.0048, 0.5, 0.0048)])
    table = predict_timeline(model, y, window=1, hop=1)
    assert table["silent"].tolist() == [False, False, True, False, True]  # 40 dB are a factor of 100
    assert table["label"].tolist() == ["angry", "calm", None, "angry", None]
    numbers = table[["probability", "probability_angry", "probability_calm"]]
    assert numbers[table["silent"]].isna().to_numpy().all()


def test_quiet_beginning_is_silent_if_the_rest_is_loud(model, monkeypatch):
    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 1.0)
    y = np.concatenate([np.full(1000, 0.001), np.full(1000, 0.5)])
    table = predict_timeline(model, y, window=1, hop=1)
    assert table["silent"].tolist() == [True, False]
    assert table["label"].tolist() == [None, "angry"]
    assert model[0].batches == [[1000], [1000]]  # the loud part was not known when the first was predicted


def test_silent_windows_are_not_predicted(model):
    y = np.concatenate([np.full(1000, 0.5), np.zeros(5000)])
    predict_timeline(model, y, window=1, hop=1)
    assert model[0].batches == [[1000]]


def test_short_sound_makes_a_window_loud(model):
    y = np.zeros(3000)
    y[1500:1550] = 0.5
    assert predict_timeline(model, y, window=1, hop=1)["silent"].tolist() == [True, False, True]


def test_recording_of_zeros_is_silent(model):
    table = predict_timeline(model, np.zeros(5000))
    assert table["silent"].all()
    assert table["label"].tolist() == [None] * 3
    assert model[0].batches == []


def test_without_silence_db_nothing_is_silent(model):
    table = predict_timeline(model, np.zeros(5000), silence_db=None)
    assert table["label"].tolist() == ["calm"] * 3


def test_below_reject_the_label_is_unknown(model):
    y = np.repeat([0.3, 0.45, 0.9], 1000)
    table = predict_timeline(model, y, window=1, hop=1, reject=0.6)
    assert table["label"].tolist() == ["calm", "unknown", "angry"]
    np.testing.assert_allclose(table["probability"], [0.7, 0.55, 0.9], rtol=1e-5)


def test_reject_option_applies_its_own_threshold(model):
    rejecter = RejectOption(model, threshold=0.8, label="?").fit([np.zeros(3)], ["calm"])
    y = np.repeat([0.3, 0.45, 0.9], 1000)
    table = predict_timeline(rejecter, y, window=1, hop=1)
    assert table["label"].tolist() == ["?", "?", "angry"]
    with pytest.raises(ValueError, match="has its own threshold: leave reject out"):
        predict_timeline(rejecter, y, reject=0.5)


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["itself", "nested"])
def test_reject_is_refused_if_a_pipeline_ends_with_a_reject_option(wrap):
    last = wrap(RejectOption(FirstFeature(), threshold=0.8))
    pipe = make_pipeline(Means(), last).fit([np.zeros(3)], ["calm"])
    with pytest.raises(ValueError, match="ends with one, which has its own threshold: leave reject out"):
        predict_timeline(pipe, np.repeat([0.3, 0.9], 1000), reject=0.5)


def in_search(model):
    return GridSearchCV(model, {}, cv=2, scoring=lambda *_: 0.0)


@pytest.mark.parametrize(
    "wrap", [lambda model: model, make_pipeline, in_search], ids=["itself", "Pipeline", "search"]
)
def test_reject_option_at_the_end_of_a_pipeline_applies_its_threshold(wrap):
    last = wrap(RejectOption(FirstFeature(), threshold=0.8))
    pipe = make_pipeline(Means(), last).fit([np.zeros(3)] * 4, ["calm", "angry"] * 2)
    table = predict_timeline(pipe, np.repeat([0.3, 0.9], 1000), window=1, hop=1)
    assert table["label"].tolist() == ["unknown", "angry"]


def test_integer_classes_stay_integers():
    X, y = [np.full(500, level) for level in (0.1, 0.9) * 5], [3, 7] * 5
    pipe = make_pipeline(Means(), LogisticRegression(C=1e3)).fit(X, y)
    table = predict_timeline(pipe, np.repeat([0.9, 0.1, 0.0], 1000), window=1, hop=1)
    assert table["label"].tolist() == [7, 3, None]
    assert [type(label) for label in table["label"][:2]] == [int, int]
    assert "probability_7" in table
    message = r"reject cannot add .*label='unknown' is text, but the classes are numbers\): train"
    with pytest.raises(TypeError, match=message):
        predict_timeline(pipe, np.ones(1000), reject=0.5)


def test_reject_needs_a_model_without_the_label_unknown():
    X, y = [np.full(500, level) for level in (0.1, 0.9) * 5], ["a:b", "unknown"] * 5
    pipe = make_pipeline(Means(), LogisticRegression()).fit(X, y)
    message = r"\(label='unknown' is one of the classes \['a:b', 'unknown'\]\): train the model with other"
    with pytest.raises(ValueError, match=message):
        predict_timeline(pipe, np.ones(1000), reject=0.5)


def test_search_uses_its_best_estimator():
    X, y = [np.full(500, level) for level in (0.1, 0.9) * 6], ["calm", "angry"] * 6
    pipe = make_pipeline(Means(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [1e3]}, cv=2).fit(X, y)
    table = predict_timeline(search, np.full(1500, 0.9))
    assert table["label"].tolist() == ["angry"]


def test_list_of_recordings_has_a_column_of_files(model, tmp_path):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path, seconds in zip(paths, (4, 2), strict=True):
        soundfile.write(path, np.full(seconds * SR, 0.5), SR)
    table = predict_timeline(model, paths)
    assert table["file"].tolist() == [str(paths[0]), str(paths[0]), str(paths[1])]
    assert table.index.tolist() == [0, 1, 2]
    waveforms = predict_timeline(model, [ramp(4), ramp(2)])
    assert waveforms["file"].tolist() == [0, 0, 1]


def test_names_of_files_need_not_be_utf_8(model, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    soundfile.write(tmp_path / "a.wav", np.full(2 * SR, 0.5), SR)
    try:
        os.rename(tmp_path / "a.wav", path)
    except OSError:
        pytest.skip("the file system refuses such names")
    assert predict_timeline(model, [path])["file"].tolist() == [str(path)]


def test_turns_are_predicted_in_their_order(model):
    turns = pd.DataFrame(
        {"start": [4.0, 1, 2], "end": [5.5, 3, 6], "speaker": ["Ben", "Ann", "Ann"], "note": 0}
    )
    table = predict_timeline(model, ramp(7), turns=turns)
    assert table["start"].tolist() == [4, 1, 2]
    assert table["end"].tolist() == [5.5, 3, 6]
    assert table["speaker"].tolist() == ["Ben", "Ann", "Ann"]
    np.testing.assert_allclose(table["probability_angry"], [0.1475, 0.12, 0.14], rtol=1e-4)
    assert "note" not in table


def test_turns_of_speakers_keep_the_names_of_columns(monkeypatch):
    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 1.0)
    y = np.repeat([0.1, 0.6, 0.0, 0.9], 1000)  # the third turn is silent
    turns = pd.DataFrame({"start": [0, 1, 2, 3], "end": [1, 2, 3, 4], "speaker": list("ABAB")})
    tables = []
    for first in (Means(), NamedMeans()):
        pipe = make_pipeline(first, SpeakerNormalizer(), FirstFeature())
        pipe.fit([np.full(3, 0.2), np.full(3, 0.4)], ["calm", "angry"], speakernormalizer__groups=["A", "B"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # scikit-learn warns of features without names
            tables.append(predict_timeline(pipe, y, turns=turns))
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["silent"].tolist() == [False, False, True, False]


def test_turns_need_no_speaker(model):
    table = predict_timeline(model, ramp(7), turns=pd.DataFrame({"start": [1], "end": [2]}))
    assert table.columns[:3].tolist() == ["start", "end", "silent"]


def test_speakers_of_turns_reach_the_steps_that_request_groups(monkeypatch):
    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 1.0)  # batches do not divide a speaker
    pipe = make_pipeline(Means(), BySpeaker(), FirstFeature()).fit([np.zeros(3)], ["calm"])
    y = np.repeat([0.1, 0.6, 0.3, 0.9, 0.0], 1000)
    turns = pd.DataFrame({"start": [0, 1, 2, 3, 4], "end": [1, 2, 3, 4, 5], "speaker": list("ABABA")})
    table = predict_timeline(pipe, y, turns=turns)
    np.testing.assert_allclose(table["probability_angry"], [0.4, 0.35, 0.6, 0.65, np.nan], rtol=1e-5)
    without = predict_timeline(pipe, y, turns=turns.drop(columns="speaker"))
    np.testing.assert_allclose(without["probability_angry"], [0.1, 0.6, 0.3, 0.9, np.nan], rtol=1e-5)
    rejecter = predict_timeline(pipe, y, turns=turns, reject=0.62)
    assert rejecter["label"].tolist() == ["unknown", "calm", "unknown", "angry", None]


@pytest.mark.parametrize(
    "make",
    [
        lambda: RejectOption(in_search(make_pipeline(Means(), BySpeaker(), FirstFeature())), threshold=0.62),
        lambda: RejectOption(
            make_pipeline(Means(), in_search(make_pipeline(BySpeaker(), FirstFeature()))), threshold=0.62
        ),
        lambda: make_pipeline(
            make_pipeline(Means(), BySpeaker()), in_search(RejectOption(FirstFeature(), threshold=0.62))
        ),
        lambda: make_pipeline(
            Means(), RejectOption(make_pipeline(BySpeaker(), FirstFeature()), threshold=0.62)
        ),
    ],
    ids=["search", "search in a Pipeline", "search over the option", "option in a Pipeline"],
)
def test_speakers_of_turns_reach_steps_within_searches_and_pipelines(make):
    model = make().fit([np.zeros(3)] * 4, ["calm", "angry"] * 2)
    y = np.repeat([0.1, 0.6, 0.3, 0.9], 1000)
    turns = pd.DataFrame({"start": [0, 1, 2, 3], "end": [1, 2, 3, 4], "speaker": list("ABAB")})
    table = predict_timeline(model, y, turns=turns)
    np.testing.assert_allclose(table["probability_angry"], [0.4, 0.35, 0.6, 0.65], rtol=1e-5)
    assert table["label"].tolist() == ["unknown", "calm", "unknown", "angry"]


def test_sampling_rate_is_that_of_the_model_in_a_pipeline_of_one_step():
    pipe = make_pipeline(Means(), FirstFeature())
    model = make_pipeline(RejectOption(pipe, threshold=0.5)).fit([np.zeros(3)], ["calm"])
    assert predict_timeline(model, ramp(2), window=1, hop=1)["end"].tolist() == [1, 2]


def test_spectrograms_of_turns_reach_steps_that_request_groups(monkeypatch):
    class Peaks(BySpeaker):
        def transform(self, X, groups=None):
            assert list(groups) == ["A", "B"]
            return np.array([[S.shape[1]] for S in X]) / 1000

    monkeypatch.setattr(prediction_module, "_BATCH_SECONDS", 1.0)
    features = SpectrogramTransformer(sr=SR, n_mels=4, n_fft=64, hop_length=10)
    pipe = make_pipeline(features, Peaks().fit(None), FirstFeature().fit(None, None))
    turns = pd.DataFrame({"start": [0, 1], "end": [1, 2.5], "speaker": ["A", "B"]})
    table = predict_timeline(pipe, ramp(3), turns=turns)
    np.testing.assert_allclose(table["probability_angry"], [0.101, 0.151])


@pytest.mark.parametrize(
    ("turns", "error", "message"),
    [
        ([(0, 1)], TypeError, "must be a DataFrame with the columns start and end"),
        (pd.DataFrame({"start": [1]}), TypeError, "got DataFrame without end"),
        (pd.DataFrame({"start": [], "end": []}), ValueError, "turns has no rows"),
        (
            pd.DataFrame({"start": [0, 2], "end": [1, 2]}),
            ValueError,
            r"row 1 of turns is from 2\.0 to 2\.0 s",
        ),
        (pd.DataFrame({"start": [-1], "end": [1]}), ValueError, "row 0 of turns"),
        (pd.DataFrame({"start": [0], "end": [np.nan]}), ValueError, "row 0 of turns"),
        (
            pd.DataFrame({"start": [0, 9], "end": [1, 10]}),
            ValueError,
            "row 1 of turns starts at 9 s, after the",
        ),
        (
            pd.DataFrame({"start": [0], "end": [1], "speaker": [None]}),
            ValueError,
            "row 0 of turns has no speaker",
        ),
        *[
            (
                pd.DataFrame({"start": start, "end": [1]}),
                TypeError,
                "column 'start' of turns must hold numbers",
            )
            for start in (["a"], pd.to_timedelta([0], unit="s"), pd.to_datetime(["2020-01-01"]))
        ],
        (pd.DataFrame([[0, 1, 2]], columns=["start", "end", "end"]), TypeError, "column 'end' of turns must"),
    ],
)
def test_invalid_turns_raise(model, turns, error, message):
    with pytest.raises(error, match=message):
        predict_timeline(model, ramp(5), turns=turns)


@pytest.mark.parametrize("end", [6, 1e18, 1e300])
def test_a_turn_is_cut_off_at_the_end_of_the_recording(model, end):
    table = predict_timeline(model, ramp(5), turns=pd.DataFrame({"start": [1], "end": [end]}))
    assert model[0].batches == [[4000]]
    assert table["end"].tolist() == [end]


@pytest.mark.parametrize("convert", [torch.tensor, np.ndarray.tolist], ids=["tensor", "list"])
def test_a_waveform_can_be_a_tensor_or_a_list_of_numbers(model, convert):
    pd.testing.assert_frame_equal(predict_timeline(model, convert(ramp(5))), predict_timeline(model, ramp(5)))


def test_a_pair_of_rate_and_samples_raises(model):
    with pytest.raises(TypeError, match="is a pair of a sampling rate and samples"):
        predict_timeline(model, (16000, np.zeros(800)))


def test_turns_of_several_recordings_raise(model):
    with pytest.raises(ValueError, match="turns describes a single recording, but several were passed: call"):
        predict_timeline(model, [ramp(5)], turns=pd.DataFrame({"start": [0], "end": [1]}))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"window": 0}, ValueError, "window must be a number in"),
        ({"window": 1e308}, ValueError, r"window must be a number in \(0, 1000000000.0\], got 1e\+308"),
        ({"hop": 1e308}, ValueError, r"hop must be a number in \(0, 1000000000.0\], got 1e\+308"),
        ({"hop": 1e-4}, ValueError, "hop=0.0001 s is shorter than a sample at 1000 Hz"),
        ({"hop": "1"}, TypeError, "hop must be a number"),
        ({"silence_db": -40}, ValueError, "silence_db must be a number in"),
        ({"reject": 2}, ValueError, "reject must be a number in"),
    ],
)
def test_invalid_parameters_raise(model, parameters, error, message):
    with pytest.raises(error, match=message):
        predict_timeline(model, ramp(5), **parameters)


@pytest.mark.parametrize(
    ("recording", "error", "message"),
    [
        ("none.wav", FileNotFoundError, r"^'none\.wav': no such file"),
        (["none.wav"], FileNotFoundError, r"^'none\.wav': no such file"),
        ([np.ones(9), np.zeros(0)], ValueError, "^item 1: the waveform is empty"),
        ([], TypeError, "recording must be a path, a waveform"),
        (None, TypeError, "recording must be a path, a waveform"),
        (
            b"RI\0FF",
            TypeError,
            "recording is of type bytes: write the content of the file to a temporary file",
        ),
        (
            {"array": ramp(3), "sampling_rate": SR},
            TypeError,
            r"recording is of type dict: pass load_audio\(item\['array'\]",
        ),
        (np.zeros(0), ValueError, "the waveform is empty"),
        (np.zeros((2, 100)), ValueError, "must be mono"),
        (np.array([0, np.nan]), ValueError, "NaN or infinite"),
    ],
)
def test_recording_that_cannot_be_used_is_named(model, recording, error, message):
    with pytest.raises(error, match=message):
        predict_timeline(model, recording)


def test_model_must_start_with_recordings():
    with pytest.raises(TypeError, match="model must be a fitted Pipeline whose first step takes recordings"):
        predict_timeline(CenterLossClassifier(), ramp(5))


def test_model_must_have_probabilities():
    pipe = make_pipeline(Means(), LinearSVC()).fit([np.zeros(3), np.ones(3)], [0, 1])
    with pytest.raises(TypeError, match="model must have predict_proba, but Pipeline does not"):
        predict_timeline(pipe, ramp(5))


def test_model_must_be_fitted():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        predict_timeline(make_pipeline(Means(), CenterLossClassifier()), ramp(5))


@pytest.mark.parametrize("unused", ["drop", "passthrough"])
def test_sampling_rate_is_that_of_the_first_used_part_of_a_union(unused):
    union = FeatureUnion([("unused", unused), ("means", AtHalfTheRate())])
    assert find_sampling_rate(make_pipeline(union, FirstFeature())) == SR // 2


@pytest.mark.parametrize("parts", [["drop"], ["passthrough", "drop"]])
def test_union_without_used_parts_has_the_default_sampling_rate(parts):
    union = FeatureUnion([(f"part {i}", part) for i, part in enumerate(parts)])
    assert find_sampling_rate(make_pipeline(union, FirstFeature())) == 16000
