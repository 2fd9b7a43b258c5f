"""Keras, with whatever computes for it.

The library's Keras computes by TensorFlow, see :mod:`nstlib._tensorflow`. Modules that import it
from here instead use nothing of TensorFlow beside it. They work with ``KERAS_BACKEND=jax``, too:
for a long training on a machine that has JAX and a graphics card. (PyTorch refuses names of layers
with a dot in them.)
"""

from __future__ import annotations

import os

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    from nstlib._tensorflow import keras
else:
    import keras

__all__ = ["keras"]
