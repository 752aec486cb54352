"""Pictures in the layout that is declared, and outputs as pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlhub_types.arrays import Array
from dlhub_types.pictures import NotAPicture, fitted, pages, pixels
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch

GREY = np.arange(30, dtype="u1").reshape(5, 6)
COLOURS = np.arange(90, dtype="u1").reshape(5, 6, 3)
OPAQUE = np.concatenate((COLOURS, np.full((5, 6, 1), 255, "u1")), axis=-1)
TRANSPARENT = np.concatenate((COLOURS, np.full((5, 6, 1), 7, "u1")), axis=-1)
GREY_IN_COLOURS = np.repeat(GREY[..., None], 3, axis=-1)


def array_of(*shape: Any, dtype: str = "uint8", **more: Any) -> Argument:
    return Argument(type="ndarray", shape=shape, dtype=dtype, **more)


@pytest.mark.parametrize(
    ("picture", "shape", "expected"),
    [
        (GREY, (None, None), GREY),
        (GREY_IN_COLOURS, (None, None), GREY),
        (GREY, (5, 6, 1), GREY[..., None]),
        (GREY, (5, 6, 3), GREY_IN_COLOURS),
        (GREY, (1, 5, 6), GREY[None]),
        (GREY, (None, 5, 6), GREY[None]),
        (GREY, ("n", 1, 5, 6), GREY[None, None]),
        (GREY, (None, 5, 6, 1), GREY[None, ..., None]),
        (COLOURS, ("h", "w", "c"), COLOURS),
        (COLOURS, (None, None, 3), COLOURS),
        (COLOURS, (3, None, None), np.moveaxis(COLOURS, -1, 0)),
        (COLOURS, (None, 3, 5, 6), np.moveaxis(COLOURS, -1, 0)[None]),
        (COLOURS, (None, 8, 8, 3), COLOURS[None]),
        (COLOURS, (1, 5, 6, None), COLOURS[None]),
        (COLOURS, (None, None, 4), OPAQUE),
        (OPAQUE, (None, None, 3), COLOURS),
        (TRANSPARENT, (None, None, 4), TRANSPARENT),
        (np.stack((GREY, GREY)), (None, 5, 6), np.stack((GREY, GREY))),
        (np.stack((COLOURS, COLOURS)), (None, 5, 6, 3), np.stack((COLOURS, COLOURS))),
    ],
)
def test_a_picture_takes_the_declared_layout(picture: Array, shape: tuple[Any, ...], expected: Array) -> None:
    found = fitted(picture, array_of(*shape))

    assert found.tolist() == expected.tolist()


def test_without_a_declared_shape_a_picture_stays_as_it_is() -> None:
    assert fitted(COLOURS, Argument(type="ndarray")) is COLOURS


@pytest.mark.parametrize(
    ("picture", "shape", "complaint"),
    [
        (COLOURS, (None, None), "6 x 5 pixels and 3 channels with colours"),
        (COLOURS, (None, None, 1), "with colours"),
        (TRANSPARENT, (None, None, 3), "transparent in places"),
        (GREY, (None, None, None, None, None), "a picture of 6 x 5 pixels and 1 channels"),
        (np.stack((GREY, GREY)), (None, None), "2 pictures of 6 x 5 pixels"),
        (GREY, (None,), "a picture of 6 x 5 pixels"),
    ],
)
def test_what_would_lose_something_is_refused(picture: Array, shape: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.x: .*{complaint}"):
        fitted(picture, array_of(*shape), "inputs.x")


def test_a_declared_range_of_floats_scales_the_picture() -> None:
    declared = array_of(1, 2, dtype="float32", minimum=-1, maximum=1)

    assert fitted(np.array([[0, 255]], "u1"), declared).tolist() == [[-1.0, 1.0]]
    assert fitted(np.array([[0, 65535]], "u2"), declared).tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("more", [{}, {"minimum": 0}, {"maximum": 1}])
def test_without_a_range_values_stay_as_they_are(more: dict[str, Any]) -> None:
    assert fitted(GREY, array_of(5, 6, dtype="float32", **more)).tolist() == GREY.tolist()


def test_a_range_of_integers_does_not_scale() -> None:
    declared = Argument(type="ndarray", shape=(5, 6), item_type="integer", minimum=0, maximum=9)
    assert fitted(GREY, declared).tolist() == GREY.tolist()


# --- outputs ---


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY),
        (GREY[None, ..., None], GREY),
        (GREY[None, None], GREY),
        (COLOURS, COLOURS),
        (COLOURS[None], COLOURS),
        (np.moveaxis(np.zeros((8, 9, 3), "u1"), -1, 0), np.zeros((8, 9, 3), "u1")),
        (np.array([[True, False]]), np.array([[255, 0]])),
        (np.array([[0, 255]], "i8"), np.array([[0, 255]])),
        (np.array([[0.0, 0.5, 1.0]]), np.array([[0, 128, 255]])),
        (np.array([[-1e-9, 1 + 1e-9]]), np.array([[0, 255]])),
    ],
)
def test_an_array_becomes_8_bits(array: Array, expected: Array) -> None:
    found = pixels(array)

    assert found.dtype == np.uint8
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("array", [np.array([[0, 256]], "i4"), np.array([[1]], "u2")])
def test_larger_integers_become_16_bits(array: Array) -> None:
    assert pixels(array).dtype == np.uint16


def test_floats_are_scaled_by_their_declared_range() -> None:
    declared = array_of(None, None, dtype="float32", minimum=-1, maximum=3)
    assert pixels(np.array([[-1.0, 3.0]]), declared).tolist() == [[0, 255]]


def test_floats_of_one_channel_may_stay() -> None:
    array = np.array([[-7.5, 1e6]])
    assert pixels(array, floats=True).tolist() == array.tolist()


STACK = np.arange(30, dtype="u1").reshape(2, 3, 5, 1)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (STACK, [STACK[0, ..., 0], STACK[1, ..., 0]]),
        (np.moveaxis(STACK, -1, 1), [STACK[0, ..., 0], STACK[1, ..., 0]]),
        (np.stack([COLOURS, COLOURS]), [COLOURS, COLOURS]),
        (STACK[:1], [STACK[0, ..., 0]]),
        (COLOURS, [COLOURS]),
    ],
)
def test_a_stack_has_a_page_for_each_picture(array: Array, expected: list[Array]) -> None:
    found = pages(array)

    assert [page.tolist() for page in found] == [page.tolist() for page in expected]


def test_all_pages_of_a_stack_have_values_of_one_kind() -> None:
    assert [page.dtype for page in pages(np.array([0, 256]).reshape(2, 1, 1, 1))] == ["u2", "u2"]


def test_a_stack_without_channels_is_not_guessed_from_its_length() -> None:
    with pytest.raises(NotAPicture, match="is no picture"):
        pages(np.zeros((5, 6, 7)))  # three of them would be one picture in colours


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (STACK, r"shape \[2, 3, 5, 1\] is no picture.*TIFF takes a stack"),
        (np.array([[0.0, 1.5]]), "floats from 0 to 1 .*from 0 to 1.5.*minimum and maximum"),
        (np.array([[0.0, np.nan]]), "nan"),
        (np.array([[-1]]), "from -1 to -1"),
        (np.array([[70000]]), "65535"),
        (np.zeros(3), r"shape \[3\] is no picture"),
        (np.zeros((2, 2, 2)), r"shape \[2, 2, 2\]"),
        (np.zeros((0, 3)), "no pixels"),
        (np.zeros((2, 2), "c16"), "complex128"),
        (np.zeros((2, 2), "U1"), "<U1"),
    ],
)
def test_what_is_no_picture_says_why(array: Array, complaint: str) -> None:
    with pytest.raises(NotAPicture, match=complaint):
        pixels(array)


@given(arrays.arrays("u1", st.tuples(st.integers(5, 9), st.integers(5, 9), st.sampled_from((3, 4)))))
def test_a_picture_comes_back_from_every_layout(picture: Array) -> None:
    channels = picture.shape[2]
    for shape in ((None, None, channels), (channels, None, None), (None, channels, None, None)):
        assert pixels(fitted(picture, array_of(*shape))).tolist() == picture.tolist()


@given(arrays.arrays("u1", st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_scaling_in_and_out_gives_the_same_picture(picture: Array) -> None:
    declared = array_of(None, None, dtype="float32", minimum=0, maximum=1)
    assert pixels(fitted(picture, declared).astype("f4"), declared).tolist() == picture.tolist()
