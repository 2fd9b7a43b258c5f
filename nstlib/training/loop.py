"""The loop of the trainings that run on any Keras backend, and the state that it goes on from."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nstlib._files import atomic_write
from nstlib._keras import keras
from nstlib.errors import ArgumentError
from nstlib.training.any_style.pictures import Batches

ops = keras.ops


class LossModel(keras.Model):
    """A model whose call gives the losses of a batch, by name, of which it minimises ``"loss"``.

    Attributes
    ----------
    trackers : dict of str to keras.metrics.Mean
        By name, those of the losses that Keras is to report.
    """

    trackers: dict[str, keras.metrics.Mean]

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002
        y: Any = None,  # noqa: ARG002
        y_pred: Any = None,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """Return what Keras minimises."""
        for name, tracker in self.trackers.items():
            tracker.update_state(y_pred[name])
        return y_pred["loss"]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """Return what Keras reports beside the loss."""
        return {name: tracker.result() for name, tracker in self.trackers.items()}


def begin(
    teacher: LossModel, optimizer: keras.optimizers.Optimizer, checkpoint: Path | None
) -> bool:
    """Make a model ready to learn; tell whether it goes on from a saved state.

    Raises
    ------
    ArgumentError
        If `checkpoint` is there, but is no saved state, or that of another network.
    """
    teacher.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(teacher.trainable_variables)
    if checkpoint is None or not checkpoint.exists():
        return False
    try:
        with np.load(checkpoint, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ArgumentError(
            f"{checkpoint} is not the state of such a training ({error})"
        ) from error
    for kind, variables in (("n", teacher.trainable_variables), ("o", optimizer.variables)):
        values = [arrays.get(f"{kind}{i}", np.zeros(0)) for i in range(len(variables))]
        if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
            raise ArgumentError(f"{checkpoint} belongs to another network")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    return True


def fit(
    teacher: LossModel,
    batches: Batches,
    checkpoint: Path | None,
    *,
    steps: int,
    every: int,
    workers: int,
    report: Callable[[int, dict[str, float], float], object],
    stop: Callable[[], bool],
) -> None:
    """Train until `steps` are done, those before :func:`begin` included, or `stop` says so.

    Parameters
    ----------
    teacher : LossModel
        After :func:`begin`.
    batches : Batches
        What it sees.
    checkpoint : pathlib.Path or None
        Where the state is saved after `every` steps, and at the end.
    steps, every : int
        How many steps in all, and from one report to the next.
    workers : int
        Threads that cut pictures.
    report : callable
        Told after `every` steps, and at the end: the steps done, the losses' means since the last
        report, and the seconds that a step takes.
    stop : callable
        Asked after every step; if it says True, the training ends there.

    Raises
    ------
    ArgumentError
        If a loss becomes NaN or infinite.
    """
    done = first = int(teacher.optimizer.iterations)
    began = time.perf_counter()

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:  # noqa: ARG002
            nonlocal done
            done += 1
            if stop() or done == steps:  # which need not be a multiple of `every`
                teacher.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            means = {name: float(value) for name, value in (logs or {}).items()}
            if not np.isfinite(list(means.values())).all():
                raise ArgumentError(f"at step {done} the loss is no longer a number: {means}")
            if checkpoint is not None:
                _save(checkpoint, teacher)
            report(done, means, (time.perf_counter() - began) / max(1, done - first))

    if done < steps:
        teacher.fit(
            ((pair, None) for pair in batches.stream(done, workers)),
            steps_per_epoch=every,
            epochs=-(-(steps - done) // every),
            verbose=0,
            shuffle=False,
            callbacks=[Watch()],
        )


def _save(path: Path, teacher: LossModel) -> None:
    """Write the networks and the optimiser, which counts the steps."""
    kinds = {"n": teacher.trainable_variables, "o": teacher.optimizer.variables}
    arrays = {
        f"{kind}{i}": ops.convert_to_numpy(variable)
        for kind, variables in kinds.items()
        for i, variable in enumerate(variables)
    }
    with atomic_write(path) as file:
        np.savez(file, **arrays)
