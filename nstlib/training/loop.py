"""The loop of the trainings that run on any Keras backend, and the state that it goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nstlib._checks import check_count, check_function
from nstlib._keras import keras
from nstlib.training.any_style.pictures import Batches
from nstlib.training.state import TrainingState, check_loss


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


def check_options(
    every: int,
    workers: int,
    report: Callable[[int, dict[str, float], float], object],
    stop: Callable[[], bool],
) -> None:
    """Refuse what :func:`fit` cannot be called with, before there are networks."""
    check_count("every", every)
    check_count("workers", workers)
    check_function("report", report, "a function that takes steps, losses and seconds")
    check_function("stop", stop, "a function that takes nothing and returns True to end")


def begin(
    teacher: LossModel,
    optimizer: keras.optimizers.Optimizer,
    checkpoint: str | Path | None,
    settings: Mapping[str, Any],
) -> tuple[TrainingState, bool]:
    """Make a model ready to learn; return its state, and whether it goes on from a saved one.

    Parameters
    ----------
    teacher : LossModel
        What is to learn.
    optimizer : keras.optimizers.Optimizer
        What changes it.
    checkpoint : str, pathlib.Path or None
        A file for the state.
    settings : mapping of str to (JSON values)
        What the training was asked for, with a ``learning_rate`` among it.

    Returns
    -------
    state : TrainingState
    goes_on : bool

    Raises
    ------
    ArgumentError
        If `checkpoint` is there, but is no saved state, or that of a training with other
        `settings`.
    OutputError
        If it is not there, and cannot be written.
    """
    teacher.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(teacher.trainable_variables)
    variables = [*teacher.trainable_variables, *optimizer.variables]
    state = TrainingState(checkpoint, variables, settings)
    return state, state.load()


def fit(
    teacher: LossModel,
    batches: Batches,
    state: TrainingState,
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
    state : TrainingState
        What :func:`begin` returned; saved after `every` steps, and at the end.
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
        If a loss becomes NaN or infinite. What was saved before stays.

    Warns
    -----
    NstWarning
        If the state cannot be written any more.
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
            rate = state.settings["learning_rate"]
            check_loss(
                sum(means.values()),
                done,
                rate,
                "the learning rate",
                weights=teacher.trainable_variables,
            )
            state.save()
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
