"""Tests of the loader of IEMOCAP, on trees of files with the same names."""

from __future__ import annotations

import inspect
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest
from corpus_files import POINTER, load_with_warnings, load_without_warnings, repeated, shuffled, touch

from skser.datasets import load_corpus, load_iemocap

# Most copies here are incomplete on purpose; tests of warnings use pytest.warns or `load_with_warnings`.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Session: angry, happy (with excited), neutral, sad / women, men / improvised, scripted.
IEMOCAP_SESSIONS = {
    1: ((229, 278, 384, 194), (528, 557), (521, 564)),
    2: ((137, 327, 362, 197), (481, 542), (530, 493)),
    3: ((240, 286, 320, 305), (522, 629), (627, 524)),
    4: ((327, 303, 258, 143), (528, 503), (534, 497)),
    5: ((170, 442, 384, 245), (590, 651), (731, 510)),
}


def emo_line(utterance: str, label: str, start: float = 6.2901) -> str:
    return f"[{start:.4f} - {start + 2:.4f}]\t{utterance}\t{label}\t[2.5000, 3.0000, 3.5000]\n"


def make_iemocap(root: Path, turns: dict[str, str], *, wavs: bool = True) -> Path:
    """Write evaluations and empty recordings of turns, from utterance to label, in the published layout."""
    dialogues: dict[str, list[str]] = {}
    for utterance, label in turns.items():
        dialogues.setdefault(utterance.rpartition("_")[0], []).append(emo_line(utterance, label))
    for dialogue, lines in dialogues.items():
        folder = root / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation"
        folder.mkdir(parents=True, exist_ok=True)
        judgements = "C-E2:\tNeutral;\t()\nC-F1:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        (folder / f"{dialogue}.txt").write_text(header + judgements.join(lines) + judgements)
    return touch(root, iemocap_wavs(turns)) if wavs else root


def iemocap_wavs(turns: dict[str, str]) -> list[str]:
    names = [(f"Session{name[4]}", name.rpartition("_")[0], name) for name in turns]
    return [f"{session}/sentences/wav/{dialogue}/{name}.wav" for session, dialogue, name in names]


def all_iemocap_turns() -> dict[str, str]:
    """Turns of the four-class protocol as often as published, with labels in random order."""
    happy = iter(shuffled(["hap"] * 595 + ["exc"] * 1041))
    turns: dict[str, str] = {}
    for session, (classes, sexes, kinds) in IEMOCAP_SESSIONS.items():
        labels = shuffled(repeated(dict(zip(["ang", "hap", "neu", "sad"], classes, strict=True))))
        speakers = repeated(dict(zip("FM", sexes, strict=True)))
        dialogues = random.Random(1).sample(
            repeated(dict(zip(["impro", "script"], kinds, strict=True))), len(labels)
        )
        for i, (label, speaker, kind) in enumerate(zip(labels, speakers, dialogues, strict=True)):
            code = next(happy) if label == "hap" else label
            owner = "FM"[i % 2]  # the name of the dialogue is independent of the speaker
            number = "01_1" if kind == "script" else "05a"
            turns[f"Ses0{session}{owner}_{kind}{number}{i // 1000}_{speaker}{i % 1000:03d}"] = code
    return turns


@pytest.fixture
def iemocap(tmp_path, pretend_files):
    turns = all_iemocap_turns()
    return pretend_files(make_iemocap(tmp_path, turns, wavs=False), iemocap_wavs(turns))


def test_the_four_class_protocol_is_as_published(iemocap):
    corpus = load_without_warnings(load_iemocap, iemocap)
    assert len(corpus.data) == 5531
    assert Counter(corpus.target.tolist()) == {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
    assert corpus.groups.dtype.kind == "i"
    assert Counter(corpus.groups.tolist()) == {1: 1085, 2: 1023, 3: 1151, 4: 1031, 5: 1241}
    assert Counter(corpus.frame.turn) == {"improvised": 2943, "scripted": 2588}
    assert Counter(corpus.frame.original)["exc"] == 1041
    women = corpus.frame[corpus.frame.sex == "female"]
    assert Counter(women.session) == {1: 528, 2: 481, 3: 522, 4: 528, 5: 590}
    assert "Sessions: 5" in corpus.DESCR


def test_the_speaker_is_the_letter_of_the_last_field(tmp_path):
    speakers = {
        "Ses01F_impro01_F000": "Ses01F",
        "Ses01F_impro01_M000": "Ses01M",
        "Ses03M_script02_1_F011": "Ses03F",
    }
    frame = load_iemocap(make_iemocap(tmp_path, dict.fromkeys(speakers, "ang"))).frame.set_index("utterance")
    assert frame.speaker.to_dict() == speakers
    assert frame.sex.tolist() == ["female", "male", "female"]


def test_the_frame_has_every_field_of_a_turn(tmp_path):
    corpus = load_iemocap(make_iemocap(tmp_path, {"Ses05M_script01_1b_F023": "exc"}))
    assert corpus.frame.iloc[0].to_dict() == {
        "path": str(tmp_path / "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F023.wav"),
        "emotion": "happy",
        "original": "exc",
        "utterance": "Ses05M_script01_1b_F023",
        "dialogue": "Ses05M_script01_1b",
        "session": 5,
        "speaker": "Ses05F",
        "sex": "female",
        "turn": "scripted",
        "start": 6.2901,
        "end": 8.2901,
        "valence": 2.5,
        "activation": 3.0,
        "dominance": 3.5,
    }
    assert corpus.data == corpus.frame.path.tolist()
    for word in ("Busso", "10.1007/s10579-008-9076-6", "License: on request by form"):
        assert word in corpus.DESCR


def test_groups_are_sessions_or_speakers(iemocap):
    corpus = load_iemocap(iemocap, groups="speaker")
    assert set(corpus.groups) == {f"Ses0{session}{sex}" for session in range(1, 6) for sex in "FM"}
    assert corpus.groups.tolist() == corpus.frame.speaker.tolist()
    assert "Speakers: 10" in corpus.DESCR


ELEVEN = ["ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx"]


def test_labels_are_chosen_and_merged_by_a_mapping(tmp_path):
    make_iemocap(tmp_path, {f"Ses02F_impro03_F{i:03d}": label for i, label in enumerate(ELEVEN)})
    corpus = load_iemocap(tmp_path)
    assert corpus.frame.original.tolist() == ["ang", "exc", "hap", "neu", "sad"]
    assert "Turns with other labels left out: 6\n  dis: 1\n  fea: 1\n  fru: 1\n  oth: 1\n" in corpus.DESCR
    corpus = load_iemocap(tmp_path, labels={"exc": "thrilled", "fru": "angry", "ang": "angry"})
    assert corpus.frame.original.tolist() == ["ang", "exc", "fru"]
    assert corpus.target.tolist() == ["angry", "thrilled", "angry"]
    corpus = load_iemocap(tmp_path, labels=None)
    assert corpus.frame.original.tolist() == ELEVEN
    assert len(corpus.target_names) == 11
    assert {"happy", "excited", "undecided"} < set(corpus.target_names)


def test_turns_and_sessions_are_chosen(iemocap):
    assert len(load_iemocap(iemocap, turns=["scripted"], sessions=[2, 5]).data) == 493 + 510
    corpus = load_iemocap(iemocap, sessions=range(1, 3))
    assert set(corpus.groups) == {1, 2}
    assert f"Turns of other kinds or sessions left out: {5531 - 1085 - 1023}" in corpus.DESCR


def test_turns_of_iemocap_are_counted_before_the_filters(iemocap):
    labels = {"hap": "happy"}
    corpus = load_without_warnings(load_iemocap, iemocap, labels=labels, turns=None)
    assert corpus.target.tolist() == ["happy"] * 595
    load_without_warnings(load_iemocap, iemocap, labels=labels, turns=["scripted"], sessions=[1])


def test_missing_turns_are_counted(tmp_path, pretend_files):
    turns = all_iemocap_turns()
    kept = dict(itertools.islice(turns.items(), 1085 + 1023))  # sessions 1 and 2
    absent = next(iter(turns))
    del kept[absent]
    pretend_files(make_iemocap(tmp_path, kept, wavs=False), iemocap_wavs(kept))
    message = "four-class protocol in '.*' is not as published, 2,107 of 5,531"
    with pytest.warns(UserWarning, match=message) as record:
        load_iemocap(tmp_path, sessions=[2], labels={"sad": "sad"})
    assert len(record) == 1
    text = str(record[0].message)
    for part in (" 3 angry has 0 of 240,", " Ses05M has 0 of 651;", " 4 scripted has 0 of 497,"):
        assert part in text
    assert "Ses02" not in text
    assert f"by speaker: Ses01{absent.split('_')[-1][0]}" in text


def test_files_of_single_raters_are_not_read(tmp_path):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    touch(tmp_path, ["Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav"])
    text = emo_line("Ses01F_impro01_F000", "ang") + emo_line("Ses01F_impro01_F001", "ang")
    folder = tmp_path / "Session1" / "dialog"
    for name in ("EmoEvaluation/Categorical/e2_cat.txt", "EmoEvaluation/Self-evaluation/Ses01F_impro01.txt"):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    for name in ("notes/Ses01F_impro01.txt", "Session1/dialog/Drafts/Ses01F_impro01.txt", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert load_iemocap(tmp_path).frame.original.tolist() == ["neu"]


def test_hidden_files_next_to_the_evaluations_are_skipped(tmp_path):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    folder = tmp_path / "Session1" / "dialog" / "EmoEvaluation"
    companion = b"\0\5\26\7\0\2\xff\n" + emo_line("Ses01F_x", "ang").encode()
    (folder / "._Ses01F_impro01.txt").write_bytes(companion)
    (folder / "._Ses01F_impro02.txt").write_text(emo_line("Ses01F_impro02_F000", "ang"))
    touch(tmp_path, ["Session1/sentences/wav/Ses01F_impro01/._Ses01F_impro01_F000.wav"])
    corpus, messages = load_with_warnings(load_iemocap, tmp_path)
    assert corpus.target.tolist() == ["neutral"]
    assert not messages


def test_turns_without_a_recording_are_listed_and_left_out(tmp_path):
    turns = {f"Ses01F_impro01_F{i:03d}": "neu" for i in range(8)}
    make_iemocap(tmp_path, turns | {"Ses01F_impro01_M000": "xxx"}, wavs=False)
    touch(tmp_path, ["Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F003.wav"])
    message = r"Left out 7 turns in '.*' without a recording: Ses01F_impro01_F000, .* and 2 more\."
    with pytest.warns(UserWarning, match=message):
        assert load_iemocap(tmp_path).frame.utterance.tolist() == ["Ses01F_impro01_F003"]


def test_recordings_without_an_evaluation_are_listed(tmp_path):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    touch(tmp_path, ["Session1/sentences/wav/Ses01F_impro02/Ses01F_impro02_F000.wav"])
    touch(tmp_path, ["Session1/dialog/wav/Ses01F_impro02.wav"])  # of the whole dialogue
    message = r"Left out 1 recording in '.*' without an evaluation: Ses01F_impro02_F000\."
    with pytest.warns(UserWarning, match=message):
        assert len(load_iemocap(tmp_path).data) == 1


@pytest.mark.parametrize(
    "line",
    [
        "[6.29 - 8.24]\tSes01F_impro01_X000\tneu\t[2.5, 2.5, 2.5]\n",  # no such speaker
        "[6.29 - 8.24]\tSes09F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n",  # no such session
        "[6.29 - 8.24]\tSes01F_impro01_F001\tneu\n",
        emo_line("Ses01F_impro01_F000", "ang"),  # a second time
    ],
)
def test_unreadable_evaluations_are_listed(tmp_path, line):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    with open(tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "a", encoding="utf-8") as stream:
        stream.write(line)
    message = r"Left out 1 line in '.*' of an evaluation that is unreadable or repeats .*: Ses01F_impro01"
    with pytest.warns(UserWarning, match=message):
        assert load_iemocap(tmp_path).target.tolist() == ["neutral"]


def test_evaluations_with_other_line_ends_and_stray_bytes_are_read(tmp_path):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    path = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"C-E4:\tcaf\xe9\r\n")
    assert len(load_iemocap(tmp_path).data) == 1


def test_git_lfs_pointers_in_iemocap_are_named(tmp_path):
    turns = {"Ses01F_impro01_F000": "neu", "Ses01F_impro01_F001": "sad"}
    make_iemocap(tmp_path, turns)
    (tmp_path / iemocap_wavs(turns)[0]).write_bytes(POINTER)
    with pytest.warns(UserWarning, match=r"Left out 1 git-lfs pointer .*F000\.wav; run `git lfs pull`"):
        assert load_iemocap(tmp_path).target.tolist() == ["sad"]


def test_of_nested_copies_of_iemocap_the_nearest_is_loaded(tmp_path):
    for root in (tmp_path, tmp_path / "deep" / "copy"):
        make_iemocap(root, {"Ses01F_impro01_F000": "neu" if root == tmp_path else "ang"})
    corpus, messages = load_with_warnings(load_iemocap, tmp_path)
    assert corpus.target.tolist() == ["neutral"]
    assert Path(corpus.data[0]).is_relative_to(tmp_path / "Session1")
    assert [message.split(" in ")[0] for message in messages] == [
        "Left out 1 duplicate evaluation",
        "Left out 1 duplicate recording",
    ]


def test_the_root_of_iemocap_may_be_above_or_be_one_session(tmp_path, monkeypatch):
    turns = {"Ses01F_impro01_F000": "neu", "Ses02F_impro01_F000": "sad"}
    root = make_iemocap(tmp_path / "IEMOCAP full", turns)
    assert len(load_iemocap(tmp_path).data) == 2
    assert load_iemocap(root / "Session2").target.tolist() == ["sad"]
    monkeypatch.chdir(root / "Session2")
    assert load_iemocap(".").target.tolist() == ["sad"]


def test_iemocap_without_evaluations_or_recordings_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"No evaluations of IEMOCAP in '.*': give the folder with Session1"):
        load_iemocap(tmp_path)
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"}, wavs=False)
    with pytest.raises(ValueError, match=r"None of the 1 turn of IEMOCAP in .* has a recording: give"):
        load_iemocap(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"labels": ["ang", "sad"]}, TypeError, "labels must be None or a mapping such as"),
        (
            {"labels": {"angry": "angry"}},
            ValueError,
            "each key of labels must be one of 'ang', .*got 'angry'",
        ),
        ({"labels": {"ang": ""}}, ValueError, r"labels\['ang'\] must be the name of an emotion, got ''"),
        ({"labels": {"ang": 0}}, ValueError, r"labels\['ang'\] must be the name of an emotion, got 0"),
        ({"labels": {}}, ValueError, "None of the 1 IEMOCAP recording in .* passes the filters for original"),
        ({"turns": "scripted"}, TypeError, r"turns must be a list, got 'scripted': write \['scripted'\]"),
        ({"turns": ["script"]}, ValueError, "each of turns must be one of 'improvised', 'scripted', got 'sc"),
        ({"sessions": [6]}, ValueError, r"each of sessions must be an integer in \[1, 5\], got 6"),
        ({"groups": "dialogue"}, ValueError, "groups must be one of 'session', 'speaker', got 'dialogue'"),
    ],
)
def test_parameters_of_iemocap_are_checked(tmp_path, parameters, error, message):
    make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    with pytest.raises(error, match=message):
        load_iemocap(tmp_path, **parameters)


def test_the_default_labels_cannot_be_changed_in_place():
    default = inspect.signature(load_iemocap).parameters["labels"].default
    with pytest.raises(TypeError, match="does not support item assignment"):
        default["fru"] = "angry"


def test_iemocap_has_a_short_name(tmp_path):
    root = make_iemocap(tmp_path, {"Ses01F_impro01_F000": "neu"})
    assert load_corpus(f"iemocap:{root}").groups.tolist() == [1]
