"""Which exercises a learner's notebook solves, and how that is known."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from notebook_files import ANSWERS, IMPORTS, write_notebook

from nstlib.course import marking
from nstlib.course.exercises import LESSONS, _engine, check, evaluate, require
from nstlib.course.marking import NotebookError, State, lesson_of, mark, read_notebook, record

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "sources"


def over_white(rgba: np.ndarray) -> np.ndarray:
    return rgba[..., 3:] * rgba[..., :3] + (1 - rgba[..., 3:])


# --- The engine's part ----------------------------------------------------------------------------


def test_every_lesson_has_its_questions_and_exercises_in_the_order_of_its_source() -> None:
    for source in SOURCES.glob("[0-9][0-9]_*.py"):
        named = re.findall(r'^nst\.check\("(\w+)"', source.read_text("utf-8"), re.MULTILINE)
        assert list(LESSONS[source.name[:2]]) == list(dict.fromkeys(named)), source.name


def test_every_verdict_is_recorded_whoever_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_engine, "LISTENERS", [])
    file = tmp_path / "verdicts"
    record(str(file))
    check("overflow", ...)
    check("overflow", "a")
    evaluate("over_white", lambda rgba: rgba)
    require("over_white", over_white)
    with pytest.raises(AssertionError):
        require("cut_off", "a")
    assert file.read_text().split("\n") == [
        "overflow False",
        f"overflow {evaluate('overflow', 'a').passed}",
        "over_white False",
        "over_white True",
        "cut_off False",
        "",
    ]


def test_a_test_is_not_failed_by_warnings_or_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy(rgba: np.ndarray) -> np.ndarray:
        warnings.warn("about something else", RuntimeWarning, stacklevel=1)
        print("and words", file=sys.stderr)
        return over_white(rgba)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require("over_white", noisy)
    out, err = capfd.readouterr()
    assert out.startswith("✓ over_white: right.")
    assert err == ""


def test_a_failed_test_says_what_the_check_says() -> None:
    with pytest.raises(AssertionError) as caught:
        require("over_white", lambda rgba: rgba[..., :3])
    assert str(caught.value) == evaluate("over_white", lambda rgba: rgba[..., :3]).message


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"Dear teacher", "is not a notebook", id="words"),
        pytest.param(b'{"a": 1}', "is not a notebook", id="other JSON"),
        pytest.param(b"[1, 2]", "is not a notebook", id="a list"),
        pytest.param(b"", "is not a notebook", id="nothing"),
        pytest.param(b"\x89PNG\xff", "is not a text", id="a picture"),
        pytest.param(b'{"nbformat": 4, "cells": [{}]}', "is not a notebook", id="broken"),
        pytest.param(None, "cannot be read", id="no file"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "handed_in.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotebookError, match=words) as caught:
        read_notebook(path)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=r"is a folder; .*\*\.ipynb"):
        read_notebook(tmp_path)


def test_the_lesson_is_the_one_whose_checks_are_called_most(tmp_path: Path) -> None:
    def lesson(name: str, *cells: str) -> str:
        path = write_notebook(tmp_path / name, *cells)
        return lesson_of(read_notebook(path), path)

    mixed = ['nst.check("gram_matrix", f)', *ANSWERS.values()]
    assert lesson("03_by_name.ipynb", *mixed) == "00"
    assert lesson("anna.ipynb", 'nst.check("gram_matrix", f)') == "03"
    assert lesson("anna.ipynb", 'from nstlib.course.exercises import require\nrequire("ramp", f)\n'
                  'require("gram_matrix", f)') == "03"  # fmt: skip
    assert lesson("03_no_checks.ipynb", "print(1)") == "03"
    with pytest.raises(NotebookError, match="none of the course's checks"):
        lesson("anna.ipynb", 'nst.check("no_such_exercise", f)')


# --- Running --------------------------------------------------------------------------------------


def test_a_notebook_that_hangs_keeps_what_it_solved_and_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    tell = f"import os, pathlib\npathlib.Path({str(note)!r}).write_text(str(os.getpid()))"
    hang = """
def to_network(bgr):
    while True:
        print("and on")

nst.check("to_network", to_network)"""
    cells = [f"{IMPORTS}\n{tell}", ANSWERS["overflow"], hang, ANSWERS["over_white"]]
    path = write_notebook(tmp_path / "hangs.ipynb", *cells)
    # A clock that stands still for two cells, so that a busy machine changes nothing.
    clock = iter([0.0, 0.0, 0.0, 59.0])
    monkeypatch.setattr(marking, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    marks = mark(path, read_notebook(path), "00", limit=60)
    assert marks.states["overflow"] is State.SOLVED
    assert marks.states["to_network"] is State.TIME
    assert marks.states["over_white"] is State.NOT_REACHED
    assert marks.solved == 1
    assert marks.note == "cell [3] ran out of time"
    assert [*clock] == []  # the limit is one for all cells: what is left is asked before each
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
