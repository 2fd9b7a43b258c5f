"""The instructors' pages say what lessons and checks say, and name files that exist."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colab
import numpy as np
import pytest
import teaching
import yaml
from IPython.core.interactiveshell import InteractiveShell
from packaging.specifiers import SpecifierSet

pytest.importorskip("tensorflow")  # some references are written in it

from nstlib.course.exercises import _engine as engine

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "instructors"
MINUTES = {f"minutes_{number}.txt" for number in teaching.lessons()}
WRITTEN = {"misconceptions.md", "times.txt", "day.txt", "weeks.txt", "slides.txt", *MINUTES}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCES = [path.read_text("utf-8") for path in sorted((ROOT / "notebooks/sources").glob("*.py"))]


@pytest.fixture(scope="module")
def sections() -> dict[str, list[str]]:
    """The mistakes on the page, without Markdown's backslashes, by exercise or question."""
    page = re.sub(r"\\(.)", r"\1", teaching.misconceptions())
    found = {}
    for section in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        name = re.search(r"(?:^Question |^)`(\w+)`", section, re.MULTILINE)
        assert name, section
        found[name[1]] = re.findall(r"^- (.+)$", section, re.MULTILINE)
    return found


# --- The page of misconceptions -------------------------------------------------------------------


def test_every_exercise_and_question_has_its_mistakes_on_the_page(
    sections: dict[str, list[str]],
) -> None:
    assert set(sections) == {*engine.EXERCISES, *engine.CHOICES}
    assert [name for name, mistakes in sections.items() if not mistakes] == []


def test_every_wrong_letter_is_there_with_what_its_check_says(
    sections: dict[str, list[str]],
) -> None:
    for name, choice in engine.CHOICES.items():
        said = {letter: engine.evaluate(name, letter) for letter in choice.reasons}
        wrong = {letter: verdict for letter, verdict in said.items() if not verdict.passed}
        assert len(sections[name]) == len(wrong)
        for line, (letter, verdict) in zip(sections[name], wrong.items(), strict=True):
            assert line.startswith(f'**{letter}** "')
            assert line.endswith(verdict.message.removeprefix(f"✗ {name}: "))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("sparsity", lambda x: (x != 0).mean(), id="compared"),
        pytest.param("pad_run_crop", lambda _, image: image, id="compared inside"),
        pytest.param("telling_picture", lambda n: np.zeros((n, n, 3), np.uint8), id="raised"),
    ],
)
def test_what_a_wrong_answer_gets_to_read_is_on_the_page(
    sections: dict[str, list[str]], name: str, answer: Any
) -> None:
    message = engine.evaluate(name, answer).message
    assert message.removeprefix(f"✗ {name}: ") in sections[name]


def test_no_hint_stands_twice_and_none_is_an_error_of_another_kind(
    sections: dict[str, list[str]],
) -> None:
    for mistakes in sections.values():
        assert len(set(mistakes)) == len(mistakes)
    everything = "\n".join(line for mistakes in sections.values() for line in mistakes)
    assert "never stops asking" not in everything  # what a check raises to stop a loop


# --- Times and plans ------------------------------------------------------------------------------


def test_six_weeks_hold_every_minute_that_the_lessons_state_once() -> None:
    stated = 0
    for text in SOURCES:
        stated += int(re.findall(r"Time to read \| (\d+) min", text)[0])
        stated += sum(map(int, re.findall(r"Time to read.*appendix (\d+) min", text)))
        heads = re.findall(r"### Exercise \d+ · .*\((.*)\)$", text, re.MULTILINE)
        stated += sum(
            60 if "an hour" in h else int((re.findall(r"\d+", h) or [0])[0]) for h in heads
        )

    def minutes(cell: str) -> int:
        (time,) = re.findall(r"^(?:\*\*(?:(\d+) h)? ?(?:(\d+) min)?\*\*)?$", cell.strip())
        return 60 * int(time[0] or 0) + int(time[1] or 0)

    rows = [row.strip("| ").split(" | ") for row in teaching.weeks().splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6", "later"]
    in_class, at_home = ([minutes(row[column]) for row in rows] for column in (2, 4))
    assert sum(in_class) + sum(at_home) == stated
    # What plans.md says of the meetings and of the homework.
    assert max(in_class) <= 180
    *weeks, _ = at_home
    assert weeks.pop(4) > max(weeks)


def test_a_day_goes_on_where_the_line_before_ended() -> None:
    rows = re.findall(r"^\| (\d+):(\d\d) \| (\d*) ", teaching.day(), re.MULTILINE)
    begins = [60 * int(h) + int(m) for h, m, _ in rows]
    assert [after - before for before, after in itertools.pairwise(begins)] == [
        int(minutes) for *_, minutes in rows[:-1]
    ]


def test_a_plan_that_names_an_exercise_without_minutes_is_refused() -> None:
    last = teaching.lessons()["12"]
    with pytest.raises(ValueError, match="lesson 12"):
        teaching._split(last, (len(last.exercises),))  # the capstone takes "an evening or two"


# --- Links and files ------------------------------------------------------------------------------


def test_links_lead_to_pages_of_the_site() -> None:
    shown = {"CONTRIBUTING.md", "data/README.md", "models/README.md"}
    texts = {path.name: path.read_text("utf-8") for path in PAGES.glob("*.md")}
    texts["misconceptions.md"], texts["times.txt"] = teaching.misconceptions(), teaching.times()
    links = {link for text in texts.values() for link in re.findall(r"\]\(([^):]+)\)", text)}
    assert len(links) > 10
    for link in links:
        if link.startswith("../"):
            target = link.removeprefix("../")
            assert target in shown or re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", target), link
            assert (ROOT / target).is_file(), link
        else:
            assert link in WRITTEN or (PAGES / link).is_file(), link


def test_each_lesson_has_its_own_minutes() -> None:
    page = (PAGES / "lessons.md").read_text("utf-8")
    found = re.findall(r"^## \[(\d\d) .+\n\n```\{include\} minutes_(\d\d)\.txt$", page, re.M)
    assert found == [(number, number) for number in teaching.lessons()]


def test_pages_include_what_is_written_for_them_and_list_each_other() -> None:
    texts = {path.stem: path.read_text("utf-8") for path in PAGES.glob("*.md")}
    included = {name for text in texts.values() for name in re.findall(r"\{include\} (\S+)", text)}
    assert included | {"misconceptions.md"} == WRITTEN
    listed = re.findall(r"^[\w-]+$", texts["index"].split("{toctree}")[1], re.MULTILINE)
    assert sorted(listed) == sorted({*texts, "misconceptions"} - {"index"})


def test_what_ethics_says_of_the_style_networks_stands_on_their_card() -> None:
    card = (ROOT / "models" / "README.md").read_text("utf-8")
    table = card.split("| network | style | longest side")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` .*$", table, re.MULTILINE)
    judged = re.findall(r"^\| `(\w+)` .* by VGG19", table, re.MULTILINE)
    page = (ROOT / "docs" / "ethics.md").read_text("utf-8")
    assert len(rows) == 8
    assert judged == rows
    assert "the small twin and VGG19 judged" in page


def test_dev_container_installs_and_opens_what_there_is() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    python = re.findall(r"python:1-(\d\.\d+)-", container["image"])[0]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    command, target = container["postCreateCommand"].split()
    assert command == "make"
    assert f"\nlab: {target.replace('.venv', '$(VENV)')}\n" in makefile  # what `make lab` installs
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert interpreter.endswith("/.venv/bin/python")
    assert "\nVENV = .venv\n" in makefile
    assert "--ServerApp.port" not in makefile  # JupyterLab's own port
    assert container["forwardPorts"] == [8888]


def test_binder_gets_one_python_and_the_lessons_packages() -> None:
    folder = ROOT / ".binder"
    environment = yaml.safe_load((folder / "environment.yml").read_text("utf-8"))
    # The expression by which repo2docker looks for a version.
    version = re.match(r"python\s*=+\s*([\d\.]*)", environment["dependencies"][0])
    assert version
    assert SpecifierSet(PROJECT["requires-python"]).contains(version[1])
    script = (folder / "postBuild").read_text("utf-8")
    assert os.access(folder / "postBuild", os.X_OK)
    constraints, extra = re.findall(r"--constraint (\S+) --editable '\.\[(\w+)\]'", script)[0]
    assert (ROOT / constraints).is_file()
    assert extra in PROJECT["optional-dependencies"]
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    needed = (folder / "apt.txt").read_text("utf-8").split()
    assert set(needed) <= set(container["onCreateCommand"].split())  # both for OpenCV


def test_binder_signs_every_lesson(tmp_path: Path) -> None:
    """JupyterLab shows no diagrams of a notebook that is not signed."""
    python, calls = tmp_path / "python", tmp_path / "calls"
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{calls}"\n')
    python.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([ROOT / ".binder/postBuild"], cwd=ROOT, check=True, env={"PATH": path})
    *_, signed = calls.read_text("utf-8").split("nbformat.sign\n")
    lessons = {str(p.relative_to(ROOT)) for p in ROOT.glob("notebooks/**/[0-9][0-9]_*.ipynb")}
    assert len(lessons) >= 2 * len(SOURCES)
    assert set(signed.split()) == lessons


def test_pages_name_the_lessons_that_read_a_picture_beside_them() -> None:
    """Without `notebooks/figures/` these stop."""
    readers = [f"{i:02}" for i, text in enumerate(SOURCES) if re.search(r'\bfigures / "', text)]
    page = " ".join((PAGES / "assignments.md").read_text("utf-8").split())
    assert f"essons {' and '.join(readers)} " in page


def test_the_page_shows_the_cell_of_the_copies_for_colab() -> None:
    page = (PAGES / "one-click.md").read_text("utf-8")
    assert f"```python\n{colab.CELL}\n```" in page


def test_copies_for_colab_are_the_lessons_behind_one_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colab, "FOLDER", tmp_path)
    # Names that hold what the cell calls its gaps.
    assert colab.main(["REPO-owner/art.OWNER", "BRANCH/2"]) == 0
    copies = sorted(tmp_path.glob("**/*.ipynb"))
    assert len(copies) == 2 * len(SOURCES)
    for copy in copies[:: len(SOURCES)]:
        lesson = ROOT / "notebooks" / copy.relative_to(tmp_path)
        first, *others = json.loads(copy.read_text("utf-8"))["cells"]
        assert others == json.loads(lesson.read_text("utf-8"))["cells"]
        source = "".join(first["source"])
        assert "--branch BRANCH/2 https://github.com/REPO-owner/art.OWNER /content/" in source
        assert source.count("/content/art.OWNER") == 3


@pytest.mark.parametrize("names", [["course"], ["a/b/c"], ["a/b", "two words"], ["a/b;c"]])
def test_what_is_no_address_is_refused(names: list[str]) -> None:
    with pytest.raises(SystemExit, match=re.escape(repr(names[-1]))):
        colab.main(names)


@pytest.mark.parametrize("way", ["by an address", "by a folder"])
@pytest.mark.parametrize("place", ["Colab", "Colab, again", "elsewhere"])
def test_cells_for_colab_install_there_once_and_do_nothing_elsewhere(
    way: str, place: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    page = (PAGES / "one-click.md").read_text("utf-8").split("\n## Colab\n")[1]
    by_address, by_folder = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    calls: list[str] = []
    if place != "elsewhere":
        drive = SimpleNamespace(mount=lambda where: calls.append(f"mount {where}"))
        monkeypatch.setitem(sys.modules, "google", SimpleNamespace())
        monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(drive=drive))
    if place != "Colab, again":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    shell = InteractiveShell()
    for magic in ("pip", "cd"):
        note = functools.partial(lambda name, line: calls.append(f"{name} {line}"), magic)
        shell.register_magic_function(note, "line", magic)
    run = lambda words, *, check: calls.append(f"{' '.join(words)}, {check=}")  # noqa: E731
    monkeypatch.setattr(subprocess, "run", run)
    done = shell.run_cell(by_folder if way == "by a folder" else by_address)
    done.raise_error()
    assert done.result is None
    assert capfd.readouterr() == ("", "")

    folder = "/content/drive/MyDrive/COURSE"
    address = "https://github.com/OWNER/REPO /content/REPO"
    fetch = [f"git clone --depth 1 --branch BRANCH {address}, check=True"]
    wanted = {
        "by an address": (
            [*fetch, 'pip install --quiet "/content/REPO[learn]"', "cd -q /content/REPO/notebooks"],
            ["cd -q /content/REPO/notebooks"],
        ),
        "by a folder": (
            [
                "mount /content/drive",
                f'cd -q "{folder}/notebooks"',
                f'pip install --quiet "{folder}[learn]"',
            ],
            ["mount /content/drive", f'cd -q "{folder}/notebooks"'],
        ),
    }[way]
    assert calls == {"Colab": wanted[0], "Colab, again": wanted[1], "elsewhere": []}[place]
    assert "learn" in PROJECT["optional-dependencies"]


def test_every_target_and_file_that_the_pages_name_exists() -> None:
    text = "\n".join(path.read_text("utf-8") for path in PAGES.glob("*.md"))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?:`|^)make ([\w.-]+)", text, re.MULTILINE))
    assert targets >= {"lab", "site"}
    assert [t for t in targets if not re.search(rf"^{re.escape(t)}:", makefile, re.MULTILINE)] == []
    files = set(re.findall(r"`((?:\.devcontainer|\.binder|notebooks)/[\w./]*)`", text))
    assert len(files) > 3
    assert [name for name in files if not (ROOT / name).exists()] == []
    named = {"constraints.txt", "environment.yml"} & set(re.findall(r"[\w.]+", text))
    assert all((ROOT / name).is_file() for name in named)
    assets = re.findall(r"nst assets fetch ([\w ]+)", text)
    registry = (ROOT / "nstlib/assets/registry.py").read_text("utf-8")
    for name in " ".join(assets).split():
        assert f'name="{name}"' in registry
