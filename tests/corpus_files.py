"""Empty files named like those of corpora, and loaders called with and without warnings."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 72862\n"


def touch(root: Path, files: list[str]) -> Path:
    for folder in {os.path.dirname(file) for file in files}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for file in files:
        open(root / file, "wb").close()
    return root


def repeated(counts: dict) -> list:
    return [value for value, n in counts.items() for _ in range(n)]


def shuffled(items: list) -> list:
    return random.Random(0).sample(items, len(items))


def load_with_warnings(load, root, **filters):
    """Corpus, and its warnings without those about incomplete copies."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        corpus = load(root, **filters)
    return corpus, [text for text in map(str, (w.message for w in record)) if "not as published" not in text]


def load_without_warnings(load, root, **filters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Some recordings are known to contain no speech")
        return load(root, **filters)
