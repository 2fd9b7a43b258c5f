"""What does not belong to people goes; people stay as they are."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from nstlib.errors import ArgumentError
from nstlib.inference.parts import Parts, check_point, keep_people

shares = arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1]),
)
points = st.tuples(st.floats(0, 1), st.floats(0, 1))
EIGHT = np.ones((3, 3), int)


def body(height: int = 40, width: int = 60) -> NDArray[np.float32]:
    return np.zeros((height, width), np.float32)


def filled(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill pits one by one, as SciPy finds them."""
    labels, count = scipy.ndimage.label(alpha < 0.9, EIGHT)
    inner = np.zeros(alpha.shape, bool)
    inner[1:-1, 1:-1] = True
    result = alpha.copy()
    for pit in (labels == number for number in range(1, count + 1)):
        small = pit.sum() <= 0.03 * (alpha > 0.5).sum()
        if small and alpha[pit].min() >= np.float32(0.1) and inner[pit].all():
            result[pit] = 1
    return result


@given(shares, st.floats(0, 1), st.none() | points)
def test_what_stays_is_whole_parts(
    alpha: NDArray[np.float32], smallest: float, point: tuple[float, float] | None
) -> None:
    """Pits are filled, and each connected part stays or goes as a whole; SciPy finds the parts."""
    kept = keep_people(alpha, smallest=smallest, person_at=point)
    alpha = filled(alpha)
    assert ((kept == alpha) | (kept == 0)).all()
    labels, count = scipy.ndimage.label(alpha > 0.5, EIGHT)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    stayed = [bool((kept > 0.5)[labels == part].all()) for part in range(1, count + 1)]
    gone = [not (kept > 0.5)[labels == part].any() for part in range(1, count + 1)]
    assert stayed == [not x for x in gone]
    if point is None:
        assert stayed == list(areas >= smallest * areas.max(initial=0))
        again = keep_people(kept, smallest=smallest)
        np.testing.assert_array_equal(again, kept)
    else:
        assert sum(stayed) == min(1, count)


@given(shares, points)
def test_the_part_at_a_point_is_the_nearest(
    alpha: NDArray[np.float32], point: tuple[float, float]
) -> None:
    kept = keep_people(alpha, person_at=point) > 0.5
    if not kept.any():
        assert not (alpha > 0.5).any()
        return
    height, width = alpha.shape
    rows, columns = np.indices(alpha.shape)
    distance = np.hypot(columns - point[0] * (width - 1), rows - point[1] * (height - 1))
    assert distance[kept].min() == pytest.approx(distance[filled(alpha) > 0.5].min(), abs=1e-4)


def test_a_point_left_of_the_middle_is_nearer_to_the_left() -> None:
    """0 is the middle of the first pixel, and 1 that of the last."""
    row = np.array([[1, 0, 1]], np.float32)
    np.testing.assert_array_equal(keep_people(row, person_at=(0.4, 0.5)), [[1, 0, 0]])
    np.testing.assert_array_equal(keep_people(row.T, person_at=(0.5, 0.4)), [[1], [0], [0]])


def test_a_tip_goes_and_two_people_stay() -> None:
    alpha = body()
    alpha[10:, 5:20] = 1  # 450 pixels
    alpha[14:, 40:52] = 1  # 312
    two = alpha.copy()
    alpha[2:6, 28:32] = 0.9  # 16
    np.testing.assert_array_equal(keep_people(alpha), two)
    np.testing.assert_array_equal(keep_people(alpha, smallest=0), alpha)
    # At the limit: 16 / 450 = 0.0355….
    np.testing.assert_array_equal(keep_people(alpha, smallest=0.0355), alpha)
    np.testing.assert_array_equal(keep_people(alpha, smallest=0.0356), two)
    # One of them, by a point on them or beside them.
    for x, y, columns in ((0.2, 0.9, np.s_[5:20]), (0.8, 0.1, np.s_[40:52])):
        one = np.zeros_like(alpha)
        one[:, columns] = alpha[:, columns]
        np.testing.assert_array_equal(keep_people(alpha, person_at=(x, y)), one)
        np.testing.assert_array_equal(keep_people(alpha, person_at=f"{x},{y}"), one)


def test_the_soft_edge_goes_with_its_part() -> None:
    alpha = body()
    alpha[10:35, 5:25] = 1
    person = cv2.GaussianBlur(alpha, (0, 0), 1.5)
    tip = body()
    tip[4:9, 44:49] = 1
    both = person + cv2.GaussianBlur(tip, (0, 0), 1.5)
    np.testing.assert_array_equal(keep_people(both), person)


def test_where_nobody_is_sure_nothing_is_taken_away() -> None:
    haze = np.full((4, 5), 0.3, np.float32)
    np.testing.assert_array_equal(keep_people(haze), haze)
    np.testing.assert_array_equal(keep_people(haze, person_at=(0.5, 0.5)), haze)


def test_corners_connect() -> None:
    assert Parts(np.eye(4, dtype=np.float32)).areas.tolist() == [4]


def test_parts_shared_with_a_mask() -> None:
    parts = Parts(np.array([[1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]], np.float32))
    mask = np.array([[1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    assert sorted(zip(parts.areas, parts.shared(mask), strict=True)) == [(2, 1), (3, 2)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smallest": -0.1}, "smallest is -0.1; it must be a number from 0 to 1"),
        ({"smallest": 2}, "smallest is 2"),
        ({"person_at": (310, 200)}, r"person_at is \(310, 200\); it must be two numbers from 0 to"),
        ({"person_at": (0.5,)}, "person_at is"),
        ({"person_at": "0.5;0.5"}, "person_at is '0.5;0.5'"),
        ({"person_at": "nan,0"}, "person_at is 'nan,0'"),
        ({"person_at": 0.5}, "person_at is 0.5"),
    ],
)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        keep_people([[1.0]], **options)
    assert caught.value.command.startswith(f"--{next(iter(options)).replace('_', '-')} is")


def test_what_is_no_matte() -> None:
    with pytest.raises(ArgumentError, match=r"alpha has shape \(2, 2, 3\)"):
        keep_people(np.zeros((2, 2, 3)))


def test_points_become_plain_numbers() -> None:
    assert check_point("0.25, 1") == (0.25, 1.0)
    assert check_point(np.array([0.5, 0], np.float32)) == (0.5, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pit", "value", "filled"),
    [
        (np.s_[30:34, 30:34], 0.3, True),
        (np.s_[30:34, 30:34], 0.15, True),
        (np.s_[30:34, 30:34], 0.05, False),  # surely none of the person
        (np.s_[30:34, 0:4], 0.3, False),  # at the picture's border
        (np.s_[30:34, 56:60], 0.3, False),
        (np.s_[56:60, 30:34], 0.3, False),
        (np.s_[18:22, 30:34], 0.3, False),  # at the person's outline
        (np.s_[30:42, 30:42], 0.3, False),  # 144 of 2,400 pixels
        (np.s_[30:39, 30:39], 0.3, False),  # 81: over 3 % of the person, not of the picture
    ],
)
def test_only_unsure_pits_inside_of_people_are_filled(
    pit: tuple[slice, slice], value: float, filled: bool
) -> None:
    alpha = np.zeros((60, 60), np.float32)
    alpha[20:] = 1
    alpha[pit] = value
    expected = alpha.copy()
    expected[20:] = np.where(filled, 1, expected[20:])
    np.testing.assert_array_equal(keep_people(alpha), expected)


def test_an_island_in_a_pit_does_not_deepen_it() -> None:
    """Else the few sure pixels in it would be a part of their own, and go with what is around."""
    alpha = np.ones((60, 60), np.float32)
    alpha[30:35, 30:35], alpha[32, 32] = 0.4, 0.7
    np.testing.assert_array_equal(keep_people(alpha), 1)
