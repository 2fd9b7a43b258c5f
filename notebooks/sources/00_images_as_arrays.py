# %% [markdown]
# # 00 · Images as arrays
#
# After this lesson you can hand any picture to any library in this course, and spot at a glance
# when one of them got it wrong.

# %%
import tempfile
from pathlib import Path

import cv2
import imageio.v3 as iio
import matplotlib.pyplot as plt
import numpy as np

import nstlib as nst

astronaut = nst.load_image("astronaut", size=256)

nst.show_images(
    [astronaut, astronaut[..., ::-1], astronaut.transpose(2, 0, 1).reshape(astronaut.shape)],
    ["right", "channels reversed", "axes confused"],
    caption="One array, read in three ways. By the end of this lesson you can tell what happened.",
    alt="A portrait of an astronaut: once right, once with blue skin and suit, once as nine small grey copies.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | Python; a little NumPy |
# | Time to read | 20 min |
# | Time to run on 2 cores | 15 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Read** an image's shape, type and range, and say what each number means.
# - **Convert** between 8-bit and floating-point pixels without losing or inventing light.
# - **Tell** RGB from BGR, and turn one into the other.
# - **Rearrange** an image into the NCHW blob that `cv2.dnn` takes.
# - **Check** that your machine is ready for the rest of the course.

# %% [markdown]
# ## Is everything in place?
#
# `nst doctor` on the command line, or the cell below, looks at your Python, at the libraries, at
# the processor settings and at the disk. Each fault comes with what to do about it. The report
# differs from machine to machine, so yours need not look like the one stored here.

# %% tags=["nbval-ignore-output"]
from nstlib.doctor import diagnose

findings = diagnose()
for finding in findings:
    mark = {True: "ok", False: "FAULT", None: "note"}[finding.ok]
    print(f"{mark:5} {finding.check:20} {'' if finding.ok else finding.advice}")

print("faults found:", sum(finding.ok is False for finding in findings))

# %% [markdown]
# ## An image small enough to read
#
# A picture is a table of pixels, and a pixel is three numbers: how much red, green and blue light
# it sends. NumPy keeps them in one array with three axes: row, column, **channel**. Here is one with
# two rows and three columns, written out by hand.

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
nst.show_images(
    [tiny, tiny[..., 0], tiny[..., 1], tiny[..., 2]],
    ["the image", "red channel", "green channel", "blue channel"],
    caption="Six pixels, and what each channel holds: white where the number is 1, black where it "
    "is 0. White and grey have equal parts of all three.",
    alt="A grid of six coloured pixels, and its three channels as grids in black, grey and white.",
)

# %% [markdown]
# Note the order: **row before column**, so height before width. Most libraries speak of a
# 640 × 480 picture and mean width × height; its array has the shape `(480, 640, 3)`.
#
# ## Eight bits, and why sums go wrong
#
# Files and screens store a channel in eight bits, as a whole number from 0 to 255 (`uint8`). That
# is compact, and dangerous to calculate with.
#
# **Question.** A pixel of 200 is made brighter by 100. What comes out?

# %%
bright = np.array([200], dtype=np.uint8)
print("uint8: 200 + 100 =", int((bright + np.uint8(100))[0]))

# %% [markdown]
# Not 300, and not 255 either. Eight bits hold remainders modulo 256, and 300 − 256 = 44: the
# brightest part of a photo turns almost black. So this course calculates in `float32` between 0
# and 1, and goes back to `uint8` only to save. Going back takes care as well:

# %%
value = np.float32(0.999)
print("cut off:", np.uint8(value * 255), " rounded:", np.uint8(np.rint(value * 255)))


# %% [markdown]
# Cutting off the fraction makes every picture a little darker each time it is saved. The two
# conversions, written out:


# %%
def from_uint8(pixels):
    return pixels.astype(np.float32) / 255


def to_uint8(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


every_value = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
print(
    "there and back, all 256 values:",
    np.array_equal(to_uint8(from_uint8(every_value)), every_value),
)

# %% [markdown]
# From now on `nstlib.images` does this, with checks around it. The two agree:

# %%
from nstlib.images.arrays import from_uint8 as library_from_uint8
from nstlib.images.arrays import to_uint8 as library_to_uint8

print(
    np.array_equal(from_uint8(every_value), library_from_uint8(every_value))
    and np.array_equal(to_uint8(tiny), library_to_uint8(tiny))
)

# %% [markdown]
# ## A real picture
#
# `nst.load_image` takes a file, or the name of a picture that comes with the course. It returns
# `float32` RGB in [0, 1], whatever the file was.

# %%
astronaut = nst.load_image("astronaut")
print("shape:", astronaut.shape, " type:", astronaut.dtype)
print(f"range: {astronaut.min():.2f} to {astronaut.max():.2f}")
print("names:", ", ".join(nst.sample_names()))

# %% [markdown]
# ### The same picture, two files, two ranges
#
# Many tutorials read a picture with `plt.imread` and divide by 255. Save one picture as PNG and as
# JPEG, and do what they do.
#
# **Question.** Which of the two comes out wrong, and how would you notice?

# %%
with tempfile.TemporaryDirectory() as folder:
    png = nst.save_image(astronaut, Path(folder) / "astronaut.png")
    jpg = nst.save_image(astronaut, Path(folder) / "astronaut.jpg")
    as_tutorials_do = [plt.imread(path) / 255 for path in (jpg, png)]
    as_we_do = [nst.load_image(path) for path in (jpg, png)]

for name, image, ours in zip(["JPEG", "PNG"], as_tutorials_do, as_we_do, strict=True):
    print(
        f"{name:4}  plt.imread / 255: at most {image.max():.4f}   load_image: at most {ours.max():.4f}"
    )

# %%
nst.show_images(
    [*as_tutorials_do, as_we_do[1]],
    ["JPEG, plt.imread / 255", "PNG, plt.imread / 255", "PNG, load_image"],
    caption="plt.imread gives 0..255 for a JPEG but 0..1 for a PNG, so the division turns the PNG "
    "black. A network fed with it still gives an answer, only a useless one.",
    alt="An astronaut's portrait read from a JPEG, the same from a PNG entirely black, and right.",
)

# %% [markdown]
# ## The blue astronaut
#
# OpenCV was written when camera drivers delivered blue first, and kept that order: `cv2.imread`
# returns **BGR**. Everything else here (files, Matplotlib, imageio, Keras's images) is RGB. Nothing
# in the array says which it is.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = nst.save_image(astronaut, Path(folder) / "astronaut.png")
    opencv = cv2.imread(str(path))
    others = iio.imread(path)

print("a pixel of her orange suit, imageio (RGB):", others[400, 130])
print("the same pixel, OpenCV (BGR):             ", opencv[400, 130])
print("one is the other reversed:                ", np.array_equal(opencv, others[..., ::-1]))

# %%
small = nst.resize(astronaut, 300)
nst.show_images(
    [small, nst.rgb_to_bgr(small), nst.bgr_to_rgb(nst.rgb_to_bgr(small))],
    ["RGB shown as RGB", "BGR shown as RGB", "reversed twice"],
    caption="Red and blue change places, green stays: orange turns blue. Skin is the quickest test. "
    "Reversing twice brings the picture back.",
    alt="The astronaut with natural skin, with a blue face and a blue suit, and natural again.",
)

# %% [markdown]
# ## Smaller without stripes
#
# Networks are hungry, so pictures are shrunk first. To take every eighth pixel is quick and wrong:
# detail finer than the new grid does not vanish, it turns into false patterns (*aliasing*).
# Averaging each 8 × 8 block is right; OpenCV calls it `INTER_AREA`.

# %%
rings_y, rings_x = np.mgrid[-1:1:512j, -1:1:512j]
rings = 0.5 + 0.5 * np.cos(160 * (rings_x**2 + rings_y**2))
rings = rings[..., np.newaxis].repeat(3, axis=2).astype(np.float32)

every_eighth = rings[4::8, 4::8]
block_means = rings.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
print(
    "nst.resize is the mean of each block:",
    np.allclose(nst.resize(rings, 64), block_means, atol=1e-5),
)

# %%
nst.show_images(
    [rings, every_eighth, block_means],
    ["512 × 512", "every eighth pixel", "mean of 8 × 8 pixels"],
    caption="Rings that get finer outwards. Picking pixels invents eight more centres; means "
    "fade what is too fine to show towards grey.",
    alt="Concentric rings; picked pixels show nine ring systems, averaged ones one and grey around it.",
)

# %% [markdown]
# ## Blobs: the layout of `cv2.dnn`
#
# Networks take images in batches. Keras keeps a batch as (batch, height, width, channels), **NHWC**.
# `cv2.dnn` and ONNX files mostly keep it as (batch, channels, height, width), **NCHW**, and call it
# a *blob*: one whole red picture, then one whole green, then one whole blue.


# %%
def to_blob(image):
    return image.transpose(2, 0, 1)[np.newaxis]


print("image", tiny.shape, "→ blob", to_blob(tiny).shape)
print("its red plane is the red channel:", np.array_equal(to_blob(tiny)[0, 0], tiny[..., 0]))
print("equal to nst.to_blob:", np.array_equal(to_blob(tiny), nst.to_blob(tiny)))

# %% [markdown]
# OpenCV's own `cv2.dnn.blobFromImage` does several things at once: it scales, swaps red and blue
# (`swapRB=True`, since its pictures are BGR), resizes, and rearranges.

# %%
from_opencv = cv2.dnn.blobFromImage(nst.rgb_to_bgr(others), scalefactor=1 / 255, swapRB=True)
print("shape:", from_opencv.shape, " type:", from_opencv.dtype)
print("equal to ours:", np.allclose(from_opencv, nst.to_blob(astronaut), atol=1e-6))

# %% [markdown]
# **Question.** `reshape` can give the shape (1, 3, H, W) too. Is it the same?

# %%
transposed = small.transpose(2, 0, 1)
reshaped = small.reshape(transposed.shape)
print(
    "same shape:",
    transposed.shape == reshaped.shape,
    " same array:",
    np.array_equal(transposed, reshaped),
)

# %%
nst.show_images(
    [*transposed, *reshaped],
    ["red plane", "green plane", "blue plane", "plane 0", "plane 1", "plane 2"],
    columns=3,
    caption="Top: transpose sorts the numbers by channel. Bottom: reshape only cuts the old order "
    "at new places, so red, green and blue lie side by side in narrow stripes.",
    alt="Three grey portraits, and below them three thirds of the portrait, enlarged and striped.",
)

# %% [markdown]
# `reshape` never moves a number; `transpose` does. If a network's output looks like coarse
# cloth, look for a `reshape` that should have been a `transpose`.
#
# ## Exercises
#
# Write the body of each function, then run its cell. `nst.check` tells you what is still wrong.
#
# ### Exercise 1 · Red and blue change places (5 minutes)
#
# Turn an RGB image (H, W, 3) into BGR, of any type, without changing rows or columns.


# %% tags=["learner"]
def rgb_to_bgr(image): ...


nst.check("rgb_to_bgr", rgb_to_bgr)


# %% tags=["solution"]
def rgb_to_bgr(image):
    return image[..., ::-1]


nst.check("rgb_to_bgr", rgb_to_bgr)

# %% [markdown]
# ### Exercise 2 · From a photo to a blob (10 minutes)
#
# Turn a `uint8` RGB image (H, W, 3) into a `float32` blob (1, 3, H, W), RGB in [0, 1].


# %% tags=["learner"]
def to_blob(image): ...


nst.check("to_blob", to_blob)


# %% tags=["solution"]
def to_blob(image):
    return (image.astype(np.float32) / 255).transpose(2, 0, 1)[np.newaxis]


nst.check("to_blob", to_blob)

# %% [markdown]
# ### Exercise 3 · Lay it over white (20 minutes)
#
# Some files have a fourth channel, **alpha**: how opaque a pixel is. To show such a picture on a
# white page, mix: where alpha is 1 the pixel's colour, where it is 0 white, in between a share of
# each. Take floating-point RGBA (H, W, 4) in [0, 1] and return RGB (H, W, 3). You will need the same
# formula at the end of the course, with a painting in place of the white page.


# %% tags=["learner"]
def over_white(rgba): ...


nst.check("over_white", over_white)


# %% tags=["solution"]
def over_white(rgba):
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    return alpha * colour + (1 - alpha)


nst.check("over_white", over_white)

# %% [markdown]
# ## In this lesson you have
#
# - read shapes: a 2 × 3 picture is an array of shape `(2, 3, 3)`, row before column;
# - seen `uint8` turn 200 + 100 into 44, and carried all 256 values to floating point and back
#   without a loss;
# - found why one PNG turned black: `plt.imread` had already divided by 255;
# - turned an orange suit blue by reversing its channels, and back by reversing them again;
# - rearranged an image into a blob, equal to OpenCV's own, and seen why `reshape` cannot.
#
# Next: [01 · Features](01_features.ipynb), where the array meets a network.
#
# ## Further reading
#
# - A. R. Smith, "A pixel is not a little square", Microsoft technical memo 6, 1995.
# - C. Poynton, *Digital Video and HD: Algorithms and Interfaces*, 2nd edition, 2012. Everything
#   about what the numbers mean as light.
# - S. van der Walt et al., "scikit-image: image processing in Python", PeerJ, 2014. The library
#   that the sample photos come from.
