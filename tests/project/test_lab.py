"""`make lab` serves the course, and a lesson runs top to bottom in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import build
import nbformat
import pytest
import translate
from browser import launch

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
LESSON = "01_*.ipynb"

# Parts of JupyterLab's page. The notebook's own indicator says "idle" before there is a kernel; the
# status bar does not.
IDLE = "#jp-main-statusbar :text('| Idle')"
PROMPT = ".jp-CodeCell .jp-InputPrompt"
NONE_RUNNING = f"""() => [...document.querySelectorAll("{PROMPT}")]
    .every(prompt => prompt.textContent != "[*]:")"""
SAVED = "#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def lesson(tmp_path: Path) -> Path:
    """Copy the lessons, take the outputs out of one, and return that one.

    JupyterLab saves what it runs, so it must not get the notebooks themselves. Without the stored
    outputs, what is on the page afterwards comes from this run.
    """
    folder = tmp_path / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns("output", ".*"))
    translate.main([], folder)  # as `make lab` does for its own folder
    (path,) = folder.glob(LESSON)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def address(lesson: Path, tmp_path: Path) -> Iterator[str]:
    """Run `make lab` with an empty home, and give the address that it prints."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "MAKE", "MFLAGS", "PYTEST", "NSTLIB_", "XDG_"))
    }
    log = tmp_path / "lab.log"
    arguments = f"--no-browser --ServerApp.port={free_port()}"
    with log.open("w") as output:
        lab = subprocess.Popen(
            ["make", "lab", f"LAB_DIR={lesson.parent}", f"LAB_ARGS={arguments}"],
            cwd=ROOT,
            env={**environment, "HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield wait_for_address(lab, log)
    finally:
        # Make and JupyterLab are one group of processes; JupyterLab ends its kernels itself.
        os.killpg(lab.pid, signal.SIGTERM)
        try:
            lab.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(lab.pid, signal.SIGKILL)
            lab.wait()


def wait_for_address(lab: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> str:
    """Wait for the address: minutes where `make lab` has to install first, seconds otherwise."""
    end = time.monotonic() + seconds
    while lab.poll() is None and time.monotonic() < end:
        found = re.search(r"http://localhost:\d+/lab/tree/\S+\?token=\w+", log.read_text())
        if found:
            return found[0]
        time.sleep(0.5)
    pytest.fail(f"`make lab` printed no address:\n{log.read_text()[-3000:]}")


def count_pictures(notebook: build.Notebook) -> int:
    return sum(
        kind.startswith("image/")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    )


def test_lesson_runs_in_jupyterlab(lesson: Path, address: str, tmp_path: Path) -> None:
    (original,) = (ROOT / "notebooks").glob(LESSON)
    before = original.read_bytes()
    stored = nbformat.reads(before.decode(), as_version=4)
    patience = 60 + 4 * build.stated_seconds(stored)

    with launch() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        try:
            page.goto(address)
            front = page.locator(".jp-MarkdownViewer")
            front.locator("h1").wait_for()
            page.screenshot(path=tmp_path / "front.png")
            listed = page.locator(".jp-DirListing-itemName").all_inner_texts()
            assert page.locator(".jp-toast-message, .Toastify__toast").count() == 0
            front.locator(f"a:has-text('{lesson.stem[:2]} ')").click()
            page.wait_for_selector(IDLE)
            page.click(".lm-MenuBar-itemLabel:text-is('Run')")
            page.click(".lm-Menu-itemLabel:text-is('Run All Cells')")
            page.wait_for_selector(f"{PROMPT} >> text=/\\[[*1]\\]:/")
            page.wait_for_function(NONE_RUNNING, timeout=1000 * patience)
            page.wait_for_selector(IDLE)

            images = page.locator(".jp-OutputArea-output img")
            widths = images.evaluate_all("images => images.map(image => image.naturalWidth)")
            page.keyboard.press("Control+s")
            page.wait_for_selector(SAVED)

            link = page.locator(".jp-Notebook a[href*='glossary.md']").first
            word = str(link.get_attribute("href")).partition("#")[2]
            link.click()
            entry = page.locator(f"h2[data-jupyter-id='{word}']")
            entry.wait_for()
            page.wait_for_function(
                """word => {
                    const box = document.querySelector(`h2[data-jupyter-id='${word}']`)
                        .getBoundingClientRect();
                    return box.top >= 0 && box.bottom <= innerHeight;
                }""",
                arg=word,
            )
        finally:
            screenshot = tmp_path / "lesson.png"
            page.screenshot(path=screenshot)
            print(f"The page at the end: {screenshot}")
            browser.close()

    languages = {language for language, _ in translate.translations()}
    lessons = [source.with_suffix(".ipynb").name for source in build.sources()]
    assert sorted(listed) == sorted(
        [*lessons, *languages, "glossary.md", "solutions", "START_HERE.md"]
    )
    # What JupyterLab saved must pass all that the committed notebook has to.
    saved = nbformat.read(lesson, as_version=4)
    faults = build.output_faults(saved, "learner")
    assert not faults, "\n".join(faults)
    assert len(widths) >= count_pictures(stored) > 0
    assert all(width > 0 for width in widths)
    assert original.read_bytes() == before
