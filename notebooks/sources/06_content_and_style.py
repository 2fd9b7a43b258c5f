# %% [markdown]
# # 06 · Content and style
#
# After this lesson you can paint any photograph in the style of any picture, and say exactly what is
# kept of the one and what is taken from the other.

# %%
import numpy as np

import nstlib as nst
from nstlib import keras, tf

photo = nst.load_image("chelsea", size=320)
painting = nst.load_image("brushwork", size=320)
opening = nst.transfer_style(photo, painting, progress=False)

nst.show_images(
    [photo, painting, opening.image],
    ["content: a photograph", "style: a painting", "the one in the style of the other"],
    caption="The subject of the first, the strokes and colours of the second.",
    cell=2.8,
    alt="A cat's face, a painted starry night, and the cat painted in the same strokes.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [05 · Total variation](05_total_variation.ipynb) |
# | Time to read | 30 min |
# | Time to run on 2 cores | 1 min |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Define** a content loss, and see what it keeps at each depth of the network.
# - **Find** the mistake in a content loss by a number, and mend it.
# - **Write** a whole style transfer: one network, two losses, one loop.
# - **Balance** content against style, and know which weights make a difference.

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
# By hand: 2 × 2 positions, one channel.

# %%
P = np.array([[1.0, 3.0], [3.0, 1.0]])
F = np.array([[3.0, 1.0], [1.0, 3.0]])  # the same values, at other places
print("above the line:", ((F - P) ** 2).sum(), " below it:", (P**2).sum())


# %% [markdown]
# Every position is off by 2, so 4 · 2² = 16 stands above the line, and 1 + 9 + 9 + 1 = 20 below it: 0.8.
# As a function of features by layer, with the mean over the layers if there are several:


# %%
def content_loss(features, targets):
    differences = [
        tf.reduce_sum((features[layer] - target) ** 2) / tf.reduce_sum(target**2)
        for layer, target in targets.items()
    ]
    return tf.add_n(differences) / len(differences)


by_hand = {"layer": tf.constant(F[..., np.newaxis])}, {"layer": tf.constant(P[..., np.newaxis])}
print(float(content_loss(*by_hand)))

# %% [markdown]
# And against the library, on two photographs and two layers:

# %%
cat = nst.load_image("chelsea", size=128)
coffee = nst.load_image("coffee", size=cat.shape[:2])
DEPTHS = [f"block{block}_conv2" for block in range(1, 6)]
extractor = nst.feature_extractor(DEPTHS, padding="replicate")


def features_of(image, layers=DEPTHS):
    found = extractor(image[np.newaxis])
    return {layer: found[layer] for layer in layers}


two_photos = [features_of(image, DEPTHS[2:4]) for image in (coffee, cat)]
print(
    "ours equals the library's:",
    np.allclose(content_loss(*two_photos), nst.content_loss(*two_photos), rtol=1e-4),
)

# %% [markdown]
# ## Five depths
#
# What does a layer know of a photograph? Ask it: start from noise, and change the picture until its
# features at this one layer are the photograph's.
#
# Deep layers leave much open, fine grain above all, and you know from lesson 05 what chooses among
# pictures that a loss finds equally good. So every run gets some total variation as well.
#
# **Question.** `block1` sees 5 pixels at once, `block5` most of the picture. Which one gives the
# photograph back?

# %%
noise = np.random.default_rng(0).random(cat.shape, dtype=np.float32)


def from_noise(layer, distance=content_loss):
    targets = features_of(cat, [layer])

    def loss(image):
        return {
            "content": distance(extractor(image[tf.newaxis]), targets),
            "tv": 3 * nst.total_variation_loss(image),
        }

    return nst.minimize_image(loss, noise, iterations=60, progress=False).image


depths = {layer: from_noise(layer) for layer in DEPTHS}
nst.show_images(
    [cat, *depths.values()],
    ["photograph", *DEPTHS],
    columns=3,
    caption="Five pictures from noise, each with the photograph's features at one layer. Down to block3 "
    "it is nearly the photograph; block4 keeps shapes and lets colours fade; at block5 the outlines of "
    "eyes and nose are left, in any colours.",
    alt="A cat's face, then five reconstructions of it, from exact to outlines among coloured swirls.",
)

# %%
errors = [float(np.mean((image - cat) ** 2)) for image in depths.values()]
print("the deeper, the further from the pixels:", errors == sorted(errors))
print("block5 is off more than 20 times as far as block1:", errors[-1] > 20 * errors[0])

# %% [markdown]
# This is the freedom that a painter needs. A content loss at `block1` would fight every brush stroke.
# At `block4` outlines and parts are held, and what is between them may become strokes. Gatys and his
# colleagues chose `block4_conv2` (their name: conv4_2), and so does this library.

# %%
print(nst.CONTENT_LAYERS)


# %% [markdown]
# ## A content loss with a mistake
#
# A tutorial from 2020 computes its content loss like this, from features at `block5_conv2`. Read it
# slowly before you go on.


# %%
def tutorial_content_loss(features, targets):
    return tf.reduce_sum(tf.reduce_mean(features - targets) ** 2)


# %% [markdown]
# **Question.** Can two feature maps differ and have a loss of zero? Try it on $F$ and $P$ from above,
# by hand, then here:

# %%
print("tutorial:", float(tutorial_content_loss(tf.constant(F), tf.constant(P))))

# %% [markdown]
# Zero. The differences are +2, −2, −2 and +2; their mean is 0, and it is squared too late. With all
# positions and channels in one mean, opposite errors cancel. What remains is *one number* for a whole
# picture: are the features, on average, as strong as the photograph's?
#
# Now with real pictures. Which of these have the content of the cat?

# %%
deep = "block5_conv2"
candidates = {
    "the cat": cat,
    "upside down": cat[::-1],
    "mirrored": cat[:, ::-1],
    "coffee": coffee,
    "noise": noise,
}
wanted = features_of(cat, [deep])
size = float(tf.reduce_mean(wanted[deep] ** 2))
print(f"{'':12} tutorial   position by position")
for name, picture in candidates.items():
    found = features_of(picture, [deep])
    cancelled = float(tutorial_content_loss(found[deep], wanted[deep])) / size
    print(f"{name:12} {cancelled:8.3f}   {float(content_loss(found, wanted)):8.1f}")

# %% [markdown]
# (Both are divided by the size of the photograph's features, so that they can be compared.) For the
# tutorial's loss everything is nearly the cat.
#
# How far does it go? Let the loop look for a picture that this loss takes for the cat: from the noise
# above, with the same total variation, at `block4_conv2`, from which the right loss made a cat.

# %%
middle = "block4_conv2"


def relative_tutorial_loss(features, targets):
    size = tf.reduce_mean(targets[middle] ** 2)
    return tutorial_content_loss(features[middle], targets[middle]) / size


fooled = from_noise(middle, relative_tutorial_loss)
pair = features_of(fooled, [middle]), features_of(cat, [middle])
print("tutorial's loss below a thousandth:", float(relative_tutorial_loss(*pair)) < 0.001)
print("position by position above a half:", float(content_loss(*pair)) > 0.5)

# %%
nst.show_images(
    [cat, fooled, depths[middle]],
    ["the cat", "tutorial: a loss of zero", "position by position"],
    caption=f"Both from the same noise, at {middle}. In the middle the content loss is zero to three "
    "digits, and there is no cat.",
    alt="A cat; a grey field with a few coloured spots; and the cat in other colours.",
)

# %% [markdown]
# That is a bug that no error message reports, and that a falling loss hides. You can find it in the
# way that you have just seen: **feed a loss two things that differ, and see whether it says so.**
#
# The cure is a matter of order, square first, then take the mean:
# `tf.reduce_mean((features - targets) ** 2)`. Divided by `tf.reduce_mean(targets ** 2)` it is the loss
# that we began with.
#
# Why did the tutorial get a picture all the same? It began with the photograph and took small steps. Its
# content was what was left over from the start.
#
# ## The whole transfer
#
# All parts are there. One network that gives the features for both losses in one pass; the photograph's
# features; the style's means and covariances; and the loop. The tutorial built two networks and ran both
# at every step.

# %%
strokes = nst.load_image("brushwork", size=128)
both = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS], padding="replicate")
print(len(both.outputs), "layers in one pass")

of_content = {layer: both(cat[np.newaxis])[layer] for layer in nst.CONTENT_LAYERS}
of_style = {
    layer: nst.channel_statistics(maps)
    for layer, maps in both(strokes[np.newaxis]).items()
    if layer in nst.STYLE_LAYERS
}


def loss(image):
    features = both(image[tf.newaxis])
    return {
        "content": 0.3 * nst.content_loss(features, of_content),
        "style": 1.0 * nst.style_loss(features, of_style),
    }


by_hand = nst.minimize_image(loss, cat, iterations=30, progress=False)

# %% [markdown]
# That is neural style transfer. `nst.transfer_style` is made of the same parts, and adds what larger
# pictures need: it begins at 128 pixels and goes up from coarse to fine, and it works with a frame around
# the picture that is cut off at the end, because convolutions do odd things at a border. At 128 pixels
# there is one size, so the two can be compared:

# %%
by_library = nst.transfer_style(
    cat, strokes, content_weight=0.3, style_weight=1.0, iterations=30, progress=False
)


def total(image):
    return float(sum(loss(tf.constant(image)).values()))


print(
    "both are below 60 % of the start:",
    max(total(by_hand.image), total(by_library.image)) < 0.6 * total(cat),
)
print(
    "they differ by less than half:",
    abs(total(by_library.image) - total(by_hand.image)) < 0.5 * total(by_hand.image),
)

# %%
nst.show_images(
    [cat, by_hand.image, by_library.image],
    ["photograph", "written out", "nst.transfer_style"],
    caption="The same losses and loop, written out and from the library.",
    alt="A cat, and twice the same cat in blue and yellow brush strokes.",
)

# %% [markdown]
# The content term is 0 at the start, since the picture *is* the photograph; the style pulls it away, and
# the content term is the price. The two end in balance.
#
# And what of the tutorial's loss in a whole transfer? Begin with noise, so that nothing of the cat is
# there unless the content loss brings it, and give content and style the same weight.


# %%
def without_it(image):
    features = both(image[tf.newaxis])
    return {
        "content": 1.0 * nst.content_loss(features, of_content),
        "style": 1.0 * nst.style_loss(features, of_style),
    }


def with_the_mistake(image):
    features = both(image[tf.newaxis])
    (layer,) = nst.CONTENT_LAYERS
    scale = tf.reduce_mean(of_content[layer] ** 2)
    return {
        "content": 1.0 * tutorial_content_loss(features[layer], of_content[layer]) / scale,
        "style": 1.0 * nst.style_loss(features, of_style),
    }


from_noise_to = {
    name: nst.minimize_image(either, noise, iterations=60, progress=False).image
    for name, either in {"tutorial": with_the_mistake, "mended": without_it}.items()
}
nst.show_images(
    [cat, *from_noise_to.values()],
    ["photograph", "from noise, tutorial's content", "from noise, mended"],
    caption="The same noise, style and weights. With the mistake there are strokes and no cat. (The dots "
    "along the rims are what the library's frame is for.)",
    alt="A cat; brush strokes without a subject; and a cat in brush strokes.",
)


# %%
def content_of(image):
    return float(nst.content_loss(both(image[np.newaxis]), of_content))


print(
    "mended, the content is at least twice as close:",
    2 * content_of(from_noise_to["mended"]) < content_of(from_noise_to["tutorial"]),
)

# %% [markdown]
# ### Through VGG19 itself
#
# All pictures in this lesson are the small twin's. With `weights="imagenet"` the same recipe looks
# through VGG19:
#
# ![A cat, The Starry Night, and the cat painted through the twin and through VGG19](figures/vgg19_transfers.jpg)
#
# (`python benchmarks/vgg19.py transfers` makes this picture.) Both keep the cat and break its fur into
# strokes. VGG19's colours are calmer and nearer to the painting's, and it knows larger things: one of the
# painting's stars has come to stand on the forehead.
#
# ## Experiment: content against style
#
# Two knobs now, `content_weight` and `style_weight`, three values each.
#
# **Question.** Nine pictures. How many of them will be different?

# %%
subject = nst.resize(photo, 192)
styles, contents = (0.25, 1.0, 4.0), (0.1, 0.4, 1.6)
grid = {
    (c, s): nst.transfer_style(
        subject, painting, content_weight=c, style_weight=s, iterations=25, progress=False
    )
    for c in contents
    for s in styles
}
nst.show_images(
    [run.image for run in grid.values()],
    [f"content {c}, style {s}" for c, s in grid],
    columns=3,
    caption="Down: more content. To the right: more style. Pictures along the falling diagonals are the "
    "same.",
    alt="Nine cats, from hardly changed at the lower left to bold strokes at the upper right.",
)

# %%
diagonal = [grid[c, s].image for c, s in zip(contents, styles, strict=True)]
print(
    "the three on the diagonal are the same:",
    np.allclose(diagonal[0], diagonal[1], atol=0.02)
    and np.allclose(diagonal[1], diagonal[2], atol=0.02),
)

# %% [markdown]
# Five. Multiply both weights by 4, and the loss is four times as large everywhere; its lowest point
# stays where it was. Only the **ratio** counts. So leave one weight at 1 and turn the other one.
#
# More of the one is less of the other, and the losses say how much:

# %%
most_content_first = [(1.6, 0.25), (1.6, 1.0), (0.4, 1.0), (0.1, 1.0), (0.1, 4.0)]
of_the_content = [grid[c, s].losses["content"][1] / c for c, s in most_content_first]
of_the_style = [grid[c, s].losses["style"][1] / s for c, s in most_content_first]
print("less weight on content, more content loss:", of_the_content == sorted(of_the_content))
print("and less style loss:", of_the_style == sorted(of_the_style, reverse=True))

# %% [markdown]
# On the command line a transfer is one line: `nst transfer my_photo.jpg mosaic -o painted.png`.
#
# ## Exercises
#
# ### Exercise 1 · A content loss that holds (15 minutes)
#
# `features` and `targets` map layer names to feature maps (H, W, C). Return the mean, over the layers of
# `targets`, of $\sum (F - P)^2 / \sum P^2$, as a TensorFlow scalar through which gradients can flow.


# %% tags=["learner"]
def my_content_loss(features, targets): ...


nst.check("content_loss", my_content_loss)


# %% tags=["solution"]
def my_content_loss(features, targets):
    differences = []
    for layer, target in targets.items():
        squares = tf.reduce_mean((features[layer] - target) ** 2)
        differences.append(squares / tf.reduce_mean(target**2))
    return tf.reduce_mean(differences)


nst.check("content_loss", my_content_loss)

# %% [markdown]
# ### Exercise 2 · JPEG or PNG? (15 minutes)
#
# The tutorial reads its pictures with `plt.imread` and divides by 255. Its pictures were JPEGs. Look at
# what the function gives for the same photograph in two formats:

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

read = {}
with tempfile.TemporaryDirectory() as folder:
    for suffix in ("jpg", "png"):
        path = nst.save_image(cat, Path(folder) / f"cat.{suffix}")
        pixels = read[suffix] = plt.imread(path)
        print(f"{suffix}: {pixels.dtype}, values above 1: {bool(pixels.max() > 1)}")

nst.show_images(
    [pixels / 255 for pixels in read.values()],
    ["JPEG / 255", "PNG / 255"],
    caption="A float PNG lies in [0, 1] already. Divided by 255 once more it is black, and no error is "
    "raised.",
    alt="A photograph of a cat, and a black picture.",
)

# %% [markdown]
# Write a function that takes what `plt.imread` gave for either, (H, W, 3), and returns float32 in [0, 1].
# Mind photographs taken at night: what can tell the two cases apart for certain?


# %% tags=["learner"]
def unit_range(pixels): ...


nst.check("unit_range", unit_range)


# %% tags=["solution"]
def unit_range(pixels):
    if pixels.dtype == np.uint8:
        return (pixels / 255).astype(np.float32)
    return pixels.astype(np.float32)


nst.check("unit_range", unit_range)

# %% [markdown]
# ### Exercise 3 · One letter (20 minutes)
#
# Before it builds its second network, the tutorial freezes VGG19, so that no weight can be trained. Or
# does it? Count what training could change in a small network, before and after:

# %%
network = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(8, 3, name="edges"),
        keras.layers.Conv2D(8, 3, name="patterns"),
        keras.layers.Conv2D(2, 3, name="head"),
    ]
)
print("arrays that training can change:", len(network.trainable_weights))
network.trainalble = False
print("after .trainalble = False:", len(network.trainable_weights))
network.trainable = False
print("after .trainable = False:", len(network.trainable_weights))

# %% [markdown]
# Python lets you set any attribute, also one that nobody reads. (There it did no harm: the same network
# had been frozen under the right name before, and the loop changes nothing but the image.)
#
# Write a function that cannot fail in silence. It freezes the layers that `names` lists, leaves the
# others as they are, raises an error for a name that no layer has, and returns how many numbers training
# can still change. `model.get_layer(name)` and `model.trainable_weights` help.


# %% tags=["learner"]
def freeze(model, names): ...


nst.check("freeze", freeze)


# %% tags=["solution"]
def freeze(model, names):
    for name in names:
        model.get_layer(name).trainable = False  # an unknown name is a ValueError
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


nst.check("freeze", freeze)

# %% [markdown]
# ## In this lesson you have
#
# - computed a content loss of 0.8 by hand, where features had the right values at the wrong places;
# - asked five depths for a photograph, and got it back more and more freely;
# - found a picture without a cat that a tutorial's content loss takes for the cat, and mended the loss;
# - written out a whole transfer, and found the library's close to it;
# - learnt from nine pictures that only the ratio of two weights counts.
#
# Next: [07 · Faster](07_faster.ipynb), from hours to seconds, one change at a time.
#
# ## Further reading
#
# - L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks", CVPR
#   2016.
# - A. Mahendran and A. Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015.
# - Y. Jing, Y. Yang, Z. Feng, J. Ye, Y. Yu and M. Song, "Neural style transfer: a review", IEEE
#   Transactions on Visualization and Computer Graphics, 2020.
