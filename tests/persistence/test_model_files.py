"""Model files: what comes back from a file, and how a loaded model trains on."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import FEATURES, assert_same_state, contents, make, through_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline

from skser import SpectrogramTransformer, load_model, save_model
from skser._utils import decode, encode
from skser._utils._json_values import OPTIMIZERS
from skser.training import CenterLossNet

DATA = Path(__file__).parents[1] / "data"

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


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

    def test_a_step_that_occurs_twice_comes_back_as_two(self, tmp_path):
        table = np.random.default_rng(0).normal(size=(8, 3))
        classifier = make(embedding_dim=3).fit(table, ["calm", "angry"] * 4)
        twice = Pipeline([("first", classifier), ("second", classifier)])
        loaded = through_file(twice, tmp_path, optimizer=True)
        assert loaded[0] is not loaded[1]
        np.testing.assert_array_equal(loaded.predict_proba(table), twice.predict_proba(table))

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
