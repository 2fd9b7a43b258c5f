"""The engine of the exercises' checks.

``nst.check("gram_matrix", gram_matrix)`` calls an answer on small inputs, compares what comes back
with a reference solution and, where they differ, with what common mistakes would give; so it can
say which mistake it was. Each lesson's exercises stand in a module of their own, where the
docstring of each reference solution states the exercise.

``nst.check("overflow", "b")`` answers a multiple-choice question in the same way. The lesson's text
lists the answers; the module knows which is right, and has a reason for each.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import inspect
import io
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import shown
from nstlib.errors import ArgumentError

Answer: TypeAlias = Callable[..., Any]
Array: TypeAlias = NDArray[Any]

#: What to tell the learner, and the mistake that gives away that it applies.
Mistake: TypeAlias = tuple[str, Answer]


@dataclass(frozen=True)
class Verdict:
    """What came of a check.

    Attributes
    ----------
    passed : bool
        Whether the answer is right.
    message : str
        One line for the learner.
    """

    passed: bool
    message: str


def check(name: str, answer: object) -> None:
    """Check an answer to an exercise or a question; print what is right or wrong about it.

    Parameters
    ----------
    name : str
        The exercise or the multiple-choice question.
    answer : callable or str
        The function that the exercise asks for; one that returns None is still open. Or the letter
        of the answer to a question; ``...`` leaves it open.

    Raises
    ------
    ArgumentError
        If there is no such exercise or question; the message lists those there are.

    Examples
    --------
    >>> check("telling_picture", lambda n: np.arange(3 * n * n, dtype="u1").reshape(n, n, 3))
    ✓ telling_picture: right. Each of the five mistakes gives another array, so this test can fail.
    >>> check("sparsity", lambda features: (features != 0).mean())
    ✗ sparsity: this is the fraction of values that are not zero; count those that are.
    >>> check("gram_matrix", lambda features: ...)
    ○ gram_matrix: still open. Write the body, then run this cell again.
    >>> check("overflow", ...)
    ○ overflow: still open. Put a letter in place of the dots, then run this cell again.
    """
    print(evaluate(name, answer).message)


def require(name: str, answer: object) -> None:
    """Check an answer as :func:`check` does, but raise an error unless it is right.

    This is for the tests of assignments. nbgrader takes whatever a test writes to stderr for a
    failure, so warnings and stderr are kept quiet while the answer is at work.

    Raises
    ------
    AssertionError
        If the answer is wrong or open; the message is what :func:`check` would print.
    ArgumentError
        As for :func:`check`.

    Examples
    --------
    >>> require("overflow", "b")
    Traceback (most recent call last):
    AssertionError: ✗ overflow: ...
    """
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        verdict = evaluate(name, answer)
    if not verdict.passed:
        raise AssertionError(verdict.message)
    print(verdict.message)


#: Who hears of every verdict; :mod:`nstlib.course.marking` is one.
LISTENERS: list[Callable[[str, Verdict], None]] = []


def evaluate(name: str, answer: object) -> Verdict:
    """Check an answer as :func:`check` does, and return the verdict instead of printing it.

    Examples
    --------
    >>> evaluate("to_network", lambda bgr: bgr).passed
    False
    """
    verdict = _verdict(name, answer)
    for hear in LISTENERS:
        hear(name, verdict)
    return verdict


def _verdict(name: str, answer: object) -> Verdict:
    if not isinstance(name, str):
        raise ArgumentError(
            f"the first argument is {shown(name)}; it must be the exercise's name, in quotes"
        )
    try:
        if name in CHOICES:
            fact = CHOICES[name].check(answer)
        elif name in EXERCISES:
            fact = EXERCISES[name].check(_callable(EXERCISES[name], answer))
        else:
            near = difflib.get_close_matches(name, [*EXERCISES, *CHOICES], n=3, cutoff=0)
            raise ArgumentError(
                f"there is no exercise {name!r}; the nearest names are {', '.join(near)}"
            )
    except _Open:
        to_do = "Put a letter in place of the dots" if name in CHOICES else "Write the body"
        return Verdict(False, f"○ {name}: still open. {to_do}, then run this cell again.")
    except Wrong as wrong:
        return Verdict(False, f"✗ {name}: {wrong}")
    return Verdict(True, f"✓ {name}: right. {fact}")


class Wrong(Exception):  # noqa: N818 - a verdict, not an error of the program
    """The answer is wrong; the text is the hint."""


class Raised(Wrong):
    """The answer raised an exception."""


class _Open(Exception):  # noqa: N818
    """The answer has not been written yet."""


@dataclass(frozen=True)
class _Exercise:
    name: str
    reference: Answer
    check: Callable[[Answer], str]


EXERCISES: dict[str, _Exercise] = {}

#: Where `compare` notes the hints that it could give, while `known_mistakes` asks for them.
_NOTED: ContextVar[list[str] | None] = ContextVar("_NOTED", default=None)


def known_mistakes(name: str) -> list[str]:
    """List the hints for the common mistakes that an exercise's check compares answers with.

    Parameters
    ----------
    name : str
        One of `EXERCISES`.

    Returns
    -------
    list of str
        Each hint once, in the order in which the check looks for its mistake.

    Examples
    --------
    >>> known_mistakes("sparsity")[0]
    'this is the fraction of values that are not zero; count those that are.'
    """
    hints: list[str] = []
    token = _NOTED.set(hints)
    try:  # a right answer gets to all of its comparisons
        EXERCISES[name].check(EXERCISES[name].reference)
    finally:
        _NOTED.reset(token)
    return list(dict.fromkeys(hints))


def exercise(reference: Answer) -> Callable[[Callable[[Answer], str]], Callable[[Answer], str]]:
    """Register a checker: it raises Wrong with a hint, or returns a fact that it has verified."""

    def register(checker: Callable[[Answer], str]) -> Callable[[Answer], str]:
        name = reference.__name__
        EXERCISES[name] = _Exercise(name, reference, checker)
        return checker

    return register


@dataclass(frozen=True)
class Choice:
    """A multiple-choice question: the right letter, and what each letter's answer deserves."""

    text: str
    right: str
    reasons: Mapping[str, str]

    def check(self, answer: object) -> str:
        """Return the reason why `answer` is right; raise Wrong with the reason why it is not."""
        if answer is None or answer is ... or (isinstance(answer, str) and answer == "..."):
            raise _Open
        letter = answer.strip().lower() if isinstance(answer, str) else None
        if letter is None or letter not in self.reasons:
            letters = ", ".join(f'"{letter}"' for letter in self.reasons)
            raise Wrong(f"give one of the letters {letters}; this is {answer!r:.40}")
        if letter != self.right:
            raise Wrong(self.reasons[letter])
        return self.reasons[letter]


CHOICES: dict[str, Choice] = {}


def choice(name: str, text: str, *, right: str, **reasons: str) -> None:
    """Register a multiple-choice question.

    Parameters
    ----------
    name : str
        What the lesson calls it in ``nst.check(name, letter)``.
    text : str
        What is asked, for those who read this module; the lesson's text asks it, and lists the
        answers.
    right : str
        The letter of the right answer.
    **reasons : str
        By letter: why that answer is wrong, or what makes it right. The reason of a wrong answer
        helps to think again, and does not name the right one.
    """
    if name in CHOICES or right not in reasons:
        raise ValueError(f"choice {name!r} is there already, or has no reason for {right!r}")
    CHOICES[name] = Choice(text, right, reasons)


def _callable(exercise: _Exercise, answer: object) -> Answer:
    if answer is None or answer is ...:
        raise _Open
    if not callable(answer):
        raise Wrong(
            f"this is a value of type {type(answer).__name__}, not a function; pass the function "
            f'itself, without calling it: nst.check("{exercise.name}", {exercise.name})'
        )
    wanted = [*inspect.signature(exercise.reference).parameters]
    try:
        signature = inspect.signature(answer)
    except ValueError:  # some functions written in C do not tell
        return answer
    try:
        signature.bind(*wanted)
    except TypeError:
        raise Wrong(
            f"its parameters are {signature}; the check calls {exercise.name}({', '.join(wanted)})."
        ) from None
    return answer


def call_answer(answer: Answer, *arguments: Any) -> Any:
    try:
        result = answer(*arguments)
    except NotImplementedError:
        raise _Open from None
    except Exception as error:
        # TensorFlow puts the name of the operation's node in front.
        reason = re.sub(r"^\{\{.*?\}\}\s*", "", str(error).strip())
        reason = (reason.splitlines() or ["no reason given"])[0]
        reason = reason if len(reason) <= 160 else f"{reason[:157]}..."
        raise Raised(f"it raised {type(error).__name__}: {reason}") from error
    if result is None or result is ...:
        raise _Open
    return result


def try_answer(answer: Answer, case: Sequence[Any]) -> tuple[Array, bool]:
    """Call `answer` on copies of a case; return its result and whether it left the copies alone.

    NumPy arrays come first; an answer that cannot use them gets tensors.
    """
    given = copy.deepcopy(list(case))
    try:
        result = call_answer(answer, *given)
    except Raised as raised:
        arrays = any(isinstance(value, np.ndarray) for value in case)
        if not arrays or "tensorflow" not in sys.modules:
            raise
        from nstlib._tensorflow import tf

        tensors = [tf.constant(v) if isinstance(v, np.ndarray) else v for v in case]
        try:
            return array_of(call_answer(answer, *tensors)), True
        except Raised as second:
            # Which of the two complaints is about the answer, and not about what it was given?
            raise (second if "ndarray" in str(raised) else raised) from None
    result = array_of(result)
    untouched = all(
        np.array_equal(before, after)
        for before, after in zip(case, given, strict=True)
        if isinstance(before, np.ndarray)
    )
    return result, untouched


def array_of(result: Any) -> Array:
    try:
        array = np.asarray(result)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise Wrong(f"it returns a value of type {type(result).__name__}; return numbers.")
    return array


def compare(
    answer: Answer,
    reference: Answer,
    cases: Sequence[Sequence[Any]],
    mistakes: Sequence[Mistake],
    *,
    dtype: Callable[[Array], np.dtype[Any]] | None = None,
) -> None:
    """Raise Wrong unless `answer` agrees with `reference` on every case."""
    noted = _NOTED.get()
    if noted is not None:
        noted += [hint for hint, _ in mistakes]
    tried = [try_answer(answer, case) for case in cases]
    results = [result for result, _ in tried]
    expected = [np.asarray(reference(*case)) for case in cases]
    if not all(map(_agree, results, expected)):
        for hint, mistake in mistakes:
            if all(_agree(r, mistake(*case)) for r, case in zip(results, cases, strict=True)):
                raise Wrong(hint)
        for case, result, right in zip(cases, results, expected, strict=True):
            if not _agree(result, right):
                raise Wrong(_difference(result, right, case, mistakes))
    if dtype:
        for case, result in zip(cases, results, strict=True):
            wanted = dtype(np.asarray(case[0]))
            if result.dtype != wanted:
                raise Wrong(
                    f"the values are right, but their dtype is {result.dtype}; "
                    f"here it should be {wanted}."
                )
    if not all(untouched for _, untouched in tried):
        raise Wrong("the values are right, but it changes the array it was given; work on a copy.")


def _agree(result: ArrayLike, expected: ArrayLike) -> bool:
    result, expected = np.asarray(result), np.asarray(expected)
    if result.shape != expected.shape:
        return False
    size = float(np.abs(expected).max(initial=0, where=np.isfinite(expected)))
    # float32 answers lose a few units in the seventh place.
    return np.allclose(
        result.astype(np.float64), expected.astype(np.float64), rtol=1e-4, atol=1e-5 * size
    )


def _difference(
    result: Array, expected: Array, case: Sequence[Any], mistakes: Sequence[Mistake]
) -> str:
    """Say how two arrays differ when no single mistake explains it."""
    if result.shape != expected.shape:
        for hint, mistake in mistakes:
            if np.shape(mistake(*case)) == result.shape:
                return hint
        wanted = "one number" if expected.shape == () else f"of shape {expected.shape}"
        return f"the result has shape {result.shape}; it should be {wanted}."
    if not np.isfinite(result).all():
        return "the result holds NaN or infinite values."
    result, expected = result.astype(np.float64), expected.astype(np.float64)
    square = float((expected * expected).sum())
    factor = float((result * expected).sum()) / square if square else 0.0
    if expected.size > 1 and abs(factor) > 1e-6 and _agree(result, factor * expected):
        if factor < 0:
            return f"every value is {factor:.3g} times what it should be."
        if f"{factor:.3g}" == "1":
            size = "large" if factor > 1 else "small"
            return f"every value is nearly right, but a little too {size}."
        size = (
            f"{factor:.3g} times too large" if factor > 1 else f"{1 / factor:.3g} times too small"
        )
        return f"every value is {size}."
    where = np.unravel_index(int(np.abs(result - expected).argmax()), expected.shape)
    place = f"at [{', '.join(map(str, where))}] it gives" if where else "it gives"
    given, right = f"{result[where]:.3g}", f"{expected[where]:.3g}"
    if given == right:
        return f"{place} nearly the right value, {right}, but not quite."
    return f"{place} {given} where {right} is right."


def numbers(shape: tuple[int, ...], high: int = 6, seed: int = 0) -> NDArray[np.float32]:
    """Whole numbers from 0 to `high` - 1, exact in float32."""
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.float32)
