"""Emotions over time
==================

A model is trained on six speakers. Two other speakers talk in turns. The script predicts their emotions
twice: live, from blocks of samples as a microphone delivers them, and from the complete recording. It draws
the complete recording, with the true emotions above the waveform and the probability of each emotion below.
Darker means more probable, and hatched parts are silent.

The accuracies are those of the windows whose middle is within a turn.

.. code-block:: console

   $ python examples/timeline.py
   $ python examples/timeline.py --turns 20 --window 2

This page shows the output of ``python examples/timeline.py --max-epochs 20``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import Bunch

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    TimelineDisplay,
    predict_timeline,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import make_conversation, make_emotional_speech

SR = 16000


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=10, help="turns of the conversation")
    parser.add_argument("--window", type=float, default=1.5, help="length of the windows in seconds")
    parser.add_argument("--hop", type=float, default=0.5, help="distance between windows in seconds")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the figure")
    return parser.parse_args()


def listen(
    model: Pipeline, blocks: Iterable[np.ndarray], window: float, hop: float
) -> Iterator[tuple[float, str, float]]:
    """After each hop, yield the time, the label of the last window, and its probability."""
    n_window, n_hop = round(window * SR), round(hop * SR)
    heard, n_heard, end = np.empty(0, np.float32), 0, n_window  # samples
    for block in blocks:
        heard, n_heard = np.concatenate([heard, block]), n_heard + len(block)
        while n_heard >= end:
            last = len(heard) - (n_heard - end)
            probabilities = model.predict_proba([heard[last - n_window : last]])[0]
            yield end / SR, model.classes_[probabilities.argmax()], probabilities.max()
            end += n_hop
        heard = heard[-n_window:]


def blocks_of(y: np.ndarray, duration: float = 0.1) -> Iterator[np.ndarray]:
    """Yield blocks of a recording, in place of those of a microphone."""
    n = round(duration * SR)
    yield from (y[first : first + n] for first in range(0, len(y), n))


def main() -> None:
    """Train, predict live and from the recording, and draw the recording."""
    arguments = parse_arguments()
    corpus = make_emotional_speech(random_state=0)
    unseen = np.isin(corpus.groups, ["speaker_01", "speaker_02"])
    classifier = CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=arguments.seed)
    model = make_pipeline(SpectrogramTransformer(), classifier)
    model.fit([corpus.data[i] for i in np.flatnonzero(~unseen)], corpus.target[~unseen])

    others = {"target": corpus.target[unseen], "groups": corpus.groups[unseen], "sr": corpus.sr}
    others["data"] = [corpus.data[i] for i in np.flatnonzero(unseen)]
    conversation = make_conversation(Bunch(**others), n_turns=arguments.turns, random_state=arguments.seed)

    print("live")
    for time, label, probability in listen(
        model, blocks_of(conversation.data[: 5 * SR]), arguments.window, arguments.hop
    ):
        print(f"{time:6.1f} s  {label:8} {probability:.2f}")

    timeline = predict_timeline(model, conversation.data, window=arguments.window, hop=arguments.hop)
    middles = (timeline["start"] + timeline["end"]) / 2
    turns = conversation.turns.iloc[np.searchsorted(conversation.turns["start"], middles, side="right") - 1]
    spoken = (middles.to_numpy() < turns["end"].to_numpy()) & ~timeline["silent"].to_numpy()
    true, predicted = turns["label"].to_numpy()[spoken], timeline["label"].to_numpy()[spoken].astype(str)
    print(f"\nwindows in turns: {spoken.sum()}")
    print(f"UA {100 * unweighted_accuracy(true, predicted):.1f} %", end="   ")
    print(f"WA {100 * weighted_accuracy(true, predicted):.1f} %")

    display = TimelineDisplay.from_predictions(timeline, recording=conversation.data, sr=SR)
    upper = display.waveform_ax_
    for turn in conversation.turns.itertuples():
        place = {"transform": upper.get_xaxis_transform(), "ha": "center"}
        upper.text((turn.start + turn.end) / 2, 1.04, turn.label, size="x-small", **place)
    arguments.output.mkdir(parents=True, exist_ok=True)
    display.figure_.set_size_inches(9, 4)
    display.figure_.savefig(arguments.output / "timeline.png", dpi=150)


if __name__ == "__main__":
    main()
