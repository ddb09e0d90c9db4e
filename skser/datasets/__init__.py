"""Corpora of emotional speech: loaders, and a synthetic one."""

from ._corpus import load_corpus
from ._files import load_audio_files
from ._ravdess import load_ravdess
from ._synthetic import make_emotional_speech

__all__ = [
    "load_audio_files",
    "load_corpus",
    "load_ravdess",
    "make_emotional_speech",
]
