"""Checks of the exercises of lesson 02, features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, compare, exercise, numbers

#: Mean blue, green and red of the images that VGG19 was trained on, in 0..255.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68])


def caffe_preprocess(image: Array) -> Array:
    """Turn RGB in [0, 1], (H, W, 3), into what VGG19 was trained on: BGR in 0..255 minus means.

    The means are 103.939 for blue, 116.779 for green and 123.68 for red.
    """
    return image[..., ::-1] * 255 - CAFFE_MEAN


@exercise(caffe_preprocess)
def _check_caffe_preprocess(answer: Answer) -> str:
    image = numbers((2, 3, 3), high=17) / np.float32(16)
    mean, deviation = CAFFE_MEAN, np.array([57.375, 57.12, 58.395])
    order = "the channels are still in RGB order; reverse them to BGR first."
    divided = "the values are divided by standard deviations; caffe's way only subtracts the means."
    compare(
        answer,
        caffe_preprocess,
        [(image,)],
        [
            (
                "the values are not multiplied by 255: the means are on the 0..255 scale.",
                lambda x: x[..., ::-1] - mean,
            ),
            (order, lambda x: x * 255 - mean),
            (order, lambda x: x * 255 - mean[::-1]),
            (
                "the means are subtracted in RGB order; after the channels are reversed, "
                "blue's 103.939 comes first.",
                lambda x: x[..., ::-1] * 255 - mean[::-1],
            ),
            (
                "the means are subtracted before the values are multiplied by 255; multiply first.",
                lambda x: (x[..., ::-1] - mean) * 255,
            ),
            (
                "the means are divided by 255; they belong to values in 0..255: "
                "multiply the image instead.",
                lambda x: x[..., ::-1] - mean / 255,
            ),
            ("the means are not subtracted.", lambda x: x[..., ::-1] * 255),
            ("the means are added; subtract them.", lambda x: x[..., ::-1] * 255 + mean),
            (divided, lambda x: (x[..., ::-1] * 255 - mean) / deviation),
            (divided, lambda x: (x * 255 - mean[::-1]) / deviation[::-1]),
            (
                "the values are divided by 127.5 and moved to [-1, 1], as other networks want; "
                "VGG19 wants 0..255 minus the means.",
                lambda x: x * 2 - 1,
            ),
        ],
    )
    return "Middle grey, 0.5, becomes (23.6, 10.7, 3.8): blue, green, red."


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
    mixed = np.array([[[0, -1, 2], [0, 0, 1e-6]], [[0, 3, -2], [0, 4, 0]]], np.float32)
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
