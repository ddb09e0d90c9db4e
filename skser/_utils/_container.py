"""The layout of a model file: safetensors, with a description in JSON and a digest of every byte.

A model file is a safetensors file whose metadata come first and are, in this order,

    format          "skser model"
    format_version  "1"
    ..._version     versions of the packages that wrote it, for information only
    model           the description, as JSON
    sha256          SHA-256 of the whole file, computed with these 64 digits set to zero
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import sklearn
import torch
from torch import Tensor

from .._version import __version__

# Increase it when earlier versions would read new files wrongly or not at all.
_FORMAT_VERSION = 1
# Parsed JSON takes up to twenty times the memory of its text.
_MAX_HEADER_BYTES = 2**23
_START = b'{"__metadata__":{"format":"skser model",'
_NO_DIGEST = "0" * 64


def pack(description: Any, tensors: Mapping[str, Tensor]) -> bytes:
    """Convert a description and tensors to the bytes of a model file."""
    import safetensors.torch

    metadata = {
        "format": "skser model",
        "format_version": str(_FORMAT_VERSION),
        "skser_version": __version__,
        "torch_version": torch.__version__,
        "scikit-learn_version": sklearn.__version__,
        "model": json.dumps(description, allow_nan=False, separators=(",", ":")),
        "sha256": _NO_DIGEST,
    }
    # Copies, because safetensors refuses tensors that share memory, as those of a step that occurs twice do.
    plain = safetensors.torch.save(
        {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    )
    n_bytes = _header_bytes(plain)
    # safetensors writes metadata in a random order; a fixed one gives equal models equal files.
    header = json.dumps({"__metadata__": metadata, **json.loads(plain[8:n_bytes])}, separators=(",", ":"))
    header += " " * (-len(header) % 8)  # tensors begin at a multiple of eight
    if len(header) > _MAX_HEADER_BYTES:
        raise ValueError(
            f"its description takes {len(header):,} bytes, but a model file has room for "
            f"{_MAX_HEADER_BYTES:,}: fit with fewer epochs or labels."
        )
    content = b"".join([len(header).to_bytes(8, "little"), header.encode("ascii"), plain[n_bytes:]])
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(_digest_field(_NO_DIGEST), _digest_field(digest), 1)


def unpack(file: BinaryIO) -> tuple[Any, dict[str, Tensor]]:
    """Read the description and the tensors that `pack` converted."""
    import safetensors.torch

    start = file.read(8 + len(_START))
    if start[8:] != _START:
        raise ValueError("is not a model file of skser: give a file that save_model wrote.")
    content = start + file.read()
    n_bytes = _header_bytes(content)
    try:
        if n_bytes > 8 + _MAX_HEADER_BYTES:
            raise ValueError("its header is too long")
        metadata = json.loads(content[8:n_bytes])["__metadata__"]
        version = int(metadata["format_version"])
        if version <= _FORMAT_VERSION:
            _check_digest(content, metadata["sha256"])
            return json.loads(metadata["model"]), safetensors.torch.load(content)
    except (LookupError, RecursionError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise ValueError("is damaged or incomplete: copy it again.") from error
    raise ValueError(
        f"has format version {version}, but this skser reads version {_FORMAT_VERSION}: update skser."
    )


def _check_digest(content: bytes, digest: str) -> None:
    """Raise unless the digest in a file is that of its content."""
    blank = content.replace(_digest_field(digest), _digest_field(_NO_DIGEST), 1)
    if hashlib.sha256(blank).hexdigest() != digest:
        raise ValueError("its content does not match its SHA-256 digest")


def _digest_field(digest: str) -> bytes:
    """Format the field of the digest; elsewhere in the header its quotes would be escaped."""
    return f'"sha256":"{digest}"'.encode(errors="replace")


def _header_bytes(content: bytes) -> int:
    """Length of the header, including the eight bytes that state it."""
    return 8 + int.from_bytes(content[:8], "little")
