"""Damage audio files at random: each call ends in a right result or in a clear error that names the file.

    python benchmarks/reliability/damaged_files.py --n 5000 [--real folder]

WAV, FLAC, Ogg, MP3, AIFF and AU files, synthetic ones or those of a folder of real recordings, lose their
head or their tail, bits and blocks of their middle, or get other numbers into their headers. `load_audio` and
`SpectrogramTransformer` read each. A file that has lost its tail, or a block, must be refused, not shortened.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from _outcomes import Outcomes, report, without_stderr

from skser import SpectrogramTransformer, load_audio

SR = 16000
MAX_DURATION = 60.0  # s
EXTREMES = (0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
KINDS = (
    ("wav", 16000, 1, {"subtype": "PCM_16"}),
    ("wav", 44100, 2, {"subtype": "FLOAT"}),
    ("wav", 8000, 1, {"subtype": "PCM_U8"}),
    ("flac", 16000, 1, {}),
    ("flac", 48000, 2, {"subtype": "PCM_24"}),
    ("ogg", 16000, 1, {}),
    ("ogg", 48000, 2, {"subtype": "OPUS"}),
    ("mp3", 16000, 1, {}),
    ("mp3", 44100, 2, {}),
    ("aiff", 22050, 1, {}),
    ("au", 16000, 1, {}),
)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose the tail."""
    return content[: rng.integers(0, len(content))]


def behead(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose the head."""
    return content[rng.integers(1, len(content)) :]


def break_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Put other bytes into the first hundred."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(0, min(100, len(damaged)))] = rng.integers(0, 256)
    return bytes(damaged)


def lie(content: bytes, rng: np.random.Generator) -> bytes:
    """Put an extreme number of 1, 2 or 4 bytes into the header: a length, a rate, a count of channels."""
    size = int(rng.choice([1, 2, 4]))
    number = int(rng.choice(EXTREMES)) % 256**size
    place = int(rng.integers(4, min(64, len(content) - size)))
    order: Any = rng.choice(["little", "big"])
    return content[:place] + number.to_bytes(size, order) + content[place + size :]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits anywhere."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 50)):
        damaged[rng.integers(0, len(damaged))] ^= 1 << rng.integers(0, 8)
    return bytes(damaged)


def blank(content: bytes, rng: np.random.Generator) -> bytes:
    """Put zeros where a block was."""
    first, last = np.sort(rng.integers(0, len(content), 2))
    return content[:first] + bytes(last - first) + content[last:]


def excise(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose a block of the middle."""
    first, last = np.sort(rng.integers(0, len(content), 2))
    return content[:first] + content[last:]


def append(content: bytes, rng: np.random.Generator) -> bytes:
    """Put something else behind the end."""
    return content + rng.bytes(rng.integers(1, 5000))


def replace(content: bytes, rng: np.random.Generator) -> bytes:
    """Keep the head alone and put noise behind it."""
    n = int(rng.integers(0, 200))
    return content[:n] + rng.bytes(max(0, len(content) - n))


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    *(cut, behead, break_header, lie, flip, blank, excise, append, replace),
)


def make_originals(folder: Path, real: Path | None = None) -> list[Path]:
    """Write a file of half a second for each format, or choose ten recordings of a folder."""
    if real is not None:
        recordings = sorted(path for path in real.rglob("*.*") if path.suffix in _SUFFIXES)
        return recordings[:: max(1, len(recordings) // 10)][:10]
    rng = np.random.default_rng(0)
    paths = []
    for i, (extension, sr, n_channels, how) in enumerate(KINDS):
        times = np.arange(sr // 2)[:, np.newaxis] / sr
        y = 0.4 * np.sin(2 * np.pi * 440 * times) + 0.02 * rng.normal(size=(sr // 2, n_channels))
        paths.append(folder / f"original_{i}.{extension}")
        soundfile.write(
            paths[-1], y, sr, **({"format": "OGG"} if how.get("subtype") == "OPUS" else {}), **how
        )
    return paths


_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}


def run(n: int = 1000, seed: int = 0, real: Path | None = None) -> dict[str, Any]:
    """Damage files in `n` ways and read each of them.

    Parameters
    ----------
    n : int, default=1000
        How many.
    seed : int, default=0
        Seed of the damages; the same numbers give the same files.
    real : Path or None, default=None
        Folder of real recordings to damage instead of synthetic ones.

    Returns
    -------
    dict
        "what", "n", "outcomes" (counts), "wrong" (a dictionary for each call that ended in anything else than
        a right result or a clear error), "worst_s", "worst_call", "grown_mb" and "peak_mb".
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name, without_stderr():
        folder = Path(name)
        originals = [(path, path.read_bytes(), load_audio(path, SR)) for path in make_originals(folder, real)]
        transformer = SpectrogramTransformer(sr=SR, max_duration=MAX_DURATION)
        transformer.transform([y for _, _, y in originals])  # what is made once comes before the clock
        outcomes = Outcomes()
        for i in range(n):
            path, content, y = originals[rng.integers(len(originals))]
            damage = DAMAGES[rng.integers(len(DAMAGES))]
            damaged = folder / f"damaged{path.suffix}"
            damaged.write_bytes(damage(content, rng))
            what = f"{i}: {damage.__name__} {path.name}"
            # An MP3 that has lost the frame with its count does not tell what else it has lost.
            whole = damage is cut or (damage is excise and path.suffix != ".mp3")
            least = 0.98 * len(y) if whole else 1
            load = lambda: load_audio(damaged, SR, max_duration=MAX_DURATION)  # noqa: B023, E731
            outcome = outcomes.add(load, lambda z: _judge(z, least), what, damaged.name)  # noqa: B023
            if outcome != "wrong result":
                transform = lambda: transformer.transform([damaged])[0]  # noqa: B023, E731
                outcomes.add(transform, _judge_spectrogram, f"{what}, transformed", damaged.name)
    return outcomes.summary(f"damaged {'recordings' if real else 'files'}")


def _judge(y: np.ndarray, least: float) -> str | None:
    """Say what is wrong with a waveform; None if nothing."""
    if y.dtype != np.float32 or y.ndim != 1 or not np.isfinite(y).all():
        return f"no waveform: {y.dtype}, {y.shape}"
    if not least <= len(y) <= MAX_DURATION * SR + 1:
        return f"{len(y)} samples, not {least:g} or more and at most {MAX_DURATION:g} s of them"
    return None


def _judge_spectrogram(S: np.ndarray) -> str | None:
    """Say what is wrong with a spectrogram; None if nothing."""
    good = S.dtype == np.float32 and len(S) == 64 and np.isfinite(S).all() and S.min() >= -100
    return None if good else f"no spectrogram: {S.dtype}, {S.shape}"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=5000, help="how many files (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages (default: %(default)s)")
    parser.add_argument(
        "--real", type=Path, help="folder of real recordings to damage instead of synthetic ones"
    )
    parser.add_argument("--output", type=Path, help="file for the outcomes as JSON")
    arguments = parser.parse_args()
    summary = run(arguments.n, arguments.seed, arguments.real)
    report(summary, arguments.output)


if __name__ == "__main__":
    main()
