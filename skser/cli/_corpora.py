"""`skser evaluate`, `skser train` and `skser audit`."""

from __future__ import annotations

import os
import sys
from typing import Any

from .._utils import counted
from ..classifier import ended_by_ctrl_c
from ..datasets import audit as audit_corpus
from ..datasets import drop, find_reasons, list_problems, load_corpus
from ..evaluation import evaluate as evaluate_model
from ..persistence import save_model
from ._messages import UsageError, report, say, usage_errors
from ._models import make_model, show_progress
from ._output import check_target, write_table


def evaluate(arguments: Any) -> bool:
    """Evaluate on a corpus with speakers kept apart, and print the report."""
    check_target(arguments.csv, _inputs_of(arguments))
    model = make_model(arguments)
    corpus = _load(arguments)
    if corpus.groups is None:
        cure = _speakers_cure(arguments.corpus)
        raise UsageError(f"CORPUS does not name the speakers, which must be kept apart: {cure}.")
    if arguments.drop:
        corpus = _drop_errors(corpus)
    speakers = set(corpus.groups.tolist())
    if len(speakers) < 2:
        raise UsageError(
            f"CORPUS has only one speaker ({speakers.pop()}), but a test needs others: add their recordings."
        )
    model[0].set_params(verbose=int(_shows_progress()))
    evaluation = evaluate_model(
        model,
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
    check_target(arguments.model, _inputs_of(arguments))
    if os.path.exists(arguments.model) and not arguments.force:
        raise UsageError(f"{arguments.model!r} exists: replace it with --force, or give another name.")
    model = make_model(arguments)
    corpus = _load(arguments)
    if arguments.drop:
        corpus = _drop_errors(corpus)
    model[0].set_params(n_jobs=arguments.jobs)
    show_progress(model, _shows_progress())
    with ended_by_ctrl_c():
        model.fit(corpus.data, corpus.target)
    show_progress(model, False)  # whoever loads the model did not ask for progress bars
    save_model(model, arguments.model)
    say(f"wrote {arguments.model}: {', '.join(map(str, model.classes_))}")
    return False


def audit(arguments: Any) -> bool:
    """Print the problems of a corpus; return whether there are errors."""
    check_target(arguments.csv, _inputs_of(arguments))
    corpus = _load(arguments)
    table = audit_corpus(corpus, verbose=_shows_progress())
    for row in table.itertuples():
        say(f"{row.severity}: {_describe(row)}")
    n_errors = int((table["severity"] == "error").sum())
    say(
        f"{counted(len(corpus.data), 'recording')}: {counted(n_errors, 'error')}, "
        f"{counted(len(table) - n_errors, 'warning')}"
    )
    if arguments.csv:
        write_table([table], arguments.csv)
    return n_errors > 0


def _load(arguments: Any) -> Any:
    """Load the corpus that the arguments name."""
    with usage_errors():
        return load_corpus(_add_loader(arguments.corpus), speaker=arguments.speaker)


def _inputs_of(arguments: Any) -> list[str]:
    """Paths that the arguments may name; CORPUS has a loader or not, and a folder may have a table."""
    roots = [arguments.corpus, arguments.corpus.partition(":")[2]]
    others = [arguments.speaker, getattr(arguments, "encoder", None)]
    return [*roots, *(os.path.join(root, "speakers.csv") for root in roots), *filter(None, others)]


def _add_loader(corpus: str) -> str:
    """Put the name of its loader before a folder or a CSV file."""
    if os.path.isdir(corpus):
        return f"files:{corpus}"
    if os.path.isfile(corpus):
        return f"manifest:{corpus}"
    if ":" not in corpus and corpus != "synthetic":
        raise UsageError(
            f"CORPUS {corpus!r} is neither a folder, nor a CSV file, nor LOADER:PATH: check its path."
        )
    return corpus


def _speakers_cure(corpus: str) -> str:
    """Say how a corpus can name its speakers."""
    if _add_loader(corpus).startswith("files:"):
        return (
            "find them with --speaker, or add a table speakers.csv (columns file and speaker) to the folder"
        )
    return "add a column speaker to the CSV file"


def _drop_errors(corpus: Any) -> Any:
    """Leave out the recordings with errors; report them, and similar labels and speakers of the others."""
    table = audit_corpus(corpus, verbose=_shows_progress())
    reasons = find_reasons(table[table["severity"] == "error"])
    n_recordings = counted(len(corpus.data), "recording")
    if len(reasons) == len(corpus.data):
        raise ValueError(
            f"none of {n_recordings} can be used ({list_problems(reasons)}): repair the recordings that "
            "`skser audit` lists."
        )
    if reasons:
        report(
            f"left out {len(reasons)} of {n_recordings} ({list_problems(reasons)}): `skser audit` lists them."
        )
    remaining = table[~table["item"].isin(list(reasons))]
    similar = remaining[remaining["problem"].str.startswith("similar")]
    for row in similar.drop_duplicates("detail").itertuples():  # one per spelling, not per recording
        report(f"warning: {_describe(row)}")
    return drop(corpus, table)


def _describe(row: Any) -> str:
    """Describe a problem in the table of an audit."""
    name = f"item {row.item}" if row.path is None else row.path
    return f"{name}: {row.problem}: {row.detail}"


def _shows_progress() -> bool:
    """Whether to show progress bars: only on a terminal."""
    return sys.stderr.isatty()
