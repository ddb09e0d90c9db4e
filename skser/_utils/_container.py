"""The container of a file: safetensors, with a description in JSON and a digest of every byte.

A model file is a safetensors file whose metadata are

    format          "skser model"
    format_version  "1"
    model           the description, as JSON
    sha256          SHA-256 of the whole file in which these 64 digits are zeros
    ..._version     versions of the packages that wrote it, for people to read

Files of another kind have another format and name of the description.
Before the digest has been compared, nothing is looked at but the kind and version of the file and its length.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import sklearn
import torch
from torch import Tensor

FORMAT_VERSION = 1

# Parsed JSON takes up to twenty times the memory of its text.
_MAX_HEADER_BYTES = 2**23
_NO_DIGEST = "0" * 64
_FOREIGN = {
    b"PK\x03\x04": ", but a zip archive, such as torch.save writes",
    b"\x80": ", but perhaps a pickle, which runs what it likes when it is loaded",
    b"\x89PNG": ", but a picture",
    b"\xff\xd8\xff": ", but a picture",
    b"\x89HDF": ", but an HDF5 file",
    b"RIFF": ", but a recording",
    b"\x1f\x8b": ", but compressed by gzip",
}


class Kind(NamedTuple):
    """What files of one kind are called."""

    name: str  # the format is "skser" and this, under which the description stands
    noun: str
    writer: str
    # Raise it when files are written that the readers of before would read wrongly or not at all.
    version: int


MODEL = Kind("model", "model file", "save_model", FORMAT_VERSION)


class _Header(NamedTuple):
    """The safetensors header."""

    n_bytes: int  # with the eight of its length
    metadata: dict[str, str]
    tensor_bytes: int


def pack(description: Any, tensors: Mapping[str, Tensor], kind: Kind = MODEL) -> bytes:
    """Lay a file out."""
    import safetensors.torch

    from .._version import __version__

    plain = safetensors.torch.save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    )
    n_bytes = _header_bytes(plain)
    metadata = {
        "format": f"skser {kind.name}",
        "format_version": str(kind.version),
        "skser_version": __version__,
        "torch_version": torch.__version__,
        "scikit-learn_version": sklearn.__version__,
        kind.name: json.dumps(description, allow_nan=False, separators=(",", ":")),
        "sha256": _NO_DIGEST,
    }
    # The library puts metadata into a random order; a fixed one gives equal models equal files.
    header = json.dumps({"__metadata__": metadata, **json.loads(plain[8:n_bytes])}, separators=(",", ":"))
    header += " " * (-len(header) % 8)  # tensors begin at a multiple of eight
    if len(header) > _MAX_HEADER_BYTES:
        raise ValueError(
            f"it needs a description of {len(header):,} bytes, of which a {kind.noun} holds "
            f"{_MAX_HEADER_BYTES:,}: fit with fewer epochs or labels."
        )
    content = b"".join([len(header).to_bytes(8, "little"), header.encode("ascii"), plain[n_bytes:]])
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(_digest_field(_NO_DIGEST), _digest_field(digest), 1)


def unpack(file: BinaryIO, kind: Kind = MODEL) -> tuple[Any, dict[str, Tensor]]:
    """Read what `pack` laid out; no more is read than there should be."""
    import safetensors.torch
    from safetensors import SafetensorError

    size = file.seek(0, os.SEEK_END)
    header = _read_header(file, size, kind)
    _check_version(header.metadata, kind)
    expected = header.n_bytes + header.tensor_bytes
    if size != expected:
        what = "is cut off" if size < expected else "has something added to it"
        raise ValueError(f"{what}: it has {size:,} bytes instead of {expected:,}. Copy it anew.")
    file.seek(0)
    content = file.read(size)
    _check_digest(content, header)
    try:
        return _parse(header.metadata[kind.name]), safetensors.torch.load(content)
    except (LookupError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise ValueError(f"is no valid {kind.noun}: {error}.") from error


def _read_header(file: BinaryIO, size: int, kind: Kind) -> _Header:
    """Read the header of a file of a known size."""
    file.seek(0)
    head = file.read(9)
    n_bytes = _header_bytes(head)
    if head[8:] != b"{" or not 9 <= n_bytes <= 8 + _MAX_HEADER_BYTES:
        foreign = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), "")
        raise ValueError(
            f"is no {kind.noun} of skser{foreign}: give a file that {kind.writer} wrote."
            if head
            else f"is empty: give a file that {kind.writer} wrote."
        )
    if n_bytes > size:
        raise ValueError(f"is cut off: it ends within its first {n_bytes:,} bytes. Copy it anew.")
    try:
        header = _parse(b"{" + file.read(n_bytes - 9))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        metadata = header.get("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("its metadata are no text")
        return _Header(n_bytes, metadata, max(0, *ends, 0))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"is damaged ({error}): copy it anew.") from error


def _check_version(metadata: Mapping[str, str], kind: Kind) -> None:
    """Raise unless the file says that it is of this kind and version."""
    if metadata.get("format") != f"skser {kind.name}":
        raise ValueError(
            f"is a safetensors file, but no {kind.noun} of skser: give one that {kind.writer} wrote."
        )
    version = metadata.get("format_version", "")
    if version.isascii() and version.isdigit() and int(version[:20]) > kind.version:
        raise ValueError(
            f"is a {kind.noun} of format version {version[:20]}, and this skser reads version "
            f"{kind.version}: update skser."
        )
    if version != str(kind.version):
        raise ValueError(f"is damaged: there is no format version {version[:20]!r}. Copy it anew.")


def _check_digest(content: bytes, header: _Header) -> None:
    """Raise unless the digest in a file is that of its content."""
    digest = header.metadata.get("sha256", "")
    start = content.find(_digest_field(digest), 0, header.n_bytes)
    with memoryview(content) as view:
        found = hashlib.sha256(view[:start] if start >= 0 else b"")
        found.update(_digest_field(_NO_DIGEST))
        found.update(view[start + len(_digest_field(digest)) :])
    if start < 0 or found.hexdigest() != digest:
        raise ValueError("is damaged: the SHA-256 digest in it is not that of its content. Copy it anew.")


def _digest_field(digest: str) -> bytes:
    """Spell the field as it stands in a file; within JSON in JSON its quotes would be escaped."""
    return f'"sha256":"{digest}"'.encode("ascii", errors="replace")


def _header_bytes(content: bytes) -> int:
    """Length of the header with the eight bytes that say so."""
    return 8 + int.from_bytes(content[:8], "little")


def _parse(text: str | bytes) -> Any:
    """Parse JSON that is strictly JSON, and has no name twice."""
    try:
        return json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of names that differ."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a name twice")
    return found


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"{name} is no JSON")
