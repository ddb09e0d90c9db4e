"""Damage audio files at random: each call must end in a right result or in an error that names the file.

    python benchmarks/reliability/damaged_files.py --n 5000 [--real folder]

Files of six formats, synthetic ones or recordings of a folder, lose their head, their tail or a block, or get
other bits, zeros, or extreme numbers in their headers. `load_audio` and `SpectrogramTransformer` read each. A
file that has lost its tail or a block must be refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from outcomes import Outcomes, command_line, without_stderr

from skser import SpectrogramTransformer, load_audio

SR = 16000
MAX_DURATION = 60.0  # s
EXTREMES = (0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
# Extension, sampling rate, channels, and subtype (None: the default).
FORMATS = (
    *(("wav", 16000, 1, "PCM_16"), ("wav", 44100, 2, "FLOAT"), ("wav", 8000, 1, "PCM_U8")),
    *(("flac", 16000, 1, None), ("flac", 48000, 2, "PCM_24"), ("ogg", 16000, 1, None)),
    *(("ogg", 48000, 2, "OPUS"), ("mp3", 16000, 1, None), ("mp3", 44100, 2, None)),
    *(("aiff", 22050, 1, None), ("au", 16000, 1, None)),
)


def lose_tail(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off the tail."""
    return content[: rng.integers(0, len(content))]


def lose_head(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off the head."""
    return content[rng.integers(1, len(content)) :]


def lose_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut out a block."""
    first, last = np.sort(rng.integers(0, len(content), 2))
    return content[:first] + content[last:]


def blank_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a block by zeros."""
    first, last = np.sort(rng.integers(0, len(content), 2))
    return content[:first] + bytes(last - first) + content[last:]


def break_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Change some of the first hundred bytes."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(0, min(100, len(damaged)))] = rng.integers(0, 256)
    return bytes(damaged)


def falsify_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number of 1, 2 or 4 bytes into the header: as a length, a rate or a count."""
    size = int(rng.choice([1, 2, 4]))
    number = int(rng.choice(EXTREMES)) % 256**size
    place = int(rng.integers(4, min(64, len(content) - size)))
    order: Any = rng.choice(["little", "big"])
    return content[:place] + number.to_bytes(size, order) + content[place + size :]


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits anywhere."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 50)):
        damaged[rng.integers(0, len(damaged))] ^= 1 << rng.integers(0, 8)
    return bytes(damaged)


def append_noise(content: bytes, rng: np.random.Generator) -> bytes:
    """Append other bytes."""
    return content + rng.bytes(rng.integers(1, 5000))


def keep_head(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace everything after the head by noise."""
    n = int(rng.integers(0, 200))
    return content[:n] + rng.bytes(max(0, len(content) - n))


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    *(lose_tail, lose_head, break_header, falsify_header, flip_bits),
    *(blank_block, lose_block, append_noise, keep_head),
)


def make_originals(folder: Path, real: Path | None = None) -> list[Path]:
    """Write a file of half a second in each format, or choose ten recordings of a folder."""
    if real is not None:
        suffixes = (".wav", ".flac", ".ogg", ".mp3")
        recordings = sorted(path for path in real.rglob("*.*") if path.suffix in suffixes)
        return recordings[:: max(1, len(recordings) // 10)][:10]
    rng = np.random.default_rng(0)
    paths = []
    for i, (extension, sr, n_channels, subtype) in enumerate(FORMATS):
        times = np.arange(sr // 2)[:, np.newaxis] / sr
        y = 0.4 * np.sin(2 * np.pi * 440 * times) + 0.02 * rng.normal(size=(sr // 2, n_channels))
        paths.append(folder / f"original_{i}.{extension}")
        soundfile.write(paths[-1], y, sr, subtype, format=extension.upper())
    return paths


def run(n: int, real: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Damage files in `n` ways and read each of them."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name, without_stderr():
        folder = Path(name)
        originals = [(path, path.read_bytes(), load_audio(path, SR)) for path in make_originals(folder, real)]
        transformer = SpectrogramTransformer(sr=SR, max_duration=MAX_DURATION)
        transformer.transform([y for _, _, y in originals])  # first calls take longer
        outcomes = Outcomes()
        for i in range(n):
            path, content, y = originals[rng.integers(len(originals))]
            damage = DAMAGES[rng.integers(len(DAMAGES))]
            damaged = folder / f"damaged{path.suffix}"
            damaged.write_bytes(damage(content, rng))
            # An MP3 that has lost the frame with its count does not show what else it has lost.
            whole = damage is lose_tail or (damage is lose_block and path.suffix != ".mp3")
            read(outcomes, transformer, damaged, 0.98 * len(y) if whole else 1, f"{i}: {damage.__name__}")
    return outcomes.summary()


def read(
    outcomes: Outcomes, transformer: SpectrogramTransformer, path: Path, least: float, what: str
) -> None:
    """Read a damaged file in both ways."""

    def fault_of_waveform(y: np.ndarray) -> str | None:
        sound = y.dtype == np.float32 and y.ndim == 1 and np.isfinite(y).all()
        right = sound and least <= len(y) <= MAX_DURATION * SR + 1
        return None if right else f"waveform: {y.dtype}, {y.shape}, at least {least:g} samples expected"

    def fault_of_spectrogram(S: np.ndarray) -> str | None:
        right = S.dtype == np.float32 and len(S) == 64 and np.isfinite(S).all() and S.min() >= -100
        return None if right else f"spectrogram: {S.dtype}, {S.shape}"

    what = f"{what} {path.name}"
    loaded = outcomes.add(
        lambda: load_audio(path, SR, max_duration=MAX_DURATION), fault_of_waveform, what, path.name
    )
    if loaded != "wrong result":
        transform = lambda: transformer.transform([path])[0]  # noqa: E731
        outcomes.add(transform, fault_of_spectrogram, f"{what}, transformed", path.name)


if __name__ == "__main__":
    command_line(
        __doc__, run, n=5000, real={"type": Path, "help": "folder of real recordings to damage instead"}
    )
