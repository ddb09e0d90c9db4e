"""Model files in tests: small models, and files written without the package."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest
import safetensors.torch
import torch

from skser import CenterLossClassifier, load_model, save_model

SMALL = {
    "channels": (3, 5),
    "rnn_units": 3,
    "embedding_dim": 3,
    "max_epochs": 2,
    "lr": 1e-2,
    "random_state": 0,
    "device": "cpu",
}
FEATURES = {"n_fft": 256, "n_mels": 10, "fmax": 2000}


needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs files as POSIX has them")


def make(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**SMALL, **parameters})


def through_file(model, folder, *, optimizer=False, device="cpu"):
    """Save a model and load it."""
    path = folder / f"{time.monotonic_ns()}.safetensors"
    save_model(model, path, optimizer=optimizer)
    return load_model(path, device=device)


def tensors_of(classifier: CenterLossClassifier) -> dict[str, torch.Tensor]:
    """Everything that a classifier has learned."""
    net = classifier.net_
    state = {**net.module_.state_dict(), **net.criterion_.state_dict()}
    return {**state, "centers_": torch.tensor(classifier.centers_)}


def assert_same_state(first: CenterLossClassifier, second: CenterLossClassifier) -> None:
    one, other = tensors_of(first), tensors_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value.cpu(), other[name].cpu()), name


def contents(path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Description and tensors of a model file, read without the package."""
    with safetensors.safe_open(path, framework="pt") as file:
        # Clones, since the tensors use the memory of the file, which the tests overwrite.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["model"]), tensors


def write_signed(path, description, tensors, **metadata) -> None:
    """Write a model file with the correct digest, whatever it contains."""
    text = description if isinstance(description, str) else json.dumps(description)
    fields = {"format": "skser model", "format_version": "1", "model": text, "sha256": "0" * 64, **metadata}
    plain = safetensors.torch.save(tensors)
    n_bytes = 8 + int.from_bytes(plain[:8], "little")
    header = json.dumps({"__metadata__": fields, **json.loads(plain[8:n_bytes])}, separators=(",", ":"))
    content = len(header).to_bytes(8, "little") + header.encode() + plain[n_bytes:]
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest, 1))
