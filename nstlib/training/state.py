"""The state of a training, in a file from which it can continue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nstlib._files import SavedState
from nstlib._tensorflow import keras, tf
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
        strategy = tf.distribute.get_strategy()
        self._reads = path is not None
        self._writes = self._reads and strategy.extended.should_checkpoint

    def load(self) -> None:
        """Give the variables the values in the file, if there is one.

        Raises
        ------
        ArgumentError
            If the file is not a saved state, or belongs to another training.
        """

        def understand(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
            values = [arrays[f"v{i}"] for i in range(len(self.variables))]
            if [v.shape for v in values] != [tuple(v.shape) for v in self.variables]:
                raise ValueError("the variables have other shapes")  # for `read` to report
            return values

        if self._reads:
            for variable, value in zip(self.variables, self.read(understand) or [], strict=False):
                variable.assign(value)

    def save(self) -> None:
        """Write the variables' values."""
        if self._writes:
            self.write(**{f"v{i}": v.numpy() for i, v in enumerate(self.variables)})


def check_loss(loss: float, step: int, learning_rate: float) -> None:
    """Refuse to go on, and to save, where a loss is no longer a number.

    Raises
    ------
    ArgumentError
        If `loss` is NaN or infinite.
    """
    if not math.isfinite(loss):
        raise ArgumentError(
            f"at step {step} the loss is no longer a number; learning_rate is {learning_rate}: use "
            "a smaller one",
            command=f"at step {step} the loss is no longer a number; --learning-rate is "
            f"{learning_rate}: give a smaller one",
        )
