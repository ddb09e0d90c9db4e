"""Features of pretrained speech encoders: numbers, statistics, sources of weights, cache and model files."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from torch import nn

import skser.encoders._source
import skser.encoders._transformers
import skser.features._encoder_function
import skser.features._extraction
from skser import (
    RecordingsError,
    Spectrograms,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    evaluate,
    load_audio,
    load_model,
    save_model,
)
from skser.encoders import _ge2e, _source, find_encoder, load_encoder
from skser.encoders._encoding import encode_waveform

CPU = torch.device("cpu")


needs_resemblyzer = pytest.mark.skipif(
    find_spec("resemblyzer") is None, reason="reads the weights in resemblyzer"
)


@pytest.fixture(scope="module")
def ge2e(tmp_path_factory: pytest.TempPathFactory, write_ge2e: Callable[[Path, int], str]) -> str:
    return write_ge2e(tmp_path_factory.mktemp("ge2e") / "weights.pt", 0)


@pytest.fixture(scope="module")
def other_ge2e(tmp_path_factory: pytest.TempPathFactory, write_ge2e: Callable[[Path, int], str]) -> str:
    return write_ge2e(tmp_path_factory.mktemp("other") / "weights.pt", 1)


@pytest.fixture(scope="module")
def waveforms() -> list[np.ndarray]:
    """Three waveforms of unequal length, one of them with silent ends."""
    rng = np.random.default_rng(0)
    y = [rng.normal(scale=0.1, size=n).astype(np.float32) for n in (9000, 1200, 6001)]
    y[2][:2600] = y[2][-1500:] = 0
    return y


@pytest.fixture
def paths(waveforms: list[np.ndarray], tmp_path: Path) -> list[str]:
    names = [str(tmp_path / f"{i}.wav") for i in range(len(waveforms))]
    for name, y in zip(names, waveforms, strict=True):
        soundfile.write(name, y, 16000, subtype="FLOAT")
    return names


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the waveforms that were encoded."""
    lengths: list[int] = []

    def counting(encoder: Any, y: np.ndarray, layers: Any) -> np.ndarray:
        lengths.append(len(y))
        return encode_waveform(encoder, y, layers)

    monkeypatch.setattr(skser.features._encoder_function, "encode_waveform", counting)
    return lengths


# The GE2E encoder


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3, 1e30])
def test_level_is_minus_30_dbfs(waveforms, scale):
    y = _ge2e.set_level(waveforms[0] * np.float32(scale))
    assert y.dtype == np.float32
    assert 10 * np.log10(np.mean(y.astype(float) ** 2)) == pytest.approx(-30, abs=1e-4)


def test_level_of_silence_is_not_changed():
    np.testing.assert_array_equal(_ge2e.set_level(np.zeros(100, np.float32)), np.zeros(100))


def test_mel_frames_are_librosas_power(waveforms):
    from librosa.feature import melspectrogram

    expected = melspectrogram(y=waveforms[0], sr=16000, n_fft=400, hop_length=160, n_mels=40).T
    np.testing.assert_allclose(_ge2e.mel_frames(waveforms[0]), expected, rtol=1e-4, atol=1e-7)


@pytest.fixture
def resemblyzer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package whose weights are used, without the compiled module that it imports."""
    if "webrtcvad" not in sys.modules:
        monkeypatch.setitem(sys.modules, "webrtcvad", types.ModuleType("webrtcvad"))
    return pytest.importorskip("resemblyzer", reason="compares with resemblyzer")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_layers_agree_with_resemblyzers_encoder(resemblyzer, waveforms):
    reference = resemblyzer.VoiceEncoder("cpu", verbose=False)
    encoder = load_encoder(find_encoder("ge2e", None, True), CPU)
    y = _ge2e.set_level(waveforms[0])
    mels = resemblyzer.wav_to_mel_spectrogram(y)
    np.testing.assert_allclose(_ge2e.mel_frames(y), mels, rtol=1e-4, atol=1e-7)
    with torch.inference_mode():
        expected = reference(torch.from_numpy(mels)[None])[0]
        frames = torch.from_numpy(encode_waveform(encoder, waveforms[0], [3]))
        embedding = torch.relu(reference.linear(frames[:, -1]))
    np.testing.assert_allclose(embedding / embedding.norm(), expected, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_each_layer_is_that_of_a_stacked_lstm(ge2e, waveforms, layer):
    tensors = torch.load(ge2e, weights_only=True)["model_state"]
    stacked = nn.LSTM(40, 256, layer)
    own = {name: tensors[f"lstm.{name}"] for name in stacked.state_dict()}
    stacked.load_state_dict(own)
    trimmed = load_audio(waveforms[2], trim_db=40)
    assert len(trimmed) < len(waveforms[2])
    with torch.inference_mode():
        expected = stacked(_ge2e.mel_frames(_ge2e.set_level(trimmed)))[0].T
    (frames,) = SpeechEncoderTransformer(ge2e, layer=layer, statistics=None).transform(waveforms[2:])
    assert frames.shape == (256, 1 + len(trimmed) // 160)
    np.testing.assert_allclose(frames, expected, atol=1e-5)


def test_level_of_a_recording_has_no_influence(ge2e, waveforms):
    quiet = [y / 50 for y in waveforms]
    transformer = SpeechEncoderTransformer(ge2e)
    np.testing.assert_allclose(transformer.transform(quiet), transformer.transform(waveforms), atol=1e-5)


def test_silence_and_a_single_sample_have_features(ge2e):
    Z = SpeechEncoderTransformer(ge2e).transform([np.zeros(4000), np.ones(1)])
    assert Z.shape == (2, 512)
    np.testing.assert_array_equal(Z[1, 256:], 0)  # one frame has no deviation


@needs_resemblyzer
def test_using_the_weights_does_not_import_resemblyzer():
    code = (
        "import sys, numpy as np; from skser import SpeechEncoderTransformer as T; "
        "print(T().fit_transform([np.ones(800)]).shape, {'resemblyzer', 'transformers'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "(1, 512) set()"


# Statistics


def test_statistics_are_those_of_the_frames(ge2e, waveforms):
    frames = SpeechEncoderTransformer(ge2e, statistics=None).transform(waveforms)
    assert isinstance(frames, Spectrograms)
    Z = SpeechEncoderTransformer(ge2e, statistics=["max", "mean", "std", "min"]).transform(waveforms)
    assert Z.dtype == np.float32
    for row, S in zip(Z, frames, strict=True):
        expected = [S.max(axis=1), S.mean(axis=1), S.std(axis=1), S.min(axis=1)]
        np.testing.assert_allclose(row.reshape(4, 256), expected, atol=1e-6)


def test_names_are_in_the_order_of_the_columns(ge2e, waveforms):
    transformer = SpeechEncoderTransformer(ge2e, statistics=("std", "mean")).set_output(transform="pandas")
    table = transformer.fit_transform(waveforms)
    assert list(table.columns[[0, 255, 256, 511]]) == ["std_0", "std_255", "mean_0", "mean_255"]
    frames = SpeechEncoderTransformer(ge2e, statistics=None).transform(waveforms)
    assert table["std_3"].iloc[0] == pytest.approx(frames[0][3].std(), abs=1e-6)


def test_frames_have_no_names(ge2e):
    assert not hasattr(SpeechEncoderTransformer(ge2e, statistics=None), "get_feature_names_out")


def test_a_pipeline_can_set_the_output_of_frames_and_of_later_tables(ge2e, waveforms):
    transformer = SpeechEncoderTransformer(ge2e, statistics=None)
    make_pipeline(transformer, KNeighborsClassifier()).set_output(transform="pandas")
    assert isinstance(transformer.transform(waveforms), Spectrograms)
    transformer.set_params(statistics=("mean",))
    assert list(transformer.transform(waveforms).columns[[0, 255]]) == ["mean_0", "mean_255"]


def test_several_layers_are_averaged(ge2e, waveforms):
    first, third, both = (
        SpeechEncoderTransformer(ge2e, layer=layer, statistics=None).transform(waveforms[:1])[0]
        for layer in (1, 3, (1, 3))
    )
    np.testing.assert_allclose(both, (first + third) / 2, atol=1e-6)


@pytest.mark.parametrize("statistics", [None, ("mean", "std")])
def test_no_recording_influences_another(ge2e, waveforms, statistics):
    transformer = SpeechEncoderTransformer(ge2e, statistics=statistics)
    together = transformer.transform(waveforms)
    for y, features in zip(waveforms, together, strict=True):
        np.testing.assert_array_equal(transformer.transform([y])[0], features)


def test_results_do_not_depend_on_workers_or_threads(ge2e, paths, waveforms):
    expected = SpeechEncoderTransformer(ge2e).transform(waveforms)
    np.testing.assert_array_equal(SpeechEncoderTransformer(ge2e, n_jobs=2).transform(paths), expected)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        np.testing.assert_array_equal(SpeechEncoderTransformer(ge2e).transform(waveforms), expected)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("own", [None, 2])
def test_overlapping_calls_compute_with_one_thread_and_restore_the_number(own):
    seen = []
    first_inside, second_inside, first_done = (threading.Event() for _ in range(3))

    def encode(entered, until, own=None):
        if own is not None:
            torch.set_num_threads(own)

        def outputs(y, last):
            entered.set()
            assert until.wait(10)
            seen.append(torch.get_num_threads())
            return [torch.zeros(3, 2)]

        encoder = types.SimpleNamespace(device=CPU, first_layer=0, outputs=outputs)
        encode_waveform(encoder, np.zeros(4), [0])
        return torch.get_num_threads()

    n_threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(encode, first_inside, second_inside)
            assert first_inside.wait(10)
            second = pool.submit(encode, second_inside, first_done, own)
            restored = [first.result(10)]
            first_done.set()
            restored.append(second.result(10))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result(10) == (own or 3)
        assert (seen, restored) == ([1, 1], [3, own or 3])
    finally:
        torch.set_num_threads(n_threads)


def test_rows_of_an_array_may_be_trimmed_to_different_lengths(ge2e):
    X = np.random.default_rng(0).normal(size=(2, 8000)).astype(np.float32)
    X[0, :4000] = 0
    frames = SpeechEncoderTransformer(ge2e, statistics=None).fit_transform(X)
    assert isinstance(frames, Spectrograms)
    assert frames.lengths[0] < frames.lengths[1] == 51
    assert SpeechEncoderTransformer(ge2e).fit_transform(X).shape == (2, 512)


# Speeds


def test_one_speed_gives_the_frames_at_that_speed(ge2e, waveforms):
    frames = SpeechEncoderTransformer(ge2e, statistics=None, speeds=(1.25,), trim_db=None).transform(
        waveforms
    )
    faster = [librosa.resample(y, orig_sr=20000, target_sr=16000, res_type="soxr_hq") for y in waveforms]
    expected = SpeechEncoderTransformer(ge2e, statistics=None, trim_db=None).transform(faster)
    np.testing.assert_array_equal(frames.lengths, expected.lengths)
    np.testing.assert_array_equal(frames[0], expected[0])


def test_statistics_are_averaged_over_speeds(ge2e, waveforms):
    averaged, *tables = (
        SpeechEncoderTransformer(ge2e, speeds=speeds).transform(waveforms)
        for speeds in ([0.8, 1, 1.25], [0.8], [1], [1.25])
    )
    assert averaged.dtype == np.float32
    np.testing.assert_allclose(averaged, np.mean(tables, axis=0, dtype=np.float64), atol=1e-6)


def test_recording_is_trimmed_before_its_speed_changes(ge2e, waveforms):
    transformer = SpeechEncoderTransformer(ge2e, speeds=(0.8,), trim_db=30)
    trimmed = [load_audio(y, trim_db=30) for y in waveforms]
    expected = transformer.transform(waveforms)
    np.testing.assert_array_equal(transformer.set_params(trim_db=None).transform(trimmed), expected)


def test_a_single_sample_has_features_at_each_speed(ge2e):
    assert np.isfinite(SpeechEncoderTransformer(ge2e, speeds=(0.5, 2)).transform([np.ones(1)])).all()


# Parameters and sources

WRONG = [
    ({"encoder": 3}, TypeError, "encoder must be 'ge2e', a path, or a name on the Hugging Face Hub"),
    ({"encoder": ""}, ValueError, "encoder must be 'ge2e', a path, or a name on the .*, got ''"),
    ({"layer": 4}, ValueError, "layer=4 does not exist: encoder=.* has the layers 1 to 3"),
    ({"layer": 0}, ValueError, "layer=0 does not exist"),
    ({"layer": -1}, ValueError, r"layer must be an integer in \[0"),
    ({"layer": "2"}, TypeError, "layer must be an integer"),
    ({"layer": []}, ValueError, "layer is an empty list: give one layer or more"),
    ({"statistics": "mean"}, TypeError, "statistics must be None or a tuple of some of mean, std, max, min"),
    ({"statistics": ()}, TypeError, "statistics must be None or a tuple"),
    ({"statistics": ("median",)}, ValueError, "statistics must be one of 'max', 'mean', 'min', 'std'"),
    ({"statistics": ("max", "max")}, ValueError, "names one statistic twice"),
    ({"speeds": 1.1}, TypeError, r"speeds must be a tuple of numbers, such as \(0.86, 1.0, 1.16\), got 1.1"),
    ({"speeds": ()}, TypeError, "speeds must be a tuple of numbers"),
    ({"speeds": (1, "2")}, TypeError, "each of speeds must be a number"),
    ({"speeds": (1, 2.1)}, ValueError, r"each of speeds must be a number in \[0.5, 2\]"),
    ({"speeds": (1, 1.0)}, ValueError, r"speeds=\(1, 1.0\) has one speed twice: leave it out"),
    ({"speeds": (1, 1.1), "statistics": None}, ValueError, r"speeds=\(1, 1.1\) needs statistics"),
    ({"trim_db": 0}, ValueError, "trim_db must be a number"),
    ({"max_duration": 0}, ValueError, "max_duration must be a number"),
    ({"revision": 1}, TypeError, "revision must be text or None"),
    ({"local_files_only": "yes"}, TypeError, "local_files_only must be True or False"),
    ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
    ({"memory": 3}, TypeError, "memory must be None or the path of a folder"),
]


@pytest.mark.parametrize(("parameters", "error", "message"), WRONG)
def test_wrong_parameters_raise(ge2e, parameters, error, message):
    transformer = SpeechEncoderTransformer(**{"encoder": ge2e, **parameters})
    for check in (transformer.fit, transformer.transform):
        with pytest.raises(error, match=message):
            check([np.zeros(100)])


def test_unusable_files_are_named_together(ge2e, paths, tmp_path):
    missing = [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]
    with pytest.raises(RecordingsError) as caught:
        SpeechEncoderTransformer(ge2e).transform([missing[0], *paths, missing[1]])
    assert [(failure.item, failure.path) for failure in caught.value.failures] == [
        (0, missing[0]),
        (4, missing[1]),
    ]


def test_messages_speak_of_features(ge2e, paths, waveforms, tmp_path, monkeypatch, capsys):
    SpeechEncoderTransformer(ge2e, verbose=1).transform(waveforms)
    shown = capsys.readouterr().err
    assert "features: 100%" in shown
    assert "spectrogram" not in shown
    with pytest.raises(RecordingsError) as caught:
        SpeechEncoderTransformer(ge2e, memory=tmp_path / "cache").transform([*paths, str(tmp_path / "a.wav")])
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert "The features of the other 3 are kept in memory=" in str(error)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing' cannot hold the features, 0 MiB"):
        SpeechEncoderTransformer(ge2e, statistics=None, max_nbytes=1000).transform(waveforms)


def test_without_resemblyzer_the_error_names_the_command(monkeypatch):
    def no_files(name: str) -> None:
        raise _ge2e.PackageNotFoundError(name)

    monkeypatch.setattr(_ge2e, "files", no_files)
    with pytest.raises(ImportError) as caught:
        SpeechEncoderTransformer().transform([np.zeros(100)])
    assert str(caught.value) == (
        "encoder='ge2e' needs the weights in the package resemblyzer: install it with pip install --no-deps "
        "resemblyzer==0.1.4"
    )


def test_resemblyzer_without_its_weights_raises(monkeypatch):
    monkeypatch.setattr(_ge2e, "files", lambda name: None)
    with pytest.raises(ImportError, match=r"has no file resemblyzer/pretrained\.pt: reinstall it with pip"):
        SpeechEncoderTransformer().transform([np.zeros(100)])


def test_other_weights_in_resemblyzer_are_refused(monkeypatch, ge2e):
    monkeypatch.setattr(skser.encoders._source, "installed_ge2e", lambda: ge2e)
    with pytest.raises(ValueError, match=r"has the SHA-256 .*, not that of resemblyzer 0\.1\.4, 39373b86"):
        SpeechEncoderTransformer().transform([np.zeros(100)])


@needs_resemblyzer
def test_file_and_package_with_the_same_weights_are_the_same_encoder(waveforms):
    by_path = SpeechEncoderTransformer(_ge2e.installed_ge2e()).fit(waveforms)
    assert by_path.digest_ == SpeechEncoderTransformer().fit(waveforms).digest_ == _ge2e.GE2E_DIGEST


class Code:
    """Pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_state": torch.zeros(3)}, "does not hold the weights of a GE2E encoder: give a file"),
        ({"lstm.bias_hh_l1": None}, "does not hold the weights of a GE2E encoder: give a file"),
        ({"lstm.weight_ih_l0": torch.zeros(1024, 80)}, "does not hold the weights of a GE2E encoder: give"),
    ],
)
def test_file_with_other_tensors_is_refused(ge2e, tmp_path, changed, message):
    content = torch.load(ge2e, weights_only=True)
    if "model_state" in changed:
        content = changed
    else:
        content["model_state"] |= changed
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=message):
        SpeechEncoderTransformer(tmp_path / "x.pt").transform([np.zeros(100)])


def test_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "x.pt").write_text("not weights")
    with pytest.raises(ValueError, match="does not hold the weights of a GE2E encoder: give a file"):
        SpeechEncoderTransformer(tmp_path / "x.pt").transform([np.zeros(100)])


def test_code_in_a_weights_file_does_not_run(tmp_path):
    torch.save({"model_state": Code(tmp_path / "ran")}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="does not hold the weights"):
        SpeechEncoderTransformer(tmp_path / "x.pt").transform([np.zeros(100)])
    assert not (tmp_path / "ran").exists()


def test_missing_weights_file_raises(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"cannot be read \(No such file or directory\): check its path"
    ):
        SpeechEncoderTransformer(tmp_path / "none.pt").transform([np.zeros(100)])


# Weights in memory


def test_encoder_is_loaded_once(ge2e, waveforms, monkeypatch):
    loaded = []
    load = skser.encoders._source._load
    monkeypatch.setattr(skser.encoders._source, "_LOADED", {})
    monkeypatch.setattr(skser.encoders._source, "_load", lambda *args: loaded.append(args) or load(*args))
    transformer = SpeechEncoderTransformer(ge2e)
    assert loaded == []  # not when it is made
    for layer in (1, 2):
        clone(transformer).set_params(layer=layer).fit(waveforms).transform(waveforms)
    assert len(loaded) == 1


def test_pickle_holds_no_weights(ge2e, waveforms):
    transformer = SpeechEncoderTransformer(ge2e).fit(waveforms)
    expected = transformer.transform(waveforms)
    content = pickle.dumps(transformer)
    assert len(content) < 2000
    np.testing.assert_array_equal(pickle.loads(content).transform(waveforms), expected)


def test_other_weights_than_in_fit_are_refused(waveforms, tmp_path, other_ge2e, write_ge2e):
    transformer = SpeechEncoderTransformer(write_ge2e(tmp_path / "weights.pt", 0)).fit(waveforms)
    (tmp_path / "weights.pt").write_bytes(Path(other_ge2e).read_bytes())
    with pytest.raises(ValueError, match=r"but the transformer was fitted with .*: set encoder to those"):
        transformer.transform(waveforms)
    assert transformer.fit(waveforms).transform(waveforms).shape == (3, 512)


def test_digest_is_the_sha_256_of_the_file(ge2e, waveforms):
    assert (
        SpeechEncoderTransformer(ge2e).fit(waveforms).digest_
        == hashlib.sha256(Path(ge2e).read_bytes()).hexdigest()
    )


# The cache


def test_second_run_encodes_nothing(ge2e, paths, encoded, tmp_path):
    transformer = SpeechEncoderTransformer(ge2e, memory=tmp_path / "m")
    expected = transformer.transform(paths)
    assert len(encoded) == 3
    np.testing.assert_array_equal(transformer.transform(paths), expected)
    frames = transformer.set_params(statistics=None).transform(paths)  # the frames are what is kept
    assert len(encoded) == 3
    np.testing.assert_allclose(frames[0].mean(axis=1), expected[0, :256], atol=1e-6)


@pytest.mark.parametrize("as_paths", [True, False])
def test_second_run_encodes_no_speed(ge2e, paths, waveforms, encoded, tmp_path, as_paths):
    recordings = paths if as_paths else waveforms
    transformer = SpeechEncoderTransformer(ge2e, speeds=(0.5, 1, 2), memory=tmp_path / "m")
    expected = transformer.transform(recordings)
    np.testing.assert_array_equal(transformer.transform(recordings), expected)
    assert len(encoded) == 9


@pytest.mark.parametrize("speed", [2 ** (1 / 12), 0.50003])
def test_entries_of_rounded_speeds_are_not_refused(ge2e, encoded, tmp_path, speed):
    transformer = SpeechEncoderTransformer(ge2e, speeds=(speed,), memory=tmp_path / "m")
    waveforms = [np.random.default_rng(0).normal(scale=0.1, size=320_000 + 37 * i) for i in range(6)]
    transformer.transform(waveforms)
    transformer.transform(waveforms)
    assert len(encoded) == 6


@pytest.mark.parametrize("memory", [None, "m"])
def test_a_recording_is_read_once_for_all_speeds(ge2e, paths, tmp_path, monkeypatch, memory):
    loaded = []
    load = skser.features._extraction.load_waveform
    monkeypatch.setattr(
        skser.features._extraction, "load_waveform", lambda *given: loaded.append(given[0]) or load(*given)
    )
    memory = memory and tmp_path / memory
    SpeechEncoderTransformer(ge2e, speeds=(0.8, 1, 1.25), memory=memory).transform(paths)
    assert loaded == paths


@pytest.mark.parametrize(
    "other", [{"layer": 1}, {"layer": (1, 2)}, {"trim_db": 30}, {"trim_db": None}, {"speeds": (1.1,)}]
)
def test_other_parameters_have_other_entries(ge2e, paths, encoded, tmp_path, other):
    transformer = SpeechEncoderTransformer(ge2e, memory=tmp_path / "m")
    transformer.transform(paths)
    transformer.set_params(**other).transform(paths)
    assert len(encoded) == 6


def test_other_weights_have_other_entries(ge2e, other_ge2e, paths, encoded, tmp_path):
    for encoder in (ge2e, other_ge2e):
        SpeechEncoderTransformer(encoder, memory=tmp_path / "m").transform(paths)
    assert len(encoded) == 6


def test_copy_of_the_weights_has_the_same_entries(ge2e, paths, encoded, tmp_path):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(Path(ge2e).read_bytes())
    for encoder in (ge2e, copy):
        SpeechEncoderTransformer(encoder, memory=tmp_path / "m").transform(paths)
    assert len(encoded) == 3


def test_both_transformers_can_share_a_cache(ge2e, paths, tmp_path):
    for _ in range(2):
        X = SpectrogramTransformer(memory=tmp_path / "m").transform(paths)
        Z = SpeechEncoderTransformer(ge2e, memory=tmp_path / "m").transform(paths)
    assert (X.n_bins, Z.shape) == (64, (3, 512))
    assert len(list((tmp_path / "m").iterdir())) == 6


def test_spectrograms_keep_the_names_of_their_entries():
    y = np.linspace(-1, 1, 1600).astype(np.float32)
    other = {"kind": "stft", "ref": "max", "trim_db": 30, "window": ("kaiser", 8.0)}
    keys = [SpectrogramTransformer(**given)._make_extraction().cache_keys(y)[0] for given in ({}, other)]
    # Computed with the first release of this format.
    assert keys == [
        "57a1895bcfb35c78173445f170bff98cba29b0a2c5d2e92dab7f969f5aeed0d9",
        "4e998759fedb0a72e0bae3ca51c7d50a97cb24a2940d127a1813aedf07870750",
    ]


# Model files and evaluation


def test_model_file_names_the_encoder_and_does_not_hold_it(ge2e, waveforms, tmp_path):
    transformer = SpeechEncoderTransformer(
        ge2e, layer=(1, 2), statistics=("max", "mean"), speeds=(0.9, 1), n_jobs=1
    )
    transformer.fit(waveforms)
    save_model(transformer, tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    assert len(content) < 4000
    assert transformer.digest_.encode() in content
    loaded = load_model(tmp_path / "model")
    assert (loaded.encoder, loaded.layer, loaded.digest_) == (ge2e, (1, 2), transformer.digest_)
    np.testing.assert_array_equal(loaded.transform(waveforms), transformer.transform(waveforms))


@pytest.mark.parametrize(("device", "expected"), [("cpu:0", "cpu:0"), ("auto", "cpu")])
def test_encoder_of_a_loaded_model_computes_on_the_requested_device(
    ge2e, waveforms, tmp_path, device, expected
):
    save_model(make_pipeline(SpeechEncoderTransformer(ge2e).fit(waveforms)), tmp_path / "model")
    assert load_model(tmp_path / "model", device=device)[0].device == expected


def test_encoder_that_is_a_path_is_saved_as_text(ge2e, waveforms, tmp_path):
    transformer = SpeechEncoderTransformer(Path(ge2e)).fit(waveforms)
    save_model(make_pipeline(transformer), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded[0].encoder == ge2e
    np.testing.assert_array_equal(loaded.transform(waveforms), transformer.transform(waveforms))


def test_loaded_model_refuses_another_encoder(ge2e, other_ge2e, waveforms, tmp_path):
    save_model(SpeechEncoderTransformer(ge2e).fit(waveforms), tmp_path / "model")
    loaded = load_model(tmp_path / "model").set_params(encoder=other_ge2e)
    with pytest.raises(ValueError, match=r"has the digest .*, but the transformer was fitted with"):
        loaded.transform(waveforms)


def test_loading_a_model_reads_no_encoder_and_allows_no_download(waveforms, tmp_path, write_ge2e):
    encoder = write_ge2e(tmp_path / "weights.pt", 0)
    save_model(SpeechEncoderTransformer(encoder).fit(waveforms), tmp_path / "model")
    os.remove(encoder)
    loaded = load_model(tmp_path / "model")
    assert loaded.local_files_only is True
    with pytest.raises(FileNotFoundError, match="check its path"):
        loaded.transform(waveforms)


def test_transformer_without_a_digest_is_not_saved(ge2e, tmp_path):
    with pytest.raises(NotFittedError, match="is not written"):
        save_model(SpeechEncoderTransformer(ge2e), tmp_path / "model")


def test_damaged_digest_is_not_saved(ge2e, waveforms, tmp_path):
    transformer = SpeechEncoderTransformer(ge2e).fit(waveforms)
    transformer.digest_ = "A" * 64
    with pytest.raises(ValueError, match="digest_ must be a SHA-256 in hexadecimal digits"):
        save_model(transformer, tmp_path / "model")


def test_evaluation_encodes_each_recording_once(ge2e, waveforms, encoded):
    X = [waveforms[0][: 4000 + 100 * n] for n in range(8)]
    pipeline = make_pipeline(SpeechEncoderTransformer(ge2e), KNeighborsClassifier(1))
    evaluation = evaluate(
        pipeline, (X, ["calm", "angry"] * 4), groups=[0, 0, 1, 1, 2, 2, 3, 3], speakers=None
    )
    assert len(evaluation.folds) == 4
    assert len(encoded) == 8


# Encoders of transformers

KINDS = ["wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "whisper"]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
}
WHISPER_SIZES = {
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_source_positions": 50,
    "num_mel_bins": 20,
    "vocab_size": 50,
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
}


def save_encoder(kind: str, folder: Path, seed: int = 0) -> str:
    """Write a small encoder with random weights and its feature extractor."""
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    torch.manual_seed(seed)
    if kind == "whisper":  # one second long instead of 30
        model = transformers.WhisperModel(transformers.WhisperConfig(**WHISPER_SIZES))
        extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1)
    else:
        name = {"wavlm": "WavLM", "hubert": "Hubert"}.get(kind, "Wav2Vec2")
        stable = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"} if "stable" in kind else {}
        config = getattr(transformers, f"{name}Config")(**SIZES, **stable)
        model = getattr(transformers, f"{name}Model")(config)
        extractor = transformers.Wav2Vec2FeatureExtractor(
            do_normalize=kind != "wavlm", return_attention_mask="stable" in kind
        )
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: save_encoder(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


def reference(folder: str, y: np.ndarray) -> list[np.ndarray]:
    """Frames (n_features, n_frames) of each layer, by transformers itself."""
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    values = AutoFeatureExtractor.from_pretrained(folder)(y, sampling_rate=16000, return_tensors="pt")
    is_whisper = "input_features" in values
    with torch.inference_mode():
        states = (model.encoder if is_whisper else model)(
            values["input_features" if is_whisper else "input_values"], output_hidden_states=True
        ).hidden_states
    n_frames = -(-len(y) // 320) if is_whisper else None
    return [state[0].T[:, :n_frames].numpy() for state in states]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [0, 2, 3])
def test_hidden_states_are_those_of_transformers(folders, waveforms, kind, layer):
    expected = reference(folders[kind], waveforms[0])
    assert len(expected) == 4
    X = SpeechEncoderTransformer(folders[kind], layer=layer, statistics=None, trim_db=None)
    (frames,) = X.transform(waveforms[:1])
    np.testing.assert_allclose(frames, expected[layer], atol=1e-5)
    assert frames.std() > 0.1


@pytest.fixture(params=["ge2e", "wav2vec2", "whisper"])
def new_encoder(request, ge2e, folders, monkeypatch) -> SpeechEncoderTransformer:
    """An encoder that no earlier test has loaded."""
    monkeypatch.setattr(_source, "_LOADED", {})
    path = ge2e if request.param == "ge2e" else folders[request.param]
    return SpeechEncoderTransformer(path, layer=2)


def test_default_data_type_does_not_change_the_features(new_encoder, waveforms, monkeypatch):
    expected = new_encoder.transform(waveforms)
    monkeypatch.setattr(_source, "_LOADED", {})
    torch.set_default_dtype(torch.float64)
    try:
        found = new_encoder.transform(waveforms)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found, expected)


def test_default_device_does_not_change_the_features(new_encoder, waveforms, monkeypatch):
    expected = new_encoder.transform(waveforms)
    monkeypatch.setattr(_source, "_LOADED", {})
    with torch.device("meta"):
        found = new_encoder.transform(waveforms)
    np.testing.assert_array_equal(found, expected)


def test_loading_an_encoder_leaves_the_random_numbers(new_encoder, waveforms):
    state = torch.get_rng_state()
    new_encoder.fit(waveforms)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_another_data_type_are_converted(ge2e, waveforms, tmp_path):
    tensors = torch.load(ge2e, weights_only=True)["model_state"]
    path = tmp_path / "weights.pt"
    torch.save({"model_state": {name: tensor.double() for name, tensor in tensors.items()}}, path)
    found = SpeechEncoderTransformer(path).transform(waveforms)
    np.testing.assert_array_equal(found, SpeechEncoderTransformer(ge2e).transform(waveforms))


@pytest.mark.parametrize("kind", ["wavlm", "whisper"])
def test_layers_of_transformers_are_averaged(folders, waveforms, kind):
    expected = np.mean(reference(folders[kind], waveforms[0])[1:], axis=0)
    transformer = SpeechEncoderTransformer(folders[kind], layer=[1, 2, 3], statistics=None, trim_db=None)
    np.testing.assert_allclose(transformer.transform(waveforms[:1])[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_recording_influences_another_in_transformers(folders, waveforms, kind):
    transformer = SpeechEncoderTransformer(folders[kind])
    together = transformer.transform(waveforms)
    assert together.shape == (3, 32)
    for y, features in zip(waveforms, together, strict=True):
        np.testing.assert_array_equal(transformer.transform([y])[0], features)


@pytest.mark.parametrize("kind", KINDS)
def test_shortest_recordings_have_a_frame(folders, kind):
    X = SpeechEncoderTransformer(folders[kind], statistics=None).transform([np.ones(1), np.ones(399)])
    assert X.lengths[0] == 1
    assert X.lengths[1] == (2 if kind == "whisper" else 1)


def test_whisper_returns_only_frames_of_the_recording(folders, waveforms):
    X = SpeechEncoderTransformer(folders["whisper"], statistics=None, trim_db=None).transform(
        [waveforms[0], np.ones(16000)]
    )
    assert X.lengths.tolist() == [29, 50]  # 9000 / 320, rounded up, of the 50 frames of the model


@pytest.mark.parametrize("kind", ["wavlm", "whisper"])
def test_long_recordings_are_encoded_in_equal_parts(folders, kind, monkeypatch):
    monkeypatch.setattr(skser.encoders._transformers, "_LONGEST", 1)  # Whisper's is 1 s here
    monkeypatch.setattr(skser.encoders._source, "_LOADED", {})
    y = np.random.default_rng(1).normal(scale=0.1, size=38_403).astype(np.float32)
    transformer = SpeechEncoderTransformer(folders[kind], layer=3, statistics=None, trim_db=None)
    parts = transformer.transform(np.split(y, [12_801, 25_602]))
    np.testing.assert_array_equal(transformer.transform([y])[0], np.concatenate(list(parts), axis=1))


def test_long_recordings_of_whisper_are_encoded_once(folders, encoded, tmp_path):
    y = np.random.default_rng(1).normal(scale=0.1, size=38_403).astype(np.float32)  # 3 parts of 40.003 frames
    transformer = SpeechEncoderTransformer(folders["whisper"], trim_db=None, memory=tmp_path / "m")
    np.testing.assert_array_equal(transformer.transform([y]), transformer.transform([y]))
    assert len(encoded) == 1


@pytest.mark.parametrize(("kind", "normalizes"), [("wav2vec2", True), ("wavlm", False)])
def test_normalization_is_that_of_the_feature_extractor(folders, waveforms, kind, normalizes):
    transformer = SpeechEncoderTransformer(folders[kind], layer=0, trim_db=None)
    loud, quiet = transformer.transform([waveforms[0], waveforms[0] / 8])
    assert np.allclose(loud, quiet, atol=1e-3) == normalizes


def test_folder_without_weights_as_tensors_is_refused(folders, tmp_path):
    folder = Path(save_encoder("wavlm", tmp_path / "pickled"))
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Code(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(
        ValueError, match=r"no weights in the safetensors format \(only pytorch_model\.bin, a pickle"
    ):
        SpeechEncoderTransformer(folder).transform([np.zeros(100)])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_incomplete_folder_is_refused(tmp_path, name):
    folder = Path(save_encoder("wavlm", tmp_path / "folder"))
    (folder / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"has no {name}: save a speech encoder and its feature extractor"
    ):
        SpeechEncoderTransformer(folder).transform([np.zeros(100)])


def test_adapter_is_refused(tmp_path):
    folder = Path(save_encoder("wavlm", tmp_path / "folder"))
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="has an adapter, which is not supported: merge it into the encoder"):
        SpeechEncoderTransformer(folder).transform([np.zeros(100)])


def test_missing_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(save_encoder("hubert", tmp_path / "folder"))
    tensors = load_file(folder / "model.safetensors")
    lacking = {name: value for name, value in tensors.items() if "layers.1.attention.k_proj" not in name}
    assert len(lacking) == len(tensors) - 2
    save_file(lacking, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"lacks weights of its encoder \(encoder\.layers\.1\.attention\.k_proj\.bias"
    ):
        SpeechEncoderTransformer(folder).transform([np.zeros(100)])


def test_damaged_weights_are_refused(tmp_path):
    folder = Path(save_encoder("hubert", tmp_path / "folder"))
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match="cannot be loaded"):
        SpeechEncoderTransformer(folder).transform([np.zeros(100)])


def test_code_in_a_folder_does_not_run(folders, waveforms, tmp_path):
    import json

    folder = Path(save_encoder("wavlm", tmp_path / "folder"))
    (folder / "own.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})\nclass Own: pass\n")
    for name, auto_map in (
        ("config.json", {"AutoConfig": "own.Own", "AutoModel": "own.Own"}),
        ("preprocessor_config.json", {"AutoFeatureExtractor": "own.Own"}),
    ):
        settings = json.loads((folder / name).read_text()) | {"auto_map": auto_map}
        (folder / name).write_text(json.dumps(settings))
    expected = SpeechEncoderTransformer(folders["wavlm"]).transform(waveforms)
    np.testing.assert_array_equal(SpeechEncoderTransformer(folder).transform(waveforms), expected)
    assert not (tmp_path / "ran").exists()


def test_model_of_another_kind_is_refused(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the extra transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="holds a BertModel with a Wav2Vec2FeatureExtractor, which is not supported"
    ):
        SpeechEncoderTransformer(tmp_path).transform([np.zeros(100)])


def test_digest_depends_on_the_settings_of_the_feature_extractor(folders, tmp_path, waveforms):
    folder = Path(save_encoder("wavlm", tmp_path / "folder"))
    digest = SpeechEncoderTransformer(folders["wavlm"]).fit(waveforms).digest_
    assert SpeechEncoderTransformer(folder).fit(waveforms).digest_ == digest
    settings = (folder / "preprocessor_config.json").read_text()
    assert '"do_normalize": false' in settings
    (folder / "preprocessor_config.json").write_text(settings.replace("false", "true", 1))
    assert SpeechEncoderTransformer(folder).fit(waveforms).digest_ != digest


def test_name_on_the_hub_is_fetched_without_pickles_and_code(folders, waveforms, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs the extra transformers")
    asked = []

    def download(name: str, **options: Any) -> str:
        asked.append((name, options))
        return folders["wavlm"]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    transformer = SpeechEncoderTransformer(
        "someone/wavlm-tiny", revision="abc", local_files_only=True, trim_db=None
    )
    expected = SpeechEncoderTransformer(folders["wavlm"], trim_db=None).transform(waveforms)
    for _ in range(2):
        np.testing.assert_array_equal(transformer.transform(waveforms), expected)
    ((name, options),) = asked  # once per process
    assert (name, options["revision"], options["local_files_only"]) == ("someone/wavlm-tiny", "abc", True)
    assert all(pattern.endswith((".json", ".safetensors")) for pattern in options["allow_patterns"])


@pytest.mark.parametrize(
    ("local", "cure"), [(True, "set local_files_only=False to fetch it"), (False, "check the")]
)
def test_unknown_name_raises_one_sentence(monkeypatch, local, cure):
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs the extra transformers")

    def download(name: str, **options: Any) -> str:
        raise FileNotFoundError("Not found.\nMore lines.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(OSError, match="is neither a file nor a folder") as caught:
        SpeechEncoderTransformer("someone/none", local_files_only=local).transform([np.zeros(100)])
    assert "Hugging Face Hub (Not found): check its name, or " in str(caught.value)
    assert cure in str(caught.value)


def test_without_transformers_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr(skser.encoders._transformers, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        SpeechEncoderTransformer("microsoft/wavlm-base-plus").transform([np.zeros(100)])
    assert str(caught.value) == (
        "encoder='microsoft/wavlm-base-plus' needs the package transformers: install it with "
        'pip install "skser[transformers]".'
    )


def test_a_failed_fit_changes_nothing(ge2e):
    X = np.random.default_rng(0).normal(size=(2, 16000)) * 0.1
    transformer = SpeechEncoderTransformer(ge2e).fit(X)
    with pytest.raises(ValueError, match="layer=7 does not exist"):
        transformer.set_params(layer=7).fit(np.tile(X, 2))
    assert transformer.n_features_in_ == 16000
