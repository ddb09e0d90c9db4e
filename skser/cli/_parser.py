"""Arguments of the command. Nothing heavy is imported, so that --help answers immediately."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from .._version import __version__

_LIMITS = """\
limits of use:
  A model predicts which of its classes a voice resembles, not what a person feels. It is often wrong for
  speakers, languages and microphones that differ from those in its training set. Test it on speakers like
  yours first. Do not use it to make decisions about people, such as in hiring, education or law enforcement;
  the EU AI Act prohibits or restricts this."""

_CORPUS = """\
corpus:
  a folder with one subfolder per emotion, a CSV file with the columns path and label (and optionally
  speaker), or LOADER:PATH, where LOADER is crema_d, emodb, files, iemocap, manifest, nemo, ravdess, savee or
  tess; "synthetic" needs no path. The speakers of a folder come from --speaker, or from a table speakers.csv
  in the folder, with the columns file and speaker."""

_CODES = """\
exit codes:
  0 success; 1 failure (predict still prints the other recordings; audit found errors); 2 invalid arguments"""


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all subcommands."""
    parser = _Parser(
        prog="skser",
        description="Recognize emotions in recordings of speech.",
        epilog=f"{_CODES}\n\n{_LIMITS}",
    )
    parser.add_argument("--version", action="version", version=f"skser {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_predict(commands)
    _add_evaluate(commands)
    _add_train(commands)
    _add_audit(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Parser that keeps the lines of its texts."""

    def __init__(self, **settings: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **settings)  # type: ignore[arg-type]


def _add_predict(commands: argparse._SubParsersAction[_Parser]) -> None:
    predict = commands.add_parser(
        "predict",
        help="predict the emotions of recordings",
        description="Predict the emotion of each recording, or the emotions over time, and print them.",
        epilog=f"{_CODES}\n\n{_LIMITS}",
    )
    predict.add_argument("model", metavar="MODEL", help="a model file, or the name of an installed model")
    predict.add_argument(
        "files",
        metavar="FILES",
        nargs="+",
        help="recordings, or folders, which are searched with their subfolders; - reads paths from standard "
        "input, one per line",
    )
    predict.add_argument(
        "--timeline", action="store_true", help="predict windows of each recording, which may have any length"
    )
    predict.add_argument(
        "--window", type=_positive, metavar="SECONDS", help="length of the windows of --timeline (default: 3)"
    )
    predict.add_argument(
        "--hop", type=_positive, metavar="SECONDS", help="distance between windows of --timeline (default: 1)"
    )
    predict.add_argument(
        "--reject",
        type=_probability,
        metavar="PROBABILITY",
        help='print "unknown" where the highest probability is below this value, such as 0.5',
    )
    _add_csv(predict, "the predictions, with the probabilities of all classes,")


def _add_evaluate(commands: argparse._SubParsersAction[_Parser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="measure how well a model works on speakers that it was not trained on",
        description="Train and test on a corpus with speakers kept apart, and print the accuracies.",
        epilog=f"{_CORPUS}\n\n{_CODES}\n\n{_LIMITS}",
    )
    _add_corpus(evaluate)
    evaluate.add_argument(
        "--folds",
        type=_at_least(2),
        metavar="N",
        help="folds of whole speakers, 2 or more (default: one per speaker)",
    )
    _add_training(evaluate)
    _add_csv(evaluate, "all predictions")


def _add_train(commands: argparse._SubParsersAction[_Parser]) -> None:
    train = commands.add_parser(
        "train",
        help="train a model and write it to a file",
        description="Train a model on all recordings of a corpus and write it to a file.",
        epilog=f"{_CORPUS}\n\n{_CODES}\n\n{_LIMITS}",
    )
    _add_corpus(train)
    train.add_argument("model", metavar="MODEL", help="the file to write, such as emotions.safetensors")
    train.add_argument("--force", action="store_true", help="replace the file if it exists")
    _add_training(train)


def _add_audit(commands: argparse._SubParsersAction[_Parser]) -> None:
    audit = commands.add_parser(
        "audit",
        help="list damaged, silent, duplicated and other unusable recordings",
        description="Read every recording of a corpus, and print the problems; errors make the exit code 1.",
        epilog=f"{_CORPUS}\n\n{_CODES}",
    )
    _add_corpus(audit)
    _add_csv(audit, "the problems")


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help="recordings with labels and speakers, see below")
    parser.add_argument(
        "--speaker",
        metavar="PATTERN",
        help="regular expression that is searched in the path of each file of a folder; the part in "
        r"parentheses is the speaker, as in '/(\w+)_\d+\.wav$'",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drop", action="store_true", help="leave out the recordings with errors that `skser audit` lists"
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--encoder",
        metavar="ENCODER",
        help="train on the features of a pretrained speech encoder, such as ge2e, instead of a network on "
        "spectrograms",
    )
    model.add_argument(
        "--max-epochs", type=_at_least(1), metavar="N", help="number of training epochs of the network"
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="seed of the training (default: 0)"
    )
    parser.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="processes, -1 for one per processor (default: one per processor, at most 8, for the folds of "
        "the network, otherwise 1)",
    )


def _add_csv(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--csv", metavar="OUT", help=f"also write {what} to a CSV file, which is replaced")


def _positive(text: str) -> float:
    """Convert a number above 0."""
    return _number(text, 0, math.inf, "a number above 0", closed=False)


def _probability(text: str) -> float:
    """Convert a number from 0 to 1."""
    return _number(text, 0, 1, "a number from 0 to 1")


def _number(text: str, low: float, high: float, what: str, closed: bool = True) -> float:
    """Convert a number in a range."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (low <= value <= high) or (not closed and value in (low, high)):
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}")
    return value


def _jobs(text: str) -> int:
    """Convert a number of processes."""
    try:
        n_jobs = int(text)
    except ValueError:
        n_jobs = 0
    if not 0 < abs(n_jobs) < 2**31:  # joblib's range
        raise argparse.ArgumentTypeError(
            f"must be a number of processes, or -1 for one per processor, got {text!r}"
        )
    return n_jobs


def _seed(text: str) -> int:
    """Convert a seed, which NumPy limits to 32 bits."""
    seed = _at_least(0)(text)
    if seed >= 2**32:
        raise argparse.ArgumentTypeError(f"must be below 2**32, got {text!r}")
    return seed


def _at_least(low: int) -> Callable[[str], int]:
    """Make a function that converts an integer with a lower limit."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"must be an integer of at least {low}, got {text!r}")
        return int(text)

    return convert
