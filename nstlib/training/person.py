"""Teach a network to find people, from photographs of people and masks of where they are."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import tqdm.auto
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.features import IMAGENET_MEAN_BGR
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.inference.segmenter import resize_for_network
from nstlib.networks.person import PERSON_SIDE, PersonNet
from nstlib.sources import load_image
from nstlib.training.photos import cached_photo, image_files
from nstlib.training.pipeline import Pipeline
from nstlib.training.squeezenet import load_squeezenet
from nstlib.training.state import TrainingState, check_loss

#: Steps in what Keras calls an epoch: from one saving of the state to the next.
EPOCH = 100

#: One photograph and its mask file; a photograph without people has none.
Sample: TypeAlias = tuple[Path, Path | None]

#: Pixels of a photograph's shorter side, at most, before it is cut.
_KEPT = 2 * PERSON_SIDE


def pairs(folder: str | Path) -> list[Sample]:
    """List the photographs in ``images`` and their masks of the same name in ``masks``.

    Raises
    ------
    ArgumentError
        If a folder or a mask is missing, or there are no photographs.
    """
    folder = Path(folder)
    found: list[Sample] = []
    for image in image_files([folder / "images"]):
        mask = folder / "masks" / f"{image.stem}.png"
        if not mask.is_file():
            raise ArgumentError(f"{image} has no mask: {mask} is not there")
        found.append((image, mask))
    return found


def from_squeezenet(network: keras.Model, path: str | Path) -> None:
    """Give a person network's encoder the weights of a trained SqueezeNet 1.1, in place.

    Parameters
    ----------
    network : keras.Model
        As :func:`nstlib.PersonNet` builds it.
    path : str or pathlib.Path
        SqueezeNet as ONNX; see :func:`nstlib.training.squeezenet.load_squeezenet`.

    Raises
    ------
    ArgumentError
        If the file's convolutions have other shapes.
    """
    last = "fire9/concat_1"
    known = [x for x in load_squeezenet(path, [last]).layers if isinstance(x, keras.layers.Conv2D)]
    own = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.name.startswith(("conv1", "fire"))
    ]
    shapes = [[tuple(x.kernel.shape) for x in layers] for layers in (known, own)]
    if shapes[0] != shapes[1]:
        raise ArgumentError(f"{path} is not SqueezeNet 1.1: its convolutions have other shapes")
    for layer, source in zip(own, known, strict=True):
        layer.set_weights(source.get_weights())
    # It was trained on BGR in 0..255 minus a mean; this network sees RGB in [-1, 1].
    kernel, bias = own[0].get_weights()
    shift = 127.5 - np.array(IMAGENET_MEAN_BGR, np.float32)
    bias = bias + np.einsum("yxio,i->o", kernel, shift)
    own[0].set_weights([127.5 * kernel[:, :, ::-1], bias])


def read_mask(path: Path) -> NDArray[np.float32]:
    """Read a mask (H, W): 1 where the file is white."""
    return load_image(path)[..., 0]


def augmented(
    random: np.random.Generator,
    people: Sequence[Sample],
    others: Sequence[str | Path],
    side: int = PERSON_SIDE,
) -> tuple[Image, NDArray[np.float32]]:
    """Make one example: a photograph, and a mask of the people in it.

    A person, cropped anywhere from the whole body to head and shoulders; a third of them cut out
    and pasted before another photograph; and, one in eight, a photograph without anybody. Then
    mirrored, turned a little, with other light, colours, blur, noise and JPEG's blocks.

    Parameters
    ----------
    random : numpy.random.Generator
        Makes all the random choices.
    people : sequence of (path, path or None)
        Photographs and their masks; see :func:`pairs`.
    others : sequence of str or pathlib.Path
        Photographs without people; may be empty.
    side : int
        Of the square, in pixels.

    Returns
    -------
    ndarray of float32, shape (side, side, 3)
        RGB in [0, 1].
    ndarray of float32, shape (side, side, 1)
        1 for a person, 0 for the background, between at the outline.

    Raises
    ------
    ImageError
        If a file cannot be read.
    ArgumentError
        If a mask has another shape than its photograph.
    """

    def other() -> Image:
        return from_uint8(cached_photo(Path(others[int(random.integers(len(others)))]), _KEPT))

    kind = random.random()
    if others and kind < 1 / 8:
        image = other()
        mask = np.zeros(image.shape[:2], np.float32)
    else:
        image, mask = _read(people[int(random.integers(len(people)))])
        if others and kind < 1 / 8 + 1 / 3 and mask.any():
            image = _pasted(random, image, mask, other())
    image, mask = _framed(random, image, mask, side)
    if random.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    image = _changed(random, np.ascontiguousarray(image))
    return image, np.ascontiguousarray(mask)[..., np.newaxis]


def _read(sample: Sample) -> tuple[Image, NDArray[np.float32]]:
    photo, file = sample
    image = from_uint8(cached_photo(photo, _KEPT))
    if file is None:
        return image, np.zeros(image.shape[:2], np.float32)
    mask = from_uint8(cached_photo(file, _KEPT))[..., 0]
    if mask.shape != image.shape[:2]:
        raise ArgumentError(f"{file} has another shape than its photograph, {photo}")
    return image, mask


def _pasted(
    random: np.random.Generator, image: Image, mask: NDArray[np.float32], ground: Image
) -> Image:
    """Put the person before another photograph, which covers the old background."""
    sides = mask.shape
    least = max(want / have for want, have in zip(sides, ground.shape[:2], strict=True))
    scale = least * random.uniform(1.0, 1.5)
    height, width = (math.ceil(side * scale) for side in ground.shape[:2])
    larger: NDArray[Any] = cv2.resize(ground, (width, height))
    y, x = (
        int(random.integers(0, have - want + 1))
        for have, want in zip(larger.shape[:2], sides, strict=True)
    )
    behind = larger[y : y + sides[0], x : x + sides[1]]
    alpha = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.5, 1.5))[..., np.newaxis]
    pasted: Image = behind + alpha * (image - behind)
    return pasted


def _framed(
    random: np.random.Generator, image: Image, mask: NDArray[np.float32], side: int
) -> tuple[Image, NDArray[np.float32]]:
    """Cut a window out, turned a little, and bring it to a square."""
    height, width = mask.shape
    window_y, window_x = height * random.uniform(0.6, 1.1), width * random.uniform(0.7, 1.1)
    centre_y, centre_x = height / 2, width / 2
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) and random.random() < 0.6:  # closer, from the head down
        tall = rows[-1] - rows[0] + 1
        window_y = min(height, tall * random.uniform(0.25, 0.8) * 1.15)
        window_x = min(width * 1.1, window_y * random.uniform(0.6, 1.8))
        centre_y = rows[0] - 0.1 * window_y + window_y / 2
        centre_x = np.flatnonzero(mask[int(rows[0]) : int(rows[0] + window_y)].any(axis=0)).mean()
    centre_y += random.uniform(-0.15, 0.15) * window_y
    centre_x += random.uniform(-0.2, 0.2) * window_x
    angle = math.radians(random.normal(0, 8))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    # From the square's pixels to the photograph's.
    matrix = turn @ np.diag([window_x / side, window_y / side])
    offset = np.array([centre_x, centre_y]) - matrix @ [side / 2, side / 2]
    inverse = np.column_stack([matrix, offset])
    shrink = max(window_x, window_y) / side
    # Without a blur first, fine patterns would turn into coarse ones.
    source = cv2.GaussianBlur(image, (0, 0), 0.4 * shrink) if shrink > 1.5 else image
    border = cv2.BORDER_REPLICATE if random.random() < 0.5 else cv2.BORDER_REFLECT_101

    def warped(array: NDArray[Any]) -> NDArray[Any]:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(array, inverse, (side, side), flags=flags, borderMode=border)

    return warped(source), warped(mask)


def _changed(random: np.random.Generator, image: Image) -> Image:
    """Change light, colours and sharpness."""
    changed: NDArray[Any] = np.clip(image, 0, 1) ** math.exp(random.normal(0, 0.25))
    contrast, brightness = random.uniform(0.6, 1.3), random.normal(0, 0.08)
    tint = random.normal(0, 0.05, 3).astype(np.float32)
    changed = (changed - 0.5) * contrast + (0.5 + brightness + tint)
    if random.random() < 0.1:  # grey
        changed = np.repeat(changed.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.25:
        changed = cv2.GaussianBlur(changed, (0, 0), random.uniform(0.5, 1.8))
    if random.random() < 0.25:
        grain = random.standard_normal(changed.shape, np.float32)
        changed = changed + random.uniform(0.01, 0.06) * grain
    changed = np.clip(changed, 0, 1)
    if random.random() < 0.3:
        quality = int(random.integers(25, 85))
        _, code = cv2.imencode(".jpg", to_uint8(changed), [cv2.IMWRITE_JPEG_QUALITY, quality])
        # OpenCV takes red for blue both when it encodes and when it decodes, so nothing is swapped.
        changed = from_uint8(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)))
    return changed


def person_loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    r"""Cross-entropy, heavier at the outline, plus half of 1 minus a soft intersection over union.

    .. math:: L = -\frac{\sum_p w_p \left(t_p \ln q_p + (1 - t_p) \ln(1 - q_p)\right)}{\sum_p w_p}
              + \frac{1}{2} \left(1 - \frac{\sum_p t_p q_p + 50}
              {\sum_p (t_p + q_p - t_p q_p) + 50}\right)

    with :math:`t` the mask, :math:`q` the probability of a person, and :math:`w` 5 within four
    pixels of the outline, 1 elsewhere. With the 50, the loss of a picture with hardly anybody in it
    does not depend on its last pixel alone.

    Parameters
    ----------
    y_true : tensor of float, shape (B, H, W, 1)
        1 for a person.
    y_pred : tensor of float, shape (B, H, W, 2)
        Probabilities of background and person.

    Returns
    -------
    tensor of float, shape (B,)

    References
    ----------
    M. Rahman and Y. Wang, "Optimizing intersection-over-union in deep neural networks for image
    segmentation", ISVC 2016.
    """
    person = tf.clip_by_value(y_pred[..., 1:], 1e-6, 1 - 1e-6)
    entropy = -(y_true * tf.math.log(person) + (1 - y_true) * tf.math.log(1 - person))
    around = tf.nn.avg_pool2d(y_true, 9, 1, "SAME")
    outline = 1.0 + 4.0 * tf.cast((around > 0.02) & (around < 0.98), tf.float32)
    cross = tf.reduce_sum(outline * entropy, (1, 2, 3)) / tf.reduce_sum(outline, (1, 2, 3))
    both = tf.reduce_sum(y_true * person, (1, 2, 3))
    either = tf.reduce_sum(y_true + person, (1, 2, 3)) - both
    return cross + 0.5 * (1 - (both + 50.0) / (either + 50.0))


class _Keeper(keras.callbacks.Callback):
    """Saves the state, shows the progress, and ends a training at its last step, or when asked to.

    Keras's own BackupAndRestore keeps no note of what a training was asked for, so that it would go
    on from another's state; its files don't appear whole or not at all; and it ends a training at
    epochs only.
    """

    def __init__(
        self, state: TrainingState, bar: Any, stop: Callable[[], bool] | None = None
    ) -> None:
        super().__init__()
        self.state = state
        self.bar = bar
        self.stop = stop

    @property
    def _done(self) -> int:
        return int(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.bar.update()
        done = self._done >= self.state.settings["steps"]
        self.model.stop_training = done or (self.stop is not None and self.stop())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        check_loss(logs["loss"], self._done, self.state.settings["learning_rate"])
        self.bar.set_postfix(loss=f"{logs['loss']:.3f}")
        self.state.save()


def train_person(
    people: Sequence[Sample],
    others: Sequence[str | Path],
    *,
    network: keras.Model | None = None,
    squeezenet: str | Path | None = None,
    steps: int = 3000,
    batch: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    callback: Any = None,
    stop: Callable[[], bool] | None = None,
    progress: bool = True,
) -> keras.Model:
    """Teach a network to find people.

    Parameters
    ----------
    people : sequence of (path, path or None)
        Photographs and their masks; see :func:`pairs`.
    others : sequence of str or pathlib.Path
        Photographs without people, as counterexamples and as backgrounds; may be empty.
    network : keras.Model, optional
        What to train, by default a new :func:`nstlib.PersonNet`. It is changed in place.
    squeezenet : str or pathlib.Path, optional
        SqueezeNet 1.1 as ONNX, for the encoder's first weights.
    steps, batch : int
        How many steps, of how many examples.
    learning_rate : float, default 1e-3
        AdamW's at its highest. It rises to that for a twentieth of the steps, and falls to zero
        along a cosine.
    seed : int, default 0
        Of the weights and the examples.
    checkpoint : str or pathlib.Path, optional
        A file for the state, saved every 100 steps. If it is there, the training goes on from it.
    callback : keras.callbacks.Callback, optional
        For Keras's ``fit``, where an epoch is 100 steps.
    stop : callable, optional
        Asked after every step; if it says True, the training ends there, as from the keyboard.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    keras.Model
        `network`: (B, 192, 192, 3) RGB in [-1, 1] → (B, 192, 192, 2) probabilities of background
        and person. When the training is interrupted from the keyboard, as it is then.

    Raises
    ------
    ArgumentError
        For values outside those above, a mask of another shape than its photograph, or a checkpoint
        of another training.
    ImageError
        If a photograph or a mask cannot be read.
    KeyboardInterrupt
        If it is interrupted before the first step is done.

    Examples
    --------
    ::

        network = train_person(pairs("people"), sorted(Path("landscapes").iterdir()))
    """
    if not people:
        raise ArgumentError("people is empty; give some photographs and their masks")
    steps, batch = check_count("steps", steps), check_count("batch", batch)
    learning_rate = check_number("learning_rate", learning_rate, above=0)
    seed = check_count("seed", seed, 0)
    if network is None:
        keras.utils.set_random_seed(seed)
        network = PersonNet()
    if squeezenet is not None:
        from_squeezenet(network, squeezenet)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10, steps, warmup_target=learning_rate, warmup_steps=max(1, steps // 20)
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=1.0)
    optimizer.build(network.trainable_variables)
    # A model around the network takes the optimiser and the loss, so that the network is saved
    # without them.
    learner = keras.Model(network.inputs, network.outputs[0])
    # On a processor XLA's convolutions are slower, and take long to compile.
    learner.compile(optimizer, person_loss, jit_compile=False)
    settings = {
        "people": _checksum(photo for photo, _ in people),
        "others": _checksum(others),
        "squeezenet": squeezenet is not None,
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    state = TrainingState(
        checkpoint, [*network.trainable_variables, *optimizer.variables], settings
    )
    state.load()

    def example(random: np.random.Generator) -> tuple[Image, NDArray[np.float32]]:
        image, mask = augmented(random, people, others)
        return 2 * image - 1, mask

    square = (PERSON_SIDE, PERSON_SIDE)
    pipeline = Pipeline(example, [(*square, 3), (*square, 1)], batch, seed)
    done = int(optimizer.iterations)
    with tqdm.auto.tqdm(initial=done, total=steps, disable=not progress) as bar:
        try:
            with pipeline.errors():
                learner.fit(
                    pipeline.dataset(done),
                    initial_epoch=done // EPOCH,
                    epochs=math.ceil(steps / EPOCH) if done < steps else 0,
                    steps_per_epoch=EPOCH,
                    callbacks=[_Keeper(state, bar, stop), *([callback] if callback else [])],
                    verbose=0,
                    shuffle=False,
                )
        except KeyboardInterrupt:
            if optimizer.iterations == 0:
                raise
            state.save()
    return network


def group_of(photo: Path) -> str:
    """Name the group that a photograph belongs to: the letters at the beginning of its name.

    Examples
    --------
    >>> group_of(Path("people/images/ccp_0001.jpg"))
    'ccp'
    """
    return "".join(itertools.takewhile(str.isalpha, photo.name))


#: Takes a photograph (H, W, 3), RGB in [0, 1]; gives the probability of a person (h, w).
Segmenter: TypeAlias = Callable[[Image], ArrayLike]


def segmenter_of(network: keras.Model) -> Segmenter:
    """Turn a person network into a function from a photograph to probabilities (192, 192).

    The network sees what it sees in :class:`nstlib.PersonSegmenter`.
    """

    def probabilities(image: Image) -> NDArray[np.float32]:
        square = resize_for_network(image, (PERSON_SIDE, PERSON_SIDE))
        found: NDArray[np.float32] = network(2 * square[np.newaxis] - 1)[0, ..., 1].numpy()
        return found

    return probabilities


def evaluate_person(
    segmenter: keras.Model | Segmenter, samples: Sequence[Sample]
) -> dict[str, float]:
    r"""Measure how well people are found: mean intersection over union, for each group.

    .. math:: \mathrm{mIoU} = \frac{1}{2} \sum_{c} \frac{\sum_i |P_{ic} \cap T_{ic}|}
              {\sum_i |P_{ic} \cup T_{ic}|}

    with :math:`T_{ic}` the pixels of picture :math:`i` that belong to class :math:`c`, person or
    background, and :math:`P_{ic}` those that are said to: above a probability of one half, after
    enlarging to the picture's size.

    Parameters
    ----------
    segmenter : keras.Model or callable
        A person network, or any function from a photograph (H, W, 3), RGB in [0, 1], to the
        probability of a person (h, w).
    samples : sequence of (path, path or None)
        Photographs and their masks; see :func:`group_of` for groups.

    Returns
    -------
    dict of str to float
        From 0 to 1, by group.

    References
    ----------
    M. Everingham et al., "The PASCAL visual object classes challenge: a retrospective", IJCV 2015.
    """
    if isinstance(segmenter, keras.Model):
        segmenter = segmenter_of(segmenter)
    counts: dict[str, NDArray[np.float64]] = {}
    for photo, file in samples:
        image = load_image(photo)
        truth = np.zeros(image.shape[:2], bool) if file is None else read_mask(file) > 0.5
        found = _enlarged(segmenter(image), truth.shape) > 0.5
        shared_and_all = counts.setdefault(group_of(photo), np.zeros((2, 2)))
        for row, one, other in zip(shared_and_all, (found, ~found), (truth, ~truth), strict=True):
            row += (one & other).sum(), (one | other).sum()
    # A class that is absent, and that was not found either, counts as found perfectly.
    return {
        group: float(np.mean([shared / both if both else 1.0 for shared, both in classes]))
        for group, classes in counts.items()
    }


def false_alarms(segmenter: keras.Model | Segmenter, photos: Sequence[str | Path]) -> float:
    """Measure how much of photographs without people is taken for a person, from 0 to 1."""
    if isinstance(segmenter, keras.Model):
        segmenter = segmenter_of(segmenter)
    shares = [np.mean(np.asarray(segmenter(load_image(Path(p)))) > 0.5) for p in photos]
    return float(np.mean(shares))


def _enlarged(probabilities: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    enlarged: NDArray[Any] = cv2.resize(np.asarray(probabilities, np.float32), shape[::-1])
    return enlarged


def _checksum(files: Iterable[str | Path]) -> int:
    return zlib.crc32("\n".join(Path(file).name for file in files).encode())
