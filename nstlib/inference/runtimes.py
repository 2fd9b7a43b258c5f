"""ONNX files at work in OpenCV's ``cv2.dnn`` and in ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from nstlib._checks import check_choice, check_count, check_path, cut
from nstlib._files import is_there
from nstlib._memory import ran_out
from nstlib._opencv import quiet_opencv
from nstlib.assets.cache import embedded_model, fetch
from nstlib.assets.registry import ASSETS
from nstlib.errors import ArgumentError, ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.reading import load_onnx, picture_input
from nstlib.onnx.sessions import start_session

#: What computes, and what it is called.
BACKENDS = {"cv2": "OpenCV", "ort": "ONNX Runtime"}

#: Takes an array as the file wants it, and returns the network's output.
_Run: TypeAlias = Callable[[NDArray[Any]], Blob]


def load_model(
    model: str | Path, shipped: tuple[str, ...], downloads: tuple[str, ...] = ()
) -> onnx.ModelProto:
    """Read the ONNX file that a name or a path stands for.

    Where it is neither, the error proposes what is shipped, and these `downloads`.
    """
    path = check_path("model", model, "a network's name or the path of an ONNX file")
    registered = {name for name, asset in ASSETS.items() if asset.kind == "model"}
    if isinstance(model, str) and model in shipped:
        path = embedded_model(f"{model}.onnx")
    elif isinstance(model, str) and model in registered:
        path = fetch(model)
    elif not is_there(path, folders=False):
        raise ArgumentError(
            f"{cut(repr(str(model)))} is no network: give {', '.join([*shipped, *downloads])}, "
            "or the path of an ONNX file"
        )
    if path.suffix.lower() == ".tflite":
        converted = path.stem + ".onnx"
        raise ModelError(
            f"{path} is a TensorFlow Lite file; convert it first: "
            f"nstlib.onnx.tflite.from_tflite({path.name!r}, {converted!r})",
            command=f"{path} is a TensorFlow Lite file; convert it first: nst export {path} -o "
            f"{converted}",
        )
    # The content goes to the runtimes, not the path, so that no file makes them open others.
    return load_onnx(path)


def start_network(
    proto: onnx.ModelProto, backend: str, name: str, threads: int | None = None
) -> Callable[[Blob], Blob]:
    """Give a network of one output to a runtime.

    Parameters
    ----------
    proto : onnx.ModelProto
        What to run.
    backend : {"cv2", "ort"}
        What computes.
    name : str
        What messages call the network.
    threads : int, optional
        How many threads ONNX Runtime computes with. By default as many as the processor has cores.

    Returns
    -------
    callable
        Takes pictures (B, C, H, W), float32, and returns the network's output, float32. Several
        threads may call it. It can be pickled for another process, where it is started anew.

    Raises
    ------
    ArgumentError
        If there is no such backend.
    ModelError
        From this function or from what it returns, if the runtime cannot run the network, or
        computes values that are no numbers. It says whether the other runtime can.
    """
    check_choice("backend", backend, BACKENDS)
    return _Network(proto, backend, name, threads)


def check_threads(threads: int | None) -> int | None:
    """Refuse a number of threads that is none; None stands for one for each core."""
    return None if threads is None else check_count("threads", threads)


class _Network:
    """What :func:`start_network` returns."""

    def __init__(
        self, proto: onnx.ModelProto, backend: str, name: str, threads: int | None
    ) -> None:
        self._proto, self._backend, self._name, self._threads = proto, backend, name, threads
        self._entry = picture_input(proto)
        self._run: _Run = self._attempt(
            lambda: STARTS[backend](proto.SerializeToString(), threads), []
        )

    def __call__(self, blob: Blob) -> Blob:
        array = self._entry.prepared(blob)
        output: Blob = self._attempt(lambda: self._run(array), [array])
        if not np.isfinite(output).all():
            fault = "computes values that are no numbers"
            chosen, other = self._runtimes()
            raise self._blame(
                f"{chosen} {fault} from {self._name}",
                f"{self._name} {fault}, in {chosen} and in {other}; train it again",
                [array],
            )
        return output

    def __reduce__(self) -> tuple[Any, ...]:
        # What the runtime holds cannot leave the process.
        return start_network, (self._proto, self._backend, self._name, self._threads)

    def _runtimes(self) -> tuple[str, str]:
        """Return the names of the runtime that computes, and of the other one."""
        (other,) = BACKENDS.keys() - {self._backend}
        return BACKENDS[self._backend], BACKENDS[other]

    def _attempt(self, work: Callable[[], Any], arrays: list[NDArray[Any]]) -> Any:
        try:
            return work()
        except Exception as error:
            if ran_out(error):
                raise
            chosen, other = self._runtimes()
            fault = f"{chosen} cannot run {self._name} ({' '.join(str(error).split())[:300]})"
            raise self._blame(fault, f"{fault}, and {other} cannot either", arrays) from error

    def _blame(self, fault: str, both: str, arrays: list[NDArray[Any]]) -> ModelError:
        """Find out whether the other runtime can do it, and say so."""
        (other,) = BACKENDS.keys() - {self._backend}
        try:
            run = STARTS[other](self._proto.SerializeToString(), None)
            works = all(np.isfinite(run(array)).all() for array in arrays)
        except Exception:  # neither runtime has a base for its errors, but Exception
            works = False
        if not works:
            return ModelError(both)
        remedy = f"{fault}; {BACKENDS[other]} can run it"
        return ModelError(f"{remedy}: backend={other!r}", command=f"{remedy}: --backend {other}")


#: Share of the output's spread by which OpenCV may be off from ONNX Runtime, on average.
_TOLERANCE = 0.01


def check_computation(
    proto: onnx.ModelProto, backend: str, name: str, blob: Blob, output: Blob
) -> bool:
    """Refuse to let OpenCV run a network from which ONNX Runtime computes something else.

    OpenCV 5.0, for instance, computes convolutions of 1×9 kernels wrongly, and says nothing.

    Parameters
    ----------
    proto : onnx.ModelProto
        What was run.
    backend : {"cv2", "ort"}
        What ran it. ONNX Runtime, which implements ONNX as it is specified, is believed.
    name : str
        What messages call the network.
    blob, output : ndarray of float32
        What it was given, (B, C, H, W), and what came out.

    Returns
    -------
    bool
        Whether ONNX Runtime computes the same. If not, it cannot run the network on this.

    Raises
    ------
    ModelError
        If the two differ by more than 1 % of the output's spread.
    """
    if backend == "ort":
        return True
    try:
        expected = _start_onnx_runtime(proto.SerializeToString())(
            picture_input(proto).prepared(blob)
        )
    except Exception:  # its errors have no base but Exception
        return False
    if expected.shape == output.shape:
        off = float(np.abs(output - expected).mean())
        if off <= _TOLERANCE * float(np.ptp(expected)) + 1e-6 or not np.isfinite(expected).all():
            return True
    fault = f"OpenCV and ONNX Runtime compute different results from {name}, and OpenCV is off"
    raise ModelError(f"{fault}: backend='ort'", command=f"{fault}: --backend ort")


def _start_opencv(content: bytes, _: int | None = None) -> _Run:
    with quiet_opencv():
        net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    if net.empty():
        raise ValueError("it does not understand the graph")
    # A network holds its feature maps from call to call. One for each thread would be no faster,
    # because OpenCV's layers use all processor cores anyway.
    computing = threading.Lock()

    def run(array: NDArray[Any]) -> Blob:
        with computing:
            net.setInput(array)
            # What it returns may be the network's own memory, which the next call writes to.
            return np.array(net.forward(), np.float32)

    return run


def _onnx_session(content: bytes, threads: int | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: one for each core
    # Threads that wait for their next share in a loop would keep those from working that decode and
    # encode a film, or find its people.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return start_session(content, options)


def _start_onnx_runtime(content: bytes, threads: int | None = None) -> _Run:
    session = _onnx_session(content, threads)
    name = session.get_inputs()[0].name
    return lambda array: np.asarray(session.run(None, {name: array})[0], np.float32)


def start_watching(
    proto: onnx.ModelProto,
) -> Callable[[NDArray[Any], Sequence[str]], list[NDArray[Any]]]:
    """Give ONNX Runtime a network of several outputs.

    What it returns takes a picture and the names of outputs, and gives those outputs.
    """
    session = _onnx_session(proto.SerializeToString())
    name = session.get_inputs()[0].name
    return lambda array, outputs: session.run(list(outputs), {name: array})


#: How each backend is given a network.
STARTS = {"cv2": _start_opencv, "ort": _start_onnx_runtime}
