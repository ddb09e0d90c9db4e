"""Measure how well the emotions of unseen speakers are recognized.

    python benchmarks/unseen_speakers.py path/to/corpora
    python benchmarks/unseen_speakers.py path/to/corpora --lines ravdess --heads logistic "ComParE + SVC"
    python benchmarks/unseen_speakers.py --table

The folder has the corpora ravdess (actors 1 to 12), emodb and nemo. Tables of features are computed once and
kept in FEATURES. Each result is a row of OUTPUT; a run that was stopped continues with the missing rows.
--table only writes the tables of the rows.

Every setting is chosen inside the training part, by one rule for all corpora. The training part of a fold is
split again: by pairs of speakers, or by corpora if another corpus is tested. In these inner folds the means
of speakers are removed in the same way as in the test. The highest mean of the unweighted accuracy (UA) over
the inner folds wins; of equals, the first.

1. Features: each of ENCODER is tried with a logistic regression, C = 0.01.
2. "logistic": each C of LOGISTIC on the best two features. "logistic, five" averages the probabilities of
   the best five of these pairs.
3. Other heads get the features of "logistic", and choose among their own settings in HEADS. The networks
   have one setting and three seeds; "pooled" gets the frames of layer 2, "dense" statistics of frames.
4. "logistic + ComParE" averages the probabilities of "logistic" and of a logistic regression on ComParE_2016,
   whose C and weight are chosen. "ComParE + SVC" is the baseline, without the encoder.

The heads in FIXED choose nothing: a logistic regression and "LDA" on the default features, at one and at
three speeds; a logistic regression on "four statistics" of the same layer without trimming; and "pooled"
networks.
"""

from __future__ import annotations

import argparse
import copy
import csv
import datetime
import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from unseen_data import (
    COMPARE,
    FRAMES,
    LINES,
    MODES,
    SPEAKERS,
    Data,
    Split,
    features_of,
    inner_splits,
    load_data,
    normalized,
    test_sets,
)

from skser import CenterLossClassifier, SpeakerNormalizer, unweighted_accuracy

RESULTS = Path(__file__).resolve().parent / "results"
ENCODER = [
    {"trim_db": trim_db, "layers": layers, "statistics": n_statistics}
    for trim_db in (None, 40.0)
    for layers in ((2,), (2, 3))  # side by side
    for n_statistics in (2, 4)  # mean and std; also max and min
]
LOGISTIC = [{"C": C} for C in (0.001, 0.003, 0.01, 0.03, 0.1)]
SVCS = [{"kernel": "linear", "C": C} for C in (0.0003, 0.001, 0.003, 0.01)]
SVCS += [{"kernel": "rbf", "C": C} for C in (1, 3, 10)]
HEADS: dict[str, list[dict[str, Any]]] = {
    "defaults": [],
    "defaults, LDA": [],
    "three speeds": [],
    "three speeds, LDA": [],
    "four statistics": [],
    "logistic": LOGISTIC,
    "logistic, five": [],
    "logistic, balanced": [one | {"class_weight": "balanced"} for one in LOGISTIC],
    "SVC": SVCS,
    "LDA": [{"shrinkage": shrinkage} for shrinkage in (0.1, 0.3, 0.5, 0.7, 0.9)],  # of 200 components
    "ComParE + SVC": SVCS[::2],
    "logistic + ComParE": [{"C": C} for C in (0.0001, 0.001, 0.01)],
    "dense, softmax": [{"center_lambda": 0.0}],
    "dense, center loss": [{"center_lambda": 0.3}],
    "pooled, softmax": [],
    "pooled, center loss": [],
}
# Not chosen, because of the time of a fit.
NETWORK = {"augmentation": None, "dropout": 0.5, "batch_size": 64, "max_epochs": 30}
# Columns of the tables; the other heads are in a table of their own.
COLUMNS_OF = {
    "fixed": [
        *("defaults", "defaults, LDA", "three speeds", "three speeds, LDA", "four statistics"),
        "ComParE + SVC",
    ],
    "chosen": ["logistic", "logistic, five", "LDA", "logistic + ComParE"],
    "samples": ["defaults", "three speeds", "three speeds, LDA", "logistic", "LDA", "ComParE + SVC"],
}
NETWORKS = ("dense", "pooled")
WEIGHTS = (0.0, 0.25, 0.5, 0.75)  # of ComParE
KEY = ["line", "mode", "head", "fold"]
NETWORK_SEEDS = (0, 1, 2)
COLUMNS = ["date", *KEY, "test", "draw", "UA", "hits", "counts", "inner_UA", "choice"]

# Features, head, parameters and weight; several members average their probabilities.
Member = dict[str, Any]


def fixed(trim_db: float | None, n_statistics: int, head: str, **parameters: float) -> Member:
    """Layer 2 and a classifier, with settings that are not chosen by inner folds."""
    features = {"trim_db": trim_db, "layers": (2,), "statistics": n_statistics}
    return {"features": features, "head": head, "parameters": parameters, "weight": 1}


def at_speeds(member: Member, speeds: tuple[float, ...]) -> Member:
    """Average the features over speeds."""
    return member | {"features": member["features"] | {"speeds": speeds}}


def pooled_network(**parameters: float) -> Member:
    """Make a network on frames, whose settings are not chosen either."""
    return {"features": FRAMES, "head": "pooled", "parameters": parameters, "weight": 1}


DEFAULTS = fixed(40.0, 2, "logistic", C=0.01)
DEFAULTS_LDA = fixed(40.0, 2, "LDA", shrinkage=0.5)
SPEEDS = (0.86, 1.0, 1.16)  # chosen on actors 1 to 6 of RAVDESS (encoder_speeds.py)

# All but the first were written down after choices of inner folds on the same corpora had been seen.
FIXED = {
    "defaults": DEFAULTS,
    "defaults, LDA": DEFAULTS_LDA,
    "three speeds": at_speeds(DEFAULTS, SPEEDS),
    "three speeds, LDA": at_speeds(DEFAULTS_LDA, SPEEDS),
    "four statistics": fixed(None, 4, "logistic", C=0.01),
    "pooled, softmax": pooled_network(center_lambda=0.0),
    "pooled, center loss": pooled_network(center_lambda=0.3),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="?", type=Path, help="folder of the corpora")
    parser.add_argument("--lines", nargs="+", choices=LINES, default=LINES)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--features", type=Path, default=Path("unseen_speakers_features"))
    parser.add_argument("--output", type=Path, default=RESULTS / "unseen_speakers.csv")
    parser.add_argument("--table", action="store_true", help="only write the tables of the rows")
    return parser.parse_args()


def make_model(member: Member, seed: int = 0) -> Any:
    """Make the classifier of a member."""
    head, parameters = member["head"], member["parameters"]
    network = head.partition(",")[0]
    if network in NETWORKS:
        return CenterLossClassifier(network=network, **NETWORK, **parameters, random_state=seed)
    steps = [StandardScaler()]
    if member["features"] == COMPARE:
        # Some of its functionals are nearly constant, except in a few recordings.
        steps.append(FunctionTransformer(np.clip, kw_args={"a_min": -10, "a_max": 10}))
    if head == "LDA":  # of all features it would need their covariance
        components = PCA(200, random_state=0)
        return make_pipeline(*steps, components, LinearDiscriminantAnalysis(solver="lsqr", **parameters))
    if head == "SVC":
        # The same as by name, but by matrix products, which are faster on wide tables.
        kernel = {"linear": linear_kernel, "rbf": rbf_kernel}[parameters["kernel"]]
        return make_pipeline(*steps, SVC(kernel=kernel, C=parameters["C"]))
    return make_pipeline(*steps, LogisticRegression(max_iter=1000, **parameters))


def inner_score(Z: np.ndarray, y: np.ndarray, splits: list[Split], member: Member) -> float:
    """Mean UA over the inner folds."""
    scores = []
    for train, test in splits:
        model = make_model(member).fit(Z[train], y[train])
        scores.append(unweighted_accuracy(y[test], model.predict(Z[test])))
    return float(np.mean(scores))


def best_first(scores: list[float]) -> np.ndarray:
    """Order by falling score; of equals the first comes first."""
    return np.argsort(-np.array(scores), kind="stable")


def rank_logistic(data: Data, mode: str, splits: list[Split]) -> list[tuple[float, Member]]:
    """Search the features, then C, and list what was tried, best first."""

    def score(features: dict[str, Any], parameters: dict[str, Any]) -> tuple[float, Member]:
        member = {"features": features, "head": "logistic", "parameters": parameters, "weight": 1}
        return inner_score(normalized(data, features, mode), data.y, splits, member), member

    tried = [score(features, {"C": 0.01}) for features in ENCODER]
    best = [tried[index][1]["features"] for index in best_first([found for found, _ in tried])[:2]]
    tried += [score(features, one) for features in best for one in LOGISTIC if one["C"] != 0.01]
    return [tried[index] for index in best_first([found for found, _ in tried])]


def choose(
    head: str, data: Data, mode: str, splits: list[Split], ranking: list[tuple[float, Member]]
) -> tuple[float, list[Member]]:
    """Choose the members of a model by inner folds; returns their score too."""
    if head in FIXED:
        return np.nan, [FIXED[head]]
    if head == "logistic":
        return ranking[0][0], [ranking[0][1]]
    if head == "logistic, five":
        return float(np.mean([score for score, _ in ranking[:5]])), [member for _, member in ranking[:5]]
    if head == "logistic + ComParE":
        return choose_sum(data, mode, splits, ranking[0][1])
    base, _, is_svc = head.partition("ComParE + ")
    features = COMPARE if is_svc else ranking[0][1]["features"]
    Z = normalized(data, features, mode)
    members = [
        {"features": features, "head": is_svc or base, "parameters": parameters, "weight": 1}
        for parameters in HEADS[head]
    ]
    if len(members) == 1:
        return np.nan, members
    scores = [inner_score(Z, data.y, splits, member) for member in members]
    first = best_first(scores)[0]
    return scores[first], [members[first]]


def choose_sum(data: Data, mode: str, splits: list[Split], first: Member) -> tuple[float, list[Member]]:
    """Choose C on ComParE_2016, and the weight of its probabilities."""
    pairs = list(itertools.product(HEADS["logistic + ComParE"], WEIGHTS))
    scores = np.zeros((len(splits), len(pairs)))
    Z = normalized(data, first["features"], mode), normalized(data, COMPARE, mode)
    second = {"features": COMPARE, "head": "logistic"}
    for row, (train, test) in zip(scores, splits, strict=True):
        model = make_model(first).fit(Z[0][train], data.y[train])
        base = model.predict_proba(Z[0][test])
        others = {}
        for index, (parameters, weight) in enumerate(pairs):
            C = parameters["C"]
            if C not in others:
                other = make_model(second | {"parameters": parameters}).fit(Z[1][train], data.y[train])
                others[C] = other.predict_proba(Z[1][test])
            best = model.classes_[((1 - weight) * base + weight * others[C]).argmax(axis=1)]
            row[index] = unweighted_accuracy(data.y[test], best)
    mean = scores.mean(axis=0)
    index = best_first(mean.tolist())[0]
    parameters, weight = pairs[index]
    second |= {"parameters": parameters, "weight": weight}
    return float(mean[index]), [first | {"weight": 1 - weight}, second]


def fit_members(
    data: Data, mode: str, train: np.ndarray, members: list[Member], seed: int
) -> list[tuple[Any, SpeakerNormalizer | None]]:
    """Fit each member, and the means of its training speakers if the mode removes them."""
    fitted = []
    for member in members:
        X, normalizer = features_of(data, member["features"])[train], None
        if mode == "mean removed":
            normalizer = SpeakerNormalizer()
            X = normalizer.fit_transform(X, groups=data.groups[train])
        model = make_model(member, seed)
        fitted.append((model.fit(X, data.y[train]), normalizer))
    return fitted


def predict(
    data: Data,
    members: list[Member],
    fitted: list[tuple[Any, SpeakerNormalizer | None]],
    scored: np.ndarray,
    known: np.ndarray,
) -> np.ndarray:
    """Predict items; the means of their speakers are those of known items."""
    total, labels = 0, None
    for member, (model, normalizer) in zip(members, fitted, strict=True):
        Z = features_of(data, member["features"])
        X = Z[scored]
        if normalizer is not None:
            of_test = copy.copy(normalizer).enroll(Z[known], data.groups[known])
            X = of_test.transform(X, data.groups[scored])
        if len(members) == 1:
            return model.predict(X)
        labels = model.classes_
        total = total + member["weight"] * model.predict_proba(X)
    return labels[total.argmax(axis=1)]


def tested(data: Data, mode: str, fold: int, head: str, members: list[Member]) -> Iterator[dict[str, Any]]:
    """Fit on the training part of a fold, and score its test sets; a network is fitted with several seeds."""
    train, test = data.splits[fold]
    is_network = head.startswith(NETWORKS)
    for seed in NETWORK_SEEDS if is_network else (0,):
        fitted = fit_members(data, mode, train, members, seed)
        sets = [("all", seed, test, test)] if is_network else test_sets(data, mode, fold)
        for name, draw, scored, known in sets:
            y, y_pred = data.y[scored], predict(data, members, fitted, scored, known)
            hits = pd.Series(y == y_pred).groupby(y).agg(["sum", "count"])
            yield {
                "test": name,
                "draw": draw,
                "UA": round(float((hits["sum"] / hits["count"]).mean()), 4),
                "hits": json.dumps(dict(zip(hits.index, hits["sum"].tolist(), strict=True))),
                "counts": json.dumps(dict(zip(hits.index, hits["count"].tolist(), strict=True))),
            }


def read_choices(output: Path) -> dict[tuple[str, ...], tuple[float, list[Member]]]:
    """Read the choice of each fit in the output, with its inner score."""
    if not output.exists():
        return {}
    rows = pd.read_csv(output, dtype={"fold": str}).dropna(subset="choice")  # one row per fit has it
    choices = zip(rows.inner_UA, map(json.loads, rows.choice), strict=True)
    return dict(zip(rows[KEY].itertuples(index=False, name=None), choices, strict=True))


def append(output: Path, rows: list[dict[str, Any]]) -> None:
    """Append rows to the output."""
    is_new = not output.exists()
    with output.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def run_fold(line: str, data: Data, mode: str, fold: int, heads: list[str], output: Path, known: Any) -> None:
    """Choose and test the heads of one outer fold; the choice of "logistic" may be known."""
    splits = inner_splits(data, data.splits[fold][0])
    ranking = [] if known is None else [(known[0], known[1][0])]
    needs_ranking = set(heads) - {*FIXED, "ComParE + SVC"}
    if (needs_ranking and known is None) or "logistic, five" in heads:
        ranking = rank_logistic(data, mode, splits)
    for head in heads:
        score, members = choose(head, data, mode, splits, ranking)
        common = {"line": line, "mode": mode, "head": head, "fold": fold + 1}
        common["date"] = datetime.date.today().isoformat()
        rows = [common | row for row in tested(data, mode, fold, head, members)]
        rows[0] |= {"inner_UA": round(score, 4), "choice": json.dumps(members)}
        append(output, rows)
        print(f"{line}, {mode}, fold {fold + 1}, {head}: UA {100 * rows[0]['UA']:.1f}", flush=True)


def run(arguments: argparse.Namespace) -> None:
    """Add the missing rows."""
    done = read_choices(arguments.output)
    for line in arguments.lines:
        data = load_data(line, arguments.corpora, arguments.features)
        for mode, fold in itertools.product(arguments.modes, range(len(data.splits))):
            heads = [head for head in arguments.heads if (line, mode, head, str(fold + 1)) not in done]
            if heads:
                known = done.get((line, mode, "logistic", str(fold + 1)))
                run_fold(line, data, mode, fold, heads, arguments.output, known)


def pooled(rows: pd.DataFrame, by: list[str]) -> pd.Series:
    """UA in % over all folds together, for each draw of each result."""
    keys = [rows[name].to_numpy() for name in [*by, "draw"]]
    hits, counts = (
        pd.DataFrame([json.loads(text) for text in rows[name]]).groupby(keys).sum()
        for name in ("hits", "counts")
    )
    return (100 * (hits / counts).mean(axis=1)).rename_axis([*by, "draw"])  # without classes of no item


N_FOLDS = {line: len(SPEAKERS.get(line, [line])) for line in LINES} | {"ravdess 7 to 12": 3}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the UA per line, mode and test set, with one column per head; skip unfinished results."""
    by = ["line", "mode", "test", "head"]
    last = rows[(rows.line == "ravdess") & (rows.fold > 3)].assign(line="ravdess 7 to 12")
    rows = pd.concat([rows, last])
    n_folds = rows.groupby(by).fold.transform("nunique")
    scores = pooled(rows[n_folds == rows.line.map(N_FOLDS)], by).groupby(level=by)
    means = scores.mean().map("{:.1f}".format)
    texts = means.where(scores.size() == 1, means + scores.std(ddof=0).map(" ± {:.1f}".format))
    table = texts.unstack("head")
    lines = ["ravdess", "ravdess 7 to 12", *LINES[1:]]
    ordered = [
        (line, mode, test)
        for line in lines
        for mode in MODES
        for test in ("all", "skewed", "10 enrolled")
        if (line, mode, test) in table.index
    ]
    return table.loc[ordered].reindex(columns=[name for name in HEADS if name in table])


def make_tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Make the tables of complete test sets, with three sets of columns, and of uneven ones."""
    table = summary(rows)
    is_all = table.index.get_level_values("test") == "all"
    complete = table[is_all].droplevel("test")
    shown = {*COLUMNS_OF["fixed"], *COLUMNS_OF["chosen"]} - {"logistic"}
    tables = {
        "fixed": complete.reindex(columns=COLUMNS_OF["fixed"]),
        "chosen": complete.reindex(columns=COLUMNS_OF["chosen"]),
        "heads": complete.reindex(columns=[name for name in HEADS if name not in shown]),
        "samples": table[~is_all].reindex(columns=COLUMNS_OF["samples"]),
    }
    return {name: part.dropna(how="all").dropna(axis=1, how="all") for name, part in tables.items()}


def write_tables(rows: pd.DataFrame, folder: Path) -> None:
    """Write and print the tables."""
    for name, table in make_tables(rows).items():
        table.to_csv(folder / f"unseen_speakers_{name}.csv", lineterminator="\n")
        print(table.to_string(), end="\n\n")


def main() -> None:
    """Add the missing rows, and write the tables."""
    arguments = parse_arguments()
    if not arguments.table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the copy of nEMO
            run(arguments)
    write_tables(pd.read_csv(arguments.output), arguments.output.parent)


if __name__ == "__main__":
    main()
