"""Docstrings: what the pages of the API make of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nstlib


def sections(name: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of every section of this name, each with its place."""
    root = Path(nstlib.__file__).parent
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                found = re.search(rf"^{name}\n-+\n((?:.+\n?)+)", text, re.MULTILINE)
                if found:
                    place = f"{file.name}: {getattr(node, 'name', 'the module')}"
                    yield place, found[1].splitlines()


def test_each_reference_is_an_item_of_its_own() -> None:
    """Lines below one another would become one paragraph."""
    seen = 0
    for place, lines in sections("References"):
        authors = [line for line in lines if re.match(r"(- )?[A-Z]\. [A-Z][\w-]+", line)]
        seen += len(authors) > 1
        assert len(authors) < 2 or all(line.startswith("- ") for line in authors), place
    assert seen > 5
