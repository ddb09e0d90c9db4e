"""The project file, the pinned versions, the public names and what importing them loads."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import skser
import skser.nn

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("skser", "skser.datasets")

# Never loaded by `import skser`, each comes with the function that needs it.
LATE = {
    *("dask", "huggingface_hub", "librosa", "matplotlib", "onnx", "onnxruntime", "pandas", "pooch"),
    *("resemblyzer", "safetensors", "soundfile", "soxr", "torchaudio", "tqdm", "transformers"),
}


def requirements():
    """Pairs of extra ("" for the package itself) and requirement, as pyproject.toml declares them."""
    declared = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    return [(extra, Requirement(line)) for extra, lines in declared.items() for line in lines]


def pins():
    """Pairs of name and pinned version, in the order of constraints.txt."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return [(canonicalize_name(pin.name), pin.specifier) for pin in found]


def public(kind):
    """Classes or functions, as `kind` tells them, among the public names."""
    modules = [importlib.import_module(package) for package in PACKAGES]
    things = [getattr(module, name) for module in modules for name in module.__all__]
    return [thing for thing in things if kind(thing)]


def documented_names():
    """Names in the autosummaries of docs/api.rst, by module."""
    names, module = defaultdict(list), None
    for line in (REPOSITORY / "docs" / "api.rst").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)$", line):
            module = found[1]
        elif found := re.match(r"   (\w+)$", line):
            names[module].append(found[1])
    return names


def top_level_imports(path):
    """First parts of the absolute imports anywhere in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def crossing_imports():
    """Imports of one room of the package from another: importing file, module and names."""
    for path in sorted((REPOSITORY / "skser").rglob("*.py")):
        parts = path.relative_to(REPOSITORY / "skser").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == len(parts):
                yield "/".join(parts), node.module, [alias.name for alias in node.names]


def run_fresh(code):
    """Run code in a new interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("extra", "requirement"), requirements(), ids=str)
def test_requirement_has_a_lowest_version(extra, requirement):
    assert [part.operator for part in requirement.specifier if part.operator == ">="] == [">="]


@pytest.mark.parametrize(("extra", "requirement"), requirements(), ids=str)
def test_pinned_version_satisfies_the_requirement(extra, requirement):
    (pin,) = dict(pins())[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin.version)


def test_every_constraint_is_one_exact_version_of_another_package():
    assert len(dict(pins())) == len(pins()) > 50
    for name, specifier in pins():
        assert [part.operator for part in specifier] == ["=="], name
        assert "*" not in str(specifier), name


LOCKS = {".venv": "constraints.txt", ".venv-lowest": "constraints-lowest.txt"}


def versions(lock):
    """Exact version of each package that a list of constraints names."""
    lines = (REPOSITORY / lock).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    assert [[part.operator for part in pin.specifier] for pin in found] == [["=="]] * len(found)
    return {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in found}


def unpinned(installed, pinned):
    """What is installed and has no pin or another version; builds of one version ("+cpu") are alike."""
    return sorted(
        f"{name} {version}"
        for name, version in installed.items()
        if name not in ("pip", "skser", "skser-speech-emotions")
        and pinned.get(name) != version.partition("+")[0]
    )


def test_nothing_is_installed_but_what_is_pinned():
    environment = Path(sys.prefix)
    if environment.parent != REPOSITORY or environment.name not in LOCKS:
        pytest.skip(f"{environment} is none of the environments of the Makefile")
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    assert {"numpy", "torch"} < set(installed)
    assert unpinned(installed, versions(LOCKS[environment.name])) == []


def test_unpinned_packages_and_other_versions_are_found():
    installed = {"pip": "23", "numpy": "2.0", "torch": "2.11.0+cpu", "six": "1.17", "joblib": "1.4.1"}
    pinned = {"numpy": "2.0", "torch": "2.11.0", "joblib": "1.4.0"}
    assert unpinned(installed, pinned) == ["joblib 1.4.1", "six 1.17"]


@pytest.mark.parametrize(
    "requirement",
    [requirement for extra, requirement in requirements() if extra not in ("baselines", "lint", "docs")],
    ids=str,
)
def test_lowest_version_is_the_one_that_is_tested(requirement):
    (lowest,) = [part.version for part in requirement.specifier if part.operator == ">="]
    assert Version(versions("constraints-lowest.txt")[canonicalize_name(requirement.name)]) == Version(lowest)


def test_third_party_imports_are_declared():
    declared = {canonicalize_name(requirement.name) for _, requirement in requirements()}
    imported = {name for path in (REPOSITORY / "skser").rglob("*.py") for name in top_level_imports(path)}
    third_party = imported - sys.stdlib_module_names - {"skser"}
    assert {"sklearn", "torch"} < third_party
    packages = {"scikit-learn" if name == "sklearn" else canonicalize_name(name) for name in third_party}
    assert packages <= declared


def test_rooms_import_only_what_other_rooms_hand_out():
    crossings = list(crossing_imports())
    assert len(crossings) > 50
    assert [crossing for crossing in crossings if "." in crossing[1]] == []  # a private file of a room
    private = [name for _, _, names in crossings for name in names if name.startswith("_")]
    assert set(private) <= {"__version__"}


def test_pytorch_side_is_part_of_the_package():
    assert {getattr(skser.nn, name) for name in skser.nn.__all__} <= {
        getattr(skser, name) for name in skser.__all__
    }


def test_version_is_the_same_everywhere():
    assert skser.__version__ == PROJECT["version"]


@pytest.fixture(scope="module")
def imports():
    """What `import skser` asks for and what it loads, beyond what it is built on, in a new process."""
    return json.loads(
        run_fresh(
            """
import builtins, json, sys
import joblib, numpy, sklearn, skorch, torch

plain_import, before, asked = builtins.__import__, set(sys.modules), set()

def recording_import(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if level == 0 and importer.partition(".")[0] == "skser":
        asked.add(name.partition(".")[0])
    return plain_import(name, globals, locals, fromlist, level)

builtins.__import__ = recording_import
import skser, skser.datasets
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"asked": sorted(asked), "loaded": sorted(loaded), "all": sorted(sys.modules)}))
"""
        )
    )


def test_import_asks_for_nothing_that_can_come_late(imports):
    assert {"numpy", "sklearn", "torch"} <= set(imports["asked"])
    assert not LATE & set(imports["asked"])


def test_import_loads_nothing_that_can_come_late(imports):
    assert "skser" in imports["loaded"]
    assert not LATE & set(imports["loaded"])


def test_import_leaves_librosa_torchaudio_and_matplotlib_alone(imports):
    assert "torch" in imports["all"]
    assert not {"librosa", "torchaudio", "matplotlib"} & set(imports["all"])


def test_classifier_works_without_pandas():
    # scikit-learn imports pandas itself where it is installed, so its absence has to be acted.
    printed = run_fresh(
        """
import sys
from importlib.machinery import PathFinder

class WithoutPandas(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "pandas" else super().find_spec(name, path, target)

sys.meta_path = [WithoutPandas if finder is PathFinder else finder for finder in sys.meta_path]
import numpy as np
from skser import CenterLossClassifier

X = np.random.default_rng(0).normal(size=(8, 5, 12)).astype("float32")
classifier = CenterLossClassifier(
    channels=(4, 4, 4, 4), rnn_units=4, embedding_dim=4, max_epochs=1, random_state=0
)
print(classifier.fit(X, ["calm", "angry"] * 4).transform(X).shape, "pandas" in sys.modules)
"""
    )
    assert printed.split("\n")[0] == "(8, 4) False"


@pytest.mark.parametrize("thing", [*public(inspect.isclass), *public(inspect.isfunction)])
def test_public_class_or_function_has_a_docstring_of_its_own(thing):
    assert thing.__doc__


@pytest.mark.parametrize("thing", public(inspect.isfunction))
def test_public_function_documents_its_parameters(thing):
    assert not inspect.signature(thing).parameters or "Parameters\n----" in inspect.getdoc(thing)


@pytest.mark.parametrize("package", PACKAGES)
def test_api_page_lists_each_public_name_once_and_no_other(package):
    assert sorted(documented_names()[package]) == sorted(importlib.import_module(package).__all__)


@pytest.mark.parametrize("thing", public(inspect.isclass))
def test_public_class_shows_an_example(thing):
    assert ">>> " in inspect.getdoc(thing).partition("Examples\n--------")[2]
