"""The proof that every runtime computes the same picture from an ONNX file.

Loading without an error proves nothing: runtimes that misread a file compute a picture too.
"""

from __future__ import annotations

import functools
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import onnx

from nstlib._checks import check_counts, check_kind, check_number, check_path, refusal
from nstlib._files import atomic_write, check_output, reason
from nstlib._opencv import quiet_opencv
from nstlib.errors import ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.graphs import (
    KERNEL_NAME,
    Size,
    check_graph,
    check_memory,
    metadata_with,
    size_text,
)
from nstlib.onnx.reading import PictureInput, load_onnx, picture_input
from nstlib.onnx.sessions import start_session
from nstlib.sources import load_image

if TYPE_CHECKING:
    from nstlib._tensorflow import keras


#: (height, width) of the pictures that runtimes are compared on: square, not square, not multiples
#: of 4, odd.
SIZES = ((256, 256), (320, 384), (250, 333), (251, 333))

#: Of what a network's sides may have to be multiples: of anything, of 8, of 32.
_MULTIPLES = (1, 8, 32)

#: How far apart two runtimes may be, on the scale of the output, 0..255 for a picture.
TOLERANCE = 0.01


@dataclass(frozen=True)
class RuntimeComparison:
    """What one runtime made of one picture.

    Attributes
    ----------
    runtime : str
        ``"ONNX Runtime"``, ``"cv2.dnn new"``, ``"cv2.dnn classic"``, or with OpenCV 4, which has
        one engine, ``"cv2.dnn"``.
    size : (int, int)
        The picture's height and width.
    difference : float or None
        The largest from the reference, on the scale of the output; infinite for an output of
        another shape. None if the runtime refused.
    refusal : str or None
        What it said, if it refused.
    """

    runtime: str
    size: Size
    difference: float | None
    refusal: str | None = None


@dataclass(frozen=True)
class Verification:
    """How well the runtimes agree on a file. Printed, it is a table.

    Attributes
    ----------
    reference : str
        What the others were compared with: ``"Keras"``, or ``"ONNX Runtime"``.
    tolerance : float
        The largest difference that is allowed.
    comparisons : tuple of RuntimeComparison
        One for each size and runtime.
    rounding : float
        The largest change of a picture because the file stores float16 where the model had float32;
        0 if it does not. The differences above do not contain it.
    """

    reference: str
    tolerance: float
    comparisons: tuple[RuntimeComparison, ...]
    rounding: float = 0.0

    @property
    def wrong(self) -> tuple[RuntimeComparison, ...]:
        """Those that computed something else than the reference."""
        return tuple(
            result
            for result in self.comparisons
            if result.difference is not None and not result.difference <= self.tolerance
        )

    @property
    def refused(self) -> tuple[RuntimeComparison, ...]:
        """Those that did not compute."""
        return tuple(result for result in self.comparisons if result.difference is None)

    @property
    def ok(self) -> bool:
        """Whether none is wrong, and every size was computed by at least one runtime."""
        sizes = {result.size for result in self.comparisons}
        computed = {result.size for result in self.comparisons if result.difference is not None}
        return not self.wrong and sizes == computed

    def __str__(self) -> str:
        runtimes = list(dict.fromkeys(result.runtime for result in self.comparisons))
        table: dict[Size, dict[str, str]] = {}
        for result in self.comparisons:
            cells = table.setdefault(result.size, {"height×width": size_text(result.size)})
            cells[result.runtime] = (
                "refused" if result.difference is None else f"{result.difference:.5f}"
            )
        head = ["height×width", *runtimes]
        rows = [head, *([cells[name] for name in head] for cells in table.values())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        reasons = dict.fromkeys(f"{x.runtime} refused: {x.refusal}" for x in self.refused)
        if self.rounding:
            lines.append(f"storing float16 changed the picture by {self.rounding:.2f} at most")
        verdict = "agree" if self.ok else "DISAGREE"
        return "\n".join(
            [
                f"Largest difference from {self.reference}:",
                *lines,
                *reasons,
                f"They {verdict} (tolerance {self.tolerance:g}).",
            ]
        )


def verify(
    model: keras.Model | None,
    source: str | Path | bytes,
    sizes: Sequence[Size] | None = None,
    *,
    value_range: tuple[float, float] = (0.0, 255.0),
    tolerance: float = TOLERANCE,
) -> Verification:
    """Compare what Keras, ONNX Runtime and OpenCV's engines make of the same photograph.

    Loading without an error proves nothing: runtimes that misread a file compute a picture too.

    Parameters
    ----------
    model : keras.Model or None
        What the file was made from; it is the reference. Kernels that the file stores as float16
        are rounded likewise in a copy of it. Without a model, ONNX Runtime is the reference.
    source : str, pathlib.Path or bytes
        An ONNX file, or its content. One input, a picture; one output.
    sizes : sequence of (int, int), optional
        Heights and widths, one at least. By default the one that the file is for; if it takes any,
        :data:`SIZES`, or where it refuses them, the next multiples of 8, or of 32.
    value_range : (float, float), default (0, 255)
        What black and white are to the network.
    tolerance : float, default 0.01
        The largest difference that is allowed, on the scale of the output.

    Returns
    -------
    Verification
        Differences, and refusals: a runtime that does not know what a file asks for says so.

    Raises
    ------
    ArgumentError
        If an argument is of another kind than those above, or `tolerance` is below 0.
    ModelError
        If the file is broken, cut off, no ONNX file, asks for absurd amounts of memory or for data
        from outside its folder; or if the reference cannot compute it.
    """
    if model is not None:
        from nstlib._tensorflow import keras

        check_kind("model", model, keras.Model, "a keras.Model, or None")
    sizes = check_sizes(sizes)
    metadata_with(None, value_range)
    tolerance = check_number("tolerance", tolerance, least=0)
    proto = load_onnx(source)
    check_graph(proto)
    entry = picture_input(proto)
    if len(proto.graph.output) != 1:
        raise ModelError(
            f"the file has the outputs {[x.name for x in proto.graph.output]}; runtimes are "
            "compared on networks of one output"
        )
    if sizes is None and entry.size is not None:
        sizes = [entry.size]
    for size in sizes or SIZES:
        check_memory(proto, (1, entry.channels, *size))
    with tempfile.TemporaryDirectory() as folder:
        # A file, not its content: given that, OpenCV 5.0 takes no notice of the engine asked for.
        path = Path(folder) / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        runtimes = {runtime: start(path, entry) for runtime, start in _runtimes().items()}
        if model is None:
            reference, compute = "ONNX Runtime", runtimes.pop("ONNX Runtime")
        else:
            reference, compute = "Keras", _keras(model)
        if sizes is None:
            sizes = _sizes_taken(compute, entry.channels, value_range)
        exact = compute
        half = {x.name for x in proto.graph.initializer if x.data_type == onnx.TensorProto.FLOAT16}
        if half and model is not None:
            compute = _keras(_rounded(model, half))

        comparisons, rounding = [], 0.0
        for size in sizes:
            picture = photo_blob(size, entry.channels, value_range)
            expected = compute(picture)
            if isinstance(expected, str):
                raise ModelError(f"{reference} refuses the file at {size_text(size)}: {expected}")
            if exact is not compute:
                rounding = max(rounding, largest_difference(exact(picture), expected))
            for runtime, run in runtimes.items():
                result = run(picture)
                comparisons.append(
                    RuntimeComparison(runtime, size, None, result)
                    if isinstance(result, str)
                    else RuntimeComparison(runtime, size, largest_difference(result, expected))
                )
    return Verification(reference, tolerance, tuple(comparisons), rounding)


def _sizes_taken(compute: _Run, channels: int, value_range: tuple[float, float]) -> Sequence[Size]:
    """Choose the sizes that the reference computes at, of :data:`SIZES` and multiples near them."""
    for step in _MULTIPLES:
        rounded = ((step * -(-height // step), step * -(-width // step)) for height, width in SIZES)
        sizes = list(dict.fromkeys(rounded))
        if not any(isinstance(compute(photo_blob(x, channels, value_range)), str) for x in sizes):
            return sizes
    return SIZES


# A runtime is started with a file and its input. It takes a picture (B, C, H, W) and returns what
# it makes of it, or says why it does not.
_Run: TypeAlias = Callable[[Blob], "Blob | str"]


def _runtimes() -> dict[str, Callable[[Path, PictureInput], _Run]]:
    if not hasattr(cv2.dnn, "ENGINE_NEW"):  # OpenCV 4
        return {"ONNX Runtime": _onnx_runtime, "cv2.dnn": functools.partial(_opencv, {})}
    engines = {"new": cv2.dnn.ENGINE_NEW, "classic": cv2.dnn.ENGINE_CLASSIC}
    return {
        "ONNX Runtime": _onnx_runtime,
        **{
            f"cv2.dnn {name}": functools.partial(_opencv, {"engine": engine})
            for name, engine in engines.items()
        },
    }


def _refusing(run: Callable[[], Blob]) -> Blob | str:
    """Return what `run` returns, or the first line of what it says when it fails."""
    # The errors of ONNX Runtime have no base but Exception, and its and OpenCV's parsers raise
    # whatever a broken file leads them to.
    try:
        with quiet_opencv():
            return np.asarray(run(), np.float32)
    except Exception as error:
        return reason(error)


def _onnx_runtime(path: Path, entry: PictureInput) -> _Run:
    @functools.cache
    def session() -> Any:
        return start_session(os.fspath(path))

    return lambda picture: _refusing(
        lambda: session().run(None, {entry.name: entry.prepared(picture)})[0]
    )


def _opencv(options: dict[str, int], path: Path, entry: PictureInput) -> _Run:
    @functools.cache
    def net() -> Any:
        result = cv2.dnn.readNetFromONNX(str(path), **options)
        if result.empty():  # the new engine's way to fail
            raise ValueError("it does not understand the graph")
        return result

    def run(picture: Blob) -> Blob:
        net().setInput(entry.prepared(picture))
        output: Blob = net().forward()
        return output

    return lambda picture: _refusing(lambda: run(picture))


def _keras(model: keras.Model) -> _Run:
    def run(picture: Blob) -> Blob:
        output: Blob = model(picture.transpose(0, 2, 3, 1), training=False).numpy()
        return output.transpose(0, 3, 1, 2)

    return lambda picture: _refusing(lambda: run(picture))


def _rounded(model: keras.Model, names: set[str]) -> keras.Model:
    """Copy `model`, with the kernels of these names as float16 has them."""
    from nstlib._tensorflow import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if KERNEL_NAME.format(layer.name) in names:
            layer.kernel.assign(layer.kernel.numpy().astype(np.float16).astype(np.float32))
    return copy


def photo_blob(size: Size, channels: int, value_range: tuple[float, float]) -> Blob:
    """Make the picture that runtimes are compared on, of a sample photograph.

    Returns
    -------
    ndarray of float32, shape (1, channels, H, W)
        From the value of black to that of white; the channels are red, green, blue, red and so on.
    """
    black, white = value_range
    photo = load_image("astronaut", size)[..., np.arange(channels) % 3]
    blob: Blob = black + (white - black) * photo.transpose(2, 0, 1)[np.newaxis]
    return blob.astype(np.float32)


def largest_difference(one: Blob | str, other: Blob | str) -> float:
    """Compare two outputs; infinite for a refusal or another shape.

    Parameters
    ----------
    one, other : ndarray of float32, or str
        What two runtimes computed, or why one did not.

    Returns
    -------
    float
    """
    if isinstance(one, str) or isinstance(other, str) or one.shape != other.shape:
        return math.inf
    return float(np.abs(one - other).max())


def check_place(path: str | Path) -> Path:
    """Return a path at which an ONNX file can be written, before there is any work to lose.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    OutputError
        If it does not end in ``.onnx``, or nothing can be written there.
    """
    return check_output(check_path("path", path), [".onnx"])


def check_sizes(sizes: Sequence[Size] | None) -> Sequence[Size] | None:
    """Return sizes to compare runtimes on, if there are any: none at all would prove nothing.

    Raises
    ------
    ArgumentError
        If `sizes` is no list of (height, width), or an empty one.
    """
    if sizes is None:
        return None
    accepted = "a list of (height, width), one at least"
    if not isinstance(sizes, Sequence) or not sizes:
        raise refusal("sizes", sizes, accepted)
    pairs = (
        check_counts("a size", size, (2,), "(height, width), in whole pixels") for size in sizes
    )
    return [(height, width) for height, width in pairs]


def write_proven(
    path: Path,
    proto: onnx.ModelProto,
    model: keras.Model | None,
    sizes: Sequence[Size] | None,
    value_range: tuple[float, float],
    tolerance: float,
) -> Verification:
    """Write a file once :func:`verify` finds that the runtimes agree on it.

    `path` went through :func:`check_place`, and `sizes` through :func:`check_sizes`.

    Raises
    ------
    ModelError
        If two runtimes compute different pictures. Nothing is written then.
    OutputError
        If the file cannot be written.
    """
    content = proto.SerializeToString(deterministic=True)
    result = verify(model, content, sizes, value_range=value_range, tolerance=tolerance)
    if not result.ok:
        worst = result.wrong[0] if result.wrong else result.refused[0]
        what = worst.refusal or f"is off by {worst.difference:g} from {result.reference}"
        raise ModelError(
            f"{path} is not written: at {size_text(worst.size)} {worst.runtime} {what}"
        )
    with atomic_write(path) as file:
        file.write(content)
    return result
