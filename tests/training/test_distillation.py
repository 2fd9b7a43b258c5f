"""Where the twin begins, and the coordinates in which it is trained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.assets.cache import embedded_model
from nstlib.features import STYLE_LAYERS, extractor_of
from nstlib.sources import load_image
from nstlib.training.twin.distillation import Adam, Distiller
from nstlib.training.twin.layers import network_of, params_of
from nstlib.training.twin.pictures import Pictures
from nstlib.training.twin.run import WIDTHS, normalized
from nstlib.training.twin.start import basis_of, choose, closed_form_student, unexplained
from nstlib.vgg19 import CONVOLUTIONS, build_vgg19, load_vgg19

LAST = "block3_conv1"
SHALLOW = CONVOLUTIONS[: CONVOLUTIONS.index(LAST) + 1]


@pytest.fixture(scope="module")
def vgg() -> keras.Model:
    """Return a teacher with a sixteenth of VGG19's channels."""
    keras.utils.set_random_seed(1)
    return build_vgg19(1 / 16)


def photos(side: int) -> list[NDArray[np.float32]]:
    return [load_image(n, (side, side))[np.newaxis] for n in ("coffee", "chelsea", "astronaut")]


def test_with_all_channels_the_closed_form_is_the_teacher_itself(vgg: keras.Model) -> None:
    """Where nothing has to be left out, nothing is lost: not on a picture it never saw either."""
    widths = [vgg.get_layer(name).filters for name in CONVOLUTIONS]
    made, _, left = closed_form_student(
        params_of(vgg), photos(64), widths, poolings=("max", "max"), ridge=1e-9, last=LAST
    )
    assert tuple(left) == SHALLOW
    assert max(left.values()) < 1e-3
    student = network_of(params_of(vgg) | made, "max")
    unseen = load_image("rocket", (96, 96))[np.newaxis]
    wanted, found = (extractor_of(n, SHALLOW, "replicate")(unseen) for n in (vgg, student))
    for name in SHALLOW:
        assert np.abs(found[name] - wanted[name]).max() < 0.02 * np.max(wanted[name])


def test_fewer_channels_explain_less(vgg: keras.Model) -> None:
    lefts = []
    for divisor in (1, 2, 4):
        widths = [max(1, vgg.get_layer(name).filters // divisor) for name in CONVOLUTIONS]
        _, _, left = closed_form_student(params_of(vgg), photos(64), widths, last=LAST)
        lefts.append(left)
    for more, fewer in itertools.pairwise(lefts):
        assert all(more[name] < fewer[name] < 1 for name in SHALLOW)


def test_the_channels_that_tell_most_are_chosen() -> None:
    """Two that vary alike tell what one of them does."""
    random = np.random.default_rng(0)
    a, b, c = random.standard_normal((3, 1000))
    covariance = np.cov([a, a + 0.01 * c, b, 0.001 * c])
    chosen = choose(covariance, 2).tolist()
    assert 2 in chosen
    assert len({0, 1} & set(chosen)) == 1
    assert choose(covariance, 9).tolist() == [0, 1, 2, 3]  # there are no more


def test_unexplained_is_a_share() -> None:
    variance = np.array([1.0, 4.0, 9.0])
    assert unexplained(variance, variance) == pytest.approx(1)
    assert unexplained(0 * variance, variance) == 0
    assert unexplained(0.25 * variance, variance) == pytest.approx(0.25)


def test_other_coordinates_are_the_same_network(vgg: keras.Model) -> None:
    """What is kept for whitened inputs comes back as kernels, biases and heads."""
    teacher = params_of(vgg)
    random = np.random.default_rng(3)
    params = {n: (k, random.standard_normal(b.shape) * 9) for n, (k, b) in teacher.items()}
    heads = {
        n: (random.standard_normal((b.size, b.size)), random.standard_normal(b.size))
        for n, (_, b) in teacher.items()
    }
    basis = basis_of(params, teacher, photos(64))
    distiller = Distiller(teacher, basis)
    distiller.set(params, heads)
    values = {name: tf.convert_to_tensor(v) for name, v in distiller.variables.items()}
    for name, (kernel, bias) in distiller.params(values).items():
        np.testing.assert_allclose(kernel, params[name][0], rtol=1e-2, atol=1e-3)
        np.testing.assert_allclose(bias, params[name][1], rtol=1e-2, atol=1)
    # Heads speak of VGG19's features centred and scaled.
    for name, (slope, constant) in distiller.heads(values).items():
        scale, mean = basis[f"{name}/scale"], basis[f"{name}/mean"]
        wanted = heads[name][0] * scale
        np.testing.assert_allclose(slope, wanted, rtol=1e-2, atol=1e-3 * np.abs(wanted).max())
        wanted = (heads[name][1] - mean) * scale
        np.testing.assert_allclose(constant, wanted, rtol=2e-2, atol=2e-2 * np.abs(wanted).max())


def test_layers_are_rescaled_and_nothing_else(vgg: keras.Model) -> None:
    teacher = params_of(vgg)
    seen = [np.rint(255 * photo[0]).astype(np.uint8) for photo in photos(64)]
    batch = np.concatenate(photos(64))
    twin = network_of(teacher, "average")
    scaled = network_of(normalized(teacher, seen), "average")
    before, after = (extractor_of(n, CONVOLUTIONS)(batch) for n in (twin, scaled))
    for name in CONVOLUTIONS:
        assert float(tf.reduce_mean(after[name])) == pytest.approx(1, rel=1e-2)
        ratio = float(tf.reduce_sum(before[name]) / tf.reduce_sum(after[name]))
        np.testing.assert_allclose(ratio * after[name], before[name], rtol=1e-2, atol=0.02 * ratio)


def test_adam_takes_steps_of_the_size_of_a_kernel() -> None:
    """The first step of Adam is its rate, whatever the gradient's size; here times the kernel's."""
    kernel = tf.Variable(np.full((3, 3, 2, 2), 5.0, np.float32))
    adam = Adam({"a/kernel": kernel})
    slope = tf.constant(np.full((3, 3, 2, 2), 1e-4, np.float32))
    adam.apply({"a/kernel": slope}, tf.constant(0.01))
    np.testing.assert_allclose(kernel, 5 - 0.01 * 5, rtol=1e-4)


def test_crops_are_pictures_and_repeat_with_the_seed() -> None:
    drawing = np.rint(255 * load_image("waves", (90, 120))).astype(np.uint8)
    pools = {"drawn": (1.0, [drawing]), "photo": (1.0, [drawing[::-1]])}
    one, again, other = (Pictures(pools, seed).batch(12, 64) for seed in (0, 0, 1))
    assert one.shape == (12, 64, 64, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert np.mean(one != other) > 0.5


def test_own_pictures_keep_their_grain() -> None:
    """They are mirrored and turned at most: every pixel is one of theirs."""
    grain = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    turned = [np.rot90(grain[:, ::way], turns) for way in (1, -1) for turns in range(4)]
    for crop in Pictures({"own": (1.0, [grain])}, 0).batch(20, 64):
        assert any(np.array_equal(crop, same) for same in turned)


def test_the_file_holds_a_twin_of_these_widths() -> None:
    twin = load_vgg19(embedded_model("vgg19_mini.npz"))
    assert tuple(twin.get_layer(name).filters for name in CONVOLUTIONS) == WIDTHS
    assert twin.count_params() == 3_571_504
    maps = extractor_of(twin, STYLE_LAYERS)(load_image("chelsea", 128)[np.newaxis])
    # Rescaled to a mean activation of 1 over photographs.
    assert all(0.3 < float(np.mean(maps[layer])) < 3 for layer in STYLE_LAYERS)
