"""The small twin's training: the teacher is read right, and a few steps make the loss fall."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from squeezenet import write_squeezenet

from nstlib._tensorflow import tf
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.cli.main import main
from nstlib.errors import ArgumentError
from nstlib.features import extractor_of
from nstlib.images.arrays import from_uint8, to_uint8
from nstlib.images.encode import save_image
from nstlib.training.mini import load_squeezenet, normalize_activations, train_mini
from nstlib.training.photos import crops
from nstlib.vgg19 import load_vgg19, save_vgg19

FIRE = {"fire3": (8, 12), "fire5": (8, 16), "fire7": (8, 20), "fire9": (8, 24)}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small network of SqueezeNet's build, with random kernels, as an ONNX file."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    outputs = ("conv1_2", "fire9/concat_1")
    return write_squeezenet(path, FIRE, ("fire3", "fire5", "fire7"), outputs, channels=8)


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    return [to_uint8(draw(name, 160, seed=seed)) for name in DRAWN_STYLES[:5] for seed in (0, 1)]


def test_the_teacher_sees_what_onnx_runtime_sees(teacher: Path) -> None:
    image = np.random.default_rng(1).random((1, 64, 64, 3), dtype=np.float32)
    mean = np.array([103.939, 116.779, 123.68], np.float32)
    preprocessed = (image[..., ::-1] * 255 - mean).transpose(0, 3, 1, 2)
    # Our reading pads the first stride-2 step by one row and column of zeros at the end.
    padded = np.pad(preprocessed, [(0, 0), (0, 0), (0, 1), (0, 1)])
    session = onnxruntime.InferenceSession(teacher, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["conv1_2"], {"data": padded})
    ours = load_squeezenet(teacher, ["conv1_2"])(image)["conv1_2"].numpy()
    np.testing.assert_allclose(ours.transpose(0, 3, 1, 2), expected, rtol=1e-3, atol=1e-2)


def test_an_unknown_layer_of_the_teacher_is_named(teacher: Path) -> None:
    with pytest.raises(ArgumentError, match="has no layer 'fire8'"):
        load_squeezenet(teacher, ["fire8"])


def test_crops_are_images_and_repeat_with_the_seed(photos: list[NDArray[np.uint8]]) -> None:
    one, again, other = (next(crops(photos, 4, 96, seed)) for seed in (0, 0, 1))
    assert one.shape == (4, 96, 96, 3)
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 0.05
    assert next(crops(photos, 1, 200, 0)).shape == (1, 200, 200, 3)  # larger than the photos


def test_a_few_steps_explain_more_and_a_second_call_goes_on(
    teacher: Path, photos: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"batch": 4, "side": 64, "progress": False}
    state = tmp_path / "state.npz"
    _, _, first = train_mini(photos, teacher, state, steps=25, **options)
    assert np.mean(first[-5:]) < 0.9 * np.mean(first[:3])
    twin, _, second = train_mini(photos, teacher, state, steps=30, **options)
    assert len(second) == 5  # 25 of the 30 were done
    assert np.mean(second) < np.mean(first[:5])

    images = [from_uint8(photo) for photo in photos[:3]]
    names = tuple(layer.name for layer in twin.layers if layer.weights)
    before = extractor_of(twin, names)(images[0][np.newaxis])
    before = {name: features.numpy() for name, features in before.items()}
    normalize_activations(twin, images)
    batch = tf.constant(np.stack(images))
    after = extractor_of(twin, names)(batch)
    for name in names:
        assert float(tf.reduce_mean(after[name])) == pytest.approx(1, rel=1e-3)
        flat, scaled = before[name].ravel(), after[name][0].numpy().ravel()
        ratio = scaled.sum() / flat.sum()
        np.testing.assert_allclose(scaled, ratio * flat, rtol=1e-2, atol=1e-3)  # only rescaled

    save_vgg19(twin, tmp_path / "twin.npz")
    loaded = load_vgg19(tmp_path / "twin.npz")
    for kept, read in zip(twin.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(read, kept, rtol=1e-3, atol=1e-6)


def test_the_command_writes_the_weights(
    teacher: Path,
    photos: list[NDArray[np.uint8]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, photo in enumerate(photos):
        save_image(from_uint8(photo), folder / f"{i}.png")
    output = tmp_path / "twin.npz"
    options = {
        "--photos": folder,
        "--teacher": teacher,
        "--kept-back": folder,
        "--output": output,
        "--checkpoint": tmp_path / "state",
        "--steps": 2,
        "--batch": 2,
    }
    assert (
        main(["train", "twin", *(str(word) for option in options.items() for word in option)]) == 0
    )
    assert load_vgg19(output).count_params() == 1_252_880
    assert "block5_conv4 leaves" in capsys.readouterr().out
