"""The small twin of VGG19, taught by another network.

It has VGG19's layers at a quarter of their width, average pooling, and a teacher in place of a
million labelled photos. It learns to predict, by one linear map from each of its feature maps, the
feature maps of a network trained on ImageNet for the same picture (knowledge distillation; Romero
et al. 2015 regress a teacher's inner layers in this way). A photo seen at twice its size by the
teacher gives targets at the full resolution of the student's first block.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tqdm
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.features import CaffePreprocessing, extractor_of
from nstlib.training.photos import crops
from nstlib.training.state import TrainingState
from nstlib.vgg19 import build_vgg19

#: Student layer → the teacher's layers that it is to predict, at (the picture's scale, layer).
TARGETS = {
    "block1_conv2": [(2, "conv1_2")],
    "block2_conv2": [(1, "conv1_2"), (2, "fire3/concat_1")],
    "block3_conv1": [(2, "fire3/concat_1")],
    "block3_conv4": [(1, "fire3/concat_1"), (2, "fire5/concat_1")],
    "block4_conv1": [(1, "fire3/concat_1"), (2, "fire5/concat_1")],
    "block4_conv4": [(1, "fire5/concat_1")],
    "block5_conv1": [(1, "fire7/concat_1")],
    "block5_conv4": [(1, "fire7/concat_1"), (1, "fire9/concat_1")],
}


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
    teacher = keras.Model(image, {name: values[name] for name in layers})
    teacher.trainable = False
    return teacher


class Distiller:
    """The student, and a throw-away linear head for each of the teacher's layers it predicts.

    Parameters
    ----------
    student : keras.Model
        VGG19's layers; see :func:`nstlib.vgg19.build_vgg19`.
    teacher_file : str or pathlib.Path
        SqueezeNet as ONNX.
    """

    def __init__(self, student: keras.Model, teacher_file: str | Path) -> None:
        self.student = extractor_of(student, tuple(TARGETS))
        wanted = {target for targets in TARGETS.values() for target in targets}
        self.teachers = {
            scale: load_squeezenet(teacher_file, sorted(n for s, n in wanted if s == scale))
            for scale in (1, 2)
        }
        self.heads = {
            (layer, scale, name): keras.layers.Conv2D(
                self.teachers[scale].output[name].shape[-1], 1, data_format="channels_last"
            )
            for layer, targets in TARGETS.items()
            for scale, name in targets
        }
        for (layer, _, _), head in self.heads.items():
            head.build(self.student.output[layer].shape)
        self.statistics: dict[tuple[int, str], tuple[tf.Tensor, tf.Tensor]] = {}

    @property
    def variables(self) -> list[keras.Variable]:
        """What is trained."""
        heads = [v for head in self.heads.values() for v in head.trainable_variables]
        return self.student.trainable_variables + heads

    def targets(self, image: tf.Tensor) -> dict[tuple[int, str], tf.Tensor]:
        """Teacher's feature maps of a batch, at its own size and at twice its size."""
        large = tf.image.resize(image, 2 * tf.shape(image)[1:3], method="bicubic")
        return {
            (scale, name): features
            for scale, seen in ((1, image), (2, tf.clip_by_value(large, 0.0, 1.0)))
            for name, features in self.teachers[scale](seen).items()
        }

    def measure_targets(self, batches: Sequence[NDArray[np.float32]]) -> None:
        """Measure each target channel's mean and variance, so that errors become shares of it."""
        gathered = [self.targets(tf.constant(batch)) for batch in batches]
        for key in gathered[0]:
            values = np.concatenate(
                [g[key].numpy().reshape(-1, g[key].shape[-1]) for g in gathered]
            )
            # The floor keeps channels that hardly ever fire from counting like the others.
            variance = values.var(axis=0) + 0.1 * values.var(axis=0).mean()
            self.statistics[key] = tf.constant(values.mean(axis=0)), tf.constant(variance)

    def errors(self, image: tf.Tensor) -> dict[tuple[str, int, str], tf.Tensor]:
        """Share of a target's variance that the student leaves unexplained, for each head."""
        targets, features = self.targets(image), self.student(image)
        result = {}
        for (layer, scale, name), head in self.heads.items():
            mean, variance = self.statistics[scale, name]
            wanted = (targets[scale, name] - mean) * tf.math.rsqrt(variance)
            predicted = tf.image.resize(head(features[layer]), tf.shape(wanted)[1:3])
            result[layer, scale, name] = tf.reduce_mean(tf.square(predicted - wanted))
        return result


def train_mini(
    photos: Sequence[NDArray[np.uint8]],
    teacher: str | Path,
    checkpoint: str | Path,
    *,
    steps: int = 5000,
    batch: int = 16,
    side: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
    progress: bool = True,
) -> tuple[keras.Model, Distiller, list[float]]:
    """Distil SqueezeNet into VGG19's small twin; go on from `checkpoint` if there is one.

    Parameters
    ----------
    photos : sequence of ndarray of uint8, shapes (H, W, 3)
        RGB, each side `side` or more.
    teacher : str or pathlib.Path
        SqueezeNet 1.1 as ONNX.
    checkpoint : str or pathlib.Path
        A file for the state, saved every 200 steps and at the end.
    steps, batch, side : int
        How many batches, of how many crops, of how many pixels a side.
    learning_rate : float
        Adam's at the start; it falls to zero along a cosine.
    seed : int
        Of the weights and the crops.
    progress : bool
        Show a progress bar with the mean unexplained share of variance.

    Returns
    -------
    keras.Model
        The twin, as :func:`nstlib.vgg19.build_vgg19` builds it.
    Distiller
        The twin with its heads, to measure how well it does.
    list of float
        The mean unexplained share after each step of this call.
    """
    keras.utils.set_random_seed(seed)
    twin = build_vgg19(0.25, "average")
    # Preprocessed values reach ±150; features of the order of 1 suit the heads and the optimiser.
    first = twin.get_layer("block1_conv1").kernel
    first.assign(first / 64.0)
    distiller = Distiller(twin, teacher)
    distiller.measure_targets(list(itertools.islice(crops(photos, batch, side, seed), 8)))
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    optimizer.build(distiller.variables)
    settings = {"batch": batch, "side": side, "learning_rate": learning_rate, "seed": seed}
    state = TrainingState(checkpoint, [*distiller.variables, *optimizer.variables], settings)
    state.load()
    done = int(optimizer.iterations)

    @tf.function
    def step(image: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            errors = distiller.errors(image)
            loss = tf.add_n(list(errors.values())) / len(errors)
        variables = distiller.variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    history: list[float] = []
    batches = crops(photos, batch, side, seed + 1 + done)
    bar = tqdm.trange(done, steps, initial=done, total=steps, disable=not progress)
    for _, images in zip(bar, batches, strict=False):
        history.append(float(step(tf.constant(images))))
        bar.set_postfix(unexplained=f"{np.mean(history[-50:]):.3f}", refresh=False)
        if len(history) % 200 == 0:
            state.save()
    state.save()
    return twin, distiller, history


def normalize_activations(vgg: keras.Model, photos: Sequence[NDArray[np.float32]]) -> None:
    """Rescale each layer so that its mean activation over `photos` is 1, as Gatys et al. did.

    Convolution and ReLU are homogeneous: dividing a layer's kernel and bias by a positive number
    divides its output by it, and multiplying the next kernel by the same number makes up for it.
    The Gram matrices of all layers are then of about one size.
    """
    convolutions = [layer for layer in vgg.layers if layer.weights]
    extractor = extractor_of(vgg, tuple(layer.name for layer in convolutions))
    features = [extractor(photo[np.newaxis]) for photo in photos]
    before = 1.0
    for layer in convolutions:
        mean = float(np.mean([tf.reduce_mean(f[layer.name]) for f in features]))
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * (before / mean), bias / mean])
        before = mean
