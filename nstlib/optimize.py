"""The one loop of the course: change an image until a loss is small.

Lessons and recipes build different losses. All of them then call :func:`minimize_image`, which
works at one size, or :func:`nstlib.coarse_to_fine`, which calls it at several sizes in turn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.optimize
import threadpoolctl
import tqdm.auto
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_choice, check_count, check_function, check_number
from nstlib._memory import ran_out
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError, MemoryLimitError, NstError
from nstlib.images.arrays import Image, check_image

#: Takes an image (H, W, 3); gives a scalar, or a scalar for each named term of a sum.
Loss: TypeAlias = Callable[[tf.Tensor], tf.Tensor | Mapping[str, tf.Tensor]]

#: How a loss can be minimised, see :func:`minimize_image`.
METHODS = ("lbfgs", "adam")

#: Cost of leaving [0, 1] by 1 everywhere, in units of the loss at the start.
PENALTY = 10.0


@dataclass(frozen=True, eq=False)
class Step:
    """Where a run stands after an iteration.

    Attributes
    ----------
    iteration : int
        Iterations done; 0 is the start.
    evaluations : int
        How often the loss and its gradient have been computed. That is where the time goes.
    loss : float
        The loss of `image`: the sum of `terms`.
    terms : dict of str to float
        The parts of the loss by name.
    seconds : float
        Since the start.
    image : ndarray of float32, shape (H, W, 3), or None
        RGB in [0, 1]; None in a :attr:`Result.history`, to save memory.
    """

    iteration: int
    evaluations: int
    loss: float
    terms: dict[str, float]
    seconds: float
    image: Image | None = field(default=None, repr=False)


class Recorded:
    """Counts and times of a run, read from its `history`."""

    history: tuple[Step, ...]

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return self.history[-1].iteration

    @property
    def evaluations(self) -> int:
        """Evaluations of the loss and its gradient."""
        return self.history[-1].evaluations

    @property
    def seconds(self) -> float:
        """Time from the start to the last iteration."""
        return self.history[-1].seconds


@dataclass(frozen=True, eq=False)
class Result(Recorded):
    """The best image of a run, and how the run went.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1], the image with the lowest loss that was seen.
    loss : float
        Its loss: the sum of `terms`.
    terms : dict of str to float
        The parts of its loss by name; those of the start are ``history[0].terms``.
    history : tuple of Step
        The start, then every iteration, without images.
    interrupted : bool
        Whether the run was stopped by Ctrl-C or the kernel's interrupt.
    """

    image: Image = field(repr=False)
    loss: float
    terms: dict[str, float]
    history: tuple[Step, ...] = field(repr=False)
    interrupted: bool = False


class OptimizationError(NstError, ArithmeticError):
    """The loss became NaN or infinite.

    Attributes
    ----------
    image : ndarray of float32, shape (H, W, 3)
        The best image before that.
    """

    def __init__(self, message: str, image: Image, *, command: str | None = None) -> None:
        super().__init__(message, command=command)
        self.image = image

    def __reduce__(self) -> tuple[Any, ...]:  # as processes send errors to each other
        return type(self), (str(self), self.image), self.__dict__


class UnfinishedError(MemoryLimitError):
    """Memory ran out before the run had come to its end.

    Attributes
    ----------
    size : (int, int)
        Height and width at which it needed too much.
    image : ndarray of float32, shape (H, W, 3)
        The best image before that; it may be of the size before.
    """

    def __init__(self, size: Sequence[int], image: Image) -> None:
        words = f"memory ran out at {size[1]}×{size[0]} pixels"
        super().__init__(
            f"{words}; the best image before that is kept: use a smaller size, or go on from it",
            command=f"{words}: give a smaller --size",
        )
        self.size = (size[0], size[1])
        self.image = image

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.size, self.image), self.__dict__


def minimize_image(
    loss: Loss,
    image: ArrayLike,
    *,
    method: str = "lbfgs",
    iterations: int = 200,
    learning_rate: float = 0.05,
    callback: Callable[[Step], object] | None = None,
    progress: bool = True,
    description: str = "optimising",
) -> Result:
    """Change an image, step by step, so that a loss falls.

    Parameters
    ----------
    loss : callable
        Takes a tensor (H, W, 3), float32 RGB in [0, 1]; returns a scalar tensor, or a mapping of
        names to scalars whose sum is the loss. It is traced once, as a ``tf.function``, so that
        a Python ``if`` in it is decided once.
    image : array_like of float, shape (H, W, 3)
        Where to start, RGB in [0, 1].
    method : {"lbfgs", "adam"}, default "lbfgs"
        L-BFGS (Liu and Nocedal 1989; SciPy's) learns the loss's curvature from its last steps
        and gets further with fewer evaluations. Adam (Kingma and Ba 2015) is what many tutorials
        use.
    iterations : int, default 200
        At most this many. Adam needs one evaluation for each, L-BFGS rarely more than 1.1.
    learning_rate : float, default 0.05
        Adam's, in units of the image's range. L-BFGS finds its own step.
    callback : callable, optional
        Called with a :class:`Step` at the start and after every iteration. If it returns True,
        the run ends.
    progress : bool, default True
        Show a progress bar with the loss.
    description : str
        What the progress bar calls the run.

    Returns
    -------
    Result
        It holds the best image so far, also when the run is interrupted from the keyboard.

    Raises
    ------
    ArgumentError
        For an unknown method, a count or rate that is not positive, a loss or callback that cannot
        be called, or a loss that is not a scalar or does not depend on the image.
    ImageError
        If `image` is not an image.
    OptimizationError
        If the loss becomes NaN or infinite; the error carries the last good image.
    UnfinishedError
        If memory runs out; the error carries the best image.

    Notes
    -----
    An image has bounds, and L-BFGS with bounds costs as much as a small network itself. So the
    variable is left free: the loss sees it clipped to [0, 1], and a penalty on what was clipped
    leads it back. Since clipping removes the penalty, the clipped image is never worse.

    References
    ----------
    - D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization",
      Mathematical Programming, 1989.
    - D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> grey = np.full((2, 2, 3), 0.5, np.float32)
    >>> towards_white = lambda x: tf.reduce_mean((x - 1.0) ** 2)
    >>> result = minimize_image(towards_white, grey, iterations=10, progress=False)
    >>> result.image.round(3).min()
    np.float32(1.0)
    """
    check_function("loss", loss, "a function that takes an image's tensor and returns its loss")
    check_callback(callback)
    start = check_image(image)
    check_choice("method", method, METHODS)
    iterations = check_count("iterations", iterations)
    learning_rate = check_number("learning_rate", learning_rate, above=0)

    interrupted = out_of_memory = False
    run: _Run | None = None
    with tqdm.auto.tqdm(total=iterations, desc=description, disable=not progress) as bar:
        try:
            run = _Run(loss, start, callback, bar)
            run.record()
            if method == "lbfgs":
                _lbfgs(run, start, iterations)
            else:
                _adam(run, start, iterations, learning_rate)
        except StopIteration:
            pass
        except KeyboardInterrupt:
            if run is None:
                raise
            interrupted = True
        except Exception as error:
            if not ran_out(error):
                raise
            out_of_memory = True
    # Not where the error was caught, because only now the memory that the attempt held is free.
    if out_of_memory:
        image, run = start if run is None else run.best_image, None
        raise UnfinishedError(start.shape, image)
    assert run is not None
    best = run.best
    return Result(run.best_image, best.loss, best.terms, tuple(run.history), interrupted)


class _Run:
    """Evaluates the loss, keeps the best image and the history, reports to bar and callback."""

    def __init__(
        self, loss: Loss, start: Image, callback: Callable[[Step], object] | None, bar: Any
    ) -> None:
        def evaluate(variable: tf.Tensor, penalty: tf.Tensor) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                tape.watch(variable)
                inside = tf.clip_by_value(variable, 0.0, 1.0)
                terms = _named(loss(inside))
                outside = tf.reduce_mean(tf.square(variable - tf.stop_gradient(inside)))
                objective = tf.add_n([penalty * outside, *terms.values()])
            gradient, of_loss = tape.gradient(objective, [variable, inside])
            if of_loss is None:
                raise ArgumentError(
                    "the loss does not depend on the image; compute it from the loss function's "
                    "argument, with TensorFlow's functions all the way"
                )
            return terms, objective, gradient

        self._began = time.perf_counter()
        # Traced here and now, and without AutoGraph, which would hide an error in the loss behind
        # one of its own.
        signature = [tf.TensorSpec(start.shape), tf.TensorSpec(())]
        traced = tf.function(evaluate, input_signature=signature, autograph=False)
        self._evaluate = traced.get_concrete_function()
        self._callback = callback
        self._bar = bar
        self._evaluations = 0
        self._penalty = 0.0
        self.history: list[Step] = []
        self.best = self.latest = Step(0, 0, math.inf, {}, 0.0)
        self.best_image = self._image = start
        _, self.start_gradient = self.evaluate(start)
        # The loss at the start. Penalty and tolerances are set relative to it, so that they mean
        # the same for every loss.
        self.size = abs(self.latest.loss) or 1.0
        self._penalty = PENALTY * self.size

    def evaluate(self, variable: NDArray[Any]) -> tuple[float, NDArray[np.float32]]:
        """Objective (loss and penalty) and gradient at an image that may leave [0, 1]."""
        variable = variable.astype(np.float32)
        terms, objective, gradient = self._evaluate(
            tf.constant(variable), tf.constant(self._penalty, tf.float32)
        )
        self._evaluations += 1
        terms = {name: float(term) for name, term in terms.items()}
        gradient = gradient.numpy()
        if not (math.isfinite(objective) and np.isfinite(gradient).all()):
            raise OptimizationError(
                f"the loss or its gradient became NaN or infinite at evaluation "
                f"{self._evaluations}; the best image before that is kept; use a smaller learning "
                "rate or smaller weights",
                self.best_image,
                command=f"the loss became NaN or infinite at evaluation {self._evaluations}; "
                "smaller weights or another --method may help",
            )
        self.latest = Step(
            iteration=len(self.history),
            evaluations=self._evaluations,
            loss=sum(terms.values()),
            terms=terms,
            seconds=time.perf_counter() - self._began,
        )
        self._image = np.clip(variable, 0.0, 1.0)
        if self.latest.loss < self.best.loss:
            self.best, self.best_image = self.latest, self._image
        return float(objective), gradient

    def record(self) -> None:
        """Close an iteration at the image evaluated last."""
        self.history.append(self.latest)
        self._bar.set_postfix(loss=f"{self.latest.loss:.3g}", refresh=False)
        self._bar.update(self.latest.iteration - self._bar.n)
        if self._callback is None:
            return
        # A copy: what the callback draws on it must not become the result.
        if is_true(self._callback(replace(self.latest, image=self._image.copy()))):
            raise StopIteration  # SciPy takes it for the end of the run, and so does the caller


def _lbfgs(run: _Run, start: Image, iterations: int) -> None:
    # SciPy's line search and tolerances depend on the objective's size, so each starts at 1,000.
    scale = 1e3 / run.size

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = run.evaluate(flat.reshape(start.shape))
        return scale * value, scale * gradient.ravel().astype(np.float64)

    # SciPy's arithmetic on a few vectors gains nothing from threads. They would only keep the cores
    # busy that TensorFlow needs for the next evaluation.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        scipy.optimize.minimize(
            objective,
            start.ravel().astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=lambda _: run.record(),
            options={
                "maxiter": iterations,
                "maxcor": kept_steps(start.size),
                "ftol": 0.0,
                "gtol": 0.0,
            },
        )


def is_true(answer: object) -> bool:
    """Tell whether a callback wants to stop: by True, Python's or NumPy's, and by nothing else.

    Examples
    --------
    >>> is_true(np.float32(1) < 2), is_true(None), is_true(1)
    (True, False, False)
    """
    return isinstance(answer, bool | np.bool_) and bool(answer)


def check_callback(callback: object) -> None:
    """Refuse a callback that cannot be called."""
    if callback is not None:
        check_function("callback", callback, "a function that takes a Step, or None")


def kept_steps(values: int) -> int:
    """How many steps L-BFGS learns from; it keeps two images in double precision for each.

    Six: with ten, transfers reached the same losses to one percent and took 7 % longer. Very large
    images get fewer, so that they stay within about half a gigabyte.
    """
    return max(4, min(6, int(3e7 // values)))


def _adam(run: _Run, start: Image, iterations: int, learning_rate: float) -> None:
    image = tf.Variable(start)
    optimizer = keras.optimizers.Adam(learning_rate)
    gradient = run.start_gradient
    for _ in range(iterations):
        # Adam does not mind the gradient's size, except where it is near Adam's ε, 1e-7.
        optimizer.apply([tf.constant(gradient * np.float32(1e3 / run.size))], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))
        _, gradient = run.evaluate(image.numpy())
        run.record()


def _named(loss: tf.Tensor | Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    terms = dict(loss) if isinstance(loss, Mapping) else {"loss": loss}
    try:
        terms = {
            name: tf.ensure_shape(tf.cast(term, tf.float32), ()) for name, term in terms.items()
        }
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"the loss gave {loss!r}; it gives a scalar tensor, or several by name"
        ) from error
    return terms
