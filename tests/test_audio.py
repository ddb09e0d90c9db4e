"""Audio files and arrays as waveforms."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch

import skser.audio._decoding
from skser import load_audio
from skser._utils import prefix_errors
from skser.audio import check_waveform

LFS_POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.fixture
def y() -> np.ndarray:
    """Half a second of a tone in noise at 16 kHz, float32, below full scale."""
    rng = np.random.default_rng(0)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    return (tone + 0.01 * rng.normal(size=8000)).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Function that writes samples to a file of the temporary folder."""

    def write(samples: np.ndarray, sr: int = 16000, name: str = "a.wav", subtype: str = "FLOAT") -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, sr, subtype=subtype)
        return path

    return write


def test_a_file_comes_back_as_it_was_written(y: np.ndarray, write: Callable[..., Path]) -> None:
    path = write(y)
    loaded = load_audio(path)
    assert loaded.dtype == np.float32
    assert loaded.flags.c_contiguous
    np.testing.assert_array_equal(loaded, y)
    np.testing.assert_array_equal(load_audio(str(path)), y)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.flac", "PCM_16", 1e-4),
        ("a.wav", "PCM_U8", 1e-2),
        ("a.aiff", "PCM_24", 1e-6),
    ],
)
def test_formats_of_libsndfile(
    name: str, subtype: str, tolerance: float, y: np.ndarray, write: Callable[..., Path]
) -> None:
    np.testing.assert_allclose(load_audio(write(y, name=name, subtype=subtype)), y, atol=tolerance)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats(name: str, y: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / name, y, 16000)
    loaded = load_audio(tmp_path / name)
    assert len(loaded) == len(y)
    assert np.corrcoef(loaded, y)[0, 1] > 0.99


def test_channels_are_averaged(y: np.ndarray, write: Callable[..., Path]) -> None:
    channels = np.stack([y, y[::-1], np.zeros_like(y)], axis=1)
    np.testing.assert_allclose(load_audio(write(channels)), (y + y[::-1]) / 3, atol=1e-7)
    # Equal channels, as in some files of RAVDESS, are the recording itself.
    np.testing.assert_array_equal(load_audio(write(np.stack([y, y], axis=1))), y)


@pytest.mark.parametrize("orig_sr", [48000, 24414, 8000])
def test_files_and_arrays_of_another_rate_are_resampled(
    orig_sr: int, y: np.ndarray, write: Callable[..., Path]
) -> None:
    expected = librosa.resample(y, orig_sr=orig_sr, target_sr=16000, res_type="soxr_hq")
    np.testing.assert_array_equal(load_audio(write(y, sr=orig_sr)), expected)
    np.testing.assert_array_equal(load_audio(y, orig_sr=orig_sr), expected)
    assert load_audio(y, orig_sr=orig_sr).dtype == np.float32
    assert len(expected) == np.ceil(len(y) * 16000 / orig_sr)


def test_a_tone_keeps_its_frequency_when_resampled() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    resampled = load_audio(tone, 16000, orig_sr=48000)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(resampled[1000:-1000], expected[1000:-1000], atol=1e-3)


@pytest.mark.parametrize("rate", [16000, 8000])
def test_an_array_at_the_wanted_rate_is_taken_as_it_is(rate: int, y: np.ndarray) -> None:
    np.testing.assert_array_equal(load_audio(y, rate), y)
    np.testing.assert_array_equal(load_audio(y, rate, orig_sr=rate), y)


@pytest.mark.parametrize(
    ("dtype", "subtype"),
    [(np.int16, "PCM_16"), (np.int32, "PCM_32"), (np.uint8, "PCM_U8"), (">i2", "PCM_16")],
)
def test_integer_pcm_is_scaled_as_libsndfile_does(
    dtype: Any, subtype: str, write: Callable[..., Path]
) -> None:
    limits = np.iinfo(dtype)
    pcm = np.linspace(limits.min, limits.max, 1001).round().astype(np.int64).clip(limits.min, limits.max)
    native = pcm.astype(np.int16) if subtype == "PCM_16" else pcm.astype(np.int32)
    if subtype == "PCM_U8":  # soundfile writes no uint8 arrays: the upper byte of a shifted int16 is the same
        native = ((pcm - 128) * 256).astype(np.int16)
    expected = load_audio(write(native, subtype=subtype))
    np.testing.assert_array_equal(load_audio(pcm.astype(dtype)), expected)
    assert expected.min() == -1
    assert expected.max() <= 1


@pytest.mark.parametrize(
    "samples", [[0, 1, -1], [0.0, 1.0, -1.0], (0, 1.0, -1), np.array([0, 1, -1], dtype=np.int64)]
)
def test_other_numbers_are_taken_as_they_are(samples: Any) -> None:
    y = load_audio(samples)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [0, 1, -1])


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.longdouble, ">f4"])
def test_floats_become_float32(dtype: Any, y: np.ndarray) -> None:
    y = y.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(load_audio(y.astype(dtype)), y)


def test_tensors_and_read_only_arrays_are_samples_and_stay_unchanged(y: np.ndarray) -> None:
    y.flags.writeable = False
    np.testing.assert_array_equal(load_audio(y), y)
    tensor = torch.tensor(y)
    np.testing.assert_array_equal(load_audio(tensor), y)


def test_silence_at_both_ends_is_trimmed(y: np.ndarray, write: Callable[..., Path]) -> None:
    padded = np.concatenate([np.zeros(16000, np.float32), y, np.zeros(32000, np.float32)])
    trimmed = load_audio(padded, trim_db=40)
    np.testing.assert_array_equal(trimmed, librosa.effects.trim(padded, top_db=40)[0])
    assert len(y) <= len(trimmed) < len(y) + 8192
    np.testing.assert_array_equal(load_audio(write(padded), trim_db=40), trimmed)
    assert len(load_audio(padded)) == len(padded)


@pytest.mark.parametrize("n_times", [1, 511, 512, 1024, 2047, 20000])
@pytest.mark.parametrize("trim_db", [3, 20, 60])
def test_short_recordings_are_trimmed_as_librosa_does(n_times: int, trim_db: float) -> None:
    rng = np.random.default_rng(n_times)
    y = (rng.standard_normal(n_times) * np.linspace(0, 1, n_times) ** 4).astype(np.float32)
    expected = librosa.effects.trim(y, top_db=trim_db)[0]
    np.testing.assert_array_equal(load_audio(y, trim_db=trim_db), expected if len(expected) else y)


def test_nothing_is_compiled_for_reading_resampling_and_trimming(
    write: Callable[..., Path], y: np.ndarray
) -> None:
    # Workers that compile librosa's functions at the same time leave a cache behind that crashes Python.
    program = (
        f"import sys, skser; skser.load_audio({os.fspath(write(y))!r}, 8000, trim_db=30); "
        "print([name for name in sys.modules if name.split('.')[0] in ('librosa', 'numba')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("value", [0.0, 1e-30])
@pytest.mark.parametrize("n_times", [1, 700, 16000])
def test_silence_throughout_stays_whole(value: float, n_times: int) -> None:
    assert len(load_audio(np.full(n_times, value), trim_db=30)) == n_times


@pytest.mark.parametrize("click", [0, 7999, 15999])
def test_nothing_is_ever_trimmed_away_whole(click: int) -> None:
    y = np.zeros(16000, dtype=np.float32)
    y[click] = 1
    assert load_audio(y, trim_db=0.1).max() == 1


@pytest.mark.parametrize("orig_sr", [8000, 16000, 48000])
def test_one_sample(orig_sr: int, write: Callable[..., Path]) -> None:
    expected = max(1, 16000 // orig_sr)
    assert len(load_audio([0.5], orig_sr=orig_sr)) == expected
    assert len(load_audio(write(np.array([0.5]), sr=orig_sr))) == expected


def test_two_minutes(write: Callable[..., Path]) -> None:
    y = np.zeros(120 * 16000, dtype=np.float32)
    assert len(load_audio(write(y), trim_db=30)) == len(y)
    assert len(load_audio(y, 8000, orig_sr=16000)) == 120 * 8000


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", OSError, "the file is empty"),
        (LFS_POINTER.encode(), OSError, "is a git-lfs pointer.*run 'git lfs pull'"),
        (b"<html>404 Not Found</html>", OSError, "holds text and no audio, it begins with b'<html>404"),
        ("grüße\n".encode(), OSError, "holds text and no audio"),
        (
            bytes(range(256)) * 20,
            OSError,
            r"libsndfile cannot read it \(Format not recognised\).*Fetch or convert it",
        ),
    ],
)
@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.raw"])
def test_files_that_hold_no_audio_raise(
    name: str, content: bytes, error: type, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    if name == "bad.raw":
        message = message.replace("Format not recognised", "samplerate must be specified")
    with pytest.raises(error, match=message) as caught:
        load_audio(path)
    assert str(path) in str(caught.value)


def test_a_damaged_file_raises(y: np.ndarray, write: Callable[..., Path]) -> None:
    path = write(y, name="a.flac", subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match=r"a\.flac'?: libsndfile cannot read it \(.*damaged"):
        load_audio(path)


def test_a_header_that_states_an_absurd_length_raises(y: np.ndarray, write: Callable[..., Path]) -> None:
    path = write(y, name="a.flac", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    # Bytes 21 to 25 hold the number of samples in 36 bits; 0 stands for unknown, which soundfile cannot read.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"libsndfile cannot read it"):
        load_audio(path)


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"none\.wav': no such file: check the path, relative paths start at"
    ):
        load_audio(tmp_path / "none.wav")


def test_a_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"is a folder: give the path of an audio file in it"):
        load_audio(tmp_path)


def test_a_refused_file_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(
        PermissionError, match=r"cannot be opened \(Permission denied\): check its permissions"
    ):
        load_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, dtype=np.float32), "the waveform is empty: it needs at least one sample"),
        (np.array([0, 1, np.nan, np.nan]), r"2 of 4 as float32, the first is nan at sample 2\)"),
        (np.array([0, -np.inf]), r"1 of 2 as float32, the first is -inf at sample 1\)"),
    ],
)
def test_waveforms_without_an_answer_raise(
    samples: np.ndarray, message: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match=message):
        load_audio(samples)
    with pytest.raises(ValueError, match=rf"a\.wav'?: .*{message}"):
        load_audio(write(samples))


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        ([], ValueError, "the waveform is empty"),
        (np.array([0, 1e300]), ValueError, r"as float32, the first is 1e\+300 at sample 1"),
        (
            np.zeros(3, dtype=complex),
            ValueError,
            "Complex data not supported: a waveform must be real, got complex128",
        ),
        (
            np.zeros((2, 8000)),
            ValueError,
            r"must be mono.*got shape \(2, 8000\): take the mean over its channels",
        ),
        ([[0.0, 1.0], [0.0]], ValueError, "but its parts differ in length"),
        (np.array(["0", "1"]), TypeError, "must hold real numbers, got <U1"),
        (np.array([0.0, None]), TypeError, "must hold real numbers, got object"),
        (0.5, TypeError, "expected a path or a waveform of shape .*, got float"),
        (None, TypeError, "expected a path or a waveform of shape .*, got NoneType"),
        (b"a.wav", TypeError, "expected a path or a waveform of shape .*, got bytes"),
        ({"path": "a.wav"}, TypeError, "expected a path or a waveform of shape .*, got dict"),
    ],
)
def test_what_is_no_waveform_raises(audio: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        load_audio(audio)
    with pytest.raises(error, match=message):
        check_waveform(audio)


@pytest.mark.parametrize("name", ["sr", "orig_sr"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-1, ValueError), (16000.0, TypeError), (True, TypeError), ("16000", TypeError)],
)
def test_a_wrong_rate_raises(name: str, value: Any, error: type) -> None:
    with pytest.raises(error, match=rf"^{name} must be an integer.*got {value!r}"):
        load_audio([0.0, 0.5], **{name: value})


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-30, ValueError), (float("inf"), ValueError), ("30", TypeError)]
)
def test_a_wrong_trim_db_raises(value: Any, error: type) -> None:
    with pytest.raises(error, match=r"^trim_db must be a number"):
        load_audio([0.0, 0.5], trim_db=value)


def test_orig_sr_of_a_file_raises(y: np.ndarray, write: Callable[..., Path]) -> None:
    with pytest.raises(
        ValueError,
        match=r"orig_sr is for arrays, but .* is a file, which states its own rate: leave orig_sr out",
    ):
        load_audio(write(y), orig_sr=16000)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError("gone"), FileNotFoundError),
        (ConnectionError("gone"), OSError),
        (TypeError("gone"), TypeError),
        (UnicodeDecodeError("utf-8", b"a", 0, 1, "gone"), ValueError),
    ],
)
def test_errors_are_named_and_keep_their_kind(raised: Exception, expected: type) -> None:
    with pytest.raises(expected, match=r"item 3: .*gone") as caught, prefix_errors("item 3"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised


def test_errors_of_other_kinds_pass_unchanged() -> None:
    with pytest.raises(KeyError, match=r"^'gone'$"), prefix_errors("item 3"):
        raise KeyError("gone")


# Files that are too long, or cut off


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_file_that_is_too_long_is_refused_by_its_header(
    name: str, y: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    soundfile.write(path, y, 16000)
    assert len(load_audio(path, max_duration=0.5)) == len(load_audio(path, max_duration=None)) == 8000
    monkeypatch.setattr(soundfile.SoundFile, "read", None)  # so nothing is decoded
    with pytest.raises(
        ValueError, match=rf"{name}'?: lasts 0\.5 s, longer than max_duration=0\.49 s: .*None for no limit"
    ):
        load_audio(path, max_duration=0.49)


def test_ten_hours_are_refused_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(36_000, np.int16), 1)  # at one sample a second
    with pytest.raises(ValueError, match=r"lasts 3\.6e\+04 s, longer than max_duration=600 s: cut it"):
        load_audio(path, 1)
    assert len(load_audio(path, 1, max_duration=None)) == 36_000


def test_a_file_whose_header_leaves_its_length_open_is_read_up_to_the_limit(
    y: np.ndarray, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(y, subtype="FLOAT")
    monkeypatch.setattr(skser.audio._decoding, "_UNKNOWN_FRAMES", 1)  # this header, too
    monkeypatch.setattr(skser.audio._decoding, "_BLOCK_FRAMES", 1000)
    np.testing.assert_array_equal(load_audio(path), y)
    n_read = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: n_read.append(1) or read(*a, **k))
    with pytest.raises(ValueError, match=r"lasts 0\.1875 s, longer than max_duration=0\.15 s"):
        load_audio(path, max_duration=0.15)
    assert len(n_read) == 3


def test_a_header_that_states_hours_over_half_a_second_is_refused(
    y: np.ndarray, write: Callable[..., Path]
) -> None:
    path = write(y, name="a.flac", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[22:26] = (10 * 3600 * 16000).to_bytes(4, "big")  # the number of samples
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"lasts 3\.6e\+04 s, longer than max_duration"):
        load_audio(path)
    with pytest.raises(OSError, match=r"libsndfile cannot read it|is cut off"):
        load_audio(path, max_duration=None)


def test_a_header_that_states_an_absurd_rate_raises(y: np.ndarray, write: Callable[..., Path]) -> None:
    path = write(y)
    content = bytearray(path.read_bytes())
    content[24:28] = (2**30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"states a sampling rate of 1073741824 Hz.*it is damaged"):
        load_audio(path)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_wrong_max_duration_raises(value: float) -> None:
    with pytest.raises(ValueError, match=r"^max_duration must be a number"):
        load_audio([0.0, 0.5], max_duration=value)


def test_arrays_have_no_longest_duration(y: np.ndarray) -> None:
    assert len(load_audio(y, max_duration=0.1)) == len(y)


FORMATS = [
    *[
        ("a.wav", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.caf", {}),
        ("a.w64", {}),
        ("a.flac", {}),
        ("a.mp3", {}),
    ],
    *[("a.ogg", {}), ("a.opus", {"format": "OGG", "subtype": "OPUS"})],
]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize(("name", "how"), FORMATS)
def test_a_file_that_is_cut_off_raises_and_is_never_shortened(
    name: str, how: dict[str, str], share: float, tmp_path: Path
) -> None:
    y = 0.1 * np.random.default_rng(0).normal(size=32000)
    path = tmp_path / name
    soundfile.write(path, y, 16000, **how)
    content = path.read_bytes()
    assert len(load_audio(path)) == len(y)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OSError, match=r"is cut off, it (holds|lacks).*: fetch|libsndfile cannot read it"):
        load_audio(path)


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000])
def test_a_header_written_before_its_recording_was_over_is_no_cut(
    size: int, y: np.ndarray, write: Callable[..., Path]
) -> None:
    path = write(y, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(load_audio(path)) == len(y)


def test_what_follows_an_ogg_stream_is_no_cut(y: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, y, 16000)
    with path.open("ab") as file:
        file.write(b"\0" * 100_000)
    assert len(load_audio(path)) == len(y)


# What a path may be


def test_the_home_folder_is_understood(
    y: np.ndarray, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(write(y).parent))
    np.testing.assert_array_equal(load_audio("~/a.wav"), y)


@pytest.mark.parametrize(
    ("path", "message"),
    [("a\0b.wav", "is not a valid path .*null"), ("\udcff\ud800.wav", "is not a valid path .*encode")],
)
def test_what_can_be_no_path_raises(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_audio(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_raises_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero"):
        with pytest.raises(OSError, match="is a pipe or device and not a file"):
            load_audio(path)


def test_the_smallest_threshold_leaves_something(y: np.ndarray) -> None:
    assert len(load_audio(y, trim_db=1e-320)) > 0
    assert len(load_audio(y, trim_db=1e308)) == len(y)


def test_loud_samples_are_trimmed_too(y: np.ndarray) -> None:
    padded = np.concatenate([np.zeros(16000, np.float32), y * np.float32(1e37)])
    assert len(y) <= len(load_audio(padded, trim_db=40)) < len(y) + 2048


@pytest.mark.corpus
def test_real_recordings_load_as_soundfile_reads_them(ravdess_root: Path) -> None:
    for path in sorted(ravdess_root.glob("Actor_*/*.flac"))[::240]:
        expected, sr = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(load_audio(path, sr), expected)
        trimmed = load_audio(path, sr, trim_db=30)
        assert 0.2 * len(expected) < len(trimmed) < len(expected)
        np.testing.assert_array_equal(trimmed, librosa.effects.trim(expected, top_db=30)[0])
