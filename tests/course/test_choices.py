"""Multiple-choice questions: what each answer is told, and that lessons ask them fairly."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest

from nstlib.course.exercises._engine import CHOICES, choice, evaluate

SOURCES = sorted(Path(__file__).parents[2].joinpath("notebooks/sources").glob("[0-9][0-9]_*.py"))
ASKED = re.compile(r'nst\.check\(\s*"(\w+)",\s*("[^"]*"|\.\.\.)\s*\)')


@pytest.mark.parametrize("name", CHOICES)
def test_each_answer_gets_a_reason_of_its_own(name: str) -> None:
    asked = CHOICES[name]
    messages = {letter: evaluate(name, letter) for letter in asked.reasons}
    assert len({verdict.message for verdict in messages.values()}) == len(messages) >= 3
    assert list(messages) == list("abcdef"[: len(messages)])
    for letter, verdict in messages.items():
        assert verdict.passed == (letter == asked.right)
        start = f"✓ {name}: right. " if verdict.passed else f"✗ {name}: "
        assert verdict.message == start + asked.reasons[letter]
        assert "\n" not in verdict.message
        assert len(verdict.message) < 250
        assert verdict.message.endswith((".", "?"))


@pytest.mark.parametrize("nothing", [None, ..., "..."])
def test_without_a_letter_it_is_open(nothing: object) -> None:
    verdict = evaluate("overflow", nothing)
    assert not verdict.passed
    assert verdict.message == (
        "○ overflow: still open. Put a letter in place of the dots, then run this cell again."
    )


@pytest.mark.parametrize("answer", [" A\n", "A", "a"])
def test_a_letter_counts_however_it_is_typed(answer: str) -> None:
    assert evaluate("overflow", answer).passed


@pytest.mark.parametrize("answer", ["e", "", "ab", "44", 44, ["a"], lambda: "a"])
def test_what_is_no_letter_is_told_which_there_are(answer: object) -> None:
    verdict = evaluate("overflow", answer)
    assert not verdict.passed
    assert 'give one of the letters "a", "b", "c", "d"' in verdict.message


@pytest.mark.parametrize(("name", "right"), [("overflow", "a"), ("new", "c")])
def test_a_name_in_use_or_a_right_letter_without_a_reason_is_refused(name: str, right: str) -> None:
    with pytest.raises(ValueError, match=name):
        choice(name, "?", right=right, a="So.", b="So not.")
    assert "new" not in CHOICES


def faults(text: str) -> list[str]:
    """Say what is wrong with the questions of a lesson's source."""
    found, prose = [], ""
    tagged: dict[str, dict[str, str]] = {}
    listed: dict[str, list[str]] = {}
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        if cell.cell_type == "markdown":
            prose = cell.source
            continue
        for name, answer in ASKED.findall(cell.source):
            for tag in {"learner", "solution"}.intersection(cell.metadata.get("tags", [])):
                tagged.setdefault(name, {})[tag] = answer.strip('"')
            listed[name] = re.findall(r"^- \*\*([a-f])\*\* ", prose, re.M)
    for name, letters in listed.items():
        if tagged.get(name, {}).get("learner") != "...":
            found.append(f"{name}: no learner's cell asks it with ...")
        if tagged.get(name, {}).get("solution") != CHOICES[name].right:
            found.append(f"{name}: no solution's cell answers it")
        if letters != list(CHOICES[name].reasons):
            found.append(f"{name}: the text before it lists {letters}")
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem[:2])
def test_lessons_list_the_answers_and_do_not_give_them_away(source: Path) -> None:
    assert faults(source.read_text(encoding="utf-8")) == []


def test_every_question_is_asked_in_one_lesson() -> None:
    lessons = [set(dict(ASKED.findall(source.read_text(encoding="utf-8")))) for source in SOURCES]
    assert sorted(name for names in lessons for name in names) == sorted(CHOICES)


GOOD = """\
# %% [markdown]
# **Question.** What comes out?
#
# - **a** 44
# - **b** 255
# - **c** 300
# - **d** an error

# %% tags=["learner"]
nst.check("overflow", ...)

# %% tags=["solution"]
nst.check("overflow", "a")
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ('("overflow", ...)', '("overflow", "a")', "no learner's cell asks"),
        ('("overflow", "a")', '("overflow", "b")', "no solution's cell answers"),
        ('tags=["learner"]', "", "no learner's cell asks"),
        ("# - **d** an error\n", "", "lists"),
    ],
)
def test_unfair_questions_are_caught(old: str, new: str, fault: str | None) -> None:
    found = faults(GOOD.replace(old, new) if old else GOOD)
    assert not found if fault is None else any(fault in line for line in found)
