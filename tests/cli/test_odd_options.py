"""Whatever is given to an option, the command works, or says in one line what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer
from conftest import Run
from onnx_files import Graph, save, two_channels

from nstlib.cli.main import app

#: What somebody might give, or a script that has gone wrong.
VALUES = ["", "-1", "nan", "x", "9999999999999"]

COMMANDS = {
    "stylize": "stylize photo.png --style n.onnx --output o.png",
    "segment": "segment photo.png --segmenter person.onnx --output o.png",
    "compose": "compose photo.png --style n.onnx --segmenter person.onnx --output o.png",
    "export": "export n.onnx --output o.onnx",
    "verify": "verify n.onnx --size 8x8",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_line_or_a_result(nst: Run, name: str) -> None:
    graph = Graph()
    save(graph.model(graph.node("Sub", graph.constant(np.float32(255)), "image")), Path("n.onnx"))
    save(two_channels(16), Path("person.onnx"))
    PIL.Image.new("RGB", (16, 12), (90, 120, 30)).save("photo.png")
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    seen = 0
    for option in command.params:
        long = next((text for text in option.opts if text.startswith("--")), None)
        if long in (None, "--help") or option.is_flag:
            continue
        words = COMMANDS[name].split()
        if long in words:
            at = words.index(long)
            del words[at : at + 2]
        for value in VALUES:
            seen += 1
            code, _, err = nst(*words, f"{long}={value}")
            assert code in (0, 2), f"{long}={value}: {code}, {err}"
            assert len(err) == (code != 0), f"{long}={value}: {err}"
            assert all(line.startswith("nst: ") and len(line) < 700 for line in err)
    assert seen >= 10
