"""VGG19 with an eighth of its channels, for tests that need its depth and not its width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nstlib import features
from nstlib._tensorflow import keras
from nstlib.vgg19 import build_vgg19


@contextmanager
def narrow_vgg19(pooling: str) -> Iterator[None]:
    """Put it in the place of VGG19, whatever weights are asked for."""
    keras.utils.set_random_seed(0)
    network = build_vgg19(1 / 8, pooling)
    features.cached_extractor.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "vgg19_with", lambda _: network)
        yield
    features.cached_extractor.cache_clear()  # for tests that come later
