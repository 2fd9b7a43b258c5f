"""Two runtimes, several threads, little memory: what they make of one network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx_files import BACKENDS, FLOAT, Graph, picture, save, style_network, two_channels

from nstlib.compose import Composer
from nstlib.errors import MemoryLimitError, ModelError
from nstlib.inference import runtimes
from nstlib.inference.memory import memory_for
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import Stylizer

# Nothing is reported

LOAD = "import nstlib; nstlib.Stylizer('candy', backend='ort')"


def files_at_home(home: Path, code: str) -> tuple[list[Path], str]:
    """What a program leaves in a new home folder, and what it says on stderr."""
    home.mkdir()
    # ONNX Runtime reports nothing on machines that test, either; this is to be no such machine.
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [path for path in home.rglob("*") if "onnxruntime" in path.name.lower()], done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks where Linux keeps the file")
def test_onnx_runtime_is_told_not_to_report(tmp_path: Path) -> None:
    assert files_at_home(tmp_path / "home", LOAD) == ([], "")
    asked = f"import os; os.environ['ORT_DISABLE_TELEMETRY'] = '0'; {LOAD}"
    found, _ = files_at_home(tmp_path / "another", asked)
    assert found, "a user's own choice stands; without it the test above would show nothing"


def test_onnx_runtime_is_told_so_too_where_it_was_there_before() -> None:
    code = (
        "import sys, types; told = []; sys.modules['onnxruntime'] = types.SimpleNamespace("
        "disable_telemetry_events=lambda: told.append(True)); import nstlib; print(told)"
    )
    kept = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True)
    assert done.stdout == "[True]\n", done.stderr


# Threads


def makers(folder: Path) -> dict[str, Callable[[str], Callable[..., NDArray[Any]]]]:
    style = save(style_network(), folder / "style.onnx")
    person = save(two_channels(48), folder / "person.onnx")
    return {
        "Stylizer": lambda backend: Stylizer(style, backend=backend),
        "tiles": lambda backend: Stylizer(style, backend=backend, whole_megapixels=1e-6),
        "PersonSegmenter": lambda backend: PersonSegmenter(person, backend=backend).matte,
        "Composer": lambda backend: Composer(style, segmenter=person, backend=backend),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["Stylizer", "tiles", "PersonSegmenter", "Composer"])
def test_threads_share_an_object(tmp_path: Path, name: str, backend: str) -> None:
    """Sizes that take turns, because memory is kept from one picture to the next."""
    work = makers(tmp_path)[name](backend)
    images = [picture(40 + 16 * (i % 3), 60 + 8 * (i % 2), seed=i) for i in range(24)]
    one_by_one = [work(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, images))
    for expected, found in zip(one_by_one, together, strict=True):
        np.testing.assert_array_equal(found, expected)


# Blame


def test_the_runtime_that_cannot_compute_is_named_with_the_one_that_can(tmp_path: Path) -> None:
    """OpenCV's hyperbolic tangent is no number for large values."""
    graph = Graph()
    x = graph.node("Tanh", "image")
    x = graph.node("Mul", x, graph.constant(np.float32(200)))
    path = save(graph.model(x), tmp_path / "tanh.onnx")
    if np.isfinite(cv2_tanh(path)):
        pytest.skip("this version of OpenCV computes it")
    with pytest.raises(ModelError, match="OpenCV computes values that are no numbers") as error:
        Stylizer(path)
    assert str(error.value).endswith("ONNX Runtime can run it: backend='ort'")
    assert error.value.command.endswith("ONNX Runtime can run it: --backend ort")
    assert Stylizer(path, backend="ort")(picture(16, 16)).max() > 0.7


def test_what_opencv_computes_wrongly_is_not_painted(tmp_path: Path) -> None:
    """Kernels of one row and nine columns."""
    graph = Graph()
    kernel = np.zeros((3, 3, 1, 9), np.float32)
    kernel[[0, 1, 2], [0, 1, 2]] = 1 / 9
    x = graph.node("Conv", "image", graph.constant(kernel), pads=[0, 4, 0, 4])
    path = save(graph.model(x), tmp_path / "rows.onnx")
    image = picture(24, 40)
    expected = cv2.blur(image, (9, 1), borderType=cv2.BORDER_CONSTANT)
    np.testing.assert_allclose(Stylizer(path, backend="ort")(image), expected, atol=1e-5)
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("this version of OpenCV computes it")
    with pytest.raises(ModelError, match="OpenCV is off") as error:
        Stylizer(path)
    assert error.value.command.endswith("--backend ort")


def cv2_tanh(path: Path) -> float:
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(np.full((1, 3, 16, 16), 200, np.float32))
    return float(net.forward().max())


def test_what_one_runtime_does_not_know_the_other_may(tmp_path: Path) -> None:
    """A branch, which OpenCV does not know."""

    def branch(kind: str) -> onnx.GraphProto:
        result = helper.make_tensor_value_info("chosen", FLOAT, None)
        return helper.make_graph(
            [helper.make_node(kind, ["image"], ["chosen"])], kind, [], [result]
        )

    graph = Graph()
    yes = graph.node("Constant", value=numpy_helper.from_array(np.array(True)))
    graph.node("If", yes, then_branch=branch("Identity"), else_branch=branch("Neg"))
    path = save(graph.model(graph.nodes[-1].output[0]), tmp_path / "if.onnx")
    image = picture(16, 16)
    for make in (
        lambda: Stylizer(path),
        lambda: Composer(path, segmenter=save(two_channels(48), tmp_path / "person.onnx")),
    ):
        with pytest.raises(ModelError, match=r"OpenCV cannot run .*if\.onnx") as error:
            make()
        assert str(error.value).endswith("backend='ort'")
        assert error.value.command.endswith("--backend ort")
    person = save(two_channels(48), tmp_path / "person.onnx")
    np.testing.assert_allclose(Stylizer(path, backend="ort")(image), image, atol=1e-5)
    assert Composer(path, segmenter=person, backend="ort")(image).shape == image.shape


# Memory


class NoMemory(cv2.error):
    """As OpenCV raises it."""

    code = cv2.Error.StsNoMem


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        NoMemory("Failed to allocate 1 bytes in function 'OutOfMemoryError'"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
        RuntimeError("[ONNXRuntimeError] : 1 : FAIL : bad allocation"),
        RuntimeError(
            "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("name", ["Stylizer", "tiles", "PersonSegmenter", "Composer"])
def test_memory_that_does_not_suffice_is_said_in_one_line(
    tmp_path: Path, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def start(content: bytes, threads: int | None) -> Any:
        run = start_opencv(content, threads)

        def failing(array: NDArray[Any]) -> Any:
            if calls:
                raise error
            return run(array)

        return failing

    start_opencv = runtimes.STARTS["cv2"]
    monkeypatch.setitem(runtimes.STARTS, "cv2", start)
    work = makers(tmp_path)[name]("cv2")
    calls.append(1)
    with pytest.raises(MemoryLimitError, match="does not suffice for 60×40 pixels") as caught:
        work(picture(40, 60))
    assert str(caught.value).endswith(
        "give a smaller picture, for example nstlib.resize(image, 30)"
    )
    assert caught.value.command.endswith("give a smaller size, for example --size 30")


def test_other_errors_are_not_taken_for_memory() -> None:
    with pytest.raises(ZeroDivisionError), memory_for((4, 4)):
        raise ZeroDivisionError
    with pytest.raises(ModelError, match="not enough memory"), memory_for((4, 4)):
        raise ModelError("this network has not enough memory of the past")


def test_tensors_of_absurd_sizes_are_refused_before_they_are_made(tmp_path: Path) -> None:
    """Four pixels in, two hundred million numbers between."""
    graph = Graph()
    scales = graph.constant(np.array([1, 1, 1000, 1000], np.float32))
    large = graph.node("Resize", "image", "", scales, mode="nearest")
    back = graph.constant(np.array([1, 1, 0.001, 0.001], np.float32))
    x = graph.node("Resize", large, "", back, mode="nearest")
    path = save(graph.model(x), tmp_path / "bomb.onnx")
    with pytest.raises(ModelError, match=r"the absurd 1 × 3 × 68000 × 100000 numbers"):
        Stylizer(path)
    person = graph.model(graph.conv(x, 3, 1, 1), (1, 3, 64, 64), (1, 1, 64, 64))
    with pytest.raises(ModelError, match=r"the absurd 1 × 3 × 64000 × 64000 numbers"):
        PersonSegmenter(save(person, tmp_path / "bomb.onnx"))
