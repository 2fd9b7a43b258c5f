"""VGG19's convolutions as functions of their kernels, which a training changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.features import CaffePreprocessing
from nstlib.vgg19 import CONVOLUTIONS, build_vgg19

#: Kernels and biases, or slopes and constants of heads, by layer.
Params: TypeAlias = Mapping[str, tuple[Any, Any]]


def params_of(vgg: keras.Model) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the kernels (HWIO) and biases of a network by layer."""
    return {name: tuple(vgg.get_layer(name).get_weights()) for name in CONVOLUTIONS}


def network_of(params: Params, pooling: str) -> keras.Model:
    """Build a network with these kernels and biases."""
    vgg = build_vgg19([np.shape(params[name][1])[0] for name in CONVOLUTIONS], pooling)
    for name in CONVOLUTIONS:
        vgg.get_layer(name).set_weights([np.asarray(v, np.float32) for v in params[name]])
    return vgg


def preprocess(images: tf.Tensor) -> tf.Tensor:
    """Change RGB in [0, 1] to what VGG19 was trained on."""
    return CaffePreprocessing()(images)


def pool(x: tf.Tensor, pooling: str) -> tf.Tensor:
    """Halve feature maps by the maximum or the mean of each 2 × 2 block."""
    return (tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d)(x, 2, 2, "VALID")


def convolve(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, padding: str) -> tf.Tensor:
    """Convolve, add the bias, clip below zero; beyond the border lie zeros or the border itself."""
    if padding == "replicate":
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    kernel, bias = tf.cast(kernel, x.dtype), tf.cast(bias, x.dtype)
    x = tf.nn.conv2d(x, kernel, 1, "VALID" if padding == "replicate" else "SAME")
    return tf.nn.relu(tf.nn.bias_add(x, bias))


def forward(
    params: Params, x: tf.Tensor, padding: str, pooling: str, last: str = CONVOLUTIONS[-1]
) -> dict[str, tf.Tensor]:
    """Compute the features of preprocessed pictures, from the first layer to `last`."""
    features = {}
    for before, name in zip(("", *CONVOLUTIONS), CONVOLUTIONS, strict=False):
        if before and before[5] != name[5]:
            x = pool(x, pooling)
        x = features[name] = convolve(x, *params[name], padding)
        if name == last:
            break
    return features


def thinned(features: Mapping[str, tf.Tensor], at: tf.Tensor) -> dict[str, tf.Tensor]:
    """Keep a quarter of the positions of the two large blocks, where neighbours are alike."""
    return {
        name: f[:, at[0] :: 2, at[1] :: 2] if name[5] in "12" else f for name, f in features.items()
    }
