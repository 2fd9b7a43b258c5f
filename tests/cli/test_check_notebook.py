"""`nst check-notebook`: who solved what, whatever is handed in."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_runs import refused
from conftest import Run
from notebook_files import ANSWERS, IMPORTS, write_notebook
from waiting import LONGEST, wait_for

ROWS = ("overflow", "cut_off", "to_network", "over_white")

#: What learners hand in: cells, and what becomes of the four exercises.
HANDED_IN = {
    "right.ipynb": (
        [IMPORTS, *ANSWERS.values()],
        ["solved", "solved", "solved", "solved"],
        "",
    ),
    "raises.ipynb": (
        [
            IMPORTS,
            "1 / 0",
            ANSWERS["overflow"],
            'nst.check("cut_off", ...)\nnst.check("cut_off", "c")\nnst.check("cut_off", "a")',
            ANSWERS["to_network"].replace("def ", "typing mistake\ndef "),
            ANSWERS["over_white"]
            .replace("1 -", "2 -")
            .replace("nst.check", "from nstlib.course.exercises import require\nrequire"),
        ],
        ["solved", "solved", "stopped with an error", "not yet"],
        "cell [2] raised ZeroDivisionError; cell [5] raised SyntaxError",
    ),
    "exits.ipynb": (
        [
            IMPORTS,
            ANSWERS["overflow"],
            "import os, pathlib\nfor path in pathlib.Path().iterdir(): path.unlink()\nos._exit(0)",
            ANSWERS["cut_off"],
        ],
        ["solved", "not reached", "not reached", "not reached"],
        "cell [3] ended its Python",
    ),
    "pretends.ipynb": (
        [
            f"{IMPORTS}\nprint('✓ to_network: right.')",
            "nst.check = lambda name, answer: print(f'✓ {name}: right.')",
            ANSWERS["overflow"],
            ANSWERS["over_white"],
            'print("✓ cut_off: right.")',
        ],
        ["not reached"] * 4,
        "cells [3], [4] never reached the course's check",
    ),
}


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.ipynb")
    }


def test_each_kind_of_notebook_gets_its_row_and_stays_as_it_is(nst: Run, tmp_path: Path) -> None:
    for name, (cells, _, _) in HANDED_IN.items():
        write_notebook(tmp_path / name, *cells)
    (tmp_path / "=essay\x1b.ipynb").write_text("Dear teacher")
    before = digests(tmp_path)
    names = [*HANDED_IN, "=essay\x1b.ipynb"]

    code, out, err = nst("check-notebook", *names, "--csv", "table.csv")
    assert code == 2
    assert err == ["nst: =essay?.ipynb is not a notebook, or is damaged"]
    assert digests(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "table.csv"])

    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        table = {row["file"]: row for row in csv.DictReader(file)}
    assert [*table] == [*HANDED_IN, "./=essay?.ipynb"]
    assert table["./=essay?.ipynb"]["note"].startswith("./=essay")
    short = {"solved": "yes", "not yet": "no", "not reached": "-", "stopped with an error": "error"}
    for name, (_, states, note) in HANDED_IN.items():
        row = table[name]
        assert [row[exercise] for exercise in ROWS] == states
        solved = states.count("solved")
        assert (row["lesson"], row["solved"], row["of"], row["note"]) == (
            "00",
            str(solved),
            "10",
            note,
        )
        others = [row[key] for key in [*row][2:-3] if key not in ROWS]
        assert others == ["not reached"] * 6
        (line,) = (line for line in out if line.startswith(name))
        shown = line.removeprefix(name).split()
        assert [shown[i] for i in (0, 1, 6, 9)] == [short[state] for state in states]
        assert shown[10:] == f"{solved} of 10 {note}".split()


def test_the_exit_code_says_whether_all_is_solved(
    nst: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nstlib.course import exercises

    write_notebook(tmp_path / "right.ipynb", IMPORTS, ANSWERS["overflow"], ANSWERS["cut_off"])
    monkeypatch.setitem(exercises.LESSONS, "00", ("overflow", "cut_off"))
    code, out, err = nst("check-notebook", "right.ipynb")
    assert (code, err) == (0, [])
    assert out[0] == "Lesson 00: 1 overflow, 2 cut_off"
    assert out[2].split() == ["right.ipynb", "yes", "yes", "2", "of", "2"]

    monkeypatch.setitem(exercises.LESSONS, "00", ("overflow", "cut_off", "to_network"))
    assert nst("check-notebook", "right.ipynb")[0] == 1


def test_what_cannot_be_done_is_refused_before_anything_runs(nst: Run, tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", IMPORTS)
    refused(nst("check-notebook", "a.ipynb", "--limit", "0"), "--limit is 0.0", "above 0")
    refused(nst("check-notebook", "a.ipynb", "--csv", "table.txt"), ".csv")
    refused(nst("check-notebook", "a.ipynb", "--csv", "no/table.csv"), "folder no does not exist")
    Path("marks.csv").write_text("name,mark")
    refused(nst("check-notebook", "marks.csv", "--csv", "./marks.csv"), "another table file")
    assert Path("marks.csv").read_text() == "name,mark"
    refused(nst("check-notebook", "a.ipynb"), "a.ipynb calls none of the course's checks")


@pytest.mark.parametrize("package", ["nbformat", "nbclient"])
def test_without_jupyter_it_says_what_to_install(
    nst: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    write_notebook(tmp_path / "right.ipynb", IMPORTS, *ANSWERS.values())
    names = [name for name in sys.modules if name.split(".")[0] == package]
    for name in {*names, package}:
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = nst("check-notebook", "right.ipynb")
    words = f"nst: checking notebooks needs {package}: pip install 'nstlib[learn]'"
    assert (code, err) == (2, [words])


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_ctrl_c_kills_the_notebook_and_keeps_what_is_known(tmp_path: Path) -> None:
    hang = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'new')!r}).write_text(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'new')!r}, {str(tmp_path / 'pid')!r})\n"
        "while True: time.sleep(1)"
    )
    write_notebook(tmp_path / "hangs.ipynb", IMPORTS, hang, ANSWERS["overflow"])
    (tmp_path / "essay.ipynb").write_text("Dear teacher")
    run = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from nstlib.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", run, "check-notebook", "essay.ipynb", "hangs.ipynb"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [*command, "--csv", "table.csv"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((tmp_path / "pid").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 130
    assert err.splitlines() == [
        "nst: essay.ipynb is not a notebook, or is damaged",
        "nst: interrupted: ending ...",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert "essay.ipynb is not a notebook" in (tmp_path / "table.csv").read_text("utf-8")
    assert [*temporary.iterdir()] == []
