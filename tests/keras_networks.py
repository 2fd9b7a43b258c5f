"""Small networks of Keras with random weights, and a file that runs code, for the tests."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from nstlib._tensorflow import keras
from nstlib.networks.person import PersonNet
from nstlib.networks.transformer import TransformerNet


def stir(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a random value, so that none is hidden by being 0 or 1."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = random.normal(0.2, 0.4, variable.shape)
        variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)
    return model


def person_net() -> keras.Model:
    """Build a person network that learned nothing, where what begins as 0 counts as well."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    network = PersonNet()
    for variable in network.weights:
        variable.assign_add(random.normal(0, 0.02, variable.shape))
    return network


def small_net(**options: Any) -> keras.Model:
    return stir(TransformerNet((4, 8), blocks=1, kernel=3, **options))


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)
