# %% [markdown]
# # 08 · Under control
#
# After this lesson you decide what a transfer does: which colours stay, which style goes where, how large
# and how strong the strokes are. And you can say what each decision costs.

# %%
import cv2
import numpy as np

import nstlib as nst
from nstlib.course.figures.rows import show_rows
from nstlib.images.colors import grey, match_luminance, replace_luminance

cat = nst.load_image("chelsea", size=384)
mosaic, flowers = nst.load_image("mosaic"), nst.load_image("watercolour")


def ellipse(shape, centre, radii, softness):
    """1 inside an ellipse, 0 outside, soft at its edge; all in shares of height and width."""
    height, width = shape[:2]
    y, x = np.mgrid[:height, :width]
    from_centre = np.hypot((y / height - centre[0]) / radii[0], (x / width - centre[1]) / radii[1])
    return np.float32(np.clip((1 - from_centre) / softness + 0.5, 0, 1))


face = ellipse(cat.shape, centre=(0.5, 0.45), radii=(0.62, 0.38), softness=0.2)
both = nst.transfer_style(
    cat, [mosaic, flowers], masks=[face, 1 - face], style_scale=1.5, iterations=20, progress=False
).image

# %%
show_rows(
    [cat, mosaic, flowers],
    [both],
    titles=["a photograph", "for the face", "for the rest", "both"],
    height=6,
    alt="A cat's face; a mosaic of glass; flowers in watercolour; and the cat, her face laid in coloured "
    "stones that follow its shape, with petals and stems on pale paper around it.",
)

# %% [markdown]
# *Two styles in one picture of 384 pixels, enlarged: stones inside an ellipse around the face, watercolour
# outside.* Before you go on: a style loss forgets all places. How could you tell it which style goes where?
#
# | | |
# | --- | --- |
# | Prerequisites | [07 · Faster](07_faster.ipynb); variance, covariance and eigenvalues from [01 · Mathematics](01_mathematics.ipynb) |
# | Time to read | 45 min; exercises 85 min |
# | Time to run on 2 cores | 1 min 45 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Keep** a photograph's colours in two ways, each computed by hand, and say what they cost.
# - **Give** regions their own style, by statistics weighted with a mask, and test what a mask does.
# - **Choose** the size of strokes, the size to begin with, their strength, and a mixture of styles.
# - **Check** each of these against a run in which nothing else differs.

# %% [markdown]
# ## One run to compare with
#
# From here on all pictures are painted on the same photograph, 192 pixels wide so that it is quick, by the
# same number of iterations. The picture in the middle is made with no option at all. Each experiment is this
# run with *one thing changed*, so whatever differs comes from that.

# %%
coffee, brushwork = nst.load_image("coffee", size=192), nst.load_image("brushwork")


def paint(style, **change):
    return nst.transfer_style(coffee, style, iterations=18, progress=False, **change).image


plain = paint(brushwork)
show_rows(
    [coffee, plain, nst.resize(brushwork, 192)],
    titles=["photograph", "plain", "style"],
    height=2.3,
    alt="A red cup on a brown table; the cup in blue and yellow strokes; a night of blue and yellow "
    "strokes.",
)

# %% [markdown]
# We measure by the two losses of lesson 06: how far off the style, how far off the content. For regions,
# the style loss may look at a part of the picture only.

# %%
network = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS], padding="replicate")
(deep,) = nst.CONTENT_LAYERS


def look_of(image, mask=None):
    """Means and covariances of the style's layers, everywhere or inside a mask."""
    look = {}
    for layer, maps in network(image[np.newaxis]).items():
        if layer in nst.STYLE_LAYERS:
            size = maps.shape[2], maps.shape[1]
            small = None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
            look[layer] = nst.channel_statistics(maps[0], small)
    return look


def off_style(image, style, mask=None):
    return float(nst.style_loss(look_of(image, mask), look_of(style)))


def off_content(image, photo=coffee):
    found, wanted = ({deep: network(picture[np.newaxis])[deep]} for picture in (image, photo))
    return float(nst.content_loss(found, wanted))


night = nst.resize(brushwork, 192)

# %% [markdown]
# ## Keep the colours
#
# The coffee has turned blue: a style brings its colours along. Gatys and his colleagues (2016) give two
# ways to leave them behind.
#
# ### First way: brightness alone
#
# The **[luminance](glossary.md#luminance)** of a pixel is a weighted sum, as colour television has used it:
# $Y = 0.299\,R + 0.587\,G + 0.114\,B$. The weights add up to 1. So adding the same number to all three
# channels adds it to $Y$, and leaves the differences between the channels alone: the colour. By hand, an
# orange pixel that is to become lighter:

# %%
weights = np.array([0.299, 0.587, 0.114])
orange = np.array([0.8, 0.4, 0.2])
Y = 0.299 * 0.8 + 0.587 * 0.4 + 0.114 * 0.2
lighter = orange + (0.6 - Y)
print(f"Y is {Y:.4f}. With Y = 0.6 the pixel becomes {lighter.round(4)}.")
print(f"Y of that: {lighter @ weights:.4f}; R - G is {lighter[0] - lighter[1]:.1f} as before.")


# %% [markdown]
# So make the photograph and the style grey, run the transfer, and shift the three channels of each pixel of
# the photograph by the same number, so that it gets the brightness of the result. One thing more: a dark style
# would darken a light photograph. So the style's brightness first gets the mean and the [standard
# deviation](glossary.md#standard-deviation) of the photograph's.


# %% tags=["nbval-ignore-output"]
def with_brightness_of(image, brightness):
    """The colours of one image with the brightness of another, cut to what a screen can show."""
    change = brightness @ weights - image @ weights
    return np.clip(image + change[..., np.newaxis], 0, 1)


by_luminance = paint(brushwork, preserve_colors="luminance")  # the library's, all in one
# If we had another formula than the library, the second number would not be 0.000.
by_us, by_library = with_brightness_of(coffee, plain), replace_luminance(coffee, plain)
print(f"ours changes the photograph by {np.abs(by_us - coffee).mean():.3f},", end=" ")
print(f"and differs from replace_luminance by {np.abs(by_us - by_library).max():.3f}")

# %% [markdown]
# ### Second way: give the style the photograph's colours
#
# Or repaint the *style* before anything else, so that its pixels have the mean and the
# [covariance](glossary.md#covariance) of the photograph's. For one number a pixel: subtract the mean, divide
# by the standard deviation, multiply by the new one, add the new mean. A pixel has three numbers that vary
# together, so the standard deviation becomes a matrix, the root $\Sigma^{1/2}$ of the covariance, whose
# square is $\Sigma$:
#
# $$ x \mapsto \hat\Sigma^{1/2}\, \Sigma^{-1/2} (x - \mu) + \hat\mu . $$
#
# A root comes from the eigenvectors: turn to them, take the root of each
# [eigenvalue](glossary.md#eigenvalue), turn back.


# %%
def power(covariance, exponent):
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values**exponent) @ vectors.T


def match_colors(image, reference):
    pixels, wanted = image.reshape(-1, 3), reference.reshape(-1, 3)
    old, new = (np.cov(p, rowvar=False, bias=True) for p in (pixels, wanted))
    change = power(new, 0.5) @ power(old, -0.5)
    matched = (pixels - pixels.mean(axis=0)) @ change.T + wanted.mean(axis=0)
    return np.clip(matched, 0, 1).reshape(image.shape)


root = power(np.array([[2.0, 1.0], [1.0, 2.0]]), 0.5)
print("a root of [[2, 1], [1, 2]]:", *root.round(3), " its square:", *(root @ root).round(3))
ours, librarys = match_colors(brushwork, coffee), nst.match_colors(brushwork, coffee)
print(f"ours changes the style by {np.abs(ours - brushwork).mean():.2f},", end=" ")
print(f"and differs from nst.match_colors by {np.abs(ours - librarys).max():.2f}")

# %% [markdown]
# Is the matrix needed? Take the simplest thing that could do instead: move the style's *mean* colour to
# the photograph's, and leave everything else.
#
# **Question.** The style is blue against yellow, the photograph red and brown. What will the style look
# like after its mean has been moved?
#
# - **a** in the photograph's reds and browns
# - **b** still bluish against yellowish, in a warmer light
# - **c** grey
# - **d** as it was: a mean is one colour among many

# %% tags=["learner"]
nst.check("moved_mean", ...)

# %% tags=["solution"]
nst.check("moved_mean", "b")

# %% jupyter={"outputs_hidden": true}
moved = np.clip(brushwork - brushwork.mean((0, 1)) + coffee.mean((0, 1)), 0, 1)
print("What the network is shown as the style:")
show_rows(
    [nst.resize(style, 192) for style in (brushwork, moved, librarys)]
    + [nst.resize(match_luminance(brushwork, coffee), 192)],
    titles=["as it is", "mean moved", "covariance matched", "for brightness alone"],
    height=2.3,
    alt="A night of brush strokes: in blue and yellow; in violet and orange; in browns and reds; in grey.",
)

# %% [markdown]
# So paint the cup from each of these four styles. Two more pictures cost no run at all: recolour the
# *finished* plain picture, in either way. If that is as good, all the trouble before the run was for nothing.
#
# **Question.** Both ways keep the photograph's colours. In which of the two can the red of the cup turn up on
# the table?
#
# - **a** in the first: brightness alone
# - **b** in the second: the style in the photograph's colours
# - **c** in both
# - **d** in neither

# %% tags=["learner"]
nst.check("red_on_the_table", ...)

# %% tags=["solution"]
nst.check("red_on_the_table", "b")

# %% jupyter={"outputs_hidden": true}
kept = {
    "photograph": coffee,
    "plain": plain,
    "mean moved": paint(moved),
    "brightness alone": by_luminance,
    "covariance matched": paint(brushwork, preserve_colors="covariance"),
    "plain, recoloured by brightness": replace_luminance(coffee, plain),
    "plain, recoloured by covariance": nst.match_colors(plain, coffee),
}
print("Ways to keep colours, and the plain run:")
rows = list(kept.items())
show_rows(
    [image for _, image in rows[1:4]],
    [image for _, image in rows[4:]],
    titles=[name for name, _ in rows[1:]],
    height=2.3,
    alt="Six cups in strokes. Plain: blue and yellow. Mean moved: violet and orange. Brightness alone: red "
    "cup, brown table. Covariance matched: reds and browns, not everywhere where they were. The plain one "
    "recoloured by brightness: as in the photograph; by covariance: reds and greens.",
)


# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
def off_colours(image):
    """How far mean and covariance of the pixels are from the photograph's, relative to its own."""
    (mean, spread), (wanted, wanted_spread) = (
        (picture.mean((0, 1)), np.cov(picture.reshape(-1, 3).T)) for picture in (image, coffee)
    )
    return (
        np.linalg.norm(mean - wanted) / np.linalg.norm(wanted),
        np.linalg.norm(spread - wanted_spread) / np.linalg.norm(wanted_spread),
    )


def same_colour(image):
    """The share of pixels whose R - G and G - B are those of the photograph."""
    return (np.abs(np.diff(image, axis=2) - np.diff(coffee, axis=2)).max(axis=2) < 0.02).mean()


# The photograph is the row in which nothing is painted: if a way kept the colours by painting less, its
# style loss in grey would go towards this row's. The plain run is the row in which nothing is kept.
print("                                 off colours:         same    off style:")
print("                                 mean  covariance   colour   in colour  in grey")
colours = {}
for name, image in kept.items():
    mean, spread = off_colours(image)
    colours[name] = (off_style(image, night), off_style(grey(image), grey(night)))
    print(f"{name:31} {mean:5.0%} {spread:10.0%} {same_colour(image):9.0%}", end="")
    print(f"{colours[name][0]:11.2f} {colours[name][1]:9.2f}")

# %% jupyter={"source_hidden": true}
# What the text below says. If a way kept the colours by painting less, or the mean were enough, one of
# these would fail.
in_grey = {name: grey_loss for name, (_, grey_loss) in colours.items()}
assert off_colours(kept["mean moved"])[1] > 2 * off_colours(kept["covariance matched"])[1]
for way in ("brightness alone", "covariance matched", "plain, recoloured by brightness"):
    assert in_grey[way] < 0.5 * in_grey["photograph"]
assert same_colour(kept["brightness alone"]) > 0.8
assert same_colour(kept["covariance matched"]) < 0.3

# %% [markdown]
# <details><summary>How to read the table</summary>
#
# (Your last digits may differ.) The first two rows are the controls: the photograph has its colours and no
# strokes, the plain run has strokes and not the colours.
#
# - *Moving the mean* repairs the mean and nothing else: the covariance is nearly as far off as in the plain
#   run.
# - *Brightness alone* keeps the colour of nearly every pixel where it was. *Matching the covariance* keeps the
#   palette, but hardly any pixel its own colour.
# - **What does it cost?** In colour, both are far off the style, about 0.7 instead of 0.24. They have to be:
#   the style is blue. In grey they are as near to it as the plain run, or nearer. So you pay with the style's
#   colours, which you wanted to lose, and not with its strokes.
# - *Recolouring afterwards* by brightness costs no run, and is nearly as good: you may keep the style's
#   colours and the photograph's, and choose later. By covariance it is worse than doing it before. One reason
#   may be that the map from blue and yellow to reds also changes how light each stroke is.
#
# </details>
#
# Take brightness alone where colours belong to things (a face, a flag). Take the covariance where a style
# needs different colours side by side; with brightness alone, all strokes on the cup are red.
#
# ## Regions
#
# A [style loss](glossary.md#style-loss) forgets places, so you can't tell it where a style belongs. But you
# can tell it which positions to count. A **[mask](glossary.md#mask)** $m$ says how much each position counts, from 0 to 1, and means and
# covariances become weighted ones (Gatys et al. 2017 call them guided):
#
# $$ \mu = \frac{\sum_p m_p F_p}{\sum_p m_p}, \qquad
#    C = \frac{\sum_p m_p (F_p - \mu)(F_p - \mu)^\top}{\sum_p m_p} . $$
#
# By hand: one channel, four positions with the features 2, 4, 10 and 20, and a mask that marks the first
# two. Work out mean and variance before you run the cell. Which of them would change if the 20 became
# 2,000?

# %%
F = np.array([2.0, 4.0, 10.0, 20.0])
for mask in ([1, 1, 0, 0], [1, 1, 0.5, 0], [1, 1, 1, 1]):
    share = np.array(mask) / np.sum(mask)
    mean = np.sum(share * F)
    by_library = nst.channel_statistics(F.reshape(2, 2, 1), np.reshape(mask, (2, 2)))
    print(
        f"mask {mask!s:16} mean {mean:4.1f}, variance {np.sum(share * (F - mean) ** 2):5.2f}",
        end="",
    )
    print(f"   library {float(by_library.mean[0]):4.1f}, {float(by_library.covariance[0, 0]):5.2f}")

# %% [markdown]
# On real features the mask needs the features' size, which is 16 times smaller at `block5_conv1`. There each
# position gets the mean of the mask over the pixels that it stands for. Each style has a loss in its own
# region, and the style loss is the mean of these; the content needs no mask. This is the mask of the picture
# at the top:

# %%
deepest = cv2.resize(face, (cat.shape[1] // 16, cat.shape[0] // 16), interpolation=cv2.INTER_AREA)
show_rows(
    [cat * face[..., np.newaxis], face, deepest],
    titles=["where the stones go", "the mask", "the mask at block5"],
    height=2.3,
    alt="The cat's face in a soft ellipse; a white ellipse on black; the same in coarse squares.",
)

# %% [markdown]
# Did the run do what the masks say? If they had no effect, both lines would say about the same, as they do
# for the photograph:

# %% tags=["nbval-ignore-output"]
looks = {
    name: nst.resize(style, 576) for name, style in {"stones": mosaic, "flowers": flowers}.items()
}
# If the masks had no effect, both lines on the left would say about the same.
print("              the painted picture    the photograph")
print("off style:      stones  flowers      stones  flowers")
regions = {}
for place, mask in {"the face": face, "the rest": 1 - face}.items():
    regions[place] = [off_style(both, look, mask) for look in looks.values()]
    before = [off_style(cat, look, mask) for look in looks.values()]
    print(f"{place:13}", *(f"{value:8.2f}" for value in regions[place]), "   ", end="")
    print(*(f"{value:8.2f}" for value in before))

# %% [markdown]
# ### What does a mask change outside?
#
# Paint the cup alone, with a mask that is hard at its edge: 1 inside, 0 outside, nothing in between. No
# style is asked for outside, and the run begins with the photograph.
#
# **Question.** How far does the style reach?
#
# - **a** to the edge of the mask, to the pixel
# - **b** beyond the edge, the less the farther away
# - **c** everywhere alike: a style loss knows no places

# %% tags=["learner"]
nst.check("outside_the_mask", ...)

# %% tags=["solution"]
nst.check("outside_the_mask", "b")

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
cup = np.float32(ellipse(coffee.shape, (0.38, 0.48), (0.36, 0.22), 1e-6) > 0.5)
elsewhere = np.roll(cup, 56, axis=1)  # a mask by mistake: 56 pixels too far to the right
masked = {"on the cup": paint(brushwork, masks=[cup])}
distance = cv2.distanceTransform(np.uint8(1 - cup), cv2.DIST_L2, 5)
bands = {
    "inside": (-1, 0),
    "1 to 8": (0, 8),
    "9 to 24": (8, 24),
    "25 to 48": (24, 48),
    "more": (48, 999),
}
# If nothing leaked, "masked" would be as "no style" everywhere but inside. The plain run is the other
# extreme. Without the line "no style" we would take everything outside for a leak.
print("Mean change on a scale of 255, by distance from the mask in pixels:")
print(" " * 12, *(f"{band:>9}" for band in bands))
reach = {}
for name, image in {
    "masked": masked["on the cup"],
    "no style": paint(brushwork, style_weight=0),
    "plain": plain,
}.items():
    change = 255 * np.abs(image - coffee).mean(axis=2)
    reach[name] = [
        change[(distance > low) & (distance <= high)].mean() for low, high in bands.values()
    ]
    print(f"{name:12}", *(f"{mean:9.1f}" for mean in reach[name]))

# %% jupyter={"source_hidden": true}
assert reach["masked"] == sorted(reach["masked"], reverse=True)
assert reach["masked"][1] > 2 * reach["no style"][1]
assert reach["masked"][-1] < 0.3 * reach["plain"][-1]

# %% [markdown]
# <details><summary>Why it reaches beyond the edge</summary>
#
# A feature inside the mask also looks at pixels outside: at `block5_conv1` it sees some 78 pixels to each
# side. So pixels beyond the edge get a [gradient](glossary.md#gradient), too, and next to the edge they change
# nearly half as much as inside.
#
# Far away, about 4 levels remain. A leak? The middle line says no: a run that asks for *no style at all*
# changes as much there. Its sizes are 136 and 192 pixels, and enlarging costs some sharpness everywhere. (A run of 128 pixels
# enlarges nothing, and without style it changed nothing.) Subtract what the control shows, and the style reaches some
# 20 to 50 pixels. If you need a sharp edge, paint the whole picture and cut it out afterwards (lesson 12).
#
# </details>
#
# ### A wrong mask
#
# Now a mistake that happens easily: the mask was made for another crop, and lies too far to the right.
#
# **Question.** By what will you notice?
#
# - **a** the style loss: it stays high where the mask is wrong
# - **b** the content loss: it gets much larger
# - **c** an error or a warning
# - **d** nothing but the picture itself

# %% tags=["learner"]
nst.check("wrong_mask", ...)

# %% tags=["solution"]
nst.check("wrong_mask", "d")

# %% jupyter={"outputs_hidden": true}
masked["too far right"] = paint(brushwork, masks=[elsewhere])
print("The right mask and the misplaced one:")
show_rows(
    [cup, elsewhere],
    [*masked.values()],
    titles=["the mask", "the same, misplaced", *masked],
    height=2.3,
    alt="Above, a white ellipse on black, in the middle and at the right. Below, blue and yellow strokes "
    "on the cup alone, and in an ellipse on the table and half of the cup.",
)

# %% jupyter={"outputs_hidden": true} tags=["nbval-ignore-output"]
# If the losses noticed the mistake, the second line would be clearly worse than the first.
print("                 off style inside the mask it was given   off content")
wrong = {}
for (name, image), mask in zip(masked.items(), (cup, elsewhere), strict=True):
    wrong[name] = off_style(image, night, mask), off_content(image)
    print(f"{name:16} {wrong[name][0]:24.2f} {wrong[name][1]:31.2f}")
for name, mask in {"photo, cup": cup, "photo, right": elsewhere}.items():
    print(f"{name:16} {off_style(coffee, night, mask):24.2f} {0:31.2f}")

# %% jupyter={"source_hidden": true}
right, misplaced = wrong.values()
assert abs(right[0] - misplaced[0]) < 0.5 * right[0]
assert misplaced[1] < 2 * right[1]

# %% [markdown]
# <details><summary>What you see</summary>
#
# Both runs have done what they were told, and about equally well: the numbers can't know what you meant. (The
# photograph's rows are the control: if a mask had been ignored, the style loss would be near theirs.) So look
# at the mask before the run, laid over the photograph: `coffee * mask[..., np.newaxis]`.
#
# </details>
#
# A mask may come from anywhere: drawn by hand, cut out in an image editor, or found by a network that
# knows people from backgrounds (lesson 11).
#
# ## The size of the strokes
#
# `style_scale` is the style's longest side over the result's. The network looks at the style at that
# size, and strokes come out as large as it saw them. (Never beyond the style's own pixels: enlarged ones
# would be blurred.)

# %%
scales = {0.5: paint(mosaic, style_scale=0.5), 1: paint(mosaic), 2: paint(mosaic, style_scale=2)}

# %%
show_rows(
    [*scales.values()],
    titles=[f"style_scale={scale}" for scale in scales],
    height=2.3,
    alt="The cup three times: in fine coloured grain, in small stones, and in large ones.",
)

# %% [markdown]
# Is it really the size of the stones that differs? Measure each result against the mosaic at all three sizes.
# If the scale made no difference, the three lines would say about the same.

# %% tags=["nbval-ignore-output"]
seen = {scale: nst.resize(mosaic, round(scale * 192)) for scale in scales}
# If the scale made no difference, all three lines would say about the same.
print("off style:     seen at 0.5       at 1       at 2")
sizes = {s: [off_style(image, look) for look in seen.values()] for s, image in scales.items()}
for scale, row in sizes.items():
    print(f"painted at {scale:<4}", *(f"{value:10.2f}" for value in row))

# %% [markdown]
# In each line, the smallest number stands where the style was seen at the size that it was painted from. Stones
# smaller than a few pixels turn into grain. For finer strokes take a larger picture rather than a smaller
# scale.
#
# ## The size to begin with
#
# A transfer goes from [coarse to fine](glossary.md#coarse-to-fine). By default it begins at about 128 pixels, where an eye
# in this portrait is ten pixels wide. `coarsest` is another size to begin with. Before you run this: what will become
# of her face if a transfer begins at 64 pixels, and what if it works at 256 pixels from the first step on?

# %%
woman = nst.resize(nst.load_image("astronaut")[:300, 90:390], 256)
# With fewer sizes there is time for more iterations at each: all three runs cost about the same.
plans = {64: (27, [64, 91, 128, 181, 256]), 128: (30, [128, 181, 256]), 256: (52, [256])}
begun = {
    first: nst.transfer_style(woman, flowers, coarsest=first, iterations=iterations, progress=False)
    for first, (iterations, _) in plans.items()
}

# %%
show_rows(
    [woman, *(result.image for result in begun.values())],
    titles=["the photograph", *(f"coarsest={first}" for first in begun)],
    height=3,
    alt="A woman in a spacesuit; and she three times in watercolour. First a pink blossom covers her mouth "
    "and nose, and blossoms float behind her; last she has a nose and a mouth, one eye is smudged, and the paper is nearly plain.",
)

# %% tags=["nbval-ignore-output"]
print("begins at   off style   off content   cost (iterations at full size)")
# If the beginning made no difference, the two columns in the middle would hardly change.
begins = {}
for first, (iterations, sides) in plans.items():
    style, content = (begun[first].losses[name][1] for name in ("style", "content"))
    begins[first] = style, content / 0.3  # the content's weight is 0.3
    cost = sum(iterations * (side / 256) ** 2 for side in sides)
    print(f"{first:9} {begins[first][0]:11.3f} {begins[first][1]:13.3f} {cost:20.0f}")

# %% jupyter={"source_hidden": true}
# What the text says of the beginnings.
assert begins[64][1] > begins[128][1] > begins[256][1]
assert begins[64][0] < begins[256][0]

# %% [markdown]
# <details><summary>What you see</summary>
#
# At a small size the style's large shapes find room: blossoms float in the background, and one lies over her mouth.
# What settled there is still there at 256 pixels. Without a coarse beginning she keeps her nose and her mouth, though one eye is smudged, and
# the content loss is the lowest. It has its price: the style loss is a little higher, the blossoms behind her are
# almost gone, and what is left of the style is small. So begin coarse where shapes may change, and finer where they
# may not.
#
# </details>
#
# ## Strength
#
# Lesson 06 found that only the *ratio* of the two weights counts: `style_weight=10` is `content_weight`
# divided by 10. Here is another knob that costs no run: blend the finished picture with the photograph,
# pixel by pixel, as every image editor can. Is it as good?

# %%
weak = paint(brushwork, style_weight=0.15)
strong = paint(brushwork, style_weight=6)


def blend(share):
    return share * plain + (1 - share) * coffee


# The blend that is as far from the style as the weak run is: only then is the comparison fair.
shares = np.linspace(0, 1, 21)
share = shares[
    np.argmin([abs(off_style(blend(s), night) - off_style(weak, night)) for s in shares])
]
strengths = {
    "style_weight=0.15": weak,
    f"plain, blended {share:.0%}": blend(share),
    "plain (style_weight=1)": plain,
    "style_weight=6": strong,
}
show_rows(
    [*strengths.values()][:2],
    [*strengths.values()][2:],
    titles=[*strengths],
    height=2.6,
    alt="Four cups: with a few soft strokes; the plain one shining through the photograph; in strokes; and "
    "in slightly bolder strokes, with spots of yellow on the saucer and the table.",
)

# %% tags=["nbval-ignore-output"]
print("                         off style   off content   times as rough as the photograph")
# If a small weight did what no blend can, the first two rows would differ in the last two columns.
for name, image in strengths.items():
    roughness = [float(nst.total_variation_loss(np.float32(i))) for i in (image, coffee)]
    rough = roughness[0] / roughness[1]
    print(f"{name:24} {off_style(image, night):9.2f} {off_content(image):13.2f} {rough:16.1f}")

# %% [markdown]
# The weak run and the blend are equally far off the style, because we chose the share so. Both are equally
# smooth. The blend is about twice as far off the content, but both numbers are small, and look at the pictures:
# would you know which is which? **The cheap way is nearly as good.** It costs no run, and you can change the
# share while you look. What it can't give is more than the plain run: for that you need the weight. (And don't
# expect much of it here: with six times the weight the picture comes only a little nearer to the style, and goes
# twice as far off the content.)
#
# ## Two styles mixed
#
# Without masks, several styles share the whole picture. The style loss is then a weighted mean of theirs, and
# `style_shares` are the weights. With shares of 0 and 1 one style alone is left; the question is what lies
# between. And again there is a cheap rival: the mean of the two finished pictures.

# %%
mixed = {0: plain}
for share in (0.25, 0.5, 0.75):
    mixed[share] = paint([brushwork, mosaic], style_shares=[1 - share, share])
mixed[1] = scales[1]
average = (mixed[0] + mixed[1]) / 2
show_rows(
    [mixed[share] for share in (0, 0.25, 0.5)],
    [mixed[0.75], mixed[1], average],
    titles=[*(f"share of the mosaic {share}" for share in mixed), "mean of both ends"],
    height=2.3,
    alt="The cup in blue and yellow strokes; with more and more small stones of many colours; in stones "
    "alone. Last, both ends shining through each other, paler.",
)

# %% tags=["nbval-ignore-output"]
print("off style:         brushwork  mosaic   times as rough as the photograph")
blends = {}
for name, image in {**mixed, "mean of both ends": average}.items():
    # If an average kept strokes and stones as they are, it would be as rough as its two ends on average.
    rough = float(nst.total_variation_loss(image) / nst.total_variation_loss(coffee))
    blends[name] = [*(off_style(image, look) for look in (night, seen[1])), rough]
    print(f"{name!s:18} {blends[name][0]:9.2f} {blends[name][1]:7.2f} {rough:10.1f}")

# %% jupyter={"source_hidden": true}
# What the text says of regions, sizes and mixtures.
assert regions["the face"][0] < regions["the face"][1]
assert regions["the rest"][1] < regions["the rest"][0]
for place, row in enumerate(sizes.values()):
    assert row[place] == min(row)
to_brushwork, to_mosaic, rough = zip(*(blends[share] for share in mixed), strict=True)
assert list(to_brushwork) == sorted(to_brushwork)
assert list(to_mosaic) == sorted(to_mosaic, reverse=True)
assert blends["mean of both ends"][2] < 0.8 * rough[2]
assert blends["mean of both ends"][2] < 0.75 * (rough[0] + rough[-1]) / 2

# %% [markdown]
# The share does what it says: from line to line the picture comes nearer to the one style and goes farther
# off the other. Compare the mean of the two finished pictures with the run of equal shares. It is as near to the
# mosaic, and only a little farther off the brushwork; by these two columns you might take it. The last column
# says what they don't: its strokes and stones have faded, because edges that stand in different places lose
# contrast when they are averaged. A mixed run paints them anew. So here the cheap way is *not* as good.
#
# A slider over these five, if you like. (The lesson is whole without it. It needs a running kernel.)

# %% tags=["nbval-ignore-output"]
import base64

import ipywidgets


def as_html(share):
    jpeg = cv2.imencode(".jpg", nst.rgb_to_bgr(nst.to_uint8(mixed[share])))[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return f'<img alt="the cup, share of the mosaic {share}" width="384" src="{source}">'


knob = ipywidgets.SelectionSlider(options=[*mixed], description="mosaic")
shown = ipywidgets.HTML(as_html(knob.value))
knob.observe(lambda change: setattr(shown, "value", as_html(change["new"])), "value")
ipywidgets.VBox([knob, shown])

# %% [markdown]
# All of this on the command line:
#
#     nst transfer cat.jpg mosaic -o cat_in_glass.png --style-scale 2 --preserve-colors luminance
#
# One more option is worth a try: `frame=False`, there `--no-frame`. It leaves out the frame of lesson 06. That is
# quicker, and closer to the style. But what a painting has at its borders, a title or a painted rim, comes to the
# borders of your picture.
#
# ## Exercises
#
# Each has three hints, from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Cut out on black (20 minutes)
#
# A colleague wants the statistics of a region. "I set everything outside to zero," she says, "then it can't
# count." For one layer's features (H, W, C) and a mask (H, W) she writes:
#
# ```python
# def guided_covariance(features, mask):
#     F = features.reshape(-1, features.shape[-1])
#     F = mask.reshape(-1, 1) * F
#     centred = F - F.mean(axis=0)
#     return centred.T @ centred / len(F)
# ```
#
# Predict by hand what it gives for the features 2, 4, 10, 20 and the mask 1, 1, 0, 0, for which the right
# answer is 1. Which style would the network see if the region were a tenth of the picture? Then write it right,
# also for soft masks.
#
# <details><summary>Hint 1</summary>Does a zero count in a mean?</details>
# <details><summary>Hint 2</summary>A mask says how much a position <i>counts</i>, not how large its
# feature is. So it belongs to the weights of the sums.</details>
# <details><summary>Hint 3</summary>Weights mask / mask.sum(); a weighted mean; then a weighted mean of
# products of what is left, with the weight once, not twice.</details>


# %% tags=["learner"]
def guided_covariance(features, mask): ...


nst.check("guided_covariance", guided_covariance)


# %% tags=["solution"]
def guided_covariance(features, mask):
    F = features.reshape(-1, features.shape[-1])
    share = mask.reshape(-1, 1) / mask.sum()
    centred = F - (share * F).sum(axis=0)
    return (share * centred).T @ centred


nst.check("guided_covariance", guided_covariance)

# %% [markdown] tags=["solution"]
# Hers: the features become 2, 4, 0, 0 with mean 1.5, and the squares 0.25, 6.25, 2.25, 2.25 have the mean
# 2.75. All zeros count. For a region of a tenth, nine tenths of what the network sees are zeros: a style
# of emptiness with rare spots. (A picture cut out on black isn't even zero in the features; black has
# features of its own, as you saw in lesson 02.)

# %% [markdown]
# ### Exercise 2 · Another root (20 minutes)
#
# A covariance has many roots. [Cholesky](glossary.md#Cholesky)'s is a lower triangular $L$ with
# $\Sigma = L L^\top$, and `np.linalg.cholesky` computes it. Write `match_colors` with it: a pixel $x$ becomes
# $\hat L L^{-1} (x - \mu) + \hat\mu$, with $L$ of the image and $\hat L$ of the reference. Don't clip.
#
# When you have it, use it on the brushwork and the coffee, and compare with `nst.match_colors`: the same
# mean, the same covariance, other colours. Why? And what happens if you reverse the channels, match, and
# reverse them back?
#
# <details><summary>Hint 1</summary>Only the two roots in <code>match_colors</code> above change.</details>
# <details><summary>Hint 2</summary><code>np.linalg.inv</code> of a triangular matrix is triangular.</details>
# <details><summary>Hint 3</summary>For the question: of which old channels is the new red made? The new
# blue?</details>


# %% tags=["learner"]
def cholesky_colors(image, reference): ...


nst.check("cholesky_colors", cholesky_colors)


# %% tags=["solution"]
def cholesky_colors(image, reference):
    pixels, wanted = image.reshape(-1, 3), reference.reshape(-1, 3)
    old, new = (np.linalg.cholesky(np.cov(p, rowvar=False, bias=True)) for p in (pixels, wanted))
    change = new @ np.linalg.inv(old)
    matched = (pixels - pixels.mean(axis=0)) @ change.T + wanted.mean(axis=0)
    return matched.reshape(image.shape)


nst.check("cholesky_colors", cholesky_colors)

# %% [markdown] tags=["solution"]
# Mean and covariance don't determine the map: any turn that leaves the covariance alone may be put in
# between. In Cholesky's, red is made of red alone, green of red and green, blue of all three. So red is
# treated differently from blue, and in reversed order it would be the other way round: the result depends on
# the order of the channels, which says nothing about colours. The symmetric root treats all channels alike. (Neither of the two is the map that
# moves the pixels least; Pitié and Kokaram, below, give that one.)

# %% [markdown]
# ### Exercise 3 · Where does a mixture aim? (25 minutes)
#
# A style has strong features, another one weak ones. You mix them with equal shares. Does the run aim halfway
# between the two? Predict it. Then work it out, for the covariances of one layer: with $A$ for the one style's
# and $B$ for the other's, the loss of a picture with the covariance $C$ is
#
# $$ s\, \frac{\sum_{ij} (C_{ij} - A_{ij})^2}{\sum_{ij} A_{ij}^2} +
#    (1 - s)\, \frac{\sum_{ij} (C_{ij} - B_{ij})^2}{\sum_{ij} B_{ij}^2} , $$
#
# where $s$ is the share of the one style. Return the $C$ at which it is least, for `one` ($A$), `other` ($B$)
# and `share` ($s$). When you have it, let $B$ be ten times $A$, with equal shares: how far along the way from
# $A$ to $B$ does it aim?
#
# <details><summary>Hint 1</summary>Lesson 06 has the same question without the denominators: "Where does the
# balance lie?"</details>
# <details><summary>Hint 2</summary>The denominators don't depend on C. So each loss is a squared distance, times
# a weight of its own.</details>
# <details><summary>Hint 3</summary>The weights are s / ΣA² and (1 − s) / ΣB², and C is the weighted mean of A and
# B. Don't forget to divide by the sum of the weights.</details>


# %% tags=["learner"]
def aim_of_mixture(one, other, share): ...


nst.check("aim_of_mixture", aim_of_mixture)


# %% tags=["solution"]
def aim_of_mixture(one, other, share):
    weight_one = share / np.sum(one**2)
    weight_other = (1 - share) / np.sum(other**2)
    return (weight_one * one + weight_other * other) / (weight_one + weight_other)


nst.check("aim_of_mixture", aim_of_mixture)

A = np.array([[2.0, 1.0], [1.0, 3.0]])
aim = aim_of_mixture(A, 10 * A, 0.5)
print(f"on the way from A to 10 A: {(aim[0, 0] - A[0, 0]) / (9 * A[0, 0]):.3f}")

# %% [markdown] tags=["solution"]
# Not halfway: the weight of the strong style is a hundredth of the weak one's, and the aim is 1/101 of the way.
# Each loss is *relative*, so to miss by a given amount is a small fault for the strong style and a large one
# for the weak style. Equal shares don't give you the middle, then. If a mixture leans to one side, try other
# shares before you blame the styles.

# %% [markdown]
# ### Exercise 4 · A picture that you would hang (open, 20 minutes)
#
# Make one, of a photograph of yours or of `nst.sample_names()`, with at least two of the controls of this
# lesson, at 384 pixels or more. Hand in the picture, the call that made it, and one sentence for each control:
# what it was for, and which run you compared it with to know that it did that. (If there are people in it,
# ask them first.)
#
# <details><summary>Hint 1</summary>What must stay recognisable, and what may become paint? That chooses your
# controls.</details>
# <details><summary>Hint 2</summary>Try one control at a time, at 192 pixels. Go to 384 when you know what you
# want.</details>
# <details><summary>Hint 3</summary>For each control, make the run without it as well. Put the two side by side, and
# give the number from this lesson's tables that should differ.</details>

# %% tags=["learner"]
my_picture = ...
print("still open" if my_picture is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# One possible answer is the picture at the top. *Masks*, so that the face is of stone and the ground of paper;
# checked by the table of regions, where the photograph's own numbers are the control. *`style_scale=1.5`*, so
# that the stones are large enough to follow the shape of an eye; the run to compare with is the same at 1, and
# the table of sizes says whether the scale did it. A good answer also names one thing that was tried and
# dropped, and how you saw that it was no good. If the masks were misplaced, none of these numbers would have
# told you: so show the mask laid over the photograph, too.

# %% [markdown]
# ## In this lesson you have
#
# - kept a photograph's colours by brightness alone and by matching the covariance, at no cost in strokes, and
#   seen that moving the mean is not enough;
# - computed means and variances weighted with a mask by hand, and measured that each region of a picture is
#   nearer to its own style than to the other;
# - found that a hard mask reaches beyond its edge, after subtracting what a run without style does anyway;
# - seen that neither loss notices a misplaced mask;
# - chosen the size of strokes, the size to begin with, strength and mixture, each beside a run in which nothing else differs;
# - and tried three cheap ways that cost no run: recolouring by brightness and blending with the photograph were
#   nearly as good, averaging two finished pictures was not.
#
# Every picture so far was the end of a search. Next: [09 · Fast style networks](09_fast_style_networks.ipynb),
# which have learned one style, and paint any photograph in a single pass.
#
# ## Further reading
#
# - L. Gatys, M. Bethge, A. Hertzmann and E. Shechtman, "Preserving color in neural artistic style
#   transfer", 2016.
# - L. Gatys, A. Ecker, M. Bethge, A. Hertzmann and E. Shechtman, "Controlling perceptual factors in
#   neural style transfer", CVPR 2017: colour, regions and the size of strokes.
# - A. Hertzmann, C. Jacobs, N. Oliver, B. Curless and D. Salesin, "Image analogies", SIGGRAPH 2001:
#   brightness alone, matched in mean and spread.
# - E. Reinhard, M. Ashikhmin, B. Gooch and P. Shirley, "Color transfer between images", IEEE Computer
#   Graphics and Applications, 2001: mean and standard deviation of each channel, in a better colour space.
# - F. Pitié and A. Kokaram, "The linear Monge–Kantorovitch linear colour mapping for example-based colour
#   transfer", CVMP 2007: of all maps to the same mean and covariance, the one that moves pixels least.
