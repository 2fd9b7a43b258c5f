"""Arguments of the recipes: whatever is given, it works as the number it stands for, or is refused.

The loops themselves are replaced: what counts is what arrives there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nstlib.errors import NstError
from nstlib.features import feature_extractor
from nstlib.optimize import minimize_image
from nstlib.scales import Checkpoint, coarse_to_fine
from nstlib.synthesis.estimate import estimate_transfer
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style
from nstlib.training.person import train_person
from nstlib.training.style import train_style

IMAGE = np.random.default_rng(0).random((64, 64, 3), np.float32)


class Arrived(Exception):  # noqa: N818 - no error
    """What a loop was given."""


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let every loop raise what it is given; give the file of a photograph."""

    def stop(*given: Any, **options: Any) -> None:
        raise Arrived(given, options)

    for module in ("texture", "transfer"):
        monkeypatch.setattr(f"nstlib.synthesis.{module}.coarse_to_fine", stop)
    monkeypatch.setattr("nstlib.scales.minimize_image", stop)
    monkeypatch.setattr("nstlib.optimize._Run", stop)
    monkeypatch.setattr("nstlib.training.style.TransformerNet", stop)
    monkeypatch.setattr("nstlib.training.person.PersonNet", stop)
    file = tmp_path / "photo.png"
    file.write_bytes(b"")
    monkeypatch.setattr("nstlib.training.style.load_image", lambda _: IMAGE)
    return file


#: What somebody might give for a number.
VALUES = [
    None,
    True,
    "3",
    "",
    b"3",
    2.5,
    -1,
    0,
    math.nan,
    math.inf,
    1e400,
    10**400,
    [],
    [3],
    {},
    3 + 0j,
    np.array([2, 3]),
    np.array(3),
    np.float32(0.5),
    np.float64("nan"),
    np.int64(3),
    np.bool_(True),
    object(),
    lambda: 3,
]

RECIPES: dict[str, tuple[Callable[..., Any], str]] = {
    "texture": (
        lambda _, **given: synthesize_texture(IMAGE, **given),
        "size weights layers layer_weights tv_weight scales method iterations learning_rate seed",
    ),
    "transfer": (
        lambda _, **given: transfer_style(IMAGE, IMAGE, **given),
        "size weights content_weight style_weight tv_weight content_layers style_layers "
        "layer_weights style_scale style_shares masks preserve_colors init coarsest method "
        "iterations learning_rate seed tile",
    ),
    "estimate": (
        lambda _, **given: estimate_transfer(IMAGE, IMAGE, **given),
        "size iterations tile style_scale coarsest",
    ),
    "minimize": (
        lambda _, **given: minimize_image(lambda x: x, IMAGE, **given),
        "method iterations learning_rate",
    ),
    "coarse": (
        lambda _, **given: coarse_to_fine(lambda _: None, IMAGE, [(8, 8)], **given),  # type: ignore[arg-type, return-value]
        "iterations",
    ),
    "extractor": (
        lambda _, **given: feature_extractor(**{"layers": ["block1_conv1"]} | given),
        "layers weights padding",
    ),
    "style": (
        lambda photo, **given: train_style(IMAGE, [photo], **given),
        "size style_size steps batch learning_rate weights content_weight style_weight tv_weight "
        "lattice_weight seed every",
    ),
    "person": (
        lambda photo, **given: train_person([(photo, None)], [], **given),
        "steps batch learning_rate seed",
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_works_or_it_is_refused(arrived: Path, recipe: str) -> None:
    call, names = RECIPES[recipe]
    for name in names.split():
        for value in VALUES:
            try:
                call(arrived, **{name: value})
            except (Arrived, NstError) as error:
                assert "\n" not in str(error) or isinstance(error, Arrived)  # noqa: PT017
            except Exception as error:
                pytest.fail(f"{name}={value!r}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("plain", [0.5, 3])
def test_numbers_of_numpy_are_numbers(tmp_path: Path, plain: float) -> None:
    """With a checkpoint, whose settings are JSON."""
    for value in (np.asarray(plain, kind)[()] for kind in ("f4", "f8", "i4", "u1")):
        if value == plain:
            ours = Checkpoint(tmp_path / "a", {"x": value, "y": [value], "z": np.asarray([value])})
            assert ours.settings == {"x": plain, "y": [plain], "z": [plain]}


def test_a_transfer_of_numpys_numbers_goes_on_as_one_of_pythons(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[Checkpoint] = []

    def stop(*_: Any, checkpoint: Checkpoint, **__: Any) -> None:
        kept.append(checkpoint)
        raise Arrived

    monkeypatch.setattr("nstlib.synthesis.transfer.coarse_to_fine", stop)
    kinds: list[tuple[Any, Any]] = [(float, int), (np.float32, np.int64), (np.float64, np.uint8)]
    for number, count in kinds:
        with pytest.raises(Arrived):
            transfer_style(
                IMAGE,
                IMAGE,
                content_weight=number(0.5),
                learning_rate=number(0.25),
                style_shares=[number(1)],
                layer_weights={"block1_conv1": number(0.5)},
                iterations=count(3),
                checkpoint=tmp_path / "run.npz",
            )
    assert kept[0].settings == kept[1].settings == kept[2].settings
