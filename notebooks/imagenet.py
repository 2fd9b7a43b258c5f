"""Run lessons on ImageNet's VGG19, and compare what must hold on it as well.

    make lessons-imagenet
    python notebooks/imagenet.py [02 03 …]      lessons 02 to 08, or these

A lesson's pictures and figures are the twin's, so its outputs cannot be compared as they stand. But
what a lesson claims has to hold on every VGG19. It asserts it in a collapsed cell, or prints True
or False. So a lesson's solution edition is executed with ``NSTLIB_WEIGHTS=imagenet``, and

- no cell fails or writes a warning, so every assertion holds, and each exercise's check passes;
- each cell prints True and False in the order in which the committed notebook does;
- no cell prints nan or inf, as where a channel that is silent was divided by.

The executed notebooks are kept in ``build/lessons-imagenet/``, to be looked at. VGG19 takes many
times as long as the twin; allow hours on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import build
import nbformat

WEIGHTS = "imagenet"
LESSONS = ("02", "03", "04", "05", "06", "07", "08")
KEPT = build.FOLDER.parent / "build" / "lessons-imagenet"

CLAIM = re.compile(r"\b(?:True|False)(?=_?\b)")
NO_NUMBER = re.compile(r"\b(?:nan|inf)\b")

#: Longest time for one cell, in seconds.
PATIENCE = 4 * 3600


def claims(cell: build.Notebook) -> list[str]:
    """Return what a code cell says to be so or not so, in order."""
    words: list[str] = []
    for output in cell.outputs:
        data = output.get("data", {})
        pictured = any(kind.startswith(("image/", "text/html")) for kind in data)
        text = output.get("text", "") + ("" if pictured else data.get("text/plain", ""))
        words += CLAIM.findall(text)
    return words


def no_numbers(executed: build.Notebook) -> Iterator[str]:
    """Find lines with a value that is no number, also where outputs are not compared."""
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            for line in output.get("text", "").splitlines():
                if NO_NUMBER.search(line):
                    yield f"cell [{number}] gives no number: {line.strip()}"


def broken_claims(executed: build.Notebook, committed: build.Notebook) -> Iterator[str]:
    """Find cells that claim something else than in the committed notebook."""
    known = {cell.id: cell for cell in committed.cells}
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if build.UNCOMPARED in cell.metadata.get("tags", []):
            continue
        if cell.id not in known:
            yield f"cell [{number}] is not in the committed notebook: run `make lessons` first"
        elif claims(cell) != claims(known[cell.id]):
            said = [
                line.strip()
                for output in cell.outputs
                for line in output.get("text", "").splitlines()
                if CLAIM.search(line)
            ]
            yield f"cell [{number}] says otherwise than on the twin: {' / '.join(said)}"


def faults(source: Path) -> list[str]:
    """Run a lesson's solution edition; return what is wrong with it on these weights."""
    path = build.notebook_path(source, "solution")
    executed = build.draft(source, "solution")
    try:
        seconds = build.execute(executed, path.parent, cell_timeout=PATIENCE)
    except build.LessonError as error:
        return [str(error)]
    finally:
        KEPT.mkdir(parents=True, exist_ok=True)
        nbformat.write(executed, KEPT / path.name)
    print(f"{source.stem}: {seconds:.0f} s", flush=True)
    committed = nbformat.read(path, as_version=4)
    return [
        *build.unannounced_errors(executed),
        *build.words_on_stderr(executed),
        *build.exercises_open_or_solved(executed, "solution"),
        *no_numbers(executed),
        *broken_claims(executed, committed),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run lessons; return how many are not right."""
    parser = argparse.ArgumentParser(description="run lessons on ImageNet's VGG19")
    parser.add_argument("lessons", nargs="*", default=LESSONS, metavar="NN")
    wanted = parser.parse_args(arguments).lessons
    os.environ["NSTLIB_WEIGHTS"] = WEIGHTS
    wrong = 0
    for source in build.sources():
        if source.stem[:2] in wanted:
            found = faults(source)
            wrong += bool(found)
            for fault in found:
                print(f"{source.stem}: {fault}", flush=True)
    print("all hold" if not wrong else f"{wrong} not right")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main()))
