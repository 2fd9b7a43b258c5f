"""A size for which memory does not suffice is not begun: what was finished before it is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_transfers import OPTIONS, transfer

from nstlib.errors import MemoryLimitError
from nstlib.features import feature_extractor
from nstlib.optimize import Step, UnfinishedError
from nstlib.sources import load_image
from nstlib.synthesis.needs import needed_megabytes
from nstlib.synthesis.texture import synthesize_texture

PHOTO = load_image("chelsea", size=(128, 160))


pytestmark = pytest.mark.usefixtures("narrow")


def test_what_is_needed_by_hand() -> None:
    """Two layers of 8 channels on all pixels: four copies in float32. L-BFGS: vectors in float64.

    It keeps two for each step, of which three are made here, and ten more; each has 3 numbers a
    pixel.
    """
    extractor = feature_extractor(["block1_conv2"], "random")
    pixels = 600 * 400
    features = 4 * 4 * (8 + 8) * pixels / 1e6
    for method, vectors in (("adam", 0), ("lbfgs", 2 * 3 + 10)):
        needed = needed_megabytes(extractor, (600, 400), pixels, method=method, iterations=3)
        assert needed == pytest.approx(15 + features + 8 * vectors * 3 * pixels / 1e6)


def make_transfer(callback: Any) -> Any:
    return transfer(PHOTO, load_image("mosaic", size=64), size=256, callback=callback)


def make_texture(callback: Any) -> Any:
    return synthesize_texture(
        PHOTO, (256, 256), layers=OPTIONS["style_layers"], weights="random", scales=2,
        iterations=2, callback=callback, progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("make", [make_transfer, make_texture])
@pytest.mark.parametrize("tenths", [0, 5, 9])
def test_sizes_that_need_too_much_are_not_begun(
    monkeypatch: pytest.MonkeyPatch, make: Any, tenths: int
) -> None:
    needs: list[float] = []

    def note(*arguments: Any, **options: Any) -> float:
        needs.append(needed_megabytes(*arguments, **options))
        return needs[-1]

    for recipe in ("texture", "transfer"):
        monkeypatch.setattr(f"nstlib.synthesis.{recipe}.needed_megabytes", note)
    whole: list[Step] = []
    make(whole.append)
    largest, before = max(needs), sorted(set(needs))[-2]
    free = before + (largest - before) * tenths / 10
    monkeypatch.setattr("nstlib.synthesis.needs.room", lambda: free)
    steps: list[Step] = []
    with pytest.raises(UnfinishedError) as caught:
        make(steps.append)
    assert max(caught.value.size) == 256
    shapes = [step.image.shape for step in steps if step.image is not None]
    assert [s.image.shape for s in whole if s.image is not None][: len(shapes)] == shapes
    assert max(shapes[-1]) < 256
    # It is the picture of the size before, as good as it was.
    best = min((s for s in steps if s.image.shape == shapes[-1]), key=lambda s: s.loss)  # type: ignore[union-attr]
    np.testing.assert_array_equal(caught.value.image, best.image)
    monkeypatch.setattr("nstlib.synthesis.needs.room", lambda: largest)
    assert make(None).size[1] == 256


@pytest.mark.parametrize("make", [make_transfer, make_texture])
def test_nothing_is_begun_without_room(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    monkeypatch.setattr("nstlib.synthesis.needs.room", lambda: 1.0)
    with pytest.raises(MemoryLimitError, match="before there was a picture") as caught:
        make(None)
    assert not isinstance(caught.value, UnfinishedError)
    monkeypatch.setattr("nstlib.synthesis.needs.room", lambda: None)
    assert make(None).size[1] == 256
