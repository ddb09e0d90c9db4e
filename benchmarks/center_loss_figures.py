"""Draw the figures of the manual's page on center loss from the kept rows.

python benchmarks/center_loss_figures.py

The first shows the gain in UA with its interval, by corpus and protocol. The second shows UA over the weight
of the center loss on RAVDESS: of the published network with speakers shared, and of the default network in
the trials on actors 1 to 6 (benchmarks/recipe.py).
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

RESULTS = Path(__file__).resolve().parent / "results"
FIGURES = RESULTS.parents[1] / "docs" / "_static"
CORPORA = {"ravdess": "RAVDESS", "emodb": "EmoDB", "nemo": "nEMO", "pooled": "pooled"}
KINDS = {"mel": "Mel", "stft": "STFT"}
TRIALS = {  # weight of the center loss, and the name of its trial
    0.0: "augmented",
    0.1: "augmented center_lambda=0.1",
    0.3: "augmented center_lambda=0.3",
    1.0: "augmented center_lambda=1",
}


def gains() -> pd.DataFrame:
    """Collect the gain in UA of each corpus, kind of spectrogram, network and protocol."""
    shared = pd.read_csv(RESULTS / "center_loss_published" / "published_gain.csv").assign(speakers="shared")
    rows = [shared[shared.score == "UA"].assign(network="published")]
    for network, features, name in (
        ("published", "mel", "published_pooled.csv"),
        ("default", "mel", "pooled.csv"),
        ("default", "stft", "stft_pooled.csv"),
    ):
        pooled = pd.read_csv(RESULTS / "center_loss_apart" / name)
        rows.append(pooled.assign(network=network, features=features, speakers="apart"))
    return pd.concat(rows)[["corpus", "features", "network", "speakers", "gain", "low", "high"]]


def by_weight_shared() -> pd.Series:
    """Collect the mean UA of each weight in % of the published network, with speakers shared."""
    rows = pd.read_csv(RESULTS / "center_loss_published" / "published_lambda.csv")
    return rows[rows.center_alpha == 0.5].set_index("center_lambda").UA


def by_weight_apart() -> pd.Series:
    """Collect the mean UA of each weight in % of the default network, with speakers apart."""
    rows = pd.read_csv(RESULTS / "recipe.csv")
    means = 100 * rows[rows.device == "CPU"].groupby("trial").UA.mean()
    return pd.Series({weight: means[trial] for weight, trial in TRIALS.items()})


def draw_gains(rows: pd.DataFrame, ax: Axes) -> None:
    """Draw a point and an interval per row; blue is the published network, filled is speakers apart."""
    names = []
    for place, row in enumerate(rows.itertuples()):
        color = "black" if row.network == "default" else "tab:blue"
        ax.plot([row.low, row.high], [place, place], color=color)
        ax.plot(
            row.gain, place, "o", color=color, markerfacecolor=color if row.speakers == "apart" else "white"
        )
        names.append(
            f"speakers {row.speakers}, {row.network} network: {CORPORA[row.corpus]}, {KINDS[row.features]}"
        )
    ax.set_yticks(range(len(names)), names)
    ax.margins(y=0.15)
    ax.invert_yaxis()
    ax.axvline(0, color="gray", linewidth=0.8)
    ax.set_xlabel("gain of center loss in points of UA, 95 % interval")


def draw_weights(ua: pd.Series, title: str, ax: Axes) -> None:
    """Draw UA over the weight."""
    ax.plot(range(len(ua)), ua, "o-", color="black")
    ax.set_xticks(range(len(ua)), [f"{weight:g}" for weight in ua.index])
    ax.set(title=title, xlabel="weight of the center loss, lambda", ylabel="UA in %")


def main() -> None:
    """Draw and write both figures, in files that depend on the rows only."""
    mpl.rcParams |= {"svg.hashsalt": "skser", "svg.fonttype": "none"}
    figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    draw_gains(gains(), ax)
    save(figure, "center_loss_gains")
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
    draw_weights(by_weight_shared(), "speakers shared, published network", left)
    draw_weights(by_weight_apart(), "speakers apart, default network", right)
    save(figure, "center_loss_weights")


def save(figure: Figure, name: str) -> None:
    """Write a figure in the style of the manual."""
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
