"""Files that load_model refuses: planted code, damage, other files, and wrong but signed content."""

from __future__ import annotations

import copy
import json
import os
import pickle
import stat
import time
import tracemalloc
import zipfile
from unittest.mock import Mock

import joblib
import numpy as np
import pytest
import safetensors.torch
import torch
from model_files import FEATURES, contents, make, needs_posix, through_file, write_signed
from sklearn.pipeline import Pipeline

import skser.persistence._estimators
from skser import SpectrogramTransformer, load_model, save_model
from skser._utils import _files
from skser.training import CenterLossNet


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


NAMES_OF_CODE = json.loads("""[
    {"class": "os.mkdir"}, {"class": "builtins.eval"}, {"class": "skser.SpectrogramTransformer"},
    {"parameters": {"callbacks": ["os.mkdir"]}}, {"parameters": {"net_params": {"dataset": "os.mkdir"}}},
    {"parameters": {"net_params": {"optimizer": "os.mkdir"}}}, {"parameters": {"__class__": "os.mkdir"}},
    {"parameters": {"net_params": {"optimizer": {"$optimizer": "os.mkdir"}}}},
    {"parameters": {"random_state": {"$pickle": "gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU"}}},
    {"parameters": {"lr": {"$__import__": "os"}}}, {"parameters": {"memory": "mark"}},
    {"requests": {"__init__": {}}}
]""")


class TestPlantedPickle:
    @pytest.fixture
    def mark(self, tmp_path):
        """Path of the folder that the payload makes."""
        return tmp_path / "mark"

    @pytest.fixture
    def payload(self, mark):
        return pickle.dumps(Payload(mark), protocol=2)

    @pytest.fixture
    def path(self, fitted, tmp_path):
        save_model(fitted, tmp_path / "model")
        return tmp_path / "model"

    def test_the_payload_works(self, payload, mark):
        pickle.loads(payload)
        assert mark.exists()

    @pytest.mark.parametrize("way", ["pickle", "joblib", "torch", "archive", "appended"])
    def test_a_pickle_is_refused_unread(self, path, payload, mark, way):
        if way == "pickle":
            path.write_bytes(payload)
        elif way == "joblib":
            joblib.dump(Payload(mark), path)
        elif way == "torch":
            torch.save(Payload(mark), path)
        elif way == "archive":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("data.pkl", payload)
        else:
            path.write_bytes(path.read_bytes() + payload)
        reason = "is damaged" if way == "appended" else "is not a model file of skser"
        with pytest.raises(ValueError, match=reason):
            load_model(path)
        assert not mark.exists()

    def test_pickle_in_place_of_tensors_is_refused(self, path, payload, mark):
        description, tensors = contents(path)
        raw = torch.frombuffer(bytearray(payload), dtype=torch.uint8)
        for name in ("network.embedding.weight", "network.extra_state", "optimizer.0.step"):
            write_signed(path, description, {**tensors, name: raw})
            with pytest.raises(ValueError, match="is not a valid model file"):
                load_model(path)
        assert not mark.exists()

    def test_pickle_as_weights_or_text_is_not_run(self, path, payload, mark, X):
        description, tensors = contents(path)
        name = "network.rnn.weight_ih_l0"
        raw = (payload * 50)[: 4 * tensors[name].numel()]
        weight = torch.frombuffer(bytearray(raw), dtype=torch.float32).view_as(tensors[name])
        write_signed(path, description, {**tensors, name: weight})
        try:
            load_model(path).predict(X)
        except ValueError as error:
            assert "NaN" in str(error)  # noqa: PT017 - as the bytes happen to be
        text = payload.decode("latin-1")
        description["fitted"]["classes_"] = {"$array": [f"<U{len(text)}", sorted([text, "a"])]}
        write_signed(path, description, tensors, pickle=text)
        assert text in load_model(path).classes_
        assert not mark.exists()

    @pytest.mark.parametrize("planted", NAMES_OF_CODE)
    def test_names_of_code_are_refused(self, path, planted, mark, monkeypatch):
        description, tensors = contents(path)
        for key, value in planted.items():
            description[key] = {**description[key], **value} if isinstance(value, dict) else value
        write_signed(path, description, tensors)
        monkeypatch.chdir(path.parent)
        with pytest.raises(ValueError, match="is not a valid model file"):
            load_model(path)
        assert not mark.exists()


def flip_bit(content: bytearray, rng) -> None:
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)


def cut(content: bytearray, rng) -> None:
    del content[rng.integers(len(content)) :]


def insert(content: bytearray, rng) -> None:
    at = rng.integers(len(content) + 1)
    content[at:at] = rng.bytes(rng.integers(1, 100))


def swap(content: bytearray, rng) -> None:
    size = len(content) // 8
    first, second = (size * block for block in rng.choice(8, 2, replace=False))
    content[first : first + size], content[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )


def edit_header(content: bytearray, rng) -> None:
    n_bytes = int.from_bytes(content[:8], "little")
    texts = [b"0", b"9" * 30, b"null", b"{}", b"[", b'"', b"-1", b"NaN", b"\\u0000", b"1e999", b"[" * 5000]
    at = 8 + rng.integers(n_bytes)
    content[at : at + rng.integers(1, 20)] = texts[rng.integers(len(texts))]


def edit_length(content: bytearray, rng) -> None:
    content[:8] = int(2 ** rng.uniform(0, 64)).to_bytes(9, "little")[:8]


DAMAGED = (
    "is damaged or incomplete: copy it again.",
    "is not a model file of skser: give a file that save_model wrote.",
)
DAMAGES = [flip_bit, flip_bit, cut, insert, swap, edit_header, edit_header, edit_length]


class TestDamage:
    def test_200_damaged_files_give_200_clear_errors(self, pipeline, tmp_path):
        path = tmp_path / "model"
        save_model(pipeline, path, optimizer=True)
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        load_model(path)
        tracemalloc.start()
        begin, refused = time.monotonic(), 0
        for number in range(200):
            content = bytearray(whole)
            DAMAGES[number % len(DAMAGES)](content, rng)
            assert content != whole
            path.write_bytes(content)
            with pytest.raises((ValueError, OSError)) as caught:
                load_model(path)
            message = str(caught.value)
            assert message.startswith(str(path))
            assert message.endswith((*DAMAGED, "update skser."))
            refused += 1
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert refused == 200
        assert time.monotonic() - begin < 20
        assert peak < 20 * len(whole) + 2**21

    def test_signed_nonsense_gives_a_clear_error_or_a_model(self, pipeline, waveforms, tmp_path):
        """Files whose digest is right but whose description was changed at random."""
        path = tmp_path / "model"
        save_model(pipeline, path, optimizer=True)
        description, tensors = contents(path)
        rng, outcomes = np.random.default_rng(0), []
        values = json.loads(
            '[null, true, -1, 0, 1000000000, 1e300, "", "x", [], {}, [[]], {"$tuple": [3]}, {"a": null}]'
        )
        for _ in range(500):
            changed = copy.deepcopy(description)
            place, key = pick_place(changed, rng)
            place[key] = values[rng.integers(len(values))]
            write_signed(path, changed, tensors)
            try:
                model = load_model(path, device="cpu")
            except ValueError as error:
                assert str(error).startswith(f"{path} is not a valid model file: ")  # noqa: PT017
                outcomes.append("refused")
            else:
                assert type(model) is Pipeline
                outcomes.append("loaded")
        assert outcomes.count("refused") > 250
        assert outcomes.count("loaded") > 5

    def test_signed_nonsense_among_tensors_gives_a_clear_error(self, fitted, tmp_path):
        path = tmp_path / "model"
        save_model(fitted, path, optimizer=True)
        description, tensors = contents(path)
        some = [name for name in tensors if not name.startswith("optimizer.1")]
        for number, name in enumerate(some):
            value = tensors[name]
            rest = {key: tensor for key, tensor in tensors.items() if key != name}
            spoilt = [{}, {name: value.to(torch.float16)}, {name: value[None]}, {name: torch.zeros(0)}]
            write_signed(path, description, rest | spoilt[number % 4])
            with pytest.raises(ValueError, match=f"is not a valid model file: its tensors .*{name}"):
                load_model(path)


def pick_place(node, rng):
    """Choose an entry at any depth."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = keys[rng.integers(len(keys))]
    inner = node[key]
    if isinstance(inner, (dict, list)) and inner and rng.random() < 0.85:
        return pick_place(inner, rng)
    return node, key


class TestOtherFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"model",
            b"\xff" * 1000,
            b"\x02" + b"\0" * 7 + b"{}",
            b"\x02" + b"\0" * 7 + b"[]",
            safetensors.torch.save({"x": torch.zeros(2)}),
            safetensors.torch.save({"x": torch.zeros(2)}, {"format": "pt"}),
        ],
    )
    def test_foreign_file_is_named(self, content, tmp_path):
        (tmp_path / "some file").write_bytes(content)
        with pytest.raises(ValueError, match="some file is not a model file of skser: give a file that"):
            load_model(tmp_path / "some file")

    def test_newer_file_says_that_skser_must_be_updated(self, fitted, tmp_path):
        path = tmp_path / "model"
        save_model(fitted, path)
        write_signed(path, *contents(path), format_version="2")
        with pytest.raises(ValueError, match="has format version 2, but this skser reads version 1: update"):
            load_model(path)
        for version in ("", "one", "²"):
            write_signed(path, *contents(path), format_version=version)
            with pytest.raises(ValueError, match="is damaged or incomplete: copy it again"):
                load_model(path)

    def test_missing_file_and_folder_are_named(self, tmp_path, monkeypatch):
        with pytest.raises(FileNotFoundError, match=r"none\.st cannot be read \(No such file"):
            load_model(tmp_path / "none.st")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FileNotFoundError, match="relative paths start at"):
            load_model("none.st")
        with pytest.raises(IsADirectoryError, match=r"cannot be read \(Is a directory\): give a model"):
            load_model(tmp_path)

    @needs_posix
    def test_pipe_is_refused_without_waiting(self, fitted, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for call in (load_model, lambda path: save_model(fitted, path)):
            with pytest.raises(OSError, match="it is not a regular file"):
                call(tmp_path / "pipe")
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    def test_file_that_may_not_be_read_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_files.os, "open", Mock(side_effect=PermissionError(13, "Permission denied")))
        with pytest.raises(PermissionError, match=r"x cannot be read \(Permission denied\): give a model"):
            load_model("x")

    @pytest.mark.parametrize(
        ("path", "error"),
        [(b"model", TypeError), (3, TypeError), (None, TypeError), ("", ValueError), ("a\0b", ValueError)],
    )
    def test_an_impossible_path_is_refused(self, fitted, path, error):
        for call in (lambda: load_model(path), lambda: save_model(fitted, path)):
            with pytest.raises(error, match="path must be the path of a file, got"):
                call()


MISSING = object()


def put(tree, path, value) -> None:
    """Set or delete an entry of nested dicts and lists, by its keys with dots between them."""
    *outer, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in outer:
        tree = tree[key]
    if value is MISSING:
        del tree[last]
    else:
        tree[last] = value


def labels(dtype, values):
    return {"$array": [dtype, values]}


WRONG_ENTRIES = [
    ("class", "SVC", "it names a class 'SVC'"),
    ("class", MISSING, "its description has no valid 'class'"),
    ("class", np.nan, "its description has no valid 'class'"),
    ("parameters", MISSING, "no valid 'parameters'"),
    ("parameters.alpha", 1, "parameter 'alpha', which a model file cannot set"),
    ("parameters.device", "cuda:7", "parameter 'device'"),
    ("parameters.dropout", 2, r"dropout must be a number in \[0, 1\), got 2"),
    ("parameters.batch_size", "8", "batch_size must be an integer, got '8'"),
    ("parameters.random_state", "x", "'x' cannot be used to seed"),
    ("parameters.class_weight", "even", "class_weight must be .balanced., None or a dict of labels"),
    ("parameters.callbacks", [1], "it has callbacks"),
    (
        "parameters.net_params",
        {"predict_nonlinearity": 1},
        r"net_params\['predict_nonlinearity'\] cannot be saved",
    ),
    ("parameters.net_params", {"optimizer__x": 1}, "net_params cannot make a net"),
    ("parameters.net_params", {"callbacks__print_log": 3}, "net_params cannot make a net"),
    ("parameters.rnn", "lstm", "its tensors are not those of a classifier"),
    ("parameters.channels", [3, 5, 5], "is missing instead of .*, and [0-9]+ more tensors"),
    ("fitted.classes_", MISSING, "its description has no valid 'classes_'"),
    ("fitted", {"$int64": 3}, "its description has no valid 'fitted'"),
    ("fitted.classes_", labels("<U1", ["a"]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("<i8", [2, 1]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("<i8", [2, 2]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("object", [2, "a"]), "classes_ mixes integers and text"),
    ("fitted.classes_", labels(7, ["a", "b"]), "it describes an array in a form that save_model does not"),
    ("fitted.classes_", {"$array": 3}, "it describes an array in a form that save_model does not write"),
    ("fitted.n_features_in_", MISSING, "n_features_in_ must be an integer, got None"),
    ("fitted.feature_names_in_", 3, "its description has no valid 'feature_names_in_'"),
    ("parameters.channels", None, "channels must be a sequence of one or more integers, got None"),
    ("parameters.channels", {"$tuple": 3}, "it describes a value in a form that save_model does not write"),
    (
        "parameters.class_weight",
        labels("<i8", [1, 2]),
        "class_weight must be .balanced., None or a dict of labels",
    ),
    ("fitted.classes_", labels("<i8", [1, 2, 3]), r"classes.weight' is .*\(2, 3\) instead of .*\(3, 3\)"),
    ("fitted.n_features_in_", 7, "'network.bin_mean' is .* instead of"),
    ("fitted.feature_names_in_", labels("object", ["a"]), "feature_names_in_ must hold 8 names"),
    ("fitted._seed", -1, "_seed must be an integer in"),
    ("fitted.history", [{"loss": 1}], "its history is not that of a training"),
    ("fitted.history.0.train_loss", "0.5", "its history is not that of a training"),
    ("fitted.history.0.train_loss", {"$float": "nan"}, "its history is not that of a training"),
    ("fitted.history.1.epoch", 7, "its history is not that of a training"),
    ("fitted.unknown", 1, "it has a fitted attribute 'unknown', which CenterLossClassifier does not have"),
    ("fitted.best_epoch_", 99, "best_epoch_ must be an integer"),
    ("output", "numpy", "output must be one of"),
    ("requests", {"fit": {"x": True}}, "its description is not valid"),
    ("requests", {"fit": 3}, "it has metadata requests for .'fit'. that are not valid"),
    ("fitted.optimizer.class", "SGD", "state of an optimizer 'SGD', but"),
    ("fitted.optimizer.rest", {"a": 1}, "description of the optimizer's state"),
    ("fitted.optimizer", 3, "its description has no valid 'optimizer'"),
    ("fitted.optimizer", {"class": "AdamW"}, "its description has no valid 'rest'"),
    ("fitted.optimizer", {"rest": {}}, "it holds the state of an optimizer None, but"),
    ("fitted.optimizer", MISSING, "tensors of an optimizer"),
]
WRONG_TENSORS = [
    ("network.embedding.bias", torch.full((3,), torch.nan), "bias' holds NaN"),
    ("network.bin_std", torch.zeros(8), "bin_std' holds a value that is too small"),
    (
        "network.convolutions.0.norm.running_var",
        -torch.ones(3),
        "running_var' holds a value that is too small",
    ),
    ("criterion.class_weight", -torch.ones(2), "class_weight' holds a value"),
    ("optimizer.99.step", torch.zeros(()), "'optimizer.99.step' is .* instead of missing"),
]
HUGE = 10**9
BOMBS = [
    ("parameters.channels", [HUGE, HUGE], "cannot make a network|its tensors"),
    ("parameters.channels", [3, HUGE], "its tensors are not those"),
    ("parameters.channels", [10**30, 5], "cannot make a network"),
    ("parameters.channels", [1] * 100_000, "it has 100000 channels for [0-9]+ tensors"),
    ("parameters.rnn_units", 10**400, "must be an integer in .*, got one of 100 digits or more"),
    ("parameters.rnn_units", HUGE, "cannot make a network|its tensors"),
    ("parameters.embedding_dim", HUGE, "its tensors are not those"),
    ("parameters.net_params", {"module__rnn_units": HUGE}, "net_params cannot set 'module__rnn_units'"),
    ("fitted.n_features_in_", 10**12, "its tensors are not those"),
    ("fitted.classes_", labels("<U9999999", ["a", "b"]), "its arrays take 79,999,992 bytes, more than"),
    *[
        (
            path,
            [labels("<U1000000", ["a"])] * 35,
            "its arrays take 140,000,[0-9]+ bytes, more than 16,777,216",
        )
        for path in ("fitted.unknown", "fitted.history.0.x", "parameters.channels", "parameters.net_params")
    ],
]
WRONG_TRANSFORMERS = [
    ("n_fft", HUGE, r"n_fft must be an integer in \[1, 1048576\]"),
    ("n_mels", 2**20, "n_mels must be an integer in"),
    ("window", {"$tuple": ["taylor", HUGE]}, "window must have parameters up to 10000"),
    (
        "window",
        {"$tuple": ["general_cosine", [0.5] * 2000]},
        "at most 16 parameters at this length, got 2000",
    ),
    ("window", {"$tuple": ["general_cosine", [[0.5] * 9] * 2]}, "at most 16 parameters at this length, got"),
    ("window", {"$tuple": ["taylor", 10_000]}, r"nbar of a Taylor window must be a number in \(-inf, 16\]"),
    ("sr", None, "its description is not valid: sr must be an integer"),
    ("verbose", labels("<i8", [1, 2]), "verbose must be an integer, True or False"),
    ("n_jobs", 10**6, "it has a parameter 'n_jobs'"),
]
WRONG_PIPELINES = [
    ("steps", [], "its steps cannot have the names"),
    ("steps.1.0", "spectrogram", "its steps cannot have the names"),
    ("steps.0.0", "a__b", "its steps cannot have the names"),
    ("steps.0.0", 3, "its steps cannot have the names"),
    *[
        ("steps.0.0", name, f"its steps cannot have the names .'{name}'")
        for name in ("steps", "memory", "verbose", "transform_input")
    ],
    (
        "steps.0.1.parameters.n_mels",
        9,
        "its step 'spectrogram' returns 9 features, but 'classifier' was fitted",
    ),
    (
        "steps.0.1.fitted",
        {"classes_": 3},
        "it has a fitted attribute 'classes_', which SpectrogramTransformer",
    ),
    ("steps.0", ["a"], "its steps are not pairs of a name and a description"),
    ("steps.0", 3, "its steps are not pairs of a name and a description"),
    ("parameters.transform_input", 3, "transform_input must be a list of str or None, got 3"),
    ("steps.1.1", "passthrough", "its tensor .* does not belong to any step"),
    ("parameters.memory", "/tmp", "it has a parameter 'memory'"),
    ("parameters.verbose", "x", "verbose must be True or False"),
    ("parameters.transform_input", [3], "transform_input must be"),
]


@pytest.fixture(scope="module")
def parts(fitted, pipeline, tmp_path_factory):
    """Description and tensors of three models."""
    path = tmp_path_factory.mktemp("signed") / "model"
    models = {
        "classifier": fitted,
        "pipeline": pipeline,
        "transformer": SpectrogramTransformer(**FEATURES),
    }
    found = {}
    for name, model in models.items():
        save_model(model, path, optimizer=True)
        found[name] = contents(path)
    return found


class TestSignedFiles:
    """Anyone who makes a file can give it the correct digest: its content is checked as well."""

    @pytest.fixture
    def load_edited(self, parts, tmp_path):
        """Load a model whose description and tensors were changed."""

        def load(name, *edits, **tensors):
            description = copy.deepcopy(parts[name][0])
            for path, value in edits:
                put(description, path, value)
            write_signed(tmp_path / "model", description, {**parts[name][1], **tensors})
            return load_model(tmp_path / "model", device="cpu")

        return load

    def test_signed_file_without_an_edit_is_loaded(self, load_edited, fitted, X):
        np.testing.assert_array_equal(load_edited("classifier").predict_proba(X), fitted.predict_proba(X))

    @pytest.mark.parametrize(("path", "value", "message"), WRONG_ENTRIES)
    def test_wrong_entry_of_the_description_is_named(self, load_edited, path, value, message):
        with pytest.raises(ValueError, match=f"model is not a valid model file: .*({message})"):
            load_edited("classifier", (path, value))

    @pytest.mark.parametrize(("name", "value", "message"), WRONG_TENSORS)
    def test_wrong_tensor_is_named(self, load_edited, name, value, message):
        with pytest.raises(ValueError, match=f"model is not a valid model file: .*{message}"):
            load_edited("classifier", **{name: value})

    @pytest.mark.parametrize(("path", "value", "message"), BOMBS, ids=lambda value: str(value)[:40])
    def test_a_large_size_in_the_description_takes_no_memory(
        self, load_edited, path, value, message, monkeypatch
    ):
        monkeypatch.setattr(CenterLossNet, "initialize", lambda net: pytest.fail("a net was made"))
        begin = time.monotonic()
        with pytest.raises(ValueError, match=message):
            load_edited("classifier", (path, value))
        assert time.monotonic() - begin < 5

    def test_a_deep_description_is_refused(self, tmp_path):
        write_signed(tmp_path / "model", "[" * 100_000 + "]" * 100_000, {})
        with pytest.raises(ValueError, match="is damaged or incomplete"):
            load_model(tmp_path / "model")

    def test_a_missing_parameter_has_its_default(self, load_edited):
        assert load_edited("classifier", ("parameters.patience", MISSING)).patience == make().patience

    @pytest.mark.parametrize(("name", "value", "message"), WRONG_TRANSFORMERS)
    def test_transformer_is_checked_before_it_computes(self, load_edited, name, value, message):
        with pytest.raises(ValueError, match=message):
            load_edited("transformer", ("parameters.n_fft", 2**20), (f"parameters.{name}", value))

    @pytest.mark.parametrize(("path", "value", "message"), WRONG_PIPELINES)
    def test_wrong_pipeline_is_named(self, load_edited, path, value, message):
        with pytest.raises(ValueError, match=f"not a valid model file: .*{message}"):
            load_edited("pipeline", (path, value))

    @pytest.mark.parametrize("order", ["classifier first", "two transformers"])
    def test_steps_that_cannot_follow_each_other_are_refused(self, parts, order, tmp_path):
        description, tensors = copy.deepcopy(parts["pipeline"])
        first, second = description["steps"]
        if order == "classifier first":
            description["steps"] = [second, first]
            tensors = {name.replace("steps.1.", "steps.0."): value for name, value in tensors.items()}
        else:
            description["steps"] = [first, ["another", first[1]]]
            tensors = {}
        write_signed(tmp_path / "model", description, tensors)
        with pytest.raises(ValueError, match=r"its steps are .*, but only the first one can take recordings"):
            load_model(tmp_path / "model")

    def test_many_transformers_are_refused_before_any_is_checked(self, parts, tmp_path, monkeypatch):
        monkeypatch.setattr(skser.persistence._estimators, "check_transformer_parameters", pytest.fail)
        steps = [[f"step {n}", parts["transformer"][0]] for n in range(40)]
        write_signed(tmp_path / "model", {"class": "Pipeline", "parameters": {}, "steps": steps}, {})
        with pytest.raises(
            ValueError, match=r"its steps are SpectrogramTransformer, .* and 35 more, but only"
        ):
            load_model(tmp_path / "model")

    @pytest.mark.parametrize("steps", [["passthrough", 0, 1], [0, None, 1, "passthrough"], [0], [1, 1]])
    def test_pipelines_whose_steps_fit_are_loaded(self, pipeline, steps, tmp_path):
        made = [(str(n), pipeline[step] if step in (0, 1) else step) for n, step in enumerate(steps)]
        if steps == [1, 1]:  # embeddings as single frames
            second = make().fit(np.eye(3), [0, 1, 2])
            made[1] = ("1", second)
        loaded = through_file(Pipeline(made), tmp_path)
        assert [name for name, _ in loaded.steps] == [name for name, _ in made]

    def test_tensor_of_no_step_is_named(self, load_edited):
        with pytest.raises(ValueError, match=r"its tensor 'steps\.7\.x' does not belong to any step"):
            load_edited("pipeline", **{"steps.7.x": torch.zeros(1)})
