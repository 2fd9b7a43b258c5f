"""Networks from elsewhere at the command line: what a message advises works where it is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest
from conftest import Run
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx_files import FLOAT, Graph, save, two_channels

from nstlib.images.arrays import to_uint8
from nstlib.sources import load_image


def with_branch(x: str, graph: Graph) -> str:
    """Add a branch that does nothing, and that OpenCV does not know."""

    def branch(kind: str) -> onnx.GraphProto:
        result = helper.make_tensor_value_info("chosen", FLOAT, None)
        return helper.make_graph([helper.make_node(kind, [x], ["chosen"])], kind, [], [result])

    yes = graph.node("Constant", value=numpy_helper.from_array(np.array(True)))
    return graph.node("If", yes, then_branch=branch("Identity"), else_branch=branch("Neg"))


@pytest.fixture
def files(nst: Run) -> None:  # noqa: ARG001  (it goes to an empty folder first)
    graph = Graph()
    negative = graph.node("Sub", graph.constant(np.float32(255)), "image")
    save(graph.model(with_branch(negative, graph)), Path("style.onnx"))
    graph = Graph(4)
    scores = graph.conv("image", 3, 2, 5)
    sides = (1, 3, 48, 48)
    output = graph.node("Softmax", with_branch(scores, graph), axis=1)
    save(graph.model(output, sides, (1, 2, 48, 48)), Path("people.onnx"))
    save(two_channels(48), Path("person.onnx"))


def pixels(path: str) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path))


@pytest.mark.parametrize(
    "command",
    [
        "stylize coffee -s style.onnx -o out.png --size 64",
        "segment coffee --segmenter people.onnx -o out.png --size 64",
        "segment coffee --cutout --segmenter people.onnx -o out.png --size 64",
        "compose coffee --style style.onnx --segmenter person.onnx -o out.png --size 64",
        "compose coffee --person style.onnx --segmenter person.onnx -o out.png --size 64",
        "compose coffee --style mosaic --segmenter people.onnx -o out.png --size 64",
        "webcam --style style.onnx --segmenter person.onnx --backend cv2",
        "webcam --style mosaic --segmenter people.onnx --backend cv2",
    ],
)
@pytest.mark.usefixtures("files")
def test_the_backend_that_a_message_names_can_be_given(nst: Run, command: str) -> None:
    code, out, [line] = nst(*command.split())
    assert (code, out) == (2, [])
    assert line.startswith("nst: OpenCV cannot run ")
    _, _, cure = line.rpartition(": ")
    assert cure == "--backend ort"
    code, out, err = nst(*command.split(), *cure.split())
    if command.startswith("webcam"):  # it has come as far as the camera
        assert "OpenCV" not in err[0]
    else:
        assert (code, err) == (0, [])
        assert Path("out.png").is_file()


def negative(low: float, high: float) -> onnx.ModelProto:
    graph = Graph()
    return graph.model(graph.node("Sub", graph.constant(np.float32(low + high)), "image"))


def test_a_scale_is_given_to_a_command_or_written_into_the_file(nst: Run) -> None:
    save(negative(-1, 1), Path("n.onnx"))
    photo = to_uint8(load_image("coffee", 64))
    command = ("stylize", "coffee", "-o", "out.png", "--size", 64)
    assert nst(*command, "-s", "n.onnx", "--value-range", "-1,1")[::2] == (0, [])
    np.testing.assert_array_equal(pixels("out.png"), 255 - photo)
    assert nst("export", "n.onnx", "-o", "told.onnx", "--value-range=-1,1")[::2] == (0, [])
    assert nst(*command, "-s", "told.onnx")[::2] == (0, [])
    np.testing.assert_array_equal(pixels("out.png"), 255 - photo)


def test_scales_of_all_networks_that_compose(nst: Run) -> None:
    """A style and a segmenter on -1..1, to which red above a half is a person.

    On 0..1, which files with one channel are given otherwise, the whole picture would be one.
    """
    save(negative(-1, 1), Path("n.onnx"))
    graph = Graph()
    red = graph.constant(np.array([1000, 0, 0], np.float32).reshape(1, 3, 1, 1))
    people = graph.node("Sigmoid", graph.node("Conv", "image", red))
    save(graph.model(people, result=("batch", 1, "rows", "columns")), Path("red.onnx"))
    drawn = np.full((48, 64, 3), (20, 40, 200), np.uint8)
    drawn[12:, 20:44] = (230, 20, 30)
    PIL.Image.fromarray(drawn).save("photo.png")
    options = ("--style", "n.onnx", "--segmenter", "red.onnx", "--hard", "--value-range=-1,1")
    for size in (32, 128):
        segmenter = ("--segmenter-range=-1,1", "--segmenter-size", size)
        assert nst("compose", "photo.png", *options, *segmenter, "-o", "out.png")[::2] == (0, [])
        shown, away = pixels("out.png"), np.s_[:, :16]
        np.testing.assert_array_equal(shown[16:, 24:40], drawn[16:, 24:40])
        np.testing.assert_array_equal(shown[away], 255 - drawn[away])
    assert nst("compose", "photo.png", *options, "-o", "out.png")[::2] == (0, [])
    np.testing.assert_array_equal(pixels("out.png"), drawn)


@pytest.mark.parametrize("command", ["stylize coffee -s", "segment coffee --segmenter", "export"])
def test_a_scale_that_is_none(nst: Run, command: str) -> None:
    save(negative(0, 1), Path("n.onnx"))
    code, out, err = nst(*command.split(), "n.onnx", "-o", "o.onnx", "--value-range", "dark,light")
    if command != "export":
        code, out, err = nst(
            *command.split(), "n.onnx", "-o", "o.png", "--value-range", "dark,light"
        )
    assert (code, out) == (2, [])
    assert err == [
        "nst: --value-range is dark,light; it must be LOW,HIGH, or LOW,HIGH,LOW,HIGH for input and "
        "output, each LOW below its HIGH, or imagenet"
    ]


def test_a_network_of_one_size_says_so_and_the_advice_helps(nst: Run) -> None:
    shape = (1, 3, 32, 40)
    graph = Graph()
    x = graph.conv(graph.node("Sub", graph.constant(np.float32(255)), "image"), 3, 3, 1)
    save(graph.model(x, shape, shape), Path("fixed.onnx"))
    command = ("stylize", "coffee", "-o", "out.png", "--size", 90)
    code, out, [note] = nst(*command, "-s", "fixed.onnx")
    assert (code, out) == (0, ["wrote out.png: 90x60 pixels"])
    assert note.startswith(
        "nst: fixed.onnx paints at 40x32 pixels only, and its painting is enlarged"
    )
    assert nst("export", "fixed.onnx", "-o", "FREE.onnx")[0] == 0
    assert nst(*command, "-s", "FREE.onnx")[::2] == (0, [])


def test_a_segmenter_that_is_exported_works_as_before(nst: Run) -> None:
    save(two_channels(48), Path("person.onnx"))
    code, out, err = nst("export", "person.onnx", "-o", "again.onnx")
    assert (code, err) == (0, [])
    assert out[-2] == "It keeps its size, 48×48 pixels: at others it is not proven."
    for name in ("person", "again"):
        command = ("segment", "astronaut", "--segmenter", f"{name}.onnx", "-o", f"{name}.png")
        assert nst(*command, "--size", 80)[0] == 0
    np.testing.assert_array_equal(pixels("person.png"), pixels("again.png"))
    assert set(np.unique(pixels("person.png"))) == {0, 255}


def test_little_memory_is_one_line_with_a_size(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save(negative(0, 255), Path("n.onnx"))

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nstlib.inference.stylizer.Stylizer._paint", no_memory)
    code, out, err = nst("stylize", "coffee", "-s", "n.onnx", "-o", "out.png", "--size", 64)
    assert (code, out) == (1, [])
    assert err == [
        "nst: the memory of this machine does not suffice for 64×43 pixels; give a smaller size, "
        "for example --size 32"
    ]
