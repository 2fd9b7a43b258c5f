"""The glossary names each word once, in order, with a lesson that uses it and links to it."""

from __future__ import annotations

import re
from pathlib import Path

import build
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
GLOSSARY = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
LESSON = re.compile(r"\(\[lesson (\d\d)\]\((\w+)\.ipynb\)\)")


def entries() -> dict[str, str]:
    """Each term of the glossary with its definition; a term that comes twice fails here."""
    found: dict[str, str] = {}
    for entry in GLOSSARY.split("\n## ")[1:]:
        term, _, definition = entry.partition("\n")
        assert term.casefold() not in map(str.casefold, found), f"{term!r} stands twice"
        found[term] = " ".join(definition.split())
    return found


def prose(source: str) -> str:
    """A lesson's source without comment signs, emphasis and line ends."""
    return " ".join(re.sub(r"^# ?", "", source, flags=re.MULTILINE).replace("*", "").split())


def uses(text: str, term: str) -> bool:
    """Whether a word of the text begins with the term: plurals count."""
    return bool(re.search(rf"(?<!\w){re.escape(term)}", text, re.IGNORECASE))


def test_words_are_found_as_words() -> None:
    text = prose("# two **Gram\n# matrices** of a pitfall\n")
    assert uses(text, "gram matri")
    assert uses(text, "pit")
    assert not uses(text, "all")
    assert not uses(text, "Gram matrix")


def test_entries_are_sorted() -> None:
    terms = list(entries())
    assert len(terms) > 100
    assert terms == sorted(terms, key=str.casefold)


def test_each_lesson_named_uses_the_term() -> None:
    for term, definition in entries().items():
        named = LESSON.findall(definition)
        assert len(named) == 1, f"{term}: one lesson is named, at the end"
        ((number, stem),) = named
        assert stem.startswith(number), term
        source = (NOTEBOOKS / "sources" / f"{stem}.py").read_text(encoding="utf-8")
        assert uses(prose(source), term), f"lesson {number} does not use {term!r}"


def test_each_link_between_entries_leads_to_one() -> None:
    referred = re.findall(r"\]\(#([^)]+)\)", GLOSSARY)
    assert len(referred) > 20
    assert set(referred) <= build.heading_ids(GLOSSARY)
    assert build.heading_ids("# The word\n## Gram matrix\ntext") == {"The-word", "Gram-matrix"}


def linked(source: str) -> list[str]:
    """Return the entries that a lesson links to, each as often as it does."""
    return re.findall(r"\]\(glossary\.md#([^)]+)\)", source)


@pytest.mark.parametrize("source", build.sources(), ids=lambda source: source.stem)
def test_lessons_link_the_words_that_they_explain(source: Path) -> None:
    """That each link leads to an entry is checked with all other links, in test_lessons.py."""
    explained = {
        term.replace(" ", "-")
        for term, definition in entries().items()
        if LESSON.findall(definition) == [(source.stem[:2], source.stem)]
    }
    links = linked(source.read_text(encoding="utf-8"))
    assert explained <= set(links), f"link {sorted(explained - set(links))} where they first stand"
    assert len(links) == len(set(links)), "a word is linked at its first use only"
