"""The vectors for the playground are those of the pictures that named styles were learned from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import style_vectors

import nstlib as nst
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.cache import asset_path
from nstlib.assets.registry import ASSETS
from nstlib.inference.any_style import VECTOR
from nstlib.inference.stylizer import STYLE_NETWORKS


@pytest.mark.parametrize("name", STYLE_NETWORKS)
def test_vectors_are_those_of_the_pictures(name: str) -> None:
    stored = style_vectors.vectors()[name]
    assert len(stored) == VECTOR
    if name in DRAWN_STYLES or (name in ASSETS and asset_path(name).exists()):
        np.testing.assert_allclose(stored, nst.encode_style(name), rtol=0, atol=1e-3)
    else:  # the last twelve tell the picture's own colours: means, deviations, root of covariances
        assert 0 < min(stored[-12:-6]) < max(stored[-12:-6]) < 1
        root = np.zeros((3, 3))
        root[np.triu_indices(3)] = stored[-6:]
        root = np.maximum(np.abs(root), np.abs(root.T))
        np.testing.assert_allclose(np.sqrt((root**2).sum(axis=0)), stored[-9:-6], atol=1e-3)


def test_the_vector_of_lesson_13_is_the_same() -> None:
    folder = style_vectors.FILE.parents[2] / "notebooks" / "figures"
    lesson = np.load(folder / "starry_night.npy")
    np.testing.assert_allclose(lesson, style_vectors.vectors()["starry_night"], rtol=0, atol=1e-3)


def test_a_bold_network_learned_from_the_same_picture() -> None:
    stored = style_vectors.vectors()
    assert stored["starry_night_bold"] == stored["starry_night"]


def test_vectors_of_another_encoder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = json.loads(style_vectors.FILE.read_text("utf-8")) | {"encoder": "another"}
    (tmp_path / "vectors.json").write_text(json.dumps(stale), "utf-8")
    monkeypatch.setattr(style_vectors, "FILE", tmp_path / "vectors.json")
    with pytest.raises(ValueError, match="run docs/style_vectors"):
        style_vectors.vectors()
