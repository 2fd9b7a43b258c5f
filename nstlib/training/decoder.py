"""Teach a decoder to paint pictures from features with exchanged statistics (Huang, Belongie 2017).

Runs on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nstlib._checks import check_choice, check_count, check_number
from nstlib._files import checksum
from nstlib._keras import keras
from nstlib.networks.any_style import frozen_features, means_and_deviations
from nstlib.networks.decoder import WIDTHS, FeatureDecoder
from nstlib.training.any_style import losses
from nstlib.training.any_style.pictures import Batches, Pack
from nstlib.training.loop import LossModel, begin, check_options, fit
from nstlib.vgg19 import vgg19_with

ops = keras.ops

#: Where means and deviations are compared: from the picture itself to the coarsest layer.
STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")

#: What is reported.
TERMS = ("loss", "content", "style", "pixels")


def adain(content: Any, style: Any) -> Any:
    """Adaptive instance normalization: content (B, H, W, C) with the statistics of style.

    Parameters
    ----------
    content, style : tensor of float, shapes (B, H, W, C) and (B, h, w, C)
        Features of the same layer.

    Returns
    -------
    tensor of float, shape (B, H, W, C)
    """
    mean, deviation = means_and_deviations(content)
    wanted_mean, wanted_deviation = means_and_deviations(style)
    return (content - mean) / deviation * wanted_deviation + wanted_mean


class Teacher(LossModel):
    """Everything that a step of training needs, as one model: photographs and styles to losses.

    Half of what the decoder sees are a photograph's features with a style's statistics, half are
    the photograph's own. From the latter it is to give the photograph back.
    """

    def __init__(
        self,
        layer: str,
        weights: str,
        style_weight: float,
        pixel_weight: float,
        dtype: str,
    ) -> None:
        super().__init__(name="teacher")
        self.layer, self.style_weight, self.pixel_weight = layer, style_weight, pixel_weight
        wanted = dict.fromkeys([*STYLE_LAYERS, layer])
        self.judge = frozen_features(vgg19_with(weights), wanted, dtype)
        self.decoder = FeatureDecoder(layer, self.judge.output[layer].shape[-1])
        self.trackers = {name: keras.metrics.Mean(name=name) for name in TERMS[1:]}

    def call(self, pair: Any) -> Any:
        """Losses of a batch of photographs and styles, uint8, (B, H, W, 3) each."""
        photos, styles = (ops.cast(pictures, "float32") / 255.0 for pictures in pair)
        seen = {
            name: ops.stop_gradient(ops.cast(x, "float32"))
            for name, x in self.judge(ops.concatenate([photos, styles])).items()
        }
        content, style = ops.split(seen[self.layer], 2)
        given = ops.concatenate([adain(content, style), content])
        painted = ops.cast(self.decoder(given), "float32")
        found = {name: ops.cast(x, "float32") for name, x in self.judge(painted).items()}
        # Relative to what is compared with, so that no style outweighs the others.
        by_layer = []
        for name in STYLE_LAYERS:
            mean, deviation = means_and_deviations(ops.split(found[name], 2)[0])
            wanted_mean, wanted_deviation = means_and_deviations(ops.split(seen[name], 2)[1])
            off = ops.square(mean - wanted_mean) + ops.square(deviation - wanted_deviation)
            size = ops.square(wanted_deviation) + 1e-3 * ops.square(wanted_mean)
            by_layer.append(ops.sum(off, axis=(1, 2, 3)) / ops.sum(size, axis=(1, 2, 3)))
        terms = {
            "content": ops.mean(ops.log1p(losses.content_losses(found[self.layer], given))),
            "style": ops.mean(ops.log1p(ops.stack(by_layer))),
            "pixels": ops.mean(ops.abs(ops.split(painted, 2)[1] - photos)),
        }
        loss = (
            terms["content"]
            + self.style_weight * terms["style"]
            + self.pixel_weight * terms["pixels"]
            + losses.beyond(painted)
        )
        return {"loss": loss, **terms}


def train_decoder(
    pack: Pack,
    layer: str = "block4_conv1",
    *,
    steps: int = 8000,
    size: int = 256,
    batch: int = 8,
    style_weight: float = 2.0,
    pixel_weight: float = 2.0,
    learning_rate: float = 1e-3,
    weights: str = "mini",
    dtype: str = "float32",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int = 100,
    workers: int = 1,
    report: Callable[[int, dict[str, float], float], object] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> keras.Model:
    """Train a decoder.

    Parameters
    ----------
    pack : Pack
        Photographs and styles, see :mod:`nstlib.training.any_style.pictures`.
    layer : {"block4_conv1", "block3_conv1"}
        See :func:`nstlib.networks.decoder.FeatureDecoder`.
    steps : int
        How often it is changed.
    size, batch : int
        Side of the crops in pixels, a multiple of 8, 32 or more; and how many pairs at a time.
    style_weight, pixel_weight : float
        Factors of the loss's terms beside the content's, 0 or more.
    learning_rate : float
        Adam's, at first; it falls along a cosine.
    weights : str, default "mini"
        Of the VGG19 whose features they are.
    dtype : {"float32", "mixed_bfloat16", "mixed_float16"}
        What VGG19 computes with.
    seed : int
        Of the decoder and of what it sees.
    checkpoint : str or pathlib.Path, optional
        A file for the state. If it is there, the training goes on from it.
    every, workers, report, stop
        See :func:`nstlib.training.loop.fit`.

    Returns
    -------
    keras.Model
        See :func:`nstlib.networks.decoder.FeatureDecoder`. If `stop` ended the training, as it is
        then.

    Raises
    ------
    ArgumentError
        For values outside those above, a checkpoint of another training, or if a loss becomes NaN
        or infinite.
    OutputError
        If `checkpoint` cannot be written.
    WeightsError
        If `weights` cannot be had.

    Warns
    -----
    NstWarning
        If the checkpoint cannot be written any more.
    """
    check_choice("layer", layer, WIDTHS)
    check_options(every, workers, report, stop)
    settings = {
        "layer": layer,
        "steps": check_count("steps", steps),
        "size": size,
        "batch": batch,
        "style_weight": check_number("style_weight", style_weight, least=0),
        "pixel_weight": check_number("pixel_weight", pixel_weight, least=0),
        "learning_rate": check_number("learning_rate", learning_rate, above=0),
        "weights": str(weights),
        "dtype": dtype,
        "seed": check_count("seed", seed, 0),
    }
    batches = Batches(pack, size, batch, seed)
    settings["pack"] = checksum(pack.pictures())
    vgg19_with(weights)  # building it, the first time, would use up random numbers
    keras.utils.set_random_seed(seed)
    teacher = Teacher(layer, weights, style_weight, pixel_weight, dtype)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1.0)
    state, _ = begin(teacher, optimizer, checkpoint, settings)
    fit(
        teacher,
        batches,
        state,
        steps=steps,
        every=every,
        workers=workers,
        report=report,
        stop=stop,
    )
    return teacher.decoder
