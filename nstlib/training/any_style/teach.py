"""The training itself: a network, what it is judged by, and how it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_choice, check_count, check_kind, check_number
from nstlib._files import checksum
from nstlib._keras import keras
from nstlib.networks.any_style import (
    DTYPES,
    LAYERS,
    AnyStyleNet,
    ChannelStatistics,
    frozen_features,
    standardise,
    style_encoder,
    style_predictor,
)
from nstlib.training.any_style import losses
from nstlib.training.any_style.pictures import Batches, Pack
from nstlib.training.loop import LossModel, begin, check_options, fit
from nstlib.vgg19 import vgg19_with

ops = keras.ops

#: Where styles are compared, as :mod:`nstlib.features` names them.
STYLE_LAYERS = (
    *(f"block{block}_conv1" for block in range(1, 6)),
    # As in :mod:`nstlib.training.style`, which says why.
    "block1_conv2",
    "block2_conv2",
    "block3_conv3",
    "block4_conv3",
)

#: Where contents are compared.
CONTENT_LAYER = "block4_conv2"

#: What is reported.
TERMS = ("loss", "style", "content", "lattice", *(f"style{block}" for block in range(1, 6)))


@dataclass(frozen=True)
class Settings:
    """What an any-style network is and how it learns.

    Attributes
    ----------
    channels, blocks, kernels
        See :func:`nstlib.networks.any_style.AnyStyleNet`.
    content_weight, lattice_weight : float
        Factors of the loss's terms beside the style's.
    learning_rate : float
        Adam's, at its highest; see :class:`Schedule`.
    steps : int
        How many are planned.
    dtype : {"float32", "mixed_bfloat16", "mixed_float16"}
        What convolutions compute with.

    Raises
    ------
    ArgumentError
        For a weight below 0, a rate of 0, no steps, or another `dtype`. Of the others
        :func:`nstlib.networks.any_style.AnyStyleNet` says what is wrong.
    """

    channels: tuple[int, ...] = (16, 32, 32, 112)
    blocks: tuple[int, int] = (4, 1)
    kernels: tuple[int, int] = (5, 3)
    content_weight: float = 0.06
    lattice_weight: float = 30.0
    learning_rate: float = 1e-3
    steps: int = 12000
    dtype: str = "mixed_bfloat16"

    def __post_init__(self) -> None:
        """Check what is counted and weighed."""
        check_number("content_weight", self.content_weight, least=0)
        check_number("lattice_weight", self.lattice_weight, least=0)
        check_number("learning_rate", self.learning_rate, above=0)
        check_count("steps", self.steps)
        check_choice("dtype", self.dtype, DTYPES)


class Teacher(LossModel):
    """Everything that a step of training needs, as one model: photographs and styles to losses.

    Parameters
    ----------
    settings : Settings
        What is trained, and how.
    weights : str, default "mini"
        Of the VGG19 that looks at a style, and becomes a part of the network.
    judge : str, optional
        Of the VGG19 that judges paintings; by default the same.
    """

    def __init__(self, settings: Settings, weights: str = "mini", judge: str | None = None) -> None:
        super().__init__(name="teacher")
        self.settings, self.weights_name = settings, weights
        judge = judge or weights
        judged = dict.fromkeys([*STYLE_LAYERS, CONTENT_LAYER])
        if judge == weights:
            judged |= dict.fromkeys(LAYERS)
        self.judge = frozen_features(vgg19_with(judge), judged, settings.dtype)
        self.features = (
            self.judge
            if judge == weights
            else frozen_features(vgg19_with(weights), LAYERS, settings.dtype)
        )
        widths = [self.features.output[layer].shape[-1] for layer in LAYERS]
        self.predictor = style_predictor(widths)
        self.network = AnyStyleNet(
            settings.channels, settings.blocks, settings.kernels, dtype=settings.dtype
        )
        self.measure = ChannelStatistics(dtype="float32")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in TERMS[1:]}

    def vectors(self, styles: Any, found: Mapping[str, Any]) -> Any:
        """Vectors (B, 1, 1, 256) of styles, of which the features are known."""
        measured = [self.measure(ops.cast(found[layer], "float32")) for layer in LAYERS]
        return self.predictor([ops.concatenate(measured, axis=-1), self.measure(styles)])

    def call(self, pair: Any) -> Any:
        """Losses of a batch of photographs and styles, uint8, (B, H, W, 3) each."""
        photos, styles = (ops.cast(pictures, "float32") / 255.0 for pictures in pair)
        seen = {name: ops.stop_gradient(x) for name, x in self.judge(styles).items()}
        looked = seen if self.features is self.judge else self.features(styles)
        content = ops.stop_gradient(self.judge(photos)[CONTENT_LAYER])
        painted = self.network([photos, self.vectors(styles, looked)])
        found = self.judge(painted)
        wanted = {layer: losses.statistics(seen[layer]) for layer in STYLE_LAYERS}
        have = {layer: losses.statistics(found[layer]) for layer in STYLE_LAYERS}
        by_layer = losses.style_losses(have, wanted)
        contents = losses.content_losses(found[CONTENT_LAYER], content)
        # The logarithm, nearly the number itself where it is small, keeps a style that is far from
        # every photograph from deciding the step alone.
        style = ops.mean(ops.log1p(by_layer))
        weights = self.settings
        patterns = losses.lattice(painted)
        loss = (
            style
            + weights.content_weight * ops.mean(ops.log1p(contents))
            + weights.lattice_weight * patterns
            + 10.0 * losses.beyond(painted)
        )
        means = ops.mean(by_layer, axis=0)
        return {
            "loss": loss,
            "style": ops.mean(by_layer),
            "content": ops.mean(contents),
            "lattice": patterns,
            **{f"style{block}": means[block - 1] for block in range(1, 6)},
        }

    def encoder(self) -> keras.Model:
        """Build the network from style pictures to vectors, by itself."""
        return style_encoder(frozen_features(vgg19_with(self.weights_name), LAYERS), self.predictor)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rise over the first fiftieth, 200 steps at most, and fall to zero over the last fifth."""

    def __init__(self, rate: float, steps: int) -> None:
        super().__init__()
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        """Give the rate at a step."""
        step = ops.cast(step, "float32")
        rise = ops.minimum(1.0, (step + 1.0) / max(1.0, min(200.0, self.steps / 50)))
        left = ops.clip((self.steps - step) / (0.2 * self.steps), 0.0, 1.0)
        return self.rate * rise * left

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build it again."""
        return {"rate": self.rate, "steps": self.steps}


def usual_statistics(teacher: Teacher, batches: Batches, count: int = 240) -> NDArray[np.float32]:
    """Measure some styles, (N, C), for :func:`nstlib.networks.any_style.standardise`."""
    measured: list[NDArray[np.float32]] = []
    number = 0
    while sum(map(len, measured)) < count:
        _, styles = batches.make(10**6 + number)
        number += 1
        found = teacher.features(ops.cast(styles, "float32") / 255.0)
        parts = [teacher.measure(ops.cast(found[layer], "float32")) for layer in LAYERS]
        measured.append(ops.convert_to_numpy(ops.concatenate(parts, axis=-1))[:, 0, 0])
    return np.concatenate(measured)


def averaged(teacher: Teacher) -> list[NDArray[np.float32]]:
    """Return the variables' running means, which paint more evenly than the last step's.

    Returns
    -------
    list of ndarray of float32
        In the order of `teacher.trainable_variables`.
    """
    means = [v for v in teacher.optimizer.variables if v.path.endswith("_average")]
    return [ops.convert_to_numpy(v) for v in means]


def train(
    pack: Pack,
    settings: Settings,
    checkpoint: str | Path | None,
    *,
    size: int = 192,
    batch: int = 4,
    seed: int = 0,
    weights: str = "mini",
    judge: str | None = None,
    every: int = 100,
    workers: int = 1,
    report: Callable[[int, dict[str, float], float], object] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Teacher:
    """Train, or go on training, until `settings.steps` are done or `stop` says so.

    Parameters
    ----------
    pack : Pack
        Photographs and styles, see :mod:`nstlib.training.any_style.pictures`.
    settings : Settings
        What is trained, and how.
    checkpoint : str, pathlib.Path or None
        A file for the state. If it is there, the training goes on from it.
    size, batch : int
        Side of the crops in pixels, a multiple of 8, 32 or more; and how many pairs at a time.
    seed : int
        Of the networks and of what they see.
    weights, judge : str
        See :class:`Teacher`.
    every, workers, report, stop
        See :func:`nstlib.training.loop.fit`.

    Returns
    -------
    Teacher
        With the networks as they are at the end; see :func:`averaged`.

    Raises
    ------
    ArgumentError
        For values outside those above, a checkpoint of another training, or if a loss becomes NaN
        or infinite.
    OutputError
        If `checkpoint` cannot be written.
    WeightsError
        If `weights` or `judge` cannot be had.

    Warns
    -----
    NstWarning
        If the checkpoint cannot be written any more.
    """
    check_kind("settings", settings, Settings, "Settings")
    check_options(every, workers, report, stop)
    check_count("seed", seed, 0)
    batches = Batches(pack, size, batch, seed)
    for name in (weights, judge or weights):
        vgg19_with(name)  # building it, the first time, would use up random numbers
    keras.utils.set_random_seed(seed)
    teacher = Teacher(settings, weights, judge)
    optimizer = keras.optimizers.Adam(
        Schedule(settings.learning_rate, settings.steps),
        beta_2=0.99,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=0.998,
    )
    asked = {
        **asdict(settings),
        "size": size,
        "batch": batch,
        "seed": seed,
        "weights": str(weights),
        "judge": str(judge or weights),
        "pack": checksum(pack.pictures()),
    }
    state, goes_on = begin(teacher, optimizer, checkpoint, asked)
    if not goes_on:
        standardise(teacher.predictor, usual_statistics(teacher, batches))
    fit(
        teacher,
        batches,
        state,
        steps=settings.steps,
        every=every,
        workers=workers,
        report=report,
        stop=stop,
    )
    return teacher
