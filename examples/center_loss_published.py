"""The paper's experiment as published: speakers are shared between training and test.

python examples/center_loss_gain.py --protocol published --corpus ravdess:path/to/ravdess
python examples/center_loss_gain.py --protocol published --corpus emodb:path/to/emodb --device cuda

Ten subsets are dealt from each speaker's recordings of each emotion: one tests, one validates and eight
train. The network of the epoch with the best validation UA is tested, as in the paper. Each fit is written
to a row of OUTPUT/published.csv as soon as it ends, so a run that was stopped continues where it stopped.

Training has the same number of epochs for all weights of center loss. It comes from fits without center loss
on a deal of which no test subset is scored: the first epoch at which the validation UA, averaged over five
subsets and five epochs, comes within a point of its best.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.stats import t

from skser import (
    CenterLossClassifier,
    Spectrograms,
    SpectrogramTransformer,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import audit, drop, load_corpus

N_SUBSETS = 10
TEST_SUBSETS = (0, 1, 2, 3, 4)
DEALS = (0, 1)
SEARCH_DEAL = 2  # scored on validation subsets only
MAX_STEPS = 1200
SMOOTHING = 5  # epochs of which the validation UA is averaged
TOLERANCE = 0.01  # of UA, below the best epoch
PAPER = {("mel", "UA"): 3.06, ("mel", "WA"): 3.57, ("stft", "UA"): 4.16, ("stft", "WA"): 4.03}

# The paper's 0.3 and its other weights, times 2, because its center loss lacks the factor 1/2.
LAMBDA = 0.6
LAMBDAS = (0.006, 0.06, 6.0)
ALPHAS = (0.1, 0.9)
# One setting of the published network or of its training, changed at a time.
VARIANTS: dict[str, dict[str, Any]] = {
    "published": {},
    "no warm-up": {"center_warmup": 0},
    "linear embedding": {"network_params": {"prelu": False}},
    "batch normalization": {"network_params": {"batch_norm": True}},
    "weight decay 0.01": {"weight_decay": 0.01},
    "batches of 64": {"batch_size": 64},
    "moderate augmentation": {"augmentation": "moderate"},
}
STAGES = ("primary", "secondary", "ablation")
COLUMNS = (
    *("stage", "corpus", "features", "variant", "center_lambda", "center_alpha", "deal", "subset", "key"),
    *("UA", "WA", "valid_UA", "best_epoch", "epochs", "n_train", "n_test", "seconds", "device"),
    *("parameters", "valid_history", "y", "y_pred"),
)


class Fit(NamedTuple):
    """One fit of the experiment."""

    stage: str
    corpus: str
    features: str
    variant: str
    center_lambda: float
    center_alpha: float
    deal: int
    subset: int


def transformer_parameters(features: str) -> dict[str, Any]:
    """Name every parameter of the published features that matters, so that no default decides."""
    return {
        "kind": features,
        "sr": 16000,
        "n_fft": 1024,
        "win_length": 640,
        "hop_length": 160,
        "window": "hamming",
        "n_mels": 128,
        "fmin": 0.0,
        "fmax": None,
        "ref": 1.0,
        "top_db": None,
        "trim_db": None,
        "backend": "torch",
    }


def transformer_for(features: str) -> SpectrogramTransformer:
    """Make the published features."""
    return SpectrogramTransformer(**transformer_parameters(features))


def classifier_parameters(fit: Fit, epochs: int) -> dict[str, Any]:
    """Name every parameter of the published classifier with one variant that matters."""
    parameters: dict[str, Any] = {
        "network": "published",
        "network_params": {},
        "center_lambda": fit.center_lambda,
        "center_alpha": fit.center_alpha,
        "center_warmup": 20,
        "center_ramp": None,
        "dropout": 0.0,
        "embedding_dim": 64,
        "augmentation": None,
        "class_weight": "balanced",
        "batch_size": 32,
        "batching": "random",
        "lr": 3e-4,
        "schedule": "constant",
        "weight_decay": 0.0,
        "early_stopping": True,  # only to keep the best epoch: patience is as long as training
        "validation": "groups",
        "validation_fraction": 1 / (N_SUBSETS - 1),  # one of the nine subsets that do not test
        "precision": "float32",
        "random_state": N_SUBSETS * fit.deal + fit.subset,
    }
    parameters |= VARIANTS[fit.variant]
    # As many steps with larger batches.
    parameters["max_epochs"] = parameters["patience"] = epochs * parameters["batch_size"] // 32
    return parameters


def classifier_for(fit: Fit, epochs: int, device: str) -> CenterLossClassifier:
    """Make the published classifier with one variant."""
    return CenterLossClassifier(**classifier_parameters(fit, epochs), device=device)


def deal(y: np.ndarray, speakers: np.ndarray, seed: int) -> np.ndarray:
    """Deal the items of each speaker and emotion to ten subsets, from where the previous cell ended."""
    rng = np.random.default_rng(seed)
    cells = pd.DataFrame({"speaker": speakers, "emotion": y}).groupby(["speaker", "emotion"]).indices
    order = np.concatenate([rng.permutation(cells[cell]) for cell in sorted(cells)])
    subsets = np.empty(len(y), dtype=int)
    subsets[order] = np.arange(len(y)) % N_SUBSETS
    return subsets


def arms(stage: str, features: str) -> list[tuple[str, float, float, int]]:
    """List variant, lambda, alpha and deal of the arms of a stage; those that are compared are neighbors."""
    if stage == "search":
        return [("published", 0.0, 0.5, SEARCH_DEAL)]
    if stage == "primary":
        deals = DEALS if features == "mel" else DEALS[:1]
        return [("published", weight, 0.5, number) for number in deals for weight in (0.0, LAMBDA)]
    if stage == "secondary":
        weights = [("published", weight, 0.5, DEALS[0]) for weight in LAMBDAS]
        return weights + [("published", LAMBDA, alpha, DEALS[0]) for alpha in ALPHAS]
    compared = [(name, weight, 0.5, SEARCH_DEAL) for name in VARIANTS for weight in (0.0, LAMBDA)]
    return [*compared, ("published", LAMBDA / 2, 0.5, SEARCH_DEAL)]


def planned(stage: str, corpus: str, features: str) -> list[Fit]:
    """List the fits of a stage, subset by subset, so that a stopped run leaves complete pairs."""
    return [
        Fit(stage, corpus, features, variant, weight, alpha, number, subset)
        for subset in TEST_SUBSETS
        for variant, weight, alpha, number in arms(stage, features)
    ]


def key_of(fit: Fit, epochs: int) -> str:
    """Digest of the named parameters, so that rows stay valid when the classes get new parameters."""
    parameters = classifier_parameters(fit, epochs) | transformer_parameters(fit.features)
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]


def parameters_of(fit: Fit, epochs: int) -> str:
    """Write all parameters of a row, except those of the machine."""
    parameters = classifier_for(fit, epochs, "cpu").get_params()
    parameters |= transformer_for(fit.features).get_params()
    for name in ("checkpoint_dir", "device", "max_duration", "max_nbytes", "memory", "n_jobs", "verbose"):
        parameters.pop(name, None)
    return json.dumps(parameters, default=list, sort_keys=True)


def run(fit: Fit, epochs: int, device: str, X: Spectrograms, y: np.ndarray, subsets: np.ndarray):
    """Train on nine subsets, of which one validates; score the best epoch on the tenth."""
    torch.set_num_threads(1)  # so that the results do not depend on --n-jobs
    test = subsets == fit.subset
    classifier = classifier_for(fit, epochs, device)
    start = time.perf_counter()
    classifier.fit(X[~test], y[~test], groups=subsets[~test])
    seconds = time.perf_counter() - start
    history = [epoch["valid_unweighted_accuracy"] for epoch in classifier.history_]
    row = fit._asdict() | {
        "key": key_of(fit, epochs),
        "valid_UA": max(history),
        "best_epoch": classifier.best_epoch_,
        "epochs": epochs,
        "n_train": int((~test).sum()),
        "n_test": int(test.sum()),
        "seconds": round(seconds, 1),
        "device": torch.cuda.get_device_name()
        if torch.device(classifier.net_.device).type == "cuda"
        else "cpu",
        "parameters": parameters_of(fit, epochs),
        "valid_history": json.dumps([round(value, 4) for value in history]),
    }
    if fit.deal != SEARCH_DEAL:  # the deal for choices never scores its test subsets
        y_pred = classifier.predict(X[test])
        row |= {"UA": unweighted_accuracy(y[test], y_pred), "WA": weighted_accuracy(y[test], y_pred)}
        row |= {"y": json.dumps(y[test].tolist()), "y_pred": json.dumps(y_pred.tolist())}
    return row


def append(table: Path, row: dict[str, object]) -> None:
    """Add a row to a table; write the header first if the table is empty."""
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)


def read_rows(table: Path) -> pd.DataFrame:
    """Read the rows of a table, or an empty one."""
    return pd.read_csv(table, dtype={"key": str}) if table.exists() else pd.DataFrame(columns=COLUMNS)


def rows_of(table: Path, fits: list[Fit], epochs: int) -> pd.DataFrame:
    """Select the rows of these fits, in their order; fits without a row are left out."""
    index = [*Fit._fields, "key"]
    wanted = pd.DataFrame([(*fit, key_of(fit, epochs)) for fit in fits], columns=index)
    return wanted.merge(read_rows(table).drop_duplicates(index), on=index)


def epochs_from(histories: list[list[float]]) -> int:
    """First epoch from which the smoothed mean validation UA stays within the tolerance of its best."""
    mean = np.mean(histories, axis=0)
    smooth = np.convolve(mean, np.ones(SMOOTHING) / SMOOTHING, mode="valid")
    return int(np.argmax(smooth >= smooth.max() - TOLERANCE)) + SMOOTHING


@lru_cache(maxsize=1)
def read_corpus(address: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """Recordings, labels and speakers, with one of each two identical recordings."""
    corpus = load_corpus(address)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    corpus = drop(corpus, audit(corpus))
    return corpus.data, np.asarray(corpus.target).astype(str), np.asarray(corpus.groups).astype(str)


@lru_cache(maxsize=1)
def read_features(address: str, features: str) -> Spectrograms:
    """Compute the spectrograms of a corpus; they learn nothing from the data."""
    return transformer_for(features).fit_transform(read_corpus(address)[0])


def run_missing(fits: list[Fit], epochs: int, arguments: argparse.Namespace, table: Path) -> pd.DataFrame:
    """Run the fits of which the table has no row, and return the rows of all."""
    done = {tuple(row) for row in rows_of(table, fits, epochs)[[*Fit._fields]].to_numpy().tolist()}
    todo = [fit for fit in fits if tuple(fit) not in done]
    for number, row in enumerate(results(todo, epochs, arguments), start=1):
        append(table, row)
        named = " ".join(str(row[name]) for name in Fit._fields)
        print(f"{number:4d} of {len(todo)}: {named}: {100 * row.get('UA', row['valid_UA']):.1f}", flush=True)
    return rows_of(table, fits, epochs)


def results(fits: list[Fit], epochs: int, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Run fits of one kind of spectrogram, and yield the row of each as it ends."""
    if not fits:
        return
    _, y, speakers = read_corpus(arguments.corpus)
    X = read_features(arguments.corpus, fits[0].features)
    deals = {number: deal(y, speakers, number) for number in (*DEALS, SEARCH_DEAL)}
    tasks = (delayed(run)(fit, epochs, arguments.device, X, y, deals[fit.deal]) for fit in fits)
    yield from Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")(tasks)


def corrected_interval(
    gains: np.ndarray, test_over_train: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a mean over resampled test sets, by the corrected t statistic of Nadeau and Bengio."""
    n = len(gains)
    spread = np.sqrt(gains.var(ddof=1) * (1 / n + test_over_train))
    half = t.ppf((1 + confidence) / 2, n - 1) * spread
    return float(gains.mean() - half), float(gains.mean() + half)


def verdict(low: float, high: float, published: float) -> str:
    """Reproduced if the interval is above zero and reaches the published gain; not if it ends below it."""
    if high < published:
        return "not reproduced"
    return "reproduced" if low > 0 else "undecided"


def gain_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Paired gain of the published weight in points, per kind of spectrogram, with interval and verdict."""
    lines = []
    for (corpus, features), part in rows.groupby(["corpus", "features"], sort=False):
        for score in ("UA", "WA"):
            pairs = part.pivot_table(index=["deal", "subset"], columns="center_lambda", values=score)
            pairs = (100 * pairs[[0.0, LAMBDA]]).dropna()
            gains = (pairs[LAMBDA] - pairs[0.0]).to_numpy()
            low, high = corrected_interval(gains, 1 / (N_SUBSETS - 2))
            published = PAPER[features, score]
            line = (corpus, features, score, pairs[0.0].mean(), pairs[LAMBDA].mean(), gains.mean(), low, high)
            lines.append((*line, len(gains), published, verdict(low, high, published)))
    columns = ["corpus", "features", "score", "softmax", "center", "gain", "low", "high", "pairs"]
    return pd.DataFrame(lines, columns=[*columns, "paper", "verdict"])


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Select the arms of one deal with a fit for each test subset, since subsets differ in difficulty."""
    arms = rows.groupby(["corpus", "features", "center_lambda", "center_alpha"])
    return arms.filter(lambda part: set(part.subset) == set(TEST_SUBSETS))


def mean_table(rows: pd.DataFrame, arm: list[str], scores: list[str]) -> pd.DataFrame:
    """Mean scores in % per arm."""
    groups = rows.groupby(["corpus", "features", *arm])
    table = groups[scores].mean().mul(100).assign(fits=groups.size()).reset_index()
    named = [name for name in arm if name != "variant"]
    return table.assign(**{name: table[name].map("{:g}".format) for name in named})  # 0.006 has three digits


def write(table: pd.DataFrame, title: str, path: Path) -> None:
    """Print a table and write it to a CSV file."""
    print(f"\n{title}\n{table.to_string(index=False, float_format='%.2f')}")
    table.to_csv(path, index=False, float_format="%.2f", lineterminator="\n")


def main(arguments: argparse.Namespace) -> None:
    """Run the missing fits of the stages, then print and write their tables."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    table, name = arguments.output / "published.csv", arguments.corpus.split(":")[0]
    n_train = len(read_corpus(arguments.corpus)[1]) * (N_SUBSETS - 2) // N_SUBSETS
    steps_per_epoch = -(-n_train // 32)
    for features in arguments.features:
        search = planned("search", name, features)
        found = run_missing(search, max(arguments.max_steps // steps_per_epoch, SMOOTHING), arguments, table)
        epochs = epochs_from([json.loads(cell) for cell in found.valid_history])
        print(f"{name}, {features}: {epochs} epochs of {steps_per_epoch} steps in all arms", flush=True)
        for stage in arguments.stages:
            run_missing(planned(stage, name, features), epochs, arguments, table)
    report(arguments.output)


def report(folder: Path) -> None:
    """Write the tables of all rows in a folder."""
    rows = read_rows(folder / "published.csv")
    primary, ablation = rows[rows.stage == "primary"], rows[rows.stage == "ablation"]
    if len(primary):
        title = "Gain of center loss in points, speakers shared, with the corrected 95 % interval"
        write(gain_table(primary), title, folder / "published_gain.csv")
    if (rows.stage == "secondary").any():
        compared = rows[rows.stage.isin(["primary", "secondary"]) & (rows.deal == DEALS[0])]
        compared = compared[compared.corpus.isin(rows.corpus[rows.stage == "secondary"])]
        means = mean_table(complete(compared), ["center_lambda", "center_alpha"], ["UA", "WA"])
        write(means, "UA and WA in % over lambda and alpha", folder / "published_lambda.csv")
    if len(ablation):
        means = mean_table(ablation, ["variant", "center_lambda"], ["valid_UA"])
        write(means, "UA in % on validation subsets, one setting changed", folder / "published_ablation.csv")
