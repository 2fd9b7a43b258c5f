"""What benchmarks compute themselves: the tutorials' loop, another method's pieces, likeness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import blog
import classic
import crowson
import numpy as np
import pytest
import scoreboard
import vgg19
from numpy.typing import NDArray

import nstlib as nst
from nstlib._tensorflow import keras, tf
from nstlib.vgg19 import build_vgg19, stride

Array = NDArray[np.float64]


def target() -> NDArray[np.float32]:
    return np.linspace(0.1, 0.9, 48, dtype=np.float32).reshape(4, 4, 3)


def squares(image: tf.Tensor) -> tf.Tensor:
    """A loss with a slope that is known by hand: twice the difference."""
    return tf.reduce_sum((image - target()) ** 2)


def adam_by_hand(start: Array, steps: int, rate: float, before: int = 0) -> Array:
    """Adam (Kingma and Ba 2015) as tutorials set it, and their clipping."""
    x, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t in range(before + 1, before + steps + 1):
        slope = 2 * (x - target())
        first = 0.99 * first + 0.01 * slope
        second = 0.999 * second + 0.001 * slope**2
        # With ε as TensorFlow takes it, beside the root that is not corrected yet.
        size = rate * np.sqrt(1 - 0.999**t) / (1 - 0.99**t)
        x = np.clip(x - size * first / (np.sqrt(second) + 0.1), 0, 1)
    return x


@pytest.mark.parametrize("before", [0, 5000])
def test_the_tutorials_loop_is_adam_with_its_settings(before: int) -> None:
    start = np.full((4, 4, 3), 0.5, np.float32)
    loop = classic.Loop(squares, start, 0.2, before)
    losses = [loop.step() for _ in range(7)]
    np.testing.assert_allclose(
        loop.image, adam_by_hand(start.astype(float), 7, 0.2, before), atol=1e-5
    )
    assert losses[0] == pytest.approx(np.sum((0.5 - target()) ** 2), rel=1e-5)


def test_a_stopped_loop_goes_on_where_it_was() -> None:
    start = np.zeros((4, 4, 3), np.float32)
    whole, first, rest = (classic.Loop(squares, start, 0.05) for _ in range(3))
    for _ in range(6):
        whole.step()
    for _ in range(2):
        first.step()
    rest.restore(first.state())
    for _ in range(4):
        rest.step()
    np.testing.assert_array_equal(rest.image, whole.image)
    assert not np.array_equal(first.image, whole.image)


def test_the_tutorials_runs_go_on_from_their_files(tmp_path: Path) -> None:
    """A run in two parts ends where a run in one does, and says how many steps it has made."""
    run = blog.Run(9, 0.05, np.zeros((4, 4, 3), np.float32), lambda _: squares, 5)
    (tmp_path / "two").mkdir()
    one = blog.as_written("texture", run, 9, "mini", tmp_path)
    blog.as_written("texture", run, 4, "mini", tmp_path / "two")
    two = blog.as_written("texture", run, 9, "mini", tmp_path / "two")
    np.testing.assert_array_equal(one["image"], two["image"])
    assert (one["steps"], two["steps"]) == (9, 9)
    assert two["loss"] == pytest.approx(np.sum((two["image"] - target()) ** 2), rel=1e-5)
    assert len(two["losses"]) == 2  # one for each part


def test_total_variation_as_the_tutorial_prints_it() -> None:
    picture = np.random.default_rng(0).random((5, 7, 3))
    right = [(picture[y, x + 1] - picture[y, x]) ** 2 for y in range(5) for x in range(6)]
    down = [(picture[y + 1, x] - picture[y, x]) ** 2 for y in range(4) for x in range(7)]
    by_hand = np.mean(right) + np.mean(down)
    assert blog.variation(picture.astype(np.float32)) == pytest.approx(by_hand, rel=1e-5)
    noise = np.random.default_rng(1).random((200, 200, 3), np.float32)
    assert blog.variation(noise) == pytest.approx(1 / 3, abs=0.005)


def test_the_tutorials_content_loss_has_its_mistake() -> None:
    """Differences of 2, −2, −2 and 2 count as none, differences of 2 everywhere as 4."""
    zero = tf.zeros((1, 2, 2, 1))
    cancelling = tf.reshape(tf.constant([2.0, -2.0, -2.0, 2.0]), (1, 2, 2, 1))
    assert float(blog.tutorial_content_loss(cancelling, zero)) == 0
    assert float(blog.tutorial_content_loss(zero + 2, zero)) == 4


def test_a_moving_average_weighs_by_age() -> None:
    average = crowson.MovingAverage(0.9)
    values = [3.0, 5.0, -1.0, 4.0]
    for value in values:
        average.add(tf.constant(value))
    weights = [0.9**3, 0.9**2, 0.9, 1.0]
    assert float(average.mean) == pytest.approx(np.average(values, weights=weights), rel=1e-6)


def test_the_average_of_one_value_is_that_value() -> None:
    average = crowson.MovingAverage(0.99)
    average.add(tf.constant([0.25, 0.5]))
    np.testing.assert_allclose(average.mean, [0.25, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("largest", "sizes"), [(512, [128, 181, 256, 362, 512]), (128, [128]), (100, [100])]
)
def test_scales_are_root_two_apart(largest: int, sizes: list[int]) -> None:
    assert crowson.scales(largest) == sizes


def test_the_first_scale_gets_more_iterations() -> None:
    assert crowson.iterations_at(200) == {141: 1000, 200: 500}
    assert crowson.iterations_at(100) == {100: 1000}


def test_the_cost_of_steps_that_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 s to set up, 2 s a step at one size, 5 s at another, 1 s between, 3 s at the end."""
    now = [0.0]
    monkeypatch.setattr(scoreboard.Pace, "_now", staticmethod(lambda: (now[0], 7 * now[0])))
    pace = scoreboard.Pace()
    for wait, size in ((12, 1), (2, 1), (2, 1), (6, 2), (5, 2)):
        now[0] += wait
        pace.after(size)
    now[0] += 3
    assert pace.whole({1: 3, 2: 2}) == {"seconds": 30, "processor": 210}
    assert pace.whole({1: 100, 2: 50}) == {
        "seconds": 30 + 97 * 2 + 48 * 5,
        "processor": 7 * (30 + 97 * 2 + 48 * 5),
    }


def test_the_cost_of_a_run_without_steps() -> None:
    assert set(scoreboard.Pace().whole({})) == {"seconds", "processor"}


def test_a_scaled_difference_has_a_slope_of_about_one() -> None:
    """Whatever the unit: sum of squares over sum of absolute values."""
    found, wanted = tf.constant([3.0, -1.0, 0.0]), tf.constant([1.0, 0.0, 0.0])
    assert float(crowson.scaled_difference(found, wanted)) == pytest.approx((4 + 1) / (2 + 1))
    with tf.GradientTape() as tape:
        values = tf.Variable(1000 * found)
        value = crowson.scaled_difference(values, 1000 * wanted)
    assert 0.1 < float(tf.reduce_sum(tf.abs(tape.gradient(value, values)))) < 10


def test_normalised_layers_speak_in_their_own_mean() -> None:
    keras.utils.set_random_seed(0)
    vgg = build_vgg19(1 / 16)
    for layer in vgg.layers:
        if layer.weights:  # biases, which have to be scaled as well
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + 3])
    images = [np.random.default_rng(seed).random((48, 32, 3), np.float32) for seed in (0, 1)]
    scaled = scoreboard.normalised(vgg, images)
    for name in ("block1_conv1", "block3_conv2", "block5_conv4"):
        before, after = (
            [
                keras.Model(network.input, network.get_layer(name).output)(
                    keras.applications.vgg19.preprocess_input(255 * image[np.newaxis])
                ).numpy()
                for image in images
            ]
            for network in (vgg, scaled)
        )
        assert np.mean(after) == pytest.approx(1, rel=1e-3)
        np.testing.assert_allclose(
            np.array(after), np.array(before) / np.mean(before), rtol=2e-3, atol=1e-3
        )


def test_the_nearest_channel_is_the_same_one_moved_and_scaled() -> None:
    random = np.random.default_rng(0)
    maps = random.random((6, 5, 4)).astype(np.float32)
    wanted = np.stack([7 * maps[..., 2] + 3, -maps[..., 0], maps[..., 1]], axis=-1)
    best, alike = vgg19.nearest_channels(wanted, maps)
    assert (best[0], best[2]) == (2, 1)
    np.testing.assert_allclose(alike[[0, 2]], 1, rtol=1e-5)
    columns = np.column_stack([wanted[..., 1].ravel(), maps.reshape(-1, 4)])
    by_numpy = np.atleast_2d(np.corrcoef(columns, rowvar=False))[0, 1:]
    assert (best[1], alike[1]) == (by_numpy.argmax(), pytest.approx(by_numpy.max(), abs=1e-5))


def test_a_margin_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are the picture itself here, in steps of their stride."""

    def extractor(layers: list[str], _: str) -> Any:
        return lambda batch: {
            name: tf.constant(batch[:, :: stride(name), :: stride(name)]) for name in layers
        }

    monkeypatch.setattr(nst, "feature_extractor", extractor)
    random = np.random.default_rng(0)
    content, style = (random.random((96, 128, 3), dtype=np.float32) for _ in range(2))
    bordered = content.copy()
    bordered[:32] = bordered[-32:] = bordered[:, :32] = bordered[:, -32:] = 1
    assert min(scoreboard.judge(bordered, content, style)) > 0.1
    found, unchanged = (
        scoreboard.judge(image, content, style, 32) for image in (bordered, content)
    )
    assert found == unchanged
    assert found[1] == 0
