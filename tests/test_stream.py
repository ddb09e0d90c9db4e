"""Recordings that are read block by block equal recordings that are read in one step."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from skser import load_audio
from skser.audio import _decoding as decoding
from skser.audio import stream_waveform

SR = 16000


def tone(n_times, sr=SR):
    rng = np.random.default_rng(0)
    return 0.3 * np.sin(2 * np.pi * 220 * np.arange(n_times) / sr) + 0.01 * rng.normal(size=n_times)


def joined(path, sr=SR):
    return np.concatenate(list(stream_waveform(path, sr)))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK_SAMPLES", 3000)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.caf"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_blocks_equal_the_whole_recording(name, rate, tmp_path):
    path = tmp_path / name
    soundfile.write(path, tone(2 * rate, rate), rate)
    blocks = list(stream_waveform(path, SR))
    assert len(blocks) > 5
    np.testing.assert_allclose(np.concatenate(blocks), load_audio(path, SR), atol=2e-7)


@pytest.mark.parametrize(("rate", "sr"), [(8000, 16000), (22050, 16000), (16000, 11025), (44101, 16000)])
def test_length_at_another_rate_is_that_of_load_audio(rate, sr, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(10_007, rate), rate)
    whole = load_audio(path, sr)
    assert np.array_equal(joined(path, sr), whole)


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(9000), -0.5 * tone(9000)], axis=1), SR)
    assert np.array_equal(joined(path), load_audio(path, SR))


def test_format_without_seeking_is_read(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(20_000), SR, subtype="GSM610")
    assert not soundfile.SoundFile(path).seekable()
    y = joined(path)
    assert len(y) >= 20_000
    assert np.corrcoef(y[:20_000], tone(20_000))[0, 1] > 0.9


def test_recording_is_longer_than_the_limit_of_load_audio(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(700 * 100), 100)
    with pytest.raises(ValueError, match="max_duration"):
        load_audio(path, 100)
    assert len(joined(path, 100)) == 70_000


def test_blocks_of_an_array_are_scaled_as_in_load_audio():
    y = np.random.default_rng(0).integers(-(2**15), 2**15, size=600_000).astype(np.int16)
    blocks = list(stream_waveform(y, SR))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), load_audio(y))


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK_SAMPLES", 2**14)
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", 44100, 1) as file:
        for _ in range(20):
            file.write(tone(44100, 44100))
    tracemalloc.start()
    for _ in stream_waveform(path, SR):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 44100 * 4 / 4  # bytes: a quarter of the samples


def test_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"^'none\.wav': no such file"):
        joined("none.wav")


def test_cut_file_raises_before_its_first_block(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(20_000), SR)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(OSError, match=r"a\.wav': is cut off, it holds 50% of what its header states"):
        next(stream_waveform(path, SR))


def test_non_finite_samples_are_located(tmp_path):
    path, y = tmp_path / "a.wav", tone(20_000)
    y[8000] = np.nan
    soundfile.write(path, y, SR, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav': holds NaN or infinite samples, the first at 0\.5 s"):
        joined(path)


def test_file_without_samples_raises(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), SR)
    with pytest.raises(ValueError, match="the waveform is empty"):
        joined(path)


def test_text_is_not_audio(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("not audio")
    with pytest.raises(OSError, match="holds text instead of audio"):
        joined(path)
