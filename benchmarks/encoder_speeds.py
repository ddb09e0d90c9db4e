"""Choose the speeds of the encoder's features on actors 1 to 6 of RAVDESS.

    python benchmarks/encoder_speeds.py path/to/corpora

Each pair of actors is tested in turn, {1, 2}, {3, 4} and {5, 6}, with the other four as training speakers.
Features and classifiers are "defaults" and "defaults, LDA" of unseen_speakers.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from unseen_data import MODES, load_data, normalized
from unseen_speakers import DEFAULTS, DEFAULTS_LDA, RESULTS, at_speeds, make_model

from skser import unweighted_accuracy

CANDIDATES = (
    (1.0,),
    (0.93, 1.08),
    (0.86, 1.16),
    (0.93, 1.0, 1.08),
    (0.86, 1.0, 1.16),
    (0.8, 1.0, 1.25),
    (0.86, 0.93, 1.0, 1.08, 1.16),
    (0.8, 0.86, 0.93, 1.0, 1.08, 1.16, 1.25),
)
HEADS = {"logistic": DEFAULTS, "LDA": DEFAULTS_LDA}


def main() -> None:
    """Write and print UA in % over the three test sets, one row per candidate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder of the corpora")
    parser.add_argument("--features", type=Path, default=Path("unseen_speakers_features"))
    parser.add_argument("--output", type=Path, default=RESULTS / "encoder_speeds.csv")
    arguments = parser.parse_args()
    data = load_data("ravdess", arguments.corpora, arguments.features)
    tests = [test for _, test in data.splits[:3]]
    items = np.concatenate(tests)
    rows = []
    for speeds in CANDIDATES:
        row: dict[str, str | float] = {"speeds": " ".join(map(str, speeds))}
        for mode in MODES:
            for head, member in HEADS.items():
                Z = normalized(data, at_speeds(member, speeds)["features"], mode)
                predicted = []
                for test in tests:
                    train = np.setdiff1d(items, test)
                    predicted += make_model(member).fit(Z[train], data.y[train]).predict(Z[test]).tolist()
                row[f"{mode}, {head}"] = round(100 * unweighted_accuracy(data.y[items], predicted), 1)
        row["mean"] = round(float(np.mean([value for name, value in row.items() if name != "speeds"])), 1)
        rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(arguments.output, index=False, lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
