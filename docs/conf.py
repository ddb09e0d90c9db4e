"""Settings of the documentation: pages of the API from numpydoc docstrings."""

from __future__ import annotations

import skser

project = "skser"
author = "skser developers"
copyright = f"2026, {author}"
version = release = skser.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["templates"]

autodoc_typehints = "none"  # numpydoc's Parameters sections hold the types
autosummary_generate = True
numpydoc_show_class_members = False  # templates/autosummary/class.rst lists them

html_theme = "pydata_sphinx_theme"
html_title = f"skser {version}"
