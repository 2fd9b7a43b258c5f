"""The loop: known minima, best so far, interruptions, and losses that go wrong.

Then the loop over sizes, and runs that are killed and go on.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._memory import ran_out
from nstlib._tensorflow import tf
from nstlib.errors import (
    ArgumentError,
    ImageError,
    MemoryLimitError,
    NstError,
    NstWarning,
    OutputError,
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
from nstlib.optimize import (
    METHODS,
    Checkpoint,
    Loss,
    OptimizationError,
    Result,
    Step,
    UnfinishedError,
    coarse_to_fine,
    minimize_image,
)

SHAPE = (4, 5, 3)
GREY = np.full(SHAPE, 0.5, np.float32)
TARGET = np.random.default_rng(0).uniform(0.05, 0.95, SHAPE).astype(np.float32)
BEYOND = np.random.default_rng(1).uniform(-1, 2, SHAPE).astype(np.float32)

both = pytest.mark.parametrize("method", METHODS)


def towards(target: NDArray[np.float32], scale: float = 1.0) -> Loss:
    return lambda x: scale * tf.reduce_mean((x - target) ** 2)


def valley(x: Any) -> Any:
    """A quadratic whose curvature differs a thousandfold between pixels."""
    stiffness = np.logspace(0, 3, TARGET.size, dtype=np.float32).reshape(SHAPE)
    return tf.reduce_mean(stiffness * (x - TARGET) ** 2)


def run(loss: Loss, image: Any = GREY, **options: Any) -> Result:
    options = {"iterations": 20, "progress": False} | options
    return minimize_image(loss, image, **options)


# ------------------------------------------------------------------------------------ known minima


@pytest.mark.parametrize(
    ("method", "iterations", "tolerance"), [("lbfgs", 30, 1e-4), ("adam", 300, 0.01)]
)
@pytest.mark.parametrize("target", [TARGET, BEYOND])
def test_a_quadratic(
    method: str, iterations: int, tolerance: float, target: NDArray[np.float32]
) -> None:
    """Its minimum within [0, 1] is the target, clipped: the pixels do not depend on each other."""
    result = run(towards(target), method=method, iterations=iterations)
    best = np.clip(target, 0, 1)
    np.testing.assert_allclose(result.image, best, atol=tolerance)
    assert result.loss == pytest.approx(float(np.mean((best - target) ** 2)), abs=1e-3)
    assert result.image.min() >= 0
    assert result.image.max() <= 1
    assert result.image.dtype == np.float32
    assert result.image.shape == SHAPE
    assert not result.interrupted


@pytest.mark.parametrize("size", [1e-9, 1e9])
@both
def test_size_of_the_loss_does_not_matter(method: str, size: float) -> None:
    options: dict[str, Any] = {"method": method, "iterations": 40}
    for target in (TARGET, BEYOND):
        one, other = run(towards(target), **options), run(towards(target, size), **options)
        np.testing.assert_allclose(other.image, one.image, atol=2e-3)
        assert other.loss == pytest.approx(size * one.loss, rel=0.01, abs=size * 1e-5)


@both
def test_a_loss_below_zero(method: str) -> None:
    def loss(x: Any) -> Any:
        return tf.reduce_mean((x - BEYOND) ** 2) - 100

    result = run(loss, method=method, iterations=15 if method == "lbfgs" else 80)
    np.testing.assert_allclose(result.image, np.clip(BEYOND, 0, 1), atol=0.02)


@both
def test_a_loss_of_zero_at_the_start(method: str) -> None:
    result = run(towards(GREY), method=method)
    np.testing.assert_array_equal(result.image, GREY)
    assert result.loss == 0


def test_lbfgs_gets_further_than_adam() -> None:
    """With as many evaluations."""
    quick = run(valley, iterations=30)
    slow = run(valley, method="adam", iterations=quick.evaluations)
    assert slow.evaluations >= quick.evaluations
    assert quick.loss < slow.loss / 10


@both
def test_start_at_the_border(method: str) -> None:
    """Pixels that begin black or white are not stuck there."""
    start = np.zeros(SHAPE, np.float32)
    start[:2] = 1
    result = run(towards(TARGET), start, method=method, iterations=200)
    np.testing.assert_allclose(result.image, TARGET, atol=0.02)


# ------------------------------------------------------------------------------------- bookkeeping


@both
def test_history(method: str) -> None:
    result = run(valley, method=method, iterations=5)
    assert [step.iteration for step in result.history] == list(range(6))
    assert result.iterations == 5
    assert result.evaluations == result.history[-1].evaluations
    assert result.seconds == result.history[-1].seconds
    for before, after in zip(result.history, result.history[1:], strict=False):
        assert after.evaluations > before.evaluations
        assert after.seconds >= before.seconds
    assert all(step.image is None for step in result.history)
    start = float(valley(tf.constant(GREY)))
    assert result.history[0].loss == pytest.approx(start, rel=1e-4)
    assert result.history[0].evaluations == 1


def test_adam_evaluates_the_start_once() -> None:
    calls = []

    def loss(x: Any) -> Any:
        tf.py_function(lambda: calls.append(1), [], [])
        return tf.reduce_mean((x - TARGET) ** 2)

    result = run(loss, method="adam", iterations=7)
    assert result.evaluations == len(calls) == 8
    assert [step.evaluations for step in result.history] == list(range(1, 9))


def test_adam_by_hand() -> None:
    """Its first step is the learning rate, against the gradient's sign; then as Kingma and Ba."""
    images: list[Image | None] = []
    run(
        towards(TARGET),
        method="adam",
        iterations=3,
        learning_rate=0.03,
        callback=lambda step: images.append(step.image),
    )
    x, m, v = GREY.astype(np.float64), np.zeros(SHAPE), np.zeros(SHAPE)
    for t in range(1, 4):
        gradient = 2 * (x - TARGET) / TARGET.size
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        x = np.clip(x - 0.03 * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t)), 0, 1)
        image = images[t]
        assert image is not None
        np.testing.assert_allclose(image, x, atol=1e-4)


@both
def test_terms_sum_to_the_loss(method: str) -> None:
    def loss(x: Any) -> dict[str, Any]:
        return {"near": tf.reduce_mean((x - TARGET) ** 2), "dark": 0.1 * tf.reduce_mean(x)}

    result = run(loss, method=method)
    for step in result.history:
        assert set(step.terms) == {"near", "dark"}
        assert sum(step.terms.values()) == pytest.approx(step.loss)
    assert sum(result.terms.values()) == pytest.approx(result.loss)
    assert result.terms["dark"] == pytest.approx(0.1 * result.image.mean(), rel=1e-4)
    assert run(towards(TARGET), method=method).terms.keys() == {"loss"}


@both
def test_the_best_image_is_kept(method: str) -> None:
    """Steps that are far too long: the last image is worse than an earlier one."""
    steps: list[Step] = []
    result = run(
        towards(TARGET),
        0.02 + 0.96 * TARGET,
        method=method,
        learning_rate=0.4,
        iterations=6,
        callback=steps.append,
    )
    assert result.loss <= min(step.loss for step in steps)
    assert float(np.mean((result.image - TARGET) ** 2)) == pytest.approx(result.loss, rel=1e-3)
    if method == "adam":
        assert result.loss < steps[-1].loss


@both
def test_callback_sees_every_iteration(method: str) -> None:
    steps: list[Step] = []
    result = run(towards(BEYOND), method=method, iterations=4, callback=steps.append)
    assert [step.iteration for step in steps] == [0, 1, 2, 3, 4]
    for step, noted in zip(steps, result.history, strict=True):
        assert step.image is not None
        assert step.image.min() >= 0
        assert step.image.max() <= 1
        assert float(np.mean((step.image - BEYOND) ** 2)) == pytest.approx(step.loss, rel=1e-3)
        assert (noted.loss, noted.evaluations) == (step.loss, step.evaluations)
    np.testing.assert_array_equal(steps[0].image, GREY)


@both
@pytest.mark.parametrize("last", [0, 1, 3])
def test_callback_can_stop(method: str, last: int) -> None:
    result = run(towards(TARGET), method=method, callback=lambda step: step.iteration == last)
    assert result.iterations == last
    assert not result.interrupted


def test_only_true_stops() -> None:
    assert run(towards(TARGET), method="adam", callback=lambda _: 1).iterations == 20


@both
def test_the_loss_is_traced_once(method: str) -> None:
    calls = []

    def loss(x: Any) -> Any:
        calls.append(x.shape)
        return tf.reduce_mean((x - BEYOND) ** 2)

    run(loss, method=method)
    assert calls == [SHAPE]


def test_many_short_runs_print_nothing() -> None:
    """TensorFlow warns of functions that it traces again and again, twice in a process."""
    code = (
        "import numpy as np\n"
        "from nstlib.optimize import minimize_image\n"
        "from nstlib._tensorflow import tf\n"
        "for _ in range(8):\n"
        "    minimize_image(lambda x: tf.reduce_mean(x), np.ones((2, 2, 3), np.float32),\n"
        "                   iterations=1, progress=False, callback=lambda _: True)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("", "")


@both
def test_twice_the_same(method: str) -> None:
    def loss(x: Any) -> Any:
        blurred = tf.nn.avg_pool2d(x[tf.newaxis], 2, 1, "SAME")
        return tf.reduce_mean((blurred - TARGET) ** 2)

    start = np.random.default_rng(3).random(SHAPE, np.float32)
    first, second = (run(loss, start, method=method) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    assert [s.loss for s in first.history] == [s.loss for s in second.history]


def test_the_callers_image_is_left_alone() -> None:
    for method in METHODS:
        start = GREY.copy()
        run(towards(TARGET), start, method=method)
        np.testing.assert_array_equal(start, GREY)


def test_progress_bar(capfd: pytest.CaptureFixture[str]) -> None:
    run(towards(TARGET), progress=True, method="adam", iterations=3, description="painting")
    _, shown = capfd.readouterr()
    assert "painting" in shown
    assert "3/3" in shown
    run(towards(TARGET), progress=False)
    assert capfd.readouterr() == ("", "")


# ----------------------------------------------------------------------------------- interruptions


@both
@pytest.mark.parametrize("last", [0, 3])
def test_interrupt_keeps_the_best(method: str, last: int) -> None:
    def interrupt(step: Step) -> None:
        if step.iteration == last:
            raise KeyboardInterrupt

    result = run(towards(TARGET), method=method, callback=interrupt)
    assert result.interrupted
    assert result.iterations == last
    assert result.loss == min(step.loss for step in result.history)
    assert float(np.mean((result.image - TARGET) ** 2)) == pytest.approx(result.loss, rel=1e-3)


@both
def test_a_signal_in_the_middle(method: str) -> None:
    """As Ctrl-C and a notebook's stop button send it."""
    # Processes that a shell starts in the background ignore it, and tests may be one of them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(step: Step) -> None:
        if step.iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)

    try:
        result = run(valley, method=method, callback=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.interrupted
    assert 2 <= result.iterations <= 3
    assert result.loss < result.history[0].loss


# ------------------------------------------------------------------------------------ what is wrong


def nan_below(threshold: float) -> Loss:
    """A loss that falls, and turns NaN when the image's mean gets below a threshold."""

    def loss(x: Any) -> Any:
        mean = tf.reduce_mean(x)
        return tf.where(mean < threshold, tf.constant(math.nan), mean)

    return loss


@both
def test_nan_in_the_middle(method: str) -> None:
    steps: list[Step] = []
    with pytest.raises(OptimizationError, match="NaN or infinite at evaluation") as caught:
        run(nan_below(0.3), method=method, iterations=40, learning_rate=0.01, callback=steps.append)
    image = caught.value.image
    assert 0.3 <= image.mean() < 0.5
    assert image.mean() <= min(step.loss for step in steps) + 1e-6
    if method == "adam":
        assert image.mean() < 0.32
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, NstError)
    assert isinstance(caught.value, ArithmeticError)


@both
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_at_the_start(method: str, value: float) -> None:
    with pytest.raises(OptimizationError, match="at evaluation 1;") as caught:
        run(lambda x: tf.reduce_mean(x) * value, method=method)
    np.testing.assert_array_equal(caught.value.image, GREY)


def test_nan_in_the_gradient_only() -> None:
    # √0 is 0, and its slope infinite.
    with pytest.raises(OptimizationError, match="at evaluation 1;"):
        run(lambda x: tf.reduce_mean(tf.sqrt(x - x)))


@both
@pytest.mark.parametrize(
    "loss",
    [
        lambda _: tf.constant(1.0),
        lambda _: 1.0,
        lambda x: tf.reduce_mean(tf.stop_gradient(x)),
        lambda x: tf.reduce_mean(tf.round(x)),
        lambda x: tf.reduce_mean(tf.cast(tf.cast(255 * x, tf.uint8), tf.float32)),
        lambda _: {},
    ],
)
def test_a_loss_that_ignores_the_image(method: str, loss: Loss) -> None:
    with pytest.raises(ArgumentError, match="does not depend on the image") as caught:
        run(loss, method=method)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: x**2,
        lambda x: tf.reduce_mean(x, axis=2),
        lambda _: None,
        lambda x: {"a": tf.reduce_mean(x), "b": x},
        lambda x: [tf.reduce_mean(x), tf.reduce_mean(x)],
    ],
)
def test_a_loss_that_is_no_scalar(loss: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentError, match=r"the loss gave .*; it gives a scalar") as caught:
        run(loss)
    assert "\n" not in str(caught.value)


def test_other_numbers_are_welcome() -> None:
    double = run(lambda x: tf.reduce_mean((tf.cast(x, tf.float64) - TARGET) ** 2))
    np.testing.assert_allclose(double.image, TARGET, atol=1e-3)
    mixed = run(lambda x: {"near": tf.reduce_mean((x - TARGET) ** 2), "fixed": 0.5})
    assert mixed.terms["fixed"] == 0.5


def test_an_error_in_the_loss_comes_through_as_it_is() -> None:
    def loss(_: Any) -> Any:
        raise ArgumentError("the loss does not like this; try that")

    with pytest.raises(ArgumentError) as caught:
        run(loss)
    assert str(caught.value) == "the loss does not like this; try that"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "sgd"}, "method is 'sgd'; it must be one of lbfgs, adam"),
        ({"iterations": 0}, "iterations is 0; it must be a whole number, 1 or more"),
        ({"iterations": -5}, "iterations is -5"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": -1.0}, "above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        run(towards(TARGET), **options)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), np.nan)]
)
def test_a_start_that_is_no_image(image: NDArray[Any]) -> None:
    with pytest.raises(ImageError):
        run(towards(TARGET), image)


# ---------------------------------------------------------------------------------- coarse to fine

SIZES = [(3, 4), (6, 8), (12, 16)]
COUNTS = [1, 2, 1]  # with the start at each size: steps 0 1, 1 2 3, 3 4
GOAL = np.random.default_rng(2).uniform(0.1, 0.9, (12, 16, 3)).astype(np.float32)


class Killed(BaseException):
    """Ends a run as if its process had been: nothing in the library catches it."""


class Ascent:
    """Runs towards one picture at several sizes, and remembers what was visited."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.steps: list[Step] = []
        self.act: Callable[[Step], object] = lambda _: None

    def loss_at(self, size: tuple[int, int]) -> Loss:
        self.sizes.append(size)
        return towards(resize(GOAL, size))

    def callback(self, step: Step) -> object:
        self.steps.append(step)
        return self.act(step)

    def __call__(self, **options: Any) -> Result:
        defaults: dict[str, Any] = {
            "start": np.full((12, 16, 3), 0.5, np.float32),
            "sizes": SIZES,
            "iterations": COUNTS,
            "method": "adam",
            "callback": self.callback,
            "progress": False,
        }
        return coarse_to_fine(self.loss_at, **(defaults | options))

    def after(self, number: int, act: Callable[[], object]) -> Ascent:
        """Do something after so many steps, the start at each size included."""
        self.act = lambda _: act() if len(self.steps) == number else None
        return self


def interrupt() -> None:
    raise KeyboardInterrupt


def kill() -> None:
    raise Killed


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
        ({"sizes": [], "iterations": []}, "sizes has 0 entries and iterations 0; give one"),
        ({"sizes": [], "iterations": [3]}, "sizes has 0 entries and iterations 1"),
        ({"iterations": [3, 3]}, "sizes has 3 entries and iterations 2"),
        ({"iterations": [3, 3, 3, 3]}, "sizes has 3 entries and iterations 4"),
        ({"iterations": [3, 3, 0]}, "iterations is 0; it must be a whole number, 1 or more"),
        ({"iterations": [3, -1, 3]}, "iterations is -1"),
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


# ------------------------------------------------------------------------------------- checkpoints

SETTINGS = {"source": "waves", "sizes": SIZES, "seed": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.checkpoint"


def checkpoint(path: Path, every: float = 0.0, **settings: Any) -> Checkpoint:
    return Checkpoint(path, SETTINGS | settings, every=every)


def test_what_is_saved_is_loaded(path: Path) -> None:
    step = Step(7, 9, 0.25, {"style": 0.2, "tv": 0.05}, 1.5, GOAL)
    assert checkpoint(path).load() is None
    checkpoint(path).save(1, 4, step)
    found = checkpoint(path).load()
    assert found is not None
    stage, done, loaded = found
    assert (stage, done) == (1, 4)
    for name in ("iteration", "evaluations", "loss", "terms", "seconds"):
        assert getattr(loaded, name) == getattr(step, name)
    np.testing.assert_array_equal(loaded.image, GOAL)
    assert loaded.image is not None
    assert loaded.image.dtype == np.float32


def test_written_every_few_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    kept = checkpoint(path, every=5.0)

    def saved(at: float, iteration: int, **options: Any) -> int:
        clock[0] = at
        kept.save(0, iteration, Step(iteration, 1, 1.0, {}, 0.0, GREY), **options)
        found = kept.load()
        return found[1] if found else -1

    assert saved(104.9, 1) == -1
    assert saved(105.0, 2) == 2
    assert saved(109.9, 3) == 2
    assert saved(109.9, 4, now=True) == 4
    assert saved(111.0, 5) == 4
    assert saved(115.0, 6) == 6


@pytest.fixture(scope="module")
def whole() -> tuple[Ascent, Result]:
    """Return a run that nothing disturbed."""
    ascent = Ascent()
    return ascent, ascent()


@pytest.mark.parametrize("number", range(1, 8))
def test_killed_and_resumed(path: Path, whole: tuple[Ascent, Result], number: int) -> None:
    """Written at every step: the resumed run begins with the killed one's last."""
    undisturbed, expected = whole
    killed, resumed = Ascent().after(number, kill), Ascent()
    with pytest.raises(Killed):
        killed(checkpoint=checkpoint(path))
    result = resumed(checkpoint=checkpoint(path))
    last = killed.steps[-1]
    stage = len(killed.sizes) - 1
    ended_there = number in (2, 5, 7)
    assert resumed.sizes == SIZES[stage + ended_there :]
    assert result.image.shape == GOAL.shape
    # As many iterations in all, and for each size begun anew, one evaluation more.
    assert result.iterations == expected.iterations == 4
    assert result.evaluations == expected.evaluations + (not ended_there)
    assert [s.iteration for s in result.history] == [
        last.iteration,
        *(step.iteration for step in undisturbed.steps[number - (not ended_there) :]),
    ]
    assert result.history[0].terms == last.terms
    assert [s.evaluations for s in resumed.steps] == list(
        range(last.evaluations + 1, last.evaluations + 1 + len(resumed.steps))
    )
    assert all(step.seconds > last.seconds for step in resumed.steps)
    if resumed.steps:
        first = resumed.steps[0].image
        assert first is not None
        assert last.image is not None
        np.testing.assert_array_equal(first, resize(last.image, first.shape[:2]))
    # Adam forgets its momentum: about the same, then.
    assert result.loss == pytest.approx(expected.loss, rel=0.3)


@pytest.mark.parametrize(
    ("method", "number"), [("lbfgs", 2), ("lbfgs", 7), ("lbfgs", 11), ("adam", 20)]
)
def test_a_killed_run_gets_as_far(path: Path, method: str, number: int) -> None:
    """A minimiser that has forgotten what it learnt of the curvature learns it anew."""
    count, tolerance = (6, 2e-3) if method == "lbfgs" else (30, 0.1)

    def loss_at(size: tuple[int, int]) -> Loss:
        stiffness = np.linspace(1, 3, 3 * math.prod(size), dtype=np.float32).reshape(*size, 3)
        target = resize(GOAL, size)
        return lambda x: tf.reduce_mean(stiffness * (x - target) ** 2)

    def run_to(end: Callable[[], object] | None = None) -> Result:
        ascent = Ascent()
        ascent.loss_at = loss_at  # type: ignore[method-assign]
        if end:
            ascent.after(number, end)
        return ascent(
            method=method, iterations=[count] * 2, sizes=SIZES[1:], checkpoint=checkpoint(path)
        )

    with pytest.raises(Killed):
        run_to(kill)
    resumed = run_to()
    path.unlink()
    expected = run_to()
    np.testing.assert_allclose(resumed.image, expected.image, atol=tolerance)
    np.testing.assert_allclose(expected.image, GOAL, atol=tolerance)


@pytest.mark.parametrize(("number", "left"), [(1, 3), (2, 3), (4, 2), (7, 1)])
def test_killed_between_two_writes(
    path: Path, whole: tuple[Ascent, Result], number: int, left: int
) -> None:
    """Written at the end of each size in any case."""
    killed, resumed = Ascent().after(number, kill), Ascent()
    with pytest.raises(Killed):
        killed(checkpoint=checkpoint(path, every=1000))
    assert path.exists() == (left < 3)
    result = resumed(checkpoint=checkpoint(path, every=1000))
    assert resumed.sizes == SIZES[-left:]
    assert result.iterations == 4
    np.testing.assert_array_equal(result.image, whole[1].image)


@pytest.mark.parametrize("how", [interrupt, lambda: True])
@pytest.mark.parametrize("number", [1, 2, 4, 7])
def test_a_stopped_run_saves_where_it_was(
    path: Path, number: int, how: Callable[[], object]
) -> None:
    stopped, resumed = Ascent().after(number, how), Ascent()
    result = stopped(checkpoint=checkpoint(path, every=1000))
    found = checkpoint(path).load()
    assert found is not None
    stage, done, step = found
    where = [(stage, done) for stage, count in enumerate(COUNTS) for done in range(count + 1)]
    assert (stage, done) == where[number - 1]
    last = stopped.steps[-1]
    assert (step.iteration, step.evaluations) == (last.iteration, last.evaluations)
    assert (step.loss, step.terms) == (result.loss, result.terms)
    assert step.image is not None
    np.testing.assert_array_equal(resize(step.image, SIZES[-1]), result.image)

    again = resumed(checkpoint=checkpoint(path, every=1000))
    assert again.iterations == 4
    assert not again.interrupted
    assert resumed.sizes == SIZES[stage + (done == COUNTS[stage]) :]


@pytest.mark.parametrize("how", [kill, interrupt, lambda: True])
def test_ended_again_and_again(path: Path, how: Callable[[], object]) -> None:
    """After every iteration: what a resumed run adds counts, too."""
    every = 0 if how is kill else 1000
    for where in ((0, 1), (1, 1), (1, 2), (2, 1)):
        with contextlib.suppress(Killed):
            Ascent().after(2, how)(checkpoint=checkpoint(path, every))
        found = checkpoint(path).load()
        assert found is not None
        assert found[:2] == where
    last = Ascent()
    assert last(checkpoint=checkpoint(path)).iterations == 4
    assert last.steps == []


@pytest.mark.parametrize("resumed_first", [False, True])
def test_interrupted_between_the_sizes_and_resumed(path: Path, resumed_first: bool) -> None:
    """The size that was about to begin is not taken for done."""
    if resumed_first:
        with pytest.raises(Killed):
            Ascent().after(2, kill)(checkpoint=checkpoint(path))
    interrupted, resumed = Ascent(), Ascent()
    options: dict[str, Any] = {"iterations": [1, 1, 1]}

    def loss_at(size: tuple[int, int]) -> Loss:
        if size == SIZES[1]:
            raise KeyboardInterrupt
        return towards(resize(GOAL, size))

    interrupted.loss_at = loss_at  # type: ignore[method-assign]
    result = interrupted(**options, checkpoint=checkpoint(path))
    assert result.interrupted
    assert result.iterations == 1
    assert result.image.shape == GOAL.shape
    again = resumed(**options, checkpoint=checkpoint(path))
    assert resumed.sizes == SIZES[1:]
    assert again.iterations == 3
    np.testing.assert_array_equal(again.image, Ascent()(**options).image)


def test_a_finished_run_is_not_run_again(path: Path) -> None:
    expected = Ascent()(checkpoint=checkpoint(path, every=1000))
    stored = path.read_bytes()
    again = Ascent()
    result = again(checkpoint=checkpoint(path))
    assert (again.sizes, again.steps) == ([], [])
    np.testing.assert_array_equal(result.image, expected.image)
    for name in ("loss", "terms", "iterations", "evaluations", "seconds", "interrupted"):
        assert getattr(result, name) == getattr(expected, name)
    assert path.read_bytes() == stored


def test_a_size_that_ends_early_is_done(path: Path) -> None:
    """L-BFGS stops where there is nothing left to gain."""

    def loss_at(size: tuple[int, int]) -> Loss:
        return towards(resize(np.full((12, 16, 3), 0.5, np.float32), size))

    first, again = Ascent(), Ascent()
    first.loss_at = loss_at  # type: ignore[method-assign]
    options: dict[str, Any] = {"method": "lbfgs", "iterations": [50] * 3}
    assert first(**options, checkpoint=checkpoint(path)).iterations < 10
    again(**options, checkpoint=checkpoint(path))
    assert again.steps == []


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"seed": 0}, {"seed": 1}, "seed was 0, is 1"),
        ({"source": "waves"}, {"source": "brick"}, "source was 'waves', is 'brick'"),
        ({"sizes": [(8, 8)]}, {"sizes": [(8, 9)]}, r"sizes was \[\[8, 8\]\], is \[\[8, 9\]\]"),
        ({}, {"tv": 0.5}, "tv was None, is 0.5"),
        ({"tv": 0.5}, {}, "tv was 0.5, is None"),
    ],
)
def test_other_settings_are_refused(
    path: Path, before: dict[str, Any], now: dict[str, Any], words: str
) -> None:
    Ascent().after(3, lambda: True)(checkpoint=checkpoint(path, **before))
    stored = path.read_bytes()
    ascent = Ascent()
    with pytest.raises(ArgumentError, match=words) as caught:
        ascent(checkpoint=checkpoint(path, **now))
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (ascent.sizes, path.read_bytes()) == ([], stored)


def npz(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, settings=np.array(json.dumps(SETTINGS)), **arrays)


def damaged(path: Path, how: str) -> None:
    step = Step(1, 1, 1.0, {}, 0.0, GREY)
    checkpoint(path).save(0, 1, step)
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(np.random.default_rng(0).bytes(1000))
    elif how == "text":
        path.write_text("the notes of another day\n")
    elif how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "first bytes":
        path.write_bytes(whole[:4])
    elif how == "last byte missing":
        path.write_bytes(whole[:-1])
    elif how == "flipped bits":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, GREY)
    elif how == "other arrays":
        npz(path, image=GREY)
    elif how == "no JSON":
        npz(path, state=np.array("{"), image=GREY)
    elif how == "other JSON":
        npz(path, state=np.array("[1, 2]"), image=GREY)
    elif how == "no image":
        with np.load(path) as arrays:
            state = arrays["state"]
        npz(path, state=state, image=np.full((2, 2), 7))
    elif how == "pickled":
        npz(path, state=np.array([{"a": 1}], object), image=GREY)


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "garbage",
        "text",
        "truncated",
        "first bytes",
        "last byte missing",
        "flipped bits",
        "one array",
        "other arrays",
        "no JSON",
        "other JSON",
        "no image",
        "pickled",
    ],
)
def test_a_file_that_is_no_checkpoint(path: Path, how: str) -> None:
    """It may be something else, and dear to somebody: it is left as it is."""
    damaged(path, how)
    stored = path.read_bytes()
    ascent = Ascent()
    with pytest.raises(ArgumentError, match="not a checkpoint, or is damaged; delete") as caught:
        ascent(checkpoint=checkpoint(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (ascent.sizes, path.read_bytes()) == ([], stored)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_former_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full."""
    kept = checkpoint(path)
    kept.save(0, 1, Step(1, 1, 1.0, {}, 0.0, GREY))
    stored = path.read_bytes()

    def fail(file: IO[bytes], **_: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        with pytest.warns(NstWarning, match=r"No space left on device.*the run goes on"):
            kept.save(0, 2, Step(2, 2, 0.5, {}, 0.0, GREY))
        kept.save(0, 3, Step(3, 3, 0.5, {}, 0.0, GREY))  # told once; warnings are errors here
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_does_not_end_the_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[Ascent, Result]
) -> None:
    """From the first write on, or in the middle: the picture is that of an undisturbed run."""
    savez = np.savez
    for good in (0, 3):
        calls = itertools.count()

        def fail(file: IO[bytes], good: int = good, calls: Any = calls, **arrays: Any) -> None:
            if next(calls) >= good:
                raise OSError(28, "No space left on device")
            savez(file, **arrays)

        monkeypatch.setattr(np, "savez", fail)
        with pytest.warns(NstWarning) as told:
            result = Ascent()(checkpoint=checkpoint(path))
        assert len(told) == 1
        np.testing.assert_array_equal(result.image, whole[1].image)
        assert path.exists() == (good > 0)


def test_interrupted_while_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends, and what it had come to is written after all."""
    savez, calls = np.savez, []

    def interrupted(file: IO[bytes], **arrays: Any) -> None:
        calls.append(arrays)
        file.write(b"half of it") if len(calls) == 4 else savez(file, **arrays)
        interrupt() if len(calls) == 4 else None

    monkeypatch.setattr(np, "savez", interrupted)
    # Two steps and the end of the first size; the first step of the second.
    result = Ascent()(checkpoint=checkpoint(path))
    assert result.interrupted
    assert len(result.history) == 3
    found = checkpoint(path).load()
    assert found is not None
    assert found[:2] == (1, 0)
    assert list(path.parent.iterdir()) == [path]


def test_a_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    ascent = Ascent()
    with pytest.raises(OutputError, match="give a file in an existing folder"):
        ascent(checkpoint=checkpoint(tmp_path / "absent" / "run.checkpoint"))
    assert ascent.steps == []  # said at once


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


def test_a_process_that_is_killed(path: Path) -> None:
    """For good, at whatever moment, writing all the time."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from nstlib.optimize import Checkpoint, coarse_to_fine\n"
        "from nstlib._tensorflow import tf\n"
        "coarse_to_fine(\n"
        "    lambda _: lambda x: tf.reduce_mean((x - 0.25) ** 2),\n"
        "    np.ones((32, 32, 3), np.float32), [(8, 8), (32, 32)], iterations=[5, 10**6],\n"
        "    method='adam', learning_rate=1e-3, progress=False,\n"
        "    checkpoint=Checkpoint(sys.argv[1], {'seed': 0}, every=0),\n"
        "    callback=lambda step: print(step.iteration, flush=True))\n"
    )
    told = -1
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = int(line)
            if told == 25:
                process.kill()  # and what is still in the pipe is read to its end
    assert told >= 25
    assert process.returncode != 0

    kept = Checkpoint(path, {"seed": 0})
    found = kept.load()
    assert found is not None
    stage, done, step = found
    assert stage == 1
    assert told - 5 <= done <= told - 5 + 1  # written before it was told
    steps: list[Step] = []
    result = coarse_to_fine(
        lambda _: lambda x: tf.reduce_mean((x - 0.25) ** 2),
        np.ones((32, 32, 3), np.float32),
        [(8, 8), (32, 32)],
        iterations=[5, done + 3],
        method="adam",
        learning_rate=1e-3,
        progress=False,
        checkpoint=kept,
        callback=steps.append,
    )
    assert [s.iteration for s in steps] == [step.iteration + more for more in range(4)]
    np.testing.assert_array_equal(steps[0].image, step.image)
    assert result.loss < step.loss
