"""Speech encoders of the package transformers, from a folder or from the Hugging Face Hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

# Only these files are fetched, read, and part of the digest: neither pickles nor code.
_SETTINGS = ("config.json", "preprocessor_config.json", "processor_config.json")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")

_PART = 30  # s: the input of Whisper; the memory of attention grows with the square of the length
# Weights that are used only in training, which some published files leave out.
_UNUSED = ("masked_spec_embed",)


def find_folder(name: str, revision: str | None, local_files_only: bool) -> str:
    """Find the folder of an encoder, if necessary on the Hub."""
    raise NotImplementedError


def used_files(folder: str) -> list[str]:
    raise NotImplementedError


def load_folder(folder: str, device: torch.device) -> Any:
    raise NotImplementedError
