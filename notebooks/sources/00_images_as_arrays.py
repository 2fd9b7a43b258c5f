# %% [markdown]
# # 00 · Images as arrays
#
# After this lesson you can hand any picture to any library in this course, and tell at a glance
# what went wrong when it comes out blue, black, or nine times.

# %%
import tempfile
from pathlib import Path

import cv2
import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np

import nstlib as nst
from nstlib.course.figures.layouts import memory_layouts, nine_copies
from nstlib.course.figures.rows import show_rows

astronaut = nst.load_image("astronaut", size=384)

# %% jupyter={"source_hidden": true}
blue = astronaut[..., ::-1]
nine = astronaut.transpose(2, 0, 1).reshape(astronaut.shape)

show_rows(
    [astronaut, blue, nine],
    titles=["right", "wrong", "wrong"],
    height=4,
    alt="A portrait of an astronaut: once right, once with blue skin and a blue suit, and once as "
    "nine small grey copies in three rows of three.",
)

# %% [markdown]
# *One array, read in three ways. Before you go on: what do you think happened to the second and the
# third? You will find out below.*
#
# | | |
# | --- | --- |
# | Prerequisites | Python; NumPy's shapes, slices and `mean` |
# | Time to read | 25 min; exercises 80 min |
# | Time to run on 2 cores | 15 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Read** an image's shape, type and range, and say what each number means.
# - **Convert** between 8-bit and floating-point pixels without losing anything.
# - **Tell** RGB from BGR, and NHWC from NCHW, and turn one into the other.
# - **Explain** the nine grey copies.
# - **Ask** of any result: what would we see if it were not so?

# %% [markdown]
# ## Is everything in place?
#
# `nst doctor` on the command line, or the cell below, looks at your Python, the libraries, the
# processor and the disk. Each fault comes with what to do about it; a note is worth knowing, but nothing
# fails because of it.

# %% tags=["nbval-ignore-output"]
from nstlib.doctor import diagnose

findings = diagnose()
for finding in findings:
    if not finding.ok:
        print("note " if finding.ok is None else "FAULT", finding.check, "·", finding.advice)

print(len(findings), "checks, faults found:", sum(finding.ok is False for finding in findings))

# %% [markdown]
# This course follows two tutorials, both in Korean. Lessons 00 and 02 to 07 follow HyunMin Kim's blog post
# on neural style transfer (3 November 2020). Lessons 09 to 12 follow the notes on style transfer in
# chapter 9 of *opencv-study* by lemon-lime-honey (undated). Each of these lessons says what it took from them:
# most of it is right, and a slip teaches something too.
#
# ## An image small enough to read
#
# A picture is a table of pixels, and a pixel is three numbers: how much red, green and blue. NumPy
# keeps them in one array with three [axes](glossary.md#axis): row, column,
# **[channel](glossary.md#channel)**. Here is one with two rows and three columns, written out by hand.

# %%
tiny = np.array(
    [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],  # red, green, blue
        [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]],  # black, grey, white
    ],
    dtype=np.float32,
)
print("shape (height, width, channels):", tiny.shape)
print("the pixel in row 0, column 2:   ", tiny[0, 2])
print("the red channel alone:")
print(tiny[..., 0])

# %%
show_rows(
    [tiny, tiny[..., 0], tiny[..., 1], tiny[..., 2]],
    titles=["the image", "red channel", "green channel", "blue channel"],
    height=1.6,
    alt="A grid of six coloured pixels, and its three channels as grids in black, grey and white.",
)

# %% [markdown]
# *Six pixels, and what each channel holds: white for 1, black for 0. Grey and white have equal parts
# of all three.*
#
# Note the order: **row before column**, so height before width. People speak of a 640 × 480 picture
# and mean width × height; its array has the shape `(480, 640, 3)`. [OpenCV](glossary.md#OpenCV)'s functions
# take sizes as (width, height) too, so you will swap the two more than once.
#
# ## Eight bits, and why sums go wrong
#
# Files and screens keep each channel of a pixel in eight bits, as a whole number from 0 to 255
# ([`uint8`](glossary.md#uint8)). That saves space, but calculating with it is dangerous.
#
# **Question.** A `uint8` pixel of 200 is made brighter by 100. What does NumPy give? Put the letter of
# your answer in place of the dots below, in quotes, and run the cell. Do so *before* you open the
# result: a guess that turns out wrong is what you will remember.
#
# - **a** 44
# - **b** 255
# - **c** 300
# - **d** an error message

# %% tags=["learner"]
nst.check("overflow", ...)

# %% tags=["solution"]
nst.check("overflow", "a")

# %% jupyter={"outputs_hidden": true}
bright = np.array([200], dtype=np.uint8)
print("In eight bits, 200 + 100 gives:")
print((bright + np.uint8(100))[0])

# %% [markdown]
# <details><summary>What happened</summary>
#
# Eight bits hold remainders modulo 256: the brightest part of a photo turns almost black.
#
# </details>
#
# So we calculate in [`float32`](glossary.md#float32), between 0 and 1, and go back to `uint8` only to save.
# (Kim's tutorial does the same, and also [clips](glossary.md#clip) to [0, 1] after each step. Both are
# right.) On the way back there is a choice: cut the fraction off, as `astype(np.uint8)` does, or round.


# %%
def from_uint8(pixels):
    return pixels.astype(np.float32) / 255


def cut_off(image):
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def to_uint8(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


print("0.999 cut off:", cut_off(np.float32(0.999)), " rounded:", to_uint8(np.float32(0.999)))

# %% [markdown]
# **Question.** A program loads a photo with `from_uint8`, changes nothing, saves it with `cut_off`, and
# does all this 20 times. How much darker does the photo get, on the scale of 255?
#
# - **a** by 10: half a level each time
# - **b** by 20: a level each time
# - **c** not at all
# - **d** it depends on the photo

# %% tags=["learner"]
nst.check("cut_off", ...)

# %% tags=["solution"]
nst.check("cut_off", "c")

# %% jupyter={"outputs_hidden": true}
# If cutting off cost nothing, "dim and brighten" would show 0.0 for both. If it cost something by
# itself, "nothing" would show a loss too. Rounding is the control in each row.
pixels = to_uint8(nst.load_image("astronaut"))


def nothing(image, save):
    return save(image)


def dim_and_brighten(image, save):
    dim = from_uint8(save(image * np.float32(0.9)))
    return save(dim / np.float32(0.9))


print("mean change after 20 rounds     cut off   rounded")
for between in (nothing, dim_and_brighten):
    changes = []
    for save in (cut_off, to_uint8):
        photo = pixels
        for _ in range(20):
            photo = between(from_uint8(photo), save)
        changes.append(round(photo.mean() - pixels.mean(), 1) + 0.0)  # + 0.0: no "-0.0"
    print(f"{between.__name__.replace('_', ' '):28} {changes[0]:10.1f} {changes[1]:9.1f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# Where nothing is computed in between, every one of the 256 values comes back exactly, and there is no
# fraction to cut off. After a computation the numbers lie *between* two levels. Rounding then errs to
# both sides, and the errors cancel; cutting off always errs downwards, and the photo gets darker.
#
# The tutorial in *opencv-study* saves a network's picture with `clip(0, 255).astype(np.uint8)`. The
# `clip` is right and needed. Without rounding the picture is about half a level too dark. Nobody sees
# that, but it adds up: our photo lost four levels. (Why not 20? After nine rounds every number is a
# multiple of 10, and nine tenths of that is whole: nothing is left to cut off.)
#
# </details>
#
# From now on the library does both conversions, with checks around them: `nst.from_uint8` and
# `nst.to_uint8`.
#
# ## A habit for the whole course
#
# A result is worth something only if it could have come out otherwise. So ask of every claim here, and
# in every paper that you read: **what would we see if it were not so?** Then look for that too. The
# comparison that you make for it is called a **[control](glossary.md#control)**.
#
# Take a simple claim: *a PNG file keeps every number of a picture.* Save, load, count what differs. You
# get 0. Is that enough? The count would also be 0 if you had compared the picture with itself, or
# counted wrongly. So let the *same lines* count a case that ought to differ, such as a JPEG.

# %%
picture = from_uint8(pixels)
with tempfile.TemporaryDirectory() as folder:
    for name in ("astronaut.png", "astronaut.jpg"):
        path = nst.save_image(picture, Path(folder) / name)
        changed = nst.to_uint8(nst.load_image(path)) != pixels
        # If PNG lost something, its row would not be 0. If counting were broken, JPEG's would be 0.
        print(f"{name[-3:].upper()}: {changed.mean():4.0%} of {pixels.size:,} numbers differ")

# %% [markdown]
# Now the 0 says something. You have already used two controls: rounding beside cutting off, and
# "nothing" beside "dim and brighten". Look for the control in every experiment of this course. If you
# find one without, distrust it, and tell us.
#
# ### The same picture in two files
#
# Kim's tutorial reads its picture like this, and for its JPEG that is right:
#
# ```python
# style_image = plt.imread(style_path)
# style_image = style_image / 255.0
# ```
#
# **Question.** You follow it with a picture of your own, saved as PNG. What do you get?
#
# - **a** the same picture as from a JPEG
# - **b** an almost black picture
# - **c** a white picture
# - **d** an error message

# %% tags=["learner"]
nst.check("png_or_jpeg", ...)

# %% tags=["solution"]
nst.check("png_or_jpeg", "b")

# %% jupyter={"outputs_hidden": true}
with tempfile.TemporaryDirectory() as folder:
    # If imread treated both alike, the two maxima would be equal, as load_image's are.
    print("largest number     plt.imread   plt.imread / 255   nst.load_image")
    for name in ("astronaut.jpg", "astronaut.png"):
        path = nst.save_image(picture, Path(folder) / name)
        raw, ours = plt.imread(path), nst.load_image(path)
        print(f"{name:18} {raw.max():10} {raw.max() / 255:18.4f} {ours.max():16.4f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# `plt.imread` gives 0..255 for a JPEG but 0..1 for a PNG, so the second division leaves at most 0.0039:
# black. The dangerous part: a network takes a black picture without complaint, and gives an answer.
# `nst.load_image` returns `float32` [RGB](glossary.md#RGB) in [0, 1], whatever the file was.
#
# </details>
#
# ## Numbers are not light
#
# One thing that pixels do *not* say is how much light they send. The numbers in files follow the eye,
# which tells dark shades apart better than bright ones. In the usual standard, **[sRGB](glossary.md#sRGB)**,
# a number $v$ above 0.04 sends the share $((v + 0.055) / 1.055)^{2.4}$ of the light of white. So the middle
# of the numbers is far from the middle of the light:


# %%
def light(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def number(share):
    return np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055)


print(f"the number 0.5 sends {light(0.5):.2f} of the light of white")
print(f"half the light of white has the number {number(0.5):.2f}")
# If numbers were light, both lines would say 0.50.

# %% [markdown]
# So if you average numbers, you get something darker than the mean of the lights: black and white
# stripes, seen from afar, look like 0.74, but their mean is 0.50. Nearly all programs average numbers
# all the same, and networks are trained on such pictures. This course does so too. Remember it when
# fine patterns get darker as they shrink, and in Exercise 4.
#
# ## The blue astronaut
#
# OpenCV was written when camera drivers delivered blue first, and has kept that order: `cv2.imread`
# returns **[BGR](glossary.md#BGR)**. Everything else here (Matplotlib, imageio, Keras's images) is RGB.
# Nothing in the array says which it is. That was the second picture at the top.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = nst.save_image(picture, Path(folder) / "astronaut.png")
    by_opencv, by_imageio = cv2.imread(str(path)), iio.imread(path)

print("a pixel of her orange suit, imageio (RGB):", by_imageio[400, 130])
print("the same pixel, OpenCV (BGR):             ", by_opencv[400, 130])
# If anything but the order differed, the second count would not be 0.
print("numbers that differ, as they are:       ", f"{np.sum(by_opencv != by_imageio):,}")
print("numbers that differ, channels reversed: ", np.sum(by_opencv[..., ::-1] != by_imageio))

# %% [markdown]
# **Question.** You want to find out whether some program mixes up RGB and BGR, and feed it a test
# picture. Which one would tell you *nothing*?
#
# - **a** a portrait
# - **b** a red apple on a table
# - **c** a black and white photograph
# - **d** the blue sky

# %% tags=["learner"]
nst.check("blind_picture", ...)

# %% tags=["solution"]
nst.check("blind_picture", "c")

# %% jupyter={"outputs_hidden": true}
grey = astronaut.mean(axis=2, keepdims=True).repeat(3, axis=2)
# A test picture that can't fail shows 0 %. One that can is the control.
print("Pixels that change when red and blue change places:")
for what, image in {"portrait": astronaut, "the same in grey": grey}.items():
    print(f"{what:17} {np.any(image != image[..., ::-1], axis=2).mean():4.0%}")

# %% [markdown]
# ## Smaller, without ghosts
#
# Networks are slow on large pictures, so pictures are shrunk first. Taking every eighth pixel is quick
# and wrong: detail finer than the new grid doesn't vanish, it turns into false patterns
# (**[aliasing](glossary.md#aliasing)**). Our test picture has one centre, and rings that get finer outwards.
# From 512 to 64 pixels, most of them are too fine to be shown. A perfect method would leave the middle alone
# and fade the rest to grey.

# %%
y, x = np.mgrid[-1:1:512j, -1:1:512j]
rings = np.repeat(0.5 + 0.5 * np.cos(160 * (x**2 + y**2))[..., np.newaxis], 3, 2).astype(np.float32)
show_rows(
    [rings],
    height=3,
    alt="Concentric rings in black and white, wide in the middle and ever finer outwards.",
)

# %% [markdown]
# **Question.** We shrink it in four ways. How many centres do you expect in each result? Write four
# numbers down, then open the pictures.

# %% jupyter={"outputs_hidden": true}
small = {
    "every eighth pixel": rings[4::8, 4::8],
    "cv2.resize": cv2.resize(rings, (64, 64)),
    "mean of 8 × 8": rings.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3)),
    "blur, then pick": cv2.GaussianBlur(rings, (0, 0), sigmaX=4)[4::8, 4::8],
}
print("From 512 to 64 pixels, in four ways:")
show_rows(
    list(small.values())[:2],
    list(small.values())[2:],
    titles=[*small],
    height=3,
    alt="Every eighth pixel, and cv2.resize: nine systems of rings. Mean of 8 by 8: one system, and "
    "faint ghosts of others around it. Blurred first: one smaller system on plain grey.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# Picking pixels invents eight more centres. So does `cv2.resize` as it stands, because it looks at four
# pixels only. The mean of each block fades them, but look closely: ghosts remain. A blur before picking
# leaves hardly any, and takes some of the true rings with them.
#
# </details>
#
# How strong are the ghosts? The spread ([standard deviation](glossary.md#standard-deviation)) of the numbers
# around a false centre tells. But a method that wipes out everything would win that contest, so we
# measure the true centre as well:

# %% jupyter={"outputs_hidden": true}
print("spread of the numbers    true centre   false centre")
for name, image in small.items():
    # A method without aliasing shows 0.00 on the right. One that merely blurs shows 0.00 on both.
    print(f"{name:22} {image[26:38, 26:38].std():13.2f} {image[26:38, 46:58].std():14.2f}")

# %% [markdown]
# `nst.resize` takes the mean of each block (OpenCV's [`INTER_AREA`](glossary.md#INTER_AREA)): its ghosts are
# faint, and it is sharp enough for photographs. Kim's tutorial calls `cv2.resize` as it stands. It also
# squashes its painting to a square of 224 × 224. If a texture is stretched a little, you may not notice. With
# a cat you would: from 451 × 300 pixels her width shrinks to a half, her height to three quarters.
# `nst.resize(image, 224)` keeps the proportions.
#
# ## Blobs: the layout of `cv2.dnn`
#
# Networks take images in [batches](glossary.md#batch). [Keras](glossary.md#Keras) keeps a batch as (batch,
# height, width, channels), **[NHWC](glossary.md#NHWC)**. `cv2.dnn`, PyTorch and most ONNX files keep it as
# (batch, channels, height, width), **[NCHW](glossary.md#NCHW)**, which OpenCV calls a
# *[blob](glossary.md#blob)*. Memory is one long row of numbers, and the two differ in their order:

# %%
memory_layouts()

# %% [markdown]
# *The 18 numbers of our six pixels. Pixel after pixel, or plane after plane: one whole red picture, one
# whole green, one whole blue.*
#
# [`transpose`](glossary.md#transpose) puts numbers into another order. [`reshape`](glossary.md#reshape) never
# moves a number: it cuts the same row into other pieces.

# %%
numbered = np.arange(18).reshape(2, 3, 3)  # R0 is 0, G0 is 1, B0 is 2, R1 is 3 ...
print("as it lies in memory:", *numbered.ravel())
print("after transpose:     ", *numbered.transpose(2, 0, 1).ravel())
print("after reshape:       ", *numbered.reshape(3, 2, 3).ravel())


# %%
def to_blob(image):
    return image.transpose(2, 0, 1)[np.newaxis]


from_opencv = cv2.dnn.blobFromImage(by_opencv, scalefactor=1 / 255, swapRB=True)
forgot_swap = cv2.dnn.blobFromImage(by_opencv, scalefactor=1 / 255)
print("image", picture.shape, "→ blob", to_blob(picture).shape)
# If our layout were wrong, the first line would be as large as the second, where one step is missing.
print(f"largest difference from OpenCV's blob: {np.abs(to_blob(picture) - from_opencv).max():.4f}")
print(f"the same without swapRB:               {np.abs(to_blob(picture) - forgot_swap).max():.4f}")

# %% [markdown]
# `cv2.dnn.blobFromImage` does several things at once: it scales, swaps red and blue (its pictures are
# BGR, and most networks want RGB), resizes if you give a size, and rearranges. *opencv-study* calls it
# with `swapRB=True` and without a scale: right, because its network takes 0..255.
#
# ## Nine grey copies
#
# A network gives a blob back, and we want an image. The third picture at the top is what comes out if
# you `reshape` where you should `transpose`.
#
# **Question.** Why are the copies grey?
#
# - **a** the three channels were averaged
# - **b** a pixel's three numbers are now neighbours in one plane, and almost equal
# - **c** only the red plane is shown, nine times
# - **d** `reshape` loses the colours

# %% tags=["learner"]
nst.check("why_grey", ...)

# %% tags=["solution"]
nst.check("why_grey", "b")

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("Where each row of the blob goes:")
nine_copies()

# %% [markdown]
# <details><summary>Where the nine come from</summary>
#
# Each row of the image takes 3 × *width* numbers: three rows of the red plane. So three copies stand
# side by side, each with every third row and every third column. A third of the way down the red plane
# is used up, and green begins. Three times three are nine.
#
# </details>
#
# That explanation predicts more than "grey": the copies in the top row must be *red* planes, those in
# the middle green, those at the bottom blue. Is it so? Compare each row of copies with each plane.

# %% jupyter={"outputs_hidden": true}
third = len(nine) // 3
planes = astronaut[::3, ::3]
# If the copies were mixtures of all channels, no column would hold a 0.000.
print("mean difference from    red     green   blue")
for i, row in enumerate(("top copies", "middle copies", "bottom copies")):
    copy = nine[i * third : (i + 1) * third, :third, 0]
    print(f"{row:22}", *(f"{np.abs(copy - planes[..., c]).mean():7.3f}" for c in range(3)))

# %% [markdown]
# **Question.** And the other way round: you `reshape` an image into a blob, where you should
# `transpose`. For which of these pictures would you *not* notice?
#
# - **a** one that is the same all over, in one colour
# - **b** one that is the same all over, in grey
# - **c** one that is symmetric
# - **d** any: the shape is right

# %% tags=["learner"]
nst.check("unnoticed_reshape", ...)

# %% tags=["solution"]
nst.check("unnoticed_reshape", "b")

# %% jupyter={"outputs_hidden": true}
half = nst.resize(astronaut, 240)
planes = half.transpose(2, 0, 1)
cut = half.reshape(planes.shape)
print("Top: transpose. Bottom: reshape.")
show_rows(
    [*planes],
    [*cut],
    titles=["plane 0: red", "plane 1: green", "plane 2: blue", "plane 0", "plane 1", "plane 2"],
    height=2.8,
    alt="Top: three grey portraits, in which the orange suit is light, grey and dark. Bottom: head, "
    "chest and helmet, each stretched and woven into itself like cloth.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# Top, `transpose`: the numbers sorted by channel. Bottom, `reshape`: the old order, cut at new places.
# The first "plane" holds the top third of the portrait. Each of its rows was cut into three, left,
# middle and right, which now lie below each other; and red, green and blue alternate along them. Hence
# the cloth. So if a picture looks woven, or shows nine copies, look for a `reshape` that should have
# been a `transpose`.
#
# </details>
#
# ## Exercises
#
# Write the body of each function, then run its cell. `nst.check` tells you what is still wrong. The
# hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Three bugs in three lines (15 minutes)
#
# A colleague's function is meant to turn what `cv2.imread` returns, `uint8` BGR of shape (H, W, 3), into
# a blob: `float32` RGB in [0, 1] of shape (1, 3, H, W). Shape and type are right, and nothing else.
#
# ```python
# def to_network(bgr):
#     rgb = bgr[::-1]
#     scaled = np.float32(rgb // 255)
#     return scaled.reshape(1, 3, *rgb.shape[:2])
# ```
#
# Find the three mistakes and write it right. Then think of a picture of a grey vase: what would you see
# of each mistake, and what would you not see?
#
# <details><summary>Hint 1</summary>Look at what each line gives for the image of six pixels.</details>
# <details><summary>Hint 2</summary>Which axis does <code>[::-1]</code> reverse? What is 254 // 255?</details>
# <details><summary>Hint 3</summary>Reverse the last axis; use / after making floats; transpose(2, 0, 1),
# then add an axis in front.</details>


# %% tags=["learner"]
def to_network(bgr): ...


nst.check("to_network", to_network)


# %% tags=["solution"]
def to_network(bgr):
    rgb = bgr[..., ::-1]  # the last axis: [::-1] turned the picture upside down
    scaled = np.float32(rgb) / 255  # // gave 0, and 1 for white alone
    return scaled.transpose(2, 0, 1)[np.newaxis]  # reshape left the order as it was


nst.check("to_network", to_network)

# %% [markdown] tags=["solution"]
# The first line turns the vase upside down, which you see, and leaves red and blue where they were, which
# you don't: in grey they are equal. The `//` leaves black, with white where a pixel was 255. The `reshape`
# weaves the picture into itself.

# %% [markdown]
# ### Exercise 2 · A picture that can fail (15 minutes)
#
# A good test picture looks different after *each* mistake, so that you see not only that something is
# wrong, but what. Return a square `uint8` picture (side, side, 3) for which these five give five
# different blobs, none of them the right one: red and blue exchanged, upside down, mirrored, rows and
# columns exchanged, and `reshape` for `transpose`. It must work for a `side` from 2, the smallest that
# can, to 9.
#
# <details><summary>Hint 1</summary>Which pictures fail? One in which two numbers that trade places are
# equal.</details>
# <details><summary>Hint 2</summary>So no two numbers may be equal. How many are there?</details>
# <details><summary>Hint 3</summary>Count from 0 upwards, as <code>numbered</code> does above, and mind
# the type.</details>


# %% tags=["learner"]
def telling_picture(side): ...


nst.check("telling_picture", telling_picture)


# %% tags=["solution"]
def telling_picture(side):
    return np.arange(side * side * 3, dtype=np.uint8).reshape(side, side, 3)


nst.check("telling_picture", telling_picture)

# %% [markdown]
# ### Exercise 3 · Where does this number come from? (20 minutes)
#
# Predict the nine copies by arithmetic. A blob's planes (3, height, width) were wrongly reshaped to
# (height, width, 3). Return where the number at (`row`, `column`, `channel`) of that wrong image comes
# from, as (plane, row, column) in the blob. Try it by hand first, for a blob of 6 × 6 and the number at
# (2, 0, 0): the figure above tells you the answer.
#
# <details><summary>Hint 1</summary>What is the number's place in the long row in memory?</details>
# <details><summary>Hint 2</summary>Each row before it holds 3 · width numbers, each pixel 3.</details>
# <details><summary>Hint 3</summary>place = (row · width + column) · 3 + channel; a plane holds height ·
# width numbers; divmod gives quotient and remainder.</details>


# %% tags=["learner"]
def comes_from(row, column, channel, height, width): ...


nst.check("comes_from", comes_from)


# %% tags=["solution"]
def comes_from(row, column, channel, height, width):
    place = (row * width + column) * 3 + channel
    plane, rest = divmod(place, height * width)
    return plane, *divmod(rest, width)


nst.check("comes_from", comes_from)

# %% [markdown]
# ### Exercise 4 · Lay it over white (20 minutes)
#
# Some files have a fourth channel, **[alpha](glossary.md#alpha)**: how opaque a pixel is. To show such a
# picture on a white page, mix: where alpha is 1 the pixel's colour, where it is 0 white, in between a share
# of each. Take floating-point RGBA (H, W, 4) in [0, 1] and return RGB (H, W, 3). You will need the same
# formula at the end of the course, with a painting in place of the white page.
#
# And a question to think about: the formula mixes numbers, not light. Lay a black line with alpha ½ over
# white. Is the result too dark or too bright, compared with a real film that lets half of the light through?
#
# <details><summary>Hint 1</summary>Write it for one pixel and one channel first.</details>
# <details><summary>Hint 2</summary>The shares of colour and white add up to 1.</details>
# <details><summary>Hint 3</summary><code>rgba[..., 3:]</code> keeps an axis of length 1, so it multiplies
# all three channels.</details>


# %% tags=["learner"]
def over_white(rgba): ...


nst.check("over_white", over_white)


# %% tags=["solution"]
def over_white(rgba):
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    return alpha * colour + (1 - alpha)


nst.check("over_white", over_white)

# %% [markdown] tags=["solution"]
# Too dark. The formula gives 0.50, which sends 0.21 of the light; a film that lets half of the light
# through would look like 0.74.

# %% [markdown]
# ### Exercise 5 · They look the same (open, 10 minutes)
#
# A colleague has written a new loader. To prove it right, she shows its picture beside
# `nst.load_image`'s, and they look the same. Name two faults that her proof would not find, and for
# each a measurement that would, with its control. There is more than one good answer.
#
# <details><summary>Hint 1</summary>Which mistakes of this lesson could you see only in numbers, not in the
# picture?</details>
# <details><summary>Hint 2</summary>She looked at one picture on one screen. Which pictures hide a fault: a
# grey one, a symmetric one, one without white?</details>
# <details><summary>Hint 3</summary>Write two lines for each fault: a number that would differ from that of
# <code>nst.load_image</code>, and the same number in a case in which you know what it must be.</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# For instance: *cutting off instead of rounding.* No eye sees one level. Count the numbers that differ
# from `nst.load_image`'s in `uint8`; control: the same count with an image to which 1 was added in a
# single place must give 1. *A range of 0..255.* Matplotlib clips or scales what it shows. Print the
# maximum; control: a picture that you know to hold a white pixel must give 1. *BGR for a grey picture, or
# height and width exchanged for a square one that is symmetric about its diagonal.* Take the picture of
# Exercise 2; control: break the loader on purpose, and see the comparison fail.

# %% [markdown]
# ## In this lesson you have
#
# - read shapes: a 2 × 3 picture is an array of shape `(2, 3, 3)`, row before column;
# - seen 200 + 100 become 44, and a photo get darker where fractions are cut off, but only after a
#   computation;
# - found why one PNG turned black: `plt.imread` had already divided by 255;
# - learned that 0.5 sends 0.21 of the light of white;
# - turned a suit blue, and named a picture that could not have shown it;
# - shrunk rings with and without ghosts, and measured both what should go and what should stay;
# - rearranged an image into OpenCV's own blob, and explained nine grey copies down to the last index;
# - and taken up a habit: **what would we see if it were not so?**
#
# Next: [01 · The mathematics you need](01_mathematics.ipynb), three tools that all later lessons use.
#
# ## Further reading
#
# - HyunMin Kim, "Neural style transfer" (in Korean), blog post, 3 November 2020.
# - lemon-lime-honey, [*opencv-study*](https://github.com/lemon-lime-honey/opencv-study), chapter 9,
#   "Style transfer" (in Korean), notes on GitHub, undated.
# - A. R. Smith, "A pixel is not a little square", Microsoft technical memo 6, 1995.
# - C. Poynton, *Digital Video and HD: Algorithms and Interfaces*, 2nd edition, 2012. Everything about
#   what the numbers mean as light.
# - R. P. Feynman, "Cargo cult science", 1974. On experiments without a control.
# - S. van der Walt et al., "scikit-image: image processing in Python", PeerJ, 2014. The library that the
#   sample photos come from.
