"""Count the lines of code and of docstrings: ``python benchmarks/count_lines.py skser``."""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


def docstring_lines(source: str) -> set[int]:
    """Numbers of the lines that docstrings fill."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED)]
    first = [node.body[0] for node in nodes if ast.get_docstring(node, clean=False) is not None]
    return {line for node in first for line in range(node.lineno, node.end_lineno + 1)}


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold more than comments and white space."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    parts = [token for token in tokens if token.string and token.type not in LAYOUT]
    return {line for token in parts for line in range(token.start[0], token.end[0] + 1)}


def main() -> None:
    """Print both counts for each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        sources = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))]
        docstrings = [docstring_lines(source) for source in sources]
        code = sum(len(code_lines(s) - lines) for s, lines in zip(sources, docstrings, strict=True))
        print(f"{folder}: {code} lines of code, {sum(map(len, docstrings))} of docstrings")


if __name__ == "__main__":
    main()
