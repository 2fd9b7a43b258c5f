# %% [markdown]
# # 08 · ONNX
#
# After this lesson you can take a network out of the program that trained it, look into the file, run
# it anywhere, and prove that every program draws the same picture. You will catch one that doesn't.

# %%
import contextlib
import io
import logging
import re
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import nstlib as nst
from nstlib import keras, tf
from nstlib.assets.cache import asset_path, embedded_model
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.onnx.exporting import export
from nstlib.onnx.legacy import modernize
from nstlib.onnx.tflite import from_tflite
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import verify

folder = Path(tempfile.mkdtemp())
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def by_onnx_runtime(file, picture):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: picture})[0]


def by_opencv(file, picture):
    net = cv2.dnn.readNetFromONNX(str(file))
    net.setInput(picture)
    return net.forward()


def to_network(image):
    """(H, W, 3) in [0, 1] to (1, 3, H, W) in 0..255."""
    return np.float32(255 * image.transpose(2, 0, 1)[np.newaxis])


def from_network(blob):
    return np.clip(blob[0].transpose(1, 2, 0) / 255, 0, 1)


starry_night = embedded_model("starry_night.onnx")
photo = nst.load_image("chelsea", size=(208, 312))
picture = to_network(photo)
painted = {run.__name__: run(starry_night, picture) for run in (by_onnx_runtime, by_opencv)}

nst.show_images(
    [photo, *map(from_network, painted.values())],
    ["a photograph", "by ONNX Runtime", "by OpenCV"],
    columns=3,
    cell=2.9,
    caption="One file, two programs. Neither knows Keras, in which the network was trained, or the other.",
    alt="A cat's face, and twice the same painting of it in blue and yellow strokes.",
)

# %%
largest = np.abs(painted["by_onnx_runtime"] - painted["by_opencv"]).max()
print("the pictures differ by less than a hundredth of a grey level:", largest < 0.01)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [07 · Fast style networks](07_fast_style_networks.ipynb) |
# | Time to read | 35 min |
# | Time to run on 2 cores | 20 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Read** what is in an ONNX file, and build one by hand.
# - **Export** a Keras network, node by node.
# - **Prove** that runtimes agree, at every size that matters.
# - **Tell** what a checkpoint's running means are, and what they are not.
# - **Repair** an old file, and **find** the node at which a runtime goes wrong.

# %% [markdown]
# ## The smallest file
#
# **ONNX** (Open Neural Network Exchange, 2017) is a file format. A file holds a **graph**: named
# tensors, and **nodes** that compute new ones from them. A node's **operator** says what it computes,
# and all operators are written down in a public list. There is no program code in the file, so any
# program can run it.
#
# By hand first. Two channels, one row, two columns; a 1 × 1 convolution with the kernel (1, −1) and the
# bias ½; then ReLU. At the first position $1 - 3 + ½ = -1.5$, which ReLU makes 0; at the second
# $2 + 1 + ½ = 3.5$.

# %%
two_pixels = np.float32([[1, 2], [3, -1]]).reshape(1, 2, 1, 2)
kernel = np.float32([1, -1]).reshape(1, 2, 1, 1)

graph = helper.make_graph(
    nodes=[
        helper.make_node("Conv", ["picture", "kernel", "bias"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["result"]),
    ],
    name="smallest",
    inputs=[helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 2, "h", "w"])],
    outputs=[helper.make_tensor_value_info("result", TensorProto.FLOAT, ["n", 1, "h", "w"])],
    initializer=[
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(np.float32([0.5]), "bias"),
    ],
)
VERSIONS = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8}
model = helper.make_model(graph, **VERSIONS)
onnx.checker.check_model(model)
onnx.save(model, folder / "smallest.onnx")
print(onnx.printer.to_text(model))

# %%
in_numpy = np.maximum(np.einsum("nchw,oc->nohw", two_pixels, kernel[:, :, 0, 0]) + 0.5, 0)
for name, result in {
    "NumPy": in_numpy,
    "ONNX Runtime": by_onnx_runtime(folder / "smallest.onnx", two_pixels),
    "OpenCV": by_opencv(folder / "smallest.onnx", two_pixels),
}.items():
    print(f"{name:13}{result.ravel() + 0}")  # + 0, because OpenCV writes a zero as -0

# %% [markdown]
# Read the text again, because everything is there. `picture` goes in and `result` comes out; `n`, `h`
# and `w` are names in the place of numbers: any size will do. The **initializers** are the weights.
# `ir_version` is the version of the file format, `opset_import` that of the list of operators: an
# operator may mean something else in another version, so a file without it would be ambiguous.
#
# ## What is in a real one
#
# The file that painted the cat was trained for this course, and comes with it.

# %%
proto = onnx.load(starry_night)


def described(value):
    shape = [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]
    return f"{value.name} {tuple(shape)}"


print("in: ", *map(described, proto.graph.input))
print("out:", *map(described, proto.graph.output))
print("operators of version", proto.opset_import[0].version, "· file format", proto.ir_version)
metadata = {entry.key: entry.value for entry in proto.metadata_props}
for key in ("style", "licence", "variant"):
    print(f"{key}: {metadata[key]}")

# %%
print(len(proto.graph.node), "nodes")
for kind, count in Counter(node.op_type for node in proto.graph.node).most_common():
    print(f"{count:5} {kind}")

# %%
for node in proto.graph.node[:6]:
    print(f"{node.op_type:22}{', '.join(node.input):60}→ {node.output[0]}")

# %% [markdown]
# Channels come before height and width: **NCHW**, the order of PyTorch, of OpenCV's blobs (lesson 00),
# and of ONNX's convolutions. Keras's own order is NHWC.
#
# And the weights? How much of the file is weights?

# %%
tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
size = starry_night.stat().st_size
in_weights = sum(values.nbytes for values in tensors.values())
for dtype, count in Counter(str(values.dtype) for values in tensors.values()).most_common():
    numbers = sum(values.size for values in tensors.values() if values.dtype == dtype)
    print(f"{count:3} tensors of {dtype}: {numbers:,} numbers")
print(f"{size / 1e6:.2f} MB; the graph itself takes {1 - in_weights / size:.0%} of them")

# %% [markdown]
# The kernels of the convolutions are stored in half precision, and each has a `Cast` behind it that
# makes float32 of it when the file is loaded. You will measure below what that costs.
#
# ## The way back
#
# A file without secrets can be read by anybody, so also by Keras. The network's architecture is in
# `nstlib.networks`, and the tensors are named after its layers. Only the order of a kernel's axes
# differs: ONNX has *output, input, row, column*; Keras has *row, column, input, output*.

# %%
network = TransformerNet(**VARIANTS[metadata["variant"]])
for layer in network.layers:
    if layer.weights:
        first = np.float32(tensors[f"{layer.name}.weight"])
        if isinstance(layer, keras.layers.Conv2D):
            first = first.transpose(2, 3, 1, 0)
        layer.set_weights([first, tensors[f"{layer.name}.bias"]])


def by_keras(picture):
    return network(picture.transpose(0, 2, 3, 1)).numpy().transpose(0, 3, 1, 2)


largest = np.abs(by_keras(picture) - painted["by_onnx_runtime"]).max()
print("Keras paints the same picture (0.01 on a scale of 255):", largest < 0.01)

# %% [markdown]
# ## Export
#
# Now forward, from Keras to a file. An exporter goes through the layers in their order and writes down,
# for each, the node that computes the same. Six kinds of layers make a style network, and this is the
# whole exporter for it:


# %%
def to_graph(network):
    nodes, weights, names = [], [], {}

    def constant(name, values):
        weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            names[id(layer.output)] = "image"
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [names[id(tensor)] for tensor in inputs]
        attributes = {}
        match layer:
            case keras.layers.Conv2D():
                kind, attributes = "Conv", {"strides": layer.strides}
                kernel, bias = layer.get_weights()
                inputs.append(constant(f"{layer.name}.weight", kernel.transpose(3, 2, 0, 1)))
                inputs.append(constant(f"{layer.name}.bias", bias))
            case InstanceNormalization():
                kind, attributes = "InstanceNormalization", {"epsilon": layer.EPSILON}
                gamma, beta = layer.get_weights()
                inputs.append(constant(f"{layer.name}.weight", gamma))
                inputs.append(constant(f"{layer.name}.bias", beta))
            case ReflectionPadding2D():
                kind, attributes = "Pad", {"mode": "reflect"}
                # Before the first batch, channel, row, column, and after the last.
                pads = [0, 0, layer.pixels, layer.pixels] * 2
                inputs.append(constant(f"{layer.name}.pads", np.int64(pads)))
            case keras.layers.UpSampling2D():
                kind = "Resize"
                attributes = {
                    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
                    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
                }[layer.interpolation] | {"nearest_mode": "floor"}
                scales = np.float32([1, 1, *layer.size])
                inputs += ["", constant(f"{layer.name}.scales", scales)]
            case keras.layers.ReLU():
                kind = "Relu"
            case keras.layers.Add():
                kind = "Add"
        last = layer is network.layers[-1]
        names[id(layer.output)] = "stylized" if last else layer.name
        nodes.append(helper.make_node(kind, inputs, [names[id(layer.output)]], **attributes))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, height, width])]
        for name, height, width in [
            ("image", "height", "width"),
            ("stylized", "out_height", "out_width"),
        ]
    ]
    graph = helper.make_graph(nodes, network.name, *ends, weights)
    return helper.make_model(graph, **VERSIONS)


mine, librarys = to_graph(network), to_onnx(network, half=False)
onnx.save(mine, folder / "mine.onnx")


def kinds(model):
    return [node.op_type for node in model.graph.node]


print(len(kinds(mine)), "nodes; the library writes the same ones:", kinds(mine) == kinds(librarys))
largest = np.abs(by_onnx_runtime(folder / "mine.onnx", picture) - by_keras(picture)).max()
print("ONNX Runtime computes what Keras does:", largest < 0.01)

# %% [markdown]
# `nstlib.onnx.exporting.export` does this for a few more layers, stores kernels in half precision, adds
# metadata, and **refuses to write a file on which the runtimes disagree**.
#
# Why by hand? Keras can call a converter, tf2onnx, that knows nothing of layers. It sees TensorFlow's
# operations, and writes instance normalization as some ten nodes. More nodes are more chances for a
# runtime to go wrong, and below you will see one that does.
#
# ## The proof
#
# A file that loads is not a file that works. So run the same photograph through Keras, ONNX Runtime, and
# OpenCV, whose version 5 has two engines, an old one and a new one; and take the largest difference, on
# the scale of 0 to 255.
#
# **Question.** Four sizes are tried: 256 × 256, 320 × 384, 250 × 333 and 251 × 333. What could go wrong
# at the last two that is fine at the first two?

# %% tags=["nbval-ignore-output"]
proof = export(network, folder / "starry.onnx", metadata={"style": "a night by Van Gogh"})
print(proof)

# %%
differences = [result.difference for result in proof.comparisons]
print(len(proof.comparisons), "comparisons,", len(proof.refused), "refusals")
print("all within 0.01 of Keras:", max(differences) < 0.01)
print("they are not bit for bit the same:", max(differences) > 0)

# %% [markdown]
# Not bit for bit, because a sum of floats depends on the order of its terms, and each program has an
# order of its own. A hundredth of a grey level is nothing that an 8-bit picture could show.
#
# The last two sizes are no multiples of 4. The network halves a picture twice and doubles it twice, and
# rounds up on the way:

# %%
for height, width in [(256, 256), (250, 333), (251, 333)]:
    result = by_onnx_runtime(folder / "starry.onnx", np.zeros((1, 3, height, width), np.float32))
    print(f"{height} × {width} in, {result.shape[2]} × {result.shape[3]} out")

# %% [markdown]
# Many programs resize the result to what it should be, which blurs it a little. Better pad the picture
# to a multiple of 4 and cut the result: that is Exercise 2, and what `nst.Stylizer` does.
#
# Another trap. The tutorial's exporter asks for an example picture of 256 × 256, and unless it is told
# otherwise writes that size into the file. What do runtimes make of it?

# %%
fixed = onnx.ModelProto()
fixed.CopyFrom(mine)
sides = fixed.graph.input[0].type.tensor_type.shape.dim
for side, length in zip(sides, (1, 3, 256, 256), strict=True):
    side.dim_value = length
onnx.save(fixed, folder / "fixed.onnx")
print(*map(described, fixed.graph.input))
try:
    by_onnx_runtime(folder / "fixed.onnx", picture)
except Exception as error:
    print("ONNX Runtime refuses:", "Got invalid dimensions" in str(error))
largest = np.abs(by_opencv(folder / "fixed.onnx", picture) - painted["by_opencv"]).max()
print("OpenCV takes the other size all the same, and is right:", largest < 0.01)

# %% [markdown]
# The file is the same, and one runtime is strict where the other is not. If you test with only one of
# them, you won't notice.
#
# ## Half the size
#
# Half precision keeps about three decimal digits of each weight. The picture's change is part of the
# proof, as `rounding`:

# %%
export(network, folder / "float32.onnx", half=False, sizes=[(250, 333)])
sizes = {name: (folder / name).stat().st_size for name in ("float32.onnx", "starry.onnx")}
print(
    f"half precision makes the file {sizes['float32.onnx'] / sizes['starry.onnx']:.1f} times smaller"
)
print("from half precision to half precision, the picture does not change:", proof.rounding == 0)

# %%
noisy = keras.models.clone_model(network)
random = np.random.default_rng(0)
noisy.set_weights([w * random.uniform(0.999, 1.001, w.shape) for w in network.get_weights()])
rounded = export(noisy, folder / "noisy.onnx", sizes=[(250, 333)])
print("what rounding costs, less than 2 of 255 grey levels:", 0 < rounded.rounding < 2)

# %% [markdown]
# (The network came from a file in half precision, so it had nothing left to lose; hence the second one,
# with a little noise on its weights.) The change is the largest at any pixel and channel; no eye will
# find it in brush strokes.
#
# ## The road from PyTorch
#
# The tutorial's four networks, `mosaic`, `candy`, `rain_princess` and `udnie`, come from PyTorch's
# example *fast_neural_style*. A **checkpoint** is a dictionary from names to weights, and the road to
# ONNX is this (PyTorch is not needed for this course, so it is shown as text):
#
# ```python
# model = TransformerNet()                       # the example's class, not Keras's
# state = torch.load("mosaic.pth", weights_only=True)
# for name in list(state):
#     if name.endswith(("running_mean", "running_var")):
#         del state[name]
# model.load_state_dict(state)
# model.eval()
# torch.onnx.export(model, torch.randn(1, 3, 256, 256), "mosaic.onnx")
# ```
#
# What is being deleted there? Let us make such a checkpoint: a network's weights by name, and for each
# of its normalizations the two arrays that checkpoints of 2017 have besides.

# %%
original = TransformerNet()
checkpoint = {}
for layer in original.layers:
    if layer.weights:
        checkpoint[f"{layer.name}.weight"], checkpoint[f"{layer.name}.bias"] = layer.get_weights()
    if isinstance(layer, InstanceNormalization):
        channels = layer.gamma.shape[0]
        checkpoint[f"{layer.name}.running_mean"] = random.normal(size=channels)
        checkpoint[f"{layer.name}.running_var"] = random.uniform(0.5, 2, channels)
np.savez(folder / "checkpoint_2017.npz", **checkpoint)

names = np.load(folder / "checkpoint_2017.npz").files
extra = [name for name in names if re.search(r"running_(mean|var)$", name)]
print(len(names), "names, of which", len(extra), "to delete")
print(*(name for name in names if name.startswith(("in1.", "res1.in1."))), sep="\n")

# %% [markdown]
# **Question.** The tutorial says: these belong to *batch* normalization, and ONNX stores only the
# structure and the parameters of a network, so it needs no such statistics. Look at the names, and at
# the list of operators above. What is wrong with that?
#
# First, there is no batch normalization in this network. `in1` is *instance* normalization: mean and
# variance come from the picture in hand, and nothing that was seen in training is needed. Until 2018
# PyTorch's `InstanceNorm2d` kept running means all the same, but these networks never used them.
# Today's class has none, and refuses names that it does not know. Hence the deletion, and that is all
# it is: tidying.

# %%
ours = {
    f"{layer.name}.{end}"
    for layer in original.layers
    if layer.weights
    for end in ("weight", "bias")
}
print("without them, exactly the network's names remain:", set(names) - set(extra) == ours)

# %% [markdown]
# (With PyTorch installed, `nst.onnx.from_pytorch` reads a real checkpoint in this way and names what
# is missing or unexpected.)
#
# Second, ONNX can store the statistics of batch normalization very well. Here is a Keras network that
# has some:

# %%
image = keras.Input((None, None, 3))
normalized = keras.layers.BatchNormalization(epsilon=1e-5, name="bn")
batch_network = keras.Model(image, normalized(keras.layers.Conv2D(3, 3, name="conv")(image)))
normalized.moving_mean.assign([10, 20, 30])
normalized.moving_variance.assign([400, 900, 1600])

in_file = to_onnx(batch_network, half=False)
node = in_file.graph.node[-1]
print(node.op_type, "of", *node.input, sep="\n  ")
stored = {t.name: numpy_helper.to_array(t) for t in in_file.graph.initializer}
print("bn.running_mean:", stored["bn.running_mean"], " bn.running_var:", stored["bn.running_var"])

# %%
kept = verify(batch_network, in_file.SerializeToString())
for tensor in in_file.graph.initializer:
    if tensor.name.startswith("bn.running"):
        values = np.zeros(3) if "mean" in tensor.name else np.ones(3)
        tensor.CopyFrom(numpy_helper.from_array(np.float32(values), tensor.name))
lost = verify(batch_network, in_file.SerializeToString())
print("with the statistics all runtimes agree with Keras:", kept.ok)
print("without them they agree:", lost.ok)
off = max(result.difference for result in lost.comparisons)
print("they are off by more than 10 grey levels:", off > 10)

# %% [markdown]
# Deleting statistics from a network with batch normalization breaks it. From one with instance
# normalization they can go, because it never used them. The names alone don't tell which is which; the
# layers do.
#
# ## The road from TensorFlow Lite
#
# Networks for phones often come as **TensorFlow Lite** files (`.tflite`). MediaPipe's selfie
# segmentation, which cuts people out in video calls, is one of 0.25 MB, and lesson 09 compares our own
# person network with it. The road is the same: read, translate node by node, prove. Here is a small
# network of that kind, with the two layers that phones like: a *depthwise* convolution, which looks at
# each channel alone, and a ReLU that ends at 6.

# %%
keras.utils.set_random_seed(0)
image = keras.Input((64, 64, 3), batch_size=1, name="image")
x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
for_phones = keras.Model(image, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))

# The converter describes what it is given, at length.
logging.disable(logging.INFO)
with contextlib.redirect_stdout(io.StringIO()):
    content = tf.lite.TFLiteConverter.from_keras_model(for_phones).convert()
(folder / "phone.tflite").write_bytes(content)

print(from_tflite(folder / "phone.tflite", folder / "phone.onnx"))
converted = onnx.load(folder / "phone.onnx")
print(*(node.op_type for node in converted.graph.node))

# %% [markdown]
# **Question.** TensorFlow Lite keeps the channels last, ONNX first. Which of the nodes has to do with
# that, and what has become of the two layers for phones?
#
# Only `Reshape`: with one channel alone, moving it is a matter of the shape. For all others
# the *weights* were turned around once, when the file was written. The depthwise convolution is a `Conv`
# with as many groups as channels, and the ReLU that ends at 6 a `Clip`.
#
# The proof compares with TensorFlow Lite itself as well: nothing is written if the ONNX file computes
# something else.

# %%
groups = [a.i for node in converted.graph.node for a in node.attribute if a.name == "group"]
print("groups of the convolutions:", groups)

# %% [markdown]
# With MediaPipe's file (`nst assets fetch selfie_segmentation`) it is the same one line, or
# `nst export selfie_segmentation.tflite -o selfie.onnx`. The cell does it if the file is here:

# %% tags=["nbval-ignore-output"]
selfie = asset_path("selfie_segmentation")
if selfie.exists():
    print(from_tflite(selfie, folder / "selfie.onnx"))
else:
    print("selfie_segmentation has not been downloaded")

# %% [markdown]
# ## A file from 2018
#
# Operators retire. In 2018 four of Johnson's style networks were published as ONNX files, which used
# three that were still an experiment: `ImageScaler` (times a number, plus one for each channel),
# `Affine` (times α, plus β) and `Crop` (cut a border). ONNX dropped them in 2019.
# They are registered here as `johnson_candy`, `johnson_mosaic`, `johnson_udnie` and `johnson_la_muse`
# (`nst assets fetch johnson_mosaic` downloads one). A small one with the same habits:

# %%
doubled = helper.make_graph(
    [
        helper.make_node("ImageScaler", ["old"], ["scaled"], scale=0.5, bias=[10.0, 20.0, 30.0]),
        helper.make_node(
            "ConvTranspose",
            ["scaled", "ones"],
            ["enlarged"],
            strides=[2, 2],
            group=3,
            output_shape=[96, 128],
        ),
        helper.make_node("Affine", ["enlarged"], ["brighter"], alpha=2.0, beta=-20.0),
        helper.make_node("Crop", ["brighter"], ["new"], border=[2, 2, 2, 2]),
    ],
    "of_2018",
    [
        helper.make_tensor_value_info("old", TensorProto.FLOAT, [1, 3, 48, 64]),
        # Weights had to be listed among the inputs, too.
        helper.make_tensor_value_info("ones", TensorProto.FLOAT, [3, 1, 2, 2]),
    ],
    [helper.make_tensor_value_info("new", TensorProto.FLOAT, [1, 3, 92, 124])],
    [numpy_helper.from_array(np.ones((3, 1, 2, 2), np.float32), "ones")],
)
of_2018 = helper.make_model(doubled, opset_imports=[helper.make_opsetid("", 7)], ir_version=3)
onnx.save(of_2018, folder / "2018.onnx")
for node in of_2018.graph.node:
    print(
        f"{node.op_type:14}{'' if onnx.defs.has(node.op_type) else 'no operator of ONNX any more'}"
    )

# %%
small = to_network(nst.load_image("coffee", size=(48, 64)))
try:
    by_opencv(folder / "2018.onnx", small)
except cv2.error as error:
    print("OpenCV refuses:", "Affine" in str(error))
as_it_was = by_onnx_runtime(folder / "2018.onnx", small)
print("ONNX Runtime still computes it:", as_it_was.shape)

# %% [markdown]
# OpenCV does not know them. ONNX Runtime has kept them to this day, for old files' sake; no list obliges
# it to. And it holds to the one size that the file was written for. `modernize` writes each retired node
# as those that took its place, and frees the sizes. Here, too, nothing is written before the runtimes
# agree.

# %%
proof = modernize(folder / "2018.onnx", folder / "today.onnx", sizes=[(48, 64), (50, 70)])
today = onnx.load(folder / "today.onnx")
print("then:", *kinds(of_2018))
print("now: ", *kinds(today))
print(*map(described, [*today.graph.input, *today.graph.output]))
print("the runtimes agree:", proof.ok)

# %% [markdown]
# Agreement among runtimes says that they read the new file in the same way, not that it means what the
# old one did. This graph is simple enough to be computed by hand: a kernel of ones with a stride of 2
# repeats every pixel.

# %%
by_hand = 0.5 * small + np.float32([10, 20, 30]).reshape(3, 1, 1)
by_hand = 2 * by_hand.repeat(2, axis=2).repeat(2, axis=3) - 20
by_hand = by_hand[:, :, 2:-2, 2:-2]
result = by_onnx_runtime(folder / "today.onnx", small)
print("as by hand:          ", np.allclose(result, by_hand, atol=1e-3))
print("as the old file gave:", np.allclose(result, as_it_was, atol=1e-3))

# %% [markdown]
# ## A wrong answer
#
# Last, the promised catch. Keras has a `GroupNormalization`, which normalises groups of channels. With
# groups of one channel it *is* instance normalization: `GroupNormalization(groups=-1)`. If you have no
# layer of your own, you will use it and let a converter write the file. What the converter writes,
# after Keras's own code: channels last, the channels split into groups on an axis of their own, means
# over rows, columns and the rest of the group, and all the way back. Let us write our night that way.


# %%
def chain(x, gamma, beta, result):
    """The nodes of GroupNormalization(groups=-1), after a converter's habit."""
    name = f"{result}.{{}}".format
    axes = {"axes": [1, 2, 4], "keepdims": 1}  # rows, columns, channels of the group
    steps = [
        ("Transpose", [x], "channels_last", {"perm": [0, 2, 3, 1]}),
        ("Reshape", [name("channels_last"), name("groups")], "grouped", {}),
        ("ReduceMean", [name("grouped")], "mean", axes),
        ("Sub", [name("grouped"), name("mean")], "centred", {}),
        ("Mul", [name("centred"), name("centred")], "squared", {}),
        ("ReduceMean", [name("squared")], "variance", axes),
        ("Add", [name("variance"), name("epsilon")], "positive", {}),
        ("Sqrt", [name("positive")], "spread", {}),
        ("Div", [name("centred"), name("spread")], "standard", {}),
        ("Mul", [name("standard"), name("gamma")], "scaled", {}),
        ("Add", [name("scaled"), name("beta")], "shifted", {}),
        ("Reshape", [name("shifted"), name("together")], "joined", {}),
    ]
    nodes = [helper.make_node(kind, ins, [name(out)], **how) for kind, ins, out, how in steps]
    nodes.append(helper.make_node("Transpose", [name("joined")], [result], perm=[0, 3, 1, 2]))
    # In a new shape 0 stands for "as it was".
    constants = {
        "groups": np.int64([0, 0, 0, len(gamma), 1]),
        "together": np.int64([0, 0, 0, len(gamma)]),
        "epsilon": np.float32([1e-5]),
        "gamma": gamma.reshape(-1, 1),
        "beta": beta.reshape(-1, 1),
    }
    return nodes, [numpy_helper.from_array(v, name(k)) for k, v in constants.items()]


values = {tensor.name: numpy_helper.to_array(tensor) for tensor in mine.graph.initializer}
nodes = []
for node in mine.graph.node:
    new = [node]
    if node.op_type == "InstanceNormalization":
        x, gamma, beta = node.input
        new, constants = chain(x, values.pop(gamma), values.pop(beta), node.output[0])
        values |= {tensor.name: numpy_helper.to_array(tensor) for tensor in constants}
    nodes += new
weights = [numpy_helper.from_array(array, name) for name, array in values.items()]
graph = helper.make_graph(nodes, "as_groups", mine.graph.input, mine.graph.output, weights)
as_groups = helper.make_model(graph, **VERSIONS)
onnx.checker.check_model(as_groups, full_check=True)
onnx.save(as_groups, folder / "as_groups.onnx")
print(len(kinds(mine)), "nodes have become", len(kinds(as_groups)), "and the checker is content")

# %% [markdown]
# **Question.** ONNX's checker has nothing to say against it, and both runtimes load it without a word.
# Is that enough?

# %%
wrong = by_opencv(folder / "as_groups.onnx", picture)
right = by_onnx_runtime(folder / "as_groups.onnx", picture)
nst.show_images(
    [photo, from_network(right), from_network(wrong)],
    ["a photograph", "by ONNX Runtime", "by OpenCV"],
    columns=3,
    cell=2.9,
    caption="The same file in two programs again. No error, no warning; one of the two pictures is wrong.",
    alt="A cat; a painting of it in blue and yellow; and the painting with much more yellow.",
)

# %%
proof = verify(network, as_groups.SerializeToString(), sizes=[(208, 312)])
print("OpenCV", cv2.__version__)
print("the proof is accepted:", proof.ok)
for result in proof.comparisons:
    if result.difference is None:
        verdict = "refuses"
    elif result.difference < 0.01:
        verdict = "right"
    else:
        verdict = f"off by more than 10 grey levels: {result.difference > 10}"
    print(f"{result.runtime:16}{verdict}")

# %% [markdown]
# That is what the parity check is for: `export` would not have written this file. Which of the nodes is
# it? Cut the graph off after each node in turn, run both halves, and look for the first that differs.
# The first normalization is enough:

# %%
features = np.random.default_rng(0).random((1, 8, 16, 20), dtype=np.float32)
nodes, constants = chain("x", np.ones(8, np.float32), np.zeros(8, np.float32), "y")
whole = helper.make_graph(
    nodes,
    "normalization",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, features.shape)],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, features.shape)],
    constants,
)
shapes = onnx.shape_inference.infer_shapes(helper.make_model(whole, **VERSIONS)).graph
shapes = {value.name: value for value in [*shapes.value_info, *shapes.output]}

for count in range(1, len(nodes) + 1):
    part = nodes[:count]
    used = {name for node in part for name in node.input}
    graph = helper.make_graph(
        part,
        "part",
        whole.input,
        [shapes[part[-1].output[0]]],
        [tensor for tensor in constants if tensor.name in used],
    )
    onnx.save(helper.make_model(graph, **VERSIONS), folder / "part.onnx")
    one, other = (run(folder / "part.onnx", features) for run in (by_onnx_runtime, by_opencv))
    off = np.abs(one - other).max()
    print(f"{count:2} {part[-1].op_type:12}{'agree' if off < 1e-4 else 'DISAGREE'}")

# %% [markdown]
# The third node, the first mean. Everything before it agrees, everything after it inherits the mistake.
# Who is right? A mean over axes 1, 2 and 4 can be computed by NumPy; and by feeding pictures that are 1
# at one place and 0 elsewhere one learns *how often each place is counted*:


# %%
def counted(run, shape, axes):
    """How often a mean over these axes counts each place, for the first value that it gives."""
    kept = [1 if axis in axes else side for axis, side in enumerate(shape)]
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=list(axes), keepdims=1)],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, kept)],
    )
    onnx.save(helper.make_model(graph, **VERSIONS), folder / "mean.onnx")
    places = np.prod([shape[axis] for axis in axes])
    times = []
    for one_hot in np.eye(np.prod(shape), dtype=np.float32):
        first = run(folder / "mean.onnx", one_hot.reshape(shape)).ravel()[0]
        times.append(round(float(places * first)))
    return np.reshape(times, shape)


for name, run in {"ONNX Runtime": by_onnx_runtime, "OpenCV": by_opencv}.items():
    print(f"{name}, for the first of 2 channels, 4 rows by 3 columns:")
    print(counted(run, (1, 4, 3, 2, 1), (1, 2, 4))[0, ..., 0, 0])

# %% [markdown]
# There it is. OpenCV 5.0 reads the first row once, then **the second row three times**, and never sees
# the others: in a mean over these three axes it forgets to go on from row to row. Two rows of a
# photograph have a mean, too, so the result is neither noise nor an error. It is a painting of a cat
# with too much yellow. If you have not seen the right one, you take that for the style.
#
# The cure is not to need it: one `InstanceNormalization` node, which every runtime gets right. And the
# moral is older than networks. **Loading is not running, and running is not being right.**
#
# ## Exercises
#
# ### Exercise 1 · The number behind the proof (10 minutes)
#
# Return the largest difference between two arrays, without its sign. If their shapes differ, or either
# holds a NaN, return infinity. Mind two traps of NumPy: what it does with arrays of *nearly* the same
# shape, and what 1 − 2 is for pixels of type uint8.


# %% tags=["learner"]
def largest_difference(one, other): ...


nst.check("largest_difference", largest_difference)


# %% tags=["solution"]
def largest_difference(one, other):
    if np.shape(one) != np.shape(other):
        return np.inf
    difference = np.abs(np.float64(one) - np.float64(other)).max()
    return np.inf if np.isnan(difference) else difference


nst.check("largest_difference", largest_difference)

# %% [markdown]
# ### Exercise 2 · Any size in, the same size out (15 minutes)
#
# `network` is a function that takes an image (H, W, C) whose sides are multiples of 4, and gives one of
# the same size. Call it for an image of any size: pad below and on the right, by as little as possible,
# with the mirror image in which the border itself is not repeated; run; and cut off what was added.


# %% tags=["learner"]
def pad_run_crop(network, image): ...


nst.check("pad_run_crop", pad_run_crop)


# %% tags=["solution"]
def pad_run_crop(network, image):
    height, width = image.shape[:2]
    below, beside = -height % 4, -width % 4
    padded = np.pad(image, ((0, below), (0, beside), (0, 0)), mode="reflect")
    return network(padded)[:height, :width]


nst.check("pad_run_crop", pad_run_crop)

# %% [markdown]
# ### Exercise 3 · One layer less (30 minutes)
#
# At inference batch normalization is a fixed line for each channel, $\gamma\,(x - \mu) / \sqrt{\sigma^2
# + 10^{-5}} + \beta$, and a line after a convolution is a convolution. So runtimes put the one into the
# other when they load a file. Do it for a 1 × 1 convolution: `weights` (O, I + 1) has a row for each
# output channel, its kernel and in the last column its bias; `gamma`, `beta`, `mean` and `variance` are
# of shape (O,). Return weights of the same shape that do both. (Could you do the same with instance
# normalization?)


# %% tags=["learner"]
def folded_convolution(weights, gamma, beta, mean, variance): ...


nst.check("folded_convolution", folded_convolution)


# %% tags=["solution"]
def folded_convolution(weights, gamma, beta, mean, variance):
    # Not for instance normalization: its mean and variance are not known before the picture is.
    scale = gamma / np.sqrt(variance + 1e-5)
    folded = weights * scale[:, np.newaxis]
    folded[:, -1] += beta - scale * mean
    return folded


nst.check("folded_convolution", folded_convolution)

# %% [markdown]
# ## In this lesson you have
#
# - built a file of two nodes by hand, and had three programs compute its 0 and 3.5;
# - read a real one: its operators' version, its nodes, its weights in half precision, its licence; and
#   brought it back into Keras;
# - written an exporter of six kinds of layers that gives the library's own graph;
# - proved that Keras, ONNX Runtime and both engines of OpenCV agree within 0.01 of 255, at four sizes,
#   two of them awkward;
# - seen what `running_mean` is: tidying in a network with instance normalization, and more than 10 grey
#   levels of damage in one with batch normalization, whose statistics ONNX stores;
# - brought a network for phones over from TensorFlow Lite, channels first;
# - brought retired operators back to life, and checked the result by hand;
# - caught OpenCV 5.0 in a wrong mean that loads, runs and looks like art, and counted how often it reads
#   each row.
#
# ## Further reading
#
# - J. Bai, F. Lu, K. Zhang et al., "ONNX: Open Neural Network Exchange", 2019, and its list of operators.
# - Y. Wu and K. He, "Group normalization", ECCV 2018.
# - S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
#   covariate shift", ICML 2015.
# - P. Jajal et al., "Interoperability in deep learning: a user survey and failure analysis of ONNX model
#   converters", ISSTA 2024: how often converted networks compute something else.
