"""What paints and finds people can be copied, and sent to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import BACKENDS, picture, save, style_network

from nstlib.compose import Composer
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import Stylizer

PHOTO = picture(48, 64)


@pytest.fixture(autouse=True)
def style_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(style_network(), Path("style.onnx"))


MAKERS: dict[str, Callable[[str], Any]] = {
    "stylizer": lambda backend: Stylizer("style.onnx", backend=backend),
    "any style": lambda backend: Stylizer(picture(32, 32), backend=backend),
    "in 8 bits": lambda _: Stylizer("mosaic", backend="ort", eight_bits=True),
    "by tiles": lambda backend: Stylizer("style.onnx", backend=backend, whole_megapixels=0.001),
    "segmenter": lambda backend: PersonSegmenter(backend=backend),
    "composer": lambda backend: Composer("style.onnx", backdrop="blur", backend=backend),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_copy_computes_the_same(name: str, backend: str) -> None:
    made = MAKERS[name](backend)
    expected = made(PHOTO)
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(other(PHOTO), expected)


def test_a_pool_of_processes_paints() -> None:
    stylizer = Stylizer("style.onnx")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        [painting] = pool.map(stylizer, [PHOTO])
    np.testing.assert_array_equal(painting, stylizer(PHOTO))
