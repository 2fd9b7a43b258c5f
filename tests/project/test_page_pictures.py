"""The pictures of the README: small files that look like what was drawn."""

from __future__ import annotations

from pathlib import Path

import figures
import numpy as np
import pytest

import nstlib as nst


@pytest.mark.parametrize("of_a_plot", [False, True])
def test_a_picture_for_a_page_is_small_and_looks_the_same(of_a_plot: bool, tmp_path: Path) -> None:
    photo = nst.load_image("coffee", size=256)
    plot = nst.show_images([photo], alt="A cup of coffee.") if of_a_plot else None
    usual = (plot.save if plot else lambda file: nst.save_image(photo, file))(
        tmp_path / "usual.png"
    )
    drawn = nst.load_image(usual)
    figures.write(plot or photo, tmp_path / "page.jpg")
    shown = nst.load_image(tmp_path / "page.jpg")
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 0.02
    nst.save_image(drawn, tmp_path / "usual.jpg")
    small, large = ((tmp_path / f"{name}.jpg").stat().st_size for name in ("page", "usual"))
    assert small < large / 2
