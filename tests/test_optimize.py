"""The loop at one size: known minima, best so far, interruptions, and losses that go wrong."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from optimize_runs import (
    GREY,
    SHAPE,
    TARGET,
    run,
    towards,
    valley,
)

from nstlib._tensorflow import tf
from nstlib.errors import (
    ArgumentError,
    ImageError,
    NstError,
)
from nstlib.images.arrays import Image
from nstlib.optimize import (
    METHODS,
    Loss,
    OptimizationError,
    Step,
)

BEYOND = np.random.default_rng(1).uniform(-1, 2, SHAPE).astype(np.float32)


both = pytest.mark.parametrize("method", METHODS)


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
