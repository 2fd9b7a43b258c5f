"""Figures: their captions, sizes, colours and texts; animations: frames, times and files."""

from __future__ import annotations

import base64
import errno
import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio.v3 as iio
import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nstlib.course.figures.animation import Animation, animate
from nstlib.course.figures.charts import apart, show_curves, show_distributions
from nstlib.course.figures.matrices import show_grams, show_matrix
from nstlib.course.figures.pictures import show_feature_maps, show_images
from nstlib.course.figures.plot import MARGIN, PIXELS, Plot
from nstlib.errors import ArgumentError, ImageError, OutputError

WORDS: Any = {"caption": "What to look at.", "alt": "What is shown."}
RED = np.zeros((60, 80, 3), np.float32)
RED[..., 0] = 1
GREY = np.full((60, 80), 0.5, np.float32)
NOISE = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
STEPS = [
    SimpleNamespace(iteration=i, evaluations=2 * i + 1, loss=1 / (i + 1), image=None)
    for i in range(5)
]

FIGURES: dict[str, Callable[..., Plot | Animation]] = {
    "images": lambda **words: show_images([RED, GREY], ["red", "grey"], **words),
    "feature maps": lambda **words: show_feature_maps({"conv": NOISE}, **words),
    "grams": lambda **words: show_grams({"conv": np.eye(4)}, **words),
    "matrix": lambda **words: show_matrix(np.eye(2), ["a", "b"], **words),
    "curves": lambda **words: show_curves({"a": ([0, 1], [2, 1])}, **words),
    "distributions": lambda **words: show_distributions({"a": [1, 2]}, **words),
    "animation": lambda **words: animate([RED, NOISE], **words),
}


def shown(figure: Plot | Animation) -> tuple[PIL.Image.Image, dict[str, Any], str]:
    """What a notebook would store: the picture, its metadata, its kind."""
    data, metadata = figure._repr_mimebundle_()
    (kind,) = set(data) - {"text/plain"}
    return PIL.Image.open(io.BytesIO(base64.b64decode(data[kind]))), metadata[kind], kind


def pixel(plot: Plot, axes: int, x: float, y: float) -> tuple[int, ...]:
    """The colour that a reader sees at (x, y) of a picture, both in [0, 1] from the top left."""
    picture, _, _ = shown(plot)
    box = plot.figure.axes[axes].get_position()
    column = (box.x0 + x * box.width) * picture.width
    row = (1 - box.y1 + y * box.height) * picture.height
    colour = picture.convert("RGB").getpixel((int(column), int(row)))
    assert isinstance(colour, tuple)
    return colour


def extent(text: Any) -> Any:
    """The box of a text alone, without the line that leads to it."""
    return mpl.text.Text.get_window_extent(text)


def texts(plot: Plot) -> list[str]:
    return [text.get_text() for text in plot.figure.texts]


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES.keys())
class TestEveryFigure:
    @pytest.mark.parametrize("empty", ["", "  \n", None])
    def test_an_alternative_text_is_required(
        self, make: Callable[..., Any], empty: str | None
    ) -> None:
        with pytest.raises(ArgumentError, match="alt is empty"):
            make(**WORDS | {"alt": empty})
        with pytest.raises(TypeError, match="alt"):
            make(caption=WORDS["caption"])

    def test_without_a_caption_the_page_ends_below_the_figure(
        self, make: Callable[..., Any]
    ) -> None:
        captioned, bare = shown(make(**WORDS))[0], shown(make(alt=WORDS["alt"]))[0]
        assert bare.width == captioned.width
        assert 0 < bare.height < captioned.height - 12
        rows = np.asarray(bare.convert("L")).min(axis=1)
        blank = len(rows) - 1 - np.flatnonzero(rows < 250).max()
        assert blank < 0.5 * PIXELS * bare.width / shown(make(alt="x"))[1]["width"]

    def test_a_notebook_gets_picture_size_and_alt(self, make: Callable[..., Any]) -> None:
        figure = make(**WORDS)
        data, metadata = figure._repr_mimebundle_()
        picture, meta, kind = shown(figure)
        # nbval compares every kind but these, byte for byte.
        assert kind in ("image/png", "image/jpeg")
        assert set(metadata) == {kind}
        assert data["text/plain"] == meta["alt"] == figure.alt == "What is shown."
        assert figure.caption == "What to look at."
        assert type(meta["width"]) is type(meta["height"]) is int
        scale = 1 if isinstance(figure, Animation) else 2 if kind == "image/png" else 1.5
        assert picture.width == pytest.approx(scale * meta["width"], abs=2)
        assert picture.height == pytest.approx(scale * meta["height"], abs=2)
        assert meta["width"] <= 900

    def test_the_display_repeats(self, make: Callable[..., Any]) -> None:
        assert make(**WORDS)._repr_mimebundle_() == make(**WORDS)._repr_mimebundle_()

    def test_nothing_is_left_behind(self, make: Callable[..., Any]) -> None:
        before = dict(mpl.rcParams)
        make(**WORDS)._repr_mimebundle_()
        from matplotlib import pyplot

        assert pyplot.get_fignums() == []
        assert dict(mpl.rcParams) == before

    def test_settings_of_the_user_do_not_leak_in(self, make: Callable[..., Any]) -> None:
        plain = make(**WORDS)._repr_mimebundle_()
        with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "image.cmap": "jet"}):
            assert make(**WORDS)._repr_mimebundle_() == plain


def test_a_caption_is_wrapped_and_keeps_its_dollars() -> None:
    caption = "It costs $5 to $10, " * 20
    plot = show_images([RED], caption=caption, alt="x")
    below = texts(plot)[0]
    assert below.replace("\n", " ") == " ".join(caption.split())
    lines = below.split("\n")
    assert len(lines) > 3
    box = plot.figure.texts[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= plot.figure.bbox.width
    assert 0 <= box.y0 < box.y1 <= plot.figure.axes[0].get_window_extent().y0


def undrawn_labels(figure: Any) -> set[mpl.text.Text]:
    """Labels of ticks outside an axis's limits exist as texts but are not drawn."""
    beyond: set[mpl.text.Text] = set()
    for axis in itertools.chain.from_iterable((axes.xaxis, axes.yaxis) for axes in figure.axes):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    return beyond


def test_every_text_lies_on_the_page() -> None:
    long = "a name as long as names of layers get"
    for plot in (
        show_images([RED, GREY], [long, "x"], **WORDS),
        show_matrix(np.eye(3), [long, "b", long], thumbnails=[RED, GREY, NOISE], **WORDS),
        show_curves({long: ([0, 1], [2, 1]), "b": ([0, 1], [2, 1.01])}, **WORDS),
        show_grams({long: np.eye(4), "b": -np.eye(3)}, **WORDS),
        show_grams({long: np.eye(4), "b": -np.eye(3)}, normalize=False, **WORDS),
        show_feature_maps({long: NOISE, "b": NOISE}, **WORDS),
        show_distributions({long: {"c": [1, 2], "d": [3]}, "b": {"c": [5, 6]}}, **WORDS),
    ):
        plot.figure.draw_without_rendering()
        found = plot.figure.findobj(mpl.text.Text)
        beyond = undrawn_labels(plot.figure)
        drawn = [t for t in found if t.get_visible() and t.get_text() and t not in beyond]
        boxes = [extent(text) for text in drawn]
        assert all(box.x0 >= -1 and box.x1 <= plot.figure.bbox.width + 1 for box in boxes)
        assert all(box.y0 >= -1 and box.y1 <= plot.figure.bbox.height + 1 for box in boxes)


class TestImages:
    def test_colours_titles_and_labels(self) -> None:
        plot = show_images([RED, GREY], ["red", "grey"], **WORDS)
        assert pixel(plot, 0, 0.5, 0.5) == (255, 0, 0)
        assert pixel(plot, 1, 0.5, 0.5) == pytest.approx((128, 128, 128), abs=1)
        assert texts(plot) == ["What to look at.", "red", "grey"]
        assert [axes.get_label() for axes in plot.figure.axes] == ["red", "grey"]

    def test_rows_run_down_and_columns_right(self) -> None:
        corners = np.zeros((8, 8, 3))
        corners[0, 0] = (1, 0, 0)
        corners[0, -1] = (0, 1, 0)
        corners[-1, 0] = (0, 0, 1)
        plot = show_images([corners], **WORDS)
        assert pixel(plot, 0, 0.06, 0.06) == (255, 0, 0)
        assert pixel(plot, 0, 0.94, 0.06) == (0, 255, 0)
        assert pixel(plot, 0, 0.06, 0.94) == (0, 0, 255)

    def test_few_pixels_keep_their_edges_and_many_are_smoothed(self) -> None:
        tiny = show_images([np.eye(4)], **WORDS).figure.axes[0].images[0]
        large = show_images([np.eye(48)], **WORDS).figure.axes[0].images[0]
        assert tiny.get_interpolation() == "nearest"
        assert large.get_interpolation() != "nearest"

    def test_pictures_keep_their_aspect_ratio(self) -> None:
        images = [np.zeros((40, 80, 3)), np.zeros((80, 40, 3)), np.zeros((300, 10, 3))]
        plot = show_images(images, **WORDS)
        for axes, image in zip(plot.figure.axes, images, strict=True):
            box = axes.get_window_extent()
            assert box.height / box.width == pytest.approx(image.shape[0] / image.shape[1])

    @pytest.mark.parametrize(
        ("count", "columns", "rows"),
        [
            (1, None, 1),
            (3, None, 1),
            (4, None, 2),
            (6, None, 2),
            (7, None, 3),
            (4, 4, 1),
            (5, 2, 3),
        ],
    )
    def test_grids(self, count: int, columns: int | None, rows: int) -> None:
        plot = show_images([GREY] * count, columns=columns, **WORDS)
        tops = {round(axes.get_position().y1, 4) for axes in plot.figure.axes}
        assert len(tops) == rows
        assert plot.figure.get_figwidth() <= 9.001

    def test_a_large_photo_is_a_jpeg_and_a_drawing_is_not(self) -> None:
        noise = np.random.default_rng(0).random((300, 300, 3))
        assert shown(show_images([noise] * 3, **WORDS))[2] == "image/jpeg"
        assert shown(show_images([RED] * 3, **WORDS))[2] == "image/png"

    @pytest.mark.parametrize(
        ("images", "error", "message"),
        [
            ([], ArgumentError, "images is empty"),
            (RED, ArgumentError, r"one array of shape \(60, 80, 3\); give a list"),
            ([RED, GREY, RED * np.nan], ImageError, r"images\[2\] holds NaN"),
            ([RED, GREY * np.inf], ImageError, r"images\[1\] holds NaN or inf"),
            ([RED, (RED * 255).astype(np.uint8)], ImageError, r"images\[1\] holds uint8"),
            ([RED * 255], ImageError, r"images\[0\] ranges from 0 to 255"),
            ([RED[np.newaxis]], ImageError, r"images\[0\] has shape \(1, 60, 80, 3\)"),
            ([RED[..., :2]], ImageError, r"images\[0\] has shape \(60, 80, 2\)"),
            ([np.zeros((0, 4))], ImageError, r"images\[0\] has shape"),
        ],
    )
    def test_bad_images(self, images: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            show_images(images, **WORDS)

    def test_bad_layouts(self) -> None:
        with pytest.raises(ArgumentError, match="titles: 1 for 2 images"):
            show_images([RED, GREY], ["red"], **WORDS)
        with pytest.raises(ArgumentError, match="one string, 'ab'"):
            show_images([RED, GREY], "ab", **WORDS)
        with pytest.raises(ArgumentError, match="columns is 0"):
            show_images([RED], columns=0, **WORDS)
        with pytest.raises(ArgumentError, match="cell is -1"):
            show_images([RED], cell=-1, **WORDS)


class TestFeatureMaps:
    def test_the_most_active_channels_come_first(self) -> None:
        features = np.full((1, 5, 6, 4), [0.1, 0.4, 0.0, 0.2])
        plot = show_feature_maps({"conv": features}, channels=3, **WORDS)
        names = [axes.get_label() for axes in plot.figure.axes]
        assert names == ["conv channel 1", "conv channel 3", "conv channel 0"]
        plot = show_feature_maps({"conv": features}, channels=3, order="first", **WORDS)
        assert [str(axes.get_label())[-1] for axes in plot.figure.axes] == ["0", "1", "2"]
        assert "conv" in texts(plot)
        assert "5 × 6 × 4" in texts(plot)

    def test_each_map_fills_its_own_range(self) -> None:
        ramp = np.linspace(0, 1, 12).reshape(3, 4)
        features = np.stack([ramp, 1000 * ramp + 5, np.zeros((3, 4))], axis=-1)
        plot = show_feature_maps({"conv": features}, order="first", **WORDS)
        limits = [axes.images[0].get_clim() for axes in plot.figure.axes]
        assert limits == [(0, 1), (5, 1005), (0, 1)]

    @pytest.mark.parametrize(
        ("features", "options", "message"),
        [
            ({}, {}, "features is empty"),
            ({"conv": np.zeros((2, 4, 4, 3))}, {}, r"features\['conv'\] has shape \(2, 4, 4, 3\)"),
            ({"a": NOISE, "b": NOISE * np.nan}, {}, r"features\['b'\] holds NaN"),
            ({"conv": NOISE}, {"channels": 0}, "channels is 0"),
            ({"conv": NOISE}, {"order": "last"}, "order is 'last'"),
        ],
    )
    def test_bad_features(self, features: Any, options: Any, message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            show_feature_maps(features, **options, **WORDS)


class TestGrams:
    def test_normalised_matrices_share_a_scale(self) -> None:
        plot = show_grams({"a": np.eye(4), "b": 50 * np.eye(600)}, **WORDS)
        assert [axes.get_label() for axes in plot.figure.axes] == ["a", "b", "scale"]
        for axes in plot.figure.axes[:2]:
            assert axes.images[0].get_array().max() == 1  # type: ignore[union-attr]
            assert axes.images[0].get_clim() == (0, 1)

    def test_raw_matrices_have_their_own_scales(self) -> None:
        plot = show_grams({"a": np.eye(4), "b": 50 * np.eye(9)}, normalize=False, **WORDS)
        assert sum(axes.get_label() == "scale" for axes in plot.figure.axes) == 2
        assert [a.images[0].get_clim() for a in plot.figure.axes if a.images] == [(0, 1), (0, 50)]

    def test_a_quarter_of_the_largest_entry_is_halfway_up_the_scale(self) -> None:
        plot = show_grams({"a": np.diag([1.0, 0.25])}, **WORDS)
        assert plot.figure.axes[0].images[0].norm(np.array(0.25)) == pytest.approx(0.5)

    def test_negative_entries_put_white_at_zero(self) -> None:
        plot = show_grams({"a": np.array([[1.0, -0.5], [-0.5, 0.0]])}, **WORDS)
        assert min(pixel(plot, 0, 0.75, 0.75)) > 240
        red, _, blue = pixel(plot, 0, 0.25, 0.25)
        assert red > 2 * blue
        red, _, blue = pixel(plot, 0, 0.75, 0.25)
        assert blue > 2 * red

    def test_bad_matrices(self) -> None:
        with pytest.raises(ArgumentError, match=r"grams\['b'\] has shape \(2, 3\)"):
            show_grams({"a": np.eye(2), "b": np.ones((2, 3))}, **WORDS)
        with pytest.raises(ArgumentError, match=r"grams\['a'\] holds NaN"):
            show_grams({"a": np.eye(2) * np.nan}, **WORDS)
        with pytest.raises(ArgumentError, match="grams is empty"):
            show_grams({}, **WORDS)


class TestMatrix:
    def test_numbers_and_names(self) -> None:
        plot = show_matrix([[0, 0.256], [0.256, 0]], ["brick", "grass"], **WORDS)
        cells = [text.get_text() for text in plot.figure.axes[0].texts]
        assert cells == ["0.00", "0.26", "0.26", "0.00"]
        assert texts(plot).count("brick") == texts(plot).count("grass") == 2
        bare = show_matrix(np.eye(2), ["a", "b"], number="", **WORDS)
        assert len(bare.figure.axes[0].texts) == 0

    def test_numbers_are_legible_on_their_cells(self) -> None:
        plot = show_matrix(np.linspace(0, 1, 16).reshape(4, 4), list("abcd"), **WORDS)
        image = plot.figure.axes[0].images[0]
        for text in plot.figure.axes[0].texts:
            column, row = (int(p) for p in text.get_position())
            cell = image.cmap(image.norm(image.get_array()[row, column]))  # type: ignore[index]
            assert contrast(cell[:3], mpl.colors.to_rgb(text.get_color())) > 3  # type: ignore[arg-type]

    def test_thumbnails_head_rows_and_columns(self) -> None:
        plot = show_matrix(np.eye(2), ["a", "b"], thumbnails=[RED, GREY], **WORDS)
        assert [axes.get_label() for axes in plot.figure.axes] == ["matrix", "a", "a", "b", "b"]
        red, green, blue = pixel(plot, 1, 0.5, 0.5)
        assert red > 200
        assert max(green, blue) < 60

    @pytest.mark.parametrize(
        ("matrix", "labels", "thumbnails", "message"),
        [
            (np.ones((2, 3)), ["a", "b"], None, r"shape \(2, 3\)"),
            (np.eye(2), ["a"], None, "labels: 1 for 2 matrix rows"),
            (np.eye(2), "ab", None, "labels: one string"),
            (np.eye(2), ["a", "b"], [RED], "1 thumbnails for 2 rows"),
            (np.eye(2), ["a", "b"], [RED, RED * 9], r"thumbnails\[1\] ranges"),
            ([[0, np.nan], [1, 0]], ["a", "b"], None, "NaN"),
        ],
    )
    def test_bad_matrices(self, matrix: Any, labels: Any, thumbnails: Any, message: str) -> None:
        with pytest.raises((ArgumentError, ImageError), match=message):
            show_matrix(matrix, labels, thumbnails=thumbnails, **WORDS)


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""

    def luminance(colour: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


class TestCurves:
    def test_pairs_results_and_histories(self) -> None:
        result = SimpleNamespace(history=tuple(STEPS))
        curves = {
            "pair": ([1, 2], [3.0, 4.0]),
            "result": result,
            "history": STEPS,
            "one": STEPS[:2],
        }
        lines = show_curves(curves, **WORDS).figure.axes[0].lines
        np.testing.assert_array_equal(lines[0].get_xydata(), [[1, 3], [2, 4]])
        expected = [[1, 1], [3, 1 / 2], [5, 1 / 3], [7, 1 / 4], [9, 1 / 5]]
        np.testing.assert_allclose(lines[1].get_xydata(), expected)  # type: ignore[arg-type]
        np.testing.assert_allclose(lines[2].get_xydata(), expected)  # type: ignore[arg-type]
        np.testing.assert_allclose(lines[3].get_xydata(), expected[:2])  # type: ignore[arg-type]

    def test_axes(self) -> None:
        axes = show_curves({"a": ([0, 9], [2, 1])}, **WORDS).figure.axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("evaluations", "loss")
        assert axes.get_yscale() == "log"
        plot = show_curves({"a": ([0, 9], [-2, 1])}, log=False, xlabel="x", ylabel="y", **WORDS)
        assert plot.figure.axes[0].get_yscale() == "linear"

    @pytest.mark.parametrize(
        ("values", "labels"),
        [([20.0, 0.5], {"10", "1"}), ([0.9, 0.31], {"0.4", "0.6"}), ([2.0, 1e-7], {"1"})],
    )
    def test_ticks_of_a_logarithmic_axis_are_plain_numbers(
        self, values: list[float], labels: set[str]
    ) -> None:
        figure = show_curves({"a": ([0, 9], values)}, **WORDS).figure
        figure.draw_without_rendering()
        axis = figure.axes[0].yaxis
        written = {text.get_text() for text in axis.get_ticklabels(which="both")}
        assert labels <= written
        # Only what would be long as a plain number is left as a power.
        powers = {text for text in written if "10^" in text}
        assert not powers or values[1] < 1e-3

    def test_names_stand_apart_and_share_their_lines_colours(self) -> None:
        curves = {f"run {i}": ([0, 100], [1.0, 0.1 + i * 1e-4]) for i in range(5)}
        plot = show_curves(curves, **WORDS)
        plot.figure.draw_without_rendering()
        axes = plot.figure.axes[0]
        assert [text.get_text() for text in axes.texts] == [*curves]
        boxes = sorted(map(extent, axes.texts), key=lambda box: float(box.y0))
        assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
        assert [t.get_color() for t in axes.texts] == [line.get_color() for line in axes.lines]

    @pytest.mark.parametrize(
        ("name", "values", "log"),
        [
            ("a", [2.1e-4, 2.5e-4], True),  # labels such as 2.1 × 10⁻⁴, wider than 10⁻⁴
            ("a", [0.0, 300_000.0], False),
            ("a name that takes half the page, and then some more of the page", [2, 1], True),
        ],
    )
    def test_wide_labels_stay_on_the_page(self, name: str, values: list[float], log: bool) -> None:
        plot = show_curves({name: ([0, 1], values)}, log=log, ylabel="share of all", **WORDS)
        plot.figure.draw_without_rendering()
        (axes,) = plot.figure.axes
        for text in (axes.yaxis.label, *axes.texts):
            box = extent(text)
            assert 0 <= box.x0 <= box.x1 <= plot.figure.bbox.width
        ticks = [extent(label) for label in axes.get_yticklabels(which="both") if label.get_text()]
        shown = axes.get_window_extent()  # ticks outside it are not drawn
        ticks = [box for box in ticks if shown.y0 - 5 < box.y0 < box.y1 < shown.y1 + 5]
        assert ticks
        assert axes.yaxis.label.get_window_extent().x1 < min(box.x0 for box in ticks)

    @given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0.01, 1))
    def testapart(self, wanted: list[float], step: float) -> None:
        placed = apart(np.array(wanted), step)
        gaps = np.diff(np.sort(placed))
        assert (gaps >= step - 1e-9).all()
        assert placed.mean() == pytest.approx(np.mean(wanted), abs=1e-9)
        order = np.argsort(wanted, kind="stable")
        assert (np.diff(placed[order]) > 0).all()

    def test_positions_far_apart_stay(self) -> None:
        np.testing.assert_array_equal(apart(np.array([3.0, 1.0, 2.0]), 0.9), [3, 1, 2])

    @pytest.mark.parametrize(
        ("curve", "message"),
        [
            (([1, 2], [1.0, 0.0]), "down to 0; a logarithmic axis"),
            (([1, 2], [1.0, np.nan]), "the y of .* holds NaN"),
            (([1, 2, 3], [1.0, 2.0]), r"x of shape \(3,\) and y of shape \(2,\)"),
            ([1.0, 2.0, 3.0], r"curves\['a'\] has 3 parts"),
            (([], []), r"shape \(0,\)"),
        ],
    )
    def test_bad_curves(self, curve: Any, message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            show_curves({"a": curve}, **WORDS)
        with pytest.raises(ArgumentError, match="curves is empty"):
            show_curves({}, **WORDS)


class TestDistributions:
    def test_values_are_sorted_by_rank(self) -> None:
        plot = show_distributions(
            {"one": {"x": [[1, 4], [9, 2]]}, "two": {"y": [3], "x": [7, 5]}}, **WORDS
        )
        one, two = plot.figure.axes
        np.testing.assert_array_equal(one.lines[0].get_ydata(), [9, 4, 2, 1])
        assert np.asarray(one.lines[0].get_xdata()) == pytest.approx([0, 100 / 3, 200 / 3, 100])
        assert one.lines[0].get_color() == two.lines[1].get_color() != two.lines[0].get_color()
        assert {"one", "two", "x", "y"} <= {
            t.get_text() for t in plot.figure.findobj(mpl.text.Text)
        }
        assert one.get_ylim() == two.get_ylim()

    def test_zeros_have_no_place_on_a_logarithmic_axis(self) -> None:
        plot = show_distributions({"a": [4, 0, 0, 2]}, **WORDS)
        np.testing.assert_array_equal(
            plot.figure.axes[0].lines[0].get_ydata(), [4, 2, np.nan, np.nan]
        )
        with pytest.raises(ArgumentError, match="log=False"):
            show_distributions({"a": [0.0, -1.0]}, **WORDS)

    def test_many_values_are_thinned_to_their_ends(self) -> None:
        plot = show_distributions({"a": np.arange(1, 100_001)}, **WORDS)
        values = np.asarray(plot.figure.axes[0].lines[0].get_ydata())
        assert len(values) == 500
        assert (values[0], values[-1]) == (100_000, 1)

    @pytest.mark.parametrize(
        ("groups", "message"),
        [
            ({}, "groups is empty"),
            ({"a": {}}, r"groups\['a'\] is empty"),
            ({"a": []}, r"groups\['a'\] is float64 of shape \(0,\)"),
            ({"a": [1], "b": {"x": [np.inf]}}, r"groups\['b'\] holds NaN"),
        ],
    )
    def test_bad_groups(self, groups: Any, message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            show_distributions(groups, **WORDS)


class TestSave:
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp"])
    def test_pictures(self, tmp_path: Path, suffix: str) -> None:
        plot = show_images([RED], ["red"], **WORDS)
        path = plot.save(tmp_path / f"figure{suffix}")
        picture = PIL.Image.open(path)
        width, height = plot.figure.get_size_inches() * 200
        assert picture.size == pytest.approx((width, height), abs=1)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]

    @pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml")])
    def test_drawings(self, tmp_path: Path, suffix: str, start: bytes) -> None:
        path = show_curves({"a": ([0, 1], [2, 1])}, **WORDS).save(tmp_path / f"f{suffix}")
        assert path.read_bytes().startswith(start)

    def test_bad_paths(self, tmp_path: Path) -> None:
        plot = show_images([RED], **WORDS)
        with pytest.raises(OutputError, match=r"cannot write '.gif'; use one of .png"):
            plot.save(tmp_path / "figure.gif")
        with pytest.raises(OutputError, match="does not exist"):
            plot.save(tmp_path / "absent" / "figure.png")

    @pytest.mark.parametrize("name", ["figure.png", "film.gif", "film.mp4"])
    def test_a_failed_write_leaves_the_earlier_file(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / name
        path.write_bytes(b"earlier")

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, "disk full")

        monkeypatch.setattr(Path, "replace", fail)
        figure = FIGURES["animation" if "film" in name else "images"](**WORDS)
        with pytest.raises(OutputError, match="disk full"):
            figure.save(path)
        assert path.read_bytes() == b"earlier"
        assert [p.name for p in tmp_path.iterdir()] == [name]


def fade(count: int = 4, height: int = 20, width: int = 30) -> list[Any]:
    """From black to red, with a blue pixel in a corner that moves right."""
    frames = np.zeros((count, height, width, 3))
    frames[..., 0] = np.linspace(0, 1, count)[:, None, None]
    for i in range(count):
        frames[i, 0, i] = (0, 0, 1)
    return list(frames)


class TestAnimation:
    def test_frames_and_times(self) -> None:
        animation = animate(fade(), fps=5, hold=1.5, **WORDS)
        assert animation.frames.shape == (4, 20, 30, 3)
        assert animation.frames.dtype == np.uint8
        assert animation.durations == (200, 200, 200, 1500)
        assert animation.frames[-1, 5, 5].tolist() == [255, 0, 0]
        assert animation.frames[1, 0, 1].tolist() == [0, 0, 255]
        assert animate(fade(), hold=0, **WORDS).durations == (100,) * 4

    def test_gif(self, tmp_path: Path) -> None:
        path = tmp_path / "film.gif"
        animation = animate(fade(), path, hold=1.5, **WORDS)
        gif = PIL.Image.open(path)
        assert (gif.info["loop"], gif.size) == (0, (30, 20))
        shown_for = 0
        for i in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(i)
            shown_for += gif.info["duration"]
            frame = animation.frames[min(i, 3)]
            np.testing.assert_allclose(np.asarray(gif.convert("RGB")), frame, atol=4)
        assert shown_for == 3 * 100 + 1500
        assert [p.name for p in tmp_path.iterdir()] == ["film.gif"]

    @pytest.mark.parametrize(("height", "width"), [(20, 30), (33, 47)])
    def test_mp4(self, tmp_path: Path, height: int, width: int) -> None:
        path = tmp_path / "film.mp4"
        frames = fade(6, height, width)
        animate(frames, path, fps=10, hold=1, **WORDS)
        film = iio.imread(path, plugin="FFMPEG")
        assert len(film) == 6 - 1 + 10
        assert film.shape[1:3] == (height + height % 2, width + width % 2)
        assert iio.immeta(path, plugin="FFMPEG")["fps"] == 10
        np.testing.assert_allclose(film[-1, height // 2, width // 2], [255, 0, 0], atol=12)

    def test_a_notebook_plays_it_over_its_caption(self) -> None:
        animation = animate(fade(), hold=1.5, **WORDS)
        picture, meta, kind = shown(animation)
        assert kind == "image/png"
        assert picture.n_frames == 4  # type: ignore[attr-defined]
        assert (meta["width"], meta["height"]) == picture.size
        edge = round(MARGIN * PIXELS)
        for i, duration in enumerate(animation.durations):
            picture.seek(i)
            assert picture.info["duration"] == duration
            page = np.asarray(picture.convert("RGB")).astype(int)
            np.testing.assert_allclose(
                page[edge : edge + 20, edge : edge + 30], animation.frames[i], atol=6
            )
            caption = page[edge + 25 :]
            assert caption.min() < 130
            assert caption[:, -10:].min() == 255

    def test_steps_and_sizes(self) -> None:
        steps = [
            SimpleNamespace(iteration=i, image=np.full((size, size + 2, 3), 0.25, np.float32))
            for i, size in enumerate((8, 16, 32))
        ]
        assert animate(steps, **WORDS).frames.shape == (3, 32, 34, 3)
        assert animate(steps, size=17, **WORDS).frames.shape == (3, 16, 17, 3)
        assert animate(steps, size=(10, 12), **WORDS).frames.shape == (3, 10, 12, 3)
        with pytest.raises(ArgumentError, match=r"history\[0\] is a step without its image"):
            animate(STEPS, **WORDS)

    @pytest.mark.parametrize(
        ("history", "options", "error", "message"),
        [
            ([], {}, ArgumentError, "history is empty"),
            ([RED, RED * np.nan], {}, ImageError, r"history\[1\] holds NaN"),
            ([RED, GREY], {}, ImageError, r"history\[1\] has shape \(60, 80\)"),
            ([(RED * 255).astype(np.uint8)], {}, ImageError, r"history\[0\] holds uint8"),
            ([RED], {"fps": 0}, ArgumentError, "fps is 0"),
            ([RED], {"fps": 100}, ArgumentError, "fps is 100"),
            ([RED], {"hold": -1}, ArgumentError, "hold is -1"),
            ([RED], {"size": 0}, ArgumentError, "size is 0"),
            ([RED], {"path": "film.avi"}, OutputError, "cannot write '.avi'"),
            ([RED], {"path": "absent/film.gif"}, OutputError, "does not exist"),
        ],
    )
    def test_bad_histories(
        self, history: Any, options: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            animate(history, **options, **WORDS)


def test_without_matplotlib_one_line_says_what_to_install() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None  # as if it were not installed
import nstlib as nst
try:
    nst.show_images
except nst.NstError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "drawing figures needs matplotlib: pip install 'nstlib[learn]'\n"
