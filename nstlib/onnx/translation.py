"""Keras layers become ONNX operators, one node a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

from nstlib._checks import check_kind, refusal
from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ModelError
from nstlib.networks.any_style import EPSILON, ChannelStatistics, StyleAffine
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.onnx.graphs import KERNEL_NAME, check_graph, make_model, metadata_with


def to_onnx(
    model: keras.Model,
    *,
    metadata: Mapping[str, str] | None = None,
    half: bool = True,
    input_name: str = "image",
    output_name: str = "stylized",
) -> onnx.ModelProto:
    """Translate a Keras model, without a check of what it computes. :func:`export` has the rest.

    Parameters
    ----------
    model, metadata, half, input_name, output_name
        As in :func:`export`. Further inputs of a model keep the names that it gives them.

    Returns
    -------
    onnx.ModelProto
        float32, (B, C, H, W) in and out. Nothing is written into it beside `metadata` and the
        library's version.

    Raises
    ------
    ArgumentError
        If an argument is of another kind, or a name is that of a layer.
    ModelError
        If the model is no graph of layers from pictures to a picture, or if a layer, a setting of
        one or a weight has no translation.

    Examples
    --------
    >>> from nstlib.networks.transformer import TransformerNet
    >>> graph = to_onnx(TransformerNet(), half=False).graph
    >>> len(graph.node), sorted({node.op_type for node in graph.node})
    (64, ['Add', 'Conv', 'InstanceNormalization', 'Pad', 'Relu', 'Resize'])
    """
    check_kind("model", model, keras.Model, "a keras.Model")
    metadata = metadata_with(metadata, None)
    check_kind("half", half, (bool, np.bool_), "True or False")
    for argument, name in (("input_name", input_name), ("output_name", output_name)):
        if not isinstance(name, str) or not name:
            raise refusal(argument, name, "a name")
    if not hasattr(model, "outputs"):  # of its own code, or a Sequential that knows no input yet
        raise ModelError(
            f"{model.name} is no graph of layers; build it as keras.Model(inputs, outputs), or "
            "give a Sequential a keras.Input first"
        )
    if len(model.outputs) != 1:
        raise ModelError(
            f"{model.name} has {len(model.outputs)} outputs; only a model with one can be exported"
        )
    for tensor in (*model.inputs, *model.outputs):
        if len(tensor.shape) != 4 or tensor.shape[3] is None:
            raise ModelError(
                f"{model.name} has an input or output of shape {tensor.shape}; only pictures, "
                "(batch, height, width, channels), can be exported"
            )
    graph = _Graph(half)
    # The first is the picture; others keep the names that the model gives them.
    input_names = [input_name, *(x.name for x in model.inputs[1:])]
    given = {id(x): name for x, name in zip(model.inputs, input_names, strict=True)}
    names: dict[int, str] = {}
    try:
        # A model made anew from the ends is a graph, whatever this one is; a Sequential is not.
        for layer in keras.Model(model.inputs, model.outputs).operations:
            if isinstance(layer, keras.layers.InputLayer):
                names[id(layer.output)] = given[id(layer.output)]
            else:
                translate = _translation(layer)
                inputs = layer.input if isinstance(layer.input, list) else [layer.input]
                names[id(layer.output)] = translate(graph, layer, *(names[id(x)] for x in inputs))
        result = names[id(model.outputs[0])]
    except KeyError as error:  # a layer knows the tensors of its first use alone
        raise ModelError(
            f"{model.name} uses a layer more than once; make one for each place"
        ) from error
    within = {x.name for x in graph.constants}.union(*(node.output for node in graph.nodes))
    for argument, name, taken in (
        ("input_name", input_name, within.union(input_names[1:])),
        ("output_name", output_name, within - {result} | {*input_names}),
    ):
        if name in taken:
            raise ArgumentError(
                f"{argument} is {name!r}; a part of the model is called so already",
                command=f"a part of the model is called {name!r}, as its {argument[:-5]} will be; "
                "give that layer another name",
            )
    if graph.nodes:
        graph.rename(result, output_name)
    else:  # of layers that are for training, such as Dropout
        graph.node(output_name, "Identity", result)

    def described(name: str, tensor: Any, sides: Iterable[str]) -> onnx.ValueInfoProto:
        _, *shape, channels = tensor.shape
        known = [side or name for side, name in zip(shape, sides, strict=True)]
        return helper.make_tensor_value_info(
            name, onnx.TensorProto.FLOAT, ["batch", channels, *known]
        )

    result = make_model(
        helper.make_graph(
            graph.nodes,
            model.name,
            [
                described(name, x, ("height", "width"))
                for name, x in zip(input_names, model.inputs, strict=True)
            ],
            [described(output_name, model.outputs[0], ("out_height", "out_width"))],
            graph.constants,
        ),
        metadata,
    )
    check_graph(result)
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
            unfit = (
                f"{name} holds values that are not finite, or too large for "
                f"{np.dtype(dtype).name}; train it again, or"
            )
            raise ModelError(
                f"{unfit} export it with half=False",
                command=f"{unfit} write it by nst export --float32",
            )
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def kernel(self, layer: Any, values: NDArray[np.float32]) -> str:
        """Add the kernel of a convolution; return the name of its float32 form."""
        name = KERNEL_NAME.format(layer.name)
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
        if not isinstance(kind, str):  # a layer, or somebody's own function
            kind = getattr(layer.activation, "__name__", type(layer.activation).__name__)
        if kind not in _ACTIVATIONS:
            raise _untranslated(layer, "activation", kind, [*_ACTIVATIONS, "linear"])
        name = layer.name if x != layer.name else f"{layer.name}.{kind}"
        return _ACTIVATIONS[kind](self, name, x)

    def rename(self, old: str, new: str) -> None:
        """Give what a node computes another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]


def _translation(layer: Any) -> Callable[..., str]:
    """Find what adds a layer's nodes to a graph and returns the name of what it computes."""
    translate = TRANSLATIONS.get(type(layer))
    if translate is None:
        known = ", ".join(sorted(kind.__name__ for kind in TRANSLATIONS))
        kind = type(layer).__name__
        if isinstance(layer, keras.Model):
            raise ModelError(
                f"layer {layer.name!r} is a model within the model; build one model of all layers"
            )
        if not isinstance(layer, keras.layers.Layer):
            raise ModelError(
                f"{layer.name!r} is an operation, {kind} of keras.ops, and no layer (arithmetic "
                f"with tensors makes such, too); there is a translation to ONNX for {known}"
            )
        raise ModelError(
            f"layer {layer.name!r} is a {kind}, which has no translation to ONNX here; there is "
            f"one for {known}"
        )
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _untranslated(layer, "data_format", layer.data_format, ["channels_last"])
    return translate


def _untranslated(layer: Any, setting: str, value: Any, known: Sequence[object]) -> ModelError:
    return ModelError(
        f"layer {layer.name!r}: {type(layer).__name__} with {setting}={value!r} has no translation "
        f"to ONNX here; {setting} may be {' or '.join(map(repr, known))}"
    )


def _clip(graph: _Graph, name: str, x: str, highest: float) -> str:
    bounds = (graph.constant(f"{name}.{key}", v) for key, v in (("min", 0.0), ("max", highest)))
    return graph.node(name, "Clip", x, *bounds)


_ACTIVATIONS: dict[str, Callable[[_Graph, str, str], str]] = {
    "hard_silu": lambda graph, name, x: graph.node(name, "HardSwish", x),
    "relu": lambda graph, name, x: graph.node(name, "Relu", x),
    "relu6": lambda graph, name, x: _clip(graph, name, x, 6.0),
    "sigmoid": lambda graph, name, x: graph.node(name, "Sigmoid", x),
    "softmax": lambda graph, name, x: graph.node(name, "Softmax", x, axis=1),
    "tanh": lambda graph, name, x: graph.node(name, "Tanh", x),
}

#: Layer → function of the graph, the layer and the names of its inputs, which adds the layer's
#: nodes and returns the last one's name. A subclass may compute anything, so it has no translation.
TRANSLATIONS: dict[type, Callable[..., str]] = {}


def _translates(*kinds: type) -> Callable[[Callable[..., str]], Callable[..., str]]:
    def register(function: Callable[..., str]) -> Callable[..., str]:
        TRANSLATIONS.update(dict.fromkeys(kinds, function))
        return function

    return register


def _window(layer: Any, shape: Sequence[int], strides: Sequence[int]) -> dict[str, Any]:
    """Attributes of a window that slides: where it begins beyond the border, and its steps."""
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


@_translates(keras.layers.Conv2DTranspose)
def _transposed(graph: _Graph, layer: Any, x: str) -> str:
    # Windows side by side alone: others leave borders, which Keras and ONNX count differently.
    for setting, value, known in (
        ("kernel_size", layer.kernel_size, layer.strides),
        ("padding", layer.padding, "valid"),
        ("output_padding", layer.output_padding, None),
    ):
        if value != known:
            raise _untranslated(layer, setting, value, [known])
    window = _window(layer, layer.kernel_size, layer.strides)
    inputs = [x, graph.kernel(layer, layer.kernel.numpy().transpose(3, 2, 0, 1))]
    if layer.use_bias:
        inputs.append(graph.constant(f"{layer.name}.bias", layer.bias.numpy()))
    return graph.activation(layer, graph.node(layer.name, "ConvTranspose", *inputs, **window))


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


@_translates(StyleAffine)
def _style_affine(graph: _Graph, layer: Any, x: str, vector: str) -> str:
    # One convolution for both: OpenCV would take an addition right after it for part of it.
    kernel = layer.kernel.numpy().T[:, :, np.newaxis, np.newaxis]
    bias = graph.constant(f"{layer.name}.bias", layer.bias.numpy())
    both = graph.node(
        f"{layer.name}.both", "Conv", vector, graph.kernel(layer, kernel), bias, kernel_shape=(1, 1)
    )
    channels = layer.kernel.shape[1] // 2
    axis = graph.constant(f"{layer.name}.axis", [1], np.int64)
    parts = []
    for number, part in enumerate(("scale", "shift")):
        ends = (
            graph.constant(f"{layer.name}.{part}.{end}", [channels * (number + late)], np.int64)
            for late, end in enumerate(("start", "end"))
        )
        parts.append(graph.node(f"{layer.name}.{part}", "Slice", both, *ends, axis))
    scaled = graph.node(f"{layer.name}.scaled", "Mul", x, parts[0])
    return graph.node(layer.name, "Add", scaled, parts[1])


@_translates(ChannelStatistics)
def _channel_statistics(graph: _Graph, layer: Any, x: str) -> str:
    mean = graph.node(f"{layer.name}.mean", "GlobalAveragePool", x)
    difference = graph.node(f"{layer.name}.difference", "Sub", x, mean)
    squares = graph.node(f"{layer.name}.squares", "Mul", difference, difference)
    variance = graph.node(f"{layer.name}.variance", "GlobalAveragePool", squares)
    least = graph.constant(f"{layer.name}.epsilon", [[[[EPSILON]]]])
    variance = graph.node(f"{layer.name}.variance_above_0", "Add", variance, least)
    deviation = graph.node(f"{layer.name}.deviation", "Sqrt", variance)
    # Until OpenCV 4 sees a picture, it guesses a shape for what comes of sums and products, and
    # refuses to join that to anything else. So the mean is made a sum, too.
    none = graph.constant(f"{layer.name}.none", [[[[0.0]]]])
    mean = graph.node(f"{layer.name}.mean_as_sum", "Add", mean, none)
    return graph.node(layer.name, "Concat", mean, deviation, axis=1)


@_translates(keras.layers.BatchNormalization)
def _batch_normalization(graph: _Graph, layer: Any, x: str) -> str:
    if layer.axis not in (-1, 3):
        raise _untranslated(layer, "axis", layer.axis, [-1])
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
