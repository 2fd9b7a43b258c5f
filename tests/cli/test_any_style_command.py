"""Any picture as a style on the command line, by small networks that learned nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from conftest import Run
from onnx_files import run_onnx_runtime, save, style_network, two_channels
from small_any_style import AnyStyle

from nstlib.cli._styles import StyleWalk, parse_style
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, to_uint8
from nstlib.images.encode import save_image
from nstlib.inference.any_style import (
    ENCODER,
    PAINTER,
    encode_style,
    mix_styles,
    painter_for,
    trial_vector,
)
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer
from nstlib.onnx.reading import load_onnx
from nstlib.sources import load_image

pytestmark = pytest.mark.usefixtures("any_style")

SIZE = ("--style-size", 40)


@pytest.fixture(autouse=True)
def pictures(nst: Run) -> None:  # noqa: ARG001  (it goes to an empty folder first)
    save_image(load_image("astronaut", (40, 56)), "photo.png")
    save_image(load_image("coffee", (50, 44)), "a.png")
    save_image(load_image("hubble", (44, 60)), "b:c.png")


def written(path: str) -> Any:
    return np.asarray(PIL.Image.open(path))


@pytest.mark.parametrize(
    ("styles", "expected"),
    [
        (["a.png"], "a.png"),
        (["a.png:7"], "a.png"),
        (["b:c.png"], "b:c.png"),
        (["a.png:2", "b:c.png:0.5"], {"a.png": 2, "b:c.png": 0.5}),
        (["a.png", "kept.npy:2"], {"a.png": 1, "kept.npy": 2}),
        (["kept.npy"], "kept.npy"),
        (["coffee"], "coffee"),
        (["mosaic", "candy"], {"mosaic": 1, "candy": 1}),
    ],
)
def test_styles_and_their_shares(nst: Run, styles: list[str], expected: Any) -> None:
    np.save("kept.npy", encode_style("hubble", size=40))
    options = [word for style in styles for word in ("-s", style)]
    code, out, err = nst("stylize", "photo.png", *options, *SIZE, "-o", "out.png")
    assert (code, out, err) == (0, ["wrote out.png: 56x40 pixels"], [])
    painting = Stylizer(expected, style_size=40)(load_image("photo.png"))
    np.testing.assert_array_equal(written("out.png"), to_uint8(painting))


def test_names_in_a_mixture_are_pictures() -> None:
    np.testing.assert_array_equal(
        mix_styles({"mosaic": 1}, size=40), encode_style(load_image("mosaic"), size=40)
    )


def test_a_folder_of_photographs(nst: Run) -> None:
    Path("in").mkdir()
    for name in ("x.png", "y.jpg"):
        save_image(load_image("chelsea", (40, 48)), Path("in", name))
    options = ("-s", "a.png:2", "-s", "b:c.png", "--strength", "0.5", *SIZE)
    assert nst("stylize", "in", *options, "-o", "out") == (0, ["out: 2 painted"], [])
    stylizer = Stylizer({"a.png": 2, "b:c.png": 1}, style_size=40)
    np.testing.assert_array_equal(
        written("out/x.png"), to_uint8(stylizer(load_image(Path("in/x.png")), 0.5))
    )


def test_compose_takes_the_same_styles(nst: Run) -> None:
    save(two_channels(16), Path("person.onnx"))
    options = ("--segmenter", "person.onnx", "--hard", *SIZE)
    mixture = ("--style", "a.png:3", "--style", "b:c.png")
    assert nst("compose", "photo.png", *mixture, *options, "-o", "world.png")[::2] == (0, [])
    persons = [word.replace("--style", "--person") for word in mixture]
    assert nst("compose", "photo.png", *persons, *options, "-o", "person.png")[::2] == (0, [])
    both = (*mixture, *persons)
    assert nst("compose", "photo.png", *both, *options, "-o", "both.png")[::2] == (0, [])
    photo = load_image("photo.png")
    painting = to_uint8(Stylizer({"a.png": 3, "b:c.png": 1}, style_size=40)(photo))
    np.testing.assert_array_equal(written("both.png"), painting)
    world, person = written("world.png"), written("person.png")
    # Each pixel is painted in one of the two, and left a photograph in the other.
    parts = [np.stack([painting, to_uint8(photo)]), np.stack([to_uint8(photo), painting])]
    assert ((parts[0] == world) & (parts[1] == person)).all(-1).any(0).all()


def test_a_film(nst: Run, films: Path) -> None:
    options = ("-s", "a.png", "-s", "b:c.png:2", "--strength", "0.7", "--size", "64", *SIZE)
    code, [line], err = nst("stylize", films / "silent.mp4", *options, "-o", "out.mp4")
    assert (code, err) == (0, [])
    assert line.startswith("wrote out.mp4: 64x")


def test_a_share_of_a_single_style_must_be_one() -> None:
    with pytest.raises(ArgumentError, match=r"the share of a\.png is -1\.0"):
        parse_style(["a.png:-1"])
    assert parse_style(["C:\\a.png"]) == "C:\\a.png"
    assert parse_style([]) is None


def test_verify_gives_the_painter_a_style(nst: Run, any_style: AnyStyle) -> None:
    for name in (ENCODER, PAINTER):
        code, out, err = nst("verify", any_style.folder / name, "--size", "32x48")
        assert (code, err) == (0, [])
        assert out[-1] == "They agree (tolerance 0.01)."
    painter = painter_for(trial_vector(), load_onnx(any_style.folder / PAINTER))
    photo = load_image("astronaut", 32).transpose(2, 0, 1)[np.newaxis]
    assert np.ptp(run_onnx_runtime(painter, photo)) > 0.3  # there is something to compare


# The keys of the camera's window


def walk_of(*first: Any, broken: str = "") -> tuple[StyleWalk, list[Any]]:
    made: list[Any] = []

    def make(style: Any) -> Callable[[Image], Image]:
        if style == broken:
            raise ImageError(f"{style} is empty")
        made.append(style)
        return lambda image: image

    return StyleWalk(first, make), made


def test_keys_lead_through_all_styles_and_around() -> None:
    walk, made = walk_of("candy")
    walk.first()
    count = len(STYLE_NETWORKS)
    for step in (*[1] * count, -1, 1 - count, -1):
        walk(step)
    others = [name for name in STYLE_NETWORKS if name != "candy"]
    assert made[:count] == ["candy", *others]
    assert made[count] not in STYLE_NETWORKS  # a drawn style
    assert made[count + 1 : count + 3] == [others[-1], "candy"]
    assert made[count + 3] not in STYLE_NETWORKS  # the last one


@pytest.mark.parametrize("step", [1, -1])
def test_keys_pass_over_a_broken_style(capfd: pytest.CaptureFixture[str], step: int) -> None:
    walk, made = walk_of("a", "bad", "c", broken="bad")
    if step < 0:
        walk(2)
    walk(step)
    assert made[-1] == ("c" if step > 0 else "a")
    walk(-step)
    assert made[-1] == ("a" if step > 0 else "c")
    assert capfd.readouterr().err == "nst: bad is empty\n"


@pytest.mark.parametrize("option", ["--style", "--person"])
def test_webcam_changes_its_style(nst: Run, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """A folder's pictures come first; the part that has a style gets the others, too."""
    save(two_channels(16), Path("person.onnx"))
    save(style_network(), Path("other.onnx"))
    Path("styles").mkdir()
    for name in ("1.png", "2.png"):
        save_image(load_image("coffee", (44, 44))[:, :: int(name[0])], Path("styles", name))
    photo = load_image("photo.png")
    shown: list[Image] = []

    def show(paint: Any, *, change: Any, **_: Any) -> int:
        shown.extend([paint(photo), change(1)(photo), change(1)(photo)])
        return 3

    monkeypatch.setattr("nstlib.video.camera.webcam", show)
    options = (option, "styles", "--segmenter", "person.onnx", "--hard", *SIZE)
    assert nst("webcam", *options) == (0, ["showed 3 frames"], [])
    for frame, style in zip(shown, ("styles/1.png", "styles/2.png", "mosaic"), strict=True):
        painting = Stylizer(style, style_size=40)(photo)
        assert np.isclose(frame, painting, atol=1e-5).all(-1).any()
        either = np.isclose(frame, painting, atol=1e-5) | np.isclose(frame, photo, atol=1e-5)
        assert either.all()


def test_a_folder_without_pictures_is_no_style(nst: Run) -> None:
    Path("empty").mkdir()
    code, out, err = nst("webcam", "--style", "empty")
    assert (code, out, err) == (2, [], ["nst: empty holds no pictures, but nothing at all"])
