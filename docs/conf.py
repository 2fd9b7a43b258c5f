"""Sphinx's settings for the site. `build_site.py` first copies what it shows beside this file."""

import re
import sys
from importlib.metadata import version as version_of
from typing import Any

import nstlib

project = "Neural style transfer, hands on"
author = "the authors of nstlib"
copyright = "text CC BY 4.0, code MIT"  # noqa: A001  (Sphinx's name)
version = release = version_of("nstlib")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md", "data/gallery.md", "downloads"]  # shown in parts, or as files
root_doc = "index"

# Lessons are shown with the outputs that are stored in them.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
myst_heading_slug_func = "build.heading_id"  # as JupyterLab names headings
nb_render_markdown_format = "myst"

autodoc_typehints = "none"  # the docstrings give types, with shapes and ranges
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False

# Formulas are drawn while the site is built (see build_site.py), so that pages load no MathJax.
mathjax_path = "mathjax.js"  # build_site.py takes the script's tag out of the pages

# Furo's pages weigh a tenth of sphinx-book-theme's: no Bootstrap, and no icon font of 1.5 MB.
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
suppress_warnings = ["mystnb.unknown_mime_type"]


def whole_again(_app: object, what: str, *others: Any) -> None:
    """Put back what stood before a colon in a ``#:`` comment: napoleon takes it for a type."""
    *_, lines = others
    taken = next((line for line in lines if line.startswith(":type: ")), None)
    if what in {"attribute", "data", "property"} and taken:
        lines.remove(taken)
        lines[0] = f"{taken.removeprefix(':type: ')}: {lines[0]}"


def without_alias(_app: object, _domain: str, _kind: str, content: Any) -> None:
    """Leave out of what a type is an alias where that lists NumPy's private names."""
    for node in list(content):
        if node.astext().startswith("alias of ") and "_SupportsArray" in node.astext():
            content.remove(node)


def initials(_app: object, *others: Any) -> None:
    """Keep an author's initial, "D. Ulyanov", from beginning a list that counts by letters."""
    *_, lines = others
    begin = re.compile(r"^((?: *- )?)(?=[A-Z]\. )")
    if "References" in lines:
        first = lines.index("References") + 2
        lines[first:] = [begin.sub(r"\1\\", line) for line in lines[first:]]


def by_short_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Find what a docstring names as its module or ``nstlib`` does, where it is defined."""
    if node.get("refdomain") != "py":
        return None
    named, kind = node["reftarget"], node["reftype"]
    short = named.removeprefix("nstlib.")
    here = sys.modules.get(node.get("py:module") or "")
    for place in (nstlib,) if short != named else (here, nstlib):
        thing: Any = place
        for name in short.split("."):
            thing = getattr(thing, name, None)
        if hasattr(thing, "__qualname__"):
            whole = f"{thing.__module__}.{thing.__qualname__}"
            python = env.domains["py"]
            return python.resolve_xref(env, node["refdoc"], app.builder, kind, whole, node, content)
    return None


def setup(app: Any) -> None:
    """Be called before and after napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", initials, priority=400)
    app.connect("autodoc-process-docstring", whole_again, priority=600)
    app.connect("missing-reference", by_short_name)
    app.connect("object-description-transform", without_alias)
