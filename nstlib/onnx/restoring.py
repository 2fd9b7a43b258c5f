"""Style networks come back from ONNX files to Keras, to be trained further."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from nstlib._checks import check_path
from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ModelError
from nstlib.networks.any_style import AnyStyleNet, any_style_shape
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.pytorch import set_weights, weight_faults
from nstlib.onnx.reading import load_onnx, metadata_of

#: ONNX's names of the interpolations that a TransformerNet knows.
_INTERPOLATIONS = {b"nearest": "nearest", b"linear": "bilinear"}


def from_onnx(path: str | Path) -> keras.Model:
    """Read a style network that was exported as an ONNX file into a Keras model.

    Its architecture is read from the shapes of its weights. So the networks that come with the
    library can be trained further, in the same style or in another.

    Parameters
    ----------
    path : str or pathlib.Path
        As :func:`nstlib.onnx.export` or ``nst train style`` wrote it: a
        :func:`nstlib.TransformerNet`, or the network for any style made one for a single style.

    Returns
    -------
    keras.Model
        The same network, which takes and returns RGB in 0..255. Weights that the file keeps in half
        precision are float32 again.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    ModelError
        If the file is absent or damaged, or holds another network; what it lacks is named.

    Examples
    --------
    >>> from nstlib.assets.cache import embedded_model
    >>> from_onnx(embedded_model("mosaic.onnx")).count_params()
    225267
    """
    path = check_path("path", path, "the path of an ONNX file")
    proto = load_onnx(path)
    weights = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in proto.graph.initializer
        if tensor.name.endswith((".weight", ".bias"))
    }
    model = _like(proto, weights)
    faults = ["has other layers"] if model is None else weight_faults(model, weights)
    if model is None or faults:
        raise ModelError(f"{path} is no exported style network: it {'; '.join(faults)}")
    if (written := metadata_of(proto).get("value_range", "0,255")) != "0,255":
        raise ModelError(f"{path} takes pictures of {written}; a style network takes 0,255")
    set_weights(model, weights)
    return model


def _like(proto: ModelProto, weights: Mapping[str, NDArray[Any]]) -> keras.Model | None:
    """Build a network as the weights of one need it; None if they are of something else."""
    last = weights.get("last.styled.weight")
    if last is not None and last.ndim == 1:  # it has more dimensions where a vector is the style
        try:
            return AnyStyleNet(**any_style_shape(weights), one_style=True)
        except (KeyError, TypeError, IndexError, ArgumentError):
            return None
    names = [name for number in (1, 2, 3) if (name := f"conv{number}.conv2d.weight") in weights]
    kernels = [weights[name] for name in names if weights[name].ndim == 4]
    blocks = sum(name.endswith(".conv1.conv2d.weight") for name in weights)
    ways = {
        _INTERPOLATIONS.get(attribute.s, "")
        for node in proto.graph.node
        if node.op_type == "Resize"
        for attribute in node.attribute
        if attribute.name == "mode"
    }
    if len(kernels) < 2 or blocks == 0 or ways not in ({"nearest"}, {"bilinear"}):
        return None
    channels, side = [kernel.shape[0] for kernel in kernels], kernels[0].shape[-1]
    try:
        return TransformerNet(channels, blocks, side, interpolation=ways.pop())
    except ArgumentError:
        return None
