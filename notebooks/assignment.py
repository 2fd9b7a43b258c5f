"""Make an nbgrader assignment of a lesson: the command behind ``make assignment``.

    python notebooks/assignment.py 04 assignments

writes the instructor's version of the lesson to ``assignments/source/``, and lets nbgrader make the
learners' version of it in ``assignments/release/``. Both come from the lesson's source, as the
editions do. Each question and each exercise is a cell for the answer, and a locked cell whose test
is the course's own check. An exercise that no check can judge gets a cell to be graded by hand.

A question is worth 1 point, an exercise a point for each five minutes that the lesson states.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import build
import nbformat

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"

#: An exercise's number and title, and its minutes, as in "(20 minutes)" or "(open, an hour)".
EXERCISE = re.compile(r"^### (Exercise (\d+) · .+) \((.+)\)$", re.MULTILINE)
HEADING = re.compile(r"^#{1,3} ", re.MULTILINE)
CHECK = re.compile(r'^nst\.check\("(?P<name>\w+)", (?P<answer>.+)\)$', re.MULTILINE)
#: What the learner edition has where an answer in words is asked for.
STILL_OPEN = re.compile(r'\w+ = \.\.\.\nprint\("still open"')

#: Minutes of what takes "an evening or two".
EVENINGS = 120

CONFIG = '''\
"""Settings of nbgrader for this folder, written by notebooks/assignment.py if there are none."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "nstlib"
# What stands in the place of an answer. A function with this body counts as "still open".
c.ClearSolutions.code_stub = {{"python": "..."}}
c.ClearSolutions.text_stub = "*Write your answer here.*"
# Seconds for a cell: twice what the slowest lesson states for all of its cells.
c.Execute.timeout = {timeout}
# Kernels that start, whatever else runs on the machine.
c.NotebookClient.kernel_manager_class = "nstlib.course.kernels.KernelManager"
'''


def instructor_version(source: Path) -> build.Notebook:
    """Return a lesson with nbgrader's cells, answers in place; nbgrader takes them out again."""
    answers = _solutions(source)
    notebook = build.draft(source, "learner")
    cells: list[Any] = []
    exercise: re.Match[str] | None = None  # the last one's heading, until it is checked
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and HEADING.search(cell.source):
            cells += _by_hand(exercise)
            exercise = next(iter([*EXERCISE.finditer(cell.source)][::-1]), None)
        call = CHECK.search(cell.source) if cell.cell_type == "code" else None
        if call:
            name = call["name"]
            cells += _checked(cell, call, answers[name], _points(exercise))
            exercise = None
        elif not (exercise and cell.cell_type == "code" and STILL_OPEN.match(cell.source)):
            cells.append(cell)
    notebook.cells = cells  # a lesson ends with other headings, so no exercise is left over
    nbformat.validate(notebook)
    return notebook


def _solutions(source: Path) -> dict[str, str]:
    """Return the solution edition's cell of each check, up to the check."""
    found = {}
    for cell in build.draft(source, "solution").cells:
        if cell.cell_type == "code" and (call := CHECK.search(cell.source)):
            letter = call["answer"] if call["answer"].startswith('"') else ""
            found[call["name"]] = letter or cell.source[: call.start()].rstrip()
    return found


def _points(exercise: re.Match[str] | None) -> int:
    """Return what an exercise is worth, or a question, which has no heading."""
    if exercise is None:
        return 1
    minutes = re.search(r"(\d+) minutes", exercise[3])
    if minutes:
        return max(1, int(minutes[1]) // 5)
    return (60 if "an hour" in exercise[3] else EVENINGS) // 5


def _checked(cell: Any, call: re.Match[str], solution: str, points: int) -> list[Any]:
    """Return the cell for an answer, and the locked one that checks it."""
    name, answer = call["name"], call["answer"]
    if answer == "...":  # a question: its answer is a letter
        answer = "answer"
        text = f"answer = (\n{_region(f'    {solution}')}\n)"
    else:
        stub = cell.source[: call.start()].strip()
        text = _with_solution(stub, answer, solution)
    test = f'from nstlib.course.exercises import require\n\nrequire("{name}", {answer})'
    return [
        nbformat.v4.new_code_cell(text, id=cell.id, metadata=_marked(name, solution=True)),
        nbformat.v4.new_code_cell(
            test, id=f"{cell.id}-test", metadata=_marked(f"{name}_check", points=points)
        ),
    ]


def _with_solution(stub: str, name: str, solution: str) -> str:
    """Return the stub of a function, its body from the solution, whatever is around it as well."""
    head, dots = stub[:-4], stub[-4:]
    statements = ast.parse(solution).body
    (function,) = (s for s in statements if isinstance(s, ast.FunctionDef) and s.name == name)
    lines = solution.splitlines()
    if dots != " ..." or lines[function.lineno - 1] != head or function.end_lineno is None:
        raise build.LessonError(f"the solution of {name!r} does not begin with its stub, {head}")
    parts = [
        "\n".join(lines[: function.lineno - 1]),
        "\n".join(lines[function.lineno : function.end_lineno]),
        "\n".join(lines[function.end_lineno :]),
    ]
    before, body, after = (_region(part.strip("\n")) for part in parts)
    return f"{before}\n\n\n{head}\n{body}\n\n\n{after}".strip()


def _region(code: str) -> str:
    """Mark lines as a solution."""
    if not code:
        return ""
    indent = re.match(r" *", code)[0]  # type: ignore[index]
    return f"{indent}{BEGIN}\n{code}\n{indent}{END}"


def _by_hand(exercise: re.Match[str] | None) -> Iterator[Any]:
    """Yield the cell for an answer in words, if an exercise had no check."""
    if exercise is not None:
        name = f"exercise_{exercise[2]}"
        yield nbformat.v4.new_markdown_cell(
            f"{BEGIN}\nSee the solution edition of the lesson.\n{END}",
            id=name.replace("_", "-"),
            metadata=_marked(name, points=_points(exercise), solution=True),
        )


def _marked(name: str, *, points: int | None = None, solution: bool = False) -> dict[str, Any]:
    """Return the metadata by which nbgrader knows a cell."""
    content: dict[str, Any] = {
        "grade": points is not None,
        "grade_id": name,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": content | ({} if points is None else {"points": points})}


def write_source(source: Path, course: Path) -> Path:
    """Write the instructor's version of a lesson, and the other files that it links to."""
    folder = course / "source" / source.stem
    notebook = instructor_version(source)
    folder.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(notebook) + "\n"
    (folder / f"{source.stem}.ipynb").write_text(text, encoding="utf-8")
    everything = "\n".join(cell.source for cell in notebook.cells)
    for path in (build.FOLDER / "glossary.md", *(build.FOLDER / "figures").iterdir()):
        if path.name in everything:  # a link or code, which reads figures / "name.jpg"
            copy = folder / path.relative_to(build.FOLDER)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)
    return folder


def release(source: Path, course: Path) -> Path:
    """Write the instructor's version, and from it the learners'; return the latter's folder.

    Raises
    ------
    LessonError
        If nbgrader is not installed, or refuses.
    """
    write_source(source, course)
    config = course / "nbgrader_config.py"
    if not config.exists():
        slowest = max(build.stated_seconds(build.draft(s, "learner")) for s in build.sources())
        config.write_text(CONFIG.format(timeout=round(2 * slowest)), encoding="utf-8")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", source.stem, "--force"]
    # nbgrader calls a program that was installed beside it.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        cwd=course,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise build.LessonError(f"nbgrader failed; `make assignment` installs it\n{done.stderr}")
    return course / "release" / source.stem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Make an nbgrader assignment of a lesson.")
    parser.add_argument("lesson", metavar="NN", help="the lesson's number")
    parser.add_argument("course", metavar="FOLDER", type=Path, help="nbgrader's course folder")
    options = parser.parse_args(arguments)
    lessons = {source.stem[:2]: source for source in build.sources()}
    if options.lesson.zfill(2) not in lessons:
        parser.error(f"no lesson {options.lesson!r}; there are {', '.join(lessons)}")
    try:
        folder = release(lessons[options.lesson.zfill(2)], options.course)
    except build.LessonError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"for learners: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
