# %% [markdown]
# # 06 · Content and style
#
# After this lesson you can paint any photograph in the style of any picture, and say exactly what is
# kept of the one and what is taken from the other.

# %%
import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.transfers import transfer_graph

photo = nst.load_image("chelsea", size=384)
painting = nst.load_image("brushwork", size=384)
opening = nst.transfer_style(photo, painting, iterations=30, progress=False)
show_rows(
    [photo, opening.image, painting],
    titles=["content: a photograph", "both", "style: a painting"],
    height=3,
    alt="A cat's face, the same cat painted in blue and yellow strokes, and a painted starry night.",
)

# %% [markdown]
# *The subject of the first, the strokes and colours of the last.*
#
# | | |
# | --- | --- |
# | Prerequisites | [05 · Total variation](05_total_variation.ipynb); covariance from [01 · Mathematics](01_mathematics.ipynb) |
# | Time to read | 45 min; exercises 105 min |
# | Time to run on 2 cores | 50 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Define** a content loss, and see what it keeps at each depth of the network.
# - **Find** the mistake in a content loss by a number, and mend it.
# - **Write** a whole style transfer in forty lines: one network, three losses, one loop.
# - **Test** where a picture's subject came from.
# - **Balance** content against style, and know which weights make a difference.
#
# The lesson follows the last part of HyunMin Kim's tutorial (3 November 2020).

# %% [markdown]
# ## Content is a matter of place
#
# A style is what is left when places are forgotten (lesson 03). Content is the opposite: an eye is only
# an eye where the eye is. So features are compared **position by position**, and nothing is averaged
# before the comparison. With $F$ the features of the picture and $P$ those of the photograph, over all
# positions $p$ and channels $i$:
#
# $$ L_\text{content} = \frac{\sum_{p,i} (F_{pi} - P_{pi})^2}{\sum_{p,i} P_{pi}^2} . $$
#
# Gatys, Ecker and Bethge (2016) take half the sum above the line. Divided by the size of $P$ it becomes
# relative, like all losses in this course: 0 for equal features, 1 for features that are all zero.
#
# By hand: 2 × 2 positions, one channel. Work out the loss before you go on. As a control, work out the Gram
# matrices of both as well; for one channel each is a single number, the mean of the squares.

# %%
P = np.array([[1.0, 3.0], [3.0, 1.0]])
F = np.array([[3.0, 1.0], [1.0, 3.0]])  # the same values, at other places
# If the content loss forgot places as Gram matrices do, it would be 0.
print(f"content loss {((F - P) ** 2).sum() / (P**2).sum()}")
print(f"Gram matrices {(P**2).mean()} and {(F**2).mean()}")

# %% [markdown]
# Every position is off by 2, so 4 · 2² = 16 stands above the line, and 1 + 9 + 9 + 1 = 20 below it: 0.8.
# The style sees no difference at all.
#
# As a function of features by layer, with the mean over the layers if there are several; and against the
# library's, on two photographs and two layers:

# %%
import tensorflow as tf


def content_loss(features, targets):
    differences = [
        tf.reduce_sum((features[layer] - target) ** 2) / tf.reduce_sum(target**2)
        for layer, target in targets.items()
    ]
    return tf.add_n(differences) / len(differences)


cat = nst.load_image("chelsea", size=128)
coffee = nst.load_image("coffee", size=cat.shape[:2])
DEPTHS = [f"block{block}_conv2" for block in range(1, 6)]
extractor = nst.feature_extractor(DEPTHS, padding="replicate")


def features_of(image, layers=DEPTHS):
    found = extractor(image[np.newaxis])
    return {layer: found[layer] for layer in layers}


two = DEPTHS[2:4]
# Two layers of different loss, so that a sum in place of the mean would show.
for layers in ([two[0]], [two[1]], two):
    pair = features_of(coffee, layers), features_of(cat, layers)
    print(f"{' and '.join(layers):30} {content_loss(*pair):.3f}   {nst.content_loss(*pair):.3f}")

# %% [markdown]
# ## Five depths
#
# What does a layer know of a photograph? Ask it: start from noise, and change the picture until its
# features at this one layer are the photograph's. Deep layers leave much open, fine grain above all, and
# lesson 05 has shown what happens then: grain stays that was there at the start. So every run gets some
# [total variation](glossary.md#total-variation) as well.
#
# **Question.** From which layer's features does the photograph come back best?
#
# - **a** `block1_conv2`, which sees 5 pixels at once
# - **b** `block5_conv2`, which has learned what things are
# - **c** `block3_conv2`, in the middle
# - **d** all of them: each holds the whole picture

# %% tags=["learner"]
nst.check("which_depth", ...)

# %% tags=["solution"]
nst.check("which_depth", "a")

# %%
noise = np.random.default_rng(0).random(cat.shape, dtype=np.float32)


def from_noise(layer, distance=content_loss):
    targets = features_of(cat, [layer])

    def loss(image):
        return {
            "content": distance(extractor(image[tf.newaxis]), targets),
            "tv": 3 * nst.total_variation_loss(image),
        }

    return nst.minimize_image(loss, noise, iterations=40, progress=False).image


depths = {layer: from_noise(layer) for layer in DEPTHS}

# %% jupyter={"outputs_hidden": true}
print("The photograph, and what each depth gives back:")
show_rows(
    [cat, *list(depths.values())[:2]],
    list(depths.values())[2:],
    titles=["photograph", *DEPTHS],
    height=2.1,
    alt="A cat's face, then five reconstructions: two like the photograph; a slightly paler one; one "
    "with the shapes in grey and faded colours; and outlines of eyes and nose among coloured swirls.",
)

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
print("Mean difference from the photograph, on a scale of 255:")
# The control knows one colour of the photograph, its mean. If a layer told nothing of the pixels, its
# picture would come no nearer than this one.
card = np.broadcast_to(cat.mean(axis=(0, 1)), cat.shape)
for name, image in {**depths, "a plain card": card}.items():
    print(f"{name:13} {255 * np.abs(image - cat).mean():3.0f}")

# %% jupyter={"source_hidden": true}
errors = [float(np.abs(image - cat).mean()) for image in [*depths.values(), card]]
assert errors[:5] == sorted(errors[:5])
assert errors[2] < errors[-1] < errors[3]

# %% [markdown]
# <details><summary>What you see</summary>
#
# `block1` gives the photograph back nearly to the pixel, and down to `block3` it stays close. `block4` keeps
# shapes and lets colours fade: by the pixels it is no nearer to the photograph than a plain card, and yet you
# know the cat at once. At `block5` the outlines of eyes and nose are left, in any colours.
#
# </details>
#
# This is the freedom that a painter needs. A [content loss](glossary.md#content-loss) at `block1` would hold
# on to nearly every pixel, and leave no room for a brush stroke. At `block4` outlines and parts are held, and what
# lies between them may become strokes.
# Gatys and his colleagues chose `block4_conv2` (their name: conv4_2), and so does this library. Kim's
# tutorial takes `block5_conv2`, as TensorFlow's and Keras's own tutorials do, and leaves more to the style.
#
# ## A content loss with a mistake
#
# The tutorial computes its content loss like this. Read it slowly before you go on.


# %%
def tutorial_content_loss(features, targets):
    return tf.reduce_sum(tf.reduce_mean(features - targets) ** 2)


# %% [markdown]
# **Question.** Which pictures could this loss not tell from the photograph? Try it on $F$ and $P$ from
# above, by hand.
#
# - **a** the photograph alone
# - **b** those whose features are the photograph's, moved to other places
# - **c** those whose features are the photograph's, in any order
# - **d** all whose features have the same mean as the photograph's

# %% tags=["learner"]
nst.check("zero_loss", ...)

# %% tags=["solution"]
nst.check("zero_loss", "d")

# %% jupyter={"outputs_hidden": true}
print("The tutorial's loss of F and P:")
print(float(tutorial_content_loss(tf.constant(F), tf.constant(P))))

# %% [markdown]
# <details><summary>By hand</summary>
#
# The differences are +2, −2, −2 and +2; their mean is 0, and it is squared too late. With all positions
# and channels in one mean, opposite errors cancel. What remains is *one number* for a whole picture: are
# the features, on average, as strong as the photograph's?
#
# </details>
#
# Now with real pictures, at the tutorial's layer. Both losses are divided by the size of the photograph's
# features, so that they can be compared. Two more columns say how the loss by position comes about:
# multiply $(F - P)^2$ out, and the loss is $1 + \text{size} - 2 \cdot \text{overlap}$, with
# $\text{size} = \sum F^2 / \sum P^2$ and $\text{overlap} = \sum F P / \sum P^2$.

# %%
deep = "block5_conv2"
candidates = {
    "the cat": cat,
    "mirrored": cat[:, ::-1],
    "upside down": cat[::-1],
    "coffee": coffee,
    "noise": noise,
}
wanted = features_of(cat, [deep])
target = wanted[deep]
squares = float(tf.reduce_sum(target**2))
print(f"{'':12} tutorial   by position      size   overlap")
for name, picture in candidates.items():
    found = features_of(picture, [deep])[deep]
    cancelled = float(tutorial_content_loss(found, target) / tf.reduce_mean(target**2))
    # A loss that knows the cat is 0 in the first row and clearly more in all others.
    print(
        f"{name:12} {cancelled:8.2f} {content_loss({deep: found}, wanted):13.1f} "
        f"{float(tf.reduce_sum(found**2)) / squares:9.1f} "
        f"{float(tf.reduce_sum(found * target)) / squares:9.1f}"
    )

# %% [markdown]
# For the tutorial's loss everything is nearly the cat. Position by position all others are far off. But
# look at the order: **noise is nearer to the cat than coffee is.** Is that a mistake as well? No, and the
# last two columns say why. Noise has little overlap with the cat, but its deep features are weak. No
# features at all would score 1. The cup has strong features, and most of them are not where the cat has
# hers; that costs more than having none. So this loss doesn't rank pictures by likeness. It says how much
# would have to change, and that is what an [optimiser](glossary.md#optimiser) needs.
#
# How far does the tutorial's mistake go? Let the loop look for a picture that this loss takes for the cat:
# from the noise above, with the same total variation, at `block4_conv2`, from which the right loss made a
# cat. What do you expect?

# %%
middle = "block4_conv2"


def relative_tutorial_loss(features, targets):
    size = tf.reduce_mean(targets[middle] ** 2)
    return tutorial_content_loss(features[middle], targets[middle]) / size


fooled = from_noise(middle, relative_tutorial_loss)

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
print("Both from the same noise, at", middle)
for name, image in {"tutorial's loss": fooled, "by position": depths[middle]}.items():
    pair = features_of(image, [middle]), features_of(cat, [middle])
    # If the mistake did no harm, both lines would have a small number in the last column.
    print(
        f"{name:16} tutorial {relative_tutorial_loss(*pair):.2f}  by position {content_loss(*pair):.1f}"
    )
show_rows(
    [cat, fooled, depths[middle]],
    titles=["the cat", "minimised by the tutorial's loss", "by position"],
    height=2.1,
    alt="A cat; a grey field with a few coloured spots; and the cat in grey and faded colours.",
)

# %% jupyter={"source_hidden": true}
pair = features_of(fooled, [middle]), features_of(cat, [middle])
assert float(relative_tutorial_loss(*pair)) < 0.001
assert float(content_loss(*pair)) > 0.5

# %% [markdown]
# No error message reports such a bug, and a falling loss hides it. You can find it as we have just done:
# **feed a loss two things that differ, and see whether it says so.** The cure is a matter of order: square
# first, then take the mean, `tf.reduce_mean((features - targets) ** 2)`. Divided by
# `tf.reduce_mean(targets ** 2)` it is the loss that we began with.
#
# ## The whole transfer
#
# All parts are there. This is what a transfer computes:

# %%
transfer_graph()

# %% [markdown]
# *In blue what is computed once, in orange what changes at every step. The network's weights are constants
# in the loss, as the two pictures are: the [gradient](glossary.md#gradient) goes through them to the image.*
#
# And this is all of it, written out: the tutorial's three terms (content, style and total variation), begun
# from the photograph. From nstlib come the pictures and the network's weights, and nothing else. What
# differs from the tutorial:
#
# | | tutorial | here |
# | --- | --- | --- |
# | network | VGG19, and a second one for the content | the small twin; one network with all outputs |
# | terms | as they come; style · 10⁻², content · 10⁴, total variation · 10⁹ | each relative; 1, 0.3 and 0.01 |
# | content | block5_conv2 | block4_conv2 |
# | steps | 2,000 of Adam, learning rate 0.001, ε = 0.1 | 80 of Adam, 0.05, Keras's own ε |
# | sizes | photograph 512 pixels, proportions kept; style squashed to 224 × 224 | both 128 pixels, proportions kept |

# %%
import keras
from keras.applications.vgg19 import preprocess_input

from nstlib.vgg19 import default_weights, vgg19_with

STYLE_LAYERS = [f"block{block}_conv1" for block in range(1, 6)]
CONTENT_LAYER = "block4_conv2"

vgg = vgg19_with(default_weights())
vgg.trainable = False
outputs = {name: vgg.get_layer(name).output for name in [*STYLE_LAYERS, CONTENT_LAYER]}
network = keras.Model(vgg.input, outputs)


def look(image):
    return network(preprocess_input(255.0 * image[tf.newaxis]))


def gram_matrix(maps):
    F = tf.reshape(maps, (-1, maps.shape[-1]))
    return tf.matmul(F, F, transpose_a=True) / tf.cast(tf.shape(F)[0], tf.float32)


def relative(found, wanted):
    return tf.reduce_mean((found - wanted) ** 2) / tf.reduce_mean(wanted**2)


def roughness(x):
    right, down = x[:, 1:] - x[:, :-1], x[1:] - x[:-1]
    return tf.reduce_mean(right**2) + tf.reduce_mean(down**2)


def transfer(content, style, start, content_weight=0.3, content_distance=relative, stops=(80,)):
    P = look(tf.constant(content))[CONTENT_LAYER]
    of_style = look(tf.constant(style))
    A = {layer: gram_matrix(of_style[layer]) for layer in STYLE_LAYERS}
    usual_roughness = roughness(style)
    x = tf.Variable(start)
    adam = keras.optimizers.Adam(learning_rate=0.05)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            F = look(x)
            content = content_distance(F[CONTENT_LAYER], P)
            style = tf.add_n([relative(gram_matrix(F[layer]), A[layer]) for layer in A]) / len(A)
            loss = content_weight * content + style + 0.01 * roughness(x) / usual_roughness
        adam.apply([tape.gradient(loss, x)], [x])
        x.assign(tf.clip_by_value(x, 0.0, 1.0))

    pictures = []
    for done in range(1, max(stops) + 1):
        step()
        if done in stops:
            pictures.append(x.numpy())
    return pictures


# %%
strokes = nst.load_image("brushwork", size=128)
after_10, written_out = transfer(cat, strokes, start=cat, stops=(10, 80))
show_rows(
    [cat, written_out],
    titles=["photograph", "forty lines later"],
    height=2.9,
    alt="A cat's face, and the same cat in blue and yellow strokes, with some coloured fringes.",
)

# %% [markdown]
# *128 pixels, enlarged.* At the start $x$ *is* the photograph, so the content term is 0. The style pulls $x$
# away from it, and the content term grows.
#
# ## Where did the subject come from?
#
# The tutorial's transfer shows its subject too, with a content loss that can't tell a cat from a grey field.
# How can that be? A suspicion: its content was left over from the start, which was the photograph.
#
# **Question.** Which two runs, both with the same style loss and the same loop, would tell?
#
# - **a** the tutorial's content loss, and the right one, both from the photograph
# - **b** 2,000 steps and 4,000 steps, both from the photograph
# - **c** from the photograph with a content weight of 0; from noise with the tutorial's content loss
# - **d** the same for two other photographs

# %% tags=["learner"]
nst.check("left_over", ...)

# %% tags=["solution"]
nst.check("left_over", "c")

# %% [markdown]
# We make both, and more. There are three content losses: none, the tutorial's, and the one by position. Each
# gets a run from the photograph, which we look at after 10 steps and after 80, and a run from noise. What do
# you expect of the nine pictures?


# %%
def too_late(found, wanted):
    return tf.reduce_mean(found - wanted) ** 2 / tf.reduce_mean(wanted**2)


LOSSES = {
    "no content": {"content_weight": 0.0},
    "tutorial's": {"content_distance": too_late},
    "by position": {},
}
BEGUN = ("photo, 10 steps", "photo, 80 steps", "noise, 80 steps")
painted = {}
for name, options in LOSSES.items():
    from_photo = [after_10, written_out]  # by position: we have made them
    if options:
        from_photo = transfer(cat, strokes, start=cat, stops=(10, 80), **options)
    pictures = [*from_photo, *transfer(cat, strokes, start=noise, **options)]
    painted |= {(name, begun): image for begun, image in zip(BEGUN, pictures, strict=True)}

# %% jupyter={"outputs_hidden": true}
print("A row for each content loss; a column for each start and number of steps:")
show_rows(
    *([painted[name, begun] for begun in BEGUN] for name in LOSSES),
    titles=[f"{name}; {begun}" for name in LOSSES for begun in BEGUN],
    height=2.1,
    alt="After 10 steps from the photograph a cat in all three rows. After 80 steps, without content "
    "and with the tutorial's loss, strokes in which one eye is left; by position a painted cat. From "
    "noise, strokes without a subject in the first two rows, and a painted cat in the last.",
)

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
print("Content loss by position:")
print(f"{'':12}", *(f"{begun:>17}" for begun in BEGUN))
P = look(tf.constant(cat))[CONTENT_LAYER]
content_of = {
    key: float(relative(look(tf.constant(image))[CONTENT_LAYER], P))
    for key, image in painted.items()
}
for name in LOSSES:
    # If the tutorial's loss held the content, its row would be like the last one.
    print(f"{name:12}", *(f"{content_of[name, begun]:17.2f}" for begun in BEGUN))

# %% jupyter={"source_hidden": true}
for begun in ("photo, 80 steps", "noise, 80 steps"):
    assert content_of["by position", begun] < 0.6 * content_of["tutorial's", begun]
for name in ("no content", "tutorial's"):
    assert content_of[name, "photo, 10 steps"] < content_of[name, "photo, 80 steps"]

# %% [markdown]
# <details><summary>What you see</summary>
#
# First column: after 10 steps there is a cat, whatever the content loss. It is left over from the start.
# Second column: after 80 steps the style has painted it over. The tutorial's loss keeps hardly more of it
# than no loss at all, one eye; the right loss holds it. Third column: from noise only the right loss brings
# a cat.
#
# So the suspicion was right, and we can say more: with the tutorial's loss, the content is what the run has
# not *yet* removed. (We asked at `block4_conv2`. The tutorial's own layer is `block5_conv2`: try
# it there.)
#
# </details>
#
# The tutorial was right to begin from the photograph: its picture got the subject from there. But the
# term that should have held the content did next to nothing, and nothing in the picture said so. This is its run
# as written: all 2,000 steps through VGG19, with our cat and Hokusai's print. Beside it stands what
# `nst transfer` makes of the two, through VGG19 as well:
#
# ![A cat; the same cat in violet and grey with foam and grain; the cat in the blue and cream of a woodblock print](figures/blog_transfer.jpg)
#
# *The photograph, the tutorial's transfer as written, and the library's. (`python benchmarks/blog.py --runs transfer`
# makes this picture.)* The cat is still there. Why 2,000 steps removed so little of it isn't tested here: each is
# fifty times smaller than ours, and its terms have other weights. The steps have brought waves and foam, and a violet
# that the print doesn't have.
#
# ### Three more slips, and what each of them did
#
# **One letter.** Before it builds its second network, the tutorial freezes [VGG19](glossary.md#VGG19) once
# more. Count what training could change in a small network:

# %%
small = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(8, 3, name="edges"),
        keras.layers.Conv2D(2, 3, name="head"),
    ]
)
# If the misspelt word froze anything, the second line would say 0, as the third does.
print("arrays that training can change:", len(small.trainable_weights))
small.trainalble = False
print("after .trainalble = False:", len(small.trainable_weights))
small.trainable = False
print("after .trainable = False:", len(small.trainable_weights))

# %% [markdown]
# **Question.** What did `vgg.trainalble = False` do in the tutorial?
#
# - **a** its weights were trained, unnoticed
# - **b** nothing
# - **c** it raised an error
# - **d** it is why the content loss held nothing

# %% tags=["learner"]
nst.check("one_letter", ...)

# %% tags=["solution"]
nst.check("one_letter", "b")

# %% [markdown]
# **Another letter.** The last loop sets `stpes_per_epoch = 100` and uses `steps_per_epoch`, which is left
# over from the run before, and happens to be 100 as well. In a notebook, what was typed once stays. If you
# restart the kernel and run all cells, such a slip becomes an error.
#
# **A squashed style.** The style is resized to 224 × 224, whatever its shape. Does that change the style?
# Squeeze a picture of waves to half its width, and compare its means and
# [covariances](glossary.md#covariance) with those of the picture itself. For a scale, do the same with one
# half of the picture, and with another picture.

# %%
sea = nst.load_image("waves", size=512)[:256]
style_extractor = nst.feature_extractor(nst.STYLE_LAYERS)


def statistics(image):
    features = style_extractor(image[np.newaxis])
    return {layer: nst.channel_statistics(maps[0]) for layer, maps in features.items()}


whole = nst.resize(sea, (128, 256))
of_whole = statistics(whole)
# If squeezing changed nothing that matters, the first number would be no larger than the second.
for what, image in {
    "squeezed to half the width": nst.resize(sea, (128, 128)),
    "one half of it": whole[:, :128],
    "another picture": strokes,
}.items():
    print(f"{what:27} style loss {nst.style_loss(statistics(image), of_whole):.2g}")

# %% [markdown]
# So squeezing does change the style, by more than cutting does, but twenty times less than taking another
# picture would. It is easily avoided: `nst.resize(image, 224)` keeps the proportions.
#
# (The tutorial also reads its pictures with `plt.imread(…) / 255`. That is right for its JPEGs, and makes a
# PNG black: lesson 00.)
#
# ## The library takes over
#
# `nst.transfer_style` has the same structure. Three things are different, and you know them from lesson
# 04: it compares means and covariances in place of [Gram matrices](glossary.md#Gram-matrix); it uses
# [L-BFGS](glossary.md#L-BFGS); and it goes from coarse to fine, each size √2 times the one before, from about 128 pixels on. Besides, it works with a
# frame around the picture that is cut off at the end, because [convolutions](glossary.md#convolution) do odd
# things at a border. Total variation is off: from [coarse to fine](glossary.md#coarse-to-fine) it isn't needed
# (lesson 05).
#
# Is it still the same method? Let both style losses judge both pictures, at the same size:

# %%
by_library = nst.transfer_style(cat, strokes, iterations=30, progress=False).image

# %% tags=["nbval-ignore-output"]
of_strokes, grams = statistics(strokes), look(tf.constant(strokes))
print(f"{'':20} content   Gram matrices   means and covariances")
# If the library did something else, its last two numbers would stay near the photograph's.
for name, image in {"the photograph": cat, "40 lines": written_out, "library": by_library}.items():
    seen = look(tf.constant(image))
    by_grams = np.mean(
        [relative(gram_matrix(seen[k]), gram_matrix(grams[k])) for k in STYLE_LAYERS]
    )
    print(
        f"{name:20} {relative(seen[CONTENT_LAYER], P):7.2f} {by_grams:15.2f} "
        f"{nst.style_loss(statistics(image), of_strokes):23.2f}"
    )

# %%
show_rows(
    [written_out, by_library],
    titles=["forty lines", "nst.transfer_style"],
    height=2.9,
    alt="Twice a cat in blue and yellow strokes; the shapes are alike, the strokes differ.",
)

# %% [markdown]
# *Both at 128 pixels, enlarged.* It is the same method: both came most of the way to the style, by either
# loss, and paid for it in content. By these numbers the forty lines came even further. But that was no fair
# race: they looked at the picture 80 times, the library about 30 times, and with a frame around it. Lesson 07
# runs fair ones. The library is made for larger pictures; at 384 pixels it painted the one at the top of this
# lesson.
#
# ### Through VGG19 itself
#
# All pictures in this lesson are the [small twin](glossary.md#small-twin)'s. With `weights="imagenet"` the
# same recipe looks through VGG19:
#
# ![A cat, The Starry Night, and the cat painted through the twin and through VGG19](figures/vgg19_transfers.jpg)
#
# *The same photograph and style at 384 pixels, through the twin and through VGG19. (`python
# benchmarks/vgg19.py transfers` makes this picture.)* Both keep the cat and break its fur into strokes.
# Through VGG19 a whole star has come to stand on the forehead. One pair of pictures doesn't say more than that.
#
# ## Experiment: content against style
#
# Two knobs now, `content_weight` and `style_weight`, three values each, each four times the one before:
# 0.1, 0.4, 1.6 and 0.25, 1, 4.
#
# **Question.** That makes nine pairs of weights. How many different pictures do they make?
#
# - **a** nine
# - **b** five
# - **c** three
# - **d** one

# %% tags=["learner"]
nst.check("nine_pictures", ...)

# %% tags=["solution"]
nst.check("nine_pictures", "b")

# %% [markdown]
# Three of the nine are enough to test it: the middle one, one with both weights four times as large, and,
# as a control, one with a single weight four times as large.

# %%
pairs = {"0.4 and 1": (0.4, 1.0), "1.6 and 4": (1.6, 4.0), "0.4 and 4": (0.4, 4.0)}
three = {
    name: nst.transfer_style(
        cat, strokes, content_weight=c, style_weight=w, iterations=25, progress=False
    ).image
    for name, (c, w) in pairs.items()
}

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
differences = {
    name: np.abs(image - three["0.4 and 1"]).mean() for name, image in list(three.items())[1:]
}
print("Weights of content and style, and the mean difference from the picture with 0.4 and 1:")
for name in differences:
    # If each weight counted by itself, both would differ alike.
    print(f"{name}: {differences[name]:.2f}")
show_rows(
    list(three.values()),
    titles=list(three),
    height=2.1,
    alt="Three cats in strokes; the first two are the same, the third has bolder strokes.",
)

# %% jupyter={"source_hidden": true}
# If each weight counted by itself, this would fail.
assert differences["1.6 and 4"] < 0.01 < 0.03 < differences["0.4 and 4"]

# %% [markdown]
# <details><summary>Why</summary>
#
# Multiply both weights by 4, and the loss is four times as large everywhere; its lowest point stays where
# it was. Only the **ratio** counts, and the nine pairs have five ratios. So leave one weight at 1 and turn
# the other one.
#
# </details>
#
# Here are nine ratios of content to style, each twice the one before:
#
# ![Nine cats in three rows, from bold blue and yellow strokes and stars on the forehead to a photograph in which hardly anything has changed](figures/transfer_weights.jpg)
#
# *Content weight over style weight, row by row from 1/40 at the top left to 6.4 at the bottom right; 384
# pixels each. (`python benchmarks/weights.py` makes this picture.)*
#
# If you have a running kernel, move the sliders: you choose two weights, and see which of the nine belongs
# to them. Move both together, and nothing changes.

# %% tags=["nbval-ignore-output"]
import base64
from pathlib import Path

import cv2
import ipywidgets

figures = Path("figures") if Path("figures").exists() else Path("../figures")
sheet = nst.load_image(figures / "transfer_weights.jpg")
height, width = sheet.shape[0] // 3, sheet.shape[1] // 3


def look_up(content, style):
    row, column = divmod(int(np.log2(content / style * 40).round()), 3)
    cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
    jpeg = cv2.imencode(".jpg", nst.rgb_to_bgr(nst.to_uint8(cell)))[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return f'<img alt="the cat at a ratio of {content / style:.3g}" width="{width}" src="{source}">'


knobs = [
    ipywidgets.SelectionSlider(description=name, options=options, value=options[2])
    for name, options in {
        "content": (0.1, 0.2, 0.4, 0.8, 1.6),
        "style": (0.25, 0.5, 1.0, 2.0, 4.0),
    }.items()
]
shown = ipywidgets.HTML()


def update(_=None):
    shown.value = look_up(*(knob.value for knob in knobs))


for knob in knobs:
    knob.observe(update, "value")
update()
ipywidgets.VBox([*knobs, shown])

# %% [markdown]
# On the command line a transfer is one line: `nst transfer my_photo.jpg mosaic -o painted.png`.
#
# One thing more. Chapter 9 of *opencv-study*, which lessons 09 to 12 follow, says that [style
# transfer](glossary.md#style-transfer) is mostly done by generative models or GANs. There are such methods.
# But you have just seen that the classic one needs no generator: forty lines, a frozen classifier, and an
# image that changes.
#
# ## Exercises
#
# Each has three hints, from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Four bugs in four lines (15 minutes)
#
# A colleague has written the relative content loss: the mean, over the layers of `targets`, of
# $\sum (F - P)^2 / \sum P^2$. `features` and `targets` map layers to [feature maps](glossary.md#feature-map)
# (H, W, C); `features` may hold layers that only the style needs.
#
# ```python
# def content_loss(features, targets):
#     total = 0.0
#     for layer in features:
#         difference = tf.reduce_mean(features[layer] - targets[layer]) ** 2
#         total += difference / tf.reduce_mean(features[layer] ** 2)
#     return total
# ```
#
# Find the four mistakes and write it right, so that gradients flow. Which of the four would you not notice
# with a single content layer and a network that gives nothing else?
#
# <details><summary>Hint 1</summary>Which layers count? Relative to what? And what does the text say of
# several layers?</details>
# <details><summary>Hint 2</summary>One is the tutorial's mistake. One divides by the wrong picture. One raises
# an error. One gives a loss that grows with the number of layers.</details>
# <details><summary>Hint 3</summary>Loop over <code>targets.items()</code>; mean of the squared difference over
# mean of the squared target; divide the sum by <code>len(targets)</code>.</details>


# %% tags=["learner"]
def my_content_loss(features, targets): ...


nst.check("content_loss", my_content_loss)


# %% tags=["solution"]
def my_content_loss(features, targets):
    total = 0.0
    for layer, target in targets.items():  # not every layer of features
        difference = tf.reduce_mean((features[layer] - target) ** 2)  # square first
        total += difference / tf.reduce_mean(target**2)  # relative to the content
    return total / len(targets)  # the mean


nst.check("content_loss", my_content_loss)

# %% [markdown] tags=["solution"]
# With a single layer and nothing else in `features`, the wrong loop and the missing mean don't show. The
# other two do, if you know what to expect. With the mean before the square, two pictures that differ have too
# small a loss. And a loss relative to the *picture* is not 1 for features that are all zero: it divides by
# zero.

# %% [markdown]
# ### Exercise 2 · Where does the balance lie? (15 minutes)
#
# Take the simplest transfer of all: a "network" that hands on the pixels, and for the style a picture to be
# matched pixel by pixel. The loss is $c\,\sum (x - p)^2 + s\,\sum (x - a)^2$. Predict where it ends:
# return the $x$ at which it is least, for arrays `content` ($p$) and `style` ($a$). What does your formula
# say about weights of 1 and 3, and of 4 and 12?
#
# <details><summary>Hint 1</summary>Every pixel is on its own: think of single numbers p and a.</details>
# <details><summary>Hint 2</summary>At the lowest point the derivative is 0: 2c(x − p) + 2s(x − a) = 0.</details>
# <details><summary>Hint 3</summary>Solve for x: (c + s) x = c p + s a.</details>


# %% tags=["learner"]
def balance(content, style, content_weight, style_weight): ...


nst.check("balance", balance)


# %% tags=["solution"]
def balance(content, style, content_weight, style_weight):
    total = content_weight + style_weight
    return (content_weight * content + style_weight * style) / total


nst.check("balance", balance)

# %% [markdown] tags=["solution"]
# A mixture, like two slides in one projector; 1 and 3 give the same as 4 and 12. A real transfer is no such
# mixture, because a style is not matched pixel by pixel. But what you found about the ratio holds for any two
# losses.

# %% [markdown]
# ### Exercise 3 · Break it on purpose (15 minutes)
#
# You know that the tutorial's content loss, $(\operatorname{mean}(F - P))^2$, can be fooled. Fool it as
# badly as you can. Given `maps`, the features $P$ (H, W, C) of some content, return features $F$ that it
# takes for $P$, and that are as far off as no features at all: $\sum (F - P)^2 / \sum P^2$ is 1 or more.
# They stand behind a [ReLU](glossary.md#ReLU), so none may be negative. It must work for any `maps`, also
# where all numbers are equal.
#
# <details><summary>Hint 1</summary>What does the loss keep? One number. Which?</details>
# <details><summary>Hint 2</summary>Mixing up the places isn't enough: try it on maps that are the same
# everywhere. How else can a sum be kept?</details>
# <details><summary>Hint 3</summary>Zero everywhere, and the whole sum in one place. In which place, so that it
# works even for maps that have all of theirs in one place already?</details>


# %% tags=["learner"]
def impostor(maps): ...


nst.check("impostor", impostor)


# %% tags=["solution"]
def impostor(maps):
    features = np.zeros_like(maps)
    features.flat[maps.argmin()] = maps.sum()  # where the content has least
    return features


nst.check("impostor", impostor)

# %% [markdown]
# ### Exercise 4 · Two styles in one picture (30 minutes)
#
# A picture is to be painted in two styles, `share` of its positions in the one, the rest in the other. Which
# covariance must its features have? You know the means (C,) and covariances (C, C) of both. (Gram matrices
# would be easy: they are means over positions, so they mix like paint.)
#
# And a question: `nst.transfer_style(photo, [one, other])` adds the two style losses. Does it aim at the
# covariance that you have just found?
#
# <details><summary>Hint 1</summary>The mean of the mixture is easy. Covariance is spread around <i>that</i>
# mean, not around those of the two styles.</details>
# <details><summary>Hint 2</summary>Use $G = C + \mu\mu^\top$ for both styles, mix the Gram matrices, and take
# the mixture's own $\mu\mu^\top$ away.</details>
# <details><summary>Hint 3</summary>What is left beside the mixed covariances is share · (1 − share) times the
# outer product of the difference of the means with itself.</details>


# %% tags=["learner"]
def mixed_covariance(mean_one, covariance_one, mean_other, covariance_other, share): ...


nst.check("mixed_covariance", mixed_covariance)


# %% tags=["solution"]
def mixed_covariance(mean_one, covariance_one, mean_other, covariance_other, share):
    between = mean_one - mean_other
    within = share * covariance_one + (1 - share) * covariance_other
    return within + share * (1 - share) * np.outer(between, between)


nst.check("mixed_covariance", mixed_covariance)

# %% [markdown] tags=["solution"]
# No. A sum of squared distances from two matrices is least at a weighted mean of the two (Exercise 2!), and
# there the spread between the means is missing. So it aims at one style in between, everywhere, and not at
# patches of each. If you want patches, say where: `masks`, in lesson 08. (By the same formula `transfer_style`
# computes a large picture in tiles: it puts the covariance of the whole together from those of the parts.)

# %% [markdown]
# ### Exercise 5 · Three clients (open, 30 minutes)
#
# Choose content layers, style layers and weights for each, *write down what you expect*, then try it with
# `nst.transfer_style(cat, strokes, content_layers=…, style_layers=…, content_weight=…, iterations=40)`.
#
# 1. The portrait must stay recognisable to its mother, with strokes as bold as that allows.
# 2. Only the colours of the painting, please, no strokes.
# 3. As much of the painting as possible; from three steps away one may still guess a cat.
#
# For each, name the run that you would show beside yours as a control.
#
# <details><summary>Hint 1</summary>Which layers know colours, which know strokes? See lesson 04, one layer at
# a time.</details>
# <details><summary>Hint 2</summary>Which content layer lets colours go and keeps outlines? See the five depths
# above.</details>
# <details><summary>Hint 3</summary>For colours: the style at <code>block1_conv1</code> alone, the content
# deep, with a high weight.</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% tags=["solution"]
clients = {
    "1: the mother": {"content_layers": ["block3_conv2", "block4_conv2"], "content_weight": 0.6},
    "2: colours": {"style_layers": ["block1_conv1"], "content_weight": 3.0},
    "3: the painting": {"content_layers": ["block5_conv2"], "content_weight": 0.1},
}
answers = [
    nst.transfer_style(cat, strokes, iterations=40, progress=False, **choice).image
    for choice in clients.values()
]
show_rows(
    answers,
    titles=list(clients),
    height=2.1,
    alt="Three painted cats: a clear one under small strokes, one in the painting's colours with hardly "
    "any strokes, and one in broad strokes of bold colours.",
)

# %% [markdown] tags=["solution"]
# One choice of many. 1: shapes are held at two depths, so that eyes and outline stay, and strokes fill what
# is between; control: the same weights with `block4_conv2` alone. 2: `block1_conv1` sees 3 × 3 pixels, so
# it knows colours and the finest grain, and no stroke; control: all five style layers with the same content
# weight, which would show strokes if the content weight alone had not kept them away. 3: `block5_conv2` with a
# low weight lets strokes bend and cover more of the face, though it is still plainly a cat; control: a content
# weight of 0 from the photograph, which shows how much of that the start alone would have left.

# %% [markdown]
# ## In this lesson you have
#
# - computed a content loss of 0.8 by hand, where features had the right values at the wrong places, and
#   Gram matrices of 5 and 5;
# - asked five depths for a photograph, and got it back to 2 levels of 255 on average from the first, and
#   as outlines in any colours from the last;
# - found a picture without a cat that a tutorial's content loss takes for the cat, and mended the loss;
# - seen why noise may score better than a cup of coffee: no features cost 1, wrong ones more;
# - written out a whole transfer, and tested by six runs what the tutorial's content loss holds: next to
#   nothing; the subject was what the run had not yet removed;
# - learned that only the ratio of two weights counts, with a control.
#
# Next: [07 · Faster](07_faster.ipynb), from forty minutes to seconds, one change at a time.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks", CVPR
#   2016.
# - A. Mahendran and A. Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015.
# - Y. Jing, Y. Yang, Z. Feng, J. Ye, Y. Yu and M. Song, "Neural style transfer: a review", IEEE
#   Transactions on Visualization and Computer Graphics, 2020.
