"""benchmarks/person_torch.py trains the network that the library runs, by the library's loss."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_people import figure, grey

from nstlib._tensorflow import tf
from nstlib.networks.files import load_network
from nstlib.networks.person import PersonNet
from nstlib.training.person import person_loss

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import person_torch  # noqa: E402
from person_examples import Sources, examples, jpeg  # noqa: E402
from person_pack import Pack, Row, write_network  # noqa: E402


@pytest.fixture(scope="module")
def sources() -> Any:
    """White people before black walls, and black walls."""
    mask = figure(300, 280)
    pictures = (grey(mask), mask, 0 * grey(mask))
    files = [cv2.imencode(".png", np.asarray(255 * x, np.uint8))[1] for x in pictures]
    rows = [Row("a", False, 0, 1), Row("", False, 2, -1), Row("a", True, 0, 1)]
    return Sources.load(Pack(rows, [np.ravel(file) for file in files], {}), 0, {}, {})


def test_keras_computes_what_pytorch_has_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = person_torch.Person()
    for parameter in network.parameters():  # what begins as 0, too
        parameter.data += 0.02 * torch.randn_like(parameter)
    person_torch.save_weights(network, str(tmp_path / "w.npz"))
    keras_network = PersonNet()
    with np.load(tmp_path / "w.npz") as arrays:
        assert {name.rsplit(".", 1)[0] for name in arrays} == {
            layer.name for layer in keras_network.layers if layer.weights
        }
        again = person_torch.Person()
        person_torch.set_weights(again, dict(arrays))
    # Of weights that are a little larger and a little smaller the mean is written.
    with np.load(tmp_path / "w.npz") as arrays:
        for name, factor in (("larger", 1.25), ("smaller", 0.75)):
            np.savez(tmp_path / name, **{key: factor * array for key, array in arrays.items()})
    ends = [tmp_path / "larger.npz", tmp_path / "smaller.npz"]
    write_network(argparse.Namespace(weights=ends, output=tmp_path / "person.keras", metadata=[]))
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype(np.float32)
    picture = 5 * cv2.GaussianBlur(picture[0], (0, 0), 8)[np.newaxis]
    found = load_network(tmp_path / "person.keras")(picture).numpy()[..., 1]
    with torch.no_grad():
        scores = again(torch.from_numpy(picture.transpose(0, 3, 1, 2)))
    expected = torch.sigmoid(scores)[:, 0].numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_learns_from_the_same_loss() -> None:
    random = np.random.default_rng(0)
    somebody = np.pad(figure(64, 64), 16)  # nowhere near the sides
    truth = np.stack([somebody, cv2.GaussianBlur(somebody, (0, 0), 2)])[..., np.newaxis]
    scores = random.normal(0, 3, truth.shape).astype(np.float32)
    person = 1 / (1 + np.exp(-scores))
    expected = person_loss(
        tf.constant(truth), tf.constant(np.concatenate([1 - person, person], axis=-1))
    )
    found = person_torch.person_loss(
        *(torch.from_numpy(x.transpose(0, 3, 1, 2)) for x in (scores, truth))
    )
    assert float(found) == pytest.approx(float(np.mean(expected)), rel=1e-4)


def test_examples_show_people_where_their_masks_are(sources: Any) -> None:
    torch.manual_seed(0)
    image, mask = (x.numpy() for x in examples(sources, 60))
    assert (image.shape, mask.shape) == ((60, 3, 256, 256), (60, 1, 256, 256))
    assert 0 <= image.min() <= image.max() <= 1
    assert 0 <= mask.min() <= mask.max() <= 1
    empty = ~mask.reshape(60, -1).any(axis=1)
    assert 4 < empty.sum() < 24  # 11 are expected
    brighter = [
        colours[:, where > 0.9].mean() - colours[:, where < 0.1].mean() > 0.1
        for colours, (where,) in zip(image, mask, strict=True)
        if (where > 0.9).mean() > 0.02 and (where < 0.1).mean() > 0.02
    ]
    assert len(brighter) > 30
    assert np.mean(brighter) > 0.95


def test_blocks_are_jpegs() -> None:
    """At this quality the tables hold whole numbers by themselves; else OpenCV rounds them."""
    quality = 20
    drawn = 0.2 + 0.5 * cv2.GaussianBlur(cv2.resize(figure(64, 64), (256, 256)), (0, 0), 1.5)
    levels = np.rint(255 * drawn).astype(np.uint8)
    _, code = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    expected = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)) / 255
    picture = torch.from_numpy(grey(drawn).transpose(2, 0, 1)[np.newaxis].copy())
    found = jpeg(picture, torch.tensor([float(quality)]))[0].mean(0).numpy()
    assert np.abs(drawn - expected).mean() > 1.5 / 255
    assert np.abs(found - expected).mean() < 0.2 / 255
