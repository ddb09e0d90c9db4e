"""Models that are installed as distributions."""

from __future__ import annotations

import importlib

import pytest

from skser import SpectrogramTransformer, load_pretrained, save_model


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that provides a model, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_model(name, value, module, source):
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[skser.models]\n{name} = {value}\n")
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text(source)
        return tmp_path / module

    return install_model


SOURCE = "from pathlib import Path\n\nMODEL = Path(__file__).with_name('model.safetensors')\n"


def test_installed_model_is_loaded_from_its_file(install):
    folder = install("test-model", "skser_test_model_a:MODEL", "skser_test_model_a", SOURCE)
    save_model(SpectrogramTransformer(n_mels=23), folder / "model.safetensors")
    assert load_pretrained("test-model").n_mels == 23


def test_unknown_name_lists_the_installed_models(install):
    install("test-model", "skser_test_model_b:MODEL", "skser_test_model_b", SOURCE)
    message = r"no installed model has the name 'other' \(installed: .*test-model.*\): install its"
    with pytest.raises(ValueError, match=message):
        load_pretrained("other")


def test_missing_model_of_the_repository_is_named_with_its_folder(monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("skser.persistence._pretrained"), "entry_points", lambda group: []
    )
    message = r"'speech-emotions' \(installed: none\): install \./models/speech_emotions in a checkout"
    with pytest.raises(ValueError, match=message):
        load_pretrained()


def test_entry_point_without_its_attribute_is_named(install):
    install("test-model", "skser_test_model_c:OTHER", "skser_test_model_c", SOURCE)
    message = "the installed model 'test-model' cannot be found at 'skser_test_model_c:OTHER'"
    with pytest.raises(ImportError, match=message):
        load_pretrained("test-model")


def test_missing_file_is_named(install):
    install("test-model", "skser_test_model_d:MODEL", "skser_test_model_d", SOURCE)
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors cannot be read"):
        load_pretrained("test-model")


def test_name_must_be_text(tmp_path):
    with pytest.raises(TypeError, match="name must be the name of an installed model"):
        load_pretrained(tmp_path)
