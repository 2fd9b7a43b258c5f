"""A network that paints a picture from the features of one layer (Huang and Belongie 2017).

Features say what is where; the decoder says what that looked like. Where the features have been
given another picture's statistics, it paints the style that belongs to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_choice, check_count, check_kind, check_path
from nstlib._files import atomic_write, check_suffix, reading
from nstlib._keras import keras
from nstlib.errors import ModelError
from nstlib.networks.any_style import DTYPES
from nstlib.networks.layers import ReflectionPadding2D

#: The layers whose features can be decoded: channels of a decoder's convolutions, a group for each
#: size, from the layer's own to the picture's.
WIDTHS: dict[str, tuple[tuple[int, ...], ...]] = {
    "block3_conv1": ((96, 64), (48, 32), (16,)),
    "block4_conv1": ((80,), (56, 48), (32,), (16,)),
}


def FeatureDecoder(  # noqa: N802  (a network's name, as TransformerNet)
    layer: str = "block4_conv1",
    features: int = 160,
    *,
    dtype: str = "float32",
    name: str = "decoder",
) -> keras.Model:
    """Build a network from features to the picture that has them.

    Convolutions of 3 × 3 with ReLU; between one size and the next each value is repeated twice in
    both directions. There is no normalization: it would take away the very means and deviations
    that carry the style.

    Parameters
    ----------
    layer : {"block4_conv1", "block3_conv1"}
        Of which layer of VGG19 the features are.
    features : int, default 160
        How many channels it has; the default is that of the small twin at ``block4_conv1``.
    dtype : {"float32", "mixed_bfloat16", "mixed_float16"}
        What the convolutions compute with; by default float32. For training where that is faster.
    name : str
        The model's.

    Returns
    -------
    keras.Model
        (B, h, w, features) → (B, s h, s w, 3), RGB; s is 8, or 4 for ``block3_conv1``. Nothing
        clips the output: values may lie a little outside [0, 1].

    Raises
    ------
    ArgumentError
        For values outside those above.

    References
    ----------
    X. Huang and S. Belongie, "Arbitrary style transfer in real-time with adaptive instance
    normalization", ICCV 2017.
    """
    check_choice("layer", layer, WIDTHS)
    check_count("features", features)
    check_choice("dtype", dtype, DTYPES)
    x = given = keras.Input((None, None, features), name="features")

    def conv(x: Any, filters: int, name: str, activation: str | None, bias: float) -> Any:
        x = ReflectionPadding2D(1, name=f"{name}.pad", dtype="float32")(x)
        return keras.layers.Conv2D(
            filters,
            3,
            data_format="channels_last",
            activation=activation,
            kernel_initializer="he_normal" if activation else "glorot_normal",
            bias_initializer=keras.initializers.Constant(bias),
            name=name,
            dtype=dtype,
        )(x)

    for size, group in enumerate(WIDTHS[layer]):
        if size:
            x = keras.layers.UpSampling2D(
                2, data_format="channels_last", name=f"enlarge{size}", dtype="float32"
            )(x)
        for number, filters in enumerate(group, start=1):
            x = conv(x, filters, f"size{size}.conv{number}", "relu", 0.0)
    return keras.Model(given, conv(x, 3, "last", None, 0.5), name=name)


def save_decoder(network: keras.Model, layer: str, path: str | Path) -> None:
    """Store a decoder's convolutions in half precision, in a NumPy archive.

    Parameters
    ----------
    network : keras.Model
        Of :func:`FeatureDecoder`.
    layer : str
        Whose features it decodes.
    path : str or pathlib.Path
        A name that ends in ``.npz``. What is there is replaced.

    Raises
    ------
    ArgumentError
        If an argument is of another kind, or `layer` unknown.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    check_kind("network", network, keras.Model, "a keras.Model")
    check_choice("layer", layer, WIDTHS)
    path = check_suffix(check_path("path", path), [".npz"])
    arrays: dict[str, Any] = {"layer": np.array(layer)}
    for part in network.layers:
        if part.weights:
            kernel, bias = (np.asarray(values, np.float16) for values in part.get_weights())
            arrays |= {f"{part.name}/kernel": kernel, f"{part.name}/bias": bias}
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def load_decoder(path: str | Path) -> keras.Model:
    """Read a decoder that :func:`save_decoder` wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    keras.Model
        As :func:`FeatureDecoder` builds it, in float32.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    ModelError
        If the file is absent, damaged, or no decoder.
    """
    path = check_path("path", path)
    with reading(path, ModelError, "is no decoder, or is damaged", tell=True):
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray[Any]] = dict(file)
        layer = str(arrays["layer"])
        network = FeatureDecoder(layer, arrays["size0.conv1/kernel"].shape[2])
        for part in network.layers:
            if part.weights:
                names = (f"{part.name}/kernel", f"{part.name}/bias")
                part.set_weights([arrays[name].astype(np.float32) for name in names])
    return network
