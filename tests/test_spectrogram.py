"""Spectrograms against librosa, torchaudio and their own definition."""

from __future__ import annotations

import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from skser import frequencies, mel_spectrogram, power_spectrogram, power_to_db, spectrogram
from skser.spectral import _filters

FRAMES: list[dict[str, Any]] = [
    {},
    {"win_length": 400},
    {"n_fft": 1024, "win_length": 401, "hop_length": 333, "window": "hamming"},
    {"n_fft": 513, "hop_length": 200, "window": ("kaiser", 8.0)},
    {"n_fft": 513, "win_length": 300, "window": "boxcar"},
    {"n_fft": 2048, "hop_length": 2500, "sr": 22050},
]
RANGES: list[dict[str, Any]] = [{}, {"fmin": 60.0, "fmax": 4000}, {"fmin": 31.25}]


@pytest.fixture
def y() -> np.ndarray:
    """One second of a gliding tone in noise, float64."""
    times = np.arange(16000) / 16000
    noise = np.random.default_rng(0).normal(scale=0.01, size=times.size)
    return 0.5 * np.sin(2 * np.pi * (200 + 1500 * times) * times) + noise


@pytest.fixture
def fresh_filters() -> Iterator[None]:
    """Filterbanks made anew, before and after."""
    _filters.mel_filters_tensor.cache_clear()
    yield
    _filters.mel_filters_tensor.cache_clear()


def librosa_power(y: np.ndarray, fmin: float = 0.0, fmax: float | None = None, **frames: Any) -> np.ndarray:
    """Squared magnitude of librosa's transform in the bins from fmin to fmax."""
    settings = {"sr": 16000, "n_fft": 512, "hop_length": 160, **frames}
    sr = settings.pop("sr")
    power = np.abs(librosa.stft(y, pad_mode="constant", **settings)) ** 2
    centers = librosa.fft_frequencies(sr=sr, n_fft=settings["n_fft"])
    top = sr / 2 if fmax is None else fmax
    return power[(centers >= fmin) & (centers <= top + 1e-6)]


def librosa_mel(y: np.ndarray, **parameters: Any) -> np.ndarray:
    """Mel power of librosa, with this package's defaults."""
    settings = {"sr": 16000, "n_fft": 512, "hop_length": 160, "n_mels": 64, **parameters}
    return librosa.feature.melspectrogram(y=y, pad_mode="constant", **settings)


def assert_close(S: torch.Tensor, expected: np.ndarray, rtol: float = 1e-5) -> None:
    """Equal shape and, to rtol of each value, equal numbers down to float32 noise below the loudest."""
    assert tuple(S.shape) == expected.shape
    np.testing.assert_allclose(S.numpy(), expected, rtol=rtol, atol=1e-9 * expected.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("band", RANGES)
@pytest.mark.parametrize("frames", FRAMES)
def test_power_and_decibels_equal_librosa(y, frames, band, dtype):
    y = y.astype(dtype)
    rtol = 1e-5 if dtype == np.float32 else 1e-9
    mel = {"n_mels": 40, **frames, **band}
    assert_close(power_spectrogram(y, **frames, **band), librosa_power(y, **frames, **band), rtol)
    assert_close(mel_spectrogram(y, **mel), librosa_mel(y, **mel), rtol)
    if dtype == np.float64:
        expected = librosa.power_to_db(librosa_mel(y, **mel), ref=1.0, amin=1e-10, top_db=None)
        np.testing.assert_allclose(spectrogram(y, **mel).numpy(), expected, atol=1e-6)


def test_decibels_with_default_parameters_equal_librosa(y):
    mel = librosa.power_to_db(librosa_mel(y), ref=1.0, amin=1e-10, top_db=None)
    stft = librosa.power_to_db(librosa_power(y, fmax=4000), ref=1.0, amin=1e-10, top_db=None)
    np.testing.assert_allclose(spectrogram(y).numpy(), mel, atol=1e-9)
    np.testing.assert_allclose(spectrogram(y, kind="stft", fmax=4000).numpy(), stft, atol=1e-9)


def random_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters of a spectrogram that go together."""
    n_fft, sr = int(rng.choice([256, 400, 512, 1024])), int(rng.choice([8000, 16000, 22050]))
    settings = {
        "sr": sr,
        "n_fft": n_fft,
        "win_length": int(rng.integers(n_fft // 2, n_fft + 1)),
        "hop_length": int(rng.integers(40, n_fft)),
        "window": ("hann", "hamming", "blackman", ("tukey", 0.3))[rng.integers(4)],
        "fmin": float(rng.uniform(0, 300)),
        "fmax": float(rng.uniform(0.3, 0.5) * sr),
        "ref": (1.0, 0.02, "max")[rng.integers(3)],
        "top_db": (None, 30, 80)[rng.integers(3)],
    }
    if rng.random() < 0.5:
        return settings | {"kind": "stft"}
    return settings | {"kind": "mel", "n_mels": int(rng.integers(4, 16))}


@pytest.mark.parametrize("seed", range(40))
def test_decibels_with_random_parameters_equal_librosa(seed, y):
    settings = random_settings(np.random.default_rng(seed))
    found = spectrogram(y.astype(np.float64), **settings).numpy()
    kind, ref, top_db = (settings.pop(name) for name in ("kind", "ref", "top_db"))
    power = (librosa_mel if kind == "mel" else librosa_power)(y.astype(np.float64), **settings)
    reference = np.max if ref == "max" else ref
    expected = librosa.power_to_db(power, ref=reference, amin=1e-10, top_db=top_db)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_power_to_db_refuses_arrays_of_other_libraries():
    with pytest.raises(TypeError, match=r"S must be a torch\.Tensor, got ndarray: use torch"):
        power_to_db(np.ones((3, 4)))


@pytest.mark.parametrize("S", [torch.zeros(4, 0), torch.zeros(0, 3), torch.ones(4, 3, dtype=torch.complex64)])
def test_power_to_db_refuses_complex_and_empty_power(S):
    with pytest.raises(
        ValueError, match=r"S must be real power with at least one bin and one frame, got torch"
    ):
        power_to_db(S, ref="max")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32])
def test_power_of_other_types_becomes_float32(dtype):
    S = power_to_db(torch.tensor([0, 1, 100]).to(dtype))
    assert S.dtype == torch.float32
    torch.testing.assert_close(S, torch.tensor([-100.0, 0.0, 20.0]))


@pytest.mark.parametrize("top_db", [None, 30.0])
@pytest.mark.parametrize(("ref", "reference"), [(1.0, 1.0), (0.01, 0.01), ("max", np.max)])
def test_power_to_db_follows_librosa(ref, reference, top_db):
    S = np.random.default_rng(0).exponential(size=(5, 7)) ** 4
    expected = librosa.power_to_db(S, ref=reference, amin=1e-10, top_db=top_db)
    np.testing.assert_allclose(power_to_db(torch.from_numpy(S), ref=ref, top_db=top_db), expected, atol=1e-9)
    extremes = torch.tensor([0.0, 1e-12, 1e-10, 1e-3, 1.0, 1e9])
    torch.testing.assert_close(
        power_to_db(extremes), torch.tensor([-100.0, -100.0, -100.0, -30.0, 0.0, 90.0])
    )


@pytest.mark.parametrize("top_db", [None, 30.0])
def test_mean_as_reference_sets_the_mean_to_zero_and_keeps_differences(top_db):
    S = torch.from_numpy(np.random.default_rng(0).exponential(size=(5, 7)) ** 4)
    plain, shifted = power_to_db(S, top_db=top_db), power_to_db(S, ref="mean", top_db=top_db)
    assert abs(float(shifted.mean())) < 1e-12
    torch.testing.assert_close(shifted - shifted[0, 0], plain - plain[0, 0])


@pytest.mark.parametrize("ref", ["max", "mean"])
def test_level_makes_no_difference_where_the_reference_is_the_items_own(ref):
    y = np.random.default_rng(0).normal(size=4000)
    loud, quiet = (spectrogram(gain * y, ref=ref, top_db=60) for gain in (1.0, 0.01))
    torch.testing.assert_close(loud, quiet, atol=1e-4, rtol=0)
    assert (spectrogram(y) - spectrogram(0.01 * y)).min() > 39  # by default it does: 40 dB


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("decibels", [{}, {"ref": "max"}, {"ref": "mean", "top_db": 40}])
def test_batch_equals_loop(kind, decibels):
    batch = np.random.default_rng(1).normal(size=(3, 4000)) * np.array([[1.0], [10.0], [0.1]])
    S = spectrogram(batch, kind=kind, **decibels)
    loop = torch.stack([spectrogram(row, kind=kind, **decibels) for row in batch])
    torch.testing.assert_close(S, loop, rtol=1e-12, atol=1e-11 if decibels else 1e-12)
    # The rows differ, so that a constant would not have passed.
    assert (S[0] - S[1]).abs().max() > 1


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_and_arrays_agree_and_keep_their_dtype(kind, dtype, y):
    tensor = torch.tensor(y, dtype=dtype)
    S = spectrogram(tensor, kind=kind)
    assert S.dtype == dtype
    assert torch.equal(S, spectrogram(tensor.numpy(), kind=kind))
    assert torch.equal(tensor, torch.tensor(y, dtype=dtype))


def test_half_precision_read_only_reversed_foreign_endian_and_negated_samples(y):
    half = y.astype(np.float16)
    assert spectrogram(half).dtype == torch.float32
    assert torch.equal(spectrogram(half), spectrogram(half.astype(np.float32)))
    expected = spectrogram(y)
    locked = y.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(spectrogram(locked), expected)
    negated = torch.conj(torch.complex(torch.zeros(len(y)).double(), torch.from_numpy(-y))).imag
    assert negated.is_neg()
    for same in (y[::-1].copy()[::-1], y.astype(">f8"), y.tolist(), negated):
        assert torch.equal(spectrogram(same), expected)


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_computed_on_the_device_of_the_waveform(kind):
    S = spectrogram(torch.empty(2, 16000, device="meta"), kind=kind)
    assert S.device.type == "meta"
    assert S.shape[::2] == (2, 101)


def test_gradients_flow_also_after_a_call_in_inference_mode(fresh_filters):
    _filters.window_tensor.cache_clear()
    with torch.inference_mode():
        spectrogram(torch.ones(400))
    y = torch.ones(400, requires_grad=True)
    spectrogram(y).sum().backward()
    assert y.grad is not None
    assert y.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize(
    ("n_fft", "n_times", "n_frames"),
    [(512, 1, 1), (512, 159, 1), (512, 160, 2), (512, 16000, 101), (513, 160, 1), (513, 161, 2)],
)
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")  # librosa, on short waveforms
def test_silence_of_any_length_is_at_the_floor_in_so_many_frames(kind, n_fft, n_times, n_frames):
    y = np.zeros(n_times, dtype=np.float32)
    S = spectrogram(y, kind=kind, n_fft=n_fft)
    assert S.shape[1] == librosa_power(y, n_fft=n_fft).shape[1] == n_frames
    assert (S == -100).all()
    for ref in ("max", "mean", 1e-30):
        assert (spectrogram(y, kind=kind, n_fft=n_fft, ref=ref, top_db=60) == 0).all()


def test_one_sample_and_a_transform_of_one_point():
    # A pulse has the same power in every bin: its square, since the window is 1 in the middle.
    S = spectrogram(np.array([0.5]), kind="stft")
    torch.testing.assert_close(S, torch.full((257, 1), 20 * np.log10(0.5), dtype=torch.float64))
    S = power_spectrogram(np.array([0.1, -1.0, 2.0]), n_fft=1, hop_length=1)
    torch.testing.assert_close(S, torch.tensor([[0.01, 1.0, 4.0]], dtype=torch.float64))


def test_frequencies_of_fourier_bins_include_both_ends():
    assert frequencies(kind="stft", sr=8000, n_fft=8, fmin=1000, fmax=3000).tolist() == [1000, 2000, 3000]
    # sr / 2 itself is a bin where n_fft is even, for rates that are no power of two as well.
    for sr in (11025, 22050, 24414, 44100):
        centers = frequencies(kind="stft", sr=sr, n_fft=1000)
        assert len(centers) == 501
        assert centers[-1] == sr / 2


def test_frequencies_of_a_number_of_bands_of_8_bits():
    expected = frequencies(n_mels=254, n_fft=16384)
    np.testing.assert_array_equal(frequencies(n_mels=np.uint8(254), n_fft=16384), expected)


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_a_tone_peaks_in_the_bin_of_its_frequency(kind):
    parameters = {"kind": kind, "n_fft": 4096, "n_mels": 40, "fmin": 200.0, "fmax": 6000.0}
    centers = frequencies(**parameters)
    times = np.arange(16000) / 16000
    for bin_ in range(2, len(centers) - 2, len(centers) // 7):
        S = spectrogram(np.sin(2 * np.pi * centers[bin_] * times), **parameters)
        assert len(S) == len(centers)
        assert int(S[:, 50].argmax()) == bin_


def test_parameters_that_fit_pass():
    most = {"kind": "stft", "sr": 8000, "n_fft": 1, "win_length": 1, "hop_length": 1, "n_mels": 10**6}
    assert spectrogram(np.zeros(5), window=("gaussian", 2.0), **most).shape == (1, 5)
    of_numpy = {"sr": np.int64(8000), "n_fft": np.int32(400), "fmin": np.float32(50), "fmax": 4000}
    assert spectrogram(np.zeros(400), n_mels=20, **of_numpy).shape == (20, 3)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kind": "mfcc"}, ValueError, "kind must be one of 'mel', 'stft', got 'mfcc'"),
        ({"backend": "numpy"}, ValueError, "backend must be one of 'torch', 'torchaudio', got 'numpy'"),
        ({"sr": 0}, ValueError, "sr must be an integer in"),
        ({"sr": -16000}, ValueError, "sr must be an integer in"),
        ({"sr": 16000.0}, TypeError, "sr must be an integer, got 16000.0"),
        ({"sr": True}, TypeError, "sr must be an integer, got True"),
        ({"sr": "16000"}, TypeError, "sr must be an integer, got '16000'"),
        ({"n_fft": 0}, ValueError, "n_fft must be an integer in"),
        ({"win_length": 0}, ValueError, "win_length must be an integer in"),
        (
            {"win_length": 513},
            ValueError,
            "win_length=513 must be at most n_fft=512: raise n_fft or lower win_length",
        ),
        ({"hop_length": 0}, ValueError, "hop_length must be an integer in"),
        ({"hop_length": 1.5}, TypeError, "hop_length must be an integer"),
        ({"n_mels": 0}, ValueError, "n_mels must be an integer in"),
        ({"fmin": -1}, ValueError, "fmin must be a number in"),
        ({"fmin": float("nan")}, ValueError, "fmin must be a number in"),
        ({"fmax": 0}, ValueError, "fmax must be a number in"),
        ({"fmax": "high"}, TypeError, "fmax must be a number, got 'high'"),
        (
            {"fmax": 8001},
            ValueError,
            r"fmax must be at most sr/2 = 8000 Hz, got 8001: lower fmax or raise sr",
        ),
        ({"fmin": 4000, "fmax": 4000}, ValueError, "fmin must be below fmax = 4000 Hz, got 4000"),
        ({"fmin": 8000}, ValueError, "fmin must be below fmax = 8000 Hz"),
        (
            {"window": "round"},
            ValueError,
            "window must be a name that scipy.signal.get_window knows.*'round'",
        ),
        ({"window": ("kaiser",)}, ValueError, "window must be a name"),
        ({"window": None}, TypeError, "window must be a name.*got None of type NoneType"),
        (
            {"kind": "stft", "fmin": 10, "fmax": 20},
            ValueError,
            "no Fourier bin is between fmin = 10 and fmax = 20 Hz",
        ),
        ({"window": ("kaiser", np.nan)}, ValueError, "for which scipy returns only NaN or zeros"),
        ({"window": []}, ValueError, "window must be a name"),
        ({"window": ("tukey", {})}, ValueError, "window must be a name"),
        ({"window": ("taylor", 10**9)}, ValueError, "window must have parameters up to 10000"),
        ({"n_fft": 10**12}, ValueError, "n_fft must be an integer in"),
        ({"n_mels": 10**9}, ValueError, "n_mels must be an integer in"),
        ({"hop_length": 10**30}, ValueError, "hop_length must be an integer in"),
        ({"sr": 10**400}, ValueError, "sr must be an integer in"),
        ({"fmax": 1e-320}, ValueError, "no Mel filters fit between"),
        ({"ref": "median"}, ValueError, "ref must be a number, 'max' or 'mean', got 'median'"),
        ({"ref": 0}, ValueError, "ref must be a number"),
        ({"ref": None}, TypeError, "ref must be a number"),
        ({"top_db": -3}, ValueError, "top_db must be a number"),
        ({"top_db": "60"}, TypeError, "top_db must be a number"),
        ({"backend": "torchaudio", "n_fft": 511}, ValueError, "even n_fft and sr only, got n_fft=511"),
        ({"backend": "torchaudio", "sr": 11025}, ValueError, "even n_fft and sr only.*sr=11025"),
    ],
)
def test_parameters_that_do_not_fit_raise(parameters, error, message):
    with pytest.raises(error, match=message):
        spectrogram(np.zeros(100), **parameters)


def test_empty_mel_filters_raise_and_say_how_many():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        empty = (librosa.filters.mel(sr=16000, n_fft=512, n_mels=256).max(axis=1) == 0).sum()
    assert empty > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ValueError, match=rf"n_mels=256 leaves {empty} empty Mel filters.*lower n_mels, raise n_fft"
        ):
            spectrogram(np.zeros(100), n_mels=256)
    assert spectrogram(np.zeros(100), n_mels=256, n_fft=2048).shape == (256, 1)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.zeros(0), ValueError, r"at least one sample, got shape \(0,\)"),
        (np.zeros((0, 5)), ValueError, r"got shape \(0, 5\)"),
        (np.zeros((1, 2, 3)), ValueError, r"got shape \(1, 2, 3\)"),
        (np.float64(1.0), ValueError, r"got shape \(\)"),
        (
            np.zeros(5, dtype=complex),
            ValueError,
            "Complex data not supported: y must be real, got torch.complex128",
        ),
        (torch.zeros(5, dtype=torch.complex64), ValueError, "Complex data not supported"),
        (np.zeros(5, dtype=np.int16), TypeError, "got torch.int16: scale it to .* as load_audio does"),
        (torch.zeros(5, dtype=torch.bool), TypeError, "floating-point samples, got torch.bool"),
        ([[0.0, 1.0], [0.0]], ValueError, "y must be an array, but its parts differ in length"),
        (["a", "b"], TypeError, "floating-point samples, got <U1: load a file with load_audio first"),
        ([0.0, 1.0, np.nan], ValueError, "NaN or infinite samples, the first at index 2: repair"),
        (torch.tensor([[0.0, 1.0], [-np.inf, 0.0]]), ValueError, "the first at index 1, 0"),
    ],
)
def test_samples_that_are_no_waveform_raise(y, error, message):
    for kind in ("mel", "stft"):
        with pytest.raises(error, match=message):
            spectrogram(y, kind=kind)


WINDOWS = [
    (["kaiser", 8.0], ("kaiser", 8.0)),
    (("general_cosine", [0.5, 0.5]), "hann"),
    (["general_cosine", np.array([0.5, 0.5])], "hann"),
    (("kaiser", np.float32(8)), ("kaiser", 8.0)),
]


@pytest.mark.parametrize(("window", "same"), WINDOWS)
def test_windows_of_lists_and_arrays_are_those_of_tuples(window, same):
    y = np.random.default_rng(0).normal(size=1000)
    torch.testing.assert_close(spectrogram(y, window=window), spectrogram(y, window=same))


class FakeTorchaudio(ModuleType):
    """The functions of torchaudio that are called, on torch and librosa."""

    @property
    def functional(self):
        return self

    def spectrogram(
        self, waveform, pad, window, n_fft, hop_length, win_length, power, normalized, center, pad_mode
    ):
        assert (pad, normalized, center, window.shape) == (0, False, True, (win_length,))
        framing = {"center": center, "pad_mode": pad_mode, "return_complex": True}
        return torch.stft(waveform, n_fft, hop_length, win_length, window, **framing).abs().pow(power)

    def melscale_fbanks(self, n_freqs, f_min, f_max, n_mels, sample_rate, norm, mel_scale):
        assert (norm, mel_scale) == ("slaney", "slaney")
        n_fft = 2 * (n_freqs - 1)
        filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max)
        return torch.tensor(filters.T)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"n_fft": 1024, "win_length": 400, "fmin": 50.0, "fmax": 7000.0}])
def test_torchaudio_agrees(parameters, real, y, fresh_filters, monkeypatch):
    if real:
        try:
            import torchaudio  # noqa: F401
        except (ImportError, OSError, RuntimeError) as error:  # missing, or built for another torch or CUDA
            pytest.skip(f"torchaudio cannot be imported: {error}")
    else:
        monkeypatch.setitem(sys.modules, "torchaudio", FakeTorchaudio("torchaudio"))
    power, mel = power_spectrogram(y, **parameters), mel_spectrogram(y, **parameters)
    torch.testing.assert_close(
        power_spectrogram(y, **parameters, backend="torchaudio"), power, rtol=1e-9, atol=1e-12
    )
    # torchaudio rounds its Mel filters to float32, which shows where little else is in a band.
    other = mel_spectrogram(y, **parameters, backend="torchaudio")
    assert (other - mel).abs().max() <= 1e-5 * mel.max()
    torch.testing.assert_close(other, mel, rtol=1e-4, atol=0)


class BrokenFinder:
    """Import hook under which torchaudio fails as it does without its CUDA library."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torchaudio":
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torchaudio'"),
        OSError("libc10_cuda.so: cannot open shared object file"),
        RuntimeError("PyTorch and TorchAudio were compiled with different CUDA versions"),
    ],
)
def test_torchaudio_that_cannot_be_imported_raises(error, monkeypatch):
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [BrokenFinder(error), *sys.meta_path])
    with pytest.raises(ImportError, match=r'pip install "skser\[torchaudio\]"') as caught:
        spectrogram(np.zeros(400), backend="torchaudio")
    assert str(error) in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_times", [1, 400, 41_000, 81_760, 82_000, 130_001])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"kind": "stft"},
        {"kind": "stft", "fmin": 300, "fmax": 4000, "n_fft": 400, "hop_length": 77},
        {"n_fft": 511, "win_length": 300, "n_mels": 30, "window": "hamming"},
        {"n_fft": 1024, "win_length": 513, "fmax": 7000},
        {"n_mels": 1},
    ],
)
def test_blocks_of_frames_give_the_numbers_of_the_whole(parameters, n_times, dtype):
    y = torch.from_numpy(np.random.default_rng(0).normal(size=n_times)).to(dtype)
    whole = spectrogram(y.requires_grad_(), **parameters).detach()  # gradients need all frames together
    with torch.no_grad():
        S = spectrogram(y, **parameters)
    if parameters.get("kind") == "stft":
        assert torch.equal(S, whole)
    else:  # powers are added in another order: some roundings of the sum, and of its logarithm
        rounding = 10 * math.log10(1 + 16 * torch.finfo(dtype).eps) + 2 * 100 * torch.finfo(dtype).eps
        torch.testing.assert_close(S, whole, rtol=0, atol=rounding)


def test_threads_do_not_disturb_each_other():
    Y = [np.random.default_rng(n).normal(size=60_000).astype(np.float32) for n in range(8)]
    expected = [spectrogram(y).clone() for y in Y]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(spectrogram, Y))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_computes_although_threads_of_torch_do_not_survive_a_fork():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        y = torch.rand(20, 100_000)
        expected = [
            spectrogram(y).numpy(),
            power_to_db(y).numpy(),
            spectrogram(y[0], kind="stft").numpy(),
        ]  # starts the threads
        child = os.fork()
        if not child:
            signal.alarm(60)  # ends the child if it hangs
            status = 1
            try:
                found = [S.numpy() for S in (spectrogram(y), power_to_db(y), spectrogram(y[0], kind="stft"))]
                same = [np.allclose(*pair, atol=1e-4) for pair in zip(found, expected, strict=True)]
                status = int(not all(same))
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(n_threads)


def test_samples_whose_sum_overflows_are_finite_nevertheless():
    y = np.full(1000, 3e38, dtype=np.float32)
    with np.errstate(over="ignore"):
        assert np.isinf(y.sum())
    power_spectrogram(y)
    y[500] = np.inf
    with pytest.raises(ValueError, match="the first at index 500"):
        power_spectrogram(y)
