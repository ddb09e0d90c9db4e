"""Corpora of emotional speech: loaders, and a generator of synthetic speech."""

from ._audit import audit
from ._conversation import make_conversation
from ._corpus import load_corpus
from ._crema_d import load_crema_d
from ._drop import drop
from ._drop import find_reasons as find_reasons
from ._drop import list_problems as list_problems
from ._emodb import load_emodb
from ._fetch import fetch_ravdess
from ._files import load_audio_files
from ._folders import find_files as find_files
from ._folders import is_recording as is_recording
from ._iemocap import load_iemocap
from ._manifest import load_manifest
from ._merge import merge_corpora
from ._nemo import load_nemo
from ._ravdess import load_ravdess
from ._savee import load_savee
from ._synthetic import make_emotional_speech
from ._tess import load_tess

__all__ = [
    "audit",
    "drop",
    "fetch_ravdess",
    "load_audio_files",
    "load_corpus",
    "load_crema_d",
    "load_emodb",
    "load_iemocap",
    "load_manifest",
    "load_nemo",
    "load_ravdess",
    "load_savee",
    "load_tess",
    "make_conversation",
    "make_emotional_speech",
    "merge_corpora",
]
