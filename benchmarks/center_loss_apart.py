"""Pool the gain of center loss on unseen speakers over three corpora, from the rows of center_loss_gain.py.

python benchmarks/center_loss_apart.py ravdess:path/to/ravdess emodb:path/to/emodb nemo:path/to/nemo
python benchmarks/center_loss_apart.py ... --features stft
python benchmarks/center_loss_apart.py --network published ravdess:path/to/ravdess emodb:path/to/emodb

The corpora are only read for the speakers of the predictions. The gain of a speaker is the difference in UA
with and without center loss, averaged over the seeds. The mean of a corpus is over its speakers, and "pooled"
weights several corpora equally. Intervals of 95 % come from a bootstrap of the speakers of each corpus
("low", "high"), and of its folds ("low, folds", "high, folds"), because the speakers of a fold share its
fits.

The rows of the published network come from center_loss_gain.py with --network published, --seeds 0 and the
number of epochs that --protocol published found: --max-epochs 33 for RAVDESS and 38 for EmoDB.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skser import unweighted_accuracy
from skser.datasets import load_corpus

RESULTS = Path(__file__).resolve().parent / "results"
TABLES = {  # of each network and kind of spectrogram: the folders of the fits
    ("crnn", "mel"): {
        "ravdess": ("center_loss_apart/ravdess", "center_loss_gain"),
        "emodb": ("center_loss_apart/emodb",),
        "nemo": ("center_loss_apart/nemo",),
    },
    ("crnn", "stft"): {
        "ravdess": ("center_loss_apart/ravdess_stft", "center_loss_gain"),
        "emodb": ("center_loss_apart/emodb_stft",),
        "nemo": ("center_loss_apart/nemo_stft",),
    },
    ("published", "mel"): {
        "ravdess": ("center_loss_apart/ravdess_published",),
        "emodb": ("center_loss_apart/emodb_published",),
    },
}
OUTPUTS = {  # scores of speakers, and the summary
    ("crnn", "mel"): ("speakers.csv", "pooled.csv"),
    ("crnn", "stft"): ("stft_speakers.csv", "stft_pooled.csv"),
    ("published", "mel"): ("published_speakers.csv", "published_pooled.csv"),
}
SCORE = ("corpus", "speaker", "fold", "seed", "method", "UA")
N_RESAMPLES = 10_000


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="LOADER:PATH of ravdess, emodb and nemo")
    parser.add_argument("--network", default="crnn", choices=["crnn", "published"])
    parser.add_argument("--features", default="mel", choices=["mel", "stft"])
    arguments = parser.parse_args()
    kept = TABLES.get((arguments.network, arguments.features), {})
    for name in (address.partition(":")[0] for address in arguments.corpora):
        if name not in kept:
            parser.error(f"no fits of {arguments.network} on {arguments.features} are kept of {name}")
    return arguments


def read_fits(corpus: str, network: str, features: str) -> pd.DataFrame:
    """Read the fits of a network on one kind of spectrogram."""
    folders = TABLES[network, features][corpus]
    rows = pd.concat([pd.read_csv(RESULTS / folder / "fits.csv") for folder in folders])
    return rows[(rows.features == features) & (rows.embedding_dim == 64)]


def items_of_fold(folds: int | list[str], fold: int, speakers: np.ndarray) -> np.ndarray:
    """Return which items are in the test set of a fold: neighboring speakers, or those listed."""
    names = np.unique(speakers)
    parts = [part.split(",") for part in folds] if isinstance(folds, list) else np.array_split(names, folds)
    return np.isin(speakers, parts[fold - 1])


def speaker_scores(name: str, fits: pd.DataFrame, corpus: Any) -> Iterator[dict[str, Any]]:
    """Score each speaker of the test set of each fit."""
    speakers, y = np.asarray(corpus.groups), np.asarray(corpus.target).astype(str)
    for fit in fits.itertuples():
        test = items_of_fold(json.loads(fit.parameters)["folds"], fit.fold, speakers)
        y_test, y_pred = np.array(json.loads(fit.y)), np.array(json.loads(fit.y_pred))
        if y_test.tolist() != y[test].tolist():
            raise SystemExit(f"Fold {fit.fold} of {name} has other labels than this copy of the corpus.")
        for speaker in np.unique(speakers[test]):
            items = speakers[test] == speaker
            score = unweighted_accuracy(y_test[items], y_pred[items])
            values = (name, str(speaker), fit.fold, fit.seed, fit.method, score)
            yield dict(zip(SCORE, values, strict=True))


def by_speaker(scores: pd.DataFrame) -> pd.DataFrame:
    """Average UA in % over the seeds that have both fits, per speaker and method."""
    keys = ["corpus", "speaker", "fold"]
    pairs = scores.pivot(index=[*keys, "seed"], columns="method", values="UA").dropna()
    table = 100 * pairs.groupby(keys, sort=False).mean()
    table["seeds"] = pairs.groupby(keys, sort=False).size()
    return table[["softmax", "center", "seeds"]].round(2).reset_index()


def intervals(units: list[np.ndarray]) -> np.ndarray:
    """Compute the interval of each corpus, and of the mean of several, by resampling its units."""
    rng = np.random.default_rng(0)
    draws = [gains[rng.integers(len(gains), size=(N_RESAMPLES, len(gains)))].mean(axis=1) for gains in units]
    if len(draws) > 1:
        draws.append(np.mean(draws, axis=0))
    return np.quantile(draws, [0.025, 0.975], axis=1).T


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Make one line per corpus and one for several: UA in %, gain in points with its intervals."""
    table = table.assign(gain=table.center - table.softmax)
    corpora = dict(iter(table.groupby("corpus", sort=False)))
    lines = [(name, len(part), *part[["softmax", "center", "gain"]].mean()) for name, part in corpora.items()]
    if len(lines) > 1:
        lines.append(("pooled", len(table), *np.mean([line[2:] for line in lines], axis=0)))
    summary = pd.DataFrame(lines, columns=["corpus", "speakers", "softmax", "center loss", "gain"])
    speakers = [part.gain.to_numpy() for part in corpora.values()]
    folds = [part.groupby("fold").gain.mean().to_numpy() for part in corpora.values()]
    summary[["low", "high"]] = intervals(speakers)
    summary[["low, folds", "high, folds"]] = intervals(folds)
    numbers = summary.columns[2:]
    summary[numbers] = summary[numbers].round(1) + 0.0  # so that -0.0 becomes 0.0
    return summary


def main() -> None:
    """Write the scores of speakers, and the summary."""
    arguments = parse_arguments()
    arms = (arguments.network, arguments.features)
    scores: list[dict[str, Any]] = []
    for address in arguments.corpora:
        name = address.partition(":")[0]
        scores += speaker_scores(name, read_fits(name, *arms), load_corpus(address))
    speakers, pooled = (RESULTS / "center_loss_apart" / name for name in OUTPUTS[arms])
    table = by_speaker(pd.DataFrame(scores))
    table.to_csv(speakers, index=False, lineterminator="\n")
    summary = summarize(table)
    print(summary.to_string(index=False))
    summary.to_csv(pooled, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
