"""SqueezeNet, with whose weights the network that finds people begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError
from nstlib.features import CaffePreprocessing


def load_squeezenet(path: str | Path, layers: Sequence[str]) -> keras.Model:
    """Read SqueezeNet's convolutions from an ONNX file into a Keras model.

    Each stride-2 step is padded before or after in turn, so that its cells lie (to a few pixels)
    over those of a network that halves by 2×2 pooling.

    Parameters
    ----------
    path : str or pathlib.Path
        An ONNX file of Conv, Relu, MaxPool, Concat (and, at its end, classification) nodes.
    layers : sequence of str
        Outputs wanted, by their ONNX names.

    Returns
    -------
    keras.Model
        (B, H, W, 3) RGB in [0, 1] → dict name → (B, h, w, C).
    """
    import onnx
    from onnx import numpy_helper

    from nstlib.onnx.reading import load_onnx

    graph = load_onnx(path).graph
    constants = {c.name: numpy_helper.to_array(c).astype(np.float32) for c in graph.initializer}
    image = keras.Input((None, None, 3))
    (name,) = [i.name for i in graph.input if i.name not in constants]
    values = {name: CaffePreprocessing()(image)}
    halvings = 0
    for node in graph.node:
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        x = values[node.input[0]]
        if options.get("strides", [1, 1]) == [2, 2]:
            x = keras.layers.ZeroPadding2D(
                ((0, 1), (0, 1)) if halvings % 2 == 0 else ((1, 0), (1, 0)), "channels_last"
            )(x)
            halvings += 1
        if node.op_type == "Conv":
            kernel, bias = constants[node.input[1]], constants[node.input[2]]
            conv = keras.layers.Conv2D(
                kernel.shape[0],
                kernel.shape[2:],
                strides=options["strides"],
                padding="same" if options["strides"] == [1, 1] else "valid",
                data_format="channels_last",
            )
            values[node.output[0]] = conv(x)
            conv.set_weights([kernel.transpose(2, 3, 1, 0), bias])
        elif node.op_type == "Relu":
            values[node.output[0]] = keras.layers.ReLU()(x)
        elif node.op_type == "MaxPool":
            values[node.output[0]] = keras.layers.MaxPooling2D(
                3, strides=2, data_format="channels_last"
            )(x)
        elif node.op_type == "Concat":
            values[node.output[0]] = keras.layers.Concatenate()([values[i] for i in node.input])
        else:
            break  # the classifier begins
    missing = [name for name in layers if name not in values]
    if missing:
        raise ArgumentError(f"{path} has no layer {missing[0]!r}; it has {', '.join(values)}")
    network = keras.Model(image, {name: values[name] for name in layers})
    network.trainable = False
    return network
