"""Make copies of the lessons for Google Colab: the command behind ``make colab``.

    python notebooks/colab.py OWNER/REPO [BRANCH]

Colab opens a notebook alone, without the library and the pictures beside it. So the copies, in
``build/colab/``, begin with a cell that fetches your copy of the course from GitHub and installs
it. Anywhere else that cell does nothing. The lessons themselves have none, because it needs an
address: yours.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent
FOLDER = NOTEBOOKS.parent / "build" / "colab"

CELL = """\
# @title In Colab, run this first. Elsewhere it does nothing.
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules:
    if importlib.util.find_spec("nstlib") is None:
        fetch = "git clone --depth 1 --branch BRANCH https://github.com/OWNER/REPO /content/REPO"
        subprocess.run(fetch.split(), check=True)
        %pip install --quiet "/content/REPO[learn]"
    %cd -q /content/REPO/notebooks"""

#: What GitHub allows in the names of owners and repositories, and git in those of branches.
REPOSITORY, BRANCH = re.compile(r"([\w-]+)/([\w.-]+)"), re.compile(r"[\w./-]+")


def first_cell(repository: str, branch: str) -> str:
    """Return the cell for a repository on GitHub, ``"owner/name"``."""
    address, name = REPOSITORY.fullmatch(repository), BRANCH.fullmatch(branch)
    if address is None or name is None:
        wrong = f"the repository {repository!r}" if address is None else f"the branch {branch!r}"
        raise SystemExit(
            f"{wrong} is no name on GitHub; "
            "it goes like make colab REPOSITORY=owner/name BRANCH=main"
        )
    names = {"OWNER": address[1], "REPO": address[2], "BRANCH": branch}
    return re.sub("|".join(names), lambda found: names[found[0]], CELL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the copies: both editions of each lesson."""
    parser = argparse.ArgumentParser(description="copies of the lessons for Google Colab")
    parser.add_argument("repository", help="your copy of the course on GitHub, OWNER/REPO")
    parser.add_argument("branch", nargs="?", default="main")
    options = parser.parse_args(arguments)
    source = first_cell(options.repository, options.branch)
    for edition in (".", "solutions"):
        (FOLDER / edition).mkdir(parents=True, exist_ok=True)
        for lesson in sorted((NOTEBOOKS / edition).glob("[0-9][0-9]_*.ipynb")):
            notebook = nbformat.read(lesson, as_version=4)
            cell = nbformat.v4.new_code_cell(source, id="colab", metadata={"cellView": "form"})
            notebook.cells.insert(0, cell)
            nbformat.validate(notebook)
            nbformat.write(notebook, FOLDER / edition / lesson.name)
    print(f"wrote {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
