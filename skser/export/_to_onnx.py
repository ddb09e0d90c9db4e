"""Export of a trained classifier as an ONNX file, for runtimes without Python or torch."""

from __future__ import annotations

import copy
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._utils import (
    check_path,
    import_extra,
    plain_labels,
    steps_of,
    torch_defaults,
    torch_settings,
    warn_caller,
    write_whole,
)
from .._version import __version__
from ..classifier import CenterLossClassifier
from ..features import SpectrogramTransformer
from ..nn import CustomNetwork, DenseNetwork, StandardizedNetwork
from ._graph import network_to_onnx

if TYPE_CHECKING:
    from onnx import ModelProto

# Parameters of the transformer that do not change the spectrograms.
_WITHOUT_EFFECT = {"backend", "device", "max_duration", "max_nbytes", "memory", "n_jobs", "verbose"}

# Frames of the items with which a model is compared with its network before it is written.
_TEST_LENGTHS = (50, 17, 1)


def to_onnx(classifier: CenterLossClassifier | Pipeline, path: str | os.PathLike[str]) -> None:
    """Write a trained classifier as an ONNX file.

    The model standardizes spectrograms and returns the probabilities of the classes and the embeddings.
    Before the file is written, its results in onnxruntime are compared with those of the classifier.

    Parameters
    ----------
    classifier : CenterLossClassifier or Pipeline
        A fitted classifier, or a Pipeline that contains one. The other steps of the Pipeline are not part
        of the model.
    path : str or path-like
        Path of the file, such as "model.onnx"; nothing is appended to the name. An existing file is
        replaced after the new one is complete. A leading ``~`` is the home folder of the user.

    Raises
    ------
    TypeError
        If `classifier` is neither, `path` is not a path, a label is a date, or the network has a part that
        is not supported.
    ValueError
        If the Pipeline does not contain exactly one classifier, or `path` is empty.
    sklearn.exceptions.NotFittedError
        If the classifier is not fitted.
    ImportError
        If onnx or onnxruntime is not installed.
    OSError
        If the file cannot be written. An existing file is not changed in this case.
    RuntimeError
        If the results of onnxruntime differ from those of the classifier.

    Warns
    -----
    UserWarning
        If the Pipeline has other steps than a `SpectrogramTransformer` and the classifier.

    Notes
    -----
    Inputs, with batch and time of at least 1 (an empty batch can crash onnxruntime, so do not pass one):

    - ``spectrogram``, float32 (batch, n_bins, time): spectrograms as for the classifier, padded at their
      ends; the values of the padding, even NaN, make no difference;
    - ``lengths``, int64 (batch,): the number of frames of each item, from 1 to time.

    With ``network="dense"`` the only input is ``features``, float32 (batch, n_features).

    Outputs, both float32:

    - ``probabilities`` (batch, n_classes), as returned by `CenterLossClassifier.predict_proba`;
    - ``embedding`` (batch, embedding_dim), as returned by `CenterLossClassifier.transform`.

    Metadata of the model, each stored as text:

    - ``classes``: JSON list of the labels, in the order of the probabilities;
    - ``spectrogram``: if the Pipeline has a `SpectrogramTransformer`, JSON object of its parameters that
      change the spectrograms (`kind`, `sr`, `n_fft`, `hop_length` and so on); if `win_length` or `fmax` is
      None, the number that it stands for;
    - ``skser_version``: version of this package.

    A program without this package can compute the spectrograms from these parameters as described in
    :func:`skser.spectrogram`: frames centered on every `hop_length`-th sample, zeros before and after the
    recording, power in decibels, and Slaney's Mel bands.

    The file uses operators of ONNX's opset 17 and contains all weights.

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
    file = check_path(path)
    trained, transformer = _find_steps(classifier)
    check_is_fitted(trained)
    metadata = _metadata(trained, transformer)
    for package in ("onnx", "onnxruntime"):
        import_extra(package, "to_onnx", "export")
    with torch_settings(torch.device("cpu")), torch_defaults():
        network = _copy_network(trained)
        model = _serialize(network_to_onnx(network, trained.temperature_), metadata)
        _check_results(model, network, trained.temperature_)
    write_whole(file, model)


def _find_steps(estimator: Any) -> tuple[CenterLossClassifier, SpectrogramTransformer | None]:
    """Find the classifier and, if there is one, the transformer; warn about other steps of a Pipeline."""
    steps = steps_of(estimator)
    classifiers = [step for step in steps if isinstance(step, CenterLossClassifier)]
    transformers = [step for step in steps if isinstance(step, SpectrogramTransformer)]
    names = ", ".join(type(step).__name__ for step in steps)
    if not isinstance(estimator, (CenterLossClassifier, Pipeline)):
        raise TypeError(
            f"classifier must be a CenterLossClassifier or a Pipeline that contains one, got "
            f"{type(estimator).__name__}: pass one of these, for a search its best_estimator_, for a "
            "RejectOption its estimator_."
        )
    if len(classifiers) != 1:
        raise ValueError(
            f"the Pipeline must contain one CenterLossClassifier, got {len(classifiers)} among its "
            f"steps ({names}): pass the classifier itself."
        )
    others = [type(step).__name__ for step in steps if step not in classifiers + transformers]
    if others:
        warn_caller(
            f"the exported model does not include {', '.join(others)} of the Pipeline: its input and output "
            "are those of the CenterLossClassifier."
        )
    return classifiers[0], transformers[0] if transformers else None


def _copy_network(classifier: CenterLossClassifier) -> StandardizedNetwork:
    """Copy the network to the CPU without changing the network of the classifier."""
    modules = classifier.net_.module_.modules()  # torch.compile wraps the network in another module
    network = next(module for module in modules if isinstance(module, StandardizedNetwork))
    if isinstance(network, CustomNetwork):
        raise TypeError(
            f"the classifier has a network of the class {type(network.network).__name__}, but to_onnx can "
            "only write the networks of this package: export classifier.net_.module_ with torch.onnx.export."
        )
    return copy.deepcopy(network).cpu().eval()


def _metadata(classifier: CenterLossClassifier, transformer: SpectrogramTransformer | None) -> dict[str, str]:
    """Metadata of the model: labels, version and settings of the spectrograms."""
    metadata = {
        "classes": _json("classes_", plain_labels("classes_", classifier.classes_).tolist()),
        "skser_version": __version__,
    }
    if transformer is not None:
        metadata["spectrogram"] = _json("the transformer", _spectrogram_settings(transformer))
    return metadata


def _spectrogram_settings(transformer: SpectrogramTransformer) -> dict[str, Any]:
    """Parameters that change the spectrograms, with numbers instead of None."""
    parameters = transformer.get_params(deep=False)
    settings = {name: value for name, value in parameters.items() if name not in _WITHOUT_EFFECT}
    settings["win_length"] = settings["win_length"] or settings["n_fft"]
    settings["fmax"] = settings["sr"] / 2 if settings["fmax"] is None else settings["fmax"]
    return settings


def _json(name: str, value: Any) -> str:
    """Write a value as JSON, with NumPy numbers as plain numbers."""
    try:
        return json.dumps(value, default=lambda number: number.item())
    except (TypeError, AttributeError) as error:
        raise TypeError(
            f"{name} cannot be stored in the model ({value!r}): use text, numbers or booleans."
        ) from error


def _serialize(model: ModelProto, metadata: dict[str, str]) -> bytes:
    """Add metadata to a model, check it, and return the bytes of its file."""
    import onnx

    model.producer_name, model.producer_version = "skser", metadata["skser_version"]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _check_results(model: bytes, network: StandardizedNetwork, temperature: float) -> None:
    """Raise if the results of a model differ from those of its network on random items."""
    from onnxruntime import InferenceSession, SessionOptions

    is_table = isinstance(network, DenseNetwork)
    lengths = torch.ones(len(_TEST_LENGTHS), dtype=torch.int64) if is_table else torch.tensor(_TEST_LENGTHS)
    noise = np.random.default_rng(0).normal(size=(len(lengths), len(network.bin_mean), int(lengths.max())))
    spectrogram = network.bin_mean[:, None] + network.bin_std[:, None] * torch.from_numpy(noise).float()
    for item, length in zip(spectrogram, lengths, strict=True):
        item[:, length:] = torch.nan
    with torch.no_grad():
        logits, embedding = network(spectrogram, lengths)
    options = SessionOptions()
    options.intra_op_num_threads = 1  # starts no threads
    options.log_severity_level = 3  # errors only
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {"spectrogram": spectrogram.numpy(), "lengths": lengths.numpy()}
    if is_table:
        inputs = {"features": spectrogram[:, :, 0].numpy()}
    results = session.run(["probabilities", "embedding"], inputs)
    for result, expected in zip(results, ((logits / temperature).softmax(dim=1), embedding), strict=True):
        if not np.allclose(result, expected.numpy(), rtol=1e-4, atol=1e-4):
            raise RuntimeError(
                "the results of onnxruntime differ from those of the classifier by up to "
                f"{np.abs(result - expected.numpy()).max():.2g}, so nothing was written: try other versions "
                "of torch, onnx and onnxruntime, and please report the ones that failed."
            )
