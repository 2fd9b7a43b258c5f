# %% [markdown]
# # 02 · Features: what a network sees
#
# After this lesson you can open a trained network, look at a picture through any of its layers, say how far
# each layer sees, and test what somebody says that a channel "means".

# %%
import matplotlib as mpl
import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.vgg import vgg19_blocks
from nstlib.features import extractor_of
from nstlib.vgg19 import build_vgg19, default_weights, pooling_of, vgg19_with

cat = nst.load_image("chelsea", size=288)
network = nst.feature_extractor(nst.STYLE_LAYERS)
features = {layer: maps[0].numpy() for layer, maps in network(cat[np.newaxis]).items()}


def in_colour(responses, top):
    """Black for 0, through purple and orange to pale yellow for `top` and more."""
    return mpl.colormaps["magma"](np.clip(responses / top, 0, 1))[..., :3]


panels, titles = [cat], ["what the network gets"]
for layer, maps in features.items():
    channel = maps.mean(axis=(0, 1)).argmax()  # the one that responds most, on average
    response = maps[..., channel]
    panels.append(in_colour(response, response.max()))
    titles.append(f"{layer}, channel {channel}: 0 to {response.max():.1f}")
show_rows(
    panels[:3],
    panels[3:],
    titles=titles,
    height=2.0,
    alt="A cat, and five maps of it in black, purple and yellow: her whole face, brightest at the nose; her outlines in fine lines; "
    "broken strokes, blocks, and at last a coarse mosaic of twelve by eighteen squares.",
)

# %% [markdown]
# *A cat, and one channel of each of five layers: how strongly it responds at each place. An average
# response is between 0.7 and 1 in every layer. Each panel has its own scale, from black for 0 to pale yellow for the
# number in its title. The maps get smaller from layer to layer; they are drawn equally large.*
#
# | | |
# | --- | --- |
# | Prerequisites | [00 · Images as arrays](00_images_as_arrays.ipynb), [01 · The mathematics you need](01_mathematics.ipynb) |
# | Time to read | 40 min; exercises 65 min |
# | Time to run on 2 cores | 40 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Name** VGG19's layers, count their parameters, and write one out in NumPy.
# - **Prepare** a picture for it, and know which mistakes nobody will report.
# - **Predict** how many pixels a feature sees, and measure it.
# - **Test** what a channel responds to, instead of naming it after one picture.
# - **Compare** trained with random weights, with all channels and more than one draw.

# %% [markdown]
# ## VGG19
#
# In 2014 Karen Simonyan and Andrew Zisserman trained a network to tell a thousand kinds of things
# apart in photographs. It has sixteen [convolutions](glossary.md#convolution) in five blocks, all with
# [kernels](glossary.md#kernel) of 3 × 3, zero [padding](glossary.md#padding) and [ReLU](glossary.md#ReLU),
# and a [pooling](glossary.md#pooling) step after each block. Three [dense layers](glossary.md#dense-layer)
# behind them name what is in the picture. Style transfer throws those three away, as HyunMin Kim's tutorial
# does, and keeps what comes before.

# %%
vgg19_blocks()

# %% [markdown]
# *[VGG19](glossary.md#VGG19)'s convolutions, and below each block a picture of 224 × 224 pixels: the orange
# square is what one feature of the block's first [layer](glossary.md#layer) (orange) sees of it. These five
# are the layers that describe a style here and in Kim's tutorial. The names are Keras's: `block3_conv1` is
# the first convolution of the third block.*
#
# **Question.** Keras says that `block1_conv2` has 36,928 [parameters](glossary.md#parameter). Where do they
# come from?
#
# - **a** 3 · 3 · 64 + 64
# - **b** 3 · 3 · 64 · 64 + 64
# - **c** 3 · 3 · 64 · 64
# - **d** 3 · 3 · 3 · 64 + 64

# %% tags=["learner"]
nst.check("where_from", ...)

# %% tags=["solution"]
nst.check("where_from", "b")

# %% jupyter={"outputs_hidden": true}
vgg19, twin = build_vgg19(), vgg19_with(default_weights())
print("layer          VGG19: channels, parameters      the twin's")
for layer in nst.STYLE_LAYERS:
    full, small = vgg19.get_layer(layer), twin.get_layer(layer)
    print(
        f"{layer} {full.filters:10} {full.count_params():12,} {small.filters:9} {small.count_params():9,}"
    )
print(f"all sixteen {vgg19.count_params():23,} {twin.count_params():19,}")

# %% [markdown]
# Twenty million parameters, 80 MB. This course works with a **[small twin](glossary.md#small-twin)** that
# comes with it: the same layers under the same names, with fewer channels, and pooling by means. VGG19 taught
# it to see what VGG19 sees; its card, in `models/`, says how. `weights="imagenet"` gives you Keras's VGG19,
# in every function of the course, if you are online once.
#
# ## Preparing a picture
#
# VGG19 was trained with the library [Caffe](glossary.md#Caffe), on OpenCV's pixels. So it expects
# **[BGR](glossary.md#BGR)**, from 0 to 255, minus the mean colour of its training photos. This
# **[preprocessing](glossary.md#preprocessing)** is done by Keras's `preprocess_input`. It wants 0 to 255, and
# Kim's tutorial does multiply by 255 first. `nst.feature_extractor` contains this step, so that you can hand
# it RGB in [0, 1].

# %%
import keras

prepared = keras.applications.vgg19.preprocess_input(255 * cat.copy())
print("a pixel, RGB in [0, 1]:          ", cat[100, 100].round(3))
print("the same, prepared for VGG19:    ", prepared[100, 100].round(1))

# %% [markdown]
# Now you can write out a whole layer, from lesson 01's pieces: zero padding, windows, a sum for
# each kernel, the bias, ReLU. (The zeros are added after the preparation, which has subtracted the mean
# colour. So what VGG19 finds beyond the border is the mean colour, a grey, and not black.)


# %%
def layer_of(x, kernel, bias):
    """(H, W, channels in) → (H, W, channels out)."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    # A window is (channels, rows, columns), a kernel (rows, columns, channels in, channels out).
    return np.maximum(np.tensordot(windows, kernel, axes=([3, 4, 2], [0, 1, 2])) + bias, 0)


kernel, bias = twin.get_layer("block1_conv1").get_weights()
print("image", prepared.shape, "· kernels", kernel.shape, "+ biases", bias.shape, "→", end=" ")
print("features", layer_of(prepared, kernel, bias).shape)
ours = features["block1_conv1"]
# If any wrong layer came as close, the first line would prove nothing.
for what, other in {
    "written out": layer_of(prepared, kernel, bias),
    "without the biases": layer_of(prepared, kernel, 0),
    "kernels upside down": layer_of(prepared, kernel[::-1], bias),
    "red and blue exchanged": layer_of(prepared[..., ::-1], kernel, bias),
}.items():
    off = np.abs(other - ours).max()
    print(
        f"{what:24} largest difference from Keras: {'below 0.001' if off < 0.001 else f'{off:.1f}'}"
    )

# %% [markdown]
# **Question.** Two mistakes are common: BGR in place of RGB, and dividing by 255 once too often. Which one
# changes the features more? (The distance of the features is measured by the [norm](glossary.md#norm), the
# length, of their difference, divided by that of the features.)
#
# - **a** red and blue exchanged
# - **b** the picture divided by 255 twice
# - **c** neither: both raise an error
# - **d** neither: a network corrects such things

# %% tags=["learner"]
nst.check("worse_mistake", ...)

# %% tags=["solution"]
nst.check("worse_mistake", "b")

# %% jupyter={"outputs_hidden": true}
import tensorflow as tf

noise = np.random.default_rng(0).normal(0, 1 / 255, cat.shape)
black = np.zeros_like(cat)


def change(image, reference=cat):
    """How far an image's features are from a reference's: 1 is as far as if all were zero."""
    found, wanted = (network(np.float32(x)[np.newaxis]) for x in (image, reference))
    return [
        float(tf.norm(found[layer] - wanted[layer]) / tf.norm(wanted[layer]))
        for layer in nst.STYLE_LAYERS
    ]


changes = {
    "noise of one level of 255 (control)": change(np.clip(cat + noise, 0, 1)),
    "red and blue exchanged": change(cat[..., ::-1]),
    "divided by 255 twice": change(cat / 255),
    "plain black instead of the cat": change(black),
    "divided twice, compared with black": change(cat / 255, black),
}
print("change of the features at block       1    2    3    4    5")
for what, values in changes.items():
    # A harmless change shows what "hardly anything" is. If the scale were blind, all lines would be alike.
    print(f"{what:36}", *(f"{value:4.1f}" for value in values))
sizes = [
    [float(tf.norm(m)) for m in network(np.float32(x)[np.newaxis]).values()] for x in (black, cat)
]
print(
    f"{'size of the features, black / cat':36}",
    *(f"{a / b:4.1f}" for a, b in zip(*sizes, strict=True)),
)

# %% [markdown]
# <details><summary>What happened</summary>
#
# Lines three to five belong together. A picture that was divided twice is as far from the cat as plain black
# is, and its distance from black is 0.0: **the network describes black.** On this scale 1 means "as far as if
# all features were zero". Block 1 is at 2.0, because black isn't silence: by the last line it makes the features of
# block 1 twice as large as the cat does.
#
# </details>
#
# Can the library catch these mistakes? It checks the range of every image:

# %%
for what, image in {
    "cat": cat,
    "cat / 255": cat / 255,
    "cat[..., ::-1]": cat[..., ::-1],
    "255 * cat": 255 * cat,
}.items():
    try:
        nst.check_image(image)
        print(f"{what:15} accepted")
    except nst.NstError as error:
        print(f"{what:15} refused: {str(error)[:60]} ...")

# %% [markdown]
# It refuses what can't be right, and 0 to 255 can't. But a picture between 0 and 0.004 is allowed: it might be
# a photograph taken at night. **A check of the range doesn't find the worse mistake.** Look at what you feed
# to a network, or at least print its mean.
#
# ## How far a layer sees
#
# In lesson 01 you counted a [receptive field](glossary.md#receptive-field): each kernel of $k$ adds $k - 1$
# times the distance of neighbours, and each pooling doubles that distance. VGG19 begins like this:
#
# | layer | adds | sees | distance of neighbours |
# | --- | --- | --- | --- |
# | `block1_conv1` | 2 · 1 | 3 | 1 |
# | `block1_conv2` | 2 · 1 | 5 | 1 |
# | `block1_pool` | 1 · 1 | 6 | 2 |
# | `block2_conv1` | 2 · 2 | 10 | 2 |
#
# Go on, and you get the numbers of the drawing: 3, 10, 24, 68, 156. Is it true? Ask the network. The
# [gradient](glossary.md#gradient) of one feature with respect to the *image* says how much each pixel counts,
# and it is zero where the feature doesn't see.

# %%
side = 193
noise = tf.constant(np.random.default_rng(0).random((1, side, side, 3), dtype=np.float32))
seen = {}
for layer in nst.STYLE_LAYERS:
    with tf.GradientTape() as tape:
        tape.watch(noise)  # a constant is not recorded unless we ask for it
        maps = network(noise)[layer]
        middle = tf.reduce_sum(maps[0, maps.shape[1] // 2, maps.shape[2] // 2])
    seen[layer] = np.abs(tape.gradient(middle, noise)[0]).sum(axis=2)

predicted, measured = [3, 10, 24, 68, 156], []
print("layer          predicted   measured: rows × columns with a gradient")
for (layer, counts), pixels in zip(seen.items(), predicted, strict=True):
    rows, columns = (np.ptp(np.flatnonzero(counts.any(axis=axis))) + 1 for axis in (1, 0))
    measured.append(rows)
    # If the window were larger or smaller than we counted, the numbers would differ.
    print(f"{layer} {pixels:9} {rows:11} × {columns}")

# %% jupyter={"source_hidden": true}
assert measured == predicted
assert np.all(np.array(changes["divided by 255 twice"]) > changes["red and blue exchanged"])

# %%
show_rows(
    [in_colour(np.sqrt(counts), np.sqrt(counts.max())) for counts in seen.values()],
    titles=[layer.replace("_conv1", "") for layer in seen],
    height=1.72,
    alt="Five black squares with a bright spot in the middle, growing from a dot to a round cloud that "
    "fills most of the square and fades towards its edge.",
)

# %% [markdown]
# *What the middle feature of each layer sees in a picture of 193 × 193 pixels. Bright is where a pixel
# counts; each panel is scaled to its own largest value, and the root is drawn, to show faint parts.*
#
# The middle counts most, because many paths lead from there to the feature, and few from the edge.
#
# **Question.** A feature of `block5_conv1` sees 156 × 156 pixels. How wide is the window in the middle that
# holds nine tenths of its gradient?
#
# - **a** about 148 pixels, nine tenths of 156 squared
# - **b** about 90 pixels
# - **c** about 20 pixels

# %% tags=["learner"]
nst.check("nine_tenths", ...)

# %% tags=["solution"]
nst.check("nine_tenths", "b")

# %% jupyter={"outputs_hidden": true}
print("layer          sees   nine tenths of the gradient lie within")
for layer, counts in seen.items():
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    y, x = rows.mean().astype(int), columns.mean().astype(int)
    # If all pixels counted alike, 156 would become 148.
    for half in range(side):
        window = counts[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        if window.sum() >= 0.9 * counts.sum():
            break
    print(f"{layer} {np.ptp(rows) + 1:5} {2 * half + 1:8}")

# %% [markdown]
# Luo et al. (2016) found that in general, and called it the *effective* receptive field. So a layer decides
# at which **[scale](glossary.md#scale)** it describes a picture: `block1_conv1` knows colours and the finest
# edges; `block5_conv1` sees things as large as a face. But as large as *which* face? That depends on the
# picture:

# %% jupyter={"source_hidden": true}
FIELDS = {24: (1, 0.85, 0), 68: (1, 0.35, 0), 156: (0, 0.75, 1)}  # of block 3, 4 and 5


def framed(size):
    """The cat at this size, enlarged again, with the fields of view that fit into the picture."""
    picture = nst.resize(nst.resize(cat, size), (320, 480)).copy()
    for field, colour in FIELDS.items():
        half = round(field * 240 / size)
        if half <= 150:
            frame = picture[155 - half : 155 + half, 220 - half : 220 + half]
            frame[:4] = frame[-4:] = frame[:, :4] = frame[:, -4:] = colour
    return picture


show_rows(
    [framed(size) for size in (288, 144, 72)],
    titles=["288 pixels wide", "144", "72"],
    height=2.1,
    alt="The cat three times, blurred from left to right. Left: a small frame at the inner corner of her eye, one "
    "around eye and nose, and a blue one around her face. Middle: the small frame has doubled, and the orange "
    "one holds her face. Right: only the small frame, from her eye to her nose.",
)

# %% [markdown]
# *The same cat, as the network gets her: yellow what one feature of `block3_conv1` sees, orange
# `block4_conv1`, blue `block5_conv1`. A frame that is missing is larger than the picture. At 288 pixels it
# takes block 5 to see her face; at 144 pixels block 4 sees nearly as much of it.*
#
# So if you halve the picture, a layer sees six to nine tenths as far as the next block did before, and the
# whole network has a quarter of the work. Lesson 04 makes use of that, and goes from coarse to fine.
#
# ## What is a channel looking for?
#
# Channel 88 of the twin's `block5_conv1` has two bright spots in the picture of the cat, one at each eye:

# %%
CHANNEL = 88


def response_of(image):
    return nst.feature_extractor(["block5_conv1"])(image[np.newaxis])["block5_conv1"][
        0, ..., CHANNEL
    ].numpy()


show_rows(
    [cat, in_colour(response_of(cat), 86)],
    titles=["a cat", "channel 88 of block5_conv1, black 0, pale yellow 86"],
    height=2.9,
    alt="A cat, and a map of twelve by eighteen squares, all dark but for two spots where her eyes are.",
)

# %% [markdown]
# An eye detector! So it seems. Remember the habit from lesson 00: what would we see if it were not so? One
# picture can't say. So here are others.
#
# **Question.** Where in the astronaut's portrait, 288 pixels wide, will this channel respond most?
#
# - **a** at her eyes
# - **b** nowhere: she is no cat
# - **c** at something round on her suit
# - **d** at the stars of the flag

# %% tags=["learner"]
nst.check("whose_eyes", ...)

# %% tags=["solution"]
nst.check("whose_eyes", "c")

# %% jupyter={"outputs_hidden": true}
print("Where channel 88 responds most, in an orange frame, and how strongly:")
pictures = {
    "the cat": cat,
    "the astronaut": nst.load_image("astronaut", size=288),
    "her face alone": nst.resize(nst.load_image("astronaut")[60:220, 150:310], 288),
    "a cup of coffee": nst.load_image("coffee", size=288),
    "stars": nst.load_image("hubble", size=331)[:288, :288],
    "shards": nst.load_image("shards", size=288),
}
titles = []
for name, picture in pictures.items():
    found = response_of(picture)
    row, column = np.unravel_index(found.argmax(), found.shape)
    titles.append(f"{name}: {found.max():.0f}")
    print(titles[-1])
    # A feature's middle lies at 16 · row + 8; this channel looks a little above and right of that.
    top, left = max(0, 16 * row - 46), max(0, 16 * column - 26)
    pictures[name] = picture.copy()
    frame = pictures[name][top : top + 80, left : left + 80]
    frame[:3] = frame[-3:] = frame[:, :3] = frame[:, -3:] = (1, 0.45, 0)
# If size were not the reason, her eyes would get as much in the portrait as in her face alone.
eyes = response_of(nst.load_image("astronaut", size=288))[3:6, 6:10].max()
print(f"at her eyes in the portrait: {eyes:.0f}")
show_rows(
    list(pictures.values())[:3],
    list(pictures.values())[3:],
    titles=titles,
    height=2.8,
    alt="A cat with a frame around her eye; an astronaut with a frame around the round badge on her suit; her "
    "face, with a frame around an eye; a cup of coffee with a frame around the bowl of the spoon; a sky of "
    "small stars with a frame around the largest pale disc; angular shards with a frame at the lower edge.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# In the first four pictures it picked something round with a dark rim and light inside: an eye, a badge, the bowl
# of a spoon. In the portrait her eyes are too small to show that, and get 20; where her face fills the picture they
# get 44. The stars and the shards are the control: both are full of edges, and both leave it nearly silent, so
# it isn't simply loud everywhere. The name "eye detector" came from a single picture. Olah et al. (2017, 2020)
# test such names with many pictures, and with pictures made for the purpose. So will you in Exercise 4.
#
# </details>
#
# **Question.** Now the same cat at five sizes: 451, 288, 216, 144 and 72 pixels wide. When does the channel
# respond most?
#
# - **a** always alike: it is the same cat
# - **b** at 451 pixels: there is most detail
# - **c** somewhere in between
# - **d** at 72 pixels: there it sees the whole head

# %% tags=["learner"]
nst.check("smaller_cat", ...)

# %% tags=["solution"]
nst.check("smaller_cat", "c")

# %% jupyter={"outputs_hidden": true}
large = nst.load_image("chelsea")
print("width of the cat          ", *(f"{size:5}" for size in (451, 288, 216, 144, 72)))
sizes = [nst.resize(large, size) for size in (451, 288, 216, 144, 72)]
eyes = [response_of(picture).max() for picture in sizes]
colours = [network(p[np.newaxis])["block1_conv1"][0, ..., 0].numpy().max() for p in sizes]
# A channel that didn't care about size would show a flat line, as one of block 1 nearly does.
print("channel 88 of block5_conv1", *(f"{value:5.0f}" for value in eyes))
print("channel 0 of block1_conv1 ", *(f"{value:5.1f}" for value in colours))

# %% [markdown]
# <details><summary>What the table says</summary>
#
# A feature has a size. It responds most to an eye of some 30 pixels, and to larger and smaller ones less and less.
# If the things in your picture are larger or smaller than those that a layer knows, it doesn't find them.
#
# </details>
#
# The size of pictures will matter a lot in this course.
#
# ### Pictures for a channel
#
# And the other way round: which picture makes a channel respond most? Start from faint noise, and follow
# the gradient to the image, this time **uphill**. It is lesson 01's loop, with two additions: the gradient
# is smoothed by a mean over 3 × 3 pixels, and divided by its size, so that each step moves pixels by about 0.02.
# (Mordvintsev, Olah and Tyka let whole photographs dream like this in 2015.)


# %%
def favourites(layer, count=3, side=128, steps=40):
    """A picture for each of the layer's loudest channels, and how each channel responds to each."""
    model = nst.feature_extractor([layer])
    start = np.random.default_rng(0).normal(0.5, 0.1, (count, side, side, 3))
    image = tf.Variable(start.astype(np.float32))
    loudest = np.argsort(-features[layer].mean(axis=(0, 1)))
    at_start = model(image)[layer].numpy().mean(axis=(1, 2)).min(axis=0)
    loudest = loudest[at_start[loudest] > 0][:count]  # a silent channel has no slope to climb

    @tf.function
    def climb():
        with tf.GradientTape() as tape:
            responses = tf.reduce_mean(model(image)[layer], axis=(1, 2))  # (pictures, channels)
            responses = tf.gather(responses, loudest, axis=1)
            own = tf.linalg.diag_part(responses)  # the first channel for the first picture ...
        slope = tf.nn.avg_pool2d(tape.gradient(own, image), 3, 1, "SAME")
        size = tf.sqrt(tf.reduce_mean(slope**2, axis=(1, 2, 3), keepdims=True))
        image.assign(tf.clip_by_value(image + 0.02 * slope / (size + 1e-12), 0, 1))
        return responses

    for _ in range(steps):
        responses = climb()
    return image.numpy(), responses.numpy()


liked = {layer: favourites(layer) for layer in ("block2_conv1", "block5_conv1")}

# %% tags=["nbval-ignore-output"]
# If the pictures suited any channel, the second number would be 1 in each line.
for layer, (_, responses) in liked.items():
    share = responses / np.diag(responses)  # by columns: each channel, relative to its own picture
    mean = (share.sum() - len(share)) / (share.size - len(share))
    print(f"{layer}: each channel's response to its own picture 1, to the others' {mean:.1f}")
    assert mean < 1

# %%
show_rows(
    *[list(images) for images, _ in liked.values()],
    height=2.7,
    alt="Two rows of three pictures in glaring colours. Top: stripes and hatching a few pixels wide. Bottom: "
    "larger swirls and spots in a tangle of lines.",
)

# %% [markdown]
# *Pictures of 128 × 128 pixels, each made for one channel: three of `block2_conv1` (top), three of `block5_conv1`
# (bottom). The deeper layer's patterns have larger parts. A pattern may come up again and again, anywhere, because
# we asked for the mean over all places. In the last picture most of it lies along the rim: that channel likes the edge
# that zero padding draws there.*
#
# ## What does training add?
#
# Kernels drawn at random respond to a cat, too. To see what [training](glossary.md#training) adds, the
# **control** must differ from the twin in nothing else: the same layers, as many channels, pooling by means.
# We draw five such networks. (Their kernels are drawn by He's rule: with a variance of 2 over the number of
# inputs, sizes stay about the same from layer to layer.)

# %%
widths = [layer.filters for layer in twin.layers if layer.weights]
layer = "block3_conv1"
maps_of = {"the twin": features[layer]}
for seed in range(5):
    keras.utils.set_random_seed(seed)
    drawn = extractor_of(build_vgg19(widths, pooling_of(twin)), (layer,))
    maps_of[f"random, draw {seed + 1}"] = drawn(cat[np.newaxis])[layer][0].numpy()


def correlations(maps, which):
    flat = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    flat = flat[:, flat.std(axis=0) > 0]  # a silent channel has no correlation
    chosen = np.argsort(-flat.mean(axis=0))[:which]
    return np.corrcoef(flat[:, chosen], rowvar=False)


print("mean |correlation| of two of the 16 loudest channels")
for name, maps in maps_of.items():
    r = correlations(maps, 16)
    print(f"{name:16} {np.abs(r[np.triu_indices(16, 1)]).mean():.1f}")

# %% [markdown]
# "So random channels are all alike, and training makes them different." This sentence once stood in this lesson,
# and it was a mistake: nobody had asked about the other 48 channels.
#
# **Question.** Take *all* channels that are not silent, and again the mean of $|r|$ over all pairs. What happens to
# the gap between random and trained?
#
# - **a** it stays as it is
# - **b** it gets much smaller
# - **c** it is gone in every draw

# %% tags=["learner"]
nst.check("all_channels", ...)

# %% tags=["solution"]
nst.check("all_channels", "b")

# %% jupyter={"outputs_hidden": true}
print("network          channels   mean |r|   directions that count")
for name, maps in maps_of.items():
    r = correlations(maps, None)
    count = len(r)
    directions = count**2 / (r**2).sum()  # (sum of eigenvalues)² / sum of squared eigenvalues
    # If training made no difference, the twin would lie among the five draws.
    print(
        f"{name:16} {count:8} {np.abs(r[np.triu_indices(count, 1)]).mean():10.2f} {directions:12.0f}"
    )

# %% [markdown]
# <details><summary>What the table says</summary>
#
# The last column is the **[participation ratio](glossary.md#participation-ratio)** of the correlation
# matrix's [eigenvalues](glossary.md#eigenvalue): the number of directions among which the variance is shared.
# It would be 64 if no two channels were correlated, and 1 if all were the same.
#
# By the mean of |r| the gap is small now: the twin's channels are a little less alike than those of the best random
# draw, and the draws differ more among themselves than the best one differs from the twin. By the last column it
# isn't: they use half as many directions again as the best draw. One table, two measures, two answers. And it is
# one twin and one picture, so it isn't a law.
#
# </details>
#
# What does such a difference mean for *pictures*? Nothing follows from this table. Ustyuzhaninov et al. (2016)
# made textures with a single layer of random kernels, and found them sometimes as good as the state of the art
# of the time, or better, though less varied. He, Wang and Hopcroft (2016) call textures through a random VGG almost
# indistinguishable from those through the trained one, and from the original. Lesson 04 makes textures both ways,
# and you will judge.
#
# ### VGG19 itself
#
# If the twin has learned what VGG19 sees, then for each channel of VGG19 it should have one that looks
# like it. [Random weights](glossary.md#random-weights) of the same shape are the control: among hundreds of
# channels *some* one is always similar.
#
# ![Maps of a cat: six channels of VGG19 at two layers, and below each its likeness in the twin and among random channels](figures/vgg19_features.jpg)
#
# *VGG19's six most active channels at two layers, and below each the most similar channel of the twin and of a
# random network, with their [correlation](glossary.md#correlation). Black is 0; each panel is scaled to its
# own largest responses. The last column at block5 is our "eye detector". (`python benchmarks/vgg19.py features`
# makes this picture.)*
#
# Over *all* of VGG19's channels the median is 0.53 at `block3_conv1` and 0.64 at `block5_conv1` for the twin,
# and 0.25 and 0.34 for random weights. So the twin's channels are far more like VGG19's than chance would make
# them, which is what it was trained for.
#
# What the small twin **lacks**:
#
# - It has a quarter to three quarters of VGG19's channels. What VGG19 tells apart, the twin may confuse.
# - It saw a few thousand photographs and paintings, VGG19 more than a million photographs of
#   [ImageNet](glossary.md#ImageNet).
# - It has learned least of what VGG19's deepest layers say: the card in `models/` has the figures for each layer.
# - It has no [classifier](glossary.md#classifier), so it can't name anything.
#
# In return it needs no download, and far fewer multiplications. To run this lesson with VGG19 itself, set the
# environment variable `NSTLIB_WEIGHTS=imagenet` (the number 88 then means another channel).
#
# ## Exercises
#
# The hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · And back again (10 minutes)
#
# Take what VGG19 gets, BGR in 0..255 minus (103.939, 116.779, 123.68), and give back RGB in [0, 1]. Then find
# a picture for which it would make no difference if you forgot to reverse the channels. For this picture, are
# the three numbers of a pixel equal in what VGG19 gets?
#
# <details><summary>Hint 1</summary>Undo the steps, the last one first.</details>
# <details><summary>Hint 2</summary>The means are in BGR order and in 0..255.</details>
# <details><summary>Hint 3</summary>Add, divide by 255, reverse the last axis.</details>


# %% tags=["learner"]
def undo_preprocessing(pixels): ...


nst.check("undo_preprocessing", undo_preprocessing)


# %% tags=["solution"]
def undo_preprocessing(pixels):
    bgr = (pixels + np.array([103.939, 116.779, 123.68])) / 255
    return bgr[..., ::-1]


nst.check("undo_preprocessing", undo_preprocessing)

# %% [markdown] tags=["solution"]
# Any picture whose red equals its blue: every grey one, but also plain green or magenta. The three numbers that VGG19
# gets are never all equal then: blue and red differ by 123.68 − 103.939 = 19.741, because different means were subtracted.

# %% [markdown]
# ### Exercise 2 · The receptive field of any network (20 minutes)
#
# Given a list of (kernel, [stride](glossary.md#stride)) from the first layer to the last, return how many
# pixels one feature of the last layer sees. Before you write it, work two out by hand: a network that begins
# with a kernel of 7 and a stride of 2, followed by a kernel of 3; and the same two in the other order. Why do
# they differ?
#
# <details><summary>Hint 1</summary>Keep two numbers: what a feature sees, and how far neighbours are apart.
# </details>
# <details><summary>Hint 2</summary>Before the first layer both are 1.</details>
# <details><summary>Hint 3</summary>Each layer adds (kernel − 1) · distance first, and multiplies the distance by its
# stride afterwards.</details>


# %% tags=["learner"]
def receptive_field(layers): ...


nst.check("receptive_field", receptive_field)


# %% tags=["solution"]
def receptive_field(layers):
    size, distance = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * distance
        distance *= stride
    return size


nst.check("receptive_field", receptive_field)

# %% [markdown] tags=["solution"]
# 7 + 2 · 2 = 11, and 3 + 6 · 1 = 9. A stride makes every *later* kernel see farther, so early strides are
# the cheapest way to a large field, and the price is detail.

# %% [markdown]
# ### Exercise 3 · How much is silent? (15 minutes)
#
# After a ReLU many features are exactly zero. Return the fraction of zeros in an array of features of any
# shape, and try it on `features`. A colleague sees that block 5 has the most, and concludes: "deep features
# are choosy: each responds at few places." Which other explanation gives the same numbers? Find the
# measurement that tells them apart, and make it.
#
# <details><summary>Hint 1</summary>When does a channel give zeros at <i>all</i> places?</details>
# <details><summary>Hint 2</summary>Count the channels that are silent in this picture, and leave them out.</details>
# <details><summary>Hint 3</summary><code>maps[..., maps.max(axis=(0, 1)) > 0]</code></details>


# %% tags=["learner"]
def sparsity(features): ...


nst.check("sparsity", sparsity)


# %% tags=["solution"]
def sparsity(features):
    return float(np.mean(np.asarray(features) == 0))


nst.check("sparsity", sparsity)
print("layer           zeros   silent channels   zeros in the others")
for name, maps in features.items():
    live = maps.max(axis=(0, 1)) > 0
    print(
        f"{name} {sparsity(maps):8.0%} {np.sum(~live):10} of {live.size:3} {sparsity(maps[..., live]):12.0%}"
    )

# %% [markdown] tags=["solution"]
# Channels that are silent in the *whole* picture: dead ones, or ones whose thing isn't there. If they made
# the zeros, the last column would be far below the first. Here hardly any channel is silent, so for this
# network and this picture the colleague's explanation stands. With random weights, or with another picture, it
# need not: look before you conclude. (Lesson 03 leaves silent channels out before it counts.)

# %% [markdown]
# ### Exercise 4 · Give it a name (open, 20 minutes)
#
# Choose a channel of `block4_conv1` or `block5_conv1`, look at where it responds in two pictures, and give it a
# name. Then try to prove yourself wrong: three pictures in which your name predicts a response and three in which
# it predicts none; draw some of them yourself, as arrays. Note the largest response to each. What is the
# shortest description that survives?
#
# <details><summary>Hint 1</summary>Begin with a channel that is silent in much of a picture. One that
# responds everywhere is hard to name.</details>
# <details><summary>Hint 2</summary>Write down what your name rules out. "Eye" rules out a button: draw one.</details>
# <details><summary>Hint 3</summary>Change one property at a time: size, rim, middle, round or square. What
# you can take away without losing the response does not belong in the description.</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")


# %% tags=["solution"]
def drawn(width, rim=0.1, middle=0.8, square=False):
    """A dark disc with a light middle, half as wide, on grey."""
    y, x = np.abs(np.mgrid[:192, :192] - 95.5)
    distance = np.maximum(y, x) if square else np.hypot(y, x)
    picture = np.full((192, 192, 3), 0.6, np.float32)
    picture[distance < width / 2] = rim
    picture[distance < width / 4] = middle
    return picture


# If "round, with a dark rim and light inside" said too much, one of the last four lines would be like the first.
print("width in pixels          10   20   45  110")
for what, changed in {
    "disc": {},
    "light, dark middle": {"rim": 0.8, "middle": 0.1},
    "square": {"square": True},
    "disc without a rim": {"rim": 0.6},
    "disc without a middle": {"middle": 0.1},
}.items():
    print(
        f"{what:22}",
        *(f"{response_of(drawn(width, **changed)).max():4.0f}" for width in (10, 20, 45, 110)),
    )

# %% [markdown] tags=["solution"]
# For channel 88 we drew dark discs (0.1) with a light middle (0.8), half as wide, on grey (0.6). All but the smallest
# square leave the channel nearly silent. To the three smaller discs it responds with about two fifths at most if the
# rim is missing, and with about two thirds at most if the middle is missing. So "round, with a rim and a middle"
# survives. "Dark" and "light" don't: if they change places, it responds as strongly at 10 pixels, and more strongly at
# 20 and 45. And it has a size: at 110 pixels a third of its best is left.
#
# "Eye" was not wrong, but too narrow; our own name for it was too narrow as well. Would a thin ring do? The cat upside
# down? Report the failures as well: they are what the name was worth.

# %% [markdown]
# ## In this lesson you have
#
# - counted VGG19's 20,024,384 parameters, and met its twin with less than a fifth of them;
# - written one of its layers out in NumPy, and got Keras's numbers;
# - fed it a picture that was divided by 255 twice: it described black, and no check can know;
# - predicted fields of 3, 10, 24, 68 and 156 pixels, measured exactly these, and found nine tenths of the
#   deepest layer's gradient within six tenths of its field's width;
# - seen an "eye detector" choose a badge and a spoon, and lose interest when the cat became small;
# - compared random with trained channels: a large gap among the loudest 16; among all a small one by one measure, and
#   not by another.
#
# Next: [03 · Gram matrices](03_gram_matrices.ipynb), which keep what the features are, and forget where.
#
# ## Further reading
#
# - K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
#   recognition", ICLR 2015.
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
# - W. Luo, Y. Li, R. Urtasun and R. Zemel, "Understanding the effective receptive field in deep
#   convolutional neural networks", NIPS 2016.
# - C. Olah, A. Mordvintsev and L. Schubert, "Feature visualization", Distill, 2017; C. Olah et al., "Zoom in: an
#   introduction to circuits", Distill, 2020. How to test what a channel is for.
# - I. Ustyuzhaninov, W. Brendel, L. Gatys and M. Bethge, "Texture synthesis using shallow convolutional
#   networks with random filters", 2016.
# - K. He, Y. Wang and J. Hopcroft, "A powerful generative model using random weights for the deep image
#   representation", NIPS 2016.
