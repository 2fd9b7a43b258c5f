"""The whole way: from VGG19 and folders of pictures to the twin."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tqdm.auto
from numpy.typing import NDArray

from nstlib._checks import (
    check_choice,
    check_count,
    check_counts,
    check_function,
    check_number,
    refusal,
)
from nstlib._files import SavedState, checksum
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.images.arrays import from_uint8
from nstlib.training.photos import random_crop
from nstlib.training.state import check_loss
from nstlib.training.twin.distillation import Adam, Distiller
from nstlib.training.twin.layers import Params, forward, network_of, params_of, preprocess
from nstlib.training.twin.painting import Painter
from nstlib.training.twin.pictures import Pictures, Pools
from nstlib.training.twin.start import basis_of, closed_form_student
from nstlib.vgg19 import CONVOLUTIONS, pooling_of

#: The channels of the twin's convolutions: what pays most at one eighth of VGG19's time. Block 2
#: passes on to all the others what it kept, and block 5's first layer costs nearly nothing.
WIDTHS = (16, 16, 48, 48, 64, 64, 64, 64, 160, 160, 160, 160, 384, 256, 256, 256)

#: After how many steps the training is measured and saved.
EVERY = 100

#: Crops that are painted, measured or put into closed form at a time.
_FEW, _MANY = 8, 12


@dataclass(frozen=True)
class Settings:
    """What a training is asked for.

    Attributes
    ----------
    steps : int
        How often the twin is changed.
    size : int
        Side of the crops in pixels, a multiple of 4, 64 or more.
    batch : int
        Crops that it learns from at a time.
    seed : int
        Of all that is drawn by chance.
    widths : tuple of int
        The twin's channels by layer. It gets no more than its teacher has.
    rate : float
        Adam's, relative to the size of each kernel; it falls along a cosine.
    start : int
        Batches of twelve crops for the closed form.
    uses : int
        How often a batch is learned from, on average: VGG19's answer costs twice what the twin's
        step does.
    own_share : float
        The share of crops that are cut from the twin's own pictures; less than 1.
    pair_share : float
        The share of steps that compare the twin's own pictures with what they were made from.
    own_every : int
        After how many steps eight more of them are made.
    own_from : float
        From which part of the run on.
    iterations : tuple of (int, int, int)
        How long a picture of its own is worked on, at a quarter of `size`, half of it, and `size`.
    dtype : {"bfloat16", "float32"}
        What the twin computes with while it is trained.

    Raises
    ------
    ArgumentError
        For values outside those above.
    """

    steps: int = 12000
    size: int = 128
    batch: int = 8
    seed: int = 0
    widths: tuple[int, ...] = WIDTHS
    rate: float = 3e-3
    start: int = 18
    uses: int = 3
    own_share: float = 0.3
    pair_share: float = 0.35
    own_every: int = 50
    own_from: float = 0.08
    iterations: tuple[int, int, int] = (30, 40, 60)
    dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        """Check everything."""
        for name in ("steps", "batch", "start", "uses", "own_every"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, 0)
        layers = len(CONVOLUTIONS)
        check_counts("widths", self.widths, (layers,), f"{layers} whole numbers, 1 or more each")
        accepted = "three whole numbers, 1 or more each"
        check_counts("iterations", self.iterations, (3,), accepted)
        check_number("rate", self.rate, above=0)
        for name in ("own_share", "pair_share", "own_from"):
            check_number(name, getattr(self, name), least=0, most=1)
        if self.own_share == 1:
            raise refusal("own_share", self.own_share, "a number, 0 or more and less than 1")
        check_choice("dtype", self.dtype, ("bfloat16", "float32"))
        if check_count("size", self.size, 0) < 64 or self.size % 4:
            raise refusal("size", self.size, "a multiple of 4, 64 or more")


@dataclass(frozen=True)
class Report:
    """How far a training has come.

    Attributes
    ----------
    step : int
        Steps done.
    learned, held, own : dict of str to float
        By layer the share of VGG19's variance that the twin leaves unexplained: of the crops that
        it learned from since the last report, of the pictures that were kept back, and of those
        that it made itself. Empty where there were none.
    seconds : float
        Since this call began.
    remaining : float
        Seconds that the other steps will take, at the pace so far.
    """

    step: int
    learned: dict[str, float]
    held: dict[str, float]
    own: dict[str, float]
    seconds: float
    remaining: float


@dataclass
class _Batch:
    """Pictures, and what is compared where.

    Attributes
    ----------
    images : ndarray of uint8, shape (B, S, S, 3)
    at : ndarray of int32, shape (2,)
        Which rows and columns of the large blocks are compared.
    padding : str
        What lies beyond the border.
    seen : dict of str to tensor, optional
        What VGG19 says, once it was asked.
    """

    images: NDArray[np.uint8]
    at: NDArray[np.int32]
    padding: str = "replicate"
    seen: Any = None


class Training:
    """A distillation that goes on from where it stopped.

    Parameters
    ----------
    teacher : keras.Model
        VGG19.
    pools : mapping of str to (float, list of ndarray)
        See :class:`nstlib.training.twin.pictures.Pictures`.
    scaling : sequence of ndarray of uint8
        Photographs over which the twin's layers are normalised.
    held : sequence of ndarray of uint8
        Pictures to measure on, not among `pools`.
    settings : Settings
        What else there is to choose.
    checkpoint : str or pathlib.Path, optional
        A file for the state. If it is there, the training goes on from it.
    """

    #: Batches and pairs that are kept to be learned from again, and own pictures to cut from.
    BATCHES, PAIRS, OWN = 40, 30, 640

    def __init__(
        self,
        teacher: keras.Model,
        pools: Pools,
        scaling: Sequence[NDArray[np.uint8]],
        held: Sequence[NDArray[np.uint8]] = (),
        settings: Settings = Settings(),
        checkpoint: str | Path | None = None,
    ) -> None:
        self.settings = settings
        self.scaling = scaling
        self.pictures = Pictures(pools, settings.seed)
        self.own = np.empty((0, settings.size, settings.size, 3), np.uint8)
        self.batches: list[_Batch] = []
        self.pairs: list[_Batch] = []
        self.step = 0
        self.state = None
        weights = params_of(teacher)
        poolings = pooling_of(teacher), "average"
        saved = None
        if checkpoint is not None:
            pictures = [picture for _, images in pools.values() for picture in images]
            self.state = SavedState(
                checkpoint,
                {
                    **asdict(settings),
                    "teacher": checksum(kernel for kernel, _ in weights.values()),
                    "pictures": checksum([*pictures, *scaling]),
                },
            )
            saved = self.state.read(_understood)
        if saved is None:
            side = min(settings.size, 112)
            first = [self.pictures.batch(_MANY, side) for _ in range(settings.start)]
            seen = [_floats(batch) for batch in first]
            params, heads, _ = closed_form_student(
                weights, seen, settings.widths, poolings=poolings
            )
            basis = basis_of(params, weights, seen, poolings=poolings)
        else:
            basis = saved["basis"]
        self.distiller = Distiller(weights, basis, poolings=poolings, dtype=settings.dtype)
        if saved is None:
            self.distiller.set(params, heads)
        else:
            self.distiller.variables = {n: tf.Variable(v) for n, v in saved["variable"].items()}
        self.adam = Adam(self.distiller.variables)
        if saved is not None:
            self.step = int(saved["run"]["step"])
            self.adam.load(saved, self.step)
            self.pictures.random.bit_generator.state = json.loads(str(saved["run"]["random"]))
            self.own = saved["run"]["own"]
            self._cut_from_own()
            of = saved["batches"]
            self.batches = [
                _Batch(images, at, str(padding))
                for images, at, padding in zip(of["images"], of["at"], of["padding"], strict=True)
            ]
            self.pairs = [_pair(images) for images in saved["run"]["pairs"]]
        self.painter = Painter(settings.dtype, settings.iterations)
        random = np.random.default_rng(settings.seed)
        crops = [random_crop(random, picture, settings.size, 0.5) for picture in held]
        self.held = [_pair(_bytes(crops[i : i + _MANY])) for i in range(0, len(crops), _MANY)]
        self._begin_counting()

    def run(
        self,
        *,
        callback: Callable[[Report], object] | None = None,
        stop: Callable[[], bool] | None = None,
        progress: bool = True,
    ) -> None:
        """Train to the end, or until `stop`, asked after every step, says True.

        Raises
        ------
        ArgumentError
            If `callback` or `stop` is no function, or the loss becomes NaN or infinite. What was
            saved before stays.
        """
        if callback is not None:
            check_function("callback", callback, "a function that takes a Report, or None")
        if stop is not None:
            check_function("stop", stop, "a function that returns True to end, or None")
        first, began, steps = self.step, time.perf_counter(), self.settings.steps
        with tqdm.auto.tqdm(initial=first, total=steps, disable=not progress) as bar:
            while self.step < steps:
                self.learn()
                bar.update()
                stopped = stop is not None and stop()
                if self.step % EVERY == 0 or self.step == steps or stopped:
                    self.save()
                    seconds = time.perf_counter() - began
                    each = seconds / (self.step - first)
                    if callback is not None:
                        callback(self.report(seconds, each * (steps - self.step)))
                if stopped:
                    break

    def learn(self) -> None:
        """Take a step, and before it make own pictures where it is time for them."""
        asked, random = self.settings, self.pictures.random
        done = self.step / asked.steps
        if done >= asked.own_from and self.step % asked.own_every == 0:
            self.paint()
        in_pairs = bool(self.pairs) and random.random() < asked.pair_share
        if in_pairs:
            batch = self.pairs[int(random.integers(len(self.pairs)))]
        elif random.random() < 1 / asked.uses or len(self.batches) < _MANY:
            batch = self._new_batch()
            self.batches = [*self.batches, batch][-self.BATCHES :]
        else:
            batch = self.batches[int(random.integers(len(self.batches)))]
        warm = min(1.0, (self.step + 1) / min(150, 1 + asked.steps // 10))
        rate = asked.rate * warm * max(0.01, 0.5 + 0.5 * math.cos(math.pi * done))
        errors, gradients = self.distiller.train(*self._seen(batch), in_pairs)
        self._check(float(tf.reduce_mean(errors)), self.step + 1)
        self.adam.apply(gradients, tf.constant(rate, tf.float32))
        self.step += 1
        if not in_pairs:
            self.errors.append(errors.numpy())

    def _cut_from_own(self) -> None:
        """Let crops be cut from the twin's own pictures as well, once there are any."""
        if len(self.own):
            share = self.settings.own_share
            self.pictures.pools["own"] = share / (1 - share), list(self.own)

    def paint(self) -> None:
        """Make eight pictures, measure on them, and keep them to learn from."""
        asked, random = self.settings, self.pictures.random
        sources, contents = (
            np.stack([self.pictures.plain(asked.size) for _ in range(_FEW)]) for _ in range(2)
        )
        # Every third is a transfer.
        weight = np.where(np.arange(_FEW) % 3 == 2, random.uniform(0.1, 0.5, _FEW), 0.0)
        params = self.distiller.params(self.adam.values())
        early, final = self.painter.paint(
            params, sources, contents, weight.astype(np.float32), random
        )
        given, unfinished, finished = map(_bytes, (sources, early, final))
        self.own = np.concatenate([self.own, unfinished, finished])[-self.OWN :]
        self._cut_from_own()
        chosen = (finished, slice(0, 4)), (finished, slice(4, 8)), (unfinished, slice(2, 6))
        for made, some in chosen:
            batch = _pair(np.concatenate([given[some], made[some]]))
            self.pairs = [*self.pairs, batch][-self.PAIRS :]
            if made is finished:
                self.own_errors.append(self._judged(batch))

    def report(self, seconds: float, remaining: float) -> Report:
        """Measure, and tell what was measured since the last report."""
        held = [self._judged(batch) for batch in self.held]
        learned, of_held, own = (
            dict(zip(CONVOLUTIONS, np.mean(found, axis=0).tolist(), strict=True)) if found else {}
            for found in (self.errors, held, self.own_errors)
        )
        self._begin_counting()
        return Report(self.step, learned, of_held, own, seconds, remaining)

    def save(self) -> None:
        """Write the state, unless the last step has spoiled it."""
        self._check(0.0, self.step, weights=self.distiller.variables.values())
        if self.state is None:
            return
        arrays: dict[str, Any] = {
            "run/step": self.step,
            "run/random": np.array(json.dumps(self.pictures.random.bit_generator.state)),
            "run/own": self.own,
            "run/pairs": _stacked([batch.images for batch in self.pairs]),
            "batches/images": _stacked([batch.images for batch in self.batches]),
            "batches/at": _stacked([batch.at for batch in self.batches]),
            "batches/padding": np.array([batch.padding for batch in self.batches]),
        }
        arrays |= {f"basis/{name}": v.numpy() for name, v in self.distiller.basis.items()}
        arrays |= {f"variable/{name}": v.numpy() for name, v in self.distiller.variables.items()}
        self.state.write(**arrays, **self.adam.state())

    def twin(self) -> keras.Model:
        """Return the twin as it is now, its layers normalised."""
        values = self.adam.values()
        params = {n: (p[0].numpy(), p[1].numpy()) for n, p in self.distiller.params(values).items()}
        return network_of(normalized(params, self.scaling), "average")

    def _check(self, loss: float, step: int, **weights: Any) -> None:
        check_loss(loss, step, self.settings.rate, "the rate in settings", **weights)

    def _new_batch(self) -> _Batch:
        random = self.pictures.random
        at = random.integers(0, 2, 2).astype(np.int32)
        padding = "replicate" if random.random() < 0.65 else "SAME"
        return _Batch(self.pictures.batch(self.settings.batch, self.settings.size), at, padding)

    def _seen(self, batch: _Batch) -> tuple[Any, ...]:
        images, at = tf.constant(_floats(batch.images)), tf.constant(batch.at)
        if batch.seen is None:
            batch.seen = self.distiller.see(images, at, batch.padding)
        return images, batch.seen, at, batch.padding

    def _judged(self, batch: _Batch) -> NDArray[np.float32]:
        """Share that the twin, the running mean, leaves unexplained, by layer."""
        errors: NDArray[np.float32] = self.distiller.judge(
            self.adam.values(), *self._seen(batch)
        ).numpy()
        return errors

    def _begin_counting(self) -> None:
        self.errors: list[NDArray[np.float32]] = []
        self.own_errors: list[NDArray[np.float32]] = []


def train_twin(
    teacher: keras.Model,
    pools: Pools,
    *,
    held: Sequence[NDArray[np.uint8]] = (),
    settings: Settings = Settings(),
    checkpoint: str | Path | None = None,
    callback: Callable[[Report], object] | None = None,
    stop: Callable[[], bool] | None = None,
    progress: bool = True,
) -> keras.Model:
    """Distil VGG19 into its twin.

    Parameters
    ----------
    teacher : keras.Model
        VGG19; see :func:`nstlib.vgg19.vgg19_with`.
    pools : mapping of str to (float, list of ndarray)
        What it learns from; see :class:`nstlib.training.twin.pictures.Pictures`. Over every 60th of
        the first pool's pictures the twin's layers are normalised.
    held : sequence of ndarray of uint8
        Pictures to measure on, not among `pools`.
    settings : Settings
        How long, with how many channels, and so on.
    checkpoint : str or pathlib.Path, optional
        A file for the state, saved every 100 steps (about 150 MB). If it is there, the training
        goes on from it, to the very weights that it would have had without an interruption.
    callback : callable, optional
        Is told every 100 steps how far the training has come.
    stop : callable, optional
        Asked after every step; if it says True, the training ends there.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    keras.Model
        The twin, as :func:`nstlib.vgg19.build_vgg19` builds it.

    Raises
    ------
    ArgumentError
        For pools without a picture, a checkpoint of another training, or if the loss becomes NaN or
        infinite.
    OutputError
        If `checkpoint` cannot be written.

    Warns
    -----
    NstWarning
        If the checkpoint cannot be written any more.

    References
    ----------
    A. Romero, N. Ballas, S. Kahou, A. Chassang, C. Gatta and Y. Bengio, "FitNets: hints for thin
    deep nets", ICLR 2015.
    """
    # Of a smaller one block 5 has nothing left.
    first = next(iter(pools.values()))[1] if pools else []
    scaling = [photo for photo in first if min(photo.shape[:2]) >= 16][::60]
    if not scaling:
        raise ArgumentError(
            "the first pool has no picture of 16 pixels or more on its shorter side; give some",
            command="--photos has no picture of 16 pixels or more on its shorter side; give some",
        )
    training = Training(teacher, pools, scaling, held, settings, checkpoint)
    training.run(callback=callback, stop=stop, progress=progress)
    return training.twin()


def normalized(params: Params, photos: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    """Rescale each layer to a mean activation of 1 over `photos`.

    As Gatys et al. rescaled VGG19: convolution and ReLU are homogeneous, and what one kernel is
    divided by, the next is multiplied by. Style and content losses of all layers are then of about
    one size.
    """
    sizes = dict.fromkeys(CONVOLUTIONS, 0.0)
    fixed = {name: tuple(tf.constant(v) for v in params[name]) for name in CONVOLUTIONS}
    look = tf.function(lambda x: forward(fixed, x, "SAME", "average"), reduce_retracing=True)
    for photo in photos:
        for name, f in look(preprocess(tf.constant(from_uint8(photo)[np.newaxis]))).items():
            sizes[name] += float(tf.reduce_mean(f)) / len(photos)
    result, before = {}, 1.0
    for name in CONVOLUTIONS:
        kernel, bias = params[name]
        size = sizes[name] or 1.0  # a layer that never answers stays silent
        result[name] = kernel * (before / size), bias / size
        before = size
    return result


def _pair(images: NDArray[np.uint8]) -> _Batch:
    """Make a batch to measure on: always the same positions, and no black beyond the border."""
    return _Batch(images, np.array([0, 1], np.int32))


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(arrays) if arrays else np.empty(0)


def _bytes(images: Any) -> NDArray[np.uint8]:
    return np.rint(255 * np.asarray(images)).astype(np.uint8)


def _floats(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)


def _understood(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Sort the arrays of a saved state by what stands before the first stroke of their names."""
    sorted_: dict[str, dict[str, NDArray[Any]]] = {}
    for name in arrays:
        if name != "settings":
            kind, _, rest = name.partition("/")
            sorted_.setdefault(kind, {})[rest] = arrays[name]
    return sorted_
