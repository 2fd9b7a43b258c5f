# %% [markdown]
# # 04 · Texture synthesis
#
# After this lesson you can make a new picture of a material from one photograph of it, larger than the
# photo or as a tile that repeats without a seam, and you will have written all of it yourself, once.

# %%
import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.textures import loss_graph, show_valley, sizes_in_turn

tissue = nst.load_image("immunohistochemistry", size=144)
frames = []


def keep(step):
    if step.iteration % 10 == 0:
        frames.append(step.image)


wide = nst.synthesize_texture(tissue, size=(144, 352), iterations=30, callback=keep, progress=False)
show_rows(
    [tissue, wide.image],
    titles=["a photograph", "made from noise: new, and more than twice as wide"],
    height=2.5,
    alt="A photo of brown and blue tissue, and a wide synthetic picture of similar tissue.",
)

# %% [markdown]
# *Left: stained tissue under a microscope, 144 pixels. Right: a picture whose features have nearly the same
# means and covariances. It began as noise, and nothing was cut out and pasted. Some glands are easy to recognise
# all the same; you will find out why. At the end of the lesson you can watch the picture grow.*
#
# | | |
# | --- | --- |
# | Prerequisites | [01 · Mathematics](01_mathematics.ipynb), [03 · Gram matrices](03_gram_matrices.ipynb) |
# | Time to read | 55 min; exercises 1 h 20 min |
# | Time to run on 2 cores | 1 min 15 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Draw** which parts of the loss are frozen, and which one changes.
# - **Write** the whole method, from a photograph to a texture, in forty lines.
# - **Compare** optimisers fairly, and say what ε and a used optimiser do.
# - **Choose** the distance, the layers and the sizes for the structure you want.
# - **Test** where a composition survives, and whether a tile has a seam.

# %% [markdown]
# ## What changes, and what is frozen
#
# In most of deep learning the [gradient](01_mathematics.ipynb) tells a *network* how to change. Here the
# network is [frozen](glossary.md#frozen), and the gradient tells the **picture** how to change.

# %%
loss_graph()

# %% [markdown]
# *The photograph goes through the network once. The picture x goes through it again and again, and the
# gradient comes back to x alone.*
#
# The smallest case: a picture of two grey pixels $x_1, x_2$ and one feature, the pixel itself. Its Gram
# matrix is one number, $g = (x_1^2 + x_2^2)/2$, and should become $a = 0.25$. By the [chain
# rule](glossary.md#chain-rule)
#
# $$ L = (g - a)^2, \qquad \frac{\partial L}{\partial x_i} = 2\,(g - a)\,x_i . $$
#
# Take the pixels 0.9 and 0.3. Work out $g$, the loss and the gradient before you open what the cell prints. Which
# pixel will change more?

# %% jupyter={"outputs_hidden": true}
import tensorflow as tf

x, a = np.array([0.9, 0.3]), 0.25
g = (x**2).mean()
print("Two grey pixels, 0.9 and 0.3:")
print(f"by hand: g = {g:.2f}, loss = {(g - a) ** 2:.2f}, gradient = {2 * (g - a) * x}")

pixels = tf.Variable(x)
for step in range(200):
    with tf.GradientTape() as tape:
        loss = (tf.reduce_mean(pixels**2) - a) ** 2
    gradient = tape.gradient(loss, pixels)
    if step == 0:
        print(f"by tape: gradient = {gradient.numpy()}")
    pixels.assign_sub(0.5 * gradient)
print(f"after 200 steps: pixels {pixels.numpy().round(3)}, g = {np.mean(pixels.numpy() ** 2):.3f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# Both pixels got darker, in proportion: the brighter one changed three times as much.
#
# </details>
#
# Other pairs would have done as well, such as (0, 0.707): the Gram
# matrix does not say *where* the light is. That freedom is what makes a new picture possible.
#
# ## The whole method in one cell
#
# Here is everything, from nothing but TensorFlow: the recipe of Gatys, Ecker and Bethge (2015) in the form
# that HyunMin Kim's post gives it (3 November 2020). Our library gives only the photograph and the
# [kernels](glossary.md#kernel), those of [VGG19](glossary.md#VGG19)'s [small twin](glossary.md#small-twin).

# %%
import keras

from nstlib.vgg19 import default_weights, vgg19_with

photo = nst.load_image("immunohistochemistry", size=96)
vgg = vgg19_with(default_weights())
vgg.trainable = False

LAYERS = ["block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"]
network = keras.Model(vgg.input, [vgg.get_layer(name).output for name in LAYERS])
MEAN_BGR = [103.939, 116.779, 123.68]


def gram_matrices(image):
    """One for each layer, of an image (H, W, 3), RGB in [0, 1]."""
    bgr = 255 * tf.reverse(image, [-1]) - MEAN_BGR
    matrices = []
    for maps in network(bgr[tf.newaxis]):
        F = tf.reshape(maps, [-1, maps.shape[-1]])
        matrices.append(tf.matmul(F, F, transpose_a=True) / tf.cast(tf.shape(F)[0], tf.float32))
    return matrices


targets = gram_matrices(tf.constant(photo))


def classic_loss(image):
    pairs = zip(gram_matrices(image), targets, strict=True)
    return tf.add_n([tf.reduce_mean((G - A) ** 2) for G, A in pairs])


def texture(optimizer, steps, start, factor=1.0):
    """Return the picture, and for each step the loss and the mean size of the gradient."""
    image = tf.Variable(start)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = factor * classic_loss(image)
        gradient = tape.gradient(loss, image)
        optimizer.apply([gradient], [image])
        image.assign(tf.clip_by_value(image, 0.0, 1.0))
        return loss / factor, tf.reduce_mean(tf.abs(gradient))

    history = np.array([step() for _ in range(steps)])
    return image.numpy(), history


noise = np.random.default_rng(0).random(photo.shape, dtype=np.float32)
kims_adam = keras.optimizers.Adam(learning_rate=0.2, beta_1=0.99, epsilon=0.1)
by_kims, history_of_kims = texture(kims_adam, 120, noise)

show_rows(
    [photo, noise, by_kims],
    titles=["photograph", "start", "after 120 steps"],
    height=2.6,
    alt="A photo of tissue; coloured noise; the noise with brown and blue clouds in it.",
)

# %% [markdown]
# *The tutorial's loop on the twin, with the tutorial's [optimiser](glossary.md#optimiser). Is this the best
# that 120 steps can do?*
#
# Its steps are right: the network frozen, the gradient taken with respect to the picture, clipping to
# [0, 1] after each step. Now look at the optimiser.
#
# ## A mistake of units
#
# **[Adam](glossary.md#Adam)** keeps running means of each number's gradient, $m$, and of its square, $v$. Its step is
#
# $$ x \leftarrow x - \eta\, \frac{m}{\sqrt{v} + \epsilon} . $$
#
# Since $m$ and $\sqrt v$ are about equally large, each pixel moves by about the [learning
# rate](glossary.md#learning-rate) $\eta$, whatever the gradient's size. That is the point of Adam.
# [ε](glossary.md#epsilon) is there against a division by zero, and Keras takes $10^{-7}$. Kim takes 0.1. But
# ε is *added to a gradient*, so it has the gradient's units, and those depend on the network, the loss and
# its weights. How large are our gradients?

# %% tags=["nbval-ignore-output"]
print("mean |gradient| at step 1: {:.1g}, at step 120: {:.1g}".format(*history_of_kims[[0, -1], 1]))
v = kims_adam.variables[-1].numpy() / (1 - 0.999**120)  # corrected for its start at 0
print(f"mean √v at step 120: {np.sqrt(v).mean():.1g}")

# %% [markdown]
# **Question.** So on the twin ε ends up several times as large as $\sqrt v$, which still remembers the first
# steps. What becomes of Adam's steps?
#
# - **a** nothing: each pixel still moves by about the learning rate
# - **b** they shrink with the gradient, to about $\eta\, m / 0.1$: plain descent along the mean gradient
# - **c** they become very large
# - **d** they go uphill

# %% tags=["learner"]
nst.check("epsilon", ...)

# %% tags=["solution"]
nst.check("epsilon", "b")

# %% [markdown]
# If ε is a mistake of units, then changing the units must mend it. Multiply the loss by 10,000: the best
# picture stays the same, and the gradients are 10,000 times larger. An optimiser without the mistake should
# not notice. And for comparison, here is a third optimiser.
#
# ### A road that remembers
#
# Adam sees one slope at a time, and was made for slopes that change with every batch of data. Our loss is
# always the same function, so it pays to remember. **[L-BFGS](glossary.md#L-BFGS)** keeps the last few steps
# and how the slope changed along them, estimates the [curvature](glossary.md#curvature) from that, and goes
# to where the slope should be zero. It has no learning rate. First in a valley of two numbers, where you can
# see it: steep across, flat along.

# %%
import scipy.optimize

turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
curvature = turn.T @ np.diag([1, 40]) @ turn
beginning = np.array([-1.8, -1.2])


def valley(p):
    return 0.5 * p @ curvature @ p, curvature @ p  # the loss, and its gradient


def descent(factor, rate=0.045):
    path = [beginning]
    while len(path) < 1000:
        path.append(path[-1] - rate * factor * valley(path[-1])[1])
    return path


def adam(factor, epsilon, rate=0.2, beta_1=0.9, beta_2=0.999):
    path, m, v = [beginning], 0, 0
    while len(path) < 1000:
        slope = factor * valley(path[-1])[1]
        m, v = beta_1 * m + (1 - beta_1) * slope, beta_2 * v + (1 - beta_2) * slope**2
        corrected = m / (1 - beta_1 ** len(path)), v / (1 - beta_2 ** len(path))
        path.append(path[-1] - rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon))
    return path


def lbfgs(factor):
    path = []

    def loss(p):
        path.append(p.copy())
        value, slope = valley(p)
        return factor * value, factor * slope

    scipy.optimize.minimize(loss, beginning, jac=True, method="L-BFGS-B", options={"ftol": 0})
    return path


def evaluations(path):
    good = [valley(p)[0] < 1e-3 * valley(beginning)[0] for p in path]
    return f"{good.index(True) + 1}" if True in good else "over 1000"


roads = {
    "gradient descent": descent,
    "Adam, ε = 0.1": lambda factor: adam(factor, epsilon=0.1),
    "Adam, ε = 1e-7": lambda factor: adam(factor, epsilon=1e-7),
    "L-BFGS": lbfgs,
}
# If an optimiser had no unit hidden in it, its two numbers would be equal.
print("evaluations to a thousandth of the loss   the loss as it is   a thousandth of it")
for name, road in roads.items():
    print(f"{name:41} {evaluations(road(1)):>17} {evaluations(road(1e-3)):>20}")

# %%
show_valley(
    lambda x, y: 0.25 * (x + y) ** 2 + 10 * (y - x) ** 2,
    {name: road(1)[:80] for name, road in roads.items() if "0.1" not in name},
    x=(-2.2, 0.8),
    y=(-2.2, 0.8),
    alt="Contours of a narrow valley. Gradient descent zigzags from wall to wall; Adam swings along "
    "it in wide curves; L-BFGS takes five steps to the lowest point.",
)

# %% [markdown]
# *The first 80 points of three roads from the square to the lowest point, (0, 0), with the best learning rates
# that we found for the first two. A valley like this one, a quadratic function of two numbers, is the best case
# for L-BFGS.*
#
# ### The comparison
#
# Now for the real loss. What is compared has to be equal: the same loss, the same [noise](glossary.md#noise),
# and the same number of *[evaluations](glossary.md#evaluation)* of loss and gradient, since that is what
# takes the time (L-BFGS sometimes needs more than one for a step). Both Adams run, with 10,000 times the loss
# as well. Which will win, and by how much? Write down a guess for each line.

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
by_adam, history_of_adam = texture(keras.optimizers.Adam(0.05), 120, noise)
_, kims_in_other_units = texture(
    keras.optimizers.Adam(0.2, beta_1=0.99, epsilon=0.1), 120, noise, factor=1e4
)
_, adam_in_other_units = texture(keras.optimizers.Adam(0.05), 120, noise, factor=1e4)
by_lbfgs = nst.minimize_image(classic_loss, noise, iterations=115, progress=False)


def of_lbfgs(evaluations):
    return min(s.loss for s in by_lbfgs.history if s.evaluations <= evaluations)


start = history_of_adam[0, 0]
# If ε = 0.1 did no harm, or if units did not matter, the first and the third line would be alike. If the tutorial's
# rate and β₁ did no harm, the second and the third would be. If 1e-7 had the same fault, the second and the fourth
# would differ.
print("share of the loss that is left after     30       60      120 evaluations")
for name, losses in {
    "Adam (0.2, 0.99, ε = 0.1), the tutorial's": history_of_kims[:, 0],
    "Adam (0.05, 0.9, ε = 1e-7)": history_of_adam[:, 0],
    "the tutorial's, loss × 10,000": kims_in_other_units[:, 0],
    "ε = 1e-7, loss × 10,000": adam_in_other_units[:, 0],
}.items():
    print(f"{name:41}", *(f"{losses[:n].min() / start:8.1%}" for n in (30, 60, 120)))
print(f"{'L-BFGS':41}", *(f"{of_lbfgs(n) / start:8.1%}" for n in (30, 60, 120)))

# %% jupyter={"outputs_hidden": true}
counts = np.arange(1, 121)
print("Loss over evaluations: same network, picture, loss and start.")
nst.show_curves(
    {
        "the tutorial's Adam": (counts, history_of_kims[:, 0]),
        "Adam, ε = 1e-7": (counts, history_of_adam[:, 0]),
        "L-BFGS": (counts, [of_lbfgs(n) for n in counts]),
    },
    alt="Three falling curves on a logarithmic axis.",
)

# %% jupyter={"outputs_hidden": true}
print("After 120 evaluations each:")
show_rows(
    [photo, by_kims, by_adam, by_lbfgs.image],
    titles=["photograph", "the tutorial's Adam", "Adam, ε = 1e-7", "L-BFGS"],
    height=2,
    alt="A photo of tissue, and three noisy pictures with more and more of its shapes.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# With the tutorial's Adam a tenth of the loss is left, with the other less than a fiftieth, after the same
# number of evaluations. In other units the first gets twice as good, and the second stays what it was: so ε was
# indeed a mistake of units. It is not the whole story. Even where ε is small beside the gradients, the
# tutorial's learning rate and β₁ are worse here than the others. And beside the gradients of VGG19, which are
# billions of times as large, ε = 0.1 is nothing. So it is not a bad number, it is a number without a unit.
#
# And L-BFGS? It ends first, but a well-set Adam is close behind. Had we compared it with the tutorial's
# Adam alone, it would look six times as good. **An opponent with a poor setting is no control.** What
# speaks for L-BFGS is that nobody had to find its learning rate. All three pictures still carry noise
# from the start; better starts follow below.
#
# </details>
#
# From here on `nst.minimize_image` does the loop, except where a lesson writes one out. It takes any loss, reports through a
# callback, and returns the best image when you interrupt it.
#
# ### One optimiser, two pictures
#
# The tutorial makes its `opt` once and uses it for a second picture, which begins again from noise. In the
# TensorFlow of 2020 that ran. But Adam's $m$ and $v$ begin at 0, and it corrects for that by the *count of
# its steps*, dividing by $1 - \beta^t$. For the second picture the count is at 5,000 already, and nothing is
# corrected. How far does the first step go then, for a gradient that stays the same? (The learning rate
# is 1 here, so the right length is 1.) Write down a guess for the first step and for the hundredth.


# %% jupyter={"outputs_hidden": true}
def steps_of_adam(count, already=0, beta_1=0.99, beta_2=0.999):
    m = v = 0
    lengths = []
    for t in range(1, count + 1):
        m, v = beta_1 * m + (1 - beta_1), beta_2 * v + (1 - beta_2)  # the gradient is 1
        corrected = m / (1 - beta_1 ** (t + already)), v / (1 - beta_2 ** (t + already))
        lengths.append(corrected[0] / np.sqrt(corrected[1]))
    return np.array(lengths)


# If the count didn't matter, the lines would be alike.
print("length of step          1     10    100   1000")
for what, already in {"a new optimiser": 0, "after 5,000 steps": 5000}.items():
    print(
        f"{what:20}", *(f"{steps_of_adam(1000, already)[n - 1]:6.2f}" for n in (1, 10, 100, 1000))
    )

try:
    kims_adam.apply([tf.zeros(3)], [tf.Variable(tf.zeros(3))])
    print("Keras of today lets it work on a second variable")
except ValueError as error:
    print("Keras of today:", str(error).split(". ")[-1])

# %% [markdown]
# <details><summary>What came out</summary>
#
# At first the steps are a third of the right length, later twice as long. In the post thousands of steps follow,
# so it probably did little harm there. But the second run is another experiment than the first. Make a new
# optimiser for a new variable. Today's Keras insists on it.
#
# </details>
#
# ## Which layers?
#
# `nst.synthesize_texture` puts things together: a loss, noise in the photograph's colours, the loop. Its
# loss compares means and [covariances](glossary.md#covariance) apart, as lesson 03 found better; among the
# layers `block4_conv1` counts half and `block5_conv1` a quarter. They are the slowest to settle, and with
# less of them the fine layers come out cleaner, as a table below will show. First with one layer alone, then with
# all. They see 3, 10, 24, 68 and 156 pixels.
#
# **Question.** What will a texture look like that only knows `block1_conv1`, 3 × 3 pixels?
#
# - **a** right colours in blots, and no fibres
# - **b** grey noise
# - **c** the photograph itself
# - **d** fibres of the right shape in wrong colours

# %% tags=["learner"]
nst.check("one_layer", ...)

# %% tags=["solution"]
nst.check("one_layer", "a")

# %% jupyter={"outputs_hidden": true}
source = nst.resize(tissue, 96)
by_layer = {
    layer: nst.synthesize_texture(source, layers=[layer], scales=1, iterations=25, progress=False)
    for layer in nst.STYLE_LAYERS
}
together = nst.synthesize_texture(source, scales=1, iterations=25, progress=False)
print("One layer at a time, then all five:")
show_rows(
    [by_layer[name].image for name in nst.STYLE_LAYERS[:3]],
    [*(by_layer[name].image for name in nst.STYLE_LAYERS[3:]), together.image],
    titles=[*nst.STYLE_LAYERS, "all five"],
    height=2.4,
    alt="Six synthetic pictures: brown and white blots; three with pale strokes, ever larger; coloured "
    "grain; the last, of all layers, has glands and gaps of the tissue, hatched with noise.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# `block1` knows colours and nothing larger. From layer to layer the strokes grow and the colours fade, and
# the deepest makes coloured grain. Together they make material. This is the reason for several layers that
# lesson 03's test could not give. The fine hatching is noise from the start that no layer minds; lesson 05
# deals with it.
#
# </details>
#
# Does each picture fit *its own* layer best? Measure every picture by every layer's distance:

# %% tags=["nbval-ignore-output"]
judge = nst.feature_extractor(nst.STYLE_LAYERS, padding="replicate")


def statistics_of(image):
    return {
        layer: nst.channel_statistics(maps[0]) for layer, maps in judge(image[np.newaxis]).items()
    }


wanted = statistics_of(source)
made = {layer[:6]: result.image for layer, result in by_layer.items()} | {"all": together.image}
alike = dict.fromkeys(nst.STYLE_LAYERS, 1.0)
made["all, alike"] = nst.synthesize_texture(
    source, layer_weights=alike, scales=1, iterations=25, progress=False
).image
# If a layer taught something about the others, small numbers would stand outside the diagonal, too. If it made no
# difference that the deepest two count less, the last two lines would be equal.
print("distance at:      ", "  ".join(layer[:6] for layer in nst.STYLE_LAYERS))
for what, image in made.items():
    found = statistics_of(image)
    row = [float(nst.style_loss(found, {layer: wanted[layer]})) for layer in nst.STYLE_LAYERS]
    print(f"made by {what:10}", *(f"{value:7.2f}" for value in row))

# %% [markdown]
# On the diagonal each picture is good at its own layer. Elsewhere the numbers are larger. In the middle, neighbours
# know something of each other: the picture of `block3` is good at `block2`, too. The deepest layer's picture is
# the worst at all others, although that layer is computed *from* them. The line of all five stays close to the best
# number in every column: five wishes at once hardly get in each other's way. If all five count alike, as in the
# last line, the first three end about twice as far off or more, and only the deepest comes a little nearer.
#
# ## From coarse to fine
#
# However large a picture is, `block4_conv1` sees 68 pixels of it. At half the size that is twice as much of
# the scene, and an evaluation costs a quarter. So go from [coarse to fine](glossary.md#coarse-to-fine): start
# small, let the large structures settle, enlarge the result, and only refine.

# %%
sizes_in_turn([36, 72, 144], window=68)

# %% [markdown]
# *Three sizes of one picture, and what one feature of `block4_conv1` in the middle sees of it (dashed).*
#
# **Question.** To be fair, the run with a single size must get as much *work*. How many steps at full size
# cost as much as 30 at each of three sizes, each half the next?
#
# - **a** 90
# - **b** 30
# - **c** 39 or 40
# - **d** 53

# %% tags=["learner"]
nst.check("equal_work", ...)

# %% tags=["solution"]
nst.check("equal_work", "c")

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("The same work, with one size and with three:")
one_size = nst.synthesize_texture(tissue, iterations=39, scales=1, progress=False)
three_sizes = nst.synthesize_texture(tissue, iterations=30, scales=3, progress=False)
show_rows(
    [tissue, one_size.image, three_sizes.image],
    titles=["photograph", "144 only, 39 steps", "36, 72, 144: 30 steps each"],
    height=2.8,
    alt="A photo of tissue and two synthetic versions; the one by three sizes has larger shapes.",
)

# %% tags=["nbval-ignore-output"]
# If sizes brought nothing, the two numbers would be alike.
for what, run in {"one size": one_size, "three sizes": three_sizes}.items():
    began, ended = run.losses["style"]
    print(f"{what:12} loss left: {ended / began:.1%}")

# %% [markdown]
# The picture says more than the number. With coarse sizes first, the glands have clear outlines, and fibres that run
# to their rims. And there is hardly any hatching, because the last size does not start from noise any more.
#
# ## How can a layout survive?
#
# Look again at the picture that L-BFGS made above, and at the photograph beside it. The bright gap at the
# top right, the dark gland at the bottom right: they are in their places! Yet lesson 03 showed that Gram
# matrices forget positions. So how can a composition survive? Two suspects:
#
# - **The border.** A window that reaches beyond the picture sees something else there: nothing but zeros, if a
#   [convolution](glossary.md#convolution) adds them; or the border's own pixels repeated, as in
#   `synthesize_texture`. So a feature can tell that it is near an edge.
# - **The window.** At 48 pixels a window of 156 takes in the whole picture. `block5` has only 3 × 3
#   positions there, and each feature describes the entire composition.
#
# We test both. Against the border: let the picture continue on its **opposite side** in every layer, as if it
# tiled the plane. Then no place is special, and the loss stays the same if the picture is shifted (by 16
# pixels, the distance of `block5`'s positions, or a multiple).
# Against the window: leave out the two deepest layers, so that nothing sees more than 24 pixels.
#
# As a measure, shrink picture and result to 8 × 8 blobs of colour and [correlate](glossary.md#correlation)
# them. The **control**: the same with the result turned by a quarter, a half and three quarters. If no layout
# survived, the upright way would be no better than those. A layout may also have survived in another place, so we
# try all shifts, too, upright and, as their control, turned.
#
# There are five runs: zeros beyond the border, the border's pixels repeated, the opposite side, and the last two
# once more with three layers only. In which of them do you expect to find the layout in its place, and in which in
# another place?


# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
def blobs(image):
    small = nst.resize(image, (8, 8)).astype(np.float64)
    return small - small.mean(axis=(0, 1))


def correlation(one, other):
    return np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2))


def layout_kept(result, source):
    """Correlation upright and the best of three turned ways; both once more, the best of all shifts."""
    found = np.empty((4, 8, 8))  # turned by so many quarters, shifted down, shifted right
    for k, y, x in np.ndindex(found.shape):
        moved = np.roll(blobs(np.rot90(result, k)), (y, x), axis=(0, 1))
        found[k, y, x] = correlation(moved, blobs(source))
    return found[0, 0, 0], found[1:, 0, 0].max(), found[0].max(), found[1:].max()


WEIGHTS = {"block4_conv1": 0.5, "block5_conv1": 0.25}


def composed(source, padding, layers):
    network = nst.feature_extractor(layers, padding=padding)

    def loss_at(size):
        style = network(nst.resize(source, size)[np.newaxis])
        targets = {layer: nst.channel_statistics(maps) for layer, maps in style.items()}
        weights = {layer: WEIGHTS.get(layer, 1) for layer in layers}
        return lambda x: nst.style_loss(network(x[tf.newaxis]), targets, layer_weights=weights)

    start = np.random.default_rng(0).permutation(source.reshape(-1, 3)).reshape(source.shape)
    sizes = [(48, 48), (96, 96)]
    return nst.coarse_to_fine(loss_at, start, sizes, iterations=[30, 30], progress=False).image


pictures = [nst.load_image(name, size=96) for name in ("mosaic", "brushwork")]
cases = {
    "zeros beyond the border": ("zeros", nst.STYLE_LAYERS),
    "border's pixels repeated": ("replicate", nst.STYLE_LAYERS),
    "opposite side: no border": ("wrap", nst.STYLE_LAYERS),
    "repeated, three layers": ("replicate", nst.STYLE_LAYERS[:3]),
    "opposite, three layers": ("wrap", nst.STYLE_LAYERS[:3]),
}
compositions = {
    what: [composed(picture, *case) for picture in pictures] for what, case in cases.items()
}
# If no layout survived, "upright" would be no larger than "turned", and "shifted" no larger than "both". If
# borders alone held it in place, "repeated, three layers" would be like "border's pixels repeated".
ways = "  upright   turned  shifted     both"
print(f"correlation of the layout {'mosaic':>20} {'strokes':>38}")
print(f"{'':25} {ways}    {ways}")
layouts = {}
for what, results in compositions.items():
    layouts[what] = [layout_kept(*pair) for pair in zip(results, pictures, strict=True)]
    mosaic, strokes = np.round(layouts[what], 1) + 0.0  # + 0.0: no "-0.0"
    print(f"{what:25}", *(f"{r:8.1f}" for r in mosaic), "  ", *(f"{r:8.1f}" for r in strokes))

top, bottom = zip(pictures, *list(compositions.values())[1:], strict=True)
show_rows(
    top,
    bottom,
    titles=[
        "drawn by code",
        "repeated",
        "opposite side",
        "repeated, three layers",
        "opposite, three layers",
        *[""] * 5,
    ],
    height=1.66,
    alt="A mosaic with a round sun over hills, and four synthetic versions: one with the sun in its "
    "place, one with it moved, two of pieces. Below the same for a night over a field.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# With zeros or repeated pixels beyond the border, the layout is kept to 0.6 and more, and turned ways reach
# 0.1 at most: it is really there, and in its place. Without a border the upright way falls to 0.4 and 0.2. But some
# *shift* of the mosaic still reaches 0.7, and turned ones only 0.3: the composition has survived as a whole, and
# moved. Without the two deepest layers it falls apart: the best shift reaches 0.3 and 0.4, turned ones 0.3. So
# **wide windows hold a composition together, and the border pins it to its place.** (Where it lands without a border is
# chance: try other seeds.)
#
# The night is a weaker witness. Its layout is little more than a dark half above a bright one, and some shift brings
# such halves together even in a turned picture: 0.7 against 0.5, and with three layers 0.7 against 0.6. Without the
# last column we would have believed the 0.7. (With repeated pixels and three layers half of its layout is left: at the
# small size 24 pixels are half of the picture, and the border is still there.)
#
# This doesn't contradict lesson 03. The places of *features* are forgotten. If a feature sees the whole
# picture, the places of *things* are part of what it says.
#
# </details>
#
# If you want new material instead of a variation, make the result larger than the source, as at the top of
# this lesson, start with fewer coarse sizes, or make a tile.
#
# ## The distance decides
#
# Lesson 03 compared two distances by what they call near. Now see what pictures they make. Both written out:
# [Gram matrices](glossary.md#Gram-matrix), and means and covariances apart, each relative, each the mean over
# five layers. Everything else is the same: network, noise, sizes, iterations.

# %%
sky = nst.load_image("hubble")[320:448, 320:448]


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
        style = judge(nst.resize(sky, size)[np.newaxis])
        return lambda image: distance(judge(image[tf.newaxis]), style)

    start = np.random.default_rng(0).random(sky.shape, dtype=np.float32)
    sizes = [(32, 32), (64, 64), (128, 128)]
    return nst.coarse_to_fine(loss_at, start, sizes, iterations=[30] * 3, progress=False)


by_grams, by_statistics = sky_by(gram_distance), sky_by(statistics_distance)

# %% [markdown]
# **Question.** Afterwards both skies are judged by the distance of *Gram matrices*. The first run minimised
# it, the second never computed one. Which sky is nearer?
#
# - **a** the first: it was made for this distance
# - **b** both are equally near
# - **c** the second
# - **d** one can't compare runs with different losses

# %% tags=["learner"]
nst.check("two_skies", ...)

# %% tags=["solution"]
nst.check("two_skies", "c")

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
style = judge(sky[np.newaxis])
static = np.random.default_rng(0).random(sky.shape, dtype=np.float32)
# If a loss were only a goal, each run would be the best by its own distance.
print("distance by                     Gram matrices   means, covariances apart   mean colour")
for what, image in {
    "the photograph": sky,
    "the noise at the start": static,
    "made by Gram matrices": by_grams.image,
    "made by means and covariances": by_statistics.image,
}.items():
    found = judge(image[np.newaxis])
    grams, parts = (float(d(found, style)) for d in (gram_distance, statistics_distance))
    print(f"{what:31} {grams:13.2g} {parts:26.2g} {image.mean():13.2f}")
show_rows(
    [sky, by_grams.image, by_statistics.image],
    titles=["photograph", "by Gram matrices", "by means and covariances"],
    height=2.8,
    alt="A galaxy and stars on black; blurred lights in a grey fog; points of light on nearly black, "
    "with some grain.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# The second run never saw a Gram matrix, and came closer to the right ones than the run that looked at
# nothing else. A loss is not only a goal, it is also the slope that leads there. The last column shows what the
# first run lacks: on average its sky is still as light as the noise that it began with. Both losses compare the
# means, but on the way from noise the one that compares them apart gets to the dark sooner.
#
# That holds for this start and thirty steps a size. (Give both runs more steps. Or start as
# `nst.synthesize_texture` does, from the photograph's own pixels in random order, so that the colours are right
# from the beginning: what do Gram matrices make of it?)
#
# </details>
#
# ## What do random kernels lack?
#
# Is all this because the network was trained? The control is a network of the same shape with kernels
# drawn at random. Same picture, loss, noise, sizes and iterations. Two papers let us expect a lot:
# Ustyuzhaninov et al. (2016) report that textures by random filters sometimes rival or surpass the state
# of the art, and He, Wang and Hopcroft (2016) call those of an untrained VGG almost indistinguishable from
# a trained one's. What is your bet?

# %% jupyter={"outputs_hidden": true}
import tempfile
from pathlib import Path

from nstlib.vgg19 import build_vgg19, pooling_of, save_vgg19

keras.utils.set_random_seed(0)
untrained = build_vgg19([layer.filters for layer in vgg.layers if layer.weights], pooling_of(vgg))
random_kernels = Path(tempfile.mkdtemp()) / "random.npz"
save_vgg19(untrained, random_kernels)

painting = nst.load_image("brushwork", size=128)
through = {
    name: nst.synthesize_texture(painting, weights=weights, scales=2, iterations=30, progress=False)
    for name, weights in {"random kernels": random_kernels, "trained": None}.items()
}
# If the shape of the network did it all, and not its training, the two pictures would look alike.
print("Random kernels, and trained ones:")
show_rows(
    [painting, *(made.image for made in through.values())],
    titles=["drawn by code", *through],
    height=2.8,
    alt="A night of brush strokes over a field; blue and yellow clouds and specks; strokes, a moon and "
    "a field that lies too high.",
)

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
print("Judged by itself, each through its own network:")
for name, made in through.items():
    began, ended = made.losses["style"]
    print(f"{name:15} its own loss left: {ended / began:.1%}")

# %% [markdown]
# <details><summary>What came out</summary>
#
# Both are content with their picture, each by its own measure; the random one even more. It has the colours
# in clouds and specks, yellow at the lower left, but also at the top. The trained one has strokes, lights and furrows, though the
# field climbs into the sky. So with *this* recipe, shape of network, [seed](glossary.md#seed) and picture,
# training adds a lot to the eye. That does not refute the papers, whose random networks were built otherwise
# (a single layer with kernels of many sizes, or VGG's full width). Nor does it say *why*. For that you would
# have to change one property of the kernels at a time.
#
# </details>
#
# And VGG19 itself, with the weights that it learned from [ImageNet](glossary.md#ImageNet)? Here are larger
# textures, by sixty iterations at each of three sizes.
#
# ![Four sources, and textures of each through random weights, the twin and VGG19](figures/vgg19_textures.jpg)
#
# *[Random weights](glossary.md#random-weights) are in the twin's shape again. The number is VGG19's own loss,
# so the judge itself took part in the last column, and in no other.* (`python benchmarks/vgg19.py textures` makes this
# picture. It takes a while: VGG19 is slow.) By VGG19's measure the random textures are five to thirteen times
# as far off as the twin's. What VGG19 itself adds is seen in the largest shapes: its moon is whole. And the
# compositions have survived here as well: even the trees stand where they stood.
#
# ## A tile without a seam
#
# You met the trick above: take the pixels of the **opposite side** beyond the border, in every layer. To the
# network the picture then has no border, and a [seam](glossary.md#seam) would be a place like any other.

# %%
from nstlib.course.exercises.lesson_04 import seam_contrast

paper = nst.load_image("marble", size=144)
plain, tile = (
    nst.synthesize_texture(
        paper, size=112, tileable=tileable, scales=2, iterations=30, seed=3, progress=False
    )
    for tileable in (False, True)
)


def tiled(image):
    return np.tile(image, (2, 2, 1))


show_rows(
    [tiled(plain.image), tiled(tile.image)],
    titles=["four copies, ordinary", "four copies, tileable"],
    height=3.8,
    alt="Marbled paper: four copies with a cross of hard edges; four copies that flow on.",
)

# %% [markdown]
# *Where four copies of an ordinary texture meet, the eye finds a cross. The tileable one goes on; a faint line
# halfway down is all that is left.*
#
# A number helps the eye: how different are pixels that become neighbours across the seam, compared with
# ordinary neighbours? Exercise 3 asks you to write this **seam contrast**; here it is used. Four pictures:
# noise, the drawn paper, the ordinary texture, the tile. Which of them will have a contrast of 1 although
# nobody made it for tiling?

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
# If tiles had seams like any picture, the last two lines would be alike.
print("seam contrast")
for what, image in {
    "noise": np.random.default_rng(0).random((112, 112, 3)),
    "the drawn paper itself": paper,
    "ordinary texture": plain.image,
    "tileable texture": tile.image,
}.items():
    print(f"{what:24} {seam_contrast(image):.1f}")

# %% jupyter={"source_hidden": true}
# What must hold on every VGG19, not on the twin alone.
# Optimisers: other units leave the Adam with a tiny ε where it was, and do the tutorial's no harm, which has more of
# the loss left than L-BFGS.
assert 0.7 < adam_in_other_units[:, 0].min() / history_of_adam[:, 0].min() < 1.4
assert kims_in_other_units[:, 0].min() < 1.1 * history_of_kims[:, 0].min()
assert of_lbfgs(120) < 0.5 * history_of_kims[:, 0].min() < 0.5 * start
# Sizes: for the same work, three leave less than one.
assert three_sizes.losses["style"][-1] < one_size.losses["style"][-1]
# Layouts: with zeros or repeated pixels beyond the border they keep their place, on both pictures.
for what in ("zeros beyond the border", "border's pixels repeated"):
    for upright, turned, *_ in layouts[what]:
        assert upright > turned + 0.1
# Without a border, the mosaic's is found in another place, but hardly if no window is wide.
lead = {what: shifted - both for what, ((_, _, shifted, both), _) in layouts.items()}
assert lead["opposite side: no border"] > lead["opposite, three layers"] + 0.1
# Distances: means and covariances apart come nearer to the Gram matrices than these themselves.
by_gram_distance = [
    float(gram_distance(judge(run.image[np.newaxis]), style)) for run in (by_grams, by_statistics)
]
assert by_gram_distance[1] < by_gram_distance[0]
# Seams: a tile's is the fainter one.
assert seam_contrast(tile.image) < seam_contrast(plain.image)

# %% [markdown]
# <details><summary>The answer</summary>
#
# Noise. Its neighbours are as different as any two pixels, so a seam can't stand out. The tile comes close to
# 1; for the ordinary texture and for the paper itself the step across the seam is more than twice as large
# as others.
#
# </details>
#
# ## Watch it grow
#
# The wide picture at the top was made with a callback, which got every step with its picture and kept one in
# ten.

# %%
nst.animate(
    frames,
    size=(96, 235),
    fps=4,
    alt="Coloured noise gathers into brown and blue tissue, blurred at first, then in detail.",
)

# %% [markdown]
# *From noise, coarse to fine: the sizes are 36, 72 and 144 pixels high.*
#
# On the command line all this is one line: `nst texture my_photo.jpg -o texture.png`. Try it on a photo
# of bark, bread or your carpet.
#
# ## Exercises
#
# Hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · One step downhill (10 minutes)
#
# `loss` is a function of an image [tensor](glossary.md#tensor) (H, W, 3). A colleague wants to go one step of
# `learning_rate` downhill and to stay in [0, 1]. Three things are wrong, and one of them raises an error:
#
# ```python
# def gradient_step(loss, image, learning_rate):
#     with tf.GradientTape() as tape:
#         value = loss(image)
#     return image + learning_rate * tape.gradient(value, image)
# ```
#
# <details><summary>Hint 1</summary>What does <code>tape.gradient</code> give for a plain tensor?</details>
# <details><summary>Hint 2</summary><code>tape.watch(image)</code>. And which way does a gradient point?
# </details>
# <details><summary>Hint 3</summary>Subtract, then <code>tf.clip_by_value</code>, in this order.</details>


# %% tags=["learner"]
def gradient_step(loss, image, learning_rate): ...


nst.check("gradient_step", gradient_step)


# %% tags=["solution"]
def gradient_step(loss, image, learning_rate):
    with tf.GradientTape() as tape:
        tape.watch(image)  # a tensor is not watched unless you say so: the gradient was None
        value = loss(image)
    downhill = image - learning_rate * tape.gradient(value, image)  # not +
    return tf.clip_by_value(downhill, 0, 1)


nst.check("gradient_step", gradient_step)

# %% [markdown]
# ### Exercise 2 · Right value, wrong picture (20 minutes)
#
# `features` maps layer names to [feature maps](glossary.md#feature-map) (H, W, C); `targets` maps the same
# names to a style's means and covariances. This function returns the course's [style
# loss](glossary.md#style-loss), right to the last digit:
#
# ```python
# def style_loss(features, targets):
#     distances = []
#     for layer, (style_mean, style_covariance) in targets.items():
#         F = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
#         mean = np.mean(F, axis=0)
#         covariance = tf.matmul(F - mean, F - mean, transpose_a=True) / len(F)
#         distances.append(
#             tf.reduce_sum((covariance - style_covariance) ** 2)
#             / tf.reduce_sum(style_covariance**2)
#             + tf.reduce_sum((mean - style_mean) ** 2) / tf.linalg.trace(style_covariance)
#         )
#     return tf.add_n(distances) / len(distances)
# ```
#
# Yet pictures made with it come out wrong, without an error or a warning. Predict *what* will be wrong with
# them. Then mend it.
#
# <details><summary>Hint 1</summary>A picture is not made by the loss's value. By what?</details>
# <details><summary>Hint 2</summary>Which line leaves TensorFlow? What does a tape know of what happens
# there?</details>
# <details><summary>Hint 3</summary><code>tf.reduce_mean(F, axis=0)</code></details>


# %% tags=["learner"]
def style_loss(features, targets): ...


nst.check("style_loss", style_loss)


# %% tags=["solution"]
def style_loss(features, targets):
    distances = []
    for layer, (style_mean, style_covariance) in targets.items():
        F = tf.reshape(features[layer], [-1, features[layer].shape[-1]])
        mean = tf.reduce_mean(F, axis=0)  # np.mean gave a constant, through which no gradient flows
        covariance = tf.matmul(F - mean, F - mean, transpose_a=True) / F.shape[0]
        distances.append(
            tf.reduce_sum((covariance - style_covariance) ** 2) / tf.reduce_sum(style_covariance**2)
            + tf.reduce_sum((mean - style_mean) ** 2) / tf.linalg.trace(style_covariance)
        )
    return tf.add_n(distances) / len(distances)


nst.check("style_loss", style_loss)

# %% [markdown] tags=["solution"]
# To the tape the mean was a constant. So nothing pulled on the means: the pattern comes out, but brightness
# and colours stay about where the start had them. (In the covariance the missing gradient does no harm:
# deviations from a mean add up to nothing, so its part would be zero.) The value of a loss tells nothing
# about its gradient; a check by [finite differences](glossary.md#finite-differences) does.

# %% [markdown]
# ### Exercise 3 · Find the seam (20 minutes)
#
# Write the seam contrast: the mean absolute difference between pixels that become neighbours
# when the image is tiled (first and last column, first and last row, all pairs together), divided by
# the mean absolute difference of ordinary neighbours (both directions together). Predict it for a ramp of
# 11 × 11 pixels, from black on the left to white on the right. And find a picture with a plainly visible seam
# for which the contrast is far below 1.
#
# <details><summary>Hint 1</summary>How large is one step of the ramp, and how large the jump back? How
# many pairs of each kind are there?</details>
# <details><summary>Hint 2</summary><code>image[:, 0] - image[:, -1]</code> and
# <code>np.diff(image, axis=1)</code></details>
# <details><summary>Hint 3</summary>Join both directions with <code>np.concatenate</code> before you take
# the mean.</details>


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

ramp = np.repeat(np.linspace(0, 1, 11)[np.newaxis, :, np.newaxis], 11, axis=0)
print(f"the ramp: {my_seam_contrast(ramp):.1f}")

# %% [markdown] tags=["solution"]
# For the ramp of 11 × 11 pixels: across the seam 11 jumps of 1 and 11 of 0, on average ½; inside 110 steps
# of 0.1 and 110 of 0, on average 0.05; so 10. A picture that fools it: black and white columns in turn, an
# odd number of them. Two white columns meet at the seam, which the eye sees at once, and their difference is
# 0. A small contrast is no proof that a seam can't be seen.

# %% [markdown]
# ### Exercise 4 · Break a texture on purpose (open, 30 minutes)
#
# Choose a material, and predict a setting of `nst.synthesize_texture` (`layers`, `scales`, `layer_weights`,
# the size of the source) with which the result loses exactly *one* property: its colours, its fine grain,
# its large shapes, its composition. Write the prediction down first. Then make it, with a control that
# keeps the property.
#
# <details><summary>Hint 1</summary>Where did this lesson find each property? Think of the layers, of the
# sizes, and of the border.</details>
# <details><summary>Hint 2</summary>The picture and its control must differ in one argument only. Often the call
# with all defaults is the control.</details>
# <details><summary>Hint 3</summary>For the large shapes: layers that see a few pixels only, at a single size.
# With the same layers, which number of sizes lets them see farther?</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# For instance: *large shapes*: `layers=nst.STYLE_LAYERS[:3], scales=1`, control `scales=3`, in which the
# same three layers see four times as far at the coarse size. *Fine grain*: only the two deepest layers.
# *Colours*: only `block5_conv1`. *Composition*: `tileable=True`, after which the layout is free to move. Did
# you lose only one? Colours and grain are hard to lose apart, because both live in `block1`.

# %% [markdown]
# ## In this lesson you have
#
# - drawn what is frozen and what changes, and found the gradient of two pixels by hand and by tape;
# - written the whole method in forty lines;
# - seen a tenth of the loss left by the tutorial's Adam, less than a fiftieth by one with other settings, and
#   L-BFGS just ahead of it, and mended ε by other units;
# - found out how far an optimiser steps that has been used before;
# - made a picture from each layer alone, and one from all five;
# - given one size and three sizes the same work, and got hatching here and clear outlines there;
# - tested how a composition survives: through wide windows, and in its place through the border;
# - made a sky without a Gram matrix that has better Gram matrices;
# - put random kernels beside trained ones, and a tile's seam beside noise.
#
# Next: [05 · Total variation](05_total_variation.ipynb), which is about what makes a result smooth.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS
#   2015.
# - Y. Li, N. Wang, J. Liu and X. Hou, "Demystifying neural style transfer", IJCAI 2017.
# - I. Ustyuzhaninov, W. Brendel, L. Gatys and M. Bethge, "Texture synthesis using shallow convolutional
#   networks with random filters", 2016.
# - K. He, Y. Wang and J. Hopcroft, "A powerful generative model using random weights for the deep image
#   representation", NeurIPS 2016.
# - D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization",
#   Mathematical Programming, 1989.
# - D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
# - X. Snelgrove, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia Technical
#   Briefs, 2017.
