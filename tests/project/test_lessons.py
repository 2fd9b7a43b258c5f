"""The committed lessons are what their sources give, and the guards that say so can fail."""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import build
import nbformat
import pytest

from nstlib.course.exercises import _engine as engine

LESSONS = [
    pytest.param(source, edition, id=f"{source.stem}-{edition}")
    for source in build.sources()
    for edition in build.EDITIONS
]
each_notebook = pytest.mark.parametrize(("source", "edition"), LESSONS)


def read(source: Path, edition: build.Edition) -> build.Notebook:
    return nbformat.read(build.notebook_path(source, edition), as_version=4)


# --- The lessons ----------------------------------------------------------------------------------


def test_there_are_lessons() -> None:
    assert LESSONS
    numbers = [source.stem[:2] for source in build.sources()]
    assert numbers == [f"{number:02d}" for number in range(len(numbers))]


def test_the_front_page_lists_what_the_readme_lists() -> None:
    """`make lab` opens on it; its links count from another folder."""
    front, readme = (build.FOLDER / name for name in ("START_HERE.md", "../README.md"))
    rows = re.findall(r"^\| \[\d\d .*$", front.read_text(), re.M)
    expected = re.findall(r"^\| \[\d\d .*$", readme.read_text(), re.M)
    assert rows == [row.replace("(notebooks/", "(") for row in expected]
    assert len(rows) == len(build.sources())


@each_notebook
def test_notebook_is_what_its_source_gives(source: Path, edition: build.Edition) -> None:
    assert not build.is_stale(source, edition), (
        f"stale: run `make lessons LESSONS={source.stem[:2]}`"
    )


def test_no_notebook_has_lost_its_source() -> None:
    assert build.orphans() == []


@each_notebook
def test_sections_and_links(source: Path, edition: build.Edition) -> None:
    assert build.source_faults(read(source, edition), build.notebook_path(source, edition)) == []


@each_notebook
@pytest.mark.parametrize("check", build.OUTPUT_CHECKS, ids=lambda check: check.__name__)
def test_outputs(source: Path, edition: build.Edition, check: build.Check) -> None:
    assert list(check(read(source, edition))) == []


@each_notebook
def test_exercises(source: Path, edition: build.Edition) -> None:
    notebook = read(source, edition)
    assert list(build.exercises_open_or_solved(notebook, edition)) == []
    assert list(build.choices_open_or_solved(notebook, edition)) == []


@functools.cache
def verdicts_shown() -> list[tuple[str, str]]:
    """List what the solutions show of right answers, with the number of each lesson."""
    return [
        (source.stem[:2], line)
        for source in build.sources()
        for cell in read(source, "solution").cells
        for output in cell.get("outputs", [])
        for line in re.findall(rf"^{build.RIGHT} .*$", output.get("text", ""), re.M)
    ]


@pytest.mark.parametrize("name", [*engine.EXERCISES, *engine.CHOICES])
def test_the_solutions_show_what_the_check_says_today(name: str) -> None:
    """The sources don't hold these words: a check may change, and no notebook looks stale."""
    if name in engine.CHOICES:
        answer: object = engine.CHOICES[name].right
    else:
        answer = engine.EXERCISES[name].reference
    said = engine.evaluate(name, answer).message
    shown = {lesson: line for lesson, line in verdicts_shown() if line.startswith(f"✓ {name}: ")}
    assert len(shown) == 1
    ((lesson, line),) = shown.items()
    assert line == said, f"build lesson {lesson} again: make lessons LESSONS={lesson}"


@each_notebook
def test_the_result_right_after_a_question_is_collapsed(
    source: Path, edition: build.Edition
) -> None:
    cells = read(source, edition).cells
    asked = re.compile(r'^nst\.check\("\w+", (\.\.\.|"[a-z]")\)$')
    open_results = [
        after.source
        for question, after in itertools.pairwise(cells)
        if asked.match(question.source)
        and after.get("outputs")
        and not after.metadata.get("jupyter", {}).get("outputs_hidden")
    ]
    assert open_results == []


@each_notebook
def test_notebook_carries_no_trace_of_its_making(source: Path, edition: build.Edition) -> None:
    notebook = read(source, edition)
    assert notebook.metadata == build.METADATA
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags", "jupyter"}


# --- The guards: they pass a small good lesson, and fail when what they guard is broken ---------

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)

LESSON = f'''\
# %% [markdown]
# # 00 A lesson
# | | |
# | --- | --- |
# | Prerequisites | none |
# | Time to read | 1 min |
# | Time to run on 2 cores | 20 min |
# | Downloads | nothing |
#
# ## Learning objectives
# - add
# - subtract
# - [go on](00_lesson.ipynb)

# %%
print("one and one is", 1 + 1)

# %%
import base64
from IPython.display import display
data = {{"image/png": "{PICTURE}", "text/plain": "<a dot>"}}
display(data, raw=True, metadata={{"image/png": {{"alt": "A grey dot."}}}})

# %% tags=["raises-exception"]
1 / 0

# %% [markdown]
# ### Exercise 1: add
# %% tags=["learner"]
print("Exercise 1 is still open.")
# %% tags=["solution"]
print("2")

# %% [markdown]
# ### Exercise 2: subtract
# %% tags=["learner"]
print("Exercise 2 is still open.")
# %% tags=["solution"]
print("0")

# %% [markdown]
# ### Exercise 3: divide
# %% tags=["learner"]
print("Exercise 3 is still open.")
# %% tags=["solution"]
print("1")

# %% [markdown]
# ## In this lesson you have
# - added
#
# ## Further reading
# - A. Author (2026)
'''

FIRST_CELL = 'print("one and one is", 1 + 1)'


def write_lesson(folder: Path, text: str = LESSON) -> Path:
    source = folder / "sources" / "00_lesson.py"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text, encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source of a small lesson that was built, both editions."""
    folder = tmp_path_factory.mktemp("notebooks")
    source = write_lesson(folder)
    assert build.main([], folder) == 0
    return source


def run_nbval(folder: Path) -> dict[str, list[str]]:
    """Run nbval as `make test` does; return each notebook's outcomes, cell by cell."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-v", "--color=no"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    names = sorted(path.stem for path in folder.glob("*.ipynb"))
    report = subprocess.run(
        [*command, "-p", "no:cacheprovider", *(f"{name}.ipynb" for name in names)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    # nbval names a cell "lesson::ipynb::Cell 0".
    return {name: re.findall(rf"^{name}::ipynb::Cell \d+ (\w+)", report, re.M) for name in names}


def test_good_lesson_has_no_faults(good: Path) -> None:
    for edition in build.EDITIONS:
        path = build.notebook_path(good, edition)
        assert not build.is_stale(good, edition)
        assert build.source_faults(read(good, edition), path) == []
        assert build.output_faults(read(good, edition), edition) == []
    assert build.main(["--check"], good.parent.parent) == 0


def test_editions_differ_in_the_answers_alone(good: Path) -> None:
    learner, solution = (read(good, edition) for edition in build.EDITIONS)
    assert len(learner.cells) == len(solution.cells)
    different = [
        (a.source, b.source)
        for a, b in zip(learner.cells, solution.cells, strict=True)
        if a.source != b.source
    ]
    assert different == [
        ('print("Exercise 1 is still open.")', 'print("2")'),
        ('print("Exercise 2 is still open.")', 'print("0")'),
        ('print("Exercise 3 is still open.")', 'print("1")'),
    ]
    assert not any(
        set(cell.metadata.get("tags", [])) & set(build.EDITIONS) for cell in learner.cells
    )


def test_building_again_changes_no_byte_and_one_new_cell_leaves_the_other_ids(
    good: Path, tmp_path: Path
) -> None:
    source = write_lesson(tmp_path)
    build.build(source, "learner")
    built = build.notebook_path(source, "learner").read_bytes()
    assert built == build.notebook_path(good, "learner").read_bytes()

    write_lesson(tmp_path, LESSON.replace("# %%\nimport", "# %%\n2 + 2\n\n# %%\nimport"))
    before = [cell.id for cell in nbformat.reads(built.decode(), as_version=4).cells]
    after = [cell.id for cell in build.draft(source, "learner").cells]
    assert len(after) == len(before) + 1
    assert [cell_id for cell_id in after if cell_id in before] == before


def test_nbval_catches_a_falsified_output_and_misses_an_unexecuted_notebook(
    good: Path, tmp_path: Path
) -> None:
    text = build.notebook_path(good, "learner").read_text(encoding="utf-8")
    assert text.count("one and one is 2") == 1
    (tmp_path / "good.ipynb").write_text(text, encoding="utf-8")
    falsified = text.replace("one and one is 2", "one and one is 3")
    (tmp_path / "falsified.ipynb").write_text(falsified, encoding="utf-8")
    nbformat.write(build.draft(good, "learner"), tmp_path / "unexecuted.ipynb")

    assert run_nbval(tmp_path) == {
        "good": ["PASSED"] * 6,
        "falsified": ["FAILED"] + ["PASSED"] * 5,
        "unexecuted": ["PASSED"] * 6,  # the gap that the next test closes
    }


def test_unexecuted_notebook_is_caught(good: Path) -> None:
    assert len(list(build.out_of_order(build.draft(good, "learner")))) == 6


def test_cells_run_out_of_order_are_caught(good: Path) -> None:
    notebook = read(good, "learner")
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    codes[0].execution_count, codes[1].execution_count = 2, 1
    assert len(list(build.out_of_order(notebook))) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (FIRST_CELL, FIRST_CELL + "  # changed"),
        ("# # 00 A lesson", "# # 00 Another lesson"),
        ("# %%\nprint", '# %% tags=["nbval-skip"]\nprint'),
        ("# %%\nprint", '# %% jupyter={"outputs_hidden": true}\nprint'),
        ("# %% [markdown]\n# ### Exercise 2", "# %%\n0\n# %% [markdown]\n# ### Exercise 2"),
    ],
    ids=["code", "prose", "tag", "collapsed", "new cell"],
)
def test_stale_notebook_is_caught(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    source = write_lesson(tmp_path, LESSON.replace(old, new, 1))
    assert source.read_text(encoding="utf-8") != LESSON
    for edition in build.EDITIONS:
        path = build.notebook_path(source, edition)
        assert build.is_stale(source, edition)  # there is none yet
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(build.notebook_path(good, edition).read_bytes())
        assert build.is_stale(source, edition)
    assert build.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out.count("stale") == 2


def test_change_to_an_answer_leaves_the_learner_edition_fresh(good: Path, tmp_path: Path) -> None:
    source = write_lesson(tmp_path, LESSON.replace('print("0")', 'print("nought")'))
    for edition in build.EDITIONS:
        path = build.notebook_path(source, edition)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(build.notebook_path(good, edition).read_bytes())
    assert [build.is_stale(source, edition) for edition in build.EDITIONS] == [False, True]


def test_notebook_without_a_source_is_caught(good: Path, tmp_path: Path) -> None:
    write_lesson(tmp_path)
    orphan = tmp_path / "07_gone.ipynb"
    orphan.write_bytes(build.notebook_path(good, "learner").read_bytes())
    assert build.orphans(tmp_path) == [orphan]


# A lesson broken by one replacement, and words of the message that refuses to build it.
BROKEN = {
    "an error": (FIRST_CELL, "1 / 0 # boom", r"cell \[1\].*boom.*failed(.|\n)*ZeroDivisionError"),
    "no error where one is announced": ("\n1 / 0\n", "\n1 / 1\n", r"cell \[3\].*raised nothing"),
    "stderr": (
        FIRST_CELL,
        "import warnings; warnings.warn('mind the gap')",
        r"cell \[1\].*wrote to stderr(.|\n)*mind the gap",
    ),
    "stderr of C code": (
        FIRST_CELL,
        # The kernel reads it from a pipe, and need not know any more to which cell it belongs.
        "import fcntl, os, termios; _ = os.write(2, b'mind the gap')\n"
        "while any(fcntl.ioctl(2, termios.FIONREAD, bytes(4))): pass",
        r"cell \[\d\].*wrote to stderr(.|\n)*mind the gap",
    ),
    "more than twice the time": (
        "| 20 min |",
        "| 0.01 s |",
        r"ran for .* more than twice|alone ran for more than 0\.02 s",
    ),
    "a cell without end": (
        FIRST_CELL + "\n",
        "while True: pass\n",
        r"cell \[1\] \(while True: pass\) alone ran for more than 1 s",
    ),
    "a time that is compared": (
        FIRST_CELL,
        "print('one pass is faster:', 1 < 2)",
        r"cell \[1\].* is compared and says 'faster'",
    ),
    "no time": ("| Time to run on 2 cores | 20 min |", "| Time to run | long |", "2 cores"),
    "a path": (FIRST_CELL, "import os; print(os.__file__, '/tmp/x')", r"cell \[1\].*shows a path"),
    "no alt text": ('"alt": "A grey dot."', '"alt": " "', r"cell \[2\].*without alt text"),
    "an exercise given away": ("Exercise 2 is still open", "Answer: 0", "'Exercise 2: subtract'"),
    "an exercise too few": ("# ### Exercise 3", "# ### Puzzle 3", "at least three exercises"),
    "a section too early": (
        "# ## In this lesson you have\n# - added\n#\n# ## Further reading\n# - A. Author (2026)",
        "# ## Further reading\n# - A. Author (2026)\n#\n# ## In this lesson you have\n# - added",
        "Further reading.* stands too early|Further reading.* is missing",
    ),
    "no objectives": ("# ## Learning objectives", "# ## Aims", "Learning objectives.* is missing"),
    "two objectives": ("# - subtract\n", "", "must list three to five"),
    "no prerequisites": ("| Prerequisites | none |", "| Prerequisites | |", "Prerequisites"),
    "a dead link": ("(00_lesson.ipynb)", "(01_lesson.ipynb)", "'01_lesson.ipynb' leads nowhere"),
    "a link out": ("(00_lesson.ipynb)", "(../README.md)", "'../README.md' leaves"),
}


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_lesson_is_not_built(
    good: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    message: str,
) -> None:
    assert old in LESSON
    text = LESSON.replace(old, new)
    if "while True" in new:
        text = text.replace("| 20 min |", "| 0.5 s |")
    source = write_lesson(tmp_path, text)
    path = build.notebook_path(source, "learner")
    path.write_bytes(build.notebook_path(good, "learner").read_bytes())

    with monkeypatch.context() as patch:
        # With it, a kernel leaves what C code writes where it is.
        patch.delenv("PYTEST_CURRENT_TEST")
        patch.setattr(build, "EDITIONS", ("learner",))
        assert build.main(["00"], tmp_path) == 1

    report = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert re.search(message, report), report
    assert "FAILED   00_lesson.ipynb" in report
    assert path.read_bytes() == build.notebook_path(good, "learner").read_bytes()
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "sources"]


def test_exercise_left_open_or_answered_wrongly_in_the_solutions_is_caught(good: Path) -> None:
    assert len(list(build.exercises_open_or_solved(read(good, "learner"), "solution"))) == 3
    assert len(list(build.exercises_open_or_solved(read(good, "solution"), "learner"))) == 3
    solution = read(good, "solution")
    solution.cells[-2].outputs[0].text = "✗ divide: this multiplies.\n"
    faults = list(build.exercises_open_or_solved(solution, "solution"))
    assert faults == ["'Exercise 3: divide' is answered wrongly in the solution edition"]


def test_choice_answered_for_the_learner_or_not_in_the_solutions_is_caught(good: Path) -> None:
    notebook = read(good, "learner")
    cell = notebook.cells[1]
    cell.source = 'nst.check("overflow", ...)'
    said = {
        "○ overflow: still open. Put a letter": "solution",
        "✗ overflow: no": "solution",
        "✓ overflow: right.": "learner",
    }
    for text, wrong in said.items():
        cell.outputs[0].text = f"{text}\n"
        for edition in build.EDITIONS:
            faults = list(build.choices_open_or_solved(notebook, edition))
            assert len(faults) == (edition == wrong)


@pytest.mark.parametrize(
    ("printed", "speaks_of_time"),
    [
        ("12 ms", True),
        ("trained in 31.5 s", True),
        ("it ran for 2 min", True),
        ("31 frames a second", True),
        ("seconds: 3", True),
        ("twice as fast: True", True),
        ("with 2 threads", True),
        ("the second is nearer: True", False),
        ("(float[n,2,h,w] picture)", False),
        ("the slow way's pixels", False),
        ("✓ speedup: right. 80 s of 100 are 10 times faster", False),
        ("51 evaluations", False),
    ],
)
def test_compared_outputs_that_speak_of_time_are_caught(printed: str, speaks_of_time: bool) -> None:
    stream = nbformat.v4.new_output("stream", name="stdout", text=f"fine\n{printed}\n")
    value = nbformat.v4.new_output("execute_result", data={"text/plain": printed})
    for output in (stream, value):
        cell = nbformat.v4.new_code_cell("work()", outputs=[output])
        notebook = nbformat.v4.new_notebook(cells=[cell])
        assert bool(list(build.times_compared(notebook))) == speaks_of_time
        cell.metadata["tags"] = [build.UNCOMPARED]
        assert list(build.times_compared(notebook)) == []


def test_progress_bars_and_widgets_are_not_stored(tmp_path: Path) -> None:
    cell = (
        "import sys\n"
        'print("\\r50 %\\r100 %", file=sys.stderr)\n'
        "from IPython.display import display\n"
        'kind = "application/vnd.jupyter.widget-view+json"\n'
        'display({kind: {"model_id": "1"}, "text/plain": "bar"}, raw=True)\n'
    )
    text = LESSON.replace("# %%\n" + FIRST_CELL, '# %% tags=["nbval-ignore-output"]\n' + cell)
    source = write_lesson(tmp_path, text)
    build.build(source, "learner")
    code = [cell for cell in read(source, "learner").cells if cell.cell_type == "code"]
    assert code[0].outputs == []
    assert "widgets" not in read(source, "learner").metadata


@pytest.mark.parametrize(
    ("link", "from_solutions"),
    [
        ("[a](00_lesson.ipynb)", "[a](00_lesson.ipynb)"),
        ("[b](00_lesson.ipynb#further-reading)", "[b](00_lesson.ipynb#further-reading)"),
        ("[c](solutions/00_lesson.ipynb)", "[c](00_lesson.ipynb)"),
        ("![d](images/d.png)", "![d](../images/d.png)"),
        ('<img src="images/e.png">', '<img src="../images/e.png">'),
        ("[f](https://example.org/f)", "[f](https://example.org/f)"),
        ("[g](#further-reading)", "[g](#further-reading)"),
        ("[h](words.md#Gram-matrix)", "[h](../words.md#Gram-matrix)"),
    ],
)
def test_links_of_the_solutions_count_from_their_folder(
    tmp_path: Path, link: str, from_solutions: str
) -> None:
    source = write_lesson(tmp_path, LESSON.replace("# - added", f"# - {link} added"))
    for edition, expected in zip(build.EDITIONS, (link, from_solutions), strict=True):
        cells = build.draft(source, edition).cells
        assert [f"- {expected} added" in cell.source for cell in cells].count(True) == 1


def test_link_to_a_heading_that_is_not_there_is_caught(tmp_path: Path) -> None:
    (tmp_path / "words.md").write_text("# Words\n\n## Gram matrix\n\ntext\n", encoding="utf-8")
    for way, path in {"": "00_lesson.ipynb", "../": "solutions/00_lesson.ipynb"}.items():
        text = f"[a]({way}words.md#Gram-matrix) [b]({way}words.md#gram-matrix) [c]({way}words.md)"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
        faults = list(build.broken_links(notebook, tmp_path / path))
        assert faults == [f"{way}words.md has no heading for the link '#gram-matrix'"]


@pytest.mark.parametrize(
    ("row", "seconds"), [("40 s", 40), ("2 min", 120), ("about 1 min 30 s", 90), ("2.5 min", 150)]
)
def test_stated_seconds(tmp_path: Path, row: str, seconds: float) -> None:
    source = write_lesson(tmp_path, LESSON.replace("| 20 min |", f"| {row} |"))
    assert build.stated_seconds(build.draft(source, "learner")) == seconds


def test_unknown_lesson_number_is_refused(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build.main(["7"], good.parent.parent)
    assert stopped.value.code == 2
    assert "no lesson 07; there are 00" in capsys.readouterr().err
