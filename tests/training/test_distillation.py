"""The twin that VGG19 teaches: its closed form, and the file that the training wrote."""

from __future__ import annotations

import numpy as np
import pytest

from nstlib.assets.cache import embedded_model
from nstlib.features import STYLE_LAYERS, extractor_of
from nstlib.sources import load_image
from nstlib.training.twin import LAYERS, WIDTHS, choose, closed_form_student, unexplained
from nstlib.vgg19 import build_vgg19, load_vgg19


def test_with_all_channels_the_closed_form_is_the_teacher_itself() -> None:
    """Where nothing has to be left out, nothing is lost (but what the ridge takes)."""
    vgg = build_vgg19(1 / 16)
    teacher = {name: tuple(vgg.get_layer(name).get_weights()) for name in LAYERS}
    widths = [len(teacher[name][1]) for name in LAYERS]
    photos = [load_image(name, (64, 64))[np.newaxis] for name in ("coffee", "chelsea", "astronaut")]
    _, _, left = closed_form_student(teacher, photos, widths, "max", 1e-9, "block2_conv1")
    assert list(left) == ["block1_conv1", "block1_conv2", "block2_conv1"]
    assert max(left.values()) < 1e-3
    narrow = [max(1, width // 2) for width in widths]
    _, _, more = closed_form_student(teacher, photos, narrow, "max", 1e-9, "block2_conv1")
    assert all(more[name] > 10 * left[name] for name in left)


def test_the_channels_that_tell_most_are_chosen() -> None:
    """Two that vary alike tell what one of them does."""
    random = np.random.default_rng(0)
    a, b, c = random.standard_normal((3, 1000))
    covariance = np.cov([a, a + 0.01 * c, b, 0.001 * c])
    chosen = choose(covariance, 2).tolist()
    assert 2 in chosen
    assert len({0, 1} & set(chosen)) == 1


def test_unexplained_is_a_share() -> None:
    variance = np.array([1.0, 4.0, 9.0])
    assert unexplained(variance, variance) == pytest.approx(1)
    assert unexplained(0 * variance, variance) == 0
    assert unexplained(0.25 * variance, variance) == pytest.approx(0.25)


def test_the_file_holds_a_twin_of_these_widths() -> None:
    twin = load_vgg19(embedded_model("vgg19_mini.npz"))
    assert tuple(twin.get_layer(name).filters for name in LAYERS) == WIDTHS
    assert twin.count_params() == 3_571_504
    maps = extractor_of(twin, STYLE_LAYERS)(load_image("chelsea", 128)[np.newaxis])
    # Rescaled to a mean activation of 1 over photographs.
    assert all(0.3 < float(np.mean(maps[layer])) < 3 for layer in STYLE_LAYERS)
