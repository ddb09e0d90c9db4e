"""Train the model "speech-emotions", and write its file.

    python benchmarks/ready_model.py ../shared/corpora model.safetensors

`make model` does this for models/speech_emotions. The folder must contain ravdess/ and nemo/. VERSIONS
and C were chosen by benchmarks/ready_model_trials.py, which imports the functions of this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skser import SpeakerNormalizer, SpeechEncoderTransformer, save_model
from skser.datasets import load_emodb, load_nemo, load_ravdess, merge_corpora

LOADERS = {"ravdess": load_ravdess, "nemo": load_nemo, "emodb": load_emodb}
TRAINING = ("ravdess", "nemo")  # EmoDB has no license that allows to publish a model made from it
LEFT_OUT = {"calm", "disgust", "bored"}  # each is absent from at least one of the corpora of TRAINING
VERSIONS = ("own", "overall")
C = 0.01


def load_corpora(folder: Path, names: Iterable[str]) -> Bunch:
    """Load and merge corpora, without the emotions that are left out."""
    corpora = {name: LOADERS[name](folder / name) for name in names}
    found = {label for corpus in corpora.values() for label in corpus.target_names}
    return merge_corpora(corpora, left_out=sorted(LEFT_OUT & found))


def fit(
    Z: np.ndarray, y: np.ndarray, speakers: np.ndarray, versions: Iterable[str] = VERSIONS, C: float = C
) -> Pipeline:
    """Fit a classifier on one or two versions of each training item, with different means subtracted.

    "own" is the mean of the item's speaker, which the model gets for enrolled speakers. "overall" is the
    average of all training speakers, which it gets for strangers. One linear model learns both.
    """
    normalizer = SpeakerNormalizer().fit(Z, groups=speakers)
    normalized = {"own": normalizer.transform(Z, speakers), "overall": normalizer.transform(Z)}
    X = np.concatenate([normalized[version] for version in versions])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000))
    classifier.fit(X, np.tile(y, len(X) // len(Z)))
    return make_pipeline(normalizer, *classifier)


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
    save_model(make_pipeline(encoder, *fit(Z, corpus.target, corpus.groups)), arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
