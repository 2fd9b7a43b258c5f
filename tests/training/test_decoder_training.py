"""Teaching a decoder: the exchange of statistics, the losses, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.art.catalogue import draw
from nstlib.images.arrays import to_uint8
from nstlib.training.any_style.pictures import Pack
from nstlib.training.decoder import Teacher, adain, train_decoder
from nstlib.vgg19 import build_vgg19, save_vgg19


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a file of a very narrow VGG19."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "narrow.npz"
    save_vgg19(build_vgg19(1 / 16, "average"), path)
    return str(path)


@pytest.fixture(scope="module")
def pack() -> Pack:
    photos = [to_uint8(draw("waves", (48, 48), seed=seed)) for seed in range(3)]
    styles = [to_uint8(draw("shards", (48, 48), seed=seed)) for seed in range(3)]
    return Pack(photos, styles, [])


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_statistics_change_hands_by_picture_and_channel() -> None:
    content, style = (
        5 * random(2, 4, 6, 3),
        random(2, 5, 3, 3, seed=1) * np.array([1, 2, 9], np.float32),
    )
    tensors = (keras.ops.convert_to_tensor(x) for x in (content, style))
    found = keras.ops.convert_to_numpy(adain(*tensors))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), style.mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.std(axis=(1, 2)), style.std(axis=(1, 2)), rtol=1e-3)
    for picture in range(2):  # places stay the content's
        for channel in range(3):
            pair = content[picture, ..., channel].ravel(), found[picture, ..., channel].ravel()
            assert np.corrcoef(*pair)[0, 1] == pytest.approx(1, abs=1e-5)


def test_what_is_painted_well_costs_little(vgg: str) -> None:
    """A decoder that knows the answer has almost no loss, and another one has each of the terms."""
    teacher = Teacher("block4_conv1", vgg, 2.0, 2.0, "float32")
    photo = to_uint8(draw("waves", (64, 64), seed=1))[np.newaxis]
    wanted = keras.ops.convert_to_tensor(np.concatenate([photo, photo]).astype(np.float32) / 255)
    honest = teacher.decoder
    teacher.decoder = lambda _: wanted
    terms = {name: float(value) for name, value in teacher((photo, photo)).items()}
    assert max(terms.values()) < 1e-3
    teacher.decoder = honest
    bad = {name: float(value) for name, value in teacher((photo, photo)).items()}
    assert min(bad.values()) > 0.05
    assert bad["loss"] > bad["content"] + 2 * bad["style"] + 2 * bad["pixels"] - 1e-3


def test_it_learns_and_repeats_itself(pack: Pack, vgg: str) -> None:
    def run(steps: int) -> tuple[list[float], list[NDArray[np.float32]]]:
        losses: list[float] = []
        decoder = train_decoder(
            pack,
            "block3_conv1",
            steps=steps,
            size=32,
            batch=2,
            every=4,
            weights=vgg,
            learning_rate=5e-3,
            report=lambda _, means: losses.append(means["pixels"]),
        )
        return losses, decoder.get_weights()

    losses, weights = run(16)
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    again, same = run(16)
    assert again == losses
    for one, other in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, other)
