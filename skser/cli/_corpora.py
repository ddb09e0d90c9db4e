"""`skser evaluate`, `skser train` and `skser audit`."""

from __future__ import annotations

import os
import sys
from typing import Any

from sklearn.pipeline import Pipeline

from .._utils import counted
from ..classifier import CenterLossClassifier, ended_by_ctrl_c
from ..datasets import audit as audit_corpus
from ..datasets import drop, load_corpus
from ..evaluation import evaluate as evaluate_model
from ..features import SpectrogramTransformer
from ..persistence import save_model
from ._messages import EpochBar, UsageError, say, usage_errors
from ._output import check_target, write_table


def evaluate(arguments: Any) -> bool:
    """Evaluate on a corpus with speakers kept apart, and print the report."""
    check_target(arguments.csv)
    corpus = _load(arguments.corpus, arguments.drop)
    if corpus.groups is None:
        raise UsageError(
            "CORPUS does not name the speakers, which must be kept apart: add a table speakers.csv with the "
            "columns file and speaker to the folder, or a column speaker to the CSV file."
        )
    evaluation = evaluate_model(
        _make_model(arguments),
        corpus,
        cv=arguments.folds,
        n_jobs="auto" if arguments.jobs is None else arguments.jobs,
        verbose=_shows_progress(),
    )
    say(str(evaluation))
    if arguments.csv:
        write_table([evaluation.predictions], arguments.csv)
    return False


def train(arguments: Any) -> bool:
    """Train on a corpus, and write the model."""
    check_target(arguments.model)
    if os.path.exists(arguments.model) and not arguments.force:
        raise UsageError(f"{arguments.model!r} exists: replace it with --force, or give another name.")
    corpus = _load(arguments.corpus, arguments.drop)
    model = _make_model(arguments).set_params(spectrogram__n_jobs=arguments.jobs)
    if _shows_progress():
        model.set_params(spectrogram__verbose=1, classifier__callbacks=[EpochBar()])
    with ended_by_ctrl_c():
        model.fit(corpus.data, corpus.target)
    # Whoever loads the model did not ask for progress bars.
    save_model(model.set_params(spectrogram__verbose=0, classifier__callbacks=None), arguments.model)
    say(f"wrote {arguments.model}: {', '.join(map(str, model.classes_))}")
    return False


def audit(arguments: Any) -> bool:
    """Print the problems of a corpus; return whether there are errors."""
    check_target(arguments.csv)
    corpus = _load(arguments.corpus, False)
    table = audit_corpus(corpus, verbose=_shows_progress())
    for row in table.itertuples():
        name = f"item {row.item}" if row.path is None else row.path
        say(f"{row.severity}: {name}: {row.problem}: {row.detail}")
    n_errors = int((table["severity"] == "error").sum())
    say(
        f"{counted(len(corpus.data), 'recording')}: {counted(n_errors, 'error')}, "
        f"{counted(len(table) - n_errors, 'warning')}"
    )
    if arguments.csv:
        write_table([table], arguments.csv)
    return n_errors > 0


def _load(spec: str, leave_out: bool) -> Any:
    """Load a corpus: a folder, a CSV file, or what `load_corpus` takes."""
    if os.path.isdir(spec):
        spec = f"files:{spec}"
    elif os.path.isfile(spec):
        spec = f"manifest:{spec}"
    with usage_errors():
        corpus = load_corpus(spec)
    return drop(corpus, audit_corpus(corpus, verbose=_shows_progress())) if leave_out else corpus


def _make_model(arguments: Any) -> Pipeline:
    """Make the recommended pipeline."""
    classifier = CenterLossClassifier(random_state=arguments.seed)
    if arguments.max_epochs is not None:
        classifier.set_params(max_epochs=arguments.max_epochs)
    return Pipeline([("spectrogram", SpectrogramTransformer()), ("classifier", classifier)])


def _shows_progress() -> bool:
    """Whether to show progress bars: only on a terminal."""
    return sys.stderr.isatty()
