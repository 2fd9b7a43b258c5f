# %% [markdown]
# # 09 · Fast style networks
#
# After this lesson you can teach a network one style in a minute, and say what each of its parts is
# for. Then it paints any photograph in a single pass.

# %%
import math
import tempfile
import time
from pathlib import Path

import numpy as np
from IPython.display import display

import nstlib as nst
from nstlib import keras, tf
from nstlib.networks.layers import InstanceNormalization
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.training.style import JOHNSON_LAYERS, StyleTrainer, lattice, train_style

cat, coffee = nst.load_image("chelsea", size=384), nst.load_image("coffee", size=384)
mosaic, starry_night = nst.Stylizer("mosaic"), nst.Stylizer("starry_night")
candy, great_wave = nst.Stylizer("candy"), nst.Stylizer("great_wave")

nst.show_images(
    [cat, mosaic(cat), starry_night(cat), coffee, great_wave(coffee), candy(coffee)],
    ["a photograph", "mosaic", "starry_night", "a photograph", "great_wave", "candy"],
    columns=3,
    cell=2.9,
    caption="Four networks that come with the course. Each knows one style, and has never seen these "
    "photographs.",
    alt="A cat as a mosaic and in Van Gogh's strokes; a cup of coffee as a woodcut and in candy colours.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [07 · Faster](07_faster.ipynb) |
# | Time to read | 35 min |
# | Time to run on 2 cores | 1 min |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Count** what an optimiser and a network have to compute for one picture.
# - **Train** a style network, and see it become a style.
# - **Explain** what residual blocks, instance normalization and upsampling are for, each by a small
#   computation.
# - **Use** the networks that come with the course.
# - **Test** a claim about them by measuring.

# %% [markdown]
# ## Why an optimiser is slow and a network is fast
#
# So far each picture was the end of a search: compute a loss, its gradient, take a step, a hundred times
# and more. The next photograph starts from nothing, although the style is the same.
#
# Johnson, Alahi and Fei-Fei (2016) moved the search. This time we look for the weights $\theta$, not
# for the picture $x$: those of a network $f$ that turns a photograph $p$ into its painting, for *all*
# photographs at once:
#
# $$ \underset{x}{\text{smallest}}\ L(x) \qquad\longrightarrow\qquad
#    \underset{\theta}{\text{smallest}}\ \operatorname{mean}_p L\big(f_\theta(p)\big) . $$
#
# The loss $L$ is that of lesson 06. The search takes longer, but it is done once. What remains for each
# photograph is a single pass through $f$. How much less is that? Count multiplications. A convolution
# does, at every position that it gives, one for each number of its kernel:


# %%
def multiplications(network, side):
    """Of all convolutions, for one picture of side × side pixels."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    maps_of = keras.Model(network.input, [layer.output for layer in layers])
    maps = maps_of(np.zeros((1, side, side, 3), np.float32))
    return sum(
        m.shape[1] * m.shape[2] * int(np.prod(layer.kernel.shape))
        for m, layer in zip(maps, layers, strict=True)
    )


image = keras.Input((None, None, 3))
tiny = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
print("one 3 × 3 convolution on 6 × 6 pixels:", multiplications(tiny, 6), "= 4 · 4 · 3 · 3 · 3 · 2")

# %%
lite = TransformerNet(**VARIANTS["lite"])
one_pass = multiplications(lite, 256)

# VGG19's twin is a chain of 3 × 3 convolutions; the losses look as deep as block5_conv1.
chain = [
    f"block{block}_conv{i + 1}" for block, n in enumerate((2, 2, 4, 4, 1), 1) for i in range(n)
]
maps = nst.feature_extractor(chain)(np.zeros((1, 256, 256, 3), np.float32)).values()
channels = [3, *(m.shape[3] for m in maps)]
look = sum(
    m.shape[1] * m.shape[2] * 9 * before * after
    for m, before, after in zip(maps, channels[:-1], channels[1:], strict=True)
)
print(f"one pass through the style network:    {one_pass / 1e9:5.2f} thousand million")
print(f"one look at a picture through the twin: {look / 1e9:4.2f} thousand million")

# %% [markdown]
# A look costs about twice as much as the whole painting. And the optimiser looks a hundred times and
# more, and each time also goes back for the gradient, which costs twice as much again as the way
# forward.

# %%
brushwork = nst.load_image("brushwork")
small_cat = nst.resize(cat, 192)
work, before = 0.0, 0


def count(step):
    """Count evaluations, each by its share of the full size: the coarse ones cost less."""
    global work, before
    work += (step.evaluations - before) * step.image.size / small_cat.size
    before = step.evaluations


began = time.perf_counter()
searched = nst.transfer_style(small_cat, brushwork, callback=count, progress=False)
seconds_searched = time.perf_counter() - began

print("evaluations at full size, or worth as much, more than 50:", work > 50)
print("more than 100 times the multiplications:", 3 * work * look > 100 * one_pass)

# %% [markdown]
# ## Train one
#
# A small network, half a minute, and six photographs. The cat is not among them. Photographs are cut into
# random pieces, so that six of them go a long way; for a network that is to be kept, take a thousand or
# more.

# %%
folder = Path(tempfile.mkdtemp())
photos = []
for name in ("astronaut", "coffee", "rocket", "hubble", "retina", "immunohistochemistry"):
    photos.append(folder / f"{name}.png")
    nst.save_image(nst.load_image(name, size=256), photos[-1])

keras.utils.set_random_seed(0)
network = TransformerNet((16, 32), blocks=3, kernel=5, interpolation="bilinear")
style = nst.load_image("brushwork", size=256)
print(
    f"{network.count_params():,} weights, {multiplications(network, 256) / 1e9:.2f} thousand million"
)

# %% [markdown]
# The loss is that of lesson 06. It compares the *painted* batch with the photographs and the style,
# with two changes. The style is read at layers deeper inside their blocks, as Johnson et al. did. And
# one term is new, `lattice`. Where a photograph is flat, the optimiser had noise to make strokes of; a
# network has nothing but the grid of its own feature maps, and likes to fill the sky with dots in rows
# and columns. The term measures what repeats itself every eight pixels, and makes it expensive.
# Written out once (the network works around 0 while it learns, in [−1, 1]):

# %%
extractor = nst.feature_extractor([*JOHNSON_LAYERS, *nst.CONTENT_LAYERS], padding="replicate")
wanted = extractor(style[np.newaxis])
wanted = {layer: nst.channel_statistics(wanted[layer]) for layer in JOHNSON_LAYERS}
CONTENT, STYLE, LATTICE, STEPS = 1.0, 2.0, 30.0, 400


def loss_of(photos):
    painted = 0.5 + 0.5 * network(2 * photos - 1)
    known, found = extractor(photos), extractor(painted)
    content = nst.content_loss(found, {layer: known[layer] for layer in nst.CONTENT_LAYERS})
    too_bright_or_dark = tf.nn.relu(tf.abs(painted - 0.5) - 0.5)
    return (
        CONTENT * content
        + STYLE * nst.style_loss(found, wanted)
        + 10 * tf.reduce_mean(too_bright_or_dark**2)
        + LATTICE * lattice(painted)
    )


batch = np.stack([nst.resize(nst.load_image(name), (96, 96)) for name in ("coffee", "rocket")])
with tf.GradientTape() as tape:
    loss = loss_of(batch)
gradients = tape.gradient(loss, [weight.value for weight in network.trainable_variables])
print("gradients for", len(gradients), "arrays of weights, by one call")

factors = {"content": CONTENT, "style": STYLE, "lattice": LATTICE}
trainer = StyleTrainer(network, style, factors, keras.optimizers.Adam(), "mini")
print(
    "ours is the library's loss:",
    np.isclose(float(loss), float(trainer.losses(tf.constant(batch))["loss"]), rtol=1e-4),
)

# %% [markdown]
# Adam follows these gradients, batch after batch. Here Adam is at home: every batch is other
# photographs, so the slope changes all the time, and L-BFGS, which trusts its memory of slopes, would be
# misled. Watch:

# %% tags=["nbval-ignore-output"]
reports = []


def shown(picture, step):
    return nst.show_images(
        [small_cat, picture],
        ["the photograph", f"after {step} steps"],
        cell=3.6,
        caption="What the network makes of the cat just now.",
        alt="A cat's face, and what the network makes of it so far.",
    )


screen = display(shown(small_cat, 0), display_id=True)


def watch(report):
    reports.append(report)
    if report.step % 50 == 0:
        screen.update(shown(report.preview, report.step))


train_style(
    style,
    photos,
    network=network,
    size=96,
    steps=STEPS,
    batch=2,
    learning_rate=5e-3,
    content_weight=CONTENT,
    style_weight=STYLE,
    lattice_weight=LATTICE,
    preview=small_cat,
    every=10,
    callback=watch,
)
print(f"{reports[-1].step} steps in {reports[-1].seconds:.0f} s")


# %%
def report_at(step):
    return next(report for report in reports if report.step == step)


stages = [report_at(step) for step in (10, 50, 100, 200, STEPS)]
nst.show_images(
    [small_cat, *(stage.preview for stage in stages)],
    ["the photograph", *(f"after {stage.step} steps" for stage in stages)],
    columns=3,
    cell=2.9,
    caption="The same cat, which the network never trains on. Shapes come first, then the style's "
    "colours, then strokes.",
    alt="A cat's face, and five paintings of it, from a blur to blue and yellow strokes.",
)

# %%
nst.show_curves(
    {
        name: ([r.step for r in reports], [r.terms[name] for r in reports])
        for name in ("content", "style")
    },
    xlabel="steps",
    caption="The two terms during the training, means of 10 steps. They wobble, because every batch is "
    "other photographs.",
    alt="Two falling curves; the style's falls steeply, the content's falls slowly.",
)

# %%
first, last = reports[0].terms["style"], np.mean([r.terms["style"] for r in reports[-5:]])
print("the style loss fell to less than half:", last < first / 2)


# %% [markdown]
# That is a style network. `network` now takes and returns pictures on the 0..255 scale:


# %%
def paint(image, network=network):
    return np.clip(network(255 * image[np.newaxis])[0] / 255, 0, 1)


painted = paint(small_cat)
began = time.perf_counter()
for _ in range(5):
    paint(small_cat)
seconds_painted = (time.perf_counter() - began) / 5

# %% tags=["nbval-ignore-output"]
print(f"searched for: {seconds_searched:.1f} s   one pass: {1000 * seconds_painted:.0f} ms")
print(f"training: {reports[-1].seconds:.0f} s")

# %%
print(
    "the search did more than 50 times the multiplications:",
    3 * work * look > 50 * multiplications(network, 256),
)
nst.show_images(
    [small_cat, searched.image, painted],
    ["the photograph", "searched for", "painted in one pass"],
    columns=3,
    cell=2.9,
    caption="The optimiser's picture has finer strokes, and more of the cat: it was made for this one "
    f"photograph. The network has {network.count_params():,} weights for all of them.",
    alt="A cat's face, and two versions of it in blue and yellow strokes.",
)

# %% [markdown]
# When does the training pay? Exercise 1 asks after how many pictures.
#
# ## Inside: residual blocks
#
# The network goes down to a quarter of the picture's size, works there, and comes back. It works in
# **residual blocks** (He et al. 2016): two convolutions compute not the new features but a *change*,
# which is added to the old ones, $y = x + F(x)$.
#
# Why? Think of one number in ten layers. In a plain chain each multiplies by its slope; with the sum,
# each multiplies by 1 and its slope. At the start of a training slopes are small:

# %%
for slope in (0.1, -0.1):
    print(
        f"slope {slope:+}: ten plain layers {slope**10:.0e}, ten residual ones {(1 + slope) ** 10:.2f}"
    )

# %% [markdown]
# A gradient of $10^{-10}$ teaches nothing to the first layer. With the sum, it arrives. And a block that
# has nothing to add may leave things as they are.
#
# The block's normalization is the next section's subject; here it is in NumPy, TensorFlow does the
# convolutions, and the result is compared with the library's first block:


# %%
def normalized(x, gamma, beta):
    mean = x.mean(axis=(1, 2), keepdims=True)
    variance = x.var(axis=(1, 2), keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


def residual_block(x, weights):
    change = x
    for number, (kernel, bias, gamma, beta) in enumerate(weights):
        change = np.pad(change, [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")
        change = tf.nn.conv2d(change, kernel, 1, "VALID").numpy() + bias
        change = normalized(change, gamma, beta)
        if number == 0:
            change = np.maximum(change, 0)
    return x + change


def weights_of(block):
    return [
        [
            *network.get_layer(f"res{block}.conv{i}.conv2d").get_weights(),
            *network.get_layer(f"res{block}.in{i}").get_weights(),
        ]
        for i in (1, 2)
    ]


inside = keras.Model(
    network.input, [network.get_layer(f"{name}").output for name in ("in3.relu", "res1.add")]
)
before, after = (maps.numpy() for maps in inside(255 * small_cat[np.newaxis]))
ours = residual_block(before, weights_of(1))
print("ours is the library's block:", np.allclose(ours, after, rtol=1e-3, atol=1e-3))

# %% [markdown]
# What do the three blocks add? Switch them off: with both weights of its last normalization at zero, a block
# adds nothing.


# %%
def without(blocks):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    for block in blocks:
        copy.get_layer(f"res{block}.in2").set_weights([np.zeros(32), np.zeros(32)])
    return copy


nst.show_images(
    [paint(small_cat, without(off)) for off in ([1, 2, 3], [2, 3], [3], [])],
    ["no block", "the first", "the first two", "all three"],
    columns=2,
    cell=3.6,
    caption="The same network with some blocks switched off. What stands around the blocks draws "
    "contours; each block brings more of the style.",
    alt="Four versions of a painted cat, from hard black contours to blue and yellow strokes.",
)

# %%
full = paint(small_cat)
off_by = [np.abs(paint(small_cat, without(off)) - full).mean() for off in ([1, 2, 3], [2, 3], [3])]
print("the more blocks, the nearer to the whole network:", off_by == sorted(off_by, reverse=True))

# %% [markdown]
# ## Inside: instance normalization
#
# A painting's contrast is the style's business, not the photograph's: a mosaic of a foggy morning has
# the same bright tiles. So after each convolution the features are normalised. **Instance
# normalization** (Ulyanov et al. 2017) takes mean and variance over the positions of one channel of one
# picture; **batch normalization** (Ioffe and Szegedy 2015) over those of all pictures of the batch, and
# when the training is over, fixed ones that it remembers.
#
# $$ y = \gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta . $$
#
# By hand: two pictures of two pixels, one channel. The second is the first one in fog: a tenth of the
# contrast, and brighter.

# %%
clear_and_foggy = np.array([[1.0, 3.0], [4.9, 5.1]])


def standard(x, axis):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


print("instance:", standard(clear_and_foggy, axis=1).round(2).tolist())
print("batch:   ", standard(clear_and_foggy, axis=(0, 1)).round(2).tolist())

# %% [markdown]
# For instance normalization they are the same picture. Batch normalization keeps the fog, and what it
# makes of the first picture depends on the second.
#
# You have seen it in NumPy, as `normalized`. Here it is in TensorFlow, and from the library:


# %%
def instance_normalization(x, gamma, beta):
    mean, variance = tf.nn.moments(x, axes=(1, 2), keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)


maps = np.random.default_rng(0).normal(5, 3, (2, 6, 7, 4)).astype(np.float32)
gamma, beta = np.float32([1, 2, 3, 4]), np.float32([0, 1, 0, -1])
layer = InstanceNormalization()
layer.build(maps.shape)
layer.set_weights([gamma, beta])
for name, result in {
    "TensorFlow": instance_normalization(maps, gamma, beta),
    "the library": layer(maps),
}.items():
    same = np.allclose(result, normalized(maps, gamma, beta), atol=1e-4)
    print(f"NumPy and {name} agree: {same}")

# %% [markdown]
# Now with the network that you trained. Put batch normalization in the place of instance normalization,
# with the same weights, and let it take its statistics from the six photographs. Then show both a cat
# and a foggy cat.
#
# **Question.** What will the first network, with instance normalization, make of the fog?


# %%
def with_batch_norm(layer):
    if isinstance(layer, InstanceNormalization):
        return keras.layers.BatchNormalization(momentum=0, epsilon=layer.EPSILON, name=layer.name)
    return type(layer).from_config(layer.get_config())


by_batch = keras.models.clone_model(network, clone_function=with_batch_norm)
for old, new in zip(network.layers, by_batch.layers, strict=True):
    statistics = new.get_weights()[2:] if "BatchNorm" in type(new).__name__ else []
    new.set_weights([*old.get_weights(), *statistics])
six = np.stack([nst.resize(nst.load_image(photo), (192, 192)) for photo in photos])
by_batch(255 * six, training=True)  # with a momentum of 0 it remembers exactly this batch

foggy_cat = 0.6 + 0.25 * small_cat
nst.show_images(
    [
        small_cat,
        paint(small_cat),
        paint(small_cat, by_batch),
        foggy_cat,
        paint(foggy_cat),
        paint(foggy_cat, by_batch),
    ],
    ["a cat", "instance", "batch", "in fog", "instance", "batch"],
    columns=3,
    cell=2.9,
    caption="The same weights with instance and with batch normalization. Instance normalization does "
    "not see the fog at all.",
    alt="A cat and a foggy cat: painted alike in the middle column; on the right the foggy one is yellow "
    "all over.",
)


# %%
def fog_matters(network):
    return np.abs(paint(small_cat, network) - paint(foggy_cat, network)).mean()


print("instance: the two paintings differ by less than 0.01:", fog_matters(network) < 0.01)
print("batch: by more than 0.1:", fog_matters(by_batch) > 0.1)

# %% [markdown]
# And exactly so, not nearly: the first convolution is linear, so fog multiplies its output by ¼ and adds
# a constant to each channel, and both are taken away again. (What is left is the $\epsilon$.)
#
# ## Inside: upsampling without a checkerboard
#
# On the way back the features are enlarged. The classic layer for that is the **transposed
# convolution**: every input puts a whole kernel, multiplied by its value, into the output, two places
# further than the one before; where kernels overlap, they are added.


# %%
def transposed_convolution(x, kernel, stride=2):
    y = np.zeros((len(x) - 1) * stride + len(kernel))
    for i, value in enumerate(x):
        y[i * stride : i * stride + len(kernel)] += value * kernel
    return y


def doubled_and_convolved(x, kernel):
    return np.convolve(np.repeat(x, 2), kernel[::-1], mode="valid")


flat, ones = np.ones(4), np.ones(3)
print("transposed:            ", transposed_convolution(flat, ones))
print("doubled, then convolved:", doubled_and_convolved(flat, ones))

layer = keras.layers.Conv1DTranspose(1, 3, strides=2, kernel_initializer="ones")
print("Keras's transposed one: ", layer(flat.reshape(1, 4, 1)).numpy().ravel())

# %% [markdown]
# A flat input, and the transposed convolution makes stripes: 3 is no multiple of 2, so every other place
# is reached by two kernels and its neighbours by one. In two dimensions the stripes cross: a
# **checkerboard** (Odena, Dumoulin and Olah 2016). Repeating each value and then convolving has no such
# places.
#
# **Question.** Two such layers, one after the other, enlarge a picture by four. All kernels are as plain
# as can be, all ones, divided so that the brightness stays. What will you see?


# %%
def enlarged(image, transposed):
    x = image[np.newaxis]
    for _ in range(2):
        kernel = np.zeros((3, 3, 3, 3), np.float32)
        kernel[:, :, range(3), range(3)] = 4 / 9 if transposed else 1 / 9
        if transposed:
            size = [1, 2 * x.shape[1], 2 * x.shape[2], 3]
            x = tf.nn.conv2d_transpose(x, kernel, size, 2, "SAME")
        else:
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.conv2d(
                tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), kernel, 1, "VALID"
            )
    return np.clip(x[0], 0, 1)


face = nst.resize(nst.load_image("astronaut")[40:232, 130:322], (56, 56))
grey = np.full((56, 56, 3), 0.5, np.float32)
crop = np.s_[40:-40, 40:-40]
pictures = [enlarged(x, transposed)[crop] for x in (face, grey) for transposed in (True, False)]
nst.show_images(
    [face[10:-10, 10:-10], *pictures[:2], grey[10:-10, 10:-10], *pictures[2:]],
    ["small", "transposed", "doubled, convolved"] * 2,
    columns=3,
    cell=2.9,
    caption="Enlarged by four by two layers of each kind. The pattern is in the layer, not in the "
    "picture: a plain grey has it, too.",
    alt="A face, the face under a dark grid, the smooth face; a grey square, a grid, a grey square.",
)

# %%
by_transposed, by_doubling = pictures[2:]
print(f"plain grey, transposed: from {by_transposed.min():.2f} to {by_transposed.max():.2f}")
print(f"plain grey, doubled:    from {by_doubling.min():.2f} to {by_doubling.max():.2f}")

# %% [markdown]
# A training may find kernels that cancel the pattern (½, 1, ½ does), but it has to find them, in every
# channel, and mostly does not quite. So the library's full network repeats and convolves. Repeating, too,
# leaves steps, between one pixel's copies and the next one's, which later layers have to smooth. The
# lite networks, yours among them, have no layers left for that, and interpolate instead of repeating.
#
# ## The networks that come with the course
#
# They are larger than yours and saw 1,440 photographs in some five thousand steps. Two of the styles are
# drawn by the library, two are paintings. `nst.Stylizer` runs them without TensorFlow (the next lesson
# says how); it takes a picture of any size. On the command line it is
# `nst stylize photo.jpg -m mosaic -o glass.png`, and `nst train style` trains one.

# %%
astronaut = nst.load_image("astronaut", size=320)
networks = {
    "mosaic": mosaic,
    "candy": candy,
    "starry_night": starry_night,
    "great_wave": great_wave,
}
nst.show_images(
    [run(astronaut) for run in networks.values()],
    [*networks],
    columns=2,
    cell=4.2,
    caption="Four styles. Each network is a file of half a megabyte.",
    alt="An astronaut's portrait as a mosaic, in candy colours, in Van Gogh's strokes, as a woodcut.",
)

# %% tags=["nbval-ignore-output"]
for name, run in networks.items():
    began = time.perf_counter()
    run(astronaut)
    print(f"{name:13} {1000 * (time.perf_counter() - began):4.0f} ms")

# %% [markdown]
# Two knobs remain, and both need no other network. `strength` mixes the painting with the photograph;
# `preserve_colors` gives it back the photograph's colours, by the first of the two ways of lesson 07.

# %%
knobs = {
    "strength=0.4": {"strength": 0.4},
    "strength=0.7": {"strength": 0.7},
    "strength=1": {},
    "preserve_colors=True": {"preserve_colors": True},
}
nst.show_images(
    [great_wave(coffee, **knob) for knob in knobs.values()],
    [*knobs],
    columns=2,
    cell=4.2,
    caption="One network, four answers.",
    alt="A cup of coffee, more and more like a woodcut; and a woodcut in the coffee's own colours.",
)

# %%
half = great_wave(coffee, strength=0.5)
print("strength 0.5 is halfway:", np.allclose(half, (coffee + great_wave(coffee)) / 2, atol=1e-4))

# %%
# Kernels' sides, and how many pixels of the picture lie between neighbours where they work.
lite_layers = [(5, 1), (3, 2), *[(3, 4)] * 10, (3, 2), (5, 1)]
seen = 1 + sum((side - 1) * apart for side, apart in lite_layers)
print(f"one pixel of the painting sees {seen} pixels of the photograph, whatever its size")

# %%
original = nst.load_image("astronaut")
sizes = (128, 256, 512)
by_size = {side: mosaic(nst.resize(original, side)) for side in sizes}
nst.show_images(
    [nst.resize(picture, 512) for picture in by_size.values()],
    [f"painted at {side} pixels" for side in sizes],
    columns=3,
    cell=2.9,
    caption="The same photograph through the same network at three sizes, shown at one.",
    alt="An astronaut's portrait in mosaic tiles: large tiles at 128 pixels, small ones at 512.",
)

# %% [markdown]
# (Besides, every pixel knows the means and spreads of the whole picture, by instance normalization.)
#
# The stones have the same size in pixels each time. So the larger the picture, the *smaller* they are
# within it, and the less of it each of them sees. Now in numbers, for three photographs. How far is the
# painting from the style, by the style loss, at the size of the style that the network was trained on?
# And when both are looked at in one size, 128 pixels, how far is it from the photograph?

# %%
look = extractor(nst.load_image("mosaic", size=704)[np.newaxis])
look = {layer: nst.channel_statistics(look[layer]) for layer in JOHNSON_LAYERS}
from_style, from_photo = {}, {}
print(f"{'':10}{'from the style':^20}  {'from the photograph':^20}")
print(f"{'':10}" + 2 * ("{:>6} {:>6} {:>6}  ".format(*sizes)))
for name in ("astronaut", "coffee", "chelsea"):
    original = nst.load_image(name)
    from_style[name], from_photo[name] = [], []
    for side in sizes:
        photo = nst.resize(original, side)
        painting = mosaic(photo)
        from_style[name].append(float(nst.style_loss(extractor(painting[np.newaxis]), look)))
        small = [nst.resize(picture, (96, 128)) for picture in (painting, photo)]
        from_photo[name].append(float(np.abs(small[0] - small[1]).mean()))
    print(f"{name:10}" + "  ".join(f"{x:6.2f}" for x in from_style[name] + from_photo[name]))

# %%
print(
    "the larger, the nearer to the photograph, each time:",
    all(off[0] > off[1] > off[2] for off in from_photo.values()),
)
print(
    "the larger, the nearer to the style:",
    {name: off[0] > off[1] > off[2] for name, off in from_style.items()},
)

# %% [markdown]
# So the claim does not hold as it stands. By the style loss a larger input brings more style for the
# coffee alone; the portrait and the cat are nearest to the style at 256 pixels. What does hold for all
# three: a larger input keeps more of the photograph, in finer strokes. If you want bold strokes, make
# the photograph *smaller* before it is painted.
#
# What is true about it: from more pixels there are more strokes to be seen.
#
# ## Exercises
#
# ### Exercise 1 · When it pays (5 minutes)
#
# Training takes `training` seconds, once. For a picture the optimiser takes `optimiser` seconds and the
# network `network`. From how many pictures on is the network's way no slower, training and all? Return a
# whole number, and `math.inf` if it never is. Then put in the three times that this lesson measured.


# %% tags=["learner"]
def break_even(training, optimiser, network): ...


nst.check("break_even", break_even)


# %% tags=["solution"]
def break_even(training, optimiser, network):
    if network >= optimiser:
        return math.inf
    return math.ceil(training / (optimiser - network))


nst.check("break_even", break_even)

# %% [markdown]
# ### Exercise 2 · Instance normalization (10 minutes)
#
# Without scrolling up: normalise `features` (B, H, W, C), each channel of each picture by itself, with
# 1e-5 added to the variance; multiply by `gamma` (C,), add `beta` (C,).


# %% tags=["learner"]
def instance_normalization(features, gamma, beta): ...


nst.check("instance_normalization", instance_normalization)


# %% tags=["solution"]
def instance_normalization(features, gamma, beta):
    mean = features.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt(features.var(axis=(1, 2), keepdims=True) + 1e-5)
    return gamma * (features - mean) / spread + beta


nst.check("instance_normalization", instance_normalization)

# %% [markdown]
# ### Exercise 3 · Will it leave a checkerboard? (15 minutes)
#
# For a transposed convolution in one dimension, count how many inputs reach each output. `length` inputs;
# each puts a kernel of size `kernel` into the output, `stride` further than the one before. Don't cut
# the ends. When you have it, try kernels of 2 to 6 with a stride of 2: which ones are even, but for
# their ends?


# %% tags=["learner"]
def overlaps(kernel, stride, length): ...


nst.check("overlaps", overlaps)


# %% tags=["solution"]
def overlaps(kernel, stride, length):
    counts = np.zeros((length - 1) * stride + kernel, int)
    for i in range(length):
        counts[i * stride : i * stride + kernel] += 1
    return counts


nst.check("overlaps", overlaps)

# %% [markdown]
# ### Exercise 4 · The same thing after all (30 minutes)
#
# Repeating and then convolving is itself a transposed convolution with a stride of 2. With which kernel?
# `kernel` (K,) belongs to the convolution, as networks compute it: it slides over the repeated values
# without being turned round, as in `doubled_and_convolved`. Return the K + 1 numbers that a single input
# of 1 puts into the output, in the order of the outputs. (Draw it for K = 3. Why can there be no
# checkerboard?)


# %% tags=["learner"]
def transposed_kernel(kernel): ...


nst.check("transposed_kernel", transposed_kernel)


# %% tags=["solution"]
def transposed_kernel(kernel):
    # The last number of the kernel is the first to meet the input. There are two copies of it.
    turned = kernel[::-1]
    return np.append(turned, 0) + np.append(0, turned)


nst.check("transposed_kernel", transposed_kernel)

# %% [markdown]
# ## In this lesson you have
#
# - counted multiplications: one pass costs less than one look of the optimiser, which needs more than a
#   hundred times as many for a picture;
# - trained a network of 67,683 weights, and watched it become a style on a cat that it had never seen;
# - computed a residual block yourself, equal to the library's, and switched blocks off;
# - computed instance normalization three times, and shown two cats that are the same to it and not to
#   batch normalization: one of them in fog;
# - seen a transposed convolution put a checkerboard, from 0.10 to 0.89, on plain grey, where repeating
#   and convolving leaves it at 0.50;
# - used the four networks that come with the course, at any strength;
# - tested a claim at three sizes: a larger input does not take on more style. It keeps more of the
#   photograph, in finer strokes.
#
# ## Further reading
#
# - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
#   super-resolution", ECCV 2016.
# - D. Ulyanov, V. Lebedev, A. Vedaldi and V. Lempitsky, "Texture networks: feed-forward synthesis of
#   textures and stylized images", ICML 2016: the same idea at the same time.
# - D. Ulyanov, A. Vedaldi and V. Lempitsky, "Improved texture networks: maximizing quality and diversity
#   in feed-forward stylization and texture synthesis", CVPR 2017: instance normalization.
# - S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
#   covariate shift", ICML 2015.
# - K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016.
# - A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
# - V. Dumoulin, J. Shlens and M. Kudlur, "A learned representation for artistic style", ICLR 2017: many
#   styles in one network, which differ in the weights of the normalizations alone.
