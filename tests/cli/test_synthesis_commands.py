"""The commands texture and transfer: what they write and what they say."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from command_runs import (
    SMALL,
    Calls,
    estimate_at_once,
    pixels,
    python,
    replace_synthesis,
    transfer_at_once,
)
from conftest import Run
from numpy.typing import NDArray

import nstlib
from nstlib.images.encode import save_image
from nstlib.sources import load_image
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.estimate import Estimate
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style
from nstlib.vgg19 import default_weights


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return estimate_at_once(monkeypatch)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, estimated: Calls) -> Calls:  # noqa: ARG001
    return transfer_at_once(monkeypatch)


# A texture


def test_texture_and_its_report(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    results = replace_synthesis(monkeypatch, synthesize_texture)
    code, out, err = nst("texture", "coffee", "-o", "out.png", *SMALL, "--report", "run.json")
    [result] = results
    assert (code, err) == (0, [])
    assert out == [
        f"wrote out.png: 64x64 pixels, {result.iterations} iterations, {result.seconds:.1f} seconds"
    ]
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("out.png")), np.rint(result.image * 255).astype(np.uint8)
    )
    assert json.loads(Path("run.json").read_text()) == {
        "seconds": result.seconds,
        "iterations": result.iterations,
        "evaluations": result.evaluations,
        "losses": {
            term: {"start": start, "end": end} for term, (start, end) in result.losses.items()
        },
        "size": [64, 64],
        "weights": default_weights(),
        "seed": 0,
        "version": nstlib.__version__,
    }
    assert sorted(map(str, Path().iterdir())) == ["out.png", "run.json"]


def test_options_arrive(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, Any, dict[str, Any]]] = []

    def remember(source: Any, size: Any, **options: Any) -> Synthesis:
        calls.append((source, size, options))
        return synthesize_texture(source, size, iterations=1, progress=False)

    replace_synthesis(monkeypatch, remember)
    options = "--size 48 --iterations 7 --method adam --tv-weight 0.5 --tileable --weights random"
    code, _, err = nst("texture", "coffee", "--output", "out.webp", *options.split(), "--seed", 3)
    assert (code, err) == (0, [])
    [(source, size, given)] = calls
    assert callable(given.pop("callback"))
    # Coffee is 400 x 600 pixels: its longest side becomes 48, and the texture is square.
    assert (source.shape, size) == ((32, 48, 3), (48, 48))
    assert given == {
        "iterations": 7,
        "method": "adam",
        "tv_weight": 0.5,
        "tileable": True,
        "weights": "random",
        "seed": 3,
        "progress": False,
    }


@pytest.mark.parametrize("source", ["mosaic", "file", "asset"])
def test_sources(nst: Run, monkeypatch: pytest.MonkeyPatch, source: str, tmp_path: Path) -> None:
    picture = load_image("coffee", size=80)
    if source == "file":
        source = str(save_image(picture, "my coffee.png"))
    elif source == "asset":
        source = "udnie"
        path = save_image(picture, tmp_path / "udnie.jpg")
        monkeypatch.setattr("nstlib.sources.fetch", lambda name: path if name == "udnie" else None)
    assert nst("texture", source, "-o", "out.png", *SMALL)[::2] == (0, [])
    assert PIL.Image.open("out.png").size == (64, 64)


def test_earlier_output_is_replaced(nst: Run) -> None:
    Path("out.jpg").write_text("an earlier picture")
    assert nst("texture", "coffee", "-o", "out.jpg", *SMALL)[0] == 0
    assert PIL.Image.open("out.jpg").size == (64, 64)


def test_runs_as_a_module(tmp_path: Path) -> None:
    out = str(tmp_path / "out.png")
    result = python("-m", "nstlib", "texture", "coffee", "-o", out, *SMALL)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"wrote {out}: 64x64 pixels, ")


# A transfer


def test_transfer_and_its_report(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, estimate and all."""
    results = replace_synthesis(
        monkeypatch, transfer_style, "nstlib.synthesis.transfer.transfer_style"
    )
    code, out, err = nst(
        "transfer", "coffee", "mosaic", "waves", "-o", "out.png", *SMALL, "--report", "run.json"
    )
    result = results[-1]
    assert code == 0
    assert out == [
        f"wrote out.png: 64x43 pixels, {result.iterations} iterations, {result.seconds:.1f} seconds"
    ]
    [estimate] = err
    assert re.fullmatch(r"about \d+ (s|min) and \d\.\d GB for 64x43 pixels, in 1 size", estimate)
    np.testing.assert_array_equal(pixels("out.png"), np.rint(result.image * 255).astype(np.uint8))
    report = json.loads(Path("run.json").read_text())
    peak = report.pop("peak_megabytes")
    assert 100 < peak < 100_000
    assert report == {
        "seconds": result.seconds,
        "iterations": result.iterations,
        "evaluations": result.evaluations,
        "losses": {
            term: {"start": start, "end": end} for term, (start, end) in result.losses.items()
        },
        "size": [43, 64],
        "weights": default_weights(),
        "seed": 0,
        "version": nstlib.__version__,
        "settings": {
            "content": "coffee",
            "styles": ["mosaic", "waves"],
            "mask": None,
            "content_weight": default_of("content_weight"),
            "style_weight": default_of("style_weight"),
            "tv_weight": default_of("tv_weight"),
            "preserve_colors": None,
            "style_scale": 1.0,
            "init": "content",
            "coarsest": 128,
            "frame": True,
            "method": "lbfgs",
            "iterations": 2,
            "seed": 0,
        },
    }
    assert sorted(map(str, Path().iterdir())) == ["out.png", "run.json"]


def default_of(name: str) -> Any:
    return inspect.signature(transfer_style).parameters[name].default


def test_transfer_options_arrive(nst: Run, calls: Calls, estimated: Calls) -> None:
    noise = np.random.default_rng(0).random((50, 60, 3))
    save_image(noise, "noise.png")
    options = (
        "--size 48 --content-weight 2 --style-weight 3 --tv-weight 0.5 --style-scale 0.75 "
        "--preserve-colors covariance --init noise.png --weights random --method adam "
        "--iterations 7 --seed 3 --coarsest 40 --no-frame --checkpoint run.npz"
    )
    code, _, _ = nst("transfer", "coffee", "chelsea", "-o", "out.webp", *options.split())
    assert code == 0
    [(content, [style], given)] = calls
    assert (content.shape, style.shape) == ((32, 48, 3), (300, 451, 3))
    np.testing.assert_allclose(given.pop("init"), noise, atol=1 / 255)
    assert (given.pop("checkpoint"), given.pop("progress")) == (Path("run.npz"), False)
    assert callable(given.pop("callback"))
    assert given == {
        "content_weight": 2.0,
        "style_weight": 3.0,
        "tv_weight": 0.5,
        "preserve_colors": "covariance",
        "style_scale": 0.75,
        "masks": None,
        "coarsest": 40,
        "frame": False,
        "weights": "random",
        "method": "adam",
        "iterations": 7,
        "seed": 3,
    }
    # The estimate is that of the same run.
    [(estimated_content, [estimated_style], same)] = estimated
    np.testing.assert_array_equal(estimated_content, content)
    np.testing.assert_array_equal(estimated_style, style)
    assert same.pop("init").shape == (50, 60, 3)
    assert same == given


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("retina", "", (512, 512, 3)),  # 1411 pixels a side
        ("coffee", "", (341, 512, 3)),
        ("chelsea", "", (300, 451, 3)),  # its own size
        ("small.png", "", (40, 60, 3)),
        ("small.png", "--size 90", (60, 90, 3)),  # by request
        ("retina", "--size 600", (600, 600, 3)),
    ],
)
def test_transfer_sizes(
    nst: Run, calls: Calls, source: str, options: str, expected: tuple[int, ...]
) -> None:
    save_image(load_image("coffee", size=60), "small.png")
    assert nst("transfer", source, "mosaic", "-o", "out.png", *options.split())[0] == 0
    assert calls[0][0].shape == expected
    assert pixels("out.png").shape == expected


@pytest.mark.parametrize(
    ("style", "options", "expected"),
    [
        ("mosaic", "--size 64", 512),
        ("mosaic", "--size 64 --style-scale 9", 576),  # drawn as large as needed
        ("mosaic", "--size 64 --style-scale 1000", 4096),
        ("small.png", "--size 64 --style-scale 9", 60),  # and a file as large as it is
    ],
)
def test_size_of_a_style(nst: Run, calls: Calls, style: str, options: str, expected: int) -> None:
    save_image(load_image("coffee", size=60), "small.png")
    assert nst("transfer", "coffee", style, "-o", "out.png", *options.split())[0] == 0
    [painting] = calls[0][1]
    assert max(painting.shape) == expected


def save_mask() -> None:
    """Write a mask, white on the left, of another shape than any content."""
    mask = np.zeros((20, 30, 3), np.float32)
    mask[:, :15] = 1
    save_image(mask, "mask.png")


def test_mask_divides_between_two_styles(nst: Run, calls: Calls) -> None:
    save_mask()
    code, _, _ = nst(
        "transfer", "coffee", "mosaic", "waves", "-o", "out.png", "--size", 60, "--mask", "mask.png"
    )
    assert code == 0
    content, styles, given = calls[0]
    assert len(styles) == 2
    white, black = given["masks"]
    assert white.shape == black.shape == content.shape[:2] == (40, 60)
    assert white[:, :28].min() == black[:, 32:].min() == 1
    np.testing.assert_allclose(white + black, 1, atol=1e-6)
    # The picture is the library's.
    np.testing.assert_array_equal(pixels("out.png"), np.rint(content[::-1] * 255))


def test_mask_of_one_style_leaves_the_photo(nst: Run, calls: Calls) -> None:
    save_mask()
    code, _, _ = nst(
        "transfer", "coffee", "mosaic", "-o", "out.png", "--size", 60, "--mask", "mask.png"
    )
    assert code == 0
    content, _, given = calls[0]
    [white] = given["masks"]
    assert white[:, :28].min() == 1
    expected = np.rint(content * 255)
    np.testing.assert_array_equal(pixels("out.png")[:, 32:], expected[:, 32:])
    np.testing.assert_array_equal(pixels("out.png")[:, :28], expected[::-1, :28])


@pytest.mark.usefixtures("calls")
def test_what_is_transparent_stays_so(nst: Run) -> None:
    alpha = np.zeros((60, 80), np.float32)
    alpha[:, :40] = 1
    save_image(load_image("coffee", (60, 80)), "cut.png", alpha=alpha)
    code, _, err = nst("transfer", "cut.png", "candy", "-o", "out.png", "--size", "60")
    assert code == 0, err
    found = np.asarray(PIL.Image.open("out.png"))
    assert found.shape == (45, 60, 4)
    assert (found[:, :27, 3] == 255).all()
    assert (found[:, 33:, 3] == 0).all()


def test_mask_is_taken_as_brightness(nst: Run, calls: Calls) -> None:
    save_image(np.full((9, 9, 3), (0, 1, 0), np.float32), "green.png")
    nst("transfer", "coffee", "mosaic", "-o", "out.png", "--size", 60, "--mask", "green.png")
    np.testing.assert_allclose(calls[0][2]["masks"][0], 0.587, atol=1e-3)


# The film of a transfer


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_film(nst: Run, calls: Calls, suffix: str) -> None:
    import imageio.v3 as iio

    film = f"film{suffix}"
    code, _, _ = nst(
        "transfer", "coffee", "mosaic", "-o", "out.png", "--size", 64, "--animate", film
    )
    assert (code, len(calls)) == (0, 1)
    frames = iio.imread(film)
    height = 43 if suffix == ".gif" else 44  # H.264 needs even sides
    assert frames.shape[1:] == (height, 64, 3)
    result = pixels("out.png").astype(float)
    # What the codec makes of it: nearly the picture.
    assert np.abs(frames[-1][:43] - result).mean() < 8
    assert np.abs(frames[0][:43] - result[::-1]).mean() < 12  # from half the size
    assert sorted(map(str, Path().iterdir())) == [film, "out.png"]


def written(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """A list that gets every frame that is written to a film."""
    from nstlib.video.writer import VideoWriter

    frames: list[NDArray[np.uint8]] = []
    write = VideoWriter.write

    def remember(film: VideoWriter, frame: NDArray[np.uint8]) -> None:
        frames.append(frame)
        write(film, frame)

    monkeypatch.setattr(VideoWriter, "write", remember)
    return frames


@pytest.mark.parametrize(("iterations", "expected"), [(2, 3), (20, 2), (50, 1)])
def test_frames_of_a_film(
    nst: Run, monkeypatch: pytest.MonkeyPatch, calls: Calls, iterations: int, expected: int
) -> None:
    """Ten a size: of iterations 0, 1, 1 again, and 2, not all are taken; and the result."""
    film = written(monkeypatch)
    options = ["--size", 64, "--iterations", iterations, "--animate", "film.gif"]
    assert nst("transfer", "coffee", "mosaic", "-o", "out.png", *options)[0] == 0
    assert len(calls) == 1
    # In 8 bits and of one size; the last one stays for two seconds.
    assert np.stack(film).shape == (expected + 20, 43, 64, 3)
    for frame in film[expected:]:
        np.testing.assert_array_equal(frame, pixels("out.png"))


def test_film_shows_what_the_picture_will_be(
    nst: Run, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    """The content's colours, and its own pixels outside a mask."""
    save_mask()
    film = written(monkeypatch)
    options = "--size 60 --mask mask.png --preserve-colors luminance --animate f.gif --iterations 2"
    assert nst("transfer", "coffee", "mosaic", "-o", "out.png", *options.split())[0] == 0
    content = calls[0][0]
    frame = film[2]  # of iteration 2: the content upside down
    np.testing.assert_array_equal(frame[:, 32:], np.rint(content * 255)[:, 32:])
    left = np.rint(content * 255)[:, :28]
    shift = frame[:, :28].astype(int) - left  # brightness changes all channels alike
    inside = (frame[:, :28].min(axis=2) > 0) & (frame[:, :28].max(axis=2) < 255)
    assert np.ptp(shift[inside], axis=1).max() <= 2
    assert np.abs(shift[inside]).mean() > 5


# What is said beforehand


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.3, 812.0, ((64, 96),)), "about 1 s and 0.8 GB for 96x64 pixels, in 1 size"),
        (
            Estimate(43.7, 1460.0, ((90, 128), (128, 181))),
            "about 45 s and 1.5 GB for 181x128 pixels, in 2 sizes",
        ),
        (Estimate(100.0, 999.0, ((64, 96),)), "about 2 min and 1.0 GB for 96x64 pixels, in 1 size"),
        (Estimate(9e3, 12345.0, ((64, 96),)), "about 2 h and 12.3 GB for 96x64 pixels, in 1 size"),
    ],
)
def test_estimate_in_words(
    nst: Run, monkeypatch: pytest.MonkeyPatch, calls: Calls, estimate: Estimate, expected: str
) -> None:
    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", lambda *_, **__: estimate)
    assert nst("transfer", "coffee", "mosaic", "-o", "out.png", "--size", 96)[2] == [expected]
    assert len(calls) == 1
