"""``nst stylize``: one picture, many, a folder."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import Run
from onnx_files import save, style_network

from nstlib.batch import Stylize, paint_all
from nstlib.cli.painting import stylize
from nstlib.images.arrays import to_uint8
from nstlib.images.encode import save_image
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer
from nstlib.sources import load_image


@pytest.fixture
def style(nst: Run) -> str:  # noqa: ARG001  (it goes to an empty folder first)
    save(style_network(), Path("style.onnx"))
    return "style.onnx"


def fill(folder: str, *names: str) -> None:
    Path(folder).mkdir(parents=True)
    for number, name in enumerate(names):
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        save_image(load_image("coffee", size=40 + number), path)


def test_one_picture(nst: Run, style: str) -> None:
    options = ["--strength", "0.6", "--preserve-colors", "--backend", "ort", "--size", "60"]
    code, out, err = nst("stylize", "coffee", "-s", style, "-o", "out.png", *options)
    assert (code, out, err) == (0, ["wrote out.png: 60x40 pixels"], [])
    stylizer = Stylizer(style, backend="ort")
    expected = stylizer(load_image("coffee", 60), 0.6, preserve_colors=True)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open("out.png")), to_uint8(expected))


def test_earlier_output_of_one_picture_is_replaced(nst: Run, style: str) -> None:
    Path("out.png").write_bytes(b"old")
    assert nst("stylize", "coffee", "-s", style, "-o", "out.png", "--size", "20")[0] == 0
    assert PIL.Image.open("out.png").size == (20, 13)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_folder(nst: Run, style: str, jobs: str) -> None:
    fill("in", "a.png", "deep/b.jpg", "deep/c.png")
    Path("in/cut.png").write_bytes(Path("in/a.png").read_bytes()[:200])
    fill("out", "a.png")
    command = ("stylize", "in", "-s", style, "-o", "out", "--jobs", jobs)
    code, out, err = nst(*command)
    assert code == 1
    assert out == ["out: 2 painted, 1 there already, 1 failed"]
    [fault] = err
    assert fault.startswith(f"nst: {Path('in/cut.png')} is damaged or cut off")
    found = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.*"))
    assert found == ["a.png", "deep/b.jpg", "deep/c.png"]

    Path("in/cut.png").unlink()
    assert nst(*command) == (0, ["out: 3 there already"], [])


def test_several_pictures(nst: Run, style: str) -> None:
    fill("in", "a.png", "b.png")
    names = ["in/a.png", "in/b.png", "coffee"]
    code, out, err = nst("stylize", *names, "-s", style, "-o", "new/out", "--size", "30")
    assert (code, out, err) == (0, [f"{Path('new/out')}: 3 painted"], [])
    assert sorted(path.name for path in Path("new/out").iterdir()) == [
        "a.png",
        "b.png",
        "coffee.png",
    ]


@pytest.mark.parametrize("output", ["out.png", "out/"])
def test_a_samples_name_is_the_sample_whatever_lies_there(
    nst: Run, style: str, output: str
) -> None:
    Path("coffee").mkdir()
    save_image(np.zeros((8, 8, 3)), "coffee/other.png")
    code, _, err = nst("stylize", "coffee", "-s", style, "-o", output, "--size", "32")
    assert (code, err) == (0, [])
    assert not Path("out/other.png").exists()
    assert load_image(output if output.endswith("g") else "out/coffee.png").shape[1] == 32


def test_one_picture_into_a_folder(nst: Run, style: str) -> None:
    Path("out").mkdir()
    assert nst("stylize", "coffee", "-s", style, "-o", "out", "--size", "30")[:2] == (
        0,
        ["out: 1 painted"],
    )
    assert PIL.Image.open("out/coffee.png").size == (30, 20)


def test_file_that_is_not_there_is_one_of_several(nst: Run, style: str) -> None:
    fill("in", "a.png")
    code, out, err = nst("stylize", "in/a.png", "in/z.png", "-s", style, "-o", "out")
    assert (code, out) == (1, ["out: 1 painted, 1 failed"])
    assert len(err) == 1
    assert err[0].startswith("nst: in/z.png: no such file")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("coffee -s mosaik -o out.png", "'mosaik' is no style: give one of mosaic, candy"),
        ("in -s mosaik -o out", "'mosaik' is no style"),
        ("coffee -s in -o out.png", "in is a folder; give the path of an image file"),
        ("coffee -s in/a.keras -o out.png", "'in/a.keras' is no style: give one of mosaic"),
        ("coffee -s no.png -o out.png", "no.png: no such file"),
        ("coffee -s no.npy -o out.png", "no.npy: cannot be read (No such file or directory)"),
        ("coffee -s candy:0 -o out.png", "the share of candy is 0.0; it must be a number above 0"),
        ("coffee -s candy:nan -o out.png", "the share of candy is nan"),
        ("coffee -s a.png -s a.png:2 -o out.png", "--style a.png is given twice"),
        ("coffee -s candy -s style.onnx -o out.png", "style.onnx is a network; only pictures"),
        ("coffee -s candy -o out.png --style-size 15", "--style-size is 15"),
        ("coffee -s candy -o out.png --style-size 2049", "--style-size is 2049"),
        ("coffee -s style.onnx -o out.png --strength 1.5", "--strength is 1.5"),
        ("in -s style.onnx -o out --strength nan", "--strength is nan"),
        ("coffee -s style.onnx -o out.png --backend torch", "--backend is torch"),
        ("coffee -s style.onnx -o out.png --size 0", "size is 0"),
        ("coffee -s style.onnx -o out.tiff", "cannot write '.tiff'"),
        ("coffee -s style.onnx -o no/out.png", "does not exist"),
        ("nothing.png -s style.onnx -o out.png", "no such file"),
        ("in/a.png -s style.onnx -o in/a.png", "is a file that this command reads"),
        ("in -s style.onnx -o in", "is the input itself"),
        ("in coffee -s style.onnx -o out.png", "several pictures or films need a folder"),
        ("in coffee -s style.onnx -o out.mp4", "several pictures or films need a folder"),
        ("in -s style.onnx -o out --jobs 0", "--jobs is 0"),
        ("in -s style.onnx -o out --scheduler tcp://", "no scheduler answers at tcp://"),
        ("-s style.onnx -o out.png", "Missing argument"),
        ("coffee -o out.png", "Missing option"),
    ],
)
@pytest.mark.usefixtures("style")
def test_bad_input(nst: Run, arguments: str, words: str) -> None:
    fill("in", "a.png")
    before = sorted(Path().rglob("*"))
    code, out, err = nst("stylize", *arguments.split())
    assert (code, out) == (2, [])
    [line] = err
    assert line.startswith("nst: ")
    assert words in line
    assert sorted(Path().rglob("*")) == before


def test_interrupt(nst: Run, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("in", "a.png", "b.png", "c.png")
    save_: list[Path] = []

    def saving(image: object, path: Path, **options: object) -> None:
        if save_:
            raise KeyboardInterrupt
        save_.append(save_image(image, path, **options))  # type: ignore[arg-type]

    monkeypatch.setattr("nstlib.batch.save_image", saving)
    code, out, err = nst("stylize", "in", "-s", style, "-o", "out")
    assert (code, out) == (130, ["out: 1 painted"])
    assert err == ["nst: interrupted; the same command goes on with what is missing"]


def test_defaults_are_the_librarys() -> None:
    face = inspect.signature(stylize).parameters
    for option in ("strength", "preserve_colors", "style_size"):
        assert face[option].default == inspect.signature(Stylize).parameters[option].default
        for function in (Stylizer, Stylizer.__call__):
            theirs = inspect.signature(function).parameters
            assert option not in theirs or face[option].default == theirs[option].default
    for option in ("size", "jobs", "scheduler"):
        assert face[option].default == inspect.signature(paint_all).parameters[option].default


def test_help_names_the_styles(nst: Run) -> None:
    code, out, _ = nst("stylize", "--help")
    text = " ".join(" ".join(out).split())
    assert code == 0
    assert f"{', '.join(STYLE_NETWORKS)}, any picture, a vector (.npy), or an ONNX file" in text
    for option in (
        "--style",
        "--style-size",
        "--output",
        "--strength",
        "--jobs",
        "--scheduler",
        "--backend",
    ):
        assert option in text


def test_tensorflow_is_not_needed(style: str) -> None:
    arguments = ["stylize", "coffee", "-s", style, "-o", "out.png", "--size", "40"]
    code = (
        f"import sys; from nstlib.cli.main import main; main({arguments}); "
        "print({'tensorflow', 'keras', 'matplotlib'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["wrote out.png: 40x27 pixels", "set()"]
