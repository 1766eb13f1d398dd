"""The site: these pages, the README, and a reference made from the docstrings (`make docs`)."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform")]

project = "Tunesmith"
html_title = "Tunesmith"
html_theme = "furo"
extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
# The source is the whole checkout, so that links between README and pages lead somewhere.
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**"]
exclude_patterns = ["docs/conf.py"]
myst_heading_anchors = 3
# Links to files of the checkout that are no pages; words that name attributes of several classes.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

apidoc_modules = [
    {
        "path": str(ROOT / "platform" / "tunesmith"),
        "destination": "docs/reference",
        "automodule_options": {"members"},
        "separate_modules": True,
        "module_first": True,
    }
]
# What a room hands on from its modules is described where it is defined.
autodoc_default_options = {"ignore-module-all": True}
autodoc_typehints = "none"
napoleon_attr_annotations = False
napoleon_google_docstring = False
