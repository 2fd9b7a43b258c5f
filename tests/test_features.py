"""The extractor: against Keras's own VGG19, layer by layer, and against NumPy."""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.cluster.vq
import scipy.signal
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.assets.cache import cache_dir, embedded_model
from nstlib.errors import ArgumentError, WeightsError
from nstlib.features import (
    IMAGENET_MEAN_BGR,
    PADDINGS,
    PRECISIONS,
    STYLE_LAYERS,
    CaffePreprocessing,
    check_layers,
    extractor_of,
    feature_extractor,
)
from nstlib.sources import load_image
from nstlib.vgg19 import (
    COMPACT_FILE,
    IMAGENET_FILE,
    WEIGHTS,
    build_vgg19,
    cached_vgg19,
    codebook,
    default_weights,
    keras_file,
    load_vgg19,
    save_vgg19,
    stride,
    vgg19_with,
)

CONVOLUTIONS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
LAYERS = [
    name
    for block, depth in CONVOLUTIONS.items()
    for name in (*(f"block{block}_conv{i + 1}" for i in range(depth)), f"block{block}_pool")
]


def picture(height: int, width: int, seed: int = 0, batch: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((batch, height, width, 3), np.float32)


@pytest.fixture(scope="module")
def narrow() -> keras.Model:
    """VGG19 with 8 to 64 channels: everything but the width, and fast."""
    keras.utils.set_random_seed(0)
    return build_vgg19(1 / 8)


def test_equals_keras_layer_by_layer() -> None:
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    ours = feature_extractor(LAYERS, "random")
    for layer in vgg.layers:
        if layer.weights:
            layer.set_weights(ours.get_layer(layer.name).get_weights())
    image = picture(32, 48)
    x = keras.applications.vgg19.preprocess_input(image * 255.0)
    result = ours(image)
    assert list(result) == LAYERS
    assert [layer.name for layer in vgg.layers[1:]] == LAYERS
    for layer in vgg.layers[1:]:
        x = layer(x)
        np.testing.assert_allclose(
            result[layer.name],
            x,
            rtol=1e-4,
            atol=1e-4 * float(tf.reduce_max(x)),
            err_msg=layer.name,
        )


def test_preprocessing_by_hand() -> None:
    red = np.array([[[[1.0, 0.0, 0.0]]]], np.float32)
    blue_green_red = CaffePreprocessing()(red)
    np.testing.assert_allclose(
        blue_green_red[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6
    )
    assert IMAGENET_MEAN_BGR == (103.939, 116.779, 123.68)


@pytest.mark.parametrize("deepest", ["block1_conv1", "block1_pool", "block2_conv1", "block5_conv1"])
def test_nothing_beyond_the_deepest_layer(narrow: keras.Model, deepest: str) -> None:
    extractor = extractor_of(narrow, (deepest, "block1_conv1"))
    assert [layer.name for layer in extractor.layers][2:] == LAYERS[: LAYERS.index(deepest) + 1]
    # Nor is anything else computed in TensorFlow's graph.
    traced = tf.function(extractor).get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
    convolutions = [
        op.name
        for op in traced.graph.get_operations()
        if op.type == "Conv2D" and "preprocessing" not in op.name
    ]
    wanted = [name for name in LAYERS[: LAYERS.index(deepest) + 1] if "conv" in name]
    assert len(convolutions) == len(wanted)


def test_order_of_layers_does_not_matter(narrow: keras.Model) -> None:
    names = ("block3_conv2", "block1_conv1", "block2_pool")
    image = picture(40, 33)
    forth, back = extractor_of(narrow, names)(image), extractor_of(narrow, names[::-1])(image)
    assert (tuple(forth), tuple(back)) == (names, names[::-1])
    for name in names:
        np.testing.assert_array_equal(forth[name], back[name])
        np.testing.assert_array_equal(forth[name], extractor_of(narrow, (name,))(image)[name])


def test_images_of_a_batch_do_not_touch(narrow: keras.Model) -> None:
    extractor = extractor_of(narrow, ("block3_conv1",))
    images = picture(32, 32, batch=3)
    together = extractor(images)["block3_conv1"]
    for i in range(3):
        alone = extractor(images[i : i + 1])["block3_conv1"]
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("padding", PADDINGS)
def test_shapes_at_any_size(narrow: keras.Model, padding: str) -> None:
    extractor = extractor_of(narrow, ("block1_conv1", "block3_conv4", "block5_pool"), padding)
    result = extractor(picture(37, 70))
    shapes = {name: tuple(f.shape) for name, f in result.items()}
    assert shapes == {
        "block1_conv1": (1, 37, 70, 8),
        "block3_conv4": (1, 9, 17, 32),
        "block5_pool": (1, 1, 2, 64),
    }
    assert all(float(tf.reduce_min(f)) >= 0 for f in result.values())
    assert all(f.dtype == tf.float32 for f in result.values())


@pytest.mark.parametrize("padding", PADDINGS)
def test_features_of_16_bits(narrow: keras.Model, padding: str) -> None:
    """All but the first layer give numbers that bfloat16 has, near to those of float32."""
    names = ("block1_conv1", "block1_pool", "block3_conv2", "block5_conv1")
    image = picture(48, 64)
    whole, short = (extractor_of(narrow, names, padding, p)(image) for p in PRECISIONS)
    np.testing.assert_array_equal(short["block1_conv1"], whole["block1_conv1"])
    for name in names[1:]:
        assert short[name].dtype == tf.float32
        found, expected = short[name].numpy(), whole[name].numpy()
        np.testing.assert_array_equal(found, found.astype(tf.bfloat16.as_numpy_dtype))
        assert 0 < np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(expected)
    assert {w.dtype for w in extractor_of(narrow, names, padding, "bfloat16").weights} == {
        "float32"
    }
    with pytest.raises(ArgumentError, match="precision is 'half'; it must be one of float32, bflo"):
        feature_extractor(["block1_conv1"], "random", precision="half")


def test_frozen() -> None:
    extractor = feature_extractor(["block1_conv1"], "random")
    assert extractor.trainable_variables == []


def test_gradient_reaches_the_image(narrow: keras.Model) -> None:
    image = tf.constant(picture(32, 32))
    for padding in PADDINGS:
        extractor = extractor_of(narrow, ("block2_conv1",), padding)
        with tf.GradientTape() as tape:
            tape.watch(image)
            total = tf.reduce_sum(extractor(image)["block2_conv1"])
        gradient = tape.gradient(total, image).numpy()
        assert np.isfinite(gradient).all()
        assert (gradient != 0).mean() > 0.9


# ----------------------------------------------------------------------------------------- weights


def test_random_weights_are_he_normal() -> None:
    extractor = feature_extractor(["block5_conv4"], "random")
    for name in LAYERS:
        if "conv" not in name or name not in {layer.name for layer in extractor.layers}:
            continue
        kernel, bias = extractor.get_layer(name).get_weights()
        expected = np.sqrt(2 / (3 * 3 * kernel.shape[2]))
        # The standard deviation of n values is known to one part in √(2n).
        tolerance = 5 / np.sqrt(2 * kernel.size)
        assert kernel.std() / expected == pytest.approx(1, abs=tolerance), name
        assert abs(kernel.mean()) < 5 * expected / np.sqrt(kernel.size)
        assert not bias.any()


def test_random_layers_differ() -> None:
    extractor = feature_extractor(["block4_conv4"], "random")
    kernels = [extractor.get_layer(f"block4_conv{i}").get_weights()[0] for i in (2, 3, 4)]
    for a, b in itertools.pairwise(kernels):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01


def test_activations_do_not_die_with_depth() -> None:
    result = feature_extractor(STYLE_LAYERS, "random")(picture(64, 64))
    sizes = [float(tf.sqrt(tf.reduce_mean(f**2))) for f in result.values()]
    assert max(sizes) / min(sizes) < 10
    alive = [float(tf.reduce_mean(tf.cast(f > 0, tf.float32))) for f in result.values()]
    assert min(alive) > 0.2


def test_random_weights_are_the_same_in_another_process() -> None:
    code = (
        "import zlib; from nstlib.features import feature_extractor\n"
        "extractor = feature_extractor(['block2_conv2'], 'random')\n"
        "print(zlib.crc32(b''.join(w.tobytes() for w in extractor.get_weights())))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    weights = feature_extractor(["block2_conv2"], "random").get_weights()
    assert int(run.stdout) == zlib.crc32(b"".join(w.tobytes() for w in weights))


def test_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSTLIB_WEIGHTS", "random")
    assert default_weights() == "random"
    by_default = feature_extractor(["block1_conv1"]).get_weights()[0]
    np.testing.assert_array_equal(
        by_default, feature_extractor(["block1_conv1"], "random").get_weights()[0]
    )
    monkeypatch.setenv("NSTLIB_WEIGHTS", "wishful")
    with pytest.raises(ArgumentError, match=r"wishful.*random, imagenet"):
        feature_extractor(["block1_conv1"])
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("NSTLIB_WEIGHTS")
        else:
            monkeypatch.setenv("NSTLIB_WEIGHTS", unset)
        assert default_weights() in WEIGHTS


@pytest.mark.parametrize("keras_home", [True, False])
def test_imagenet_without_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keras_home: bool
) -> None:
    def fail(**_: object) -> None:
        raise Exception(  # Keras, too, raises a bare one
            "URL fetch failure on https://storage.googleapis.com/...: None -- no route to host"
        )

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path))
    cached_vgg19.cache_clear()
    if keras_home:
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        expected = tmp_path / "models" / IMAGENET_FILE
    else:
        monkeypatch.delenv("KERAS_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        expected = tmp_path / ".keras" / "models" / IMAGENET_FILE
    with pytest.raises(WeightsError) as caught:
        feature_extractor(["block1_conv1"], "imagenet")
    message = str(caught.value)
    assert str(expected) in message
    assert "weights='random'" in message
    assert "\n" not in message


def test_name_of_the_imagenet_file_is_keras() -> None:
    """Keras asks for the file that our message names."""
    module = inspect.getmodule(inspect.unwrap(keras.applications.VGG19))
    assert module is not None
    assert IMAGENET_FILE in inspect.getsource(module)


# Files of VGG19's layers


def test_a_saved_network_computes_what_it_did(tmp_path: Path) -> None:
    """In half precision: eleven bits of each number."""
    vgg = build_vgg19(range(3, 19), "average")
    save_vgg19(vgg, tmp_path / "vgg.npz")
    loaded = load_vgg19(tmp_path / "vgg.npz")
    assert isinstance(loaded.get_layer("block1_pool"), keras.layers.AveragePooling2D)
    for mine, theirs in zip(vgg.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=2**-11, atol=1e-7)


def test_codes_stand_for_the_nearest_of_256_values(tmp_path: Path) -> None:
    vgg = build_vgg19(1 / 8)
    save_vgg19(vgg, tmp_path / "vgg.npz", codes=True)
    with np.load(tmp_path / "vgg.npz") as arrays:
        codes, table = arrays["block3_conv2/codes"], arrays["block3_conv2/table"]
    assert (codes.dtype, table.shape) == (np.uint8, (256,))
    kernel = vgg.get_layer("block3_conv2").get_weights()[0]
    nearest = np.abs(kernel[..., np.newaxis] - table).argmin(axis=-1)
    np.testing.assert_allclose(table[codes], table[nearest], atol=1e-7)
    loaded = load_vgg19(tmp_path / "vgg.npz")
    np.testing.assert_array_equal(loaded.get_layer("block3_conv2").get_weights()[0], table[codes])
    assert isinstance(loaded.get_layer("block1_pool"), keras.layers.MaxPooling2D)


@pytest.mark.parametrize("draw", ["normal", "laplace", "t"])
def test_a_codebook_is_as_good_as_k_means(draw: str) -> None:
    """SciPy's k-means, begun at this table, finds hardly anything better."""
    random = np.random.default_rng(0)
    values = random.standard_t(5, 4000) if draw == "t" else getattr(random, draw)(size=4000)
    codes, table = codebook(values, 32)
    error = np.mean((values - table[codes]) ** 2)
    better, labels = scipy.cluster.vq.kmeans2(
        values[:, np.newaxis], table[:, np.newaxis].astype(float), iter=30, minit="matrix"
    )
    best = np.mean((values - better[labels, 0]) ** 2)
    even = np.linspace(values.min(), values.max(), 32)
    spacing = even[1] - even[0]
    assert best <= error < 1.02 * best
    assert error < 0.8 * spacing**2 / 12  # what evenly spaced values would lose


def test_a_codebook_loses_nothing_of_few_values() -> None:
    values = np.random.default_rng(0).choice(np.array([-2, 0.5, 0.7, 9], np.float32), (5, 7))
    codes, table = codebook(values)
    np.testing.assert_array_equal(table[codes], values)


def write_as_keras_did(vgg: keras.Model, path: Path) -> None:
    """Write weights in the layout of the files that keras.applications downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in vgg.layers]
        for layer in vgg.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{part}:0" for part in ("kernel", "bias")[: len(layer.weights)]]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=values)


def test_keras_own_files_are_read(tmp_path: Path) -> None:
    """Those that it downloads, and those that it writes today."""
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg.save_weights(tmp_path / "today.weights.h5")
    write_as_keras_did(vgg, tmp_path / "downloaded.h5")
    for name in ("today.weights.h5", "downloaded.h5"):
        loaded = load_vgg19(tmp_path / name)
        for mine, theirs in zip(vgg.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(theirs, mine)


@pytest.mark.parametrize("name", ["vgg.npz", "vgg.h5"])
def test_a_file_of_something_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(WeightsError, match=r"does not hold VGG19's layers; .*nst assets pack"):
        load_vgg19(tmp_path / name)
    np.savez(tmp_path / "other.npz", block1_conv1=np.zeros(3))
    with pytest.raises(WeightsError, match="does not hold VGG19's layers"):
        load_vgg19(tmp_path / "other.npz")
    with pytest.raises(WeightsError, match=rf"absent-{name}: no such file; give a file of Keras"):
        load_vgg19(tmp_path / f"absent-{name}")


def test_a_path_is_as_good_as_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.npz"
    save_vgg19(build_vgg19(1 / 16), file)
    image = np.zeros((1, 32, 32, 3), np.float32)
    assert feature_extractor(["block1_conv1"], str(file))(image)["block1_conv1"].shape[-1] == 4
    monkeypatch.setenv("NSTLIB_WEIGHTS", str(file))
    assert feature_extractor(["block5_conv1"])(image)["block5_conv1"].shape[-1] == 32
    with pytest.raises(ArgumentError, match=r"weights is 'no\.npz'; it must be one of mini"):
        feature_extractor(["block1_conv1"], "no.npz")


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    file, image = tmp_path / "mine.npz", np.ones((1, 32, 32, 3), np.float32)
    seen = []
    for seed in (1, 2, 2):
        keras.utils.set_random_seed(seed)
        save_vgg19(build_vgg19(1 / 16), file)
        features = feature_extractor(["block1_conv1"], str(file))(image)["block1_conv1"]
        seen.append(np.asarray(features))
    assert np.abs(seen[1] - seen[0]).max() > 1
    np.testing.assert_array_equal(seen[2], seen[1])
    assert vgg19_with(str(file)) is vgg19_with(str(file))


@pytest.mark.parametrize("here", ["keras", "compact", "both"])
def test_where_imagenets_weights_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    """Keras's own file comes first, then the compact copy; nothing is downloaded."""
    exact, compact = build_vgg19(), build_vgg19(1 / 16)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path / "cache"))
    for folder in (tmp_path / "keras" / "models", tmp_path / "cache" / "models"):
        folder.mkdir(parents=True)
    if here in ("keras", "both"):
        write_as_keras_did(exact, keras_file())
    if here in ("compact", "both"):
        save_vgg19(compact, tmp_path / "cache" / "models" / COMPACT_FILE, codes=True)
    monkeypatch.setattr(keras.applications, "VGG19", None)
    cached_vgg19.cache_clear()
    try:
        found = vgg19_with("imagenet").get_layer("block1_conv1").filters
    finally:
        cached_vgg19.cache_clear()
    assert found == (4 if here == "compact" else 64)


@pytest.mark.skipif(
    not (keras_file().exists() or (cache_dir("model") / COMPACT_FILE).exists()),
    reason="ImageNet's weights are neither in Keras's folder nor in the cache of models",
)
def test_imagenets_features_are_those_of_vgg19() -> None:
    """Their means over a photograph are about those known of Keras's file."""
    vgg = vgg19_with("imagenet")
    assert vgg.count_params() == 20_024_384
    maps = feature_extractor(STYLE_LAYERS, "imagenet")(load_image("chelsea", 224)[np.newaxis])
    means = [float(np.mean(maps[layer])) for layer in STYLE_LAYERS]
    for mean, usual in zip(means, (14.7, 87.5, 94.7, 401, 45), strict=True):
        assert usual / 2.5 < mean < 2.5 * usual


# ----------------------------------------------------------------------------------------- borders


def test_wrap_rolls_with_the_image(narrow: keras.Model) -> None:
    layers = ("block1_conv2", "block2_conv2", "block3_conv4")
    extractor = extractor_of(narrow, layers, "wrap")
    image = picture(48, 64)
    before, after = extractor(image), extractor(np.roll(image, (8, -12), axis=(1, 2)))
    for name in layers:
        shift = (8 // stride(name), -12 // stride(name))
        expected = np.roll(before[name], shift, axis=(1, 2))
        np.testing.assert_allclose(after[name], expected, rtol=1e-3, atol=1e-2, err_msg=name)
    # With black beyond the border the same does not hold.
    zeros = extractor_of(narrow, layers)
    a, b = zeros(image)["block3_conv4"], zeros(np.roll(image, 8, axis=1))["block3_conv4"]
    assert np.abs(np.roll(a, 2, axis=1) - b).max() > 1


@pytest.mark.parametrize(("padding", "mode"), [("replicate", "edge"), ("wrap", "wrap")])
def test_borders_against_numpy(narrow: keras.Model, padding: str, mode: str) -> None:
    image = picture(32, 40)
    caffe = image[..., ::-1] * 255 - np.array(IMAGENET_MEAN_BGR)
    padded = np.pad(caffe, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=mode)  # type: ignore[call-overload]
    kernel, bias = narrow.get_layer("block1_conv1").get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = np.maximum(np.einsum("byxcij,ijco->byxo", windows, kernel) + bias, 0)
    result = extractor_of(narrow, ("block1_conv1",), padding)(image)["block1_conv1"]
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-2)


def test_borders_agree_inside(narrow: keras.Model) -> None:
    image = picture(40, 40)
    results = [
        extractor_of(narrow, ("block1_conv2",), padding)(image)["block1_conv2"].numpy()
        for padding in PADDINGS
    ]
    for other in results[1:]:
        np.testing.assert_allclose(
            results[0][:, 2:-2, 2:-2], other[:, 2:-2, 2:-2], rtol=1e-4, atol=1e-2
        )
        assert np.abs(results[0] - other).max() > 1


@pytest.mark.parametrize("mode", ["replicate", "wrap"])
def test_borders_in_a_graph_of_unknown_size(narrow: keras.Model, mode: str) -> None:
    extractor = extractor_of(narrow, ("block2_conv1",), mode)
    traced = tf.function(extractor, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for image in (picture(32, 40), picture(48, 33)):
        np.testing.assert_allclose(
            traced(image)["block2_conv1"], extractor(image)["block2_conv1"], rtol=1e-4, atol=1e-3
        )


def test_stride_is_the_ratio_of_sizes(narrow: keras.Model) -> None:
    result = extractor_of(narrow, tuple(LAYERS))(picture(64, 64))
    assert {name: 64 // f.shape[1] for name, f in result.items()} == {
        name: stride(name) for name in LAYERS
    }


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (["block9_conv1"], "layers has 'block9_conv1'.*block1_conv1, block1_conv2"),
        (["block1_conv1", "conv1_1"], "layers has 'conv1_1'"),
        (["preprocessing"], "preprocessing"),
        (["input_layer"], "input_layer"),
        ([], "layers is empty"),
        ("block1_conv1", r"give a list: \['block1_conv1'\]"),
    ],
)
def test_bad_layers(layers: list[str] | str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        feature_extractor(layers, "random")


def test_layers_may_be_any_iterable() -> None:
    assert check_layers(name for name in ("a", "b")) == ("a", "b")
    result = feature_extractor({"block1_conv1": 1}, "random")(picture(32, 32))
    assert list(result) == ["block1_conv1"]


def test_bad_weights_and_padding() -> None:
    with pytest.raises(ArgumentError, match="weights is 'vgg16'; it must be one of"):
        feature_extractor(["block1_conv1"], "vgg16")
    with pytest.raises(
        ArgumentError, match="padding is 'same'; it must be one of zeros, replicate"
    ):
        feature_extractor(["block1_conv1"], "random", padding="same")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 31, 64, 3), "images are 64×31 pixels.*enlarge them"),
        ((1, 64, 31, 3), "32 or more"),
        ((64, 64, 3), "newaxis"),
        ((1, 64, 64), "newaxis"),
        ((1, 64, 64, 4), r"\(1, 64, 64, 4\)"),
        ((1, 64, 64, 1), r"\(1, 64, 64, 1\)"),
        ((1, 3, 64, 64), r"\(1, 3, 64, 64\)"),
    ],
)
def test_images_that_do_not_fit(narrow: keras.Model, shape: tuple[int, ...], words: str) -> None:
    extractor = extractor_of(narrow, ("block1_conv1",))
    for images in (np.zeros(shape, np.float32), tf.zeros(shape)):
        with pytest.raises(ArgumentError, match=words) as caught:
            extractor(images)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("known", [(None, 40), (40, None), (None, None)])
def test_sides_known_later(narrow: keras.Model, known: tuple[int | None, ...]) -> None:
    extractor = extractor_of(narrow, ("block1_conv1",))
    traced = tf.function(extractor, input_signature=[tf.TensorSpec((None, *known, 3))])
    image = picture(40, 40)
    np.testing.assert_allclose(
        traced(image)["block1_conv1"], extractor(image)["block1_conv1"], rtol=1e-4, atol=1e-3
    )


def test_too_small_is_seen_where_one_side_is_known(narrow: keras.Model) -> None:
    traced = tf.function(extractor_of(narrow, ("block1_conv1",)), autograph=False)
    with pytest.raises(ArgumentError, match="16"):
        traced.get_concrete_function(tf.TensorSpec((None, None, 16, 3)))


def test_the_twin_has_vgg19s_layers_with_fewer_channels() -> None:
    layers = [f"block{block}_{part}" for block in range(1, 6) for part in ("conv1", "pool")]
    image = load_image("coffee", size=64)[np.newaxis]
    twin = feature_extractor(layers, "mini")(image)
    full = feature_extractor(layers, "random")(image)
    for layer in layers:
        assert twin[layer].shape[:3] == full[layer].shape[:3]
    # As its card says: 16 | 48 | 64 | 160 | 384, then 256, of VGG19's 64 | 128 | 256 | 512 | 512.
    channels = [twin[layer].shape[3] for layer in layers]
    assert channels == [16, 16, 48, 48, 64, 64, 160, 160, 384, 256]
    assert [full[layer].shape[3] for layer in layers[::2]] == [64, 128, 256, 512, 512]


def test_the_twins_first_layer_is_a_correlation_with_its_stored_kernel() -> None:
    with np.load(embedded_model("vgg19_mini.npz"), allow_pickle=False) as stored:
        table, codes = stored["block1_conv1/table"], stored["block1_conv1/codes"]
        kernel = table.astype(np.float64)[codes]
        bias = stored["block1_conv1/bias"].astype(np.float64)
    image = load_image("coffee", size=48).astype(np.float64)
    caffe = image[..., ::-1] * 255 - [103.939, 116.779, 123.68]
    channel = 3
    expected = bias[channel] + sum(
        scipy.signal.correlate2d(caffe[..., c], kernel[:, :, c, channel], mode="same")
        for c in range(3)
    )
    maps = feature_extractor(["block1_conv1"], "mini")(image[np.newaxis].astype(np.float32))
    np.testing.assert_allclose(
        maps["block1_conv1"][0, :, :, channel], np.maximum(expected, 0), rtol=1e-4, atol=1e-4
    )


def test_every_layer_of_the_twin_is_about_as_loud_on_photos_it_never_saw() -> None:
    extractor = feature_extractor(STYLE_LAYERS, "mini")
    photos = [load_image(name, size=128) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    for layer in STYLE_LAYERS:
        means = [float(tf.reduce_mean(extractor(photo[np.newaxis])[layer])) for photo in photos]
        assert 0.4 < np.mean(means) < 2.5  # 1 on the photos it was scaled by


def test_the_twin_pools_by_means() -> None:
    layers = ["block1_conv2", "block1_pool"]
    maps = feature_extractor(layers, "mini")(load_image("coffee", size=48)[np.newaxis])
    before = maps["block1_conv2"][0].numpy()
    blocks = before.reshape(before.shape[0] // 2, 2, before.shape[1] // 2, 2, -1)
    np.testing.assert_allclose(maps["block1_pool"][0], blocks.mean(axis=(1, 3)), rtol=1e-5)
