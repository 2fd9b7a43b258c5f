# %% [markdown]
# # 04 · Texture synthesis
#
# After this lesson you can make a new picture of any material from one photograph of it: larger than
# the photo if you like, or as a tile that repeats without a seam.

# %%
import time

import numpy as np

import nstlib as nst
from nstlib import keras, tf

tissue = nst.load_image("immunohistochemistry", size=192)
opening = [
    nst.synthesize_texture(tissue, iterations=50, seed=seed, progress=False) for seed in (0, 1)
]

nst.show_images(
    [tissue, *(made.image for made in opening)],
    ["a photograph", "from noise", "from other noise"],
    caption="Left: stained tissue under a microscope. Right: two pictures made from noise, so that a "
    "network's features have the same means and covariances as on the left. No pixel was copied.",
    alt="A photo of brown and blue tissue, and two synthetic pictures of similar tissue.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [03 · Gram matrices](03_gram_matrices.ipynb) |
# | Time to read | 30 min |
# | Time to run on 2 cores | 1 min 30 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Differentiate** a loss with respect to an image, by hand and with `tf.GradientTape`.
# - **Write** the loop that turns noise into a texture, and say what it costs.
# - **Replace** Adam by L-BFGS, and compare them fairly.
# - **Choose** the distance, the layers and the sizes for the structure you want.
# - **Make** a tile without seams, and measure that it has none.

# %% [markdown]
# ## An image of two pixels
#
# So far gradients told a *network* how to change. Here the network is frozen, and the gradient tells
# the **image** how to change. The smallest case: an image of two grey pixels $x_1, x_2$, one feature
# (the pixel itself), so that the Gram matrix is one number, $g = (x_1^2 + x_2^2)/2$. It should become
# $a = 0.25$. The loss and its gradient:
#
# $$ L = (g - a)^2, \qquad \frac{\partial L}{\partial x_i} = 2\,(g - a)\,x_i . $$

# %%
x = np.array([0.9, 0.3])
a = 0.25
g = (x**2).mean()
by_hand = 2 * (g - a) * x
print(f"g = {g:.2f}, loss = {(g - a) ** 2:.2f}, gradient by hand = {by_hand}")

# %%
pixels = tf.Variable(x)
with tf.GradientTape() as tape:
    loss = (tf.reduce_mean(pixels**2) - a) ** 2
print("by GradientTape: ", tape.gradient(loss, pixels).numpy())

step = 1e-6
by_differences = [
    (((x + step * e) ** 2).mean() - a) ** 2 / (2 * step)
    - (((x - step * e) ** 2).mean() - a) ** 2 / (2 * step)
    for e in np.eye(2)
]
print("by differences:  ", np.round(by_differences, 6))

# %% [markdown]
# `tf.GradientTape` records what is computed inside the `with` block and differentiates it backwards.
# A few steps against the gradient, and the two pixels have the Gram matrix they should have:

# %%
for _ in range(200):
    with tf.GradientTape() as tape:
        loss = (tf.reduce_mean(pixels**2) - a) ** 2
    pixels.assign_sub(0.5 * tape.gradient(loss, pixels))
print(f"pixels {pixels.numpy().round(3)}, g = {float(tf.reduce_mean(pixels**2)):.3f}")

# %% [markdown]
# Both pixels got darker, in proportion. Other pairs would have done as well: the Gram matrix does not
# say *where* the light is. That freedom is what makes a new picture possible.
#
# ## The loop that many tutorials use
#
# The classic recipe: five layers of VGG19, the sum of the mean squared differences of their Gram
# matrices, an image of noise, and Adam, clipping to [0, 1] after each step. Here on the small twin, at
# 128 pixels.

# %%
source = nst.resize(tissue, 128)
extractor = nst.feature_extractor(nst.STYLE_LAYERS)
target = [nst.gram_matrix(maps) for maps in extractor(source[np.newaxis]).values()]


def classic_loss(image):
    grams = [nst.gram_matrix(maps) for maps in extractor(image[tf.newaxis]).values()]
    return tf.add_n([tf.reduce_mean((g - a) ** 2) for g, a in zip(grams, target, strict=True)])


noise = np.random.default_rng(0).random(source.shape, dtype=np.float32)
image = tf.Variable(noise)
adam = keras.optimizers.Adam(learning_rate=0.2, beta_1=0.99, epsilon=0.1)


@tf.function
def train_step():
    with tf.GradientTape() as tape:
        loss = classic_loss(image)
    gradient = tape.gradient(loss, image)
    adam.apply([gradient], [image])
    image.assign(tf.clip_by_value(image, 0.0, 1.0))
    return loss


steps = 400
losses_of_adam = [float(train_step())]
began = time.perf_counter()
losses_of_adam += [float(train_step()) for _ in range(steps - 1)]
seconds_per_step = (time.perf_counter() - began) / (steps - 1)
after_adam = image.numpy()

print("the loss fell by more than a factor of 20:", losses_of_adam[0] > 20 * losses_of_adam[-1])

# %% tags=["nbval-ignore-output"]
print(
    f"{1000 * seconds_per_step:.0f} ms a step; the usual 5,000 steps would take {5000 * seconds_per_step / 60:.1f} min"
)

# %% [markdown]
# On VGG19 itself, and at 224 pixels, a step costs far more. Random weights cost as much as trained
# ones, so it can be measured here:

# %% tags=["nbval-ignore-output"]
vgg19 = nst.feature_extractor(nst.STYLE_LAYERS, "random")


@tf.function
def vgg19_gradient(image):
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.add_n([tf.reduce_mean(nst.gram_matrix(maps)) for maps in vgg19(image).values()])
    return tape.gradient(loss, image)


large = tf.constant(nst.resize(tissue, 224)[np.newaxis])
vgg19_gradient(large)
began = time.perf_counter()
for _ in range(5):
    vgg19_gradient(large)
ratio = (time.perf_counter() - began) / 5 / seconds_per_step
print(f"one step of VGG19 at 224 pixels takes as long as {ratio:.0f} of these")

# %% [markdown]
# That is why tutorials report runs of twenty minutes and more, and why you are using the small twin.
#
# ## The same loss, a better road
#
# Adam sees one slope at a time, and was made for slopes that change with every batch of data. Here the
# loss is always the same function, so it pays to remember. **L-BFGS** keeps the last six steps and
# how the slope changed along them, estimates the curvature from that, and steps to where the slope
# should be zero. It needs no learning rate.
#
# **Question.** Start both from the same noise. How many evaluations does L-BFGS need to get where Adam
# gets in 400?

# %%
by_lbfgs = nst.minimize_image(classic_loss, noise, iterations=250, progress=False)

reached = next(s.evaluations for s in by_lbfgs.history if s.loss <= losses_of_adam[-1])
print("evaluations until Adam's loss, fewer than 100:", reached < 100)
print("L-BFGS ends at less than half of it:", 2 * by_lbfgs.loss < losses_of_adam[-1])

# %%
nst.show_curves(
    {
        "Adam": (range(1, steps + 1), losses_of_adam),
        "L-BFGS": by_lbfgs,
    },
    caption="Loss over evaluations, same network, picture, loss and start.",
    alt="Two falling curves on a logarithmic axis; the one of L-BFGS falls lower.",
)

# %%
nst.show_images(
    [source, after_adam, by_lbfgs.image],
    ["photograph", "Adam, 400 steps", f"L-BFGS, {by_lbfgs.iterations} steps"],
    caption="What the numbers look like. L-BFGS has found more of the tissue. Both still carry noise from "
    "the start; better starts follow below.",
    alt="A photo of tissue; coloured noise with traces of tissue by Adam; clearer shapes by L-BFGS.",
)

# %% [markdown]
# The comparison is fair where it counts: one evaluation of the loss and its gradient is what costs
# time, and the horizontal axis counts those. `nst.minimize_image` is the course's only loop from here
# on. It takes any loss, reports through a callback, and returns the best image when you interrupt it.
#
# ## Which layers?
#
# `nst.synthesize_texture` puts things together: a loss, noise in the photograph's colours, the loop. Its
# loss is the one that closed the middle part of lesson 03: means and covariances, compared apart. Only
# the mean over the layers is a weighted one: `block4_conv1` counts half, `block5_conv1` a quarter. They
# are the slowest to settle, and with less of them the fine layers come out cleaner. First with each of
# the five layers alone, then with all. Lesson 02 said how far each one sees: 3, 10, 24, 68 and 156
# pixels.
#
# **Question.** What will a texture look like that only knows 3 × 3 pixels?

# %%
by_layer = {
    layer: nst.synthesize_texture(source, layers=[layer], scales=1, progress=False)
    for layer in nst.STYLE_LAYERS
}
together = nst.synthesize_texture(source, scales=1, progress=False)
print(
    "each loss fell below 25 % of its start:",
    all(t.losses["style"][1] < 0.25 * t.losses["style"][0] for t in [*by_layer.values(), together]),
)

# %%
nst.show_images(
    [*(t.image for t in by_layer.values()), together.image],
    [*by_layer, "all five"],
    columns=3,
    caption="One layer alone knows the colours (block1), or strokes, or arrangements in wrong colours "
    "(block5). Together they make material. The fine hatching is noise from the start that no layer "
    "minds; lesson 05 deals with it.",
    alt="Six synthetic pictures, from brown blots to grain of wrong colours; the last looks like tissue.",
)

# %% [markdown]
# ## From coarse to fine
#
# At full size, the deepest layer sees 156 pixels. At half the size, the same layer sees twice as much
# of the picture, and an evaluation costs a quarter. So start small: let the large structures settle,
# enlarge the result, and only refine. `scales` says how many sizes, each half of the next.

# %%
large_only = nst.synthesize_texture(tissue, iterations=50, scales=1, progress=False)
three_sizes = opening[0]
nst.show_images(
    [tissue, large_only.image, three_sizes.image],
    ["photograph", "192 only", "48, 96, then 192"],
    caption="The same number of iterations at full size. With coarse sizes first, fibres gather to "
    "bundles and clearings, as in the photograph.",
    alt="A photo of tissue and two synthetic versions, the second with larger coherent structures.",
)

# %%
ends = [made.losses["style"][1] / made.losses["style"][0] for made in (large_only, three_sizes)]
print("both runs ended below 5 % of their start:", max(ends) < 0.05)
print("three sizes end lower than one:", ends[1] < ends[0])

# %% [markdown]
# There is a price. The coarser the first picture, the fewer ways there are to arrange its few pixels,
# and the more the result resembles the photograph's own composition. For new material stop earlier; to
# keep the composition go further down.
#
# ## The distance decides
#
# Lesson 03 found that a starry sky without stars has nearly the Gram matrices of one with stars. Now you
# can see what follows. Two distances, written out: Gram matrices, and means and covariances, each
# relative, each the mean over five layers. Everything else is the same: network, noise, sizes,
# iterations.

# %%
sky = nst.load_image("hubble")[320:464, 320:464]
network = nst.feature_extractor(nst.STYLE_LAYERS, padding="replicate")


def gram_distance(features, style):
    terms = []
    for layer, maps in features.items():
        target = nst.gram_matrix(style[layer])
        difference = tf.reduce_sum((nst.gram_matrix(maps) - target) ** 2)
        terms.append(difference / tf.reduce_sum(target**2))
    return tf.add_n(terms) / len(terms)


def statistics_distance(features, style):
    targets = {layer: nst.channel_statistics(maps) for layer, maps in style.items()}
    return nst.style_loss(features, targets)


def sky_by(distance):
    def loss_at(size):
        style = network(nst.resize(sky, size)[np.newaxis])
        return lambda image: distance(network(image[tf.newaxis]), style)

    sizes = [(36, 36), (72, 72), (144, 144)]
    start = np.random.default_rng(0).random(sky.shape, dtype=np.float32)
    return nst.coarse_to_fine(loss_at, start, sizes, iterations=[50] * 3, progress=False)


by_grams, by_statistics = sky_by(gram_distance), sky_by(statistics_distance)
static = np.random.default_rng(0).random(sky.shape, dtype=np.float32)
of_noise = float(gram_distance(network(static[np.newaxis]), network(sky[np.newaxis])))
print("Gram matrices: below a tenth of the noise's distance:", by_grams.loss < 0.1 * of_noise)

# %% [markdown]
# **Question.** So by its own measure the first run has come most of the way. Will the two skies look
# alike?

# %%
nst.show_images(
    [sky, by_grams.image, by_statistics.image],
    ["photograph", "by Gram matrices", "by means and covariances"],
    caption="From the same noise, by the same number of iterations. Comparing Gram matrices leaves a grey "
    "fog; comparing means and covariances gives points of light and galaxies.",
    alt="Galaxies on black; lights in a grey and violet fog; small bright points and galaxies on black.",
)

# %%
features_of = {
    name: network(image[np.newaxis])
    for name, image in [
        ("photo", sky),
        ("first", by_grams.image),
        ("second", by_statistics.image),
    ]
}


def off(name, distance):
    return float(distance(features_of[name], features_of["photo"]))


print(
    "in means and covariances, the first is more than 5 times as far off:",
    off("first", statistics_distance) > 5 * off("second", statistics_distance),
)
print(
    "in Gram matrices too, the second is the closer one:",
    off("second", gram_distance) < off("first", gram_distance),
)

# %% [markdown]
# The last line is the remarkable one: the second run never saw a Gram matrix, and came closer to the
# right ones than the run that looked at nothing else. A loss is not only a goal, it is also the slope
# that leads there. Where one part makes up nearly all of it, the way to the rest is flat.
#
# (`nst.synthesize_texture` starts from the photograph's pixels in random order. Try that start here:
# what do Gram matrices make of it?)
#
# ## What random weights lack
#
# Lesson 02 promised this comparison. The same picture, loss, noise and iterations, once through VGG19
# with random weights and once through the trained twin. It is a small picture, because VGG19 is slow
# whatever its weights.

# %%
painting = nst.load_image("brushwork", size=96)
through = {
    weights: nst.synthesize_texture(painting, weights=weights, iterations=30, progress=False)
    for weights in ("random", "mini")
}
nst.show_images(
    [painting, *(made.image for made in through.values())],
    ["drawn by the library", "random weights", "the small twin"],
    caption="Random weights get the colours, and patches of dark and light of about the right size. "
    "The twin has learned what a stroke and a round light are.",
    alt="A night scene in brush strokes; blurred blue and yellow specks; swirling blue and yellow strokes.",
)

# %%
print(
    "both losses fell below 5 % of their start:",
    all(made.losses["style"][1] < 0.05 * made.losses["style"][0] for made in through.values()),
)

# %% tags=["nbval-ignore-output"]
ratio = through["random"].seconds / through["mini"].seconds
print(f"random weights took {ratio:.0f} times as long")

# %% [markdown]
# Both are content with their picture, each by its own measure. So what is missing is what random
# features do not tell apart: lesson 02 found that they all respond to much the same things. Three times
# as many iterations make the colours cleaner; strokes do not come.
#
# And VGG19 itself, with the weights that it learned from ImageNet? Here are larger textures, each by as
# many iterations. The random weights are in the twin's shape this time, so that nothing but training
# tells the two apart.
#
# ![Four sources, and textures of each through random weights, the twin and VGG19](figures/vgg19_textures.jpg)
#
# (`python benchmarks/vgg19.py textures` makes this picture. It takes a while: VGG19 is slow.) Random
# weights know the colours and roughly how large the patches are. The twin makes glands, stars, strokes and
# tiles. What VGG19 adds is seen in the largest shapes: its moon is whole where the twin's has a hole. Its
# own loss, the numbers above the pictures, says the same: the twin is near, random weights are far off.
#
# ## A tile without a seam
#
# At its border a convolution needs pixels that are not there. Usually they are taken to be zero. Take
# those of the **opposite side** instead, in every layer, and the network sees the picture as an
# endless tiling. The picture that has the lowest loss then has no border, and so no seam.

# %%
paper = nst.load_image("marble", size=144)
plain, tile = (
    nst.synthesize_texture(
        paper, size=112, tileable=tileable, iterations=50, seed=3, progress=False
    )
    for tileable in (False, True)
)


def tiled(image):
    return np.tile(image, (2, 2, 1))


nst.show_images(
    [tiled(plain.image), tiled(tile.image)],
    ["four copies, ordinary", "four copies, tileable"],
    cell=3,
    caption="Marbled paper. Where four copies of an ordinary texture meet, the eye finds a cross. The "
    "tileable one goes on.",
    alt="Marbled paper: four copies with a cross of hard edges; four copies that flow on.",
)


# %% [markdown]
# The eye can be helped by a number: how different are pixels that become neighbours across the seam,
# compared with ordinary neighbours? Exercise 3 asks you to write it out.


# %%
def seam_contrast(image):
    across = np.concatenate([(image[:, 0] - image[:, -1]).ravel(), (image[0] - image[-1]).ravel()])
    inside = np.concatenate([np.diff(image, axis=1).ravel(), np.diff(image, axis=0).ravel()])
    return np.abs(across).mean() / np.abs(inside).mean()


print("ordinary: the seam stands out by more than a quarter:", seam_contrast(plain.image) > 1.25)
print(
    "tileable: the seam is like any other place (within 25 %):",
    abs(seam_contrast(tile.image) - 1) < 0.25,
)

# %% [markdown]
# ## Any size
#
# Means and covariances are averages, so the result may be larger than the source: the same material,
# more of it.

# %%
banner = nst.synthesize_texture(
    nst.load_image("brushwork", size=128), size=(128, 400), iterations=40, seed=5, progress=False
)
nst.show_images(
    [banner.image],
    cell=8.6,
    caption="More than three times as wide as what it was made from.",
    alt="A wide band of blue and yellow brush strokes with round lights.",
)

# %%
print("from (128, 128) to", banner.size)

# %% [markdown]
# ## Watch it grow
#
# The callback of `synthesize_texture` gets every step with its picture. Collect some, and make a film.

# %% tags=["nbval-ignore-output"]
frames = []


def keep(step):
    if step.iteration % 6 == 0:
        frames.append(step.image)


strokes = nst.load_image("brushwork", size=144)
night = nst.synthesize_texture(strokes, iterations=48, seed=4, callback=keep, progress=False)
nst.animate(
    frames,
    caption="A night that nobody painted, from noise, coarse to fine.",
    alt="Coloured noise gathers into blue and yellow brush strokes and round lights.",
)

# %%
print("frames:", len(frames), " final size:", night.size)

# %% [markdown]
# ## Experiment: how long is long enough?
#
# One knob: the iterations at each size.

# %%
mosaic = nst.load_image("mosaic", size=144)
runs = [nst.synthesize_texture(mosaic, iterations=n, progress=False) for n in (8, 24, 72)]
nst.show_images(
    [mosaic, *(run.image for run in runs)],
    ["drawn by the library", "8 iterations", "24", "72"],
    columns=2,
    cell=3,
    caption="Curves and colours come first; then the tiles get their edges.",
    alt="A glass mosaic and three synthetic versions, from blurred to crisp.",
)

# %%
print(
    "more iterations, lower loss:",
    runs[0].losses["style"][1] > runs[1].losses["style"][1] > runs[2].losses["style"][1],
)

# %% [markdown]
# On the command line the same is one line: `nst texture my_photo.jpg -o texture.png`. Try it on a photo
# of bark, bread or your carpet.
#
# ## Exercises
#
# ### Exercise 1 · One step downhill (10 minutes)
#
# `loss` is a function of an image tensor. Compute its gradient with `tf.GradientTape`, go one step of
# `learning_rate` against it, clip to [0, 1], and return the new image. A plain tensor is not watched by
# the tape unless you say so.


# %% tags=["learner"]
def gradient_step(loss, image, learning_rate): ...


nst.check("gradient_step", gradient_step)


# %% tags=["solution"]
def gradient_step(loss, image, learning_rate):
    image = tf.convert_to_tensor(image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = loss(image)
    return tf.clip_by_value(image - learning_rate * tape.gradient(value, image), 0, 1)


nst.check("gradient_step", gradient_step)

# %% [markdown]
# ### Exercise 2 · The style loss (15 minutes)
#
# `features` maps layer names to feature maps (H, W, C); `targets` maps the same names to a style's means
# and covariances, as `nst.channel_statistics` gives them: `mean, covariance = targets[layer]`. Return
#
# $$ L = \operatorname{mean}_{\text{layers}} \left(
#    \frac{\sum_{ij} (C_{ij} - \hat C_{ij})^2}{\sum_{ij} \hat C_{ij}^2}
#    + \frac{\sum_i (\mu_i - \hat\mu_i)^2}{\sum_i \hat C_{ii}} \right) , $$
#
# with $\mu, C$ the features' means and covariances and $\hat\mu, \hat C$ the style's, as a TensorFlow
# scalar through which gradients can flow. Lesson 03 did it in NumPy, which does not let them.


# %% tags=["learner"]
def style_loss(features, targets): ...


nst.check("style_loss", style_loss)


# %% tags=["solution"]
def style_loss(features, targets):
    distances = []
    for layer, (style_mean, style_covariance) in targets.items():
        mean, covariance = nst.channel_statistics(features[layer])
        of_covariances = tf.reduce_sum((covariance - style_covariance) ** 2)
        of_means = tf.reduce_sum((mean - style_mean) ** 2)
        distances.append(
            of_covariances / tf.reduce_sum(style_covariance**2)
            + of_means / tf.linalg.trace(style_covariance)
        )
    return tf.add_n(distances) / len(distances)


nst.check("style_loss", style_loss)

# %% [markdown]
# ### Exercise 3 · Find the seam (30 minutes)
#
# Write the seam contrast yourself: the mean absolute difference between pixels that become neighbours
# when the image is tiled (first and last column, first and last row, all pairs together), divided by
# the mean absolute difference of ordinary neighbours (both directions together). Then make a tileable
# texture from a photo of yours, and measure it.


# %% tags=["learner"]
def my_seam_contrast(image): ...


nst.check("seam_contrast", my_seam_contrast)


# %% tags=["solution"]
def my_seam_contrast(image):
    def mean_step(*differences):
        return np.abs(np.concatenate([np.ravel(d) for d in differences])).mean()

    across = mean_step(image[:, 0] - image[:, -1], image[0] - image[-1])
    return across / mean_step(np.diff(image, axis=0), np.diff(image, axis=1))


nst.check("seam_contrast", my_seam_contrast)

# %% [markdown]
# ## In this lesson you have
#
# - found the gradient of a two-pixel image by hand, by `GradientTape` and by differences: the same;
# - written the classic loop, and seen L-BFGS pass its result after fewer evaluations, on the same loss;
# - seen what each layer contributes, and put the five together;
# - worked from coarse to fine, so that large structures appear;
# - made stars by means and covariances where Gram matrices gave fog, and found even the Gram matrices
#   closer;
# - compared random weights with trained ones;
# - made a tile whose seam is no sharper than any other place in it.
#
# Next, the course turns to what makes a result smooth (total variation), and then to content: a
# photograph that keeps its subject and takes on the texture.
#
# ## Further reading
#
# - L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS
#   2015.
# - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017.
# - I. Ustyuzhaninov, W. Brendel, L. Gatys and M. Bethge, "Texture synthesis using shallow convolutional
#   networks with random filters", 2016.
# - D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization",
#   Mathematical Programming, 1989.
# - D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
# - X. Snelgrove, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia Technical
#   Briefs, 2017.
