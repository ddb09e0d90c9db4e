"""Model files: what comes back, what is refused, and what a file cannot do."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import pickle
import stat
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from skorch.callbacks import LRScheduler

import skser.persistence._estimators
from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer, load_model, save_model
from skser._utils import _container, _files, decode, encode
from skser._utils._json_values import OPTIMIZERS
from skser.training import CenterLossNet

DATA = Path(__file__).parent / "data"
SMALL = {
    "channels": (3, 5),
    "rnn_units": 3,
    "embedding_dim": 3,
    "max_epochs": 2,
    "lr": 1e-2,
    "random_state": 0,
    "device": "cpu",
}
FEATURES = {"n_fft": 256, "n_mels": 10, "fmax": 2000}

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs files as POSIX has them")


def make(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**SMALL, **parameters})


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    """16 noisy ramps of unequal length, rising or falling."""
    rng = np.random.default_rng(0)
    return Spectrograms(
        [
            rng.normal(size=(8, n)) + (-1) ** index * np.linspace(-2, 2, n)
            for index, n in enumerate(rng.integers(5, 30, 16))
        ]
    )


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["falling", "rising"] * 8)


@pytest.fixture(scope="module")
def speakers() -> np.ndarray:
    return np.repeat(np.arange(4), 4)


@pytest.fixture(scope="module")
def waveforms() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [0.1 * rng.normal(size=n).astype(np.float32) for n in rng.integers(700, 3000, 8)]


@pytest.fixture(scope="module")
def fitted(X, y) -> CenterLossClassifier:
    return make().fit(X, y)


@pytest.fixture(scope="module")
def pipeline(waveforms) -> Pipeline:
    steps = [("spectrogram", SpectrogramTransformer(**FEATURES)), ("classifier", make())]
    return Pipeline(steps).fit(waveforms, ["calm", "angry"] * 4)


def through_file(model, folder, *, optimizer=False, device="cpu"):
    """Save a model and load it."""
    path = folder / f"{time.monotonic_ns()}.safetensors"
    save_model(model, path, optimizer=optimizer)
    return load_model(path, device=device)


def tensors_of(classifier: CenterLossClassifier) -> dict[str, torch.Tensor]:
    """Everything that a classifier has learned."""
    net = classifier.net_
    state = {**net.module_.state_dict(), **net.criterion_.state_dict()}
    return {**state, "centers_": torch.tensor(classifier.centers_)}


def assert_same_state(first: CenterLossClassifier, second: CenterLossClassifier) -> None:
    one, other = tensors_of(first), tensors_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value.cpu(), other[name].cpu()), name


def contents(path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Description and tensors of a model file, read without the package."""
    with safetensors.safe_open(path, framework="pt") as file:
        # Clones, since the tensors use the memory of the file, which the tests overwrite.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["model"]), tensors


def write_signed(path, description, tensors, **metadata) -> None:
    """Write a model file with the correct digest, whatever it contains."""
    text = description if isinstance(description, str) else json.dumps(description)
    fields = {"format": "skser model", "format_version": "1", "model": text, "sha256": "0" * 64, **metadata}
    plain = safetensors.torch.save(tensors)
    n_bytes = 8 + int.from_bytes(plain[:8], "little")
    header = json.dumps({"__metadata__": fields, **json.loads(plain[8:n_bytes])}, separators=(",", ":"))
    content = len(header).to_bytes(8, "little") + header.encode() + plain[n_bytes:]
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest, 1))


# One model for each type of label, recurrent cell, pooling and type of spectrogram.
ZOO = {
    "strings": (["ärger", "χαρά", "悲しみ🙂", "CON"] * 2, {"kind": "mel"}, {"rnn": "gru", "pooling": "last"}),
    "integers": ([7, -3] * 4, {"kind": "stft"}, {"rnn": "lstm", "pooling": "attention"}),
    "booleans": ([True, False] * 4, {"kind": "mel"}, {"rnn": "lstm", "pooling": "last"}),
    "objects": (
        np.array(["a" * 300, "nul\0 and \ud800", "", "b"] * 2, dtype=object),
        {"kind": "stft", "window": ("kaiser", 8.0), "max_duration": 20},
        {"rnn": "gru", "pooling": "attention", "class_weight": "balanced"},
    ),
    "small integers": (np.array([200, 3] * 4, dtype=np.uint8), {}, {"class_weight": {3: 2.0, 200: 1}}),
    "stopped": (
        ["calm", "angry"] * 4,
        {},
        {"early_stopping": True, "validation": "random", "max_epochs": 6, "patience": 1, "lr": 0.1},
    ),
}


@pytest.fixture(scope="module")
def zoo(waveforms):
    """Fitted pipelines by name, and the labels of each."""
    models = {}
    for name, (labels, features, parameters) in ZOO.items():
        transformer = SpectrogramTransformer(**{**FEATURES, **features})
        model = Pipeline([(" a/b\\c:*?\n ", transformer), ("NUL.txt", make(**parameters))])
        models[name] = model.fit(waveforms, labels)
    return models


class TestLoadedModel:
    @pytest.mark.parametrize("name", ZOO)
    def test_labels_and_parameters_are_those_of_the_saved_model(self, zoo, name, tmp_path):
        model = zoo[name]
        loaded = through_file(model, tmp_path)
        assert loaded.classes_.dtype == model.classes_.dtype
        assert loaded.classes_.tolist() == model.classes_.tolist()
        assert [type(label) for label in loaded.classes_] == [type(label) for label in model.classes_]
        assert repr(loaded) == repr(model)
        for step, twin in zip(model, loaded, strict=True):
            assert twin.get_params(deep=False) == step.get_params(deep=False)

    def test_fitted_attributes_come_back(self, zoo, tmp_path):
        model = zoo["stopped"][1]
        loaded = through_file(model, tmp_path)
        assert_same_state(loaded, model)
        assert loaded.history_ == model.history_
        assert (loaded.n_iter_, loaded.best_epoch_) == (model.n_iter_, model.best_epoch_)
        assert loaded.best_epoch_ < loaded.n_iter_
        assert loaded.n_features_in_ == model.n_features_in_
        assert vars(loaded).keys() == vars(model).keys()

    def test_types_of_parameters_come_back(self, X, y, tmp_path):
        classifier = make(channels=[np.int64(3), 5], center_lambda=np.float32(0.1), lr=1, warm_start=np.True_)
        loaded = through_file(classifier.fit(X, y), tmp_path)
        for name in ("center_lambda", "lr", "warm_start", "channels"):
            value, found = getattr(classifier, name), getattr(loaded, name)
            assert (type(found), found) == (type(value), value)
        assert type(loaded.channels[0]) is np.int64

    def test_columns_of_a_table_keep_names_and_output(self, X, y, tmp_path):
        table = pd.DataFrame(X.pad(0.0)[0][:, :, 0], columns=[f"bin {n}" for n in range(8)])
        classifier = make().fit(table, y).set_output(transform="pandas")
        loaded = through_file(classifier, tmp_path)
        pd.testing.assert_frame_equal(loaded.transform(table), classifier.transform(table))
        assert loaded.feature_names_in_.tolist() == table.columns.tolist()
        with pytest.raises(ValueError, match="feature names should match"):
            loaded.predict(table.rename(columns={"bin 0": "other"}))
        waveforms = pd.DataFrame(np.zeros((2, 300)), columns=[str(n) for n in range(300)])
        transformer = through_file(SpectrogramTransformer(**FEATURES).fit(waveforms), tmp_path)
        with pytest.raises(ValueError, match="feature names should match"):
            transformer.transform(waveforms.iloc[:, ::-1])

    def test_loaded_model_can_be_cloned_copied_pickled_and_saved(self, fitted, X, y, tmp_path):
        loaded = through_file(fitted, tmp_path, optimizer=True)
        expected = copy.deepcopy(fitted).partial_fit(X, y)
        again = through_file(loaded, tmp_path, optimizer=True)
        for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded)), again, loaded):
            np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))
            assert_same_state(twin.partial_fit(X, y), expected)
        unfitted = clone(loaded)
        assert unfitted.get_params() == fitted.get_params()
        with pytest.raises(NotFittedError):
            unfitted.predict(X)
        assert_same_state(unfitted.fit(X, y), fitted)

    def test_metadata_requests_come_back(self, X, y, tmp_path):
        with sklearn.config_context(enable_metadata_routing=True):
            classifier = make().set_fit_request(sample_weight=True, groups="speakers").fit(X, y)
        found = through_file(classifier, tmp_path).get_metadata_routing().fit.requests
        assert found == {"sample_weight": True, "groups": "speakers"}
        assert found != make().get_metadata_routing().fit.requests

    def test_pipelines_of_other_forms_come_back(self, fitted, tmp_path):
        features = through_file(SpectrogramTransformer(kind="stft"), tmp_path)
        assert features.get_params() == SpectrogramTransformer(kind="stft").get_params()
        odd = Pipeline(
            [("nothing", "passthrough"), ("all", None), ("features", features)],
            transform_input=["a"],
            verbose=True,
        )
        loaded = through_file(odd, tmp_path)
        assert repr(loaded) == repr(odd)
        assert loaded.get_params(deep=False)["transform_input"] == ["a"]
        two = make_pipeline(fitted, make(max_epochs=1))
        two.steps[1][1].fit(np.random.default_rng(0).normal(size=(8, 3)), [0, 1] * 4)
        loaded = through_file(two, tmp_path)
        assert_same_state(loaded[0], two[0])
        assert_same_state(loaded[1], two[1])

    def test_nothing_is_printed(self, X, y, tmp_path, capsys):
        classifier = make(verbose=1).fit(X, y)
        assert "train_loss" in capsys.readouterr().out
        loaded = through_file(classifier, tmp_path, optimizer=True)
        assert capsys.readouterr() == ("", "")
        loaded.partial_fit(X, y)
        assert "train_loss" in capsys.readouterr().out


class TestFile:
    def test_equal_models_make_equal_files(self, pipeline, tmp_path):
        save_model(pipeline, tmp_path / "one", optimizer=True)
        save_model(load_model(tmp_path / "one"), tmp_path / "two", optimizer=True)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_file_is_safetensors_with_a_digest_of_every_byte(self, fitted, tmp_path):
        save_model(fitted, tmp_path / "model")
        with safetensors.safe_open(tmp_path / "model", framework="pt") as file:
            metadata = file.metadata()
            assert torch.equal(file.get_tensor("network.bin_mean"), fitted.net_.module_.bin_mean)
        assert (metadata["format"], metadata["format_version"]) == ("skser model", "1")
        assert metadata["torch_version"] == torch.__version__
        content = (tmp_path / "model").read_bytes().replace(metadata["sha256"].encode(), b"0" * 64)
        assert hashlib.sha256(content).hexdigest() == metadata["sha256"]

    def test_files_of_version_0_1_0_can_be_loaded_and_trained(self):
        rng = np.random.default_rng(0)
        X = [rng.normal(-60 + 20 * (n % 2), 10, size=(6, n)).astype(np.float32) for n in range(10, 22)]
        times = np.arange(4000) / 16000
        tones = [(200, 4000), (900, 3000), (220, 3500), (1000, 2500)]
        waveforms = [np.sin(2 * np.pi * f * times[:n]).astype(np.float32) for f, n in 2 * tones]
        expected = json.loads((DATA / "expected_0.1.0.json").read_text())
        classifier = load_model(DATA / "classifier_0.1.0.safetensors", device="cpu")
        pipeline = load_model(DATA / "pipeline_0.1.0.safetensors", device="cpu")
        np.testing.assert_allclose(classifier.predict_proba(X), expected["classifier"], atol=1e-5)
        np.testing.assert_allclose(pipeline.predict_proba(waveforms), expected["pipeline"], atol=1e-5)
        assert {int(state["step"]) for state in classifier.net_.optimizer_.state.values()} == {2}
        n_iter = classifier.n_iter_
        assert classifier.partial_fit(X, ["calm", "angry", "sad"] * 4).n_iter_ == n_iter + 1
        pipeline[1].partial_fit(pipeline[0].transform(waveforms), [0, 1] * 4)


class TestProcess:
    """Saving and loading leave the process as it was, and wait for nothing."""

    def test_generators_and_model_stay_unchanged(self, fitted, tmp_path):
        before = pickle.dumps(fitted), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        through_file(fitted, tmp_path, optimizer=True)
        assert pickle.dumps(fitted) == before[0]
        assert torch.equal(torch.get_rng_state(), before[1])
        np.testing.assert_array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002

    def test_a_training_in_another_thread_is_neither_waited_for_nor_changed(
        self, fitted, X, y, tmp_path, monkeypatch
    ):
        started, may_continue = threading.Event(), threading.Event()
        run = CenterLossNet.run_single_epoch

        def run_later(self, *args, **kwargs):
            started.set()
            assert may_continue.wait(60)
            return run(self, *args, **kwargs)

        monkeypatch.setattr(CenterLossNet, "run_single_epoch", run_later)
        with ThreadPoolExecutor(2) as pool:
            training = pool.submit(make().fit, X, y)
            assert started.wait(60)
            try:
                loaded = pool.submit(through_file, fitted, tmp_path, optimizer=True).result(60)
                assert not training.done()
            finally:
                may_continue.set()
            assert_same_state(loaded, fitted)
            assert_same_state(training.result(60), fitted)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_forked_process_can_save_and_load(self, tmp_path):
        """The threads of torch do not survive a fork: a large tensor would wait for them forever."""
        code = """
            import os, signal, sys
            import numpy as np
            import torch

            torch.set_num_threads(4)
            from skser import CenterLossClassifier, load_model, save_model

            X = np.random.default_rng(0).normal(size=(8, 64, 40))
            model = CenterLossClassifier(max_epochs=1, device="cpu").fit(X, [0, 1] * 4)
            save_model(model, sys.argv[1])
            child = os.fork()
            if not child:
                signal.alarm(60)
                save_model(load_model(sys.argv[1], device="cpu"), sys.argv[1])
                os._exit(0)
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "model")]
        subprocess.run(command, check=True, timeout=120)


IN_A_FRESH_PROCESS = """
    import hashlib, json, pathlib, sys
    import numpy as np, torch
    torch.set_num_threads(int(sys.argv[2]))
    folder, events = pathlib.Path(sys.argv[1]), []
    suspicious = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "socket.connect")
    sys.addaudithook(lambda event, args: events.append(event) if event in suspicious else None)
    from skser import load_model
    waveforms = [np.load(folder / f"{n}.npy") for n in range(8)]
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        events.clear()
        model = load_model(path, device="cpu")
        found[path.stem] = {"events": list(events), "labels": model.predict(waveforms).tolist()}
        digest = lambda: hashlib.sha256(model.predict_proba(waveforms).tobytes()
            + model.transform(waveforms).tobytes()).hexdigest()
        found[path.stem]["answers"] = digest()
        labels = model.classes_[np.arange(8) % len(model.classes_)]
        model[1].partial_fit(model[0].transform(waveforms), labels)
        found[path.stem]["later answers"] = digest()
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(zoo, waveforms, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    for number, waveform in enumerate(waveforms):
        np.save(folder / f"{number}.npy", waveform)
    for name, model in zoo.items():
        save_model(model, folder / f"{name}.safetensors", optimizer=True)
    code = textwrap.dedent(IN_A_FRESH_PROCESS)
    command = [sys.executable, "-c", code, str(folder), str(torch.get_num_threads())]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=600).stdout)


@pytest.mark.parametrize("name", ZOO)
class TestFreshProcess:
    def test_predicts_and_continues_training_bit_for_bit(self, found, zoo, name, waveforms):
        model = copy.deepcopy(zoo[name])

        def digest():
            both = model.predict_proba(waveforms).tobytes() + model.transform(waveforms).tobytes()
            return hashlib.sha256(both).hexdigest()

        assert found[name]["labels"] == model.predict(waveforms).tolist()
        assert found[name]["answers"] == digest()
        labels = model.classes_[np.arange(8) % len(model.classes_)]
        model[1].partial_fit(model[0].transform(waveforms), labels)
        assert found[name]["later answers"] == digest() != found[name]["answers"]

    def test_nothing_is_unpickled_started_or_connected(self, found, name):
        assert found[name]["events"] == []


class TestContinuedTraining:
    """A model that was saved with its optimizer trains on as if it had not been saved."""

    @pytest.mark.parametrize(
        "parameters",
        [
            {"channels": (16, 16), "rnn_units": 16},
            {"dropout": 0.3, "class_weight": "balanced", "schedule": "constant"},
            {"augmentation": {"gain": 3.0, "time_mask": 0.2}, "random_state": None},
            {"early_stopping": True, "max_epochs": 6, "patience": 1},
            {"net_params": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9}},
            {"net_params": {"optimizer__amsgrad": True, "optimizer__betas": (0.8, 0.99)}},
            {"net_params": {"optimizer__param_groups": [("embedding.*", {"lr": 0.05})]}},
            {"net_params": {"callbacks__print_log": None, "iterator_train__shuffle": False}},
            *({"net_params": {"optimizer": optimizer}} for optimizer in OPTIMIZERS.values()),
        ],
    )
    def test_partial_fit_continues_bit_for_bit(self, X, y, speakers, parameters, tmp_path):
        model = make(**parameters).fit(X, y, groups=speakers)
        loaded = through_file(model, tmp_path, optimizer=True)
        assert loaded.net_params == model.net_params
        for _ in range(2):
            assert_same_state(loaded.partial_fit(X, y), model.partial_fit(X, y))
        assert loaded.history_ == model.history_
        assert loaded.n_iter_ == len(loaded.history_)

    @pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"dropout": 0.2}])
    def test_warm_start_continues_bit_for_bit(self, X, y, speakers, parameters, tmp_path):
        model = make(warm_start=True, **parameters).fit(X, y, groups=speakers)
        loaded = through_file(model, tmp_path, optimizer=True)
        assert_same_state(loaded.fit(X, y, groups=speakers), model.fit(X, y, groups=speakers))
        assert loaded.history_ == model.history_
        assert loaded.n_iter_ == 4

    def test_the_optimizer_keeps_its_memory_layout(self, fitted, tmp_path):
        """Rounding may depend on it: the first convolutions are channels-last."""

        def strides(classifier):
            state = classifier.net_.optimizer_.state_dict()["state"]
            return [[value.stride() for value in entries.values()] for entries in state.values()]

        found = strides(through_file(fitted, tmp_path, optimizer=True))
        assert found == strides(fitted)
        contiguous = [value.stride() for value in contents(next(tmp_path.iterdir()))[1].values()]
        assert not {stride for entries in found for stride in entries} <= set(contiguous)

    def test_without_the_optimizer_training_continues_only_from_the_same_weights(
        self, fitted, X, y, tmp_path
    ):
        model = copy.deepcopy(fitted)
        loaded = through_file(model, tmp_path)
        assert_same_state(loaded, model)
        loaded.partial_fit(X, y)
        model.partial_fit(X, y)
        assert loaded.n_iter_ == model.n_iter_ == 3
        assert not torch.equal(loaded.net_.module_.embedding.weight, model.net_.module_.embedding.weight)

    def test_a_loaded_model_refuses_other_labels(self, fitted, X, tmp_path):
        with pytest.raises(ValueError, match=r"not among the classes .*\['flat'\]"):
            through_file(fitted, tmp_path).partial_fit(X[:1], ["flat"])


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
        for _ in range(100):
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
        assert outcomes.count("refused") > 50
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
    ("parameters.class_weight", "even", "class_weight must be a dict, 'balanced' or None"),
    ("parameters.callbacks", [1], "it has callbacks"),
    ("parameters.net_params", {"dataset__x": 1}, r"net_params\['dataset__x'\] cannot be saved"),
    ("parameters.net_params", {"optimizer__x": 1}, "net_params cannot make a net"),
    ("parameters.net_params", {"callbacks__print_log": 3}, "net_params cannot make a net"),
    ("parameters.rnn", "lstm", "its tensors are not those of a classifier"),
    ("parameters.channels", [3, 5, 5], "is missing instead of .*, and [0-9]+ more tensors"),
    ("fitted.classes_", MISSING, "its description is not valid: 'classes_'"),
    ("fitted.classes_", labels("<U1", ["a"]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("<i8", [2, 1]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("<i8", [2, 2]), "classes_ must hold at least two"),
    ("fitted.classes_", labels("object", [2, "a"]), "its description is not valid"),
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
    ("fitted.optimizer.class", "SGD", "state of an optimizer 'SGD', but"),
    ("fitted.optimizer.rest", {"a": 1}, "description of the optimizer's state"),
    ("fitted.optimizer", 3, "its description is not valid"),
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
    ("parameters.net_params", {"module__rnn_units": HUGE}, "cannot be saved"),
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
    ("steps.0.0", 3, "its description is not valid"),
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
    ("steps.0", ["a"], "not enough values to unpack"),
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


class Subclass(CenterLossClassifier):
    """A class of a user."""


LOOP: dict[str, object] = {}
LOOP["self"] = LOOP


class TestModelsThatCannotBeSaved:
    @pytest.fixture
    def path(self, tmp_path):
        (tmp_path / "model").write_bytes(b"old content")
        return tmp_path / "model"

    def assert_refused(self, model, path, message, error=ValueError, **options):
        with pytest.raises(error, match=message):
            save_model(model, path, **options)
        assert path.read_bytes() == b"old content"
        assert os.listdir(path.parent) == ["model"]

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            (
                "callbacks",
                [LRScheduler()],
                r"\[0\] is of type LRScheduler, .*cannot be saved: use None",
            ),
            ("random_state", np.random.RandomState(0), " is of type RandomState, which .* a number"),
            ("channels", range(3, 6), " is of type range, which cannot be saved: use None"),
            ("class_weight", pd.Series([1, 2]), " is of type Series"),
            ("class_weight", LOOP, " is nested too deeply, or contains itself"),
            ("net_params", {"criterion": Subclass}, r"\['criterion'\] is the class Subclass, which"),
            ("net_params", {"optimizer": cut}, r"\['optimizer'\] is the function cut, which cannot be saved"),
            ("net_params", {"use_caching": False}, r"\['use_caching'\] cannot be saved, only settings of"),
            ("net_params", {"x": (0.9, torch.tensor(0.9))}, r"\['x'\]\[1\] is of type Tensor"),
            ("net_params", {"x": np.zeros((2, 2))}, r"\['x'\] is an array of shape \(2, 2\)"),
        ],
    )
    def test_parameter_is_named_with_its_cure(self, fitted, name, value, message, path):
        model = copy.deepcopy(fitted).set_params(**{name: value})
        self.assert_refused(model, path, f"model is not written.*: {name}{message}")

    def test_names_of_a_pipelines_parameters_are_those_of_set_params(self, pipeline, path, tmp_path):
        model = copy.deepcopy(pipeline).set_params(classifier__callbacks=[LRScheduler()])
        self.assert_refused(model, path, r"classifier__callbacks\[0\] is of type LRScheduler")
        model.set_params(classifier__callbacks=None)
        save_model(model, path)
        assert load_model(path).classes_.tolist() == ["angry", "calm"]

    def test_generator_can_be_replaced_and_the_seed_stays(self, X, y, path):
        model = make(random_state=np.random.RandomState(7)).fit(X, y)
        self.assert_refused(model, path, "random_state is of type RandomState")
        save_model(model.set_params(random_state=0), path, optimizer=True)
        loaded = load_model(path, device="cpu")
        assert_same_state(loaded.partial_fit(X, y), model.partial_fit(X, y))

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda c: make_pipeline(c, SVC()), r"step 'svc' is SVC, .*, such as pipeline\[:-1\]"),
            (lambda c: make_pipeline(make_pipeline(c)), "step 'pipeline' is Pipeline, but"),
            (lambda c: SVC(), "the model is SVC, .* one of them: CenterLossClassifier, .*StandardScaler"),
            (lambda c: Subclass(), "the model is Subclass, but"),
            (lambda c: CenterLossClassifier, "the model is the class CenterLossClassifier, but"),
            (lambda c: None, "the model is NoneType, but"),
            (lambda c: GridSearchCV(c, {"lr": [0.1]}), "the model is GridSearchCV, .*best_estimator_"),
        ],
    )
    def test_other_estimators_are_named_with_their_cure(self, fitted, build, message, path):
        self.assert_refused(build(fitted), path, message)

    def test_model_that_is_not_fitted_is_named(self, path):
        message = "model is not written: This CenterLossClassifier instance is not fitted yet"
        self.assert_refused(make(), path, message, NotFittedError)
        self.assert_refused(make_pipeline(SpectrogramTransformer(), make()), path, message, NotFittedError)

    def test_another_number_of_bins_than_that_of_fit_is_refused(self, pipeline, path):
        model = copy.deepcopy(pipeline).set_params(spectrogram__n_mels=9)
        self.assert_refused(model, path, "'spectrogram' returns 9 features, .* If parameters were changed")

    def test_steps_in_the_wrong_order_are_refused(self, pipeline, path):
        model = Pipeline(pipeline.steps[::-1])
        self.assert_refused(
            model, path, "its steps are CenterLossClassifier, SpectrogramTransformer, but only"
        )

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"rnn_units": 4}, "'network.rnn.weight_ih_l0' is .* If parameters were changed after fit"),
            ({"dropout": -1}, "dropout must be a number"),
        ],
    )
    def test_parameters_changed_after_fit_are_refused(self, fitted, parameters, message, path):
        self.assert_refused(copy.deepcopy(fitted).set_params(**parameters), path, message)

    def test_optimizer_changed_after_fit_is_noticed(self, fitted, path):
        model = copy.deepcopy(fitted).set_params(net_params={"optimizer": torch.optim.Adam})
        self.assert_refused(model, path, "state of an optimizer 'AdamW', but .* 'Adam'", optimizer=True)
        save_model(model, path)
        assert load_model(path).net_params == {"optimizer": torch.optim.Adam}

    def test_spoiled_weights_are_noticed(self, fitted, path):
        model = copy.deepcopy(fitted)
        with torch.no_grad():
            model.net_.module_.embedding.bias[0] = torch.nan
        self.assert_refused(model, path, "'network.embedding.bias' holds NaN or infinity")

    def test_unknown_records_in_the_history_are_named(self, fitted, path):
        model = copy.deepcopy(fitted)
        model.net_.history[1]["confusion"] = torch.zeros(2)
        self.assert_refused(model, path, r"history\[1\]\['confusion'\] is of type Tensor")

    def test_too_long_a_description_is_noticed(self, fitted, path, monkeypatch):
        monkeypatch.setattr(_container, "_MAX_HEADER_BYTES", 3000)
        self.assert_refused(
            fitted, path, r"description takes [\d,]+ bytes, but a model file has room for 3,000"
        )

    def test_optimizer_must_be_a_flag(self, fitted, path):
        self.assert_refused(fitted, path, "optimizer must be True or False", TypeError, optimizer="yes")


class TestWriting:
    @pytest.mark.parametrize("name", ["ein Modell 🙂.safetensors", "con.aux ", "a" * 255, "no suffix", "-rf"])
    def test_any_name_is_a_name(self, fitted, name, tmp_path):
        save_model(fitted, tmp_path / name)
        assert os.listdir(tmp_path) == [name]
        assert load_model(str(tmp_path / name)).classes_.tolist() == ["falling", "rising"]

    def test_old_file_is_replaced(self, fitted, pipeline, tmp_path):
        save_model(pipeline, tmp_path / "model")
        save_model(fitted, tmp_path / "model")
        assert type(load_model(tmp_path / "model")) is CenterLossClassifier

    @needs_posix
    def test_link_and_permissions_stay(self, fitted, tmp_path):
        (tmp_path / "real").write_bytes(b"")
        (tmp_path / "real").chmod(0o640)
        (tmp_path / "link").symlink_to("real")
        save_model(fitted, tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
        assert load_model(tmp_path / "real").n_iter_ == 2

    @pytest.mark.parametrize(
        ("call", "error"),
        [("fsync", KeyboardInterrupt()), ("replace", PermissionError(13, "Permission denied"))],
    )
    def test_interruption_or_failure_leaves_the_old_file_whole(
        self, fitted, call, error, tmp_path, monkeypatch
    ):
        (tmp_path / "model").write_bytes(b"old content")
        monkeypatch.setattr(_files.os, call, Mock(side_effect=error))
        with pytest.raises(type(error)):
            save_model(fitted, tmp_path / "model")
        assert os.listdir(tmp_path) == ["model"]
        assert (tmp_path / "model").read_bytes() == b"old content"

    @needs_posix
    def test_disk_that_is_full_halfway_leaves_the_old_file_whole(self, fitted, tmp_path):
        resource = pytest.importorskip("resource")
        (tmp_path / "model").write_bytes(b"old content")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(OSError, match=r"model cannot be written \(.*has free space") as caught:
                save_model(fitted, tmp_path / "model")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.errno == errno.EFBIG
        assert os.listdir(tmp_path) == ["model"]
        assert (tmp_path / "model").read_bytes() == b"old content"

    def test_folder_in_place_of_a_file_is_named(self, fitted, tmp_path):
        for folder in (tmp_path, f"{tmp_path / 'new'}/"):
            with pytest.raises(IsADirectoryError, match=r"cannot be written \(it is a folder\)"):
                save_model(fitted, folder)
        assert os.listdir(tmp_path) == []
        with pytest.raises(
            FileNotFoundError, match=r"none/model cannot be written .*: give a file in a folder that"
        ):
            save_model(fitted, f"{tmp_path}/none/model")

    @needs_posix
    @pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="nothing is read-only to root")
    def test_read_only_folder_is_named(self, fitted, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError, match=r"cannot be written .*is writable"):
            save_model(fitted, tmp_path / "model")


class TestMachine:
    """A file does not hold what belongs to the machine."""

    @pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "auto"])
    def test_device_is_that_of_load_model(self, fitted, X, device, tmp_path):
        loaded = through_file(copy.deepcopy(fitted).set_params(device="cuda:3"), tmp_path, device=device)
        assert loaded.device == device
        assert type(loaded.device) is type(device)
        np.testing.assert_allclose(loaded.predict_proba(X), fitted.predict_proba(X), atol=1e-5)

    def test_auto_is_the_default_and_an_unknown_device_is_refused(self, fitted, tmp_path):
        save_model(fitted, tmp_path / "model")
        assert load_model(tmp_path / "model").device == "auto"
        with pytest.raises(ValueError, match='device must be "auto" or a device that torch knows'):
            load_model(tmp_path / "model", device="abacus")

    def test_folders_and_processes_are_not_stored(self, pipeline, tmp_path):
        model = copy.deepcopy(pipeline).set_params(
            memory=str(tmp_path / "p"), spectrogram__memory=str(tmp_path / "s"), spectrogram__n_jobs=2
        )
        model.set_params(spectrogram__max_nbytes=7)
        loaded = through_file(model, tmp_path)
        assert (loaded.memory, loaded[0].memory, loaded[0].n_jobs) == (None, None, None)
        assert loaded[0].max_nbytes == "1G"
        assert not list(tmp_path.glob("?"))

    @needs_gpu
    def test_model_goes_from_gpu_to_cpu_and_back(self, X, y, tmp_path):
        model = make(device="cuda").fit(X, y)
        on_cpu = through_file(model, tmp_path, optimizer=True, device="cpu")
        back = through_file(on_cpu, tmp_path, optimizer=True, device="cuda")
        assert next(on_cpu.net_.module_.parameters()).device.type == "cpu"
        assert next(back.net_.module_.parameters()).device.type == "cuda"
        assert_same_state(back, model)
        np.testing.assert_allclose(on_cpu.predict_proba(X), model.predict_proba(X), atol=1e-4)
        np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
        on_cpu.partial_fit(X, y)
        assert_same_state(back.partial_fit(X, y), model.partial_fit(X, y))


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
numpy_scalars = st.sampled_from(
    [np.float32("nan"), np.float64("-inf"), np.int8(-3), np.uint64(2**64 - 1), np.True_, np.str_("ä")]
)
arrays = st.sampled_from(
    [
        np.array(["a", "bcd"]),
        np.array([1, 2], ">i2"),
        np.array([True]),
        np.array([], "f4"),
        np.array([0.5], "f2"),
    ]
)
values = st.recursive(
    plain | numpy_scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(plain, inner, max_size=4)
        | st.dictionaries(st.sampled_from(["$tuple", "$", "a"]), inner)
    ),
    max_leaves=6,
)


def alike(one, other) -> bool:
    """Whether two values agree in value and type, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return alike(list(one.items()), list(other.items()))
    return repr(one) == repr(other)


NEVER_WRITTEN = json.loads("""[
    {"$float": "1.5"}, {"$float": "infinity"}, {"$int64": "5"}, {"$uint8": 256}, {"$uint8": -1},
    {"$float32": 0.1}, {"$tuple": "ab"}, {"$tuple": [1], "$more": 2}, {"$dict": [["a", 1]]},
    {"$dict": [[[], 1]]}, {"$array": []}, {"$array": ["<U1", ["ab"]]}, {"$array": ["<i8", [1.5]]}, NaN,
    {"$array": ["<i8", [[1, 2]]]},
    {"$array": ["object", [[1, 2]]]}, {"$array": ["<M8[D]", ["2020-01-01"]]}, {"$array": ["O", ["a"]]},
    {"$array": ["U1,U1", []]}, {"$optimizer": "LBFGS"}, {"$optimizer": []}, {"$unknown": 1}, {"$": 1}
]""")


class TestValues:
    @settings(max_examples=60, deadline=None)  # busy machines are slow
    @given(values)
    def test_value_comes_back_with_its_type(self, value):
        assert alike(decode(json.loads(json.dumps(encode(value, "x"), allow_nan=False))), value)

    @pytest.mark.parametrize("written", NEVER_WRITTEN)
    def test_a_value_that_is_never_written_is_refused(self, written):
        with pytest.raises(ValueError, match="it describes a value"):
            decode(written)

    @pytest.mark.parametrize(
        "value", [object(), {1, 2}, b"bytes", 1j, np.longdouble(1), np.datetime64("2020-01-01")]
    )
    def test_a_value_that_cannot_be_saved_is_named(self, value):
        with pytest.raises(ValueError, match=r"^x\[0\] is of type \w+, which cannot be saved"):
            encode([value], "x")
