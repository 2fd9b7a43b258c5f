"""The state of a training, in a file from which it can continue. Runs on any Keras backend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._files import SavedState
from nstlib._keras import keras
from nstlib.errors import ArgumentError


class TrainingState(SavedState):
    """The values of variables, kept in a file.

    When several machines train together, the first one writes the file and all of them read it, so
    all must be able to reach it.

    Parameters
    ----------
    path : str, pathlib.Path or None
        The file; None keeps nothing.
    variables : sequence of keras.Variable
        The network's, then the optimiser's.
    settings : mapping of str to (JSON values)
        What the training was asked for. A file with other settings is refused.
    """

    def __init__(
        self,
        path: str | Path | None,
        variables: Sequence[keras.Variable],
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__(Path() if path is None else path, settings)  # None is never looked at
        self.variables = list(variables)
        self._reads = path is not None
        self._writes = self._reads and _is_first_machine()

    def load(self) -> bool:
        """Give the variables the values in the file, if there is one; tell whether there is.

        Raises
        ------
        ArgumentError
            If the file is not a saved state, or belongs to another training.
        OutputError
            If there is no file, and none can be written there.
        """

        def understand(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
            values = [arrays[f"v{i}"] for i in range(len(self.variables))]
            if [v.shape for v in values] != [tuple(v.shape) for v in self.variables]:
                raise ValueError("the variables have other shapes")  # for `read` to report
            return values

        values = self.read(understand) if self._reads else None
        for variable, value in zip(self.variables, values or [], strict=False):
            variable.assign(value)
        return values is not None

    def save(self) -> None:
        """Write the variables' values."""
        if self._writes:
            values = map(keras.ops.convert_to_numpy, self.variables)
            self.write(**{f"v{i}": value for i, value in enumerate(values)})


def _is_first_machine() -> bool:
    """Tell whether this machine writes the file, if several train together."""
    if keras.backend.backend() != "tensorflow":
        return True
    from nstlib._tensorflow import tf

    return bool(tf.distribute.get_strategy().extended.should_checkpoint)


def check_loss(
    loss: float,
    step: int,
    rate: float,
    name: str = "learning_rate",
    *,
    weights: Iterable[Any] = (),
) -> None:
    """Refuse to go on, and to save, where a loss or a weight is no longer a number.

    Parameters
    ----------
    loss : float
        At this step, or its mean since the last report.
    step : int
        Which step.
    rate : float
        The learning rate that was asked for.
    name : str
        How Python calls it. A command has an option for it if this is ``"learning_rate"``.
    weights : iterable of variables
        What is about to be saved: a step may have spoiled it after its loss was taken.

    Raises
    ------
    ArgumentError
        If `loss`, or a number among `weights`, is NaN or infinite.
    """
    arrays = map(keras.ops.convert_to_numpy, weights)
    lost = "" if math.isfinite(loss) else "the loss"
    if not lost and not all(np.isfinite(array).all() for array in arrays):
        lost = "a weight of the network"
    if lost:
        fault = f"at step {step} {lost} is no longer a number"
        raise ArgumentError(
            f"{fault}; {name} is {rate:g}: use a smaller one",
            command=f"{fault}; --learning-rate is {rate:g}: give a smaller one"
            if name == "learning_rate"
            else f"{fault}; begin anew, with another --seed and another --checkpoint",
        )
