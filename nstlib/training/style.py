"""Teach a network one style.

The optimiser of :mod:`nstlib.synthesis` searches anew for every picture. A network learns once.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tqdm.auto
from numpy.typing import ArrayLike

from nstlib._checks import (
    check_count,
    check_function,
    check_kind,
    check_number,
    check_path,
    refusal,
)
from nstlib._files import Checksum, checksum, checksum_of_names
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError, ImageError
from nstlib.features import (
    CONTENT_LAYERS,
    SMALLEST_SIDE,
    STYLE_LAYERS,
    check_sides,
    feature_extractor,
)
from nstlib.images.arrays import Image, check_image
from nstlib.images.resizing import resize
from nstlib.losses import channel_statistics, content_loss, style_loss, total_variation_loss
from nstlib.networks.transformer import TransformerNet
from nstlib.optimize import is_true
from nstlib.sources import load_image
from nstlib.training.photos import cached_photo, random_crop, warn_of_damaged
from nstlib.training.pipeline import Pipeline
from nstlib.training.state import TrainingState, check_loss
from nstlib.vgg19 import check_weights

#: The layers at which Johnson et al. judge a painting's style.
JOHNSON_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")

#: Those that judge here. The layers of a transfer lie at the beginning of their blocks and see
#: less: by them alone a network learns to fake grain with a weave. Johnson's alone leave dark and
#: light too near to each other, and nothing of block 5. Together they give strokes and colours.
JUDGING_LAYERS = (*STYLE_LAYERS, *JOHNSON_LAYERS)

#: How many photos in a row may be damaged before a training gives up.
PATIENCE = 20


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Mean over the steps since the last report.
    terms : dict of str to float
        Likewise, of the loss's terms: ``content``, ``style``, ``tv`` and ``lattice``, before their
        factors, where these are above 0.
    seconds : float
        Since this call began.
    remaining : float
        Seconds that the other steps will take, at the pace so far.
    preview : ndarray of float32, shape (H, W, 3), or None
        The photograph that was given as `preview`, as the network paints it now.
    """

    step: int
    loss: float
    terms: dict[str, float]
    seconds: float
    remaining: float
    preview: Image | None = field(repr=False, default=None)


class StyleTrainer:
    """A network together with the loss that it learns by, and the optimiser that changes it.

    Parameters
    ----------
    network : keras.Model
        From pictures to pictures, (B, H, W, 3). While it learns, its values lie around 0, in [-1,
        1]; :func:`to_bytes` makes it one for the 0..255 scale.
    style : ndarray of float32, shape (h, w, 3)
        RGB in [0, 1], at the size at which its strokes are to come out.
    factors : dict of str to float
        Of the loss's terms, ``content``, ``style``, ``tv`` and ``lattice``; a term without one is
        left out.
    optimizer : keras.optimizers.Optimizer
        Without clipping of its own: that would see only one machine's part of the gradient.
    weights, precision : str
        See :func:`nstlib.feature_extractor`.
    """

    def __init__(
        self,
        network: keras.Model,
        style: Image,
        factors: dict[str, float],
        optimizer: keras.optimizers.Optimizer,
        weights: str,
        precision: str = "float32",
    ) -> None:
        self.network = network
        self.factors = factors
        self.optimizer = optimizer
        self.optimizer.build(network.trainable_variables)
        self.extractor = feature_extractor(
            [*JUDGING_LAYERS, *CONTENT_LAYERS], weights, padding="replicate", precision=precision
        )
        features = self.extractor(style[np.newaxis])
        self.targets = {layer: channel_statistics(features[layer]) for layer in JUDGING_LAYERS}

    def paint(self, photos: tf.Tensor) -> tf.Tensor:
        """Paint a batch of photographs, RGB in [0, 1]; values may lie a little outside."""
        return 0.5 + 0.5 * self.network(2.0 * photos - 1.0)

    def losses(self, photos: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compare the paintings of a batch with the photographs and the style.

        Returns
        -------
        dict of str to tensor of float, shape ()
            Each term, and under ``loss`` their weighted sum, which is minimised. Means over the
            batch.
        """
        painted = self.paint(photos)
        contents, features = self.extractor(photos), self.extractor(painted)
        terms = {
            "content": content_loss(features, {name: contents[name] for name in CONTENT_LAYERS}),
            "style": style_loss(features, self.targets),
            "tv": total_variation_loss(painted),
            "lattice": lattice(painted),
        }
        terms = {name: terms[name] for name in self.factors}
        # A screen would cut off values outside [0, 1], so they cost something.
        beyond = tf.reduce_mean(tf.square(tf.nn.relu(tf.abs(painted - 0.5) - 0.5)))
        loss = tf.add_n([self.factors[name] * value for name, value in terms.items()])
        return {"loss": loss + 10.0 * beyond, **terms}

    def step(self, photos: tf.Tensor) -> dict[str, tf.Tensor]:
        """Change the network a little, by one replica's part of a batch."""
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            losses = self.losses(photos)
        gradients = tape.gradient(losses["loss"], [v.value for v in variables])
        # The whole batch's gradient is the mean of its parts'. Only that one may be clipped, and as
        # the optimiser will add up what all replicas give it, each gives its share.
        gradients = tf.distribute.get_replica_context().all_reduce("MEAN", gradients)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.optimizer.apply([gradient / replicas for gradient in gradients], variables)
        return losses


#: Pixels from a network's one coarsest feature to the next but one, and side of the windows.
_PERIOD, _WINDOW = 8, 32


def lattice(pictures: tf.Tensor) -> tf.Tensor:
    """Measure what repeats itself every eight pixels, or every four or two.

    Where a photograph is flat, a network has nothing but the grid of its own feature maps to make
    strokes of, and easily fills such parts with dots in rows and columns. Windows of 32 × 32 pixels
    are laid upon themselves in steps of eight: strokes even out, a lattice stays.

    Parameters
    ----------
    pictures : tensor of float, shape (B, H, W, C)
        Sides of 32 or more; what is left beyond a multiple of 32 does not count.

    Returns
    -------
    tensor of float, shape ()
        Mean square of what stays. 0 for a flat picture.
    """
    rows, columns = (side // _WINDOW for side in pictures.shape[1:3])
    detail = pictures - tf.nn.avg_pool2d(pictures, _PERIOD, 1, "SAME")
    detail = detail[:, : rows * _WINDOW, : columns * _WINDOW]
    repeats = _WINDOW // _PERIOD
    shape = [-1, rows, repeats, _PERIOD, columns, repeats, _PERIOD, pictures.shape[-1]]
    windows = tf.reshape(detail, shape)
    return tf.reduce_mean(tf.square(tf.reduce_mean(windows, axis=(2, 5))))


def to_bytes(network: keras.Model) -> None:
    """Turn a network for pictures around 0, in [-1, 1], into one for the 0..255 scale, in place.

    The change of scale goes into the first convolution and the last, or the scale and shift after
    it. These are linear, so the network needs no layer for it. Reflected borders don't disturb it.

    Parameters
    ----------
    network : keras.Model
        (B, H, W, 3) → (B, H, W, 3).

    Raises
    ------
    ArgumentError
        If the network does not begin and end with such layers.
    """
    _rescale(network, lambda kernel, bias: (kernel / 127.5, bias - kernel.sum(axis=(0, 1, 2))), 0)
    _rescale(network, lambda kernel, bias: (kernel * 127.5, 127.5 * (bias + 1.0)), -1)


def from_bytes(network: keras.Model) -> None:
    """Undo :func:`to_bytes`, in place, so that a network can be trained further.

    Parameters and errors are those of :func:`to_bytes`.
    """
    _rescale(
        network, lambda kernel, bias: (kernel * 127.5, bias + 127.5 * kernel.sum(axis=(0, 1, 2))), 0
    )
    _rescale(network, lambda kernel, bias: (kernel / 127.5, bias / 127.5 - 1.0), -1)


def _rescale(
    network: keras.Model, change: Callable[[Any, Any], tuple[Any, Any]], which: int
) -> None:
    layer = _linear_ends(network)[which]
    layer.set_weights(change(*layer.get_weights()))


def _linear_ends(network: keras.Model) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """Find the layers that take over a change of scale, before a training finds out in the end."""
    check_kind("network", network, keras.Model, "a keras.Model")
    weighted: list[Any] = [layer for layer in network.layers if layer.weights] or [None]
    first, last = weighted[0], weighted[-1]
    if (
        not isinstance(first, keras.layers.Conv2D)
        or not first.use_bias
        or first.kernel.shape[2] != 3
        or (first.padding == "same" and max(first.kernel_size) > 1)  # zeros: on which scale?
        or isinstance(last, keras.Model)  # which may hide an activation
        or [tuple(v.shape) for v in last.weights[1:]] != [(3,)]
        or last is not network.layers[-1]
        or getattr(last, "activation", None) not in (None, keras.activations.linear)
    ):
        raise ArgumentError(
            "network must turn RGB into RGB: from a convolution of three channels, with a bias and "
            "padding='valid', to a convolution to three channels, with a bias and no activation",
            command="--start is a network that does not turn RGB into RGB as a style network does: "
            "from a convolution with a bias and padding='valid' to another, with no activation",
        )
    return first, last


def train_style(
    style: ArrayLike,
    photos: Sequence[str | Path],
    *,
    network: keras.Model | None = None,
    size: int = 256,
    style_size: int | None = None,
    steps: int = 2000,
    batch: int = 4,
    learning_rate: float = 2e-3,
    weights: str | None = None,
    precision: str = "float32",
    content_weight: float = 0.2,
    style_weight: float = 1.0,
    tv_weight: float = 3.0,
    lattice_weight: float = 30.0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    preview: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    every: int = 100,
    stop: Callable[[], bool] | None = None,
    progress: bool = True,
) -> keras.Model:
    """Teach a network to paint any photograph in one style.

    Photographs are taken in batches of random crops. Each is painted by the network, and the
    painting is compared with the photograph and the style by a loss like that of
    :func:`nstlib.transfer_style`, with the style at :data:`JUDGING_LAYERS` and with
    :func:`lattice`; but instead of the picture, the network is changed.

    Several graphics cards or machines share each batch where this is called within the ``scope()``
    of a ``tf.distribute`` strategy, mirrored or multi-worker mirrored: the network that comes out
    is the one that a single machine gives.

    Parameters
    ----------
    style : array_like of float, shape (h, w, 3)
        RGB in [0, 1].
    photos : sequence of str or pathlib.Path
        Files of photographs, of any content. Those that turn out to be damaged are left out, which
        is said at the end.
    network : keras.Model, optional
        What to train, from (B, H, W, 3) to (B, H, W, 3); by default a new
        :func:`nstlib.TransformerNet`. It is changed in place. One that was trained before
        goes through :func:`from_bytes` first. It begins with a convolution and ends with one, or
        with an instance normalization, as :func:`to_bytes` wants it.
    size : int, default 256
        Side of the crops in pixels, a multiple of 4.
    style_size : int, optional
        Longest side to which the style is reduced: half as large makes strokes half as large. It is
        never enlarged. By default its own size.
    steps, batch : int
        How many steps, of how many crops; with a strategy, of all replicas together.
    learning_rate : float, default 2e-3
        Adam's. It rises over the first tenth of the steps, 100 at most, and falls to zero along a
        cosine.
    weights, precision : str, optional
        Of the features that judge; see :func:`nstlib.feature_extractor`.
    content_weight, style_weight, tv_weight, lattice_weight : float
        Factors of the loss's terms. The last one's is :func:`lattice`: less for a style that is
        itself made of rows and columns.
    seed : int, default 0
        Of the crops; and of the weights, where `network` is not given.
    checkpoint : str or pathlib.Path, optional
        A file for the state, saved with every report. If it is there, the training goes on from
        it. Machines that train together need to see the same one.
    preview : array_like of float, shape (H, W, 3), optional
        A photograph, RGB in [0, 1]; `callback` gets it as the network paints it by then.
    callback : callable, optional
        Called with a :class:`Progress` after `every` steps, and at the end; if it returns True, the
        training ends there.
    every : int, default 100
        Steps from one report to the next.
    stop : callable, optional
        Asked after every step; if it says True, the training ends there, as from the keyboard.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    keras.Model
        `network`, for pictures on the 0..255 scale. When the training is interrupted from the
        keyboard, as it is then.

    Raises
    ------
    ArgumentError
        For values outside those above, a checkpoint of another training, or if the loss becomes
        NaN or infinite. What was saved before stays.
    ImageError
        If `style` or `preview` is not an image, or a file of `photos` is absent.
    KeyboardInterrupt
        If it is interrupted before this call's first step is done.
    OutputError
        If `checkpoint` cannot be written.

    Warns
    -----
    NstWarning
        For damaged photographs, and if the checkpoint cannot be written any more.

    Notes
    -----
    This is a loop of its own because Keras 3's ``fit`` does not run under
    ``MultiWorkerMirroredStrategy``: it stops when it looks at the first batch to build the model,
    and would stop again where it averages each step's losses over the machines.

    References
    ----------
    J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016.

    Examples
    --------
    ::

        network = train_style(load_image("mosaic"), sorted(Path("photos").glob("*.jpg")))
        painted = network(255 * load_image("chelsea")[np.newaxis])[0] / 255
    """
    style = check_image(style, "style")
    if network is not None:
        _linear_ends(network)
    if style_size is not None:
        check_count("style_size", style_size)
    if callback is not None:
        check_function("callback", callback, "a function that takes a Progress, or None")
    if stop is not None:
        check_function("stop", stop, "a function that returns True to end, or None")
    weights = check_weights(weights)
    factors = {
        "content": content_weight,
        "style": style_weight,
        "tv": tv_weight,
        "lattice": lattice_weight,
    }
    files = _files_of(photos)
    size, factors = _check(size, factors)
    learning_rate = check_number("learning_rate", learning_rate, above=0)
    steps, batch = check_count("steps", steps), check_count("batch", batch)
    every, seed = check_count("every", every), check_count("seed", seed, 0)
    strategy = tf.distribute.get_strategy()
    if batch % strategy.num_replicas_in_sync:
        raise ArgumentError(
            f"batch is {batch}; {strategy.num_replicas_in_sync} replicas share it: it is a "
            "multiple of that"
        )
    shown = None if preview is None else check_image(preview, "preview")
    if network is None:
        keras.utils.set_random_seed(seed)
        network = TransformerNet()

    judged = style
    if style_size is not None and max(style.shape) > style_size:
        judged = resize(style, style_size)
    limited = style_size is not None and max(judged.shape) >= style_size
    larger = "give a larger style size, or crop a narrow picture" if limited else None
    check_sides("style", judged.shape[:2], larger, command="STYLE")
    trainer = StyleTrainer(
        network,
        judged,
        {name: factor for name, factor in factors.items() if factor > 0},
        keras.optimizers.Adam(_schedule(learning_rate, steps)),
        weights,
        precision,
    )
    state = TrainingState(
        checkpoint,
        [*network.trainable_variables, *trainer.optimizer.variables],
        {
            "style": checksum([style]),
            "photos": checksum_of_names(files),
            "network": Checksum(zlib.crc32(repr([v.shape for v in network.variables]).encode())),
            "size": size,
            "style_size": style_size,
            "steps": steps,
            "batch": batch,
            "learning_rate": learning_rate,
            "weights": weights,
            # States from before it could be chosen have none.
            **({} if precision == "float32" else {"precision": precision}),
            "factors": factors,
            "seed": seed,
        },
    )
    state.load()
    damaged: dict[Path, str] = {}
    pipeline = crops_of(files, size, batch, seed, damaged)
    log = _Log(trainer, state, steps, learning_rate, shown, callback)

    @tf.function
    def step(photos: tf.Tensor) -> dict[str, tf.Tensor]:
        losses = strategy.run(trainer.step, args=(photos,))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in losses.items()}

    first = log.done
    batches = strategy.distribute_datasets_from_function(
        lambda context: pipeline.dataset(first, context)
    )
    with tqdm.auto.tqdm(initial=first, total=steps, disable=not progress) as bar:
        try:
            with pipeline.errors():
                for (crops,) in batches if first < steps else ():
                    log.add(step(crops))
                    bar.update()
                    if (log.done % every == 0 or log.done == steps) and log.report(bar):
                        break
                    if log.done == steps:
                        break
                    if stop is not None and stop():
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            if log.done == first:
                raise
            log.report(bar)
    if damaged:
        reasons = [damaged[file] for file in sorted(damaged)]
        warn_of_damaged("the photographs that were looked at", reasons)
    to_bytes(network)
    return network


class _Log:
    """Counts the steps of a training, and reports what they gave on average."""

    def __init__(
        self,
        trainer: StyleTrainer,
        state: TrainingState,
        steps: int,
        learning_rate: float,
        shown: Image | None,
        callback: Callable[[Progress], object] | None,
    ) -> None:
        self._trainer = trainer
        self._state = state
        self._steps = steps
        self._learning_rate = learning_rate
        self._shown = shown
        self._callback = callback
        self._first = self.done = int(trainer.optimizer.iterations.numpy())
        self._recent: list[dict[str, tf.Tensor]] = []
        self._began = time.perf_counter()

    def add(self, losses: dict[str, tf.Tensor]) -> None:
        """Count a step."""
        self._recent.append(losses)
        self.done += 1

    def report(self, bar: Any) -> bool:
        """Save the state, and tell what the last steps gave; return whether the training ends."""
        if not self._recent:
            return False
        means = {
            name: float(np.mean([losses[name] for losses in self._recent]))
            for name in self._recent[0]
        }
        self._recent.clear()
        loss = means.pop("loss")
        weights = self._trainer.network.trainable_variables
        check_loss(loss, self.done, self._learning_rate, weights=weights)
        bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
        self._state.save()
        if self._callback is None:
            return False
        painted = None
        if self._shown is not None:
            painted = self._trainer.paint(self._shown[np.newaxis])[0].numpy().clip(0.0, 1.0)
        seconds = time.perf_counter() - self._began
        remaining = (self._steps - self.done) * seconds / (self.done - self._first)
        seen = Progress(self.done, loss, means, seconds, remaining, painted)
        return is_true(self._callback(seen))


def _schedule(rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    rise = min(100, steps // 10)
    if rise == 0:
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.schedules.CosineDecay(
        rate / 20, steps - rise, warmup_target=rate, warmup_steps=rise
    )


def crops_of(
    photos: Sequence[str | Path],
    size: int,
    batch: int,
    seed: int,
    damaged: dict[Path, str] | None = None,
) -> Pipeline:
    """Make batches of random crops of photographs.

    Parameters
    ----------
    photos, size, batch, seed
        See :func:`train_style`.
    damaged : dict of pathlib.Path to str, optional
        Gets the files that cannot be read, with the reasons.

    Returns
    -------
    Pipeline
        Of arrays (batch, size, size, 3), RGB in [0, 1].
    """
    files = [Path(file) for file in photos]

    def example(random: np.random.Generator) -> tuple[Image]:
        for attempt in range(PATIENCE):
            file = files[int(random.integers(len(files)))]
            try:
                photo = cached_photo(file, 2 * size)
                break
            except ImageError as error:
                if attempt == PATIENCE - 1:
                    raise
                if damaged is not None:
                    damaged[file] = error.command
        least = min(1.0, 0.6 * size / min(photo.shape[:2]))
        return (random_crop(random, photo, size, least),)

    return Pipeline(example, [(size, size, 3)], batch, seed)


def _files_of(photos: Sequence[str | Path]) -> list[Path]:
    accepted = "a list of files of photographs"
    if isinstance(photos, str | Path):
        raise refusal("photos", photos, accepted)
    check_kind("photos", photos, Iterable, accepted)
    files = [check_path("a photograph", photo) for photo in photos]
    if not files:
        raise refusal("photos", photos, accepted)
    for file in files:
        if not file.is_file():
            load_image(file)  # says what is wrong
    return files


def _check(size: int, factors: dict[str, float]) -> tuple[int, dict[str, float]]:
    size = check_count("size", size, 0)
    if size < SMALLEST_SIDE or size % 4:
        raise refusal("size", size, f"a multiple of 4, {SMALLEST_SIDE} or more")
    factors = {name: check_number(f"{name}_weight", f, least=0) for name, f in factors.items()}
    if not factors["content"] + factors["style"]:
        raise ArgumentError(
            "content_weight and style_weight are 0; at least one is above 0",
            command="--content-weight and --style-weight are 0; at least one is above 0",
        )
    return size, factors
