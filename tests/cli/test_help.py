"""Help, version and defaults of all commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from command_runs import (
    python,
)
from conftest import Run

import nstlib
from nstlib.cli.synthesis import texture, transfer
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style
from nstlib.vgg19 import WEIGHTS, default_weights


@pytest.mark.parametrize("arguments", [("--help",), ()])
def test_help_names_the_commands(nst: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = nst(*arguments)
    assert (code, err) == (0, [])
    text = "\n".join(out)
    assert text.startswith("Usage: nst ")
    for command in ("texture", "transfer", "assets", "check-notebook", "doctor"):
        assert f"\n  {command} " in text


@pytest.mark.parametrize(
    "command",
    [
        "texture",
        "transfer",
        "doctor",
        "check-notebook",
        "assets",
        "assets list",
        "assets fetch",
        "assets verify",
    ],
)
def test_every_command_has_help(nst: Run, command: str) -> None:
    code, out, err = nst(*command.split(), "--help")
    assert (code, err) == (0, [])
    assert out[0].startswith(f"Usage: nst {command} ")


@pytest.mark.parametrize("group", ["", "train", "assets"])
def test_lists_of_commands_hold_whole_sentences(nst: Run, group: str) -> None:
    _, out, _ = nst(*group.split(), "--help")
    lines = out[out.index("Commands:") + 1 :]
    assert len(lines) >= 4
    for line in lines:  # what is too long for a line ends in dots, in the middle of its sentence
        assert line.endswith(".")
        assert not line.endswith("...")


def test_version(nst: Run) -> None:
    assert nst("--version") == (0, [nstlib.__version__], [])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_do_without_the_heavy_packages(option: str) -> None:
    code = (
        "import sys; from nstlib.cli.main import main; main(sys.argv[1:]); "
        "heavy = 'cv2 imageio keras matplotlib numpy onnx onnxruntime PIL pooch requests scipy '"
        "'skimage tensorflow tqdm'; "
        "print(*sorted(set(heavy.split()) & set(sys.modules)), file=sys.stderr)"
    )
    result = python("-c", code, option)
    assert result.stdout
    assert result.stderr.strip() == ""


COMMON = {"iterations": "iterations", "method": "method", "tv_weight": "tv_weight"}
DEFAULTS: dict[str, tuple[Callable[..., int], Callable[..., Synthesis], dict[str, str]]] = {
    "texture": (
        texture,
        synthesize_texture,
        COMMON | {"tileable": "tileable", "weights": "weights", "seed": "seed"},
    ),
    "transfer": (
        transfer,
        transfer_style,
        COMMON
        | {
            name: name
            for name in (
                "size",
                "content_weight",
                "style_weight",
                "preserve_colors",
                "style_scale",
                "init",
                "coarsest",
                "frame",
                "weights",
                "seed",
                "checkpoint",
            )
        },
    ),
}


@pytest.mark.parametrize("command", DEFAULTS)
def test_defaults_are_the_librarys(command: str) -> None:
    face, recipe, options = DEFAULTS[command]
    ours, theirs = inspect.signature(face).parameters, inspect.signature(recipe).parameters
    for option, parameter in options.items():
        assert ours[option].default == theirs[parameter].default, option


@pytest.mark.parametrize("command", DEFAULTS)
def test_help_shows_the_defaults(nst: Run, command: str) -> None:
    text = " ".join(" ".join(nst(command, "--help")[1]).split())
    _, recipe, options = DEFAULTS[command]
    theirs = inspect.signature(recipe).parameters
    for option, parameter in options.items():
        assert f"--{option.replace('_', '-')} " in text
        default = theirs[parameter].default
        if default is not None and default is not False:
            shown = option if default is True else default  # of --frame and --no-frame
            assert f"[default: {shown}]" in text
    assert f"[default: (NSTLIB_WEIGHTS, or {default_weights()})]" in text
    for name in WEIGHTS:
        assert name in text


def test_help_tells_the_size(nst: Run) -> None:
    text = " ".join(" ".join(nst("texture", "--help")[1]).split())
    assert f"[default: {inspect.signature(texture).parameters['size'].default}]" in text
    text = " ".join(" ".join(nst("transfer", "--help")[1]).split())
    assert "[default: (512, or CONTENT's own if that is less)]" in text
