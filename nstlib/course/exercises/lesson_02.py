"""Checks of the exercises of lesson 02, features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    choice,
    compare,
    exercise,
    numbers,
)

#: Mean blue, green and red of the images that VGG19 was trained on, in 0..255.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68])


choice(
    "where_from",
    "Where do the 36,928 parameters of block1_conv2 come from?",
    right="b",
    a="that is one kernel for each channel that comes in. Each one that goes out needs such a set.",
    b="Each of 64 kernels is 3 × 3 × 64, and there is a bias for each: 3 · 3 · 64 · 64 + 64.",
    c="that leaves the biases out.",
    d="that is block1_conv1, which gets the three channels of a picture.",
)

choice(
    "worse_mistake",
    "BGR for RGB, or a picture divided by 255 once too often: which changes the features more?",
    right="b",
    a="edges and brightness stay the same when red and blue change places; what stays in the other "
    "case?",
    b="To the network the divided picture is black, so it describes black. And nothing complains.",
    c="neither raises one: type and shape are right, and all numbers are legal.",
    d="a network has no idea of what is right; it multiplies and adds what it gets.",
)

choice(
    "nine_tenths",
    "A feature of block5_conv1 sees 156 pixels. How wide is the window that holds nine tenths of "
    "its gradient?",
    right="b",
    a="then all pixels of its window would count about equally. How many ways lead from a pixel at "
    "the edge to the feature, and how many from one in the middle?",
    b="Many ways lead through the middle, few through the edge: less than six tenths of the width "
    "hold nine tenths of the gradient.",
    c="that would be about what block3_conv1 sees, ten layers earlier.",
)

choice(
    "whose_eyes",
    "A channel responds strongly at both eyes of the cat. Where in the astronaut's portrait?",
    right="c",
    a="that is what its name would promise, but who gave it that name?",
    b="it has no idea of cats, either.",
    c="So far it picked what is round, with a dark rim and light inside. Her eyes are too small to "
    "show that here.",
    d="stars are bright and have corners; look at what the cat's eye looks like from afar.",
)

choice(
    "smaller_cat",
    "The same channel, and the cat 451, 288, 216, 144, 72 pixels wide. When does it respond most?",
    right="c",
    a="a layer cannot know how large a cat should be; it looks through windows of 156 pixels.",
    b="more pixels show more detail; but the window shows a smaller part of the eye.",
    c="In the middle an eye has the size that the channel looks for.",
    d="at 72 pixels an eye is about 11 pixels wide, less than the distance of two neighbouring "
    "features.",
)

choice(
    "all_channels",
    "Among the 16 loudest channels, random ones are much more alike than trained ones. And among "
    "all of them?",
    right="b",
    a="loud channels were chosen by their mean. Does that say nothing of how alike they are?",
    b="Random: 0.13 to 0.25, trained: 0.11. Most of the gap came from choosing the loudest.",
    c="it shrinks, but compare the twin with the best of the random ones.",
)


def undo_preprocessing(pixels: Array) -> Array:
    """Turn VGG19's pixels, BGR in 0..255 minus means, (H, W, 3), back to RGB in [0, 1].

    The means are 103.939 for blue, 116.779 for green and 123.68 for red.
    """
    return (pixels + CAFFE_MEAN)[..., ::-1] / 255


@exercise(undo_preprocessing)
def _check_undo_preprocessing(answer: Answer) -> str:
    pixels = 255 * numbers((2, 3, 3), high=17) / np.float32(16) - CAFFE_MEAN
    mean = CAFFE_MEAN
    compare(
        answer,
        undo_preprocessing,
        [(pixels,)],
        [
            (
                "this is the way there; every step has to be undone, the last one first.",
                lambda x: x[..., ::-1] * 255 - mean,
            ),
            (
                "the channels are still in BGR order; reverse them at the end.",
                lambda x: (x + mean) / 255,
            ),
            (
                "the means are added after the channels were reversed: blue's 103.939 belongs to "
                "the first channel of what comes in.",
                lambda x: (x[..., ::-1] + mean) / 255,
            ),
            (
                "the means are in 0..255; add them before you divide.",
                lambda x: (x / 255 + mean)[..., ::-1],
            ),
            (
                "the means are subtracted once more; add them.",
                lambda x: (x - mean)[..., ::-1] / 255,
            ),
            ("the means are not added.", lambda x: x[..., ::-1] / 255),
            (
                "the means are back, but the result is in 0..255 and in BGR order; divide by 255, "
                "and reverse the channels.",
                lambda x: x + mean,
            ),
            (
                "the result is in 0..255; an image here is in [0, 1].",
                lambda x: (x + mean)[..., ::-1],
            ),
            (
                "it is upside down: [::-1] reverses the rows; [..., ::-1] the channels.",
                lambda x: (x + mean)[::-1] / 255,
            ),
        ],
    )
    return "Black comes in as (-103.9, -116.8, -123.7), and goes out as (0, 0, 0)."


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Tell how many input pixels, along one side, one output value of a stack of layers sees.

    `layers` lists (kernel, stride) from the input to the output; pooling is a layer like others.
    """
    size, jump = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size


def _stride_first(layers: Sequence[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size


def _own_stride(layers: Sequence[tuple[int, int]]) -> int:
    return 1 + sum((kernel - 1) * stride for kernel, stride in layers)


def _wrong_way(layers: Sequence[tuple[int, int]]) -> int:
    size = 1
    for kernel, stride in layers:
        size = (size - 1) * stride + kernel
    return size


@exercise(receptive_field)
def _check_receptive_field(answer: Answer) -> str:
    conv, pool = (3, 1), (2, 2)
    block3_conv1 = [conv, conv, pool, conv, conv, pool, conv]
    compare(
        answer,
        receptive_field,
        [([(5, 1)],), ([conv, conv],), ([(7, 2), conv, pool],), (block3_conv1,)],
        [
            (
                "this adds up the kernels; each layer adds (kernel - 1), times the strides "
                "of the layers before it.",
                lambda layers: sum(kernel for kernel, _ in layers),
            ),
            (
                "the strides are ignored: after a stride of 2, a step to the next value "
                "is 2 input pixels.",
                lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            ),
            (
                "it is 1 too small: before any layer a value sees 1 pixel, itself.",
                lambda layers: receptive_field(layers) - 1,
            ),
            (
                "it is 1 too large: before any layer a value sees 1 pixel.",
                lambda layers: receptive_field(layers) + 1,
            ),
            (
                "a layer's stride counts for the layers after it, not for its own kernel; "
                "add (kernel - 1) first.",
                _stride_first,
            ),
            (
                "each layer is multiplied by its own stride; it should be by the product of the "
                "strides of all layers before it.",
                _own_stride,
            ),
            (
                "the list is read from the wrong end: it runs from the input to the output.",
                _wrong_way,
            ),
            (
                "the kernels are multiplied; each layer adds (kernel - 1), times the strides "
                "of the layers before it.",
                lambda layers: int(np.prod([kernel for kernel, _ in layers])),
            ),
        ],
    )
    return "VGG19's block3_conv1 sees 24 pixels."


def sparsity(features: Array) -> float:
    """Return the fraction of all values of feature maps (H, W, C) that are exactly zero."""
    return float(np.mean(np.asarray(features) == 0))


@exercise(sparsity)
def _check_sparsity(answer: Answer) -> str:
    relu = numbers((3, 4, 2), high=3)
    # One channel is dead, one value is tiny, and some are below zero: none of these is special.
    mixed = np.array([[[0, -1, 2], [0, 0, 1e-9]], [[0, 3, -2], [0, 4, 0]]], np.float32)
    compare(
        answer,
        sparsity,
        [(relu,), (mixed,)],
        [
            (
                "this is the fraction of values that are not zero; count those that are.",
                lambda x: (x != 0).mean(),
            ),
            (
                "this is a percentage; return a fraction, in [0, 1].",
                lambda x: (x == 0).mean() * 100,
            ),
            ("this is a count; divide it by the number of values.", lambda x: (x == 0).sum()),
            (
                "this counts the values that are not zero; count the zeros and divide by the "
                "number of values.",
                lambda x: (x != 0).sum(),
            ),
            (
                "this is one number for each channel; return one for all values together.",
                lambda x: (x == 0).mean(axis=(0, 1)),
            ),
            (
                "the count is divided by H·W; divide it by the number of all values, H·W·C.",
                lambda x: (x == 0).sum() / (x.shape[0] * x.shape[1]),
            ),
            (
                "values below zero are counted too; only exact zeros are asked for.",
                lambda x: (x <= 0).mean(),
            ),
            ("this is the mean of the values, not of how many are zero.", lambda x: x.mean()),
            (
                "small values are counted as zero; only exact zeros are asked for.",
                lambda x: (np.abs(x) < 1e-3).mean(),
            ),
        ],
    )
    return f"It finds {sparsity(relu):.1%} zeros, over all channels together."
