"""No module of the package can run code from a file or from a user's string."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skser

pytestmark = pytest.mark.reliability

PACKAGE = Path(skser.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "subprocess", "pty"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "joblib.load",
    "yaml.load",
}
# Calls that are safe with a keyword.
SAFE_WITH = {
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}


def dotted(node: ast.expr) -> str:
    """Name of a function as it is written: "torch.load"."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def passes(call: ast.Call, name: str, value: object) -> bool:
    """Whether a call passes this keyword with this constant."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}.get(name)
    return isinstance(given, ast.Constant) and given.value is value


def is_unsafe(call: ast.Call) -> bool:
    name = dotted(call.func)
    if name in SAFE_WITH:
        return not passes(call, *SAFE_WITH[name])
    return name in FORBIDDEN_CALLS or name.startswith(("os.exec", "os.spawn")) or passes(call, "shell", True)


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def dangers(source: str) -> list[str]:
    """List the forbidden imports and calls of a module by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        found += [
            f"{node.lineno}: {name}" for name in imported(node) if name.split(".")[0] in FORBIDDEN_MODULES
        ]
        if isinstance(node, ast.Call) and is_unsafe(node):
            found.append(f"{node.lineno}: {dotted(node.func)}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_module_runs_no_code_from_outside(path):
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "n_dangers"),
    [
        ("import pickle", 1),
        ("from pickle import loads", 1),
        ("import subprocess", 1),
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("np.load(path)", 1),
        ("np.load(path, allow_pickle=True)", 1),
        ("np.load(path, allow_pickle=False)", 0),
        ("eval(text)", 1),
        ("network.eval()", 0),
        ("os.system(text)", 1),
        ("run(text, shell=True)", 1),
        ("joblib.load(path)", 1),
    ],
)
def test_dangers_are_found(source, n_dangers):
    assert len(dangers(source)) == n_dangers
