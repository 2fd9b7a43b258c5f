"""MediaPipe's selfie segmentation, with whose weights the network that finds people begins."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError

#: By the names of a person network's layers: kernel and bias as ONNX and PyTorch lay them out, so
#: (out, in, rows, columns) for a convolution. There is one score for each pixel, a person's.
Weights: TypeAlias = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

_BLOCK = ("expand", "depthwise", "project")
_GATED_BLOCK = ("expand", "depthwise", "squeeze", "excite", "project")

#: MediaPipe's layers, in its file's order, as :func:`nstlib.PersonNet` names them.
_LAYERS = (
    "conv1",
    *(f"down4.{part}" for part in _GATED_BLOCK),
    *(f"{block}.{part}" for block in ("down8", "block8") for part in _BLOCK),
    *(f"down16.{part}" for part in _GATED_BLOCK),
    *(f"block16_{number}.{part}" for number in (1, 2, 3, 4) for part in _GATED_BLOCK),
    "bottom",
    "whole",
    *(
        name.format(size)
        for size in (8, 4, 2)
        for name in ("up{}", "known{}.squeeze", "known{}.excite", "join{}", "join{}.depthwise")
    ),
    "scores",
)

#: MediaPipe's scores lie between -250 and 250: too sure of themselves to learn from a mistake.
_SOFTER = 0.07


def from_selfie(network: keras.Model, path: str | Path) -> None:
    """Give a person network the weights of MediaPipe's selfie segmentation, in place.

    The network then finds the people that MediaPipe's finds, and is less sure of them. What it has
    beside MediaPipe's layers adds nothing until it is trained. Only along outlines, where it
    enlarges scores smoothly, and along the right and the lower side of a picture, beyond which it
    sees grey and MediaPipe's sees black, do the two differ.

    Parameters
    ----------
    network : keras.Model
        A new one, as :func:`nstlib.PersonNet` builds it.
    path : str or pathlib.Path
        MediaPipe's file, .tflite, or what :func:`nstlib.onnx.tflite.from_tflite` made of it.

    Raises
    ------
    ArgumentError
        If it is another network.
    ModelError
        If the file cannot be read.
    DependencyError
        If the file is .tflite, and a package that reads it is missing.
    """
    try:
        set_weights(network, selfie_weights(path))
    except ArgumentError as error:
        raise ArgumentError(f"{path} is not MediaPipe's selfie segmentation") from error


def selfie_weights(path: str | Path) -> Weights:
    """Read MediaPipe's weights for a person network; see :func:`from_selfie`.

    Its first layer is changed to see [-1, 1] in place of [0, 1], and its last one to be less sure.
    """
    import onnx

    from nstlib.onnx.reading import load_onnx
    from nstlib.onnx.tflite import from_tflite

    with tempfile.TemporaryDirectory() as folder:
        file = Path(path)
        if file.suffix.lower() == ".tflite":
            file = Path(folder) / "selfie.onnx"
            from_tflite(path, file)
        graph = load_onnx(file).graph
    values = {
        constant.name: np.asarray(onnx.numpy_helper.to_array(constant), np.float32)
        for constant in graph.initializer
    }
    convolutions = [n for n in graph.node if n.op_type in ("Conv", "ConvTranspose")]
    found = [
        (values[kernel], values[bias])
        for _, kernel, bias in (n.input for n in convolutions if len(n.input) == 3)
        if kernel in values and bias in values and values[kernel].ndim == 4
    ]
    if len(found) != len(_LAYERS):
        raise ArgumentError(f"{path} has {len(found)} convolutions; there must be {len(_LAYERS)}")
    weights = dict(zip(_LAYERS, found, strict=True))
    kernel, bias = weights["conv1"]
    half = np.float32(0.5)
    weights["conv1"] = half * kernel, bias + half * kernel.sum(axis=(1, 2, 3))
    # Each of MediaPipe's last features makes four scores; ours makes their mean, to be enlarged.
    kernel, bias = weights["scores"]
    softer = np.float32(_SOFTER)
    weights["scores"] = (
        softer * kernel.mean(axis=(2, 3), keepdims=True).swapaxes(0, 1),
        softer * bias,
    )
    return weights


def set_weights(network: keras.Model, weights: Weights) -> None:
    """Give some layers of a person network weights, in place.

    Raises
    ------
    ArgumentError
        If one does not fit its layer. Nothing is changed then.
    """
    fitting: list[tuple[Any, list[NDArray[np.float32]]]] = []
    for name, arrays in weights.items():
        layer = network.get_layer(name)
        if [array.ndim for array in arrays] == [4, 1]:
            arrays = _as_keras(layer, *arrays)
        shapes, wanted = ([x.shape for x in xs] for xs in (arrays, layer.get_weights()))
        if shapes != wanted:
            raise ArgumentError(f"layer {name} takes arrays of the shapes {wanted}, not {shapes}")
        fitting.append((layer, list(arrays)))
    for layer, values in fitting:
        layer.set_weights(values)


def _as_keras(
    layer: keras.Layer, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lay a kernel out as Keras does."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)), bias
