"""ONNX files at work in OpenCV's ``cv2.dnn`` and in ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime

from nstlib._checks import check_choice
from nstlib.assets.cache import embedded_model, fetch
from nstlib.assets.registry import ASSETS
from nstlib.errors import ArgumentError, ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.reading import load_onnx, picture_input

_BACKENDS = {"cv2": "OpenCV", "ort": "ONNX Runtime"}


def size_in_words(size: tuple[int, int] | None) -> str:
    """Write a network's size for a message."""
    return "any size" if size is None else f"{size[0]}×{size[1]}"


def load_model(model: str | Path, shipped: tuple[str, ...]) -> onnx.ModelProto:
    """Read the ONNX file that a name or a path stands for."""
    path = Path(model)
    registered = {name for name, asset in ASSETS.items() if asset.kind == "model"}
    if isinstance(model, str) and model in shipped:
        path = embedded_model(f"{model}.onnx")
    elif isinstance(model, str) and model in registered:
        path = fetch(model)
    elif not path.is_file():
        raise ArgumentError(
            f"{str(model)!r} is no network: give one of {', '.join(shipped)}, or the path of an "
            "ONNX file"
        )
    if path.suffix.lower() == ".tflite":
        raise ModelError(
            f"{path} is a TensorFlow Lite file; convert it first: "
            f"nstlib.onnx.tflite.from_tflite({path.name!r}, {path.stem + '.onnx'!r})"
        )
    # The content goes to the runtimes, not the path, so that no file makes them open others.
    return load_onnx(path)


def input_of(proto: onnx.ModelProto) -> tuple[int, tuple[int, int] | None]:
    """Channels and size of a network's one input; the size is None if any will do."""
    _, (_, channels, height, width) = picture_input(proto)
    return channels, (height, width) if height and width else None


def start_network(proto: onnx.ModelProto, backend: str, name: str) -> Callable[[Blob], Blob]:
    """Give a network to a runtime; the result takes a blob and returns one."""
    check_choice("backend", backend, _BACKENDS)
    content = proto.SerializeToString()
    start = {"cv2": _start_opencv, "ort": _start_onnx_runtime}[backend]
    run = _plainly(lambda: start(content), backend, name)
    return lambda blob: _plainly(lambda: run(blob), backend, name)


#: The level of OpenCV's log is one for all threads.
_loading = threading.Lock()


def _start_opencv(content: bytes) -> Callable[[Blob], Blob]:
    # What it raises it would also write to the terminal.
    with _loading:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        finally:
            cv2.utils.logging.setLogLevel(level)
    if net.empty():
        raise ValueError("it does not understand the graph")

    def run(blob: Blob) -> Blob:
        net.setInput(blob)
        return np.asarray(net.forward(), np.float32)

    return run


def _start_onnx_runtime(content: bytes) -> Callable[[Blob], Blob]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised as well
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda blob: np.asarray(session.run(None, {name: blob})[0], np.float32)


def _plainly(work: Callable[[], Any], backend: str, name: str) -> Any:
    """Do what may fail in a runtime, and if it does say so in one line."""
    try:
        return work()
    except Exception as error:  # neither runtime has a base for its errors, but Exception
        (other,) = _BACKENDS.keys() - {backend}
        raise ModelError(
            f"{_BACKENDS[backend]} cannot run {name} ({' '.join(str(error).split())[:300]}); try "
            f"the backend {other!r}"
        ) from error
