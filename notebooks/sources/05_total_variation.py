# %% [markdown]
# # 05 · Total variation: rough and smooth
#
# After this lesson you can measure how rough a picture is, take out as much of the roughness as you
# want and no more, and see from a weight like 1,000,000,000 that something is wrong with a loss.

# %%
import numpy as np

import nstlib as nst
from nstlib import tf

painting = nst.load_image("brushwork", size=128)
extractor = nst.feature_extractor(nst.STYLE_LAYERS)


def blog_style_loss(image, extractor, targets):
    """Compare Gram matrices as many tutorials do: a plain sum of mean squared differences."""
    grams = [nst.gram_matrix(maps) for maps in extractor(image[tf.newaxis]).values()]
    return tf.add_n([tf.reduce_mean((g - a) ** 2) for g, a in zip(grams, targets, strict=True)])


def grams_of(image, extractor):
    return [nst.gram_matrix(maps) for maps in extractor(image[np.newaxis]).values()]


targets = grams_of(painting, extractor)
noise = np.random.default_rng(0).random(painting.shape, dtype=np.float32)
at_noise = float(blog_style_loss(tf.constant(noise), extractor, targets))


def classic(tv_weight):
    """Make a texture as in lesson 04, by Adam from noise; the style loss begins at 1."""

    def loss(image):
        terms = {"style": blog_style_loss(image, extractor, targets) / at_noise}
        if tv_weight > 0:
            terms["tv"] = tv_weight * nst.total_variation_loss(image)
        return terms

    return nst.minimize_image(loss, noise, method="adam", iterations=120, progress=False)


rough, smooth = classic(0), classic(0.5)
nst.show_images(
    [painting, rough.image, smooth.image],
    ["painting", "its texture", "the same, with one term more"],
    caption="Left: strokes drawn by the library. Middle: the loop of lesson 04 after 120 steps of Adam. "
    "Right: the same noise, steps and style loss, and a price on roughness.",
    alt="A painting of a starry night, a grainy synthetic texture of it, and the same one smooth.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [04 · Texture synthesis](04_texture_synthesis.ipynb) |
# | Time to read | 25 min |
# | Time to run on 2 cores | 1 min |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Compute** the total variation of small pictures by hand, and that of noise without a computer.
# - **Explain** why a step against its gradient is a blur.
# - **Choose** a weight for it, and say what it costs.
# - **Recognise** a badly scaled loss by its weights.

# %% [markdown]
# ## By hand: a ramp and a checkerboard
#
# A picture is smooth when neighbours are alike. So look at every step from a pixel to its right
# neighbour and at every step to the one below. Square the steps, take the mean over each of the two
# directions, and add the two means:
#
# $$ V = \frac{1}{H(W-1)} \sum_{y,x} (x_{y,x+1} - x_{y,x})^2
#      + \frac{1}{(H-1)W} \sum_{y,x} (x_{y+1,x} - x_{y,x})^2 . $$
#
# With three colours the means go over them as well. Three grey pictures of 5 × 5 pixels:

# %%
y, x = np.mgrid[:5, :5]
ramp = x / 4
edge = np.where(x < 2, 0.0, 1.0)
checkerboard = (x + y) % 2.0
nst.show_images(
    [ramp, edge, checkerboard],
    ["ramp", "edge", "checkerboard"],
    cell=1.5,
    caption="From black to white in four steps, in one, and over and over again.",
    alt="A grey ramp, a half black and half white square, and a checkerboard of single pixels.",
)

# %% [markdown]
# - The ramp has four steps of ¼ in each row and none downwards: $V = (\tfrac14)^2 + 0 = 0.0625$.
# - The edge has one step of 1 among four in each row: $V = \tfrac14 + 0 = 0.25$.
# - On the checkerboard every step is 1: $V = 1 + 1 = 2$. No picture in [0, 1] is rougher.


# %%
def total_variation(image):
    right = image[:, 1:] - image[:, :-1]
    down = image[1:] - image[:-1]
    return (right**2).mean() + (down**2).mean()


for name, picture in {"ramp": ramp, "edge": edge, "checkerboard": checkerboard}.items():
    print(f"{name:13} {total_variation(picture)}")


# %% [markdown]
# The same in TensorFlow, and against the library on a photograph. Slices work with any number of axes
# behind them, so nothing has to change for three colours.


# %%
def total_variation_loss(image):
    right = image[:, 1:] - image[:, :-1]
    down = image[1:] - image[:-1]
    return tf.reduce_mean(right**2) + tf.reduce_mean(down**2)


photo = nst.load_image("astronaut", size=160)
for picture in (np.repeat(checkerboard[..., np.newaxis], 3, axis=2), photo):
    print(
        "NumPy, TensorFlow and the library agree:",
        np.allclose(total_variation(picture), total_variation_loss(tf.constant(picture)), rtol=1e-4)
        and np.allclose(total_variation(picture), nst.total_variation_loss(picture), rtol=1e-4),
    )

# %% [markdown]
# ## Two ways to pay for a step
#
# The ramp and the edge both lead from black to white. Squared steps let the ramp off with a quarter of
# the price: many small steps are cheaper than one large one. Where the name comes from, steps are *not*
# squared (Rudin, Osher and Fatemi 1992); `tf.image.total_variation` counts like that.
#
# **Question.** Which of the two costs more then?

# %%
for name, picture in {"ramp": ramp, "edge": edge}.items():
    absolute = float(tf.image.total_variation(tf.constant(picture[..., np.newaxis])))
    print(f"{name}: absolute steps {absolute / 20}, squared steps {total_variation(picture)}")

# %% [markdown]
# Neither: on the way from black to white absolute steps add up to 1, however many they are. So absolute
# steps leave edges sharp, and squared ones blur them. Both are used in style transfer. This library
# squares, which gives a smooth gradient, and leaves it to the style loss to ask for edges.
#
# ## What is rough?
#
# **Question.** Every pixel of noise is drawn from [0, 1], each as likely as the other. How rough is that?
#
# Neighbours $a, b$ are independent, with the same mean and the variance $\tfrac{1}{12}$. So the mean of
# $(a - b)^2$ is $\tfrac{1}{12} + \tfrac{1}{12} = \tfrac16$, and there are two directions:
# $V = \tfrac13$, whatever the size.

# %%
large_noise = np.random.default_rng(1).random((400, 400, 3))
print(f"noise: {total_variation(large_noise):.2f}")

# %% [markdown]
# Between 0 and ⅓ lies everything that we call a picture. Here are the results above, and some pictures
# of 224 pixels:

# %% tags=["nbval-ignore-output"]
tried = {
    "noise": noise,
    "texture, rough": rough.image,
    "painting": painting,
    "texture, smooth": smooth.image,
}
measured = {name: total_variation(picture) for name, picture in tried.items()}
for name, value in measured.items():
    print(f"{name:16} {value:.3f}")

# %%
values = list(measured.values())
print("each is less rough than the one before:", values == sorted(values, reverse=True))

# %% [markdown]
# A tutorial from 2020, whose loop this is, measured the same four on VGG19 with its own style image:
# noise 0.332, its rough result 0.103, the original 0.036, and the result with a price on roughness
# 0.030. Other numbers, the same order. The rough texture is rougher than the painting that it is made
# after: it still carries noise from its start.

# %%
samples = ("mosaic", "candy", "waves", "brushwork", "astronaut", "coffee", "chelsea")
pictures = {name: nst.load_image(name, size=224) for name in samples}
roughness = {name: total_variation(picture) for name, picture in pictures.items()}
for name, value in sorted(roughness.items(), key=lambda item: -item[1]):
    print(f"{name:10} {value:.3f}")

# %%
nst.show_images(
    list(pictures.values()),
    [f"{name}: {roughness[name]:.3f}" for name in pictures],
    columns=4,
    caption="Seven pictures and their roughness. Photographs are smooth nearly everywhere; what counts "
    "are the few edges.",
    alt="A mosaic, sweets, waves, brush strokes, a portrait, a coffee cup and a cat.",
)

# %% [markdown]
# **Question.** The same photograph at half the size: rougher, smoother, or the same?

# %%
for side in (448, 224, 112):
    print(f"{side} pixels: {total_variation(nst.load_image('astronaut', size=side)):.3f}")

# %% [markdown]
# Rougher: where there were two small steps there is now a larger one. So a weight that suits one size
# is a little too strong or too weak at another, and roughness can only be compared at equal sizes.
#
# ## Downhill is a blur
#
# To lower a loss we need its gradient. A step $s = x_{y,x+1} - x_{y,x}$ pulls at both its ends: $2s$ at
# the right one, $-2s$ at the left one. Collect that for a pixel $p$ with its four neighbours $q$
# (leaving out the border, and writing $N$ for the number of steps in a direction):
#
# $$ \frac{\partial V}{\partial p} = \frac{2}{N} \sum_{q} (p - q)
#    = \frac{8}{N} \left( p - \text{mean of the neighbours} \right) . $$
#
# So a step against the gradient moves every pixel towards the mean of its neighbours. Check it at one
# pixel, then go downhill:

# %%
with tf.GradientTape() as tape:
    pixels = tf.Variable(photo)
    value = total_variation_loss(pixels)
gradient = tape.gradient(value, pixels).numpy()

neighbours = (photo[99, 60] + photo[101, 60] + photo[100, 59] + photo[100, 61]) / 4
N = 160 * 159 * 3
difference = photo[100, 60] - neighbours
print("as the formula says:", np.allclose(N / 8 * gradient[100, 60], difference, atol=1e-5))

# %%
downhill = {0: photo}
image = tf.Variable(photo)
for step in range(1, 201):
    with tf.GradientTape() as tape:
        value = total_variation_loss(image)
    image.assign_sub(N / 16 * tape.gradient(value, image))
    if step in (10, 50, 200):
        downhill[step] = image.numpy()

nst.show_images(
    list(downhill.values()),
    [f"{step} steps: {total_variation(picture):.4f}" for step, picture in downhill.items()],
    caption="Nothing but total variation, and plain gradient descent. Noise would go first, then edges, "
    "then everything.",
    alt="A portrait of an astronaut, more and more blurred from left to right.",
)

# %%
print(
    "the mean colour stays:", np.allclose(photo.mean((0, 1)), downhill[200].mean((0, 1)), atol=1e-3)
)

# %% [markdown]
# That is how heat spreads in a metal plate, and at the end of it every pixel has the mean colour. Total
# variation alone wants a grey card. It is of use only *against* another term.
#
# ## How much? A case where the truth is known
#
# Add noise to a photograph, and ask for a picture that is close to the noisy one and smooth:
# $\operatorname{mean}(\text{image} - \text{noisy})^2 + w\,V$. We know the clean photograph, so we can
# measure which weight $w$ is best. Three to choose from, each ten times the one before:

# %%
noisy = photo + np.random.default_rng(2).normal(0, 0.12, photo.shape).astype(np.float32)
noisy = np.clip(noisy, 0, 1)


def denoised(weight):
    def loss(image):
        close = tf.reduce_mean((image - noisy) ** 2)
        return {"close": close, "tv": weight * total_variation_loss(image)}

    return nst.minimize_image(loss, noisy, iterations=40, progress=False).image


weights = (0.03, 0.3, 3.0)
cleaned = {0.0: noisy} | {weight: denoised(weight) for weight in weights}
errors = {weight: float(np.mean((picture - photo) ** 2)) for weight, picture in cleaned.items()}
best = min(errors, key=errors.get)
print("best weight:", best)
print("error, compared with the noisy picture's:", f"{errors[best] / errors[0.0]:.1f}")

# %%
nst.show_images(
    [noisy, *(cleaned[weight] for weight in weights)],
    ["noisy", "weight 0.03: grain is left", "0.3: the best of the three", "3: edges are lost"],
    caption="Too little leaves the grain, too much takes the edges. In between lies the best, and it "
    "isn't perfect: squared steps cannot tell an edge from grain.",
    alt="A noisy portrait; slightly less noisy; clean and a little soft; and much blurred.",
)

# %% [markdown]
# For a texture there is no truth to compare with. But there is a good hint: the original's own
# roughness.
#
# ## Why the texture was rough
#
# **Question.** The rough texture at the top and the smooth one differ in every pixel. By how much do
# their *style losses* differ? Guess before you run the cell.

# %%
rough_style, smooth_style = rough.terms["style"], smooth.terms["style"]
print(
    "roughness more than 4 to 1:",
    total_variation(rough.image) > 4 * total_variation(smooth.image),
)
print("both style losses are below 2 % of the start:", max(rough_style, smooth_style) < 0.02)
print("they differ by less than half:", abs(rough_style - smooth_style) < rough_style / 2)

# %% [markdown]
# The style loss hardly notices. Count what it asks for:

# %%
asked = sum(len(gram[0]) * (len(gram[0]) + 1) // 2 for gram in targets)
print(f"{asked:,} numbers in five symmetric Gram matrices, {painting.size:,} in the picture")

# %% [markdown]
# Far fewer wishes than pixels: very many pictures have nearly the same Gram matrices, rough ones and
# smooth ones. A run ends at one that is near its start, and from noise that is a rough one. So here
# smoothness costs nearly nothing: it decides among pictures that the style loss finds equally good.
#
# There is a second cure, and you know it from lesson 04: do not begin with such noise. From coarse to
# fine, every size starts from an enlarged, hence smooth, picture.

# %%
recipe = nst.synthesize_texture(painting, scales=2, iterations=20, progress=False)
print(
    "no rougher than one and a half times the painting, without any total variation:",
    total_variation(recipe.image) < 1.5 * total_variation(painting),
)

# %% [markdown]
# That is why `tv_weight` is 0 by default in this library: its recipes treat the cause. Total variation
# treats the symptom. It is still the right tool when you *want* a softer picture.
#
# ## Experiment: the trade-off
#
# One knob, `tv_weight`, in both recipes of the library: a texture, and a photograph painted in a style,
# which the next lesson takes apart.

# %%
knob = (10, 100)
textures = {0: recipe} | {
    weight: nst.synthesize_texture(
        painting, scales=2, iterations=20, tv_weight=weight, progress=False
    )
    for weight in knob
}
cup = nst.load_image("coffee", size=128)
painted = {
    weight: nst.transfer_style(cup, painting, tv_weight=weight, iterations=20, progress=False)
    for weight in (0, *knob)
}
nst.show_images(
    [run.image for runs in (textures, painted) for run in runs.values()],
    [f"tv_weight={weight}" for _ in range(2) for weight in textures],
    columns=3,
    caption="Left to right: a higher price on roughness. First strokes lose their edge, then there are no "
    "strokes.",
    alt="Two rows of three pictures, a texture and a painted coffee cup, from crisp to blurred.",
)

# %%
for name, runs in {"texture": textures, "transfer": painted}.items():
    rough_to_smooth = [total_variation(run.image) for run in runs.values()]
    style = [run.losses["style"][1] for run in runs.values()]
    print(f"{name}: each weight is smoother:", rough_to_smooth == sorted(rough_to_smooth)[::-1])
    print(
        f"{name}: the last step smoother costs more than the first:",
        style[2] - style[1] > style[1] - style[0],
    )

# %%
nst.show_curves(
    {
        name: (
            [1000 * total_variation(run.image) for run in reversed(runs.values())],
            [run.losses["style"][1] for run in reversed(runs.values())],
        )
        for name, runs in {"texture": textures, "transfer": painted}.items()
    },
    xlabel="roughness, in thousandths",
    ylabel="style loss",
    caption="The same six runs as a trade-off. Going left along a curve, smoothness is first cheap, "
    "then dear. Good weights lie at the bend.",
    alt="Two curves of style loss over roughness, steep on the left and flat on the right.",
)

# %% [markdown]
# ## A weight of 1,000,000,000
#
# The tutorial adds up its terms without making them relative. Its weights: style 0.1, total variation
# 10⁹. Why would anybody need a thousand million? Its own numbers tell. At the end the roughness was
# 0.030; for the two terms to be about equally large then, its style loss must have been

# %%
print(f"{1e9 * 0.030 / 0.1:.0e}")

# %% [markdown]
# Where does such a number come from? VGG19 takes pixels in 0..255, while total variation looks at
# [0, 1]. Features grow with the pixels, Gram matrices with the features squared, the loss with the Gram
# matrices squared:

# %%
maps = extractor(painting[np.newaxis])["block3_conv1"]
other = extractor(pictures["waves"][np.newaxis])["block3_conv1"]


def gram_difference(a, b):
    return float(tf.reduce_mean((nst.gram_matrix(a) - nst.gram_matrix(b)) ** 2))


ratio = gram_difference(255 * maps, 255 * other) / gram_difference(maps, other)
print(f"features 255 times larger, loss larger by {ratio:.1e}; 255⁴ is {255.0**4:.1e}")

# %% [markdown]
# So the unit alone is worth a factor of 4 · 10⁹. The rest is the network: how large its features happen
# to be. Change the network, and the weight is wrong. Here are the same two terms, as the tutorial
# defines and weights them, at the start of a run, on two networks:

# %%
vgg19 = nst.feature_extractor(nst.STYLE_LAYERS, "random")
networks = {"the small twin": extractor, "VGG19, random": vgg19}
tv_term = 1e9 * total_variation(noise)
style_terms = {}
for name, network in networks.items():
    style_loss = blog_style_loss(tf.constant(noise), network, grams_of(painting, network))
    style_terms[name] = 0.1 * float(style_loss)
    print(f"{name}: style {style_terms[name]:.0e}, total variation {tv_term:.0e}")

# %%
apart = style_terms["VGG19, random"] / style_terms["the small twin"]
print("the two style terms are more than a factor of 1,000 apart:", max(apart, 1 / apart) > 1000)

# %% [markdown]
# **Question.** What will the tutorial's weights make of the texture on the small twin, where total
# variation is millions of times the larger term?


# %%
def as_the_tutorial_weights(image):
    return {
        "style": 0.1 * blog_style_loss(image, extractor, targets),
        "tv": 1e9 * total_variation_loss(image),
    }


grey = nst.minimize_image(as_the_tutorial_weights, noise, iterations=25, progress=False)
nst.show_images(
    [smooth.image, grey.image],
    ["scaled, weight 0.5", "unscaled, weight 1e9"],
    caption="The same style, network and noise. On the right, the terms and weights that suited VGG19.",
    alt="A texture of brush strokes, and a nearly uniform grey picture.",
)

# %%
print(
    "roughness, compared with the painting's, below 1 %:",
    total_variation(grey.image) < 0.01 * total_variation(painting),
)

# %% [markdown]
# The cure is the one from lesson 03: divide each term by the size of what it is compared with. Then a
# loss of 1 means "nothing in common" on every network, and weights are numbers like 0.3 or 3.

# %%
for name, network in networks.items():
    wanted = {k: nst.channel_statistics(m[0]) for k, m in network(painting[np.newaxis]).items()}
    found = {k: m[0] for k, m in network(noise[np.newaxis]).items()}
    relative = float(nst.style_loss(found, wanted))
    print(f"{name}: relative style loss between 0.3 and 30: {0.3 < relative < 30}")

# %% [markdown]
# Whenever you meet weights like 10⁹, 10⁴ and 10⁻², ask for the units of the terms. The weights hide
# them.
#
# ## Exercises
#
# ### Exercise 1 · Total variation (10 minutes)
#
# Without looking up: an image (H, W, 3) in, one number out. Square first, then a mean for each
# direction, then the sum.


# %% tags=["learner"]
def my_total_variation(image): ...


nst.check("total_variation", my_total_variation)


# %% tags=["solution"]
def my_total_variation(image):
    return sum(np.mean(np.diff(image, axis=axis) ** 2) for axis in (0, 1))


nst.check("total_variation", my_total_variation)

# %% [markdown]
# ### Exercise 2 · Which runs are worth looking at? (15 minutes)
#
# You made many runs and know two losses of each: `style` and `roughness`, two arrays of length N. A run
# is *beaten* if another one is no worse in both and better in at least one. Return an array of N
# booleans: True for the runs that are not beaten. Only those need your eye; economists call them Pareto's
# front. Then try it on the four textures above: is every one of them worth looking at?


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

# %% [markdown]
# ### Exercise 3 · The gradient, by hand (30 minutes)
#
# Return the gradient of the total variation, an array of the image's shape, without a tape: for each
# step, $2s$ divided by the number of steps in its direction, added at the end that the step leads to and
# subtracted at the one that it leaves. Mind the border, where a pixel has fewer neighbours. Then blur a
# photo of yours with it, in NumPy alone.


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
# ## In this lesson you have
#
# - computed the total variation of a ramp, 0.0625, an edge, 0.25, and a checkerboard, 2, by hand, and
#   worked out that noise has ⅓;
# - found noise, a rough texture, the painting and a smooth texture in this order of roughness;
# - gone down the gradient and seen that it blurs;
# - found the best of three weights where the truth was known, and looked at the trade-off where it is
#   not;
# - found two textures with nearly the same style loss, one several times as rough, and the reason;
# - traced a weight of 10⁹ back to 255⁴, and replaced it by relative losses.
#
# Next, the course turns to content: a photograph that keeps its subject and takes on a style. On
# the command line it is there already: `nst transfer chelsea mosaic -o cat.png`.
#
# ## Further reading
#
# - L. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms",
#   Physica D, 1992: absolute steps.
# - A. Tikhonov and V. Arsenin, "Solutions of ill-posed problems", 1977: squared steps.
# - A. Mahendran and A. Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015:
#   total variation as a picture's prior, next to a network.
# - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
#   super-resolution", ECCV 2016.
