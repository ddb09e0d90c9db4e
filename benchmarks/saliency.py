"""Measure whether the parts that SaliencyDisplay marks matter to the prediction.

    python benchmarks/saliency.py --corpus ravdess:../shared/corpora/ravdess --test 11 12

For each recording of the speakers after --test, the marked part is silenced: the cells of the spectrogram
that speak most for the predicted class. For comparison, a random part with as many cells and the same energy
is silenced. The rows have the fall of the probability in both cases. The model learns from the other
speakers; it is read from --model if this file exists, and stored there otherwise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import make_pipeline

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer, load_model, save_model
from skser.classifier import compute_saliency
from skser.datasets import load_corpus

N_LEVELS = 200  # levels of equal size, within which the random part has as many cells as the marked one


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--test", nargs="+", default=["speaker_01", "speaker_02"], help="test speakers")
    parser.add_argument("--recordings", type=int, default=100, help="number of test recordings")
    parser.add_argument("--share", type=float, default=0.1, help="share of the cells that is silenced")
    parser.add_argument("--max-epochs", type=int, default=40)
    parser.add_argument("--model", type=Path, help="file of the trained model")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "saliency.csv")
    return parser.parse_args()


def marked_part(saliency: np.ndarray, share: float) -> np.ndarray:
    """Cells with the highest saliency, as a mask."""
    mask = np.zeros(saliency.size, dtype=bool)
    mask[np.argsort(saliency, axis=None)[-round(share * saliency.size) :]] = True
    return mask.reshape(saliency.shape)


def random_part(S: np.ndarray, marked: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Random cells, of each level as many as are marked, as a mask."""
    mask = np.zeros(S.size, dtype=bool)
    for cells in np.array_split(np.argsort(S, axis=None, kind="stable"), N_LEVELS):
        n_marked = int(marked.ravel()[cells].sum())
        mask[random.permutation(cells)[:n_marked]] = True
    return mask.reshape(S.shape)


def energy(S: np.ndarray, mask: np.ndarray) -> float:
    """Sum of the power of some cells."""
    return float((10 ** (S[mask].astype(float) / 10)).sum())


def measure(
    classifier: CenterLossClassifier, S: np.ndarray, share: float, random: np.random.Generator
) -> dict[str, float]:
    """Fall of the probability of the predicted class if the marked or the random part is silenced."""
    probabilities = classifier.predict_proba([S])[0]
    number = int(probabilities.argmax())
    marked = marked_part(compute_saliency(classifier, S, number), share)
    chosen = random_part(S, marked, random)
    silenced = Spectrograms([np.where(mask, S.min(), S) for mask in (marked, chosen)])
    falls = probabilities[number] - classifier.predict_proba(silenced)[:, number]
    ratio = energy(S, chosen) / energy(S, marked)
    return {"marked": float(falls[0]), "random": float(falls[1]), "energy_ratio": ratio}


def interval(values: Any, n_draws: int = 10_000) -> np.ndarray:
    """Bootstrap interval of a mean, 95 %."""
    draws = np.random.default_rng(0).choice(np.asarray(values), size=(n_draws, len(values)))
    return np.quantile(draws.mean(axis=1), [0.025, 0.975])


def main() -> None:
    """Train or load the model, write the rows, and print their means."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    corpus = load_corpus(arguments.corpus)
    is_test = np.isin(corpus.groups.astype(str), arguments.test)
    if arguments.model is not None and arguments.model.exists():
        model = load_model(arguments.model)
    else:
        classifier = CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=0)
        model = make_pipeline(SpectrogramTransformer(), classifier)
        model.fit([corpus.data[i] for i in np.flatnonzero(~is_test)], corpus.target[~is_test])
        if arguments.model is not None:
            save_model(model, arguments.model)
    tested = np.flatnonzero(is_test)[: arguments.recordings]
    spectrograms = model[0].transform([corpus.data[i] for i in tested])
    random = np.random.default_rng(0)
    rows = pd.DataFrame([measure(model[-1], S, arguments.share, random) for S in spectrograms])
    rows.insert(0, "item", tested)
    rows.round(4).to_csv(arguments.output, index=False)
    print(rows.drop(columns="item").describe().loc[["count", "mean", "std", "min", "50%", "max"]].round(3))
    low, high = interval(rows["marked"] - rows["random"])
    mean = (rows["marked"] - rows["random"]).mean()
    print(f"marked minus random: {mean:.3f}, 95 % interval {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
