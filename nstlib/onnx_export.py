"""Out of Keras by ONNX, and the proof that every runtime computes the same picture.

:func:`export` writes a Keras model as an ONNX file, :func:`from_pytorch` reads a checkpoint of
PyTorch's fast_neural_style example into Keras, :func:`modernize` brings old ONNX files up to date,
and :func:`from_tflite` converts those of TensorFlow Lite. Nothing is written before :func:`verify`
has compared the runtimes.
"""

from __future__ import annotations

import functools
import logging
import math
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

import nstlib
from nstlib.errors import DependencyError, ModelError
from nstlib.images import atomic_write, load_image
from nstlib.networks import (
    InstanceNormalization,
    ReflectionPadding2D,
    TransformerNet,
    check_archive,
)
from nstlib.onnx_reading import LARGEST_TENSOR, load_onnx, one_line, picture_input
from nstlib.quietly import keras, quiet, tf

#: (height, width) of the pictures that runtimes are compared on: square, not square, not multiples
#: of 4, odd.
SIZES = ((256, 256), (320, 384), (250, 333), (251, 333))
#: How far apart two runtimes may be, on the scale of the output, 0..255 for a picture.
TOLERANCE = 0.01

#: ONNX's version 17, of 2022, has all that is needed, and OpenCV 4 reads it.
_OPSET, _IR_VERSION = 17, 8

_KERNEL_NAME = "{}.weight"

Size: TypeAlias = tuple[int, int]
Blob: TypeAlias = NDArray[np.float32]


# Proof


@dataclass(frozen=True)
class Comparison:
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
    comparisons : tuple of Comparison
        One for each size and runtime.
    rounding : float
        The largest change of a picture because the file stores float16 where the model had float32;
        0 if it does not. The differences above do not contain it.
    """

    reference: str
    tolerance: float
    comparisons: tuple[Comparison, ...]
    rounding: float = 0.0

    @property
    def wrong(self) -> tuple[Comparison, ...]:
        """Those that computed something else than the reference."""
        return tuple(
            result
            for result in self.comparisons
            if result.difference is not None and not result.difference <= self.tolerance
        )

    @property
    def refused(self) -> tuple[Comparison, ...]:
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
            cells = table.setdefault(result.size, {"height×width": _text(result.size)})
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
        An ONNX file, or its content. One input (B, C, H, W), one output.
    sizes : sequence of (int, int), optional
        Heights and widths. By default the one that the file is for; if it takes any, :data:`SIZES`.
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
    ModelError
        If the file is broken, cut off, no ONNX file, asks for absurd amounts of memory or for data
        from outside its folder; or if the reference cannot compute it.
    """
    proto = load_onnx(source)
    _check(proto)
    name, shape = picture_input(proto)
    if sizes is None:
        fixed = (shape[2], shape[3])
        sizes = SIZES if 0 in fixed else [fixed]
    for size in sizes:
        _check_memory(proto, (1, shape[1], *size))
    with tempfile.TemporaryDirectory() as folder:
        # A file, not its content: given that, OpenCV 5.0 takes no notice of the engine asked for.
        path = Path(folder) / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        runtimes = {runtime: start(path, name) for runtime, start in _runtimes().items()}
        if model is None:
            reference, compute = "ONNX Runtime", runtimes.pop("ONNX Runtime")
        else:
            reference, compute = "Keras", _keras(model)
        exact = compute
        half = {x.name for x in proto.graph.initializer if x.data_type == onnx.TensorProto.FLOAT16}
        if half and model is not None:
            compute = _keras(_rounded(model, half))

        comparisons, rounding = [], 0.0
        for size in sizes:
            picture = _photo(size, shape[1], value_range)
            expected = compute(picture)
            if isinstance(expected, str):
                raise ModelError(f"{reference} refuses the file at {_text(size)}: {expected}")
            if exact is not compute:
                rounding = max(rounding, _difference(exact(picture), expected))
            for runtime, run in runtimes.items():
                result = run(picture)
                comparisons.append(
                    Comparison(runtime, size, None, result)
                    if isinstance(result, str)
                    else Comparison(runtime, size, _difference(result, expected))
                )
    return Verification(reference, tolerance, tuple(comparisons), rounding)


def _text(size: Size) -> str:
    return "×".join(map(str, size))


# A runtime is started with a file and the name of the input. It takes a picture and returns what it
# makes of it, or says why it does not.
_Run: TypeAlias = Callable[[Blob], "Blob | str"]


def _runtimes() -> dict[str, Callable[[Path, str], _Run]]:
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
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return np.asarray(run(), np.float32)
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    finally:
        cv2.utils.logging.setLogLevel(level)


def _onnx_runtime(path: Path, name: str) -> _Run:
    @functools.cache
    def session() -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # only what is fatal: errors are raised anyway
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    return lambda picture: _refusing(lambda: session().run(None, {name: picture})[0])


def _opencv(options: dict[str, int], path: Path, _: str) -> _Run:
    @functools.cache
    def net() -> Any:
        result = cv2.dnn.readNetFromONNX(str(path), **options)
        if result.empty():  # the new engine's way to fail
            raise ValueError("it does not understand the graph")
        return result

    def run(picture: Blob) -> Blob:
        net().setInput(picture)
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
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if _KERNEL_NAME.format(layer.name) in names:
            layer.kernel.assign(layer.kernel.numpy().astype(np.float16).astype(np.float32))
    return copy


def _photo(size: Size, channels: int, value_range: tuple[float, float]) -> Blob:
    """Make a picture of shape (1, `channels`, H, W)."""
    black, white = value_range
    photo = load_image("astronaut", size)[..., np.arange(channels) % 3]
    blob: Blob = black + (white - black) * photo.transpose(2, 0, 1)[np.newaxis]
    return blob.astype(np.float32)


def _difference(one: Blob | str, other: Blob | str) -> float:
    if isinstance(one, str) or isinstance(other, str) or one.shape != other.shape:
        return math.inf
    return float(np.abs(one - other).max())


# From Keras


def export(
    model: keras.Model,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    half: bool = True,
    input_name: str = "image",
    output_name: str = "stylized",
    sizes: Sequence[Size] | None = None,
    value_range: tuple[float, float] = (0.0, 255.0),
    tolerance: float = TOLERANCE,
) -> Verification:
    """Write a Keras model as an ONNX file, once every runtime has been seen to compute the same.

    The graph is built here with ONNX's own helper, one node for each layer and one for the
    activation inside a layer, for that is the graph that one would draw: 64 nodes for
    :func:`nstlib.networks.TransformerNet`, as many as PyTorch's exporter makes of its own network,
    channels first, for any batch and size. Keras's ``Model.export(format="onnx")`` is a single
    call, but goes through tf2onnx, which sees TensorFlow's operations instead of layers: 301 nodes
    for the same network, thirteen for each instance normalization, channels last. To find the
    layers in those again takes more code than the table of layers below.

    Parameters
    ----------
    model : keras.Model
        One input and one output, (B, H, W, C), made of layers that the table below knows.
    path : str or pathlib.Path
        Where to write; what is there is replaced.
    metadata : mapping of str to str, optional
        What to write into the file beside the network: its style, licence, training data. The
        library's version is added as ``library``.
    half : bool, default True
        Store the kernels of convolutions as float16, each followed by a node that casts it back to
        float32. The file is half as large; runtimes cast once, when they load it, and are as fast.
    input_name, output_name : str
        Names in the file.
    sizes, value_range, tolerance
        As in :func:`verify`.

    Returns
    -------
    Verification
        The proof.

    Raises
    ------
    ModelError
        If a layer, or a setting of one, has no translation, if a weight is not a finite number (or
        too large for float16), or if a runtime computes something else than Keras. Nothing is
        written then.
    OutputError
        If the file cannot be written.
    """
    proto = to_onnx(
        model, metadata=metadata, half=half, input_name=input_name, output_name=output_name
    )
    return _write(path, proto, model, sizes, value_range, tolerance)


def _write(
    path: str | Path,
    proto: onnx.ModelProto,
    model: keras.Model | None,
    sizes: Sequence[Size] | None,
    value_range: tuple[float, float],
    tolerance: float,
) -> Verification:
    content = proto.SerializeToString(deterministic=True)
    result = verify(model, content, sizes, value_range=value_range, tolerance=tolerance)
    if not result.ok:
        worst = result.wrong[0] if result.wrong else result.refused[0]
        what = worst.refusal or f"is off by {worst.difference:g} from {result.reference}"
        raise ModelError(f"{path} is not written: at {_text(worst.size)} {worst.runtime} {what}")
    with atomic_write(Path(path)) as file:
        file.write(content)
    return result


def to_onnx(
    model: keras.Model,
    *,
    metadata: Mapping[str, str] | None = None,
    half: bool = True,
    input_name: str = "image",
    output_name: str = "stylized",
) -> onnx.ModelProto:
    """Translate a Keras model, without a check of what it computes. :func:`export` has the rest.

    Examples
    --------
    >>> graph = to_onnx(TransformerNet(), half=False).graph
    >>> len(graph.node), sorted({node.op_type for node in graph.node})
    (64, ['Add', 'Conv', 'InstanceNormalization', 'Pad', 'Relu', 'Resize'])
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; only a "
            "model with one of each can be exported"
        )
    for tensor in (*model.inputs, *model.outputs):
        if len(tensor.shape) != 4 or tensor.shape[3] is None:
            raise ModelError(
                f"{model.name} has an input or output of shape {tensor.shape}; only pictures, "
                "(batch, height, width, channels), can be exported"
            )
    graph = _Graph(half)
    names: dict[int, str] = {}
    try:
        # A model made anew from the ends is a graph, whatever this one is; a Sequential is not.
        for layer in keras.Model(model.inputs, model.outputs).operations:
            if isinstance(layer, keras.layers.InputLayer):
                names[id(layer.output)] = input_name
            else:
                inputs = layer.input if isinstance(layer.input, list) else [layer.input]
                names[id(layer.output)] = _translated(graph, layer, [names[id(x)] for x in inputs])
        graph.rename(names[id(model.outputs[0])], output_name)
    except KeyError as error:  # a layer knows the tensors of its first use alone
        raise ModelError(
            f"{model.name} uses a layer more than once; make one for each place"
        ) from error

    def described(name: str, tensor: Any, sides: Iterable[str]) -> onnx.ValueInfoProto:
        _, *shape, channels = tensor.shape
        known = [side or name for side, name in zip(shape, sides, strict=True)]
        return helper.make_tensor_value_info(
            name, onnx.TensorProto.FLOAT, ["batch", channels, *known]
        )

    result = _model(
        helper.make_graph(
            graph.nodes,
            model.name,
            [described(input_name, model.inputs[0], ("height", "width"))],
            [described(output_name, model.outputs[0], ("out_height", "out_width"))],
            graph.constants,
        ),
        metadata,
    )
    _check(result)
    return result


def _model(graph: onnx.GraphProto, metadata: Mapping[str, str] | None) -> onnx.ModelProto:
    result = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="nstlib",
        producer_version=nstlib.__version__,
    )
    helper.set_model_props(result, {**(metadata or {}), "library": f"nstlib {nstlib.__version__}"})
    return result


class _Graph:
    """A graph that grows node by node. A node's output has the name of the node."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, name: str, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return its name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, values: ArrayLike, dtype: type = np.float32) -> str:
        """Add a tensor; return its name."""
        array: NDArray[Any] = np.asarray(values, dtype)
        if not np.isfinite(array).all():
            raise ModelError(
                f"{name} holds values that are not finite, or too large for "
                f"{np.dtype(dtype).name}; train it again, or export it with half=False"
            )
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def kernel(self, layer: Any, values: NDArray[np.float32]) -> str:
        """Add the kernel of a convolution; return the name of its float32 form."""
        name = _KERNEL_NAME.format(layer.name)
        if not self.half:
            return self.constant(name, values)
        with np.errstate(over="ignore"):  # an infinite value is found below
            stored = self.constant(name, values, np.float16)
        return self.node(f"{name}.float", "Cast", stored, to=onnx.TensorProto.FLOAT)

    def activation(self, layer: Any, x: str) -> str:
        """Add the activation of a layer, if it has one; return the name of the result."""
        kind = keras.activations.serialize(layer.activation)
        if kind == "linear":
            return x
        if kind not in _ACTIVATIONS:
            raise _untranslated(layer, "activation", kind, [*_ACTIVATIONS, "linear"])
        name = layer.name if x != layer.name else f"{layer.name}.{kind}"
        return _ACTIVATIONS[kind](self, name, x)

    def rename(self, old: str, new: str) -> None:
        """Give what a node computes another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]


def _translated(graph: _Graph, layer: Any, inputs: Sequence[str]) -> str:
    """Add a layer's nodes; return the name of what it computes."""
    translate = _TRANSLATIONS.get(type(layer))
    if translate is None:
        known = ", ".join(sorted(kind.__name__ for kind in _TRANSLATIONS))
        raise ModelError(
            f"layer {layer.name!r} is a {type(layer).__name__}, which has no translation to ONNX "
            f"here; there is one for {known}"
        )
    return translate(graph, layer, *inputs)


def _untranslated(layer: Any, setting: str, value: Any, known: Sequence[object]) -> ModelError:
    return ModelError(
        f"layer {layer.name!r}: {type(layer).__name__} with {setting}={value!r} has no translation "
        f"to ONNX here; {setting} may be {' or '.join(map(repr, known))}"
    )


def _clip(graph: _Graph, name: str, x: str, highest: float) -> str:
    bounds = (graph.constant(f"{name}.{key}", v) for key, v in (("min", 0.0), ("max", highest)))
    return graph.node(name, "Clip", x, *bounds)


_ACTIVATIONS: dict[str, Callable[[_Graph, str, str], str]] = {
    "relu": lambda graph, name, x: graph.node(name, "Relu", x),
    "relu6": lambda graph, name, x: _clip(graph, name, x, 6.0),
    "sigmoid": lambda graph, name, x: graph.node(name, "Sigmoid", x),
    "softmax": lambda graph, name, x: graph.node(name, "Softmax", x, axis=1),
    "tanh": lambda graph, name, x: graph.node(name, "Tanh", x),
}


#: Layer → function of the graph, the layer and the names of its inputs, which adds the layer's
#: nodes and returns the last one's name. A subclass may compute anything, so it has no translation.
_TRANSLATIONS: dict[type, Callable[..., str]] = {}


def _translates(*kinds: type) -> Callable[[Callable[..., str]], Callable[..., str]]:
    def register(function: Callable[..., str]) -> Callable[..., str]:
        _TRANSLATIONS.update(dict.fromkeys(kinds, function))
        return function

    return register


def _window(layer: Any, shape: Sequence[int], strides: Sequence[int]) -> dict[str, Any]:
    """Attributes of a window that slides: where it begins beyond the border, and its steps."""
    if layer.data_format != "channels_last":
        raise _untranslated(layer, "data_format", layer.data_format, ["channels_last"])
    dilations = getattr(layer, "dilation_rate", (1, 1))
    margins = [(side - 1) * dilation for side, dilation in zip(shape, dilations, strict=True)]
    if layer.padding == "valid":
        margins = [0, 0]
    elif any(m and stride > 1 for m, stride in zip(margins, strides, strict=True)):
        raise ModelError(
            f"layer {layer.name!r}: TensorFlow's padding='same' with strides={tuple(strides)} pads "
            "another border for even sizes than for odd ones, which ONNX cannot say; put a "
            "ZeroPadding2D before it and use padding='valid'"
        )
    before = [margin // 2 for margin in margins]
    after = [margin - margin // 2 for margin in margins]
    return {"kernel_shape": shape, "strides": strides, "pads": before + after}


@_translates(keras.layers.Conv2D)
def _conv(graph: _Graph, layer: Any, x: str) -> str:
    kernel = layer.kernel.numpy().transpose(3, 2, 0, 1)
    return _convolution(graph, layer, x, kernel, layer.groups)


@_translates(keras.layers.DepthwiseConv2D)
def _depthwise(graph: _Graph, layer: Any, x: str) -> str:
    rows, columns, channels, _ = layer.kernel.shape
    kernel = layer.kernel.numpy().transpose(2, 3, 0, 1).reshape(-1, 1, rows, columns)
    return _convolution(graph, layer, x, kernel, channels)


def _convolution(
    graph: _Graph, layer: Any, x: str, kernel: NDArray[np.float32], groups: int
) -> str:
    inputs = [x, graph.kernel(layer, kernel)]
    if layer.use_bias:
        inputs.append(graph.constant(f"{layer.name}.bias", layer.bias.numpy()))
    window = _window(layer, layer.kernel_size, layer.strides)
    x = graph.node(
        layer.name, "Conv", *inputs, **window, dilations=layer.dilation_rate, group=groups
    )
    return graph.activation(layer, x)


@_translates(keras.layers.MaxPooling2D)
def _max_pooling(graph: _Graph, layer: Any, x: str) -> str:
    return graph.node(layer.name, "MaxPool", x, **_window(layer, layer.pool_size, layer.strides))


@_translates(keras.layers.AveragePooling2D)
def _average_pooling(graph: _Graph, layer: Any, x: str) -> str:
    window = _window(layer, layer.pool_size, layer.strides)
    return graph.node(layer.name, "AveragePool", x, **window, count_include_pad=0)


@_translates(keras.layers.GlobalAveragePooling2D)
def _global_average_pooling(graph: _Graph, layer: Any, x: str) -> str:
    if not layer.keepdims:
        raise _untranslated(layer, "keepdims", layer.keepdims, [True])
    return graph.node(layer.name, "GlobalAveragePool", x)


@_translates(ReflectionPadding2D)
def _reflection_padding(graph: _Graph, layer: Any, x: str) -> str:
    pads = [0, 0, layer.pixels, layer.pixels] * 2
    return graph.node(
        layer.name, "Pad", x, graph.constant(f"{layer.name}.pads", pads, np.int64), mode="reflect"
    )


@_translates(keras.layers.ZeroPadding2D)
def _zero_padding(graph: _Graph, layer: Any, x: str) -> str:
    before, after = zip(*layer.padding, strict=True)
    pads = [0, 0, *before, 0, 0, *after]
    return graph.node(layer.name, "Pad", x, graph.constant(f"{layer.name}.pads", pads, np.int64))


@_translates(keras.layers.UpSampling2D)
def _up_sampling(graph: _Graph, layer: Any, x: str) -> str:
    # Keras repeats pixels, or interpolates between their centres.
    ways = {
        "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    }
    if layer.interpolation not in ways:
        raise _untranslated(layer, "interpolation", layer.interpolation, list(ways))
    scales = graph.constant(f"{layer.name}.scales", [1, 1, *layer.size])
    way = ways[layer.interpolation]
    return graph.node(layer.name, "Resize", x, "", scales, **way, nearest_mode="floor")


@_translates(InstanceNormalization)
def _instance_normalization(graph: _Graph, layer: Any, x: str) -> str:
    return graph.node(
        layer.name,
        "InstanceNormalization",
        x,
        graph.constant(f"{layer.name}.weight", layer.gamma.numpy()),
        graph.constant(f"{layer.name}.bias", layer.beta.numpy()),
        epsilon=layer.EPSILON,
    )


@_translates(keras.layers.BatchNormalization)
def _batch_normalization(graph: _Graph, layer: Any, x: str) -> str:
    mean = layer.moving_mean.numpy()
    values = {
        "weight": layer.gamma.numpy() if layer.scale else np.ones_like(mean),
        "bias": layer.beta.numpy() if layer.center else np.zeros_like(mean),
        "running_mean": mean,
        "running_var": layer.moving_variance.numpy(),
    }
    constants = [graph.constant(f"{layer.name}.{name}", value) for name, value in values.items()]
    return graph.node(layer.name, "BatchNormalization", x, *constants, epsilon=layer.epsilon)


@_translates(keras.layers.Activation)
def _activation(graph: _Graph, layer: Any, x: str) -> str:
    return graph.activation(layer, x)


@_translates(keras.layers.Softmax)
def _softmax(graph: _Graph, layer: Any, x: str) -> str:
    if layer.axis not in (-1, 3):
        raise _untranslated(layer, "axis", layer.axis, [-1])
    return graph.node(layer.name, "Softmax", x, axis=1)


@_translates(keras.layers.ReLU)
def _relu(graph: _Graph, layer: Any, x: str) -> str:
    for setting in ("negative_slope", "threshold"):
        if getattr(layer, setting):
            raise _untranslated(layer, setting, getattr(layer, setting), [0.0])
    if layer.max_value is not None:
        return _clip(graph, layer.name, x, layer.max_value)
    return graph.node(layer.name, "Relu", x)


@_translates(keras.layers.Add, keras.layers.Multiply)
def _merge(graph: _Graph, layer: Any, *inputs: str) -> str:
    kind = {keras.layers.Add: "Add", keras.layers.Multiply: "Mul"}[type(layer)]
    x, *others, last = inputs
    for number, other in enumerate(others, 1):
        x = graph.node(f"{layer.name}.{number}", kind, x, other)
    return graph.node(layer.name, kind, x, last)


@_translates(keras.layers.Concatenate)
def _concatenate(graph: _Graph, layer: Any, *inputs: str) -> str:
    if layer.axis not in (-1, 3):
        raise _untranslated(layer, "axis", layer.axis, [-1])
    return graph.node(layer.name, "Concat", *inputs, axis=1)


@_translates(keras.layers.Rescaling)
def _rescaling(graph: _Graph, layer: Any, x: str) -> str:
    for kind, values in (("Mul", layer.scale), ("Add", layer.offset)):
        # One number, or one for each channel.
        constant = graph.constant(f"{layer.name}.{kind}", np.reshape(values, (-1, 1, 1)))
        name = layer.name if kind == "Add" else f"{layer.name}.scaled"
        x = graph.node(name, kind, x, constant)
    return x


@_translates(keras.layers.Dropout, keras.layers.SpatialDropout2D)
def _dropout(_: _Graph, __: Any, x: str) -> str:
    return x  # it is for training


# Files


def _check(proto: onnx.ModelProto) -> None:
    """Refuse what ONNX does not allow."""
    for node in proto.graph.node:
        _check_operator(node, proto)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:
        raise ModelError(f"this is no valid ONNX: {one_line(error)}") from error


def _check_operator(node: onnx.NodeProto, proto: onnx.ModelProto) -> None:
    """Name an operator that ONNX does not have, or does not have any more."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    version = versions.get(node.domain, 1)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        known = not schema.deprecated
    except onnx.defs.SchemaError:
        known = False
    if not known:
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise ModelError(
            f"node {node.name or node.output[0]!r} is a {kind}, which is no operator of ONNX "
            f"{version}; modernize knows {', '.join(_RETIRED)} of ONNX 7 to 9"
        )


def _check_memory(proto: onnx.ModelProto, shape: Sequence[int]) -> None:
    """Refuse a graph that makes absurdly large tensors of a picture of this shape."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    name, _ = picture_input(copy)
    (entry,) = (value for value in copy.graph.input if value.name == name)
    for side, length in zip(entry.type.tensor_type.shape.dim, shape, strict=True):
        side.dim_value = length
    try:
        copy = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except Exception as error:
        raise ModelError(f"the graph does not fit together: {one_line(error)}") from error
    for value in (*copy.graph.input, *copy.graph.value_info, *copy.graph.output):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if math.prod(sides) > LARGEST_TENSOR:
            raise ModelError(
                f"the graph makes the absurd {' × '.join(map(str, sides))} numbers, "
                f"{value.name!r}, of a picture of {_text((shape[2], shape[3]))}"
            )


# From old files


def modernize(
    source: str | Path | bytes,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    sizes: Sequence[Size] | None = None,
    value_range: tuple[float, float] = (0.0, 255.0),
    tolerance: float = 10 * TOLERANCE,
) -> Verification:
    """Write an old ONNX file anew, so that today's runtimes compute it, at any size.

    The operators that were an experiment until 2019, Crop, ImageScaler and Affine, become those
    that took their place; a ConvTranspose whose output has a fixed size gets the padding that leads
    to it; input and output lose their fixed sizes; and the whole moves to ONNX 17.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        An ONNX file, or its content.
    path : str or pathlib.Path
        Where to write; what is there is replaced.
    metadata : mapping of str to str, optional
        Added to what the file says of itself.
    sizes, value_range
        As in :func:`verify`, whose reference is ONNX Runtime.
    tolerance : float, default 0.1
        Likewise. It is larger here because networks of that time are coarse: ONNX Runtime, which
        adds up the squares of a whole channel in float32, is then off by up to 0.08 of 255 from
        what float64 gives at 720×720, and OpenCV by 0.007.

    Returns
    -------
    Verification
        The proof that the runtimes agree on it.

    Raises
    ------
    ModelError
        If the file is broken (see :func:`verify`), holds an operator that is neither ONNX's nor one
        of those above, or if two runtimes compute different pictures. Nothing is written then.
    OutputError
        If the file cannot be written.
    """
    proto = load_onnx(source)
    proto.ir_version = _IR_VERSION  # since 4, constants need not be listed among the inputs
    _replace_retired(proto)
    _check(proto)
    _free_transposed_convolutions(proto)
    _free_sizes(proto)
    try:
        graph = onnx.version_converter.convert_version(proto, _OPSET).graph
    except Exception as error:
        raise ModelError(
            f"the file cannot be brought to ONNX {_OPSET}: {one_line(error)}"
        ) from error
    known = {entry.key: entry.value for entry in proto.metadata_props}
    return _write(
        path, _model(graph, {**known, **(metadata or {})}), None, sizes, value_range, tolerance
    )


def _replace_retired(proto: onnx.ModelProto) -> None:
    """Put operators that ONNX 7 to 9 have in the place of those that were an experiment."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    if not 7 <= versions.get("", 1) <= 9:
        return
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    for node in nodes:
        replace = None if node.domain else _RETIRED.get(node.op_type)
        if replace is None:
            proto.graph.node.append(node)
            continue
        values = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        x = node.input[0]
        steps = replace(node, **values)
        for number, (kind, constant, attributes) in enumerate(steps, 1):
            name = node.output[0] if number == len(steps) else f"{node.output[0]}.{number}"
            inputs = [x]
            if constant is not None:
                inputs.append(f"{name}.constant")
                proto.graph.initializer.append(
                    numpy_helper.from_array(np.asarray(constant, np.float32), inputs[1])
                )
            proto.graph.node.append(helper.make_node(kind, inputs, [name], name, **attributes))
            x = name


# An operator of today, its second input if that is a constant, and its attributes.
_Step: TypeAlias = tuple[str, ArrayLike | None, dict[str, Any]]


def _crop(node: onnx.NodeProto, *, border: Sequence[int], scale: Sequence[int] = ()) -> list[_Step]:
    if scale or len(border) != 4 or min(border) < 0:
        raise ModelError(
            f"node {node.name or node.output[0]!r} is a Crop with border={list(border)} and "
            f"scale={list(scale)}; only four numbers of pixels and no scale are supported"
        )
    left, top, right, bottom = border
    ends = [-bottom or 2**31 - 1, -right or 2**31 - 1]
    return [("Slice", None, {"axes": [2, 3], "starts": [top, left], "ends": ends})]


def _image_scaler(
    _: onnx.NodeProto, *, scale: float = 1.0, bias: Sequence[float] = (0.0,)
) -> list[_Step]:
    steps: list[_Step] = [("Add", np.reshape(bias, (-1, 1, 1)), {})]
    return steps if scale == 1.0 else [("Mul", scale, {}), *steps]


def _affine(_: onnx.NodeProto, *, alpha: float = 1.0, beta: float = 0.0) -> list[_Step]:
    return [("Mul", alpha, {}), ("Add", beta, {})]


_RETIRED: dict[str, Callable[..., list[_Step]]] = {
    "Affine": _affine,
    "Crop": _crop,
    "ImageScaler": _image_scaler,
}


def _free_transposed_convolutions(proto: onnx.ModelProto) -> None:
    """Say by padding what ``output_shape`` says for one size alone."""
    inferred = onnx.shape_inference.infer_shapes(proto).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.value_info)
    }
    weights = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        values = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        if node.op_type != "ConvTranspose" or "output_shape" not in values:
            continue
        sides = shapes.get(node.input[0], [])[2:]
        kernel = values.get("kernel_shape", weights.get(node.input[1], [])[2:])
        if len(sides) != 2 or 0 in sides or len(kernel) != 2:
            raise ModelError(
                f"node {node.name or node.output[0]!r} is a ConvTranspose to the fixed size "
                f"{values['output_shape']}, and from which size it comes is not known"
            )
        beyond, before, after = [0, 0], [0, 0], [0, 0]
        for axis in range(2):
            stride = values.get("strides", [1, 1])[axis]
            reach = (kernel[axis] - 1) * values.get("dilations", [1, 1])[axis] + 1
            surplus = stride * (sides[axis] - 1) + reach - values["output_shape"][-2:][axis]
            beyond[axis] = max(0, -surplus)
            smaller, larger = max(0, surplus) // 2, (max(0, surplus) + 1) // 2
            upper = values.get("auto_pad") == b"SAME_UPPER"
            before[axis], after[axis] = (smaller, larger) if upper else (larger, smaller)
        kept = [x for x in node.attribute if x.name not in ("output_shape", "auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend(
            [
                *(x for x in kept if x.name != "output_padding"),
                helper.make_attribute("pads", before + after),
                helper.make_attribute("output_padding", beyond),
            ]
        )


def _free_sizes(proto: onnx.ModelProto) -> None:
    """Let batch, height and width be what they are."""
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:], graph.value_info[:]
    graph.input.extend(inputs)
    ends = (graph.input, ("height", "width")), (graph.output, ("out_height", "out_width"))
    for values, names in ends:
        for value in values:
            sides = value.type.tensor_type.shape.dim
            if len(sides) == 4:
                for axis, name in zip((0, 2, 3), ("batch", *names), strict=True):
                    sides[axis].dim_param = name


# From TensorFlow Lite


def from_tflite(
    source: str | Path,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    tolerance: float = TOLERANCE,
) -> Verification:
    """Write a TensorFlow Lite file, for instance MediaPipe's selfie segmentation, as an ONNX file.

    tf2onnx does it, and puts the channels first. It knows all operators but one that MediaPipe
    added to TensorFlow Lite, a transposed convolution with a bias; ONNX's own takes its place here.

    Parameters
    ----------
    source : str or pathlib.Path
        A file with one input and one output, (1, H, W, C), of float32.
    path : str or pathlib.Path
        Where to write; what is there is replaced.
    metadata : mapping of str to str, optional
        What to write into the file beside the network.
    value_range : (float, float), default (0, 1)
        What black and white are to the network.
    tolerance : float, default 0.01
        The largest difference that is allowed: between the runtimes, and from what TensorFlow Lite
        (or OpenCV, where MediaPipe's operator is) computes from the file as it is.

    Returns
    -------
    Verification
        The proof.

    Raises
    ------
    DependencyError
        If tf2onnx is not installed.
    ModelError
        If the file is absent, no such file, or holds what has no translation, or if two runtimes
        compute different values. Nothing is written then.
    OutputError
        If the file cannot be written.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise DependencyError(
            "tf2onnx is not installed, and TensorFlow Lite files need it: "
            "pip install 'nstlib[tflite]'"
        ) from error
    name = str(source)
    log = logging.getLogger("tf2onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what it complains of is translated below
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")  # of a reader that TensorFlow will move elsewhere
            reader = tf.lite.Interpreter(name)
            inputs, outputs = (
                [entry["name"] for entry in details]
                for details in (reader.get_input_details(), reader.get_output_details())
            )
            proto, _ = tf2onnx.convert.from_tflite(
                name, opset=_OPSET, inputs_as_nchw=inputs, outputs_as_nchw=outputs
            )
        _replace_transpose_bias(proto.graph)
        proto = _model(proto.graph, metadata)
        _check(proto)
        entry, (_, channels, height, width) = picture_input(proto)
        picture = _photo((height, width), channels, value_range)
        expected = _computed_by_tflite(name, reader, picture)
    except ModelError:
        raise
    except Exception as error:  # all three packages raise whatever they stumble over
        raise ModelError(f"{name} cannot be converted: {one_line(error)}") from error
    finally:
        log.setLevel(level)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    apart = _difference(session.run(None, {entry: picture})[0], expected)
    if not apart <= tolerance:
        raise ModelError(f"{path} is not written: it is {apart:g} off from what {name} computes")
    return _write(path, proto, None, None, value_range, tolerance)


def _computed_by_tflite(name: str, reader: Any, picture: Blob) -> Blob:
    """Compute a file as it is: by TensorFlow Lite, or with MediaPipe's operator by OpenCV."""
    try:
        reader.allocate_tensors()
    except RuntimeError:
        net = cv2.dnn.readNetFromTFLite(name)
        net.setInput(picture)
        return np.asarray(net.forward(), np.float32)
    reader.set_tensor(reader.get_input_details()[0]["index"], picture.transpose(0, 2, 3, 1))
    reader.invoke()
    output: Blob = reader.get_tensor(reader.get_output_details()[0]["index"])
    return output.transpose(0, 3, 1, 2)


def _replace_transpose_bias(graph: onnx.GraphProto) -> None:
    """Put ONNX's transposed convolution in the place of MediaPipe's, whose channels come last."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type != "TFL_Convolution2DTransposeBias":
            graph.node.append(node)
            continue
        x, kernel, bias = node.input
        output = node.output[0]
        weights = numpy_helper.to_array(constants[kernel]).transpose(3, 0, 1, 2)
        constants[kernel].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights), kernel))
        # tf2onnx loses the stride. In MediaPipe's networks it is the kernel's side: each position
        # becomes a block of its own. OpenCV knows the stride, and its result is compared later.
        first, last = f"{output}.first", f"{output}.last"
        graph.node.extend(
            [
                helper.make_node("Transpose", [x], [first], perm=[0, 3, 1, 2]),
                helper.make_node(
                    "ConvTranspose", [first, kernel, bias], [last], strides=weights.shape[2:]
                ),
                helper.make_node("Transpose", [last], [output], perm=[0, 2, 3, 1]),
            ]
        )


# From checkpoints


def from_pytorch(path: str | Path) -> keras.Model:
    """Read a checkpoint of PyTorch's fast_neural_style example into a Keras model.

    Parameters
    ----------
    path : str or pathlib.Path
        A state dict, as ``torch.save(model.state_dict(), path)`` writes it. Nothing in it is
        executed: it is read with ``weights_only=True``. The ``running_mean`` and ``running_var`` of
        old checkpoints are dropped. They are a record of the training that instance normalization
        never used, because it takes mean and variance from the picture in hand.

    Returns
    -------
    keras.Model
        A :func:`nstlib.networks.TransformerNet`, which takes and returns RGB in 0..255.

    Raises
    ------
    DependencyError
        If PyTorch is not installed.
    ModelError
        If the file is absent, cut off, larger than it says or no state dict, holds code, or holds
        other tensors than a TransformerNet has; they are named.
    """
    check_archive(path)
    try:
        import torch
    except ImportError as error:
        raise DependencyError(
            "torch is not installed, and checkpoints of PyTorch need it: "
            "pip install 'nstlib[torch]'"
        ) from error

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than tensors, and is not read: what else a checkpoint holds can be "
            "code; save model.state_dict() alone"
        ) from error
    except Exception as error:  # whatever the unpickler stumbles over
        raise ModelError(f"{path} is no checkpoint, or is cut off ({one_line(error)})") from error
    if not isinstance(state, Mapping) or not all(torch.is_tensor(x) for x in state.values()):
        raise ModelError(
            f"{path} holds a {type(state).__name__}, not a state dict, which maps names to tensors"
        )

    model = TransformerNet()
    wanted: dict[str, Any] = {}
    for layer in model.layers:
        for ours, theirs in (
            ("kernel", "weight"),
            ("gamma", "weight"),
            ("beta", "bias"),
            ("bias", "bias"),
        ):
            if hasattr(layer, ours):
                wanted[f"{layer.name}.{theirs}"] = getattr(layer, ours)
    given = {
        name: tensor
        for name, tensor in state.items()
        if not name.endswith((".running_mean", ".running_var", ".num_batches_tracked"))
    }
    faults = []
    for what, names in (("lacks", wanted.keys() - given), ("has besides", given.keys() - wanted)):
        if names:
            faults.append(f"{what} {', '.join(sorted(names))}")
    arrays = {}
    for name in sorted(wanted.keys() & given.keys()):
        arrays[name] = given[name].float().numpy()
        expected = wanted[name].shape
        if len(expected) == 4:  # a kernel, whose two sides come first in Keras and last in PyTorch
            expected = (expected[3], expected[2], *expected[:2])
        if arrays[name].shape != tuple(expected):
            faults.append(f"has {name} in the shape {arrays[name].shape}, not {tuple(expected)}")
    if faults:
        raise ModelError(f"{path} is no checkpoint of a TransformerNet: it {'; '.join(faults)}")
    for name, variable in wanted.items():
        array = arrays[name]
        variable.assign(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)
    return model
