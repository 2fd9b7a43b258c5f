# %% [markdown]
# # 10 · Compositing: the person stays, the world becomes a painting
#
# After this lesson you can put a person into a painting, without a seam between the two, in a still or
# in a film, and take the result home.

# %%
import collections
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import skimage.filters

import nstlib as nst
from nstlib.assets.cache import embedded_model
from nstlib.compose import Composer, composite, estimate_layers, feather_alpha, stylize_background
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.video.steady import Steady, flicker, steady_painter

astronaut = nst.load_image("astronaut")
portrait = stylize_background(astronaut, "starry_night")
nst.show_images(
    [astronaut, portrait],
    ["a photograph", "the world, painted"],
    cell=4.2,
    caption="One line: stylize_background(astronaut, 'starry_night'). The strokes were learned from Van "
    "Gogh's night, the outline is lesson 09's.",
    alt="An astronaut before a flag; the same photograph of her before swirling blue brush strokes.",
)

# %% [markdown]
# | | |
# | --- | --- |
# | Prerequisites | [07 · Fast style networks](07_fast_style_networks.ipynb), [09 · Person segmentation](09_person_segmentation.ipynb) |
# | Time to read | 35 min |
# | Time to run on 2 cores | 30 s |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Combine** a photograph and a painting along a mask, as the tutorial does, and by the compositing
#   equation.
# - **Explain** where halos come from, and take them away.
# - **Give** the person and the world two styles, matched in colour and strength.
# - **Make** a film of it that does not flicker, and measure that.
# - **Design** a piece of your own, and judge it by a rubric.

# %% [markdown]
# ## The tutorial's two results
#
# The tutorial that this lesson follows ends in two pictures: the person in a painted world, and a
# painted person in the real one. Three functions make them. `segmentation` you know from lesson 09. The
# second one sends the photograph through a style network: a blob of RGB values in 0..255 goes in, and
# such a blob comes out.


# %%
def style_transfer(path, image):
    """BGR pixels (H, W, 3) in, painted ones out."""
    height, width = image.shape[:2]
    network = cv2.dnn.readNetFromONNX(path)
    network.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
    blob = network.forward(network.getUnconnectedOutLayersNames()[0])  # (1, 3, H, W)
    painted = blob[0].transpose(1, 2, 0).clip(0, 255).astype(np.uint8)
    painted = cv2.cvtColor(painted, cv2.COLOR_RGB2BGR)
    return cv2.resize(painted, (width, height), interpolation=cv2.INTER_LINEAR)


bgr = nst.rgb_to_bgr((astronaut * 255).round().astype(np.uint8))
mosaic_path = str(embedded_model("mosaic.onnx"))
style = style_transfer(mosaic_path, bgr)
print(style.shape, style.dtype)

# %% [markdown]
# Nothing in the network keeps its output within 0..255, so `clip` has to:

# %%
network = cv2.dnn.readNetFromONNX(mosaic_path)
network.setInput(cv2.dnn.blobFromImage(bgr, swapRB=True))
raw = network.forward()
print("values below 0:", bool(raw.min() < 0), " above 255:", bool(raw.max() > 255))
print("what would become of 260 without clip:", np.array([260]).astype(np.uint8)[0])

# %% [markdown]
# Bright places would get black specks. The third function chooses, for each pixel, one of two:


# %%
def image_transfer(image, mask, style):
    """Painted world and photographed person; photographed world and painted person."""
    painted_world = np.where(mask == 255, image, style)
    painted_person = np.where(mask == 0, image, style)
    return painted_world, painted_person


segmenter = PersonSegmenter()
mask = segmenter.mask(astronaut)[..., np.newaxis]
painted_world, painted_person = image_transfer(bgr, mask, style)
both = cv2.hconcat((painted_world, painted_person))
print("masks:", mask.shape, " both pictures:", both.shape)

# %%
nst.show_images(
    [nst.bgr_to_rgb(both) / np.float32(255)],
    cell=8.6,
    caption="The tutorial's result: on the left the world is a mosaic, on the right the person.",
    alt="An astronaut before a world of glass tiles; an astronaut of glass tiles before a flag.",
)

# %%
person = mask[..., 0] == 255
print("left, the person is the photograph's:", np.array_equal(painted_world[person], bgr[person]))
print("left, the rest is the painting's:", np.array_equal(painted_world[~person], style[~person]))
print(
    "together the two hold every pixel of both:",
    np.array_equal(painted_world.astype(int) + painted_person, bgr.astype(int) + style),
)

# %% [markdown]
# Look closely, and you see the faults of lesson 09's mask: holes in her helmet, and the rocket's tip,
# which passes for a person. `np.where` broadcasts the mask's one channel over the picture's three. That
# is why the mask needs its third axis.
#
# ## Two sentences put right
#
# The tutorial explains why the network takes pictures of any size: by convolutions, by *adaptive
# pooling*, and by instance normalization. Read the file:

# %%
mosaic_file = onnx.load(embedded_model("mosaic.onnx"))
operations = collections.Counter(node.op_type for node in mosaic_file.graph.node)
for name in ("Conv", "InstanceNormalization", "Resize", "BatchNormalization"):
    print(f"{name:22} {operations[name]}")
print("kinds with 'Pool' in the name:", [name for name in operations if "Pool" in name])

# %% [markdown]
# There is **no pooling** in it, adaptive or not. It could not be: adaptive pooling makes an output of
# one fixed size, and this output is as large as its input. The picture is made smaller by strides and
# larger by `Resize`. Any size goes in because no layer has a weight for a *place*: convolutions have
# weights for neighbours, instance normalization has two for each channel.
#
# The other sentence: ONNX stores only structure and parameters, not the statistics of batch
# normalization, so `running_mean` and `running_var` have to be deleted from the checkpoint. But there is
# no batch normalization here, as the list says, so nothing is lost by deleting them. Where there is some,
# ONNX **does keep** its statistics: [lesson 08](08_onnx.ipynb) read them out of a file, changed them, and
# the output was wrong.
#
# ## A share of each
#
# A hard mask gives every pixel to one of two pictures. A pixel at the edge of hair shows both. The
# **compositing equation** of Porter and Duff takes a share $\alpha$ of one, and the rest of the other:
#
# $$ C = \alpha F + (1 - \alpha) B . $$
#
# Three grey pixels, a dark foreground on a bright background:

# %%
F = np.array([0.2, 0.2, 0.2])
B = np.array([0.8, 0.8, 0.8])
alpha = np.array([1.0, 0.5, 0.0])
C = alpha * F + (1 - alpha) * B
print("F, half of each, B:", C.tolist())

# %% [markdown]
# With $\alpha$ of 0 and 1 alone, it is the tutorial's `np.where`. The library's `composite` takes a mask
# as well as a matte:

# %%
painted = nst.bgr_to_rgb(style) / np.float32(255)
by_where = np.where(mask == 255, astronaut, painted)
print(
    "np.where is the special case:", np.array_equal(composite(astronaut, painted, mask), by_where)
)

# %% [markdown]
# Now by lesson 09's matte. Look at the edge.

# %%
matte = segmenter.matte(astronaut)
edge = np.s_[36:116, 142:222]


def enlarge(image):
    """Show every pixel as a block of 6 × 6, so that no smoothing hides it."""
    return np.repeat(np.repeat(image, 6, axis=0), 6, axis=1)


soft = composite(astronaut, painted, matte)
nst.show_images(
    [enlarge(by_where[edge]), enlarge(soft[edge])],
    ["hard mask", "soft matte"],
    cell=4,
    caption="80 × 80 pixels. A cut with scissors, and hair that ends where it ends.",
    alt="Blond hair on a painted ground, with a jagged edge on the left and a soft one on the right.",
)

# %%
changed = np.abs(soft - by_where).max(axis=2) > 0.02
print(f"the two pictures differ in {changed.mean():.0%} of the pixels")

# %% [markdown]
# ## Halos
#
# In front of a colourful painting it is easy to miss. In front of a dark background it is not.

# %%
night = np.broadcast_to(np.float32([0.03, 0.04, 0.12]), astronaut.shape)
halo = composite(astronaut, night, matte)
nst.show_images(
    [enlarge(astronaut[edge]), enlarge(halo[edge])],
    ["photograph", "before the night"],
    cell=4,
    caption="The old wall still glows around her hair.",
    alt="Blond hair before a grey wall; the same before dark blue, with a pale rim.",
)

# %% [markdown]
# The matte is not to blame. Take the pixel in the middle of the three above, half hair (0.2), half wall
# (0.8): the camera saw 0.5. Before a night of 0.1 it should become:

# %%
hair, wall, night_sky, a = 0.2, 0.8, 0.1, 0.5
seen = a * hair + (1 - a) * wall
right = a * hair + (1 - a) * night_sky
pasted = a * seen + (1 - a) * night_sky
print(f"seen {seen:.2f}, right {right:.2f}, pasted {pasted:.2f}")
print(
    f"too bright by {pasted - right:.2f} = α (1 − α) (wall − hair) = {a * (1 - a) * (wall - hair):.2f}"
)

# %% [markdown]
# Twice as bright as it should be. What was pasted is not the hair but *the pixel*, and half of it is
# wall.
#
# **Question.** The halo is $\alpha (1 - \alpha) (B_\text{old} - F)$. For which pixels is it strongest,
# and how strong can it get?
#
# For those of $\alpha = ½$: a quarter of the difference between the old background and the foreground.
# So the cure is to paste $F$, not the pixel. But $F$ is not known: one equation, two unknowns. What
# helps is that colours are smooth: the hair just inside is known, where $\alpha = 1$, and the wall just
# outside, where $\alpha = 0$. So guess each from its neighbours, weighted by how much they show of it;
# then share out what is still missing, so that the equation holds. That is Forte's method. A row of
# nine pixels:

# %%
share = np.array([[1, 1, 1, 0.8, 0.5, 0.2, 0, 0, 0]])
row = share * 0.2 + (1 - share) * 0.8


def from_neighbours(values, weights, radius):
    side = (2 * radius + 1, 2 * radius + 1)
    near = cv2.blur(weights, side, borderType=cv2.BORDER_REPLICATE)
    return cv2.blur(values * weights, side, borderType=cv2.BORDER_REPLICATE) / (near + 1e-6)


def estimate_once(image, share, radius):
    """Foreground and background of an image (H, W), from one window around each pixel."""
    foreground = from_neighbours(image, share, radius)
    background = from_neighbours(image, 1 - share, radius)
    missing = image - share * foreground - (1 - share) * background
    return foreground + share * missing, background + (1 - share) * missing


front, back = estimate_once(row, share, radius=3)
print("seen:      ", row[0].round(2).tolist())
print("foreground:", front[0].round(2).tolist())
print("background:", back[0].round(2).tolist())
off = np.abs(share * front + (1 - share) * back - row).max()
print(f"together they give the row again, to within {off:.2f}")

# %% [markdown]
# Where the foreground shows at all, in the first six pixels, it is now much nearer to 0.2 than what was
# seen; the background, in the last six, nearer to 0.8. `estimate_layers` does this on a pyramid of sizes,
# from coarse to fine, so that there is a colour everywhere, and near ones count most. Does it
# work? Build a case in which the truth is known: a cat's fur with a ragged edge before a bright sky,
# then before a dark one.

# %%
fur = nst.load_image("chelsea")[60:220, 150:310]
sky = np.broadcast_to(np.linspace(1, 0.8, 160, dtype=np.float32)[:, None, None], fur.shape)
dark = np.broadcast_to(np.float32([0.03, 0.04, 0.12]), fur.shape)
y, x = np.mgrid[:160, :160]
noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (160, 160)), (0, 0), 1.5)
ragged = np.hypot(y - 80, x - 80) + 12 * noise
true_alpha = np.clip((60 - ragged) / 12, 0, 1).astype(np.float32)

photo = composite(fur, sky, true_alpha)
truth = composite(fur, dark, true_alpha)
fur_alone, _ = estimate_layers(photo, true_alpha)
pasted = composite(photo, dark, true_alpha)
cleaned = composite(fur_alone, dark, true_alpha)
nst.show_images(
    [photo, pasted, cleaned, truth],
    ["photograph", "pasted", "cleaned, then pasted", "truth"],
    columns=4,
    caption="The halo is the old sky. Taken out, there is hardly a difference to the truth.",
    alt="A ragged disc of fur before white; before dark with a bright rim; twice without a rim.",
)

# %%
soft_pixels = (true_alpha > 0) & (true_alpha < 1)
error = {
    name: float(np.abs(picture - truth)[soft_pixels].mean())
    for name, picture in {"pasted": pasted, "cleaned": cleaned}.items()
}
print(f"at the edge, pasted is off by {error['pasted']:.2f}")
print("cleaned is off by less than a third of that:", error["cleaned"] < error["pasted"] / 3)

# %% [markdown]
# And the astronaut:

# %%
front, back = estimate_layers(astronaut, matte)
nst.show_images(
    [
        front,
        back,
        enlarge(halo[edge]),
        enlarge(composite(front, night, matte)[edge]),
    ],
    ["foreground", "background", "with a halo", "without"],
    columns=2,
    cell=4,
    caption="Top: each layer is continued under the other one. Bottom: the same matte before the same "
    "night.",
    alt="The astronaut amid smooth colours; the wall with smooth colours in her place; hair with a pale "
    "rim and hair without.",
)

# %%
again = composite(front, back, matte)
print("the layers give the photograph again:", np.abs(again - astronaut).mean() < 0.005)

rim = (matte[edge] > 0.05) & (matte[edge] < 0.95)
glow = [composite(layer, night, matte)[edge][rim].mean() for layer in (astronaut, front)]
print("without the halo the hair's rim is darker:", glow[1] < glow[0])

# %% [markdown]
# The background is useful too: it is a photograph of the place *without her*. Painted like that, it has
# no strokes that follow her outline. This is how `Composer` works: segment, take the layers apart, paint
# what is to be painted, lay them on one another. `stylize_background` at the top is a `Composer` that is
# used once.
#
# ## Two styles
#
# You can use more than one style. The person and the world may each have their own, or only one of
# them has one.

# %%
composers = {
    "painted world": Composer(background="great_wave"),
    "painted person": Composer(person="candy"),
    "two styles": Composer(background="starry_night", person="great_wave"),
}
pictures = {name: composer(astronaut) for name, composer in composers.items()}
nst.show_images(
    list(pictures.values()),
    list(pictures),
    columns=3,
    cell=2.8,
    caption="Hokusai's paper and ink around her; candy's colours on her; ink before Van Gogh's night.",
    alt="The astronaut before a drawing in grey and blue; the astronaut in bright candy colours; the "
    "astronaut as an ink drawing before blue and yellow strokes.",
)

# %%
inside, outside = matte == 1, matte == 0
photo_inside = np.allclose(pictures["painted world"][inside], astronaut[inside], atol=1e-3)
photo_outside = np.allclose(pictures["painted person"][outside], astronaut[outside], atol=1e-3)
print("painted world: the person is the photograph's:", photo_inside)
print("painted person: the world is the photograph's:", photo_outside)

# %% [markdown]
# ## One light for both
#
# A photograph in a painting often looks pasted for another reason: its colours belong to another light.
# `match` moves the colours of the part that stays towards those of the painted part, by their means and
# covariances, as in lesson 06. A little goes far.

# %%
matches = (0, 0.3, 1)
matched = [Composer(background="starry_night", match=match)(astronaut) for match in matches]
nst.show_images(
    matched,
    [f"match={match}" for match in matches],
    columns=3,
    cell=2.8,
    caption="Left: two lights. Middle: evening falls on her, too. Right: all of the painting's colours.",
    alt="The astronaut before a painted night, with natural, bluish and wholly blue colours.",
)

# %%
apart = [
    float(np.linalg.norm(picture[inside].mean(0) - picture[outside].mean(0))) for picture in matched
]
print("the mean colours come closer step by step:", apart[0] > apart[1] > apart[2])

# %% [markdown]
# ## Experiment: strength and feather
#
# Two more knobs. `strength` mixes photograph and painting. `feather` fades the edge over some pixels
# more than the matte does: an old trick to hide a mask's faults, which costs the hair its sharpness.

# %%
grid = [(strength, feather) for strength in (0.4, 0.7, 1.0) for feather in (0, 8, 32)]
small = nst.resize(astronaut, 256)
tried = [
    Composer(background="mosaic", strength=strength, feather=feather)(small)
    for strength, feather in grid
]
nst.show_images(
    tried,
    [f"strength={strength}, feather={feather}" for strength, feather in grid],
    columns=3,
    caption="Top to bottom: more paint. Left to right: a softer edge, and at last a ghost.",
    alt="Nine portraits before a mosaic, from faint to strong and from a sharp to a fading outline.",
)

# %%
distance = [float(np.abs(picture - small).mean()) for picture in tried]
print("more strength, farther from the photograph:", distance[0] < distance[3] < distance[6])
step = feather_alpha([[0, 0, 0, 1, 1, 1.0]], 2)[0]
print("a feather of 2 pixels on a step:", *(f"{value:.1f}" for value in step))

# %% [markdown]
# ## A film
#
# A film is many pictures, and one thing more: from frame to frame, what stands still has to stay. For a
# test, make a clip of which you know what moves: a window moves across her photograph, so that she drifts
# to the right, and a launch pad behind her stands still. A camera's noise is added, so faint that you don't
# see it. Her matte has false alarms, at the rocket's tip and on the flag. Those that don't touch her go by
# Exercise 3 of lesson 09, which scikit-image has as `apply_hysteresis_threshold`.

# %%
random = np.random.default_rng(0)
FRAMES, SIZE = 20, 288
sure = skimage.filters.apply_hysteresis_threshold(segmenter(astronaut), 0.2, 0.98)
cut_out = nst.resize(front, SIZE), nst.resize(np.dstack([matte * sure] * 3), SIZE)
launch = nst.resize(nst.load_image("rocket")[60:380, 160:480], SIZE)
clip = []
for t in range(FRAMES):
    move = np.float32([[1, 0, 3 * t], [0, 1, 0]])
    her, her_matte = (cv2.warpAffine(layer, move, (SIZE, SIZE)) for layer in cut_out)
    frame = composite(her, launch, her_matte[..., 0])
    frame += random.normal(0, 0.003, frame.shape).astype(np.float32)
    clip.append(np.clip(frame, 0, 1))

nst.show_images(
    [clip[0], clip[FRAMES // 2], clip[-1]],
    ["first frame", "in the middle", "last frame"],
    columns=3,
    cell=2.8,
    caption="The clip. She drifts to the right, three pixels a frame; the launch pad stands.",
    alt="The astronaut before a launch pad at night, farther to the right each time.",
)

# %%
print(f"{len(clip)} frames of {clip[0].shape}")

# %% [markdown]
# **Question.** A network has no randomness in it: the same frame gives the same picture. So why should
# anything flicker?

# %%
night_behind = Composer(background="starry_night")
each_alone = [night_behind(frame) for frame in clip]
paint = steady_painter(night_behind, Steady(hold=0.9, reach=4))
steady = [paint(frame) for frame in clip]

source_change = flicker(clip, clip)
alone, calmed = flicker(clip, each_alone), flicker(clip, steady)
print("frame by frame, what stands still changes more than the source does:", alone > source_change)
print("steadied, it changes less than half as much as frame by frame:", calmed < alone / 2)

# %% tags=["nbval-ignore-output"]
print(
    f"mean change of a pixel that stands still, in grey levels of 255: source {255 * source_change:.2f}, "
    f"frame by frame {255 * alone:.2f}, steadied {255 * calmed:.2f}"
)

# %% [markdown]
# Because no two frames are the same. As she moves, the background is guessed at another place each
# time, and instance normalization takes its means over all of it. And the noise alone is enough: a
# network sees strokes in it. Let nothing move at all:

# %%
standing = [
    np.clip(clip[0] + random.normal(0, 0.003, clip[0].shape).astype(np.float32), 0, 1)
    for _ in range(6)
]
noise_alone = flicker(standing, standing), flicker(standing, [night_behind(f) for f in standing])
print("noise alone comes out more than twice as strong:", noise_alone[1] > 2 * noise_alone[0])

# %% [markdown]
# `Steady` looks at the source. Where that stands still, it shows mostly what it showed before (`hold`);
# where it moves, and within a `reach` of that, what is new. The reach is a trade: a long one (the default is
# 26 pixels) leaves no ghosts where strokes depend on what is near them, a short one calms more of a small
# picture. `flicker` measures only what stands still, for what moves *should* change.

# %%
pairs = [np.hstack(pair) for pair in zip(each_alone, steady, strict=True)][::2]
nst.animate(
    pairs,
    fps=5,
    hold=1,
    caption="Left: every frame on its own. Right: steadied. Look at the sky.",
    alt="An astronaut drifts before a painted night, twice; on the left the strokes shimmer.",
)

# %%
print("frames:", len(pairs), " each", pairs[0].shape)

# %% [markdown]
# The films of `nst compose clip.mp4 --style starry_night -o film.mp4` are made so, with three threads, and
# keep their sound. `nst webcam` does it live.
#
# ### To take home
#
# Last, a picture for a friend, as a file that every phone plays: she stays, the world is painted more
# and more. Mixing is linear, so the portrait from the top is enough to make all strengths.

# %%
Path("output").mkdir(exist_ok=True)
before, after = nst.resize(astronaut, 320), nst.resize(portrait, 320)
appearing = [composite(after, before, np.full((320, 320), k / 6)) for k in range(7)]
gif = nst.animate(
    [*appearing, *appearing[::-1]],
    "output/portrait.gif",
    fps=6,
    caption="output/portrait.gif: the world becomes a painting, and a photograph again.",
    alt="The world behind an astronaut turns into brush strokes and back.",
)
gif

# %%
written = Path("output/portrait.gif")
print("a GIF:", written.read_bytes()[:6] == b"GIF89a", " frames:", len(gif.frames))

# %% [markdown]
# ## How fast?
#
# The tutorial's functions read both networks' files again for each picture. That is fine for one, and
# not for a film. On the same frames:


# %% tags=["nbval-ignore-output"]
starry_path = str(embedded_model("starry_night.onnx"))


def as_the_tutorial(pixels):
    found = PersonSegmenter().mask(nst.bgr_to_rgb(pixels) / np.float32(255))
    return np.where(found[..., np.newaxis] == 255, pixels, style_transfer(starry_path, pixels))


def frames_per_second(work, frames):
    work(frames[0])
    began = time.perf_counter()
    for frame in frames[1:]:
        work(frame)
    return (len(frames) - 1) / (time.perf_counter() - began)


pixel_frames = [nst.rgb_to_bgr(np.rint(frame * 255).astype(np.uint8)) for frame in clip]
print(
    f"files read each time: {frames_per_second(as_the_tutorial, pixel_frames):.0f} frames a second"
)
kept = Composer(background="starry_night", hard=True)
print(f"networks kept:        {frames_per_second(kept, clip):.0f}")
soft_edges = Composer(background="starry_night")
print(f"and soft edges:       {frames_per_second(soft_edges, clip):.0f}")

# %%
print("TensorFlow was imported:", "tensorflow" in sys.modules)

# %% [markdown]
# ## Capstone project
#
# Make a piece of your own: a portrait, a series of five, or a film of ten seconds, in which a person (or
# anything else that you can make a matte of) meets a style. Use a photograph that you took or may use, and
# at least one style that you made: a network that you trained in lesson 07, or an optimised picture as in
# lessons 05 and 06. Hand in the picture, the notebook that makes it, and half a page of text.
#
# | | not yet | good | excellent |
# | --- | --- | --- | --- |
# | **Idea** | a filter, applied | the style says something about the person | one would hang it, and knows why |
# | **Edge** | jagged, or a halo is seen at full size | soft, and no halo before light and dark grounds | hair and hands hold up at 400 % |
# | **Style** | a shipped one as it is | your own, or two that suit each other; strength and colours chosen | your own, trained or optimised, with what you tried and dropped |
# | **Measurement** | none | IoU against a polygon of your own; for a film, its flicker | and a comparison that changed your mind |
# | **Failures** | not mentioned | two shown, with a guess at the reason | one mended |
# | **Reproducible** | runs on your machine | runs from an empty folder, seeds set, in the time it states | and its facts are printed beside its pictures, as here |
# | **Credit** | missing | photograph, style, data and networks named with their licences | and the person asked |
#
# Two points for each "excellent", one for each "good". Ten are a fine piece of work.
#
# ## Exercises
#
# ### Exercise 1 · The compositing equation (5 minutes)
#
# Two images (H, W, 3) and a matte (H, W). Return $\alpha F + (1 - \alpha) B$.


# %% tags=["learner"]
def my_composite(foreground, background, alpha): ...


nst.check("composite", my_composite)


# %% tags=["solution"]
def my_composite(foreground, background, alpha):
    share = alpha[..., np.newaxis]
    return share * foreground + (1 - share) * background


nst.check("composite", my_composite)

# %% [markdown]
# ### Exercise 2 · Before a known wall (20 minutes)
#
# Sometimes the old background *is* known: a green screen, or a photograph of the empty room. Then the
# foreground needs no guess. Solve $C = \alpha F + (1 - \alpha) B$ for $F$, given `image` C, `background` B
# and `alpha`. Where $\alpha$ is 0 nothing of $F$ shows: return the image's own pixel there. Clip to [0, 1].
# Then try it on the fur above, whose sky you know.


# %% tags=["learner"]
def clean_foreground(image, background, alpha): ...


nst.check("clean_foreground", clean_foreground)


# %% tags=["solution"]
def clean_foreground(image, background, alpha):
    share = alpha[..., np.newaxis]
    shows = share > 0
    solved = (image - (1 - share) * background) / np.where(shows, share, 1)
    return np.clip(np.where(shows, solved, image), 0, 1)


nst.check("clean_foreground", clean_foreground)

# %% [markdown]
# ### Exercise 3 · Measure the flicker (20 minutes)
#
# Two films (T, H, W, 3), a source and what was made of it. Return the mean absolute change of the result
# from each frame to the next, over the pixels whose source is the same as in the frame before, in all
# three channels. (The library's `flicker` also lets the source change by 1 %, for cameras have noise.)


# %% tags=["learner"]
def my_flicker(source, result): ...


nst.check("flicker", my_flicker)


# %% tags=["solution"]
def my_flicker(source, result):
    still = (source[1:] == source[:-1]).all(axis=-1)
    return np.abs(result[1:] - result[:-1])[still].mean()


nst.check("flicker", my_flicker)

# %% [markdown]
# ### Exercise 4 · Steady mattes (30 minutes)
#
# Smooth mattes in time without leaving ghosts. `mattes` is (T, H, W), `source` (T, H, W, 3). The first
# matte stays. Then, where a pixel's source is the same as in the frame before (all three channels), return
# `keep` times *your result* of the frame before plus `1 - keep` times the matte; elsewhere the matte as it
# is. Why the result before, and not the matte before? And what would go wrong without a look at the
# source?


# %% tags=["learner"]
def steady_mattes(mattes, source, keep): ...


nst.check("steady_mattes", steady_mattes)


# %% tags=["solution"]
def steady_mattes(mattes, source, keep):
    results = [mattes[0]]
    for t in range(1, len(mattes)):
        still = (source[t] == source[t - 1]).all(axis=-1)
        smooth = keep * results[-1] + (1 - keep) * mattes[t]
        results.append(np.where(still, smooth, mattes[t]))
    return np.stack(results)


nst.check("steady_mattes", steady_mattes)

# %% [markdown]
# ## In this lesson you have
#
# - made the tutorial's two pictures with its own functions, and `np.where` as the special case of the
#   compositing equation;
# - put two of its sentences right by reading a file: no pooling, and no batch normalization whose
#   statistics could be lost;
# - found a halo's strength by hand, $\alpha(1-\alpha)$ times a difference, and taken it away: less than a
#   third of the error was left where the truth was known;
# - painted the person and the world in two styles, under one light;
# - made a film in which what stands still changes less than half as much as frame by frame, and an
#   animation to take home.
#
# ## Looking back
#
# Eleven lessons ago a picture was an array that two libraries read differently (00). A network turned it
# into features (01); their means and covariances forgot where things are and kept what they are made of
# (02). Asked for the same numbers, noise became a texture (03), smooth by choice and not by a magic weight
# (04). A second set of features held on to what the picture shows, and it became style transfer (05), then
# a fast one with colours, masks and strokes under control (06). A network learned to do in one pass what
# an optimiser does in hundreds (07), left its framework as a file that every runtime reads, checked to the
# last digit (08), and met another one that finds people (09). Here they came together. Each step was small
# enough to do by hand. None of them was magic, and the result still is.
#
# ## Further reading
#
# - T. Porter and T. Duff, "Compositing digital images", SIGGRAPH 1984.
# - M. Forte, "Approximate fast foreground colour estimation", ICIP 2021.
# - T. Germer, T. Uelwer, S. Conrad and S. Harmeling, "Fast multi-level foreground estimation", ICPR 2020.
# - A. Levin, D. Lischinski and Y. Weiss, "A closed-form solution to natural image matting", CVPR 2006.
# - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
#   super-resolution", ECCV 2016: the network.
# - M. Ruder, A. Dosovitskiy and T. Brox, "Artistic style transfer for videos", GCPR 2016: steadiness from
#   optical flow.
