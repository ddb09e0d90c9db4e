"""A trained classifier as an ONNX file, for runtimes without Python or torch."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._utils import check_path, warn_caller, write_whole
from ..classifier import CenterLossClassifier
from ..features import SpectrogramTransformer
from ..nn import SpectrogramNetwork
from ._graph import network_to_onnx

if TYPE_CHECKING:
    from onnx import ModelProto


# Parameters of the transformer that say how to compute and not what.
_NOT_OF_THE_RESULT = {"backend", "device", "max_duration", "max_nbytes", "memory", "n_jobs", "verbose"}

# Frames of the items on which a model is compared with its network before it is written.
_PROBE_LENGTHS = (50, 17, 1)


def to_onnx(classifier: CenterLossClassifier | Pipeline, path: str | os.PathLike[str]) -> None:
    """Write a trained classifier as an ONNX file.

    The model takes spectrograms, standardises them, and gives the probabilities of the classes and the
    embeddings. It is compared with the classifier in onnxruntime before the file is put in place.

    Parameters
    ----------
    classifier : CenterLossClassifier or Pipeline
        A fitted classifier, or a pipeline that holds one. What stands before and behind it in the pipeline
        is no part of the model.
    path : str or path-like
        The file, such as "model.onnx"; nothing is appended to the name. One that is there is replaced once
        the new one is complete.

    Raises
    ------
    TypeError
        If `classifier` is neither, `path` is no path, a label is no text, number or boolean, or the
        network has a part that cannot be written.
    ValueError
        If the pipeline does not hold exactly one classifier, or `path` is empty.
    sklearn.exceptions.NotFittedError
        If the classifier is not fitted.
    ImportError
        If onnx or onnxruntime is not installed.
    OSError
        If the file cannot be written. What was there is then as it was.
    RuntimeError
        If onnxruntime's answers differ from the classifier's.

    Warns
    -----
    UserWarning
        If the pipeline has further steps than a `SpectrogramTransformer` and the classifier.

    Notes
    -----
    Inputs, of any batch and time of 1 or more (an empty batch can crash onnxruntime, so do not pass one):

    - ``spectrogram``, float32 (batch, n_bins, time): spectrograms as the classifier takes them, padded at
      their ends; what the padding holds, NaN included, makes no difference;
    - ``lengths``, int64 (batch,): the frames of each item, from 1 to time.

    Outputs, both float32:

    - ``probabilities`` (batch, n_classes), as `CenterLossClassifier.predict_proba` gives them;
    - ``embedding`` (batch, embedding_dim), as `CenterLossClassifier.transform` gives it.

    Metadata of the model, each a text:

    - ``classes``: JSON list of the labels, in the order of the probabilities;
    - ``spectrogram``: where the pipeline has a `SpectrogramTransformer`, JSON object of those of its
      parameters that the spectrograms depend on (`kind`, `sr`, `n_fft`, `hop_length` and so on), with
      numbers for `win_length` and `fmax` where they are None;
    - ``skser_version``: version of this package.

    A program without this package computes the spectrograms from these parameters as
    :func:`skser.spectrogram.spectrogram` says: frames centered on every `hop_length`-th sample with
    zeros around the recording, power in decibels, Mel bands after Slaney.

    The file uses operators of ONNX's opset 17 and holds all weights.

    Examples
    --------
    >>> import json, tempfile
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from skser import CenterLossClassifier, Spectrograms, to_onnx
    >>> rng = np.random.default_rng(0)
    >>> X = Spectrograms([rng.normal(loc=n % 2, size=(8, n)) for n in range(20, 30)])
    >>> classifier = CenterLossClassifier(channels=(4, 4), rnn_units=4, max_epochs=1, random_state=0)
    >>> _ = classifier.fit(X, ["calm", "angry"] * 5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(classifier, f"{folder}/model.onnx")
    ...     session = InferenceSession(f"{folder}/model.onnx")
    >>> spectrogram, lengths = X.pad()
    >>> probabilities, embedding = session.run(None, {"spectrogram": spectrogram, "lengths": lengths})
    >>> np.allclose(probabilities, classifier.predict_proba(X), atol=1e-5)
    True
    >>> json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    ['angry', 'calm']
    """
    name = check_path(path)
    trained, transformer = _find_steps(classifier)
    check_is_fitted(trained)
    metadata = _metadata(trained, transformer)
    _require_packages()
    network = _copy_network(trained)
    model = _finish(network_to_onnx(network), metadata)
    _compare(model, network)
    write_whole(name, model)


def _find_steps(estimator: Any) -> tuple[CenterLossClassifier, SpectrogramTransformer | None]:
    """Find the classifier, and the transformer if there is one; warn of any other step of a pipeline."""
    steps = list(_steps(estimator))
    names = ", ".join(type(step).__name__ for step in steps)
    classifiers = [step for step in steps if isinstance(step, CenterLossClassifier)]
    if not isinstance(estimator, (CenterLossClassifier, Pipeline)):
        raise TypeError(
            f"classifier must be a CenterLossClassifier or a Pipeline that holds one, got "
            f"{names or repr(estimator)}; of a search, give its best_estimator_."
        )
    if len(classifiers) != 1:
        raise ValueError(
            f"the Pipeline must hold one CenterLossClassifier, got {len(classifiers)} among its "
            f"steps ({names}): give the classifier itself."
        )
    transformers = [step for step in steps if isinstance(step, SpectrogramTransformer)]
    others = [
        type(step).__name__
        for step in steps
        if not isinstance(step, (CenterLossClassifier, SpectrogramTransformer))
    ]
    if others:
        warn_caller(
            f"{', '.join(others)} of the Pipeline is no part of the exported model, which takes what the "
            "CenterLossClassifier takes and gives what it gives."
        )
    return classifiers[0], transformers[0] if transformers else None


def _steps(estimator: Any) -> Iterator[Any]:
    """Go through the steps of a pipeline and of the pipelines in it."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from _steps(step)
    elif estimator is not None and not isinstance(estimator, str):  # "passthrough"
        yield estimator


def _copy_network(classifier: CenterLossClassifier) -> SpectrogramNetwork:
    """Copy the network to the CPU, so that mode, device and parameters of the classifier's own stay."""
    modules = classifier.net_.module_.modules()  # torch.compile wraps the network in a further module
    network = next(module for module in modules if isinstance(module, SpectrogramNetwork))
    return copy.deepcopy(network).cpu().eval()


def _metadata(classifier: CenterLossClassifier, transformer: SpectrogramTransformer | None) -> dict[str, str]:
    """Describe what surrounds the network, in texts."""
    from .._version import __version__

    metadata = {"classes": _json("classes_", classifier.classes_.tolist()), "skser_version": __version__}
    if transformer is not None:
        metadata["spectrogram"] = _json("the transformer", _spectrogram_settings(transformer))
    return metadata


def _spectrogram_settings(transformer: SpectrogramTransformer) -> dict[str, Any]:
    """Give the parameters that spectrograms depend on, with numbers for the defaults of None."""
    settings = {
        name: value
        for name, value in transformer.get_params(deep=False).items()
        if name not in _NOT_OF_THE_RESULT
    }
    settings["win_length"] = settings["win_length"] or settings["n_fft"]
    settings["fmax"] = settings["sr"] / 2 if settings["fmax"] is None else settings["fmax"]
    return settings


def _json(name: str, value: Any) -> str:
    """Write a value as JSON, NumPy's numbers as the plain ones."""
    try:
        return json.dumps(value, default=lambda number: number.item())
    except (TypeError, AttributeError) as error:
        raise TypeError(
            f"{name} cannot be written into the model ({value!r}): use text, numbers or booleans."
        ) from error


def _require_packages() -> None:
    """Raise unless the packages of the extra can be imported."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'to_onnx needs onnx and onnxruntime ({error}): pip install "skser[export]".'
        ) from error


def _finish(model: ModelProto, metadata: dict[str, str]) -> bytes:
    """Add what says where a model comes from, check it, and give the bytes of its file."""
    import onnx

    model.producer_name, model.producer_version = "skser", metadata["skser_version"]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _compare(model: bytes, network: SpectrogramNetwork) -> None:
    """Raise unless a model answers as its network does, on items like those of the training."""
    from onnxruntime import InferenceSession, SessionOptions

    lengths = torch.from_numpy(np.array(_PROBE_LENGTHS))
    noise = np.random.default_rng(0).normal(size=(len(lengths), len(network.bin_mean), max(_PROBE_LENGTHS)))
    spectrogram = network.bin_mean[:, None] + network.bin_std[:, None] * torch.from_numpy(noise).float()
    for item, length in zip(spectrogram, lengths, strict=True):
        item[:, length:] = torch.nan
    with torch.no_grad():
        logits, embedding = network(spectrogram, lengths)
    options = SessionOptions()
    options.intra_op_num_threads = 1  # starts no threads
    options.log_severity_level = 3  # errors
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answers = session.run(
        ["probabilities", "embedding"], {"spectrogram": spectrogram.numpy(), "lengths": lengths.numpy()}
    )
    for answer, expected in zip(answers, (logits.softmax(dim=1), embedding), strict=True):
        if not np.allclose(answer, expected.numpy(), rtol=1e-4, atol=1e-4):
            raise RuntimeError(
                "onnxruntime answers otherwise than the classifier, by up to "
                f"{np.abs(answer - expected.numpy()).max():.2g}: nothing was written. The versions of torch, "
                "onnx and onnxruntime may not fit together; try others, and please report these."
            )
