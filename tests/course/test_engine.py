"""The engine of the exercises' checks: what it says of answers of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nstlib import check as public_check
from nstlib.course.exercises._engine import EXERCISES, check, evaluate
from nstlib.errors import ArgumentError


def gram(x: np.ndarray) -> np.ndarray:
    F = x.reshape(-1, x.shape[-1])
    return F.T @ F / len(F)


def test_what_is_not_a_function() -> None:
    verdict = evaluate("gram_matrix", np.eye(3))
    assert not verdict.passed
    assert 'nst.check("gram_matrix", gram_matrix)' in verdict.message
    assert "ndarray" in verdict.message


def test_a_function_without_a_signature_is_called_all_the_same() -> None:
    assert "raised TypeError" in evaluate("sparsity", dict.fromkeys).message


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(ArgumentError, match="'gram_matirx'; the nearest names are gram_matrix, "):
        evaluate("gram_matirx", gram)
    with pytest.raises(ArgumentError, match="the nearest names are"):
        evaluate("?", gram)
    with pytest.raises(ArgumentError, match="it must be the exercise's name, in quotes"):
        evaluate(np.eye(3), gram)  # type: ignore[arg-type]


def test_an_array_is_no_letter() -> None:
    verdict = evaluate("overflow", np.eye(3))
    assert not verdict.passed
    assert verdict.message.startswith("✗ overflow: give one of the letters")


def test_check_prints_the_message_and_returns_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("gram_matrix", gram) is None  # type: ignore[func-returns-value]
    out = capsys.readouterr().out
    assert out == evaluate("gram_matrix", gram).message + "\n"
    assert public_check is check


def test_every_reference_states_its_exercise() -> None:
    assert all(exercise.reference.__doc__ for exercise in EXERCISES.values())


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, nstlib; nstlib.check; "
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_lessons_checks_have_their_tests() -> None:
    tested = {path.stem[-2:] for path in Path(__file__).parent.glob("test_exercises_*.py")}
    assert tested == {exercise.check.__module__[-2:] for exercise in EXERCISES.values()}


def test_only_exercises_about_tensors_need_tensorflow() -> None:
    code = """
import json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # as if they were not installed
import nstlib as nst
from nstlib.course.exercises import evaluate
from nstlib.course.exercises._engine import EXERCISES

said = {}
for name, exercise in EXERCISES.items():
    try:
        said[name] = evaluate(name, exercise.reference).passed
    except nst.NstError as error:
        said[name] = str(error)
print(json.dumps(said))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    tensors = {"style_loss", "gradient_step", "content_loss"}
    assert {name for name, passed in said.items() if passed is not True} == tensors
    for name in tensors:
        assert said[name].endswith("pip install 'nstlib[learn]'")
        assert "\n" not in said[name]
