"""Parts of answers in TensorFlow that the tests of several lessons share."""

from __future__ import annotations

from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")


def gram_tf(x: Any) -> Any:
    return tf.einsum("hwi,hwj->ij", x, x) / (x.shape[0] * x.shape[1])


def squares(difference: Any) -> Any:
    return tf.reduce_sum(difference**2)


def gradient(loss: Any, image: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tape.gradient(value, image)
