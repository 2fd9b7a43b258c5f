# %% [markdown]
# # 05 · Total variation: rough and smooth
#
# After this lesson you can measure how rough a picture is, say what a smoother one costs, and see from
# a weight like 1,000,000,000 that the terms of a loss have different units.

# %%
import cv2
import numpy as np
from PIL import Image

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.tradeoffs import show_tradeoff

night = nst.load_image("brushwork", size=224)
show_rows(
    [
        nst.synthesize_texture(
            night, scales=1, iterations=50, tv_weight=weight, progress=False
        ).image
        for weight in (0, 10)
    ],
    height=3.2,
    alt="Two textures of yellow and blue strokes, nearly the same; the first is covered with coloured "
    "dots and hatching, the second is without them, and softer.",
)

# %% [markdown]
# *The same texture twice, from the same noise, 224 pixels wide. In the second run one term was added to
# the loss: a price on roughness.*
#
# | | |
# | --- | --- |
# | Prerequisites | [04 · Texture synthesis](04_texture_synthesis.ipynb); gradients from [01 · Mathematics](01_mathematics.ipynb) |
# | Time to read | 50 min; exercises 85 min |
# | Time to run on 2 cores | 1 min |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** the total variation of small pictures by hand, and that of noise without a computer.
# - **Explain** why a step against its gradient blurs, and how fast stripes fade.
# - **Find** out why a texture that starts from noise stays rough.
# - **Choose** a weight for total variation, and say what it costs.
# - **Recognise** a badly scaled loss by its weights.
#
# The lesson follows the part of HyunMin Kim's tutorial (3 November 2020) that improves its texture.

# %% [markdown]
# ## By hand: a ramp and a checkerboard
#
# A picture is smooth when neighbours are alike. So take every step from a pixel to its right neighbour,
# and every step to the one below. Square the steps, take the mean over each of the two directions, and
# add the two means. That is the **[total variation](glossary.md#total-variation)** of the picture:
#
# $$ V = \frac{1}{H(W-1)} \sum_{y,x} (x_{y,x+1} - x_{y,x})^2
#      + \frac{1}{(H-1)W} \sum_{y,x} (x_{y+1,x} - x_{y,x})^2 . $$
#
# With three colours the means go over them as well. Here are three grey pictures of 5 × 5 pixels, from 0
# (black) to 1 (white). Work out $V$ for each before you go on:

# %%
y, x = np.mgrid[:5, :5]
ramp = x / 4
edge = np.where(x < 2, 0.0, 1.0)
checkerboard = (x + y) % 2.0
show_rows(
    [ramp, edge, checkerboard],
    titles=["ramp", "edge", "checkerboard"],
    height=1.5,
    alt="A grey ramp, a half black and half white square, and a checkerboard of single pixels.",
)

# %% [markdown]
# <details><summary>The three values</summary>
#
# - The ramp has four steps of ¼ in each row and none downwards: $V = (\tfrac14)^2 + 0 = 0.0625$.
# - The edge has one step of 1 among four in each row: $V = \tfrac14 + 0 = 0.25$.
# - On the checkerboard every step is 1: $V = 1 + 1 = 2$. No picture in [0, 1] is rougher.
#
# </details>
#
# In NumPy, and in TensorFlow, which can take a [gradient](glossary.md#gradient) of it:

# %% jupyter={"outputs_hidden": true}
import tensorflow as tf


def total_variation(image):
    right = image[:, 1:] - image[:, :-1]
    down = image[1:] - image[:-1]
    return (right**2).mean() + (down**2).mean()


def total_variation_loss(image):
    right = image[:, 1:] - image[:, :-1]
    down = image[1:] - image[:-1]
    return tf.reduce_mean(right**2) + tf.reduce_mean(down**2)


# A wrong function as a control: np.roll compares the last column of a picture with its first one, too.
# If all four agreed on all pictures, the pictures couldn't tell a right function from a wrong one.
def wrapped(image):
    return sum(((image - np.roll(image, 1, axis)) ** 2).mean() for axis in (0, 1))


photo = nst.load_image("astronaut", size=160)
print(f"{'':13} {'NumPy':>8} {'TensorFlow':>11} {'nstlib':>8} {'np.roll':>8}")
for name, picture in {"ramp": ramp, "edge": edge, "checkerboard": checkerboard}.items():
    coloured = tf.constant(np.repeat(picture[..., np.newaxis], 3, axis=2))
    print(
        f"{name:13} {total_variation(picture):8.4f} {total_variation_loss(picture):11.4f} "
        f"{nst.total_variation_loss(coloured):8.4f} {wrapped(picture):8.4f}"
    )
print(
    f"{'a portrait':13} {total_variation(photo):8.4f} {total_variation_loss(photo):11.4f} "
    f"{nst.total_variation_loss(photo):8.4f} {wrapped(photo):8.4f}"
)

# %% [markdown]
# Kim's tutorial has just this function, and calls its result an RMS, a root mean square. No root is
# taken: it is a mean of squares, for each direction. (A root would be in the unit of the pixels, a mean of
# squares is in that unit squared. Keep that in mind for the end of the lesson.)
#
# ## Three things called total variation
#
# A pixel has a step $d_x$ to the right and a step $d_y$ down. There are three ways to count them:
#
# | | one pixel contributes | used by |
# | --- | --- | --- |
# | squares | $d_x^2 + d_y^2$ | Kim, this library |
# | absolute steps | $\lvert d_x \rvert + \lvert d_y \rvert$ | `tf.image.total_variation`, which adds them up |
# | length of both together | $\sqrt{d_x^2 + d_y^2}$ | Rudin, Osher and Fatemi (1992), who began it |
#
# The last two differ where an edge runs diagonally. There a pixel has a step of 1 to the right and one
# of 1 down, and the edge crosses it on a length of $\sqrt 2$. Absolute steps charge 2 for it, which is
# $\sqrt 2$ for each pixel of length; for an upright edge they charge 1. The length of both charges
# $\sqrt 2$, which is 1 for each pixel of length: the same in all directions.
#
# **Question.** The ramp and the edge both lead from black to white, and squares let the ramp off with a
# quarter of the price. Now count absolute steps. Which of the two costs more?
#
# - **a** the edge
# - **b** the ramp
# - **c** both cost the same
# - **d** it depends on how many steps the ramp has

# %% tags=["learner"]
nst.check("ramp_or_edge", ...)

# %% tags=["solution"]
nst.check("ramp_or_edge", "c")

# %% jupyter={"outputs_hidden": true}
print("         squares   absolute steps")
for name, picture in {"ramp": ramp, "edge": edge}.items():  # 5 rows with 4 steps each
    absolute = float(tf.image.total_variation(tf.constant(picture[..., np.newaxis])))
    print(f"{name:8} {total_variation(picture):7.4f} {absolute / 20:16.4f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# On the way from black to white absolute steps add up to 1, however many there are. So an edge costs no
# more than a ramp. With squares it does: a hundred small steps cost a hundredth of one large one. Below you
# will see what follows for pictures.
#
# </details>
#
# ## What is rough?
#
# **Question.** Every pixel of noise is drawn from [0, 1], each value as likely as the other, and no pixel
# knows of its neighbours. What is $V$?
#
# - **a** 1/12
# - **b** 1/6
# - **c** 1/3
# - **d** 1

# %% tags=["learner"]
nst.check("noise_roughness", ...)

# %% tags=["solution"]
nst.check("noise_roughness", "c")

# %% jupyter={"outputs_hidden": true}
large_noise = np.random.default_rng(1).random((448, 448, 3), dtype=np.float32)
print("V of noise:")
print(f"{total_variation(large_noise):.3f}")

# %% [markdown]
# <details><summary>Without a computer</summary>
#
# Neighbours $a, b$ are independent and have the same mean, so the mean of $(a - b)^2$ is the sum of their
# two variances (lesson 01): $\tfrac{1}{12} + \tfrac{1}{12} = \tfrac16$. There are two directions:
# $V = \tfrac13$, whatever the size. More generally, independent neighbours of variance $\sigma^2$ have
# $V = 4\sigma^2$.
#
# </details>
#
# Kim measured four pictures like that: noise, which came within 0.002 of what it should be, the texture, 0.103, the
# painting, 0.036, and the smoothed texture, 0.030. It is the tutorial's best habit: with noise and the original
# beside them, the other two numbers say something.
#
# **Question.** Is there a picture that you would recognise at once, and that is rougher than noise?
# Think of one before you open the cell.

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
cat = nst.load_image("chelsea", size=448).mean(axis=2)
dithered = np.asarray(Image.fromarray(np.uint8(255 * cat)).convert("1"), np.float32)
shuffled = np.random.default_rng(0).permutation(cat.ravel()).reshape(cat.shape)
print("V of a cat, of the same cat in black and white dots, and of its pixels in random order:")
# If roughness told pictures from noise, the dots would be below the shuffled pixels, and below noise.
for picture in (cat, dithered, shuffled):
    print(f"{total_variation(picture):.3f}")
show_rows(
    [cat, dithered, shuffled],
    height=2.1,
    alt="A grey photograph of a cat; the cat in black and white dots, easily recognised; grey noise.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# Printers work like this. A dot differs from its neighbours as much as it can, and from a little farther
# away you see their mean, the cat. So $V$ knows nothing of pictures: it says how unlike neighbours are,
# and nothing else. Noise isn't the top of the scale either; the checkerboard has 2.
#
# </details>
#
# **Question.** And the same photograph at half the size?
#
# - **a** rougher
# - **b** smoother
# - **c** the same

# %% tags=["learner"]
nst.check("half_size", ...)

# %% tags=["solution"]
nst.check("half_size", "a")

# %% jupyter={"outputs_hidden": true}
print("V, in units of its value at 448 pixels:")
print("pixels a side   photograph   an edge   a ramp   noise")
at_first = None
for side in (448, 224, 112):
    across = np.tile(np.linspace(0, 1, side), (side, 1))
    portrait, same_noise = nst.load_image("astronaut", size=side), nst.resize(large_noise, side)
    rough_now = [total_variation(p) for p in (portrait, np.round(across), across, same_noise)]
    at_first = at_first or rough_now
    # If shrinking itself made pictures rougher, noise would get rougher, too. If photographs were smooth everywhere,
    # they would go with the ramp.
    ratios = [now / before for now, before in zip(rough_now, at_first, strict=True)]
    print("{:13} {:12.1f} {:9.1f} {:8.1f} {:7.1f}".format(side, *ratios))

# %% [markdown]
# <details><summary>What happened</summary>
#
# On a ramp, one step takes the place of two. It is twice as large, and its square four times as large. An edge stays
# as high as it was, but it now takes up twice the share of the picture: it counts double. The photograph goes nearly
# with the edge, because most of its roughness lies in edges. Noise is averaged away instead: its neighbours have
# nothing in common. So roughness can only be compared at equal sizes, and a [weight](glossary.md#weight) that suits
# one size doesn't suit another.
#
# </details>
#
# ## Downhill is a blur
#
# To lower a loss we need its gradient. A step $s = x_{y,x+1} - x_{y,x}$ pulls at both its ends: $2s$ at
# the right one, $-2s$ at the left one. Add that up for a pixel $p$ and its four neighbours $q$, away from
# the border. The picture is a square here, so both directions have the same number $N$ of steps:
#
# $$ \frac{\partial V}{\partial p} = \frac{2}{N} \sum_{q} (p - q)
#    = \frac{8}{N} \left( p - \text{mean of the neighbours} \right) . $$
#
# So a step against the gradient moves every pixel towards the mean of its neighbours. Compare with the
# tape, inside the picture and, as a control, in a corner. A corner has two neighbours only, so there the
# formula must fail:

# %%
with tf.GradientTape() as tape:
    pixels = tf.Variable(photo)
    value = total_variation_loss(pixels)
gradient = tape.gradient(value, pixels).numpy()

N = 160 * 159 * 3
padded = np.pad(photo, ((1, 1), (1, 1), (0, 0)))  # black beyond the border
around = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
print("red channel         by the tape, times N/8   pixel - mean of neighbours")
for name, place in {"at (100, 60)": (100, 60), "in the corner": (0, 0)}.items():
    print(f"{name:20} {N / 8 * gradient[place][0]:17.4f} {(photo - around)[place][0]:24.4f}")

# %% [markdown]
# How fast does it go? Take horizontal stripes whose brightness is a cosine, so that neighbours in a row
# are equal, and take 10 steps, each of which moves a pixel *half* of the way to the mean of its neighbours.
# Stripes that repeat every two pixels, white, black, white, black, you can do in your head: the neighbours
# above and below are the opposite, those to the left and right are equal. So the mean of all four is grey,
# and half of the way to it halves the contrast: $0.5^{10} = 0.001$ is left.
#
# **Question.** Which fade faster, stripes that repeat every 8 pixels or every 32?


# %%
def downhill(picture, steps):
    image = tf.Variable(picture)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            value = total_variation_loss(image)
        # N/8 times the gradient would lead all the way to the mean of the neighbours.
        image.assign_sub(N / 16 * tape.gradient(value, image))
    return image.numpy()


# %% jupyter={"outputs_hidden": true}
print("share of the contrast that is left after 10 steps")
for period in (2, 8, 32):
    wave = np.cos(2 * np.pi * np.arange(160) / period)[:, np.newaxis, np.newaxis]
    stripes = np.float32(0.5 + 0.4 * wave * np.ones((160, 160, 3)))
    # If it faded all stripes alike, the three shares would be equal.
    print(f"every {period:2} pixels: {np.ptp(downhill(stripes, 10)[64:96]) / 0.8:.3f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# The wider the stripes, the more alike neighbours are, and the slower they fade: 0.001, 0.467 and 0.953
# are left. So grain goes first, then detail, then everything. Heat spreads in a metal plate in the same
# way. (Exercise 2 asks for the formula.)
#
# </details>

# %%
blurred = {0: photo}
for before, after in ((0, 10), (10, 50), (50, 200)):
    blurred[after] = downhill(blurred[before], after - before)
show_rows(
    list(blurred.values()),
    titles=[f"{step} steps: V = {total_variation(p):.4f}" for step, p in blurred.items()],
    height=2.3,
    alt="A portrait of an astronaut, more and more blurred from left to right.",
)

# %% [markdown]
# *Plain gradient descent on $V$, and nothing else.* If you go on, every pixel gets the mean colour: the
# picture of least total variation is a plain card. So the term is of use only *against* another one.
#
# ## How much? A case where the truth is known
#
# Add noise to a photograph, and ask for a picture that is close to the noisy one and smooth:
# $\operatorname{mean}(\text{image} - \text{noisy})^2 + w\,V$. We know the clean photograph, so we can
# measure which weight $w$ is best. We do the same with the length of both steps, as Rudin, Osher and
# Fatemi did, and give each of the two the best of seven weights. (A root has no slope at 0, so a little is
# added under it.)


# %% tags=["nbval-ignore-output"]
def length_of_steps(image):
    right, down = image[:-1, 1:] - image[:-1, :-1], image[1:, :-1] - image[:-1, :-1]
    return tf.reduce_mean(tf.sqrt(right**2 + down**2 + 1e-4))


def denoised(noisy, roughness, weight):
    def loss(image):
        return {
            "close": tf.reduce_mean((image - noisy) ** 2),
            "rough": weight * roughness(image),
        }

    return nst.minimize_image(loss, noisy, iterations=60, progress=False).image


noisy = photo + np.random.default_rng(2).normal(0, 0.12, photo.shape).astype(np.float32)
noisy = np.clip(noisy, 0, 1)
before = np.mean((noisy - photo) ** 2)
tried = {
    "squares": (total_variation_loss, (0.03, 0.1, 0.3, 0.5, 1, 3, 10)),
    "length of both": (length_of_steps, (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1)),
}
best, errors_of = {}, {}
for name, (roughness, weights) in tried.items():
    cleaned = {weight: denoised(noisy, roughness, weight) for weight in weights}
    errors = {w: float(np.mean((picture - photo) ** 2) / before) for w, picture in cleaned.items()}
    errors_of[name] = list(errors.values())
    best[name] = cleaned[min(errors, key=errors.get)]
    # Of the noisy picture the error is 100 %. If no weight could do harm, the errors would only fall.
    print(f"{name:15} weight", "".join(f"{weight:7}" for weight in weights))
    print(f"{'':15} error ", "".join(f"{error:7.0%}" for error in errors.values()))

# %% [markdown]
# And the edges? Take the 1 % largest steps of the clean photograph, and ask how much of them is left. The
# noisy picture is the control: noise makes some steps larger and others smaller, so nearly all should be
# left.

# %% tags=["nbval-ignore-output"]
right = np.diff(photo, axis=1)
edges = np.abs(right) > np.quantile(np.abs(right), 0.99)
kept = {}
for name, picture in {"noisy": noisy, **best}.items():
    left = (np.diff(picture, axis=1) * np.sign(right))[edges].sum() / np.abs(right)[edges].sum()
    kept[name] = left
    # If the two blurred edges alike, the last two shares would be equal.
    print(f"{name:15} {left:.0%} of the largest steps")

# %% jupyter={"source_hidden": true}
for errors in errors_of.values():  # the best weight is none of the outermost
    assert min(errors) < 0.5 < min(errors[0], errors[-1])
assert kept["noisy"] > 0.9
assert kept["squares"] + 0.1 < kept["length of both"]

# %%
show_rows(
    [noisy, best["squares"], best["length of both"]],
    titles=["noisy", "squares, best of seven", "length of both, best of seven"],
    height=3.1,
    alt="A noisy portrait; a softer one with blurred edges and some grain left; one with sharper "
    "edges and flatter areas, like a poster.",
)

# %% [markdown]
# *160 pixels, enlarged.* The best weight lies in between: too little leaves grain, too much takes the edges
# away. At their best, squares leave 37 % of the squared error and lengths 31 %. Squares keep only about half
# of the largest steps; lengths keep three quarters, and make areas flat.
#
# The ramp and the edge have told you why. This library squares, which gives a smooth gradient, and
# leaves it to the [style loss](glossary.md#style-loss) to ask for edges.
#
# ## Why the texture was rough
#
# For a texture there is no truth to compare with. So first ask why it was rough at all. Here is the
# loss of lesson 04, means and [covariances](glossary.md#covariance) at five layers, minimised by the same
# loop. Four things are simpler than in the recipe there: one size only, so that the run starts from noise at full
# size; plain noise, not in the painting's colours; zeros beyond the border; and every layer counts alike. The term
# for roughness is relative, like all others: $V$ is divided by that of the painting.

# %%
painting = nst.load_image("brushwork", size=128)
extractor = nst.feature_extractor(nst.STYLE_LAYERS)
of_painting = {
    layer: nst.channel_statistics(maps[0])
    for layer, maps in extractor(painting[np.newaxis]).items()
}


def style_loss(image):
    features = extractor(image[tf.newaxis])
    return nst.style_loss({layer: maps[0] for layer, maps in features.items()}, of_painting)


def relative_roughness(image):
    return total_variation_loss(image) / total_variation(painting)


def texture(start, weight=0.0):
    def loss(image):
        return {"style": style_loss(image), "tv": weight * relative_roughness(image)}

    return nst.minimize_image(loss, start, iterations=100, progress=False).image


noise = np.random.default_rng(0).random(painting.shape, dtype=np.float32)
rough, smooth = texture(noise), texture(noise, weight=0.01)

# %% [markdown]
# **Question.** The first is more than ten times as rough as the second. How do their *style losses* compare?
#
# - **a** the rough one's is about ten times as large, too
# - **b** the rough one's is about three times as large
# - **c** they are about equal
# - **d** the smooth one's is clearly larger

# %% tags=["learner"]
nst.check("style_gap", ...)

# %% tags=["solution"]
nst.check("style_gap", "c")

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
print(f"{'':20} V / V of the painting   style loss")
# If the style loss noticed the grain, the rough picture's would be far larger.
for name, picture in {"the noise": noise, "rough": rough, "smooth": smooth}.items():
    style = float(style_loss(tf.constant(picture)))
    print(f"{name:20} {relative_roughness(picture):21.1f} {style:12.4f}")

# %% [markdown]
# <details><summary>What the table says</summary>
#
# The style loss hardly notices the grain: both pictures are about equally good. How can that be, when it asks for
# so much?
#
# </details>
#
# **Question.** [VGG19](glossary.md#VGG19)'s five [Gram matrices](glossary.md#Gram-matrix) are symmetric and
# hold 305,888 different numbers. Kim's picture has 224 × 224 × 3 = 150,528. What follows for the texture?
#
# - **a** no picture can have all of these numbers
# - **b** only the painting itself has all of them
# - **c** nothing follows from a count alone
# - **d** less is asked for than the picture has numbers, so many pictures meet it

# %% tags=["learner"]
nst.check("more_numbers", ...)

# %% tags=["solution"]
nst.check("more_numbers", "c")

# %% jupyter={"outputs_hidden": true}
print("Numbers asked for, and numbers in the picture:")
channels = {"VGG19": (64, 128, 256, 512, 512), "here": [len(s.mean) for s in of_painting.values()]}
for name, counts in channels.items():
    size = 224 * 224 * 3 if name == "VGG19" else painting.size
    print(f"{name:6} {sum(c * (c + 1) // 2 for c in counts):8,} {size:8,}")

# %% [markdown]
# <details><summary>What the count says</summary>
#
# Nothing: even here more numbers are asked for than the picture has, and yet a rough picture and a smooth one come
# about equally near.
#
# </details>
#
# What matters is how strongly the loss *reacts*. Measure that: take the painting, whose style loss is 0, and add
# grain to it, always of the same strength:
#
# - the grain of the rough texture: what is left when a blurred copy is taken away;
# - the grain of the noise that it started from;
# - the same grain as the first, its pixels in random order.


# %%
def grain(image):
    fine = image - cv2.GaussianBlur(image, (0, 0), 1)
    return fine / fine.std()


left_over = grain(rough)
grains = {
    "left over in the texture": left_over,
    "of the noise at the start": grain(noise),
    "left over, in random order": np.random.default_rng(5)
    .permutation(left_over.reshape(-1, 3))
    .reshape(left_over.shape),
}
costs = {}
for name, fine in grains.items():
    grainy = np.float32(painting + 0.05 * fine)
    costs[name] = float(style_loss(tf.constant(grainy)))
    # If the loss reacted to all grain alike, the three costs would be equal, as V nearly is.
    print(f"{name:28} V {total_variation(grainy):.2f}")

# %% tags=["nbval-ignore-output"]
for name, cost in costs.items():
    print(f"{name:28} style loss {cost:.4f}")

# %% jupyter={"source_hidden": true}
assert 2 * costs["left over in the texture"] < costs["of the noise at the start"]
assert costs["left over in the texture"] < costs["left over, in random order"]

# %% [markdown]
# That is the reason. The three are about equally rough, and the loss reacts far less to the grain *that is
# left* than to the grain that the run began with. Some grain hardly changes what a filter answers, for
# instance where bright and dark dots cancel within its 3 × 3 pixels. The run removed what the loss could
# feel, and left the rest.
#
# If that is so, a picture that starts without grain should end without it, with no price on roughness at
# all. Blur the noise before the start (and stretch its contrast to that of the noise):

# %%
soft = cv2.GaussianBlur(noise, (0, 0), 2)
soft = np.clip(0.5 + (soft - 0.5) * noise.std() / soft.std(), 0, 1)
from_soft = texture(soft)

# %% tags=["nbval-ignore-output"]
runs = {"noise": rough, "noise, and a price": smooth, "blurred noise": from_soft}
print(f"{'from':20} V / V of the painting   style loss")
for name, picture in runs.items():
    style = float(style_loss(tf.constant(picture)))
    print(f"{name:20} {relative_roughness(picture):21.1f} {style:12.4f}")

# %% jupyter={"source_hidden": true}
assert total_variation(rough) > 2 * max(total_variation(from_soft), total_variation(smooth))
styles = [float(style_loss(tf.constant(picture))) for picture in runs.values()]
assert max(styles) < 2 * min(styles)

# %%
show_rows(
    list(runs.values()),
    titles=["from noise", "from noise, with a price on V", "from blurred noise, without"],
    height=3.1,
    alt="Three textures of yellow and blue strokes: the first covered with coloured dots, the other "
    "two without them, the last one the sharpest.",
)

# %% [markdown]
# *Three pictures of 128 pixels, enlarged. The style loss finds them about equally good. If the start didn't
# matter, the last would be as rough as the first.*
#
# So there are two cures. A price on total variation removes grain that is there. A smooth start brings none
# in, and from [coarse to fine](glossary.md#coarse-to-fine) every size has a smooth start: the enlarged
# picture of the size before. That is why `tv_weight` is 0 by default in this library. It is still the right
# tool when you *want* a softer picture.
#
# ## Experiment: the trade-off
#
# Now the library's recipe for textures, with one knob: `tv_weight`. It multiplies $V$ as it is, so we give
# it $w$ divided by the painting's $V$; then $w$ is relative. We try eight values of $w$. The first of them, 0, is
# the control: no price at all.

# %%
made = {
    weight: nst.synthesize_texture(
        painting,
        scales=2,
        iterations=20,
        tv_weight=weight / total_variation(painting),
        progress=False,
    )
    for weight in (0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
}
# If the price did nothing, all points would lie on one spot, that of weight 0. If smoothness cost nothing, they would
# lie at one height.
curve = (
    [total_variation(run.image) for run in made.values()],
    [run.losses["style"][1] for run in made.values()],
    [f"{weight}" for weight in made],
)
show_tradeoff(
    {"texture": curve},
    xlabel="roughness V",
    ylabel="style loss",
    line=(total_variation(painting), "the painting's own"),
    alt="A curve of style loss over roughness through eight labelled points. It falls from the "
    "smoothest picture, weight 10, and is flat among the roughest, weights 0.03 to 0.",
)

# %% jupyter={"source_hidden": true}
assert curve[0] == sorted(curve[0], reverse=True)
assert curve[1][-3:] == sorted(curve[1][-3:])
assert curve[1][-1] > 3 * curve[1][0]

# %% tags=["nbval-ignore-output"]
print("weight    ", *(f"{weight:>7}" for weight in curve[2]))
print("roughness ", *(f"{roughness:7.4f}" for roughness in curve[0]))
print("style loss", *(f"{style:7.3f}" for style in curve[1]))

# %% [markdown]
# *The curve shows the eight runs, each with its weight. Both axes are logarithmic: an equal
# distance is an equal factor.*
#
# Where is the best weight? The curve doesn't say. It is tempting to look for its bend, but where a curve
# bends depends on how the axes are scaled: draw the same points on plain axes, and the bend moves. What the
# curve does tell is the price. From weight 0.01 to 0.1 the roughness falls by two fifths, and the style loss
# rises by about a sixth. From 3 to 10 the roughness falls by two thirds, and the style loss becomes nearly
# three times as large. The painting's own roughness is a hint: without a price the texture is a little rougher, and
# with 0.01 it is smoother already. The rest you have to judge by eye:

# %%
shown = (0, 0.1, 1, 10)
show_rows(
    [made[weight].image for weight in shown],
    titles=[f"weight {weight}" for weight in shown],
    height=2.3,
    alt="Four textures. From left to right strokes lose their edges; at weight 10 they are blurred patches.",
)

# %% [markdown]
# ## A weight of 1,000,000,000
#
# The tutorial adds up its terms without making them relative. Its weights for the smooth texture are 0.1
# for the style and 10⁹ for total variation. Why would anybody need a billion? At the end its roughness
# was 0.030. If the two terms were about equally large then, its style loss was

# %%
print(f"{1e9 * 0.030 / 0.1:.0e}")

# %% [markdown]
# Where does such a number come from? VGG19 takes pixels from 0 to 255, and total variation is measured on
# pixels from 0 to 1. Features grow with the pixels, Gram matrices with the square of the features, and the
# loss with the square of the Gram matrices. So the loss grows with the fourth power of the features:

# %%
maps = extractor(painting[np.newaxis])["block3_conv1"]
other = extractor(nst.load_image("mosaic", size=128)[np.newaxis])["block3_conv1"]


def gram_difference(a, b):
    return float(tf.reduce_mean((nst.gram_matrix(a) - nst.gram_matrix(b)) ** 2))


# If the loss grew with the features' square only, the ratio would be 6.5e+04.
ratio = gram_difference(255 * maps, 255 * other) / gram_difference(maps, other)
print(f"features 255 times larger, loss larger by {ratio:.1e}; 255⁴ is {255.0**4:.1e}")

# %% [markdown]
# So the unit alone is worth a factor of 4 · 10⁹. The rest is the network: how large its features happen
# to be. Change the network, and the weight is wrong. Here are the tutorial's two terms, with its weights,
# for the same noise and two networks:

# %%
networks = {
    "the small twin": extractor,
    "VGG19, random": nst.feature_extractor(nst.STYLE_LAYERS, "random"),
}


def grams(image, network):
    return [nst.gram_matrix(maps[0]) for maps in network(image[tf.newaxis]).values()]


def kims_style_loss(image, network, wanted):
    found = grams(image, network)
    return tf.add_n([tf.reduce_mean((g - a) ** 2) for g, a in zip(found, wanted, strict=True)])


print(f"10⁹ · total variation: {1e9 * total_variation(noise):.0e}")
for name, network in networks.items():
    style = kims_style_loss(tf.constant(noise), network, grams(painting, network))
    print(f"0.1 · style loss, {name}: {0.1 * float(style):.0e}")

# %% [markdown]
# **Question.** What will the tutorial's weights make of the texture on the [small
# twin](glossary.md#small-twin)?
#
# - **a** the same texture, only smoother
# - **b** a nearly uniform grey
# - **c** noise, because the style can't be reached
# - **d** an overflow

# %% tags=["learner"]
nst.check("billion", ...)

# %% tags=["solution"]
nst.check("billion", "b")

# %% jupyter={"outputs_hidden": true}
wanted = grams(painting, extractor)


def as_the_tutorial_weights(image, price=1e9):
    return {
        "style": 0.1 * kims_style_loss(image, extractor, wanted),
        "tv": price * total_variation_loss(image),
    }


style_at_start = 0.1 * float(kims_style_loss(tf.constant(noise), extractor, wanted))


def as_large_as_the_style(image):
    return as_the_tutorial_weights(image, price=style_at_start / total_variation(noise))


# The control has the same terms, start and iterations. Its price is such that both terms are equally large at the
# start. If the terms were at fault, and not the weight, it would be grey as well.
balanced, grey = (
    nst.minimize_image(loss, noise, iterations=25, progress=False).image
    for loss in (as_large_as_the_style, as_the_tutorial_weights)
)
print("The tutorial's terms, from the same noise, with two prices on roughness:")
show_rows(
    [balanced, grey],
    titles=["as large as the style at the start", "10⁹, the tutorial's"],
    height=2.9,
    alt="Coloured strokes and a yellow sun on greyish blue; a nearly uniform grey picture.",
)

# %% jupyter={"source_hidden": true}
# On every VGG19: all is grey where the price outweighs the style at the start, and not where it doesn't.
of_style, price = as_the_tutorial_weights(tf.constant(noise)).values()
assert (total_variation(grey) < 0.01 * total_variation(painting)) == (price > of_style)

# %% [markdown]
# <details><summary>What you see</summary>
#
# Twenty-five iterations are few. But where both terms are equally large at the start, they begin a texture. Where one
# is millions of times as large, nothing is left but the picture that this term likes best.
#
# </details>
#
# The tutorial's weights weren't wrong: they suited its network, its loss and its units. There they do what
# they should. These are its two runs as written, 5,000 steps each through VGG19, on a print by Hokusai, and
# beside them what `nst texture` makes through VGG19 as well:
#
# ![The Great Wave, and three textures of it: a rough one as written, a smooth one with a price on roughness, and the library's](figures/blog_texture.jpg)
#
# *The print and three textures of it, 224 pixels wide, with their total variation. (`python
# benchmarks/blog.py` makes this picture.)* The price takes the grain away, and more: 0.016 is only half of the
# print's own 0.031. Kim's numbers, for another picture, were 0.103, 0.030 and 0.036. And the library's texture is
# smooth without a price, but look at its composition: it is nearly the print's. Lesson 04 says why: it starts at
# a small size, where a window takes in the whole picture.
#
# But on another network these weights are wrong. The cure is the one from lesson 03: divide each term by the size
# of what it is compared with, which makes it a **[relative loss](glossary.md#relative-loss)**. Total variation
# too; we did that above.
#
# What does a relative number say? Here is the relative style loss of some pictures, compared with the
# painting, on both networks:

# %%
# If a relative loss depended on the size of a network's features, the two columns would be millions of times apart,
# as the raw losses are.
candidates = {
    "the painting": painting,
    "another part of it": nst.load_image("brushwork", size=256)[64:192, 100:228],
    "mosaic": nst.load_image("mosaic", size=128),
    "noise": noise,
    "black": np.zeros_like(painting),
    "checkerboard": np.float32(np.indices((128, 128, 3)).sum(axis=0) % 2),
}
print(f"{'':20}", *(f"{name:>16}" for name in networks))
for name, picture in candidates.items():
    row = []
    for network in networks.values():
        target = {k: nst.channel_statistics(m[0]) for k, m in network(painting[np.newaxis]).items()}
        found = {k: m[0] for k, m in network(np.float32(picture)[np.newaxis]).items()}
        row.append(float(nst.style_loss(found, target)))
    print(f"{name:20}", *(f"{value:16.1f}" for value in row))

# %% [markdown]
# **Question.** So what does a relative style loss of 1 mean?
#
# - **a** the two have nothing in common
# - **b** the difference is as large as the style itself
# - **c** it is as bad as it can get
# - **d** the two are nearly the same

# %% tags=["learner"]
nst.check("loss_of_one", ...)

# %% tags=["solution"]
nst.check("loss_of_one", "b")

# %% [markdown]
# <details><summary>What the table says</summary>
#
# 1 is not a ceiling, and it doesn't mean "nothing in common": it only says that the difference is as large as the
# style. Nor is the order of bad pictures a judgement of taste: the twin puts noise nearer to the painting than
# the mosaic, the other network puts it much farther away.
#
# </details>
#
# The two columns are of the same order, although the raw losses above were millions of times apart. So the same
# weights can serve both networks. Whenever you meet weights like 10⁹, 10⁴ and 10⁻², ask for
# the units of the terms. The weights hide them.
#
# ## Exercises
#
# Each has three hints, from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Every picture is smooth (10 minutes)
#
# A colleague has measured ten photographs with this function, and all of them are perfectly smooth: 0.
#
# ```python
# def total_variation(image):
#     right = np.roll(image, -1, axis=1) - image
#     down = np.roll(image, -1, axis=0) - image
#     return np.mean([right.mean() ** 2, down.mean() ** 2])
# ```
#
# Find the three mistakes and write it right, for an image (H, W, 3). And why was it *exactly* 0?
#
# <details><summary>Hint 1</summary>Try it on the ramp, by hand: what is <code>right</code>, what is its
# mean?</details>
# <details><summary>Hint 2</summary>What does <code>np.roll</code> put beside the last column? What should be
# squared first? What does the formula do with the two means?</details>
# <details><summary>Hint 3</summary><code>np.diff(image, axis=1)</code>; square, then mean; add.</details>


# %% tags=["learner"]
def my_total_variation(image): ...


nst.check("total_variation", my_total_variation)


# %% tags=["solution"]
def my_total_variation(image):
    return sum(np.mean(np.diff(image, axis=axis) ** 2) for axis in (0, 1))


nst.check("total_variation", my_total_variation)

# %% [markdown] tags=["solution"]
# With the wrap-around every row of steps leads back to where it began. So the steps add up to 0, and
# their mean is 0, whatever the picture. The colleague had no control: a checkerboard would have shown it.

# %% [markdown]
# ### Exercise 2 · How fast does a stripe fade? (20 minutes)
#
# Above, stripes of 2, 8 and 32 pixels had 0.001, 0.467 and 0.953 of their contrast left after ten steps,
# each half of the way to the mean of the four neighbours. Find the formula: return what is left for
# stripes that repeat every `period` pixels, after `steps` steps. Derive it on paper first, for a pixel
# on the crest of $\cos(2\pi y / \text{period})$.
#
# <details><summary>Hint 1</summary>The crest is 1. What are its neighbours above and below? And those to
# the left and right?</details>
# <details><summary>Hint 2</summary>Both across the stripe are cos(2π / period), both along it are 1. Take
# the mean of the four, and go half of the way.</details>
# <details><summary>Hint 3</summary>One step leaves (1 + (2 + 2 cos(2π / period)) / 4) / 2, and every step
# multiplies by the same number.</details>


# %% tags=["learner"]
def fading(period, steps): ...


nst.check("fading", fading)


# %% tags=["solution"]
def fading(period, steps):
    mean_of_neighbours = (2 + 2 * np.cos(2 * np.pi / period)) / 4
    return ((1 + mean_of_neighbours) / 2) ** steps


nst.check("fading", fading)

# %% [markdown]
# ### Exercise 3 · Which runs are worth looking at? (15 minutes)
#
# You made many runs and know two losses of each: `style` and `roughness`, two arrays of length N. A run
# is *beaten* if another one is no worse in both and better in at least one. Return an array of N
# booleans: True for the runs that are not beaten. Only those need your eye; they are called the
# [Pareto](glossary.md#Pareto) front. Then try it on the eight runs above (`curve`): is every one of them
# worth looking at?
#
# <details><summary>Hint 1</summary>For one run, compare its two numbers with those of all others.</details>
# <details><summary>Hint 2</summary>Run j beats run i if both of j's are <code>&lt;=</code> i's, and one of
# them is <code>&lt;</code>.</details>
# <details><summary>Hint 3</summary><code>style &lt;= style[:, np.newaxis]</code> compares all with all: a
# row for the run that is asked about, a column for the one that may beat it.</details>


# %% tags=["learner"]
def unbeaten(style, roughness): ...


nst.check("unbeaten", unbeaten)


# %% tags=["solution"]
def unbeaten(style, roughness):
    # Row: the run that is asked about. Column: the run that may beat it.
    no_worse = (style <= style[:, np.newaxis]) & (roughness <= roughness[:, np.newaxis])
    better = (style < style[:, np.newaxis]) | (roughness < roughness[:, np.newaxis])
    return ~(no_worse & better).any(axis=1)


nst.check("unbeaten", unbeaten)

# %% tags=["solution", "nbval-ignore-output"]
kept = unbeaten(np.array(curve[1]), np.array(curve[0]))
print("worth looking at:", *np.array(curve[2])[kept])

# %% [markdown] tags=["solution"]
# Nearly all of them: each is the best for *some* wish. A run that drops out was beaten by one that is
# smoother and has a lower style loss as well. There the search had not gone on for long enough.

# %% [markdown]
# ### Exercise 4 · The gradient, by hand (30 minutes)
#
# Return the gradient of the total variation, an array of the image's shape, without a tape. The formula
# above fails along the border, where a pixel has fewer neighbours; yours must not. Then blur a photo of
# yours with it, in NumPy alone.
#
# <details><summary>Hint 1</summary>Don't think of pixels, think of steps: each one pulls at its two
# ends.</details>
# <details><summary>Hint 2</summary>For each step s add 2s divided by the number of steps in its direction at
# the end that it leads to, and subtract it at the end that it leaves.</details>
# <details><summary>Hint 3</summary><code>gradient[:, 1:] += 2 * right / right.size</code>, and three more
# lines like it.</details>


# %% tags=["learner"]
def total_variation_gradient(image): ...


nst.check("total_variation_gradient", total_variation_gradient)


# %% tags=["solution"]
def total_variation_gradient(image):
    gradient = np.zeros_like(image)
    right = np.diff(image, axis=1)
    down = np.diff(image, axis=0)
    gradient[:, 1:] += 2 * right / right.size
    gradient[:, :-1] -= 2 * right / right.size
    gradient[1:] += 2 * down / down.size
    gradient[:-1] -= 2 * down / down.size
    return gradient


nst.check("total_variation_gradient", total_variation_gradient)

# %% [markdown]
# ### Exercise 5 · Smoother, hence better? (open, 10 minutes)
#
# A paper reports: "Our textures have a total variation of 0.012, those of the earlier method 0.031. Ours
# are therefore of higher quality." Name two reasons why the conclusion doesn't follow, and for each a
# measurement that would help, with its control.
#
# <details><summary>Hint 1</summary>Which picture has the smallest total variation of all?</details>
# <details><summary>Hint 2</summary>Two numbers can be compared if all else is equal. What else may differ
# here: the sizes, the definition, the weight?</details>
# <details><summary>Hint 3</summary>For each reason, measure something in a case in which you know the answer:
# a grey card, a blurred copy, one picture at two sizes.</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# For instance: *Smooth isn't good.* A grey card has 0. Measure the original's own $V$ and the style loss
# beside it; control: a blurred copy of the earlier method's result must not win. *The sizes may differ.* A
# photograph at half the size is rougher. Compare at equal sizes; control: the same picture at two sizes.
# *Which total variation?* Squares, absolute steps and lengths give different numbers, sums differ from
# means; control: a checkerboard, for which each has a known value. *The weight was chosen.* Any method
# with the term can have 0.012. Show the whole curve of both methods, style loss over roughness, and see
# whether one lies below the other.

# %% [markdown]
# ## In this lesson you have
#
# - computed the total variation of a ramp, 0.0625, an edge, 0.25, and a checkerboard, 2, by hand, and
#   worked out that noise has ⅓, and that a cat in dots has more;
# - gone down the gradient, and seen that stripes which repeat every 2 pixels keep 0.001 of their contrast, and
#   those which repeat every 32 keep 0.953;
# - found the best weights where the truth was known; there squares kept half of the largest steps, and
#   lengths three quarters;
# - found why a texture from noise stays rough: what is left is grain that the style loss hardly notices, and
#   a smooth start avoids it as well as a price removes it;
# - read the price of smoothness from a curve of eight weights, and no best weight from its shape;
# - traced a weight of 10⁹ back to 255⁴, and replaced it by relative terms.
#
# Next: [06 · Content and style](06_content_and_style.ipynb), a photograph that keeps its subject and
# takes on a style. On the command line it is there already: `nst transfer chelsea mosaic -o cat.png`.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - L. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms",
#   Physica D, 1992: the length of both steps.
# - A. Tikhonov and V. Arsenin, "Solutions of ill-posed problems", 1977: squared steps.
# - A. Mahendran and A. Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015:
#   total variation as a picture's prior, next to a network.
# - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
#   super-resolution", ECCV 2016.
