"""Examples to learn from, made while the network learns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import tf


class Pipeline:
    """Makes examples in the background, in batches, without end.

    Example number `i` depends on `i` and `seed` alone. A training that goes on where another ended,
    or that is divided among machines, sees the same examples as one that runs through on one
    machine.

    Parameters
    ----------
    make : callable
        Makes one example, a tuple of float32 arrays, by a NumPy generator.
    shapes : sequence of (int, ...)
        The shapes of those arrays.
    batch : int
        Examples in a batch; on several machines, in all their batches together.
    seed : int
        Of the generators.

    Examples
    --------
    >>> pipeline = Pipeline(lambda random: (random.random(2, np.float32),), [(2,)], batch=3, seed=0)
    >>> (first,), (second,) = pipeline.dataset().take(2)
    >>> first.shape, np.array_equal(next(iter(pipeline.dataset(done=1)))[0], second)
    (TensorShape([3, 2]), True)
    """

    def __init__(
        self,
        make: Callable[[np.random.Generator], tuple[NDArray[np.float32], ...]],
        shapes: Sequence[tuple[int, ...]],
        batch: int,
        seed: int,
    ) -> None:
        self.make = make
        self.shapes = tuple(shapes)
        self.batch = batch
        self.seed = seed
        self._failure: Exception | None = None

    def example(self, number: int) -> tuple[NDArray[np.float32], ...]:
        """Make one example."""
        try:
            return self.make(np.random.default_rng((self.seed, int(number))))
        except Exception as error:  # TensorFlow, which calls this, would hide it in a long text
            self._failure = error
            raise

    def dataset(
        self, done: int = 0, context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Give the batches that follow after the first `done`.

        Parameters
        ----------
        done : int, default 0
            Batches to leave out.
        context : tf.distribute.InputContext, optional
            Which of several machines asks: it gets its part of every batch. See
            ``tf.distribute.Strategy.distribute_datasets_from_function``.
        """
        context = context or tf.distribute.InputContext()
        part = self.batch // context.num_input_pipelines

        def numbers() -> Iterator[int]:
            for number in itertools.count(done):
                first = number * self.batch + context.input_pipeline_id * part
                yield from range(first, first + part)

        def example(number: tf.Tensor) -> tuple[tf.Tensor, ...]:
            arrays = tf.numpy_function(self.example, [number], [tf.float32] * len(self.shapes))
            return tuple(map(tf.ensure_shape, arrays, self.shapes))

        spec = tf.TensorSpec((), tf.int64)
        options = tf.data.Options()
        # There is nothing to tune, and the thread that does it can take a minute to end.
        options.autotune.enabled = False
        return (
            tf.data.Dataset.from_generator(numbers, output_signature=spec)
            .map(example, num_parallel_calls=2)
            .batch(context.get_per_replica_batch_size(self.batch), drop_remainder=True)
            .prefetch(2)
            .with_options(options)
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise an example's own error in place of the one that TensorFlow makes of it."""
        try:
            yield
        except tf.errors.OpError:
            if self._failure is None:
                raise
            raise self._failure from None
