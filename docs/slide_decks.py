"""Slides for a class, a deck a lesson, which ``build_site.py`` puts beside the lessons.

A deck is a text of its own, ``slides/NN_name.md``: what somebody says in front of a class is not
what a reader reads. Everything that could drift is taken from the lesson: pictures, questions with
their answers, exercises, objectives. What a text quotes has to stand in the lesson: see `faults`.
A lesson without such a text gets a plain deck: see `draft`.

    # Numbers are not light              a section of the lesson, in its words
    ## Half the light is not 0.5         a slide
    ![Two bars from black to white…]     a picture of the lesson, by how its alt text begins
    Text, *Markdown*, $v^{2.4}$ …        at most 30 words beside a picture
    → 0.74                               a paragraph, or a picture, that comes one step later
    Note: 2 min. …                       what only the speaker sees, to the end of the slide

    ## ? overflow                        a question of the lesson, with its answers
    ## Exercise 1                        an exercise of the lesson

    python docs/slide_decks.py 13        print the plain deck of a lesson, as a beginning
"""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import PIL.Image
import pygments.formatters
import pygments.lexers
import teaching
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

DOCS = Path(__file__).resolve().parent
NOTEBOOKS = DOCS.parent / "notebooks"
DECKS = DOCS / "slides"

#: Of reveal.js: what a deck loads.
REVEAL = ("reveal.js", "reveal.css", "plugin/notes.js")
#: The most pixels of a picture. A slide is 1,280 wide.
WIDTH = 1200
#: A picture that is wider than this, relative to its height, stands below the text.
WIDE = 1.55
#: The most words beside a picture, and without one.
WORDS = (30, 50)

#: The most characters of a line of code in large letters.
LONG = 52

#: Sections of every lesson that teach nothing themselves.
FRAME = ("Learning objectives", "Exercises", "In this lesson you have", "Further reading")

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides: {title}</title>
<link rel="icon" href="../../_static/favicon.svg">
<link rel="stylesheet" href="../reveal/reveal.css">
<link rel="stylesheet" href="../deck.css">
</head><body>
<main><div class="reveal"><div class="slides document">
{slides}
</div></div></main>
<script src="../reveal/reveal.js"></script>
<script src="../reveal/notes.js"></script>
<script src="../deck.js"></script>
</body></html>
"""


class SlideError(Exception):
    """A deck names something that its lesson does not have."""


@dataclass(frozen=True)
class Picture:
    """A picture of a lesson: its file's name beside the deck, what it shows, width and height."""

    name: str
    alt: str
    content: bytes
    size: tuple[int, int]

    @property
    def is_wide(self) -> bool:
        """Whether it stands below the text."""
        return self.size[0] > WIDE * self.size[1]


@dataclass(frozen=True)
class Slide:
    """A slide as its text has it: below which section, its heading, body and notes."""

    section: str
    heading: str
    body: str
    notes: str

    @property
    def minutes(self) -> int:
        """What the notes say that it takes."""
        stated = re.match(r"(\d+) min\b", self.notes)
        return int(stated[1]) if stated else 0

    @property
    def question(self) -> str:
        """The name of the lesson's question that it shows."""
        return self.heading.removeprefix("? ") if self.heading.startswith("? ") else ""

    @property
    def exercise(self) -> int:
        """The number of the lesson's exercise that it shows; 0 if none."""
        found = re.fullmatch(r"Exercise (\d+)", self.heading)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Deck:
    """The slides of a lesson, and what they may take from it."""

    lesson: teaching.Lesson
    slides: tuple[Slide, ...]
    pictures: tuple[Picture, ...]
    said: str
    is_draft: bool

    @property
    def minutes(self) -> int:
        """The minutes of all slides, those for exercises not counted."""
        return sum(slide.minutes for slide in self.slides)


def decks() -> dict[str, Deck]:
    """Read the decks of all lessons, by the lessons' numbers."""
    return {number: deck_of(lesson) for number, lesson in teaching.lessons().items()}


def deck_of(lesson: teaching.Lesson, text: str | None = None) -> Deck:
    """Read the deck of a lesson from a text: from its own, or a plain one if it has none."""
    notebook = nbformat.read(NOTEBOOKS / lesson.page, as_version=4)
    path = DECKS / lesson.page.replace(".ipynb", ".md")
    if text is None and path.exists():
        text = path.read_text("utf-8")
    pictures = tuple(_pictures(notebook))
    said = "\n\n".join([*_said(notebook), lesson.text])
    return Deck(lesson, tuple(_slides(text or draft(notebook))), pictures, said, text is None)


def draft(notebook: Any) -> str:
    """Return a plain deck: a slide for each picture, question and exercise of a lesson."""
    lines: list[str] = []
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for heading in _headings(cell.source):
                section = re.sub(r" \(.*\)$", "", heading)
                if heading not in FRAME:
                    lines.append(f"# {heading}")
                if exercise := re.match(r"Exercise \d+", heading):
                    lines.append(f"## {exercise[0]}")
        asked = re.findall(r'^nst\.check\("(\w+)", \.\.\.\)', cell.source, re.M)
        lines += [f"## ? {name}" for name in asked]
        if section:
            lines += [f"## {section}\n![{alt}]" for _, alt, _ in _pictures_of(cell)]
    return "\n\n".join(lines) + "\n"


# --- What a lesson has ----------------------------------------------------------------------------


def _headings(text: str) -> list[str]:
    return re.findall(r"^#{2,4} (.+)$", text, re.MULTILINE)


def _sections(lesson: teaching.Lesson) -> list[str]:
    return _headings(re.sub(r"^# ", "", lesson.text, flags=re.MULTILINE))


def _pictures(notebook: Any) -> Iterator[Picture]:
    """Find the pictures of a lesson, stored ones and files, in their order."""
    found = (found for cell in notebook.cells for found in _pictures_of(cell))
    for number, (ending, alt, content) in enumerate(found, start=1):
        yield Picture(f"picture{number:02}.{ending}", alt, content, _size(content))


def _pictures_of(cell: Any) -> Iterator[tuple[str, str, bytes]]:
    """Yield how the file's name ends, the alt text and the file, of each picture of a cell."""
    if cell.cell_type == "markdown":
        for alt, name in re.findall(r"^!\[([^]]+)\]\((figures/[^)]+)\)", cell.source, re.M):
            yield Path(name).suffix[1:], " ".join(alt.split()), (NOTEBOOKS / name).read_bytes()
    for output in cell.get("outputs", ()):
        for kind, ending in {"jpeg": "jpg", "png": "png", "svg+xml": "svg"}.items():
            data = output.get("data", {}).get(f"image/{kind}")
            if data:
                alt = " ".join(output.metadata[f"image/{kind}"]["alt"].split())
                yield ending, alt, data.encode() if ending == "svg" else base64.b64decode(data)


def _size(content: bytes) -> tuple[int, int]:
    if content.startswith(b"<svg"):
        width, height = re.findall(rb'\s(?:width|height)="([\d.]+)"', content)[:2]
        return round(float(width)), round(float(height))
    with PIL.Image.open(io.BytesIO(content)) as picture:
        return picture.size


def _smaller(picture: Picture) -> bytes:
    """Reduce a photograph to what a slide can show."""
    if not picture.name.endswith(".jpg"):
        return picture.content
    image: PIL.Image.Image = PIL.Image.open(io.BytesIO(picture.content))
    image.thumbnail((WIDTH, WIDTH), PIL.Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=78, optimize=True, progressive=True)
    return min(picture.content, buffer.getvalue(), key=len)


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def _said(notebook: Any) -> Iterator[str]:
    """Yield everything that a lesson says: its cells, what they print, what its pictures show."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", ()):
            yield from output.get("text", "").splitlines()
            yield output.get("data", {}).get("text/plain", "")
            yield from (
                data.get("alt", "")
                for data in output.get("metadata", {}).values()
                if isinstance(data, dict)
            )


def _choice(deck: Deck, name: str) -> tuple[str, dict[str, str], str, str]:
    """Return a question of the lesson, its answers, the right letter and why it is right."""
    from nstlib.course.exercises import _engine as engine

    before, asked, _ = deck.lesson.text.partition(f'nst.check("{name}"')
    if not asked or name not in engine.CHOICES:
        raise SlideError(f"lesson {deck.lesson.number} has no question {name!r}")
    choice = engine.CHOICES[name]
    return choice.text, teaching.answers(before), choice.right, choice.reasons[choice.right]


def _exercise(deck: Deck, number: int) -> teaching.Exercise:
    for exercise in deck.lesson.exercises:
        if exercise.number == number:
            return exercise
    raise SlideError(f"lesson {deck.lesson.number} has no exercise {number}")


# --- From a text to slides ------------------------------------------------------------------------


def _slides(text: str) -> Iterator[Slide]:
    """Cut a text at its headings. What stands before the first one belongs to the title."""
    section, heading, fenced, is_slide = "", "", False, True
    lines: list[str] = []
    for line in [*text.splitlines(), "# "]:
        fenced ^= line.startswith("```")
        found = None if fenced else re.match(r"(##?) (.*)", line)
        if not found:
            lines.append(line)
            continue
        if is_slide:
            body, _, notes = "\n".join(lines).partition("Note:")
            yield Slide(section, heading, body.strip(), " ".join(notes.split()))
        lines, is_slide = [], found[1] == "##"
        if is_slide:
            heading = found[2]
        else:
            section = found[2]


def _picture(deck: Deck, slide: Slide) -> Picture | None:
    """Return the picture that a slide shows: the one whose alt text begins so."""
    if not slide.heading:
        return deck.pictures[0] if deck.pictures else None
    shown = re.search(r"^(?:→ )?!\[([^]…]+)…?\]$", slide.body, re.MULTILINE)
    if shown is None:
        return None
    found = [picture for picture in deck.pictures if picture.alt.startswith(shown[1])]
    if len(found) != 1:
        raise SlideError(f"{len(found)} pictures of the lesson begin with {shown[1]!r}")
    return found[0]


def _blocks(body: str) -> tuple[list[str], list[str], str]:
    """Return a slide's paragraphs, those that come a step later, and the line with the picture."""
    blocks, fenced = [""], False
    for line in body.splitlines():
        fenced ^= line.startswith("```")
        if line or fenced:
            blocks[-1] += f"{line}\n"
        else:
            blocks.append("")
    pictures = [block.strip() for block in blocks if re.match(r"(?:→ )?!\[", block)]
    texts = [block for block in blocks if block.strip() and block.strip() not in pictures]
    later = [text.removeprefix("→ ") for text in texts if text.startswith("→ ")]
    now = [text for text in texts if not text.startswith("→ ")]
    return now, later, "".join(pictures)


def _highlighted(code: str, language: str, _: str) -> str:
    """Write code as HTML, from the left margin on, and smaller where its lines are long."""
    formatter = pygments.formatters.HtmlFormatter(nowrap=True, noclasses=True, style="a11y-light")
    lexer = pygments.lexers.get_lexer_by_name(language or "text", stripnl=False)
    code = textwrap.dedent(code)
    size = "long" if max(map(len, code.splitlines())) > LONG else "short"
    return f'<pre class="{size}"><code>{pygments.highlight(code, lexer, formatter)}</code></pre>'


def _formula(tex: str, options: dict[str, Any]) -> str:
    """Leave a formula to ``formulas.mjs``."""
    begin, end = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{begin}{html.escape(tex)}{end}"


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted})
    return parser.enable("table").use(dollarmath_plugin, renderer=_formula)


def _html(paragraphs: list[str]) -> str:
    return str(_markdown().render("\n\n".join(paragraphs)))


def _line(text: str) -> str:
    return str(_markdown().renderInline(text))


def write(folder: Path, notebooks: Path, packages: Path) -> None:
    """Write all decks, and what they load, to a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The site's ``slides``.
    notebooks : pathlib.Path
        The site's ``notebooks``, whose sections the slides link to.
    packages : pathlib.Path
        Where npm's packages are.
    """
    (folder / "reveal").mkdir(parents=True)
    for name in REVEAL:
        shutil.copy2(packages / "reveal.js" / "dist" / name, folder / "reveal")
    for path in (*DECKS.glob("*.js"), *DECKS.glob("*.css")):
        shutil.copy2(path, folder)
    for number, deck in decks().items():
        here = folder / number
        here.mkdir()
        page = (notebooks / deck.lesson.page).with_suffix(".html").read_text("utf-8")
        try:
            shown = {picture.name: picture for s in deck.slides if (picture := _picture(deck, s))}
            (here / "index.html").write_text(_page(deck, page), "utf-8")
        except SlideError as error:
            raise SlideError(f"slides of lesson {number}: {error}") from error
        for name, picture in shown.items():
            (here / name).write_bytes(_smaller(picture))


def _page(deck: Deck, page: str) -> str:
    """Write a deck, with links to the sections of a lesson's page."""
    ids = re.findall(r'<section id="([^"]+)">\s*(?:<span id="[^"]*"></span>)*<h[2-4]>', page)
    headings = _sections(deck.lesson)
    if len(ids) != len(headings):
        raise SlideError("the lesson's page has other sections than its source")
    path = f"../../notebooks/{deck.lesson.page.replace('.ipynb', '.html')}"
    places = {heading: f"{path}#{place}" for heading, place in zip(headings, ids, strict=True)}
    title, *others = deck.slides
    slides = [_title(deck, title, path), _objectives(deck, places)]
    slides += [_slide(deck, slide, places) for slide in others]
    name = f"{deck.lesson.number} · {deck.lesson.title}"
    return PAGE.format(title=html.escape(name), slides="\n".join(slides))


def _title(deck: Deck, slide: Slide, path: str) -> str:
    lesson = deck.lesson
    promise = re.search(r"^# (After this lesson (?:.|\n)+?)\n(?:#\n|\n)", lesson.text, re.M)
    if promise is None:
        raise SlideError("the lesson does not say what one can do after it")
    words = _html([re.sub(r"\n# ", " ", promise[1])])
    heading = f"<h1>{lesson.number} · {_line(lesson.title)}</h1>"
    keys = (
        f'<a href="{path}">The lesson</a>'
        '<span class="keys"> · keys: → on, S notes, O overview, ? all</span>'
    )
    return _section("title", heading, words, _picture(deck, slide), "", keys, slide.notes)


def _objectives(deck: Deck, places: dict[str, str]) -> str:
    listed = deck.lesson.text.partition("# ## Learning objectives")[2].partition("# %%")[0]
    listed = re.sub(r"^# ?", "", listed.partition("# ##")[0], flags=re.MULTILINE)
    items = re.split(r"\n(?!-|  )", listed.strip())[0]
    heading = "<h2>What you will be able to do</h2>"
    link = _link("Learning objectives", places)
    return _section("objectives", heading, _html([items]), None, "", link, "1 min. Read one aloud.")


def _slide(deck: Deck, slide: Slide, places: dict[str, str]) -> str:
    now, later, line = _blocks(slide.body)
    kind, heading, notes = "idea", slide.heading, slide.notes
    words, answer = _html(now), _html(later)
    if slide.question:
        text, answers, right, why = _choice(deck, slide.question)
        kind, heading = "question", text
        listed = (f"<li><b>{letter}</b>{_line(text)}</li>" for letter, text in answers.items())
        words += f"<ul>{''.join(listed)}</ul>"
        answer = f"<p><b>{right}:</b> {html.escape(why)}</p>{answer}"
    elif slide.exercise:
        exercise = _exercise(deck, slide.exercise)
        kind, heading = "exercise", f"Exercise {exercise.number} · {exercise.title}"
        stated = f"{exercise.minutes} minutes" if exercise.minutes else exercise.stated
        words = f'<p class="minutes">{stated}</p>{words}'
    elif heading.startswith(("Guess", "What goes wrong")):
        kind = heading.split(":")[0].split()[-1].lower()
    picture = _picture(deck, slide)
    link = _link(slide.section, places)
    picture_later = line.startswith("→")
    heading = f"<h2>{_line(heading)}</h2>"
    return _section(kind, heading, words, picture, answer, link, notes, picture_later)


def _link(section: str, places: dict[str, str]) -> str:
    if section not in places:
        raise SlideError(f"the lesson has no section {section!r}")
    return f'<a href="{places[section]}">{_line(section)}</a>'


def _section(
    kind: str,
    heading: str,
    words: str,
    picture: Picture | None,
    answer: str,
    foot: str,
    notes: str,
    picture_later: bool = False,
) -> str:
    """Return a slide's HTML: heading, words, picture, answer, and where the lesson says it."""
    layout, figure = "plain", ""
    if picture:
        beside = kind == "question" or not picture.is_wide
        layout = "tall" if beside and words + answer else "wide"
        later = ' class="fragment"' if picture_later else ""
        image = f'<img src="{picture.name}" alt="{html.escape(picture.alt)}">'
        figure = f"<figure{later}>{image}</figure>"
    answer = f'<div class="answer fragment">{answer}</div>' if answer else ""
    words = f'<div class="words">{words}</div>' if words else ""
    return (
        f'<section class="{kind}"><div class="slide {layout}">{heading}{words}{figure}{answer}'
        f'<footer>{foot}</footer></div><aside class="notes">{_html([notes])}</aside></section>'
    )


def table() -> str:
    """Return a table of the decks, for the page that explains them."""
    rows = [
        [
            f'<a href="../slides/{number}/index.html">'
            f"{number} {html.escape(deck.lesson.title)}</a>",
            str(len(deck.slides) + 1),
            str(deck.minutes) if deck.minutes else "",
            ", ".join(str(slide.exercise) for slide in deck.slides if slide.exercise),
        ]
        for number, deck in decks().items()
    ]
    return teaching.table(["deck", "slides", "minutes", "exercise on a slide"], rows)


def sections(deck: Deck) -> str:
    """Return a line with the minutes that a deck plans for each section of its lesson."""
    talk: dict[str, int] = {}
    for slide in deck.slides:
        section = re.sub(r" \(.*\)$", "", slide.section) or "Opening"
        work = _exercise(deck, slide.exercise).minutes if slide.exercise else 0
        talk[section] = talk.get(section, 0) + slide.minutes + (work or 0)
    listed = "; ".join(f"{section} **{minutes}**" for section, minutes in talk.items())
    return f"**Minutes:** {listed}.\n"


# --- What must be right ---------------------------------------------------------------------------


def faults(deck: Deck) -> Iterator[str]:
    """Say what a deck's text has that its lesson has not, and where it says too much or nothing.

    Code and printed lines are compared line by line. A number outside of formulas has to occur
    somewhere in the lesson, since numbers are what changes when a lesson is built anew. Those of a
    table's row have to occur together, in a paragraph or in a printed line.
    """
    known = _numbers(deck.said)
    passages = [_numbers(passage) for passage in re.split(r"\n\s*\n", deck.said)]
    lines = {line.strip(" #") for line in deck.said.splitlines()}
    sections = _sections(deck.lesson)
    for slide in deck.slides:
        where = f"{deck.lesson.number}, {slide.heading or 'title'!r}"
        try:
            _picture(deck, slide)
            if slide.question:
                _choice(deck, slide.question)
            if slide.exercise:
                _exercise(deck, slide.exercise)
        except SlideError as error:
            yield f"{where}: {error}"
        if slide.heading and slide.section not in sections:
            yield f"{where}: the lesson has no section {slide.section!r}"
        now, later, _ = _blocks(slide.body)
        text = "\n\n".join([*now, *later])
        for code in re.findall(r"```\w*\n(.*?)```", text, re.S):
            for line in code.splitlines():
                if line.strip() not in lines:
                    yield f"{where}: the lesson does not say {line.strip()!r}"
        prose = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|https?:\S+", " ", text, flags=re.S)
        spoken = re.sub(r"^\d+ min\b", "", slide.notes)
        for number in sorted(_numbers(f"{slide.heading} {prose} {spoken}") - known):
            yield f"{where}: the lesson has no number {number}"
        for row in re.findall(r"^\|.*", prose, re.MULTILINE):
            is_summary = re.search(r"\d (to|…) \d", row)  # of several lines
            if not is_summary and not any(_numbers(row) <= passage for passage in passages):
                yield f"{where}: the lesson has the numbers of {row!r} nowhere together"
        words, most = len(re.findall(r"\S*\w\S*", prose)), WORDS["![" not in slide.body]
        if words > most:
            yield f"{where}: {words} words, at most {most}"
        if "$" in slide.notes:
            yield f"{where}: no formulas in notes, because the speaker's window can't draw them"
        if not deck.is_draft and not slide.exercise and not slide.minutes:
            yield f"{where}: the notes begin with the minutes that it takes, '2 min.'"
    least = deck.lesson.read
    if not deck.is_draft and not least <= deck.minutes <= 2 * least:
        yield f"{deck.lesson.number}: {deck.minutes} minutes, and {least} to read"


if __name__ == "__main__":
    found = teaching.lessons()[sys.argv[1]]
    print(draft(nbformat.read(NOTEBOOKS / found.page, as_version=4)), end="")
