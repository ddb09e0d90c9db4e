"""Spectrograms against librosa, torchaudio and their own definition."""

from __future__ import annotations

import math
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
from skser.spectral import _blocks, _filters

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


@pytest.mark.parametrize("band", RANGES)
@pytest.mark.parametrize("frames", FRAMES)
def test_power_equals_librosa(y: np.ndarray, frames: dict[str, Any], band: dict[str, Any]) -> None:
    single = y.astype(np.float32)
    assert_close(power_spectrogram(single, **frames, **band), librosa_power(single, **frames, **band))
    assert_close(power_spectrogram(y, **frames, **band), librosa_power(y, **frames, **band), rtol=1e-9)


@pytest.mark.parametrize("band", RANGES)
@pytest.mark.parametrize("frames", FRAMES)
def test_mel_equals_librosa(y: np.ndarray, frames: dict[str, Any], band: dict[str, Any]) -> None:
    single = y.astype(np.float32)
    parameters = {"n_mels": 40, **frames, **band}
    assert_close(mel_spectrogram(single, **parameters), librosa_mel(single, **parameters))
    assert_close(mel_spectrogram(y, **parameters), librosa_mel(y, **parameters), rtol=1e-9)


def test_decibels_equal_librosa(y: np.ndarray) -> None:
    mel = librosa.power_to_db(librosa_mel(y), ref=1.0, amin=1e-10, top_db=None)
    stft = librosa.power_to_db(librosa_power(y, fmax=4000), ref=1.0, amin=1e-10, top_db=None)
    np.testing.assert_allclose(spectrogram(y).numpy(), mel, atol=1e-9)
    np.testing.assert_allclose(spectrogram(y, kind="stft", fmax=4000).numpy(), stft, atol=1e-9)


@pytest.mark.parametrize("top_db", [None, 30.0])
@pytest.mark.parametrize(("ref", "reference"), [(1.0, 1.0), (0.01, 0.01), ("max", np.max)])
def test_power_to_db_follows_librosa(ref, reference, top_db) -> None:
    S = np.random.default_rng(0).exponential(size=(5, 7)) ** 4
    expected = librosa.power_to_db(S, ref=reference, amin=1e-10, top_db=top_db)
    np.testing.assert_allclose(power_to_db(torch.from_numpy(S), ref=ref, top_db=top_db), expected, atol=1e-9)


@pytest.mark.parametrize("top_db", [None, 30.0])
def test_mean_as_reference_sets_the_mean_to_zero_and_keeps_differences(top_db) -> None:
    S = torch.from_numpy(np.random.default_rng(0).exponential(size=(5, 7)) ** 4)
    plain, shifted = power_to_db(S, top_db=top_db), power_to_db(S, ref="mean", top_db=top_db)
    assert abs(float(shifted.mean())) < 1e-12
    torch.testing.assert_close(shifted - shifted[0, 0], plain - plain[0, 0])


@pytest.mark.parametrize("ref", ["max", "mean"])
def test_level_makes_no_difference_where_the_reference_is_the_items_own(ref) -> None:
    y = np.random.default_rng(0).normal(size=4000)
    loud, quiet = (spectrogram(gain * y, ref=ref, top_db=60) for gain in (1.0, 0.01))
    torch.testing.assert_close(loud, quiet, atol=1e-4, rtol=0)
    assert (spectrogram(y) - spectrogram(0.01 * y)).min() > 39  # by default it does: 40 dB


def test_items_of_a_batch_have_references_of_their_own() -> None:
    y = np.random.default_rng(0).normal(size=(3, 2000)) * np.array([[1.0], [10.0], [0.1]])
    for settings in ({"ref": "max"}, {"ref": "mean", "top_db": 40}):
        each = torch.stack([spectrogram(item, **settings) for item in y])
        torch.testing.assert_close(spectrogram(y, **settings), each)


def test_silence_has_finite_decibels_whatever_the_reference() -> None:
    for ref in ("max", "mean", 1e-30):
        assert torch.equal(spectrogram(np.zeros(500), ref=ref, top_db=60), torch.zeros(64, 4))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"ref": "median"}, ValueError, "ref"),
        ({"ref": 0}, ValueError, "ref"),
        ({"ref": None}, TypeError, "ref"),
        ({"top_db": -3}, ValueError, "top_db"),
        ({"top_db": "60"}, TypeError, "top_db"),
    ],
)
def test_parameters_of_the_decibels_out_of_range_are_named(parameters, error, message) -> None:
    with pytest.raises(error, match=message):
        spectrogram(np.ones(400), **parameters)


def test_power_to_db_has_a_floor_and_no_range_limit() -> None:
    S = torch.tensor([0.0, 1e-12, 1e-10, 1e-3, 1.0, 1e9])
    torch.testing.assert_close(power_to_db(S), torch.tensor([-100.0, -100.0, -100.0, -30.0, 0.0, 90.0]))


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_batch_equals_loop(kind: str) -> None:
    batch = np.random.default_rng(1).normal(size=(3, 4000))
    S = spectrogram(batch, kind=kind)
    loop = torch.stack([spectrogram(row, kind=kind) for row in batch])
    torch.testing.assert_close(S, loop, rtol=1e-12, atol=1e-12)
    # The rows differ, so that a constant would not have passed.
    assert (S[0] - S[1]).abs().max() > 1


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_and_arrays_agree_and_keep_their_dtype(kind: str, dtype: torch.dtype, y: np.ndarray) -> None:
    tensor = torch.tensor(y, dtype=dtype)
    S = spectrogram(tensor, kind=kind)
    assert S.dtype == dtype
    assert torch.equal(S, spectrogram(tensor.numpy(), kind=kind))
    assert torch.equal(tensor, torch.tensor(y, dtype=dtype))


def test_half_precision_becomes_float32(y: np.ndarray) -> None:
    half = y.astype(np.float16)
    S = spectrogram(half)
    assert S.dtype == torch.float32
    assert torch.equal(S, spectrogram(half.astype(np.float32)))


def test_read_only_reversed_and_foreign_endian_arrays(y: np.ndarray) -> None:
    expected = spectrogram(y)
    locked = y.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(spectrogram(locked), expected)
    assert torch.equal(spectrogram(y[::-1].copy()[::-1]), expected)
    assert torch.equal(spectrogram(y.astype(">f8")), expected)
    assert torch.equal(spectrogram(y.tolist()), expected)


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_computed_on_the_device_of_the_waveform(kind: str) -> None:
    S = spectrogram(torch.empty(2, 16000, device="meta"), kind=kind)
    assert S.device.type == "meta"
    assert S.shape[::2] == (2, 101)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_cuda_equals_cpu(kind: str, y: np.ndarray) -> None:
    on_cpu = spectrogram(y, kind=kind)
    torch.testing.assert_close(
        spectrogram(torch.tensor(y, device="cuda"), kind=kind).cpu(), on_cpu, atol=1e-6, rtol=0
    )


def test_gradients_flow_also_after_a_call_in_inference_mode(fresh_filters: None) -> None:
    _filters.window_tensor.cache_clear()
    with torch.inference_mode():
        spectrogram(torch.ones(400))
    y = torch.ones(400, requires_grad=True)
    spectrogram(y).sum().backward()
    assert y.grad is not None
    assert y.grad.abs().sum() > 0


@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")  # librosa, on short waveforms
@pytest.mark.parametrize(
    ("n_fft", "n_times", "n_frames"),
    [
        (512, 1, 1),
        (512, 159, 1),
        (512, 160, 2),
        (512, 16000, 101),
        (513, 160, 1),
        (513, 161, 2),
        (512, 1920000, 12001),
    ],
)
def test_number_of_frames(n_fft: int, n_times: int, n_frames: int) -> None:
    y = np.zeros(n_times, dtype=np.float32)
    assert spectrogram(y, n_fft=n_fft).shape == (64, n_frames)
    assert librosa_power(y, n_fft=n_fft).shape[1] == n_frames


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_one_sample(kind: str) -> None:
    S = spectrogram(np.array([0.5]), kind=kind)
    assert S.shape[1] == 1
    # A pulse has the same power in every bin: the square of its height, the window being 1 in the middle.
    if kind == "stft":
        torch.testing.assert_close(S, torch.full((257, 1), 20 * np.log10(0.5), dtype=torch.float64))


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_silence_lies_at_the_floor(kind: str) -> None:
    assert (spectrogram(np.zeros(800, dtype=np.float32), kind=kind) == -100).all()


def test_transform_of_one_point() -> None:
    y = np.array([0.1, -1.0, 2.0])
    S = power_spectrogram(y, n_fft=1, hop_length=1)
    torch.testing.assert_close(S, torch.tensor([[0.01, 1.0, 4.0]], dtype=torch.float64))


def test_frequencies_of_fourier_bins_include_both_ends() -> None:
    assert frequencies(kind="stft", sr=8000, n_fft=8, fmin=1000, fmax=3000).tolist() == [1000, 2000, 3000]
    # sr / 2 itself is a bin where n_fft is even, for rates that are no power of two as well.
    for sr in (11025, 22050, 24414, 44100):
        centers = frequencies(kind="stft", sr=sr, n_fft=1000)
        assert len(centers) == 501
        assert centers[-1] == sr / 2


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_a_tone_peaks_in_the_bin_of_its_frequency(kind: str) -> None:
    parameters = {"kind": kind, "n_fft": 4096, "n_mels": 40, "fmin": 200.0, "fmax": 6000.0}
    centers = frequencies(**parameters)
    times = np.arange(16000) / 16000
    for bin_ in range(2, len(centers) - 2, len(centers) // 7):
        S = spectrogram(np.sin(2 * np.pi * centers[bin_] * times), **parameters)
        assert len(S) == len(centers)
        assert int(S[:, 50].argmax()) == bin_


def test_parameters_that_fit_pass() -> None:
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
            "there is no Fourier bin between fmin = 10 and fmax = 20 Hz",
        ),
        ({"backend": "torchaudio", "n_fft": 511}, ValueError, "even n_fft and sr only, got n_fft=511"),
        ({"backend": "torchaudio", "sr": 11025}, ValueError, "even n_fft and sr only.*sr=11025"),
    ],
)
def test_parameters_that_do_not_fit_raise(parameters: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        spectrogram(np.zeros(100), **parameters)


def test_empty_mel_filters_raise_and_say_how_many() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        empty = (librosa.filters.mel(sr=16000, n_fft=512, n_mels=256).max(axis=1) == 0).sum()
    assert empty > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ValueError, match=rf"n_mels=256 leaves {empty} empty Mel filters.*Lower n_mels, raise n_fft"
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
        (["a", "b"], TypeError, "y must hold floating-point samples, got <U1"),
    ],
)
def test_samples_that_are_no_waveform_raise(y: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        spectrogram(y)


def import_torchaudio() -> None:
    """Skip the test where torchaudio is missing, or lacks the CUDA library it was built with."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchaudio cannot be imported: {error}")


@pytest.mark.parametrize("parameters", [{}, {"n_fft": 1024, "win_length": 400, "fmin": 50.0, "fmax": 7000.0}])
def test_torchaudio_agrees(y: np.ndarray, parameters: dict[str, Any], fresh_filters: None) -> None:
    import_torchaudio()
    power, mel = power_spectrogram(y, **parameters), mel_spectrogram(y, **parameters)
    torch.testing.assert_close(
        power_spectrogram(y, **parameters, backend="torchaudio"), power, rtol=1e-9, atol=1e-12
    )
    # torchaudio rounds its Mel filters to float32, which shows where little else is in a band.
    other = mel_spectrogram(y, **parameters, backend="torchaudio")
    assert (other - mel).abs().max() <= 1e-5 * mel.max()
    torch.testing.assert_close(other, mel, rtol=1e-4, atol=0)


def test_torchaudio_is_called_with_the_same_parameters(
    y: np.ndarray, monkeypatch: pytest.MonkeyPatch, fresh_filters: None
) -> None:
    def spectrogram_of_torchaudio(
        waveform: torch.Tensor,
        pad: int,
        window: torch.Tensor,
        n_fft: int,
        hop_length: int,
        win_length: int,
        power: float,
        normalized: bool,
        center: bool = True,
        pad_mode: str = "reflect",
    ) -> torch.Tensor:
        assert (pad, normalized, center, window.shape) == (0, False, True, (win_length,))
        S = torch.stft(
            waveform,
            n_fft,
            hop_length,
            win_length,
            window,
            center=center,
            pad_mode=pad_mode,
            return_complex=True,
        )
        return S.abs().pow(power)

    def melscale_fbanks(
        n_freqs: int, f_min: float, f_max: float, n_mels: int, sample_rate: int, norm: str, mel_scale: str
    ) -> torch.Tensor:
        assert (norm, mel_scale) == ("slaney", "slaney")
        n_fft = 2 * (n_freqs - 1)
        filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max)
        return torch.tensor(filters.T)

    fake = ModuleType("torchaudio")
    fake.functional = ModuleType("torchaudio.functional")  # type: ignore[attr-defined]
    fake.functional.spectrogram = spectrogram_of_torchaudio
    fake.functional.melscale_fbanks = melscale_fbanks
    monkeypatch.setitem(sys.modules, "torchaudio", fake)
    parameters = {
        "n_fft": 1024,
        "win_length": 400,
        "hop_length": 200,
        "n_mels": 30,
        "fmin": 50.0,
        "fmax": 7000.0,
    }
    for kind in ("mel", "stft"):
        torch.testing.assert_close(
            spectrogram(y, kind=kind, backend="torchaudio", **parameters),
            spectrogram(y, kind=kind, **parameters),
        )


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
def test_torchaudio_that_cannot_be_imported_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    monkeypatch.setattr(sys, "meta_path", [BrokenFinder(error), *sys.meta_path])
    with pytest.raises(ImportError, match=r'pip install "skser\[torchaudio\]"') as caught:
        spectrogram(np.zeros(400), backend="torchaudio")
    assert str(error) in str(caught.value)


# Windows and numbers


@pytest.mark.parametrize(
    ("window", "same"),
    [
        (["kaiser", 8.0], ("kaiser", 8.0)),
        (("general_cosine", [0.5, 0.5]), "hann"),
        (["general_cosine", np.array([0.5, 0.5])], "hann"),
        (("kaiser", np.float32(8)), ("kaiser", 8.0)),
    ],
)
def test_windows_of_lists_and_arrays_are_those_of_tuples(window, same):
    y = np.random.default_rng(0).normal(size=1000)
    torch.testing.assert_close(spectrogram(y, window=window), spectrogram(y, window=same))


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (("kaiser", np.nan), "for which scipy returns only NaN or zeros"),
        ((), "window must be a name"),
        ([], "window must be a name"),
        (("tukey", {}), "window must be a name"),
        (("taylor", 10**9), "window must have parameters up to 10000"),
    ],
)
def test_what_makes_no_window_raises(window, message):
    with pytest.raises(ValueError, match=message):
        spectrogram(np.zeros(100), window=window)


@pytest.mark.parametrize("kind", ["mel", "stft"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_raise(value, kind):
    with pytest.raises(ValueError, match="y holds NaN or infinite samples, the first at index 2: repair"):
        spectrogram([0.0, 1.0, value], kind=kind)
    with pytest.raises(ValueError, match="the first at index 1, 0"):
        spectrogram(torch.tensor([[0.0, 1.0], [value, 0.0]]), kind=kind)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_fft": 10**12}, "n_fft must be an integer in"),
        ({"n_mels": 10**9}, "n_mels must be an integer in"),
        ({"hop_length": 10**30}, "hop_length must be an integer in"),
        ({"sr": 10**400}, "sr must be an integer in"),
        ({"fmax": 1e-320}, "no Mel filters fit between"),
    ],
)
def test_parameters_that_no_memory_holds_raise_at_once(parameters, message):
    with pytest.raises(ValueError, match=message):
        spectrogram(np.zeros(100), **parameters)


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


@pytest.mark.parametrize("n_bands", [1, 2, 5])
def test_halves_of_a_filterbank_give_the_product_with_the_whole(n_bands):
    rng = np.random.default_rng(0)
    filters, parts = torch.zeros(n_bands, 30), torch.from_numpy(rng.normal(size=(4, 30, 2)).astype("f"))
    for band in range(n_bands):
        filters[band, 3 + 4 * band : 8 + 4 * band] = torch.from_numpy(rng.random(5).astype("f"))
    found = torch.empty(4, n_bands)
    _blocks._sum_squares(parts.square(), slice(0, 30), _blocks.split_bands(filters), found)
    torch.testing.assert_close(found, parts.square().sum(2) @ filters.T)


def test_blocks_hold_every_frame_once_and_none_is_short():
    for n in (1, 255, 256, 511, 512, 5000):
        blocks = list(_blocks._blocks(n, 256))
        assert [i for start, stop in blocks for i in range(start, stop)] == list(range(n))
        assert all(stop - start >= min(n, 256) for start, stop in blocks)


def test_a_tensor_that_torch_negates_late_is_taken():
    z = torch.view_as_complex(torch.from_numpy(np.random.default_rng(0).normal(size=(400, 2))))
    y = torch.conj(z).imag
    assert y.is_neg()
    assert torch.equal(spectrogram(y), spectrogram(-z.imag))


def test_buffers_of_blocks_are_not_shared_by_threads_nor_by_results():
    Y = [np.random.default_rng(n).normal(size=60_000).astype(np.float32) for n in range(8)]
    expected = [spectrogram(y).clone() for y in Y]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(spectrogram, Y))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_samples_whose_sum_overflows_are_finite_nevertheless():
    y = np.full(1000, 3e38, dtype=np.float32)
    with np.errstate(over="ignore"):
        assert np.isinf(y.sum())
    power_spectrogram(y)
    y[500] = np.inf
    with pytest.raises(ValueError, match="the first at index 500"):
        power_spectrogram(y)
