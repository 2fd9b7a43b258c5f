"""Each link has a name that can be read aloud: words, code or a picture's alternative text.

A formula is none. It is drawn, and a screen reader says only "link".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import build
import jupytext
import pytest
import translate
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "data/*.md", "docs/**/*.md", "models/*.md", "notebooks/*.md")
    for path in ROOT.glob(pattern)
)
MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


def nameless(text: str) -> list[str]:
    """Return the targets of links in Markdown that nothing names."""
    return [
        link
        for block in MARKDOWN.parse(text)
        if block.children
        for link in _nameless(block.children)
    ]


def _nameless(tokens: list[Token]) -> Iterator[str]:
    target, name = None, ""
    for token in tokens:
        opens = token.type == "link_open" or token.content.startswith("<a ")
        if opens:
            target, name = str(token.attrs.get("href", token.content)), ""
        elif token.type == "link_close" or token.content == "</a>":
            if target is not None and not any(map(str.isalnum, name)):
                yield target
            target = None
        elif token.type in ("text", "code_inline", "image"):  # an image's content is its text
            name += token.content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"small [$\epsilon$](glossary.md#epsilon) here", ["glossary.md#epsilon"]),
        ("[**$x$**](a) and [](b) and [ … ](c)", ["a", "b", "c"]),
        ('![ok](no.png) <a href="d"></a>', ['<a href="d">']),
        (r"[epsilon, $\epsilon$](a) [`x`](b) [2](c) [![a cat](d.png)](e) <a href='f'>g</a>", []),
        ("| [$x$](a) |\n| --- |\n| [$y$](b) |", ["a", "b"]),
        ("```\n[$x$](a)\n```", []),
    ],
)
def test_links_without_a_name_are_found(text: str, expected: list[str]) -> None:
    assert nameless(text) == expected


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_pages_have_names(path: Path) -> None:
    assert nameless(path.read_text("utf-8")) == []


def test_links_of_lessons_have_names() -> None:
    found, links = {}, 0
    for source in build.sources():
        cells = jupytext.read(source).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        links += text.count("](")
        found[source.stem] = nameless(text)
    assert links > 200
    assert {stem: targets for stem, targets in found.items() if targets} == {}


def test_links_of_translations_have_names() -> None:
    for language, source in translate.translations():
        messages = translate.read(language, source)
        text = "\n\n".join(str(message.string) for message in messages if message.id)
        assert nameless(text) == [], (language, source.stem)
