"""Run a learner's notebook, and tell which of its exercises are solved.

A notebook runs in a process, a folder and a time of its own. What is solved is what the course's
checks have said in that process, and not what the notebook shows: text that looks like a check's is
text. Against learners who look into the checks this protects nobody, since their code shares a
process with them. It also can do whatever the account may that runs it.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from nstlib._files import reason, uninterrupted
from nstlib.course.exercises import LESSONS, _engine
from nstlib.errors import DependencyError, NstError

Notebook: TypeAlias = Any  # nbformat's NotebookNode, a dict whose keys are also attributes

#: Seconds that a notebook may take by default. The slowest lesson takes a sixth of that.
LIMIT = 600

#: Seconds in which a kernel starts, or never does.
STARTING = 180

_CALL = re.compile(r"""\b(?:check|require)\(\s*["'](\w+)["']""")


class State(enum.StrEnum):
    """What became of an exercise."""

    SOLVED = "solved"
    NOT_YET = "not yet"
    NOT_REACHED = "not reached"
    ERROR = "stopped with an error"
    TIME = "ran out of time"


@dataclass(frozen=True)
class Marks:
    """What a notebook's exercises came to.

    Attributes
    ----------
    states : dict of str to State
        By exercise or question, all those of the lesson.
    note : str
        What else happened, in a few words; empty if nothing did.
    """

    states: dict[str, State]
    note: str

    @property
    def solved(self) -> int:
        """How many are solved."""
        return list(self.states.values()).count(State.SOLVED)


class NotebookError(NstError, ValueError):
    """A file is not a notebook of the course."""


def read_notebook(path: str | Path) -> Notebook:
    """Read a notebook of any version.

    Raises
    ------
    NotebookError
        If the file cannot be read, or is not a notebook.
    DependencyError
        If the package nbformat is not installed.
    """
    try:
        import nbformat
    except ImportError as error:
        raise DependencyError.of("nbformat", "checking notebooks") from error
    path = Path(path)
    if path.is_dir():
        raise NotebookError(
            f"{path} is a folder; name the notebooks in it, as in {path / '*.ipynb'}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path} is not a notebook: it is not a text") from error
    except (OSError, ValueError) as error:
        raise NotebookError(f"{path}: cannot be read ({reason(error)})") from error
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat's reader raises almost anything on other files
        raise NotebookError(f"{path} is not a notebook, or is damaged") from error
    return notebook


def lesson_of(notebook: Notebook, path: str | Path) -> str:
    """Return the number of the lesson whose checks a notebook calls most, as in "04".

    If it calls none, the number that the file's name begins with.

    Raises
    ------
    NotebookError
        If neither tells.
    """
    lessons = {name: lesson for lesson, names in LESSONS.items() for name in names}
    called = {name for _, cell in _code(notebook) for name in _called(cell)}
    found = Counter(lessons[name] for name in called & lessons.keys())
    lesson = max(found, key=lambda key: (found[key], key)) if found else Path(path).name[:2]
    if lesson not in LESSONS:
        raise NotebookError(f"{path} calls none of the course's checks")
    return lesson


def mark(path: str | Path, notebook: Notebook, lesson: str, limit: float = LIMIT) -> Marks:
    """Run a copy of a notebook, and tell what its exercises came to.

    Parameters
    ----------
    path : str or pathlib.Path
        The notebook's file, which stays as it is. Its copy runs in a new folder; of what lies
        around the file, only a folder ``figures`` goes with it.
    notebook : NotebookNode
        What :func:`read_notebook` made of it. Its outputs are cleared.
    lesson : str
        The lesson, as in "04".
    limit : float, optional
        Seconds after which its process is killed.

    Returns
    -------
    Marks
        An exercise is solved if its check has called an answer right once.

    Raises
    ------
    DependencyError
        If the package nbclient is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="nst-", ignore_cleanup_errors=True) as folder:
        run = _Run(notebook, Path(folder), limit)
        shutil.copyfile(path, run.work / Path(path).name)
        _copy_figures(Path(path), run.work)
        run.execute()
        return _marks(run, LESSONS[lesson])


def _copy_figures(notebook: Path, work: Path) -> None:
    """Copy the pictures that a lesson shows, from where the lesson looks for them."""
    for folder in (notebook.parent / "figures", notebook.parent.parent / "figures"):
        if folder.is_dir():
            shutil.copytree(folder, work / "figures")
            return


def record(path: str) -> None:
    """From here on, let the checks of this process write their verdicts to a file, a line each."""

    def hear(name: str, verdict: _engine.Verdict) -> None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name} {verdict.passed}\n")

    _engine.LISTENERS.append(hear)


@dataclass
class _Run:
    """An execution of a notebook: what it is given, and afterwards what happened."""

    notebook: Notebook
    folder: Path
    limit: float
    #: By the place of a cell in the notebook: the name of the exception that it raised.
    errors: dict[int, str] = field(default_factory=dict)
    #: The cell in which it ended early, and why.
    ended: int | None = None
    why: State | None = None
    started: bool = False

    def __post_init__(self) -> None:
        self.work, self.temporary = self.folder / "work", self.folder / "temporary"
        self.work.mkdir()
        self.temporary.mkdir()
        self._verdicts = self.folder / "verdicts"

    @property
    def verdicts(self) -> dict[str, bool]:
        """What the checks said, by exercise: whether an answer was right once."""
        heard: dict[str, bool] = {}
        if self._verdicts.exists():
            for line in self._verdicts.read_text("utf-8", errors="replace").splitlines():
                name, _, passed = line.partition(" ")
                heard[name] = heard.get(name, False) or passed == "True"
        return heard

    def execute(self) -> None:
        """Run the cells one after the other, until the end, a limit or a dead kernel."""
        try:
            import nbformat
            from nbclient.exceptions import CellTimeoutError, DeadKernelError
            from nbclient.util import run_sync
        except ImportError as error:
            raise DependencyError.of("nbclient", "checking notebooks") from error

        begin = (
            f"__import__('nstlib.course.marking').course.marking.record({str(self._verdicts)!r})"
        )
        cells = [nbformat.v4.new_code_cell(begin), *self.notebook.cells]
        client = _client(nbformat.v4.new_notebook(cells=cells), on_cell_error=self._failed)
        manager = client.create_kernel_manager()
        number = 0
        try:
            client.start_new_kernel(
                cwd=str(self.work),
                env=_surroundings(self.temporary),
                stdout=subprocess.DEVNULL,  # cells' words come another way
                stderr=subprocess.DEVNULL,
            )
            client.start_new_kernel_client()
            client.execute_cell(cells[0], 0, store_history=False)
            self.started = -1 not in self.errors
            if not self.started:
                return
            deadline = time.monotonic() + self.limit
            # Zero would mean that there is no limit.
            client.timeout_func = lambda _: max(deadline - time.monotonic(), 0.01)
            for number, cell in enumerate(cells[1:], start=1):
                client.execute_cell(cell, number)
        except CellTimeoutError:
            self.ended, self.why = number - 1, State.TIME
        except (DeadKernelError, RuntimeError):  # the latter if it does not even start
            self.ended, self.why = number - 1, State.ERROR
        finally:
            with uninterrupted():
                if manager.has_kernel:
                    run_sync(manager.shutdown_kernel)(now=True)  # with what it has started
                if client.kc is not None:
                    client.kc.stop_channels()

    def _failed(self, cell: Notebook, cell_index: int, execute_reply: dict[str, Any]) -> None:
        del cell
        self.errors[cell_index - 1] = str(execute_reply["content"].get("ename", "an error"))


def _client(notebook: Notebook, on_cell_error: Callable[..., None]) -> Any:
    """Make what runs a notebook, goes on after errors, and keeps no outputs.

    A loop that prints without end would fill the memory with them.
    """
    from nbclient import NotebookClient

    from nstlib.course.kernels import KernelManager

    class Client(NotebookClient):
        def output(self, *_: Any) -> None:
            pass

    return Client(
        notebook,
        kernel_manager_class=KernelManager,
        kernel_name="python3",
        allow_errors=True,
        on_cell_error=on_cell_error,
        startup_timeout=STARTING,
        record_timing=False,
        store_widget_state=False,
    )


def _surroundings(temporary: Path) -> dict[str, str]:
    """Return the environment of a kernel: this Python's programs first, a place for its files."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {
        **os.environ,
        "PATH": programs,
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
    }


def _code(notebook: Notebook) -> Iterator[tuple[int, Any]]:
    """Yield the cells that run, each with its place in the notebook."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip():
            yield place, cell


def _called(cell: Any) -> set[str]:
    """Return the names that a cell calls a check with."""
    return set(_CALL.findall(cell.source))


def _marks(run: _Run, names: tuple[str, ...]) -> Marks:
    verdicts = run.verdicts
    calls = {
        name: [place for place, cell in _code(run.notebook) if name in _called(cell)]
        for name in names
    }
    states = {}
    for name in names:
        if name in verdicts:
            states[name] = State.SOLVED if verdicts[name] else State.NOT_YET
        elif run.why and run.ended in calls[name]:
            states[name] = run.why
        elif any(place in run.errors for place in calls[name]):
            states[name] = State.ERROR
        else:
            states[name] = State.NOT_REACHED
    silent = {
        place
        for name in names
        if states[name] is State.NOT_REACHED
        for place in calls[name]
        if run.started and (run.ended is None or place < run.ended)
    }
    return Marks(states, _note(run, verdicts, silent))


def _is_meant(error: str, cell: Any, answered: Container[str]) -> bool:
    """Tell whether a cell fails on purpose, or because its test has called an answer wrong."""
    tested = error == "AssertionError" and any(name in answered for name in _called(cell))
    return tested or "raises-exception" in cell.metadata.get("tags", [])


def _note(run: _Run, answered: Container[str], silent: Container[int]) -> str:
    """Say what happened to a notebook.

    `answered` are exercises that a check has answered, `silent` cells whose check was not the
    course's.
    """
    if not run.started:
        return "its Python did not start, or has no nstlib"
    happened: dict[str, list[int]] = {}
    for number, (place, cell) in enumerate(_code(run.notebook), start=1):
        if place == run.ended:
            what = "ran out of time" if run.why is State.TIME else "ended its Python"
        elif place in run.errors and not _is_meant(run.errors[place], cell, answered):
            what = f"raised {run.errors[place]}"
        elif place in silent:
            what = "never reached the course's check"
        else:
            continue
        happened.setdefault(what, []).append(number)
    return "; ".join(f"{_cells(numbers)} {what}" for what, numbers in happened.items())


def _cells(numbers: list[int]) -> str:
    """Name cells by the numbers that JupyterLab shows."""
    return f"cell{'s' * (len(numbers) > 1)} {', '.join(f'[{number}]' for number in numbers)}"
