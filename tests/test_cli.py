"""The command `skser`, as a user calls it."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.pipeline import make_pipeline

import skser.datasets
from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    load_model,
    save_model,
)
from skser.audio import stream_waveform
from skser.cli import main
from skser.cli._models import make_model
from skser.cli._parser import make_parser
from skser.encoders import _ge2e

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A model that calls loud noise angry and quiet noise calm."""
    rng = np.random.default_rng(0)
    X, y = [rng.normal(scale=level, size=8000) for level in (0.01, 0.2) * 10], ["calm", "angry"] * 10
    classifier = CenterLossClassifier(
        channels=(4, 4),
        rnn_units=4,
        embedding_dim=8,
        augmentation=None,
        max_epochs=20,
        lr=1e-2,
        random_state=0,
    )
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(make_pipeline(SpectrogramTransformer(n_mels=8), classifier).fit(X, y), path)
    return str(path)


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Work in a folder with a loud and a quiet recording, and one that is damaged."""
    rng = np.random.default_rng(1)
    for name, level in (("loud", 0.2), ("quiet", 0.01)):
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(scale=level, size=8000), 16000)
    (tmp_path / "bad.wav").write_text("not audio")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def small_training(monkeypatch):
    for name, value in {"max_epochs": 1, "channels": (4, 4), "rnn_units": 4}.items():
        monkeypatch.setitem(CenterLossClassifier.__init__.__kwdefaults__, name, value)


def run(*arguments, **settings):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "skser", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        **settings,
    )


def test_prediction_is_printed(model_file, recordings, capsys):
    assert main(["predict", model_file, "loud.wav", "quiet.wav"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(label, file) for label, _, file in rows] == [("angry", "loud.wav"), ("calm", "quiet.wav")]
    expected = load_model(model_file).predict_proba(["loud.wav"]).max()
    assert rows[0][1] == f"{expected:.2f}"


def test_bad_file_among_good_ones_is_named_and_the_others_are_answered(model_file, recordings):
    done = run("predict", model_file, "loud.wav", "bad.wav", "none.wav", "quiet.wav", cwd=recordings)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["angry", "calm"]
    first, second = done.stderr.splitlines()
    assert first.startswith("skser: 'bad.wav': holds text instead of audio")
    assert second.startswith("skser: 'none.wav': no such file")


def test_bad_file_of_a_timeline_is_named(model_file, recordings, capsys):
    assert main(["predict", model_file, "bad.wav", "loud.wav", "--timeline"]) == 1
    captured = capsys.readouterr()
    assert captured.out.split()[2:] == ["angry", captured.out.split()[3], "loud.wav"]
    assert captured.err.startswith("skser: 'bad.wav': holds text instead of audio")


def test_long_recording_needs_a_timeline(model_file, recordings, capsys):
    soundfile.write("long.wav", np.full(70_000, 0.1), 100)
    assert main(["predict", model_file, "long.wav"]) == 1
    message = "'long.wav': lasts 700 s, longer than max_duration=600 s: add --timeline, which has no limit of"
    assert capsys.readouterr().err == f"skser: {message} length.\n"
    assert main(["predict", model_file, "long.wav", "--timeline", "--window", "100", "--hop", "100"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_timeline_has_a_line_per_window(model_file, recordings, capsys):
    y = np.concatenate([soundfile.read(f"{name}.wav")[0] for name in ("loud", "quiet")] + [np.zeros(8000)])
    soundfile.write("all.wav", y, 16000)
    assert main(["predict", model_file, "all.wav", "--timeline", "--window", "0.5", "--hop", "0.5"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["0.00", "0.50", "angry"],
        ["0.50", "1.00", "calm"],
        ["1.00", "1.50", "(silent)"],
    ]


def test_csv_holds_all_probabilities(model_file, recordings, capsys):
    assert main(["predict", model_file, "quiet.wav", "loud.wav", "--csv", "out.csv"]) == 0
    table = pd.read_csv("out.csv")
    assert table["file"].tolist() == ["quiet.wav", "loud.wav"]
    expected = load_model(model_file).predict_proba(["quiet.wav", "loud.wav"])
    np.testing.assert_allclose(table[["probability_angry", "probability_calm"]], expected, rtol=1e-5)
    assert main(["predict", model_file, "loud.wav", "--timeline", "--csv", "out.csv"]) == 0
    assert pd.read_csv("out.csv").columns[:4].tolist() == ["file", "start", "end", "silent"]


def test_reject_prints_unknown(model_file, recordings, capsys):
    assert main(["predict", model_file, "loud.wav", "--reject", "1"]) == 0
    assert main(["predict", model_file, "loud.wav", "--reject", "1", "--timeline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == lines[1].split()[2] == "unknown"


@pytest.fixture
def silent(recordings):
    """A recording of zeros, and one below one step of 16 bits."""
    soundfile.write("zeros.wav", np.zeros(8000), 16000)
    noise = np.random.default_rng(2).normal(scale=1e-5, size=8000)
    soundfile.write("faint.wav", noise, 16000, subtype="FLOAT")


def test_silent_recordings_are_named(model_file, silent, capsys):
    assert main(["predict", model_file, "zeros.wav", "loud.wav", "faint.wav", "--csv", "out.csv"]) == 0
    captured = capsys.readouterr()
    assert [line.split()[-1] for line in captured.out.splitlines()] == ["zeros.wav", "loud.wav", "faint.wav"]
    assert pd.read_csv("out.csv")["probability"].notna().all()
    text = "is silent, so its label means nothing."
    assert captured.err.splitlines() == [
        f"skser: warning: 'zeros.wav' {text}",
        f"skser: warning: 'faint.wav' {text}",
    ]


def test_a_recording_with_one_loud_part_is_not_silent(model_file, silent, capsys):
    y = np.zeros(20 * 16000)
    y[-8000:] = 0.1 * np.sin(np.arange(8000))
    soundfile.write("end.wav", y, 16000)
    assert main(["predict", model_file, "end.wav"]) == 0
    assert capsys.readouterr().err == ""


def test_a_silent_timeline_gives_no_warning(model_file, silent, capsys):
    assert main(["predict", model_file, "zeros.wav", "--timeline"]) == 0
    captured = capsys.readouterr()
    assert "(silent)" in captured.out
    assert captured.err == ""


def test_a_recording_is_read_only_up_to_its_first_sound(model_file, recordings, capsys, monkeypatch):
    n_read = []

    def counted(path, sr):
        for y in stream_waveform(path, sr):
            n_read.append(len(y))
            yield y

    monkeypatch.setattr("skser.cli._predict.stream_waveform", counted)
    soundfile.write("long.wav", np.random.default_rng(3).normal(scale=0.1, size=300 * 16000), 16000)
    assert main(["predict", model_file, "long.wav"]) == 0
    assert len(n_read) == 1
    assert n_read[0] < 100 * 16000


def test_folder_is_walked(model_file, recordings, capsys):
    (recordings / "inner").mkdir()
    os.rename("quiet.wav", "inner/quiet.FLAC.wav")
    os.remove("bad.wav")
    (recordings / "notes.txt").write_text("no recording")
    assert main(["predict", model_file, "."]) == 0
    files = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert files == ["inner/quiet.FLAC.wav", "loud.wav"]


def test_unreadable_formats_in_a_folder_are_named(model_file, recordings, capsys):
    os.remove("bad.wav")
    Path("phone.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(range(256)))
    assert main(["predict", model_file, "."]) == 1
    captured = capsys.readouterr()
    assert "phone.m4a': holds MP4 (m4a, mp4), which libsndfile cannot read: convert it" in captured.err
    assert len(captured.out.splitlines()) == 2


def test_help_names_every_loader(capsys):
    for command in ("evaluate", "train", "audit"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert all(name in text for name in ("nemo", "ravdess", "iemocap", "manifest"))


def test_folder_without_recordings_fails_and_the_others_are_answered(model_file, recordings, capsys):
    (recordings / "empty").mkdir()
    assert main(["predict", model_file, "empty", "loud.wav"]) == 1
    captured = capsys.readouterr()
    assert "the folder 'empty' has no audio files" in captured.err
    assert captured.out.startswith("angry")


def test_folder_that_cannot_be_read_fails_and_the_others_are_answered(
    model_file, recordings, capsys, monkeypatch
):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "closed")

    (recordings / "closed").mkdir()
    monkeypatch.setattr("skser.cli._predict.find_files", refuse)
    assert main(["predict", model_file, "closed", "loud.wav"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "skser: [Errno 13] Permission denied: 'closed'\n"
    assert captured.out.startswith("angry")


def standard_input(monkeypatch, content):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_minus_reads_paths_from_standard_input(model_file, recordings, capsys, monkeypatch):
    standard_input(monkeypatch, b"loud.wav\n\nquiet.wav\n")
    assert main(["predict", model_file, "-"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["loud.wav", "quiet.wav"]


def test_path_that_is_not_text_does_not_end_the_command(model_file, recordings, capsys, monkeypatch):
    standard_input(monkeypatch, b"no\xffne.wav\nquiet.wav\n")
    assert main(["predict", model_file, "-", "--csv", "out.csv"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("calm")
    assert len(captured.err.splitlines()) == 1


def test_no_paths_on_standard_input_is_a_usage_error(model_file, capsys, monkeypatch):
    standard_input(monkeypatch, b"")
    assert main(["predict", model_file, "-"]) == 2
    assert capsys.readouterr().err == "skser: no recordings were named: name files or folders.\n"


def test_model_is_the_name_of_an_installed_model_unless_a_file_has_it(
    model_file, recordings, capsys, monkeypatch
):
    info = recordings / "skser_test_cli-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skser_test_cli\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[skser.models]\nnoise = skser_test_cli:MODEL\n")
    Path("skser_test_cli.py").write_text(f"MODEL = {model_file!r}\n")
    monkeypatch.syspath_prepend(recordings)
    assert main(["predict", "noise", "loud.wav"]) == 0
    assert capsys.readouterr().out.startswith("angry")
    Path("noise").write_text("not a model")
    assert main(["predict", "noise", "loud.wav"]) == 2
    assert "noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "loud.wav"], "MODEL 'none' is neither a file nor an installed model (installed: none)."),
        (["loud.wav", "loud.wav"], "loud.wav"),
        (["MODEL", "loud.wav", "--hop", "1"], "--window and --hop describe the windows of --timeline"),
        (["MODEL", "loud.wav", "--csv", "none/out.csv"], "does not exist: make it first"),
        (["MODEL", "loud.wav", "--csv", "."], "is not the name of a file"),
        (["MODEL", "loud.wav", "--csv", "MODEL"], "is also an input, which would be replaced: name another"),
        (["MODEL", "--csv", "loud.wav", "quiet.wav"], "'loud.wav' has the file extension of a recording"),
        (["MODEL", "loud.wav", "--csv", "/dev/stdout"], "'/dev/stdout' is not a regular file"),
        (["MODEL", "loud.wav", "--csv", "/dev/null"], "'/dev/null' is not a regular file"),
    ],
)
def test_wrong_argument_ends_with_a_sentence_and_code_2(
    model_file, recordings, capsys, monkeypatch, arguments, message
):
    # No model is installed, whatever the environment has.
    monkeypatch.setattr("skser.persistence._pretrained.entry_points", lambda group: [])
    arguments = [model_file if argument == "MODEL" else argument for argument in arguments]
    assert main(["predict", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.startswith("skser: ")
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["predict"],
        ["predict", "m", "a.wav", "--reject", "2"],
        ["predict", "m", "a.wav", "--timeline", "--window", "0"],
        ["predict", "m", "a.wav", "--timeline", "--hop", "nan"],
        ["evaluate", "synthetic", "--folds", "1"],
        ["train", "synthetic"],
        ["train", "synthetic", "m", "--max-epochs", "0"],
    ],
)
def test_wrong_option_exits_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: skser" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "two", "1.5", "9999999999"])
@pytest.mark.parametrize("command", [["evaluate", "synthetic"], ["train", "synthetic", "m"]])
def test_a_wrong_number_of_processes_is_refused_before_the_corpus_is_loaded(command, value, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--jobs", value])
    assert caught.value.code == 2
    expected = f"argument --jobs: must be a number of processes, or -1 for one per processor, got '{value}'"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("value", [-1, 1, 4])
def test_a_number_of_processes_can_be_negative(value):
    assert make_parser().parse_args(["evaluate", "synthetic", "--jobs", str(value)]).jobs == value


def test_model_that_does_not_take_recordings_is_a_usage_error(recordings, capsys):
    rng = np.random.default_rng(0)
    save_model(CenterLossClassifier().fit(rng.normal(size=(4, 5, 9)), [0, 1, 0, 1]), "m.safetensors")
    assert main(["predict", "m.safetensors", "loud.wav"]) == 2
    assert "first step takes recordings" in capsys.readouterr().err


def test_target_in_a_folder_that_is_not_writable_is_refused_before_the_work(recordings, capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda folder, mode: not mode & os.W_OK)
    assert main(["train", "none:none", "model.safetensors"]) == 2
    message = (
        f"the folder {str(recordings)!r} is not writable: grant write permission, or name another folder."
    )
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("corpus", "options", "table"),
    [
        ("table.csv", [], "table.csv"),
        ("manifest:table.csv", [], "./table.csv"),
        ("manifest:~/table.csv", [], "table.csv"),
        ("folder", [], "folder/speakers.csv"),
        ("files:folder", [], "folder/speakers.csv"),
        ("folder", ["--speaker", "voices.csv"], "voices.csv"),
    ],
)
@pytest.mark.parametrize("command", ["audit", "evaluate"])
def test_table_of_the_corpus_is_not_replaced(
    recordings, capsys, monkeypatch, command, corpus, options, table
):
    monkeypatch.setenv("HOME", str(recordings))
    monkeypatch.setenv("USERPROFILE", str(recordings))
    Path("folder").mkdir()
    Path(table).write_text("path,label\n")
    assert main([command, corpus, *options, "--csv", table]) == 2
    assert f"{table!r} is also an input" in capsys.readouterr().err
    assert Path(table).read_text() == "path,label\n"


def test_encoder_is_not_replaced(recordings, capsys):
    Path("weights.pt").write_text("weights")
    assert main(["train", "synthetic", "weights.pt", "--encoder", "weights.pt", "--force"]) == 2
    assert "'weights.pt' is also an input" in capsys.readouterr().err


def test_output_may_have_the_name_of_a_corpus_that_is_not_a_file(recordings, capsys):
    assert main(["train", "synthetic", "synthetic", "--encoder", "none.pt"]) == 2
    assert "encoder='none.pt' cannot be read" in capsys.readouterr().err


def test_table_without_predictions_is_not_written(model_file, recordings, capsys):
    assert main(["predict", model_file, "bad.wav", "--csv", "out.csv"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "skser: 'out.csv' was not written, because no recording was predicted."


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_name_that_the_output_cannot_encode_is_escaped(model_file, recordings, monkeypatch, encoding):
    os.rename("loud.wav", "g\u0142os.wav")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = run("predict", model_file, "g\u0142os.wav", "quiet.wav", "--csv", "out.csv", cwd=recordings)
    assert done.returncode == 0
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["g\\u0142os.wav", "quiet.wav"]
    assert pd.read_csv("out.csv")["file"].tolist() == ["g\u0142os.wav", "quiet.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="closes a file descriptor before the command starts")
@pytest.mark.parametrize(("closed", "n_lines"), [(0, 2), (1, 0)])
def test_closed_streams_are_empty(model_file, recordings, closed, n_lines):
    files = ["-", "loud.wav", "quiet.wav"] if closed == 0 else ["loud.wav", "quiet.wav"]
    done = run("predict", model_file, *files, cwd=recordings, preexec_fn=lambda: os.close(closed))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == n_lines


def test_closed_standard_error_is_empty(model_file, recordings, capsys, monkeypatch):
    # In this process, because the lowest versions of NumPy need standard error when they are imported.
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["predict", model_file, "loud.wav", "bad.wav", "quiet.wav"]) == 1
    sys.stderr.close()
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["loud.wav", "quiet.wav"]


@pytest.mark.parametrize("seed", ["-1", "4294967296", "a"])
def test_wrong_seed_is_refused(capsys, seed):
    with pytest.raises(SystemExit) as raised:
        main(["train", "synthetic", "m.safetensors", "--seed", seed])
    assert raised.value.code == 2
    assert "argument --seed: must be" in capsys.readouterr().err


def test_full_disk_leaves_the_old_table_and_the_answers(model_file, recordings, capsys, monkeypatch):
    Path("out.csv").write_text("old")

    def fail(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", fail)
    assert main(["predict", model_file, "loud.wav", "--csv", "out.csv"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("angry")
    assert captured.err.startswith("skser: out.csv cannot be written (No space left on device)")
    assert Path("out.csv").read_text() == "old"
    assert sorted(os.listdir()) == ["bad.wav", "loud.wav", "out.csv", "quiet.wav"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_full_disk_behind_standard_output_is_an_error(model_file, recordings):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "skser", "predict", model_file, "loud.wav"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            timeout=300,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_reader_that_ends_early_is_no_error_message(model_file, recordings):
    with subprocess.Popen(
        [sys.executable, "-m", "skser", "predict", model_file, *["loud.wav"] * 3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(timeout=300) == 1
    assert errors == b""


def test_ctrl_c_ends_a_prediction_without_a_traceback(model_file, recordings):
    with subprocess.Popen(
        [sys.executable, "-m", "skser", "predict", model_file, *["loud.wav"] * 5000, "--csv", "out.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        # A process in the background of a shell ignores the signal, and so would its child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout.readline().startswith("angry")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors == "skser: interrupted\n"
    assert not os.path.exists("out.csv")


def test_ctrl_c_ends_a_training_without_a_model(recordings, capsys, monkeypatch):
    from skser.training import CenterLossNet

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(CenterLossNet, "train_step", interrupt)
    monkeypatch.setattr(skser.datasets.make_emotional_speech, "__defaults__", (2, 1))
    assert main(["train", "synthetic", "m.safetensors"]) == 130
    assert capsys.readouterr().err == "skser: interrupted\n"
    assert not os.path.exists("m.safetensors")


def test_ctrl_c_between_two_epochs_ends_a_training_without_a_model(recordings, capsys, monkeypatch):
    from skser.training import CenterLossNet

    notify = CenterLossNet.notify

    def interrupt(net, name, **kwargs):
        notify(net, name, **kwargs)
        if name == "on_epoch_end":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(CenterLossNet, "notify", interrupt)
    monkeypatch.setattr(skser.datasets.make_emotional_speech, "__defaults__", (2, 1))
    assert main(["train", "synthetic", "m.safetensors"]) == 130
    assert capsys.readouterr().err == "skser: interrupted\n"
    assert not os.path.exists("m.safetensors")


def test_train_writes_a_model_that_predict_reads(folder_of_speech, tmp_path, capsys):
    model = str(tmp_path / "m.safetensors")
    assert main(["train", str(folder_of_speech), model]) == 0
    assert capsys.readouterr().out == f"wrote {model}: angry, happy, neutral, sad\n"
    assert load_model(model)[0].verbose == 0
    recording = str(next(folder_of_speech.rglob("*.wav")))
    assert main(["predict", model, recording]) == 0
    assert capsys.readouterr().out.split()[0] in {"angry", "happy", "neutral", "sad"}


def test_train_replaces_a_file_only_with_force(tmp_path, capsys, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_text("old")
    assert main(["train", "synthetic", str(path)]) == 2
    assert "exists: replace it with --force" in capsys.readouterr().err
    assert path.read_text() == "old"
    monkeypatch.setattr(skser.datasets.make_emotional_speech, "__defaults__", (2, 1))
    assert main(["train", "synthetic", str(path), "--force"]) == 0
    assert load_model(path).classes_.tolist() == ["angry", "happy", "neutral", "sad"]


def test_progress_bar_of_a_training_is_not_saved(folder_of_speech, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    model = str(tmp_path / "m.safetensors")
    assert main(["train", str(folder_of_speech), model]) == 0
    assert "training: 100%" in capsys.readouterr().err
    load_model(model)


def test_bad_recording_stops_a_training_and_is_named(folder_of_speech, tmp_path, capsys):
    shutil.copytree(folder_of_speech, tmp_path / "corpus")
    bad = next((tmp_path / "corpus").rglob("*.wav"))
    bad.write_text("not audio")
    model = str(tmp_path / "m.safetensors")
    assert main(["train", str(tmp_path / "corpus"), model]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"skser: {str(bad)!r}: holds text")
    assert (
        second
        == "skser: 1 of 24 recordings cannot be used: repair or remove them, or leave them out with --drop."
    )
    assert not os.path.exists(model)
    assert main(["train", str(tmp_path / "corpus"), model, "--drop"]) == 0


@pytest.fixture
def untidy(folder_of_speech, tmp_path):
    """A folder with a damaged, a silent and two copied recordings, and two spellings of a name."""
    root = tmp_path / "untidy"
    shutil.copytree(folder_of_speech, root)
    first, *others = sorted((root / "angry").glob("*.wav"))
    others[0].write_text("not audio")
    soundfile.write(others[1], np.zeros(8000), 16000)
    for name in ("copy_1.wav", "copy_2.wav"):
        shutil.copy(first, root / "angry" / name)
    (root / "Sad").mkdir()
    for file in sorted((root / "sad").glob("*.wav"))[:2]:
        shutil.move(file, root / "Sad" / file.name)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.wav"))
    rows = [f"{file},{'Ann' if file.startswith('happy') else 'ann'}" for file in files]
    (root / "speakers.csv").write_text("\n".join(["file,speaker", *rows]))
    return root


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_recordings_left_out_are_counted(untidy, tmp_path, capsys, command):
    target = {"train": [str(tmp_path / "m.safetensors")], "evaluate": []}[command]
    code = main([command, str(untidy), *target, "--drop", "--max-epochs", "1"])
    lines = capsys.readouterr().err.splitlines()
    assert code == {"train": 0, "evaluate": 1}[command]  # Ann, one of the two speakers, has only one class
    counts = "left out 4 of 26 recordings (2 duplicate, 1 unreadable, 1 silent): `skser audit` lists them."
    assert lines.count(f"skser: {counts}") == 1


def test_similar_labels_and_speakers_are_named_once(untidy, tmp_path, capsys):
    assert main(["train", str(untidy), str(tmp_path / "m.safetensors"), "--drop"]) == 0
    _, label, group = capsys.readouterr().err.splitlines()
    start = f"skser: warning: {untidy}/"
    assert label.startswith(f"{start}Sad/")
    assert label.endswith(": similar label: its label is 'Sad', but 4 of 26 items have 'sad'.")
    assert group.startswith(f"{start}happy/")
    assert group.endswith(": similar group: its group is 'Ann', but 20 of 26 items have 'ann'.")


def test_a_similar_label_that_is_left_out_is_not_named(folder_of_speech, tmp_path, capsys):
    root = tmp_path / "corpus"
    shutil.copytree(folder_of_speech, root)
    (root / "speakers.csv").unlink()
    (root / "Sad").mkdir()
    (root / "Sad" / "bad.wav").write_text("not audio")
    assert main(["train", str(root), str(tmp_path / "m.safetensors"), "--drop"]) == 0
    assert "similar" not in capsys.readouterr().err


def test_a_clean_corpus_is_trained_without_a_report(folder_of_speech, tmp_path, capsys):
    assert main(["train", str(folder_of_speech), str(tmp_path / "m.safetensors"), "--drop"]) == 0
    assert capsys.readouterr().err == ""


def test_a_corpus_without_any_usable_recording_is_refused(tmp_path, capsys):
    for name in ("angry", "sad"):
        (tmp_path / "corpus" / name).mkdir(parents=True)
        (tmp_path / "corpus" / name / "bad.wav").write_text("not audio")
    assert main(["train", str(tmp_path / "corpus"), str(tmp_path / "m.safetensors"), "--drop"]) == 1
    message = (
        "none of 2 recordings can be used (2 unreadable): repair the recordings that `skser audit` lists."
    )
    assert capsys.readouterr().err == f"skser: {message}\n"


def test_evaluate_prints_the_report_and_writes_the_predictions(folder_of_speech, tmp_path, capsys):
    out = tmp_path / "out.csv"
    arguments = [
        "evaluate",
        f"files:{folder_of_speech}",
        "--folds",
        "2",
        "--max-epochs",
        "1",
        "--csv",
        str(out),
    ]
    assert main(arguments) == 0
    assert "UA and WA in %" in capsys.readouterr().out
    table = pd.read_csv(out)
    assert len(table) == 24
    assert {"label", "predicted", "speaker", "fold"} <= set(table.columns)


@pytest.fixture
def named_speakers(folder_of_speech, tmp_path):
    """A folder whose files are named after their speakers, as in angry/speaker_01_0.wav."""
    for file, speaker in pd.read_csv(folder_of_speech / "speakers.csv").itertuples(index=False):
        label, name = file.split("/")
        (tmp_path / "named" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder_of_speech / file, tmp_path / "named" / label / f"{speaker}_{name}")
    return tmp_path / "named"


def test_evaluation_without_speakers_says_how_to_name_them(named_speakers, tmp_path, capsys):
    rows = [f"{path},{path.parent.name}" for path in named_speakers.rglob("*.wav")]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows]))
    cures = {
        str(named_speakers): "find them with --speaker, or add a table speakers.csv (columns file and "
        "speaker) to the folder",
        f"files:{named_speakers}": "find them with --speaker",
        str(tmp_path / "table.csv"): "add a column speaker to the CSV file.\n",
    }
    for corpus, cure in cures.items():
        assert main(["evaluate", corpus]) == 2
        message = f"skser: CORPUS does not name the speakers, which must be kept apart: {cure}"
        assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,emotion\nloud.wav,angry\n",
            "lacks the columns 'path' and 'label'; it has 'file', 'emotion': rename a column, or set path=, "
            "label= of load_manifest.",
        ),
        (
            "path,label\ngone.wav,angry\n",
            "lists 1 of 1 file that do not exist (gone.wav): correct the paths, or pass root= of "
            "load_manifest if they start at another folder.",
        ),
    ],
)
def test_wrong_table_is_refused(recordings, capsys, text, message):
    Path("table.csv").write_text(text)
    assert main(["train", "table.csv", "m.safetensors"]) == 2
    assert capsys.readouterr().err == f"skser: The table 'table.csv' {message}\n"


def test_a_table_that_does_not_exist_cannot_be_a_data_frame(capsys):
    assert main(["audit", "manifest:none.csv"]) == 2
    message = "The table 'none.csv' does not exist: give a CSV file with one row per recording."
    assert capsys.readouterr().err == f"skser: {message}\n"


def test_evaluation_of_one_speaker_is_a_usage_error(recordings, capsys):
    Path("table.csv").write_text("path,label,speaker\nloud.wav,angry,ann\nquiet.wav,calm,ann\n")
    assert main(["evaluate", "table.csv"]) == 2
    message = "CORPUS has only one speaker (ann), but a test needs others: add their recordings."
    assert capsys.readouterr().err == f"skser: {message}\n"


@pytest.mark.parametrize("prefix", ["", "files:"])
def test_speakers_are_found_in_the_names_of_files(named_speakers, tmp_path, prefix):
    out = tmp_path / "out.csv"
    corpus = f"{prefix}{named_speakers}"
    options = ["--speaker", r"(speaker_\d+)_\d+\.wav$", "--folds", "2", "--csv", str(out)]
    assert main(["evaluate", corpus, *options]) == 0
    table = pd.read_csv(out)
    assert table["speaker"].tolist() == [Path(file).name[:10] for file in table["file"]]
    assert (table.groupby("speaker")["fold"].nunique() == 1).all()


def test_audit_compares_the_speakers_of_the_pattern(named_speakers, capsys):
    first, second = sorted((named_speakers / "sad").iterdir())[:2]
    shutil.copy(first, second)
    assert main(["audit", str(named_speakers), "--speaker", r"(speaker_\d+)_"]) == 1
    assert "duplicate in another group" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["evaluate"], ["audit"], ["train", "m.safetensors"]])
@pytest.mark.parametrize(
    ("corpus", "pattern", "message"),
    [
        ("FOLDER", "(speaker", "speaker='(speaker' is not a regular expression: missing ), "),
        ("FOLDER", "speaker", "speaker='speaker' has 0 groups: put parentheses only around the speaker"),
        ("FOLDER", "(speaker_01)", "No speaker for 20 of 24 files in "),
        ("synthetic", "(s)", "speaker applies only to a folder of recordings (files:PATH), not to"),
        ("ravdess:none", "(s)", "speaker applies only to a folder of recordings (files:PATH), not to"),
    ],
)
def test_wrong_pattern_is_a_usage_error(named_speakers, capsys, command, corpus, pattern, message):
    corpus = corpus.replace("FOLDER", str(named_speakers))
    command, *model = command
    assert main([command, corpus, *model, "--speaker", pattern]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"skser: {message}")
    assert len(error.splitlines()) == 1


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory, write_ge2e):
    return write_ge2e(tmp_path_factory.mktemp("encoder") / "weights.pt", 0)


def test_model_on_an_encoder_predicts(folder_of_speech, encoder_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    path = str(tmp_path / "m.safetensors")
    assert main(["train", str(folder_of_speech), path, "--encoder", encoder_file]) == 0
    model = load_model(path)
    classes = [type(step).__name__ for step in model]
    assert classes == ["SpeechEncoderTransformer", "StandardScaler", "LogisticRegression"]
    assert model[0].get_params() == SpeechEncoderTransformer(encoder_file).get_params() | {
        "local_files_only": True
    }
    recording = str(next(folder_of_speech.rglob("*.wav")))
    capsys.readouterr()
    assert main(["predict", path, recording]) == 0
    label, probability, _ = capsys.readouterr().out.split()
    assert [label] == model.predict([recording])
    assert probability == f"{model.predict_proba([recording]).max():.2f}"
    assert main(["predict", path, recording, "--timeline", "--window", "0.25", "--hop", "0.25"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 1


@pytest.mark.parametrize(("name", "n_speeds"), [("ge2e", 3), ("model.pt", 1)])
def test_models_on_ge2e_have_three_speeds(monkeypatch, name, n_speeds):
    monkeypatch.setattr(SpeechEncoderTransformer, "fit", lambda self, X: self)
    arguments = make_parser().parse_args(["train", "synthetic", "m", "--encoder", name])
    assert len(make_model(arguments)[0].speeds) == n_speeds


def test_encoder_is_evaluated(named_speakers, encoder_file, tmp_path, capsys):
    (named_speakers / "sad" / "speaker_01_bad.wav").write_text("not audio")
    options = ["--speaker", r"(speaker_\d+)_", "--encoder", encoder_file, "--drop", "--folds", "2"]
    options += ["--seed", "1", "--jobs", "1", "--csv", str(tmp_path / "out.csv")]
    assert main(["evaluate", str(named_speakers), *options]) == 0
    assert "UA and WA in %" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out.csv")
    assert len(table) == 24
    assert table["fold"].nunique() == 2


@pytest.mark.parametrize("command", [["evaluate", "synthetic"], ["train", "synthetic", "m.safetensors"]])
def test_encoder_has_no_epochs(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--encoder", "ge2e", "--max-epochs", "5"])
    assert caught.value.code == 2
    assert "argument --max-epochs: not allowed with argument --encoder" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["evaluate", "synthetic"], ["train", "synthetic", "m.safetensors"]])
def test_encoder_that_is_not_installed_is_a_usage_error(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    def no_files(name):
        raise _ge2e.PackageNotFoundError(name)

    monkeypatch.setattr(_ge2e, "files", no_files)
    assert main([*command, "--encoder", "ge2e"]) == 2
    assert capsys.readouterr().err == (
        "skser: encoder='ge2e' needs the weights in the package resemblyzer: install it with pip install "
        "--no-deps resemblyzer==0.1.4\n"
    )


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            "none.pt",
            "encoder='none.pt' cannot be read (No such file or directory): check its path",
        ),
        ("bad.wav", "bad.wav does not hold the weights of a GE2E encoder"),
        ("", "encoder must be 'ge2e', a path, or a name on the Hugging Face Hub, got ''."),
    ],
)
def test_wrong_encoder_is_a_usage_error(recordings, capsys, encoder, message):
    assert main(["train", "synthetic", "m.safetensors", "--encoder", encoder]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"skser: {message}")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("corpus", ["none", "ravdess:none", "files:"])
def test_corpus_that_cannot_be_loaded_is_a_usage_error(corpus, capsys):
    assert main(["evaluate", corpus]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_corpus_that_does_not_exist_is_named(capsys):
    assert main(["audit", "none", "--speaker", "(s)"]) == 2
    message = "CORPUS 'none' is neither a folder, nor a CSV file, nor LOADER:PATH: check its path."
    assert capsys.readouterr().err == f"skser: {message}\n"


def test_audit_lists_problems_and_fails_if_there_are_errors(folder_of_speech, tmp_path, capsys):
    shutil.copytree(folder_of_speech, tmp_path / "corpus")
    assert main(["audit", str(tmp_path / "corpus")]) == 0
    assert capsys.readouterr().out == "24 recordings: 0 errors, 0 warnings\n"
    bad = next((tmp_path / "corpus").rglob("*.wav"))
    bad.write_text("not audio")
    assert main(["audit", str(tmp_path / "corpus"), "--csv", str(tmp_path / "out.csv")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"error: {bad}: unreadable: ")
    assert second == "24 recordings: 1 error, 0 warnings"
    assert pd.read_csv(tmp_path / "out.csv")["problem"].tolist() == ["unreadable"]


def test_manifest_is_recognized_by_its_file(folder_of_speech, tmp_path, capsys):
    rows = [f"{path},{path.parent.name}" for path in folder_of_speech.rglob("*.wav")]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label", *rows]))
    assert main(["audit", str(table)]) == 0


def test_warnings_are_one_line(folder_of_speech, tmp_path, capsys):
    corpus = tmp_path / "corpus"
    shutil.copytree(folder_of_speech, corpus)
    keep = [line for line in (corpus / "speakers.csv").read_text().splitlines() if "speaker_0" in line]
    names = "\n".join(line.replace("speaker_04", "speaker_01") for line in keep[:])
    (corpus / "speakers.csv").write_text(
        "file,speaker\n" + names.replace("speaker_05", "speaker_01").replace("speaker_06", "speaker_01")
    )
    main(["evaluate", str(corpus), "--folds", "2"])
    assert "skser: warning: the corpus has 3 speakers" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["predict"], ["evaluate"], ["train"], ["audit"]])
def test_help_describes_the_exit_codes_and_the_limits(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "exit codes:" in text
    assert command == ["audit"] or "Do not use it to make decisions about people" in text


def shown_commands():
    """Arguments of the command lines that the manual and the README show."""
    page = (REPOSITORY / "docs" / "user_guide" / "command_line.rst").read_text(encoding="utf-8")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    found = re.findall(
        r"^ {3,}(?:\$ .*\b|)skser ((?:predict|evaluate|train|audit) .*)$", page + readme, re.MULTILINE
    )
    return [shlex.split(line) for line in found if "--help" not in line]


@pytest.mark.parametrize("arguments", shown_commands(), ids=" ".join)
def test_shown_command_line_is_accepted(arguments):
    assert make_parser().parse_args(arguments).command == arguments[0]


def test_shown_command_lines_are_found():
    assert len(shown_commands()) >= 10


def test_version_is_printed():
    assert run("--version").stdout == f"skser {skser.__version__}\n"
