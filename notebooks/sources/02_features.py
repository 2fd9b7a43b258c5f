# %% [markdown]
# # 02 · Features: what a network sees
#
# After this lesson you can open a trained network, look at a picture through any of its layers, and
# say how far each layer sees.

# %%
import numpy as np

import nstlib as nst
from nstlib import keras, tf
from nstlib.features import IMAGENET_MEAN_BGR
from nstlib.vgg19 import build_vgg19, stride, vgg19_with

cat = nst.load_image("chelsea", size=288)
extractor = nst.feature_extractor(nst.STYLE_LAYERS)
features = extractor(cat[np.newaxis])

nst.show_feature_maps(
    features,
    channels=6,
    caption="A cat, seen by five layers of one network, six channels each: bright where the channel "
    "responds. From fine edges to blurred patches that each stand for something larger.",
    alt="Rows of maps of a cat: sharp outlines on top, ever coarser patches of light below.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [00 · Images as arrays](00_images_as_arrays.ipynb) |
# | Time to read | 30 min |
# | Time to run on 2 cores | 40 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** a convolution, a ReLU and a pooling step by hand.
# - **Name** VGG19's layers, and count their parameters.
# - **Look** at a picture's feature maps at five depths.
# - **Predict** how many pixels a feature sees, and measure it.
# - **Judge** what training adds: the same layers with random, small and full weights.

# %% [markdown]
# ## A convolution by hand
#
# A convolutional layer slides a small **kernel** over the picture. At each place it multiplies the
# pixels under the kernel with the kernel's numbers and adds up. This kernel looks for places where
# it is brighter on the right than on the left:

# %%
picture = np.array(
    [
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0],
    ],
    dtype=np.float32,
)
kernel = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], dtype=np.float32)

print("one place by hand:", float((picture[0:3, 1:4] * kernel).sum()), "(a strong edge)")


# %%
def convolve(picture, kernel):
    """Every place where the kernel fits, in NumPy."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))


print(convolve(picture, kernel))

# %% [markdown]
# TensorFlow does the same for batches (first axis) and for many channels in and out (last axes):

# %%
in_tensorflow = tf.nn.conv2d(
    picture[np.newaxis, :, :, np.newaxis],
    kernel[:, :, np.newaxis, np.newaxis],
    strides=1,
    padding="VALID",
)
print("equal:", np.allclose(in_tensorflow[0, :, :, 0], convolve(picture, kernel)))

# %% [markdown]
# Two more steps make a layer of VGG19. **ReLU** sets negative values to zero: a feature is found, or
# it is not. **Pooling** halves the picture, keeping of each 2 × 2 block the maximum or the mean.

# %%
response = np.array([[3, -1, 0, 2], [-2, 1, 4, 0]], dtype=np.float32)
after_relu = np.maximum(response, 0)
blocks = after_relu.reshape(1, 2, 2, 2)
print("after ReLU:\n", after_relu)
print("maximum of each 2 × 2 block:", blocks.max(axis=(1, 3)))
print("mean of each 2 × 2 block:   ", blocks.mean(axis=(1, 3)))

# %% [markdown]
# ## VGG19
#
# Simonyan and Zisserman (2015) stacked sixteen such 3 × 3 convolutions in five blocks, with a pooling
# step after each block, and three dense layers that name what is in the picture. Style transfer
# throws those three away and keeps what comes before. The layers' names say where they are:
# `block3_conv1` is the first convolution of the third block.

# %%
vgg19 = build_vgg19()
for layer in vgg19.layers[1:]:
    parameters = f"{layer.count_params():9,} parameters" if layer.count_params() else ""
    print(f"{layer.name:13} {layer.output.shape[-1]:3} channels  {parameters}")

# %% [markdown]
# **Question.** Where do the 36,928 parameters of `block1_conv2` come from?

# %%
print("kernels 3 · 3 · 64 · 64, one bias for each of 64 channels:", 3 * 3 * 64 * 64 + 64)
print("all sixteen layers:", f"{vgg19.count_params():,}")

# %% [markdown]
# Twenty million parameters, 80 MB. This course starts with a **small twin** that comes with it: the
# same sixteen layers under the same names, with fewer channels, and pooling by means. VGG19 itself
# taught it to see what it sees. Its card, in `models/`, says how. `weights="imagenet"` gives you
# Keras's VGG19 instead, if you are online, in every function of the course.

# %%
twin = vgg19_with("mini")
channels = [layer.filters for layer in twin.layers if "conv" in layer.name]
print("the twin's channels:", *channels)
print(
    f"{twin.count_params():,} parameters, {vgg19.count_params() / twin.count_params():.1f} times fewer"
)

# %% [markdown]
# ## Preprocessing, and what goes wrong without it
#
# VGG19 was trained with the Caffe library, on OpenCV's pixels. So it expects **BGR**, from 0 to 255,
# with the mean colour of its training photos subtracted. `nst.feature_extractor` does that inside, so
# that you can hand it RGB in [0, 1]. Written out:


# %%
def preprocess(image):
    return image[..., ::-1] * 255 - np.array(IMAGENET_MEAN_BGR)


by_keras = keras.applications.vgg19.preprocess_input(255 * cat.copy())
print("equal to Keras's preprocess_input:", np.allclose(preprocess(cat), by_keras, atol=1e-3))

# %% [markdown]
# **Question.** Two mistakes are common: giving BGR where RGB is expected, and dividing by 255 once
# too often. Which does more harm? Compare the features with the right ones, layer by layer: 0 means
# unchanged, 1 means as far off as if everything were missing.


# %%
def relative_change(image):
    changed = extractor(image[np.newaxis])
    return {
        layer: float(tf.norm(changed[layer] - features[layer]) / tf.norm(features[layer]))
        for layer in nst.STYLE_LAYERS
    }


swapped = relative_change(cat[..., ::-1])
darkened = relative_change(cat / 255)
for layer in nst.STYLE_LAYERS:
    print(
        f"{layer}  red and blue swapped: {swapped[layer]:.1f}   divided twice: {darkened[layer]:.1f}"
    )

# %%
print(
    "dividing twice does more harm in every layer:", all(darkened[n] > swapped[n] for n in swapped)
)

# %% [markdown]
# A picture divided by 255 twice is black to the network, so it describes black. Neither mistake raises
# an error: the result is only worse. That is why the library checks the range of every image.
#
# ## How far a layer sees
#
# A feature of `block1_conv1` depends on 3 × 3 pixels. The next layer looks at 3 × 3 of those, so it
# sees two pixels more: 5 × 5. After a pooling step, neighbours are two pixels apart, and each further
# 3 × 3 kernel adds twice two. The size of this window is the **receptive field**:
#
# $$ r \leftarrow r + (k - 1)\,s, \qquad s \leftarrow s \cdot \text{stride}, $$
#
# with $r = s = 1$ at the start, kernel size $k$, and $s$ the distance of neighbours in pixels.


# %%
def receptive_field(upto):
    size, spacing = 1, 1
    for layer in vgg19.layers[1:]:
        pooling = "pool" in layer.name
        size += ((2 if pooling else 3) - 1) * spacing
        spacing *= 2 if pooling else 1
        if layer.name == upto:
            return size


for layer in nst.STYLE_LAYERS:
    print(f"{layer}: sees {receptive_field(layer):3} pixels, one every {stride(layer):2}")

# %% [markdown]
# Is that true? Ask the network: the gradient of one feature with respect to the image is zero for
# every pixel that it does not see.

# %%
side = 193
noise = tf.constant(np.random.default_rng(0).random((1, side, side, 3), dtype=np.float32))
seen = {}
for layer in nst.STYLE_LAYERS:
    with tf.GradientTape() as tape:
        tape.watch(noise)
        maps = nst.feature_extractor([layer], "random")(noise)[layer]
        middle = tf.reduce_sum(maps[0, maps.shape[1] // 2, maps.shape[2] // 2])
    gradient = np.abs(tape.gradient(middle, noise)[0]).max(axis=2)
    seen[layer] = gradient
    extent = np.ptp(np.nonzero(gradient.max(axis=0))[0]) + 1
    print(
        f"{layer}: predicted {receptive_field(layer):3}, at most that: {extent <= receptive_field(layer)}"
    )

# %%
nst.show_images(
    [np.sqrt(gradient / gradient.max()) for gradient in seen.values()],
    list(seen),
    caption="What the middle feature of each layer sees in a picture of 193 × 193 pixels: brighter "
    "where a pixel counts more. The middle counts most.",
    alt="Five black squares with a bright spot in the middle, growing from a dot to most of the square.",
)

# %% [markdown]
# So a layer decides at which **scale** it describes a picture. `block1_conv1` knows colours and the
# finest edges; `block5_conv1` sees 156 pixels, most of a small picture. Style needs several of them.
#
# ## What is a channel looking for?
#
# Turn the question round: which picture makes a channel respond most? Start from noise, and follow
# the gradient **up**. This is the course's one loop, `nst.minimize_image`, with the negative response
# as its loss; lesson 04 takes the loop apart. A little total variation (lesson 05) keeps the picture
# smooth.

# %%
count, side = 5, 96
random = np.random.default_rng(0)
start = (0.5 + 0.2 * random.standard_normal((side, count * side, 3))).clip(0, 1)


def favourites(layer):
    """Five pictures at once, side by side: the n-th is for the n-th channel."""
    model = nst.feature_extractor([layer])
    # A channel that is silent at the start gives no slope to climb: take those that are loud.
    at_start = tf.reduce_mean(model(start[np.newaxis])[layer], axis=(0, 1, 2))
    channels = np.argsort(-at_start.numpy())[:count]

    def loss(image):
        batch = tf.concat(tf.split(image[tf.newaxis], count, axis=2), axis=0)
        responses = tf.reduce_mean(model(batch)[layer], axis=(1, 2))
        wanted = tf.linalg.diag_part(tf.gather(responses, channels, axis=1))
        return 10 - tf.reduce_mean(tf.math.log(wanted + 1e-3)) + 4 * nst.total_variation_loss(image)

    return nst.minimize_image(loss, start, iterations=60, progress=False)


liked = {layer: favourites(layer) for layer in nst.STYLE_LAYERS[1:]}
for layer, result in liked.items():
    print(f"{layer}: the response rose: {result.loss < result.history[0].loss}")

# %%
nst.show_images(
    [result.image for result in liked.values()],
    list(liked),
    columns=1,
    cell=8,
    caption="Pictures that a channel responds to most, five channels a layer, the deepest at the "
    "bottom: first stripes and colours, then patterns, then shapes that fill the view.",
    alt="A grid of small abstract pictures: fine stripes on top, larger, curlier patterns below.",
)

# %% [markdown]
# ## What training adds
#
# Kernels drawn at random respond to something too. Compare: the same layer of VGG19 with random
# kernels, and of the trained twin.

# %%
layer = "block3_conv1"
by_weights = {
    f"{weights}, {layer}": nst.feature_extractor([layer], weights)(cat[np.newaxis])[layer]
    for weights in ("random", "mini")
}
nst.show_feature_maps(
    by_weights,
    channels=6,
    caption="Random kernels give six versions of much the same map. Trained ones divide the work: "
    "fur, eyes, outlines, light and dark.",
    alt="Two rows of maps of a cat: six alike above, six that pick out different things below.",
)


# %%
def likeness(maps, count=16):
    """Mean correlation between two of the most active channels: 1 if all show the same."""
    flat = maps.numpy().reshape(-1, maps.shape[-1])
    active = flat[:, np.argsort(-flat.mean(axis=0))[:count]]
    correlation = np.corrcoef(active, rowvar=False)
    return correlation[np.triu_indices(count, k=1)].mean()


alike = {name: likeness(maps) for name, maps in by_weights.items()}
print("random channels are alike by more than 0.5:", alike[f"random, {layer}"] > 0.5)
print("trained ones by less than 0.2:", alike[f"mini, {layer}"] < 0.2)

# %% [markdown]
# That is the point of training: channels that tell **different** things apart describe a picture with
# more words. Textures made with random weights (Ustyuzhaninov et al. 2016) get colours and grain
# right, and shapes less so; lesson 04 shows one beside the twin's.
#
# ### And the real VGG19?
#
# Its full weights come from ImageNet: more than a million photographs, and a thousand names to tell
# apart. Here is the cat through all three. Random weights are in the twin's shape this time, so that
# they have as many channels to offer as the twin has.
#
# ![Maps of a cat: six channels of VGG19 at two layers, and below each its likeness in the twin and among random channels](figures/vgg19_features.jpg)
#
# (`python benchmarks/vgg19.py features` makes this picture.) The numbers are correlations, 1 for the same
# map. For all of VGG19's channels, not only for these, the median is 0.53 at `block3_conv1` and 0.64 at
# `block5_conv1` for the twin, 0.25 and 0.34 for random weights. Look at the last column: no one ever told
# VGG19 about eyes, yet one of its channels finds them, and the twin has learned it.
#
# You should know what the small twin **lacks**:
#
# - It has a quarter to three quarters of the channels, depending on the layer, so it has fewer words.
#   What VGG19 calls by two names the twin may call by one.
# - Its teacher was VGG19, but it saw a few thousand photographs and paintings instead of a million. It
#   hardly knows what is rare in them.
# - The deeper the layer, the less it has learned. In `block1` and `block2` it explains most of what its
#   teacher sees, in `block5` the least by far; the card in `models/` gives the figures. It is at home
#   with strokes, fibres, cells and grains, and less so with windows or letters.
# - It cannot name anything: it has no classifier, and to it a cat is no more than a carpet.
#
# In return it needs no download and far fewer multiplications; lesson 07 counts how many. With the
# full weights, run this lesson with the environment variable `NSTLIB_WEIGHTS=imagenet`, and judge for
# yourself.
#
# ## Experiment: the same cat, smaller
#
# One knob: the size of the picture. Which layer sees the whole head?

# %%
maps = {}
for size in (288, 144, 72):
    model = nst.feature_extractor(["block4_conv1"])
    maps[f"{size} px, block4_conv1"] = model(nst.resize(cat, size)[np.newaxis])["block4_conv1"]
nst.show_feature_maps(
    maps,
    channels=6,
    caption="One layer, three sizes of the picture. Its window of 68 pixels covers an eye of the "
    "large cat, and nearly the whole of the small one.",
    alt="Three rows of maps of a cat, coarser from row to row as the picture gets smaller.",
)

# %% [markdown]
# A small picture and a far-seeing layer do the same as a large picture and a farther-seeing one, at a
# sixteenth of the cost. Lesson 04 works from coarse to fine for that reason.
#
# ## Exercises
#
# ### Exercise 1 · Preprocess (5 minutes)
#
# Turn RGB (H, W, 3) in [0, 1] into what VGG19 expects: BGR in 0..255, minus the mean
# (103.939, 116.779, 123.68), which is in BGR order.


# %% tags=["learner"]
def caffe_preprocess(image): ...


nst.check("caffe_preprocess", caffe_preprocess)


# %% tags=["solution"]
def caffe_preprocess(image):
    return image[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68])


nst.check("caffe_preprocess", caffe_preprocess)

# %% [markdown]
# ### Exercise 2 · How much is silent? (10 minutes)
#
# After a ReLU many features are exactly zero. Return the fraction of zeros in an array of features of
# any shape, as a number between 0 and 1. Then try it on the five layers of the cat: does it grow with
# depth?


# %% tags=["learner"]
def sparsity(features): ...


nst.check("sparsity", sparsity)


# %% tags=["solution"]
def sparsity(features):
    return float(np.mean(np.asarray(features) == 0))


nst.check("sparsity", sparsity)

# %% [markdown]
# ### Exercise 3 · The receptive field of any network (30 minutes)
#
# Given a list of (kernel size, stride) from the first layer to the last, return how many pixels one
# feature of the last layer sees. For `[(3, 1), (3, 1), (2, 2), (3, 1)]`, VGG19 up to `block2_conv1`,
# that is 10.


# %% tags=["learner"]
def receptive_field_of(layers): ...


nst.check("receptive_field", receptive_field_of)


# %% tags=["solution"]
def receptive_field_of(layers):
    size, spacing = 1, 1
    for kernel, step in layers:
        size += (kernel - 1) * spacing
        spacing *= step
    return size


nst.check("receptive_field", receptive_field_of)

# %% [markdown]
# ## In this lesson you have
#
# - computed a convolution by hand and found TensorFlow's equal;
# - counted VGG19's 20,024,384 parameters, and met its twin with less than a fifth of them;
# - looked at a cat through five layers, from outlines to patches;
# - predicted receptive fields of 3, 10, 24, 68 and 156 pixels, and found none exceeded;
# - seen that trained channels are less alike than random ones, and read what the small twin lacks.
#
# Next: [03 · Gram matrices](03_gram_matrices.ipynb), where the features lose their places and keep
# their company.
#
# ## Further reading
#
# - K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
#   recognition", ICLR 2015.
# - M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
# - C. Olah, A. Mordvintsev and L. Schubert, "Feature visualization", Distill, 2017.
# - I. Ustyuzhaninov, W. Brendel, L. Gatys and M. Bethge, "Texture synthesis using shallow
#   convolutional networks with random filters", 2016.
