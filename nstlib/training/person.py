"""Teach a network to find people, from photographs of people and masks of where they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import tqdm.auto
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number
from nstlib._files import checksum_of_names
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image
from nstlib.inference.segmenter import resize_for_network
from nstlib.networks.person import PERSON_SIDE, PersonNet
from nstlib.sources import load_image
from nstlib.training.people import Sample, augmented, group_of, read_mask, read_thing
from nstlib.training.pipeline import Pipeline
from nstlib.training.selfie import from_selfie
from nstlib.training.state import TrainingState, check_loss

#: Steps in what Keras calls an epoch: from one saving of the state to the next.
EPOCH = 100

#: Of the running mean of the weights, how much stays from one step to the next, at most. That mean
#: is what a training gives: it depends less on the last examples than the last weights do.
MOMENTUM = 0.999


def person_loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
    r"""Cross-entropy, heavier at the outline, and what both classes lack of a perfect soft overlap.

    .. math:: L = H + \frac{1 - J(t, q)}{2} + \frac{1 - J(1 - t, 1 - q)}{4}

    .. math:: H = -\frac{\sum_p w_p \left(t_p \ln q_p + (1 - t_p) \ln(1 - q_p)\right)}{\sum_p w_p}

    .. math:: J(t, q) = \frac{\sum_p t_p q_p + 50}{\sum_p (t_p + q_p - t_p q_p) + 50}

    with :math:`t` the mask, :math:`q` the probability of a person, and :math:`w` 5 within five
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
    around = tf.nn.avg_pool2d(y_true, 11, 1, "SAME")
    outline = 1.0 + 4.0 * tf.cast((around > 0.02) & (around < 0.98), tf.float32)
    cross = tf.reduce_sum(outline * entropy, (1, 2, 3)) / tf.reduce_sum(outline, (1, 2, 3))

    def overlap(truth: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        both = tf.reduce_sum(truth * found, (1, 2, 3))
        either = tf.reduce_sum(truth + found, (1, 2, 3)) - both
        return (both + 50.0) / (either + 50.0)

    people, background = overlap(y_true, person), overlap(1 - y_true, 1 - person)
    return cross + (1 - people) / 2 + (1 - background) / 4


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
        rate, weights = self.state.settings["learning_rate"], self.model.trainable_variables
        check_loss(logs["loss"], self._done, rate, weights=weights)
        self.bar.set_postfix(loss=f"{logs['loss']:.3f}")
        self.state.save()


def train_person(
    people: Sequence[Sample],
    others: Sequence[str | Path],
    *,
    things: Sequence[str | Path] = (),
    network: keras.Model | None = None,
    selfie: str | Path | None = None,
    steps: int = 3000,
    batch: int = 16,
    learning_rate: float = 3e-4,
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
    things : sequence of str or pathlib.Path
        Pictures of what is no person, such as animals, with a transparent background. They are
        pasted as people are; without them, much that stands out is soon taken for a person.
    network : keras.Model, optional
        What to train, by default a new :func:`nstlib.PersonNet`. It is changed in place.
    selfie : str or pathlib.Path, optional
        MediaPipe's selfie segmentation, for a new network's first weights; see
        :func:`nstlib.training.selfie.from_selfie`.
    steps, batch : int
        How many steps, of how many examples.
    learning_rate : float, default 3e-4
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
        `network`: (B, 256, 256, 3) RGB in [-1, 1] → (B, 256, 256, 2) probabilities of background
        and person. When the training is interrupted from the keyboard, as it is then.

    Raises
    ------
    ArgumentError
        For values outside those above, a mask of another shape than its photograph, a thing whose
        background is not transparent, or a checkpoint of another training.
    ImageError
        If a photograph, a mask or a thing cannot be read.
    KeyboardInterrupt
        If it is interrupted before the first step is done.

    Examples
    --------
    ::

        network = train_person(
            pairs("people"),
            sorted(Path("landscapes").iterdir()),
            things=sorted(Path("animals").iterdir()),
        )
    """
    if not people:
        raise ArgumentError("people is empty; give some photographs and their masks")
    steps, batch = check_count("steps", steps), check_count("batch", batch)
    learning_rate = check_number("learning_rate", learning_rate, above=0)
    seed = check_count("seed", seed, 0)
    for thing in things:  # or the first fault would come up in the middle of the training
        read_thing(thing)
    network = _network_to_train(network, selfie, seed)
    optimizer = _optimizer(learning_rate, steps)
    optimizer.build(network.trainable_variables)
    # A model around the network takes the optimiser and the loss, so that the network is saved
    # without them.
    learner = keras.Model(network.inputs, network.outputs[0])
    # On a processor XLA's convolutions are slower, and take long to compile.
    learner.compile(optimizer, person_loss, jit_compile=False)
    settings = {
        "people": checksum_of_names(photo for photo, _ in people),
        "others": checksum_of_names(others),
        "things": checksum_of_names(things),
        "selfie": selfie is not None,
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
        image, mask = augmented(random, people, others, things=things)
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
    optimizer.finalize_variable_values(network.trainable_variables)
    return network


def _network_to_train(
    network: keras.Model | None, selfie: str | Path | None, seed: int
) -> keras.Model:
    """Return the network that was given, or make a new one."""
    if network is not None and selfie is not None:
        raise ArgumentError(
            "selfie is where a new network begins; leave out selfie or network",
            command="--selfie is where a new network begins; leave out --selfie or --start",
        )
    if network is None:
        keras.utils.set_random_seed(seed)
        network = PersonNet()
        if selfie is not None:
            from_selfie(network, selfie)
    return network


def _optimizer(learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Make AdamW, whose rate rises to `learning_rate` and falls along a cosine."""
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10, steps, warmup_target=learning_rate, warmup_steps=max(1, steps // 20)
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=1e-4,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=min(MOMENTUM, max(0.0, 1 - 10 / steps)),
    )


#: Takes a photograph (H, W, 3), RGB in [0, 1]; gives the probability of a person (h, w).
Segmenter: TypeAlias = Callable[[Image], ArrayLike]


def segmenter_of(network: keras.Model) -> Segmenter:
    """Turn a person network into a function from a photograph to probabilities (256, 256).

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
