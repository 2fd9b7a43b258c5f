"""The glossary names each word once, in order, with a lesson that uses it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
LESSON = re.compile(r"\(\[lesson (\d\d)\]\(notebooks/(\w+)\.ipynb\)\)")


def entries() -> dict[str, str]:
    """Each term of the glossary with its definition; a term that comes twice fails here."""
    (block,) = re.findall(r"^```\{glossary\}\n(.*?)^```$", GLOSSARY, re.DOTALL | re.MULTILINE)
    found: dict[str, str] = {}
    for entry in block.strip("\n").split("\n\n"):
        term, _, definition = entry.partition("\n")
        assert term == term.strip(), f"{term!r} is indented"
        assert all(line.startswith("  ") for line in definition.splitlines()), term
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
        source = (ROOT / "notebooks" / "sources" / f"{stem}.py").read_text(encoding="utf-8")
        assert uses(prose(source), term), f"lesson {number} does not use {term!r}"


def test_each_term_referred_to_is_an_entry() -> None:
    terms = set(entries())
    referred = re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", GLOSSARY)
    assert len(referred) > 20
    assert set(referred) <= terms
