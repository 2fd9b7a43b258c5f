# %% [markdown]
# # 03 · Gram matrices: texture without places
#
# After this lesson you can describe a texture by numbers that forget where things are, say what these
# numbers see and what they miss, and let them tell what a picture is made of.

# %%
import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.textures import gram_road
from nstlib.features import extractor_of
from nstlib.vgg19 import build_vgg19, default_weights, pooling_of, vgg19_with

tissue = nst.load_image("immunohistochemistry")
stars = nst.load_image("hubble")[200:456, 300:556]
corner, other_corner = tissue[:256, :256], tissue[:256, 256:]
extractor = nst.feature_extractor(nst.STYLE_LAYERS)

show_rows(
    [corner, other_corner, stars],
    titles=["tissue, one corner", "tissue, another corner", "stars"],
    height=2.9,
    alt="Two pieces of the same brown and blue tissue with different shapes, and a field of stars.",
)

# %% [markdown]
# *Which two are made of the same stuff? You see it at once, though no pixel of the first is in the
# second. A program sees it too, in the three matrices below.*

# %%
layer = "block3_conv1"


def grams_of(image, network=extractor):
    """The Gram matrix of every layer; the rest of the lesson says what that is."""
    return {name: nst.gram_matrix(maps[0]) for name, maps in network(image[np.newaxis]).items()}


nst.show_grams(
    {
        "tissue, one corner": grams_of(corner)[layer],
        "tissue, another corner": grams_of(other_corner)[layer],
        "stars": grams_of(stars)[layer],
    },
    alt="Three dark matrices with bright lines; the first two show nearly the same lines, the third others.",
)

# %% [markdown]
# *Gram matrices of `block3_conv1`: how much any two of its 64 features occur together.*
#
# | | |
# | --- | --- |
# | Prerequisites | [01 · Mathematics](01_mathematics.ipynb), [02 · Features](02_features.ipynb) |
# | Time to read | 45 min; exercises 1 h 55 min |
# | Time to run on 2 cores | 30 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** a Gram matrix by hand, in NumPy and in TensorFlow.
# - **Explain** what it keeps of a picture and what it throws away, and prove both.
# - **Split** it into means and covariances, and say which of the two decides.
# - **Translate** between this course's loss, Gatys's, and a comparison of two samples.
# - **Test** fairly whether such numbers recognise a material.

# %% [markdown]
# ## By hand: four positions, two channels
#
# Take [feature maps](glossary.md#feature-map) of 2 × 2 positions and two channels. Say the first channel means
# *red*, the second *stripe*; at one position both are found. The [Gram matrix](glossary.md#Gram-matrix) asks
# of every pair of channels: how much do they occur **together**, on average over the positions? The features stand
# in the first line of the next cell. Work out the three numbers before you open its picture: red with red, red
# with stripe, stripe with stripe.

# %% jupyter={"outputs_hidden": true}
features = np.array([[[1, 0], [1, 1]], [[0, 1], [0, 0]]], dtype=np.float32)
print("From the maps to the matrix:")
gram_road(features)

# %% [markdown]
# <details><summary>The three numbers</summary>
#
# Red with red: 1·1 + 1·1 + 0·0 + 0·0 = 2, over four positions 0.5. Red with stripe: 1·0 + 1·1 + 0·1 + 0·0 = 1,
# over four 0.25. Stripe with stripe: 0·0 + 1·1 + 1·1 + 0·0 = 2, over four 0.5.
#
# </details>
#
# Write the positions as rows of a matrix $F$ and the channels as its columns. Then all the pairs are one
# matrix product:
#
# $$ G = \frac{1}{HW} F^\top F . $$

# %% jupyter={"outputs_hidden": true}
F = features.reshape(4, 2)
print("F, a row for each position:\n", F)
print("G:\n", F.T @ F / 4)


# %% [markdown]
# ## In TensorFlow
#
# This is HyunMin Kim's function (blog post of 3 November 2020) in our words. He divides by the number of
# positions, which is right, and you will soon see why. About the reshape his post says that it makes the
# features "a one-dimensional vector". It makes a *matrix*, as `F` above; his code does that.


# %%
import tensorflow as tf


def gram_matrix(features):
    channels = features.shape[-1]
    F = tf.reshape(features, [-1, channels])  # positions × channels
    return tf.matmul(F, F, transpose_a=True) / F.shape[0]


maps = extractor(corner[np.newaxis])[layer][0]
by_einsum = np.einsum("yxi,yxj->ij", maps, maps) / (maps.shape[0] * maps.shape[1])
print("features", tuple(maps.shape), "→ F", (maps.shape[0] * maps.shape[1], maps.shape[2]), end=" ")
print("→ Gram matrix", tuple(gram_matrix(maps).shape))

scale = np.abs(by_einsum).max()
# If one of the three ways were wrong, its line would not be 0.0000.
for what, G in {"ours": gram_matrix(maps), "nst.gram_matrix": nst.gram_matrix(maps)}.items():
    print(f"{what:15} differs from Einstein's sum by {np.abs(G - by_einsum).max() / scale:.4f}")

# %% [markdown]
# ([Einstein's sum](glossary.md#Einstein's-sum): what stands in both factors and not behind the arrow, here
# the position `yx`, is summed over.) From now on we take `nst.gram_matrix`, which is this function with
# checks, and takes batches too.
#
# Two properties follow from the product. $G$ is **[symmetric](glossary.md#symmetric)**, since red with stripe
# is stripe with red. And no mixture $v$ of channels has a negative mean square,
# $v^\top G v = \lVert F v \rVert^2 / HW$, so no [eigenvalue](01_mathematics.ipynb) is negative.
#
# ## Positions are thrown away
#
# **Question.** Take a picture's features and move the *feature vectors* to random positions. Or move the
# *pixels* of the picture, and compute features then. In which case does the Gram matrix change?
#
# - **a** in both
# - **b** in neither
# - **c** only when pixels move
# - **d** only when feature vectors move

# %% tags=["learner"]
nst.check("shuffled", ...)

# %% tags=["solution"]
nst.check("shuffled", "c")


# %% jupyter={"outputs_hidden": true}
def shuffled(array, seed=0):
    """Move every position to a random place; each position's channels stay together."""
    flat = np.reshape(array, (-1, array.shape[-1]))
    return np.random.default_rng(seed).permutation(flat).reshape(array.shape)


def distance(gram, target):
    """Squared difference relative to the target's own size: 0 is equal."""
    return float(np.sum((gram - target) ** 2) / np.sum(np.square(target)))


scrambled = shuffled(corner)
before, after, elsewhere = grams_of(corner), grams_of(scrambled), grams_of(other_corner)
# If positions counted, the first column would not be 0 %. If only colours counted, the second would
# be. The last one says what is usual between two pieces of one material.
print("distance of the Gram matrices   vectors moved   pixels moved   another corner")
for name in nst.STYLE_LAYERS:
    moved = nst.gram_matrix(shuffled(extractor(corner[np.newaxis])[name][0].numpy()))
    row = [distance(gram, before[name]) for gram in (moved, after[name], elsewhere[name])]
    print(f"{name:31} {row[0]:13.0%} {row[1]:14.0%} {row[2]:16.0%}")

show_rows(
    [corner, scrambled],
    titles=["tissue", "its pixels, moved"],
    height=2.8,
    alt="Brown and blue tissue, and beside it coloured noise.",
)

# %% [markdown]
# <details><summary>What happened</summary>
#
# A sum does not care about the order of its terms, so the vectors may be moved at will. Moving the pixels
# destroys what the features respond to: the colours are all still there, but no edge and no fibre. (Look at
# the last column, too. By the matrix of `block1` the other corner, which has far more white, is *further* off than
# the shuffled pixels are. One layer alone is a poor judge.)
#
# </details>
#
# That is the idea of Gatys, Ecker and Bethge (2015) in one line: **a feature already contains the small
# arrangement that makes a [texture](glossary.md#texture)** (an edge, a fibre, a cell), so the places of the
# features may be forgotten, and what is left is the texture. The layer decides how large an arrangement: 3
# pixels in `block1`, 156 in `block5`.
#
# ## Why the division by $HW$
#
# **Question.** The middle quarter of a picture has a quarter of the positions. You forget the division.
# What is the [trace](glossary.md#trace) of its $F^\top F$ (the sum of the diagonal), compared with the whole
# picture's?
#
# - **a** about the same
# - **b** about a quarter
# - **c** about a half
# - **d** you can't know

# %% tags=["learner"]
nst.check("quarter", ...)

# %% tags=["solution"]
nst.check("quarter", "b")

# %% jupyter={"outputs_hidden": true}
traces = {}
for what, image in {"whole": tissue, "quarter": tissue[128:384, 128:384]}.items():
    traces[what] = np.trace(grams_of(image)[layer]), extractor(image[np.newaxis])[layer].shape[1]
whole, side = traces["whole"]
# Without a need to divide, the second column would say 1.0 as the third does.
print("trace, as a share of the whole picture's   FᵀF    FᵀF / HW")
for what, (trace, rows) in traces.items():
    print(f"{what:41} {trace * rows**2 / (whole * side**2):5.1f} {trace / whole:11.1f}")

# %% [markdown]
# After the division the matrix is an average, and you can compare pictures of different sizes. That is how a
# large texture can be made from a small one.
#
# ## One row is not the matrix
#
# Kim's post shows "the distribution of the Gram matrix" as bars: `style_outputs[c].numpy()[0]`, sorted.
# It is right to look at the numbers before using them. But `[0]` picks a single row, how the *first*
# channel goes with each of the others, and which channel happens to be first means nothing. (Nor are they
# "colours", as the post says: even in `block1` a channel looks at 3 × 3 pixels.) How much of the matrix is
# in that row?

# %%
# If row 0 spoke for the matrix, its share would be about the one in the last column, everywhere.
print("share of the squared entries           in row 0   in the largest row   if all were alike")
for name, gram in before.items():
    rows = np.square(gram).sum(axis=1)
    shares = rows[0] / rows.sum(), rows.max() / rows.sum(), 1 / len(rows)
    print(f"{name:38} {shares[0]:8.2%} {shares[1]:20.2%} {shares[2]:19.2%}")

# %% [markdown]
# At `block5` our twin's channel 0 finds hardly anything in this tissue: the longest bar would show about a hundredth of
# the matrix's largest entry. So let us sort *all* entries. They differ hugely, and in the deepest layer most are small.

# %%
textures = {
    "tissue": corner,
    "stars": stars,
    "mosaic": nst.load_image("mosaic", size=256),
    "waves": nst.load_image("waves", size=256),
}
all_features = {what: extractor(image[np.newaxis]) for what, image in textures.items()}
nst.show_distributions(
    {
        name: {
            what: np.sort(np.ravel(nst.gram_matrix(maps[name][0])))[::-1]
            / np.max(nst.gram_matrix(maps[name][0]))
            for what, maps in all_features.items()
        }
        for name in nst.STYLE_LAYERS
    },
    ylabel="entry / largest entry",
    alt="Five panels of falling curves, four textures each. In the last they fall fastest and end early.",
)

# %% [markdown]
# *All entries of the Gram matrices at five layers, the largest first.*
#
# ### Does a deep feature exclude others?
#
# An entry near zero (we take less than a thousandth of the largest) says that two channels hardly ever meet.
# There are three possible reasons, and only the third is interesting. One of the two may be **silent**: zero
# everywhere in this picture. Both may be **rare**, and rare things seldom meet even if nothing keeps them apart.
# Or they may **exclude** each other: they meet less often than by chance. If two channels have nothing to do
# with each other, the mean of their product should be about the product of their means, $\mu_i \mu_j$. So
# first remove silent channels. Then count the pairs that hardly meet, and those that meet less than half as often
# as $\mu_i \mu_j$ says.
#
# But rare channels may miss each other by mere luck. So our control is the same count once more, after *each
# channel by itself* has been moved to random positions. Whatever kept two channels together or apart is gone then.
#
# **Question.** In `block5_conv1`, what are most of the pairs that hardly ever meet?
#
# - **a** pairs with a silent channel
# - **b** pairs of rare channels that meet about as seldom as by chance
# - **c** pairs that exclude each other
# - **d** an effect of the picture's size

# %% tags=["learner"]
nst.check("rarely_together", ...)

# %% tags=["solution"]
nst.check("rarely_together", "b")


# %% jupyter={"outputs_hidden": true}
def rarely_together(live):
    i, j = np.triu_indices(live.shape[1], k=1)
    met = (live.T @ live / len(live))[i, j]
    expected = np.outer(live.mean(axis=0), live.mean(axis=0))[i, j]
    hardly = 1e-3 * np.square(live).mean(axis=0).max()
    return np.mean(met < hardly), np.mean(met < expected / 2)


def rare_and_silent(maps):
    F = np.reshape(maps, (-1, maps.shape[-1])).astype(np.float64)
    live = F[:, F.max(axis=0) > 0]
    apart = np.random.default_rng(0).permuted(live, axis=0)  # each column in an order of its own
    return 1 - live.shape[1] / F.shape[1], *rarely_together(live), *rarely_together(apart)


import keras

vgg = vgg19_with(default_weights())
random_kernels = []
for seed in range(3):
    keras.utils.set_random_seed(seed)
    untrained = build_vgg19([part.filters for part in vgg.layers if part.weights], pooling_of(vgg))
    random_kernels.append(extractor_of(untrained, nst.STYLE_LAYERS))

# If depth meant exclusion, "less than half" would rise from block to block, far above its control.
# If silent channels explained it all, "hardly meet" would be 0.
for what, network in {"trained": extractor, "random kernels": random_kernels[0]}.items():
    print(f"{what:15} silent   hardly meet, control   less than half, control")
    maps_of = [network(image[np.newaxis]) for image in textures.values()]
    for name in nst.STYLE_LAYERS:
        shares = np.mean([rare_and_silent(maps[name][0]) for maps in maps_of], axis=0)
        silent, hardly, half, hardly_moved, half_moved = shares
        print(f"{name:15} {silent:6.0%} {hardly:13.0%} {hardly_moved:8.0%}", end=" ")
        print(f"{half:16.0%} {half_moved:8.0%}")

# %% [markdown]
# <details><summary>What the table says</summary>
#
# In `block5` few channels are silent, and a third of the pairs hardly ever meet. But a third do as well when each
# channel is moved by itself: these features are *rare*. Of its pairs 30 % meet less than half as often as they
# should, which looks like exclusion, until you see the control: 25 %, by luck alone. Beyond luck are 20 points in
# `block1` and 3 to 5 in the others. And a network that never learned anything has more of it at every depth, 10 to 33
# points. (The table shows
# one draw. Try `random_kernels[1]` and `[2]`.) So "the deeper a feature, the more others it excludes" is not what
# these numbers say.
#
# (The twin has few silent channels. In a network with many, most of the empty entries may be theirs, so remove
# them first.)
#
# </details>
#
# The sizes of the entries differ as well, between layers and between networks. In a plain sum of squared
# differences the loudest layer would drown the others. So this course measures **relative** distances, as
# `distance` above does.
#
# ## What is always there
#
# Take the pattern away from a picture: put each channel's mean $\mu_i$ at every position. All rows of
# $F$ are then $\mu^\top$, and the Gram matrix is $\mu\mu^\top$. What is missing is the
# [**covariance**](01_mathematics.ipynb) $C$: how the channels vary together around their means.
#
# $$ C = \frac{1}{HW} \sum_p (F_p - \mu)(F_p - \mu)^\top, \qquad G = C + \mu\mu^\top . $$
#
# Here $F_p$ is the feature vector at position $p$. Multiply the left one out, and you get the right one: the mixed
# products add up to zero, because deviations from a mean do. In the small example both means are 0.5:

# %%
mean = F.mean(axis=0)
C = (F - mean).T @ (F - mean) / 4
print("μμᵀ:\n", np.outer(mean, mean))
print("C:\n", C)
print("C + μμᵀ:\n", C + np.outer(mean, mean))

# %% [markdown]
# The [covariance](glossary.md#covariance) of red with stripe is 0. Each is on at half of the positions, so
# by chance alone they would meet at a quarter of them, and they do. The 0.25 in the Gram matrix tells
# nothing about *this* picture beyond how often each is on.
#
# **Question.** Now a real picture without its pattern, only means. How far is its Gram matrix $\mu\mu^\top$
# from the true $G$? (0 % would be equal, 100 % as far as if nothing were there.)
#
# - **a** less than 50 % off, in every layer and texture
# - **b** about 50 % off
# - **c** more than 50 % off
# - **d** 100 % off

# %% tags=["learner"]
nst.check("no_pattern", ...)

# %% tags=["solution"]
nst.check("no_pattern", "a")


# %% jupyter={"outputs_hidden": true}
def statistics_of(image, network=extractor):
    """Means and covariances of every layer, as float64."""
    parts = {}
    for name, maps in network(image[np.newaxis]).items():
        F = np.reshape(maps, (-1, maps.shape[-1])).astype(np.float64)
        parts[name] = F.mean(axis=0), np.cov(F, rowvar=False, bias=True)
    return parts


# If means and pattern weighed alike, the numbers would lie between 25 and 50 %: 50 if the two matrices were at right
# angles, 25 if they pointed the same way.
print("distance of a picture without pattern   " + "   ".join(n[:6] for n in nst.STYLE_LAYERS))
statistics = {what: statistics_of(image) for what, image in textures.items()}
for what, parts in statistics.items():
    off = [distance(np.outer(mu, mu), C + np.outer(mu, mu)) for mu, C in parts.values()]
    print(f"{what:38}", *(f"{share:8.0%}" for share in off))

# %% [markdown]
# <details><summary>What the table says</summary>
#
# It is below 50 % everywhere. In `block2` to `block4` it is below 25 %: there **the means dominate**. In `block1` and
# `block5` neither clearly does, except for the stars in `block1` and the mosaic in `block5`, where the means do.
#
# Look at single numbers before you tell a story, though. For the stars `block1` is a mere percent off, since nearly
# all of that picture is black sky; but their `block3` is further off than the tissue's, and `block5` further than
# the mosaic's. So there is no rule such as "the emptier the picture, the less its pattern counts".
#
# </details>
#
# Yet the pattern is no small part. Compare the traces, which add up plainly, with the squared entries,
# which a distance is made of:

# %%
# If squaring favoured neither part, the two shares of a layer would be equal.
print("tissue          share of C in: the trace   the squared entries   directions for half of C")
for name, (mu, C) in statistics["tissue"].items():
    G = C + np.outer(mu, mu)
    spread = np.sort(np.linalg.eigvalsh(C))[::-1]
    half = 1 + np.argmax(np.cumsum(spread) >= spread.sum() / 2)
    print(
        f"{name:20} {np.trace(C) / np.trace(G):18.0%} {np.sum(C**2) / np.sum(G**2):21.0%} "
        f"{half:18} of {len(C)}"
    )

# %% [markdown]
# About half of the trace or more is the pattern's, but at most 30 % of the squared entries. Why? The squared
# entries of a symmetric matrix add up to its squared [eigenvalues](glossary.md#eigenvalue). The means' part,
# $\mu\mu^\top$, has a single eigenvalue that isn't zero. The pattern's are spread over several directions, and the
# squares of smaller numbers add up to less. So squaring favours the means.
#
# ### What follows from it
#
# Is that a fault? It would be one if the distance preferred the wrong picture. So we need a test that it can
# fail. Take twenty pieces, two from each of ten pictures. Each piece has a true **sibling**, cut from the same
# picture, and a **blank**: the right means, and no pattern at all. For how many of the twenty, do you think, is
# the blank nearer than the sibling?

# %%
hubble, waves = nst.load_image("hubble"), nst.load_image("waves")
pairs = {
    "tissue": (tissue[40:200, 20:180], tissue[40:200, 270:430]),
    "stars": (hubble[:160, :160], hubble[500:660, 500:660]),
    "waves": (waves[-160:, :160], waves[-160:, -160:]),
}
for name in ("marble", "shards", "candy", "mosaic", "brushwork", "pointillism", "watercolour"):
    drawn = nst.load_image(name)
    pairs[name] = drawn[:160, :160], drawn[-160:, -160:]
pieces = [piece for pair in pairs.values() for piece in pair]
show_rows(
    pieces[0::2],
    pieces[1::2],
    height=0.9,
    alt="Two rows of ten small pieces: tissue, stars, waves, marbled paper, shards, candy, mosaic, "
    "brush strokes, dots, flowers. Some siblings, above each other, have quite different colours.",
)


# %% [markdown]
# *Ten pictures, two pieces of each, above each other. Some siblings look alike, others don't: night and
# cornfield are brush strokes by the same program.*


# %% jupyter={"outputs_hidden": true}
def apart(found, target):
    """Means and covariances compared each by itself."""
    (mu, C), (style_mu, style_C) = found, target
    of_covariances = np.sum((C - style_C) ** 2) / np.sum(style_C**2)
    return of_covariances + np.sum((mu - style_mu) ** 2) / np.trace(style_C)


def together(found, target):
    """Gram matrices."""
    (mu, C), (style_mu, style_C) = found, target
    return distance(C + np.outer(mu, mu), style_C + np.outer(style_mu, style_mu))


described = [statistics_of(piece) for piece in pieces]
# If the Gram matrix did justice to the pattern, its column would be near 0. If "apart" were no better,
# the columns would be alike.
print(f"of {len(pieces)} pieces, the blank is nearer than the sibling:   Gram matrices   apart")
for name in nst.STYLE_LAYERS:
    wins = []
    for compare in (together, apart):
        wins.append(0)
        for i, target in enumerate(described):
            mu, C = target[name]
            blank, sibling = (mu, np.zeros_like(C)), described[i ^ 1][name]  # 0 ↔ 1, 2 ↔ 3, …
            wins[-1] += compare(blank, target[name]) < compare(sibling, target[name])
    print(f"{name:55} {wins[0]:13} {wins[1]:7}")

# %% [markdown]
# <details><summary>What the table says</summary>
#
# For 14 to 18 of 20 pieces, Gram matrices call a picture *without any pattern* more alike than another piece of
# the same picture. A search that follows this distance gets most of its reward for the right means.
#
# </details>
#
# So the course compares the two parts **apart**, as the function of that name does. A hat marks the style:
#
# $$ L = \operatorname{mean}_{\text{layers}} \left(
#    \frac{\sum_{ij} (C_{ij} - \hat C_{ij})^2}{\sum_{ij} \hat C_{ij}^2}
#    + \frac{\sum_i (\mu_i - \hat\mu_i)^2}{\sum_i \hat C_{ii}} \right) . $$
#
# The second term compares how far off the means are with how much the features vary. Where both terms are
# zero the Gram matrices agree as well, so nothing is lost. It isn't perfect: the blank still wins for some pieces at
# other layers, and in `block5`, where 160 pixels give only a hundred positions, for half of them. (A blank is now "100 % off in its
# covariances", but that proves nothing, since it has none. The table is the proof.) Li et al. (2017) read style in
# this way, as a distribution of features, and matched its means and variances. `nst.style_loss` is this formula
# (with a floor under the divisors for a style that hardly varies):

# %%
targets = {name: nst.channel_statistics(maps[0]) for name, maps in all_features["tissue"].items()}
by_library = float(nst.style_loss({n: m[0] for n, m in all_features["stars"].items()}, targets))
by_hand = np.mean(
    [apart(statistics["stars"][name], statistics["tissue"][name]) for name in nst.STYLE_LAYERS]
)
print(f"stars, compared with tissue: by hand {by_hand:.2f}, by nst.style_loss {by_library:.2f}")

# %% [markdown]
# ## Gatys's formula, and two samples
#
# In the paper the sum is not divided, $\tilde G = F^\top F$, and the factor stands in front: with $N$
# channels and $M$ positions,
#
# $$ E_l = \frac{1}{4 N^2 M^2} \sum_{ij} (\tilde G_{ij} - \tilde A_{ij})^2, \qquad
#    L = \sum_l w_l E_l, \qquad w_l = \tfrac15 . $$
#
# Kim's loss adds up the mean squared differences of the *divided* matrices. Is that another loss? For two
# pictures of the same size each of its terms is 4 times as large as $E_l$, and the sum 20 times as large as Gatys's,
# because his $w_l$ take the mean. A [learning rate](glossary.md#learning-rate) can make up for that. For two sizes
# Gatys's formula compares a large sum with a small one, and Kim's does not. One term in numbers:

# %%
A = np.float32([[1, 0], [1, 0], [0, 2], [1, 1]])  # another picture's four positions
N, M = 2, 4
paper = np.sum((F.T @ F - A.T @ A) ** 2) / (4 * N**2 * M**2)
post = np.mean((F.T @ F / M - A.T @ A / M) ** 2)
print(f"Gatys: {paper:.4f}   Kim: {post:.4f}   ratio {post / paper:.0f}")

# %% [markdown]
# And what does such a sum *mean*? Li et al. (2017) found a second way to read it. Think of the feature vectors of
# the two pictures as two samples. A **kernel**, here a function $k(x, y)$, says how alike two vectors are. Two
# samples differ by
#
# $$ \operatorname{MMD}^2 = \operatorname{mean} k(f, f') + \operatorname{mean} k(a, a')
#    - 2 \operatorname{mean} k(f, a), $$
#
# the means over all pairs: how alike vectors are within each sample, minus how alike they are across (the
# *maximum mean discrepancy*). With the quadratic kernel $k(x, y) = (x^\top y)^2$ that is exactly the squared
# difference of the Gram matrices. With $k(x, y) = x^\top y$ only the means are compared.


# %%
def mmd(one, other, kernel):
    return kernel(one, one).mean() + kernel(other, other).mean() - 2 * kernel(one, other).mean()


def linear(x, y):
    return x @ y.T


def quadratic(x, y):
    return (x @ y.T) ** 2


def some_positions(what):
    return np.reshape(all_features[what][layer], (-1, maps.shape[-1]))[::4].astype(np.float64)


samples = {
    "by hand": (F, A),
    "tissue and stars": (some_positions("tissue"), some_positions("stars")),
}
# If the kernel were another one, the two numbers of a line would differ.
for what, (one, two) in samples.items():
    of_grams = np.sum((one.T @ one / len(one) - two.T @ two / len(two)) ** 2)
    of_means = np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2)
    print(
        f"{what:17} Σ(G − A)² = {of_grams:.4g}   MMD², quadratic = {mmd(one, two, quadratic):.4g}"
    )
    print(f"{'':17} Σ(μ − μ̂)² = {of_means:.4g}   MMD², linear    = {mmd(one, two, linear):.4g}")

# %% [markdown]
# So "style" is a distribution of features here, and Gram matrices are one way among several to compare
# distributions. They see the means of products of two channels, and nothing else. So they have blind spots; Exercise 2
# finds one.
#
# ## Like goes with like: a fair test
#
# Do Gram matrices recognise a material? Let each of the twenty pieces look for its nearest neighbour. It
# should be its sibling, and by luck it would be in one case of nineteen. A **baseline** must be able to
# win. Ours is a histogram of colours: 4 × 4 × 4 boxes of red, green and blue, and in each the share of
# the pixels.
#
# But if colours alone give a material away, the test says little about arrangement. So we do it again with
# grey pieces in which every grey occurs equally often (each pixel is replaced by its rank). All histograms
# are then equal. And once more with the pixels of those moved about: now there is nothing left to find. Random
# kernels get three draws, since one could be an accident. (To treat both partners of a pair alike, each squared
# difference is divided by the [geometric mean](glossary.md#geometric-mean) of their squared sizes.)
#
# **Question.** What do you expect for the grey pieces?
#
# - **a** the histogram still finds more than half
# - **b** none finds more than luck would
# - **c** the trained network's Gram matrices find most, the histogram what luck gives
# - **d** random kernels find as many as trained ones

# %% tags=["learner"]
nst.check("grey_pieces", ...)

# %% tags=["solution"]
nst.check("grey_pieces", "c")


# %% jupyter={"outputs_hidden": true}
def ranked(image):
    """Grey, and every grey equally often. Equal greys are ranked at random."""
    grey = (image @ np.float32([0.299, 0.587, 0.114])).ravel()
    order = np.lexsort((np.random.default_rng(0).random(grey.size), grey))
    ranks = np.empty(grey.size, np.float32)
    ranks[order] = np.linspace(0, 1, grey.size)
    return np.repeat(ranks.reshape(*image.shape[:2], 1), 3, axis=2)


def histogram(image):
    counts, _ = np.histogramdd(image.reshape(-1, 3), bins=4, range=[(0, 1)] * 3)
    return counts.ravel() / counts.sum()


def siblings_found(described, compare):
    """Count the pieces whose nearest neighbour is their sibling, i ↔ i ^ 1."""
    table = np.array([[compare(one, two) for two in described] for one in described])
    np.fill_diagonal(table, np.inf)
    return int(np.sum(table.argmin(axis=1) == np.arange(len(described)) ^ 1))


def between_histograms(one, two):
    return np.abs(one - two).sum()


def between_grams(names):
    def compare(one, two):  # alike for both partners: divided by the product of their sizes
        return sum(
            np.sum((one[n] - two[n]) ** 2) / (np.linalg.norm(one[n]) * np.linalg.norm(two[n]))
            for n in names
        )

    return compare


def grams_of_all(network, images):
    batch = network(np.stack(images))
    grams = {name: nst.gram_matrix(maps).numpy() for name, maps in batch.items()}
    return [{name: grams[name][i] for name in grams} for i in range(len(images))]


versions = {
    "in colour": pieces,
    "grey, ranked": [ranked(piece) for piece in pieces],
    "and moved": [shuffled(ranked(piece), seed=i) for i, piece in enumerate(pieces)],
}
# If Gram matrices lived on colours alone, they would find no more than the histogram in the second
# column. If the test itself were broken, the last column would not be near 1.
results = {}
for images in versions.values():
    count = siblings_found([histogram(image) for image in images], between_histograms)
    results.setdefault("colour histogram", []).append(count)
    by_trained = grams_of_all(extractor, images)
    for what, names in {
        "five layers": nst.STYLE_LAYERS,
        **{n: [n] for n in nst.STYLE_LAYERS},
    }.items():
        count = siblings_found(by_trained, between_grams(names))
        results.setdefault(f"Gram, trained, {what}", []).append(count)
    for draw, network in enumerate(random_kernels, start=1):
        count = siblings_found(grams_of_all(network, images), between_grams(nst.STYLE_LAYERS))
        results.setdefault(f"Gram, random draw {draw}, five layers", []).append(count)
print(f"siblings found, of {len(pieces):2}           ", *(f"{what:>13}" for what in versions))
for what, counts in results.items():
    print(f"{what:34}", *(f"{count:12}" for count in counts))

# %% [markdown]
# <details><summary>What the table says</summary>
#
# In colour the histogram is a serious rival: it finds 13 of 20. When colours say nothing any more, it finds no
# more than luck does. The trained network's matrices find 18 either way: what they recognise is arrangement.
# Random kernels of the same shape find 4 to 6 grey siblings, more than luck and far fewer than trained ones. Among
# moved pixels all find about as few as luck does, and that is how it should be.
#
# Single layers: the first finds few, since 3 × 3 pixels don't make a material, and the deeper the layer, the
# more it finds. But the deepest alone is about as good as all five. So this test does *not* show that a
# description needs several layers. Lesson 04 gives a better reason: a picture made from one layer alone.
#
# </details>
#
# ### What VGG19 itself says
#
# ![Matrices of correlations at block3 and block5: mostly red for random weights, red and blue in turn for the twin and VGG19](figures/vgg19_statistics.jpg)
#
# *[Correlations](glossary.md#correlation) of the 32 channels that vary most, over a piece of tissue, for
# [random weights](glossary.md#random-weights) in the twin's shape, the twin and
# [ImageNet](glossary.md#ImageNet)'s [VGG19](glossary.md#VGG19) (`python benchmarks/vgg19.py statistics`).
# Red: two channels respond together. Blue: where one responds, the other does less. A channel's correlation with
# itself is 1, the largest entry of each matrix.*
#
# The channels were chosen by how much they vary, and a choice may mislead. So here is the mean size of the
# correlation over *all* channels that aren't silent:


# %%
def mean_correlation(maps):
    F = np.reshape(maps, (-1, maps.shape[-1])).astype(np.float64)
    matrix = np.corrcoef(F[:, F.std(axis=0) > 0], rowvar=False)
    return np.abs(matrix[np.triu_indices(len(matrix), k=1)]).mean()


# If training made no difference, the first row would lie among the others.
print("mean |correlation|, tissue   ", "  ".join(name[:6] for name in nst.STYLE_LAYERS))
draws = {f"random, draw {i}": network for i, network in enumerate(random_kernels, start=1)}
for what, network in {"trained": extractor, **draws}.items():
    found = [mean_correlation(maps[0]) for maps in network(corner[np.newaxis]).values()]
    print(f"{what:29}", *(f"{value:7.2f}" for value in found))

# %% jupyter={"source_hidden": true}
# What must hold on every VGG19, not on the twin alone.
for name, found in extractor(corner[np.newaxis]).items():
    assert distance(nst.gram_matrix(shuffled(found[0].numpy())), before[name]) < 1e-6
    assert distance(after[name], before[name]) > 0.1
for one, two in samples.values():
    of_grams = np.sum((one.T @ one / len(one) - two.T @ two / len(two)) ** 2)
    assert np.isclose(mmd(one, two, quadratic), of_grams, rtol=1e-4)
assert np.isclose(by_library, by_hand, rtol=1e-2)
assert results["Gram, trained, five layers"][1] > results["colour histogram"][1]

# %% [markdown]
# In `block1` and `block5` random channels say similar things more often than trained ones; in between, the
# trained network is hardly below the lowest draw, or lies among the draws. So the picture of 32 channels looks
# like more than it is. Whether this is why random kernels find fewer siblings, the table doesn't say.
#
# ## Exercises
#
# Hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Right shape, wrong matrix (15 minutes)
#
# A colleague's function returns (C, C) for features (H, W, C), a NumPy array, and it is symmetric:
#
# ```python
# def gram_matrix(features):
#     F = features.reshape(features.shape[-1], -1)
#     return F @ F.T / features.size
# ```
#
# Find the two mistakes and write it right. For which features would you not notice the first one?
#
# <details><summary>Hint 1</summary>Try it on <code>features</code> above, where you know the answer.</details>
# <details><summary>Hint 2</summary>Lesson 00: <code>reshape</code> never moves a number. What stands in one
# row of his F? And how many numbers does <code>features.size</code> count?</details>
# <details><summary>Hint 3</summary>Reshape to (−1, C), multiply Fᵀ by F, divide by the number of rows.
# </details>


# %% tags=["learner"]
def my_gram_matrix(features): ...


nst.check("gram_matrix", my_gram_matrix)


# %% tags=["solution"]
def my_gram_matrix(features):
    F = np.reshape(features, (-1, np.shape(features)[-1]))  # not (C, -1): that mixes both
    return F.T @ F / len(F)  # not by H·W·C


nst.check("gram_matrix", my_gram_matrix)

# %% [markdown] tags=["solution"]
# His rows hold pieces of memory, neighbouring positions with all their channels, cut at other places. You
# wouldn't notice if there is a single channel, or a single position, or if all numbers are equal.

# %% [markdown]
# ### Exercise 2 · The same matrix from another picture (15 minutes)
#
# Moving positions keeps the Gram matrix. Does anything else? You get features (H, W, C), none of them negative,
# that are 0 in all channels at one position or more. Return *other* features of the same shape with the same Gram
# matrix: none negative, as after a [ReLU](glossary.md#ReLU), and not just the same positions in another order. What
# does your answer mean for a picture? And would `apart` notice?
#
# <details><summary>Hint 1</summary>Take one channel and two positions, one with 5 and one with 0. Which
# pairs of numbers have the same mean square?</details>
# <details><summary>Hint 2</summary>3 and 4 have. With several channels: split one position's whole vector
# over two positions.</details>
# <details><summary>Hint 3</summary>0.6 times the vector at the silent position, 0.8 times at its own. Work
# on a copy.</details>


# %% tags=["learner"]
def same_gram(features): ...


nst.check("same_gram", same_gram)


# %% tags=["solution"]
def same_gram(features):
    F = np.float64(features).reshape(-1, features.shape[-1])  # float64 copies
    size = np.square(F).sum(axis=1)
    loud, silent = size.argmax(), size.argmin()
    F[silent], F[loud] = 0.6 * F[loud], 0.8 * F[loud]
    return F.reshape(features.shape)


nst.check("same_gram", same_gram)

# %% [markdown] tags=["solution"]
# One strong feature or two weaker ones: the Gram matrix can't tell a few loud places from many soft ones.
# In a picture, that is high contrast here and none there, or middling contrast all over. `apart` notices,
# because the means change: 0.6 + 0.8 is not 1. It has blind spots of its own, since it sees nothing beyond
# second moments, either. (More generally $QF$ has the same matrix as $F$ for every $Q$ with
# $Q^\top Q = 1$; a reordering is one such $Q$.)

# %% [markdown]
# ### Exercise 3 · What pulls on a feature? (30 minutes)
#
# In lesson 04 a picture is changed until $L = \sum_{ij} (G_{ij} - A_{ij})^2$ gets small. Derive the
# [gradient](glossary.md#gradient) of this loss with respect to the features and return it: features (H, W, C)
# and a symmetric target `A` (C, C) in, (H, W, C) out. Without a tape. Then look at your formula: which
# features are not pulled at all? Which positions get the same pull?
#
# <details><summary>Hint 1</summary>One channel, two positions: $g = (x_1^2 + x_2^2)/2$. What is
# $\partial (g - a)^2 / \partial x_1$?</details>
# <details><summary>Hint 2</summary>The chain rule: $\partial L/\partial G_{ij} = 2 (G_{ij} - A_{ij})$, and
# $F_{pi}$ stands in the whole row and the whole column $i$ of $G$.</details>
# <details><summary>Hint 3</summary>4 / (H·W) · F (G − A), in the shape of the features.</details>


# %% tags=["learner"]
def gram_gradient(features, target): ...


nst.check("gram_gradient", gram_gradient)


# %% tags=["solution"]
def gram_gradient(features, target):
    F = np.reshape(features, (-1, np.shape(features)[-1]))
    return np.reshape(4 / len(F) * F @ (F.T @ F / len(F) - target), np.shape(features))


nst.check("gram_gradient", gram_gradient)

# %% [markdown] tags=["solution"]
# A position where all features are 0 isn't pulled: nothing grows from nothing here. Positions with equal
# features get equal pulls, wherever they are: the loss knows no places, so its gradient knows none either.

# %% [markdown]
# ### Exercise 4 · The covariance of a region (30 minutes)
#
# A style may be wanted from a part of a picture alone: the sky, but not the roofs. A `mask` (H, W), from
# 0 to 1, says how much each position counts. Return the covariance (C, C) of the features (H, W, C) in
# that region (Gatys et al. 2017 call this guided). When you have it: put a piece of tissue and a piece of
# the stars side by side in one picture. How near does each half's covariance come to that of the piece
# alone, and why does that depend on the layer?
#
# <details><summary>Hint 1</summary>A weighted mean of anything $x_p$ is
# $\sum_p m_p x_p / \sum_p m_p$.</details>
# <details><summary>Hint 2</summary>You need it twice: for the means of the channels, and for the products of
# what is left.</details>
# <details><summary>Hint 3</summary><code>share = mask.ravel() / mask.sum()</code>, centre by
# <code>share @ F</code>, then weigh one of the two factors.</details>


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

both = np.concatenate([corner, stars], axis=1)
print("how far the covariance of the left half is from that of the tissue alone")
for name, maps in extractor(both[np.newaxis]).items():
    left = np.zeros(maps.shape[1:3], np.float32)
    left[:, : maps.shape[2] // 2] = 1
    print(
        f"{name}: {distance(region_covariance(maps[0], left), statistics['tissue'][name][1]):.1%}"
    )

# %% [markdown] tags=["solution"]
# Near the seam a feature sees both halves, and the stars also take the place of the zeros that lie
# beyond the border of the piece alone. The deeper the layer, the wider the strip in which that is so: a pixel or two of
# 256 in `block1`, 78 on each side in `block5`.

# %% [markdown]
# ### Exercise 5 · Fool the test (open, 25 minutes)
#
# Choose one. (1) Twenty pieces of ten pictures are few. Find pieces for which the histogram beats the Gram
# matrices even though colours are ranked away, or show that you can't. (2) Make the test unfair on purpose,
# without anybody noticing from the table alone, so that the *random* kernels win. Say what you did in two
# sentences, and which line of a report would have given you away.
#
# <details><summary>Hint 1</summary>(1) What is left in a histogram once the colours are ranked? (2) What was
# chosen before the table was made? Make a list: pieces, layers, distance, seeds.</details>
# <details><summary>Hint 2</summary>(1) How often would the histogram win by luck? (2) Which of these choices
# could somebody make after seeing the results?</details>
# <details><summary>Hint 3</summary>(1) Take other pieces, again and again, and count. (2) Try many of one
# thing, and report the best. Which sentence would an honest report then need?</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# (1) With all histograms equal, the histogram can only win by luck, in a case or two. So it never wins
# *reliably*, but a table of one draw doesn't tell luck from skill. Repeat with other pieces. (2) For
# instance: choose pieces whose siblings have the same colours (then everything finds nearly all, and one
# accident decides), give random kernels the better distance or the layer that happens to be best among
# five, or try twenty seeds and report the best. A report that says how pieces, layers, distance and seed
# were chosen, and *when*, gives all of these away.

# %% [markdown]
# ## In this lesson you have
#
# - computed a Gram matrix by hand, $\begin{pmatrix} 0.5 & 0.25 \\ 0.25 & 0.5 \end{pmatrix}$, and three
#   other ways to the same numbers;
# - moved feature vectors and seen the matrix stay; moved pixels and seen every layer notice;
# - removed silent channels, moved each channel by itself, and found rare features in `block5` rather than
#   features that exclude each other;
# - split $G = C + \mu\mu^\top$, and found that the means count for so much that for 14 to 18 of 20 pieces a
#   blank is nearer than a true sibling;
# - found a mere factor between Gatys's and Kim's losses, and read both as a comparison of two samples;
# - let twenty pieces find their siblings, against a histogram that could have won: 18 against 13 in colour,
#   18 against 2 with colours ranked away.
#
# Next: [04 · Texture synthesis](04_texture_synthesis.ipynb), where you go the other way: from such
# numbers to a picture that never was.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS
#   2015.
# - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017: the loss as MMD.
# - A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf and A. Smola, "A kernel two-sample test", Journal of
#   Machine Learning Research, 2012.
# - L. Gatys, A. Ecker, M. Bethge, A. Hertzmann and E. Shechtman, "Controlling perceptual factors in
#   neural style transfer", CVPR 2017.
# - B. Julesz, "Visual pattern discrimination", IRE Transactions on Information Theory, 1962: the idea
#   that statistics make a texture.
# - J. Portilla and E. Simoncelli, "A parametric texture model based on joint statistics of complex
#   wavelet coefficients", International Journal of Computer Vision, 2000: before networks.
