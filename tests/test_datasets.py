"""Tests of load_audio_files and load_corpus, and of the real RAVDESS."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression

from skser import evaluate
from skser._utils import make_frame
from skser.datasets import (
    audit,
    drop,
    load_audio_files,
    load_corpus,
    load_ravdess,
    make_emotional_speech,
    merge_corpora,
)

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


@pytest.fixture
def classes(tmp_path):
    return touch(tmp_path, "sad/s1_2.wav", "sad/s2_1.flac", "happy/s1_1.wav", "happy/deep/er/s2_2.OGG")


@pytest.mark.parametrize("load", [load_ravdess, load_audio_files])
def test_an_invalid_root_is_named(load, tmp_path):
    missing = r"No folder '.*nowhere': give the folder that holds the recordings"
    with pytest.raises(FileNotFoundError, match=missing):
        load(tmp_path / "nowhere")
    touch(tmp_path, "file.wav")
    with pytest.raises(NotADirectoryError, match=r"'.*file\.wav' is a file: give the folder"):
        load(tmp_path / "file.wav")
    with pytest.raises(TypeError, match="root must be the path of a folder, got 3 of type int"):
        load(3)
    with pytest.raises(ValueError, match="root must be the path of a folder, got ''"):
        load("")


@pytest.mark.parametrize("load", [load_ravdess, load_audio_files])
def test_a_leading_tilde_is_the_home_folder(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    touch(tmp_path, "corpus/sad/03-01-04-01-01-01-01.wav")
    assert load("~/corpus").data == [str(tmp_path / "corpus/sad/03-01-04-01-01-01-01.wav")]


def test_folders_are_the_classes(classes):
    corpus = load_audio_files(classes)
    files = [Path(path).relative_to(classes).as_posix() for path in corpus.data]
    assert files == ["happy/deep/er/s2_2.OGG", "happy/s1_1.wav", "sad/s1_2.wav", "sad/s2_1.flac"]
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
TABLE = {
    "sad/s1_2.wav": "s1",
    "s2_1.flac": "s2",
    "happy\\s1_1.wav": "s1",
    "./happy/deep/er/s2_2.OGG": "s2",
    "sad/not_there.wav": "s9",
}


@pytest.mark.parametrize(
    "speaker",
    [
        r"(s\d)_",
        re.compile(r"/(s\d)_\d\.[a-z]+$", re.IGNORECASE),
        r"^(happy|sad)/.*?(?P<speaker>s\d)_",
        TABLE,
        pd.DataFrame({"speaker": TABLE.values(), "age": 30, "file": TABLE.keys()}),
    ],
    ids=["pattern", "compiled", "named group", "dict", "frame"],
)
def test_speakers_come_from_a_pattern_or_a_table(classes, speaker):
    corpus = load_audio_files(classes, speaker=speaker)
    assert speakers_of(corpus) == EXPECTED
    assert corpus.frame.speaker.tolist() == corpus.groups.tolist()
    assert "Speakers: 2" in corpus.DESCR
    assert "groups is None" not in corpus.DESCR


@pytest.mark.parametrize("kind", [str, Path])
def test_speakers_come_from_a_csv_file(classes, tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("tables") / "speakers of.csv"
    numbers = {"s1": "01", "s2": "02", "s9": "NA"}
    table = pd.DataFrame({"file": TABLE.keys(), "speaker": [numbers[s] for s in TABLE.values()]})
    table.to_csv(path, index=False)
    found = speakers_of(load_audio_files(classes, speaker=kind(path)))
    assert found == {file: numbers[name] for file, name in EXPECTED.items()}


def test_a_table_of_speakers_may_have_tabs_and_spaces(classes, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "speakers.tsv"
    rows = [f"{file}\t{' ' * index}{speaker}" for index, (file, speaker) in enumerate(TABLE.items())]
    path.write_text("\n".join(["file\tspeaker", *rows]))
    with pytest.warns(UserWarning, match="whitespace around .* values of the column 'speaker'"):
        assert speakers_of(load_audio_files(classes, speaker=str(path))) == EXPECTED


def test_the_path_in_a_table_goes_before_the_name(tmp_path):
    touch(tmp_path, "sad/1.wav", "calm/1.wav")
    corpus = load_audio_files(tmp_path, speaker={"1.wav": "anna", "sad/1.wav": "ben"})
    assert corpus.groups.tolist() == ["anna", "ben"]


@pytest.mark.parametrize(
    "speaker",
    [
        r"/(\w+)_\d\.wav$",
        "/(Ju\u0308rgen)_",
        {"J\u00fcrgen_1.wav": "J\u00fcrgen"},
        {"Ju\u0308rgen_1.wav": "Ju\u0308rgen"},
    ],
)
@pytest.mark.parametrize("name", ["J\u00fcrgen_1.wav", "Ju\u0308rgen_1.wav"], ids=["composed", "decomposed"])
def test_accents_of_names_may_be_composed_or_not(tmp_path, name, speaker):
    touch(tmp_path, f"sad/{name}")  # file systems of macOS decompose them
    assert load_audio_files(tmp_path, speaker=speaker).groups.tolist() == ["J\u00fcrgen"]


@pytest.mark.parametrize(
    "speaker",
    [
        r"(s1)_",
        {"sad/s1_2.wav": "s1", "s1_1.wav": "s1", "s2_1.flac": None, "s2_2.OGG": float("nan")},
        r"(s1)?",
    ],
)
def test_files_without_a_speaker_are_listed(classes, speaker):
    message = r"No speaker for [234] of 4 files in '.*': .*s2_.*; widen the pattern"
    with pytest.raises(ValueError, match=message):
        load_audio_files(classes, speaker=speaker)


def test_a_long_list_of_files_without_a_speaker_is_cut(tmp_path):
    touch(tmp_path, *(f"sad/{i}.wav" for i in range(9)))
    with pytest.raises(ValueError, match=r"No speaker for 9 of 9 files .*'sad/4.wav' and 4 more; widen"):
        load_audio_files(tmp_path, speaker={})


def test_speakers_that_differ_by_class_are_refused(tmp_path):
    touch(tmp_path, "sad/anna_1.wav", "calm/anna_2.wav")
    with pytest.raises(ValueError, match=r"The speaker 'calm/anna' of .* includes the folder of the class"):
        load_audio_files(tmp_path, speaker=r"(.+)_\d")
    with pytest.raises(
        ValueError, match=r"The speaker 'calm' of .* includes .*: leave the folder out of the"
    ):
        load_audio_files(tmp_path, speaker=r"(.+)/")


def test_a_speaker_may_have_the_name_of_a_class(tmp_path):
    touch(tmp_path, "joy/joy_1.wav", "joy/anna_2.wav")
    assert load_audio_files(tmp_path, speaker=r"/(\w+)_\d").groups.tolist() == ["anna", "joy"]


def test_speakers_may_include_other_folders(tmp_path):
    touch(tmp_path, "sad/site/anna/1.wav")
    assert load_audio_files(tmp_path, speaker=r"/(.+)/").groups.tolist() == ["site/anna"]


TWO_SPEAKERS = pd.DataFrame({"file": ["a", "a"], "speaker": ["x", "y"]})
TWO_COLUMNS = pd.DataFrame([["a", "x", "y"]], columns=["file", "speaker", "speaker"])
NO_FILE = pd.DataFrame({"file": ["a", None], "speaker": ["x", "y"]})
NO_COLUMNS = pd.DataFrame({"name": ["a"]})


@pytest.mark.parametrize(
    ("speaker", "error", "message"),
    [
        ("(s", ValueError, r"speaker='\(s' is not a regular expression: "),
        ("(s){99999999999}", ValueError, "is not a regular expression: the repetition number is too large"),
        ("s", ValueError, "speaker='s' has 0 groups: put parentheses only around the speaker"),
        ("speakers.xlsx", ValueError, r"has 0 groups: .*; for a table, give a path that ends in .csv"),
        ("(s)(1)", ValueError, "has 2 groups"),
        (re.compile(b"(s)"), TypeError, "must be an expression of str, not bytes"),
        (7, TypeError, "speaker must be a regular expression, a dict, a DataFrame, .*, got int"),
        ("nowhere.csv", FileNotFoundError, "The speaker table 'nowhere.csv' does not exist: give a CSV file"),
        (NO_COLUMNS, ValueError, "lacks the column file and the column speaker: .*got name"),
        (TWO_COLUMNS, ValueError, "The speaker table has two columns 'speaker': rename or drop one of them"),
        (NO_FILE, TypeError, "The speaker table has (None|nan) of type .* as a file: give its path as text"),
        ({1: "x"}, TypeError, "The speaker table has 1 of type int as a file"),
        ({b"a": "x"}, TypeError, "The speaker table has b'a' of type bytes as a file"),
        (TWO_SPEAKERS, ValueError, "lists two speakers for 'a', 'x' and"),
    ],
)
def test_sources_of_speakers_are_checked(classes, speaker, error, message):
    with pytest.raises(error, match=message):
        load_audio_files(classes, speaker=speaker)


@pytest.mark.parametrize(
    "content",
    [b"", b"file,speaker\na,b,c,d\n", b"file|speaker\n", b"file,speaker\n\xff\xfe,", b'file,speaker\n"a'],
)
def test_an_invalid_csv_file_is_named(classes, tmp_path_factory, content):
    path = tmp_path_factory.mktemp("tables") / "speakers of.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"The speaker table '.*speakers of\.csv'"):
        load_audio_files(classes, speaker=path)


def test_formats_that_cannot_be_read_are_named_with_the_cure(classes, tmp_path_factory):
    cure = (
        r"in formats that libsndfile cannot read \(\.m4a, \.wma; convert it with 'ffmpeg -i FILE out\.wav'\)"
    )
    touch(classes, "sad/one.M4A", "happy/two.wma")
    for ending in ("mp4", "aac", "webm", "amr", "3gp", "mka", "mov", "m4b", "spx", "wv"):
        phone = touch(tmp_path_factory.mktemp("phone"), f"sad/one.{ending}")
        with pytest.raises(ValueError, match=rf"libsndfile cannot read \(\.{ending}; convert it"):
            load_audio_files(phone)
    with pytest.warns(UserWarning, match=rf"Left out 2 files in .* {cure}: .*one\.M4A"):
        assert len(load_audio_files(classes).data) == 4
    other = touch(tmp_path_factory.mktemp("phone"), "sad/one.m4a", "sad/two.wma")
    message = rf"All recordings in .* are {cure}"
    for load in (load_audio_files, load_ravdess):
        with pytest.raises(ValueError, match=message):
            load(other)


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_file_names_need_not_be_utf_8(tmp_path):
    name = os.fsdecode(b"gr\xfc\xdfe.wav")
    try:
        touch(tmp_path, f"sad/{name}", "happy/b.wav")
    except OSError:
        pytest.skip("the file system refuses such names")
    corpus = load_audio_files(tmp_path)
    assert (
        corpus.frame["path"].tolist() == corpus.data == [f"{tmp_path}/happy/b.wav", f"{tmp_path}/sad/{name}"]
    )


@pytest.fixture
def latin_1(tmp_path):
    """Folder of two classes and two speakers, in which the name of a class is not UTF-8."""
    name = os.fsdecode(b"caf\xe9")
    try:
        for label in (name, "plain"):
            (tmp_path / label).mkdir()
            for speaker in "ab":
                y = np.random.default_rng(ord(speaker) + len(label)).normal(scale=0.1, size=4000)
                soundfile.write(tmp_path / f"{speaker}.wav", y, 16000)
                os.rename(tmp_path / f"{speaker}.wav", tmp_path / label / f"{speaker}.wav")
    except OSError:
        pytest.skip("the file system refuses such names")
    corpus = load_audio_files(tmp_path, speaker=r"(.)\.wav$")
    assert corpus.target.tolist() == [name, name, "plain", "plain"]
    return corpus


def test_descriptions_of_classes_whose_names_are_not_utf_8_can_be_printed(latin_1):
    merged = merge_corpora({"one": latin_1})
    for text in (latin_1.DESCR, drop(latin_1, audit(latin_1)).DESCR, merged.DESCR):
        assert rb"caf\udce9" in text.encode()


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pandas then refuses such names of columns")
def test_report_on_classes_whose_names_are_not_utf_8_can_be_printed(latin_1):
    evaluation = evaluate(LogisticRegression(), (np.eye(4), latin_1.target), groups=latin_1.groups)
    assert rb"caf\udce9" in str(evaluation).encode()


NOT_UTF_8 = os.fsdecode(b"gr\xfc\xdfe")


@pytest.fixture
def strict_frames(monkeypatch):
    """Let pandas refuse text that is not UTF-8, as with PyArrow, unless the columns are of objects."""
    made = pd.DataFrame

    def refuse(data=None, *args, dtype=None, **parameters):
        if dtype is None:
            values = made(data, *args, dtype=object, **parameters).to_numpy().ravel()
            "".join(value for value in values if isinstance(value, str)).encode()
        return made(data, *args, dtype=dtype, **parameters)

    monkeypatch.setattr(pd, "DataFrame", refuse)


COLUMNS = {"path": ["a", NOT_UTF_8], "take": [1, 2], "level": [0.5, 1.5], "cut": [True, False]}


@pytest.mark.usefixtures("strict_frames")
@pytest.mark.parametrize(
    "data", [COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]]
)
def test_only_columns_with_names_that_pyarrow_refuses_are_of_objects(data):
    frame = make_frame(data)
    assert frame.to_dict("list") == COLUMNS
    assert frame.dtypes.astype(str).tolist() == ["object", "int64", "float64", "bool"]


@pytest.mark.usefixtures("strict_frames")
def test_other_columns_keep_their_type_beside_such_names():
    whole = pd.Series([1, None], dtype="Int64", index=[3, 5])
    kinds = pd.Series(["a", "b"], dtype="category", index=[3, 5])
    frame = make_frame({"path": ["a", NOT_UTF_8], "whole": whole, "kind": kinds, "one": 7})
    assert frame["path"].tolist() == ["a", NOT_UTF_8]
    assert frame.dtypes.astype(str).tolist() == ["object", "Int64", "category", "int64"]
    assert frame.index.tolist() == [3, 5]


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_numbers_in_the_frame_of_a_corpus_stay_numbers(tmp_path):
    name = os.fsdecode(b"gr\xfc\xdfe")
    try:
        touch(tmp_path, f"{name}/03-01-05-01-02-01-07.wav")
    except OSError:
        pytest.skip("the file system refuses such names")
    frame = load_ravdess(tmp_path).frame
    assert frame["actor"].dtype.kind == frame["repetition"].dtype.kind == "i"


def test_files_that_are_not_loaded_are_listed(classes):
    touch(classes, "sad/notes.txt", "sad/deep/lab.csv", "happy/.hidden.wav", "sad/._s1_2.wav", "readme.md")
    touch(classes, "outside.wav", "._outside.wav", "speakers.csv")
    (classes / "calm").mkdir()
    (classes / ".git").mkdir()
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        corpus = load_audio_files(classes)
    assert len(corpus.data) == 4
    assert corpus.target_names == ["happy", "sad"]
    others = f"{Path('sad/deep/lab.csv')}, {Path('sad/notes.txt')}"
    assert [str(warning.message) for warning in record] == [
        f"Left out 2 files in '{classes}' without an audio file extension: {others}.",
        f"Left out 1 audio file in '{classes}' next to the class folders: outside.wav.",
        f"No audio files for 1 class in '{classes}': calm.",
    ]
    assert {Path(warning.filename) for warning in record} == {Path(__file__)}
    with pytest.warns(UserWarning, match="Left out") as record:
        load_corpus(f"files:{touch(classes / 'other', 'sad/a.wav', 'sad/b.txt')}")
    assert record[0].filename == __file__


def test_categories_select_folders(classes):
    assert set(load_audio_files(classes, categories=["sad"]).target) == {"sad"}
    with pytest.raises(
        FileNotFoundError, match=r"No folder 'calm' in '.*': choose categories from happy, sad"
    ):
        load_audio_files(classes, categories=["sad", "calm"])


@pytest.mark.parametrize("name", ["col\u00e8re", "cole\u0300re"], ids=["composed", "decomposed"])
@pytest.mark.parametrize("wanted", ["col\u00e8re", "cole\u0300re"], ids=["composed", "decomposed"])
def test_accents_of_classes_may_be_composed_or_not(tmp_path, name, wanted):
    touch(tmp_path, f"{name}/1.wav", "joie/2.wav")
    corpus = load_audio_files(tmp_path)
    assert corpus.target_names == ["col\u00e8re", "joie"]
    assert corpus.frame["label"].tolist() == corpus.target.tolist() == ["col\u00e8re", "joie"]
    assert load_audio_files(tmp_path, categories=[wanted]).data == [str(tmp_path / name / "1.wav")]


def test_two_spellings_of_one_class_are_one_class(tmp_path):
    try:
        touch(tmp_path, "col\u00e8re/1.wav", "joie/2.wav")
        (tmp_path / "cole\u0300re").mkdir()
    except FileExistsError:
        pytest.skip("the file system composes or decomposes accents")
    touch(tmp_path, "cole\u0300re/3.wav")
    corpus = load_audio_files(tmp_path)
    assert Counter(corpus.target.tolist()) == {"col\u00e8re": 2, "joie": 1}
    assert names(load_audio_files(tmp_path, categories=["col\u00e8re"])) == ["1.wav", "3.wav"]


@pytest.mark.parametrize("ending", ["wav", ".WAV"])
def test_extensions_select_files(classes, ending):
    with pytest.warns(UserWarning, match="Left out 2 files"):
        corpus = load_audio_files(classes, extensions=[ending])
    assert sorted(Path(path).name for path in corpus.data) == ["s1_1.wav", "s1_2.wav"]


@pytest.mark.parametrize("parameter", ["categories", "extensions"])
def test_lists_of_names_are_checked(classes, parameter):
    with pytest.raises(TypeError, match=rf"{parameter} must be a list, got 'sad': write \['sad'\]"):
        load_audio_files(classes, **{parameter: "sad"})
    for values in ([], [3]):
        with pytest.raises(ValueError, match=f"{parameter} must be a list of one or more names, got"):
            load_audio_files(classes, **{parameter: values})


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


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


def names(corpus) -> list[str]:
    return sorted(Path(path).name for path in corpus.data)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
class TestLinkedFolders:
    """Each file in linked folders is found once."""

    def test_folders_may_link_to_each_other(self, tmp_path):
        touch(tmp_path, "x/n0/0.wav", "x/n1/1.wav", "x/n2/2.wav")
        for i in range(3):
            for j in range(3):
                link(tmp_path / f"x/n{i}/to{j}", tmp_path / f"x/n{j}")
        assert names(load_audio_files(tmp_path)) == ["0.wav", "1.wav", "2.wav"]

    def test_linked_folders_outside_may_link_to_each_other(self, tmp_path):
        touch(tmp_path, "one/1.wav", "two/2.wav")
        link(tmp_path / "one/l", tmp_path / "two")
        link(tmp_path / "two/l", tmp_path / "one")
        link(tmp_path / "root/sad/l", tmp_path / "one")
        assert names(load_audio_files(tmp_path / "root")) == ["1.wav", "2.wav"]

    def test_a_second_name_of_a_folder_is_skipped(self, tmp_path):
        touch(tmp_path, "happy/2024/a.wav")
        for name in ("2023", "latest"):  # sorted before and after the folder
            link(tmp_path / "happy" / name, tmp_path / "happy/2024")
        assert load_audio_files(tmp_path).data == [str(tmp_path / "happy/2024/a.wav")]

    def test_a_folder_above_an_earlier_link_is_searched(self, tmp_path):
        touch(tmp_path, "elsewhere/part/a.wav", "elsewhere/b.wav")
        link(tmp_path / "root/sad/1", tmp_path / "elsewhere/part")
        link(tmp_path / "root/sad/2", tmp_path / "elsewhere")
        assert names(load_audio_files(tmp_path / "root")) == ["a.wav", "b.wav"]

    def test_a_linked_folder_that_links_to_its_parent_stays_apart_from_it(self, tmp_path):
        touch(tmp_path, "elsewhere/part/a.wav", "elsewhere/b.wav")
        link(tmp_path / "elsewhere/part/up", tmp_path / "elsewhere")
        link(tmp_path / "root/sad", tmp_path / "elsewhere/part")
        assert names(load_audio_files(tmp_path / "root")) == ["a.wav"]

    def test_a_linked_folder_may_be_hidden_where_it_is(self, tmp_path):
        touch(tmp_path, "sad/.store/1/a.wav")
        link(tmp_path / "sad/one", tmp_path / "sad/.store/1")
        link(tmp_path / "sad/two", tmp_path / "sad/.store/1")
        assert load_audio_files(tmp_path).data == [str(tmp_path / "sad/one/a.wav")]


def test_a_folder_that_cannot_be_read_is_an_error(classes, monkeypatch):
    def scandir(path, usual=os.scandir):
        if Path(path).name == "sad":
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="sad"):
        load_audio_files(classes)


def test_corpora_have_short_names(classes):
    assert load_corpus(f"files:{classes}").data == load_audio_files(classes).data
    assert load_corpus(f"files:{classes}").groups is None
    synthetic = load_corpus("synthetic")
    assert len(synthetic.data) == 160
    np.testing.assert_array_equal(synthetic.data[0], make_emotional_speech(1, 1, random_state=0).data[0])


def test_speakers_next_to_the_class_folders_are_used(classes):
    rows = "\n".join(f"{file},{name}" for file, name in EXPECTED.items())
    (classes / "speakers.csv").write_text(f"file,speaker\n{rows}\n", encoding="utf-8")
    assert speakers_of(load_corpus(f"files:{classes}")) == EXPECTED


def test_speakers_of_a_folder_may_come_from_a_pattern(classes):
    (classes / "speakers.csv").write_text("file,speaker\n", encoding="utf-8")
    corpus = load_corpus(f"files:{classes}", speaker=r"(s\d)_\d\.")
    assert speakers_of(corpus) == EXPECTED


def test_whitespace_around_the_columns_of_the_speaker_table_is_removed(classes):
    rows = "\n".join(f"{file},{name}" for file, name in EXPECTED.items())
    (classes / "speakers.csv").write_text(f"file, speaker\n{rows}\n", encoding="utf-8")
    assert speakers_of(load_corpus(f"files:{classes}")) == EXPECTED


@pytest.mark.parametrize("spec", ["synthetic", "ravdess:nowhere", "manifest:table.csv"])
def test_speakers_of_other_corpora_have_no_pattern(spec):
    message = rf"speaker applies only to a folder of recordings \(files:PATH\), not to the corpus '{spec}': "
    with pytest.raises(ValueError, match=message):
        load_corpus(spec, speaker="(s)")


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (
            "iemo:x",
            ValueError,
            'Unknown corpus \'iemo:x\': write "synthetic", "ravdess:PATH", .* or "files:PATH"',
        ),
        ("manifest:", ValueError, "The corpus 'manifest:' lacks a path: write manifest:PATH"),
        ("", ValueError, "Unknown corpus ''"),
        (r"C:\speech", ValueError, "Unknown corpus"),
        ("ravdess", ValueError, "The corpus 'ravdess' lacks a path: write ravdess:PATH"),
        ("synthetic:x", ValueError, "'synthetic' does not take a path, got 'synthetic:x'"),
        (
            r"files:C:\nowhere",
            FileNotFoundError,
            re.escape(r"No folder 'C:\\nowhere'"),
        ),  # after the first colon
        (None, TypeError, 'spec must be text, one of "synthetic", .* or "files:PATH", got None of type'),
    ],
)
def test_names_of_corpora_are_checked(spec, error, message):
    with pytest.raises(error, match=message):
        load_corpus(spec)


def test_import_needs_no_pandas():
    # scikit-learn imports pandas if it can, so only its absence shows whether skser needs it.
    code = "import sys; sys.modules.update(pandas=None, librosa=None, soundfile=None); import skser.datasets"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.corpus
def test_real_recordings_agree_with_their_names(ravdess_root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus = load_ravdess(ravdess_root)
    assert len(corpus.data) == len(set(corpus.data)) == 720
    assert Counter(corpus.groups.tolist()) == dict.fromkeys(range(1, 13), 60)
    assert Counter(corpus.target.tolist()) == dict.fromkeys(SPEECH.values(), 96) | {"neutral": 48}
    assert Counter(corpus.frame.sex) == {"male": 360, "female": 360}
    paths = [Path(path) for path in corpus.data]
    names = [path.stem for path in paths]
    assert names == sorted(names, key=lambda name: (name[-2:], name))
    assert [int(name[-2:]) for name in names] == corpus.groups.tolist()
    assert [SPEECH[name[6:8]] for name in names] == corpus.target.tolist()
    assert [f"Actor_{group:02d}" for group in corpus.groups] == [path.parent.name for path in paths]


@pytest.mark.corpus
def test_both_of_two_identical_recordings_are_kept(ravdess_root):
    corpus = load_ravdess(ravdess_root, actors=[7])
    twins = [path for path in corpus.data if "03-01-03-01-02-0" in path]
    assert len(corpus.data) == 60
    assert len(twins) == 2
    assert Path(twins[0]).read_bytes() == Path(twins[1]).read_bytes()
