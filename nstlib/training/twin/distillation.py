"""All layers of the twin learn at once what VGG19's layers say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.features import STYLE_LAYERS
from nstlib.losses import channel_statistics
from nstlib.training.twin.layers import Params, forward, preprocess, thinned
from nstlib.vgg19 import CONVOLUTIONS

#: How much the layers count in the loss; 1 for one that is not named.
LAYER_WEIGHTS = {
    "block1_conv1": 2.0,
    "block2_conv1": 2.0,
    "block3_conv1": 2.0,
    "block4_conv1": 2.0,
    "block5_conv1": 3.0,
    "block5_conv2": 0.5,
    "block5_conv3": 0.5,
    "block5_conv4": 0.5,
}


class Distiller:
    """A twin and its heads, in coordinates in which they are trained easily, and VGG19.

    A convolution's inputs are not negative, far from centred, and alike: most of a gradient points
    where all of them grow together. Here a kernel is kept as what it is to inputs that are centred,
    uncorrelated and of variance 1 (on the pictures of the closed form; in the end a kernel is a
    kernel), and so are the heads. Adam then takes steps an order of magnitude larger.

    Parameters
    ----------
    teacher : mapping of str to (kernel, bias)
        VGG19's. It computes with bfloat16: twice as fast where the processor knows it, and wrong by
        1e-5 to 8e-5 of a layer's variance.
    basis : mapping of str to ndarray
        The coordinates; see :func:`nstlib.training.twin.start.basis_of`.
    poolings : (str, str)
        How VGG19 and how the twin halve their maps.
    dtype : str
        What the twin computes with. Variables are float32.
    """

    def __init__(
        self,
        teacher: Params,
        basis: Mapping[str, NDArray[np.float32]],
        *,
        poolings: tuple[str, str] = ("max", "average"),
        dtype: str = "float32",
    ) -> None:
        self.dtype = dtype
        self.poolings = poolings
        self.teacher = {
            name: tuple(tf.constant(v, tf.bfloat16) for v in teacher[name]) for name in CONVOLUTIONS
        }
        self.basis = {name: tf.constant(value) for name, value in basis.items()}
        self.variables: dict[str, tf.Variable] = {}
        self.weights = {name: LAYER_WEIGHTS.get(name, 1.0) for name in CONVOLUTIONS}
        self.see = tf.function(self._see, reduce_retracing=True)
        self.train = tf.function(self._train)
        self.judge = tf.function(self._judge)

    def set(self, params: Mapping[str, Any], heads: Mapping[str, Any]) -> None:
        """Take over kernels, biases and heads."""
        for name in CONVOLUTIONS:
            kernel, bias = (np.asarray(v, np.float64) for v in params[name])
            mean, root = (self.basis[f"{name}/{k}"].numpy() for k in ("in_mean", "in_unroot"))
            self._assign(f"{name}/kernel", np.einsum("ji,hwio->hwjo", root, kernel))
            self._assign(f"{name}/bias", bias + np.einsum("i,hwio->o", mean, kernel))
            slope, constant = (np.asarray(v, np.float64) for v in heads[name])
            mean, root = (self.basis[f"{name}/{k}"].numpy() for k in ("out_mean", "out_unroot"))
            target, scale = (self.basis[f"{name}/{k}"].numpy() for k in ("mean", "scale"))
            self._assign(f"{name}/slope", (root @ slope) * scale)
            self._assign(f"{name}/constant", (constant + mean @ slope - target) * scale)

    def _assign(self, name: str, value: NDArray[Any]) -> None:
        value = value.astype(np.float32)
        if name in self.variables:
            self.variables[name].assign(value)
        else:
            self.variables[name] = tf.Variable(value, name=name.replace("/", "_"))

    def params(self, values: Mapping[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """Kernels and biases as a convolution wants them."""
        result = {}
        for name in CONVOLUTIONS:
            root, mean = self.basis[f"{name}/in_root"], self.basis[f"{name}/in_mean"]
            kernel = tf.einsum("ij,hwjo->hwio", root, values[f"{name}/kernel"])
            moved = tf.linalg.matvec(tf.reduce_sum(kernel, (0, 1)), mean, transpose_a=True)
            result[name] = kernel, values[f"{name}/bias"] - moved
        return result

    def heads(self, values: Mapping[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """Slopes and constants from the twin's features to VGG19's, centred and scaled."""
        result = {}
        for name in CONVOLUTIONS:
            root, mean = self.basis[f"{name}/out_root"], self.basis[f"{name}/out_mean"]
            slope = root @ values[f"{name}/slope"]
            moved = tf.linalg.matvec(slope, mean, transpose_a=True)
            result[name] = slope, values[f"{name}/constant"] - moved
        return result

    def _see(self, images: tf.Tensor, at: tf.Tensor, padding: str) -> dict[str, tf.Tensor]:
        x = tf.cast(preprocess(images), tf.bfloat16)
        return thinned(forward(self.teacher, x, padding, self.poolings[0]), at)

    def _errors(
        self,
        values: Mapping[str, tf.Tensor],
        images: tf.Tensor,
        seen: Mapping[str, tf.Tensor],
        at: tf.Tensor,
        padding: str,
    ) -> tuple[dict[str, tf.Tensor], dict[str, tuple[tf.Tensor, tf.Tensor]]]:
        x = tf.cast(preprocess(images), self.dtype)
        features = thinned(forward(self.params(values), x, padding, self.poolings[1]), at)
        result, both = {}, {}
        for name, (slope, constant) in self.heads(values).items():
            f = features[name]
            slope = tf.cast(slope, f.dtype)[None, None]
            predicted = tf.cast(tf.nn.conv2d(f, slope, 1, "VALID"), tf.float32) + constant
            mean, scale = self.basis[f"{name}/mean"], self.basis[f"{name}/scale"]
            wanted = (tf.cast(seen[name], tf.float32) - mean) * scale
            off = tf.reduce_sum(tf.math.squared_difference(predicted, wanted), -1)
            result[name] = tf.reduce_mean(off)
            if name in STYLE_LAYERS:
                both[name] = predicted / scale, wanted / scale
        return result, both

    def _differences(self, both: Mapping[str, tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
        """Tell how wrongly the heads say in what the styles of pairs of pictures differ.

        The first half of a batch are sources, the second half what was made of them. Each layer's
        means and covariances in the one are subtracted from those in the other, as the heads have
        them and as VGG19 has them; the squared distance of the two is relative to the size of
        VGG19's. To a twin for which a texture is finished there is no difference left, so that
        this is about VGG19's style loss of the texture: what the twin has to learn to see.
        """
        result = []
        for name in STYLE_LAYERS:
            (mean, covariance), (true_mean, true) = map(channel_statistics, both[name])
            half = tf.shape(mean)[0] // 2
            of_mean = (mean - true_mean)[half:] - (mean - true_mean)[:half]
            of_covariance = (covariance - true)[half:] - (covariance - true)[:half]
            floor = 0.03 * tf.reduce_sum(tf.square(self.basis[f"{name}/mean"]))
            spread = floor + 0.5 * (tf.linalg.trace(true[:half]) + tf.linalg.trace(true[half:]))
            squares = tf.reduce_sum(tf.square(true), (1, 2))
            size = floor**2 / 30 + 0.5 * (squares[:half] + squares[half:])
            result.append(
                tf.reduce_mean(
                    tf.reduce_sum(tf.square(of_covariance), (1, 2)) / size
                    + tf.reduce_sum(tf.square(of_mean), 1) / spread
                )
            )
        return tf.stack(result)

    def _judge(
        self,
        values: Mapping[str, tf.Tensor],
        images: tf.Tensor,
        seen: Mapping[str, tf.Tensor],
        at: tf.Tensor,
        padding: str,
    ) -> tf.Tensor:
        errors, _ = self._errors(values, images, seen, at, padding)
        return tf.stack([errors[name] for name in CONVOLUTIONS])

    def _train(
        self,
        images: tf.Tensor,
        seen: Mapping[str, tf.Tensor],
        at: tf.Tensor,
        padding: str,
        pairs: bool = False,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        with tf.GradientTape() as tape:
            values = {name: tf.convert_to_tensor(v) for name, v in self.variables.items()}
            tape.watch(list(values.values()))
            errors, both = self._errors(values, images, seen, at, padding)
            loss = tf.add_n([self.weights[name] * e for name, e in errors.items()])
            loss /= sum(self.weights.values())
            if pairs:
                loss += tf.reduce_mean(self._differences(both))
        return tf.stack([errors[n] for n in CONVOLUTIONS]), tape.gradient(loss, values)


class Adam:
    """Adam whose steps are relative to the size of each array, and a running mean of the arrays.

    Parameters
    ----------
    variables : mapping of str to tf.Variable
        What is trained; the sizes are those at the beginning.
    """

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        self.variables = dict(variables)
        self.sizes = {}
        for name, v in self.variables.items():
            layer, part = name.split("/")
            of = self.variables[f"{layer}/{'kernel' if part in ('kernel', 'bias') else 'slope'}"]
            size = float(tf.sqrt(tf.reduce_mean(tf.square(of))))
            # A constant is to move by about as much as what it is added to.
            many = 1.0 if v is of else 0.3 * math.sqrt(float(np.prod(of.shape[:-1])))
            self.sizes[name] = tf.constant(size * many)
        self.first = {n: tf.Variable(tf.zeros_like(v)) for n, v in self.variables.items()}
        self.second = {n: tf.Variable(tf.zeros_like(v)) for n, v in self.variables.items()}
        self.mean = {n: tf.Variable(v) for n, v in self.variables.items()}
        self.steps = tf.Variable(0, dtype=tf.int64)

    def values(self) -> dict[str, tf.Tensor]:
        """Return the running mean: what is measured, painted with and shipped."""
        return {name: tf.convert_to_tensor(value) for name, value in self.mean.items()}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all but the variables themselves, for a file."""
        kept = {"first": self.first, "second": self.second, "mean": self.mean, "size": self.sizes}
        return {f"{k}/{n}": v.numpy() for k, values in kept.items() for n, v in values.items()}

    def load(self, saved: Mapping[str, Mapping[str, NDArray[Any]]], steps: int) -> None:
        """Go on from what :meth:`state` returned, here by kind and name."""
        for kind, variables in (
            ("first", self.first),
            ("second", self.second),
            ("mean", self.mean),
        ):
            for name, variable in variables.items():
                variable.assign(saved[kind][name])
        self.sizes = {name: tf.constant(size) for name, size in saved["size"].items()}
        self.steps.assign(steps)

    @tf.function
    def apply(self, gradients: Mapping[str, tf.Tensor], rate: tf.Tensor) -> None:
        """Take a step of size `rate`."""
        self.steps.assign_add(1)
        t = tf.cast(self.steps, tf.float32)
        b1, b2 = 0.9, 0.99
        keep = tf.minimum(0.995, (1 + t) / (10 + t))
        for name, v in self.variables.items():
            g = gradients[name]
            m, s, e = self.first[name], self.second[name], self.mean[name]
            m.assign(b1 * m + (1 - b1) * g)
            s.assign(b2 * s + (1 - b2) * tf.square(g))
            step = m / (1 - b1**t) / (tf.sqrt(s / (1 - b2**t)) + 1e-12)
            v.assign_sub(rate * self.sizes[name] * step)
            e.assign(keep * e + (1 - keep) * v)
