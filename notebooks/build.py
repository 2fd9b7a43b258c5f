"""Build the lessons' notebooks from their sources: the one command behind ``make lessons``.

A lesson is edited in ``sources/NN_name.py`` (jupytext, py:percent) and nowhere else. From it come
the learner edition ``NN_name.ipynb``, with its exercises open, and the solution edition
``solutions/NN_name.ipynb``. A cell tagged ``learner`` or ``solution`` goes into that edition alone,
and the tag stays behind; all other tags come along.

Each edition is executed in the folder it stands in, as JupyterLab and nbval do, and is written only
if nothing is wrong with it: see `source_faults`, `output_faults` and `build`.

    python notebooks/build.py              build every lesson
    python notebooks/build.py 02 03        build these
    python notebooks/build.py --check      only say which notebooks are stale
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from nstlib.course.kernels import KernelManager

Edition = Literal["learner", "solution"]
Notebook = Any  # nbformat's NotebookNode, a dict whose keys are also attributes
Check = Callable[[Notebook], Iterator[str]]

FOLDER = Path(__file__).resolve().parent
EDITIONS: tuple[Edition, ...] = ("learner", "solution")

TABLE_ROWS = ("Prerequisites", "Time to read", "Time to run on 2 cores", "Downloads")
# What an exercise's check prints until there is an answer, and how it begins when there is one.
OPEN = "still open"
RIGHT, WRONG = "✓", "✗"

# JupyterLab's "Run All Cells", nbclient and nbval all know this one tag for an error on purpose.
RAISES = "raises-exception"
UNCOMPARED = "nbval-ignore-output"

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


class LessonError(Exception):
    """A lesson cannot be built. The message says which, where and why."""


# --- From a source to an unexecuted notebook ------------------------------------------------------


def sources(folder: Path = FOLDER) -> list[Path]:
    """Return the lessons' sources in their order."""
    return sorted((folder / "sources").glob("[0-9][0-9]_*.py"))


def notebook_path(source: Path, edition: Edition) -> Path:
    """Return where an edition of a lesson stands."""
    folder = source.parent.parent / ("solutions" if edition == "solution" else "")
    return folder / f"{source.stem}.ipynb"


def draft(source: Path, edition: Edition) -> Notebook:
    """Return an edition of a lesson as its source gives it, not executed.

    A cell's id is made from the lesson's name and the cell's text, so changing one cell leaves the
    ids of the others, and with them the diff, alone.
    """
    import jupytext  # learners, who only translate, don't have it

    others = {name for name in EDITIONS if name != edition}
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    seen: dict[str, int] = {}
    for cell in jupytext.read(source, fmt="py:percent").cells:
        tags = cell.metadata.get("tags", [])
        if others.intersection(tags):
            continue
        text = cell.source
        if cell.cell_type == "markdown" and edition == "solution":
            text = relink(text, link_from_solutions)
        repeat = seen[text] = seen.get(text, -1) + 1
        key = f"{source.stem}\0{cell.cell_type}\0{text}\0{repeat}"
        new_cell = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell.cell_type]
        kept = [tag for tag in tags if tag not in EDITIONS]
        hidden = cell.metadata.get("jupyter")
        notebook.cells.append(
            new_cell(
                text,
                id=hashlib.sha256(key.encode()).hexdigest()[:12],
                metadata=({"tags": kept} if kept else {}) | ({"jupyter": hidden} if hidden else {}),
            )
        )
    return notebook


_LINK = re.compile(
    r"""(?P<before>\]\(|\b(?:src|href)=["'])(?P<target>[^)\s"'#]+)(?=(?:\#(?P<fragment>[^)\s"]+))?)"""
)


#: How the target of a link to a lesson begins and ends.
LESSON_LINK = re.compile(r"\d\d_\w+\.ipynb")


def _is_local(target: str) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:|//", target, flags=re.IGNORECASE)


def relink(text: str, change: Callable[[str], str]) -> str:
    """Change the target of each local link; what stands behind a ``#`` is left alone."""

    def rewrite(match: re.Match[str]) -> str:
        target = match["target"]
        return match["before"] + (change(target) if _is_local(target) else target)

    return _LINK.sub(rewrite, text)


def link_from_solutions(target: str) -> str:
    """Turn a target that counts from ``notebooks/`` into one for the solutions' folder.

    Links to another lesson lead to its solution edition.
    """
    if LESSON_LINK.fullmatch(target):
        return target
    if target.startswith("solutions/"):
        return target.removeprefix("solutions/")
    return f"../{target}"


# --- What must be right ---------------------------------------------------------------------------
# Each check looks at one notebook and yields a line for each fault. The builder asks them before it
# writes a notebook; the tests ask them again of the notebooks that are committed.


def missing_sections(notebook: Notebook) -> Iterator[str]:
    """Find missing or misplaced sections: title, table, objectives, exercises, summary, reading."""
    text = _prose(notebook)
    if not text.startswith("# "):
        yield "the first cell must be the title, '# ...'"
    marks = [rf"^\|[ *]*{row}[ *]*\|[ ]*[^ |]" for row in TABLE_ROWS]
    marks.append(r"^## Learning objectives$")
    exercises = [int(number) for number in re.findall(r"^#{2,4} Exercise (\d+)\b", text, re.M)]
    if len(exercises) < 3 or exercises != list(range(1, len(exercises) + 1)):
        yield (
            "at least three exercises, headed '### Exercise 1 ...' and so on, are needed; "
            f"found numbers {exercises}"
        )
    marks += [rf"^#{{2,4}} Exercise {number}\b" for number in exercises]
    marks += [r"^## In this lesson you have$", r"^## Further reading$"]
    end = 0
    for mark in marks:
        found = re.compile(mark, re.M).search(text, end)
        if found is None:
            where = "stands too early" if re.search(mark, text, re.M) else "is missing"
            yield f"what matches {mark!r} {where}"
        else:
            end = found.end()
    objectives = re.search(r"^## Learning objectives$(.*?)(?=^#|\Z)", text, re.M | re.S)
    if objectives and not 3 <= len(re.findall(r"^[-*\d]", objectives[1], re.M)) <= 5:
        yield "'## Learning objectives' must list three to five"
    try:
        stated_seconds(notebook)
    except LessonError as error:
        yield str(error)


def out_of_order(notebook: Notebook) -> Iterator[str]:
    """Find code cells that did not run, or not once from top to bottom."""
    for number, cell in enumerate(_code_cells(notebook), start=1):
        if cell.execution_count != number:
            count = cell.execution_count
            yield f"{_place(number, cell)} has execution count {count}, expected {number}"


def unannounced_errors(notebook: Notebook) -> Iterator[str]:
    """Find errors without the tag for errors on purpose, and the tag without an error."""
    for number, cell in enumerate(_code_cells(notebook), start=1):
        names = [output.ename for output in cell.outputs if output.output_type == "error"]
        if names and RAISES not in _tags(cell):
            yield f"{_place(number, cell)} raised {names[0]} and is not tagged {RAISES}"
        if not names and RAISES in _tags(cell):
            yield f"{_place(number, cell)} is tagged {RAISES} and raised nothing"


def words_on_stderr(notebook: Notebook) -> Iterator[str]:
    """Find warnings and frozen progress bars, which no learner should see."""
    for number, cell in enumerate(_code_cells(notebook), start=1):
        if {RAISES, UNCOMPARED}.intersection(_tags(cell)):
            continue
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{_place(number, cell)} wrote to stderr: {output.text.strip()[:500]}"


def machine_paths(notebook: Notebook) -> Iterator[str]:
    """Find outputs that name a folder of the machine that the lesson was built on."""
    here = {str(FOLDER.parent), str(Path.home())} - {"/"}
    paths = re.compile(
        "|".join(map(re.escape, sorted(here)))
        + r"|/root\b|/home/|/Users/|/tmp\b|site-packages|[A-Z]:\\Users"
    )
    for number, cell in enumerate(_code_cells(notebook), start=1):
        for text in _texts(cell):
            if found := paths.search(text):
                line = next(part for part in text.splitlines() if found[0] in part)
                yield f"{_place(number, cell)} shows a path of this machine: {line.strip()[:200]}"


def missing_alt_texts(notebook: Notebook) -> Iterator[str]:
    """Find pictures that don't say in words what they show (``metadata["image/png"]["alt"]``)."""
    for number, cell in enumerate(_code_cells(notebook), start=1):
        for output in cell.outputs:
            for kind in output.get("data", {}):
                alt = output.metadata.get(kind, {}).get("alt", "")
                if kind.startswith("image/") and not alt.strip():
                    yield f"{_place(number, cell)} shows a picture without alt text"


def exercises_open_or_solved(notebook: Notebook, edition: Edition) -> Iterator[str]:
    """Find exercises that give their answer away, and answers that are missing or wrong."""
    said: dict[str, str] = {}
    exercise = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for heading in re.findall(r"^#{2,4} (.*)$", cell.source, re.M):
                exercise = heading if heading.startswith("Exercise ") else ""
                if exercise:
                    said[exercise] = ""
        elif cell.cell_type == "code" and exercise:
            said[exercise] += "\n".join(["", *_texts(cell)])
    for name, text in said.items():
        if edition == "learner" and OPEN not in text:
            yield f"no cell of {name!r} says that it is {OPEN!r}: does it give the answer away?"
        if edition == "solution" and OPEN in text:
            yield f"{name!r} is {OPEN!r} in the solution edition"
        if edition == "solution" and f"\n{WRONG}" in text:
            yield f"{name!r} is answered wrongly in the solution edition"


def choices_open_or_solved(notebook: Notebook, edition: Edition) -> Iterator[str]:
    """Find multiple-choice questions that the wrong edition answers, or leaves open."""
    unwanted = f"^{RIGHT} " if edition == "learner" else f"^(?:{WRONG} |.*{OPEN})"
    for number, cell in enumerate(_code_cells(notebook), start=1):
        for text in _texts(cell):
            if "nst.check(" in cell.source and re.search(unwanted, text, re.M):
                yield f"{_place(number, cell)} says in the {edition} edition: {text.strip()[:80]}"


_TIME = re.compile(
    r"\b(?:faster|slower|quicker|fastest|slowest|as (?:fast|quick|slow|long)|took|fps|"
    r"(?:milli|micro)seconds?|(?:a |per )second|seconds|minutes?|threads?|cores|"
    r"\d+(?:\.\d+)?\s?(?:ms|µs|s|sec|min))\b",
    re.IGNORECASE,
)


def times_compared(notebook: Notebook) -> Iterator[str]:
    """Find outputs that speak of time and are compared: a busy machine would give others.

    What an exercise's check says is known beforehand, also where it speaks of seconds.
    """
    for number, cell in enumerate(_code_cells(notebook), start=1):
        if UNCOMPARED in _tags(cell):
            continue
        for output in cell.outputs:
            data = output.get("data", {})
            pictured = any(kind.startswith("image/") for kind in data)  # its text is fixed
            text = output.get("text", "") + ("" if pictured else data.get("text/plain", ""))
            for line in text.splitlines():
                if not line.startswith((RIGHT, WRONG)) and (found := _TIME.search(line)):
                    yield (
                        f"{_place(number, cell)} is compared and says {found[0]!r} "
                        f"({line.strip()}): count instead, or tag the cell {UNCOMPARED}"
                    )


OUTPUT_CHECKS: tuple[Check, ...] = (
    unannounced_errors,
    out_of_order,
    words_on_stderr,
    machine_paths,
    missing_alt_texts,
    times_compared,
)


def broken_links(
    notebook: Notebook, path: Path, folder: Path | None = None, planned: Sequence[Path] = ()
) -> Iterator[str]:
    """Find local links that lead nowhere, or where JupyterLab cannot follow.

    `path` is where the notebook stands. ``make lab`` serves ``notebooks/``, so a link that leaves
    that `folder` would work on a website only. A link may name a heading of a Markdown file, or a
    notebook that is not built yet: one that the sources give, or one of those `planned`.
    """
    if folder is None:
        folder = path.parent.parent if path.parent.name == "solutions" else path.parent
    folder = folder.resolve()
    there = {*expected_notebooks(folder), *planned}
    for match in _LINK.finditer(_prose(notebook)):
        target = match["target"]
        if not _is_local(target):
            continue
        file = (path.parent / target).resolve()
        if not file.is_relative_to(folder):
            yield f"the link {target!r} leaves {folder.name}/"
        elif not file.exists() and file not in there:
            yield f"the link {target!r} leads nowhere"
        elif file.suffix == ".md" and match["fragment"]:
            headings = heading_ids(file.read_text(encoding="utf-8"))
            if (fragment := match["fragment"]) not in headings:
                yield f"{target} has no heading for the link '#{fragment}'"


def heading_id(heading: str) -> str:
    """Return what links call a heading, in JupyterLab and on the site."""
    return heading.replace(" ", "-")


def heading_ids(text: str) -> set[str]:
    """Return what links call the headings of a Markdown text."""
    return {heading_id(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}


def source_faults(notebook: Notebook, path: Path) -> list[str]:
    """Return what can be seen to be wrong before a notebook is run."""
    return [*missing_sections(notebook), *broken_links(notebook, path)]


def output_faults(notebook: Notebook, edition: Edition) -> list[str]:
    """Return what is wrong with the outputs of an executed notebook."""
    faults = [fault for check in OUTPUT_CHECKS for fault in check(notebook)]
    faults.extend(exercises_open_or_solved(notebook, edition))
    faults.extend(choices_open_or_solved(notebook, edition))
    return faults


def stated_seconds(notebook: Notebook) -> float:
    """Return the run time that the lesson's table promises, in seconds.

    Read from a row such as ``| Time to run on 2 cores | about 1 min 30 s |``.
    """
    row = re.search(r"^\|[ *]*Time to run on 2 cores[ *]*\|(.*)\|", _prose(notebook), re.M)
    parts = re.findall(r"(\d+(?:\.\d+)?) ?(s|min)\b", row[1]) if row else []
    if not parts:
        raise LessonError("the table needs a row '| Time to run on 2 cores | 40 s |' (or '2 min')")
    return sum(float(number) * (60 if unit == "min" else 1) for number, unit in parts)


def cells_that_count(notebook: Notebook) -> list[tuple[Any, ...]]:
    """Return what makes a notebook stale when it differs: type, text, tags, what is collapsed."""
    return [
        (cell.cell_type, cell.source, _tags(cell), dict(cell.metadata.get("jupyter", {})))
        for cell in notebook.cells
    ]


def is_stale(source: Path, edition: Edition) -> bool:
    """Return whether the built notebook is absent or differs from what its source gives."""
    path = notebook_path(source, edition)
    if not path.exists():
        return True
    built = nbformat.read(path, as_version=4)
    return cells_that_count(built) != cells_that_count(draft(source, edition))


def expected_notebooks(folder: Path = FOLDER) -> set[Path]:
    """Return the notebooks that the sources give, built already or not."""
    return {notebook_path(source, edition) for source in sources(folder) for edition in EDITIONS}


def orphans(folder: Path = FOLDER) -> list[Path]:
    """Return the built notebooks that have no source any more."""
    found = [*folder.glob("[0-9][0-9]_*.ipynb"), *folder.glob("solutions/*.ipynb")]
    return sorted(set(found) - expected_notebooks(folder))


def _code_cells(notebook: Notebook) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _prose(notebook: Notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _place(number: int, cell: Any) -> str:
    """Name a code cell as JupyterLab shows it, by its number and how it begins."""
    lines = cell.source.strip().splitlines()
    return f"cell [{number}] ({lines[0][:60] if lines else 'empty'})"


def _texts(cell: Any) -> Iterator[str]:
    """Yield all that a cell's outputs say in words; pictures, also those inside HTML, left out."""
    for output in cell.outputs:
        texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
        for kind, content in output.get("data", {}).items():
            if kind == "image/svg+xml" or not kind.startswith(("image/", "video/")):
                texts.append(str(content))
        for text in texts:
            yield re.sub(r"base64,[A-Za-z0-9+/=\s]+", "base64,", text)


# --- Execution ------------------------------------------------------------------------------------


def execute(notebook: Notebook, folder: Path, cell_timeout: float) -> float:
    """Run a notebook in `folder`, store its outputs in it, and return the seconds that took.

    Raises
    ------
    LessonError
        If a cell fails or runs longer than `cell_timeout` seconds.
    """
    client = NotebookClient(
        notebook,
        timeout=math.ceil(cell_timeout),
        kernel_manager_class=KernelManager,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=False,
    )
    start = time.perf_counter()
    try:
        # What the kernel's own start-up says; cells' words reach the notebook another way.
        client.execute(stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        raise LessonError(f"{_last_run(notebook)} failed:\n{error.traceback}") from error
    except CellTimeoutError as error:
        message = f"{_last_run(notebook)} alone ran for more than {cell_timeout:g} s"
        raise LessonError(message) from error
    except DeadKernelError as error:
        raise LessonError(f"{_last_run(notebook)} killed its kernel") from error
    seconds = time.perf_counter() - start
    _drop_what_does_not_last(notebook)
    return seconds


def _last_run(notebook: Notebook) -> str:
    """Name the cell at which the execution stopped: the last that began."""
    begun = [
        (number, cell)
        for number, cell in enumerate(_code_cells(notebook), start=1)
        if cell.execution_count is not None or cell.outputs
    ]
    return _place(*begun[-1]) if begun else "the first cell"


def _drop_what_does_not_last(notebook: Notebook) -> None:
    """Drop what says something only while a cell runs: widgets, and progress bars on stderr."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in _code_cells(notebook):
        cell.metadata.pop("execution", None)
        cell.outputs = [
            output
            for output in cell.outputs
            if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            and not (UNCOMPARED in _tags(cell) and output.get("name") == "stderr")
        ]


def build(source: Path, edition: Edition) -> tuple[float, float]:
    """Build one edition of a lesson; return the seconds it took and the seconds it promises.

    Raises
    ------
    LessonError
        If anything is wrong with the lesson, or it ran for more than twice the time it states.
        The notebook that stood there before is then left as it was.
    """
    path = notebook_path(source, edition)
    notebook = draft(source, edition)
    _raise_if_any(source_faults(notebook, path))
    stated = stated_seconds(notebook)

    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = execute(notebook, path.parent, cell_timeout=2 * stated)
    if seconds > 2 * stated:
        raise LessonError(f"it ran for {seconds:.1f} s, more than twice the {stated:g} s it states")
    _raise_if_any(output_faults(notebook, edition))

    nbformat.validate(notebook)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    unfinished.replace(path)  # at once, so that no half a notebook is ever there
    return seconds, stated


def _raise_if_any(faults: Sequence[str]) -> None:
    if faults:
        raise LessonError("\n  ".join(faults))


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Build the lessons' notebooks from their sources.")
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons; default: all")
    parser.add_argument("--check", action="store_true", help="only say which notebooks are stale")
    options = parser.parse_args(arguments)

    chosen = sources(folder)
    if options.lessons:
        numbers = {number.zfill(2) for number in options.lessons}
        if unknown := numbers - {source.stem[:2] for source in chosen}:
            known = ", ".join(source.stem[:2] for source in chosen)
            parser.error(f"no lesson {', '.join(sorted(unknown))}; there are {known}")
        chosen = [source for source in chosen if source.stem[:2] in numbers]

    failed = 0
    for source in chosen:
        for edition in EDITIONS:
            name = notebook_path(source, edition).relative_to(folder)
            if options.check:
                if is_stale(source, edition):
                    failed += 1
                    print(f"stale    {name}")
                continue
            try:
                seconds, stated = build(source, edition)
            except LessonError as error:
                failed += 1
                print(f"FAILED   {name}\n  {error}", flush=True)
            else:
                print(f"built    {name}  ran {seconds:.1f} s, states {stated:g} s", flush=True)
    if not options.lessons:
        for path in orphans(folder):
            failed += 1
            print(f"orphan   {path.relative_to(folder)}: it has no source")
    if not failed:
        print(f"{len(chosen)} lessons: {'up to date' if options.check else 'built'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
