"""Bad input of texture and transfer: exit code 2, one line on stderr, nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from command_runs import (
    SMALL,
    Calls,
    estimate_at_once,
    python,
    refused,
)
from conftest import Run

from nstlib.images.encode import save_image
from nstlib.sources import load_image
from nstlib.vgg19 import WEIGHTS


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return estimate_at_once(monkeypatch)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that no synthesis is begun."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the synthesis was begun")

    for name in (
        "texture.synthesize_texture",
        "estimate.estimate_transfer",
        "transfer.transfer_style",
    ):
        monkeypatch.setattr(f"nstlib.synthesis.{name}", refuse)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("texture absent.png -o out.png", ["absent.png", "no such file"]),
        ("texture folder -o out.png", ["folder is a folder"]),
        ("texture notes.txt -o out.png", ["notes.txt", "not an image"]),
        ("texture cut.png -o out.png", ["cut.png", "cut off"]),
        ("texture empty.png -o out.png", ["empty.png"]),
        ("texture pp_humanseg -o out.png", ["pp_humanseg"]),
        ("texture coffee -o out.gif", ["out.gif", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o out", ["out", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o nowhere/out.png", ["nowhere"]),
        ("texture coffee -o notes.txt/out.png", ["notes.txt is a file, not a folder; choose"]),
        ("texture coffee -o notes.txt/a/out.png", ["notes.txt is a file, not a folder; choose"]),
        ("texture coffee -o folder.png", ["folder.png is a folder"]),
        ("texture coffee -o out.png --size 0", ["--size is 0", "1 to 16384"]),
        ("texture coffee -o out.png --size -5", ["--size is -5"]),
        ("texture coffee -o out.png --size 20000", ["--size is 20000"]),
        (
            "texture coffee -o out.png --size big",
            ["--size is big", "a whole number", "nst texture --help"],
        ),
        ("texture coffee -o out.png --sizes 3", ["--sizes", "nst texture --help"]),
        ("texture coffee -o out.png --report nowhere/run.json", ["nowhere/run.json"]),
        ("texture coffee -o out.png --report folder", ["folder"]),
        ("texture coffee -o out.png --report out.png", ["out.png", "another report file"]),
        ("texture coffee.png -o out.png --report coffee.png", ["coffee.png", "another"]),
        ("texture coffee", ["--output", "nst texture --help"]),
        ("texture", ["IMAGE", "nst texture --help"]),
        ("texture coffee mosaic -o out.png", ["mosaic"]),
        ("transfer coffee", ["STYLE", "nst transfer --help"]),
        ("transfer", ["CONTENT", "nst transfer --help"]),
        ("transfer coffee mosaic", ["--output", "nst transfer --help"]),
        ("transfer absent.png mosaic -o out.png", ["absent.png", "no such file"]),
        ("transfer coffee absent.png -o out.png", ["absent.png", "no such file"]),
        ("transfer coffee mosaic cut.png -o out.png", ["cut.png", "cut off"]),
        ("transfer coffee folder -o out.png", ["folder is a folder"]),
        ("transfer coffee mosaic -o out.gif", ["out.gif", ".png, .jpg, .jpeg, .webp"]),
        ("transfer coffee mosaic -o nowhere/out.png", ["nowhere"]),
        ("transfer coffee mosaic -o out.png --size 0", ["--size is 0"]),
        ("transfer coffee mosaic -o out.png --size big", ["--size", "nst transfer --help"]),
        ("transfer coffee mosaic -o out.png --style-weight much", ["--style-weight", "number"]),
        ("transfer coffee mosaic -o out.png --init absent.png", ["absent.png"]),
        ("transfer coffee mosaic -o out.png --init nois", ["nois: no such", "content and noise"]),
        ("transfer coffee mosaic -o out.png --mask absent.png", ["absent.png"]),
        ("transfer coffee mosaic -o out.png --mask notes.txt", ["notes.txt", "not an image"]),
        (
            "transfer coffee mosaic waves swirls -o out.png --mask coffee",
            ["--mask", "2 styles", "3"],
        ),
        ("transfer coffee mosaic -o out.png --report folder", ["folder"]),
        ("transfer coffee mosaic -o out.png --report nowhere/run.json", ["nowhere/run.json"]),
        ("transfer coffee mosaic -o out.png --report notes.txt/run.json", ["an existing folder"]),
        ("transfer coffee mosaic -o out.png --report out.png", ["another report file"]),
        ("transfer coffee mosaic -o out.png --checkpoint folder", ["folder"]),
        ("transfer coffee mosaic -o out.png --checkpoint nowhere/run", ["nowhere/run"]),
        ("transfer coffee mosaic -o out.png --checkpoint out.png", ["another checkpoint file"]),
        ("transfer coffee mosaic -o out.png --animate film.avi", ["film.avi", "use one of .gif"]),
        ("transfer coffee mosaic -o out.png --animate film", ["film", ".gif, .mp4"]),
        ("transfer coffee mosaic -o out.png --animate nowhere/f.gif", ["nowhere/f.gif"]),
        ("transfer coffee mosaic -o out.png --report a --checkpoint a", ["another checkpoint"]),
        ("transfer coffee mosaic -o out.png --report f.gif --animate f.gif", ["another animate"]),
        ("textures", ["textures", "nst --help"]),
        ("assets", ["nst assets --help"]),
        ("assets fetch", ["NAME"]),
        ("assets fetch nothing", ["'nothing'", "nst assets list"]),
        ("assets verify nothing", ["'nothing'", "nst assets list"]),
    ],
)
def test_bad_input(nst: Run, arguments: str, words: list[str]) -> None:
    save_image(load_image("coffee", size=100), "coffee.png")
    whole = Path("coffee.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    Path("empty.png").touch()
    Path("notes.txt").write_text("not a picture")
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    before = sorted(Path().rglob("*"))
    refused(nst(*arguments.split()), *words)
    assert sorted(Path().rglob("*")) == before
    assert Path("coffee.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--size 16", ["16", "32"]),
        ("--tv-weight nan", ["--tv-weight", "nan"]),
        ("--tv-weight -1", ["--tv-weight", "-1"]),
        ("--tv-weight inf", ["--tv-weight", "inf"]),
        ("--weights imaginet", ["imaginet", ", ".join(WEIGHTS)]),
        ("--method sgd", ["sgd", "lbfgs"]),
        ("--iterations 0", ["iterations", "0"]),
        ("--iterations -3", ["iterations", "-3"]),
    ],
)
def test_bad_options(nst: Run, options: str, words: list[str]) -> None:
    refused(nst("texture", "coffee", "-o", "out.png", *options.split()), *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--size 16", ["16", "32"]),
        ("--content-weight -1", ["--content-weight", "-1"]),
        ("--style-weight nan", ["--style-weight", "nan"]),
        ("--tv-weight inf", ["--tv-weight", "inf"]),
        ("--style-scale 0", ["--style-scale", "0"]),
        ("--style-scale inf", ["--style-scale", "inf"]),
        ("--style-scale nan", ["--style-scale", "nan"]),
        ("--preserve-colors hue", ["--preserve-colors is hue", "luminance, covariance"]),
        ("--weights imaginet", ["imaginet", ", ".join(WEIGHTS)]),
        ("--method sgd", ["sgd", "lbfgs"]),
        ("--iterations 0", ["iterations", "0"]),
        ("--coarsest 31", ["--coarsest", "31", "32"]),
        ("--seed -1", ["seed", "-1"]),
        ("--mask black.png", ["mask", "above 0"]),
    ],
)
def test_bad_transfer_options(
    nst: Run, monkeypatch: pytest.MonkeyPatch, options: str, words: list[str]
) -> None:
    """The library's errors, before anything is estimated or written."""
    save_image(np.zeros((9, 9, 3)), "black.png")
    monkeypatch.setattr("nstlib.art.catalogue.draw", lambda *_: np.zeros((64, 64, 3), np.float32))
    given = ["--size", "64", *options.split()]
    refused(nst("transfer", "coffee", "mosaic", "-o", "out.png", *given), *words)
    assert list(Path().iterdir()) == [Path("black.png")]


@pytest.mark.usefixtures("estimated")
def test_checkpoint_of_another_run(nst: Run) -> None:
    Path("notes.txt").write_text("not a checkpoint")
    code, out, err = nst(
        "transfer", "coffee", "mosaic", "-o", "out.png", *SMALL, "--checkpoint", "notes.txt"
    )
    assert (code, out) == (2, [])
    assert err[-1].startswith("nst: notes.txt is there already, and it is no checkpoint")
    assert [path.name for path in Path().iterdir()] == ["notes.txt"]
    assert Path("notes.txt").read_text() == "not a checkpoint"


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("option", ["-o", "--report", "--animate", "--checkpoint"])
@pytest.mark.parametrize("which", ["content", "style", "other", "mask", "init"])
def test_nothing_that_went_in_is_overwritten(nst: Run, option: str, which: str) -> None:
    suffix = ".gif" if option == "--animate" else ".png"
    names = {name: f"{name}{suffix}" for name in ("content", "style", "other", "mask", "init")}
    for name in names.values():
        PIL.Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(name)
    before = {name: Path(name).read_bytes() for name in names.values()}
    outputs = ["-o", "out.png"] if option != "-o" else []
    result = nst(
        *("transfer", names["content"], names["style"], names["other"]),
        *("--mask", names["mask"], "--init", names["init"], *outputs),
        *(option, f"./{names[which]}"),
    )
    refused(result, names[which], "that this command reads" if option == "-o" else "input")
    assert {name: Path(name).read_bytes() for name in before} == before
    assert len(list(Path().iterdir())) == len(before)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("way", ["option", "setting"])
def test_a_file_of_weights_is_no_place_for_a_checkpoint(
    nst: Run, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    np.savez("vgg.npz", x=np.zeros(3))
    given = ["--weights", "vgg.npz"] if way == "option" else []
    if way == "setting":
        monkeypatch.setenv("NSTLIB_WEIGHTS", "vgg.npz")
    command = ("transfer", "coffee", "mosaic", "-o", "out.png", *given)
    refused(nst(*command, "--checkpoint", "./vgg.npz"), "vgg.npz is an input", "another checkpoint")


def test_bad_setting(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSTLIB_WEIGHTS", "imaginet")
    refused(nst("texture", "coffee", "-o", "out.png"), "imaginet")


def test_error_after_tensorflow_is_still_one_line(tmp_path: Path) -> None:
    # In a process of its own, where TensorFlow starts up and would say so.
    out = str(tmp_path / "out.png")
    result = python("-m", "nstlib", "texture", "coffee", "-o", out, "--tv-weight", "nan")
    refused((result.returncode, result.stdout.splitlines(), result.stderr.splitlines()), "nan")


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("way", ["same", "dot", "absolute", "symlink", "hardlink"])
def test_input_is_never_overwritten(nst: Run, way: str) -> None:
    save_image(load_image("coffee", size=100), "in.png")
    before = Path("in.png").read_bytes()
    output = {"same": "in.png", "dot": "./in.png", "absolute": str(Path("in.png").absolute())}.get(
        way, "link.png"
    )
    if way == "symlink":
        Path("link.png").symlink_to("in.png")
    elif way == "hardlink":
        os.link("in.png", "link.png")
    name = Path(output).name
    refused(nst("texture", "in.png", "-o", output), name, "is a file that this command reads")
    assert Path("in.png").read_bytes() == before


@pytest.mark.usefixtures("never")
def test_asset_is_never_overwritten(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the painting")
    refused(nst("texture", "udnie", "-o", path), "is a file that this command reads")
    assert path.read_bytes() == b"the painting"


@pytest.mark.usefixtures("never")
def test_unwritable_folder(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode)
    )
    refused(nst("texture", "coffee", "-o", "locked/out.png"), "locked", "not writable")
    refused(
        nst("texture", "coffee", "-o", "out.png", "--report", "locked/run.json"), "locked/run.json"
    )


@pytest.mark.usefixtures("never")
def test_what_the_file_system_refuses_is_one_line_too(nst: Run) -> None:
    refused(nst("texture", "x" * 300, "-o", "out.png"), "name too long")
