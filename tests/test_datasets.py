"""Tests of the loaders, on small trees of files named as in the corpora, and on RAVDESS itself."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skser.datasets import load_audio_files, load_corpus, load_ravdess, make_emotional_speech

SPEECH = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}


def touch(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def ravdess_names(actor: int) -> list[str]:
    codes = itertools.product(SPEECH, ["01", "02"], ["01", "02"], ["01", "02"])
    return [f"03-01-{e}-{i}-{s}-{r}-{actor:02d}" for e, i, s, r in codes if (e, i) != ("01", "02")]


@pytest.fixture
def two_actors(tmp_path):
    files = [f"Actor_{a:02d}/{name}.wav" for a in (1, 2) for name in ravdess_names(a)]
    return touch(tmp_path / "corpora" / "ravdess", *files)


def test_every_recording_is_decoded(two_actors):
    corpus = load_ravdess(two_actors)
    assert len(corpus.data) == 120
    assert set(Counter(corpus.groups.tolist()).values()) == {60}
    assert Counter(corpus.target.tolist()) == {"neutral": 8} | {
        e: 16 for e in SPEECH.values() if e != "neutral"
    }
    assert corpus.target_names == sorted(SPEECH.values())
    assert list(corpus.frame.columns) == [
        "path",
        "emotion",
        "intensity",
        "statement",
        "repetition",
        "actor",
        "sex",
    ]
    row = corpus.frame[corpus.frame.path.str.endswith("03-01-06-02-01-02-02.wav")].iloc[0]
    assert row.tolist()[1:] == ["fearful", "strong", "kids", 2, 2, "female"]
    row = corpus.frame[corpus.frame.path.str.endswith("03-01-08-01-02-01-01.wav")].iloc[0]
    assert row.tolist()[1:] == ["surprised", "normal", "dogs", 1, 1, "male"]


def test_ravdess_entries_agree_with_the_frame(two_actors):
    corpus = load_ravdess(str(two_actors))
    assert all(isinstance(path, str) and Path(path).is_file() for path in corpus.data)
    assert corpus.frame.path.tolist() == corpus.data
    assert corpus.frame.emotion.tolist() == corpus.target.tolist()
    assert corpus.frame.actor.tolist() == corpus.groups.tolist()
    assert corpus.target.dtype.kind == "U"
    assert corpus.groups.dtype.kind == "i"
    for word in ("CC BY-NC-SA 4.0", "Livingstone", "10.5281/zenodo.1188976", "Items: 120", "Speakers: 2"):
        assert word in corpus.DESCR


def test_ravdess_is_sorted_by_actor_then_name(tmp_path):
    files = ["b/03-01-01-01-01-01-02.wav", "z/03-01-08-01-01-01-01.wav", "a/03-01-02-01-01-01-02.flac"]
    corpus = load_ravdess(touch(tmp_path, *files))
    assert [Path(path).stem for path in corpus.data] == [
        "03-01-08-01-01-01-01",
        "03-01-01-01-01-01-02",
        "03-01-02-01-01-01-02",
    ]


def test_nested_copies_count_once_and_the_nearest_wins(two_actors):
    for a in (1, 2):
        touch(two_actors, *(f"a/copy/Actor_{a:02d}/{name}.wav" for name in ravdess_names(a)))
    with pytest.warns(UserWarning, match=r"Left out 120 further copies of recordings in '.*': each name is"):
        corpus = load_ravdess(two_actors)
    assert len(corpus.data) == 120
    assert {Path(path).parent.parent for path in corpus.data} == {two_actors}


def test_the_same_recording_in_another_format_is_a_copy(tmp_path):
    touch(tmp_path, "Actor_01/03-01-05-01-01-01-01.wav", "Actor_01/deep/03-01-05-01-01-01-01.FLAC")
    with pytest.warns(UserWarning, match="Left out 1 further copy"):
        corpus = load_ravdess(tmp_path)
    assert [Path(path).suffix for path in corpus.data] == [".wav"]


def test_the_root_may_lie_above_or_be_one_actor(two_actors):
    assert len(load_ravdess(two_actors.parent.parent).data) == 120
    assert load_ravdess(two_actors / "Actor_02").groups.tolist() == [2] * 60


def test_endings_are_taken_in_either_case(tmp_path):
    touch(tmp_path, "03-01-05-01-01-01-01.WAV", "03-01-05-01-01-01-02.Flac", "03-01-05-01-01-01-03.mp3")
    assert load_ravdess(tmp_path).groups.tolist() == [1, 2]


def test_hidden_files_and_companions_are_skipped(tmp_path):
    touch(tmp_path, "Actor_01/03-01-05-01-01-01-01.wav", "Actor_01/._03-01-05-01-01-01-01.wav")
    touch(tmp_path, "__MACOSX/Actor_01/._03-01-05-01-01-01-02.wav", ".cache/03-01-05-01-01-01-03.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_ravdess(tmp_path).data) == 1


def test_song_and_video_are_left_out_and_counted(tmp_path):
    touch(tmp_path, "03-01-05-01-01-01-01.wav", "03-02-05-01-01-01-01.wav", "01-01-05-01-01-01-01.wav")
    corpus = load_ravdess(tmp_path)
    assert [Path(path).stem for path in corpus.data] == ["03-01-05-01-01-01-01"]
    assert "Song and video recordings left out: 2" in corpus.DESCR


@pytest.mark.parametrize(
    "name",
    [
        "03-01-09-01-01-01-01",  # no such emotion
        "03-01-01-02-01-01-01",  # neutral speech has no strong version
        "03-01-05-01-01-01-25",  # no such actor
        "03-01-05-01-01-01-00",
        "03-01-05-03-01-01-01",
        "03-01-05-01-01-01",
        "03-01-05-01-01-01-01 (1)",
        "\u06603-01-05-01-01-01-01",  # a digit of another script
        "noise",
    ],
)
def test_names_that_do_not_parse_are_listed(tmp_path, name):
    touch(tmp_path, "03-01-05-01-01-01-01.wav", f"Actor_01/{name}.wav")
    with pytest.warns(
        UserWarning, match=f"Left out 1 audio file .*not named.*{re.escape(name)}.wav"
    ) as record:
        assert len(load_ravdess(tmp_path).data) == 1
    assert len(record) == 1


def test_many_odd_names_are_listed_in_part(tmp_path):
    touch(tmp_path, "03-01-05-01-01-01-01.wav", *(f"odd{i}.wav" for i in range(8)))
    with pytest.warns(UserWarning, match=r"8 audio files .*odd0.wav, .*, odd4.wav and 3 more\.$"):
        load_ravdess(tmp_path)


def test_a_recording_in_the_folder_of_another_actor_is_reported(tmp_path):
    touch(tmp_path, "Actor_03/03-01-05-01-01-01-05.wav", "Actor_04/03-01-05-01-01-01-04.wav")
    with pytest.warns(UserWarning, match="1 recording in .*another actor.*Actor_03.03-01-05-01-01-01-05.wav"):
        corpus = load_ravdess(tmp_path)
    assert corpus.groups.tolist() == [4, 5]


def test_warnings_point_at_the_caller(tmp_path):
    touch(tmp_path, "sad/a.wav", "sad/b.txt", "odd.wav", "03-01-05-01-01-01-01.wav")
    for load in (load_audio_files, load_ravdess, lambda root: load_corpus(f"files:{root}")):
        with pytest.warns(UserWarning, match="Left out") as record:
            load(tmp_path)
        assert {Path(warning.filename) for warning in record} == {Path(__file__)}


def test_filters_choose_recordings(two_actors):
    assert set(load_ravdess(two_actors, emotions=["sad", "angry"]).target) == {"sad", "angry"}
    assert set(load_ravdess(two_actors, actors=np.array([2])).groups) == {2}
    assert set(load_ravdess(two_actors, intensities={"strong"}).frame.intensity) == {"strong"}
    assert set(load_ravdess(two_actors, statements=("dogs",)).frame.statement) == {"dogs"}
    corpus = load_ravdess(two_actors, emotions=["happy"], intensities=["normal"], actors=[1, 24])
    assert len(corpus.data) == 4
    assert "Speech recordings filtered out: 116" in corpus.DESCR


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ({"emotions": ["joy"]}, ValueError, "each of emotions must be one of 'angry', .*got 'joy'"),
        ({"emotions": "sad"}, TypeError, r"emotions must be a list or None, got 'sad': write \['sad'\]"),
        ({"intensities": ["loud"]}, ValueError, "each of intensities must be one of 'normal', 'strong', got"),
        ({"statements": [1]}, ValueError, "each of statements must be one of 'dogs', 'kids', got 1"),
        ({"actors": [25]}, ValueError, r"each of actors must be an integer in \[1, 24\], got 25"),
        ({"actors": ["01"]}, TypeError, "each of actors must be an integer, got '01' of type str"),
        ({"actors": 3}, TypeError, r"actors must be a list or None, got 3: write \[3\]"),
        ({"actors": [3]}, ValueError, "None of the 120 RAVDESS recordings in .* passes the filters: widen"),
        ({"emotions": []}, ValueError, "None of the 120 RAVDESS recordings"),
    ],
)
def test_filters_are_checked(two_actors, filters, error, message):
    with pytest.raises(error, match=message):
        load_ravdess(two_actors, **filters)


@pytest.mark.parametrize("load", [load_ravdess, load_audio_files])
def test_a_root_that_is_no_folder_is_named(load, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"No folder '.*nowhere': give the one that holds the recordings"
    ):
        load(tmp_path / "nowhere")
    touch(tmp_path, "file.wav")
    with pytest.raises(NotADirectoryError, match=r"'.*file\.wav' is a file: give the folder"):
        load(tmp_path / "file.wav")
    with pytest.raises(TypeError, match="root must be the path of a folder, got 3 of type int"):
        load(3)


def test_a_folder_without_ravdess_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"No RAVDESS speech in '.*': give the folder that holds Actor_01"):
        load_ravdess(tmp_path)
    touch(tmp_path, "03-02-05-01-01-01-01.wav")
    with pytest.raises(ValueError, match=r"No RAVDESS speech in .* but 1 recording of song or video: give"):
        load_ravdess(tmp_path)


@pytest.mark.parametrize("load", [load_ravdess, load_audio_files])
def test_a_leading_tilde_is_the_home_folder(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    touch(tmp_path, "corpus/sad/03-01-04-01-01-01-01.wav")
    assert load("~/corpus").data == [str(tmp_path / "corpus/sad/03-01-04-01-01-01-01.wav")]


@pytest.fixture
def classes(tmp_path):
    return touch(tmp_path, "sad/s1_2.wav", "sad/s2_1.flac", "happy/s1_1.wav", "happy/deep/er/s2_2.OGG")


def test_folders_are_the_classes(classes):
    corpus = load_audio_files(classes)
    assert [Path(path).relative_to(classes).as_posix() for path in corpus.data] == [
        "happy/deep/er/s2_2.OGG",
        "happy/s1_1.wav",
        "sad/s1_2.wav",
        "sad/s2_1.flac",
    ]
    assert corpus.target.tolist() == ["happy", "happy", "sad", "sad"]
    assert corpus.target_names == ["happy", "sad"]
    assert list(corpus.frame.columns) == ["path", "label", "speaker"]
    assert corpus.frame.path.tolist() == corpus.data
    assert corpus.frame.label.tolist() == corpus.target.tolist()


def test_speakers_are_unknown_without_a_source(classes):
    corpus = load_audio_files(classes)
    assert corpus.groups is None
    assert corpus.frame.speaker.isna().all()
    assert "groups is None" in corpus.DESCR
    assert "Speakers: not known" in corpus.DESCR


def speakers_of(corpus) -> dict[str, str]:
    return {Path(path).name: name for path, name in zip(corpus.data, corpus.groups.tolist(), strict=True)}


EXPECTED = {"s1_2.wav": "s1", "s2_1.flac": "s2", "s1_1.wav": "s1", "s2_2.OGG": "s2"}


@pytest.mark.parametrize(
    "pattern",
    [r"(s\d)_", re.compile(r"/(s\d)_\d\.[a-z]+$", re.IGNORECASE), r"^(happy|sad)/.*?(?P<speaker>s\d)_"],
)
def test_speakers_come_from_a_pattern(classes, pattern):
    corpus = load_audio_files(classes, speaker=pattern)
    assert speakers_of(corpus) == EXPECTED
    assert corpus.frame.speaker.tolist() == corpus.groups.tolist()
    assert "Speakers: 2" in corpus.DESCR
    assert "groups is None" not in corpus.DESCR


TABLE = {
    "sad/s1_2.wav": "s1",
    "s2_1.flac": "s2",
    "happy\\s1_1.wav": "s1",
    "./happy/deep/er/s2_2.OGG": "s2",
    "sad/not_there.wav": "s9",
}


def test_speakers_come_from_a_dict(classes):
    assert speakers_of(load_audio_files(classes, speaker=TABLE)) == EXPECTED


def test_speakers_come_from_a_frame(classes):
    table = pd.DataFrame({"speaker": TABLE.values(), "age": 30, "file": TABLE.keys()})
    assert speakers_of(load_audio_files(classes, speaker=table)) == EXPECTED


@pytest.mark.parametrize("kind", [str, Path])
def test_speakers_come_from_a_csv_file(classes, tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("tables") / "who.csv"
    numbers = {"s1": "01", "s2": "02", "s9": "NA"}
    pd.DataFrame({"file": TABLE.keys(), "speaker": [numbers[s] for s in TABLE.values()]}).to_csv(
        path, index=False
    )
    found = speakers_of(load_audio_files(classes, speaker=kind(path)))
    assert found == {file: numbers[name] for file, name in EXPECTED.items()}


def test_the_path_in_a_table_goes_before_the_name(tmp_path):
    touch(tmp_path, "sad/1.wav", "calm/1.wav")
    corpus = load_audio_files(tmp_path, speaker={"1.wav": "anna", "sad/1.wav": "ben"})
    assert corpus.groups.tolist() == ["anna", "ben"]


@pytest.mark.parametrize(
    "speaker",
    [
        r"(s1)_",
        {"sad/s1_2.wav": "s1", "s1_1.wav": "s1", "s2_1.flac": None, "s2_2.OGG": float("nan")},
        r"(s1)?",
    ],
)
def test_files_without_a_speaker_are_listed(classes, speaker):
    with pytest.raises(
        ValueError, match=r"No speaker for [234] of 4 files in '.*': .*s2_.*; widen the pattern"
    ):
        load_audio_files(classes, speaker=speaker)


def test_many_files_without_a_speaker_are_listed_in_part(tmp_path):
    touch(tmp_path, *(f"sad/{i}.wav" for i in range(9)))
    with pytest.raises(ValueError, match=r"No speaker for 9 of 9 files .*'sad/4.wav' and 4 more; widen"):
        load_audio_files(tmp_path, speaker={})


@pytest.mark.parametrize(
    ("speaker", "error", "message"),
    [
        ("(s", ValueError, r"speaker='\(s' is no regular expression: "),
        ("s", ValueError, "speaker='s' has 0 groups: put parentheses around the speaker alone"),
        ("(s)(1)", ValueError, "has 2 groups"),
        (re.compile(b"(s)"), TypeError, "must be an expression of str, not bytes"),
        (7, TypeError, "speaker must be a regular expression, a dict, a DataFrame, .*, got int"),
        (
            "nowhere.csv",
            FileNotFoundError,
            "No file for the speaker table 'nowhere.csv': give a CSV file",
        ),
        (
            pd.DataFrame({"name": ["a"]}),
            ValueError,
            "lacks the column file and the column speaker: .*got name",
        ),
        (
            pd.DataFrame({"file": ["a", "a"], "speaker": ["x", "y"]}),
            ValueError,
            "gives 'a' two speakers, 'x' and",
        ),
    ],
)
def test_sources_of_speakers_are_checked(classes, speaker, error, message):
    with pytest.raises(error, match=message):
        load_audio_files(classes, speaker=speaker)


@pytest.mark.parametrize(
    "content",
    [b"", b"file,speaker\na,b,c,d\n", b"file;speaker\n", b"file,speaker\n\xff\xfe,", b'file,speaker\n"a'],
)
def test_a_table_that_is_no_csv_is_named(classes, tmp_path_factory, content):
    path = tmp_path_factory.mktemp("tables") / "who.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"speaker.*who\.csv"):
        load_audio_files(classes, speaker=path)


def test_files_without_an_audio_ending_are_counted(classes):
    touch(classes, "sad/notes.txt", "sad/deep/lab.csv", "happy/.hidden.wav", "sad/._s1_2.wav", "readme.md")
    with pytest.warns(
        UserWarning, match=r"Left out 2 files in '.*' without the ending of an audio file"
    ) as record:
        assert len(load_audio_files(classes).data) == 4
    assert len(record) == 1


def test_audio_beside_the_classes_is_reported(classes):
    touch(classes, "astray.wav", "._astray.wav", "speakers.csv")
    with pytest.warns(
        UserWarning, match="Left out 1 audio file .*beside the folders.*: astray.wav"
    ) as record:
        assert len(load_audio_files(classes).data) == 4
    assert len(record) == 1


def test_empty_classes_are_reported(classes):
    (classes / "calm").mkdir()
    (classes / ".git").mkdir()
    with pytest.warns(UserWarning, match=r"No audio files for 1 class in '.*': calm\.$") as record:
        assert load_audio_files(classes).target_names == ["happy", "sad"]
    assert len(record) == 1


def test_categories_choose_folders(classes):
    assert set(load_audio_files(classes, categories=["sad"]).target) == {"sad"}
    with pytest.raises(FileNotFoundError, match=r"No folder 'calm' in '.*', which holds happy, sad"):
        load_audio_files(classes, categories=["sad", "calm"])
    with pytest.raises(
        TypeError, match=r"categories must be a list of str or None, got 'sad': write \['sad'\]"
    ):
        load_audio_files(classes, categories="sad")
    with pytest.raises(ValueError, match="categories must be a list of names, one or more"):
        load_audio_files(classes, categories=[])


@pytest.mark.parametrize("ending", ["wav", ".WAV"])
def test_extensions_choose_files(classes, ending):
    with pytest.warns(UserWarning, match="Left out 2 files"):
        corpus = load_audio_files(classes, extensions=[ending])
    assert sorted(Path(path).name for path in corpus.data) == ["s1_1.wav", "s1_2.wav"]


def test_extensions_are_checked(classes):
    with pytest.raises(TypeError, match=r"extensions must be a list of str or None, got '.wav'"):
        load_audio_files(classes, extensions=".wav")
    with pytest.raises(ValueError, match="extensions must be a list of names, one or more, got \\[3\\]"):
        load_audio_files(classes, extensions=[3])


def test_a_root_without_classes_or_audio_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"No folders in '.*': give a folder that holds one folder of audio"):
        load_audio_files(tmp_path)
    touch(tmp_path, "sad/a.txt")
    with (
        pytest.raises(ValueError, match=r"No audio files \(\.aif.*\) in the folders of"),
        pytest.warns(UserWarning, match="Left out 1 file "),
    ):
        load_audio_files(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_linked_folders_are_followed_and_loops_end(classes, tmp_path_factory):
    elsewhere = touch(tmp_path_factory.mktemp("elsewhere"), "a.wav")
    (classes / "calm").symlink_to(elsewhere, target_is_directory=True)
    (classes / "sad" / "loop").symlink_to(classes, target_is_directory=True)
    corpus = load_audio_files(classes)
    assert Counter(corpus.target.tolist()) == {"happy": 2, "sad": 2, "calm": 1}


def test_a_folder_that_cannot_be_read_is_an_error(classes, monkeypatch):
    def scandir(path, usual=os.scandir):
        if Path(path).name == "sad":
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="sad"):
        load_audio_files(classes)


def test_a_corpus_is_named_by_a_text(classes):
    assert load_corpus(f"files:{classes}").data == load_audio_files(classes).data
    assert load_corpus(f"files:{classes}").groups is None
    synthetic = load_corpus("synthetic")
    assert len(synthetic.data) == 160
    np.testing.assert_array_equal(synthetic.data[0], make_emotional_speech(1, 1, random_state=0).data[0])


def test_speakers_beside_the_classes_are_found(classes):
    rows = "\n".join(f"{file},{name}" for file, name in EXPECTED.items())
    (classes / "speakers.csv").write_text(f"file,speaker\n{rows}\n", encoding="utf-8")
    assert speakers_of(load_corpus(f"files:{classes}")) == EXPECTED


def test_ravdess_is_a_corpus(two_actors):
    assert load_corpus(f"ravdess:{two_actors}").data == load_ravdess(two_actors).data


def test_only_the_first_colon_parts_the_name_from_the_path(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("skser.datasets._corpus._LOADERS", {"files": seen.append})
    load_corpus(r"files:C:\speech\mine")
    assert seen == [r"C:\speech\mine"]


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("iemo:x", ValueError, "Unknown corpus 'iemo:x': write synthetic, ravdess:PATH, .* or files:PATH"),
        (
            "iemo:x",
            ValueError,
            "iemocap:PATH, emodb:PATH, crema_d:PATH, savee:PATH, tess:PATH, manifest:PATH",
        ),
        ("manifest:", ValueError, "The corpus 'manifest:' lacks a path: write manifest:PATH"),
        ("", ValueError, "Unknown corpus ''"),
        (r"C:\speech", ValueError, "Unknown corpus"),
        ("ravdess", ValueError, "The corpus 'ravdess' lacks a path: write ravdess:PATH"),
        ("files:", ValueError, "The corpus 'files:' lacks a path: write files:PATH"),
        ("synthetic:x", ValueError, "'synthetic' takes no path, got 'synthetic:x'"),
        ("files:nowhere", FileNotFoundError, "No folder 'nowhere'"),
        (None, TypeError, "A corpus is named by a str, .*, got None of type NoneType"),
    ],
)
def test_names_of_corpora_are_checked(spec, error, message):
    with pytest.raises(error, match=message):
        load_corpus(spec)


def test_import_needs_no_pandas():
    # scikit-learn itself imports pandas where it can: only its absence shows who needs it.
    code = "import sys; sys.modules.update(pandas=None, librosa=None, soundfile=None); import skser.datasets"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.corpus
def test_real_recordings_are_counted(ravdess_root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus = load_ravdess(ravdess_root)
    assert len(corpus.data) == len(set(corpus.data)) == 720
    assert Counter(corpus.groups.tolist()) == dict.fromkeys(range(1, 13), 60)
    assert Counter(corpus.target.tolist()) == {"neutral": 48} | {
        e: 96 for e in SPEECH.values() if e != "neutral"
    }
    assert Counter(corpus.frame.sex) == {"male": 360, "female": 360}


@pytest.mark.corpus
def test_real_recordings_agree_with_their_names(ravdess_root):
    corpus = load_ravdess(ravdess_root)
    names = [Path(path).stem for path in corpus.data]
    assert names == sorted(names, key=lambda name: (name[-2:], name))
    assert [int(name[-2:]) for name in names] == corpus.groups.tolist()
    assert [SPEECH[name[6:8]] for name in names] == corpus.target.tolist()
    assert [f"Actor_{group:02d}" for group in corpus.groups] == [
        Path(path).parent.name for path in corpus.data
    ]


@pytest.mark.corpus
def test_both_of_two_identical_recordings_are_kept(ravdess_root):
    corpus = load_ravdess(ravdess_root, actors=[7])
    twins = [path for path in corpus.data if "03-01-03-01-02-0" in path]
    assert len(corpus.data) == 60
    assert len(twins) == 2
    assert Path(twins[0]).read_bytes() == Path(twins[1]).read_bytes()
