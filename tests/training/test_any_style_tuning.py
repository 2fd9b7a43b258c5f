"""From the network for any style to one for a single style, and on from there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_any_style import AnyStyle

import nstlib as nst
from nstlib.cli.main import main
from nstlib.errors import ModelError
from nstlib.images.encode import save_image
from nstlib.inference.any_style import NETWORK_VECTOR, PAINTER, trial_vector
from nstlib.networks.files import load_network
from nstlib.onnx.reading import load_onnx
from nstlib.onnx.translation import to_onnx
from nstlib.training.any_style.tuning import one_style_network, painter_network
from nstlib.training.style import from_bytes, to_bytes


def test_a_file_becomes_a_keras_network_again(any_style_networks: AnyStyle) -> None:
    network = painter_network(load_onnx(any_style_networks.folder / PAINTER))
    for one, other in zip(network.weights, any_style_networks.painter.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one, other)


def test_another_file_does_not(any_style_networks: AnyStyle) -> None:
    proto = load_onnx(any_style_networks.folder / PAINTER)
    proto.graph.initializer.remove(
        next(x for x in proto.graph.initializer if x.name == "up2.styled.bias")
    )
    for wrong in (proto, to_onnx(any_style_networks.encoder)):
        with pytest.raises(ModelError, match="the file holds no network for any style"):
            painter_network(wrong)


def test_one_style_is_painted_alike(any_style_networks: AnyStyle) -> None:
    vector = trial_vector()
    one = one_style_network(vector, any_style_networks.painter)
    photo = nst.load_image("astronaut", (64, 88))
    told = vector[:NETWORK_VECTOR].reshape(1, 1, 1, -1)
    expected = any_style_networks.painter([photo[np.newaxis], told])
    assert np.ptp(expected) > 1  # not clipped: there is something to compare
    painted = one(255 * photo[np.newaxis])
    np.testing.assert_allclose(painted, 255 * np.asarray(expected), atol=0.1)
    # A training sees the same network on its own scale, and gives it back.
    from_bytes(one)
    around_0 = one(2 * photo[np.newaxis] - 1)
    np.testing.assert_allclose(around_0, 2 * np.asarray(expected) - 1, atol=2e-3)
    to_bytes(one)
    np.testing.assert_allclose(one(255 * photo[np.newaxis]), painted, atol=0.1)


@pytest.mark.usefixtures("any_style")
def test_the_command_begins_with_what_any_style_paints(
    any_style_networks: AnyStyle,
    narrow: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "nstlib.training.any_style.tuning.embedded_model",
        lambda name: any_style_networks.folder / name,
    )
    Path("photos").mkdir()
    save_image(nst.load_image("chelsea", 96), "photos/cat.png")
    words = "train style coffee --photos photos --start any-style --steps 2 --size 32 --batch 1"
    options = ["--learning-rate", "1e-8", "--preview", "preview.png", "--checkpoint", "state"]
    code = main([*words.split(), *options, "-o", "tuned.onnx"])
    assert code == 0, capsys.readouterr().err
    assert "wrote tuned.onnx: 2 steps" in capsys.readouterr().out
    photo = nst.load_image("astronaut", (83, 61))  # no multiples of anything
    # The command looks at the style as it learns from it.
    style = nst.resize(nst.load_image("coffee"), 512)
    # The network alone, since it goes on to learn the style's colours.
    monkeypatch.setattr("nstlib.inference.stylizer.recolored", lambda painting, _: painting)
    expected = nst.Stylizer(style)(photo)
    np.testing.assert_allclose(nst.Stylizer("tuned.onnx")(photo), expected, atol=0.02)
    preview = nst.load_image("preview.png")
    np.testing.assert_allclose(
        preview, nst.Stylizer(style)(nst.load_image("chelsea", (256, 384))), atol=0.02
    )
    # What is trained moves it, and goes on from a file.
    assert main([*words.split(), "-o", "more.keras"]) == 0, capsys.readouterr().err
    more = load_network("more.keras")(255 * photo[np.newaxis, :80, :56]) / 255
    assert np.abs(np.clip(more, 0, 1) - nst.Stylizer("tuned.onnx")(photo[:80, :56])).max() > 1e-3
    assert main(["export", "more.keras", "-o", "more.onnx"]) == 0, capsys.readouterr().err
    for file in ("more.keras", "tuned.onnx"):
        code = main([*words.replace("any-style", file).split(), "-o", "even.onnx"])
        assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize("start", ["any-style", "starry_night_bold"])
def test_crops_are_multiples_of_8(
    start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_image(nst.load_image("chelsea", 96), "cat.png")
    words = f"train style coffee --photos . --start {start} --size 36 -o out.onnx"
    assert main(words.split()) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"nst: --size is 36; with --start {start} it is a multiple of 8"
    ]
