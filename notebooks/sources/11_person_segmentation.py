# %% [markdown]
# # 11 · Person segmentation
#
# After this lesson you can find the people in a photograph, pixel by pixel, with a network that needs no
# deep-learning framework. You can say in one number how well that went, and you know where it goes wrong.

# %%
import json
import sys
from functools import partial
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import onnx
import skimage.data
from IPython.display import display

import nstlib as nst
from nstlib.assets.cache import asset_path, embedded_model
from nstlib.course.figures.people import matte_window, person_network
from nstlib.course.figures.rows import show_rows
from nstlib.course.portraits import CREDITS, drawn_mask, load_portrait

segmenter = nst.PersonSegmenter()
portraits = {name: load_portrait(name) for name in CREDITS}
mattes = {name: segmenter.matte(image) for name, image in portraits.items()}


def on_plain(image, alpha, colour=(0.13, 0.55, 0.45)):
    """Lay what `alpha` shows of an image on one colour. Lesson 12 takes this line apart."""
    return alpha[..., np.newaxis] * image + (1 - alpha[..., np.newaxis]) * np.float32(colour)


show_rows(
    portraits.values(),
    [on_plain(image, mattes[name]) for name, image in portraits.items()],
    height=3.0,
    alt="Three photographs: an astronaut before a flag and a model rocket, a naval officer before a "
    "flag, a man bent over a camera on a tripod. Below, the same cut out on green: pieces of what "
    "stands around them have stayed, and pieces of them are missing.",
)

# %% [markdown]
# *The astronaut Eileen Collins (NASA, public domain, with scikit-image), the computer scientist Grace Hopper (James S.
# Davis, U.S. Navy, 1984, public domain, with Matplotlib) and a photographer at MIT (Lav Varshney, CC0, with
# scikit-image). Below them is what a small network, run by OpenCV in some milliseconds, takes for a person. It is good,
# and it is wrong in at least five places. Find them before you read on.*
#
# | | |
# | --- | --- |
# | Prerequisites | [00 · Images as arrays](00_images_as_arrays.ipynb), [10 · ONNX](10_onnx.ipynb) |
# | Time to read | 65 min; exercises 2 h 25 min |
# | Time to run on 2 cores | 30 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Prepare** a photograph for a network by hand, and by `cv2.dnn.blobFromImage`.
# - **Turn** two maps of probabilities into a mask, and say what that throws away.
# - **Refine** a coarse mask along the edges of the photograph.
# - **Measure** a mask by its IoU, and compare methods fairly.
# - **Find** the photographs on which a segmenter fails, before your users do.
#
# The lesson follows the first part of a tutorial in Korean, the notes of chapter 9 in
# [lemon-lime-honey's `opencv-study`](https://github.com/lemon-lime-honey/opencv-study) (they give no date
# and no other name). Its way is right from step to step: prepare, run, enlarge, take the larger map. It
# stops there. We go on to ask how good the mask is.

# %% [markdown]
# ## A photograph becomes a blob
#
# The network was trained on RGB pictures of 256 × 256 pixels, with values in [−1, 1]. What
# `cv2.imread` gives you is different: [BGR](glossary.md#BGR), any size, 0 to 255. To get from one to the
# other, divide by 255, subtract 0.5, divide by 0.5:
#
# $$ x \;\mapsto\; \frac{x / 255 - 0.5}{0.5} . $$
#
# Two pixels are enough to see it all: a pure red one and a grey one, as OpenCV stores them.

# %%
two_pixels = np.array([[[0, 0, 255], [128, 128, 128]]], np.uint8)

rgb = two_pixels[..., ::-1]
scaled = (rgb / 255 - 0.5) / 0.5
by_hand = scaled.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
print("shape (batch, channels, rows, columns):", by_hand.shape)
for name, plane in zip(["red", "green", "blue"], by_hand[0], strict=True):
    print(f"{name:6}", *(f"{value:6.3f}" for value in plane.ravel()))

# %% [markdown]
# Black becomes −1, white 1, and grey nearly 0. `cv2.dnn.blobFromImage` does it in one call. It
# subtracts first and then multiplies, so both numbers have to be translated:
# $(x - 127.5) \cdot \tfrac{1}{127.5}$ is the same formula.
#
# The tutorial normalises the floats first and lets `blobFromImage` do the rest: resize, swap the
# channels, move the axes. Does the order matter?

# %%
SIDE = 256
TO_UNIT = {"scalefactor": 1 / 127.5, "mean": (127.5, 127.5, 127.5), "swapRB": True}

collins = portraits["collins"]
bgr = nst.rgb_to_bgr(nst.to_uint8(collins))
by_opencv = cv2.dnn.blobFromImage(bgr, size=(SIDE, SIDE), **TO_UNIT)
floats = (bgr.astype(np.float32) / 255 - 0.5) / 0.5
of_floats = cv2.dnn.blobFromImage(floats, 1.0, (SIDE, SIDE), swapRB=True)
# If the order mattered, the blobs would differ by many grey levels. One grey level is 2/255 here.
levels = np.abs(of_floats - by_opencv).max() / (2 / 255)
print("blob:", by_opencv.shape, by_opencv.dtype)
print(f"the two orders differ by at most {levels:.1f} grey levels")

# %% [markdown]
# It doesn't. One order rounds to whole grey levels after the resize, the other does not, and that is all.
#
# **Question.** This photograph is square. What does `blobFromImage(size=(256, 256))` do with one that is
# twice as tall as it is wide?
#
# - **a** It squeezes the photograph into a square.
# - **b** It pads the sides with black.
# - **c** It cuts out the middle.
# - **d** It raises an error.

# %% tags=["learner"]
nst.check("blob_shape", ...)

# %% tags=["solution"]
nst.check("blob_shape", "a")

# %% jupyter={"outputs_hidden": true}
tall = bgr[:, 100:356]
by_default = cv2.dnn.blobFromImage(tall, size=(SIDE, SIDE), **TO_UNIT)[0]
with_crop = cv2.dnn.blobFromImage(tall, size=(SIDE, SIDE), crop=True, **TO_UNIT)[0]
show_rows(
    [
        nst.bgr_to_rgb(tall) / np.float32(255),
        *(blob.transpose(1, 2, 0) / 2 + 0.5 for blob in (by_default, with_crop)),
    ],
    titles=["512 × 256", "by default", "with crop=True"],
    height=2.8,
    alt="A tall portrait; what the network sees of it by default; what it sees with crop=True.",
)

# %% [markdown]
# <details><summary>What you see, and what follows</summary>
#
# The whole photograph is squeezed. That is right here: the answer is stretched back in the same way, so
# every pixel gets one, and the network has seen people of all proportions in training. With
# `crop=True` the middle is cut out, and what lies outside gets no mask at all.
#
# </details>
#
# ## The network, opened
#
# The model is a file, `person.onnx`. Its shape is called a **[U-Net](glossary.md#U-Net)**. The way down
# halves the picture five times and collects more and more channels: it finds out *what* is there. The way up
# enlarges again, and at each size it gets back what the way down knew there: *where exactly* the edges are.
# At the bottom the means over the whole picture decide how much each channel counts, because only the whole
# picture tells whether there is anybody at all. A side way asks the same of 16 × 16 and 8 × 8 pixels, where
# many channels cost little: it learns what else may stand there, an animal for instance.

# %%
person_network()

# %% [markdown]
# *PersonNet. Left: a [MobileNet](glossary.md#MobileNet). Its blocks, [inverted
# residuals](glossary.md#inverted-residual), make many channels of a few by a 1 × 1
# [convolution](glossary.md#convolution), look at each alone ([depthwise](glossary.md#depthwise-convolution)), make few
# again, and add them to what came in. Dashed: the shortcuts, where [squeeze and
# excitation](glossary.md#squeeze-and-excitation) weights the channels from 0 to 1, by their means.*
#
# The file says how many numbers each part holds:

# %%
path = str(embedded_model("person.onnx"))
weights = {
    w.name: tuple(w.dims)
    for w in onnx.load(path).graph.initializer
    if w.name.endswith((".weight", ".bias"))
}


def count(*starts):
    """Count the parameters of all layers whose names begin so."""
    return sum(int(np.prod(dims)) for name, dims in weights.items() if name.startswith(starts))


print(f"{'the way down, conv1 to more32':36}{count('conv1', 'down', 'block', 'more'):9,}")
print(f"{'the side way, side16 and wide32':36}{count('side', 'wide'):9,}")
print(f"{'the bottom, and the whole picture':36}{count('up16', 'bottom', 'whole'):9,}")
print(f"{'the shortcuts, known8 to known2':36}{count('known'):9,}")
up = count("up8", "up4", "up2", "join", "sharp", "scores")
print(f"{'the way up, up8 to scores':36}{up:9,}")
print(f"{'all':36}{count(''):9,}")

# %% [markdown]
# Nearly all of them lie on the way down and on the side way. A fourteenth, 106,000, began as **MediaPipe's selfie
# segmentation**, which Google made for selfies and video calls ([MediaPipe](glossary.md#MediaPipe) is its library of such
# networks). We built a larger network around it, twice. The new parts give 0 at first, so that each training could
# start from the result of the one before. In all they took a quarter of an hour on graphics cards and four hours on two
# processor cores. The last one used
#
# - 992 photographs of people with [masks](glossary.md#mask): Clothing Co-Parsing (street fashion) and the
#   Human-Segmentation-Dataset (mixed portraits). 142 more were kept back;
# - 174 more, whose masks are guesses of two networks;
# - 861 photographs without anybody, so that it learns to say "nobody";
# - 610 animals and things, cut out. People are cut out and pasted into other photographs, so that each appears in many
#   places. If *only* people were pasted, the network would learn that whatever is pasted is a person.
#
# Keep these two data sets in mind. They come back when we judge.
#
# `cv2.dnn` reads the file and runs it, and needs neither TensorFlow nor PyTorch.

# %%
network = cv2.dnn.readNetFromONNX(path)
network.setInput(by_opencv)
names = network.getUnconnectedOutLayersNames()
output = network.forward(names[0])

print("outputs:", len(names), " shape:", output.shape)
print(f"smallest {output.min():.2f}, largest {output.max():.2f}")
print(f"the two channels add up to {output.sum(axis=1).min():.3f} … {output.sum(axis=1).max():.3f}")
print("frameworks in memory:", [name for name in ("tensorflow", "torch") if name in sys.modules])

# %% [markdown]
# Only the last layer's output goes nowhere, so it alone is "unconnected"; hence the method's odd name.
# There is one such output, so `names[0]` is it. (Given the whole list, `forward` returns a tuple. The
# tutorial warns you of that, and rightly.)
#
# The two channels are the probabilities of *background* and *person*. They add up to 1, so either of
# them says it all.

# %%
background, person = output[0]
show_rows(
    [background, person],
    titles=["channel 0: background", "channel 1: person"],
    height=3,
    alt="A black silhouette of the astronaut on white, and a white one on black. Her helmet is grey "
    "in places.",
)

# %% [markdown]
# *256 × 256 numbers each. One is the other's negative.*
#
# ## From probabilities to a mask
#
# The tutorial goes on in three steps. It brings both maps to the photograph's size. For each pixel it
# takes the number of the larger map with `argmax`: 0 for background, 1 for a person. It multiplies by
# 255. Here is all of it as one function.
#
# We changed one step: we shrink with `INTER_AREA`, which takes the mean over all pixels. `blobFromImage`
# looks at four neighbours for each of its pixels and skips the rest. In a grainy photograph of 12 megapixels, chance
# decides which ones.


# %%
def segmentation(path, image):
    """BGR pixels (H, W, 3) in; a mask (H, W, 1) out, 255 where a person is and 0 elsewhere."""
    height, width = image.shape[:2]
    network = cv2.dnn.readNetFromONNX(path)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    network.setInput(cv2.dnn.blobFromImage(small, **TO_UNIT))
    maps = network.forward(network.getUnconnectedOutLayersNames()[0])[0]
    # OpenCV resizes (rows, columns, channels), so the channels go last.
    maps = cv2.resize(maps.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR)
    return (maps.argmax(axis=2) * 255).astype(np.uint8)[..., np.newaxis]


mask = segmentation(path, bgr)
library_mask = segmenter.mask(collins)
print(mask.shape, mask.dtype, "values:", np.unique(mask).tolist())
print(
    f"the library's mask is the same at {(library_mask == mask[..., 0]).mean():.1%} of the pixels"
)

# %% [markdown]
# `nst.PersonSegmenter` does the same and keeps the network in memory. (Hardly any pixel differs. Those that do lie at
# edges: the library does not round to whole grey levels on the way.)
#
# ## What argmax throws away
#
# With two maps that add up to 1, the larger one is the one above ½. So `argmax` is a
# [threshold](glossary.md#threshold). Three pixels:

# %%
for p in np.array([[0.02, 0.98], [0.49, 0.51], [0.51, 0.49]]):
    print(f"person {p[1]:.2f} → {255 * p.argmax()}")

# %% [markdown]
# The first and the second pixel get the same answer, though the network was sure of one and guessed at
# the other. The second and the third differ by two hundredths and get opposite answers.
#
# **Question.** Call a pixel *unsure* if its probability lies between 5 % and 95 %. Where will the unsure
# pixels of the three photographs lie?
#
# - **a** Evenly, all over the picture.
# - **b** Only along the outline.
# - **c** Mostly along the outline, and in a few whole patches.
# - **d** Mostly on faces.

# %% tags=["learner"]
nst.check("unsure_where", ...)

# %% tags=["solution"]
nst.check("unsure_where", "c")

# %% [markdown]
# To measure it we need two tools of OpenCV.
# [`cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, square)`](glossary.md#MORPH_GRADIENT) slides a small square
# over a mask and marks the places where it sees both black and white: the outline.
# [`cv2.distanceTransform`](glossary.md#distanceTransform) gives for each pixel the distance to the nearest
# pixel that is 0.

# %%
THREE = np.ones((3, 3), np.uint8)


def distance_to_edge(mask):
    """Pixels from each pixel to the outline of a mask (H, W)."""
    edge = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, THREE) > 0
    return cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5)


print(distance_to_edge(np.array([[0, 0, 0, 0, 1, 1, 1, 1]] * 3)).round()[1])

# %% jupyter={"outputs_hidden": true}
probabilities = {name: segmenter(image) for name, image in portraits.items()}
unsure = {name: (p > 0.05) & (p < 0.95) for name, p in probabilities.items()}
# If unsure pixels lay evenly, both columns would show the same share.
print(f"{'unsure, of the pixels':24}{'within 6 of the outline':>24}{'farther away':>14}")
for name, p in probabilities.items():
    near = distance_to_edge(p > 0.5) < 6
    print(f"{name:24}{unsure[name][near].mean():24.0%}{unsure[name][~near].mean():14.0%}")
show_rows(
    portraits.values(),
    [u.astype(float) for u in unsure.values()],
    height=2.6,
    alt="The three portraits; below, white where the network is unsure: along the outlines, and in "
    "patches at the helmet, both flags, the camera and the lawn under it.",
)

# %% [markdown]
# <details><summary>What you see, and what follows</summary>
#
# Near the outline the network is unsure of three quarters or more. Farther away it is unsure of one in five at most, and these
# lie in patches: the helmet, the flags, the camera, the lawn under the tripod. There the mask is a guess.
#
# Along the outline, hesitation is no fault. A pixel at the edge of hair shows hair *and* wall. It is 60 %
# of one and 40 % of the other, and a mask cannot say that. A **[matte](glossary.md#matte)** can: it holds the
# share, from 0 to 1.
#
# </details>
#
# ## The edge, at 256 pixels
#
# The network's map is smaller than the photograph. The tutorial enlarges the maps first and takes the
# [argmax](glossary.md#argmax) *after*. Does that order matter? And no way to enlarge a map puts a strand of
# hair into it. But the photograph itself knows where its edges are. Can it help?
#
# A row of ten pixels. The wall is bright, the hair dark, and the edge lies between the fourth and the
# fifth pixel. The network's map has it too, but smeared, and one pixel too far to the right.

# %%
row = np.array([0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
coarse = np.array([0.0, 0.0, 0.0, 0.1, 0.3, 0.7, 0.9, 1.0, 1.0, 1.0])
window = slice(2, 7)
matte_window(row, coarse, window)

# %% [markdown]
# *Explain the coarse mask by the photograph, in one window: a straight line $p \approx a I + b$.*

# %%
slope, intercept = np.polyfit(row[window], coarse[window], 1)
print(f"in the window: alpha ≈ {slope:.2f} · brightness + {intercept:.2f}")
print("the line's values:", (slope * row[window] + intercept).round(2).tolist())

# %% [markdown]
# Where the photograph has an edge, the line's result has one too, in the same place: 0.05 before it and
# 0.63 after it. Where the photograph is flat, it has nothing to say, and the result is the mask's mean.
# That is the **[guided filter](glossary.md#guided-filter)** of He, Sun and Tang. The line comes from [least
# squares](glossary.md#least-squares); a small $\epsilon$ keeps faint texture from having a say:
#
# $$ a = \frac{\operatorname{cov}(I, p)}{\operatorname{var}(I) + \epsilon}, \qquad
#    b = \bar p - a\,\bar I . $$
#
# Every pixel lies in many windows and takes the mean of their lines. With colours, $a$ is a vector, the
# variance is the 3 × 3 [covariance](glossary.md#covariance) matrix of the window's colours, and the division
# becomes the solution of a small system of equations. All of it is means over windows (`cv2.blur`), which are
# quick at any size.


# %%
def guided_filter(guide, mask, radius, epsilon):
    """Fit `mask` (H, W) by a linear function of `guide` (H, W, C) in a window around every pixel."""
    guide, mask = guide.astype(np.float64), mask.astype(np.float64)
    height, width, channels = guide.shape

    def mean(values):
        side = 2 * radius + 1
        blurred = cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)
        return blurred.reshape(values.shape)  # OpenCV drops an axis of length 1

    p = mask[..., np.newaxis]
    of_guide, of_mask = mean(guide), mean(p)
    covariance = mean(guide * p) - of_guide * of_mask
    squares = guide[..., :, np.newaxis] * guide[..., np.newaxis, :]
    squares = mean(squares.reshape(height, width, -1)).reshape(squares.shape)
    variance = squares - of_guide[..., :, np.newaxis] * of_guide[..., np.newaxis, :]
    variance += epsilon * np.eye(channels)
    a = np.linalg.solve(variance, covariance[..., np.newaxis])[..., 0]
    b = of_mask - (a * of_guide).sum(axis=2, keepdims=True)
    return (mean(a) * guide).sum(axis=2) + mean(b)[..., 0]


line = guided_filter(row.reshape(1, 10, 1), coarse.reshape(1, 10), radius=2, epsilon=1e-4)[0]
print("coarse: ", coarse.tolist())
print("refined:", line.round(2).tolist())

# %% [markdown]
# Between the fourth and the fifth pixel the coarse row rises by 0.2, the refined one by more than half.
# The edge has moved to where the photograph has it. It is soft, as the mean of many windows' lines;
# doubling the contrast around ½ makes up for that. Now the portrait.

# %%
hair = np.s_[12:132, 130:250]


def enlarge(image):
    """Show every pixel as a block of 4 × 4, so that no smoothing hides it."""
    return np.repeat(np.repeat(image, 4, axis=0), 4, axis=1)


refined = guided_filter(collins, probabilities["collins"], radius=8, epsilon=3e-4)
matte = np.clip(0.5 + 2 * (refined - 0.5), 0, 1)
mirror_image = np.ascontiguousarray(collins[:, ::-1])
astray = nst.guided_filter(mirror_image, probabilities["collins"], 8, 3e-4)
astray = np.clip(0.5 + 2 * (astray - 0.5), 0, 1)
hard = (probabilities["collins"] > 0.5).astype(np.float32)
show_rows(
    [enlarge(picture[hair]) for picture in (collins, hard, matte)],
    [enlarge(on_plain(collins, alpha)[hair]) for alpha in (astray, hard, matte)],
    titles=[
        "photograph",
        "enlarged, then argmax",
        "refined",
        "refined by a wrong photograph",
        "cut out by argmax",
        "cut out, refined",
    ],
    height=2.8,
    alt="Blond hair before a grey wall; a smooth mask; a mask with the outline of the hair. Below, on "
    "green: the hair with a blurred, wandering edge; with a pale rim; with the edge of the hair.",
)

# %%
apart = np.abs(matte - mattes["collins"]).max()
print(f"the library's matte differs from this one by at most {apart:.2f}")

# %% [markdown]
# *120 × 120 pixels around her hair. The photograph gives the mask the edge of the hair back.* `segmenter.matte`
# is this filter, with a radius of a 64th of the longest side.
#
# ### Did the photograph help, or would any smoothing?
#
# It looks better. But a picture of one curl proves little. We need a [truth](glossary.md#truth), so we drew
# the outlines of all three people by hand, on enlarged copies. And we need a **control**: the same filter,
# guided by the wrong photograph (the same one, mirrored). If the photograph's edges were not what helps, the
# wrong one would help as much.

# %%
# If the guide didn't matter, the last two columns would be equal.
print(
    f"{'right, near the outline':24}{'argmax first':>14}{'argmax last':>13}{'guided':>9}{'wrong guide':>13}"
)
for name, image in portraits.items():
    truth, p = drawn_mask(name, held=True), probabilities[name]
    near = distance_to_edge(truth) < 6
    small = cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0.5
    first = cv2.resize(small.astype(np.uint8), p.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    mirrored = np.ascontiguousarray(image[:, ::-1])
    guided = [nst.guided_filter(guide, p, 8, 3e-4) > 0.5 for guide in (image, mirrored)]
    shares = [(found == truth)[near].mean() for found in (first, p > 0.5, *guided)]
    print(f"{name:24}{shares[0]:14.1%}{shares[1]:13.1%}{shares[2]:9.1%}{shares[3]:13.1%}")

# %% [markdown]
# Argmax last, as in the tutorial, is a little better than argmax first. The guided edge is better still, though only
# slightly on the cameraman: his tripod passes for a part of him, and the filter sharpens what is wrong, too. Guided by the
# wrong photograph it is worse than no filter at all, so it is the photograph that helps. But the gain is small: about
# two points in a hundred at most. It *looks* like more because hair is what we look at.
#
# ## How good is it? One number
#
# Draw the right mask by hand, lay the network's on top, and count: the pixels that both call a person
# (the **intersection**), and the pixels that at least one of them does (the **union**). Their ratio is the
# **[IoU](glossary.md#IoU)**: 1 if the masks are equal, 0 if they share nothing.
#
# $$ \operatorname{IoU} = \frac{|A \cap B|}{|A \cup B|} $$

# %%
truth = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]], bool)
found = np.array([[0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]], bool)
for rows in zip(truth, found, strict=True):
    print("     ".join("".join(np.where(row, "██", "· ")) for row in rows))


def iou(mask, truth):
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


print(f"IoU: {iou(found, truth)}   pixels that agree: {(found == truth).mean()}")

# %% [markdown]
# Each block has six pixels. They share four and cover eight together: IoU = 4 / 8. It is a strict
# measure: a block three pixels wide is moved by one, and half of the IoU is gone.
#
# **Question.** Why not take the share of pixels that agree, the *[accuracy](glossary.md#accuracy)*? Suppose
# that a person fills 2 % of a photograph. What do accuracy and IoU say of a program that finds nobody, ever?
#
# - **a** accuracy 98 %, IoU 0
# - **b** accuracy 98 %, IoU 0.98
# - **c** accuracy 2 %, IoU 0
# - **d** accuracy 50 %, IoU 0.5

# %% tags=["learner"]
nst.check("accuracy_trap", ...)

# %% tags=["solution"]
nst.check("accuracy_trap", "a")

# %% [markdown]
# ### First the convention, then the measurement
#
# Does the helmet that she holds belong to the person? And the camera on its tripod? There is no right
# answer. There is a **[convention](glossary.md#convention)**, and it often hides in the data that a network
# was trained on. If you choose it after you have seen the scores, you choose your winner. So we say it now:
# *a person is the body with everything worn or held in the hands*. The helmet counts. The camera stands on a
# tripod and doesn't. For the astronaut we also measure *without* the helmet, to see how much hangs on it.


# %%
def tint(image, *layers):
    """Colour the pixels of each (mask, colour), so that you see what it covers."""
    result = image.copy()
    for layer, colour in layers:
        result[layer] = 0.45 * result[layer] + 0.55 * np.float32(colour)
    return result


GREEN, VIOLET = (0.1, 0.8, 0.4), (0.6, 0.2, 0.9)
truths = {name: drawn_mask(name, held=True) for name in portraits}
helmet = truths["collins"] & ~drawn_mask("collins")
show_rows(
    [
        tint(image, (truths[name], GREEN), *([(helmet, VIOLET)] if name == "collins" else []))
        for name, image in portraits.items()
    ],
    height=3.0,
    alt="The three portraits, each person tinted green along an outline drawn by hand; the astronaut's "
    "helmet is violet.",
)

# %%
for name, truth in truths.items():
    print(f"{name:10} fills {truth.mean():.0%} of the photograph")
print(
    f"the helmet makes up {helmet.sum() / truths['collins'].sum():.0%} of Collins with her helmet"
)

# %% [markdown]
# *The truth, drawn by hand. Violet: the helmet.*
#
# ### Compared with what?
#
# A number says little without others beside it. So here are [baselines](glossary.md#baseline) that *could* win:
#
# - **brightness**: dark or bright? [Otsu's method](glossary.md#Otsu's-method) chooses the threshold between
#   the two: the one that makes both groups as uniform as possible. Of "the dark pixels" and "the bright ones"
#   we take the better;
# - **the box**: the tightest box around the truth, and everything in it;
# - **[GrabCut](glossary.md#GrabCut)**, the classic of 2004. You draw a box. It learns the colours inside and
#   outside, cuts along edges where they change, and repeats. Its answer has four labels: surely and
#   *probably* background (`GC_BGD`, `GC_PR_BGD`), surely and *probably* foreground (`GC_FGD`, `GC_PR_FGD`).
#   Inside the box it says at most "probably", so both kinds of foreground count. It gets the tightest box
#   around the truth, **one for each convention**, which is more than the network gets;
# - **the same network, on a photograph of 64 pixels**, a quarter of what it was made for.
#
# **Predict** before you open the next cell: on which photograph will the network win by most? Will it
# lose any? Write it down.


# %% jupyter={"outputs_hidden": true}
def tight_box(truth):
    """The box around a mask, with two pixels to spare: x, y, width, height."""
    height, width = truth.shape
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    left, top = max(columns[0] - 2, 1), max(rows[0] - 2, 1)
    right, bottom = min(columns[-1] + 2, width - 2), min(rows[-1] + 2, height - 2)
    return int(left), int(top), int(right - left + 1), int(bottom - top + 1)


def grabcut(image, box):
    labels = np.zeros(image.shape[:2], np.uint8)
    memory = np.zeros((1, 65)), np.zeros((1, 65))  # of the colours, inside and outside
    cv2.setRNGSeed(0)
    pixels = np.ascontiguousarray(nst.rgb_to_bgr(nst.to_uint8(image)))
    cv2.grabCut(pixels, labels, box, *memory, 3, cv2.GC_INIT_WITH_RECT)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def by_brightness(image, truth):
    grey = np.uint8(255 * image.mean(axis=2))
    _, bright = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    return max((bright > 0, bright == 0), key=lambda mask: iou(mask, truth))


def everything_in(box, shape):
    mask = np.zeros(shape, bool)
    x, y, width, height = box
    mask[y : y + height, x : x + width] = True
    return mask


cases = {"Collins": ("collins", truths["collins"]), "no helmet": ("collins", drawn_mask("collins"))}
cases |= {"Hopper": ("hopper", truths["hopper"]), "cameraman": ("cameraman", truths["cameraman"])}
by_method = {
    method: {} for method in ("network", "network, 64", "GrabCut", "the box", "brightness")
}
for case, (name, truth) in cases.items():
    image, box = portraits[name], tight_box(truth)
    tiny = cv2.resize(segmenter(nst.resize(image, 64)), truth.shape[::-1])
    by_method["network"][case] = segmenter.mask(image) > 0
    by_method["network, 64"][case] = tiny > 0.5
    by_method["GrabCut"][case] = grabcut(image, box)
    by_method["the box"][case] = everything_in(box, truth.shape)
    by_method["brightness"][case] = by_brightness(image, truth)

# If knowing what a person is were of no use, the network would not be ahead of the box and GrabCut.
print(f"{'IoU':14}" + "".join(f"{case:>12}" for case in cases))
for method, found in by_method.items():
    scores = [iou(found[case], truth) for case, (_, truth) in cases.items()]
    print(f"{method:14}" + "".join(f"{score:12.2f}" for score in scores))
show_rows(
    *(
        [
            tint(portraits[name], (by_method[method][case], GREEN))
            for case, (name, _) in cases.items()
        ]
        for method in ("network", "GrabCut")
    ),
    titles=[f"{method}: {case}" for method in ("network", "GrabCut") for case in cases],
    height=2.2,
    alt="Eight pictures, tinted. Above, what the network finds: the astronaut with her helmet, twice the "
    "same; the officer with pieces of the flag; the photographer with his tripod. Below, what GrabCut "
    "finds: the astronaut with the table and part of the rocket; without her helmet; the officer with "
    "much sky; the photographer with most of the tripod.",
)

# %% [markdown]
# <details><summary>What the table says</summary>
#
# The network wins on the two portraits, by the convention that we chose. Without the helmet, GrabCut is ahead:
# **the convention decided that duel**. On the cameraman the network loses, to GrabCut and even to plain
# brightness: his coat is dark, the world is bright, and no other knowledge is needed. It takes half of the camera, the
# tripod and some lawn for parts of him. On the cameraman, and on the astronaut without her helmet, the network does
# better at 64 pixels than at full size. Perhaps a tripod is too thin then to pass for legs, and a helmet too blurred to
# be known. (Two guesses. How would you test them?)
#
# So a baseline *can* win. One photograph decides nothing, three decide little.
#
# </details>
#
# ## Hundreds of photographs, two averages
#
# Segmenters are compared on hundreds of photographs, by the **[mIoU](glossary.md#mIoU)**: the mean of the
# person's IoU and the background's. But how do you average over photographs?
#
# **Question.** Two photographs. On the first, the person is large: intersection 90, union 100. On the
# second, small: intersection 1, union 10. What is the average IoU, once as the *mean over pictures*, once
# *over all pixels* (all intersections over all unions)?
#
# - **a** 0.50 and 0.83
# - **b** 0.83 and 0.50
# - **c** 0.50 both times
# - **d** 0.91 and 0.45

# %% tags=["learner"]
nst.check("two_averages", ...)

# %% tags=["solution"]
nst.check("two_averages", "a")

# %% [markdown]
# In the second average large people count for more than small ones. Some publications give the one, some the other, so
# ask which one you read. Here is the mIoU in both ways, for two networks on the same 142 photographs:
#
# | network | file | Clothing Co-Parsing, 113: over pictures | over pixels | Human-Segmentation, 29: over pictures | over pixels |
# | --- | --- | --- | --- | --- | --- |
# | this course's `person` | 3.1 MB, included | 0.951 | 0.948 | 0.914 | 0.932 |
# | MediaPipe's selfie segmentation | 0.25 MB | 0.944 | 0.942 | 0.907 | 0.920 |
# | PP-HumanSeg, the tutorial's | 6 MB | not measured | not measured | not measured | not measured |
#
# Three things to know before you believe such a table:
#
# - **Ours had an advantage.** It is MediaPipe's, made larger and trained on the *rest of these very data sets*: the
#   same cameras, streets and rules for drawing masks. And these 142 and others helped us to choose
#   what we kept of each training. A fair duel needs photographs that are foreign to both.
# - **Is the difference larger than chance?** Picture by picture, ours minus MediaPipe's is 0.0068 ± 0.0029 on
#   the first set and 0.0066 ± 0.0096 on the second (mean ± [standard error](glossary.md#standard-error)). So on the first
#   it probably is, on the second we can't tell, and on neither is it much for fourteen times the weights and all that
#   training. What did they gain?
# - **[PP-HumanSeg](glossary.md#PP-HumanSeg)'s publishers report 0.9164**, from their own evaluation on their
#   own photographs. That number belongs in no column of ours, and so it stands in none.
#
# You can run all three on the portraits. PP-HumanSeg is fed like our network, with 192 × 192 pixels, and answers like
# it. MediaPipe's file takes the road of lesson 10 first. Fetch them with `nst assets fetch pp_humanseg
# selfie_segmentation`; the cell uses what is there.

# %% tags=["nbval-ignore-output"]
Path("output").mkdir(exist_ok=True)
others = {"this course's": segmenter}
if asset_path("pp_humanseg").exists():
    others["PP-HumanSeg"] = nst.PersonSegmenter("pp_humanseg")
if asset_path("selfie_segmentation").exists():
    from nstlib.onnx.tflite import from_tflite

    from_tflite(asset_path("selfie_segmentation"), Path("output/selfie.onnx"))
    others["MediaPipe's"] = nst.PersonSegmenter(Path("output/selfie.onnx"))
print(f"{'IoU':16}" + "".join(f"{case:>12}" for case in cases))
for label, other in others.items():
    masks = [other.mask(portraits[name]) > 0 for name, _ in cases.values()]
    scores = [iou(m, truth) for m, (_, truth) in zip(masks, cases.values(), strict=True)]
    print(f"{label:16}" + "".join(f"{score:12.2f}" for score in scores))
for label in ("PP-HumanSeg", "MediaPipe's"):
    if label not in others:
        print(f"{label:16} has not been fetched")

# %% [markdown]
# When we ran MediaPipe's network here, it got 0.96, 0.75, 0.99 and 0.93: on two of them clearly more than ours, which
# grew out of it. Size does not decide it.
#
# ## Where it fails
#
# A published number is a mean over photographs like those of the training. Yours are different. So look for
# the failures yourself, before you build on it. First: what does it find where there is **nobody**? Here are 26
# pictures without a person, from the packages that you have anyway.

# %%
GREYS = [
    "brick",
    "grass",
    "gravel",
    "coins",
    "page",
    "moon",
    "text",
    "clock",
    "cell",
    "horse",
    "checkerboard",
    "microaneurysms",
]
DRAWN = ["mosaic", "candy", "brushwork", "shards", "waves", "pointillism", "marble", "watercolour"]
nobody = {
    name: nst.load_image(name)
    for name in ("chelsea", "coffee", "rocket", "retina", "hubble", "immunohistochemistry")
}
for name in GREYS:
    grey = np.float32(getattr(skimage.data, name)())
    nobody[name] = np.repeat(grey[..., np.newaxis] / grey.max(), 3, axis=2)
nobody |= {f"drawn {name}": nst.draw(name, 384) for name in DRAWN}

found = {name: segmenter.mask(image) > 0 for name, image in nobody.items()}
shares = {name: mask.mean() for name, mask in found.items()}
# If it never found anybody where nobody is, all three numbers would be 0.
print(
    f"{len(shares)} pictures without a person; taken for one: {np.mean([*shares.values()]):.1%} of the pixels"
)
print("pictures with more than 5 %:", sum(share > 0.05 for share in shares.values()))
worst = sorted(shares, key=shares.get)[:-3:-1]
show_rows(
    [tint(nobody[name], (found[name], GREEN)) for name in worst],
    titles=[f"{name}: {shares[name]:.0%}" for name in worst],
    height=2.6,
    alt="A night sky of brush strokes over a field, with two trees tinted that could be two people who "
    "stand there, and a blurred clock, a part of it tinted.",
)

# %% [markdown]
# *The two worst.* Such pictures are strange to a network that knows streets, rooms and landscapes: two trees with a star
# above each pass for people. On 346 ordinary photographs, none of which the last training used (earlier ones had seen
# a third of them; on the others it does a little better), its card (`models/README.md` in the repository) reports 0.7 % of the pixels, nothing at all on 91 in a hundred, and **more than 5 % of the picture on 15**,
# of which 10 show animals. "Where nobody is, it finds nobody" would be false. "In nineteen of twenty such photographs, it
# finds next to nobody" is what we can say.
#
# MediaPipe's takes more than 5 % on 145 of the 346. *Here* is what the training gained. The table above couldn't show
# it: each of its photographs shows somebody.
#
# Next: people as **small**, **dark**, **mirrored**, **upside down** or **faceless** as they can be.
#
# **Question.** Which of these costs the mask most, on all three portraits?
#
# - **a** half the size
# - **b** a tenth of the light
# - **c** upside down
# - **d** mirrored, left for right

# %% tags=["learner"]
nst.check("what_hurts", ...)

# %% tags=["solution"]
nst.check("what_hurts", "c")


# %% jupyter={"outputs_hidden": true}
def wall_of(image):
    return np.median(image[:40, -60:], axis=(0, 1))


def before_wall(image, truth):
    """Set a person, cut out along the drawn outline, before the colour of the photograph's wall."""
    return np.where(truth[..., np.newaxis], image, wall_of(image)).astype(np.float32)


def smaller(image, n):
    """Shrink an image n times and set it at the bottom of its own wall: the same size of frame."""
    result = np.empty_like(image)
    result[:] = wall_of(image)
    small = nst.resize(image, (image.shape[0] // n, image.shape[1] // n))
    top, left = image.shape[0] - small.shape[0], (image.shape[1] - small.shape[1]) // 2
    result[top:, left : left + small.shape[1]] = small
    return result


def darker(image, light):
    return np.round(255 * light * image) / np.float32(
        255
    )  # whole grey levels, as a camera has them


def as_image(mask):
    return np.repeat(mask[..., np.newaxis].astype(np.float32), 3, axis=2)


def score_all(finder, images, change, change_mask=None):
    """Print the IoU of each portrait after a change; a mask changes as its image does, or not."""
    for name, image in images.items():
        changed = np.ascontiguousarray(change(image), np.float32)
        truth = change_mask(as_image(truths[name]))[..., 0] > 0.5 if change_mask else truths[name]
        print(f"{iou(finder.mask(changed) > 0, truth):12.2f}", end="")
    print()


unaided = nst.PersonSegmenter(brighten=False)
alone = {name: before_wall(image, truths[name]) for name, image in portraits.items()}
half, eighth = partial(smaller, n=2), partial(smaller, n=8)


def same(image):
    return image


# If a change didn't matter, its line would repeat the first, and of those before a wall the second.
print(f"{'IoU with the truth':26}" + "".join(f"{name:>12}" for name in portraits))
for label, *row in (
    ("as it is", segmenter, portraits, same),
    ("before a bare wall", segmenter, alone, same),
    ("  half the size", segmenter, alone, half, half),
    ("  an eighth of the size", segmenter, alone, eighth, eighth),
    ("half, with its photograph", segmenter, portraits, half, half),
    ("a tenth of the light", segmenter, portraits, lambda x: darker(x, 0.1)),
    ("3 % of the light", segmenter, portraits, lambda x: darker(x, 0.03)),
    ("a tenth, not brightened", unaided, portraits, lambda x: darker(x, 0.1)),
    ("3 %, not brightened", unaided, portraits, lambda x: darker(x, 0.03)),
    ("mirrored", segmenter, portraits, lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
    ("upside down", segmenter, portraits, lambda x: x[::-1], lambda x: x[::-1]),
):
    print(f"{label:26}", end="")
    score_all(*row)

# %% [markdown]
# <details><summary>What the table says, line by line</summary>
#
# - **Small.** Cut out and set before a bare wall, each is found better than in the photograph: nothing is left that
#   could be taken for a part of them. At half the size that is still so for the two women, and at an eighth, where 32 of
#   the network's 256 pixels are left for what was a whole photograph, they still have 0.9. Only the cameraman, whose
#   face is behind his camera, is lost at half the size, and found again at an eighth. (Perhaps he passes there for one of
#   the things that were pasted in its training. A guess.) So smallness alone costs little as a rule. What costs more is
#   the rectangle: with their photographs around them the women fall to 0.75 and 0.80.
# - **Dark.** Neither a tenth of the light nor 3 % costs anything, though only nine grey levels are left of it. Does
#   the network see in the dark? The next two lines are the control. `nst.PersonSegmenter` multiplies dark pictures
#   before the network sees them, until the brightest 2 % of their values are at 0.6. With `brighten=False` it doesn't,
#   and at 3 % a third to a half of each is lost, and background is taken instead. So the network has no trouble with few
#   levels. It doesn't know *darkness*, and three lines of code mend that.
# - **Mirrored.** A perfect segmenter would give the same score. This one changes its mind: in the mirror image it takes less of the
#   cameraman's tripod, leaves out more of the helmet, and takes more of the officer's flag. So its convention is not a firm one.
# - **Upside down.** All three fall apart. It has learned which way is up. If your camera may be turned, turn
#   the photograph first.
#
# </details>
#
# Two more claims need a control. *It loses people in a crowd:* because they are many, or because they are
# small? And *it doesn't need a face:* compared with covering what? Guess both.

# %% jupyter={"outputs_hidden": true}
faces, sleeve = collins.copy(), collins.copy()
patch = cv2.resize(collins[22:66, 200:288], (88, 110))  # hair
faces[62:172, 180:268] = patch
sleeve[300:410, 100:188] = patch


def tiled(image, n):
    return np.tile(nst.resize(image, (image.shape[0] // n, image.shape[1] // n)), (n, n, 1))


# If the number didn't matter, many would fare like one of the same size.
print("Number against size, all before bare walls; and face against suit:")
for n in (2, 6):
    for label, change in ((f"{n * n} people, 1/{n} as large", tiled), ("one, as small", smaller)):
        shrink = partial(change, n=n)
        print(f"{label:26}", end="")
        score_all(segmenter, alone, shrink, shrink)
print(f"{'36 people, by tiles':26}", end="")
score_all(nst.PersonSegmenter(tiles=3), alone, partial(tiled, n=6), partial(tiled, n=6))
# If it needed the face, covering that would cost more than covering as much of her suit.
for label, image in {"nothing": collins, "her face": faces, "her suit": sleeve}.items():
    print(f"hair over {label:16}{iou(segmenter.mask(image) > 0, truths['collins']):12.2f}")
show_rows(
    [
        tint(image, (segmenter.mask(image) > 0, GREEN))
        for image in (tiled(alone["collins"], 6), smaller(alone["collins"], 6), faces, sleeve)
    ],
    titles=["36", "one, as small", "hair over her face", "hair over her suit"],
    height=2.6,
    alt="36 small astronauts; one as small; an astronaut with hair for a face; one with hair on her suit. "
    "Green where the network finds a person: on all but the 36.",
)

# %% [markdown]
# <details><summary>What the numbers say</summary>
#
# Here it is the number, not the size. Of 36 it finds next to nobody, but it finds one of their size. Perhaps they look
# like a pattern on cloth. (How would you test that?) The remedy: cut the photograph into parts, and look at each. With
# `tiles=3` the segmenter looks at nine overlapping parts as well, and finds them. (Its mistakes add up as well.) Four
# are no crowd yet: they cost the officer something, and the cameraman, who isn't found alone at that size, gains by
# them.
#
# And it needs no face. Covering hers costs less than a hundredth, and covering as much of her suit hardly more. On this
# photograph her shape is enough for the network.
#
# </details>
#
# ### Who is missed, and who was asked
#
# A segmenter finds the people it was shown. Google's model card says how well MediaPipe's does in 17 regions of the
# world, and the differences are small. But then we showed it about a thousand people, most of them in street fashion,
# standing, in daylight, so the card no longer holds for ours. We have **no** measurement of how it treats wheelchairs,
# veils, babies, dark skin in dim light or people lying down, because the data sets don't say who is in them. A program
# that cuts such people out of a video call tells them that they don't count. If you build one, measure on
# the people who will use it. The photographs matter, too. Street-fashion collections were gathered from
# the web; as far as we know, nobody asked the people in them. The two women above are public figures in
# official portraits. **For a portrait of your own, ask the person first**, say what you will do with it,
# and delete it if they change their mind.
#
# ## Experiment: the matte's two knobs
#
# The guided filter has a radius and an $\epsilon$. A larger radius lets an edge be found farther from
# where the network put it. A larger $\epsilon$ trusts the photograph less. Which of nine combinations will be right at
# most pixels near the outline? And which one would you take?

# %% jupyter={"outputs_hidden": true}
knobs = [[(radius, epsilon) for epsilon in (1e-5, 1e-3, 1e-1)] for radius in (2, 8, 24)]
grid = [
    [np.clip(nst.guided_filter(collins, probabilities["collins"], *knob), 0, 1) for knob in line]
    for line in knobs
]
near = distance_to_edge(truths["collins"]) < 6
# If the knobs didn't matter, all nine would be alike.
print(f"{'right near the outline':24}" + "".join(f"{f'ε = {e:g}':>11}" for _, e in knobs[0]))
for line, alphas in zip(knobs, grid, strict=True):
    shares = [((alpha > 0.5) == truths["collins"])[near].mean() for alpha in alphas]
    print(f"{f'radius {line[0][0]}':24}" + "".join(f"{share:11.1%}" for share in shares))
show_rows(
    *([enlarge(on_plain(collins, alpha)[hair]) for alpha in line] for line in grid),
    titles=[f"radius {radius}, ε = {epsilon:g}" for line in knobs for radius, epsilon in line],
    height=2.6,
    alt="Nine cut-outs of blond hair on green, from crisp to blurred; in the lowest row the cheek has holes.",
)

# %% [markdown]
# <details><summary>What you see</summary>
#
# By the number, the largest radius with the smallest $\epsilon$ is best. But look at that picture, at the bottom left:
# her cheek has a hole, where it shines in the colours of the wall. The number looks at pixels near the outline alone, so
# it can't see that. On the right the matte is blurred, and the number falls, the more so the larger the window. Between
# the others it hardly decides: choose by eye.
#
# </details>
#
# ### And the threshold?
#
# `argmax` cuts at ½. **Predict** for each of the three: would a lower threshold be better, or a higher one? Think
# of what the network was unsure of.

# %% jupyter={"outputs_hidden": true}
thresholds = (0.2, 0.4, 0.5, 0.6, 0.8)
scores = np.array(
    [[iou(p > t, truths[name]) for t in thresholds] for name, p in probabilities.items()]
)
# If ½ were the best for everybody, each line would be highest in the middle.
print(f"{'IoU, cut at':14}" + "".join(f"{t:8}" for t in thresholds))
for name, line in zip([*portraits, "mean"], [*scores, scores.mean(axis=0)], strict=True):
    print(f"{name:14}" + "".join(f"{score:8.2f}" for score in line))

# %% [markdown]
# <details><summary>What the table says</summary>
#
# The higher the threshold, the better for the officer and the cameraman: the network was unsure of the flag
# and of the tripod, and with a high threshold both go. It was unsure of parts of the helmet, too, so at
# 0.8 the astronaut loses more than a tenth. No threshold is the best for all three, and on average ½ and 0.6 are level. If
# you choose one *by this table*, you fit it to three photographs, as training fits weights. To know whether it
# is better, you need others.
#
# </details>
#
# Here is a slider for it, if you like. (The lesson is whole without it, and it needs a running kernel.)

# %% tags=["nbval-ignore-output"]
import base64

import ipywidgets


def cut_at(threshold):
    """The three portraits side by side, tinted where the probability is above a threshold."""
    tinted = (
        tint(image, (probabilities[name] > threshold, GREEN)) for name, image in portraits.items()
    )
    row = np.hstack([nst.resize(x, (256, 256 * x.shape[1] // x.shape[0])) for x in tinted])
    jpeg = cv2.imencode(".jpg", nst.rgb_to_bgr(nst.to_uint8(row)))[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return f'<img alt="what is above {threshold:.2f}, tinted green" src="{source}">'


knob = ipywidgets.FloatSlider(0.5, min=0.01, max=0.99, step=0.01, description="threshold")
shown = ipywidgets.HTML(cut_at(knob.value))
knob.observe(lambda change: setattr(shown, "value", cut_at(change["new"])), "value")
ipywidgets.VBox([knob, shown])

# %% [markdown]
# On the command line: `nst segment portrait.jpg -o mask.png`, and with `--matte` the soft one.
#
# ## Exercises
#
# The hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · Find the bugs (15 minutes)
#
# This function runs without an error, and the network finds nothing but patches. It has **three** bugs. Before
# you repair them, guess which one alone would cost most. Repair them without OpenCV: uint8 BGR pixels
# (H, W, 3) in, a float32 blob (1, 3, H, W) out, RGB, in [−1, 1].


# %%
def broken_blob(bgr):
    scaled = (bgr.astype(np.float32) - 0.5) / 0.5
    return scaled.reshape(1, 3, *bgr.shape[:2])


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Feed it the two pixels from the start of the lesson.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What does the formula do with 255 if it isn't divided first? In which order
# do the three numbers of a red pixel come out?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `reshape` cuts the same row of numbers into other pieces. Only
# `transpose` moves an axis.
#
# </details>


# %% tags=["learner"]
def person_blob(bgr): ...


nst.check("person_blob", person_blob)


# %% tags=["solution"]
def person_blob(bgr):
    rgb = bgr[..., ::-1].astype(np.float32)
    scaled = (rgb / 255 - 0.5) / 0.5
    return scaled.transpose(2, 0, 1)[np.newaxis]


nst.check("person_blob", person_blob)

small = cv2.resize(bgr, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
bugs = {
    "none": person_blob(small),
    "red and blue swapped": person_blob(small)[:, ::-1],
    "not divided by 255": person_blob(small) * 255 + 254,
    "reshape": person_blob(small)[0].transpose(1, 2, 0).reshape(1, 3, SIDE, SIDE),
}
# A bug that did no harm would leave the first line's number.
for bug, blob in bugs.items():
    network.setInput(np.ascontiguousarray(blob, np.float32))
    found = cv2.resize(network.forward()[0, 1], collins.shape[1::-1]) > 0.5
    print(f"{bug:22} IoU {iou(found, truths['collins']):.2f}")

# %% [markdown] tags=["solution"]
# `reshape` is fatal, and undivided values cost most of it, so you find both in a minute. Swapped channels cost less
# than a hundredth here, and nobody notices. Such bugs live for years in real programs. The mild ones are the dangerous
# ones.

# %% [markdown]
# ### Exercise 2 · Predict, then compute: mIoU (15 minutes)
#
# First by hand: a person fills 2 % of a photograph, and a program finds nobody. What is its mIoU, the
# mean of the person's IoU and the background's? Then write the function. Two boolean masks (H, W), True
# for a person. If a class is in neither mask, both are right about it: count it as 1.
#
# <details><summary>Hint 1</summary>
#
# The background is a class like the other: its masks are `~mask` and
# `~truth`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# By hand: take 100 pixels, 2 of them the person. What do the two masks of the
# background share, and what do they cover?
#
# </details>
# <details><summary>Hint 3</summary>
#
# The function `iou` above already does what is asked for one class.
#
# </details>


# %% tags=["learner"]
def mean_iou(mask, truth): ...


nst.check("mean_iou", mean_iou)


# %% tags=["solution"]
def mean_iou(mask, truth):
    return (iou(mask, truth) + iou(~mask, ~truth)) / 2


nst.check("mean_iou", mean_iou)
two_of_hundred = np.arange(100).reshape(10, 10) < 2
print("finds nobody, person 2 %:", mean_iou(np.zeros((10, 10), bool), two_of_hundred))

# %% [markdown] tags=["solution"]
# By hand: the person's IoU is 0. The background's masks share 98 pixels and cover 100, so 0.98. The mean
# is 0.49: even the mIoU gives half a point for finding nothing. Read a mIoU of 0.5 as zero.

# %% [markdown]
# ### Exercise 3 · Only what belongs, and break it (30 minutes)
#
# The stars beside Hopper are a [false alarm](glossary.md#false-alarm) that stands alone. Keep the [connected
# regions](glossary.md#connected-regions) of a boolean mask (H, W) that have at least `smallest` times as many
# pixels as the largest one. Pixels are connected if they share a side; `ndimage.label` (`from scipy import ndimage`)
# numbers the regions. Return booleans. The library's `Composer` does this with `smallest=0.05`.
#
# Then **break it on purpose**: make a picture of which it deletes a real person. What would you ask of
# the user in that case?
#
# <details><summary>Hint 1</summary>
#
# `labels, count = ndimage.label(mask)`: 0 is the background.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.bincount(labels.ravel())` counts the pixels of each number; leave
# out the first.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `np.isin(labels, numbers_that_stay)`. An empty mask has no largest
# region; it stays empty. To break it: who is small in a photograph of two people?
#
# </details>


# %% tags=["learner"]
def keep_parts(mask, smallest): ...


nst.check("keep_parts", keep_parts)


# %% tags=["solution"]
from scipy import ndimage


def keep_parts(mask, smallest):
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= max(1, smallest * sizes.max())))


nst.check("keep_parts", keep_parts)

two = nst.resize(portraits["hopper"], (450, 384))
scene = np.hstack([two, np.full((450, 200, 3), 0.75, np.float32)])
far = nst.resize(collins[:, :400], (150, 117))
scene[250:400, 434:551] = far
found_two = segmenter(scene) > 0.6  # at 0.5 the flag is connected to her, and no rule of size helps
kept = {smallest: keep_parts(found_two, smallest) for smallest in (0.0, 0.05, 0.3)}
# If the rule were safe, the distant person would stay in all three lines.
for smallest, mask in kept.items():
    flag, person = np.count_nonzero(mask[:260, :70]), np.count_nonzero(mask[:, 420:])
    print(
        f"smallest = {smallest}: {flag:6} pixels of the flag and {person:6} of the distant person stay"
    )
show_rows(
    [tint(scene, (mask, GREEN)) for mask in kept.values()],
    titles=[f"smallest = {smallest}" for smallest in kept],
    alt="An officer and, smaller, an astronaut, three times; tinted what is kept: both and pieces of the "
    "flag; both; the officer alone.",
)

# %% [markdown] tags=["solution"]
# A rule that deletes small mistakes deletes small people. No threshold is right for all pictures, so the user
# must be able to say who is meant: `Composer(person_at=(0.5, 0.4))` keeps the part at that place, and
# `smallest=0` keeps everything.

# %% [markdown]
# ### Exercise 4 · A fair comparison (25 minutes)
#
# The mirror image gives another mask. Does the *mean of both* give a better one? Write it: `network` is a
# function from an image (H, W, 3) to probabilities (H, W). Return the mean of what it says of the image,
# and what it says of the mirror image (left for right), turned back. Then compare on the three portraits,
# by our convention. Before you look: what would you see if it were of no use?
#
# <details><summary>Hint 1</summary>
#
# `image[:, ::-1]` mirrors left and right.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The answer for the mirror image has to be mirrored once more.
#
# </details>
# <details><summary>Hint 3</summary>
#
# OpenCV wants arrays without negative strides:
# `np.ascontiguousarray`.
#
# </details>


# %% tags=["learner"]
def both_ways(network, image): ...


nst.check("both_ways", both_ways)


# %% tags=["solution"]
def both_ways(network, image):
    mirrored = network(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    return (network(image) + mirrored) / 2


nst.check("both_ways", both_ways)
for name, image in portraits.items():
    one = iou(probabilities[name] > 0.5, truths[name])
    two = iou(both_ways(segmenter, image) > 0.5, truths[name])
    print(f"{name:10} one way {one:.2f}   both ways {two:.2f}")

# %% [markdown] tags=["solution"]
# Better on the cameraman, one or two hundredths worse on the others. If it were of no use, you would see some up, some down; three
# portraits cannot decide it, and it costs twice the time. On him it helps for a reason you know: the mirror image alone
# gets 0.92, with less of the tripod. The mean lies between the two and doesn't beat the better one.

# %% [markdown]
# ### Exercise 5 · Your own photograph (open; an hour)
#
# Take a photograph of somebody who agreed to it, or one that you may use. Put the file beside this notebook.
# **State** your convention, **draw** the outline, and **measure**: the network against GrabCut in the tightest box. The
# last cell does it in two runs. Give it your `PHOTOGRAPH`, and it shows the photograph with a grid. Read some thirty
# corners off the grid, put them into `CORNERS`, and run it again: it compares, and saves photograph, matte and scores
# for the capstone of lesson 12.
#
# <details><summary>Hint 1</summary>
#
# `nst.load_image("me.jpg", 512)` brings the longer side to 512 pixels. The corners belong to the resized photograph.
#
# </details>
# <details><summary>Hint 2</summary>
#
# A corner is `(x, y)`: pixels from the left, then pixels from the top. Go around the person once. If the green in the
# picture that appears isn't the person, look for a corner in which the two have changed places.
#
# </details>
# <details><summary>Hint 3</summary>
#
# A good report says what you would see if the network were no better than
# GrabCut, and then shows it, whichever way it goes.
#
# </details>


# %%
def with_grid(image):
    """Show an image with its coordinates, so that you can read corners off."""
    height, width = image.shape[:2]
    _, axes = plt.subplots(figsize=(10, 10 * height / width))
    axes.imshow(image)
    axes.set(xticks=range(0, width, 20), yticks=range(0, height, 20))
    axes.tick_params(axis="x", labelrotation=90)
    axes.grid(linewidth=0.4)
    plt.show()


def measure_mine(image, corners):
    """Compare both methods with an outline, show them, and save what lesson 12 needs."""
    truth = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(truth, [np.array(corners, np.int32)], 1)
    truth = truth.astype(bool)
    masks = {
        "network": segmenter.mask(image) > 0,
        "GrabCut": grabcut(image, tight_box(truth)),
    }
    scores = {name: iou(mask, truth) for name, mask in masks.items()}
    masks = {"your outline": truth} | masks
    tinted = show_rows(
        [tint(image, (mask, GREEN)) for mask in masks.values()],
        titles=list(masks),
        height=2.8,
        alt="The photograph three times. Tinted green: your outline, what the network finds, and what "
        "GrabCut finds.",
    )
    display(tinted)
    folder = Path("output")
    folder.mkdir(exist_ok=True)
    nst.save_image(image, folder / "my_person.png")
    nst.save_image(
        np.repeat(segmenter.matte(image)[..., np.newaxis], 3, axis=2), folder / "my_matte.png"
    )
    rounded = {name: round(float(score), 2) for name, score in scores.items()}
    (folder / "my_scores.json").write_text(json.dumps(rounded))
    print("saved for lesson 12:", rounded)


# %% tags=["learner"]
PHOTOGRAPH = None  # nst.load_image("me.jpg", 512)
CORNERS = []  # [(120, 40), (131, 44), …]

if PHOTOGRAPH is None:
    print("○ your own photograph: still open. Without it, lesson 12 takes Grace Hopper.")
elif not CORNERS:
    with_grid(PHOTOGRAPH)
else:
    measure_mine(PHOTOGRAPH, CORNERS)

# %% tags=["solution"]
# An answer with a photograph that everybody has, so that lesson 12 has something to work with.
outline, _ = cv2.findContours(
    truths["hopper"].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
)
measure_mine(portraits["hopper"], outline[0][:, 0])

# %% [markdown] tags=["solution"]
# What a report could say: *Convention: body and clothes, nothing was held. If the network were no better
# than GrabCut, their IoUs would be about equal. They are not: 0.95 against 0.78; GrabCut takes half of
# the sky for her. Most of the network's error is the flag. So I would first see what a blurred background does.*

# %% [markdown]
# ## In this lesson you have
#
# - made a blob by hand and by `cv2.dnn.blobFromImage`, and found at most half a grey level between two orders;
# - opened a network, counted its 1.5 million numbers, and run it in OpenCV alone;
# - shown that argmax is a threshold at ½, and where it hides that the network was unsure;
# - moved a mask's edge to where the photograph has it, and proved by a wrong guide that the photograph did it;
# - measured masks against outlines drawn by hand, by a convention stated before, and seen a baseline win;
# - told two averages apart, and read a table with its advantages named;
# - measured false alarms, smallness, darkness, mirrors, crowds and faces, each with its control.
#
# The next lesson puts the person, with this matte, into a painting.
#
# ## Further reading
#
# - O. Ronneberger, P. Fischer and T. Brox, "U-Net: convolutional networks for biomedical image
#   segmentation", MICCAI 2015.
# - A. Howard et al., "Searching for MobileNetV3", ICCV 2019: the blocks of the way down.
# - J. Hu, L. Shen and G. Sun, "Squeeze-and-excitation networks", CVPR 2018.
# - Google, ["MediaPipe selfie
#   segmentation"](https://github.com/google-ai-edge/mediapipe/blob/master/docs/solutions/selfie_segmentation.md), with
#   its model card: what ours began as.
# - K. He, J. Sun and X. Tang, "Guided image filtering", ECCV 2010.
# - L. Chu et al., "PP-HumanSeg: connectivity-aware portrait segmentation with a large-scale
#   teleconferencing video dataset", WACV Workshops 2022: the tutorial's network.
# - C. Rother, V. Kolmogorov and A. Blake, "GrabCut: interactive foreground extraction using iterated
#   graph cuts", SIGGRAPH 2004.
# - N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
#   Man, and Cybernetics, 1979.
# - M. Everingham, L. Van Gool, C. Williams, J. Winn and A. Zisserman, "The PASCAL visual object classes
#   challenge", International Journal of Computer Vision, 2010: IoU as the measure for segmentation.
# - J. Buolamwini and T. Gebru, "Gender shades: intersectional accuracy disparities in commercial gender
#   classification", FAT* 2018: what happens when nobody measures on whom a system fails.
