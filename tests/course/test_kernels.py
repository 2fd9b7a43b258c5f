"""Kernels start, whoever takes the ports that were free a moment ago."""

from __future__ import annotations

import runpy
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import build
import nbformat
import nbval.kernel
import pytest
from jupyter_client import manager
from jupyter_client.connect import LocalPortCache
from nbclient import NotebookClient
from notebook_files import ANSWERS, IMPORTS, write_notebook

from nstlib.course.kernels import BlockingKernelManager, KernelManager
from nstlib.course.marking import mark, read_notebook


@pytest.fixture
def ports_are_taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take each port that Jupyter finds free, before a kernel can bind it."""
    taken = []

    def find(cache: LocalPortCache, ip: str) -> int:
        del cache
        rival = socket.create_server((ip, 0))
        taken.append(rival)
        return int(rival.getsockname()[1])

    monkeypatch.setattr(LocalPortCache, "find_available_port", find)
    yield
    for rival in taken:
        rival.close()


def start(kernel: manager.KernelManager) -> None:
    """Start a kernel, wait for it, and end it."""
    kernel.start_kernel()
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def notebook_of(code: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])


def build_a_lesson(folder: Path) -> None:
    notebook = notebook_of("print(1 + 1)")
    build.execute(notebook, folder, cell_timeout=60)
    assert notebook.cells[0].outputs[0].text == "2\n"


def mark_a_notebook(folder: Path) -> None:
    path = write_notebook(folder / "00_mine.ipynb", IMPORTS, ANSWERS["over_white"])
    assert mark(path, read_notebook(path), "00").states["over_white"] == "solved"


@pytest.mark.usefixtures("ports_are_taken")
def test_control_a_kernel_of_jupyters_own_dies_if_a_port_is_taken() -> None:
    with pytest.raises(RuntimeError, match="Kernel died"):
        start(manager.KernelManager(kernel_name="python3"))


@pytest.mark.usefixtures("ports_are_taken")
@pytest.mark.parametrize("use", [build_a_lesson, mark_a_notebook])
def test_lessons_are_built_and_marked_if_ports_are_taken(
    tmp_path: Path, use: Callable[[Path], None]
) -> None:
    use(tmp_path)


@pytest.mark.usefixtures("ports_are_taken")
def test_lessons_are_compared_if_ports_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the lessons' conftest.py sets is set back at the end.
    monkeypatch.setattr(nbval.kernel, "KernelManager", nbval.kernel.KernelManager)
    runpy.run_path(str(build.FOLDER / "conftest.py"))
    kernel = nbval.kernel.RunningKernel(nbval.kernel.CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path))
    assert kernel.is_alive()
    kernel.stop()


def test_nbgrader_is_told_of_kernels_by_a_name_that_nbclient_finds() -> None:
    client = NotebookClient(
        notebook_of(""), kernel_manager_class="nstlib.course.kernels.KernelManager"
    )
    assert client.kernel_manager_class is KernelManager


def test_kernels_leave_nothing_behind_and_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kernel = BlockingKernelManager(kernel_name="python3")
    kernel.start_kernel()
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    assert list(tmp_path.iterdir())
    kernel.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)
    client.stop_channels()
    kernel.shutdown_kernel(now=True)
    assert list(tmp_path.iterdir()) == []


def test_where_a_sockets_path_would_be_too_long_there_are_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("ä" * 60)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    kernel = BlockingKernelManager(kernel_name="python3")
    assert kernel.transport == "tcp"
    start(kernel)
