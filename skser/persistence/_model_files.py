"""Model files: a fitted model in one file that runs no code when it is loaded.

Notes
-----
What a model file can do, whoever wrote it:

- It can give wrong predictions. The digest in it shows damage, not malice: anyone who can write a file can
  write its digest. Load files only from people whom you trust to train a model.
- It can take time and memory: as much as its own size to load, and as much as its parameters need (length of
  a Fourier transform, layers, batches) to use.

What it cannot do:

- Run code. The reader knows JSON and the bytes of tensors; there is no pickle, and no name in a file is
  imported. The classes that it can make are `Pipeline`, `SpectrogramTransformer`, `CenterLossClassifier` and
  torch's own optimizers, which are looked up in tables.
- Write, read or connect anywhere. Parameters that name a folder or a device are not stored: a cache folder
  chosen by a file would be written to, and the cache of a `Pipeline` holds pickles.
- Make the reader allocate more than a small multiple of the file's own size: the shapes that its parameters
  need are compared with its tensors before a network is built, lengths of text arrays, windows and
  filterbanks are bounded, and the description has at most 8 MiB.
- Make a model that cannot predict: parameters are checked as `fit` checks them, names, shapes and types of
  all tensors are compared, and NaN and infinity are refused.
"""

from __future__ import annotations

import io
import os
from typing import Any

import torch
from sklearn.exceptions import NotFittedError

from .._utils import (
    check_flag,
    check_path,
    open_existing,
    pack,
    resolve_device,
    torch_settings,
    unpack,
    write_whole,
)
from ._estimators import describe, restore


def save_model(model: Any, path: str | os.PathLike[str], *, optimizer: bool = False) -> None:
    """Save a fitted model to one file, which `load_model` loads.

    Parameters
    ----------
    model : CenterLossClassifier, SpectrogramTransformer or Pipeline
        A fitted classifier, a transformer, or a scikit-learn `Pipeline` of them ("passthrough" included).
    path : str or path-like
        The file, such as "model.safetensors"; nothing is appended to the name. An existing file is replaced
        once the new one is complete.
    optimizer : bool, default=False
        Whether to store the state of the optimizer, so that `partial_fit` and a warm start continue bit for
        bit as if the model had not been saved. This makes the file about three times as large.
        Otherwise training continues with a new optimizer.

    Raises
    ------
    ValueError
        If a part cannot be stored: callbacks, a generator as `random_state`, functions and classes (other
        than torch's optimizers) in `net_params`, steps of other packages; or if the model is not
        fitted, or its parameters are no longer those of its network. Nothing is written then.
    OSError
        If the file cannot be written. An existing file then stays unchanged.
    TypeError
        If `path` is not a path or `optimizer` is neither True nor False.

    See Also
    --------
    load_model : Loads the model.

    Notes
    -----
    A file is in the safetensors format and holds labels with their type, parameters, standardisation,
    network, centers and the history of training. It does not hold

    - `device`, `memory`, `max_nbytes`, `checkpoint_dir` and `n_jobs`, which belong to the machine;
    - losses of single batches in ``net_.history``, and epochs that were interrupted;
    - attributes that other code has set.

    Saving a model twice gives the same bytes.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skser import CenterLossClassifier, load_model, save_model
    >>> X = np.random.default_rng(0).normal(size=(8, 5, 12))
    >>> classifier = CenterLossClassifier(channels=(4, 4), rnn_units=4, max_epochs=1)
    >>> classifier = classifier.fit(X, ["calm", "angry"] * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(classifier, os.path.join(folder, "model.safetensors"))
    ...     loaded = load_model(os.path.join(folder, "model.safetensors"))
    >>> bool((loaded.predict_proba(X) == classifier.predict_proba(X)).all())
    True
    """
    name = check_path(path)
    check_flag("optimizer", optimizer)
    with torch_settings(torch.device("cpu")):
        content = _pack_checked(model, name, bool(optimizer))
    write_whole(name, content)


def load_model(path: str | os.PathLike[str], device: str | torch.device = "auto") -> Any:
    """Load a model that `save_model` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="auto"
        Where the classifier computes; it becomes its parameter `device`. "auto" takes a CUDA device if there
        is one, and otherwise the CPU. The device on which it was trained does not matter.

    Returns
    -------
    CenterLossClassifier, SpectrogramTransformer or Pipeline
        The model as it was saved, with names of steps, labels and parameters; except for `device`, for
        `memory`, `max_nbytes`, `checkpoint_dir` and `n_jobs`, which have their defaults, and for `precision`,
        which is "float32" where the device has no other.

    Raises
    ------
    ValueError
        If the file was not written by `save_model`, has a newer format, is incomplete, damaged or not valid,
        or `device` cannot be used.
    OSError
        If it is missing, is not a regular file, or cannot be read.
    TypeError
        If `path` is not a path.

    See Also
    --------
    save_model : Writes such files, and shows an example.

    Notes
    -----
    On the same device and with the same number of threads, a loaded model predicts bit for bit as the saved
    one.

    A file is checked before it is used: its digest, sizes, parameters and tensors. That finds damage, and
    keeps a file from running code or from writing anywhere. It does not show who wrote the file: a model
    of someone whom you do not trust may give wrong predictions on purpose.

    Examples
    --------
    >>> import os, tempfile
    >>> from skser import SpectrogramTransformer, load_model, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "features.safetensors")
    ...     save_model(SpectrogramTransformer(n_mels=40), path)
    ...     load_model(path)
    SpectrogramTransformer(n_mels=40)
    """
    name = check_path(path)
    resolve_device(device)
    with open_existing(name) as file:
        try:
            description, tensors = unpack(file)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error
    try:
        with torch_settings(torch.device("cpu")):
            return restore(description, tensors, device)
    except ValueError as error:
        raise ValueError(f"{name} is not a valid model file: {error}") from error


def _pack_checked(model: Any, name: str, optimizer: bool) -> bytes:
    """Lay out the file of a model, and check that it can be loaded."""
    try:
        content = pack(*describe(model, optimizer=optimizer))
    except (NotFittedError, ValueError) as error:
        raise type(error)(f"{name} is not written: {error}") from error
    try:
        restore(*unpack(io.BytesIO(content)), "cpu")
    except ValueError as error:
        raise ValueError(
            f"{name} is not written, since load_model would refuse it: {error} If parameters were changed "
            "after fit, restore them, or fit again."
        ) from error
    return content
