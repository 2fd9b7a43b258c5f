"""What lessons quote from the models' cards and the benchmarks is still what these say."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARDS, BENCHMARKS = ROOT / "models" / "README.md", ROOT / "benchmarks" / "README.md"
# The lesson, its words, and the words that they rest on: whoever changes these sees to the lesson.
QUOTED = [
    (
        "07",
        "| VGG19 itself | 0.06 |",
        CARDS,
        "| VGG19 itself | 0.0008 | 0.0028 | 0.0148 | 0.0413 | 0.0605 |",
    ),
    (
        "07",
        "| the twin | 0.23 |",
        CARDS,
        "| this twin | 0.0012 | 0.0064 | 0.0444 | 0.1745 | 0.2295 |",
    ),
    (
        "07",
        "| random weights in the twin's shape | 2.09 |",
        CARDS,
        "| 0.065 | 0.146 | 0.515 | 1.32 | 2.09 |",
    ),
    ("07", "textures of 15 sources", CARDS, "geometric means over 15 sources"),
    ("07", "288 evaluations, and about 25 times", BENCHMARKS, "| 288 evaluations, 151 s | 25 |"),
    (
        "07",
        "total variation 348, and about 19 times",
        BENCHMARKS,
        "| 348 evaluations, 197 s | 19 |",
    ),
    (
        "07",
        "for the transfer 89, and about 38 times",
        BENCHMARKS,
        "| 89 evaluations, 262 s | 38 |",
    ),
    (
        "07",
        "that of 20 steps here, scaled up",
        BENCHMARKS,
        "that of 20 steps here in float32, scaled up",
    ),
    (
        "09",
        "for about 3,000 steps, or more",
        CARDS,
        "| 611: 0.25; 900: 0.5; 500 by VGG19: 0.4 | 512: 0.19 |",
    ),
    (
        "09",
        "for about 3,000 steps, or more",
        CARDS,
        "The last part is 950 steps by VGG19 (`mosaic`: 975)",
    ),
    ("11", "A fourteenth, 106,000,", CARDS, "from 0.1 to 1.5 million weights"),
    ("11", "992 photographs of people", CARDS, "992 photographs with masks"),
    (
        "11",
        "174 more, whose masks are guesses of two networks",
        CARDS,
        "174 of the photographs above",
    ),
    ("11", "861 photographs without anybody", CARDS, "in the 861 photographs without people"),
    (
        "11",
        "| 3.1 MB, included | 0.951 | 0.948 | 0.914 | 0.932 |",
        CARDS,
        "| `.mask()`, over pictures | 0.951 | 0.914 |",
    ),
    (
        "11",
        "| 3.1 MB, included | 0.951 | 0.948 | 0.914 | 0.932 |",
        CARDS,
        "| `.mask()` | 0.948 | 0.932 |",
    ),
    (
        "11",
        "| 0.25 MB | 0.944 | 0.942 | 0.907 | 0.920 |",
        CARDS,
        "`.mask()`, over pictures | 0.944 | 0.907 |",
    ),
    (
        "11",
        "| 0.25 MB | 0.944 | 0.942 | 0.907 | 0.920 |",
        CARDS,
        "network, `.mask()` | 0.942 | 0.920 |",
    ),
    (
        "11",
        "0.0068 ± 0.0029 on the first set and 0.0066 ± 0.0096",
        CARDS,
        "0.0068 ± 0.0029 and 0.0066 ± 0.0096",
    ),
    ("11", "610 animals and things, cut out", CARDS, "610 in all"),
    ("11", "reports 0.7 % of the pixels", CARDS, "it takes 0.66 ± 0.19 % of the pixels"),
    ("11", "nothing at all on 91 in a hundred", CARDS, "nothing on 91 % of them"),
    (
        "11",
        "more than 5 % of the picture on 15**, of which 10 show animals",
        CARDS,
        "more than 5 % of the picture on 15, of which 10 show animals",
    ),
    ("11", "more than 5 % on 145 of the 346", CARDS, "| 15 | 21 | 42 | 145 |"),
    (
        "12",
        "0.031 with code values and by 0.011 with light",
        ROOT / "nstlib" / "compose.py",
        "by 0.011 in linear light",
    ),
    (
        "12",
        "they were off by 0.073 and 0.072",
        ROOT / "nstlib" / "compose.py",
        "were off by 0.073 and 0.072",
    ),
    ("13", "198,811 weights", CARDS, "198,811 parameters"),
    ("13", "one of 169 paintings", CARDS, "169 paintings, prints and ornaments"),
    (
        "13",
        "six pairs in a hundred were a photograph with itself",
        CARDS,
        "6 % of the photographs are their own style",
    ),
]


def words(path: Path) -> str:
    """Read a text, with lines of comments joined and every gap one space wide."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(" ".join(lines if path.suffix == ".md" else map(uncommented, lines)).split())


def uncommented(line: str) -> str:
    return line.strip().removeprefix("#")


@pytest.mark.parametrize(
    ("lesson", "quoted", "path", "rests_on"), QUOTED, ids=lambda value: str(value)[:40]
)
def test_lesson_quotes_what_is_published(
    lesson: str, quoted: str, path: Path, rests_on: str
) -> None:
    [source] = (ROOT / "notebooks" / "sources").glob(f"{lesson}_*.py")
    assert rests_on in words(path), f"{path.name} has changed: see what lesson {lesson} says of it"
    assert quoted in words(source)
