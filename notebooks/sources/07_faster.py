# %% [markdown]
# # 07 · Better and faster
#
# After this lesson you can say where the hours of a style transfer go, get them back one change at a
# time, and tell the painter which colours to keep, and which style to use where.

# %%
import os
import subprocess
import sys
import time
import timeit

import cv2
import numpy as np

import nstlib as nst
from nstlib import keras, tf
from nstlib.images.colors import luminance, match_luminance, replace_luminance
from nstlib.vgg19 import stride

cat = nst.load_image("chelsea", size=320)
mosaic, flowers = nst.load_image("mosaic"), nst.load_image("watercolour")


def ellipse(shape, centre, radii, softness=0.2):
    """1 inside an ellipse, 0 outside, soft at its edge; all in shares of height and width."""
    height, width = shape[:2]
    y, x = np.mgrid[:height, :width]
    from_centre = np.hypot((y / height - centre[0]) / radii[0], (x / width - centre[1]) / radii[1])
    return np.clip((1 - from_centre) / softness + 0.5, 0, 1)


face = ellipse(cat.shape, centre=(0.5, 0.45), radii=(0.62, 0.38))
two_styles = nst.transfer_style(
    cat,
    [mosaic, flowers],
    masks=[face, 1 - face],
    style_scale=1.5,
    iterations=40,
    progress=False,
)
nst.show_images(
    [cat, mosaic, flowers, two_styles.image],
    ["a photograph", "for the face", "for the rest", "both"],
    columns=2,
    cell=3.6,
    caption="Two styles in one picture: glass tiles inside an ellipse around the face, watercolour "
    "outside. It took seconds, on a processor without a graphics card.",
    alt="A cat; a glass mosaic; watercolour flowers; the cat with a mosaic face on a flowery ground.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [06 · Content and style](06_content_and_style.ipynb) |
# | Time to read | 35 min |
# | Time to run on 2 cores | 1 min 45 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Split** the time of a run into evaluations and seconds for each, and measure both.
# - **Compare** one change at a time: same loss, same start, everything else the same.
# - **Keep** a photograph's colours in two ways, each computed by hand.
# - **Give** two regions two styles, by statistics that a mask guides.
# - **Choose** the strength and the size of the strokes.

# %% [markdown]
# ## Where the time goes
#
# A run evaluates the loss and its gradient again and again, and does little else. So
#
# $$ \text{time} = \text{evaluations} \times \text{seconds for each} . $$
#
# Each change below makes one of the two factors smaller. The classic recipe, which you met in lessons
# 04 and 06, takes 5,000 steps of Adam for a texture and 2,000 for a transfer, each through all of
# VGG19. One step of it can be measured without its trained weights: random ones cost the same.
#
# ### One pass instead of two
#
# The classic transfer has one network for the style and another one for the content, and sends the
# image through both. The second is the first with one more layer. Everything before that layer is
# computed twice.
#
# **Question.** What does one network with all the outputs save? And what does it change?

# %%
coffee, brushwork = nst.load_image("coffee", size=256), nst.load_image("brushwork")
CLASSIC_CONTENT = "block5_conv2"
TWO_PASSES = [nst.STYLE_LAYERS, [CLASSIC_CONTENT]]
ONE_PASS = [[*nst.STYLE_LAYERS, CLASSIC_CONTENT]]


def multiplications(weights, passes, shape):
    """Of all convolutions, to look once at a picture of `shape`.

    A convolution does one at every position for each number of its kernel.
    """
    total = 0
    for layer in (
        part for layers in passes for part in nst.feature_extractor(layers, weights).layers
    ):
        if isinstance(layer, keras.layers.Conv2D):
            apart = stride(layer.name)
            total += (shape[0] // apart) * (shape[1] // apart) * int(np.prod(layer.kernel.shape))
    return total


count_two = multiplications("random", TWO_PASSES, coffee.shape)
count_one = multiplications("random", ONE_PASS, coffee.shape)
print(f"two passes: {count_two / 1e9:.1f} thousand million multiplications")
print(f"one pass:   {count_one / 1e9:.1f} thousand million, {1 - count_one / count_two:.0%} less")

# %% [markdown]
# In both, the gradient costs twice as much again. What does a clock say?


# %%
def step_of(weights, passes):
    """What one step of a transfer has to compute: the gradient of its loss."""
    networks = [nst.feature_extractor(layers, weights) for layers in passes]

    def features_of(image):
        features = {}
        for network in networks:
            features |= network(image[tf.newaxis])
        return features

    style = {
        layer: nst.channel_statistics(maps)
        for layer, maps in features_of(tf.constant(nst.resize(brushwork, 256))).items()
        if layer in nst.STYLE_LAYERS
    }
    content = {CLASSIC_CONTENT: features_of(tf.constant(coffee))[CLASSIC_CONTENT]}

    @tf.function
    def gradient(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = features_of(image)
            loss = nst.style_loss(features, style) + nst.content_loss(features, content)
        return tape.gradient(loss, image)

    return gradient


def seconds(work, repeat=2):
    """The best of a few runs: whatever else the machine does can only add to the time.

    A run before them does not count. It builds TensorFlow's graph.
    """
    work()
    return min(timeit.repeat(work, number=1, repeat=repeat))


photo = tf.constant(coffee)
two_passes, one_pass = step_of("random", TWO_PASSES), step_of("random", ONE_PASS)
seconds_two = seconds(lambda: two_passes(photo).numpy())
seconds_one = seconds(lambda: one_pass(photo).numpy())

# %% tags=["nbval-ignore-output"]
print(f"one step of VGG19 at {coffee.shape[0]} × {coffee.shape[1]} pixels:")
print(f"  two passes {seconds_two:.2f} s   one pass {seconds_one:.2f} s")

# %%
g_two, g_one = two_passes(photo).numpy(), one_pass(photo).numpy()
print("the same gradient:", np.allclose(g_two, g_one, rtol=1e-3, atol=1e-4 * np.abs(g_one).max()))

# %% [markdown]
# It saves nearly half, and changes nothing. `transfer_style` has always done it this way.
#
# (The times above are not the same on two machines, nor in two runs on one. That is why this course
# makes its claims about counts.)
#
# ### The processor's best instructions
#
# TensorFlow carries a library, oneDNN, whose convolutions and matrix products use the processor's
# widest instructions. TensorFlow reads the environment variable `TF_ENABLE_ONEDNN_OPTS` once, when it
# is imported: so this needs two new Pythons, one with 0 and one with 1.

# %%
program = """
import timeit
import tensorflow as tf

maps = tf.random.stateless_normal((1, 128, 128, 64), seed=(1, 2))
kernel = tf.random.stateless_normal((3, 3, 64, 64), seed=(3, 4))
matrix = tf.random.stateless_normal((1024, 1024), seed=(5, 6))


def convolution():
    return tf.nn.conv2d(maps, kernel, strides=1, padding="SAME").numpy()


def product():
    return tf.matmul(matrix, matrix).numpy()


check = abs(convolution()).mean() + abs(product()).mean()
times = [min(timeit.repeat(work, number=1, repeat=10)) for work in (convolution, product)]
print(*times, check)
"""
measured = {}
for switch in "01":
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": switch}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    measured[switch] = [float(number) for number in done.stdout.split()]

print("the same values:", np.isclose(measured["0"][2], measured["1"][2], rtol=1e-4))

# %% tags=["nbval-ignore-output"]
onednn = np.divide(measured["0"][:2], measured["1"][:2])
for name, off, on, ratio in zip(
    ("convolution", "matrix product"), measured["0"], measured["1"], onednn, strict=False
):
    print(f"{name:14} {1000 * off:5.1f} ms without, {1000 * on:5.1f} ms with: {ratio:.2f} times")

# %% [markdown]
# What it brings depends on the processor. Where there are AVX-512 instructions TensorFlow turns oneDNN
# on by itself, and its other code is quick there, too, so that the ratio may be near 1, or below it for
# one operation or another. Elsewhere it may be off until you ask for it. `import nstlib` asks for it,
# unless you have set the variable yourself; it has to come before `import tensorflow`.
#
# ### A smaller network
#
# The course's twin of VGG19 has the same layers with fewer channels: a quarter in block 1, where the
# picture is large and a channel costs most, and up to three quarters in block 5. A convolution multiplies
# every channel that comes in with every one that goes out, so a quarter of both is a sixteenth of the
# multiplications. Over all the layers it is about a tenth.
#
# **Question.** Is a step ten times faster, too?

# %%
count_small = multiplications("mini", ONE_PASS, coffee.shape)
print(f"VGG19's multiplications: {count_one / count_small:.1f} times as many as its twin's")

small = step_of("mini", ONE_PASS)
seconds_small = seconds(lambda: small(photo).numpy(), repeat=5)

# %% tags=["nbval-ignore-output"]
print(f"VGG19 {1000 * seconds_one:.0f} ms, its twin {1000 * seconds_small:.0f} ms a step:")
print(f"{seconds_one / seconds_small:.1f} times as long")

# %% [markdown]
# A clock gives another ratio than the count, and not the same one on every machine: with few channels
# a layer spends its time on moving numbers rather than on multiplying them.
#
# Unlike the two changes before, this one changes the result: the twin sees a little less than VGG19
# does. Whether you see the difference you can try with `weights="imagenet"` (80 MB to download).
#
# ### Fewer evaluations: L-BFGS
#
# In lesson 04 L-BFGS passed Adam on the way from noise to a texture. Now the way from a photograph to
# its painting: the recipe's loss, at one size, by one network.


# %%
def transfer_loss(content, style, content_weight=0.3):
    """The loss of `transfer_style`: content at block 4, style by means and covariances."""
    network = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS])
    wanted = network(content[np.newaxis])
    wanted = {layer: wanted[layer] for layer in nst.CONTENT_LAYERS}
    look = network(style[np.newaxis])
    look = {layer: nst.channel_statistics(look[layer]) for layer in nst.STYLE_LAYERS}

    def loss(image):
        features = network(image[tf.newaxis])
        return {
            "content": content_weight * nst.content_loss(features, wanted),
            "style": nst.style_loss(features, look),
        }

    return loss


thumbnail = nst.resize(coffee, 128)
framed = np.pad(thumbnail, [(16, 16), (16, 16), (0, 0)], mode="symmetric")  # the frame of lesson 06
loss = transfer_loss(framed, nst.resize(brushwork, 128))
by_library = nst.transfer_style(thumbnail, brushwork, iterations=1, progress=False)
print(
    "this is the library's loss:",
    np.isclose(float(loss(tf.constant(framed))["style"]), by_library.losses["style"][0], rtol=1e-3),
)

# %% [markdown]
# Adam has a learning rate. Many tutorials' transfers use 0.001, in units of the range from black to
# white. The library's `method="adam"` uses 0.02.
#
# **Question.** At 0.001 a step, how far can a pixel have moved after 120 steps?

# %%
ways = {
    "Adam, 0.001": {"method": "adam", "learning_rate": 0.001},
    "Adam, 0.02": {"method": "adam", "learning_rate": 0.02},
    "L-BFGS": {"method": "lbfgs"},
}
runs = {
    name: nst.minimize_image(loss, framed, iterations=120, progress=False, **way)
    for name, way in ways.items()
}
nst.show_curves(
    runs,
    caption="Loss over evaluations: same network, pictures, loss and start. Adam's learning rate "
    "decides everything; L-BFGS has none.",
    alt="Three falling curves: Adam with 0.001 far above, Adam with 0.02 lower, L-BFGS lowest.",
)


# %%
def evaluations_until(run, goal):
    return next(step.evaluations for step in run.history if step.loss <= goal)


goal = runs["Adam, 0.001"].loss
needed = evaluations_until(runs["L-BFGS"], goal)
farthest = np.abs(runs["Adam, 0.001"].image - framed).max()
print("no pixel of the slow Adam went farther than 0.15:", farthest < 0.15)
print("L-BFGS gets where it ends with less than a third of the evaluations:", needed < 120 / 3)
print("and ends lower than both:", runs["L-BFGS"].loss < min(goal, runs["Adam, 0.02"].loss))

# %% tags=["nbval-ignore-output"]
print(f"L-BFGS needs {needed} evaluations for the slow Adam's 120,")
print(f"and {evaluations_until(runs['L-BFGS'], runs['Adam, 0.02'].loss)} for the fast one's.")

# %% [markdown]
# Most of the thousands of steps pay for the small learning rate. Against a well chosen one the
# advantage of L-BFGS is much smaller when you start from the photograph; what it spares you is the
# choosing.
#
# ### Coarse to fine
#
# At half the size an evaluation costs a quarter, and a deep layer's view spans twice as much of the
# picture. Is a run over three sizes better than one at full size, or only cheaper? To compare fairly,
# give both the same **work**: evaluations, each counted by its share of the full number of pixels.

# %%
tissue = nst.load_image("immunohistochemistry", size=192)


def texture(**options):
    """Make a texture; return it, its work in evaluations at full size, and its seconds."""
    work, before = 0.0, 0

    def count(step):
        nonlocal work, before
        work += (step.evaluations - before) * step.image.size / tissue.size
        before = step.evaluations

    began = time.perf_counter()
    result = nst.synthesize_texture(tissue, callback=count, progress=False, **options)
    return result, work, time.perf_counter() - began


in_steps, work_in_steps, seconds_texture = texture()  # 48, 96 and 192 pixels, 60 iterations at each
at_once, work_at_once, _ = texture(scales=1, iterations=80)
nst.show_images(
    [tissue, at_once.image, in_steps.image],
    ["photograph", "192 only", "48, 96, then 192"],
    caption="The same work: about eighty evaluations at full size, or sixty at each of three sizes.",
    alt="A photo of tissue and two synthetic versions; the right one has larger structures.",
)

# %%
print("no more work:", work_in_steps < 1.1 * work_at_once)
print(
    "less than two thirds of the loss:",
    in_steps.losses["style"][1] < at_once.losses["style"][1] / 1.5,
)

# %% [markdown]
# It is better *and* costs no more: the fine size does not have to find again what the coarse ones have
# already settled. That is the way from noise. A transfer begins with a photograph, whose large shapes
# are already there, so at this size its loss gains little. The strokes do change: they are painted at
# the coarse sizes, and come out larger.
#
# ### All together
#
# Now the library's transfer with nothing but defaults, against the classic one, at the same size. (Not
# in the table, because it was in the loss from the start: means and covariances instead of Gram
# matrices, lessons 03 and 04. They make a better picture of the same number of evaluations.)

# %%
began = time.perf_counter()
plain = nst.transfer_style(coffee, brushwork, progress=False)
seconds_transfer = time.perf_counter() - began

TRANSFER_STEPS, TEXTURE_STEPS = 2000, 5000
fewer = 120 / needed
ladder = {
    "classic, without oneDNN": (TRANSFER_STEPS, seconds_two * onednn[0]),
    "classic": (TRANSFER_STEPS, seconds_two),
    "one pass": (TRANSFER_STEPS, seconds_one),
    "the small twin": (TRANSFER_STEPS, seconds_small),
    "L-BFGS": (TRANSFER_STEPS / fewer, seconds_small),
    "the default run, measured": (plain.evaluations, seconds_transfer / plain.evaluations),
}

# %% tags=["nbval-ignore-output"]
print(f"{'a transfer, 171 × 256 pixels':28} evaluations   s for each   seconds")
for name, (count, each) in ladder.items():
    print(f"{name:28} {count:11,.0f} {each:12.3f} {count * each:9,.0f}")

# %% [markdown]
# Each line is the one above it with one change. The last is a whole run by the clock, and has coarse to
# fine in it as well as everything that is not the network: building graphs, L-BFGS's own arithmetic,
# resizing. As the network gets faster, that part counts for more. Factors may be multiplied only where
# each of them speeds up the whole run; Exercise 1 is about that.
#
# For the ratio, the classic texture's step, and the two default runs that you have seen:

# %%
extractor = nst.feature_extractor(nst.STYLE_LAYERS, "random")


@tf.function
def texture_step(image):
    with tf.GradientTape() as tape:
        tape.watch(image)
        grams = [nst.gram_matrix(maps) for maps in extractor(image[tf.newaxis]).values()]
        loss = tf.add_n([tf.reduce_mean(gram**2) for gram in grams])
    return tape.gradient(loss, image)


seconds_style = seconds(lambda: texture_step(tf.constant(tissue)).numpy())
classic = {
    "texture, 192 × 192": (TEXTURE_STEPS * seconds_style, seconds_texture),
    "transfer, 171 × 256": (TRANSFER_STEPS * seconds_two, seconds_transfer),
}

# %% tags=["nbval-ignore-output"]
print(f"{'':20} classic recipe   default run   ratio")
for name, (before, now) in classic.items():
    print(f"{name:20} {before / 60:10.1f} min {now:11.1f} s {before / now:7.0f}")

# %%
style_only = [nst.STYLE_LAYERS]
transfer_layers = [*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS]
counts = {
    "texture": (
        TEXTURE_STEPS * multiplications("random", style_only, tissue.shape),
        work_in_steps * multiplications("mini", style_only, tissue.shape),
    ),
    # At most: as if every evaluation of the default run were at full size.
    "transfer": (
        TRANSFER_STEPS * count_two,
        plain.evaluations * multiplications("mini", [transfer_layers], coffee.shape),
    ),
}
for name, (before, now) in counts.items():
    print(
        f"{name}: more than 100 times the multiplications by the classic recipe: {before > 100 * now}"
    )

# %% [markdown]
# Be fair to the classic recipe: with VGG19's trained weights its pictures are not the ones that the
# small twin makes, and nobody forces you to take all its steps. The ratio says what it costs you to
# follow it to the letter.
#
# ## Keep the colours
#
# The coffee has turned blue: a style brings its colours along. There are two ways to leave them behind
# (Gatys et al. 2016).
#
# ### First way: transfer brightness alone
#
# The brightness of a pixel is a weighted sum, as colour television has used it: $Y = 0.299\,R +
# 0.587\,G + 0.114\,B$. The weights add up to 1, so adding the same number to all three channels adds it
# to $Y$, and leaves the differences between the channels, the colour, alone. By hand, for an orange
# pixel that should become lighter:

# %%
orange = np.array([0.8, 0.4, 0.2])
Y = 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.2
lighter = orange + (0.6 - Y)
print(f"Y = {Y:.4f}; with Y = 0.6 the pixel is {lighter.round(4)}")
print("Y of that:", (lighter @ [0.299, 0.587, 0.114]).round(4))


# %% [markdown]
# For whole pictures, clipped to what a screen can show:


# %%
def with_brightness_of(image, brightness):
    """The colours of one image, with the brightness of another."""
    weights = np.array([0.299, 0.587, 0.114])
    change = brightness @ weights - image @ weights
    return np.clip(image + change[..., np.newaxis], 0, 1)


tile = nst.resize(mosaic, coffee.shape[:2])
print(
    "equals nstlib.images.colors.replace_luminance:",
    np.allclose(with_brightness_of(coffee, tile), replace_luminance(coffee, tile), atol=1e-4),
)

# %% [markdown]
# So: make the photograph grey and the style grey, transfer, and give the result the photograph's
# colours back. One more thing: a dark style would darken a light photograph. So the style's brightness
# gets the photograph's mean and standard deviation first. That is `match_luminance`, and your Exercise
# 2. The three steps are what `preserve_colors="luminance"` does; on a thumbnail:

# %%
tiny = nst.resize(coffee, 96)
grey = np.repeat(luminance(tiny)[..., np.newaxis], 3, axis=2)
grey_style = match_luminance(brushwork, tiny)
painted = nst.transfer_style(grey, grey_style, iterations=3, progress=False).image
by_steps = with_brightness_of(tiny, painted)
at_once = nst.transfer_style(
    tiny, brushwork, preserve_colors="luminance", iterations=3, progress=False
).image
print("step by step equals the option:", np.allclose(by_steps, at_once, atol=0.01))

# %% [markdown]
# ### Second way: give the style the photograph's colours
#
# Or repaint the *style* before anything else: move its pixels so that their mean and their covariance
# are those of the photograph's pixels. For one number a pixel you would subtract the mean, divide by
# the standard deviation, multiply by the new one, and add the new mean. A pixel has three numbers that
# vary together, so the standard deviation becomes a matrix: the root of the covariance, $\Sigma^{1/2}$,
# whose square is $\Sigma$.
#
# $$ x \mapsto \hat\Sigma^{1/2}\, \Sigma^{-1/2} (x - \mu) + \hat\mu $$
#
# A root comes from the eigenvectors: turn to them, take the root of each eigenvalue, turn back.


# %%
def power(covariance, exponent):
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values**exponent) @ vectors.T


def match_colors(image, reference):
    pixels, wanted = image.reshape(-1, 3), reference.reshape(-1, 3)
    old, new = (np.cov(p, rowvar=False, bias=True) for p in (pixels, wanted))
    change = power(new, 0.5) @ power(old, -0.5)
    matched = (pixels - pixels.mean(axis=0)) @ change.T + wanted.mean(axis=0)
    return np.clip(matched, 0, 1).reshape(image.shape)


root = power(np.array([[2.0, 1.0], [1.0, 2.0]]), 0.5)
print("a root of ((2, 1), (1, 2)):\n", root.round(3), "\nits square:\n", (root @ root).round(3))
print(
    "equals nst.match_colors:",
    np.allclose(match_colors(brushwork, coffee), nst.match_colors(brushwork, coffee), atol=1e-3),
)

# %%
coffee_strokes = nst.match_colors(brushwork, coffee)
nst.show_images(
    [brushwork, match_luminance(brushwork, coffee), coffee_strokes],
    ["the style", "for brightness alone", "in the coffee's colours"],
    caption="What the network is shown as the style: as it is, and for each of the two ways.",
    alt="A night of brush strokes in blue and yellow, in grey, and in browns and reds.",
)

# %% [markdown]
# **Question.** Both ways keep the colours. What will differ?

# %%
kept = {
    way: nst.transfer_style(coffee, brushwork, preserve_colors=way, progress=False).image
    for way in ("luminance", "covariance")
}
nst.show_images(
    [coffee, plain.image, kept["luminance"], kept["covariance"]],
    ["photograph", "the style's colours", "brightness alone", "style in its colours"],
    columns=2,
    cell=3.6,
    caption="Brightness alone (lower left) keeps every colour where it was. A style in the photograph's "
    "colours (lower right) keeps the palette, and strokes may bring a colour elsewhere.",
    alt="A red cup of coffee; the cup in blue and yellow strokes; twice the cup in strokes and in red "
    "and brown.",
)


# %%
def colour_off(image):
    """How far the mean colour is from the photograph's."""
    return np.abs(image.mean(axis=(0, 1)) - coffee.mean(axis=(0, 1))).max()


def share_of_kept_colours(image):
    """At how many pixels R - G and G - B are those of the photograph."""
    return (np.abs(np.diff(image, axis=2) - np.diff(coffee, axis=2)).max(axis=2) < 0.02).mean()


for way, image in kept.items():
    print(
        f"{way:10} mean colour nearer to the photograph's: {colour_off(image) < colour_off(plain.image)}"
    )
print(
    "luminance: the same colour at 9 of 10 pixels:", share_of_kept_colours(kept["luminance"]) > 0.9
)
print("covariance: at fewer than half:", share_of_kept_colours(kept["covariance"]) < 0.5)

# %% [markdown]
# Take the first way where colours belong to things (a face, a flag), the second where the style lives
# by having one colour beside another: in the first way strokes differ in brightness alone.
#
# ## Two styles in two regions
#
# Lesson 03 counted features everywhere alike. A **mask** $m$ says how much each position counts, from 0
# to 1, and means and covariances become weighted ones (Gatys et al. 2017 call them guided):
#
# $$ \mu = \frac{\sum_p m_p F_p}{\sum_p m_p}, \qquad
#    C = \frac{\sum_p m_p (F_p - \mu)(F_p - \mu)^\top}{\sum_p m_p} . $$
#
# By hand: one channel, four positions with the features 2, 4, 10, 20, and a mask that marks the first
# two. Their mean is 3 and their variance 1, whatever stands at the other two.


# %%
def guided_statistics(features, mask):
    F = features.reshape(-1, features.shape[-1])
    share = mask.reshape(-1, 1) / mask.sum()
    mean = (share * F).sum(axis=0)
    centred = F - mean
    return mean, (share * centred).T @ centred


four = np.array([2.0, 4.0, 10.0, 20.0]).reshape(2, 2, 1)
for mask in ([1, 1, 0, 0], [1, 1, 0.5, 0]):
    mean, C = guided_statistics(four, np.reshape(mask, (2, 2)))
    print(f"mask {mask}: mean {mean[0]:.1f}, variance {C[0, 0]:.2f}")

# %% [markdown]
# On real features the mask must have the features' size: 16 times smaller at `block5_conv1`. Averaging
# over the pixels that a position stands for gives it.

# %%
network = nst.feature_extractor(nst.STYLE_LAYERS, padding="replicate")


def regions_of(image, mask):
    """The statistics of an image inside a mask, by layer."""
    found = {}
    for layer, maps in network(image[np.newaxis]).items():
        size = maps.shape[2], maps.shape[1]
        small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        found[layer] = nst.channel_statistics(maps[0], small)
    return found


maps = network(cat[np.newaxis])["block3_conv1"][0].numpy()
shrunk = cv2.resize(face, maps.shape[1::-1], interpolation=cv2.INTER_AREA)
mean, C = guided_statistics(maps, shrunk)
by_library = nst.channel_statistics(maps, shrunk)
print("means equal the library's:", np.allclose(mean, by_library.mean, rtol=1e-3, atol=1e-3))
print(
    "covariances equal the library's:",
    np.allclose(C, by_library.covariance, rtol=1e-3, atol=1e-3 * C.max()),
)

# %%
deepest = cv2.resize(face, (cat.shape[1] // 16, cat.shape[0] // 16), interpolation=cv2.INTER_AREA)
nst.show_images(
    [cat * face[..., np.newaxis], face, deepest],
    ["what the mosaic paints", "the mask", "the mask at block5"],
    caption="The ellipse that you saw at work at the top. The flowers get 1 minus this mask.",
    alt="The cat's face in a soft ellipse; a white ellipse on black; the same in coarse squares.",
)

# %% [markdown]
# Each style has its mask, and the style loss is the mean over the styles of each one's loss in its
# region. The content needs no mask. Did the opening picture obey? Measure each region against both
# styles:


# %%
def look_of(style, side=480):
    features = network(nst.resize(style, side)[np.newaxis])
    return {layer: nst.channel_statistics(maps[0]) for layer, maps in features.items()}


looks = {"mosaic": look_of(mosaic), "flowers": look_of(flowers)}
for place, mask in {"face": face, "rest": 1 - face}.items():
    found = regions_of(two_styles.image, mask)
    distances = {name: float(nst.style_loss(found, look)) for name, look in looks.items()}
    print(f"{place}: nearest to the {min(distances, key=distances.get)}")

# %% [markdown]
# The edge is soft for two reasons: the mask is, and a deep feature sees pixels on both sides of it. A
# mask may come from anywhere: drawn by hand, cut out in an image editor, or found by a network that
# knows people from backgrounds.
#
# ## Strength and size of the strokes
#
# Two knobs are left. The first is strength, one weight against the other. Only their ratio matters:
# `style_weight=10` is `content_weight` divided by 10.

# %%
waves = nst.load_image("waves")
kitten = nst.resize(cat, 192)
strengths = {
    weight: nst.transfer_style(kitten, waves, style_weight=weight, iterations=30, progress=False)
    for weight in (0.1, 1, 10)
}
nst.show_images(
    [run.image for run in strengths.values()],
    [f"style_weight={weight}" for weight in strengths],
    caption="From a photo with a touch of print to a print that remembers a cat. The style's red sun "
    "has found a nose.",
    alt="Three cats: brownish and soft; drawn in blue and cream lines; a bold pattern of waves with eyes.",
)

# %%
contents = [run.losses["content"][1] for run in strengths.values()]
styles = [run.losses["style"][1] / weight for weight, run in strengths.items()]
print("more style, farther from the content:", contents[0] < contents[1] < contents[2])
print("and nearer to the style:", styles[0] > styles[1] > styles[2])

# %% [markdown]
# The second is size. `style_scale` is the style's longest side over the result's: the network looks at
# the style at that size, and strokes come out at the size at which it saw them.

# %%
scales = {
    scale: nst.transfer_style(kitten, mosaic, style_scale=scale, iterations=30, progress=False)
    for scale in (0.5, 1, 2)
}
nst.show_images(
    [run.image for run in scales.values()],
    [f"style_scale={scale}" for scale in scales],
    caption="The same mosaic, seen at 96, 192 and 384 pixels.",
    alt="A cat in fine coloured grain, in small tiles and in large tiles.",
)

# %%
seen = {scale: look_of(mosaic, round(scale * 192)) for scale in scales}
for scale, run in scales.items():
    found = regions_of(run.image, np.ones(kitten.shape[:2]))
    distances = {other: float(nst.style_loss(found, look)) for other, look in seen.items()}
    print(f"painted at {scale}: nearest to the mosaic at {min(distances, key=distances.get)}")

# %% [markdown]
# Tiles smaller than a few pixels turn into grain, so for fine strokes you need a larger picture rather
# than a smaller scale. On the command line all of this is
#
#     nst transfer cat.jpg mosaic -o cat_in_glass.png --style-scale 2 --preserve-colors luminance
#
# ## Exercises
#
# ### Exercise 1 · What a faster part is worth (5 minutes)
#
# A run takes 100 s, 80 of them in the network. You make the network ten times faster. How many times
# faster is the run? Write the function for any number of parts: `seconds` (N,) says how long each part
# took, `factors` (N,) how many times faster each has become. Amdahl (1967) used it to warn of hopes for
# parallel machines. When you have it: what is the most you can gain here, however fast the network?


# %% tags=["learner"]
def overall_speedup(seconds, factors): ...


nst.check("overall_speedup", overall_speedup)


# %% tags=["solution"]
def overall_speedup(seconds, factors):
    return np.sum(seconds) / np.sum(seconds / factors)


nst.check("overall_speedup", overall_speedup)

# %% [markdown]
# ### Exercise 2 · The brightness of another picture (10 minutes)
#
# Give a brightness (H, W) the mean and the standard deviation of another one, `reference`, of any shape.
# Don't clip.


# %% tags=["learner"]
def match_brightness(brightness, reference): ...


nst.check("match_brightness", match_brightness)


# %% tags=["solution"]
def match_brightness(brightness, reference):
    standard = (brightness - brightness.mean()) / brightness.std()
    return standard * reference.std() + reference.mean()


nst.check("match_brightness", match_brightness)

# %% [markdown]
# ### Exercise 3 · Another root (20 minutes)
#
# A covariance has many roots. Cholesky's is a lower triangular $L$ with $\Sigma = L L^\top$, and
# `np.linalg.cholesky` computes it. Write `match_colors` with it: a pixel $x$ becomes $\hat L L^{-1} (x -
# \mu) + \hat\mu$, with $L$ of the image and $\hat L$ of the reference. Don't clip. When you have it, use
# it on the brushwork and the coffee, and compare with `nst.match_colors`: same mean, same covariance,
# other colours. Why? (Look at which old channels the new red is made of.)


# %% tags=["learner"]
def cholesky_colors(image, reference): ...


nst.check("cholesky_colors", cholesky_colors)


# %% tags=["solution"]
def cholesky_colors(image, reference):
    pixels, wanted = image.reshape(-1, 3), reference.reshape(-1, 3)
    old, new = (np.linalg.cholesky(np.cov(p, rowvar=False, bias=True)) for p in (pixels, wanted))
    change = new @ np.linalg.inv(old)
    matched = (pixels - pixels.mean(axis=0)) @ change.T + wanted.mean(axis=0)
    return matched.reshape(image.shape)


nst.check("cholesky_colors", cholesky_colors)

# %% [markdown]
# ### Exercise 4 · The whole from its parts (30 minutes)
#
# A large picture may be computed piece by piece, so that its features need not be in memory all at
# once. Two regions share a picture; the first holds `share` of its positions. The mean of the whole is
# `share * mean_a + (1 - share) * mean_b`. Is its covariance the same mixture of the regions'
# covariances? Try it on a picture whose left half is black and whose right half is white, then return
# the covariance (C, C) of the whole.


# %% tags=["learner"]
def merged_covariance(share, mean_a, covariance_a, mean_b, covariance_b): ...


nst.check("merged_covariance", merged_covariance)


# %% tags=["solution"]
def merged_covariance(share, mean_a, covariance_a, mean_b, covariance_b):
    within = share * covariance_a + (1 - share) * covariance_b
    apart = mean_a - mean_b
    return within + share * (1 - share) * np.outer(apart, apart)


nst.check("merged_covariance", merged_covariance)

# %% [markdown]
# ## In this lesson you have
#
# - split a run's time into evaluations and seconds for each, and found that one pass gives the same
#   gradient as two for little more than half the multiplications;
# - measured oneDNN, a smaller network, L-BFGS and coarse to fine one by one, and seen the classic recipe,
#   taken at its word, do more than 100 times the multiplications of the default run;
# - learnt that a small learning rate, more than Adam itself, makes the classic transfer slow;
# - kept a photograph's colours by its brightness, $R - G$ and $G - B$ unchanged at nine of ten pixels,
#   and by matching mean and covariance, which keeps the palette but not the places;
# - given a face and its background two styles, and measured that each region is nearest to its own;
# - chosen strength and size, and paid for style with content.
#
# Every picture so far was the end of a search of a hundred evaluations or more. Next:
# [09 · Fast style networks](09_fast_style_networks.ipynb), which have learnt one style, and paint any
# photograph in a single pass.
#
# ## Further reading
#
# - L. Gatys, M. Bethge, A. Hertzmann and E. Shechtman, "Preserving color in neural artistic style
#   transfer", 2016.
# - L. Gatys, A. Ecker, M. Bethge, A. Hertzmann and E. Shechtman, "Controlling perceptual factors in
#   neural style transfer", CVPR 2017: colour, regions and the size of strokes.
# - G. Amdahl, "Validity of the single processor approach to achieving large scale computing
#   capabilities", AFIPS 1967.
# - D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization",
#   Mathematical Programming, 1989.
# - A. Hertzmann, C. Jacobs, N. Oliver, B. Curless and D. Salesin, "Image analogies", SIGGRAPH 2001:
#   brightness alone, matched in mean and spread.
