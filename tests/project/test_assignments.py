"""Lessons as nbgrader's assignments: the course's checks are their tests."""

from __future__ import annotations

import ast
import copy
import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import assignment
import build
import nbformat
import pytest
from nbformat import NotebookNode

from nstlib.course.exercises import LESSONS

SOURCES = build.sources()
REGION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?\n *### END SOLUTION$", re.DOTALL | re.MULTILINE)


def graded(notebook: Any) -> Iterator[tuple[Any, Any]]:
    """Yield nbgrader's cells, each with what nbgrader is to know of it."""
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            yield cell, cell.metadata.nbgrader


def tree(code: str) -> str:
    return ast.dump(ast.parse(code))


# --- What nbgrader gets ---------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem[:2])
def test_each_check_is_a_locked_test_after_the_cell_of_its_answer(source: Path) -> None:
    found = list(graded(assignment.instructor_version(source)))
    tests = [place for place, (_, mark) in enumerate(found) if mark.locked]
    names = []
    for place in tests:
        (answer, open_mark), (test, mark) = found[place - 1 : place + 1]
        name = open_mark.grade_id
        names.append(name)
        assert (open_mark.solution, open_mark.grade, open_mark.locked) == (True, False, False)
        assert (mark.solution, mark.grade, mark.grade_id) == (False, True, f"{name}_check")
        assert mark.points > 0
        call = re.fullmatch(
            r'from nstlib\.course\.exercises import require\n\nrequire\("(\w+)", (\w+)\)',
            test.source,
        )
        assert call
        assert call[1] == name
        # The function or the letter that is tested is what the cell before it defines.
        assert re.search(rf"^(?:def {call[2]}\(|{call[2]} = )", answer.source, re.MULTILINE)
    assert sorted(names) == sorted(LESSONS[source.name[:2]])
    ids = [mark.grade_id for _, mark in found]
    assert len(set(ids)) == len(ids)
    # What is left is graded by hand: exercises without a check.
    text = source.read_text("utf-8")
    sections = re.split(r"^# #{2,3} ", text, flags=re.MULTILINE)
    by_hand = {
        f"exercise_{section.split()[1]}"
        for section in sections
        if section.startswith("Exercise ") and "nst.check(" not in section
    }
    assert set(ids) - {n for name in names for n in (name, f"{name}_check")} == by_hand


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem[:2])
def test_without_the_marked_regions_a_lesson_is_the_learners(source: Path) -> None:
    """Of a solution, nothing may stay outside of what nbgrader takes out."""
    stubs = {
        call["name"]: cell.source[: call.start()]
        for cell in build.draft(source, "learner").cells
        if (call := assignment.CHECK.search(cell.source)) and cell.cell_type == "code"
    }
    notebook = assignment.instructor_version(source)
    for cell, mark in graded(notebook):
        if cell.cell_type == "code" and mark.solution:
            ast.parse(cell.source)
            assert REGION.search(cell.source)
            left = REGION.sub(r"\1...", cell.source)
            stub = stubs[mark.grade_id].strip() or "answer = ..."
            body = [*ast.parse(left).body]
            assert tree(stub) in [ast.dump(ast.Module([node], [])) for node in body]
            assert all(ast.unparse(node) == "..." for node in body if node is not body[-1])
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    outside = [text for text in code if "### BEGIN" not in text and "import require" not in text]
    assert not re.search(r"\banswer\b", "\n".join(outside))  # nothing of the lesson's is replaced
    assert "still open" not in "\n".join(outside) or source.stem[:2] in ("11", "12")


def test_points_follow_the_minutes_that_a_lesson_states() -> None:
    (source,) = (source for source in SOURCES if source.stem.startswith("04"))
    points = {
        mark.grade_id: mark.points
        for _, mark in graded(assignment.instructor_version(source))
        if mark.grade
    }
    assert points == {
        "epsilon_check": 1,
        "one_layer_check": 1,
        "equal_work_check": 1,
        "two_skies_check": 1,
        "gradient_step_check": 2,  # 10 minutes
        "style_loss_check": 4,  # 20
        "seam_contrast_check": 4,
        "exercise_4": 6,  # open, 30
    }


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem[:2])
def test_files_that_a_lesson_shows_or_reads_go_with_it(source: Path, tmp_path: Path) -> None:
    folder = assignment.write_source(source, tmp_path)
    notebook = nbformat.read(folder / f"{source.stem}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith(f"# {source.stem[:2]}")
    # In text `(figures/name.jpg)`, in code `figures / "name.jpg"`.
    pictures = re.findall(r"\bfigures(?:/| / \")(\w+\.\w+)", source.read_text("utf-8"))
    assert {path.name for path in folder.glob("figures/*")} == set(pictures)
    assert (folder / "glossary.md").is_file()


def test_a_solution_that_does_not_begin_with_its_stub_is_refused() -> None:
    with pytest.raises(build.LessonError, match="'double' does not begin"):
        assignment._with_solution("def double(x): ...", "double", "def double(y):\n    return y")


def test_what_stands_around_a_solution_is_taken_out_as_well() -> None:
    solution = (
        "import helper\n\n\ndef double(x):\n    # twice\n    return 2 * x\n\n\nprint(double(1))"
    )
    text = assignment._with_solution("def double(x): ...", "double", solution)
    assert text == (
        "### BEGIN SOLUTION\nimport helper\n### END SOLUTION\n\n\n"
        "def double(x):\n"
        "    ### BEGIN SOLUTION\n    # twice\n    return 2 * x\n    ### END SOLUTION\n\n\n"
        "### BEGIN SOLUTION\nprint(double(1))\n### END SOLUTION"
    )


# --- What nbgrader makes of it --------------------------------------------------------------------

LESSON = "00_images_as_arrays"
QUESTIONS = LESSONS["00"][:6]
WORTH = dict.fromkeys(QUESTIONS, 1) | {
    "to_network": 3,
    "telling_picture": 3,
    "comes_from": 4,
    "over_white": 4,
}


def solved(released: NotebookNode) -> NotebookNode:
    """Put the solution edition's answers into the notebook that learners get."""
    path = build.FOLDER / "solutions" / f"{LESSON}.ipynb"
    answers = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if match := re.search(r'^nst\.check\("(\w+)", (.+)\)$', cell.source, re.MULTILINE):
            letter = f"answer = {match[2]}"
            answers[match[1]] = letter if match[2][0] == '"' else cell.source[: match.start()]
    notebook = copy.deepcopy(released)
    for cell, mark in graded(notebook):
        if mark.solution:
            cell.source = answers.get(mark.grade_id, "Two faults that her proof does not find: …")
    return notebook


def shortened(notebook: NotebookNode) -> NotebookNode:
    """Leave out the lesson, as a learner may: the imports and nbgrader's cells stay."""
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata or "import numpy" in cell.source
    ]
    return notebook


def changed(notebook: NotebookNode, **answers: str) -> NotebookNode:
    for cell, mark in graded(notebook):
        cell.source = answers.get(mark.grade_id, cell.source)
    return notebook


def submissions(released: NotebookNode) -> dict[str, tuple[NotebookNode, set[str]]]:
    """Return what is handed in, by learner, with what deserves no points."""
    pretending = shortened(copy.deepcopy(released))
    for cell, mark in graded(pretending):
        if mark.locked:
            cell.source = 'print("✓ right.")'
    first = next(cell for cell in pretending.cells if cell.cell_type == "code")
    first.source += "\nnst.check = lambda name, answer: print(f'✓ {name}: right.')"
    mistaken = {
        "overflow": 'answer = "b"',
        "to_network": "def to_network(bgr):\n    return bgr.reshape(1, 3, *bgr.shape[:2])",
    }
    stumbling = {
        "telling_picture": "def telling_picture(side)\n    return 1",
        "comes_from": "def comes_from(*place):\n    raise SystemExit",
        "over_white": "import sys\n\n\ndef over_white(rgba):\n    print('here', file=sys.stderr)\n"
        "    return rgba[..., 3:] * rgba[..., :3] + (1 - rgba[..., 3:])",
    }
    return {
        "right": (solved(released), set()),
        "open": (shortened(copy.deepcopy(released)), {*WORTH}),
        "mistaken": (changed(shortened(solved(released)), **mistaken), {*mistaken}),
        "pretending": (pretending, {*WORTH}),
        "stumbling": (
            changed(shortened(solved(released)), **stumbling),
            {"telling_picture", "comes_from"},
        ),
    }


@pytest.mark.assignment
def test_nbgrader_gives_each_submission_the_points_that_it_deserves(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def nbgrader(*arguments: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    assert assignment.main(["00", str(tmp_path)]) == 0
    released = nbformat.read(tmp_path / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    assert "SOLUTION" not in text
    assert "See the solution edition" not in text

    handed_in = submissions(released)
    for learner, (notebook, _) in handed_in.items():
        folder = tmp_path / "submitted" / learner / LESSON
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{LESSON}.ipynb")
    nbgrader("autograde", LESSON)
    nbgrader("export")

    with (tmp_path / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "nstlib") as gradebook:
        for learner, (_, wrong) in handed_in.items():
            notebook = gradebook.find_submission_notebook(LESSON, LESSON, learner)
            points = {
                grade.name.removesuffix("_check"): grade.auto_score
                for grade in notebook.grades
                if grade.name.endswith("_check")
            }
            assert points == {n: 0 if n in wrong else p for n, p in WORTH.items()}, learner
            assert float(rows[learner]["score"]) == sum(points.values())
            assert float(rows[learner]["max_score"]) == sum(WORTH.values()) + 2
            # Words are graded by hand, unless there are none.
            by_hand = {g.name: g.needs_manual_grade for g in notebook.grades}["exercise_5"]
            assert by_hand == (learner not in ("open", "pretending"))
