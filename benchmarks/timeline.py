"""Timelines: time and memory per length of a recording, and accuracy per second on joined recordings.

    python benchmarks/timeline.py speed
    python benchmarks/timeline.py speed --model speech-emotions
    python benchmarks/timeline.py accuracy --corpus ravdess:../shared/corpora/ravdess --test 11 12

"speed" runs each length in a process of its own, on one thread, with the default pipeline or an installed
model. "accuracy" trains on the other speakers and
tests on conversations between the speakers after --test: for each second, the window around it is compared
with the label of its turn.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    load_model,
    load_pretrained,
    predict_timeline,
    save_model,
    unweighted_accuracy,
)
from skser.datasets import load_corpus, make_conversation, make_emotional_speech

RATE = 44100  # Hz, so that resampling is measured too


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=["speed", "accuracy", "one"])
    parser.add_argument("paths", nargs="*", help="of one: a model and a recording")
    parser.add_argument("--model", metavar="NAME", help="of speed: an installed model")
    parser.add_argument("--seconds", type=int, nargs="+", default=[60, 3600])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--test", nargs="+", default=["speaker_01", "speaker_02"], help="test speakers")
    parser.add_argument("--conversations", type=int, default=4)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--window", type=float, default=3.0, help="length of the windows in seconds")
    parser.add_argument("--hop", type=float, default=1.0, help="distance between windows in seconds")
    parser.add_argument("--trim-db", type=float, help="cut silence at the ends of the training recordings")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_model(max_epochs: int, seed: int, trim_db: float | None = None) -> Pipeline:
    """Make the pipeline of the manual."""
    classifier = CenterLossClassifier(max_epochs=max_epochs, random_state=seed)
    return Pipeline([("spectrogram", SpectrogramTransformer(trim_db=trim_db)), ("classifier", classifier)])


def measure_speed(lengths: list[int], name: str | None) -> None:
    """Print seconds and peak memory for recordings of some lengths."""
    corpus = make_emotional_speech(random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        model, recording = Path(folder, "model.safetensors"), Path(folder, "recording.wav")
        pipe = make_model(1, 0).fit(corpus.data, corpus.target) if name is None else load_pretrained(name)
        save_model(pipe, model)
        minute = make_conversation(corpus, n_turns=60, sr=RATE, random_state=0).data
        for seconds in lengths:
            write_recording(recording, minute, seconds)
            command = [sys.executable, __file__, "one", str(model), str(recording)]
            subprocess.run(command, check=True)


def write_recording(path: Path, y: np.ndarray, seconds: int) -> None:
    """Write a recording of some length by repeating a waveform."""
    left = seconds * RATE
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        while left:
            part = y[: min(left, len(y))]
            file.write(part)
            left -= len(part)


def measure_one(model: str, recording: str) -> None:
    """Print the time for one recording, without loading the model, and the peak memory of this process."""
    torch.set_num_threads(1)
    pipe = load_model(model)
    predict_timeline(pipe, np.random.default_rng(0).normal(size=48_000))  # imports what is still missing
    start, cpu_start = time.perf_counter(), time.process_time()
    table = predict_timeline(pipe, recording)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    duration, window = table["end"].iloc[-1], np.random.default_rng(1).normal(size=48_000)
    cpu_start = time.process_time()
    for _ in range(20):
        pipe.predict_proba([window])
    of_one = (time.process_time() - cpu_start) / 20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{duration:7.0f} s of audio  {len(table):5} windows  {wall:7.2f} s  {cpu:7.2f} s of the processor  "
        f"{1000 * cpu / len(table):5.1f} ms per window  {1000 * of_one:5.1f} ms for one of 3 s  "
        f"peak {peak:.0f} MiB",
        flush=True,
    )


def measure_accuracy(arguments: argparse.Namespace) -> None:
    """Print UA per utterance, per turn and per second, for speakers that are not in the training set."""
    corpus = load_corpus(arguments.corpus)
    is_test = np.isin(corpus.groups.astype(str), arguments.test)
    train, test = (np.flatnonzero(part) for part in (~is_test, is_test))
    model = make_model(arguments.max_epochs, arguments.seed, arguments.trim_db)
    model.fit([corpus.data[i] for i in train], corpus.target[train])
    predicted = model.predict([corpus.data[i] for i in test])
    print(f"per utterance  UA {100 * unweighted_accuracy(corpus.target[test], predicted):5.1f}")
    parts = {"target": corpus.target[test], "groups": corpus.groups[test]}
    held_out = Bunch(**{**corpus, "data": [corpus.data[i] for i in test], **parts})
    seconds, turns = [], []
    for seed in range(arguments.conversations):
        conversation = make_conversation(held_out, n_turns=arguments.turns, random_state=seed)
        of_turns = predict_timeline(model, conversation.data, turns=conversation.turns)
        turns.append(np.stack([conversation.turns["label"], of_turns["label"]]))
        timeline = predict_timeline(model, conversation.data, window=arguments.window, hop=arguments.hop)
        seconds.append(labels_per_second(timeline, conversation.turns))
    for name, pairs in (("turn", np.concatenate(turns, axis=1)), ("second", np.concatenate(seconds, axis=1))):
        known = [label is not None for label in pairs[1]]
        true, found = pairs[0].astype(str), np.where(known, pairs[1].astype(str), "(silent)")
        print(
            f"per {name:9}  UA {100 * unweighted_accuracy(true, found):5.1f}  of {len(true)}, "
            f"{len(true) - sum(known)} silent, which count as wrong"
        )


def labels_per_second(timeline: Any, turns: Any) -> np.ndarray:
    """True and predicted label (2, n) of the middle of each second that is within a turn."""
    middles = np.arange(0.5, turns["end"].iloc[-1])
    centers = ((timeline["start"] + timeline["end"]) / 2).to_numpy()
    nearest = np.abs(middles[:, np.newaxis] - centers).argmin(axis=1)
    position = np.searchsorted(turns["start"], middles, side="right") - 1
    spoken = middles < turns["end"].to_numpy()[position]
    true = turns["label"].to_numpy(object)[position]
    return np.stack([true, timeline["label"].to_numpy(object)[nearest]])[:, spoken]


def main() -> None:
    """Measure."""
    arguments = parse_arguments()
    if arguments.part == "speed":
        measure_speed(arguments.seconds, arguments.model)
    elif arguments.part == "one":
        measure_one(*arguments.paths)
    else:
        measure_accuracy(arguments)


if __name__ == "__main__":
    main()
