"""From the network for any style to one for a single style, which can be trained further."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from nstlib._tensorflow import keras
from nstlib.assets.cache import embedded_model
from nstlib.errors import ModelError
from nstlib.inference.any_style import NETWORK_VECTOR, PAINTER, Vector, check_vector
from nstlib.networks.any_style import AnyStyleNet, StyleAffine, any_style_shape
from nstlib.networks.layers import InstanceNormalization
from nstlib.onnx.reading import load_onnx


def painter_network(proto: onnx.ModelProto | None = None) -> keras.Model:
    """Build the painter in Keras from its file.

    Parameters
    ----------
    proto : onnx.ModelProto, optional
        What :func:`nstlib.training.any_style.exporting.export_any_style` wrote; by default the one
        that comes with the library.

    Returns
    -------
    keras.Model
        As :func:`nstlib.networks.any_style.AnyStyleNet` builds it, with the file's weights.

    Raises
    ------
    ModelError
        If the file is of another network.
    """
    proto = load_onnx(embedded_model(PAINTER)) if proto is None else proto
    stored = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in proto.graph.initializer
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }
    try:
        network = AnyStyleNet(**any_style_shape(stored))
        for layer in network.layers:
            if layer.weights:
                layer.set_weights(_weights(layer, stored))
    except (KeyError, ValueError) as error:
        raise ModelError(f"the file holds no network for any style ({error})") from error
    return network


def one_style_network(vector: Vector, painter: keras.Model | None = None) -> keras.Model:
    """Build a network that paints in one style as the one for any style does.

    Parameters
    ----------
    vector : ndarray of float32, shape (262,)
        The style, see :func:`nstlib.encode_style`.
    painter : keras.Model, optional
        Of :func:`painter_network`; by default the one that comes with the library.

    Returns
    -------
    keras.Model
        (B, H, W, 3) on the 0..255 scale, H and W multiples of 8, to the same. Scales and shifts,
        which the vector gave, are weights of its own.
    """
    style = check_vector(vector)[:NETWORK_VECTOR]
    painter = painter_network() if painter is None else painter
    one = AnyStyleNet(**_shape_of(painter), one_style=True)
    for layer in one.layers:
        if not layer.weights:
            continue
        if not layer.name.endswith(".styled"):
            layer.set_weights(painter.get_layer(layer.name).get_weights())
            continue
        affine = painter.get_layer(layer.name)
        kernel, bias = affine.get_weights()
        scale, shift = np.split(style @ kernel + bias, 2)
        # What goes into it is what an instance normalization gives.
        gamma, beta = affine.input[0]._keras_history.operation.get_weights()
        layer.set_weights([gamma * scale, beta * scale + shift])
    first, last = one.get_layer("conv1"), one.get_layer("last.styled")
    kernel, bias = first.get_weights()
    first.set_weights([kernel / 255.0, bias])
    last.set_weights([255.0 * values for values in last.get_weights()])
    return one


def _shape_of(painter: keras.Model) -> dict[str, Any]:
    return any_style_shape(
        {
            f"{layer.name}.weight": layer.kernel.numpy().transpose(3, 2, 0, 1)
            for layer in painter.layers
            if isinstance(layer, keras.layers.Conv2D)
        }
    )


def _weights(
    layer: keras.layers.Layer, stored: Mapping[str, NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Bring a layer's weights from a file's order to Keras's."""
    kernel, bias = stored[f"{layer.name}.weight"], stored[f"{layer.name}.bias"]
    if isinstance(layer, InstanceNormalization):
        return [kernel, bias]
    if isinstance(layer, StyleAffine):
        return [kernel[:, :, 0, 0].T, bias]
    return [kernel.transpose(2, 3, 1, 0), bias]
