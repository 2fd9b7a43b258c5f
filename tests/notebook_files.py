"""Notebooks as learners hand them in."""

from __future__ import annotations

import json
from pathlib import Path

#: Right answers to lesson 00, without the lesson around them: two questions and two exercises.
ANSWERS = {
    "overflow": 'nst.check("overflow", "a")',
    "cut_off": 'nst.check("cut_off", "c")',
    "to_network": """
def to_network(bgr):
    return (np.float32(bgr[..., ::-1]) / 255).transpose(2, 0, 1)[np.newaxis]

nst.check("to_network", to_network)""",
    "over_white": """
def over_white(rgba):
    return rgba[..., 3:] * rgba[..., :3] + (1 - rgba[..., 3:])

nst.check("over_white", over_white)""",
}
IMPORTS = "import numpy as np\nimport nstlib as nst"


def write_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells. By hand, so that it doesn't depend on what reads it."""
    content = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": source.strip(),
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
