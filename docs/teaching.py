"""The parts of the instructors' pages that are written from the lessons and their checks.

`build_site.py` calls :func:`write`, so that times, plans and misconceptions change when a lesson
does. Pages in ``docs/instructors/`` are written by hand, and include the tables that stand here.

    python docs/teaching.py FOLDER
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "sources"

#: What a plan does with a lesson: its number, and the exercises that are done in class.
InClass = tuple[str, tuple[int, ...]]

#: A day of lessons. A text with minutes is not a lesson.
DAY: tuple[InClass | tuple[str, int], ...] = (
    ("`nst doctor` on every machine; what the day is for", 15),
    ("00", (1,)),
    ("02", (1, 2)),
    ("*Break*", 15),
    ("03", (1,)),
    ("*Lunch*", 60),
    ("04", (1,)),
    ("06", (1,)),
    ("*Break*", 15),
    ("09", (1,)),
    ("Own photographs with `nst compose`; the first picture of lesson 12", 30),
    ("In reserve: exercises that were left open, questions", 45),
)
DAY_BEGINS = 9 * 60

#: One meeting a week. Exercises that are not done in class are done at home.
WEEKS: tuple[tuple[InClass, ...], ...] = (
    (("00", (1, 2)), ("01", (1,))),
    (("02", (1, 2)), ("03", (1,))),
    (("04", (1,)), ("05", (1, 2))),
    (("06", (1,)), ("07", (1,)), ("08", (1,))),
    (("09", (1, 2)), ("10", (1,))),
    (("11", (1,)), ("12", (1,))),
)
#: Lessons for those who want to go on, at home: no other one builds on them.
AFTERWARDS = ("13",)


@dataclass(frozen=True)
class Exercise:
    """An exercise's number and title, and its minutes; None if the lesson states no number."""

    number: int
    title: str
    minutes: int | None
    stated: str


@dataclass(frozen=True)
class Lesson:
    """What a lesson states about itself. Times are in minutes, `run` is in seconds."""

    number: str
    title: str
    page: str
    read: int
    appendix: int
    run: int
    exercises: tuple[Exercise, ...]
    text: str

    def link(self) -> str:
        """Return a link from a page in ``instructors/``."""
        return f"[{self.number} {self.title}](../notebooks/{self.page})"


def lessons() -> dict[str, Lesson]:
    """Read all lessons' sources, by their numbers."""
    return {path.name[:2]: _lesson(path) for path in sorted(SOURCES.glob("[0-9]*.py"))}


def _lesson(path: Path) -> Lesson:
    text = path.read_text(encoding="utf-8")
    read = _found(r"^# \| Time to read \| (\d+) min(?:, appendix (\d+) min)?", text)
    run = _found(r"^# \| Time to run on 2 cores \| (?:(\d+) min)? ?(?:(\d+) s)? \|", text)
    return Lesson(
        number=path.name[:2],
        title=_found(r"^# # \d\d · ([^:\n]+)", text)[1],
        page=f"{path.stem}.ipynb",
        read=int(read[1]),
        appendix=int(read[2] or 0),
        run=60 * int(run[1] or 0) + int(run[2] or 0),
        exercises=tuple(
            Exercise(int(number), title, _minutes(stated), stated)
            for number, title, stated in re.findall(
                r"^# ### Exercise (\d+) · (.+) \((.+)\)$", text, re.MULTILINE
            )
        ),
        text=text,
    )


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"no {pattern!r} in a lesson's source")
    return match


def _minutes(stated: str) -> int | None:
    if "an hour" in stated:
        return 60
    match = re.search(r"(\d+) minutes", stated)
    return int(match[1]) if match else None


def _sum(exercises: Iterable[Exercise]) -> int:
    return sum(exercise.minutes or 0 for exercise in exercises)


def _hours(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part, there in ((f"{hours} h", hours), (f"{rest} min", rest)) if there)


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def times() -> str:
    """Return a table of the lessons' times, as they state them, and their sums."""
    found = lessons().values()
    rows = [
        [
            lesson.link(),
            _hours(lesson.read) + (f" + {lesson.appendix}" if lesson.appendix else ""),
            ", ".join(str(e.minutes) if e.minutes else e.stated for e in lesson.exercises),
            _hours(_sum(lesson.exercises)),
            f"{lesson.run} s",
        ]
        for lesson in found
    ]
    appendices = sum(lesson.appendix for lesson in found)
    total = [
        "**all**",
        f"**{_hours(sum(lesson.read for lesson in found))} + {appendices}**",
        "",
        f"**{_hours(sum(_sum(lesson.exercises) for lesson in found))}**",
        f"**{round(sum(lesson.run for lesson in found) / 60)} min**",
    ]
    head = ["lesson", "to read", "exercises 1, 2, … in minutes", "exercises together", "to run"]
    return table(head, [*rows, total])


def _named(numbers: tuple[int, ...]) -> str:
    listed = " and ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])][len(numbers) < 2 :])
    return f"Exercise{'s' * (len(numbers) > 1)} {listed}"


def _split(lesson: Lesson, numbers: tuple[int, ...]) -> tuple[list[Exercise], list[Exercise]]:
    """Return the exercises with these numbers, which there must be, and the others."""
    chosen = [e for e in lesson.exercises if e.number in numbers]
    if len(chosen) != len(numbers) or not all(e.minutes for e in chosen):
        raise ValueError(f"a plan names exercises that lesson {lesson.number} has no minutes for")
    return chosen, [e for e in lesson.exercises if e.number not in numbers]


def day() -> str:
    """Return the timetable of one day."""
    found, clock, rows = lessons(), DAY_BEGINS, []
    for what, of in DAY:
        if isinstance(of, int):
            minutes, text = of, what
        else:
            lesson = found[what]
            chosen, _ = _split(lesson, of)
            minutes = lesson.read + _sum(chosen)
            text = f"{lesson.link()}: {lesson.read} min, {_named(of)}: {_sum(chosen)} min"
        begins, clock = clock, clock + minutes
        rows.append([f"{begins // 60}:{begins % 60:02}", f"{minutes}", text])
    rows.append([f"{clock // 60}:{clock % 60:02}", "", "*End*"])
    return table(["from", "min", "what"], rows)


def weeks() -> str:
    """Return the timetable of six weeks, and what is left for afterwards."""
    found, rows = lessons(), []
    for week, plan in enumerate(WEEKS, start=1):
        class_time, home_time, in_class, at_home = 0, 0, [], []
        for number, numbers in plan:
            lesson = found[number]
            chosen, others = _split(lesson, numbers)
            class_time += lesson.read + _sum(chosen)
            home_time += lesson.appendix + _sum(others)
            in_class.append(f"{lesson.link()} ({lesson.read}), {_named(numbers)} ({_sum(chosen)})")
            appendix = f", appendix ({lesson.appendix})" if lesson.appendix else ""
            at_home.append(
                f"{number}: "
                + ", ".join(f"{e.number} ({e.minutes or e.stated})" for e in others)
                + appendix
            )
        rows.append(
            [
                str(week),
                "; ".join(in_class),
                f"**{_hours(class_time)}**",
                "; ".join(at_home),
                f"**{_hours(home_time)}**",
            ]
        )
    for number in AFTERWARDS:
        lesson = found[number]
        at_home = [f"{number}: read ({lesson.read})"]
        at_home += [f"{e.number} ({e.minutes or e.stated})" for e in lesson.exercises]
        minutes = lesson.read + lesson.appendix + _sum(lesson.exercises)
        rows.append(["later", lesson.link(), "", ", ".join(at_home), f"**{_hours(minutes)}**"])
    return table(["week", "in class", "together", "at home", "together"], rows)


def misconceptions() -> str:
    """Return the page of the mistakes that the exercises' checks know.

    For each exercise: its lesson, what it asks for, and each common mistake as the check's hint
    for it. For each multiple-choice question: each wrong answer, with its reason.
    """
    from nstlib.course.exercises import _engine as engine

    page = [
        "# Misconceptions",
        "The checks of the exercises compare an answer with what common mistakes would give. So "
        "they are also a list of what learners get wrong. This page is written from them when the "
        "site is built. Each line is what `nst.check` prints after such a mistake; … stands for "
        "what depends on the answer. Right answers are not listed.",
        "Every check also notices an answer that is still open, raises an error, takes other "
        "arguments or returns something that is not a number.",
    ]
    for lesson in lessons().values():
        page.append(f"## {lesson.link()}")
        for name in dict.fromkeys(re.findall(r'^nst\.check\("(\w+)"', lesson.text, re.MULTILINE)):
            before = lesson.text.partition(f'nst.check("{name}"')[0]
            if name in engine.CHOICES:
                choice, listed = engine.CHOICES[name], answers(before)
                page += [f"### Question `{name}`", _markdown(choice.text)]
                wrong = [letter for letter in choice.reasons if letter != choice.right]
                page.append(
                    _list(
                        f'**{letter}** "{listed[letter]}": {_markdown(choice.reasons[letter])}'
                        for letter in wrong
                    )
                )
            else:
                number, title = re.findall(r"### Exercise (\d+) · (.+) \(", before)[-1]
                asked = (inspect.getdoc(engine.EXERCISES[name].reference) or "").partition("\n\n")
                page += [f"### Exercise {number} · {title}", f"`{name}`: {_markdown(asked[0])}"]
                page.append(_list(map(_markdown, mistakes(name))))
    return "\n\n".join(page) + "\n"


def mistakes(name: str) -> list[str]:
    """List the hints that an exercise's check has, for comparisons and for what it tests itself."""
    from nstlib.course.exercises import _engine as engine

    hints: list[str] = []
    for hint in [*engine.known_mistakes(name), *_raised(engine.EXERCISES[name].check)]:
        # Two mistakes at once say nothing that the first of them did not say.
        if hint not in hints and not any(hint.startswith(f"{known} And ") for known in hints):
            hints.append(hint)
    return hints


def _raised(check: Callable[..., str]) -> list[str]:
    """List the hints in a check's own ``raise Wrong(…)``, with … for what is filled in."""
    found = []
    calls = [
        node
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(check))))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Wrong"
    ]
    for call in sorted(calls, key=lambda call: call.lineno):
        text = call.args[0]
        if isinstance(text, ast.Constant):
            found.append(str(text.value))
        elif isinstance(text, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "…" for p in text.values)
            found.append("".join(map(str, parts)))
    return found


def answers(before: str) -> dict[str, str]:
    """Return the answers that a lesson lists for the question before a check, by letter."""
    listed = before[before.rindex("# - **a** ") :]
    listed = re.sub(r"\n#   +", " ", listed)
    return dict(re.findall(r"^# - \*\*(\w)\*\* (.+?)[.;]?$", listed, re.MULTILINE))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _markdown(text: str) -> str:
    """Keep what a check says, as it stands, in Markdown; only code stays code."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", " ".join(text.split()))
    return "".join(
        part if place % 2 else re.sub(r"([\\*_\[\]<>$|{}#^~])", r"\\\1", part)
        for place, part in enumerate(parts)
    )


def write(folder: Path) -> None:
    """Write the tables and the page of misconceptions to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "times.txt": times(),
        "day.txt": day(),
        "weeks.txt": weeks(),
        "misconceptions.md": misconceptions(),
    }.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
