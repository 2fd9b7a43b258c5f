"""The command line: what it writes, what it says, and how it fails."""

from __future__ import annotations

import functools
import inspect
import json
import os
import pkgutil
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from conftest import Run
from numpy.typing import NDArray

import nstlib
from nstlib.assets.registry import ASSETS
from nstlib.cli.synthesis import texture, transfer
from nstlib.doctor import Finding
from nstlib.errors import OutputError
from nstlib.images.encode import save_image
from nstlib.images.resizing import resize
from nstlib.optimize import OptimizationError, Step
from nstlib.sources import load_image, sample_names
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.estimate import Estimate
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style
from nstlib.vgg19 import WEIGHTS, default_weights

SMALL = ("--size", "64", "--iterations", "2")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that no synthesis is begun."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the synthesis was begun")

    for name in (
        "texture.synthesize_texture",
        "estimate.estimate_transfer",
        "transfer.transfer_style",
    ):
        monkeypatch.setattr(f"nstlib.synthesis.{name}", refuse)


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Estimate at once, whatever it is; collect the arguments."""
    calls = []

    def estimate(content: Any, style: Any, **options: Any) -> Estimate:
        calls.append((content, style, options))
        return Estimate(42.0, 1234.0, ((28, 40), content.shape[:2]))

    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", estimate)
    return calls


def replace_synthesis(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., Synthesis],
    recipe: str = "nstlib.synthesis.texture.synthesize_texture",
) -> list[Synthesis]:
    """Put `change` in the place of a recipe; collect what it returns."""
    results: list[Synthesis] = []

    @functools.wraps(pkgutil.resolve_name(recipe))
    def recorded(*arguments: Any, **options: Any) -> Synthesis:
        results.append(change(*arguments, **options))
        return results[-1]

    monkeypatch.setattr(recipe, recorded)
    return results


def pixels(path: str | Path) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path))


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# Help and version


@pytest.mark.parametrize("arguments", [("--help",), ()])
def test_help_names_the_commands(nst: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = nst(*arguments)
    assert (code, err) == (0, [])
    text = "\n".join(out)
    assert text.startswith("Usage: nst ")
    for command in ("texture", "transfer", "assets", "doctor"):
        assert f"\n  {command} " in text


@pytest.mark.parametrize(
    "command",
    ["texture", "transfer", "doctor", "assets", "assets list", "assets fetch", "assets verify"],
)
def test_every_command_has_help(nst: Run, command: str) -> None:
    code, out, err = nst(*command.split(), "--help")
    assert (code, err) == (0, [])
    assert out[0].startswith(f"Usage: nst {command} ")


def test_version(nst: Run) -> None:
    assert nst("--version") == (0, [nstlib.__version__], [])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_do_without_the_heavy_packages(option: str) -> None:
    code = (
        "import sys; from nstlib.cli.main import main; main(sys.argv[1:]); "
        "heavy = 'cv2 imageio keras matplotlib numpy onnx onnxruntime PIL pooch requests scipy '"
        "'skimage tensorflow tqdm'; "
        "print(*sorted(set(heavy.split()) & set(sys.modules)), file=sys.stderr)"
    )
    result = python("-c", code, option)
    assert result.stdout
    assert result.stderr.strip() == ""


COMMON = {"iterations": "iterations", "method": "method", "tv_weight": "tv_weight"}
DEFAULTS: dict[str, tuple[Callable[..., int], Callable[..., Synthesis], dict[str, str]]] = {
    "texture": (
        texture,
        synthesize_texture,
        COMMON | {"tileable": "tileable", "weights": "weights", "seed": "seed"},
    ),
    "transfer": (
        transfer,
        transfer_style,
        COMMON
        | {
            name: name
            for name in (
                "size",
                "content_weight",
                "style_weight",
                "preserve_colors",
                "style_scale",
                "init",
                "weights",
                "seed",
                "checkpoint",
            )
        },
    ),
}


@pytest.mark.parametrize("command", DEFAULTS)
def test_defaults_are_the_librarys(command: str) -> None:
    face, recipe, options = DEFAULTS[command]
    ours, theirs = inspect.signature(face).parameters, inspect.signature(recipe).parameters
    for option, parameter in options.items():
        assert ours[option].default == theirs[parameter].default, option


@pytest.mark.parametrize("command", DEFAULTS)
def test_help_shows_the_defaults(nst: Run, command: str) -> None:
    text = " ".join(" ".join(nst(command, "--help")[1]).split())
    _, recipe, options = DEFAULTS[command]
    theirs = inspect.signature(recipe).parameters
    for option, parameter in options.items():
        assert f"--{option.replace('_', '-')} " in text
        default = theirs[parameter].default
        if default is not None and default is not False:
            assert f"[default: {default}]" in text
    assert f"[default: (NSTLIB_WEIGHTS, or {default_weights()})]" in text
    for name in WEIGHTS:
        assert name in text


def test_help_tells_the_size(nst: Run) -> None:
    text = " ".join(" ".join(nst("texture", "--help")[1]).split())
    assert f"[default: {inspect.signature(texture).parameters['size'].default}]" in text
    text = " ".join(" ".join(nst("transfer", "--help")[1]).split())
    assert "[default: (512, or CONTENT's own if that is less)]" in text


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
    result = python("-m", "nstlib.cli", "texture", "coffee", "-o", out, *SMALL)
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
            "method": "lbfgs",
            "iterations": 2,
            "seed": 0,
        },
    }
    assert sorted(map(str, Path().iterdir())) == ["out.png", "run.json"]


def default_of(name: str) -> Any:
    return inspect.signature(transfer_style).parameters[name].default


def quick(content: Any, _: Any, **options: Any) -> Synthesis:
    """A transfer that takes no time: the content turned upside down, by way of two pictures."""
    callback = options["callback"] or (lambda step: step)
    steps = [Step(i, i + 1, 1.0, {"style": 1.0}, 0.1 * i, content[::-1]) for i in range(3)]
    half = resize(content, (content.shape[0] // 2, content.shape[1] // 2))
    callback(replace(steps[0], image=half))
    callback(replace(steps[1], image=half[::-1]))
    callback(replace(steps[1], image=content))  # the next size begins
    callback(steps[2])
    return Synthesis(content[::-1], {"style": (1.0, 0.5)}, tuple(steps), "mini", 0)


Calls = list[tuple[Any, Any, dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, estimated: Calls) -> Calls:  # noqa: ARG001
    """Make transfers and drawings take no time; collect what transfers are given."""
    found: Calls = []
    draw = nstlib.art.draw
    monkeypatch.setattr(
        "nstlib.art.catalogue.draw", lambda name, size: resize(draw(name, 32), (size, size))
    )

    def remember(content: Any, style: Any, **options: Any) -> Synthesis:
        found.append((content, style, options))
        return quick(content, style, **options)

    replace_synthesis(monkeypatch, remember, "nstlib.synthesis.transfer.transfer_style")
    return found


def test_transfer_options_arrive(nst: Run, calls: Calls, estimated: Calls) -> None:
    noise = np.random.default_rng(0).random((50, 60, 3))
    save_image(noise, "noise.png")
    options = (
        "--size 48 --content-weight 2 --style-weight 3 --tv-weight 0.5 --style-scale 0.75 "
        "--preserve-colors covariance --init noise.png --weights random --method adam "
        "--iterations 7 --seed 3 --checkpoint run.npz"
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


# Going on from a checkpoint


def test_interrupted_transfer_goes_on(
    nst: Run, monkeypatch: pytest.MonkeyPatch, estimated: Calls
) -> None:
    assert estimated == []
    seen: list[Step] = []

    def interrupted(*arguments: Any, **options: Any) -> Synthesis:
        def callback(step: Step) -> None:
            seen.append(step)
            if len(seen) == 3:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C does

        return transfer_style(*arguments, **options | {"callback": callback})

    results = replace_synthesis(
        monkeypatch, interrupted, "nstlib.synthesis.transfer.transfer_style"
    )
    arguments = ["transfer", "coffee", "mosaic", "-o", "o.png", "--size", 64]
    arguments += ["--iterations", 4, "--checkpoint", "run.npz"]
    code, out, err = nst(*arguments)
    [result] = results
    assert result.interrupted
    assert (code, len(out)) == (130, 1)
    assert err == [
        "about 40 s and 1.2 GB for 64x43 pixels, in 2 sizes",
        "nst: interrupted: ending ...",
        "nst: interrupted; o.png is the best picture so far; the same command goes on from run.npz",
    ]
    np.testing.assert_array_equal(pixels("o.png"), np.rint(result.image * 255))
    assert Path("run.npz").exists()

    code, out, err = nst(*arguments)
    assert (code, len(out)) == (0, 1)
    assert err == [
        "going on from run.npz; in all:",
        "about 40 s and 1.2 GB for 64x43 pixels, in 2 sizes",
    ]
    assert not results[1].interrupted
    assert results[1].history[0].iteration > 0  # not anew
    assert results[1].iterations == 4
    np.testing.assert_array_equal(pixels("o.png"), np.rint(results[1].image * 255))
    assert sorted(map(str, Path().iterdir())) == ["o.png"]


def test_checkpoint_outlives_a_failed_write(
    nst: Run, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    def full(*_: object) -> None:
        raise OutputError("out.png: cannot be written (no space left on device)")

    Path("run.npz").write_bytes(b"PK the state")
    monkeypatch.setattr("nstlib.images.encode.save_image", full)
    code, _, err = nst("transfer", "coffee", "mosaic", "-o", "out.png", "--checkpoint", "run.npz")
    assert (code, len(calls)) == (2, 1)
    assert err[-1] == "nst: out.png: cannot be written (no space left on device)"
    assert Path("run.npz").exists()


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


# Runs that end early


def test_interrupted_run_keeps_the_best_picture(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Synthesis:
        steps = []

        def callback(step: object) -> None:
            steps.append(step)
            if len(steps) == 3:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C does

        return synthesize_texture(*arguments, **options | {"callback": callback})

    results = replace_synthesis(monkeypatch, interrupted)
    code, out, err = nst(
        "texture", "coffee", "-o", "o.png", "--size", 64, "--iterations", 50, "--report", "r.json"
    )
    [result] = results
    assert result.interrupted
    assert code == 130
    assert err == [
        "nst: interrupted: ending ...",
        "nst: interrupted; o.png is the best picture so far",
    ]
    assert len(out) == 1
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("o.png")), np.rint(result.image * 255).astype(np.uint8)
    )
    assert json.loads(Path("r.json").read_text())["iterations"] == result.iterations < 50


def test_interrupt_outside_the_optimisation(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.sources.load_image", interrupt)
    assert nst("texture", "coffee", "-o", "out.png") == (130, [], [])


def test_diverging_run_keeps_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = load_image("coffee", size=(40, 48))

    def diverge(*_: object, **__: object) -> Synthesis:
        raise OptimizationError("the loss became NaN after 3 evaluations", image)

    replace_synthesis(monkeypatch, diverge)
    code, out, err = nst("texture", "coffee", "-o", "out.png", "--report", "run.json")
    assert (code, out) == (1, [])
    assert err == [
        "nst: the loss became NaN after 3 evaluations; the last good picture is in out.png"
    ]
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("out.png")), np.rint(image * 255).astype(np.uint8)
    )
    assert not Path("run.json").exists()


# Bad input: exit code 2, one line on stderr, nothing written


def refused(result: tuple[int, list[str], list[str]], *words: str) -> None:
    code, out, err = result
    assert code == 2
    assert out == []
    assert len(err) == 1
    assert err[0].startswith("nst: ")
    for word in words:
        assert word in err[0]


@pytest.mark.usefixtures("estimated")
def test_diverging_transfer_keeps_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(content: Any, *_: object, **__: object) -> Synthesis:
        grey = resize(content, (20, 30)).mean(axis=2, keepdims=True).repeat(3, axis=2)
        raise OptimizationError("the loss became NaN after 3 evaluations", grey)

    replace_synthesis(monkeypatch, diverge, "nstlib.synthesis.transfer.transfer_style")
    code, out, err = nst(
        "transfer",
        "coffee",
        "mosaic",
        "-o",
        "o.png",
        "--size",
        60,
        "--preserve-colors",
        "luminance",
    )
    assert (code, out) == (1, [])
    assert err[1:] == [
        "nst: the loss became NaN after 3 evaluations; the last good picture is in o.png"
    ]
    picture = pixels("o.png").astype(int)
    assert picture.shape == (20, 30, 3)
    assert np.ptp(picture, axis=2).mean() > 10  # with the content's colours again


def test_interrupted_estimate(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", interrupt)
    result = nst("transfer", "coffee", "mosaic", "-o", "out.png", "--size", 64)
    assert result == (130, [], [])
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("texture absent.png -o out.png", ["absent.png", "no such file"]),
        ("texture folder -o out.png", ["folder is a folder"]),
        ("texture notes.txt -o out.png", ["notes.txt", "not an image"]),
        ("texture cut.png -o out.png", ["cut.png", "cut off"]),
        ("texture empty.png -o out.png", ["empty.png"]),
        ("texture squeezenet -o out.png", ["squeezenet"]),
        ("texture coffee -o out.gif", ["out.gif", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o out", ["out", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o nowhere/out.png", ["nowhere"]),
        ("texture coffee -o notes.txt/out.png", ["notes.txt"]),
        ("texture coffee -o folder.png", ["folder.png is a folder"]),
        ("texture coffee -o out.png --size 0", ["--size is 0", "1 to 16384"]),
        ("texture coffee -o out.png --size -5", ["--size is -5"]),
        ("texture coffee -o out.png --size 20000", ["--size is 20000"]),
        ("texture coffee -o out.png --size big", ["--size", "integer", "nst texture --help"]),
        ("texture coffee -o out.png --sizes 3", ["--sizes", "nst texture --help"]),
        ("texture coffee -o out.png --report nowhere/run.json", ["nowhere/run.json"]),
        ("texture coffee -o out.png --report folder", ["folder"]),
        ("texture coffee -o out.png --report out.png", ["out.png", "another report file"]),
        ("texture coffee.png -o out.png --report coffee.png", ["coffee.png", "another"]),
        ("texture coffee", ["--output", "nst texture --help"]),
        ("texture", ["IMAGE", "nst texture --help"]),
        ("texture coffee mosaic -o out.png", ["mosaic"]),
        ("transfer coffee", ["STYLE", "nst transfer --help"]),
        ("transfer", ["CONTENT", "nst transfer --help"]),
        ("transfer coffee mosaic", ["--output", "nst transfer --help"]),
        ("transfer absent.png mosaic -o out.png", ["absent.png", "no such file"]),
        ("transfer coffee absent.png -o out.png", ["absent.png", "no such file"]),
        ("transfer coffee mosaic cut.png -o out.png", ["cut.png", "cut off"]),
        ("transfer coffee folder -o out.png", ["folder is a folder"]),
        ("transfer coffee mosaic -o out.gif", ["out.gif", ".png, .jpg, .jpeg, .webp"]),
        ("transfer coffee mosaic -o nowhere/out.png", ["nowhere"]),
        ("transfer coffee mosaic -o out.png --size 0", ["--size is 0"]),
        ("transfer coffee mosaic -o out.png --size big", ["--size", "nst transfer --help"]),
        ("transfer coffee mosaic -o out.png --style-weight much", ["--style-weight", "number"]),
        ("transfer coffee mosaic -o out.png --init absent.png", ["absent.png"]),
        ("transfer coffee mosaic -o out.png --mask absent.png", ["absent.png"]),
        ("transfer coffee mosaic -o out.png --mask notes.txt", ["notes.txt", "not an image"]),
        (
            "transfer coffee mosaic waves swirls -o out.png --mask coffee",
            ["--mask", "2 styles", "3"],
        ),
        ("transfer coffee mosaic -o out.png --report folder", ["folder"]),
        ("transfer coffee mosaic -o out.png --report nowhere/run.json", ["nowhere/run.json"]),
        ("transfer coffee mosaic -o out.png --report out.png", ["another report file"]),
        ("transfer coffee mosaic -o out.png --checkpoint folder", ["folder"]),
        ("transfer coffee mosaic -o out.png --checkpoint nowhere/run", ["nowhere/run"]),
        ("transfer coffee mosaic -o out.png --checkpoint out.png", ["another checkpoint file"]),
        ("transfer coffee mosaic -o out.png --animate film.avi", ["film.avi", "use one of .gif"]),
        ("transfer coffee mosaic -o out.png --animate film", ["film", ".gif, .mp4"]),
        ("transfer coffee mosaic -o out.png --animate nowhere/f.gif", ["nowhere/f.gif"]),
        ("transfer coffee mosaic -o out.png --report a --checkpoint a", ["another checkpoint"]),
        ("transfer coffee mosaic -o out.png --report f.gif --animate f.gif", ["another animate"]),
        ("textures", ["textures", "nst --help"]),
        ("assets", ["nst assets --help"]),
        ("assets fetch", ["NAME"]),
        ("assets fetch nothing", ["'nothing'", "nst assets list"]),
        ("assets verify nothing", ["'nothing'", "nst assets list"]),
    ],
)
def test_bad_input(nst: Run, arguments: str, words: list[str]) -> None:
    save_image(load_image("coffee", size=100), "coffee.png")
    whole = Path("coffee.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    Path("empty.png").touch()
    Path("notes.txt").write_text("not a picture")
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    before = sorted(Path().rglob("*"))
    refused(nst(*arguments.split()), *words)
    assert sorted(Path().rglob("*")) == before
    assert Path("coffee.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--size 16", ["16", "32"]),
        ("--tv-weight nan", ["--tv-weight", "nan"]),
        ("--tv-weight -1", ["--tv-weight", "-1"]),
        ("--tv-weight inf", ["--tv-weight", "inf"]),
        ("--weights imaginet", ["imaginet", ", ".join(WEIGHTS)]),
        ("--method sgd", ["sgd", "lbfgs"]),
        ("--iterations 0", ["iterations", "0"]),
        ("--iterations -3", ["iterations", "-3"]),
    ],
)
def test_bad_options(nst: Run, options: str, words: list[str]) -> None:
    refused(nst("texture", "coffee", "-o", "out.png", *options.split()), *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--size 16", ["16", "32"]),
        ("--content-weight -1", ["--content-weight", "-1"]),
        ("--style-weight nan", ["--style-weight", "nan"]),
        ("--tv-weight inf", ["--tv-weight", "inf"]),
        ("--style-scale 0", ["--style-scale", "0"]),
        ("--style-scale inf", ["--style-scale", "inf"]),
        ("--style-scale nan", ["--style-scale", "nan"]),
        ("--preserve-colors hue", ["--preserve-colors is hue", "luminance, covariance"]),
        ("--weights imaginet", ["imaginet", ", ".join(WEIGHTS)]),
        ("--method sgd", ["sgd", "lbfgs"]),
        ("--iterations 0", ["iterations", "0"]),
        ("--seed -1", ["seed", "-1"]),
        ("--mask black.png", ["mask", "above 0"]),
    ],
)
def test_bad_transfer_options(
    nst: Run, monkeypatch: pytest.MonkeyPatch, options: str, words: list[str]
) -> None:
    """The library's errors, before anything is estimated or written."""
    save_image(np.zeros((9, 9, 3)), "black.png")
    monkeypatch.setattr("nstlib.art.catalogue.draw", lambda *_: np.zeros((64, 64, 3), np.float32))
    given = ["--size", "64", *options.split()]
    refused(nst("transfer", "coffee", "mosaic", "-o", "out.png", *given), *words)
    assert list(Path().iterdir()) == [Path("black.png")]


@pytest.mark.usefixtures("estimated")
def test_checkpoint_of_another_run(nst: Run) -> None:
    Path("notes.txt").write_text("not a checkpoint")
    code, out, err = nst(
        "transfer", "coffee", "mosaic", "-o", "out.png", *SMALL, "--checkpoint", "notes.txt"
    )
    assert (code, out) == (2, [])
    assert err[-1].startswith("nst: notes.txt is there already, and it is no checkpoint")
    assert [path.name for path in Path().iterdir()] == ["notes.txt"]
    assert Path("notes.txt").read_text() == "not a checkpoint"


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("option", ["-o", "--report", "--animate", "--checkpoint"])
@pytest.mark.parametrize("which", ["content", "style", "other", "mask", "init"])
def test_nothing_that_went_in_is_overwritten(nst: Run, option: str, which: str) -> None:
    suffix = ".gif" if option == "--animate" else ".png"
    names = {name: f"{name}{suffix}" for name in ("content", "style", "other", "mask", "init")}
    for name in names.values():
        PIL.Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(name)
    before = {name: Path(name).read_bytes() for name in names.values()}
    outputs = ["-o", "out.png"] if option != "-o" else []
    result = nst(
        *("transfer", names["content"], names["style"], names["other"]),
        *("--mask", names["mask"], "--init", names["init"], *outputs),
        *(option, f"./{names[which]}"),
    )
    refused(result, names[which], "input")
    assert {name: Path(name).read_bytes() for name in before} == before
    assert len(list(Path().iterdir())) == len(before)


def test_bad_setting(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSTLIB_WEIGHTS", "imaginet")
    refused(nst("texture", "coffee", "-o", "out.png"), "imaginet")


def test_error_after_tensorflow_is_still_one_line(tmp_path: Path) -> None:
    # In a process of its own, where TensorFlow starts up and would say so.
    out = str(tmp_path / "out.png")
    result = python("-m", "nstlib.cli", "texture", "coffee", "-o", out, "--tv-weight", "nan")
    refused((result.returncode, result.stdout.splitlines(), result.stderr.splitlines()), "nan")


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("way", ["same", "dot", "absolute", "symlink", "hardlink"])
def test_input_is_never_overwritten(nst: Run, way: str) -> None:
    save_image(load_image("coffee", size=100), "in.png")
    before = Path("in.png").read_bytes()
    output = {"same": "in.png", "dot": "./in.png", "absolute": str(Path("in.png").absolute())}.get(
        way, "link.png"
    )
    if way == "symlink":
        Path("link.png").symlink_to("in.png")
    elif way == "hardlink":
        os.link("in.png", "link.png")
    refused(nst("texture", "in.png", "-o", output), Path(output).name, "the input itself")
    assert Path("in.png").read_bytes() == before


@pytest.mark.usefixtures("never")
def test_asset_is_never_overwritten(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the painting")
    refused(nst("texture", "udnie", "-o", path), "the input itself")
    assert path.read_bytes() == b"the painting"


@pytest.mark.usefixtures("never")
def test_unwritable_folder(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode)
    )
    refused(nst("texture", "coffee", "-o", "locked/out.png"), "locked", "not writable")
    refused(
        nst("texture", "coffee", "-o", "out.png", "--report", "locked/run.json"), "locked/run.json"
    )


@pytest.mark.usefixtures("never")
def test_what_the_file_system_refuses_is_one_line_too(nst: Run) -> None:
    refused(nst("texture", "x" * 300, "-o", "out.png"), "name too long")


# Assets


def test_list_shows_what_is_here_and_what_is_not(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.touch()
    code, out, err = nst("assets", "list")
    assert (code, err) == (0, [])
    rows = {line.split()[0]: line.split() for line in out}
    assert set(rows) == {"NAME", *sample_names(), *ASSETS}
    assert rows["astronaut"][1:4] == ["photo", "-", "yes"]
    assert rows["mosaic"][1:4] == ["drawing", "-", "yes"]
    assert rows["udnie"][1:4] == ["image", "0.1", "yes"]
    assert rows["starry_night"][1:4] == ["image", "0.2", "no"]
    assert rows["zoo_udnie"][1:4] == ["model", "6.7", "no"]
    assert "public domain" in next(line for line in out if line.startswith("starry_night"))


def test_list_can_be_narrowed_and_give_addresses(nst: Run) -> None:
    code, out, _ = nst("assets", "list", "Mosaic", "--urls")
    assert code == 0
    names = [line.split()[0] for line in out if not line.startswith(" ")]
    assert names[1:] == ["mosaic", "pytorch_mosaic", "johnson_mosaic"]
    addresses = [line.strip() for line in out if line.startswith("    ")]
    assert addresses == [ASSETS[name].url for name in names[2:]]


def test_fetch_prints_paths(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fetch(name: str, *, force: bool, progress: bool) -> Path:
        calls.append((name, force, progress))
        return Path("somewhere") / name

    monkeypatch.setattr("nstlib.assets.cache.fetch", fetch)
    assert nst("assets", "fetch", "udnie", "amber") == (
        0,
        ["somewhere/udnie", "somewhere/amber"],
        [],
    )
    assert nst("assets", "fetch", "--force", "udnie")[0] == 0
    assert calls == [("udnie", False, False), ("amber", False, False), ("udnie", True, False)]


def test_failed_fetch_is_one_line(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens: no network
    monkeypatch.setenv("no_proxy", "")
    refused(nst("assets", "fetch", "udnie"), "udnie", "no connection")


def test_verify(nst: Run, tmp_path: Path) -> None:
    code, out, err = nst("assets", "verify")
    assert (code, err) == (0, [])
    assert [line.split() for line in out] == [[name, "absent"] for name in ASSETS]
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert nst("assets", "verify", "udnie", "amber") == (1, ["udnie  corrupt", "amber  absent"], [])
    refused(nst("assets", "fetch", "udnie"), "nst assets fetch udnie --force")
    assert path.read_bytes() == b"half a file"


@pytest.mark.parametrize("unbuffered", ["", "1"])  # the output fails at the end, or at once
def test_output_may_be_cut_short_by_its_reader(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "nstlib.cli", "assets", "verify"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")


# The doctor


@pytest.mark.parametrize(("ok", "expected"), [(True, 0), (None, 0), (False, 1)])
def test_doctor_reports_and_counts(
    nst: Run, monkeypatch: pytest.MonkeyPatch, ok: bool | None, expected: int
) -> None:
    findings = [Finding("tea", True, "hot"), Finding("cake", ok, "one slice")]
    monkeypatch.setattr("nstlib.doctor.diagnose", lambda: findings)
    code, out, err = nst("doctor")
    assert (code, err) == (expected, [])
    assert out[0] == "ok     tea   hot"


def test_doctor_finds_a_foreign_backend(tmp_path: Path) -> None:
    environment = {"KERAS_BACKEND": "no_such_backend", "NSTLIB_CACHE": str(tmp_path)}
    result = python("-m", "nstlib.cli", "doctor", **environment)
    assert (result.returncode, result.stderr) == (1, "")
    assert "KERAS_BACKEND is 'no_such_backend'" in result.stdout
    assert "unset KERAS_BACKEND" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 fault"


@pytest.mark.parametrize("command", ["texture coffee", "transfer coffee mosaic"])
def test_package_that_does_not_import(
    nst: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delitem(sys.modules, "nstlib.optimize", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    code, out, err = nst(*command.split(), "-o", "out.png")
    assert (code, out) == (1, [])
    assert len(err) == 1
    assert err[0].endswith("run nst doctor to learn what to do")
