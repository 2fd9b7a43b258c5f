"""The distance that benchmarks/perceptual.py judges by, and the pictures that it is tried on."""

from __future__ import annotations

import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import perceptual
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import nstlib as nst


def source(name: str) -> perceptual.Source:
    (found,) = (s for s in perceptual.SOURCES if s.name == name)
    return found


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


# ------------------------------------------------------------------------------------ the distance


def answers(channels: NDArray[Any]) -> list[NDArray[Any]]:
    """Strengths of the wavelets, in double precision, from the definition."""
    y, x = np.mgrid[-3:4, -3:4]
    bell = np.exp(-(x**2 + y**2) / (2 * 1.2**2))
    result = []
    for angle in np.radians([0, 45, 90, 135]):
        wave = np.exp(0.5j * np.pi * (x * np.cos(angle) + y * np.sin(angle)))
        kernel = bell * (wave - np.average(wave, weights=bell)) / bell.sum()
        maps = [scipy.ndimage.correlate(c, kernel, mode="mirror") for c in channels]
        result.append(np.sqrt(sum(np.abs(m) ** 2 for m in maps)))
    return result


def halved(channels: NDArray[Any]) -> NDArray[Any]:
    count, height, width = channels.shape
    return channels.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def test_structure_is_the_definition() -> None:
    image = noise(32, 32, 3)
    expected = []
    pyramid = [image.astype(np.float64).transpose(2, 0, 1)]
    pyramid.append(halved(pyramid[0]))
    for level, coarser in ((pyramid[0], 2), (pyramid[1], 1)):  # down to 8 pixels
        for first in answers(level):
            maps = first[np.newaxis]
            for _ in range(coarser):
                maps = halved(maps)
                expected += [
                    np.log(second.mean() / (first.mean() + 0.001) + 0.001)
                    for second in answers(maps)
                ]
    assert len(expected) == 48
    np.testing.assert_allclose(perceptual.structure(image), expected, rtol=1e-3)


def test_distance_is_a_mean_deviation() -> None:
    a, b = noise(64, 64, 3), nst.draw("waves", 64)
    assert perceptual.distance(a, a) == 0
    assert perceptual.distance(a, b) == pytest.approx(perceptual.distance(b, a))
    assert perceptual.distance(a, b) > 0.3


@pytest.mark.parametrize(("factor", "shift"), [(0.5, 0.0), (0.5, 1.0), (0.8, 0.3)])
def test_distance_leaves_contrast_and_brightness_to_others(factor: float, shift: float) -> None:
    image = nst.draw("marble", 64)
    other = (factor * image + (1 - factor) * shift).astype(np.float32)
    assert perceptual.distance(other, image) < 0.03


@pytest.mark.parametrize("name", ["gravel", "brick", "candy", "waves", "marble"])
def test_distance_ranks_known_cases(name: str) -> None:
    crop, other = source(name).crops(128)
    cases = [
        other,
        perceptual.random_phases(crop),  # its spectrum and its grain are the source's
        perceptual.shuffled(crop),
    ]
    found = [perceptual.distance(case, crop) for case in cases]
    assert found == sorted(found)
    assert found[1] > 1.2 * perceptual.distance(perceptual.quilted(other), crop)


# ---------------------------------------------------------------------------------- the known cases


def test_sources_are_twelve_or_more_without_a_download() -> None:
    offline = [s for s in perceptual.SOURCES if s.kind != "painting"]
    assert len(offline) >= 12
    assert set(offline) <= set(perceptual.available())
    for s in perceptual.SOURCES:
        assert max(abs(a - b) for a, b in zip(s.corner, s.other, strict=True)) >= s.side


@pytest.mark.parametrize("name", ["hubble", "brick", "waves"])
def test_crops_lie_where_the_table_says(name: str) -> None:
    chosen = source(name)
    crop, other = chosen.crops(64)
    assert crop.shape == other.shape == (64, 64, 3)
    assert crop.dtype == other.dtype == np.float32
    if name == "waves":
        picture = nst.draw("waves", (128, 256))
        np.testing.assert_array_equal(crop, picture[61:125, :64])  # 0.48 of 128 is 61.44
        np.testing.assert_array_equal(other, picture[61:125, 128:192])
    elif name == "hubble":
        picture = nst.load_image("hubble")
        np.testing.assert_allclose(other.mean(), picture[450:750, 500:800].mean(), atol=1e-4)
    else:
        np.testing.assert_array_equal(crop[..., 0], crop[..., 2])


def test_quilted_continues_stripes() -> None:
    stripes = np.zeros((32, 32, 3), np.float32)
    stripes[:, ::4] = 0.3
    stripes[:, 1::4] = 0.9
    image = perceptual.quilted(stripes, seed=3)
    assert image.shape == stripes.shape
    phase = int(image[0, :4, 0].argmax()) - 1
    np.testing.assert_array_equal(image, np.roll(stripes, phase, axis=1))


@pytest.mark.parametrize("seed", [0, 1])
def test_quilted_takes_its_pixels_from_the_image(seed: int) -> None:
    image = noise(32, 32, 3, seed=seed)
    known = {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}
    made = perceptual.quilted(image, seed).reshape(-1, 3).tolist()
    assert {tuple(pixel) for pixel in made} <= known


@given(arrays(np.float32, (4, 4), elements=st.integers(0, 9).map(float)))
def test_seam_is_the_cheapest_way_down(difference: NDArray[np.float32]) -> None:
    left = perceptual.seam(difference)
    path = left.sum(axis=1)
    assert (left == (np.arange(4) < path[:, np.newaxis])).all()
    assert np.abs(np.diff(path)).max() <= 1
    ways = [way for way in np.ndindex(4, 4, 4, 4) if all(abs(a - b) <= 1 for a, b in pairwise(way))]
    cheapest = min(sum(difference[y, x] for y, x in enumerate(way)) for way in ways)
    assert difference[np.arange(4), path].sum() == cheapest


def test_random_phases_keep_spectrum_and_colours() -> None:
    image = (0.5 + 0.1 * (nst.draw("mosaic", 64) - 0.5)).astype(np.float32)  # nothing is clipped
    other = perceptual.random_phases(image)
    assert np.abs(other - image).mean() > 0.01
    for spectrum in (
        lambda i: np.abs(np.fft.fft2(i, axes=(0, 1))),
        lambda i: np.cov(i.reshape(-1, 3).T),
    ):
        np.testing.assert_allclose(spectrum(other), spectrum(image), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(other.mean((0, 1)), image.mean((0, 1)), atol=1e-5)


def test_shuffled_keeps_the_pixels() -> None:
    image = noise(16, 16, 3)
    other = perceptual.shuffled(image)
    assert (other != image).any()
    assert sorted(other.reshape(-1, 3).tolist()) == sorted(image.reshape(-1, 3).tolist())


# ------------------------------------------------------------------------------------------- faults


def test_faults_see_what_they_are_named_for() -> None:
    image = np.clip(nst.draw("brushwork", 128), 0.2, 0.8)
    grain, colour, grid = perceptual.faults(image)
    tinted = np.clip(image + 0.2 * (noise(128, 128, 3) - 0.5), 0, 1)
    assert perceptual.faults(tinted)[0] > grain + 3
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    assert perceptual.faults(grey)[:2] == pytest.approx([0, 0], abs=1e-4)
    assert colour > 20
    ruled = image.copy()
    ruled[:, ::8] += 0.1
    assert perceptual.faults(ruled)[2] > grid + 0.1


# -------------------------------------------------------------------------------------- the command


def test_milliseconds_by_name() -> None:
    times = perceptual.milliseconds(("mini",), "replicate", size=32)
    assert times.keys() == {"mini"}
    assert 0 < times["mini"] < 10_000


@pytest.mark.parametrize(
    ("name", "title"), [("coffee", "coffee"), ("immunohistochemistry", "immunohisto…")]
)
def test_titles_fit_over_small_pictures(name: str, title: str) -> None:
    assert source(name).title == title


@pytest.mark.parametrize("better", ["mini", "random"])
def test_verdict_and_exit_status(
    better: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def synthesize(crop: NDArray[np.float32], weights: str, **_: object) -> types.SimpleNamespace:
        image = crop[::-1] if weights == better else perceptual.shuffled(crop)
        return types.SimpleNamespace(image=image, evaluations=200)

    monkeypatch.setattr(perceptual, "imagenet_file", lambda: None)
    monkeypatch.setattr(perceptual, "milliseconds", lambda weights, _: dict.fromkeys(weights, 5.0))
    monkeypatch.setattr(nst, "synthesize_texture", synthesize, raising=False)
    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr(
        "sys.argv",
        ["perceptual.py", "--size=64", f"--output={sheet}", "--sources", "waves", "marble"],
    )
    with pytest.raises(SystemExit) as exit_:
        perceptual.main()
    last = capsys.readouterr().out.splitlines()[-1]
    if better == "mini":
        assert exit_.value.code == 0
        assert last == "mini beats random on 2 of 2"
    else:
        assert exit_.value.code == 1
        assert last == "mini beats random on 0 of 2, not on waves, marble"
    assert nst.load_image(sheet).shape[1] == 1800
