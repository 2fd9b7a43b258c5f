"""Translate lessons: the text in another language, over the code and outputs of the English lesson.

``sources/ko/04_texture_synthesis.po`` holds each paragraph of lesson 04, and each alternative text
of a picture, with its Korean. The notebook ``ko/04_texture_synthesis.ipynb`` is the English one
with these put in place: the same code, and the same outputs, which are copied. Nothing runs again.
Such notebooks are not committed; ``make lab`` and ``make site`` write them.

    python notebooks/translate.py            write all translated notebooks
    python notebooks/translate.py ko 04      begin to translate lesson 04, or take up what changed
    python notebooks/translate.py --check    only say what is not translated
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import build
import nbformat
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from build import Edition, Notebook

#: What stands below the title of a translated lesson; ``original`` becomes the English lesson.
NOTE = (
    "*Translated from [the English lesson](original). The code, its comments and what it prints "
    "are in English, also what `nst.check` answers.*"
)
#: What a translation takes over unchanged.
KEPT = {
    "code": re.compile(r"`[^`]+`|<code>.*?</code>"),
    "formulas": re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL),
    "links": re.compile(r"\]\([^)]+\)"),
    "HTML": re.compile(r"</?(?:details|summary|img|a)\b[^>]*>"),
}


# --- Paragraphs -----------------------------------------------------------------------------------


def blocks(text: str) -> list[str]:
    """Split the text of a cell at empty lines, but not inside a fenced block of code."""
    found: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if line.strip() or fenced:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in found if lines]


def is_text(block: str) -> bool:
    """Return whether there is anything to translate: not in code, a formula or a lone tag."""
    words = re.sub(r"```.*|\$\$.+?\$\$|\$[^$]+\$|`[^`]+`|<[^>]*>", "", block, flags=re.DOTALL)
    return bool(re.search(r"[^\W\d_]", words))


def message(block: str) -> str:
    """Return a block with each paragraph, list item and table row on a line of its own.

    So where the lines of the source end makes no difference.
    """
    starts = r" *(?:[-*] |\||<|\$\$|#)"
    if re.match(r" *1\. ", block):
        starts += r"| *\d+\. "
    lines: list[str] = []
    for line in block.splitlines():
        if lines and not re.match(starts, line) and not lines[-1].startswith("#"):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)


# --- Files ----------------------------------------------------------------------------------------


def translations(folder: Path = build.FOLDER) -> list[tuple[str, Path]]:
    """Return the translations there are: the language, and the source of the English lesson."""
    return [
        (path.parent.name, folder / "sources" / f"{path.stem}.py")
        for path in sorted(folder.glob("sources/*/[0-9][0-9]_*.po"))
    ]


def messages_path(language: str, source: Path) -> Path:
    """Return where the messages of a lesson stand."""
    return source.parent / language / f"{source.stem}.po"


def notebook_path(language: str, source: Path, edition: Edition) -> Path:
    """Return where an edition of a translated lesson is written."""
    english = build.notebook_path(source, edition)
    folder = source.parent.parent
    return folder / language / english.relative_to(folder)


def english(source: Path, edition: Edition) -> Notebook:
    """Return the English notebook, with links that count from ``notebooks/`` in both editions."""
    notebook = nbformat.read(build.notebook_path(source, edition), as_version=4)
    if edition == "solution":
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = build.relink(cell.source, lambda target: target.removeprefix("../"))
    return notebook


def alt_texts(cell: Notebook) -> Iterator[Notebook]:
    """Yield what an output of a cell says of its picture: a dict with the key ``alt``."""
    for output in cell.get("outputs", []):
        for said in output.get("metadata", {}).values():
            if isinstance(said, dict) and said.get("alt"):
                yield said


def template(source: Path) -> Catalog:
    """Collect what there is to translate in a lesson, in its order, with where it stands."""
    catalog = Catalog()
    catalog.add(NOTE, auto_comments=["below the title; keep (original)"])
    for edition in build.EDITIONS:
        heading = ""
        for cell in english(source, edition).cells:
            if cell.cell_type == "markdown":
                for block in filter(is_text, blocks(cell.source)):
                    if block.startswith("#"):
                        heading = block.splitlines()[0].lstrip("# ")
                    text = message(block)
                    if text not in catalog:
                        comment = "in the solutions, " if edition == "solution" else ""
                        catalog.add(text, auto_comments=[f"{comment}under: {heading}"])
            for said in alt_texts(cell):
                if said["alt"] not in catalog:
                    comment = f"alternative text of a picture, under: {heading}"
                    catalog.add(said["alt"], auto_comments=[comment])
    return catalog


def read(language: str, source: Path) -> Catalog:
    """Read the messages of a lesson; there may be none yet."""
    path = messages_path(language, source)
    if not path.exists():
        return Catalog(
            locale=language,
            header_comment=f"# {source.stem}. Licence: CC BY 4.0, see notebooks/LICENSE.",
            project="Neural style transfer, hands on",
            version="1",
            msgid_bugs_address="see CONTRIBUTING.md",
            last_translator="the authors of nstlib",
            language_team=language,
            fuzzy=False,
        )
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(language: str, source: Path) -> Catalog:
    """Bring a lesson's messages up to date with the English text.

    A new paragraph gets no translation. A changed one keeps the old translation, marked as fuzzy,
    with the English that it was made from. The file is written only if that changes anything.
    """
    path = messages_path(language, source)
    catalog = read(language, source)
    before = [(m.id, m.string, m.auto_comments) for m in catalog if m.id]
    catalog.update(template(source), update_creation_date=False)
    if before != [(m.id, m.string, m.auto_comments) for m in catalog if m.id]:
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        write_po(buffer, catalog, width=100, ignore_obsolete=True, include_previous=True)
        # Babel wraps the former English as if it were a comment, also in the middle of a string.
        text = re.sub(r"\n#\| (?!msgid)", " ", buffer.getvalue().decode("utf-8"))
        path.write_text(text, encoding="utf-8")
    return catalog


# --- What must be right ---------------------------------------------------------------------------


def faults(language: str, source: Path) -> list[str]:
    """Say what keeps a lesson from being whole in a language: one line for each paragraph."""
    known = {str(m.id): m for m in read(language, source) if m.id}
    wanted = template(source)
    found = []
    for text in (str(m.id) for m in wanted if m.id):
        name = repr(text if len(text) <= 60 else f"{text[:57]}...")
        if text not in known or not known[text].string:
            found.append(f"{name} is not translated")
        elif known[text].fuzzy:
            found.append(f"{name} has changed in English since it was translated (fuzzy)")
        else:
            translation = str(known[text].string)
            for what, pattern in KEPT.items():
                here, there = set(pattern.findall(text)), set(pattern.findall(translation))
                if here != there:
                    odd = ", ".join(sorted(here ^ there))
                    found.append(f"{name}: the translation differs in its {what}: {odd}")
    gone = [text for text in known if text not in wanted]
    found += [f"{text[:57]!r} does not stand in the lesson any more" for text in gone]
    return found


def remedy(language: str, source: Path) -> str:
    """Say what to do when there are faults."""
    path = messages_path(language, source).relative_to(source.parent.parent.parent)
    return (
        f"Run `make translations TO={language} LESSONS={source.stem[:2]}`, translate what is empty "
        f"or marked as fuzzy in {path}, remove these marks, and run it again."
    )


# --- The notebook ---------------------------------------------------------------------------------


def translated(language: str, source: Path, edition: Edition) -> Notebook:
    """Return an edition of a lesson in another language; what is not translated stays English."""
    known = {str(m.id): str(m.string) for m in read(language, source) if m.string and not m.fuzzy}
    there = {path.stem for to, path in translations(source.parent.parent) if to == language}
    up = "../../" if edition == "solution" else "../"

    def link(target: str) -> str:
        """Lead to translated lessons where there are, and else out of the language's folder."""
        if target == "original":
            name = build.notebook_path(source, edition).relative_to(source.parent.parent)
            return f"{up}{name.as_posix()}"
        lesson = target.removeprefix("solutions/")
        if build.LESSON_LINK.fullmatch(lesson):
            if Path(lesson).stem in there:
                return build.link_from_solutions(target) if edition == "solution" else target
            return f"{up}solutions/{lesson}" if edition == "solution" else f"{up}{target}"
        return f"{up}{target}"

    def translate(block: str) -> str:
        return build.relink(known.get(message(block), block), link)

    notebook = english(source, edition)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            texts = blocks(cell.source)
            if number == 0:
                texts.insert(1, NOTE)
            cell.source = "\n\n".join(map(translate, texts))
        for said in alt_texts(cell):
            said["alt"] = known.get(said["alt"], said["alt"])
    return notebook


def main(arguments: Sequence[str] | None = None, folder: Path = build.FOLDER) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Write the translated lessons.")
    parser.add_argument("language", nargs="?", help="a code such as ko; default: all there are")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons")
    parser.add_argument("--check", action="store_true", help="only say what is not translated")
    options = parser.parse_args(arguments)

    chosen = translations(folder)
    if options.lessons:
        numbers = {number.zfill(2) for number in options.lessons}
        sources = [source for source in build.sources(folder) if source.stem[:2] in numbers]
        if unknown := numbers - {source.stem[:2] for source in sources}:
            parser.error(f"there is no lesson {', '.join(sorted(unknown))}")
        chosen = [(options.language, source) for source in sources]
    elif options.language:
        chosen = [(to, source) for to, source in chosen if to == options.language]
        if not chosen:
            parser.error(
                f"nothing is translated to {options.language!r} yet: name a lesson to begin"
            )

    missing = 0
    for language, source in chosen:
        if options.lessons and not options.check:
            update(language, source)
        wrong = faults(language, source)
        name = messages_path(language, source).relative_to(folder)
        if wrong:
            missing += 1
            lines = "\n  ".join([*wrong, remedy(language, source)])
            print(f"{name}: {len(wrong)} to do\n  {lines}")
        if options.check:
            continue
        for edition in build.EDITIONS:
            path = notebook_path(language, source, edition)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = nbformat.writes(translated(language, source, edition)) + "\n"
            path.write_text(text, encoding="utf-8")
            print(f"written  {path.relative_to(folder)}")
    return 1 if missing and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
