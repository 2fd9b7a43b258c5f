"""The slides' texts quote what their lessons say, and the guard that says so can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import slide_decks
import teaching

pytest.importorskip("tensorflow")  # questions come from the exercises, which need it

LESSONS = teaching.lessons()
FIRST = LESSONS["00"]
GOOD = """Note: 25 min. Say nothing.

# Numbers are not light

## Half the light

![Concentric rings…]

The number 0.5 sends 0.21.

Note: 2 min. It has the number 0.74.

## ? overflow

Note: 1 min. Wait.

# Exercise 1 · Three bugs in three lines (15 minutes)

## Exercise 1

```text
PNG:   0% of 786,432 numbers differ
```
"""


@pytest.mark.parametrize("number", LESSONS)
def test_what_a_deck_quotes_stands_in_its_lesson(number: str) -> None:
    assert list(slide_decks.faults(slide_decks.deck_of(LESSONS[number]))) == []


def test_each_section_has_its_minutes_of_talk_and_of_exercises() -> None:
    assert slide_decks.sections(slide_decks.deck_of(FIRST, GOOD)) == (
        "**Minutes:** Opening **25**; Numbers are not light **3**; "
        "Exercise 1 · Three bugs in three lines **15**.\n"
    )


def test_each_text_belongs_to_a_lesson() -> None:
    pages = {lesson.page.replace(".ipynb", "") for lesson in LESSONS.values()}
    texts = {path.stem for path in slide_decks.DECKS.glob("*.md")}
    assert len(texts) > 10
    assert texts <= pages


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# Numbers are", "# Numbers aren't", "no section"),
        ("Concentric", "Eccentric", "0 pictures"),
        ("![Concentric rings", "![A", "pictures of the lesson begin with 'A'"),
        ("sends 0.21", "sends 0.22", "no number 0.22"),
        ("number 0.74", "number 0.75", "no number 0.75"),
        ("sends 0.21.", "sends 0.21.\n\n| 0.21 | 786,432 |", "nowhere together"),
        ("? overflow", "? underflow", "no question 'underflow'"),
        ("? overflow", "? smaller_nudge", "no question 'smaller_nudge'"),  # another lesson's
        ("## Exercise 1", "## Exercise 9", "no exercise 9"),
        ("786,432 numbers", "786,432 pixels", "does not say"),
        ("Note: 1 min. Wait.", "Note: Wait.", "begin with the minutes"),
        ("Note: 25 min", "Note: 2 min", "5 minutes, and 25 to read"),
        ("Wait.", "Draw $x$.", "no formulas in notes"),
        ("The number", "many words " * 15, "words, at most 30"),
    ],
)
def test_a_deck_that_left_its_lesson_is_found(old: str, new: str, said: str) -> None:
    assert list(slide_decks.faults(slide_decks.deck_of(FIRST, GOOD))) == []
    changed = GOOD.replace(old, new, 1)
    assert changed != GOOD
    found = list(slide_decks.faults(slide_decks.deck_of(FIRST, changed)))
    assert any(said in fault for fault in found), found


def test_a_lesson_without_a_text_gets_a_plain_deck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slide_decks, "DECKS", tmp_path)
    deck = slide_decks.deck_of(FIRST)
    assert list(slide_decks.faults(deck)) == []
    shown = [slide.body for slide in deck.slides if slide.body]
    assert shown == [f"![{picture.alt}]" for picture in deck.pictures[1:]]
    questions = re.findall(r'nst\.check\("(\w+)", \.\.\.\)', FIRST.text)
    assert [slide.question for slide in deck.slides if slide.question] == questions
    exercises = [exercise.number for exercise in FIRST.exercises]
    assert [slide.exercise for slide in deck.slides if slide.exercise] == exercises
