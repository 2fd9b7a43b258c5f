# %% [markdown]
# # 01 · The mathematics you need
#
# After this lesson you can read the formulas of this course: slopes, which say how to change a picture;
# clouds, which say what varies together; and windows, which say what stands beside what.

# %%
import numpy as np

import nstlib as nst
from nstlib import tf  # what `import tensorflow as tf` gives, without its start-up notes
from nstlib.course.figures.mathematics import chain_of_slopes, colour_cloud, two_layers
from nstlib.course.figures.rows import show_rows

astronaut = nst.load_image("astronaut", size=384)

# %% jupyter={"source_hidden": true}
flat = astronaut.reshape(-1, 3) - astronaut.reshape(-1, 3).mean(axis=0)
turned = flat @ np.linalg.eigh(np.cov(flat, rowvar=False))[1]
# The sign of an eigenvector is arbitrary: let the first pixel be bright.
views = [
    (0.5 + turned[:, axis] / 2.5 * np.sign(turned[0, axis])).clip(0, 1).reshape(384, 384)
    for axis in (2, 0)
]
grey = astronaut.mean(axis=2)
edges = np.hypot(np.diff(grey, axis=0)[:, 1:], np.diff(grey, axis=1)[1:])
show_rows(
    [astronaut, np.clip(4 * edges, 0, 1)],
    views,
    titles=[
        "a photograph",
        "where neighbours differ",
        "what its colours differ in most",
        "and what they differ in least",
    ],
    height=3.84,
    alt="A portrait of an astronaut in orange; her outlines in white on black; a full grey picture of her; "
    "and a dull grey one, in which hardly more than a shadow is left.",
)

# %% [markdown]
# *Three tools, one photograph. Each fits into a few lines, and you will write them all.*
#
# | | |
# | --- | --- |
# | Prerequisites | [00 · Images as arrays](00_images_as_arrays.ipynb); school mathematics: slopes, products, means |
# | Time to read | 35 min; exercises 70 min |
# | Time to run on 2 cores | 15 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** a gradient by hand, by differences and with `tf.GradientTape`, and go downhill by it.
# - **Say** what the gradient goes to: the weights, or the image.
# - **Compute** variance, covariance and correlation of channels, as $F^\top F / N$.
# - **Find** the axes of a cloud of colours.
# - **Name** what a convolution needs: kernel, stride, padding, channels; and **count** what it sees.

# %% [markdown]
# ## Slopes
#
# We want to change a picture until it has some property. We write down how far off it is, as one number, the
# **[loss](glossary.md#loss)**: 0 if the property is there. Then the question is always the same: *how must
# each pixel change so that the loss gets smaller?*
#
# ### A picture of two pixels
#
# Its pixels are $x_1 = 0.2$ and $x_2 = 0.4$. We look at the step between them, $d = x_2 - x_1$, and want
# it to be 0.5. The loss is the squared error, $L = (d - 0.5)^2 = 0.09$. Now make the second pixel
# brighter by a little, 0.01. The step becomes 0.21 and the loss 0.0841, so it fell by 0.0059: that is
# −0.59 for each unit of brightness. This ratio is the **slope** of the loss at that pixel. All slopes
# together, one for each pixel, are the **[gradient](glossary.md#gradient)**.

# %%
x = np.array([0.2, 0.4])


def loss_of(x):
    error = x[1] - x[0] - 0.5
    return error * error


def slope(x, pixel, h):
    nudged = x.copy()
    nudged[pixel] += h
    return (loss_of(nudged) - loss_of(x)) / h


print(f"loss {loss_of(x):.2f}, slopes {slope(x, 0, 0.01):.2f} and {slope(x, 1, 0.01):.2f}")

# %% [markdown]
# **Question.** The exact slope at the second pixel is −0.6, as you will see below. So the nudge of 0.01
# left an error of 0.01. We calculate in `float32`, as networks do. What happens with ever smaller nudges?
#
# - **a** the error gets smaller and smaller
# - **b** the error stays the same
# - **c** the error gets smaller at first, then larger again
# - **d** there is an error message

# %% tags=["learner"]
nst.check("smaller_nudge", ...)

# %% tags=["solution"]
nst.check("smaller_nudge", "c")

# %% jupyter={"outputs_hidden": true}
# If only the curve mattered, the error would equal h in every line.
print("nudge    slope, in float32")
for h in (1, 0.1, 0.01, 0.001, 1e-6, 1e-7, 1e-9):
    print(f"{h:7.0e} {slope(x.astype(np.float32), 1, np.float32(h)):8.4f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# At first the error is as large as the nudge, because the loss is a curve: −0.59, −0.599. But `float32` keeps
# seven digits. The two losses of a tiny nudge agree in nearly all of them, and what is left of their difference
# is mostly rounding. A nudge of $10^{-9}$ doesn't change the pixel at all.
#
# </details>
#
# Such **[finite differences](glossary.md#finite-differences)** are slow, because every pixel needs a loss of
# its own, and not exact. But they need no theory, and so they are the best test of any other gradient.
#
# ### Slopes multiply
#
# The loss depends on the step, and the step on the pixels. Take one at a time. If the second pixel grows
# by one, the step grows by one; if the first does, it shrinks by one. And a square $(d - 0.5)^2$ has the
# slope $2\,(d - 0.5)$, which is −0.6 here. The **[chain rule](glossary.md#chain-rule)** says that slopes
# along a path multiply:
#
# $$ \frac{\partial L}{\partial x_2} = \frac{\partial L}{\partial d} \cdot \frac{\partial d}{\partial x_2}
# = -0.6 \cdot 1, \qquad \frac{\partial L}{\partial x_1} = -0.6 \cdot (-1). $$

# %%
chain_of_slopes(0.2, 0.4, 0.5)

# %% [markdown]
# *From left to right the values, in orange the slopes. Multiply them from right to left, and you have the
# gradient. If several paths lead from a pixel to the loss, add up their products.*
#
# A network is a long chain of this kind. [TensorFlow](glossary.md#TensorFlow)'s
# [`tf.GradientTape`](glossary.md#GradientTape) records what is computed inside its block, and then goes back
# along the chain. The step can be written as a sum of products, $k_1 x_1 + k_2 x_2$ with the
# **[kernel](glossary.md#kernel)** $k = (-1, 1)$. Let us ask the tape for two gradients:

# %%
pixels = tf.Variable(x)
kernel = tf.Variable([-1.0, 1.0], dtype=tf.float64)
with tf.GradientTape() as tape:
    step = tf.reduce_sum(kernel * pixels)
    loss = (step - 0.5) ** 2
to_pixels, to_kernel = tape.gradient(loss, [pixels, kernel])

print("to the pixels, by the tape:      ", to_pixels.numpy().round(3))
print("to the pixels, by differences:   ", np.round([slope(x, i, 1e-6) for i in (0, 1)], 3))
print("to the kernel, by the tape:      ", to_kernel.numpy().round(3))

# %% [markdown]
# The loss is the same, and there are two gradients. Change the **kernel** by its gradient, and the network
# learns: that is training. Change the **pixels** by theirs, and the picture changes, while the network
# stays as it is. **That is style transfer.** HyunMin Kim's tutorial does just this: the picture is the only
# thing that its optimiser may change. (The tape records what happens to a `tf.Variable`. A plain tensor has to
# be announced by `tape.watch`, or its gradient is `None`.)
#
# ### Downhill
#
# The gradient points uphill, so go against it: $x \leftarrow x - r \cdot \text{gradient}$, where $r$ is the
# **[learning rate](glossary.md#learning-rate)**. With $r = 0.1$ the pixels become 0.14 and 0.46, and their
# step 0.32: nearer to 0.5.
#
# **Question.** We try the rates 0.1, 0.25 and 0.6. Where does the last one lead?
#
# - **a** to 0.5 in a single step
# - **b** to 0.5 faster than 0.1 does
# - **c** past 0.5, and there it stays
# - **d** farther away with every step

# %% tags=["learner"]
nst.check("too_far", ...)

# %% tags=["solution"]
nst.check("too_far", "d")

# %% jupyter={"outputs_hidden": true}
# If the rate were a matter of patience alone, all lines would come nearer to 0.50.
print("rate   the step between the pixels, at first and after each of four steps downhill")
for rate in (0.1, 0.25, 0.6):
    now, seen = x.copy(), []
    for _ in range(5):
        error = now[1] - now[0] - 0.5
        seen.append(f"{error + 0.5:7.2f}")
        now -= rate * 2 * error * np.array([-1, 1])
    print(f"{rate:4.2f}", *seen)

# %% [markdown]
# <details><summary>What happened</summary>
#
# A slope says how steep it is where we stand, and nothing of what comes later. At 0.6 the first step leads past
# 0.5 to 0.92, which is farther off than 0.2 was. There it is steeper, so the next step is even longer.
#
# </details>
#
# ### Where there is no slope
#
# Networks often set negative numbers to zero. That is called **[ReLU](glossary.md#ReLU)**, $\max(d, 0)$: a
# feature is found, or it is not.
#
# **Question.** Our pixels are now $(0.4, 0.2)$, so the step is −0.2. We want 0.5 after a ReLU. What does the
# gradient do?
#
# - **a** it drives the pixels apart, as before
# - **b** nothing: it is zero
# - **c** it drives them the wrong way
# - **d** there is an error message

# %% tags=["learner"]
nst.check("silent_feature", ...)

# %% tags=["solution"]
nst.check("silent_feature", "b")

# %% jupyter={"outputs_hidden": true}
print("The pixels (0.4, 0.2), and the gradient of their loss:")
for name, after in {"without ReLU": tf.identity, "with ReLU": tf.nn.relu}.items():
    dark = tf.Variable([0.4, 0.2])
    with tf.GradientTape() as tape:
        loss = (after(dark[1] - dark[0]) - 0.5) ** 2
    # Without ReLU is the control: if ReLU let the slope through, both lines would be alike.
    print(
        f"{name:13} loss {loss.numpy():.2f}  gradient", tape.gradient(loss, dark).numpy().round(2)
    )

# %% [markdown]
# <details><summary>What happened</summary>
#
# The loss is large, and yet there is no way down: left of zero a ReLU is flat. When a feature is silent in
# later lessons, no gradient goes through it, and nothing wakes it.
#
# </details>
#
# ### A photograph from its steps
#
# Now all steps between neighbours in a real picture, from each pixel to the next one on its right and to the
# one below. The loss compares these steps in our image with those in the photograph, and knows nothing else.
# We start from plain grey, and go downhill 40 times.
#
# **Question.** What do you expect?
#
# - **a** the photograph
# - **b** outlines on grey, like an embossed card
# - **c** plain grey: it has no steps that could be changed
# - **d** noise

# %% tags=["learner"]
nst.check("edges_alone", ...)

# %% tags=["solution"]
nst.check("edges_alone", "b")


# %%
def steps_of(image):
    return image[:, 1:] - image[:, :-1], image[1:] - image[:-1]


def steps_loss(image, photo=astronaut):
    pairs = zip(steps_of(image), steps_of(photo), strict=True)
    return tf.add_n([tf.reduce_sum((ours - theirs) ** 2) for ours, theirs in pairs])


def from_steps(photo):
    image = tf.Variable(np.full_like(photo, 0.5))
    for _ in range(40):
        with tf.GradientTape() as tape:
            loss = steps_loss(image, photo)
        image.assign_sub(0.12 * tape.gradient(loss, image))
    return image.numpy()


image = from_steps(astronaut)

# %% jupyter={"outputs_hidden": true}
print("Plain grey, 40 steps downhill:")
# If the size made no difference, the same 40 steps would leave a small portrait as grey as the large one.
tiny = from_steps(nst.resize(astronaut, 48))
show_rows(
    [astronaut, image.clip(0, 1), tiny.clip(0, 1)],
    titles=["the photograph", "made from its steps", "the same, 48 pixels wide"],
    height=3.84,
    alt="The portrait; the same on grey, like a relief, with sharp outlines and hardly any colour; and coarse, "
    "of 48 by 48 blocks, in which the suit is orange again, though paler than in the photograph.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# Each time, a pixel learns only about its neighbours, so news travels one pixel at a time. Outlines are settled
# at once. After 40 times no news has come farther than 40 pixels, and the middle of a broad surface is still
# waiting. If that is true, 40 times must do more for a smaller picture. They do: at 48 pixels the suit is
# orange. Lesson 04 makes use of that, and goes from coarse to fine.
#
# </details>
#
# Which pictures does this loss call perfect? The photograph is not the only one:

# %%
# If the loss measured everything, only the first line would say 0.
for what, other in {
    "the photograph": astronaut,
    "all of it brighter by 0.1": astronaut + np.float32(0.1),
    "all of it redder by 0.1": astronaut + np.float32([0.1, 0, 0]),
    "mirrored": astronaut[:, ::-1],
    "our image": image,
}.items():
    print(f"{what:26} loss {steps_loss(other).numpy():7.0f}")

# %% [markdown]
# **What a loss doesn't measure stays free.** Ask that of each loss you meet. The freedom isn't always a fault:
# without it there could be no *new* picture of a texture.
#
# ## Clouds
#
# ### Four pixels, two channels
#
# A picture of 2 × 2 pixels has the red values 0.2, 0.4, 0.6, 0.8 and the green values 0.2, 0.6, 0.4, 0.8.
# Do they vary together? First subtract each channel's mean, 0.5 for both:
#
# | pixel | red − 0.5 | green − 0.5 | product |
# | --- | --- | --- | --- |
# | 1 | −0.3 | −0.3 | 0.09 |
# | 2 | −0.1 | 0.1 | −0.01 |
# | 3 | 0.1 | −0.1 | −0.01 |
# | 4 | 0.3 | 0.3 | 0.09 |
#
# The mean of the products, 0.16 / 4 = 0.04, is the **[covariance](glossary.md#covariance)** of red and green:
# positive if they rise together. The covariance of a channel with itself is its
# **[variance](glossary.md#variance)**, the mean squared distance from its mean: (0.09 + 0.01 + 0.01 + 0.09) /
# 4 = 0.05 for both. Its root is the **[standard deviation](glossary.md#standard-deviation)**, 0.22. And the
# covariance divided by both standard deviations is the **[correlation](glossary.md#correlation)**, 0.04 /
# 0.05 = 0.8. It lies between −1 and 1, and has no units.
#
# Write the pixels as the rows of a matrix $F$, and one product gives all of them: $C = F^\top F / N$.

# %%
small = np.array([[[0.2, 0.2], [0.4, 0.6]], [[0.6, 0.4], [0.8, 0.8]]])  # (2, 2, 2): red, green


def covariance(image):
    F = image.reshape(-1, image.shape[-1])  # a row for each pixel, a column for each channel
    F = F - F.mean(axis=0)
    return F.T @ F / len(F)


C = covariance(small)
print("covariances:")
print(C.round(3))
print("by np.cov, divided by N:    ", np.cov(small.reshape(4, 2).T, bias=True)[0].round(3))
print("by np.cov, as it stands:    ", np.cov(small.reshape(4, 2).T)[0].round(3))
print("ours, the means left in:    ", (small.reshape(4, 2).T @ small.reshape(4, 2) / 4)[0].round(3))

# %% [markdown]
# `np.cov` divides by $N - 1$ unless told otherwise, which matters for four pixels and not for a hundred
# thousand. The last line is no covariance: the means are still in it. It is a *Gram matrix*, the heart
# of lesson 03.
#
# The **[trace](glossary.md#trace)** of a matrix is the sum of its diagonal: here the variances, 0.1 together.
#
# **Question.** Two channels have the correlation 0. What do you know?
#
# - **a** you can't tell anything about one from the other
# - **b** they have equal means
# - **c** no straight line predicts one from the other; a curve might
# - **d** one of them is the same all over

# %% tags=["learner"]
nst.check("no_correlation", ...)

# %% tags=["solution"]
nst.check("no_correlation", "c")

# %% jupyter={"outputs_hidden": true}
a = np.linspace(-1, 1, 5)
print("a, and its correlation with:")
# The line is the control: if correlation were blind, it would say 0.00 everywhere.
for what, b in {"its square": a * a, "a straight line": 3 - 2 * a}.items():
    print(f"{what:16} {b}  {np.corrcoef(a, b)[0, 1] + 0:.2f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# If you know `a`, you know its square exactly. But where `a` rises, the square falls at first and then rises as
# much, and the two cancel. A correlation looks for a straight line, and for nothing else.
#
# </details>
#
# ### The axes of a cloud
#
# Draw each pixel as a dot, red to the right and green up. The four dots make a small cloud, and it is
# longer in one direction than in the other. How long? Take the rows of $F$ without their means, and a direction
# $v$ of length 1. Along it the pixels stand at $F v$, and the variance of that is $v^\top C v$. Try a few
# directions:

# %%
print("direction   variance")
for angle in (0, 15, 30, 45, 60, 90, 135):
    v = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    print(f"{angle:5}°      {v @ C @ v:.3f}")

# %% [markdown]
# The cloud is longest at 45° and shortest at 135°, at a right angle to it. In these directions something
# special happens: $C v$ points the same way as $v$. Such a $v$ is called an **eigenvector**, and the
# factor in $C v = \lambda v$ its **[eigenvalue](glossary.md#eigenvalue)**. By hand:
# $C\,(1, 1)^\top = (0.05 + 0.04,\ 0.04 + 0.05)^\top = 0.09 \cdot (1, 1)^\top$.

# %%
eigenvalues, eigenvectors = np.linalg.eigh(C)  # smallest first, one vector a column
print(
    "eigenvalues:",
    eigenvalues.round(3),
    " sum",
    eigenvalues.sum().round(3),
    " trace",
    C.trace().round(3),
)
for name, v in {"an eigenvector": [1, 1], "another direction": [1, 0]}.items():
    # If every direction were special, Cv would be a multiple of v in both lines.
    print(f"{name:18} v = {v}   C v = {(C @ v).round(3)}")

# %%
spread = np.sqrt(eigenvalues[::-1])  # standard deviations along the axes, longest first
axes = [spread[0] * np.array([1, 1]) / np.sqrt(2), spread[1] * np.array([1, -1]) / np.sqrt(2)]
dots = small.reshape(4, 2)
colour_cloud(
    dots,
    np.column_stack([dots, np.zeros(4)]),
    ("red", "green"),
    axes,
    alt="Four dots, from dark to yellow, along a diagonal. A long arrow points along it, a short one across.",
)

# %% [markdown]
# *The four pixels, in their own colours, and the axes of the cloud: arrows of one standard deviation, 0.3
# and 0.1.*
#
# ### The colours of a photograph
#
# Now the 147,456 pixels of the astronaut, and three channels. The cloud lies in space, so it has three
# axes. How much of the whole variance lies along each?

# %%
random = np.random.default_rng(0)
unrelated = np.stack([random.permutation(astronaut[..., c].ravel()) for c in range(3)], axis=1)

print("share of the variance along each axis, longest first")
for what, picture in {"the photograph": astronaut, "each channel shuffled": unrelated}.items():
    C = covariance(picture)
    shares = np.linalg.eigvalsh(C)[::-1] / C.trace()
    # If axes came from the method and not from the picture, shuffling would change nothing.
    print(f"{what:24}", *(f"{share:6.1%}" for share in shares))

pixels = astronaut.reshape(-1, 3)
along = pixels @ np.linalg.eigh(covariance(astronaut))[1][:, ::-1]  # where they stand on each axis
# If brightness had nothing to do with it, the first number would be small, too.
found = [abs(np.corrcoef(along[:, i], pixels.mean(axis=1))[0, 1]) for i in range(3)]
print(f"{'brightness, correlation':24}", *(f"{r:6.2f}" for r in found))

# %%
some = random.permutation(astronaut.reshape(-1, 3))[:700]
C = covariance(astronaut[..., [0, 2]])
values, vectors = np.linalg.eigh(C)
vectors = vectors * np.sign(vectors[:1])  # both arrows to the right
colour_cloud(
    some[:, [0, 2]],
    some,
    ("red", "blue"),
    [np.sqrt(values[1]) * vectors[:, 1], np.sqrt(values[0]) * vectors[:, 0]],
    alt="Seven hundred dots: a band of greys from black to white along the diagonal, and below it a "
    "cluster of orange. A long arrow points along the band, a short one across it.",
)

# %% [markdown]
# *Seven hundred of her pixels, by red and blue. Along the long axis both get brighter; the short one leads to
# the orange of the suit.*
#
# The two grey pictures at the top of the lesson show where each pixel lies along the longest and along the
# shortest of the three axes, on the same scale: the first is her brightness, in the last hardly anything is left.
# That is a fact about this picture, not about colours: Exercise 5 asks you for another one.
#
# ## Windows
#
# ### Nine numbers and a picture
#
# A **[convolution](glossary.md#convolution)** slides a small **kernel** over the picture. At each place it
# multiplies what lies under the kernel by the kernel's numbers, and adds up. Our two pixels had a kernel of
# two numbers. This one has nine, and looks for places that are brighter on the right than on the left:

# %%
picture = np.float32(
    [
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0],
    ]
)
kernel = np.float32([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])


def convolve(picture, kernel, stride=1):
    """Every place where the kernel fits, `stride` pixels apart."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))[::stride, ::stride]


print("the window in the top row, second place, by hand:", (picture[0:3, 1:4] * kernel).sum())
print(convolve(picture, kernel))
in_tensorflow = tf.nn.conv2d(
    picture[np.newaxis, :, :, np.newaxis], kernel[:, :, np.newaxis, np.newaxis], 1, "VALID"
)
print("by TensorFlow:")
print(in_tensorflow[0, :, :, 0].numpy())

# %% [markdown]
# (Mathematicians turn the kernel by 180° first. Libraries for networks don't.)
#
# The result is smaller: 5 columns hold only 3 places for a kernel of 3. The **[stride](glossary.md#stride)**
# is how far the kernel moves each time; a stride of 2 takes every second place. For a side of $n$ pixels, a
# kernel of $k$, a stride of $s$ and $p$ pixels added on both sides, there are
# $\lfloor (n + 2p - k) / s \rfloor + 1$ places.
#
# ### Beyond the border
#
# If the result is to be as large as the picture, something must be added around it:
# **[padding](glossary.md#padding)**. There are several ways, and a picture in one row shows them:

# %%
row = np.array([7, 8, 9])
for name, mode in {
    "zero": "constant",
    "replicate": "edge",
    "reflect": "reflect",
    "wrap": "wrap",
}.items():
    print(f"{name:10}", np.pad(row, 2, mode=mode))

# %% [markdown]
# **Question.** A picture is plain white. Our kernel should find no edge in it. With which padding does it
# find one all the same?
#
# - **a** zero
# - **b** replicate
# - **c** reflect
# - **d** none of them

# %% tags=["learner"]
nst.check("border_edge", ...)

# %% tags=["solution"]
nst.check("border_edge", "a")

# %% jupyter={"outputs_hidden": true}
print("padding     plain white: 1 1 1 1        a ramp: 1 2 3 4")
for name, mode in {"zero": "constant", "replicate": "edge", "reflect": "reflect"}.items():
    found = []
    for values in ([1, 1, 1, 1], [1, 2, 3, 4]):
        padded = np.pad(np.float32(values), 1, mode=mode)
        found.append(padded[2:] - padded[:-2])  # the kernel (-1, 0, 1)
    # The middle of each row is the control: padding must not change it.
    print(f"{name:10} {found[0]}             {found[1]}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# With zeros there is black around every picture, and the kernel finds an edge that nobody painted. The others
# avoid it, and flatten ramps at the border instead. There is no padding that knows what was there. (VGG19 was
# trained with zeros. To it they mean a grey, as lesson 02 will show, but a white picture gets an edge from that, too.)
#
# </details>
#
# ### Channels
#
# A colour picture has three channels, so a kernel for it is 3 × 3 × 3, and still gives *one* number at each
# place. A layer has many such kernels, and each makes one **channel** of the result, called a **[feature
# map](glossary.md#feature-map)**. From $a$ channels to $b$ that takes $3 \cdot 3 \cdot a \cdot b$ numbers,
# and $b$ more, the **[biases](glossary.md#bias)**, which are added at the end. The smallest case is a kernel
# of 1 × 1 × 3, for instance brightness:

# %%
brightness = np.array([0.299, 0.587, 0.114])
grey = astronaut @ brightness  # the same weights at every place
print("image", astronaut.shape, "· kernel", brightness.shape, "→ one channel", grey.shape)

# %% [markdown]
# ### Smaller maps
#
# **[Pooling](glossary.md#pooling)** keeps one number of each block of 2 × 2, the largest or the mean. Here
# with the ReLU before it:

# %%
response = np.array([[3, -1, 0, 2], [-2, 1, 4, 0]])
after_relu = np.maximum(response, 0)
# The axes: block rows, rows in a block, block columns, columns in a block.
blocks = after_relu.reshape(1, 2, 2, 2)
print(after_relu)
print("largest of each block:", blocks.max(axis=(1, 3)), " mean:", blocks.mean(axis=(1, 3)))

# %% [markdown]
# And so on a photograph: one kernel, ReLU, and pooling.

# %%
response = convolve(grey, kernel)
found = np.maximum(response, 0)
pooled = found.reshape(191, 2, 191, 2).max(axis=(1, 3))
print("shapes:", response.shape, found.shape, pooled.shape)
show_rows(
    [np.clip(0.5 + response / 2, 0, 1), np.clip(found, 0, 1), np.clip(pooled, 0, 1)],
    titles=["the kernel's response", "after ReLU", "after pooling, half the size"],
    height=3.84,
    alt="The portrait as a relief in grey; then only those vertical edges that get brighter to the right, "
    "white on black; then the same at half the size.",
)

# %% [markdown]
# *Left, middle grey is 0, white is +1 and more, black −1 and less. Then black is 0. ReLU drops every edge
# that gets darker to the right: for those a network needs a second kernel.*
#
# ### What a number sees
#
# **Question.** A kernel of 3, then pooling by 2, then another kernel of 3. On how many pixels in a row does
# one of the last numbers depend? Draw it on paper before you answer.
#
# - **a** 5
# - **b** 6
# - **c** 8
# - **d** 18

# %% tags=["learner"]
nst.check("two_layers", ...)

# %% tags=["solution"]
nst.check("two_layers", "c")

# %% jupyter={"outputs_hidden": true}
print("Follow the marked squares from top to bottom:")
two_layers()

# %% [markdown]
# This window is the **[receptive field](glossary.md#receptive-field)**. To count it, start with 1 pixel. Each
# kernel of $k$ adds $k - 1$ times the distance of two neighbours, in pixels of the picture; each stride
# multiplies that distance.
#
# <details><summary>The count</summary>
#
# The first kernel: $1 + 2 \cdot 1 = 3$. Pooling: $3 + 1 \cdot 1 = 4$, and neighbours are now 2 pixels apart.
# The second kernel: $4 + 2 \cdot 2 = 8$.
#
# </details>
#
# Is that so? Nudge one pixel at a time, and see whether the number moves:


# %% jupyter={"outputs_hidden": true}
def last_number(pixels):
    once = np.convolve(pixels, [1, 1, 1], "valid")
    halved = once[: len(once) // 2 * 2].reshape(-1, 2).mean(axis=1)
    return np.convolve(halved, [1, 1, 1], "valid")[0]


# If it saw more or fewer, ones would stand elsewhere. The pixels outside are the control.
moved = [int(last_number(np.eye(12)[i]) != 0) for i in range(12)]
print("Does it move with pixel 1, 2, ... 12?")
print(moved, " together", sum(moved))

# %% [markdown]
# ## Exercises
#
# Write the body of each function, then run its cell. The hints go from a nudge to nearly the answer.
#
# ### Exercise 1 · The test of all gradients (15 minutes)
#
# Write the function with which you can test any gradient: `numerical_gradient(loss, image)` returns the
# slope at each number of `image`, which has any shape. Look to both sides: a **central difference**
# $(L(x + h) - L(x - h)) / 2h$ with $h = 0.001$. Then think: above, the error of a one-sided difference was as
# large as $h$. How large is it now, for a loss that is a square?
#
# <details><summary>Hint 1</summary>One number is nudged, all others stay. Use a copy.</details>
# <details><summary>Hint 2</summary><code>np.ndindex(image.shape)</code> gives all places.</details>
# <details><summary>Hint 3</summary>Make an array of zeros, set h at one place, and evaluate the loss at image +
# nudge and image − nudge.</details>


# %% tags=["learner"]
def numerical_gradient(loss, image): ...


nst.check("numerical_gradient", numerical_gradient)


# %% tags=["solution"]
def numerical_gradient(loss, image):
    h, gradient = 0.001, np.zeros(image.shape)
    for place in np.ndindex(image.shape):
        nudge = np.zeros(image.shape)
        nudge[place] = h
        gradient[place] = (loss(image + nudge) - loss(image - nudge)) / (2 * h)
    return gradient


nst.check("numerical_gradient", numerical_gradient)

# %% [markdown] tags=["solution"]
# For a square it is zero, up to rounding: $(x + h)^2 - (x - h)^2 = 4xh$ exactly. The curve bends the same
# way on both sides, and that cancels. For other losses the error shrinks with $h^2$.

# %% [markdown]
# ### Exercise 2 · There in one step (15 minutes)
#
# Rate 0.25 reached the goal at once. Was that luck? Let the kernel be any array $k$, the feature
# $d = \sum k_i x_i$ and the loss $(d - a)^2$. Derive the rate with which a single step downhill ends with a
# loss of 0, and return it. It depends on the kernel alone.
#
# <details><summary>Hint 1</summary>What is the gradient at x₁? Use the chain rule.</details>
# <details><summary>Hint 2</summary>Put the new pixels into d. What is the new error, as a multiple of the old?
# </details>
# <details><summary>Hint 3</summary>The error is multiplied by 1 − 2 r Σ k².</details>


# %% tags=["learner"]
def one_step_rate(kernel): ...


nst.check("one_step_rate", one_step_rate)


# %% tags=["solution"]
def one_step_rate(kernel):
    return 1 / (2 * np.sum(kernel**2))


nst.check("one_step_rate", one_step_rate)

# %% [markdown] tags=["solution"]
# The gradient is $2\,(d - a)\,k$. After the step, $d' = d - r \cdot 2\,(d - a) \sum k_i^2$, so the error
# $d' - a = (d - a)(1 - 2 r \sum k_i^2)$. A loss in other units, say pixels in 0..255, needs another rate:
# remember that when you read a tutorial's settings.

# %% [markdown]
# ### Exercise 3 · Three bugs, and one that isn't (15 minutes)
#
# A colleague's function is meant to return the correlations (C, C) of the channels of an image (H, W, C):
#
# ```python
# def channel_correlation(image):
#     F = image.reshape(image.shape[-1], -1).T
#     F = F - F.mean()
#     C = F.T @ F
#     return C / np.diag(C)
# ```
#
# Four lines look suspicious. Three hold a mistake, and one is right as it stands. Which, and why?
# Write the function right.
#
# <details><summary>Hint 1</summary>What should stand on the diagonal, and between which limits the rest?</details>
# <details><summary>Hint 2</summary>Lesson 00: what does <code>reshape</code> do to the order of numbers? How many
# means are there?</details>
# <details><summary>Hint 3</summary>Rows are pixels: reshape(-1, C). Means by column. Divide by the square root of
# the product of two variances, <code>np.outer</code>.</details>


# %% tags=["learner"]
def channel_correlation(image): ...


nst.check("channel_correlation", channel_correlation)


# %% tags=["solution"]
def channel_correlation(image):
    F = image.reshape(-1, image.shape[-1])
    F = F - F.mean(axis=0)
    C = F.T @ F
    return C / np.sqrt(np.outer(np.diag(C), np.diag(C)))


nst.check("channel_correlation", channel_correlation)

# %% [markdown] tags=["solution"]
# `C = F.T @ F` may stay: the missing division by $N$ stands above and below the fraction, and cancels. With
# `reshape(C, -1)` the numbers of different channels get mixed; `F.mean()` is one mean for all; and
# `np.diag(C)` holds variances, where the product of two standard deviations is needed.

# %% [markdown]
# ### Exercise 4 · A kernel for dots (15 minutes)
#
# Design a kernel that finds dots. On a single white pixel under its middle it gives 1. On a plain picture
# it gives 0, and on one that gets brighter evenly, in whatever direction, too. Return it as an array of
# `side` × `side` numbers, for any odd side from 3 on. There are many right answers.
#
# <details><summary>Hint 1</summary>What must its numbers add up to?</details>
# <details><summary>Hint 2</summary>On a ramp, what stands left of the middle must cancel what stands right.</details>
# <details><summary>Hint 3</summary>1 in the middle, the same small negative number everywhere else.</details>


# %% tags=["learner"]
def dot_kernel(side): ...


nst.check("dot_kernel", dot_kernel)


# %% tags=["solution"]
def dot_kernel(side):
    kernel = np.full((side, side), -1 / (side**2 - 1))
    kernel[side // 2, side // 2] = 1
    return kernel


nst.check("dot_kernel", dot_kernel)

# %% [markdown]
# ### Exercise 5 · Is it always brightness? (open, 10 minutes)
#
# A colleague looks at the astronaut, and concludes: *the longest axis of a picture's colours is brightness.*
# What would you see if it were not so? Find or make a picture for which it is false, and show it by numbers.
# What does your picture tell you about the many for which it is true?
#
# <details><summary>Hint 1</summary>If it were always brightness, what would the first eigenvector be, picture
# after picture?</details>
# <details><summary>Hint 2</summary>You may make the picture yourself, and two colours are enough. Let both have the
# same mean of red, green and blue.</details>
# <details><summary>Hint 3</summary>With two colours, the longest axis points from one to the other. Compare
# their difference with (1, 1, 1).</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# If it were always so, the eigenvector with the largest eigenvalue would be
# near $(1, 1, 1) / \sqrt 3$ for each picture. Make one of two colours with the same mean, such as orange (0.8,
# 0.5, 0.2) and blue (0.2, 0.5, 0.8): the first eigenvector is $(1, 0, -1) / \sqrt 2$, and the plain mean of the
# channels, which $(1, 1, 1)$ stands for, doesn't vary at all. So the claim is not about the method. In
# photographs the three channels rise and fall together because light and shadow change all three at once; a
# print of a poster, or a field of poppies, need not be like that.

# %% [markdown]
# ## In this lesson you have
#
# - measured a slope of −0.6 by nudging, and seen that the smallest nudge measures nothing;
# - multiplied slopes along a chain, and had the tape give the same, once to the pixels and once to the kernel;
# - gone downhill, at a rate that arrives and at one that doesn't; and met a ReLU with no slope at all;
# - drawn a portrait from its steps alone, large and small, and found two other pictures that the loss calls
#   perfect;
# - computed 0.05, 0.04 and a correlation of 0.8 by hand, and the axes of a cloud, 0.3 and 0.1 long;
# - slid a kernel over a photograph, padded a row in four ways, and counted that 3, 2 and 3 make 8.
#
# Next: [02 · Features](02_features.ipynb), where kernels come by the thousand, and somebody has trained them.
#
# ## Further reading
#
# - G. Strang, *Introduction to Linear Algebra*, 5th edition, 2016. Eigenvalues and covariance, with pictures.
# - M. Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 2: the chain rule in networks.
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul and J. M. Siskind, "Automatic differentiation in machine
#   learning: a survey", Journal of Machine Learning Research, 2018. What the tape does.
# - V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016. Padding and stride,
#   drawn.
