"""The loop over sizes: what is carried on, what ends it early, and memory that runs out."""

from __future__ import annotations

import errno
import gc
import itertools
import math
import time
import weakref
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from optimize_runs import (
    COUNTS,
    GOAL,
    GREY,
    SHAPE,
    SIZES,
    TARGET,
    Ascent,
    interrupt,
    run,
    towards,
    valley,
)

from nstlib._memory import ran_out
from nstlib._tensorflow import tf
from nstlib.errors import (
    ArgumentError,
    ImageError,
    MemoryLimitError,
)
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.losses import (
    channel_statistics,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation_loss,
)
from nstlib.optimize import Loss, OptimizationError, Step, UnfinishedError
from nstlib.scales import coarse_to_fine


def test_sizes_counts_and_seconds() -> None:
    ascent = Ascent()
    result = ascent(iterations=[3, 1, 2])
    assert ascent.sizes == SIZES
    visited = [step.image.shape[:2] for step in ascent.steps if step.image is not None]
    assert visited == [SIZES[0]] * 4 + [SIZES[1]] * 2 + [SIZES[2]] * 3
    # An iteration 0 at each size: the former one's last, enlarged.
    assert [step.iteration for step in ascent.steps] == [0, 1, 2, 3, 3, 4, 4, 5, 6]
    assert [step.evaluations for step in ascent.steps] == list(range(1, 10))
    seconds = [step.seconds for step in ascent.steps]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    for noted, step in zip(result.history, ascent.steps, strict=True):
        assert noted.image is None
        assert (noted.iteration, noted.evaluations) == (step.iteration, step.evaluations)
        assert (noted.loss, noted.terms, noted.seconds) == (step.loss, step.terms, step.seconds)
    assert (result.iterations, result.evaluations, result.seconds) == (6, 9, seconds[-1])
    assert not result.interrupted


def test_seconds_are_those_of_all_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once at each look, a size of n + 1 steps ends n + 1 seconds on."""
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    ascent = Ascent()
    ascent()
    assert [step.seconds for step in ascent.steps] == [1, 2, 3, 4, 5, 6, 7]


def test_each_size_starts_from_the_best_of_the_one_before() -> None:
    """Its steps so long that the last is worse than the start."""
    ascent = Ascent()
    start = np.clip(GOAL + np.float32(0.01), 0, 1)
    ascent(start=start, learning_rate=0.4, iterations=[2, 2, 2])
    sizes = [ascent.steps[i : i + 3] for i in (0, 3, 6)]
    np.testing.assert_array_equal(sizes[0][0].image, resize(start, SIZES[0]))
    for coarse, fine in itertools.pairwise(sizes):
        best = min(coarse, key=lambda step: step.loss)
        assert best is not coarse[-1]
        assert best.image is not None
        assert fine[0].image is not None
        np.testing.assert_array_equal(fine[0].image, resize(best.image, fine[0].image.shape[:2]))


def test_another_way_to_resize() -> None:
    asked = []

    def nearest(image: Image, size: tuple[int, int]) -> Image:
        asked.append((image.shape[:2], size))
        rows, columns = (np.arange(n) * m // n for n, m in zip(size, image.shape[:2], strict=True))
        return image[rows][:, columns]

    Ascent()(resize=nearest)
    assert asked == [(SIZES[2], SIZES[0]), (SIZES[0], SIZES[1]), (SIZES[1], SIZES[2])]
    # And from where a run was stopped to the size asked for.
    asked.clear()
    Ascent().after(1, lambda: True)(resize=nearest)
    assert asked == [(SIZES[2], SIZES[0]), (SIZES[0], SIZES[2])]


def test_coarse_to_fine_ends_at_the_minimum() -> None:
    result = Ascent()(method="lbfgs", iterations=[30] * 3)
    np.testing.assert_allclose(result.image, GOAL, atol=1e-3)
    assert result.loss == pytest.approx(float(np.mean((result.image - GOAL) ** 2)), abs=1e-6)


def test_one_size_is_a_plain_run() -> None:
    ours = coarse_to_fine(lambda _: valley, GREY, [SHAPE[:2]], iterations=[5], progress=False)
    theirs = run(valley, iterations=5)
    np.testing.assert_array_equal(ours.image, theirs.image)
    assert (ours.loss, ours.terms) == (theirs.loss, theirs.terms)
    assert [s.loss for s in ours.history] == [s.loss for s in theirs.history]


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("how", [interrupt, lambda: True])
def test_stopped_at_any_step(number: int, how: Callable[[], object]) -> None:
    ascent = Ascent().after(number, how)
    result = ascent()
    assert len(ascent.steps) == len(result.history) == number
    assert result.interrupted == (how is interrupt)
    here = [step for step in ascent.steps if step.terms == result.terms][-1:]
    assert len(here) == 1, "the loss is that of a step"
    assert here[0].image is not None
    assert here[0].image.shape[:2] == ascent.sizes[-1]
    assert result.loss == here[0].loss
    np.testing.assert_array_equal(result.image, resize(here[0].image, SIZES[-1]))
    assert result.image.shape == GOAL.shape


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("where", ["resize", "loss_at", "trace"])
def test_interrupted_between_the_sizes(number: int, where: str) -> None:
    """What the size before has made is kept; building the next loss may take seconds."""
    ascent = Ascent()

    def loss_at(size: tuple[int, int]) -> Loss:
        loss = ascent.loss_at(size)

        def interrupted(x: Any) -> Any:
            interrupt() if where == "trace" and size == SIZES[number] else None
            return loss(x)

        interrupt() if where == "loss_at" and size == SIZES[number] else None
        return interrupted

    def resize_to(image: Image, size: tuple[int, int]) -> Image:
        # Not the enlargement at the end, from where the run had come to.
        if where == "resize" and image.shape[:2] == SIZES[number - 1] and not tried:
            tried.append(size)
            interrupt()
        return resize(image, size)

    tried: list[tuple[int, int]] = []
    result = coarse_to_fine(
        loss_at,
        np.full((12, 16, 3), 0.5, np.float32),
        SIZES,
        iterations=COUNTS,
        resize=resize_to,
        method="adam",
        callback=ascent.callback,
        progress=False,
    )
    assert result.interrupted
    assert result.image.shape == GOAL.shape
    assert len(result.history) == len(ascent.steps) == [2, 5][number - 1]
    last = ascent.steps[-1]
    assert last.image is not None
    assert last.image.shape[:2] == SIZES[number - 1]
    np.testing.assert_array_equal(result.image, resize(last.image, SIZES[-1]))
    assert result.loss == last.loss


def test_interrupted_before_there_is_anything() -> None:
    with pytest.raises(KeyboardInterrupt):
        coarse_to_fine(lambda _: interrupt(), GOAL, SIZES, iterations=COUNTS)  # type: ignore[arg-type,return-value]


def test_nan_at_a_later_size_keeps_the_last_good_image() -> None:
    ascent = Ascent()

    def loss_at(size: tuple[int, int]) -> Loss:
        loss = ascent.loss_at(size)
        return (lambda x: tf.reduce_mean(x) * math.nan) if size == SIZES[1] else loss

    with pytest.raises(OptimizationError) as caught:
        coarse_to_fine(
            loss_at,
            GOAL,
            SIZES,
            iterations=COUNTS,
            method="adam",
            callback=ascent.callback,
            progress=False,
        )
    best = min(ascent.steps, key=lambda step: step.loss).image
    assert best is not None
    np.testing.assert_array_equal(caught.value.image, resize(best, SIZES[1]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": [], "iterations": []}, "sizes has the length 0 and iterations 0; give one"),
        ({"sizes": [], "iterations": [3]}, "sizes has the length 0 and iterations 1"),
        ({"iterations": [3, 3]}, "sizes has the length 3 and iterations 2"),
        ({"iterations": [3, 3, 3, 3]}, "sizes has the length 3 and iterations 4"),
        ({"iterations": [3, 3, 0]}, "iterations is 0; it must be a whole number, 1 or more"),
        ({"iterations": [3, -1, 3]}, "iterations is -1"),
        ({"sizes": 64}, "sizes is 64; it must be a list of \\(height, width\\)"),
        ({"sizes": [64]}, "sizes is \\[64\\]; it must be a list of"),
        ({"loss_at": None}, "loss_at is None; it must be a function that takes"),
        ({"callback": 3}, "callback is 3; it must be a function that takes a Step"),
        ({"method": "sgd"}, "method is 'sgd'"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_bad_arguments_of_coarse_to_fine(options: dict[str, Any], words: str) -> None:
    """Found at once, not after hours at the sizes before."""
    ascent = Ascent()
    with pytest.raises(ArgumentError, match=words) as caught:
        ascent(**options)
    assert "\n" not in str(caught.value)
    assert not ascent.steps


def test_coarse_to_fine_from_what_is_no_image() -> None:
    with pytest.raises(ImageError, match="start has shape"):
        Ascent()(start=np.zeros((4, 4)))


# ------------------------------------------------------------------------------------------ memory


SHORTAGES: list[Callable[[], Exception]] = [
    MemoryError,
    lambda: tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    lambda: cv2.error("alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    lambda: RuntimeError("std::bad_alloc"),
    lambda: OSError(errno.ENOMEM, "Cannot allocate memory"),
]


@pytest.mark.parametrize("shortage", SHORTAGES)
@pytest.mark.parametrize("where", ["loss_at", "trace", "step"])
@pytest.mark.parametrize("stage", [0, 1])
def test_memory_runs_out(shortage: Callable[[], Exception], where: str, stage: int) -> None:
    """Whoever says so, and whenever: the best picture so far comes with the error."""
    ascent = Ascent()

    def loss_at(size: tuple[int, int]) -> Loss:
        loss = ascent.loss_at(size)
        if where == "loss_at" and size == SIZES[stage]:
            raise shortage()

        def traced(x: Any) -> Any:
            if where == "trace" and size == SIZES[stage]:
                raise shortage()
            return loss(x)

        return traced

    def callback(step: Step) -> None:
        ascent.callback(step)
        if where == "step" and step.image is not None and step.image.shape[:2] == SIZES[stage]:
            raise shortage()

    start = np.full((12, 16, 3), 0.5, np.float32)
    with pytest.raises(MemoryLimitError) as caught:
        coarse_to_fine(
            loss_at, start, SIZES, iterations=COUNTS, method="adam", callback=callback,
            progress=False,
        )  # fmt: skip
    assert "--size" in caught.value.command
    assert "\n" not in str(caught.value) + caught.value.command
    if where == "loss_at" and stage == 0:
        assert not isinstance(caught.value, UnfinishedError)  # there is no picture yet
        return
    assert isinstance(caught.value, UnfinishedError)
    assert caught.value.size == SIZES[stage]
    height, width = SIZES[stage]
    assert f"memory ran out at {width}×{height} pixels" in str(caught.value)
    before = [step.image for step in ascent.steps if step.image is not None]
    best = before[-1] if before else start
    got = caught.value.image
    np.testing.assert_allclose(got, resize(best, got.shape[:2]), atol=1e-6)


def test_what_the_attempt_held_is_free_when_the_error_arrives() -> None:
    """Its frames would hold the large arrays, and the picture could not be saved."""

    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def loss(_: Any) -> Any:
        large = Large()
        held.append(weakref.ref(large))
        raise MemoryError(large)

    with pytest.raises(UnfinishedError) as caught:
        run(loss)
    gc.collect()
    assert caught.value.__traceback__ is not None
    assert [alive() for alive in held] == [None]


@pytest.mark.parametrize("error", [ValueError("no"), OSError(28, "No space left on device")])
def test_other_errors_are_no_shortage(error: Exception) -> None:
    assert not ran_out(error)
    with pytest.raises(type(error)):
        run(towards(TARGET), callback=lambda _: (_ for _ in ()).throw(error))


def test_no_graph_outlives_its_run() -> None:
    """With everything that a recipe's loss is made of."""
    targets = {"a": channel_statistics(tf.constant(TARGET))}
    mask = np.ones(SHAPE[:2], np.float32)

    def loss(x: Any) -> dict[str, Any]:
        return {
            "style": style_loss({"a": x}, targets),
            "masked": style_loss({"a": channel_statistics(x, mask)}, targets),
            "content": content_loss({"a": x}, {"a": tf.constant(TARGET)}),
            "gram": tf.reduce_mean(gram_matrix(x)),
            "tv": total_variation_loss(x),
        }

    def graphs() -> int:
        gc.collect()
        return sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())

    run(loss, iterations=1)
    before = graphs()
    for _ in range(3):
        run(loss, iterations=1)
    assert graphs() == before
