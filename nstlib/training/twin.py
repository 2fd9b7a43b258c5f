"""The small twin of VGG19, taught by VGG19 itself.

The twin has VGG19's convolutions under their names, fewer channels, and pools by means. It begins
in closed form: layer by layer the channels that tell most about all of VGG19's are chosen, and
VGG19's kernels are composed with the linear map that rebuilds its inputs from the twin's. Then all
layers are trained at once: a linear map of each of the twin's layers, its head, is to say what
VGG19's layer says about the same picture (knowledge distillation; Romero et al. 2015). The heads
are thrown away.

Pictures to learn from are crops of photographs, of paintings and of drawn styles, with noise and
changed colours, and what the twin itself makes of them: textures synthesised through the twin as it
is. Those are the pictures that it will be asked about, and where it is wrong, it is wrong there.

The file is long because it is the whole road, from VGG19's weights to the twin's file:
``nst train vgg19-twin --help``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from nstlib._files import atomic_write
from nstlib._tensorflow import keras, tf
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.features import CONTENT_LAYERS, IMAGENET_MEAN_BGR, STYLE_LAYERS
from nstlib.images.arrays import from_uint8, to_uint8
from nstlib.losses import channel_statistics, style_loss
from nstlib.synthesis.texture import TEXTURE_WEIGHTS
from nstlib.training.photos import load_photos, random_crop
from nstlib.training.state import check_loss

#: The number of convolutions in VGG19's blocks.
DEPTHS = (2, 2, 4, 4, 4)

#: The names of VGG19's convolutions.
LAYERS = tuple(
    f"block{block}_conv{conv}"
    for block, depth in enumerate(DEPTHS, start=1)
    for conv in range(1, depth + 1)
)

#: The channels of the twin's convolutions: what pays most at one eighth of VGG19's time. Block 2
#: passes on to all the others what it kept, and block 5's first layer costs nearly nothing.
WIDTHS = (16, 16, 48, 48, 64, 64, 64, 64, 160, 160, 160, 160, 384, 256, 256, 256)

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

#: Kernels and biases, or slopes and constants of heads, by layer.
Params = Mapping[str, tuple[Any, Any]]

# --------------------------------------------------------------------------------------------------
# Networks


def load_teacher(path: str | Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Read VGG19's kernels (HWIO) and biases by layer.

    Parameters
    ----------
    path : str or pathlib.Path
        Arrays ``LAYER/kernel`` (or ``LAYER/codes`` and ``LAYER/table``, 8 bits and what they stand
        for) and ``LAYER/bias``.
    """
    with np.load(path, allow_pickle=False) as arrays:
        weights = {}
        for name in LAYERS:
            if f"{name}/codes" in arrays:
                kernel = arrays[f"{name}/table"][arrays[f"{name}/codes"]]
            else:
                kernel = arrays[f"{name}/kernel"]
            weights[name] = kernel.astype(np.float32), arrays[f"{name}/bias"].astype(np.float32)
    return weights


def convolve(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, padding: str) -> tf.Tensor:
    """Convolve, add the bias, clip below zero; beyond the border lie zeros or the border itself."""
    if padding == "replicate":
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    kernel, bias = tf.cast(kernel, x.dtype), tf.cast(bias, x.dtype)
    x = tf.nn.conv2d(x, kernel, 1, "VALID" if padding == "replicate" else "SAME")
    return tf.nn.relu(tf.nn.bias_add(x, bias))


def forward(
    params: Params,
    x: tf.Tensor,
    padding: str,
    pooling: str,
    last: str = LAYERS[-1],
) -> dict[str, tf.Tensor]:
    """Compute the features of preprocessed pictures, from the first layer to `last`."""
    pool = tf.nn.max_pool2d if pooling == "max" else tf.nn.avg_pool2d
    features = {}
    for before, name in zip(("", *LAYERS), LAYERS, strict=False):
        if before and before[5] != name[5]:
            x = pool(x, 2, 2, "VALID")
        x = features[name] = convolve(x, *params[name], padding)
        if name == last:
            break
    return features


def preprocess(image: tf.Tensor) -> tf.Tensor:
    """RGB in [0, 1] → BGR in 0..255 minus ImageNet's mean colour."""
    return image[..., ::-1] * 255.0 - tf.constant(IMAGENET_MEAN_BGR, image.dtype)


def build_network(widths: Sequence[int], pooling: str) -> keras.Model:
    """Build VGG19's convolutional part, with as many channels as each of `widths` says."""
    pool = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}[pooling]
    x = image = keras.Input((None, None, 3), name="preprocessed")
    for i, (name, channels) in enumerate(zip(LAYERS, widths, strict=True)):
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        if i + 1 == len(LAYERS) or LAYERS[i + 1][5] != name[5]:
            x = pool(2, name=f"block{name[5]}_pool")(x)
    return keras.Model(image, x, name="vgg19")


def network_of(params: Params, pooling: str) -> keras.Model:
    """Build a Keras network with these kernels and biases."""
    network = build_network([np.shape(params[n][1])[0] for n in LAYERS], pooling)
    for name in LAYERS:
        network.get_layer(name).set_weights([np.asarray(v, np.float32) for v in params[name]])
    return network


def save_twin(params: Params, path: str | Path) -> None:
    """Store a twin in half precision, as arrays by layer."""
    arrays: dict[str, Any] = {
        f"{name}/{part}": np.asarray(values).astype(np.float16)
        for name in LAYERS
        for part, values in zip(("kernel", "bias"), params[name], strict=True)
    }
    with atomic_write(Path(path)) as file:
        np.savez_compressed(file, **arrays)


def load_twin(path: str | Path) -> keras.Model:
    """Build the average-pooling network that :func:`save_twin` stored; its biases tell widths."""
    return network_of(load_teacher(path), "average")


# --------------------------------------------------------------------------------------------------
# The beginning, in closed form


def _moments(batches: Sequence[NDArray[np.float32]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and covariance of channels over all positions of all batches."""
    channels = batches[0].shape[-1]
    total, square, count = np.zeros(channels), np.zeros((channels, channels)), 0
    for batch in batches:
        flat = batch.reshape(-1, batch.shape[-1])
        total += flat.sum(axis=0, dtype=np.float64)
        square += flat.T @ flat
        count += len(flat)
    mean = total / count
    return mean, square / count - np.outer(mean, mean)


def _regress(
    inputs: Sequence[NDArray[np.float32]], targets: Sequence[NDArray[np.float32]], ridge: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Best linear map and constant from inputs to targets, and the share of variance it leaves."""
    n = inputs[0].shape[-1]
    joined = [np.concatenate(pair, axis=-1) for pair in zip(inputs, targets, strict=True)]
    mean, covariance = _moments(joined)
    within = covariance[:n, :n] + ridge * np.trace(covariance[:n, :n]) / n * np.eye(n)
    slope = np.linalg.solve(within, covariance[:n, n:])
    left = np.diag(covariance[n:, n:]) - np.einsum("ij,ij->j", slope, covariance[:n, n:])
    return slope, mean[n:] - mean[:n] @ slope, left


def unexplained(left: NDArray[Any], variance: NDArray[Any]) -> float:
    """Share of a layer's variance, channels weighted by its inverse root."""
    weight = 1 / np.sqrt(variance + 0.01 * variance.mean())
    return float((left * weight).sum() / (variance * weight).sum())


def choose(covariance: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Choose channels by pivoted QR of the root of their covariance: each adds the most."""
    variance = np.diag(covariance)
    scale = (variance + 0.01 * variance.mean()) ** -0.25
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return np.sort(scipy.linalg.qr(root, mode="r", pivoting=True)[1][:count])


def closed_form_student(
    teacher: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    batches: Sequence[NDArray[np.float32]],
    widths: Sequence[int],
    pooling: str = "average",
    ridge: float = 1e-4,
    last: str = LAYERS[-1],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Make a narrow network from VGG19 without any training.

    Layer by layer the channels of VGG19 that tell most about all the others are chosen. All of the
    layer's inputs in VGG19 are rebuilt from the twin's inputs by one linear map with a constant;
    the kernels of the chosen channels after that map are the twin's kernels.

    Parameters
    ----------
    teacher : mapping of str to (kernel, bias)
        See :func:`load_teacher`.
    batches : sequence of ndarray, shapes (B, H, W, 3)
        Pictures, RGB in [0, 1].
    widths : sequence of int
        Channels of each convolution.
    pooling : {"average", "max"}
        Of the twin.
    ridge : float
        Of the regressions, relative to the mean variance.

    Returns
    -------
    params : dict of str to (kernel, bias)
    heads : dict of str to (slope, constant)
        From the twin's channels to VGG19's.
    left : dict of str to float
        The share of each layer's variance that its head leaves unexplained.
    """
    one = tf.function(lambda x, k, b: convolve(x, k, b, "replicate"), reduce_retracing=True)
    pools = {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}
    theirs = [preprocess(tf.constant(batch)).numpy() for batch in batches]
    ours = theirs
    params: dict[str, Any] = {}
    heads: dict[str, Any] = {}
    lefts: dict[str, float] = {}
    for index, name in enumerate(LAYERS):
        if index and LAYERS[index - 1][5] != name[5]:
            theirs = [pools["max"](x, 2, 2, "VALID").numpy() for x in theirs]
            ours = [pools[pooling](x, 2, 2, "VALID").numpy() for x in ours]
        kernel, bias = teacher[name]
        if index:
            slope, constant, _ = _regress(ours, theirs, ridge)
        else:
            slope, constant = np.eye(3), np.zeros(3)
        theirs = [one(x, kernel, bias).numpy() for x in theirs]
        _, covariance = _moments(theirs)
        chosen = choose(covariance, widths[index])
        kernel = kernel[..., chosen].astype(np.float64)
        params[name] = (
            np.einsum("st,hwto->hwso", slope, kernel).astype(np.float32),
            (bias[chosen] + np.einsum("t,hwto->o", constant, kernel)).astype(np.float32),
        )
        ours = [one(x, *params[name]).numpy() for x in ours]
        slope, constant, left = _regress(ours, theirs, ridge)
        heads[name] = slope.astype(np.float32), constant.astype(np.float32)
        lefts[name] = unexplained(left, np.diag(covariance))
        if name == last:
            break
    return params, heads, lefts


# --------------------------------------------------------------------------------------------------
# Pictures


class Pictures:
    """Random crops of photographs, paintings, drawn styles and the twin's own textures.

    Parameters
    ----------
    pools : mapping of str to (float, list of ndarray)
        By name the share of crops, and the pictures, RGB, uint8.
    seed : int
        Of what is chosen and changed.
    """

    def __init__(
        self, pools: Mapping[str, tuple[float, list[NDArray[np.uint8]]]], seed: int
    ) -> None:
        self.pools = dict(pools)
        self.random = np.random.default_rng(seed)

    def picture(self) -> tuple[str, NDArray[np.uint8]]:
        """Draw a pool by its share, and a picture of it."""
        full = {name: share for name, (share, images) in self.pools.items() if images and share > 0}
        share = np.array(list(full.values()))
        name = str(self.random.choice(list(full), p=share / share.sum()))
        images = self.pools[name][1]
        return name, images[int(self.random.integers(len(images)))]

    def crop(self, side: int) -> NDArray[np.float32]:
        """Cut, turn, resize and change a crop of `side` pixels, RGB in [0, 1]."""
        random = self.random
        name, picture = self.picture()
        short = min(picture.shape[:2])
        if name == "own":  # as they are: the grain is what matters
            window = min(side, short)
        else:
            least = min(0.6 * side, short)
            window = int(math.exp(random.uniform(math.log(least), math.log(short))))
        y, x = (int(random.integers(0, n - window + 1)) for n in picture.shape[:2])
        crop: NDArray[Any] = picture[y : y + window, x : x + window].astype(np.float32) / 255
        if window != side:
            way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
            crop = cv2.resize(crop, (side, side), interpolation=way)
        crop = crop[:, :: int(random.choice([-1, 1]))]
        if random.random() < (0.5 if name in ("style", "drawn") else 0.1):
            crop = np.rot90(crop, int(random.integers(4)))
        if name == "own":
            return np.clip(crop, 0, 1)
        if random.random() < 0.5:
            crop = self._recoloured(crop)
        chance = random.random()
        if chance < 0.2:
            crop = crop + random.uniform(0, 0.3) * self._grain(side)
        elif chance < 0.33:  # on the way from noise to a picture
            crop = self._from_noise(crop)
        return np.clip(crop, 0, 1).astype(np.float32)

    def batch(self, count: int, side: int) -> NDArray[np.float32]:
        """Draw `count` crops."""
        return np.stack([self.crop(side) for _ in range(count)])

    def plain(self, side: int) -> NDArray[np.float32]:
        """Cut a crop of a picture that is not the twin's own, at its own size or smaller."""
        name = "own"
        while name == "own":
            name, picture = self.picture()
        return random_crop(self.random, picture, side, min(1.0, side / min(picture.shape[:2])))

    def _recoloured(self, crop: NDArray[Any]) -> NDArray[Any]:
        random = self.random
        mean = crop.mean(axis=(0, 1))
        mix = np.eye(3) + random.normal(0, 0.15, (3, 3))
        if random.random() < 0.1:
            mix = np.full((3, 3), 1 / 3)
        crop = (crop - mean) @ mix.astype(np.float32) * random.uniform(0.5, 1.6)
        return crop + (mean + random.normal(0, 0.1, 3)).astype(np.float32)

    def _grain(self, side: int) -> NDArray[Any]:
        grain: NDArray[Any] = self.random.standard_normal((side, side, 3)).astype(np.float32)
        sigma = self.random.uniform(0.0, 1.5)
        if sigma > 0.3:
            grain = cv2.GaussianBlur(grain, (0, 0), sigma)
        if self.random.random() < 0.3:
            grain = np.repeat(grain.mean(axis=2, keepdims=True), 3, axis=2)
        return grain / grain.std()

    def _from_noise(self, crop: NDArray[Any]) -> NDArray[Any]:
        """Blend the crop with its own pixels in disorder, as a texture's start has them."""
        side = len(crop)
        noise = self.random.permutation(crop.reshape(-1, 3)).reshape(crop.shape)
        coarse = int(self.random.choice([1, 1, 2, 4]))
        if coarse > 1:
            part = noise[: side // coarse, : side // coarse]
            noise = cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC)
        much = self.random.uniform(0.1, 1.0)
        return (1 - much) * crop + much * noise


def kept_back(pictures: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Part what is learned from and the tenth that is kept back to judge with."""
    return [p for i, p in enumerate(pictures) if i % 10 != 5], list(pictures[5::10])


def drawn_styles(count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Draw the course's own styles with random seeds."""
    random = np.random.default_rng(seed)
    return [
        to_uint8(
            draw(DRAWN_STYLES[i % len(DRAWN_STYLES)], 320, seed=1 + int(random.integers(10**6)))
        )
        for i in range(count)
    ]


# --------------------------------------------------------------------------------------------------
# Training


def _thinned(features: Mapping[str, tf.Tensor], at: tf.Tensor) -> dict[str, tf.Tensor]:
    """Keep a quarter of the positions of the two large blocks, where neighbours are alike."""
    return {
        name: f[:, at[0] :: 2, at[1] :: 2] if name[5] in "12" else f for name, f in features.items()
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
        See :func:`load_teacher`. It computes with bfloat16: twice as fast where the processor
        knows it, and wrong by 1e-5 to 8e-5 of a layer's variance.
    basis : mapping of str to ndarray
        The coordinates; see :func:`basis_of`.
    dtype : str
        What the twin computes with. Variables are float32.
    """

    def __init__(
        self,
        teacher: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
        basis: Mapping[str, NDArray[np.float32]],
        dtype: str = "float32",
    ) -> None:
        self.dtype = dtype
        self.teacher = {
            name: tuple(tf.constant(v, tf.bfloat16) for v in teacher[name]) for name in LAYERS
        }
        self.basis = {name: tf.constant(value) for name, value in basis.items()}
        self.variables: dict[str, tf.Variable] = {}
        self.weights = {name: LAYER_WEIGHTS.get(name, 1.0) for name in LAYERS}
        self.see = tf.function(self._see, reduce_retracing=True)
        self.train = tf.function(self._train)
        self.errors = tf.function(lambda *a: self._errors(*a)[0])
        self.differences = tf.function(lambda *a: self._differences(self._errors(*a)[1]))

    def set(self, params: Mapping[str, Any], heads: Mapping[str, Any]) -> None:
        """Take over kernels, biases and heads."""
        for name in LAYERS:
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
        for name in LAYERS:
            root, mean = self.basis[f"{name}/in_root"], self.basis[f"{name}/in_mean"]
            kernel = tf.einsum("ij,hwjo->hwio", root, values[f"{name}/kernel"])
            moved = tf.linalg.matvec(tf.reduce_sum(kernel, (0, 1)), mean, transpose_a=True)
            result[name] = kernel, values[f"{name}/bias"] - moved
        return result

    def heads(self, values: Mapping[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """Slopes and constants from the twin's features to VGG19's, centred and scaled."""
        result = {}
        for name in LAYERS:
            root, mean = self.basis[f"{name}/out_root"], self.basis[f"{name}/out_mean"]
            slope = root @ values[f"{name}/slope"]
            moved = tf.linalg.matvec(slope, mean, transpose_a=True)
            result[name] = slope, values[f"{name}/constant"] - moved
        return result

    def _see(self, images: tf.Tensor, at: tf.Tensor, padding: str) -> dict[str, tf.Tensor]:
        x = tf.cast(preprocess(images), tf.bfloat16)
        return _thinned(forward(self.teacher, x, padding, "max"), at)

    def _errors(
        self,
        values: Mapping[str, tf.Tensor],
        images: tf.Tensor,
        seen: Mapping[str, tf.Tensor],
        at: tf.Tensor,
        padding: str,
    ) -> tuple[dict[str, tf.Tensor], dict[str, tuple[tf.Tensor, tf.Tensor]]]:
        x = tf.cast(preprocess(images), self.dtype)
        features = _thinned(forward(self.params(values), x, padding, "average"), at)
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
        return tf.stack([errors[n] for n in LAYERS]), tape.gradient(loss, values)


def basis_of(
    params: Params,
    teacher: Mapping[str, Any],
    batches: Sequence[NDArray[np.float32]],
    damping: float = 3e-3,
) -> dict[str, NDArray[np.float32]]:
    """Measure the coordinates of :class:`Distiller`, where it begins.

    Parameters
    ----------
    params : mapping of str to (kernel, bias)
        The twin; see :func:`closed_form_student`.
    teacher : mapping of str to (kernel, bias)
        See :func:`load_teacher`.
    batches : sequence of ndarray
        The pictures of the closed form.
    damping : float
        Added to each variance, relative to their mean: what hardly varies is not blown up.
    """

    def roots(covariance: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        values, vectors = np.linalg.eigh(covariance)
        values = np.maximum(values, 0) + damping * values.mean()
        return vectors / np.sqrt(values), (vectors * np.sqrt(values)).T

    outputs: dict[str, list[Any]] = {name: [] for name in LAYERS}
    targets: dict[str, list[Any]] = {name: [] for name in LAYERS}
    inputs: dict[str, list[Any]] = {LAYERS[0]: []}
    at = tf.constant([0, 1])

    @tf.function(reduce_retracing=True)
    def both(batch: tf.Tensor) -> Any:
        x = preprocess(batch)
        ours = _thinned(forward(params, x, "replicate", "average"), at)
        return x[:, ::2, 1::2], ours, _thinned(forward(teacher, x, "replicate", "max"), at)

    for batch in batches:
        x, ours, theirs = both(tf.constant(batch))
        inputs[LAYERS[0]].append(x.numpy())
        for name in LAYERS:
            outputs[name].append(ours[name].numpy())
            targets[name].append(theirs[name].numpy())
    basis: dict[str, Any] = {}
    statistics = {name: _moments(outputs[name]) for name in LAYERS}
    for before, name in zip(("", *LAYERS), LAYERS, strict=False):
        if not before:
            mean, covariance = _moments(inputs[name])
        elif before[5] == name[5]:
            mean, covariance = statistics[before]
        else:  # close enough: pooled by means
            pooled = [tf.nn.avg_pool2d(x, 2, 2, "VALID").numpy() for x in outputs[before]]
            mean, covariance = _moments(pooled)
        basis[f"{name}/in_mean"] = mean
        basis[f"{name}/in_root"], basis[f"{name}/in_unroot"] = roots(covariance)
        basis[f"{name}/out_mean"] = statistics[name][0]
        basis[f"{name}/out_root"], basis[f"{name}/out_unroot"] = roots(statistics[name][1])
        mean, covariance = _moments(targets[name])
        variance = np.diag(covariance)
        weight = 1 / np.sqrt(variance + 0.01 * variance.mean())
        basis[f"{name}/mean"] = mean
        basis[f"{name}/scale"] = np.sqrt(weight / (weight * variance).sum())
    return {name: np.asarray(value, np.float32) for name, value in basis.items()}


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

    def load(self, saved: Mapping[str, NDArray[Any]], steps: int) -> None:
        """Go on from what :meth:`state` returned."""
        for name in self.variables:
            self.first[name].assign(saved[f"first/{name}"])
            self.second[name].assign(saved[f"second/{name}"])
            self.mean[name].assign(saved[f"mean/{name}"])
            self.sizes[name] = tf.constant(saved[f"size/{name}"])
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


# --------------------------------------------------------------------------------------------------
# The twin's own pictures


class Painter:
    """Textures and transfers synthesised through a twin, several at once, by Adam.

    Parameters
    ----------
    dtype : str
        What the twin computes with.
    """

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype
        self._slope = tf.function(self._gradient, reduce_retracing=True)
        self._describe = tf.function(self._described, reduce_retracing=True)

    def paint(
        self,
        params: Params,
        sources: NDArray[np.float32],
        contents: NDArray[np.float32],
        weight: NDArray[np.float32],
        random: np.random.Generator,
        iterations: Sequence[int] = (30, 40, 60),
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make pictures with the textures of `sources`, and with `contents` where `weight` > 0.

        Parameters
        ----------
        params : mapping of str to (kernel, bias)
            The twin.
        sources, contents : ndarray of float, shapes (B, S, S, 3)
            RGB in [0, 1].
        weight : ndarray of float, shape (B,)
            Of the content's loss; 0 for a texture, which begins with noise.
        random : numpy.random.Generator
            Of the noise.
        iterations : sequence of int
            At each size, each twice the one before; the last is S.

        Returns
        -------
        early, final : ndarray, shapes (B, S, S, 3)
            The pictures after a quarter of the last size's iterations, and at their end.
        """
        size = sources.shape[1]
        images = early = final = np.empty(0, np.float32)
        for halvings, count in zip(reversed(range(len(iterations))), iterations, strict=True):
            side = size >> halvings
            small, kept = _resized(sources, side), _resized(contents, side)
            style, _ = self._describe(params, tf.constant(small))
            _, content = self._describe(params, tf.constant(kept))
            if images.size:
                images = _resized(images, side)
            else:
                noise = [random.permutation(s.reshape(-1, 3)).reshape(s.shape) for s in small]
                images = np.where(weight[:, None, None, None] > 0, kept, np.stack(noise))
            first, second = np.zeros_like(images), np.zeros_like(images)
            for i in range(count):
                slope = self._slope(
                    params, tf.constant(images), style, content, tf.constant(weight)
                ).numpy()
                first += 0.1 * (slope - first)
                second += 0.05 * (np.square(slope) - second)
                step = first / (1 - 0.9 ** (i + 1))
                step /= np.sqrt(second / (1 - 0.95 ** (i + 1))) + 1e-12
                rate = 0.005 + 0.06 * (1 - i / count)
                images = np.clip(images - rate * step, 0, 1).astype(np.float32)
                if i == count // 4:
                    early = images
            final = images
        return early, final

    def _features(self, params: Params, images: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.cast(preprocess(images), self.dtype)
        features = forward(params, x, "replicate", "average", last=STYLE_LAYERS[-1])
        return {n: tf.cast(features[n], tf.float32) for n in (*STYLE_LAYERS, *CONTENT_LAYERS)}

    def _described(self, params: Params, images: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        features = self._features(params, images)
        style = {name: channel_statistics(features[name]) for name in STYLE_LAYERS}
        return style, features[CONTENT_LAYERS[0]]

    def _gradient(
        self,
        params: Params,
        images: tf.Tensor,
        style: dict[str, Any],
        content: tf.Tensor,
        weight: tf.Tensor,
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            features = self._features(params, images)
            found = features[CONTENT_LAYERS[0]]
            off = tf.reduce_sum(tf.math.squared_difference(found, content), (1, 2, 3))
            off /= tf.reduce_sum(tf.square(content), (1, 2, 3))
            loss = tf.reduce_mean(weight * off)
            loss += style_loss(features, style, layer_weights=TEXTURE_WEIGHTS)
        return tape.gradient(loss, images)


def _resized(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    way = cv2.INTER_AREA if images.shape[1] >= side else cv2.INTER_CUBIC
    resized = [cv2.resize(image, (side, side), interpolation=way) for image in images]
    return np.stack(resized).astype(np.float32)


# --------------------------------------------------------------------------------------------------
# The run


@dataclass(frozen=True)
class Settings:
    """What a training is asked for.

    Attributes
    ----------
    widths : tuple of int
        The twin's channels by layer.
    rate : float
        Adam's, relative to the size of each kernel; it falls along a cosine.
    side, batch : int
        Of the crops.
    uses : int
        How often a batch is learned from, on average: VGG19's answer costs twice what the twin's
        step does.
    own_share : float
        The share of crops that are cut from the twin's own pictures.
    pair_share : float
        The share of steps that compare the twin's own pictures with what they were made from.
    own_every : int
        After how many steps eight more of them are made.
    own_from : float
        From which part of the run on.
    dtype : str
        What the twin computes with while it is trained.
    seed : int
        Of all that is drawn by chance.
    """

    widths: tuple[int, ...] = WIDTHS
    rate: float = 3e-3
    side: int = 128
    batch: int = 8
    uses: int = 3
    own_share: float = 0.3
    pair_share: float = 0.35
    own_every: int = 50
    own_from: float = 0.08
    dtype: str = "bfloat16"
    seed: int = 0


#: A batch: images, what VGG19 sees, which positions are compared, the border; True for pairs.
_Batch = tuple[Any, ...]


class Training:
    """A distillation that goes on from where it stopped.

    Parameters
    ----------
    teacher : str or pathlib.Path
        VGG19's weights; see :func:`load_teacher`.
    pictures : mapping of str to (float, list of ndarray)
        See :class:`Pictures`.
    folder : str or pathlib.Path
        For the state (``state.npz``), the twin's own pictures (``own.npy``), the twin
        (``vgg19_mini.npz``), the twin with its heads (``checkpoint.npz``) and ``log.txt``.
    photos : sequence of ndarray of uint8
        Over which the layers are normalised.
    held : ndarray of float, shape (N, side, side, 3), optional
        Pictures to measure on.
    settings : Settings
        What else there is to choose.
    """

    #: Batches and pairs that are kept to be learned from again, and own pictures to cut from.
    BATCHES, PAIRS, OWN = 40, 30, 640

    def __init__(
        self,
        teacher: str | Path,
        pictures: Mapping[str, tuple[float, list[NDArray[np.uint8]]]],
        folder: str | Path,
        photos: Sequence[NDArray[np.uint8]],
        held: NDArray[np.float32] | None = None,
        settings: Settings = Settings(),
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.photos = photos
        self.settings = settings
        file = self.folder / "state.npz"
        saved = dict(np.load(file, allow_pickle=False)) if file.exists() else {}
        self.step, self.done = int(saved.get("step", 0)), float(saved.get("done", 0.0))
        self.pictures = Pictures(pictures, settings.seed + self.step)
        weights = load_teacher(teacher)
        if saved:
            basis = {k[6:]: v for k, v in saved.items() if k.startswith("basis/")}
            self.distiller = Distiller(weights, basis, settings.dtype)
            self.distiller.variables = {
                k[4:]: tf.Variable(v, name=k[4:].replace("/", "_"))
                for k, v in saved.items()
                if k.startswith("var/")
            }
        else:
            first = [self.pictures.batch(12, 112) for _ in range(18)]
            params, heads, left = closed_form_student(weights, first, settings.widths)
            basis = basis_of(params, weights, first)
            self.distiller = Distiller(weights, basis, settings.dtype)
            self.distiller.set(params, heads)
            self.log(f"closed form: {_listed(left)}")
        self.adam = Adam(self.distiller.variables)
        if saved:
            self.adam.load(saved, self.step)
        self.painter = Painter(settings.dtype)
        self.own: list[NDArray[np.uint8]] = []
        if (self.folder / "own.npy").exists():
            self.own.extend(np.load(self.folder / "own.npy"))
        self.batches: list[_Batch] = []
        self.pairs: list[_Batch] = []
        held = np.empty((0, settings.side, settings.side, 3), np.float32) if held is None else held
        self.held = [self._seen(held[i : i + 12]) for i in range(0, len(held), 12)]
        self._begin_counting()

    def run(
        self, steps: int = 12000, until: float | None = None, save_every: float = 300.0
    ) -> None:
        """Train up to `steps` steps in all, or `until` a time (seconds since the epoch).

        With `until`, the cosine follows the clock: what is left of it is spread over what is left
        of the time, however often the run was interrupted.
        """
        began, done = time.time(), self.done
        first = self.step
        saved = began
        self.report()
        while self.done < 1:
            warm = min(1.0, (self.step - first + 1) / (30 if first else 150))
            self.learn(self.settings.rate * warm)
            now = time.time()
            if until is None:
                self.done = min(1.0, self.step / steps)
            else:
                share = (now - began) / max(1.0, until - began)
                self.done = min(1.0, done + (1 - done) * share)
            if self.done >= 1 or now - saved > save_every:
                self.save()
                self.report()
                saved = time.time()

    def learn(self, rate: float) -> None:
        """Take a step, and before it make own pictures where it is time for them."""
        asked, random = self.settings, self.pictures.random
        if self.done >= asked.own_from and self.step % asked.own_every == 0:
            self.paint()
        if self.own:
            share = asked.own_share / (1 - asked.own_share)
            self.pictures.pools["own"] = share, self.own
        if self.pairs and random.random() < asked.pair_share:
            batch = self.pairs[int(random.integers(len(self.pairs)))]
        elif random.random() < 1 / asked.uses or len(self.batches) < 12:
            batch = self._new_batch()
            self.batches = [*self.batches, batch][-self.BATCHES :]
        else:
            batch = self.batches[int(random.integers(len(self.batches)))]
        errors, gradients = self.distiller.train(*batch)
        rate *= max(0.01, 0.5 + 0.5 * math.cos(math.pi * self.done))
        self.adam.apply(gradients, tf.constant(rate, tf.float32))
        self.step += 1
        check_loss(float(tf.reduce_mean(errors)), self.step, rate)
        if len(batch) == 4:
            self.errors.append(errors.numpy())

    def paint(self) -> None:
        """Make eight pictures, measure on them, and keep them to learn from."""
        asked, random = self.settings, self.pictures.random
        sources, contents = (
            np.stack([self.pictures.plain(asked.side) for _ in range(8)]) for _ in range(2)
        )
        weight = np.where(np.arange(8) % 3 == 2, random.uniform(0.1, 0.5, 8), 0.0)
        params = self.distiller.params(self.adam.values())
        early, final = self.painter.paint(
            params, sources, contents, weight.astype(np.float32), random
        )
        made = np.rint(255 * np.concatenate([early, final])).astype(np.uint8)
        self.own = [*self.own, *made][-self.OWN :]
        for result, some in ((final, slice(0, 4)), (final, slice(4, 8)), (early, slice(2, 6))):
            batch = self._seen(np.concatenate([sources[some], result[some]]))
            self.pairs = [*self.pairs, (*batch, True)][-self.PAIRS :]
            if result is final:
                self.own_errors.append(self.measure([batch]))
                found = self.distiller.differences(self.adam.values(), *batch)
                self.own_differences.append(found.numpy())

    def measure(self, batches: Sequence[_Batch]) -> dict[str, float]:
        """Share of the variance that the twin (the running mean) leaves unexplained, by layer."""
        values = self.adam.values()
        found = [self.distiller.errors(values, *batch) for batch in batches]
        return {n: float(np.mean([f[n] for f in found])) for n in LAYERS}

    def report(self) -> None:
        """Write to the log how far the run is, and what was measured since the last report."""
        lines = [f"step {self.step} done {self.done:.3f}"]
        if self.errors:
            each = (time.time() - self.counted[1]) / (self.step - self.counted[0])
            train = dict(zip(LAYERS, np.mean(self.errors, axis=0), strict=True))
            lines[0] += f" ({each:.2f} s a step) train {_listed(train)}"
        if self.held:
            held = self.measure(self.held)
            lines.append(f"held {_listed(held)} mean {np.mean(list(held.values())):.4f}")
        if self.own_errors:
            own = {n: float(np.mean([e[n] for e in self.own_errors])) for n in LAYERS}
            lines.append(f"own  {_listed(own)} mean {np.mean(list(own.values())):.4f}")
            pair = dict(zip(STYLE_LAYERS, np.mean(self.own_differences, axis=0), strict=True))
            lines.append(f"pair {_listed(pair)} ({len(self.own)} own pictures)")
        self.log("\n  ".join(lines))
        self._begin_counting()

    def log(self, text: str) -> None:
        """Write a line to the log, and to the terminal."""
        text = f"{time.strftime('%H:%M:%S', time.gmtime())} {text}"
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)

    def save(self) -> None:
        """Write the state, the twin, and the twin with its heads."""
        state: dict[str, Any] = {"step": self.step, "done": self.done}
        state |= {f"basis/{name}": v.numpy() for name, v in self.distiller.basis.items()}
        state |= {f"var/{name}": v.numpy() for name, v in self.distiller.variables.items()}
        state |= self.adam.state()
        with atomic_write(self.folder / "state.npz") as file:
            np.savez(file, **state)
        if self.own:
            with atomic_write(self.folder / "own.npy") as file:
                np.save(file, np.stack(self.own))
        params, heads = self.twin()
        save_twin(params, self.folder / "vgg19_mini.npz")
        arrays: dict[str, Any] = {
            f"{name}/{part}": np.asarray(value, np.float16)
            for name in LAYERS
            for part, value in zip(
                ("kernel", "bias", "slope", "constant"), (*params[name], *heads[name]), strict=True
            )
        }
        with atomic_write(self.folder / "checkpoint.npz") as file:
            np.savez_compressed(file, **arrays)

    def twin(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the twin, normalised, and its heads to VGG19's own values."""
        values, basis = self.adam.values(), self.distiller.basis
        plain = {n: (p[0].numpy(), p[1].numpy()) for n, p in self.distiller.params(values).items()}
        params, sizes = normalized(plain, self.photos)
        heads = {}
        for name, (slope, constant) in self.distiller.heads(values).items():
            scale, mean = basis[f"{name}/scale"].numpy(), basis[f"{name}/mean"].numpy()
            heads[name] = slope.numpy() / scale * sizes[name], constant.numpy() / scale + mean
        return params, heads

    def _new_batch(self) -> _Batch:
        asked, random = self.settings, self.pictures.random
        at = tf.constant(random.integers(0, 2, 2), tf.int32)
        padding = "replicate" if random.random() < 0.65 else "SAME"
        return self._seen(self.pictures.batch(asked.batch, asked.side), at, padding)

    def _seen(
        self,
        images: NDArray[np.float32],
        at: tf.Tensor | None = None,
        padding: str = "replicate",
    ) -> _Batch:
        batch, at = tf.constant(images), tf.constant([0, 1]) if at is None else at
        return batch, self.distiller.see(batch, at, padding), at, padding

    def _begin_counting(self) -> None:
        self.errors: list[NDArray[np.float32]] = []
        self.own_errors: list[dict[str, float]] = []
        self.own_differences: list[NDArray[np.float32]] = []
        self.counted = self.step, time.time()


def train_twin(
    teacher: str | Path,
    pictures: Mapping[str, tuple[float, list[NDArray[np.uint8]]]],
    folder: str | Path,
    photos: Sequence[NDArray[np.uint8]],
    *,
    held: NDArray[np.float32] | None = None,
    steps: int = 12000,
    until: float | None = None,
    settings: Settings = Settings(),
) -> Path:
    """Distil VGG19 into its twin; go on from what is in `folder`. The twin's file is returned.

    See :class:`Training` and :meth:`Training.run` for the parameters.
    """
    Training(teacher, pictures, folder, photos, held, settings).run(steps, until)
    return Path(folder) / "vgg19_mini.npz"


def normalized(
    params: Mapping[str, Any], photos: Sequence[NDArray[np.uint8]]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Rescale each layer to a mean activation of 1 over `photos`; tell by what it was divided.

    As Gatys et al. rescaled VGG19: convolution and ReLU are homogeneous, and what one kernel is
    divided by, the next is multiplied by.
    """
    sizes = dict.fromkeys(LAYERS, 0.0)
    fixed = {name: tuple(tf.constant(v) for v in params[name]) for name in LAYERS}
    look = tf.function(lambda x: forward(fixed, x, "SAME", "average"), reduce_retracing=True)
    for photo in photos:
        for name, f in look(preprocess(tf.constant(from_uint8(photo)[np.newaxis]))).items():
            sizes[name] += float(tf.reduce_mean(f)) / len(photos)
    result, before = {}, 1.0
    for name in LAYERS:
        kernel, bias = params[name]
        result[name] = kernel * (before / sizes[name]), bias / sizes[name]
        before = sizes[name]
    return result, sizes


def _listed(values: Mapping[str, float]) -> str:
    return " ".join(f"{name[5]}_{name[-1]}:{value:.3f}" for name, value in values.items())


def train_twin_from_folders(
    teacher: str | Path,
    photos: Sequence[str | Path],
    styles: Sequence[str | Path],
    folder: str | Path,
    *,
    steps: int = 12000,
    seed: int = 0,
) -> Path:
    """Distil VGG19 into its twin, with the pictures in some folders. The twin's file is returned.

    Parameters
    ----------
    teacher : str or pathlib.Path
        VGG19's weights, as ``nst assets pack`` writes them.
    photos, styles : sequence of str or pathlib.Path
        Folders of photographs, and of paintings, of which a tenth is kept back to measure on.
    folder : str or pathlib.Path
        For the state and the results; a training goes on from what is there.
    steps : int, default 12000
        How often the twin is changed.
    seed : int, default 0
        Of the pictures that are drawn.
    """
    learned, held = kept_back(load_photos(styles, 448))
    pictures = load_photos(photos, 288)
    settings = Settings(seed=seed)
    random = np.random.default_rng(7)
    unseen = np.stack([random_crop(random, picture, settings.side, 0.5) for picture in held])
    return train_twin(
        teacher,
        {
            "photo": (0.48, pictures),
            "style": (0.36, learned),
            "drawn": (0.16, drawn_styles(100, seed)),
        },
        folder,
        pictures[::60],
        held=unseen,
        steps=steps,
        settings=settings,
    )
