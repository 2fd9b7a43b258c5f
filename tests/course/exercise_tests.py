"""What the tests of every lesson's exercises share.

A lesson's file gives right and wrong answers by exercise, and a class that inherits from
:class:`ExerciseTests`. That is all that a new exercise needs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pytest

from nstlib.course.exercises._engine import EXERCISES, evaluate

Answer: TypeAlias = Callable[..., Any]
Right: TypeAlias = dict[str, list[Answer]]
#: A wrong answer, and words of the hint that it must get.
Wrong: TypeAlias = dict[str, list[tuple[Answer, str]]]


def rows(x: Any) -> Any:
    return np.reshape(x, (-1, x.shape[-1]))


def covariance(x: Any) -> Any:
    return np.cov(rows(x).T, bias=True)


class ExerciseTests:
    """The tests of one lesson's exercises."""

    lesson: ClassVar[str]
    right: ClassVar[Right]
    wrong: ClassVar[Wrong]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "hint" in metafunc.fixturenames:
            cases = [
                pytest.param(name, answer, hint, id=f"{name}-{hint}")
                for name, answers in self.wrong.items()
                for answer, hint in answers
            ]
            metafunc.parametrize(("name", "answer", "hint"), cases)
        elif "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.right)

    def test_every_exercise_is_tested(self) -> None:
        module = f"nstlib.course.exercises.lesson_{self.lesson}"
        there = {name for name, e in EXERCISES.items() if e.check.__module__ == module}
        assert set(self.right) == set(self.wrong) == there
        assert all(len({hint for _, hint in answers}) >= 4 for answers in self.wrong.values())

    def test_the_reference_and_other_right_answers_pass(self, name: str) -> None:
        for answer in [EXERCISES[name].reference, *self.right[name]]:
            verdict = evaluate(name, answer)
            assert verdict.passed, verdict.message
            assert verdict.message.startswith(f"✓ {name}: right. ")

    def test_a_planted_mistake_gets_its_hint(self, name: str, answer: Answer, hint: str) -> None:
        verdict = evaluate(name, answer)
        assert not verdict.passed
        assert verdict.message.startswith(f"✗ {name}: ")
        assert hint in verdict.message

    def test_messages_are_one_line_and_repeat(self, name: str, answer: Answer, hint: str) -> None:
        messages = {evaluate(name, answer).message for _ in range(2)}
        assert len(messages) == 1
        (message,) = messages
        assert "\n" not in message
        assert len(message) < 250
        # No number shows more digits than any machine would agree on.
        assert not re.search(r"\d\.\d{4,}", message), hint

    def test_a_stub_is_still_open(self, name: str) -> None:
        parameters = ", ".join(inspect.signature(EXERCISES[name].reference).parameters)
        space: dict[str, Any] = {}
        exec(
            f"def stub({parameters}): ...\n"
            f"def unwritten({parameters}): raise NotImplementedError\n"
            f"def dots({parameters}): return ...\n",
            space,
        )
        for answer in (space["stub"], space["unwritten"], space["dots"], None, ...):
            verdict = evaluate(name, answer)
            assert not verdict.passed
            assert verdict.message == (
                f"○ {name}: still open. Write the body, then run this cell again."
            )

    def test_an_answer_that_raises_is_reported_in_one_line(self, name: str) -> None:
        def answer(*_: object) -> None:
            raise KeyError("conv1\nand a second line")

        message = evaluate(name, answer).message
        assert message == f"✗ {name}: it raised KeyError: 'conv1\\nand a second line'"

    def test_a_result_of_another_shape_never_breaks_a_check(self, name: str) -> None:
        def answer(*_: object) -> Any:
            return np.zeros((1, 2, 3, 4, 5))

        message = evaluate(name, answer).message
        assert "the result has shape (1, 2, 3, 4, 5); it should be" in message

    def test_wrong_numbers_never_break_a_check(self, name: str) -> None:
        reference = EXERCISES[name].reference

        def answer(*arguments: Any) -> Any:
            return np.asarray(reference(*arguments)) + 0.37

        assert evaluate(name, answer).message.startswith(f"✗ {name}: ")

    def test_parameters_are_checked_before_the_answer_is_called(self, name: str) -> None:
        verdict = evaluate(name, lambda: 1)
        wanted = ", ".join(inspect.signature(EXERCISES[name].reference).parameters)
        assert (
            verdict.message == f"✗ {name}: its parameters are (); the check calls {name}({wanted})."
        )
