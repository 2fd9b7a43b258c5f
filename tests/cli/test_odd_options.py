"""Whatever is given to an option, the command works, or says in one line what is wrong."""

from __future__ import annotations

import os
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


def photo() -> str:
    PIL.Image.new("RGB", (16, 12), (90, 120, 30)).save("photo.png")
    return "photo.png"


def negative() -> str:
    graph = Graph()
    return str(
        save(
            graph.model(graph.node("Sub", graph.constant(np.float32(255)), "image")), Path("n.onnx")
        )
    )


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["stylize", "", "-s", "n.onnx", "-o", "o.png"], "an argument"),
        (["stylize", "photo.png", "-s", "n.onnx", "-o", ""], "-o"),
        (["stylize", "photo.png", "-s", "n.onnx", "--output="], "--output"),
        (["compose", "photo.png", "--background", "", "-o", "o.png"], "--background"),
        (["texture", "photo.png", "-o", "o.png", "--report="], "--report"),
        (["export", "", "-o", "o.onnx"], "an argument"),
    ],
)
def test_an_empty_name_is_not_the_present_folder(nst: Run, command: list[str], name: str) -> None:
    """As a shell gives it where a variable is not set. To Python, Path("") is ".", and all of the
    present folder would be painted, or painted into.
    """
    photo(), negative()
    before = sorted(Path().iterdir())
    code, out, [line] = nst(*command)
    assert (code, out) == (2, [])
    assert line.startswith(f"nst: {name} is empty; ")
    assert sorted(Path().iterdir()) == before


def test_a_value_that_ends_in_an_equals_sign_is_not_empty(nst: Run) -> None:
    Path("a=.png").write_bytes(Path(photo()).read_bytes())
    code, out, err = nst("stylize", "a=.png", "-s", negative(), "--output=b=")
    assert (code, out, err) == (0, ["b=: 1 painted"], [])


@pytest.mark.parametrize("command", ["stylize - -s n.onnx -o o.png", "segment photo.png -o -"])
def test_streams_are_refused(nst: Run, command: str) -> None:
    """A result must not go into a folder that is called "-"."""
    photo(), negative()
    code, out, [line] = nst(*command.split())
    assert (code, out) == (2, [])
    assert line.startswith("nst: nst reads and writes files, not streams")
    assert not Path("-").exists()
    Path("./-").write_bytes(Path("photo.png").read_bytes())
    assert nst("stylize", "./-", "-s", "n.onnx", "-o", "o.png")[0] == 0


@pytest.mark.parametrize("output", [".png", "out/.mp4", ".JPG"])
def test_a_suffix_is_no_name(nst: Run, output: str) -> None:
    """As in -o $NAME.png, where NAME is not set."""
    photo(), negative()
    code, out, [line] = nst("stylize", "photo.png", "-s", "n.onnx", "-o", output)
    assert (code, out) == (2, [])
    assert line == f"nst: {output} is a suffix without a name; give a name before it"
    assert not Path(output).exists()


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        ("--size", "1e2", "a whole number"),
        ("--size", "nan", "a whole number"),
        ("--size", "\u0662x", "a whole number"),
        ("--jobs", "2.5", "a whole number"),
        ("--strength", "0,5", "a number"),
        ("--rate", "\x1b[31m25", "a number"),
    ],
)
def test_what_is_no_number_is_shown(nst: Run, option: str, value: str, accepted: str) -> None:
    code, out, [line] = nst("stylize", photo(), "-s", negative(), "-o", "o.png", option, value)
    shown = value.replace("\x1b", "?")
    assert (code, out) == (2, [])
    assert line == f"nst: {option} is {shown}; it must be {accepted} (see nst stylize --help)"


@pytest.mark.parametrize(
    ("arguments", "option", "command"),
    [
        ("transfer photo.png mosaic --preserve-colors", "--preserve-colors", "nst transfer"),
        ("train style mosaic --steps", "--steps", "nst train style"),
        ("texture photo.png --tileable=yes", "--tileable", "nst texture"),
    ],
)
def test_help_is_that_of_the_command(nst: Run, arguments: str, option: str, command: str) -> None:
    code, out, [line] = nst(*arguments.split())
    assert (code, out) == (2, [])
    assert option in line
    assert line.endswith(f" (see {command} --help)")


def test_sizes_are_explained_in_words_of_the_command_line(nst: Run) -> None:
    """A pair of sides, which Python's functions take, cannot be given there."""
    *_, [line] = nst("stylize", photo(), "-s", negative(), "-o", "o.png", "--size", "0")
    assert line == "nst: --size is 0; it must be the longest side, in whole pixels from 1 to 16384"


def test_options_are_looked_at_where_they_change_nothing(nst: Run) -> None:
    """One picture takes one job, and no cluster."""
    command = ("stylize", photo(), "-s", negative(), "-o", "o.png")
    for option, words in (
        (("--jobs", "0"), "--jobs is 0; it must be a whole number, 1 or more"),
        (("--scheduler", "tcp://host:8786"), "--scheduler is for many pictures"),
    ):
        code, out, [line] = nst(*command, *option)
        assert (code, out) == (2, [])
        assert line.startswith(f"nst: {words}")
    assert not Path("o.png").exists()


def test_one_picture_twice_is_called_so(nst: Run) -> None:
    Path("sub").mkdir()
    for again in ("photo.png", "./photo.png", "sub/../photo.png"):
        code, out, [line] = nst("stylize", photo(), again, "-s", negative(), "-o", "out")
        assert (code, out) == (2, [])
        assert line == f"nst: {again} is given twice; give it once"


@pytest.mark.skipif(os.name == "nt", reason="names there hold no such letters")
def test_names_cannot_speak_to_the_terminal(nst: Run) -> None:
    """A name of a file may hold what colours the screen, moves the cursor or renames the window."""
    name = "a\x1b]0;owned\x07\x1b[31m\r\nb\x9b2J\u202e.png"
    Path(name).write_bytes(Path(photo()).read_bytes())
    missing = f"no{name}"
    seen = [
        nst("stylize", name, "-s", negative(), "-o", f"out{name}"),
        nst("stylize", name, "-s", "n.onnx", "-o", "out"),
        nst("stylize", missing, "-s", "n.onnx", "-o", "o.png"),
        nst("stylize", missing, photo(), "-s", "n.onnx", "-o", "out"),
        nst("segment", photo(), "-o", "m.png", "--segmenter", missing),
        nst("compose", photo(), "-o", "m.png", "--background", missing),
        nst(f"x{name}"),
    ]
    assert [code for code, *_ in seen] == [0, 0, 2, 1, 2, 2, 2]
    assert Path(f"out{name}").is_file()
    for _, out, err in seen:
        assert len(out) + len(err) <= 2
        assert all(line.isprintable() for line in (*out, *err))
