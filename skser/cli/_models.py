"""The pipelines that `skser evaluate` and `skser train` train."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ..classifier import CenterLossClassifier
from ..features import SpectrogramTransformer, SpeechEncoderTransformer
from ._messages import EpochBar, usage_errors


def make_model(arguments: Any) -> Pipeline:
    """Make the pipeline of the network on spectrograms, or that of a speech encoder."""
    if arguments.encoder is not None:
        return _make_encoder_pipeline(arguments.encoder)
    classifier = CenterLossClassifier(random_state=arguments.seed)
    if arguments.max_epochs is not None:
        classifier.set_params(max_epochs=arguments.max_epochs)
    return Pipeline([("spectrogram", SpectrogramTransformer()), ("classifier", classifier)])


def _make_encoder_pipeline(name: str) -> Pipeline:
    """Make the "three speeds" pipeline of the page on unseen speakers; raise if its encoder cannot load."""
    speeds = (0.86, 1.0, 1.16) if name == "ge2e" else (1.0,)  # not measured with other encoders
    encoder = SpeechEncoderTransformer(name, speeds=speeds)
    with usage_errors():
        encoder.fit([np.zeros(1)])  # finds the weights before the recordings are read
    classifier = LogisticRegression(C=0.01, max_iter=1000)
    return Pipeline([("encoder", encoder), ("scaler", StandardScaler()), ("classifier", classifier)])


def show_progress(model: Pipeline, shown: bool) -> None:
    """Show progress bars of a training, or remove them."""
    model[0].set_params(verbose=int(shown))
    if isinstance(model[-1], CenterLossClassifier):
        model[-1].set_params(callbacks=[EpochBar()] if shown else None)
