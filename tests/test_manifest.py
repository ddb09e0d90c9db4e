"""Tests of the loader of the user's own recordings from a table."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skser.datasets import load_corpus, load_manifest, load_nemo


@pytest.fixture
def folder(tmp_path):
    """Three recordings, one of them in a folder below."""
    for name in ("one.wav", "two.wav", "deep/three, größer.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


NAMES = ["one.wav", "two.wav", "deep/three, größer.wav"]


@pytest.fixture
def frame():
    return pd.DataFrame({"path": NAMES, "label": ["sad", "calm", "sad"], "speaker": ["01", "02", "01"]})


def csv(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_of_a_csv_file_start_at_its_folder(folder, frame, monkeypatch):
    frame.to_csv(folder / "table.csv", index=False)
    monkeypatch.chdir(folder / "deep")
    for table in (folder / "table.csv", str(folder / "table.csv"), "../table.csv"):
        corpus = load_manifest(table)
        assert [Path(path).resolve() for path in corpus.data] == [folder / name for name in NAMES]
        assert all(isinstance(path, str) for path in corpus.data)


def test_entries_agree_with_the_table(folder, frame):
    frame.to_csv(folder / "table.csv", index=False)
    for corpus in (load_manifest(folder / "table.csv"), load_manifest(frame, root=folder)):
        assert corpus.data == [str(folder / name) for name in NAMES]
        assert corpus.target.tolist() == ["sad", "calm", "sad"]
        assert corpus.target.dtype.kind == "U"
        assert corpus.groups.tolist() == ["01", "02", "01"]  # text, not 1 and 2
        assert corpus.target_names == ["calm", "sad"]
        assert corpus.frame.equals(frame.assign(path=corpus.data))
        assert "Items: 3" in corpus.DESCR
        assert "Speakers: 2" in corpus.DESCR


def test_paths_of_a_frame_start_at_the_current_folder(folder, frame, monkeypatch):
    monkeypatch.chdir(folder)
    assert load_manifest(frame).data == NAMES


def test_root_is_where_paths_start(folder, frame, tmp_path_factory, monkeypatch):
    table = tmp_path_factory.mktemp("tables") / "table.csv"
    frame.to_csv(table, index=False)
    assert load_manifest(table, root=str(folder)).data == [str(folder / name) for name in NAMES]
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert load_manifest(table, root="~").data == [str(folder / name) for name in NAMES]


def test_absolute_paths_are_kept(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    table = pd.DataFrame({"path": [folder / "one.wav", str(folder / "two.wav")], "label": ["a", "b"]})
    corpus = load_manifest(table, speaker=None, root=elsewhere)
    assert corpus.data == [str(folder / "one.wav"), str(folder / "two.wav")]


def test_columns_are_found_by_their_names(folder):
    table = csv(folder, "who,file,feeling\nanna,one.wav,joy\nben,two.wav,fear\n")
    corpus = load_manifest(table, path="file", label="feeling", speaker="who")
    assert corpus.target.tolist() == ["joy", "fear"]
    assert corpus.groups.tolist() == ["anna", "ben"]
    assert corpus.frame.file.tolist() == corpus.data


def test_groups_may_be_unknown_or_another_column(folder):
    table = pd.DataFrame({"path": NAMES, "label": "x", "speaker": ["a", "b", "c"], "session": [1, 1, 2]})
    corpus = load_manifest(table, speaker=None, root=folder)
    assert corpus.groups is None
    assert "groups is None" in corpus.DESCR
    corpus = load_manifest(table, speaker="session", root=folder)
    assert corpus.groups.tolist() == [1, 1, 2]
    assert corpus.frame.speaker.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, 1, 3], "i"),
        ([True, False, True], "b"),
        ([0.5, 1.5, 2.5], "f"),
        (["a", "1", "b"], "U"),
        (pd.array([2**53 + 1, 2**53, 2**53], dtype="Int64"), "i"),
        (pd.array([True, False, False], dtype="boolean"), "b"),
        (pd.Categorical([7, 8, 7]), "i"),
    ],
)
def test_labels_of_a_frame_keep_their_type(folder, labels, kind):
    table = pd.DataFrame({"path": NAMES, "label": labels, "speaker": labels})
    corpus = load_manifest(table, root=folder)
    for values in (corpus.target, corpus.groups):
        assert values.dtype.kind == kind
        assert values.tolist() == list(labels)


@pytest.mark.parametrize("column", ["label", "speaker"])
def test_text_and_numbers_are_not_mixed(folder, frame, column):
    table = frame.astype(object)
    table[column] = ["1", "2", 1]
    message = f"the column '{column}' mixes text and integers .item 0 is '1', item 2 is 1.: use one kind"
    with pytest.raises(ValueError, match=message):
        load_manifest(table, root=folder)


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_the_separator_is_found(folder, frame, separator):
    table = frame.assign(note=["a, b", "c; d", 'e"\tf'])
    table.to_csv(folder / "table.csv", sep=separator, index=False)
    assert load_manifest(folder / "table.csv").frame.equals(
        table.assign(path=[str(folder / n) for n in NAMES])
    )


def test_a_single_column_needs_no_separator(folder):
    with pytest.raises(ValueError, match="lacks the column 'label'; it has 'path': rename a column, or"):
        load_manifest(csv(folder, "path\none.wav\n"), speaker=None)


def test_whitespace_around_labels_and_speakers_is_removed_with_a_warning(folder):
    table = csv(folder, "path\tlabel\tspeaker\tnote\none.wav\tsad \t        WR0\t a\ntwo.wav\tsad\tWR0\t b\n")
    with pytest.warns(UserWarning, match="whitespace around 1 value of the column") as record:
        corpus = load_manifest(table)
    assert corpus.target.tolist() == corpus.frame.label.tolist() == ["sad", "sad"]
    assert corpus.groups.tolist() == corpus.frame.speaker.tolist() == ["WR0", "WR0"]
    assert corpus.frame.note.tolist() == [" a", " b"]  # not a label
    text = "column 'speaker', such as '        WR0': it is removed, so that this is the same as 'WR0'."
    assert [text in str(warning.message) for warning in record] == [False, True]
    assert {warning.filename for warning in record} == {__file__}


def test_whitespace_in_a_frame_is_removed_as_well(folder, frame):
    with pytest.warns(
        UserWarning, match=r"^The table has whitespace around 2 values of the column 'label', such as"
    ):
        corpus = load_manifest(frame.assign(label=["sad", " calm", "sad\t"]), root=folder)
    assert corpus.target.tolist() == ["sad", "calm", "sad"]
    text = pd.Series([np.str_(" A"), np.str_("A"), "B"], dtype=object)
    with pytest.warns(UserWarning, match="whitespace around 1 value of the column 'speaker'"):
        corpus = load_manifest(frame.assign(speaker=text), root=folder)
    assert corpus.groups.tolist() == ["A", "A", "B"]


def test_whitespace_around_the_names_of_columns_is_removed(folder):
    corpus = load_manifest(csv(folder, " path, label ,\tspeaker, a note\none.wav,sad,01,x\n"))
    assert corpus.frame.columns.tolist() == ["path", "label", "speaker", "a note"]


def test_columns_that_differ_only_in_whitespace_are_refused(folder):
    with pytest.raises(ValueError, match="has two columns 'note': rename or drop one of them"):
        load_manifest(csv(folder, "path,label,note, note\none.wav,sad,x,y\n"), speaker=None)


def test_a_frame_of_polars_is_read(folder, frame):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({**frame.to_dict("list"), "take": [3, 2**53 + 1, 4]})
    corpus = load_manifest(table, root=folder)
    assert corpus.target.tolist() == ["sad", "calm", "sad"]
    assert corpus.groups.tolist() == ["01", "02", "01"]
    assert corpus.frame["take"].tolist() == [3, 2**53 + 1, 4]
    with pytest.raises(
        ValueError, match=r"The table has no value in the column 'label' in 1 row of 3 \(row 2, "
    ):
        load_manifest(table.with_columns(label=polars.Series(["a", None, "b"])), root=folder)
    with (
        pytest.raises(TypeError, match="of pandas or polars, got LazyFrame"),
        warnings.catch_warnings(action="ignore"),
    ):
        load_manifest(table.lazy(), root=folder)


class OtherFrame:
    """A table that has columns by name, but is not of pandas."""

    def __init__(self, columns):
        self.columns = list(columns)
        self._values = dict(columns)

    @property
    def shape(self):
        return len(self._values[self.columns[0]]), len(self.columns)

    def __getitem__(self, name):
        return tuple(self._values[name])


def test_a_frame_of_another_library_is_read(folder, frame):
    corpus = load_manifest(OtherFrame(frame.to_dict("list")), root=folder)
    assert corpus.frame.equals(frame.assign(path=corpus.data))


class ArrowTable:
    """A table with columns by number, as in PyArrow."""

    def __init__(self, frame):
        self._frame = frame
        self.column_names = frame.columns.tolist()
        self.columns = [frame[name] for name in self.column_names]
        self.shape = frame.shape

    def to_pandas(self):
        return self._frame


def test_a_table_of_pyarrow_is_read(folder, frame):
    corpus = load_manifest(ArrowTable(frame), root=folder)
    assert corpus.frame.equals(frame.assign(path=corpus.data))


@pytest.mark.corpus
@pytest.mark.filterwarnings("ignore:nEMO .* is not as published")
def test_the_published_table_of_nemo_is_read(ravdess_root):
    root = ravdess_root.parent / "nemo"
    if not root.is_dir():
        pytest.skip(f"no recordings in {root}")
    columns = {"path": "file_id", "label": "emotion", "speaker": "speaker_id"}
    with pytest.warns(UserWarning, match="whitespace around 2988 values of the column 'speaker_id'"):
        corpus = load_manifest(root / "data.tsv", **columns, root=root / "samples")
    expected = load_nemo(root).frame.set_index("path").loc[corpus.data]
    assert sorted(set(corpus.groups)) == ["EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0"]
    assert corpus.groups.tolist() == expected.speaker.tolist()
    assert corpus.target.tolist() == expected.original.tolist()
    assert corpus.frame.gender.tolist() == expected.sex.tolist()


def test_categories_and_odd_indices_of_a_frame_are_taken_by_position(folder, frame):
    table = frame.assign(label=frame.label.astype("category"))
    table.index = [7, 7, 2]
    corpus = load_manifest(table, root=folder)
    assert corpus.target.tolist() == ["sad", "calm", "sad"]
    assert corpus.frame.index.tolist() == [0, 1, 2]


def test_the_given_frame_is_not_changed(folder, frame):
    before = frame.copy(deep=True)
    corpus = load_manifest(frame, root=folder)
    corpus.frame["label"] = "other"
    assert frame.equals(before)


def test_further_columns_are_kept_and_numbers_are_numbers(folder):
    table = csv(folder, "path,label,speaker,age,take,note\none.wav,7,007,31,1,\ntwo.wav,NA,NA,,2,7 or 8\n")
    corpus = load_manifest(table)
    assert corpus.target.tolist() == ["7", "NA"]
    assert corpus.groups.tolist() == ["007", "NA"]
    assert corpus.frame["take"].tolist() == [1, 2]
    assert corpus.frame.age.iloc[0] == 31
    assert np.isnan(corpus.frame.age.iloc[1])
    assert corpus.frame.note.tolist() == ["", "7 or 8"]


def test_a_table_from_windows_is_read(folder):
    path = folder / "table.csv"
    path.write_bytes("\ufeffpath,label\r\ndeep\\three, größer.wav,sad\r\n".replace("three, ", "").encode())
    (folder / "deep" / "größer.wav").touch()
    assert [Path(file).name for file in load_manifest(path, speaker=None).data] == ["größer.wav"]


@pytest.mark.parametrize("written", ["Jos\u00e9.wav", "Jose\u0301.wav"], ids=["composed", "decomposed"])
@pytest.mark.parametrize("name", ["Jos\u00e9.wav", "Jose\u0301.wav"], ids=["composed", "decomposed"])
def test_accents_of_paths_may_be_composed_or_not(tmp_path, name, written):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).touch()  # file systems of macOS decompose them
    for path in (f"deep/{written}", f"deep\\{written}", f" deep/{written}"):
        table = pd.DataFrame({"path": [path], "label": ["sad"]})
        (data,) = load_manifest(table, speaker=None, root=tmp_path).data
        assert os.path.samefile(data, tmp_path / "deep" / name)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system finds both spellings")
def test_a_file_in_two_spellings_is_a_duplicate(tmp_path):
    (tmp_path / "Jose\u0301.wav").touch()
    table = pd.DataFrame({"path": ["Jose\u0301.wav", "Jos\u00e9.wav"], "label": ["sad", "calm"]})
    with pytest.raises(ValueError, match="The table lists 1 file more than once"):
        load_manifest(table, speaker=None, root=tmp_path)


def test_whitespace_around_a_path_is_removed_if_no_file_has_it(folder):
    (folder / " two.wav").touch()
    corpus = load_manifest(csv(folder, "path,label\n one.wav ,sad\n two.wav,sad\n"), speaker=None)
    assert corpus.data == corpus.frame.path.tolist() == [str(folder / "one.wav"), str(folder / " two.wav")]


@pytest.mark.parametrize(
    "text",
    [
        "path,label,speaker,,\none.wav,sad,a,,\ntwo.wav,calm,b,, \n",
        "path,label,speaker\none.wav,sad,a\n,,\ntwo.wav,calm,b\n, ,\n,,\n",
        ",,\npath,label,speaker\none.wav,sad,a\ntwo.wav,calm,b\n",
        "path;label;;speaker\none.wav;sad;;a\ntwo.wav;calm;;b\n",
        "sep=;\npath;label;speaker\none.wav;sad;a\ntwo.wav;calm;b\n",
        "\ufeffsep=|\r\npath|label|speaker\r\none.wav|sad|a\r\ntwo.wav|calm|b\r\n",
        '"sep=\t"\npath\tlabel\tspeaker\none.wav\tsad\ta\ntwo.wav\tcalm\tb\n',
    ],
)
def test_tables_of_spreadsheets_are_read(folder, text):
    corpus = load_manifest(csv(folder, text))
    assert [Path(path).name for path in corpus.data] == ["one.wav", "two.wav"]
    assert corpus.target.tolist() == ["sad", "calm"]
    assert corpus.groups.tolist() == ["a", "b"]
    assert corpus.frame.columns.tolist() == ["path", "label", "speaker"]


def test_columns_without_a_name_but_with_values_are_kept(folder):
    corpus = load_manifest(csv(folder, "path,label,\none.wav,sad,x\n"), speaker=None)
    assert corpus.frame[""].tolist() == ["x"]


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (
            "label",
            r"The table lacks the column 'label'; it has 'path', 'speaker': rename a column, or set label= "
            r"of load_manifest\.",
        ),
        ("speaker", r"lacks the column 'speaker'; .*speaker= of load_manifest, or pass speaker=None if"),
    ],
)
def test_missing_columns_are_named(folder, frame, lacking, message):
    with pytest.raises(ValueError, match=message):
        load_manifest(frame.drop(columns=lacking), root=folder)


def test_missing_files_are_listed(folder):
    rows = "\n".join(f"gone{i}.wav,sad" for i in range(7))
    table = csv(folder, f"path,label\none.wav,sad\ndeep,sad\n{rows}\n")
    message = (
        r"The table '.*' lists 8 of 9 files that do not exist \(.*deep, .*gone3\.wav and 3 more\): correct "
        "the paths, or pass root="
    )
    with pytest.raises(FileNotFoundError, match=message):
        load_manifest(table, speaker=None)


def test_duplicated_files_are_named(folder, frame):
    again = pd.concat([frame, frame.assign(path=["deep/../one.wav", "x.wav", "y.wav"])])
    message = r"The table lists 1 file more than once \(.*one\.wav\): keep one row of each"
    with pytest.raises(ValueError, match=message):
        load_manifest(again, root=folder)


@pytest.mark.parametrize("column", ["path", "label", "speaker"])
@pytest.mark.parametrize("empty", [None, float("nan"), "", "  ", pd.NA])
def test_empty_fields_are_named_by_their_rows(folder, frame, column, empty):
    table = frame.astype(object)
    table.loc[1, column] = empty
    message = rf"The table has no value in the column '{column}' in 1 row of 3 \(row 2, counted from 1"
    with pytest.raises(ValueError, match=message):
        load_manifest(table, root=folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (blank, "is empty: give a CSV file with a header and one row per")
            for blank in ("", "\n", ",,\n,,\n")
        ),
        ("one,two\na,b\n", "lacks the columns 'path', 'label' and 'speaker'; it has 'one', 'two': rename"),
        ("path,one\na,b\n", "lacks the columns 'label' and 'speaker'; it has 'path', 'one': rename"),
        ("path,label,speaker\n", "has no rows: list one recording per row"),
        ("path,label,speaker\none.wav,sad\ntwo.wav,sad,x\n", r"no value in the column 'speaker' .*\(row 1, "),
        (
            "path,label,speaker\none.wav,sad,a,b\n",
            r"has rows of different lengths \(Expected 3 fields in line 2, saw 4\): give every row as "
            "many fields as the header, and put quotes around fields that contain ','",
        ),
        (
            'path,label,speaker\n"one.wav,sad\n',
            r"is not a CSV file \(EOF inside string.*\): close every quotation mark",
        ),
        ("path,label,speaker,label\none.wav,sad,a,joy\n", "has two columns 'label': rename or drop one"),
        ("path|label|speaker\none.wav|sad|a\n", "it has 'path|label|speaker'".replace("|", "[|]")),
    ],
)
def test_invalid_tables_are_named(folder, text, message):
    with pytest.raises(ValueError, match=rf"^The table '.*table\.csv' .*{message}"):
        load_manifest(csv(folder, text))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_that_is_not_in_utf_8_is_named(folder, encoding):
    (folder / "table.csv").write_bytes("path,label,speaker\ngrößer.wav,sad,a\n".encode(encoding))
    message = (
        r"The table '.*table\.csv' is not in UTF-8 \('utf-8' codec .*\): in Excel, save it as \"CSV UTF-8\""
    )
    with pytest.raises(ValueError, match=message):
        load_manifest(folder / "table.csv")


@pytest.mark.parametrize(
    ("table", "parameters", "error", "message"),
    [
        (
            3,
            {},
            TypeError,
            r"table must be the path of a CSV file, or a table of pandas, polars or PyArrow, got int",
        ),
        ([["one.wav", "sad"]], {}, TypeError, "table must be .*got list"),
        (
            "nowhere.csv",
            {},
            FileNotFoundError,
            "The table 'nowhere.csv' does not exist: give a CSV file with one",
        ),
        (
            "frame",
            {"label": None},
            TypeError,
            "label must be the name of a column, got None of type NoneType",
        ),
        ("frame", {"speaker": 2}, TypeError, "speaker must be the name of a column, got 2 of type int"),
        ("frame", {"root": "nowhere"}, FileNotFoundError, "No folder 'nowhere'"),
        ("frame", {"root": 3}, TypeError, "root must be the path of a folder, got 3"),
        ("frame", {"path": "label", "speaker": None}, ValueError, "lists 1 file more than once"),
    ],
)
def test_parameters_are_checked(frame, table, parameters, error, message):
    with pytest.raises(error, match=message):
        load_manifest(frame if table == "frame" else table, **parameters)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": 3, "label": "a"}, "The table has 3 of type int in row 2: give a path"),
        (
            {"path": "two.wav", "label": ["sad", "calm"]},
            "has .* in the column 'label', row 2: give one value",
        ),
        (
            {"path": "two.wav", "label": np.array([1, 2])},
            "has .* in the column 'label', row 2: give one value",
        ),
    ],
)
def test_a_row_has_one_path_and_one_label(folder, row, message):
    with pytest.raises(TypeError, match=message):
        load_manifest(pd.DataFrame([{"path": "one.wav", "label": "a"}, row]), speaker=None, root=folder)


def test_git_lfs_pointers_are_named(folder, frame):
    (folder / "two.wav").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    message = r"The table lists 1 git-lfs pointer \(.*two\.wav\): run `git lfs pull`"
    with pytest.raises(ValueError, match=message):
        load_manifest(frame, root=folder)


def test_a_manifest_has_a_short_name(folder, frame):
    frame.to_csv(folder / "table.csv", index=False)
    assert load_corpus(f"manifest:{folder / 'table.csv'}").groups.tolist() == ["01", "02", "01"]
    frame.drop(columns="speaker").to_csv(folder / "table.csv", index=False)
    assert load_corpus(f"manifest:{folder / 'table.csv'}").groups is None


@pytest.mark.skipif(os.name == "nt", reason="the mode of a folder means little there")
def test_a_folder_that_cannot_be_written_is_enough(folder, frame):
    frame.to_csv(folder / "table.csv", index=False)
    folder.chmod(0o555)
    try:
        assert len(load_manifest(folder / "table.csv").data) == 3
    finally:
        folder.chmod(0o755)
