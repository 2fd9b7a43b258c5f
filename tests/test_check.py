"""The exercises' checks: the reference passes, each planted mistake gets its own hint."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nstlib import check as public_check
from nstlib.check import _EXERCISES, check, evaluate
from nstlib.errors import ArgumentError

tf = pytest.importorskip("tensorflow")

MEAN = np.array([103.939, 116.779, 123.68])
Answer = Callable[..., Any]


def rows(x: Any) -> Any:
    return np.reshape(x, (-1, x.shape[-1]))


def gram(x: Any) -> Any:
    F = rows(x)
    return F.T @ F / len(F)


def gram_tf(x: Any) -> Any:
    return tf.einsum("hwi,hwj->ij", x, x) / (x.shape[0] * x.shape[1])


def in_place(image: Any) -> Any:
    image[...] = image[..., ::-1].copy()
    return image


def centred_in_place(features: Any) -> Any:
    features -= features.mean(axis=(0, 1))
    return gram(features)


def preprocess_in_place(image: Any) -> Any:
    image *= 255
    return image[..., ::-1] - MEAN


def to_blob(image: Any) -> Any:
    return (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)


def over_white(rgba: Any) -> Any:
    return rgba[..., :3] * rgba[..., 3:4] + 1 - rgba[..., 3:4]


def receptive_field(layers: Any) -> int:
    # From the output back to the input: another way to the same number.
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


def field(first: int = 1, jump_first: bool = False, backwards: bool = False) -> Answer:
    def answer(layers: Any) -> int:
        size, jump = first, 1
        for kernel, stride in layers[::-1] if backwards else layers:
            if jump_first:
                jump *= stride
            size += (kernel - 1) * jump
            if not jump_first:
                jump *= stride
        return size

    return answer


def covariance(x: Any) -> Any:
    return np.cov(rows(x).T, bias=True)


def style_loss(
    features: Any,
    targets: Any,
    combine: Answer = tf.reduce_mean,
    gram: Answer = gram_tf,
    distance: Answer = lambda g, a: tf.reduce_sum((g - a) ** 2) / tf.reduce_sum(a**2),
    layers: Answer = list,
) -> Any:
    return combine([distance(gram(features[k]), targets[k]) for k in layers(targets)])


def style(**changes: Any) -> Answer:
    return lambda features, targets: style_loss(features, targets, **changes)


def gradient(loss: Any, image: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tape.gradient(value, image)


def descend(change: Answer) -> Answer:
    return lambda loss, image, learning_rate: change(image, gradient(loss, image), learning_rate)


def unwatched(loss: Any, image: Any, learning_rate: Any) -> Any:
    with tf.GradientTape() as tape:
        value = loss(image)
    return tf.clip_by_value(image - learning_rate * tape.gradient(value, image), 0, 1)


def with_variable(loss: Any, image: Any, learning_rate: Any) -> Any:
    image = tf.Variable(image)
    with tf.GradientTape() as tape:
        value = loss(image)
    image.assign_sub(learning_rate * tape.gradient(value, image))
    return tf.clip_by_value(image, 0, 1)


def seams(image: Any, size: Answer = np.abs) -> tuple[list[Any], list[Any]]:
    across = [size(image[:, -1] - image[:, 0]).ravel(), size(image[-1] - image[0]).ravel()]
    inside = [
        size(image[:, 1:] - image[:, :-1]).ravel(),
        size(image[1:] - image[:-1]).ravel(),
    ]
    return across, inside


def contrast(which: slice = slice(None), size: Answer = np.abs) -> Answer:
    def answer(image: Any) -> Any:
        across, inside = seams(image, size)
        return np.concatenate(across[which]).mean() / np.concatenate(inside[which]).mean()

    return answer


RIGHT: dict[str, list[Answer]] = {
    "rgb_to_bgr": [
        lambda image: image[..., ::-1],
        lambda image: np.stack([image[..., 2], image[..., 1], image[..., 0]], axis=-1),
        lambda image: tf.reverse(image, [-1]),
    ],
    "to_blob": [to_blob],
    "over_white": [
        over_white,
        lambda rgba: 1 - rgba[..., 3:] * (1 - rgba[..., :3]),
        lambda rgba: tf.cast(over_white(rgba), tf.float64),
    ],
    "caffe_preprocess": [
        lambda image: image[..., ::-1] * 255 - MEAN,
        lambda image: (255 * image - MEAN[::-1])[..., ::-1],
        lambda image: tf.keras.applications.vgg19.preprocess_input(image * 255),
    ],
    "receptive_field": [receptive_field, field(), lambda layers: float(receptive_field(layers))],
    "sparsity": [
        lambda features: 1 - np.count_nonzero(features) / features.size,
        lambda features: tf.reduce_mean(tf.cast(tf.equal(features, 0), tf.float32)),
        lambda features: tf.nn.zero_fraction(features),
    ],
    "gram_matrix": [
        gram,
        gram_tf,
        lambda features: np.einsum("hwi,hwj->ij", features, features) / features[..., 0].size,
        # Methods that only tensors have: the check falls back on tensors.
        lambda features: gram(features.numpy()),
    ],
    "relative_difference": [
        lambda gram, target: ((gram - target) ** 2).mean() / (target**2).mean(),
        lambda gram, target: np.sum((gram - target) ** 2) / np.sum(target**2),
        lambda gram, target: tf.reduce_mean((gram - target) ** 2) / tf.reduce_mean(target**2),
    ],
    "covariance": [
        covariance,
        lambda features: gram_tf(features - tf.reduce_mean(features, axis=[0, 1])),
    ],
    "style_loss": [style_loss],
    "gradient_step": [
        descend(lambda x, g, rate: tf.clip_by_value(x - rate * g, 0, 1)),
        with_variable,
    ],
    "seam_contrast": [
        contrast(),
        lambda image: tf.convert_to_tensor(contrast()(np.asarray(image))),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: dict[str, list[tuple[Answer, str]]] = {
    "rgb_to_bgr": [
        (lambda image: image, "unchanged"),
        (lambda image: image[..., [1, 0, 2]], "red and green changed places"),
        (lambda image: image[..., [0, 2, 1]], "green and blue changed places"),
        (lambda image: image[::-1], "upside down"),
        (lambda image: image[:, ::-1], "mirrored"),
        (lambda image: np.flip(image), "all three axes"),
        (lambda image: image[..., [1, 2, 0]], "by one place"),
        (lambda image: image[..., ::-1].astype(np.float64), "dtype is float64"),
        (lambda image: image[..., ::-1] / 255, "every value is 255 times too small"),
        (lambda image: image[..., ::-1].transpose(2, 0, 1), "shape (3, 2, 3)"),
        (in_place, "changes the array it was given"),
    ],
    "to_blob": [
        (lambda image: to_blob(image)[0], "batch axis is missing"),
        (lambda image: image[None] / 255, "channels come last"),
        (lambda image: image / 255, "layout is still"),
        (lambda image: image.T[None] / 255, "height and width changed places"),
        (lambda image: image.transpose(2, 0, 1)[None].astype("f4"), "not scaled"),
        (lambda image: image.transpose(2, 0, 1)[None], "not scaled"),
        (lambda image: to_blob(image).astype(np.uint8), "whole numbers"),
        (lambda image: to_blob(image).astype(np.float64), "dtype is float64"),
        (lambda image: to_blob(image[..., ::-1]), "BGR order"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]) / 255, "scrambled"),
        (lambda image: image.reshape(1, 3, *image.shape[:2]), "scrambled"),
        (lambda image: to_blob(image) / 255, "every value is 255 times too small"),
    ],
    "over_white": [
        (lambda rgba: rgba[..., :3], "alpha is dropped"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:], "over black"),
        (lambda rgba: rgba[..., :3] * (1 - rgba[..., 3:]) + rgba[..., 3:], "inverted"),
        (lambda rgba: np.dstack([over_white(rgba), rgba[..., 3:]]), "4 channels"),
        (lambda rgba: np.dstack([rgba[..., :3], np.ones((2, 3))]), "4 channels"),
        (lambda rgba: rgba[..., :3] + 1 - rgba[..., 3:], "premultiplied"),
        (lambda rgba: np.minimum(rgba[..., :3] + 1 - rgba[..., 3:], 1), "premultiplied"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3:] + 255 * (1 - rgba[..., 3:]), "white is 255"),
        (lambda rgba: rgba[..., :3] * rgba[..., 3] + 1 - rgba[..., 3], "raised ValueError"),
    ],
    "caffe_preprocess": [
        (lambda image: image[..., ::-1] - MEAN, "not multiplied by 255"),
        (lambda image: image * 255 - MEAN, "RGB order"),
        (lambda image: image * 255 - MEAN[::-1], "still in RGB order"),
        (lambda image: image[..., ::-1] * 255 - MEAN[::-1], "means are subtracted in RGB order"),
        (lambda image: (image[..., ::-1] - MEAN) * 255, "before the values are multiplied"),
        (lambda image: image[..., ::-1] - MEAN / 255, "means are divided by 255"),
        (lambda image: image[..., ::-1] * 255, "not subtracted"),
        (
            lambda image: (image[..., ::-1] * 255 - MEAN) / [57.375, 57.12, 58.395],
            "standard deviations",
        ),
        (lambda image: image / 0.5 - 1, "127.5"),
        (preprocess_in_place, "changes the array it was given"),
    ],
    "receptive_field": [
        (lambda layers: sum(kernel for kernel, _ in layers), "adds up the kernels"),
        (lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "strides are ignored"),
        (field(first=0), "1 too small"),
        (field(first=2), "1 too large"),
        (field(jump_first=True), "not for its own kernel"),
        (field(backwards=True), "wrong end"),
        (lambda layers: int(np.prod([kernel for kernel, _ in layers])), "multiplied"),
        (lambda layers: [field()(layers[:n]) for n in range(len(layers))], "should be one number"),
        (lambda layers: 224, "it gives 224 where 5 is right"),  # noqa: ARG005
    ],
    "sparsity": [
        (lambda features: np.count_nonzero(features) / features.size, "not zero"),
        (lambda features: 100 * np.mean(features == 0), "percentage"),
        (lambda features: np.sum(features == 0), "this is a count"),
        (lambda features: np.mean(features == 0, axis=(0, 1)), "for each channel"),
        (lambda features: np.mean(features <= 0), "below zero"),
        (lambda features: np.mean(np.isclose(features, 0, atol=1e-3)), "small values"),
        (lambda features: np.sum(features == 0) / features[..., 0].size, "H·W·C"),
        (lambda features: features == 0, "should be one number"),
        (lambda features: str(np.mean(features == 0)), "type str"),
    ],
    "gram_matrix": [
        (lambda features: gram(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram_tf(features) * features[..., 0].size, "not divided by H·W"),
        (lambda features: gram(features) / features.shape[-1], "divided by H·W·C"),
        (lambda features: rows(features) @ rows(features).T, "FFᵀ"),
        (
            lambda features: gram(features.reshape(features.shape[-1], -1).T),
            "mixes positions and channels",
        ),
        (covariance, "covariance"),
        (lambda features: gram(features)[None], "batch axis"),
        (lambda features: features.transpose(0, 2, 1) @ features, "for each row"),
        (lambda features: rows(features) @ rows(features), "raised ValueError"),
        (lambda features: gram(features) * 2, "every value is 2 times too large"),
        (lambda features: -3 * gram(features), "every value is -3 times"),
        (lambda features: gram(features) + np.eye(features.shape[-1]), "is right"),
        (lambda features: gram(features) * np.nan, "NaN"),
        (lambda features: {"gram": gram(features)}, "type dict"),
    ],
    "relative_difference": [
        (lambda gram, target: np.mean((gram - target) ** 2), "not relative"),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(gram**2), "target"),
        (lambda gram, target: np.mean(gram - target) ** 2 / np.mean(target**2), "cancel"),
        (lambda gram, target: np.mean(gram - target) ** 2, "cancel"),
        (
            lambda gram, target: np.linalg.norm(gram - target) / np.linalg.norm(target),
            "square root",
        ),
        (
            lambda gram, target: np.sum((gram - target) ** 2) / np.mean(target**2),
            "a sum is divided by a mean",
        ),
        (lambda gram, target: np.mean((gram - target) ** 2) / np.mean(target) ** 2, "mean(A)²"),
        (lambda gram, target: np.abs(gram - target).mean() / np.abs(target).mean(), "absolute"),
        (lambda gram, target: (gram - target) ** 2 / np.mean(target**2), "for each entry"),
    ],
    "covariance": [
        (gram, "means are not subtracted"),
        (lambda features: gram(features - features.mean()), "over all channels together"),
        (lambda features: np.cov(rows(features).T), "H·W - 1"),
        (lambda features: covariance(features) * features[..., 0].size, "not divided"),
        (lambda features: gram(features - features.mean(-1, keepdims=True)), "over the channels"),
        (lambda features: gram(features - features.mean(0)), "over the rows alone"),
        (lambda features: gram(features - features.mean(1, keepdims=True)), "columns alone"),
        (lambda features: np.cov(rows(features)), "covariance of positions"),
        (lambda features: np.corrcoef(rows(features).T), "correlation"),
        (
            lambda features: np.cov(features.reshape(features.shape[-1], -1), bias=True),
            "mixes positions and channels",
        ),
        (centred_in_place, "changes the array it was given"),
    ],
    "style_loss": [
        (style(combine=tf.add_n), "sum over the layers"),
        (style(distance=lambda g, a: tf.reduce_mean((g - a) ** 2)), "not relative"),
        (
            style(combine=tf.add_n, distance=lambda g, a: tf.reduce_sum((g - a) ** 2)),
            "not relative",
        ),
        (style(layers=lambda targets: list(targets)[:1]), "first layer alone"),
        (style(layers=lambda targets: list(targets)[-1:]), "last layer alone"),
        (style(gram=lambda x: tf.einsum("hwi,hwj->ij", x, x)), "not divided by H·W"),
        (
            style(distance=lambda g, a: tf.reduce_mean(g - a) ** 2 / tf.reduce_mean(a**2)),
            "cancel",
        ),
        (style(combine=tf.stack), "one value for each layer"),
        (style(gram=lambda x: gram(x.numpy())), "no gradient for shallow, middle, deep"),
        (style(combine=lambda losses: float(tf.reduce_mean(losses))), "no gradient"),
        (
            style(gram=lambda x: gram_tf(tf.stop_gradient(x) if x.shape[0] == 1 else x)),
            "no gradient for deep",
        ),
        (
            style(
                distance=lambda g, a: (
                    tf.reduce_sum((g - a) * tf.stop_gradient(g - a)) / tf.reduce_sum(a**2)
                )
            ),
            "disagrees with finite differences",
        ),
    ],
    "gradient_step": [
        (descend(lambda x, g, rate: tf.clip_by_value(x + rate * g, 0, 1)), "uphill"),
        (descend(lambda x, g, rate: x + rate * g), "uphill, and"),
        (descend(lambda x, g, rate: x - rate * g), "not clipped"),
        (descend(lambda x, g, rate: tf.clip_by_value(x, 0, 1) - rate * g), "before the step"),
        (descend(lambda x, g, rate: tf.clip_by_value(x - g, 0, 1)), "learning rate is ignored"),  # noqa: ARG005
        (
            descend(lambda x, g, rate: tf.clip_by_value(x - rate * tf.sign(g), 0, 1)),
            "sign",
        ),
        (
            descend(lambda x, g, rate: tf.clip_by_value(x - rate * g / tf.norm(g), 0, 1)),
            "divided by its length",
        ),
        (
            descend(
                lambda x, g, rate: tf.clip_by_value(x - rate * tf.clip_by_value(g, 0, 1), 0, 1)
            ),
            "gradient is clipped",
        ),
        (unwatched, "did not watch the image"),
        (lambda loss, image, learning_rate: image, "unchanged"),  # noqa: ARG005
        (lambda loss, image, learning_rate: gradient(loss, image), "this is the gradient"),  # noqa: ARG005
        (lambda loss, image, learning_rate: loss(image), "this is the loss"),  # noqa: ARG005
        (
            descend(lambda x, g, rate: np.clip(x.numpy() - rate * g.numpy(), 0, 1)),
            "return a tensor",
        ),
    ],
    "seam_contrast": [
        (contrast(slice(0, 1)), "only the columns"),
        (contrast(slice(1, 2)), "only the rows"),
        (lambda image: np.concatenate(seams(image)[0]).mean(), "not divided"),
        (lambda image: 1 / contrast()(image), "upside down"),
        (contrast(size=np.positive), "cancel"),
        (contrast(size=np.square), "squared"),
        (
            lambda image: (
                sum(d.mean() for d in seams(image)[0]) / sum(d.mean() for d in seams(image)[1])
            ),
            "each direction apart",
        ),
        (
            lambda image: (
                sum(d.sum() for d in seams(image)[0]) / sum(d.sum() for d in seams(image)[1])
            ),
            "take means",
        ),
    ],
}

WRONG_CASES = [
    pytest.param(name, answer, hint, id=f"{name}-{hint}")
    for name, answers in WRONG.items()
    for answer, hint in answers
]


def test_every_exercise_is_tested() -> None:
    assert set(RIGHT) == set(WRONG) == set(_EXERCISES)
    assert all(len({hint for _, hint in answers}) >= 4 for answers in WRONG.values())


@pytest.mark.parametrize("name", _EXERCISES)
def test_the_reference_and_other_right_answers_pass(name: str) -> None:
    for answer in [_EXERCISES[name].reference, *RIGHT[name]]:
        verdict = evaluate(name, answer)
        assert verdict.passed, verdict.message
        assert verdict.message.startswith(f"✓ {name}: right. ")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG_CASES)
def test_a_planted_mistake_gets_its_hint(name: str, answer: Answer, hint: str) -> None:
    verdict = evaluate(name, answer)
    assert not verdict.passed
    assert verdict.message.startswith(f"✗ {name}: ")
    assert hint in verdict.message


@pytest.mark.parametrize("name", _EXERCISES)
def test_a_stub_is_still_open(name: str) -> None:
    parameters = ", ".join(inspect.signature(_EXERCISES[name].reference).parameters)
    space: dict[str, Any] = {}
    exec(
        f"def stub({parameters}): ...\n"
        f"def unwritten({parameters}): raise NotImplementedError\n"
        f"def dots({parameters}): return ...\n",
        space,
    )
    for answer in (space["stub"], space["unwritten"], space["dots"], None, ...):
        verdict = evaluate(name, answer)
        assert not verdict.passed
        assert verdict.message == (
            f"○ {name}: still open. Write the body, then run this cell again."
        )


@pytest.mark.parametrize("name", _EXERCISES)
def test_an_answer_that_raises_is_reported_in_one_line(name: str) -> None:
    def answer(*_: object) -> None:
        raise KeyError("conv1\nand a second line")

    message = evaluate(name, answer).message
    assert message == f"✗ {name}: it raised KeyError: 'conv1\\nand a second line'"


@pytest.mark.parametrize("name", _EXERCISES)
def test_a_result_of_another_shape_never_breaks_a_check(name: str) -> None:
    def answer(*_: object) -> Any:
        return np.zeros((1, 2, 3, 4, 5))

    message = evaluate(name, answer).message
    assert "the result has shape (1, 2, 3, 4, 5); it should be" in message


@pytest.mark.parametrize("name", _EXERCISES)
def test_wrong_numbers_never_break_a_check(name: str) -> None:
    reference = _EXERCISES[name].reference

    def answer(*arguments: Any) -> Any:
        return np.asarray(reference(*arguments)) + 0.37

    assert evaluate(name, answer).message.startswith(f"✗ {name}: ")


@pytest.mark.parametrize("name", _EXERCISES)
def test_parameters_are_checked_before_the_answer_is_called(name: str) -> None:
    verdict = evaluate(name, lambda: 1)
    wanted = ", ".join(inspect.signature(_EXERCISES[name].reference).parameters)
    assert verdict.message == f"✗ {name}: its parameters are (); the check calls {name}({wanted})."


def test_what_is_not_a_function() -> None:
    verdict = evaluate("gram_matrix", np.eye(3))
    assert not verdict.passed
    assert 'nst.check("gram_matrix", gram_matrix)' in verdict.message
    assert "ndarray" in verdict.message


def test_a_function_without_a_signature_is_called_all_the_same() -> None:
    assert "raised TypeError" in evaluate("sparsity", dict.fromkeys).message


def test_an_unknown_name_lists_the_exercises() -> None:
    with pytest.raises(ArgumentError, match=r"gram_matirx.*rgb_to_bgr, to_blob.*seam_contrast"):
        evaluate("gram_matirx", gram)


def test_check_prints_the_message_and_returns_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("gram_matrix", gram) is None  # type: ignore[func-returns-value]
    out = capsys.readouterr().out
    assert out == evaluate("gram_matrix", gram).message + "\n"
    assert public_check is check


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG_CASES)
def test_messages_are_one_line_and_repeat(name: str, answer: Answer, hint: str) -> None:
    messages = {evaluate(name, answer).message for _ in range(2)}
    assert len(messages) == 1
    (message,) = messages
    assert "\n" not in message
    assert len(message) < 250
    # No number shows more digits than any machine would agree on.
    assert not re.search(r"\d\.\d{4,}", message), hint


def test_every_reference_states_its_exercise() -> None:
    assert all(exercise.reference.__doc__ for exercise in _EXERCISES.values())


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, nstlib.check; "
        "print([m for m in ('tensorflow', 'keras', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
