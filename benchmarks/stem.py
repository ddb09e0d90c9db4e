"""Compare the default network's cheap stem with the paper's stem on separate speakers.

python benchmarks/stem.py --corpus ravdess:../shared/corpora/ravdess --device cuda --n-jobs 4

"cheap" is the default: the first convolution has strides of 4 in time and 2 in frequency, and the last
pooling only acts on frequency. "paper" has strides of 2 and pools both. Weights have the same shapes in
both, so that the two fits of a pair share fold, seed, initial weights and batches. The network learns from
all but two of the speakers and is tested on these two, in turn. Rows are appended to OUTPUT as fits end; a
run that was stopped continues with the missing fits.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "speed"))

import pandas as pd
import recipe
from skorch.callbacks import Callback
from workloads import use_strides_of_the_paper

from skser import CenterLossClassifier, SpectrogramTransformer

STEMS = ("cheap", "paper")
COLUMNS = ("stem", "fold", "seed", "UA", "WA", "train_cross_entropy", "seconds")


class PaperStem(Callback):
    """Give the network the strides and poolings of the paper."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Change the strides before the first step."""
        use_strides_of_the_paper(net.module_)


def describe(rows: pd.DataFrame) -> str:
    """Describe the gain of the paper's stem over the cheap one in points of UA, and its cost in time."""
    pairs = rows.pivot_table(index=["fold", "seed"], columns="stem", values=["UA", "seconds"]).dropna()
    gain = 100 * (pairs["UA"]["paper"] - pairs["UA"]["cheap"])
    means = 100 * pairs["UA"].mean()
    ratio = (pairs["seconds"]["cheap"] / pairs["seconds"]["paper"]).median()
    return (
        f"UA {means['cheap']:.1f} with the cheap stem, {means['paper']:.1f} with the paper's: a gain of "
        f"{gain.mean():+.1f} points, standard error {gain.sem():.1f}, over {len(gain)} pairs. "
        f"A fit with the cheap stem takes {ratio:.2f} of the other's time."
    )


def main() -> None:
    """Make the missing fits, then print the comparison."""
    parser = recipe.make_parser(__doc__, "stem.csv", [0, 1, 2, 3])
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    arguments = parser.parse_args()
    data = recipe.load_data(arguments.corpus, arguments.speakers)

    def classifier_of(row: dict[str, Any]) -> CenterLossClassifier:
        return CenterLossClassifier(
            max_epochs=arguments.max_epochs,
            device=arguments.device,
            random_state=row["seed"],
            callbacks=[PaperStem()] if row["stem"] == "paper" else None,
        )

    recipe.fit_missing(
        [{"stem": stem} | row for row in recipe.folds_and_seeds(data, arguments.seeds) for stem in STEMS],
        classifier_of,
        lambda: SpectrogramTransformer().fit_transform(data.recordings),
        data,
        COLUMNS,
        arguments.output,
        arguments.n_jobs,
    )
    print(describe(pd.read_csv(arguments.output)))


if __name__ == "__main__":
    main()
