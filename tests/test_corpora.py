"""Tests of the loaders of published corpora, on trees of files with the same names."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from corpus_files import POINTER, load_with_warnings, load_without_warnings, repeated, shuffled, touch

from skser.datasets import (
    load_audio_files,
    load_corpus,
    load_crema_d,
    load_emodb,
    load_nemo,
    load_ravdess,
    load_savee,
    load_tess,
)

# Most copies here are incomplete on purpose; tests of warnings use pytest.warns or `load_with_warnings`.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAMED = {
    "ravdess": load_ravdess,
    "emodb": load_emodb,
    "crema_d": load_crema_d,
    "savee": load_savee,
    "tess": load_tess,
    "nemo": load_nemo,
}
# Two recordings of two speakers, in the published layout.
SMALL = {
    "ravdess": ["Actor_01/03-01-03-01-01-01-01.wav", "Actor_24/03-01-04-02-02-02-24.wav"],
    "emodb": ["wav/03a01Fa.wav", "wav/16b10Tb.wav"],
    "crema_d": ["AudioWAV/1001_IEO_HAP_LO.wav", "AudioWAV/1091_WSI_SAD_XX.wav"],
    "savee": ["AudioData/DC/h01.wav", "AudioData/KL/sa15.wav"],
    "tess": ["TESS/OAF_happy/OAF_back_happy.wav", "TESS/YAF_sad/YAF_bite_sad.wav"],
    "nemo": ["samples/EB0_anger_1.wav", "samples/WR0_sadness_90.wav"],
}
COLUMNS = {
    "ravdess": ["path", "emotion", "intensity", "statement", "repetition", "actor", "sex"],
    "emodb": ["path", "emotion", "original", "text", "version", "speaker", "sex"],
    "crema_d": ["path", "emotion", "original", "level", "sentence", "actor", "sex"],
    "savee": ["path", "emotion", "original", "sentence", "speaker", "sex"],
    "tess": ["path", "emotion", "original", "word", "speaker", "sex"],
    "nemo": ["path", "emotion", "original", "sentence", "speaker", "sex"],
}
SPEAKER = dict.fromkeys(NAMED, "speaker") | {"ravdess": "actor", "crema_d": "actor"}

# Published counts, from the pages and lists of files of the corpora.
EMODB_EMOTIONS = {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}
EMODB_SPEAKERS = {
    **{"03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71}
}
CREMA_EMOTIONS = {"ANG": 1271, "DIS": 1271, "FEA": 1271, "HAP": 1271, "SAD": 1271, "NEU": 1087}
CREMA_ACTORS = {actor: 82 for actor in range(1001, 1092)} | {
    **{1002: 81, 1008: 76, 1009: 76, 1019: 76, 1076: 81}
}
CREMA_SENTENCES = ["DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI"]
# Speakers with fewer than 90 recordings of an emotion, from data.tsv of the corpus.
NEMO_INCOMPLETE = {
    **{("EB0", "surprised"): 89, ("MK0", "surprised"): 0, ("SM0", "fear"): 89, ("SM0", "happiness"): 89},
    **{("TP0", "surprised"): 89, ("WR0", "neutral"): 89, ("MP0", "anger"): 29, ("MP0", "fear"): 17},
    **{("MP0", "happiness"): 30, ("MP0", "sadness"): 49, ("MP0", "surprised"): 41},
}


def ravdess_files(actor: int) -> list[str]:
    codes = itertools.product(range(1, 9), (1, 2), (1, 2), (1, 2))
    kept = [code for code in codes if code[:2] != (1, 2)]
    return [f"Actor_{actor:02d}/03-01-0{e}-0{i}-0{s}-0{r}-{actor:02d}.wav" for e, i, s, r in kept]


def all_ravdess_files() -> list[str]:
    return [file for actor in range(1, 25) for file in ravdess_files(actor)]


def emodb_files() -> list[str]:
    """Every speaker and emotion as often as published, with texts and versions that make the names unique."""
    texts = ["a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"]
    emotions, times = shuffled(repeated(EMODB_EMOTIONS)), Counter()
    files = []
    for speaker, emotion in zip(repeated(EMODB_SPEAKERS), emotions, strict=True):
        version, text = divmod(times[speaker, emotion], 10)
        times[speaker, emotion] += 1
        files.append(f"wav/{speaker}{texts[text]}{emotion}{'abcdef'[version]}.wav")
    return files


def crema_d_files() -> list[str]:
    """Every actor and emotion as often as published, with sentences and levels that make the names unique."""
    emotions, times = shuffled(repeated(CREMA_EMOTIONS)), Counter()
    files = []
    for actor, emotion in zip(repeated(CREMA_ACTORS), emotions, strict=True):
        level, sentence = divmod(times[actor, emotion], 12)
        times[actor, emotion] += 1
        files.append(
            f"AudioWAV/{actor}_{CREMA_SENTENCES[sentence]}_{emotion}_{('XX', 'LO', 'MD')[level]}.wav"
        )
    return files


def savee_files() -> list[str]:
    codes = [f"{code}{i:02d}" for code in ("a", "d", "f", "h", "sa", "su") for i in range(1, 16)]
    codes += [f"n{i:02d}" for i in range(1, 31)]
    return [f"AudioData/{speaker}/{code}.wav" for speaker in ("DC", "JE", "JK", "KL") for code in codes]


def tess_files() -> list[str]:
    words = [f"{a}{b}" for a, b in itertools.islice(itertools.product("abcdefghijklmnopqrst", repeat=2), 200)]
    emotions = ["angry", "disgust", "fear", "happy", "neutral", "ps", "sad"]
    files = [
        f"{speaker}_{emotion}/{speaker}_{word}_{emotion}.wav"
        for speaker, emotion, word in itertools.product(["OAF", "YAF"], emotions, words)
    ]
    return [file.replace("OAF_aa_neutral.wav", "OA_bite_neutral.wav") for file in files]


def nemo_files() -> list[str]:
    """Every speaker and emotion as often as published."""
    speakers = ["EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0"]
    emotions = ["anger", "fear", "happiness", "neutral", "sadness", "surprised"]
    pairs = itertools.product(speakers, emotions)
    return [
        f"samples/{speaker}_{emotion}_{sentence}.wav"
        for speaker, emotion in pairs
        for sentence in range(1, NEMO_INCOMPLETE.get((speaker, emotion), 90) + 1)
    ]


FILES = {
    "ravdess": all_ravdess_files,
    "emodb": emodb_files,
    "crema_d": crema_d_files,
    "savee": savee_files,
    "tess": tess_files,
    "nemo": nemo_files,
}


@pytest.fixture
def complete(tmp_path, pretend_files):
    """Make a complete copy of a corpus."""

    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        return pretend_files(tmp_path / name, FILES[name]())

    return make


@pytest.mark.parametrize(
    ("name", "n", "n_speakers", "missing"),
    [
        ("ravdess", 1440, 24, {"bored"}),
        ("emodb", 535, 10, {"calm", "surprised"}),
        ("savee", 480, 4, {"bored", "calm"}),
        ("tess", 2800, 2, {"bored", "calm"}),
        ("crema_d", 7442, 91, {"bored", "calm", "surprised"}),
        ("nemo", 4481, 9, {"bored", "calm", "disgust"}),
    ],
)
def test_a_complete_copy_is_as_published(complete, name, n, n_speakers, missing):
    corpus = load_without_warnings(NAMED[name], complete(name))
    assert len(corpus.data) == len(set(corpus.data)) == n
    assert len(set(corpus.groups)) == n_speakers
    assert f"Items: {n}" in corpus.DESCR
    assert corpus.frame.path.tolist() == corpus.data
    assert corpus.frame.emotion.tolist() == corpus.target.tolist()
    assert corpus.frame[SPEAKER[name]].tolist() == corpus.groups.tolist()
    assert corpus.target.dtype.kind == "U"
    assert corpus.groups.dtype.kind == ("i" if SPEAKER[name] == "actor" else "U")
    # The same words in every corpus.
    words = {"angry", "bored", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"}
    assert corpus.target_names == sorted(words - missing)
    order = [(group, Path(path).stem) for group, path in zip(corpus.groups, corpus.data, strict=True)]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("name", "file", "row"),
    [
        ("ravdess", "03-01-06-02-01-02-02", ["fearful", "strong", "kids", 2, 2, "female"]),
        ("ravdess", "03-01-08-01-02-01-01", ["surprised", "normal", "dogs", 1, 1, "male"]),
        ("emodb", "16b10Tb", ["sad", "T", "b10", "b", "16", "female"]),
        ("emodb", "03a01Fa", ["happy", "F", "a01", "a", "03", "male"]),
        ("emodb", "15a07Wc", ["angry", "W", "a07", "c", "15", "male"]),
        ("emodb", "08a02La", ["bored", "L", "a02", "a", "08", "female"]),
        ("emodb", "09b01Ea", ["disgust", "E", "b01", "a", "09", "female"]),
        ("emodb", "10b02Aa", ["fearful", "A", "b02", "a", "10", "male"]),
        ("emodb", "13b09Na", ["neutral", "N", "b09", "a", "13", "female"]),
        ("crema_d", "1001_IEO_HAP_LO", ["happy", "HAP", "low", "IEO", 1001, "male"]),
        ("crema_d", "1091_DFA_NEU_XX", ["neutral", "NEU", "unspecified", "DFA", 1091, "female"]),
        ("crema_d", "1002_IEO_FEA_MD", ["fearful", "FEA", "medium", "IEO", 1002, "female"]),
        ("crema_d", "1090_IEO_DIS_HI", ["disgust", "DIS", "high", "IEO", 1090, "male"]),
        ("crema_d", "1040_ITH_SAD_X", ["sad", "SAD", "unspecified", "ITH", 1040, "male"]),  # a published name
        ("savee", "DC_a01", ["angry", "a", 1, "DC", "male"]),
        ("savee", "JE_n30", ["neutral", "n", 30, "JE", "male"]),
        ("savee", "KL_sa15", ["sad", "sa", 15, "KL", "male"]),
        ("savee", "JK_su02", ["surprised", "su", 2, "JK", "male"]),
        ("nemo", "WR0_surprised_64", ["surprised", "surprised", 64, "WR0", "male"]),
        ("nemo", "MK0_fear_9", ["fearful", "fear", 9, "MK0", "female"]),
        ("tess", "OAF_back_fear", ["fearful", "fear", "back", "OAF", "female"]),
        ("tess", "YAF_bite_ps", ["surprised", "ps", "bite", "YAF", "female"]),
        ("tess", "OA_bite_neutral", ["neutral", "neutral", "bite", "OAF", "female"]),  # a published name
        ("tess", "oaf_Back_Fear", ["fearful", "fear", "back", "OAF", "female"]),
    ],
)
def test_names_are_decoded(tmp_path, name, file, row):
    corpus = NAMED[name](touch(tmp_path, [f"deep/{file}.wav"]))
    assert corpus.frame.columns.tolist() == COLUMNS[name]
    assert corpus.frame.iloc[0].tolist() == [str(tmp_path / "deep" / f"{file}.wav"), *row]
    assert corpus.target.tolist() == row[:1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ravdess", ["CC BY-NC-SA 4.0", "Livingstone", "10.5281/zenodo.1188976", "Speakers: 2"]),
        ("emodb", ["Burkhardt", "10.21437/Interspeech.2005-446"]),
        ("crema_d", ["ODbL", "Cao", "10.1109/TAFFC.2014.2336244", "1076_MTI_SAD_XX"]),
        ("savee", ["Haq", "registration"]),
        ("nemo", ["CC BY-NC-SA 4.0", "Christop", "MP0"]),
        ("tess", ["Pichora-Fuller", "10.5683/SP2/E8H2MF", "two speakers"]),
    ],
)
def test_descriptions_have_licence_and_citation(tmp_path, name, words):
    text = NAMED[name](touch(tmp_path, SMALL[name])).DESCR
    assert all(word in text for word in ["License: ", "Citation: ", *words])


def test_crema_d_has_43_women_and_48_men(complete):
    frame = load_crema_d(complete("crema_d")).frame
    assert Counter(frame.drop_duplicates("actor").sex) == {"female": 43, "male": 48}


def test_missing_recordings_are_counted(tmp_path):
    touch(tmp_path, [file for file in savee_files() if "/JE/" not in file])
    message = (
        r"SAVEE in '.*' is not as published, 360 of 480 recordings \(by emotion: angry has 45 of 60, .*, "
        r"surprised has 45 of 60; by speaker: JE has 0 of 120\): complete the copy"
    )
    with pytest.warns(UserWarning, match=message) as record:
        assert len(load_savee(tmp_path).data) == 360
    assert len(record) == 1


def test_surplus_recordings_are_counted(tmp_path):
    touch(tmp_path, [*emodb_files(), "wav/03a01Wz.wav"])
    message = r"536 of 535 recordings \(by emotion: angry has 128 of 127; by speaker: 03 has 50 of 49\)"
    with pytest.warns(UserWarning, match=message):
        load_emodb(tmp_path)


def test_a_long_list_of_missing_recordings_is_cut(tmp_path):
    message = r"by actor: 1001 has 1 of 82, 1002 has 0 of 81, .*, 1012 has 0 of 82 and 79 more\): complete"
    with pytest.warns(UserWarning, match=message):
        load_crema_d(touch(tmp_path, SMALL["crema_d"]))


def test_recordings_are_counted_before_the_filters(tmp_path):
    files = savee_files()
    touch(tmp_path, files[1:])  # DC's first angry recording is missing
    with pytest.warns(UserWarning, match="by emotion: angry has 59 of 60; by speaker: DC has 119 of 120"):
        assert len(load_savee(tmp_path, emotions=["sad"], speakers=["JE"]).data) == 15
    touch(tmp_path, files[:1])
    assert len(load_without_warnings(load_savee, tmp_path, emotions=["sad"], speakers=["JE"]).data) == 15


@pytest.mark.parametrize(
    ("name", "filters", "n"),
    [
        ("ravdess", {"emotions": ["sad", "angry"], "actors": np.array([2])}, 16),
        ("ravdess", {"intensities": {"strong"}, "statements": ("dogs",)}, 7 * 2 * 24),
        ("emodb", {"emotions": ["angry", "bored"]}, 127 + 81),
        ("emodb", {"speakers": ["03", "16"]}, 49 + 71),
        ("crema_d", {"actors": np.array([1002, 1003])}, 81 + 82),
        ("crema_d", {"emotions": {"neutral"}}, 1087),
        ("savee", {"emotions": ["surprised"], "speakers": ["KL"]}, 15),
        ("tess", {"emotions": ["fearful"], "speakers": ["YAF"]}, 200),
        ("nemo", {"sentences": range(1, 4), "speakers": ["MK0"]}, 5 * 3),
        ("nemo", {"emotions": ["surprised"]}, 669),
    ],
)
def test_filters_select_recordings(complete, name, filters, n):
    corpus = NAMED[name](complete(name), **filters)
    assert len(corpus.data) == n
    assert f"ecordings filtered out: {len(FILES[name]()) - n}" in corpus.DESCR
    for parameter, values in filters.items():
        column = {"intensities": "intensity"}.get(parameter, parameter[:-1])
        assert set(corpus.frame[column]) == set(values)


def test_filters_of_single_codes_select_recordings(tmp_path):
    touch(tmp_path, ["03a01Fa.wav", "03b10Fa.wav"])
    touch(tmp_path, ["1001_IEO_HAP_LO.wav", "1001_IEO_HAP_HI.wav", "1001_TAI_HAP_XX.wav"])
    assert load_emodb(tmp_path, texts=["b10"]).frame["text"].tolist() == ["b10"]
    assert load_crema_d(tmp_path, levels=["high"]).frame.level.tolist() == ["high"]
    assert load_crema_d(tmp_path, sentences=["TAI"]).frame.sentence.tolist() == ["TAI"]


@pytest.mark.parametrize(
    ("name", "filters", "error", "message"),
    [
        (
            "ravdess",
            {"emotions": ["joy"]},
            ValueError,
            "each of emotions must be one of 'angry', .*got 'joy'",
        ),
        ("ravdess", {"intensities": ["loud"]}, ValueError, "each of intensities must be one of 'normal', "),
        (
            "ravdess",
            {"statements": [1]},
            ValueError,
            "each of statements must be one of 'dogs', 'kids', got 1",
        ),
        ("ravdess", {"actors": ["01"]}, TypeError, "each of actors must be an integer, got '01' of type str"),
        ("ravdess", {"actors": 3}, TypeError, r"actors must be a list, got 3: write \[3\]"),
        (
            "ravdess",
            {"emotions": []},
            ValueError,
            "None of the 2 RAVDESS recordings in .* passes the filters",
        ),
        ("emodb", {"speakers": [3]}, ValueError, "each of speakers must be one of '03', .*got 3"),
        ("emodb", {"texts": "a01"}, TypeError, r"texts must be a list, got 'a01': write \['a01'\]"),
        (
            "crema_d",
            {"actors": [1]},
            ValueError,
            r"each of actors must be an integer in \[1001, 1091\], got 1",
        ),
        ("crema_d", {"levels": ["XX"]}, ValueError, "each of levels must be one of 'high', .*got 'XX'"),
        ("crema_d", {"sentences": [["IEO"]]}, ValueError, "each of sentences must be one of 'DFA'"),
        ("savee", {"speakers": ["dc"]}, ValueError, "each of speakers must be one of 'DC', .*got 'dc'"),
        (
            "nemo",
            {"sentences": [91]},
            ValueError,
            r"each of sentences must be an integer in \[1, 90\], got 91",
        ),
        ("nemo", {"speakers": ["WR1"]}, ValueError, "each of speakers must be one of 'EB0', .*got 'WR1'"),
        ("tess", {"emotions": ["ps"]}, ValueError, "each of emotions must be one of .*got 'ps'"),
        ("tess", {"emotions": ["angry"]}, ValueError, "passes the filters for emotion, speaker: widen them"),
    ],
)
def test_filters_are_checked(tmp_path, name, filters, error, message):
    touch(tmp_path, SMALL[name])
    with pytest.raises(error, match=message):
        NAMED[name](tmp_path, **filters)


@pytest.mark.parametrize("name", NAMED)
def test_of_nested_copies_the_nearest_is_loaded(tmp_path, name):
    touch(tmp_path, SMALL[name])
    touch(tmp_path / "deep" / "copy", SMALL[name])
    corpus, (message,) = load_with_warnings(NAMED[name], tmp_path)
    assert corpus.data == [str(tmp_path / file) for file in SMALL[name]]
    assert message.startswith(f"Left out 2 duplicate recordings in '{tmp_path}' with more parent folders")
    assert str(Path("deep", "copy", SMALL[name][0])) in message


def test_of_copies_in_parallel_folders_the_first_is_loaded(tmp_path):
    touch(tmp_path, ["b/DC_a01.wav", "a/DC_a01.wav"])
    corpus, (message,) = load_with_warnings(load_savee, tmp_path)
    assert corpus.data == [str(tmp_path / "a" / "DC_a01.wav")]
    assert message.endswith(
        f"with more parent folders or a later name than the copy used: {Path('b', 'DC_a01.wav')}."
    )


@pytest.mark.parametrize(
    ("load", "files"),
    [
        (load_ravdess, ["Actor_01/03-01-05-01-01-01-01.wav", "Actor_01/deep/03-01-05-01-01-01-01.FLAC"]),
        (load_crema_d, ["1040_ITH_SAD_X.wav", "1040_ITH_SAD_XX.wav"]),
        (load_savee, ["DC_a01.wav", "AudioData/DC/a01.wav"]),
    ],
)
def test_one_recording_under_two_names_is_a_copy(tmp_path, load, files):
    corpus, (message,) = load_with_warnings(load, touch(tmp_path, files))
    assert corpus.data == [str(tmp_path / files[0])]
    assert message.startswith("Left out 1 duplicate recording")
    assert Path(files[1]).name in message


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("ravdess", ["03-01-09-01-01-01-01", "03-01-05-03-01-01-01"]),  # no such emotion, no such intensity
        ("ravdess", ["03-01-01-02-01-01-01"]),  # neutral speech has no strong version
        ("ravdess", ["03-01-05-01-01-01-25", "03-01-05-01-01-01-00"]),  # no such actor
        ("ravdess", ["03-01-05-01-01-01", "03-01-05-01-01-01-01 (1)", "noise"]),
        ("ravdess", ["\u06603-01-05-01-01-01-01"]),  # a digit of another script
        ("emodb", ["04a01Fa", "03a03Fa", "03a01Xa", "03a01F"]),
        ("crema_d", ["1092_IEO_HAP_LO", "1001_IEO_HAP_MID", "1001_XXX_HAP_MD"]),
        ("crema_d", ["10\u0661\u0661_IEO_HAP_MD"]),  # a digit of another script
        ("savee", ["s01", "XX_a01", "DC_a16", "DC_n31", "DC_a00"]),
        ("savee", ["a01"]),  # no speaker, and not in the folder of a speaker
        ("nemo", ["EB0_anger_0", "EB0_anger_91", "EB0_anger_01", "EB1_anger_1", "EB0_sad_1"]),
        ("tess", ["OAF_back_joy", "MAF_back_sad", "OAF_back"]),
    ],
)
def test_unknown_names_are_listed_and_left_out(tmp_path, name, odd):
    touch(tmp_path, [*SMALL[name], "noise.txt", *(f"deep/{stem}.wav" for stem in odd)])
    corpus, (message,) = load_with_warnings(NAMED[name], tmp_path)
    assert len(corpus.data) == 2
    assert message.startswith(f"Left out {len(odd)} audio file")
    assert all(str(Path("deep", f"{stem}.wav")) in message for stem in odd)


def test_a_long_list_of_unknown_names_is_cut(tmp_path):
    touch(tmp_path, [*SMALL["ravdess"], *(f"odd{i}.wav" for i in range(8))])
    with pytest.warns(UserWarning, match=r"8 audio files .*odd0.wav, .*, odd4.wav and 3 more\.$"):
        load_ravdess(tmp_path)


@pytest.mark.parametrize("name", NAMED)
def test_hidden_files_are_skipped(tmp_path, name):
    touch(tmp_path, SMALL[name])
    folder, _, file = SMALL[name][0].rpartition("/")
    touch(tmp_path, [f"{folder}/._{file}", f"__MACOSX/{folder}/._{file}", f".cache/{file}"])
    corpus, messages = load_with_warnings(NAMED[name], tmp_path)
    assert len(corpus.data) == 2
    assert not messages


@pytest.mark.parametrize("name", NAMED)
def test_warnings_point_at_the_caller_also_of_short_names(tmp_path, name):
    touch(tmp_path, [*SMALL[name], "noise.wav"])
    for load, spec in ((NAMED[name], tmp_path), (load_corpus, f"{name}:{tmp_path}")):
        with pytest.warns(UserWarning, match="Left out 1 audio file") as record:
            assert load(spec).data == [str(tmp_path / file) for file in SMALL[name]]
        assert {Path(warning.filename) for warning in record} == {Path(__file__)}


@pytest.mark.parametrize("name", NAMED)
def test_folders_without_the_corpus_are_errors(tmp_path, name):
    with pytest.raises(ValueError, match=r"No .* in '.*': give the folder that holds .* with files such as"):
        NAMED[name](tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No folder '.*nowhere'"):
        NAMED[name](tmp_path / "nowhere")


@pytest.mark.parametrize("name", NAMED)
def test_roots_may_be_above_or_below_and_hold_spaces(tmp_path, name, monkeypatch):
    root = touch(tmp_path / "Sprache, größer", SMALL[name])
    assert len(NAMED[name](tmp_path).data) == 2
    below = (root / SMALL[name][1]).parent
    n_below = len(list(below.iterdir()))
    assert len(NAMED[name](below).data) == n_below
    monkeypatch.chdir(below)
    assert len(NAMED[name](".").data) == n_below


def test_flac_and_capital_endings_are_read(tmp_path):
    corpus = load_emodb(touch(tmp_path, ["03a01Fa.flac", "03a01Wa.WAV", "03a01Na.mp3"]))
    assert [Path(path).name for path in corpus.data] == ["03a01Fa.flac", "03a01Wa.WAV"]


@pytest.mark.parametrize("name", NAMED)
def test_only_git_lfs_pointers_are_an_error(tmp_path, name):
    touch(tmp_path, SMALL[name])
    for file in SMALL[name]:
        (tmp_path / file).write_bytes(POINTER)
    message = rf"only 2 git-lfs pointers .*{Path(SMALL[name][0]).name}.*run `git lfs pull`"
    with pytest.raises(ValueError, match=message):
        load_corpus(f"{name}:{tmp_path}")


def test_git_lfs_pointers_among_recordings_are_named_and_left_out(tmp_path):
    touch(tmp_path, ["calm/1001_IEO_HAP_LO.wav", "calm/1001_IEO_HAP_HI.wav", "sad/1001_IEO_HAP_MD.wav"])
    (tmp_path / "calm/1001_IEO_HAP_LO.wav").write_bytes(POINTER)
    for load in (load_crema_d, load_audio_files):
        corpus, (message,) = load_with_warnings(load, tmp_path)
        assert [Path(path).stem for path in corpus.data] == ["1001_IEO_HAP_HI", "1001_IEO_HAP_MD"]
        assert message.startswith("Left out 1 git-lfs pointer")
        assert "1001_IEO_HAP_LO.wav; run `git lfs pull`" in message
    assert corpus.target.tolist() == ["calm", "sad"]


def test_a_recording_is_preferred_to_a_pointer_nearer_to_the_root(tmp_path):
    touch(tmp_path, ["1001_IEO_HAP_LO.wav", "pulled/1001_IEO_HAP_LO.wav"])
    (tmp_path / "1001_IEO_HAP_LO.wav").write_bytes(POINTER)
    assert load_crema_d(tmp_path).data == [str(tmp_path / "pulled" / "1001_IEO_HAP_LO.wav")]


def test_only_small_files_with_the_first_line_of_a_pointer_are_pointers(tmp_path):
    touch(tmp_path, ["1001_IEO_HAP_LO.wav", "1001_IEO_HAP_HI.wav"])
    (tmp_path / "1001_IEO_HAP_LO.wav").write_bytes(b"RIFF" + POINTER)
    (tmp_path / "1001_IEO_HAP_HI.wav").write_bytes(POINTER + b"\0" * 2000)
    assert len(load_crema_d(tmp_path).data) == 2


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_broken_links_are_loaded(tmp_path):
    touch(tmp_path, ["03a01Fa.wav"])
    (tmp_path / "03a01Wa.wav").symlink_to(tmp_path / "nowhere.wav")
    assert len(load_emodb(tmp_path).data) == 2


def test_silent_recordings_of_crema_d_are_named_and_loaded(tmp_path):
    touch(tmp_path, ["1076_MTI_SAD_XX.wav", "1076_MTI_NEU_XX.wav", "1076_MTI_ANG_XX.wav"])
    corpus, (message,) = load_with_warnings(load_crema_d, tmp_path)
    assert len(corpus.data) == 3
    assert "no speech (1076_MTI_NEU_XX (nearly silent), 1076_MTI_SAD_XX (silent)): remove them" in message
    assert load_with_warnings(load_crema_d, tmp_path, emotions=["angry"])[1] == []


def test_both_layouts_of_savee_are_the_same_corpus(complete, tmp_path):
    nested = load_savee(complete("savee"))
    flat = [f"ALL/{Path(file).parent.name}_{Path(file).name}" for file in savee_files()]
    corpus = load_without_warnings(load_savee, touch(tmp_path / "flat", flat))
    assert corpus.frame.drop(columns="path").equals(nested.frame.drop(columns="path"))


@pytest.mark.parametrize(
    ("load", "file", "speaker"),
    [
        (load_savee, "DC/JE_a01.wav", "JE"),
        (load_tess, "YAF_sad/OAF_back_sad.wav", "OAF"),
        (load_ravdess, "Actor_03/03-01-05-01-01-01-05.wav", 5),
    ],
)
def test_a_recording_in_the_folder_of_another_speaker_is_reported(tmp_path, load, file, speaker, monkeypatch):
    monkeypatch.chdir((touch(tmp_path, [file]) / file).parent)
    for root in (tmp_path, "."):
        corpus, (message,) = load_with_warnings(load, root)
        assert corpus.groups.tolist() == [speaker]
        assert message.startswith(f"1 recording in '{root}' not in the folder of the ")
        assert Path(file).name in message


def test_song_and_video_are_left_out_and_counted(tmp_path):
    touch(tmp_path, ["03-02-05-01-01-01-01.wav", "01-01-05-01-01-01-01.wav"])
    with pytest.raises(ValueError, match=r"No RAVDESS speech in .* but 2 recordings of song or video: give"):
        load_ravdess(tmp_path)
    corpus = load_ravdess(touch(tmp_path, ["03-01-05-01-01-01-01.wav"]))
    assert [Path(path).stem for path in corpus.data] == ["03-01-05-01-01-01-01"]
    assert "Song and video recordings left out: 2" in corpus.DESCR


def test_incomplete_actors_of_ravdess_are_listed(tmp_path):
    touch(tmp_path, [*ravdess_files(1), *ravdess_files(2)[:58]])
    with pytest.warns(
        UserWarning, match=r"RAVDESS .* 118 of 120 recordings \(by actor: 2 has 58 of 60\)"
    ) as record:
        text = load_ravdess(tmp_path, actors=[1]).DESCR
    assert len(record) == 1
    assert "Actors incomplete: 2 (58 of 60)" in text


def test_absent_actors_of_ravdess_are_described_without_a_warning(tmp_path, pretend_files):
    pretend_files(tmp_path, [file for actor in range(1, 24) if actor != 7 for file in ravdess_files(actor)])
    text = load_without_warnings(load_ravdess, tmp_path).DESCR
    assert "Actors absent: 7, 24\nActors incomplete: none\n" in text


def test_a_selection_from_ravdess_is_not_an_incomplete_copy(tmp_path):
    touch(tmp_path, [file for file in ravdess_files(3) if "-01-05-" in file])
    assert "Actors incomplete: 3 (8 of 60)" in load_without_warnings(load_ravdess, tmp_path).DESCR


@pytest.mark.corpus
def test_real_recordings_of_nemo_agree_with_its_table(ravdess_root):
    root = ravdess_root.parent / "nemo"
    if not root.is_dir():
        pytest.skip(f"no recordings in {root}")
    table = pd.read_csv(root / "data.tsv", sep="\t")
    table.index = table.file_id.map(lambda name: str(root / "samples" / name))
    corpus, messages = load_with_warnings(load_nemo, root)
    assert not messages
    expected = table.loc[corpus.data]
    assert len(corpus.data) == len(table)
    assert corpus.frame.original.tolist() == expected.emotion.tolist()
    assert corpus.groups.tolist() == expected.speaker_id.str.strip().tolist()
    assert corpus.frame.sex.tolist() == expected.gender.tolist()
    # Each number of a sentence has one text.
    assert corpus.frame.assign(text=expected.raw_text.tolist()).groupby("sentence").text.nunique().eq(1).all()
