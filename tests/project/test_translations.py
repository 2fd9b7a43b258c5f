"""Translated lessons are whole, and the English ones in all but their words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import build
import nbformat
import pytest
import translate
from babel.messages.pofile import read_po, write_po
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
each_translation = pytest.mark.parametrize(
    ("language", "source"),
    [
        pytest.param(language, source, id=f"{language}-{source.stem}")
        for language, source in translate.translations()
    ],
)


# --- The translations -----------------------------------------------------------------------------


def test_there_is_a_translation() -> None:
    assert translate.translations()


@each_translation
def test_everything_is_translated(language: str, source: Path) -> None:
    faults = translate.faults(language, source)
    assert not faults, "\n".join([*faults, translate.remedy(language, source)])


def without_alts(cell: Any) -> dict[str, Any]:
    """Return a code cell without what its pictures are said to show."""
    copy = nbformat.from_dict(cell)
    for said in translate.alt_texts(copy):
        said["alt"] = ""
    return dict(copy)


@each_translation
@pytest.mark.parametrize("edition", build.EDITIONS)
def test_code_and_outputs_are_those_of_the_english_lesson(
    language: str, source: Path, edition: build.Edition
) -> None:
    english = nbformat.read(build.notebook_path(source, edition), as_version=4)
    other = translate.translated(language, source, edition)
    assert other.metadata == english.metadata
    assert len(other.cells) == len(english.cells)
    for here, there in zip(other.cells, english.cells, strict=True):
        assert (here.cell_type, here.id) == (there.cell_type, there.id)
        if here.cell_type == "code":
            assert without_alts(here) == without_alts(there)
            for alt, alt_there in zip(*map(translate.alt_texts, (here, there)), strict=True):
                assert alt["alt"] != alt_there["alt"]
        else:
            assert here.source != there.source


@each_translation
@pytest.mark.parametrize("edition", build.EDITIONS)
def test_links_lead_somewhere(language: str, source: Path, edition: build.Edition) -> None:
    notebook = translate.translated(language, source, edition)
    path = translate.notebook_path(language, source, edition)
    planned = [translate.notebook_path(*other, edition) for other in translate.translations()]
    assert list(build.broken_links(notebook, path, build.FOLDER, planned)) == []


@each_translation
def test_emphasis_and_links_are_seen_as_such(language: str, source: Path) -> None:
    """`**(a)**b` is no emphasis in Markdown: it shows its asterisks."""
    markdown = MarkdownIt("commonmark").enable("table")
    for cell in translate.translated(language, source, "solution").cells:
        if cell.cell_type == "markdown":
            html = markdown.render(re.sub(r"\$\$?[^$]+\$\$?", "formula", cell.source))
            text = re.sub(r"<(code|pre)\b.*?</\1>|<[^>]+>", "", html, flags=re.DOTALL)
            assert not re.search(r"\*|\]\(", text), text


# --- How a translation is made: the steps of CONTRIBUTING.md, on a small lesson ------------------

LESSON = """\
# %% [markdown]
# # 00 A lesson
#
# One and one is **two**. See [the
# next](01_next.ipynb), the [glossary](glossary.md#two) and `nst.check`.

# %%
print("one and one is", 1 + 1)

# %% [markdown]
# ```python
# code = "stays"
# ```
#
# $$ 1 + 1 $$

# %% [markdown] tags=["solution"]
# The answer is $2$.
"""

GERMAN = {
    translate.NOTE: "*Aus dem [Englischen](original), und `nst.check` spricht Englisch.*",
    "# 00 A lesson": "# 00 Eine Lektion",
    "One and one is **two**. See [the next](01_next.ipynb), the [glossary](glossary.md#two) and "
    "`nst.check`.": "Eins und eins ist **zwei**. Siehe [die nächste](01_next.ipynb), das "
    "[Glossar](glossary.md#two) und `nst.check`.",
    "A grey dot.": "Ein grauer Punkt.",
    "The answer is $2$.": "Die Antwort ist $2$.",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small lesson, built without running it."""
    path = tmp_path / "notebooks" / "sources" / "00_lesson.py"
    path.parent.mkdir(parents=True)
    write_lesson(path, LESSON)
    return path


def write_lesson(source: Path, text: str) -> None:
    source.write_text(text, encoding="utf-8")
    picture = nbformat.v4.new_output(
        "display_data",
        {"image/png": "iVBORw0KGgo="},
        metadata={"image/png": {"alt": "A grey dot."}},
    )
    for edition in build.EDITIONS:
        notebook = build.draft(source, edition)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.execution_count, cell.outputs = 1, [picture]
        path = build.notebook_path(source, edition)
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)


def fill_in(source: Path, translations: dict[str, str]) -> None:
    """Do what a translator's editor does."""
    path = translate.messages_path("de", source)
    catalog = read_po(path.open("rb"), locale="de")
    for message in catalog:
        if message.id in translations:
            message.string = translations[str(message.id)]
            message.flags.discard("fuzzy")
    with path.open("wb") as file:
        write_po(file, catalog)


def markdown_of(source: Path, edition: build.Edition) -> list[str]:
    path = translate.notebook_path("de", source, edition)
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def command_in_contributing() -> list[str]:
    """Return what the documented command gives to translate.py, for this small lesson."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Translate a lesson\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    (command,) = re.findall(r"^ {7}(make .*)$", section, re.MULTILINE)
    dry = ["make", "-n", *command.split()[1:]]
    ran = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (arguments,) = re.findall(r"notebooks/translate\.py (.*)$", ran, re.MULTILINE)
    assert arguments == "ko 04"
    return ["de", "00"]


def test_the_steps_of_contributing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, arguments = source.parent.parent, command_in_contributing()

    assert translate.main(arguments, folder) == 0  # 1: begin
    assert f"{len(GERMAN)} to do" in capsys.readouterr().out
    assert "One and one is **two**" in markdown_of(source, "learner")[0]  # until then

    fill_in(source, GERMAN)  # 2: translate
    assert translate.main(arguments, folder) == 0  # 3: write
    assert "to do" not in capsys.readouterr().out
    assert translate.main(["--check"], folder) == 0
    assert markdown_of(source, "learner") == [
        "# 00 Eine Lektion\n\n"
        "*Aus dem [Englischen](../00_lesson.ipynb), und `nst.check` spricht Englisch.*\n\n"
        "Eins und eins ist **zwei**. Siehe [die nächste](../01_next.ipynb), das "
        "[Glossar](../glossary.md#two) und `nst.check`.",
        '```python\ncode = "stays"\n```\n\n$$ 1 + 1 $$',
    ]
    answer = markdown_of(source, "solution")
    assert answer[2] == "Die Antwort ist $2$."
    assert "(../../solutions/01_next.ipynb)" in answer[0]
    assert "(../../solutions/00_lesson.ipynb)" in answer[0]
    assert "(../../glossary.md#two)" in answer[0]
    notebook = nbformat.read(translate.notebook_path("de", source, "learner"), as_version=4)
    assert [said["alt"] for said in translate.alt_texts(notebook.cells[1])] == ["Ein grauer Punkt."]

    # The English changes.
    write_lesson(source, LESSON.replace("# One and one is", "# Indeed, one and one is"))
    assert translate.main(["--check"], folder) == 1
    said = capsys.readouterr().out
    assert "'Indeed, one and one is **two**. See [the next](01_next.ip...' is not trans" in said
    assert "make translations TO=de LESSONS=00" in said
    assert "notebooks/sources/de/00_lesson.po" in said
    assert translate.main(arguments, folder) == 0
    assert "has changed in English since it was translated (fuzzy)" in capsys.readouterr().out
    messages = translate.messages_path("de", source).read_text(encoding="utf-8")
    assert "#, fuzzy" in messages
    assert re.search(r'^#\| msgid "" "One and one is .* " "`nst.check`."$', messages, re.MULTILINE)
    assert "Eins und eins ist" in messages
    assert "Indeed" in markdown_of(source, "learner")[0]  # until somebody has looked
    (changed,) = (key for key in GERMAN if key.startswith("One and"))
    fill_in(source, {changed.replace("One", "Indeed, one"): "Ja, " + GERMAN[changed]})
    assert translate.main(arguments, folder) == 0
    assert translate.faults("de", source) == []
    assert "Ja, Eins" in markdown_of(source, "learner")[0]


def test_a_lesson_beside_it_is_linked_in_its_translation(source: Path) -> None:
    other = source.with_name("01_next.py")
    write_lesson(other, LESSON)
    for lesson in (source, other):
        translate.update("de", lesson)
    for edition in build.EDITIONS:
        text = translate.translated("de", source, edition).cells[0].source
        assert "(01_next.ipynb)" in text


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("`nst.check`", "nst.check", "the translation differs in its code: `nst.check`"),
        ("(01_next.ipynb)", "(02.ipynb)", "in its links: ](01_next.ipynb), ](02.ipynb)"),
        ("Die Antwort ist $2$.", "Die Antwort ist $3$.", "in its formulas: $2$, $3$"),
        ("**zwei**.", "**zwei**.<summary>", "in its HTML: <summary>"),
        ("Ein grauer Punkt.", "", "'A grey dot.' is not translated"),
    ],
)
def test_a_slip_of_a_translator_is_named(source: Path, old: str, new: str, fault: str) -> None:
    translate.update("de", source)
    fill_in(source, GERMAN)
    assert translate.faults("de", source) == []
    fill_in(source, {key: text.replace(old, new) for key, text in GERMAN.items() if old in text})
    faults = translate.faults("de", source)
    assert faults
    assert all(fault in said or "`nst.check`" in fault for said in faults)


def test_where_lines_end_is_no_change(source: Path) -> None:
    translate.update("de", source)
    fill_in(source, GERMAN)
    write_lesson(source, LESSON.replace("[the\n# next]", "[the next]").replace("See", "\n# See"))
    assert translate.faults("de", source) == []
    before = translate.messages_path("de", source).read_bytes()
    translate.update("de", source)
    assert translate.messages_path("de", source).read_bytes() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", ["one two"]),
        ("# head\nbody", ["# head\nbody"]),
        ("- one\n  more\n- two", ["- one more\n- two"]),
        ("1. one\n   more\n2. two", ["1. one more\n2. two"]),
        ("it is\n0. So", ["it is 0. So"]),
        ("| a |\n| --- |\n| b |", ["| a |\n| --- |\n| b |"]),
        ("a\n\n\nb", ["a", "b"]),
        ("```\na\n\nb\n```", []),
        ("$$ a\n= b $$", []),
        ("</details>", []),
        ("<details><summary>Hint</summary>\nyes", ["<details><summary>Hint</summary> yes"]),
    ],
)
def test_messages_of_a_text(text: str, expected: list[str]) -> None:
    found = filter(translate.is_text, translate.blocks(text))
    assert [translate.message(block) for block in found] == expected


def test_what_is_not_there_is_refused(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in {
        ("de", "7"): "there is no lesson 07",
        ("de",): "nothing is translated to 'de' yet: name a lesson to begin",
    }.items():
        with pytest.raises(SystemExit) as stopped:
            translate.main(arguments, source.parent.parent)
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err
