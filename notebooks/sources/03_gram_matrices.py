# %% [markdown]
# # 03 · Gram matrices: texture without places
#
# After this lesson you can describe a texture by numbers that forget where things are, and tell by
# these numbers which of two pictures is made of the same stuff as a third.

# %%
import numpy as np

import nstlib as nst
from nstlib import tf

tissue = nst.load_image("immunohistochemistry")
halves = [tissue[:256, :256], tissue[:256, 256:]]
stars = nst.load_image("hubble")[200:456, 300:556]
extractor = nst.feature_extractor(nst.STYLE_LAYERS)


def grams_of(image):
    return {layer: nst.gram_matrix(maps[0]) for layer, maps in extractor(image[np.newaxis]).items()}


layer = "block3_conv1"
names = ["tissue, one corner", "tissue, another corner", "stars"]
grams = {name: grams_of(image)[layer] for name, image in zip(names, [*halves, stars], strict=True)}
nst.show_images(
    [*halves, stars],
    names,
    caption="Which two are made of the same stuff? You see it at once. The matrices below say it too.",
    alt="Two different pieces of the same brown and blue tissue, and a field of stars.",
)

# %%
nst.show_grams(
    grams,
    caption=f"Their Gram matrices at {layer}: which features occur together, and how often. The two "
    "pieces of tissue agree in a pattern that the stars do not have.",
    alt="Three dark heat maps with bright lines; the first two alike, the third different.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [02 · Features](02_features.ipynb) |
# | Time to read | 25 min |
# | Time to run on 2 cores | 30 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** a Gram matrix by hand, in NumPy and in TensorFlow.
# - **Explain** what it keeps of a picture and what it throws away, and prove both.
# - **Compare** the sorted Gram matrices of different layers.
# - **Split** a Gram matrix into what is always there and what varies.
# - **Measure** the distance between textures, and sort pictures by it.

# %% [markdown]
# ## By hand: four positions, two channels
#
# Take feature maps of 2 × 2 positions and two channels. Say the first channel means *red*, the second
# *stripe*; at one position both are found.

# %%
features = np.array(
    [
        [[1, 0], [1, 1]],
        [[0, 1], [0, 0]],
    ],
    dtype=np.float32,
)
red, stripe = features[..., 0], features[..., 1]
print("red:\n", red)
print("stripe:\n", stripe)

# %% [markdown]
# The Gram matrix asks of every pair of channels: how much do they occur **together**, on average over
# the positions?
#
# - red with red: 1·1 + 1·1 + 0·0 + 0·0 = 2, over four positions: 0.5
# - red with stripe: 1·0 + 1·1 + 0·1 + 0·0 = 1, over four: 0.25
# - stripe with stripe: 0·0 + 1·1 + 1·1 + 0·0 = 2, over four: 0.5
#
# Write the positions as rows of a matrix $F$, the channels as its columns, and all the pairs are one
# matrix product:
#
# $$ G = \frac{1}{HW} F^\top F . $$

# %%
F = features.reshape(4, 2)
print("F, one row a position:\n", F)
print("G:\n", F.T @ F / 4)


# %% [markdown]
# ## In TensorFlow
#
# The same for any number of positions and channels. The first axis may be a batch.


# %%
def gram_matrix(features):
    positions = features.shape[-3] * features.shape[-2]
    channels = features.shape[-1]
    F = tf.reshape(features, [*features.shape[:-3], positions, channels])
    return tf.matmul(F, F, transpose_a=True) / positions


print(gram_matrix(tf.constant(features)).numpy())

# %% [markdown]
# `nst.gram_matrix` is this function, with checks. On the features of a real picture, and against a
# third way to write it, Einstein's sum over the positions $y, x$:

# %%
maps = extractor(halves[0][np.newaxis])[layer]
by_einsum = np.einsum("byxi,byxj->bij", maps, maps) / (maps.shape[1] * maps.shape[2])
print("features", tuple(maps.shape), "→ Gram matrix", tuple(gram_matrix(maps).shape))
print(
    "ours equals the library's:", np.allclose(gram_matrix(maps), nst.gram_matrix(maps), rtol=1e-4)
)
print(
    "both equal Einstein's sum:",
    np.allclose(by_einsum, nst.gram_matrix(maps), rtol=1e-3, atol=1e-4),
)

# %% [markdown]
# Two properties follow from the product. $G$ is **symmetric**, since red with stripe is stripe with
# red. And for any mixture $v$ of channels, $v^\top G v = \lVert F v \rVert^2 / HW$ cannot be negative.

# %%
G = nst.gram_matrix(maps)[0].numpy()
eigenvalues = np.linalg.eigvalsh(G)
print(
    "symmetric:",
    np.allclose(G, G.T),
    " no negative eigenvalue:",
    eigenvalues.min() > -1e-4 * eigenvalues.max(),
)

# %% [markdown]
# ## Positions are thrown away
#
# A sum does not care about the order of its terms. So the positions can be shuffled.
#
# **Question.** Shuffle the *feature vectors*: does the Gram matrix change? Shuffle the *pixels* of the
# picture, then compute features: does it change now?

# %%
random = np.random.default_rng(0)


def shuffled(array):
    """Move every position to a random place; each position's channels stay together."""
    flat = array.reshape(-1, array.shape[-1])
    return random.permutation(flat).reshape(array.shape)


def distance(gram, target):
    """Squared difference, relative to the target's own size: 0 is equal."""
    return float(tf.reduce_sum((gram - target) ** 2) / tf.reduce_sum(target**2))


one_map = maps[0].numpy()
moved = nst.gram_matrix(shuffled(one_map))
print("features shuffled, Gram matrix the same:", np.allclose(moved, G, rtol=1e-3, atol=1e-4))

# %%
scrambled = shuffled(halves[0])
print(
    "pixels shuffled, Gram matrix of the colours the same:",
    np.allclose(nst.gram_matrix(scrambled), nst.gram_matrix(halves[0]), rtol=1e-3),
)
after = grams_of(scrambled)
before = grams_of(halves[0])
for name in nst.STYLE_LAYERS:
    print(
        f"pixels shuffled, {name} off by more than 10 %: {distance(after[name], before[name]) > 0.1}"
    )

# %%
nst.show_images(
    [halves[0], scrambled],
    ["tissue", "its pixels, shuffled"],
    caption="The same pixels, so the same Gram matrix of colours. But no edge and no fibre is left, and "
    "every layer of features knows.",
    alt="Brown and blue tissue, and beside it coloured noise of the same pixels.",
)

# %% [markdown]
# That is the idea of Gatys, Ecker and Bethge (2015) in one line: **a feature already contains the small
# arrangement that makes a texture** (an edge, a fibre, a cell), so the order of the features may be
# forgotten, and what is left is the texture. How large an arrangement, the layer decides: 3 pixels in
# `block1`, 156 in `block5`.
#
# ## Why the division by $HW$
#
# **Question.** A quarter of a picture has a quarter of the positions. Do its Gram matrices agree with
# the whole picture's?

# %%
whole, quarter = tissue, tissue[128:384, 128:384]
for image, name in ((whole, "whole"), (quarter, "quarter")):
    maps_of_it = extractor(image[np.newaxis])[layer][0]
    undivided = float(tf.reduce_sum(maps_of_it**2))
    divided = undivided / (maps_of_it.shape[0] * maps_of_it.shape[1])
    print(f"{name:8} trace of FᵀF: {undivided:9.1g}   divided by HW: {divided:.0f}")

# %% [markdown]
# Undivided, the matrix grows with the picture. Divided, it is an average, and pictures of different
# sizes can be compared: a large texture can be made from a small one.
#
# ## From layer to layer
#
# The entries of a Gram matrix differ hugely. Sorted, they show how a layer spreads its attention.
#
# **Question.** In which layers will there be features that hardly ever occur together?

# %%
textures = {
    "tissue": halves[0],
    "stars": stars,
    "mosaic": nst.load_image("mosaic", size=256),
    "waves": nst.load_image("waves", size=256),
}
all_grams = {name: grams_of(image) for name, image in textures.items()}
nst.show_distributions(
    {
        name: {t: all_grams[t][name].numpy() / all_grams[t][name].numpy().max() for t in textures}
        for name in nst.STYLE_LAYERS
    },
    ylabel="entry / largest entry",
    caption="All entries of the Gram matrices at five layers, largest first. In the deepest the curves "
    "fall fastest and end early: the other pairs of features hardly ever occur together.",
    alt="Five panels of falling curves, four textures each, which end early in the deepest layer.",
)

# %%
for name in ("block1_conv1", "block4_conv1", "block5_conv1"):
    empty = [np.mean(grams[name] < 1e-3 * np.max(grams[name])) for grams in all_grams.values()]
    print(
        f"{name}: more than a tenth of all pairs hardly ever meet, in every texture: {min(empty) > 0.1}"
    )

# %% [markdown]
# The deeper a feature, the more particular it is, and the more others it excludes.
#
# Absolute sizes differ too, between layers and between networks. A plain sum of squared differences
# would listen to the loudest layer alone. So this course measures **relative** distances, as
# `distance` above does: each layer's squared difference, divided by the squared size of what it is
# compared with.
#
# ## What is always there
#
# The picture of the stars is nearly all black sky. Black makes channels respond as well, and
# everywhere alike. Such a channel says nothing about the pattern; its square is in the matrix all the
# same.
#
# **Question.** Take the pattern away: put each channel's mean $\mu_i$ at every position. What is the
# Gram matrix then?
#
# Every row of $F$ is then $\mu^\top$, and the average of equal products is that product,
# $\mu\mu^\top$. What is missing is the **covariance** $C$: how the channels vary together around their
# means.
#
# $$ C = \frac{1}{HW} \sum_p (F_p - \mu)(F_p - \mu)^\top, \qquad G = C + \mu\mu^\top . $$
#
# Multiply out the left one to see the right one: the mixed products add up to nothing, because
# deviations from a mean do. In the small example both means are 0.5, so every entry of
# $\mu\mu^\top$ is 0.25:

# %%
mean = F.mean(axis=0)
C = (F - mean).T @ (F - mean) / 4
print("means:", mean)
print("μμᵀ:\n", np.outer(mean, mean))
print("C:\n", C)
print("C + μμᵀ equals G:", np.allclose(C + np.outer(mean, mean), F.T @ F / 4))

# %% [markdown]
# The covariance of red with stripe is 0. Each is on at half of the positions, so chance alone would
# bring them together at a quarter, and a quarter it is. The 0.25 in the Gram matrix tells nothing about
# *this* picture beyond how often each is on.
#
# `nst.channel_statistics` gives both parts. On real features:


# %%
def statistics_of(image):
    """The means and covariances of every layer."""
    features = extractor(image[np.newaxis])
    return {layer: nst.channel_statistics(maps[0]) for layer, maps in features.items()}


found = statistics_of(halves[0])[layer]
rows = one_map.reshape(-1, one_map.shape[-1])
mu, covariance = rows.mean(axis=0), np.cov(rows, rowvar=False, bias=True)
print("means equal NumPy's:", np.allclose(found.mean, mu, rtol=1e-3))
largest = np.abs(covariance).max()
print("covariances equal NumPy's:", np.allclose(found.covariance, covariance, atol=1e-5 * largest))
print("C + μμᵀ equals G:", np.allclose(covariance + np.outer(mu, mu), G, rtol=1e-3, atol=1e-3))

# %% [markdown]
# **Question.** How far is $\mu\mu^\top$ from the picture's true Gram matrix? In other words: how wrong
# is a picture without any pattern, if you compare Gram matrices?

# %%
texture_styles = {name: statistics_of(image) for name, image in textures.items()}
blank = {
    name: [
        distance(tf.tensordot(part.mean, part.mean, axes=0), all_grams[name][layer])
        for layer, part in statistics.items()
    ]
    for name, statistics in texture_styles.items()
}
print("distance of a picture without pattern, block1 to block5:")
for name, distances in blank.items():
    print(f"{name:6}", *(f"{d:4.0%}" for d in distances))

# %%
print("stars, block1: less than 5 %:", blank["stars"][0] < 0.05)
print("the others there: more than 15 %:", min(blank[n][0] for n in blank if n != "stars") > 0.15)
print("less than a half, everywhere:", max(max(distances) for distances in blank.values()) < 0.5)

# %% [markdown]
# For the stars in `block1`, about one percent! Nearly all of this Gram matrix is what is always there.
# And in no layer is any of the four textures off by a half. If you make a sky by comparing Gram
# matrices, you get most of the reward for the right means, and little for stars. The next lesson shows
# what such a sky looks like.
#
# So the course compares the two parts **apart**. A hat marks the style:
#
# $$ L = \operatorname{mean}_{\text{layers}} \left(
#    \frac{\sum_{ij} (C_{ij} - \hat C_{ij})^2}{\sum_{ij} \hat C_{ij}^2}
#    + \frac{\sum_i (\mu_i - \hat\mu_i)^2}{\sum_i \hat C_{ii}} \right) . $$
#
# The first term is the relative distance of the covariances. The second divides the squared distance of
# the means by the sum of the channels' variances, the diagonal of $\hat C$: how far off the means are,
# compared with how much the features vary. Where both terms are zero the Gram matrices agree as well,
# so nothing is lost. Li et al. (2017) read style in this way, as a distribution of features, and
# matched its mean and variance. By hand, and by the library:


# %%
def style_distance(image, style):
    """The formula above, in NumPy."""
    terms = []
    for layer, maps in extractor(image[np.newaxis]).items():
        F = np.reshape(maps, (-1, maps.shape[-1]))
        mean, C = F.mean(axis=0), np.cov(F, rowvar=False, bias=True)
        style_mean, style_C = (part.numpy() for part in style[layer])
        of_covariances = ((C - style_C) ** 2).sum() / (style_C**2).sum()
        of_means = ((mean - style_mean) ** 2).sum() / np.trace(style_C)
        terms.append(of_covariances + of_means)
    return np.mean(terms)


tissue_style = texture_styles["tissue"]
by_library = float(nst.style_loss(statistics_of(stars), tissue_style))
by_hand = style_distance(stars, tissue_style)
print("nst.style_loss equals it:", np.isclose(by_library, by_hand, rtol=1e-3))

without_pattern = {
    layer: part._replace(covariance=tf.zeros_like(part.covariance))
    for layer, part in texture_styles["stars"].items()
}
blank_sky = float(nst.style_loss(without_pattern, texture_styles["stars"]))
print(f"the sky without stars is now off by {blank_sky:.0%}")

# %% [markdown]
# Where a style hardly varies at all, `nst.style_loss` keeps the divisors from vanishing; its help says
# how.
#
# ## Like goes with like
#
# Now the test. Cut two pieces each out of six pictures, pieces that share no pixel, and measure all
# distances. To treat both partners alike, divide by the geometric mean of their sizes.

# %%
waves = nst.load_image("waves")
pairs = {
    "tissue": (tissue[40:200, 20:180], tissue[40:200, 270:430]),
    "stars": (stars[:160, :160], nst.load_image("hubble")[500:660, 500:660]),
    "waves": (waves[-160:, :160], waves[-160:, -160:]),
    **{
        name: (drawn[:160, :160], drawn[-160:, -160:])
        for name in ("marble", "shards", "candy")
        for drawn in [nst.load_image(name)]
    },
}
pieces = [piece for pair in pairs.values() for piece in pair]
labels = [f"{name} {which}" for name in pairs for which in "AB"]

described = [grams_of(piece) for piece in pieces]


def symmetric_distance(one, other):
    """Mean over the layers of |G − A|² / (|G| |A|)."""
    return np.mean(
        [
            float(tf.reduce_sum((one[n] - other[n]) ** 2) / (tf.norm(one[n]) * tf.norm(other[n])))
            for n in nst.STYLE_LAYERS
        ]
    )


distances = np.array([[symmetric_distance(a, b) for b in described] for a in described])
others = distances + np.diag(np.full(len(pieces), np.inf))
nearest = [labels[i] for i in others.argmin(axis=1)]
right = sum(label[:-2] == found[:-2] for label, found in zip(labels, nearest, strict=True))
print(f"{right} of {len(labels)} pieces have their own sibling as nearest neighbour")

# %%
nst.show_matrix(
    np.sqrt(distances),
    labels,
    thumbnails=pieces,
    number=".1f",
    cell=0.62,
    caption="Square roots of the distances between the Gram matrices of twelve pieces. Along the diagonal stand pale "
    "2 × 2 blocks: two pieces of one picture, which share no pixel, are close.",
    alt="A matrix of numbers with small values in two-by-two blocks along its diagonal.",
)

# %% [markdown]
# No pixel of a piece is in its sibling, and no network was trained for this task. The Gram matrices
# alone recognise the material.
#
# ## Experiment: which layer tells most?
#
# One knob: the layer. Count for each layer alone how many pieces find their sibling.

# %%
for name in nst.STYLE_LAYERS:
    table = np.array(
        [
            [distance(a[name], b[name]) + distance(b[name], a[name]) for b in described]
            for a in described
        ]
    )
    np.fill_diagonal(table, np.inf)
    found = [labels[i][:-2] for i in table.argmin(axis=1)]
    hits = sum(label[:-2] == f for label, f in zip(labels, found, strict=True))
    print(f"{name}: {hits:2} of {len(labels)}")

# %% [markdown]
# Guessing would find one of twelve. Every layer does far better, and not all find the same ones. So a
# style is described by several layers, from the finest edges to the largest arrangements.
#
# ### Does it take a trained network?
#
# The same twelve pieces, compared by means and covariances (`nst.style_loss`), through three networks:
# through random weights in the twin's shape 6 of 12 find their sibling, through the twin all 12, and
# through VGG19 itself all 12. Here is what the three say of one piece of tissue:
#
# ![Matrices of correlations: red all over for random weights at block5, mixed for the twin and VGG19](figures/vgg19_statistics.jpg)
#
# (`python benchmarks/vgg19.py statistics` makes this picture and counts.) Through random weights nearly
# everything rises and falls together, the more so the deeper the layer: 32 channels say little more than
# one. A trained network has many different things to say, and its covariances tell materials apart.
#
# ## Exercises
#
# ### Exercise 1 · The Gram matrix (10 minutes)
#
# Without looking up: features (H, W, C) in, Gram matrix (C, C) out, divided by the number of
# positions. NumPy or TensorFlow.


# %% tags=["learner"]
def my_gram_matrix(features): ...


nst.check("gram_matrix", my_gram_matrix)


# %% tags=["solution"]
def my_gram_matrix(features):
    F = np.reshape(features, (-1, np.shape(features)[-1]))
    return F.T @ F / len(F)


nst.check("gram_matrix", my_gram_matrix)

# %% [markdown]
# ### Exercise 2 · The relative difference (10 minutes)
#
# Given a Gram matrix and a target, return the mean squared difference divided by the mean square of
# the target: one number. Think of the order: square first, then take the mean. (A loss that squares
# the mean instead lets opposite errors cancel; you will meet one in lesson 06.)


# %% tags=["learner"]
def relative_difference(gram, target): ...


nst.check("relative_difference", relative_difference)


# %% tags=["solution"]
def relative_difference(gram, target):
    return np.mean((gram - target) ** 2) / np.mean(target**2)


nst.check("relative_difference", relative_difference)

# %% [markdown]
# ### Exercise 3 · The covariance of a region (30 minutes)
#
# A style may be wanted from a part of a picture alone: the sky, but not the roofs. A `mask` (H, W), from
# 0 to 1, says how much each position counts. Return the covariance (C, C) of the features (H, W, C) in
# that region. A mean is then a weighted mean: of anything $x_p$, it is $\sum_p m_p x_p / \sum_p m_p$.
# Twice you need one: for the means of the channels, and for the products of what is left.
#
# Gatys et al. (2017) call this guided. When you have it: put a piece of tissue and a piece of the stars
# side by side in one picture. How near does each half's covariance come to that of the piece alone, and
# why does that depend on the layer?


# %% tags=["learner"]
def region_covariance(features, mask): ...


nst.check("region_covariance", region_covariance)


# %% tags=["solution"]
def region_covariance(features, mask):
    F = np.reshape(features, (-1, np.shape(features)[-1]))
    share = np.ravel(mask) / np.sum(mask)
    centred = F - share @ F
    return centred.T @ (share[:, np.newaxis] * centred)


nst.check("region_covariance", region_covariance)

# %% [markdown]
# ## In this lesson you have
#
# - computed a Gram matrix by hand, $\begin{pmatrix} 0.5 & 0.25 \\ 0.25 & 0.5 \end{pmatrix}$, and found
#   NumPy's, TensorFlow's and the library's equal to it;
# - shuffled positions and seen the matrix stay; shuffled pixels and seen every layer notice;
# - divided by $HW$, so that a piece can be compared with the whole;
# - split $G = C + \mu\mu^\top$, and found that a starry sky without stars has nearly the same Gram
#   matrices, and is 100 % off in its covariances;
# - let twelve pieces find their siblings by nothing but Gram matrices.
#
# Next: [04 · Texture synthesis](04_texture_synthesis.ipynb), where you go the other way: from such
# numbers to a picture that never was.
#
# ## Further reading
#
# - L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS
#   2015.
# - L. Gatys, A. Ecker, M. Bethge, A. Hertzmann and E. Shechtman, "Controlling perceptual factors in
#   neural style transfer", CVPR 2017.
# - B. Julesz, "Visual pattern discrimination", IRE Transactions on Information Theory, 1962: the idea
#   that statistics make a texture.
# - J. Portilla and E. Simoncelli, "A parametric texture model based on joint statistics of complex
#   wavelet coefficients", International Journal of Computer Vision, 2000: before networks.
# - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017.
