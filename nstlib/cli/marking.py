"""The command for instructors: who solved what."""

from __future__ import annotations

import csv
import io
import textwrap
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib.cli._run import printable, say, shown

if TYPE_CHECKING:
    from nstlib.course.marking import Marks

#: How a table says what became of an exercise. It leaves room for a dozen of them in a row.
SHORT = {
    "solved": "yes",
    "not yet": "no",
    "not reached": "-",
    "stopped with an error": "error",
    "ran out of time": "time",
}


def check_notebook(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Notebooks of lessons.", show_default=False),
    ],
    limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long each notebook may run.")
    ] = 600,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the table there as well: .csv."),
    ] = None,
) -> int:
    """Show which exercises are solved in notebooks of lessons.

    Each notebook is run in a process and a folder of its own; the files stay as they are. What
    counts is what the course's checks say in that process, not what a notebook shows. The command
    runs what learners wrote, with all that your account may do: use an account that has nothing to
    lose.

    Exit code 0 if everything is solved, 1 if not, 2 if a FILE is not a notebook of the course.
    """
    from nstlib._checks import check_number
    from nstlib._files import check_output, check_places
    from nstlib.course.exercises import LESSONS
    from nstlib.course.marking import NotebookError, lesson_of, mark, read_notebook

    check_number("limit", limit, above=0)
    if table is not None:
        check_output(table, [".csv"])
        check_places(files, table=table)

    rows: dict[Path, tuple[str, Marks | str]] = {}
    lessons: dict[str, dict[Path, Any]] = {}
    for file in dict.fromkeys(files):
        try:
            notebook = read_notebook(file)
            lessons.setdefault(lesson_of(notebook, file), {})[file] = notebook
        except NotebookError as error:
            rows[file] = ("", str(error))
            say(printable(error.command))

    if table is not None:
        _write(table, files, rows)
    complete = True
    for lesson, notebooks in sorted(lessons.items()):
        names = LESSONS[lesson]
        # No line ends between a number and its name.
        listed = ", ".join(f"{number}\xa0{name}" for number, name in enumerate(names, start=1))
        head = textwrap.fill(f"Lesson {lesson}: {listed}", 80, subsequent_indent="    ")
        print(head.replace("\xa0", " "))
        width = max(_columns(shown(file)) for file in notebooks)
        _line("", width, [*map(str, range(1, len(names) + 1)), "solved"])
        for file, notebook in notebooks.items():
            marks = mark(file, notebook, lesson, limit)
            rows[file] = (lesson, marks)
            if table is not None:
                _write(table, files, rows)
            complete = complete and marks.solved == len(names)
            states = [SHORT[state] for state in marks.states.values()]
            _line(shown(file), width, [*states, f"{marks.solved} of {len(names)}"], marks.note)
        print(flush=True)
    if lessons:
        print("yes: solved; no: not yet; -: not reached;")
        print("error: stopped with an error; time: ran out of time")
    if any(isinstance(found, str) for _, found in rows.values()):
        return 2
    return 0 if complete else 1


def _plain(text: str) -> str:
    """Keep a spreadsheet from computing what begins like a formula."""
    return f"./{text}" if text.startswith(("=", "+", "-", "@")) else text


def _columns(text: str) -> int:
    """Tell how many columns a text takes in a terminal: Korean letters and their like take two.

    Examples
    --------
    >>> _columns("kim.ipynb"), _columns("김.ipynb"), _columns("\u1100\u1175\u11b7.ipynb")
    (9, 8, 8)
    """
    whole = unicodedata.normalize("NFC", text)
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in whole)


def _line(name: str, width: int, cells: list[str], note: str = "") -> None:
    name += " " * (width - _columns(name))
    row = [name, *(cell.ljust(5) for cell in cells[:-1]), cells[-1].ljust(8), note]
    print("  ".join(row).rstrip(), flush=True)


def _write(table: Path, files: list[Path], rows: dict[Path, tuple[str, Marks | str]]) -> None:
    """Write what is known so far, so that Ctrl-C leaves it there."""
    from nstlib._files import atomic_write
    from nstlib.course.exercises import LESSONS

    lessons = sorted({lesson for lesson, _ in rows.values() if lesson})
    names = [name for lesson in lessons for name in LESSONS[lesson]]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["file", "lesson", *names, "solved", "of", "note"])
    for file in dict.fromkeys(files):
        if file not in rows:
            continue
        lesson, found = rows[file]
        cell = _plain(shown(file))
        if isinstance(found, str):
            writer.writerow([cell, "", *("" for _ in names), "", "", _plain(printable(found))])
            continue
        states = [str(found.states.get(name, "")) for name in names]
        writer.writerow([cell, lesson, *states, found.solved, len(found.states), found.note])
    with atomic_write(table) as file_:
        file_.write(text.getvalue().encode("utf-8-sig"))  # the mark tells Excel that it is UTF-8
