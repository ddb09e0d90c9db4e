"""Speech encoders of the package transformers, from a folder or from the Hugging Face Hub."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Only these files are fetched and part of the digest: neither pickles nor code.
_CONFIG = "config.json"
_EXTRACTOR = ("preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors")
_FILES = (_CONFIG, *_EXTRACTOR, *_WEIGHTS, "model.safetensors.index.json")

_LONGEST = 30  # s per part: Whisper's input; the memory of attention grows with the square of the length
# Used only in training, and left out of some published files.
_UNUSED = "masked_spec_embed"


class TransformersEncoder:
    """An encoder of transformers with its feature extractor."""

    first_layer = 0  # the input of the first layer

    def __init__(self, model: Any, extractor: Any, device: torch.device) -> None:
        self.device = device
        self.sr = extractor.sampling_rate
        self.n_features = model.config.hidden_size
        self.last_layer = model.config.num_hidden_layers
        self._model = model.to(device, torch.float32).eval().requires_grad_(False)
        self._extractor = extractor
        self._is_whisper = model.config.model_type == "whisper"
        if self._is_whisper:  # the extractor pads each part
            self.hop_length = extractor.hop_length * model.conv1.stride[0] * model.conv2.stride[0]
            self._shortest, self.longest = 1, extractor.n_samples
        else:
            self.hop_length = math.prod(model.config.conv_stride)
            self._shortest = _receptive_field(model.config.conv_kernel, model.config.conv_stride)
            self.longest = _LONGEST * self.sr

    def outputs(self, y: np.ndarray, last: int) -> list[Tensor]:
        """Frames (n_frames, n_features) of each layer up to `last`."""
        n_parts = math.ceil(len(y) / self.longest)
        parts = [self._encode(part)[: last + 1] for part in np.array_split(y, n_parts)]
        return [torch.cat(layer) for layer in zip(*parts, strict=True)]

    def _encode(self, y: np.ndarray) -> list[Tensor]:
        """Frames (n_frames, n_features) of each layer for a part of a recording."""
        padded = np.pad(y, (0, max(0, self._shortest - len(y))))
        values = self._extractor(padded, sampling_rate=self.sr, return_tensors="pt")
        values = values[self._model.main_input_name].to(self.device)
        states = self._model(values, output_hidden_states=True).hidden_states
        n_frames = math.ceil(len(y) / self.hop_length) if self._is_whisper else None
        return [state[0, :n_frames] for state in states]


@lru_cache(maxsize=16)  # the Hub is queried once per process
def find_folder(name: str, revision: str | None, local_files_only: bool) -> str:
    """Find the folder of an encoder; fetch it from the Hub if it is not a folder."""
    if find_spec("transformers") is None:
        raise ImportError(
            f"encoder={name!r} needs the package transformers: install it with pip install "
            '"skser[transformers]".'
        )
    if os.path.isdir(name):
        return name
    from huggingface_hub import snapshot_download

    try:
        return str(
            snapshot_download(
                name, revision=revision, local_files_only=local_files_only, allow_patterns=list(_FILES)
            )
        )
    except Exception as error:  # the client raises errors of several packages
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        cure = "set local_files_only=False to fetch it" if local_files_only else "check the network"
        raise OSError(
            f"encoder={name!r} is neither a file nor a folder, and was not found on the Hugging Face Hub "
            f"({reason}): check its name, or {cure}."
        ) from error


def used_files(folder: str) -> list[str]:
    """List the files of an encoder that are read; raise if one is missing."""
    names = sorted(os.listdir(folder))
    used = [name for name in names if any(fnmatch(name, pattern) for pattern in _FILES)]
    if _CONFIG not in used or not set(_EXTRACTOR) & set(used):
        missing = _EXTRACTOR[0] if _CONFIG in used else _CONFIG
        raise FileNotFoundError(
            f"{folder} has no {missing}: save a speech encoder and its feature extractor there with their "
            "method save_pretrained."
        )
    if "adapter_config.json" in names:  # transformers would apply it, with weights that are not in the digest
        raise ValueError(f"{folder} has an adapter, which is not supported: merge it into the encoder first.")
    if not any(fnmatch(name, pattern) for name in used for pattern in _WEIGHTS):
        pickled = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
        found = f"only {pickled[0]}, a pickle, which could run code" if pickled else "none of another format"
        raise ValueError(
            f"{folder} has no weights in the safetensors format ({found}): give a revision that has "
            "model.safetensors, or a folder in which save_pretrained of a current transformers has saved it."
        )
    return [os.path.join(folder, name) for name in used]


def load_folder(folder: str, device: torch.device) -> TransformersEncoder:
    """Load the encoder in a folder: tensors only, and no code that is not part of transformers."""
    from transformers import AutoFeatureExtractor, AutoModel

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        with _quiet():  # bandit mistakes both calls for downloads, but this is a folder
            extractor = AutoFeatureExtractor.from_pretrained(folder, **options)  # nosec B615
            # Other kinds of attention may be fetched as compiled code, which a configuration can request.
            model, report = AutoModel.from_pretrained(  # nosec B615
                folder, use_safetensors=True, output_loading_info=True, attn_implementation="eager", **options
            )
    except Exception as error:  # damaged files raise errors of several packages
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{folder} cannot be loaded ({reason}): save the encoder there again.") from error
    _check_kind(folder, model, extractor)
    model, prefix = (model.encoder, "encoder.") if model.config.is_encoder_decoder else (model, "")
    _check_complete(folder, report["missing_keys"], prefix)
    return TransformersEncoder(model, extractor, device)


def _check_kind(folder: str, model: Any, extractor: Any) -> None:
    """Raise unless the encoder takes a waveform, or the input of Whisper."""
    from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

    takes_waveform = isinstance(extractor, Wav2Vec2FeatureExtractor) and hasattr(model.config, "conv_stride")
    is_whisper = isinstance(extractor, WhisperFeatureExtractor) and model.config.model_type == "whisper"
    if not takes_waveform and not is_whisper:
        raise ValueError(
            f"{folder} holds a {type(model).__name__} with a {type(extractor).__name__}, which is not "
            "supported: give an encoder like wav2vec 2.0, HuBERT, WavLM or Whisper."
        )


def _check_complete(folder: str, missing: Sequence[str], prefix: str) -> None:
    """Raise if transformers has filled in random numbers for missing weights."""
    used = sorted(name for name in missing if name.startswith(prefix) and not name.endswith(_UNUSED))
    if used:
        raise ValueError(
            f"{folder} lacks weights of its encoder ({used[0]} and {len(used) - 1} more): give the complete "
            "encoder."
        )


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples from which convolutions compute one frame."""
    length = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        length = (length - 1) * stride + kernel
    return length


@contextmanager
def _quiet() -> Iterator[None]:
    """Show no progress bar of transformers."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
