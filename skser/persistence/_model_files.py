"""Model files: a fitted model in one file that runs no code when it is loaded.

Notes
-----
Effects that a malicious model file can have:

- Wrong predictions. The digest in a file shows damage, not malice: anyone who can write a file can write its
  digest. Load files only from people whom you trust to train a model.
- Use of time and memory: in proportion to its size when it is loaded, and as much as its parameters need
  (length of a Fourier transform, layers, batches) when it is used.

Effects that it cannot have:

- Running code. The reader parses only JSON and the bytes of tensors. It uses no pickle and imports no name
  from a file. A file can make only the classes `Pipeline`, `RejectOption`, `SpectrogramTransformer`,
  `SpeechEncoderTransformer`, `SpeakerNormalizer`, `CenterLossClassifier`, the networks of this package,
  `StandardScaler`, `PCA`, `LogisticRegression`, `LinearDiscriminantAnalysis` and torch's optimizers, which
  are looked up in tables.
- Access to other files or to the network. Parameters that name a folder or a device are not stored: a cache
  folder chosen by a file would be written to, and the cache of a `Pipeline` holds pickles. The exception is
  the encoder of a `SpeechEncoderTransformer`: `transform` reads the weights that the file names, as tensors,
  if they are on this machine and have the digest in the file. Nothing is fetched.
- Allocation of much more than the file's size. The shapes that its parameters need are compared with its
  tensors before a network is built. The description has at most 8 MiB, and its arrays at most 16 MiB
  together. Windows and filterbanks are bounded, and a pipeline has at most one transformer of recordings.
- A model that cannot predict. Parameters are checked as in `fit`, the names, shapes and data types of all
  tensors are compared, steps of a pipeline must fit each other, and NaN, infinity and unknown attributes
  raise an error.
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
    torch_defaults,
    torch_settings,
    unpack,
    write_whole,
)
from ._models import describe, restore


def save_model(
    model: Any, path: str | os.PathLike[str], *, optimizer: bool = False, speakers: bool = False
) -> None:
    """Save a fitted model to one file, for `load_model`.

    Parameters
    ----------
    model : estimator or Pipeline
        A fitted `CenterLossClassifier`, `SpeakerNormalizer`, `SpeechEncoderTransformer`, `StandardScaler`,
        `PCA`, `LogisticRegression` or `LinearDiscriminantAnalysis`, a `SpectrogramTransformer`, or a
        scikit-learn `Pipeline` of them ("passthrough" included). A `RejectOption` around one of these can be
        saved as well, even as the last step of a `Pipeline`.
    path : str or path-like
        Path of the file, such as "model.safetensors"; nothing is appended to the name. An existing file is
        replaced after the new one is complete. A leading ``~`` is the home folder of the user.
    optimizer : bool, default=False
        Whether to store the state of the optimizer, so that `partial_fit` and a warm start continue bit for
        bit as if the model had not been saved. This makes the file about three times as large.
        Otherwise training continues with a new optimizer.
    speakers : bool, default=False
        Whether to store the names and the means of the speakers that a `SpeakerNormalizer` knows, from its
        training set and from `enroll`. They are personal data: a voice can be recognized by its mean.
        Otherwise the file has only `mean_` and `scale_`, averages over all training speakers.

    Raises
    ------
    ValueError
        If a part cannot be stored: dates as labels, callbacks, a generator as `random_state`, a class as
        `network`, functions and classes (other than torch's optimizers) in `net_params`, steps of other
        packages; or if the model is not fitted, or its parameters no longer match its network. Nothing is
        written in these cases.
    OSError
        If the file cannot be written. An existing file is not changed in this case.
    TypeError
        If `path` is not a path, or `optimizer` or `speakers` is neither True nor False.

    Warns
    -----
    UserWarning
        If the labels are members of an Enum, whose values are stored, or bytes, whose text is stored.

    See Also
    --------
    load_model : Loads the model.

    Notes
    -----
    The file is in the safetensors format and holds the labels with their type, the parameters, the
    standardization, the network, the centers and the history of the training. It does not hold

    - `device`, `memory`, `max_nbytes`, `checkpoint_dir`, `n_jobs` and `local_files_only`, which belong to the
      machine;
    - the encoder of a `SpeechEncoderTransformer`: the file has its name, layer and digest, and `transform` of
      the loaded model refuses other weights;
    - the parameter `estimator` of a `RejectOption`, which becomes an unfitted copy of its `estimator_`;
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
    check_flag("speakers", speakers)
    with torch_settings(torch.device("cpu")), torch_defaults():
        content = _pack_checked(model, name, optimizer=bool(optimizer), speakers=bool(speakers))
    write_whole(name, content)


def load_model(path: str | os.PathLike[str], device: str | torch.device = "auto") -> Any:
    """Load a model from a file of `save_model`, without running code from the file.

    Parameters
    ----------
    path : str or path-like
        Path of the file. A leading ``~`` is the home folder of the user.
    device : str or torch.device, default="auto"
        Device on which the classifier computes, which becomes its parameter `device`. "auto" uses a CUDA
        device if there is one, otherwise the CPU. The device on which it was trained does not matter. A
        speech encoder computes on this device too, but on the CPU with "auto".

    Returns
    -------
    estimator or Pipeline
        The saved model, with names of steps, labels and parameters. Exceptions are `device`; `memory`,
        `max_nbytes`, `checkpoint_dir` and `n_jobs`, which have their defaults; `precision`, which is
        "float32" if the device does not support another one; and `local_files_only`, which is True, so that
        a file cannot cause a download.

    Raises
    ------
    ValueError
        If the file was not written by `save_model`, has a newer format, is incomplete, damaged or not valid,
        or `device` cannot be used.
    OSError
        If the file is missing, is not a regular file, or cannot be read.
    TypeError
        If `path` is not a path.

    See Also
    --------
    save_model : Writes such files, and shows an example.

    Notes
    -----
    On the same device and with the same number of threads, the predictions of a loaded model equal those of
    the saved one bit for bit. With a `PCA` whose solver is "randomized" or "arpack", the last digit can
    differ, because a file does not keep the gaps between the numbers in memory on which rounding depends.

    The digest, sizes, parameters and tensors of a file are checked before it is used. This detects damage,
    and prevents a file from running code or writing other files. It does not show who wrote the file: a
    model from someone whom you do not trust may give wrong predictions on purpose.

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
    with torch_settings(torch.device("cpu")), torch_defaults():
        with open_existing(name) as file:
            try:
                description, tensors = unpack(file)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from error
        try:
            return restore(description, tensors, device)
        except ValueError as error:
            raise ValueError(f"{name} is not a valid model file: {error}") from error


def _pack_checked(model: Any, name: str, **wanted: bool) -> bytes:
    """Convert a model to the content of its file, and check that it can be loaded."""
    try:
        content = pack(*describe(model, **wanted))
    except (NotFittedError, ValueError) as error:
        raise type(error)(f"{name} is not written: {error}") from error
    try:
        restore(*unpack(io.BytesIO(content)), "cpu")
    except ValueError as error:
        raise ValueError(
            f"{name} is not written, because load_model could not load it: {error} If parameters were "
            "changed after fit, restore them, or fit again."
        ) from error
    return content
