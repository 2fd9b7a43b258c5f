"""An exercise has three hints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "notebooks" / "sources").glob("*.py"))


def exercises(text: str) -> dict[str, list[str]]:
    """Find the exercises of a lesson's source by their headings, and the numbers of their hints."""
    text = text.split("# ## In this lesson you have")[0]
    parts = re.split(r"^# ### (?=Exercise )", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: re.findall(r"<summary>Hint (\d+)</", part) for part in parts}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_exercises_have_three_hints(source: Path) -> None:
    found = exercises(source.read_text(encoding="utf-8"))
    assert len(found) >= 3
    for heading, hints in found.items():
        assert hints == ["1", "2", "3"], heading


@pytest.mark.parametrize("kept", [1, 2])
def test_a_hint_that_is_missing_is_found(kept: int) -> None:
    hints = "".join(f"# <summary>Hint {n + 1}</summary>\n" for n in range(kept))
    assert exercises(f"# ### Exercise 1 · One (5 minutes)\n{hints}") == {
        "Exercise 1 · One (5 minutes)": ["1", "2"][:kept]
    }
