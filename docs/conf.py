"""Settings of the manual: its pages, the API from numpydoc docstrings, and the gallery from examples/."""

from __future__ import annotations

import sys
from pathlib import Path

import skser

sys.path.append(str(Path(__file__).parent / "extensions"))

from gallery import SCRIPTS, SHOWN  # docs/extensions

project = "skser"
author = "skser developers"
copyright = f"2026, {author}"
version = release = skser.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "mathml",  # docs/extensions
]
exclude_patterns = ["_build"]
templates_path = ["templates"]
html_math_renderer = "mathml"
default_role = "literal"  # `name` in a docstring

autodoc_typehints = "none"  # numpydoc's Parameters sections hold the types
autosummary_generate = True
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # templates/autosummary/class.rst lists them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/gallery",
    "ignore_pattern": rf"^(?!({'|'.join(SCRIPTS + SHOWN)})\.py$)",  # all but those
    "filename_pattern": rf"/({'|'.join(SCRIPTS)})\.py$",  # what is run
    "within_subsection_order": "gallery.Order",
    "reset_argv": "gallery.arguments",
    "download_all_examples": False,
    "default_thumb_file": str(Path(__file__).parent / "_static" / "cluster.svg"),  # of what is not run
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,  # how long the builder's computer took is of no use to a reader
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = f"skser {version}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_sourcelink = False
html_sidebars = {"getting_started": []}  # has no pages below it
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
