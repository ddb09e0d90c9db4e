"""Train the model "speech-emotions", and write its file.

    python benchmarks/ready_model.py ../shared/corpora model.safetensors

`make model` does this for models/speech_emotions. The folder must contain ravdess/ and nemo/. VERSIONS and C
were chosen by benchmarks/ready_model_trials.py, which imports the functions of this file.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skser import SpeakerNormalizer, SpeechEncoderTransformer, save_model
from skser.datasets import load_emodb, load_nemo, load_ravdess, merge_corpora

LOADERS = {"ravdess": load_ravdess, "nemo": load_nemo, "emodb": load_emodb}
TRAINING = ("ravdess", "nemo")  # EmoDB has no license that allows publishing a model made from it
LEFT_OUT = {"calm", "disgust", "bored"}  # each is absent from at least one of the corpora of TRAINING
VERSIONS = ("own", "overall")  # the means that are subtracted, see normalize
C = 0.01


def load_corpora(folder: Path, names: Iterable[str]) -> Bunch:
    """Load and merge corpora, without the emotions that are left out."""
    corpora = {name: LOADERS[name](folder / name) for name in names}
    found = {label for corpus in corpora.values() for label in corpus.target_names}
    return merge_corpora(corpora, left_out=sorted(LEFT_OUT & found))


def normalize(
    normalizer: SpeakerNormalizer, Z: np.ndarray, speakers: np.ndarray, versions: Iterable[str]
) -> np.ndarray:
    """Subtract the mean of each item's speaker ("own") or that of all training speakers ("overall").

    The versions of all items follow one another.
    """
    enrolled = copy.copy(normalizer).enroll(Z, speakers)
    normalized = {"own": enrolled.transform(Z, speakers), "overall": enrolled.transform(Z)}
    return np.concatenate([normalized[version] for version in versions])


def fit(
    Z: np.ndarray, y: np.ndarray, speakers: np.ndarray, versions: Sequence[str] = VERSIONS, C: float = C
) -> Pipeline:
    """Fit one linear classifier on all versions of the training items.

    "own" is how the model gets items of enrolled speakers, "overall" how it gets those of strangers.
    """
    normalizer = SpeakerNormalizer().fit(Z, groups=speakers)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000))
    classifier.fit(normalize(normalizer, Z, speakers, versions), np.tile(y, len(versions)))
    return make_pipeline(normalizer, *classifier)


def find_temperature(
    Z: np.ndarray,
    y: np.ndarray,
    speakers: np.ndarray,
    corpora: np.ndarray,
    versions: Sequence[str] = VERSIONS,
    C: float = C,
) -> float:
    """Find the divisor of the logits with the lowest log loss on corpora that are not in the training set.

    Each corpus is left out in turn, and all count equally. Other rooms and languages make a classifier too
    sure, which other speakers of the same corpora do not show. See Guo et al., "On calibration of modern
    neural networks", ICML 2017.
    """
    parts = []
    for name in np.unique(corpora):
        train = corpora != name
        model = fit(Z[train], y[train], speakers[train], versions, C)
        test = ~train & np.isin(y, model.classes_)
        normalized = normalize(model[0], Z[test], speakers[test], versions)
        logits = model[1:].decision_function(normalized)
        parts.append((np.tile(y[test], len(versions)), logits, model.classes_))

    def loss(temperature: float) -> float:
        return sum(
            log_loss(y, softmax(logits / temperature, axis=1), labels=labels) for y, logits, labels in parts
        )

    return float(minimize_scalar(loss, bounds=(0.5, 20), method="bounded").x)


def cool(model: Pipeline, temperature: float) -> None:
    """Divide the logits of a model by a number, which changes probabilities but not labels."""
    model[-1].coef_ /= temperature
    model[-1].intercept_ /= temperature


def main() -> None:
    """Train on the corpora, and write the model file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder that contains " + " and ".join(TRAINING))
    parser.add_argument("output", type=Path, help="model file to write")
    parser.add_argument("--memory", help="folder of a cache for the features")
    arguments = parser.parse_args()
    corpus = load_corpora(arguments.corpora, TRAINING)
    encoder = SpeechEncoderTransformer(memory=arguments.memory, verbose=True)
    Z = encoder.fit_transform(corpus.data)
    encoder.set_params(verbose=False)  # a model file keeps it
    temperature = find_temperature(Z, corpus.target, corpus.groups, corpus.frame["corpus"].to_numpy())
    model = fit(Z, corpus.target, corpus.groups)
    cool(model, temperature)
    save_model(make_pipeline(encoder, *model), arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes, temperature {temperature:.2f}")


if __name__ == "__main__":
    main()
