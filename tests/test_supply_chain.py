"""Nothing in the package can run what a file or a user's string says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skser

pytestmark = pytest.mark.reliability

PACKAGE = Path(skser.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "subprocess",
    "pty",
    "commands",
}
FORBIDDEN_CALLS = {"os.system", "os.popen", "joblib.load", "numpy.load", "np.load", "yaml.load"}
# np.load is fine where it says that no pickle is to be read, as torch.load is where it says so.
SAFE_WITH = {"np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}


def dotted(node: ast.expr) -> str:
    """Name of what is called, as it is written: "torch.load"."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def says(call: ast.Call, name: str, value: object) -> bool:
    """Whether a call passes this keyword with this constant."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}.get(name)
    return isinstance(given, ast.Constant) and given.value is value


def dangers(source: str) -> list[str]:
    """List what a module must not hold, by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            found += [f"{node.lineno}: {name}" for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        unsafe = (
            name in FORBIDDEN_NAMES or name in FORBIDDEN_CALLS or name.startswith(("os.exec", "os.spawn"))
        )
        if name in SAFE_WITH and says(node, *SAFE_WITH[name]):
            unsafe = False
        if name == "torch.load":
            unsafe = not says(node, "weights_only", True)
        if unsafe or says(node, "shell", True):
            found.append(f"{node.lineno}: {name}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_module_runs_nothing_that_comes_from_outside(path):
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import subprocess",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "os.system(text)",
        "run(text, shell=True)",
        "joblib.load(path)",
    ],
)
def test_what_must_not_be_there_is_found(source):
    assert len(dangers(source)) == 1


@pytest.mark.parametrize(
    "source", ["torch.load(path, weights_only=True)", "np.load(path, allow_pickle=False)", "network.eval()"]
)
def test_what_is_harmless_is_let_pass(source):
    assert dangers(source) == []
