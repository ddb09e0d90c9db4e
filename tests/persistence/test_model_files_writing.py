"""How save_model writes a file, and the models that it refuses."""

from __future__ import annotations

import copy
import errno
import os
import stat
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from model_files import assert_same_state, make, needs_posix
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from skorch.callbacks import LRScheduler

from skser import CenterLossClassifier, SpectrogramTransformer, load_model, save_model
from skser._utils import _container, _files


def cut():
    """A function of a user."""


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

    def test_tilde_is_the_home_folder(self, fitted, tmp_path, monkeypatch):
        for variable in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(variable, str(tmp_path))
        save_model(fitted, "~/model")
        assert os.listdir(tmp_path) == ["model"]
        assert load_model("~/model").classes_.tolist() == ["falling", "rising"]

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
