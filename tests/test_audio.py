"""Audio files and arrays as waveforms."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

import skser.audio._decoding
import skser.audio._sound_file
from skser import SpectrogramTransformer, load_audio
from skser.audio import change_speed, check_waveform, level_of
from skser.datasets import audit

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

    def write(
        samples: np.ndarray, sr: int = 16000, name: str = "a.wav", subtype: str | None = "FLOAT"
    ) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, sr, subtype=subtype)
        return path

    return write


def test_a_file_comes_back_as_it_was_written(y, write, monkeypatch):
    path = write(y)
    monkeypatch.setenv("HOME", str(path.parent))
    for name in (path, str(path), "~/a.wav"):
        loaded = load_audio(name)
        assert loaded.dtype == np.float32
        assert loaded.flags.c_contiguous
        np.testing.assert_array_equal(loaded, y)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.flac", "PCM_16", 1e-4),
        ("a.wav", "PCM_U8", 1e-2),
        ("a.aiff", "PCM_24", 1e-6),
        ("a.ogg", None, 0.05),
        ("a.mp3", None, 0.05),
    ],
)
def test_formats_of_libsndfile(name, subtype, tolerance, y, write):
    loaded = load_audio(write(y, name=name, subtype=subtype))
    np.testing.assert_allclose(loaded, y, atol=tolerance)
    assert np.corrcoef(loaded, y)[0, 1] > 0.99


def test_channels_are_averaged(y, write):
    channels = np.stack([y, y[::-1], np.zeros_like(y)], axis=1)
    np.testing.assert_allclose(load_audio(write(channels)), (y + y[::-1]) / 3, atol=1e-7)
    # Equal channels, as in some files of RAVDESS, are the recording itself.
    np.testing.assert_array_equal(load_audio(write(np.stack([y, y], axis=1))), y)


def test_samples_too_large_to_resample_are_refused():
    y = np.where(np.random.default_rng(0).random(8000) < 0.5, np.float32(-3.3e38), np.float32(3.3e38))
    with pytest.raises(ValueError, match=r"^the samples are too large to resample .* \(up to 3\.3e\+38\)"):
        load_audio(y, sr=16000, orig_sr=8000)


@pytest.mark.parametrize("speed", [0.5, 0.86, 2 ** (1 / 12), 2])
def test_speed_changes_length_and_frequency(speed):
    y = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    changed = change_speed(y, 16000, speed)
    assert len(changed) == np.ceil(16000 * 16000 / round(16000 * speed))
    peak = np.abs(np.fft.rfft(changed * np.hanning(len(changed)), 160000)).argmax() / 10  # Hz
    assert peak == pytest.approx(1000 * speed, abs=0.2)


@pytest.mark.parametrize("orig_sr", [48000, 24414, 8000])
def test_files_and_arrays_of_another_rate_are_resampled(orig_sr, y, write):
    expected = librosa.resample(y, orig_sr=orig_sr, target_sr=16000, res_type="soxr_hq")
    np.testing.assert_array_equal(load_audio(write(y, sr=orig_sr)), expected)
    np.testing.assert_array_equal(load_audio(y, orig_sr=orig_sr), expected)
    assert load_audio(y, orig_sr=orig_sr).dtype == np.float32
    assert len(expected) == np.ceil(len(y) * 16000 / orig_sr)


@pytest.mark.parametrize("frequency", [100, 440, 3000])
@pytest.mark.parametrize("orig_sr", [8000, 11025, 22050, 24414, 44100, 48000, 96000])
def test_a_resampled_tone_has_the_same_frequency_and_level(orig_sr, frequency):
    tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(orig_sr) / orig_sr)
    expected = 0.5 * np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)
    found = load_audio(tone, sr=16000, orig_sr=orig_sr)
    assert len(found) == 16000
    inside = slice(500, -500)  # the filter also covers samples beyond the ends
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "subtype"),
    [(np.int16, "PCM_16"), (np.int32, "PCM_32"), (np.uint8, "PCM_U8"), (">i2", "PCM_16")],
)
def test_integer_pcm_is_scaled_as_libsndfile_does(dtype, subtype, write):
    limits = np.iinfo(dtype)
    pcm = np.linspace(limits.min, limits.max, 1001).round().astype(np.int64).clip(limits.min, limits.max)
    native = pcm.astype(np.int16) if subtype == "PCM_16" else pcm.astype(np.int32)
    if subtype == "PCM_U8":  # soundfile writes no uint8 arrays: the upper byte of a shifted int16 is the same
        native = ((pcm - 128) * 256).astype(np.int16)
    expected = load_audio(write(native, subtype=subtype))
    np.testing.assert_array_equal(load_audio(pcm.astype(dtype)), expected)
    assert expected.min() == -1
    assert expected.max() <= 1


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.longdouble, ">f4", list, torch.tensor])
def test_other_numbers_keep_their_values(dtype):
    samples = np.array([0, 1, -1, 100], dtype=np.float32)
    samples.flags.writeable = False
    converted = dtype(samples.tolist()) if dtype in (list, torch.tensor) else samples.astype(dtype)
    for audio in (samples, converted):
        y = load_audio(audio, 8000, orig_sr=8000)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, samples)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.uint32, np.uint64, list])
def test_integers_without_a_known_scale_raise(dtype):
    samples = [0, 1, 100] if dtype is list else np.array([0, 1, 100], dtype=dtype)
    with pytest.raises(
        TypeError, match=r"samples of type u?int\d+ have no known scale: convert them to int16"
    ):
        load_audio(samples)


@pytest.mark.parametrize(("peak", "warns"), [(100.0, False), (127.0, True), (-32768.0, True)])
def test_floats_far_beyond_1_warn(peak, warns):
    samples = np.array([0.0, peak])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(load_audio(samples), samples)
    messages = [str(warning.message) for warning in caught]
    expected = rf"^item 0 has samples up to {abs(peak):g}, far beyond 1: divide them by the full scale, 32768"
    assert [bool(re.search(expected, message)) for message in messages] == [True] * warns


@pytest.mark.parametrize("kind", [list, torch.tensor, pd.Series])
def test_floats_far_beyond_1_warn_whatever_holds_them(kind):
    with pytest.warns(UserWarning, match="item 0 has samples up to 32767, far beyond 1"):
        load_audio(kind([0.0, 32767.0]))
    with pytest.warns(UserWarning, match="item 1 has samples up to 32767, far beyond 1"):
        SpectrogramTransformer(n_fft=16, n_mels=2).transform([kind([0.5] * 9), kind([32767.0] * 8)])


@pytest.mark.parametrize("stereo", [False, True])
def test_a_pair_of_rate_and_samples_raises(stereo, y, write):
    samples = np.stack([y, y], axis=1) if stereo else y
    for pair in (
        soundfile.read(write(samples)),
        (16000, samples),
        [np.int64(16000), samples.tolist()],
        (np.array(16000), y),
    ):
        with pytest.raises(
            TypeError, match=r"is a pair of a sampling rate and samples.*load_audio\(samples, orig"
        ):
            load_audio(pair)


@pytest.mark.parametrize(
    ("form", "cure"),
    [
        (
            {"array": np.zeros(3), "sampling_rate": 8000},
            r"got dict: pass load_audio\(item\['array'\], orig_sr=",
        ),
        (b"RIFF\0", "got bytes: write the content of the file to a temporary file, and pass the path"),
        (b"/tmp/a.wav", "got bytes: decode it with os.fsdecode if it is a path, or write the content of"),
        (bytearray(b"RIFF"), "got bytearray: write the content of the file to a temporary file"),
        (io.BytesIO(b"RIFF"), "got BytesIO: write the content of the file to a temporary file"),
    ],
)
def test_other_forms_of_a_recording_are_refused_with_the_cure(form, cure):
    with pytest.raises(TypeError, match=cure):
        load_audio(form)


def test_silence_at_both_ends_is_trimmed(y, write):
    padded = np.concatenate([np.zeros(16000, np.float32), y, np.zeros(32000, np.float32)])
    trimmed = load_audio(padded, trim_db=40)
    np.testing.assert_array_equal(trimmed, librosa.effects.trim(padded, top_db=40)[0])
    assert len(y) <= len(trimmed) < len(y) + 8192
    np.testing.assert_array_equal(load_audio(write(padded), trim_db=40), trimmed)
    assert len(load_audio(padded)) == len(padded)


@pytest.mark.parametrize("n_times", [1, 511, 512, 1024, 2047, 20000])
@pytest.mark.parametrize("trim_db", [3, 20, 60])
def test_short_recordings_are_trimmed_as_librosa_does(n_times, trim_db):
    rng = np.random.default_rng(n_times)
    y = (rng.standard_normal(n_times) * np.linspace(0, 1, n_times) ** 4).astype(np.float32)
    expected = librosa.effects.trim(y, top_db=trim_db)[0]
    np.testing.assert_array_equal(load_audio(y, trim_db=trim_db), expected if len(expected) else y)


def test_nothing_is_compiled_for_reading_resampling_and_trimming(write, y):
    # Workers that compile librosa's functions at the same time leave a cache behind that crashes Python.
    program = (
        f"import sys, skser; skser.load_audio({os.fspath(write(y))!r}, 8000, trim_db=30); "
        "print([name for name in sys.modules if name.split('.')[0] in ('librosa', 'numba')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("trim_db", [1e-320, 0.1, 30, 1e308])
@pytest.mark.parametrize("n_times", [1, 700, 16000])
def test_trimming_keeps_silent_recordings_and_the_loudest_sample(n_times, trim_db):
    for value in (0.0, 1e-30):
        assert len(load_audio(np.full(n_times, value), trim_db=trim_db)) == n_times
    for place in (0, n_times // 2, n_times - 1):
        y = np.zeros(n_times, dtype=np.float32)
        y[place] = 1e37
        assert load_audio(y, trim_db=trim_db).max() == np.float32(1e37)


@pytest.mark.parametrize("orig_sr", [8000, 16000, 48000])
def test_one_sample(orig_sr, write):
    expected = max(1, 16000 // orig_sr)
    assert len(load_audio([0.5], orig_sr=orig_sr)) == expected
    assert len(load_audio(write(np.array([0.5]), sr=orig_sr))) == expected


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", OSError, "the file is empty"),
        (LFS_POINTER.encode(), OSError, "is a git-lfs pointer.*run 'git lfs pull'"),
        (b"<html>404 Not Found</html>", OSError, "holds text instead of audio .it begins with b'<html>404"),
        ("grüße\n".encode(), OSError, "holds text instead of audio"),
        (
            bytes(range(256)) * 20,
            OSError,
            r"libsndfile cannot read it \(Format not recognised\).*fetch it again or convert it",
        ),
    ],
)
@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.raw"])
def test_files_that_hold_no_audio_raise(name, content, error, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    if name == "bad.raw":
        message = message.replace("Format not recognised", "samplerate must be specified")
    with pytest.raises(error, match=message) as caught:
        load_audio(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_raise(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav': no such file: check the path\.$"):
        load_audio(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError, match=r"check the path; relative paths start at '.*'\.$"):
        load_audio("none.wav")
    with pytest.raises(IsADirectoryError, match=r"is a folder: give the path of an audio file in it"):
        load_audio(tmp_path)


def set_bytes(path, place, content):
    """Overwrite a part of a file."""
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + content + whole[place + len(content) :])
    return path


def test_headers_that_state_what_cannot_be_raise(y, write):
    # Bytes 21 to 25 of FLAC hold the number of samples in 36 bits.
    flac = write(y, name="a.flac", subtype="PCM_16")
    set_bytes(flac, 22, (10 * 3600 * 16000).to_bytes(4, "big"))
    with pytest.raises(ValueError, match=r"lasts 3\.6e\+04 s, longer than max_duration"):
        load_audio(flac)
    with pytest.raises(OSError, match=r"libsndfile cannot read it|is cut off"):
        load_audio(flac, max_duration=None)
    with pytest.raises(OSError, match=r"states a sampling rate of 1073741824 Hz.*it is damaged"):
        load_audio(set_bytes(write(y), 24, (2**30).to_bytes(4, "little")))


def test_a_refused_file_raises(tmp_path, monkeypatch):
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
def test_waveforms_without_an_answer_raise(samples, message, write):
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
def test_what_is_no_waveform_raises(audio, error, message):
    with pytest.raises(error, match=message):
        load_audio(audio)
    with pytest.raises(error, match=message):
        check_waveform(audio)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        *[(name, value, ValueError) for name in ("sr", "orig_sr") for value in (0, -1)],
        *[(name, value, TypeError) for name in ("sr", "orig_sr") for value in (16000.0, True, "16000")],
        *[("trim_db", 0, ValueError), ("trim_db", float("inf"), ValueError), ("trim_db", "30", TypeError)],
        *[("max_duration", value, ValueError) for value in (0, -1, float("nan"), float("inf"))],
    ],
)
def test_wrong_parameters_raise(name, value, error):
    with pytest.raises(error, match=rf"^{name} must be an? (integer|number).*got {value!r}"):
        load_audio([0.0, 0.5], **{name: value})


def test_orig_sr_of_a_file_raises(y, write):
    with pytest.raises(
        ValueError,
        match=r"orig_sr is for arrays, but .* is a file, whose header states the rate: leave orig_sr out",
    ):
        load_audio(write(y), orig_sr=16000)


# Files that are too long, or cut off


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_file_that_is_too_long_is_refused_by_its_header(name, y, tmp_path, monkeypatch):
    path = tmp_path / name
    soundfile.write(path, y, 16000)
    assert len(load_audio(path, max_duration=0.5)) == len(load_audio(path, max_duration=None)) == 8000
    monkeypatch.setattr(soundfile.SoundFile, "read", None)  # so nothing is decoded
    with pytest.raises(
        ValueError, match=rf"{name}'?: lasts 0\.5 s, longer than max_duration=0\.49 s: .*None for no limit"
    ):
        load_audio(path, max_duration=0.49)


def test_ten_hours_are_refused_unless_asked_for(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(36_000, np.int16), 1)  # at one sample a second
    with pytest.raises(ValueError, match=r"lasts 3\.6e\+04 s, longer than max_duration=600 s: cut it"):
        load_audio(path, 1)
    assert len(load_audio(path, 1, max_duration=None)) == 36_000
    assert len(load_audio(np.zeros(36_000), 1)) == 36_000  # arrays have no limit


def test_a_file_whose_header_leaves_its_length_open_is_read_up_to_the_limit(y, write, monkeypatch):
    path = write(y, subtype="FLOAT")
    monkeypatch.setattr(skser.audio._sound_file, "stated_frames", lambda file: None)
    monkeypatch.setattr(skser.audio._decoding, "_BLOCK_FRAMES", 1000)
    np.testing.assert_array_equal(load_audio(path), y)
    n_read = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: n_read.append(1) or read(*a, **k))
    with pytest.raises(ValueError, match=r"lasts 0\.1875 s, longer than max_duration=0\.15 s"):
        load_audio(path, max_duration=0.15)
    assert len(n_read) == 3


FORMATS = [
    *[
        ("a.wav", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.caf", {}),
        ("a.w64", {}),
        ("a.rf64", {}),
        ("a.flac", {}),
        ("a.mp3", {}),
    ],
    *[("a.ogg", {}), ("a.opus", {"format": "OGG", "subtype": "OPUS"})],
]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize(("name", "how"), FORMATS)
def test_a_file_that_is_cut_off_raises_and_is_never_shortened(name, how, share, tmp_path):
    y = 0.1 * np.random.default_rng(0).normal(size=32000)
    path = tmp_path / name
    soundfile.write(path, y, 16000, **how)
    content = path.read_bytes()
    assert len(load_audio(path)) == len(y)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(OSError, match=r"is cut off, it (holds|lacks).*: fetch|libsndfile cannot read it"):
        load_audio(path)


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000, 0x7F000008])
def test_an_open_length_and_bytes_after_an_ogg_stream_do_not_count_as_cut_off(size, y, write):
    path = write(y, subtype="PCM_16")
    set_bytes(set_bytes(path, 4, size.to_bytes(4, "little")), 40, size.to_bytes(4, "little"))
    assert len(load_audio(path)) == len(y)
    ogg = write(y, name="a.ogg", subtype=None)
    ogg.write_bytes(ogg.read_bytes() + b"\0" * 100_000)
    assert len(load_audio(ogg)) == len(y)


def test_a_header_without_a_size_is_no_reason_to_call_a_file_empty(y, write, tmp_path):
    path = write(y, subtype="PCM_16")
    samples, data = load_audio(path), path.read_bytes().index(b"data") + 4
    for riff in (path.read_bytes()[4:8], bytes(4)):
        set_bytes(set_bytes(path, 4, riff), data, bytes(4))
        np.testing.assert_array_equal(load_audio(path), samples)
    # Without samples, another chunk is not mistaken for them.
    path.write_bytes(path.read_bytes()[: data + 4] + b"LIST" + (26).to_bytes(4, "little") + bytes(26))
    with pytest.raises(ValueError, match="the waveform is empty"):
        load_audio(path)


@pytest.mark.parametrize(("name", "size"), [("a.rf64", bytes(8)), ("a.caf", b"\xff" * 8)])
def test_other_formats_without_a_size_are_read(name, size, y, write):
    path = write(y, name=name, subtype="PCM_16")
    samples = load_audio(path)
    set_bytes(path, 28 if name == "a.rf64" else path.read_bytes().index(b"data") + 4, size)
    np.testing.assert_array_equal(load_audio(path), samples)


# Streams whose number of frames is not stated, and several streams in one file


@pytest.fixture
def mp3(tmp_path: Path) -> tuple[bytes, int]:
    """MP3 of variable bit rate without the frame that states its length, and the number of samples."""
    level = np.repeat([0.3, 1e-4], 40_000)
    y = level * np.random.default_rng(0).normal(size=80_000)
    soundfile.write(tmp_path / "counted.mp3", y, 16000)
    content = (tmp_path / "counted.mp3").read_bytes()
    tag = content.index(b"Xing")
    n_frames = int.from_bytes(content[tag + 8 : tag + 12], "big")
    return content[content.index(content[:2], tag) :], 576 * n_frames  # samples per frame up to 24 kHz


def in_wav(mp3: bytes) -> bytes:
    """MP3 in a WAV file."""
    audio = struct.pack("<4sIHHIIHHH", b"fmt ", 30, 0x55, 1, 16000, 4000, 1, 0, 12)
    audio += struct.pack("<HIHHH", 1, 2, 576, 1, 1393) + b"data" + struct.pack("<I", len(mp3)) + mp3
    return b"RIFF" + struct.pack("<I", 4 + len(audio)) + b"WAVE" + audio


def quiet_first(mp3: bytes) -> bytes:
    """MP3 with its last frames first, so that an estimate from the first frames is wrong in the other way."""
    middle = [place.start() for place in re.finditer(re.escape(mp3[:2]), mp3)]
    cut = min(middle, key=lambda place: abs(place - 0.9 * len(mp3)))
    return mp3[cut:] + mp3[:cut]


ID3 = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)


@pytest.mark.parametrize("prefix", [b"", ID3, b"\xff\0junk"], ids=["plain", "tag", "junk"])
@pytest.mark.parametrize("order", [bytes, quiet_first], ids=["loud first", "quiet first"])
@pytest.mark.parametrize("tail", [b"", b"TAG" + bytes(125), bytes(500)], ids=["end", "tag", "zeros"])
def test_an_mp3_without_a_count_is_read_to_its_end(prefix, order, tail, mp3, tmp_path):
    content, n_samples = mp3
    path = tmp_path / "a.mp3"
    path.write_bytes(prefix + order(content) + tail)
    assert abs(len(load_audio(path)) - n_samples) <= 1152
    assert audit([path]).empty


def test_mp3_in_wav_is_read_to_its_end(mp3, tmp_path):
    content, n_samples = mp3
    path = tmp_path / "a.wav"
    for order in (content, quiet_first(content)):
        path.write_bytes(in_wav(order))
        assert abs(len(load_audio(path)) - n_samples) <= 1152
    path.write_bytes(in_wav(content)[: len(content) // 2])
    with pytest.raises(OSError, match="is cut off"):
        load_audio(path)


def test_an_estimated_length_is_not_compared_with_the_limit(mp3, tmp_path):
    content, n_samples = mp3
    path = tmp_path / "a.mp3"
    path.write_bytes(quiet_first(content))
    assert len(load_audio(path, max_duration=n_samples / 16000 + 0.1))
    with pytest.raises(ValueError, match=r"lasts 5\.\d+ s, longer than max_duration=4 s"):
        load_audio(path, max_duration=4)


def test_an_mp3_without_a_count_that_ends_within_a_frame_is_refused(mp3, tmp_path):
    (tmp_path / "a.mp3").write_bytes(mp3[0][:-30])
    with pytest.raises(OSError, match="is cut off or damaged, an MPEG frame is incomplete: fetch or copy"):
        load_audio(tmp_path / "a.mp3")


@pytest.mark.parametrize("n_blocks", [96, 97])  # of 65 bytes, so that one needs a byte of padding
def test_gsm_in_wav_is_read(n_blocks, tmp_path):
    y = 0.3 * np.sin(2 * np.pi * 200 * np.arange(320 * n_blocks) / 8000)
    path = tmp_path / "a.wav"
    soundfile.write(path, y, 8000, subtype="GSM610")
    content = path.read_bytes()
    data = content.index(b"data")
    size = struct.pack("<I", 65 * n_blocks)
    path.write_bytes(
        content[: data + 4] + size + content[data + 8 : data + 8 + 65 * n_blocks] + bytes(n_blocks % 2)
    )
    for stated in (size, bytes(4), b"\xff" * 4):
        set_bytes(path, data + 4, stated)
        loaded = load_audio(path, 8000)
        assert len(loaded) == len(y)
        assert np.corrcoef(loaded, y)[0, 1] > 0.95


def test_flac_of_unknown_length_is_read(y, write):
    flac = write(y, name="a.flac", subtype="PCM_16")
    expected = load_audio(flac)
    # Bytes 21 to 25 hold the number of samples in 36 bits; 0 is unknown.
    set_bytes(flac, 21, bytes([flac.read_bytes()[21] & 0xF0, 0, 0, 0, 0]))
    np.testing.assert_array_equal(load_audio(flac), expected)
    with pytest.raises(ValueError, match=r"lasts 0\.5 s, longer than max_duration=0\.4 s"):
        load_audio(flac, max_duration=0.4)


@pytest.mark.parametrize("name", ["a.ogg", "a.flac", "a.mp3"])
def test_several_streams_in_one_file_are_refused(name, y, write):
    path = write(np.tile(y, 4), name=name, subtype=None)
    assert len(load_audio(path)) == 32000
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(
        OSError, match=r"holds several (OGG|FLAC|MP3) streams one after the other.*'ffmpeg -i"
    ):
        load_audio(path)
    assert audit([path])["problem"].tolist() == ["chained"]


@pytest.mark.parametrize("tag", [b"", ID3])
def test_a_stream_after_one_that_states_its_size_is_refused(tag, mp3, tmp_path):
    counted, path = (tmp_path / "counted.mp3").read_bytes(), tmp_path / "a.mp3"
    for tail in (b"TAG" + bytes(125), b"APETAGEX" + bytes(9000)):  # are not streams
        path.write_bytes(tag + counted + tail)
        assert len(load_audio(path)) == 80_000
    path.write_bytes(tag + counted + tag + mp3[0])
    with pytest.raises(OSError, match="holds several MP3 streams"):
        load_audio(path)
    assert audit([path])["problem"].tolist() == ["chained"]


def test_several_streams_of_unknown_length_are_named(y, write):
    path = write(y, name="a.flac", subtype="PCM_16")
    content = path.read_bytes()
    set_bytes(path, 21, bytes([content[21] & 0xF0, 0, 0, 0, 0]))
    path.write_bytes(path.read_bytes() + content)
    assert audit([path])["problem"].tolist() == ["chained"]


@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\1\x48" + bytes(200)])
def test_the_decoder_prints_nothing_for_an_mp3_with_a_count(tag, mp3, tmp_path, capfd):
    path = tmp_path / "counted.mp3"
    path.write_bytes(tag + path.read_bytes())
    assert len(load_audio(path)) == 80_000
    assert capfd.readouterr() == ("", "")


# Formats that libsndfile cannot read


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x1cftypM4A ", r"MP4 \(m4a, mp4\)"),
        (b"\xff\xf1\x60\x40\x41\x3f\xfc", "AAC"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86", "WebM or Matroska"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", r"Windows Media \(wma\)"),
        (b"OggS" + bytes(23) + b"\1Speex   1.2", "Speex"),
        (b"OggS" + bytes(23) + b"\1\x7fFLAC\1\0", "FLAC in Ogg"),
        (b"RIFF\0\x10\0\0WAVEfmt \x12\0\0\0\xff\0\1\0\x80\x3e\0\0", "AAC"),
        (b"RIFF\0\x10\0\0WAVEfmt \x12\0\0\0\0\x20\1\0\x80\x3e\0\0", "AC-3"),
    ],
)
def test_formats_that_libsndfile_cannot_read_are_named(head, name, tmp_path):
    for ending in ("m4a", "wav"):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(head + bytes(range(256)) * 20)
        with pytest.raises(
            OSError,
            match=rf"holds {name}, which libsndfile cannot read: convert it with 'ffmpeg -i FILE out.wav'",
        ):
            load_audio(path)
        (detail,) = audit([path])["detail"]
        assert "ffmpeg -i FILE out.wav" in detail


# What a path may be


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_a_file_name_need_not_be_utf_8(y, write, tmp_path):
    path = tmp_path / os.fsdecode(b"gr\xfc\xdfe.wav")
    try:
        write(y).rename(path)
    except OSError:
        pytest.skip("the file system refuses such names")
    np.testing.assert_array_equal(load_audio(path), y)
    assert audit([path]).empty
    S = SpectrogramTransformer(memory=tmp_path / "cache").transform([path])
    np.testing.assert_array_equal(S[0], SpectrogramTransformer().transform([y])[0])


@pytest.mark.parametrize(
    ("path", "message"),
    [("a\0b.wav", "is not a valid path .*null"), ("\udcff\ud800.wav", "is not a valid path .*encode")],
)
def test_what_can_be_no_path_raises(path, message):
    with pytest.raises(ValueError, match=message):
        load_audio(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_raises_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero"):
        with pytest.raises(OSError, match="is a pipe or a device, not a file"):
            load_audio(path)


@pytest.mark.corpus
def test_real_recordings_load_as_soundfile_reads_them(ravdess_root):
    for path in sorted(ravdess_root.glob("Actor_*/*.flac"))[::240]:
        expected, sr = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(load_audio(path, sr), expected)
        trimmed = load_audio(path, sr, trim_db=30)
        assert 0.2 * len(expected) < len(trimmed) < len(expected)
        np.testing.assert_array_equal(trimmed, librosa.effects.trim(expected, top_db=30)[0])


def test_level_includes_last_samples_that_do_not_fill_a_frame():
    y = np.zeros(30)  # frames of 25 samples
    y[-1] = 0.9
    assert level_of(y, 1000) == pytest.approx(10 * np.log10(0.81 / 25))
