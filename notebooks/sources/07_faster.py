# %% [markdown]
# # 07 · Faster
#
# After this lesson you can say where the time of a style transfer goes, win it back one change at a
# time, and tell which change really did it.

# %%
import timeit

import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.vgg19 import stride

coffee, brushwork = nst.load_image("coffee", size=320), nst.load_image("brushwork")
steps = []  # of the run: evaluations so far, and the size of the picture


def note(step):
    steps.append((step.evaluations, step.image.size))


painted = nst.transfer_style(coffee, brushwork, iterations=20, callback=note, progress=False).image
show_rows(
    [coffee, painted],
    titles=["a photograph", "painted by a whole run"],
    height=3.3,
    alt="A red cup of coffee with a spoon on a wooden table; the same in blue and yellow strokes.",
)

# %% [markdown]
# *The run on the right took some seconds on two processor cores.* The recipe of the tutorial takes thousands
# of steps through a network that is many times as large. Before you go on, guess: how many steps of that
# recipe could you take for the work of this whole run? Write a number down. You will count it below.
#
# | | |
# | --- | --- |
# | Prerequisites | [06 · Content and style](06_content_and_style.ipynb) |
# | Time to read | 35 min; exercises 75 min |
# | Time to run on 2 cores | 35 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Split** the time of a run into evaluations and the cost of each, and count both.
# - **Change** one thing at a time, and say whether the change alters the picture.
# - **Compare** optimisers fairly: the same loss, the same start, each at its best.
# - **Tell** what is measured from what is only worked out.

# %% [markdown]
# ## Where the time goes
#
# HyunMin Kim's post (3 November 2020) gives the time of each of its runs, and remarks that they take long.
# That helps us more than it seems: without these times, there would be nothing to compare with. Divided by
# the steps:
#
# | run | steps | the post's clock | a step |
# | --- | --- | --- | --- |
# | a texture, 224 × 224 | 5,000 | 1,295 s | 0.26 s |
# | the same with total variation | 5,000 | 1,488 s | 0.30 s |
# | a transfer, 512 pixels wide or high | 2,000 | 2,435 s | 1.22 s |
#
# A step is one **[evaluation](glossary.md#evaluation)** of the loss and its [gradient](glossary.md#gradient),
# and a run does little else. So
#
# $$ \text{time} = \text{evaluations} \times \text{time of each} , $$
#
# and a change can make either factor smaller. Times differ from machine to machine, and on a busy one
# from run to run. So this course counts wherever it can: evaluations for the first factor, and
# **multiplications** for the second. A [convolution](glossary.md#convolution) does one at each position for
# each number of its [kernel](glossary.md#kernel). In [VGG19](glossary.md#VGG19)'s first layer the kernel has
# 3 × 3 × 3 × 64 = 1,728 numbers: 1,728 multiplications for each pixel.
#
# **Question.** Inside the blocks, VGG19 has convolutions from 64 channels to 64 (block 1), 128 to 128
# (block 2), 256 to 256 (block 3) and 512 to 512 (block 4). Each block works at half the height and width
# of the one before. Which of these convolutions does the most multiplications?
#
# - **a** the one in block 1, where there are the most positions
# - **b** the one in block 4, where there are the most channels
# - **c** they all do the same number
# - **d** the one in block 2, where positions and channels are in balance

# %% tags=["learner"]
nst.check("costliest_block", ...)

# %% tags=["solution"]
nst.check("costliest_block", "c")

# %% jupyter={"outputs_hidden": true}
import keras
import tensorflow as tf

CONTENT = "block5_conv2"
one = [nst.feature_extractor([*nst.STYLE_LAYERS, CONTENT], "random")]
# If the deep layers were the expensive ones, the last column would grow from line to line.
print("layer          numbers in kernel   pixels a position   multiplications a pixel")
for layer in one[0].layers:
    if layer.name.endswith("conv2"):
        numbers, pixels = int(np.prod(layer.kernel.shape)), stride(layer.name) ** 2
        print(f"{layer.name} {numbers:19,} {pixels:19} {numbers / pixels:25,.0f}")


# %% [markdown]
# <details><summary>Why</summary>
#
# From block to block, the channels double on both sides of the convolution (four times the numbers), and
# there is a quarter of the positions. Only block 5 is cheaper, because its channels don't double any
# more. So the deep layers aren't the expensive ones: inside blocks 1 to 4, each convolution costs as much as
# any other.
#
# </details>
#
# ## One network instead of two
#
# Kim's transfer has one network for the style and another one for the content, and each step sends the
# picture through both.
#
# **Question.** The content is read at `block5_conv2`, the style at the first layer of each block. What
# happens if one network gives all these outputs?
#
# - **a** nothing: TensorFlow notices by itself what is computed twice
# - **b** about half the multiplications, and the same gradient
# - **c** about half the multiplications, and a slightly different gradient
# - **d** about a sixth is saved, because the content is one output of six

# %% tags=["learner"]
nst.check("one_network", ...)

# %% tags=["solution"]
nst.check("one_network", "b")


# %% jupyter={"outputs_hidden": true}
def multiplications(networks, shape):
    """Of all their convolutions, to look once at a picture of `shape`."""
    total = 0
    for layer in (layer for network in networks for layer in network.layers):
        if isinstance(layer, keras.layers.Conv2D):
            apart = stride(layer.name)
            positions = (shape[0] // apart) * (shape[1] // apart)
            total += positions * int(np.prod(layer.kernel.shape))
    return total


two = [nst.feature_extractor(layers, "random") for layers in (nst.STYLE_LAYERS, [CONTENT])]
small = [nst.feature_extractor([*nst.STYLE_LAYERS, CONTENT], "mini")]

# If two networks shared their work, the first line would be no larger than the second.
print(f"Billions of multiplications for one look at {coffee.shape[0]} × {coffee.shape[1]} pixels:")
for what, networks in {"two networks": two, "one network": one}.items():
    print(f"{what:13} {multiplications(networks, coffee.shape) / 1e9:5.1f}")

# %% [markdown]
# <details><summary>What the count says</summary>
#
# Half the work. (The gradient costs about as much again, in both: each convolution is run backwards once. In training
# it would be twice as much, because the kernels need a gradient as well; here they are frozen.)
#
# </details>
#
# And is it the same gradient? To find out, [random weights](glossary.md#random-weights) are good enough. As a
# control, the same lines compare with a gradient that ought to differ: one without the content term.


# %% jupyter={"outputs_hidden": true}
def gradient_by(networks, content_weight=1.0):
    """A function of a picture: the gradient of a transfer's loss."""

    def features_of(image):
        found = {}
        for network in networks:
            found |= network(image[tf.newaxis])
        return found

    of_style = features_of(tf.constant(strokes))
    look = {layer: nst.channel_statistics(of_style[layer]) for layer in nst.STYLE_LAYERS}
    # The photograph upside down: at the photograph's own content that term would have no gradient.
    wanted = {CONTENT: features_of(tf.constant(thumbnail[::-1]))[CONTENT]}

    @tf.function
    def gradient(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = features_of(image)
            loss = nst.style_loss(features, look)
            loss += content_weight * nst.content_loss(features, wanted)
        return tape.gradient(loss, image)

    return gradient


thumbnail, strokes = nst.resize(coffee, 96), nst.resize(brushwork, 96)
by_two, by_one = gradient_by(two), gradient_by(one)
first = by_two(tf.constant(thumbnail)).numpy()
print("How far the gradient is from that of two networks:")
# If one network gave another gradient, the first number would be of the size of the second.
for what, gradient in {"one network": by_one, "no content": gradient_by(one, 0.0)}.items():
    apart = np.linalg.norm(gradient(tf.constant(thumbnail)).numpy() - first)
    share = apart / np.linalg.norm(first)
    print(f"{what:12} {'below 0.1 %' if share < 1e-3 else f'{share:.0%}'}")

# %% [markdown]
# <details><summary>What follows</summary>
#
# It is the same gradient. The same gradient at every step means the same picture at the end: nothing is lost.
# `transfer_style` has always done it this way.
#
# </details>
#
# ## A smaller network
#
# The course's [small twin](glossary.md#small-twin) has the layers of VGG19 with fewer channels, 16 in block 1
# instead of 64. VGG19 itself was its teacher. A convolution multiplies every channel that comes in with every
# one that goes out, so a quarter of the channels makes a sixteenth of the multiplications.
#
# **Question.** How many times fewer does the whole twin do, if block 1 has a quarter of the channels, and
# block 5 half of them or more? And will a clock say the same?

# %% jupyter={"outputs_hidden": true}
ratio = multiplications(one, coffee.shape) / multiplications(small, coffee.shape)
print("VGG19's multiplications, divided by the twin's:")
print(f"{ratio:.1f}")


# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
def milliseconds(work, repeat=5):
    """The best of some runs: whatever else the machine does can only add to the time.

    A run before them does not count. It builds TensorFlow's graph.
    """
    work()
    return 1000 * min(timeit.repeat(work, number=1, repeat=repeat))


# If only multiplications took time, these would stand to each other as their counts do.
print("By the clock, one gradient at 64 × 96 pixels (your machine will say something else):")
times = {
    name: milliseconds(lambda gradient=gradient: gradient(tf.constant(thumbnail)).numpy())
    for name, gradient in {
        "two networks": by_two,
        "one network": by_one,
        "the twin": gradient_by(small),
    }.items()
}
for name, time in times.items():
    print(f"{name:13} {time:6.0f} ms")

# %% [markdown]
# A clock gives other ratios than the count, and not the same ones on every machine. With few channels a
# layer spends its time on moving numbers rather than on multiplying them; and if your machine has something
# else to do meanwhile, the clock counts that, too.
#
# Unlike the change before, this one changes the picture. By how much? The twin's card (`models/README.md`)
# tells of textures of 15 sources that the twin never saw in training. They were made through three networks
# and judged by VGG19: its [style loss](glossary.md#style-loss), added up over blocks 1 to 4.
#
# | textures made through | style loss by VGG19 |
# | --- | --- |
# | VGG19 itself | 0.06 |
# | the twin | 0.23 |
# | random weights in the twin's shape | 2.09 |
#
# The third line is the control. If training had taught the twin nothing, the second number would be near
# 2; if the twin saw just what VGG19 sees, it would be 0.06. Lesson 06 shows a transfer through both.
#
# ## The processor's best instructions
#
# TensorFlow carries a library, [oneDNN](glossary.md#oneDNN), whose convolutions use a processor's widest
# instructions. TensorFlow switches it on by itself where a processor has AVX512_VNNI, AVX512_BF16 or AMX,
# which were made for networks. On others you have to ask for it, by the environment variable
# `TF_ENABLE_ONEDNN_OPTS=1`, before TensorFlow is imported. `import nstlib` asks for it, unless you have set
# the variable yourself.
#
# What it brings depends on the processor. On one without AVX-512 we measured 0.89 s for a step of VGG19 at
# 224 × 224 pixels without it, and about 0.68 s with it; on one with AVX512_VNNI no difference, because
# there it is on anyway. To find out about yours, run the cell above twice, in two kernels, one of them
# started with the variable at 0. (It adds in another order, so sums differ in their last digits. A long run
# from noise may then end in another texture, as good as the first.)
#
# ## Fewer evaluations
#
# Now the other factor. Kim's texture uses **[Adam](glossary.md#Adam)** with a [learning
# rate](glossary.md#learning-rate) of 0.2, and the transfer one of 0.001, in units of the range from black to
# white. TensorFlow's own tutorial takes 0.02. PyTorch's takes **[L-BFGS](glossary.md#L-BFGS)**, for which
# you don't have to choose a learning rate.
#
# **Question.** With Adam at 0.001, how far has the pixel that moved farthest come after 120 steps?
#
# - **a** about 0.001
# - **b** about 0.12
# - **c** it may be anywhere from 0 to 1: that depends on the gradient
# - **d** it has arrived: 120 steps are many

# %% tags=["learner"]
nst.check("farthest_pixel", ...)

# %% tags=["solution"]
nst.check("farthest_pixel", "b")

# %% [markdown]
# To see it, and to compare the two fairly, everything but the [optimiser](glossary.md#optimiser) has to stay:
# the network, the loss, the two pictures, the start. We count evaluations, not iterations.

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
twin = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS], padding="replicate")
wanted = {layer: twin(thumbnail[np.newaxis])[layer] for layer in nst.CONTENT_LAYERS}
look = {
    layer: nst.channel_statistics(maps)
    for layer, maps in twin(strokes[np.newaxis]).items()
    if layer in nst.STYLE_LAYERS
}


def loss(image):
    features = twin(image[tf.newaxis])
    return 0.3 * nst.content_loss(features, wanted) + nst.style_loss(features, look)


def race(iterations, **way):
    return nst.minimize_image(loss, thumbnail, iterations=iterations, progress=False, **way)


after_120 = []
slow = race(
    200,
    method="adam",
    learning_rate=0.001,
    callback=lambda step: after_120.append(step.image) if step.iteration == 120 else None,
)
moved = np.abs(after_120[0] - thumbnail)
# If the gradient's size decided, there would be no such limit: a pixel might be anywhere by now.
print("Adam at 0.001, after 120 steps:")
print(f"{np.mean(moved < 0.125):.0%} of all values have moved by less than 0.125,", end=" ")
print(f"the farthest of all by {moved.max():.2f}")

# %% [markdown]
# <details><summary>Why</summary>
#
# Adam divides the gradient by its own usual size, so each step is about as long as the learning rate,
# however large the gradient is. (Not exactly: Exercise 3.) From black to white it is about a thousand steps.
#
# </details>
#
# So with a small learning rate most of the steps are needed just to cover the distance. What if we choose a
# better one? The slow run has had 200 steps: 200 evaluations, and one more to see where the last step led. The
# others get about 60. **Predict**: how many evaluations do the best Adam and L-BFGS need to come as far?

# %%
rates = (0.005, 0.02, 0.05, 0.1, 0.2)
runs = {"Adam, 0.001": slow}
runs |= {f"Adam, {rate}": race(60, method="adam", learning_rate=rate) for rate in rates}
runs["L-BFGS"] = race(60)

# %% jupyter={"outputs_hidden": true}
print("Seven ways down:")
nst.show_curves(
    {
        name: ([s.evaluations for s in run.history[:61]], [s.loss for s in run.history[:61]])
        for name, run in runs.items()
    },
    log=False,
    alt="Seven falling curves. Adam at 0.001 stays far above the others, Adam at 0.005 below it; the other "
    "four rates and L-BFGS end close together, far below, Adam at 0.2 after a rise.",
)

# %% [markdown]
# *The same network, loss, pictures and start. About 60 evaluations of each are drawn.*


# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
def evaluations_until(run, goal):
    """How many evaluations a run took to come down to a loss; None if it never did."""
    return next((step.evaluations for step in run.history if step.loss <= goal), None)


# If the method mattered and its rate did not, all lines of Adam would be alike, and L-BFGS would stand
# apart.
print(f"the slow run's loss after 200 steps: {slow.loss:.3f}. It is reached after")
reached = {name: evaluations_until(run, slow.loss) for name, run in runs.items()}
for name, run in runs.items():
    print(f"{name:12} {reached[name]:4} evaluations; lowest loss of the run: {run.loss:.3f}")

# %% jupyter={"source_hidden": true}
# What the text below says, for any machine. If L-BFGS were better than every Adam, or the learning rate
# did not matter, one of these would fail.
assert np.mean(moved < 0.15) > 0.95
best_adam = min(reached[f"Adam, {rate}"] for rate in rates)
assert max(best_adam, reached["L-BFGS"]) < 40
assert 0.4 < best_adam / reached["L-BFGS"] < 2.5

# %% [markdown]
# <details><summary>What the numbers say</summary>
#
# Read it twice, because it isn't what you may have heard. At 0.02 or more instead of 0.001, Adam needs about a
# tenth of the evaluations, or fewer. (We went on to 0.2 to see that the best rate isn't the last one that we tried.) From there to L-BFGS there is **no gain** here: the two are about level.
# "L-BFGS is more than ten times faster than Adam" would be true of this figure's uppermost curve, and of no other.
# If you compare a tuned method with an untuned one, you measure the tuning.
#
# So why does the library take L-BFGS? Because it needs no learning rate. For a new style, size or network you
# might have to look for a good rate again, and each try costs a run.
#
# (Is it so because the goal was an easy one? We ran the slow Adam for the recipe's full 2,000 steps once. The
# best of four learning rates reached the loss of its end after 85 evaluations, L-BFGS after 112. And from
# noise, as in lesson 04, the order may be another one.)
#
# </details>
#
# ## From coarse to fine
#
# Lesson 04 went from small to large to get large structures right. It is also cheaper: at half the size an
# evaluation costs a quarter. For a fair comparison, both ways get the same **work**: evaluations, each
# counted by its share of the full number of pixels.
#
# **Question.** From noise to a texture: 40 iterations at full size, or 30 at each of three sizes. That is the
# same work. Which of the two comes closer?

# %%
tissue = nst.load_image("immunohistochemistry", size=128)


def work_of(steps, pixels):
    """In evaluations at full size."""
    evaluations, sizes = np.transpose(steps)
    return float(np.sum(np.diff(evaluations, prepend=0) * sizes / pixels))


def texture(**options):
    """Make a texture; return it and its work."""
    taken = []
    made = nst.synthesize_texture(
        tissue,
        callback=lambda step: taken.append((step.evaluations, step.image.size)),
        progress=False,
        **options,
    )
    return made, work_of(taken, tissue.size)


in_steps, work_in_steps = texture(iterations=30)  # at 32, at 64 and at 128 pixels
at_once, work_at_once = texture(iterations=40, scales=1)

# %% jupyter={"outputs_hidden": true}
print("The same work, twice:")
show_rows(
    [tissue, at_once.image, in_steps.image],
    titles=["photograph", "128 pixels only", "32, 64, then 128"],
    height=3,
    alt="A photograph of tissue, brown glands on a pale ground; brown glands in other places, under a "
    "fine hatching; glands nearly as in the photograph, without hatching.",
)

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
# If small sizes were of no use, the same work would lead to about the same loss.
ends = [made.losses["style"][1] for made in (at_once, in_steps)]
print("              work   style loss at the end")
print(f"one size    {work_at_once:6.1f} {ends[0]:23.3f}")
print(f"three sizes {work_in_steps:6.1f} {ends[1]:23.3f}")

# %% jupyter={"source_hidden": true}
assert abs(work_in_steps - work_at_once) < 5
assert ends[0] > 1.5 * ends[1]

# %% [markdown]
# <details><summary>What you see</summary>
#
# Three sizes come closer for the same work. (Was it luck? With two other seeds they ended at 0.025 and 0.023,
# and one size at 0.051 and 0.049.) The fine size doesn't have to find again what the coarse ones
# have already settled. The price is the one that lesson 04 names: so few pixels can be arranged in few ways
# only, and the result takes over the photograph's own composition.
#
# That is so from noise. A transfer begins with a photograph, whose large shapes are there from the start;
# whether three sizes help there as well is Exercise 4's first suggestion.
#
# </details>
#
# ## The ladder
#
# Now all changes in one table, for a transfer at 64 × 96 pixels. Each line is the one above it with one
# change. The first two lines have 200 steps by definition, and the second has the gradients of the first;
# from the third line on the evaluations are those measured above, to the same loss. What is *not* measured:
# whether VGG19's own loss needs as many steps as the twin's. And the content has to be read at the same layer
# in all lines, so they are all counted with the tutorial's.

# %% tags=["nbval-ignore-output"]
# A change that gains nothing repeats the line above it.
per_look = {
    name: multiplications(networks, thumbnail.shape)
    for name, networks in {"two": two, "one": one, "twin": small}.items()
}
ladder = {
    "200 steps of Adam at 0.001, two networks": ("two", 200),
    "one network": ("one", 200),
    "the twin": ("twin", 200),
    "Adam at its best rate": ("twin", best_adam),
    "L-BFGS instead": ("twin", reached["L-BFGS"]),
}
print(f"{'':42} evaluations   multiplications   of the first")
highest = 200 * 2 * per_look["two"]
for name, (network, count) in ladder.items():
    # Twice: forwards and backwards.
    all_in_all = count * 2 * per_look[network]
    print(f"{name:42} {count:11} {all_in_all / 1e9:13,.0f} · 10⁹ {all_in_all / highest:13.2%}")

# %% [markdown]
# Two changes do nearly all of it: a learning rate that fits, and a smaller network. The first costs nothing.
# The second changes the picture.
#
# You may multiply the factors here, because each of them makes *all* of the work smaller. By the clock you
# may not: building graphs, resizing and the optimiser's own arithmetic stay as they were, and count for
# more and more. Exercise 1 is about that.
#
# And now your guess from the beginning. The classic recipe looks at the full picture through two networks
# of VGG19's size.
#
# **Question.** How many of its steps do as many multiplications as the whole run at the top of this page:
# 20 iterations at each of four sizes?
#
# - **a** about 2
# - **b** about 25
# - **c** about 250
# - **d** about 2,000

# %% tags=["learner"]
nst.check("whole_run", ...)

# %% tags=["solution"]
nst.check("whole_run", "a")

# %% jupyter={"outputs_hidden": true}
network = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS])
whole_run = work_of(steps, coffee.size) * multiplications([network], coffee.shape)
classic_step = multiplications(two, coffee.shape)
print("The whole run, in steps of the classic recipe:")
print(f"about {whole_run / classic_step:.0f}")
times_as_much = 2000 * classic_step / whole_run
print(f"The recipe has 2,000 of them: about {round(times_as_much, -2):,.0f} times as much work.")

# %% [markdown]
# <details><summary>What follows, and what doesn't</summary>
#
# After two steps at 0.001 hardly a pixel has moved by one level of 255: you would be looking at the
# photograph.
#
# Be fair to the recipe, though. The twin alone makes the work ten times smaller: through VGG19 itself, the
# whole run would be worth about twenty steps. VGG19's pictures aren't the twin's, nobody forces you to take all 2,000
# steps, and 20 iterations are fewer than the 50 that the library takes by default. The ratio says what it
# costs to follow the recipe to the letter. It doesn't say that the recipe is a bad one: the post shows the
# way in steps that you can read, and gives the times that made this lesson possible.
#
# </details>
#
# And with the same network, the same loss and the same start on both sides? `benchmarks/blog.py` ran the post's
# three recipes to the end, 5,000, 5,000 and 2,000 steps through VGG19. Then it ran L-BFGS, from coarse to fine,
# until the loss was down to where each of them had ended. That took 288 evaluations, and about 25 times less
# processor time; with total variation 348, and about 19 times less; for the transfer 89, and about 38 times less.
# (The 5,000 steps ran on a graphics card. The transfer's 2,000 ran on a processor, nearly all of them in
# bfloat16. The processor time is that of 20 steps here, scaled up.)
#
# ## Exercises
#
# Each has three hints, from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · What a faster part is worth (10 minutes)
#
# 80 % of a run's time is spent in the network. You make the network ten times faster. How many times
# faster is the run? Write the function for any number of parts: `seconds` (N,) says how long each part
# took, `factors` (N,) how many times faster each has become. (G. Amdahl used it in 1967 to warn of hopes
# for parallel machines.)
#
# When you have it: how many times faster can the run become at most, however fast the network is? And how
# much do you gain if you make the *other* 20 % ten times faster instead?
#
# <details><summary>Hint 1</summary>Take a run of 100 s. How long is it after the change?</details>
# <details><summary>Hint 2</summary>Each part now takes its seconds divided by its factor.</details>
# <details><summary>Hint 3</summary>The old time, summed, over the new time, summed.</details>


# %% tags=["learner"]
def overall_speedup(seconds, factors): ...


nst.check("overall_speedup", overall_speedup)


# %% tags=["solution"]
def overall_speedup(seconds, factors):
    return np.sum(seconds) / np.sum(seconds / factors)


nst.check("overall_speedup", overall_speedup)

# %% [markdown] tags=["solution"]
# A network that takes no time at all leaves the other 20 %: five times faster, never more. The other 20 %
# ten times faster gives 1 / (0.8 + 0.02) = 1.22. So work on the part that takes the most time, until
# another one does.

# %% [markdown]
# ### Exercise 2 · A rigged race (20 minutes)
#
# A colleague reports: "L-BFGS is 18 times faster than Adam. I ran Adam with its default learning rate,
# 0.001, from noise, and L-BFGS from the photograph. I stopped each when its loss was down to a tenth of
# its start, and compared the numbers of iterations." Find at least three things that are unfair.
#
# Then write the fair count. `losses` (R, N) holds the losses of *one* method under R settings, measured
# after `evaluations` (N,). Return the fewest evaluations after which *any* setting had come down to
# `goal`, which is the same number for all methods; `np.inf` if none had. Losses may rise again.
#
# <details><summary>Hint 1</summary>Which losses are at the goal or below? You want their column, not their
# row.</details>
# <details><summary>Hint 2</summary><code>(losses &lt;= goal).any(axis=0)</code> says for each column whether
# some setting has arrived.</details>
# <details><summary>Hint 3</summary>Pick <code>evaluations</code> by it. If nothing is left, the answer is
# infinity; otherwise the smallest.</details>


# %% tags=["learner"]
def fewest_evaluations(evaluations, losses, goal): ...


nst.check("fewest_evaluations", fewest_evaluations)


# %% tags=["solution"]
def fewest_evaluations(evaluations, losses, goal):
    arrived = evaluations[(losses <= goal).any(axis=0)]
    return arrived.min() if arrived.size else np.inf


nst.check("fewest_evaluations", fewest_evaluations)

# %% [markdown] tags=["solution"]
# *Different starts*: from the photograph there is less to do. *Different goals*: a tenth of two different
# numbers. *One learning rate*, and a poor one: Adam was not at its best. *Iterations*: one of L-BFGS may
# take several evaluations. And a race on one picture says little about others; run a few, and look at the
# spread before you look at the winner.

# %% [markdown]
# ### Exercise 3 · How far can Adam go? (25 minutes)
#
# "A step of Adam is about as long as the learning rate." Write Adam for a single number, and find out
# when that is wrong. For each gradient $g$ in turn, the $n$-th of them,
#
# $$ m \leftarrow 0.9\,m + 0.1\,g, \qquad v \leftarrow 0.999\,v + 0.001\,g^2, \qquad
#    x \leftarrow x - \text{rate} \cdot \frac{m / (1 - 0.9^n)}{\sqrt{v / (1 - 0.999^n)} + 10^{-7}} , $$
#
# where $m$, $v$ and $x$ begin at 0. Return $x$ after all `gradients` (N,).
#
# When you have it, predict, then try: 100 gradients of 1; 100 gradients of 1,000; +1 and −1 in turn; and
# 200 gradients of 0.01, then 10 of 1. In which of them does it go farther than N learning rates?
#
# <details><summary>Hint 1</summary>Do the first step by hand. What is m / (1 − 0.9)?</details>
# <details><summary>Hint 2</summary><code>for n, g in enumerate(gradients, start=1):</code></details>
# <details><summary>Hint 3</summary>The divisions by 1 − 0.9ⁿ and 1 − 0.999ⁿ must not be stored in m and v:
# they are made anew each time.</details>


# %% tags=["learner"]
def adam_path(gradients, rate): ...


nst.check("adam_path", adam_path)


# %% tags=["solution"]
def adam_path(gradients, rate):
    x = m = v = 0.0
    for n, g in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        x -= rate * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-7)
    return x


nst.check("adam_path", adam_path)

for what, gradients in {
    "100 of 1": np.ones(100),
    "100 of 1,000": np.full(100, 1000.0),
    "+1 and -1 in turn": np.resize([1.0, -1.0], 100),
    "200 of 0.01": np.full(200, 0.01),
    "the same, then 10 of 1": np.append(np.full(200, 0.01), np.ones(10)),
}.items():
    print(f"{what:23} {len(gradients):4} steps, gone {abs(adam_path(gradients, 1.0)):6.1f} rates")

# %% [markdown] tags=["solution"]
# Constant gradients: exactly one rate a step, whatever their size. Changing signs: hardly anywhere. Quiet
# gradients and then a burst: the last ten steps go farther than ten rates, because $m$ follows within about
# ten steps and $v$ only within a thousand; a step can be up to about three rates long. That is how a few
# pixels came farther than 0.12 above.

# %% [markdown]
# ### Exercise 4 · A line of your own (open, 20 minutes)
#
# Add a line to the ladder. For instance: [coarse to fine](glossary.md#coarse-to-fine) *from a photograph*,
# with the same work at one size as a control (`nst.coarse_to_fine` takes any loss); half the layers; 10
# iterations a size instead of 20; a graphics card, if you have one. Say which factor it changes, whether it
# alters the picture, what you measured and at what work, and **what you would have seen if it made no
# difference**. A line that turns out to gain nothing counts as much as any other.
#
# <details><summary>Hint 1</summary>A run costs evaluations times the cost of each. Which of the two does your change
# touch?</details>
# <details><summary>Hint 2</summary><code>multiplications</code> counts the cost of each, and a callback such as
# <code>note</code> above counts evaluations and sizes. Neither needs a clock.</details>
# <details><summary>Hint 3</summary>The control is the line above yours. If your change alters the loss itself, the two
# losses can't be compared: compare pictures, or let one and the same loss judge both.</details>

# %% tags=["learner"]
my_line = ...
print("still open" if my_line is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# One possible answer. *Half the picture:* compute at 160 pixels and enlarge. It changes the second factor,
# to a quarter, and it alters the picture: fine strokes are gone. Control: a picture made at 320 pixels, made
# smaller to 160 and enlarged again; what that one loses, the enlarging loses, and the rest is the run's.
# *A layer less:* leave out `block5_conv1` of the style. Then nothing behind `block4_conv2`, where the content
# is read, is needed any more. By the count, 29 % of the twin's multiplications go. What you would see if the
# layer made no difference to the picture: two runs no further apart than two of which one began with a little
# noise on the photograph.

# %% [markdown]
# ## In this lesson you have
#
# - split a run into evaluations and multiplications, and found that a convolution costs the same in blocks
#   1 to 4;
# - replaced two networks by one, for half the work and the same gradient;
# - seen a network with a tenth of the multiplications, and what it costs: 0.23 instead of 0.06, where
#   learning nothing would be 2.09;
# - found that a learning rate of 0.001 moves a pixel by about 0.12 in 120 steps, that choosing the rate
#   saves more than nine tenths of the evaluations, and that L-BFGS saves the choosing;
# - compared one size with three at the same work;
# - and counted a whole run in steps of the classic recipe: about two.
#
# Next: [08 · Under control](08_under_control.ipynb), where the time that you have won buys choices: which
# colours, which strokes, where, and how much.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - G. Amdahl, "Validity of the single processor approach to achieving large scale computing
#   capabilities", AFIPS 1967.
# - D. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization",
#   Mathematical Programming, 1989.
# - D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015. Section 2.1 is about the
#   length of its steps.
# - P. Sivaprasad, F. Mai, T. Vogels, M. Jaggi and F. Fleuret, "Optimizer benchmarking needs to account for
#   hyperparameter tuning", ICML 2020.
