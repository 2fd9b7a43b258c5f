"""What a message, a docstring, a lesson or a page of the project names is there under that name."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nstlib

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    *(ROOT / "nstlib").rglob("*.py"),
    *(ROOT / "notebooks" / "sources").glob("*.py"),
    *ROOT.glob("*.md"),
    *(ROOT / name / "README.md" for name in ("benchmarks", "data", "models")),
]


def named(text: str) -> Iterator[str]:
    """Find ``nst.load_image``, in code and in prose, and what Sphinx's roles refer to."""
    for name in re.findall(r"\bnst\.([A-Za-z_]\w*)", text):
        yield f"nstlib.{name}"
    for name in re.findall(r"`~?(nstlib(?:\.\w+)+)[`(]", text):
        yield name


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_text_names_is_there(path: Path) -> None:
    absent = set()
    for name in named(path.read_text(encoding="utf-8")):
        try:
            pkgutil.resolve_name(name)
        except (AttributeError, ImportError):
            absent.add(name)
    assert absent == set()


def test_a_name_that_is_absent_is_found() -> None:
    text = "use `nstlib.images.no_such_name`, or nst.load_image, or nst.no_such_function(x)"
    names = set(named(text))
    assert names == {
        "nstlib.images.no_such_name",
        "nstlib.load_image",
        "nstlib.no_such_function",
    }
    with pytest.raises((AttributeError, ImportError)):
        pkgutil.resolve_name("nstlib.images.no_such_name")


def test_everything_that_nst_offers_can_be_had() -> None:
    for name in nstlib.__all__:
        assert getattr(nstlib, name) is not None


def test_everything_that_nst_offers_is_in_the_reference() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"automodule:: (\S+)", pages))
    passed_on = {n for m in shown for n in getattr(pkgutil.resolve_name(m), "__all__", ())}
    offered = {name: getattr(nstlib, name) for name in nstlib.__all__}
    for name in ("keras", "tf"):  # not the library's
        assert f"`nst.{name}`" in pages
        del offered[name]
    for package in ("art", "onnx"):
        inside = offered.pop(package)
        offered |= {f"{package}.{name}": getattr(inside, name) for name in inside.__all__}
    absent = {
        name: offer.__module__
        for name, offer in offered.items()
        if hasattr(offer, "__module__") and not {offer.__module__, name} & (shown | passed_on)
    }
    assert absent == {}
