"""An extraction names all bad files in one error, and loses nothing."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skser import CenterLossClassifier, RecordingsError, SpectrogramTransformer
from skser.datasets import audit, drop
from skser.exceptions import RecordingFailure

pytestmark = pytest.mark.reliability

N = 12
BAD = {
    1: "no such file",
    4: "holds text instead of audio",
    7: "NaN or infinite",
    9: "longer than max_duration",
}


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Twelve files, four of which cannot be used, for four reasons."""
    rng = np.random.default_rng(0)
    made = [str(tmp_path / f"{i:02d}.wav") for i in range(N)]
    for i, path in enumerate(made):
        y = rng.normal(scale=0.1, size=16000 if i == 9 else 800)
        soundfile.write(path, np.full(8, np.nan) if i == 7 else y, 16000, subtype="FLOAT")
    Path(made[1]).unlink()
    Path(made[4]).write_text("not found\n")
    return made


def transformer(**parameters: object) -> SpectrogramTransformer:
    return SpectrogramTransformer(n_mels=8, max_duration=0.5, **parameters)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_all_bad_files_are_named_in_one_error(
    n_jobs: int, cached: bool, paths: list[str], tmp_path: Path
) -> None:
    memory = tmp_path / "cache" if cached else None
    with pytest.raises(RecordingsError, match=rf"^4 of {N} recordings cannot be used") as caught:
        transformer(n_jobs=n_jobs, memory=memory).transform(paths)
    message = str(caught.value)
    for item, cause in BAD.items():
        assert re.search(rf"- item {item} \({re.escape(paths[item])}\): .*{cause}", message)
    assert [failure.item for failure in caught.value.failures] == list(BAD)
    assert [failure.path for failure in caught.value.failures] == [paths[item] for item in BAD]
    assert "skser.datasets.audit" in message
    assert "skser.datasets.drop" in message
    assert (f"The spectrograms of the other 8 are kept in memory='{memory}'" in message) == cached
    assert ("memory" in message) == cached


def test_the_good_ones_are_in_the_cache(paths: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(RecordingsError):
        transformer(memory=cache).transform(paths)
    entries = {entry: entry.stat().st_mtime_ns for entry in cache.iterdir()}
    good = [path for item, path in enumerate(paths) if item not in BAD]
    assert len(entries) == len(good)
    items = transformer(memory=cache).transform(good)
    assert {entry: entry.stat().st_mtime_ns for entry in cache.iterdir()} == entries  # nothing is computed
    for S, expected in zip(items, transformer().transform(good), strict=True):
        np.testing.assert_array_equal(S, expected)


def test_causes_keep_their_class(paths: list[str]) -> None:
    with pytest.raises(RecordingsError) as caught:
        transformer().transform(paths)
    kinds = [type(failure.error) for failure in caught.value.failures]
    assert kinds == [FileNotFoundError, OSError, ValueError, ValueError]
    # Tracebacks would keep the samples of every bad file in memory.
    assert all(failure.error.__traceback__ is None for failure in caught.value.failures)


def test_one_bad_file_is_an_error_of_both_classes_in_one_line(paths: list[str]) -> None:
    with pytest.raises(OSError, match=r"^item 1 \(.*01\.wav\): no such file: check the path") as caught:
        transformer().transform(paths[:3])
    assert isinstance(caught.value, RecordingsError)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_message_names_five_of_hundreds_and_the_attribute_all(tmp_path: Path) -> None:
    missing = [str(tmp_path / f"{i}.wav") for i in range(300)]
    with pytest.raises(RecordingsError, match=r"^300 of 300 recordings cannot be used") as caught:
        transformer(memory=tmp_path / "cache").transform(missing)
    assert len(str(caught.value).splitlines()) == 1 + 5 + 1 + 1
    assert "- and 295 more, all in the attribute `failures`" in str(caught.value)
    assert len(caught.value.failures) == 300
    assert "are kept in" not in str(caught.value)  # nothing was computed


def test_nothing_is_dropped_from_x_while_y_stays(paths: list[str]) -> None:
    y, groups = ["a", "b"] * (N // 2), list(range(N))
    classifier = CenterLossClassifier(
        channels=(2,), rnn_units=2, embedding_dim=2, max_epochs=1, device="cpu", random_state=0
    )
    with pytest.raises(RecordingsError):
        make_pipeline(transformer(), classifier).fit(paths, y)
    # The functions that the message names keep labels and groups together.
    corpus = Bunch(data=paths, target=np.array(y), groups=np.array(groups))
    cleaned = drop(corpus, audit(corpus, max_duration=0.5, n_jobs=1))
    good = [item for item in range(N) if item not in BAD]
    assert cleaned.data == [paths[item] for item in good]
    assert cleaned.target.tolist() == [y[item] for item in good]
    assert cleaned.groups.tolist() == good
    assert (
        len(make_pipeline(transformer(), classifier).fit(cleaned.data, cleaned.target).predict(cleaned.data))
        == 8
    )


def test_the_error_survives_pickle_and_a_search(paths: list[str]) -> None:
    error = RecordingsError([RecordingFailure(3, "a.wav", OSError("no audio"))], 9, "/cache")
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert (copied.failures[0].path, copied.n_recordings, copied.memory) == ("a.wav", 9, "/cache")
    pipe = make_pipeline(transformer(), CenterLossClassifier(max_epochs=1))
    search = GridSearchCV(pipe, {"spectrogramtransformer__n_mels": [4]}, cv=2, error_score="raise")
    with pytest.raises(RecordingsError, match="2 of 6 recordings cannot be used"):
        search.fit(paths, ["a", "b"] * (N // 2))


def test_a_full_disk_is_not_a_fault_of_the_recordings(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match=r"^memory='.*' cannot be written \(No space") as caught:
        transformer(memory=tmp_path / "cache").transform(paths)
    assert not isinstance(caught.value, RecordingsError)
