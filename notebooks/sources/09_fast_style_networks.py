# %% [markdown]
# # 09 · Fast style networks
#
# After this lesson you can teach a network a style of your own in a minute, say what each of its parts
# is for, and keep it as a file that paints any photograph in a single pass.

# %%
import math
import time
from pathlib import Path

import numpy as np
from IPython.display import display

import nstlib as nst
from nstlib.assets.cache import embedded_model
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.style_networks import style_network as draw_network
from nstlib.course.figures.style_networks import style_training
from nstlib.networks.files import save_network
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.training.style import from_bytes, to_bytes
from nstlib.vgg19 import stride

cat, coffee = nst.load_image("chelsea", size=384), nst.load_image("coffee", size=384)
names = ("mosaic", "starry_night", "great_wave", "candy")
painters = {name: nst.Stylizer(name) for name in names}

show_rows(
    [cat, painters["mosaic"](cat), painters["starry_night"](cat)],
    [coffee, painters["great_wave"](coffee), painters["candy"](coffee)],
    titles=["a photograph", "mosaic", "starry_night", "a photograph", "great_wave", "candy"],
    height=2.4,
    alt="A cat's face, and two paintings of it; a cup of coffee, and two paintings of it. Each has "
    "colours and strokes of its own; cat and cup are easily recognised.",
)

# %% [markdown]
# *Four of the networks that come with the course, each for one style: two drawn by the library, a painting by Van Gogh
# (1889) and a woodblock print by Hokusai (about 1831). None has seen these photographs before, and each painting
# took a fraction of a second. In this lesson you train another one, in a style that you choose.*
#
# | | |
# | --- | --- |
# | Prerequisites | [06 · Content and style](06_content_and_style.ipynb) |
# | Time to read | 55 min; exercises 2 h 30 min |
# | Time to run on 2 cores | 1 min |
# | Downloads | nothing |
#
# ## Learning objectives
#
# - **Count** what an optimiser and a network have to compute for one picture.
# - **Train** a style network of your own, by a loop that you can read at a glance, and save it.
# - **Explain** what residual blocks, instance normalization and upsampling are for, each by a small
#   computation with a control.
# - **Compare** two ways to train it fairly.
# - **Test** a claim about such networks by measuring.
#
# ## The search is moved
#
# So far each picture was the end of a search: compute a loss and its [gradient](glossary.md#gradient), take a
# step, and so on, fifty times and more. The next photograph starts from nothing, although the style is the same.
#
# Johnson, Alahi and Fei-Fei (2016) moved the search. This time we look for the weights $\theta$, not
# for the picture $x$: those of a network $f$ that turns a photograph $p$ into its painting, for *all*
# photographs at once:
#
# $$ \underset{x}{\text{smallest}}\ L(x) \qquad\longrightarrow\qquad
#    \underset{\theta}{\text{smallest}}\ \operatorname{mean}_p L\big(f_\theta(p)\big) . $$
#
# This search takes longer, but it is done once. For each photograph a single pass through $f$ remains.
# How much less is that? Count multiplications. A [convolution](glossary.md#convolution) does, at every
# position that it gives, one for each number of its [kernel](glossary.md#kernel):

# %%
import tensorflow as tf


def convolutions_of(network):
    return [layer for layer in network.layers if isinstance(layer, tf.keras.layers.Conv2D)]


def multiplications(network, side):
    """Of each convolution, for one picture of side × side pixels."""
    layers = convolutions_of(network)
    maps_of = tf.keras.Model(network.input, {layer.name: layer.output for layer in layers})
    maps = maps_of(tf.keras.Input((side, side, 3)))  # shapes only: nothing is computed
    places = [maps[layer.name].shape[1] * maps[layer.name].shape[2] for layer in layers]
    return [n * int(np.prod(layer.kernel.shape)) for n, layer in zip(places, layers, strict=True)]


def look(judge, side):
    """The same for VGG19 or its twin, whose blocks halve the picture."""
    return sum(
        (side // stride(layer.name)) ** 2 * int(np.prod(layer.kernel.shape))
        for layer in convolutions_of(judge)
    )


image = tf.keras.Input((None, None, 3))
tiny = tf.keras.Model(image, tf.keras.layers.Conv2D(2, 3)(image))
print(
    "one 3 × 3 convolution on 6 × 6 pixels:", *multiplications(tiny, 6), "= 4 · 4 · 3 · 3 · 3 · 2"
)

# %% [markdown]
# The [optimiser](glossary.md#optimiser) doesn't only *look* at a picture through [VGG19](glossary.md#VGG19),
# it needs the gradient, too. The way back through a convolution is again a convolution, with the same kernel
# turned round, and so it costs the same. If you also want the gradient for the kernel, that is a third computation
# of the same size.
#
# **Question.** A look at a picture costs 1. What does a look with the gradient cost the optimiser?
#
# - **a** 1
# - **b** 2
# - **c** 3
# - **d** it depends on the size of the picture

# %% tags=["learner"]
nst.check("gradient_cost", ...)

# %% tags=["solution"]
nst.check("gradient_cost", "b")

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
LOOK = (*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS)
twin = nst.feature_extractor(LOOK)


def computed(and_kernels):
    """The convolutions, of each kind, that TensorFlow does for a loss with its gradient."""
    kernels = [layer.kernel.value for layer in convolutions_of(twin)]

    @tf.function
    def gradient(picture):
        wanted = [picture, *(kernels if and_kernels else [])]
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            loss = tf.add_n([tf.reduce_mean(maps**2) for maps in twin(picture).values()])
        return tape.gradient(loss, wanted)

    # What leads to no result is not computed: walk back from the results.
    waiting = [t.op for t in gradient.get_concrete_function(tf.TensorSpec((1, 64, 64, 3))).outputs]
    needed = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in needed:
            needed[operation.name] = operation.type
            waiting += [tensor.op for tensor in operation.inputs]
    kinds = list(needed.values())
    return [kinds.count(f"Conv2D{kind}") for kind in ("", "BackpropInput", "BackpropFilter")]


print(
    "convolutions in the twin of VGG19:            forward   back to the picture   to the kernels"
)
# If the frozen kernels cost something all the same, the first line would end with another number.
for what, and_kernels in {"gradient for the picture": False, "and for the kernels": True}.items():
    print(f"{what:42}", "{:10}{:22}{:17}".format(*computed(and_kernels)))

# %% [markdown]
# <details><summary>What the table says</summary>
#
# For each convolution on the way forward there is one on the way back, and none for kernels. (One of the fourteen is no
# layer of VGG19: it puts the colours into the order that VGG19 wants.)
#
# </details>
#
# The tutorial that we follow from here on (*opencv-study*, chapter 9, by lemon-lime-honey) says that
# [style transfer](glossary.md#style-transfer) is mostly done by generative models, or *GANs*, in which two
# networks play against each other. There are such methods. In this one nobody plays against anybody: the
# network learns, and the judge, VGG19, is frozen. For its speed the tutorial gives two reasons: optimisation
# techniques, and a light structure.
#
# **Question.** Why does a [style network](glossary.md#style-network) paint so much faster than the optimiser?
#
# - **a** optimisation techniques
# - **b** its light structure
# - **c** the search was done before
# - **d** it is a GAN

# %% tags=["learner"]
nst.check("why_one_pass", ...)

# %% tags=["solution"]
nst.check("why_one_pass", "c")

# %% jupyter={"outputs_hidden": true}
lite, original = TransformerNet(**VARIANTS["lite"]), TransformerNet()
vgg19 = nst.feature_extractor(LOOK, "random")  # its shape; the weights don't matter for a count
counts = {
    "one pass: the course's light network": sum(multiplications(lite, 256)),
    "one pass: the original, heavy one": sum(multiplications(original, 256)),
    "one search: 50 evaluations, twin": 50 * 2 * look(twin, 256),
    "one search: 50 evaluations, VGG19": 50 * 2 * look(vgg19, 256),
}
print("multiplications for 256 × 256 pixels, in billions (10⁹)")
# If lightness were the reason, the heavy network would need about as much as a search.
for what, count in counts.items():
    print(f"{what:38}{count / 1e9:9,.1f}")

# %% [markdown]
# <details><summary>What the numbers say</summary>
#
# Both reasons exist, and they are small beside a third. The light network does a tenth of the heavy one's
# work. But even the heavy one does a two-hundredth of what fifty [evaluations](glossary.md#evaluation)
# through VGG19 do, and fifty are few: HyunMin Kim's post took 2,000 steps. It is fast because the search is
# over when it starts.
#
# </details>
#
# ## The network
#
# The tutorial describes it as down, [residual blocks](glossary.md#residual-block), up again, and that is
# right. Two convolutions take the picture down to a quarter of its size, where the work is cheap. Five
# *residual blocks* work there. Two enlargements with a convolution after each bring it back.

# %%
draw_network()

# %% [markdown]
# *The course's light network. Heights show the size of the [feature maps](glossary.md#feature-map); height ×
# width × channels stand below. After each convolution but the last comes [instance
# normalization](glossary.md#instance-normalization), and then [ReLU](glossary.md#ReLU), except at the end of a block.
# The drawing shows both in the block alone.*
#
# Written out, it is shorter than its description. Two layers that Keras lacks come from the library: reflected
# borders, so that no black frame is painted, and instance normalization, which you will compute below.


# %%
def conv(x, channels, side, stride=1):
    x = ReflectionPadding2D(side // 2)(x)
    return tf.keras.layers.Conv2D(channels, side, stride)(x)


def norm(x):
    return InstanceNormalization()(x)


def relu(x):
    return tf.keras.layers.ReLU()(x)


def residual(x, channels):
    change = norm(conv(relu(norm(conv(x, channels, 3))), channels, 3))
    return tf.keras.layers.Add()([x, change])


def double(x):
    return tf.keras.layers.UpSampling2D(interpolation="bilinear")(x)


def style_network(blocks=5, block=residual):
    image = tf.keras.Input((None, None, 3))
    x = relu(norm(conv(image, 16, 5, stride=2)))
    x = relu(norm(conv(x, 48, 3, stride=2)))
    for _ in range(blocks):
        x = block(x, 48)
    x = relu(norm(conv(double(x), 16, 3)))
    return tf.keras.Model(image, conv(double(x), 3, 5))


# %%
tf.keras.utils.set_random_seed(0)
network = style_network()
lite.set_weights(network.get_weights())
print(f"{network.count_params():,} weights; multiplications for 256 × 256, in millions:")
for part, which in {"down": slice(2), "five blocks": slice(2, 12), "up": slice(12, 14)}.items():
    weights = [layer.count_params() for layer in convolutions_of(network)[which]]
    count = sum(multiplications(network, 256)[which]) / 1e6
    print(f"{part:12}{len(weights):3} convolutions{sum(weights):9,} weights{count:7.0f}")

photo = 255 * coffee[np.newaxis]
# If one layer were different, so would the pictures be, as with other weights in the second line.
print(f"from the library's network it differs by {np.abs(network(photo) - lite(photo)).max():.3f}")
lite.set_weights([weight[::-1] for weight in network.get_weights()])
apart = np.abs(network(photo) - lite(photo)).max()
print("with weights in a wrong order by        ", "more than 1" if apart > 1 else f"{apart:.3f}")

# %% [markdown]
# From now on `nst.TransformerNet(**VARIANTS["lite"])` and `style_network()` are the same thing.
#
# ## The loss
#
# The judge is VGG19's twin, as in lesson 06. It is frozen: the gradient goes through it, and through the
# painting, back to the network's weights.

# %%
style_training()

# %% [markdown]
# *What learns has an orange border, what is frozen a blue one.*
#
# The loss has four terms, $L = 0.6\,L_\text{content} + L_\text{style} + 10\,L_\text{range} + 30\,L_\text{lattice}$:
#
# | term | compares | guards against |
# | --- | --- | --- |
# | **content** | features of painting and photograph, place by place (lesson 06) | losing the cat |
# | **style** | means and covariances of features with the style's (lesson 06), at layers deeper inside their blocks, as Johnson et al. chose them: these see more, and a network soon learns to fake the grain that the first ones see | painting nothing |
# | **range** | what lies beyond black or white, squared: $\operatorname{mean}\,\operatorname{relu}(\lvert x - ½ \rvert - ½)^2$. A screen would cut it off, and where something is cut off there is no gradient to bring it back | colours that burn out |
# | **lattice** | what repeats itself every eight pixels | dots in rows |
#
# The last one is new. Where a photograph is flat, the optimiser could still change each pixel by itself. A network
# has nothing but the grid of its own feature maps, which lie four pixels apart, and likes to fill the sky
# with dots in rows and columns. To measure that, lay windows of 32 × 32 pixels upon themselves in steps
# of eight, and take the mean: strokes even out, a [lattice](glossary.md#lattice) stays.

# %%
STYLE_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")
judge = nst.feature_extractor([*STYLE_LAYERS, *nst.CONTENT_LAYERS], padding="replicate")
WEIGHTS = {"content": 0.6, "style": 1.0, "range": 10.0, "lattice": 30.0}


def lattice(pictures):
    detail = pictures - tf.nn.avg_pool2d(pictures, 8, 1, "SAME")
    rows, columns = detail.shape[1] // 32, detail.shape[2] // 32
    windows = tf.reshape(detail[:, : 32 * rows, : 32 * columns], [-1, rows, 4, 8, columns, 4, 8, 3])
    return tf.reduce_mean(tf.reduce_mean(windows, axis=(2, 5)) ** 2)


def statistics_of(style):
    features = judge(style[np.newaxis])
    return {layer: nst.channel_statistics(features[layer]) for layer in STYLE_LAYERS}


def terms_of(painted, photos, wanted):
    found, known = judge(painted), judge(photos)
    return {
        "content": nst.content_loss(found, {layer: known[layer] for layer in nst.CONTENT_LAYERS}),
        "style": nst.style_loss(found, wanted),
        "range": tf.reduce_mean(tf.nn.relu(tf.abs(painted - 0.5) - 0.5) ** 2),
        "lattice": lattice(painted),
    }


# %% [markdown]
# ### Choose your style
#
# Any picture will do: a name that the library knows, or a file of yours, such as
# `Path("pictures/quilt.jpg")`. Pictures with strong colours and a clear texture are learned best. Its size
# decides how large the strokes come out.

# %%
MY_STYLE, STYLE_SIZE = "shards", 384

my_style = nst.load_image(MY_STYLE, size=STYLE_SIZE)
show_rows([my_style], height=3.6, alt="The picture whose style is to be learned.")

# %% [markdown]
# *The course's drawn `shards`, unless you chose another.*
#
# Does each term see what it is there for? Judge four "paintings" of the coffee that no network has made.
#
# **Question.** Suppose a network simply gives the photograph back. Which terms are large?
#
# - **a** all four
# - **b** style
# - **c** content and range
# - **d** style and lattice

# %% tags=["learner"]
nst.check("photograph_back", ...)

# %% tags=["solution"]
nst.check("photograph_back", "b")

# %% jupyter={"outputs_hidden": true}
cup = nst.resize(coffee, (128, 192))
dotted = cup.copy()
for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
    dotted[y::8, x::8] = 0
shards = nst.load_image("shards", size=STYLE_SIZE)
wanted = statistics_of(shards)
print("terms, each times its weight       content   style   range lattice")
# A term that saw nothing of its own would say much the same in all four rows.
for what, painted in {
    "the photograph itself": cup,
    "the style picture itself": nst.resize(shards, (128, 192)),
    "a black dot every 8 pixels": dotted,
    "1½ times the contrast": 0.5 + 1.5 * (cup - 0.5),
}.items():
    terms = terms_of(tf.constant(painted[np.newaxis]), cup[np.newaxis], wanted)
    print(f"{what:33}", *(f"{WEIGHTS[name] * float(terms[name]):8.2f}" for name in WEIGHTS), sep="")

# %% [markdown]
# <details><summary>What the table says</summary>
#
# Range and lattice each see their own fault alone. Style and content react to more: the dots cost the content nearly as
# much as a lost cup, and the style more than missing paint. Content is 0 for the photograph alone, and largest where the cup is lost. Style is least
# for the style picture (not 0, because it was shrunk to the cup's size). Only more contrast leaves the range, and only
# the dots are a lattice.
#
# </details>
#
# ## The training
#
# Photographs first. Six have to do here, the cat is not among them, and they are cut into random pieces, so
# that they go a long way. For a network that is to be kept, take a thousand or more.

# %%
photos = [
    nst.load_image(name, size=256)
    for name in ("astronaut", "coffee", "rocket", "hubble", "retina", "immunohistochemistry")
]


def crops(random, count=2, side=128):
    pieces = []
    for _ in range(count):
        photo = photos[random.integers(len(photos))]
        y, x = (random.integers(length - side + 1) for length in photo.shape[:2])
        pieces.append(photo[y : y + side, x : x + side, :: random.choice([-1, 1])])
    return np.stack(pieces)


# %% [markdown]
# Now the loop: take photographs, paint them, judge, ask for the gradient, take a step. While it learns,
# the network works around 0, in [−1, 1], hence the doubling and halving.


# %%
def train(network, steps, watch):
    wanted, random = statistics_of(my_style), np.random.default_rng(0)
    optimizer = tf.keras.optimizers.Adam(4e-3, global_clipnorm=1.0)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(photos):
        with tf.GradientTape() as tape:
            painted = 0.5 + 0.5 * network(2 * photos - 1)
            terms = terms_of(painted, photos, wanted)
            loss = tf.add_n([WEIGHTS[name] * terms[name] for name in terms])
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return terms

    history = []
    watch(0, network)
    for number in range(1, steps + 1):
        history.append(step(tf.constant(crops(random))))
        watch(number, network)
    return history


# %% [markdown]
# The eight lines from `def step` to `return terms` are the heart of it. `nst train style` on the command line does
# the same for thousands of steps. `global_clipnorm` shortens a gradient that is longer than 1, so that one odd
# batch does no harm. Every batch is other photographs, so the slope changes all the time. Here
# [Adam](glossary.md#Adam) is at home; [L-BFGS](glossary.md#L-BFGS), which trusts its memory of slopes, would
# be misled.

# %% [markdown]
# ### From nothing, or from another style?
#
# A network can begin with [random weights](glossary.md#random-weights), or with those of a network that knows
# another style already. The next cell, which is folded, reads one of the course's from its file. Lesson 10
# opens such files.


# %% jupyter={"source_hidden": true}
def shipped(name):
    """A network of the course in Keras, for pictures around 0."""
    named = nst.onnx.from_onnx(embedded_model(f"{name}.onnx"))
    from_bytes(named)
    same = style_network()
    same.set_weights(named.get_weights())
    return same


# %% [markdown]
# To compare the two fairly, both get the same steps, crops, loss and [learning
# rate](glossary.md#learning-rate). Both paint the cat on the way.
#
# **Question.** After as many steps, which one is nearer to *your* style?
#
# - **a** the one from nothing: it has nothing to unlearn
# - **b** the one that knew another style
# - **c** both are alike
# - **d** neither has learned much

# %% tags=["learner"]
nst.check("two_starts", ...)

# %% tags=["solution"]
nst.check("two_starts", "b")

# %% [markdown]
# Run the next cell and open its output: you can watch them learn.

# %% tags=["nbval-ignore-output"] jupyter={"outputs_hidden": true}
STEPS, MARKS = 60, (0, 10, 30, 60)
small_cat = nst.resize(cat, 256)
starts = {"from nothing": network, "from starry_night": shipped("starry_night")}
pictures = {name: [] for name in starts}
histories = {}


def paint_around_0(network, image):
    return np.clip(0.5 + 0.5 * network(2 * image[np.newaxis] - 1)[0], 0, 1)


def so_far():
    latest = [painted[-1] for painted in pictures.values() if painted]
    alt = "A cat's face, and the same as the networks paint it so far."
    return show_rows([small_cat, *latest], height=2.2, alt=alt)


print("The photograph, and what becomes of it:")
screen = display(so_far(), display_id=True)
for name, start in starts.items():

    def watch(number, network, painted=pictures[name]):
        if number in MARKS:
            painted.append(paint_around_0(network, small_cat))
            screen.update(so_far())

    began = time.perf_counter()
    histories[name] = train(start, STEPS, watch)
    seconds_trained = time.perf_counter() - began
    print(f"{name}: {STEPS} steps in {seconds_trained:.0f} s")

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("Above from nothing, below from starry_night:")
show_rows(
    *pictures.values(),
    titles=[
        f"{start}, {number} steps" for start in ("nothing", "starry_night") for number in MARKS
    ],
    height=1.6,
    alt="Two rows of four pictures of a cat. Above, from coloured noise to a blurred cat. Below, from "
    "the strokes of starry_night to a clear cat in the colours of the new style.",
)

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
tens = range(10, STEPS + 1, 10)
means = {
    (name, term): [float(np.mean([t[term] for t in history[n - 10 : n]])) for n in tens]
    for name, history in histories.items()
    for term in ("style", "content")
}
print("Means of ten steps:")
nst.show_curves(
    {f"{term}, {name}": (list(tens), values) for (name, term), values in means.items()},
    xlabel="steps",
    alt="Four falling curves. The style's curve of the network that began from starry_night lies below "
    "that of the other one.",
)

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("After the last step:")
# If the start made no difference, the two would take turns, by chance.
for term, to in {"style": "style picture", "content": "photographs"}.items():
    print(f"nearer to the {to}:", min(starts, key=lambda name: means[name, term][-1]))

# %% [markdown]
# *The two terms that matter most. They wobble, because each batch is other photographs.*
#
# <details><summary>What happened</summary>
#
# Colours go first: after ten steps hardly anything of the night is left. What remains is what takes long to
# learn, and what all styles share: to keep the shapes of a photograph, and to lay strokes along them. So if
# you have a network of any style, begin with it. This is called *fine-tuning*, and on the command line it is
# `nst train style STYLE --photos FOLDER --start starry_night -o my_style.onnx`. Given some thousand steps, the
# network from nothing gets there, too: the four at the top of this lesson began so.
#
# Was it fair? Everything was the same, but each start may have its own best learning rate. In our trials a smaller
# one suited the start from starry_night better still. Whether another one brings the start from nothing as far, we
# haven't shown. You can try it in Exercise 6.
#
# </details>
#
# ### Keep it
#
# From now on the network is to take pictures on the scale of 0..255, as all networks of the course do. That
# needs no extra layer: its first and its last convolution are linear, so `to_bytes` puts the change of scale into
# their weights. Then it is saved twice. The `.keras` file is for going on with the training. The `.onnx`
# file is for everything else: `nst.onnx.export` writes it, and only after several programs have been seen to
# paint the same picture from it.

# %%
yours = TransformerNet(**VARIANTS["lite"])  # the same network; its layers have the library's names
yours.set_weights(starts["from starry_night"].get_weights())
to_bytes(yours)

folder = Path("output")
folder.mkdir(exist_ok=True)
save_network(yours, folder / "my_style.keras")
proof = nst.onnx.export(
    yours,
    folder / "my_style.onnx",
    metadata={"style": f"learned from {MY_STYLE}", "licence": "mine", "variant": "lite"},
    value_range=(0, 255),
)
runtimes = {comparison.runtime for comparison in proof.comparisons}
worst = max(comparison.difference for comparison in proof.comparisons)
print(f"output/my_style.onnx, {(folder / 'my_style.onnx').stat().st_size / 1e6:.1f} MB")
print(
    f"{len(runtimes)} runtimes besides Keras agree within",
    "0.01" if worst < 0.01 else worst,
    "of 255",
)

# %%
my_painter = nst.Stylizer(folder / "my_style.onnx")
astronaut = nst.load_image("astronaut", size=384)
show_rows(
    [my_painter(cat), my_painter(astronaut)],
    height=3.84,
    alt="A cat's face and an astronaut's portrait, painted by the network that was just trained: their "
    "outlines as strokes, in the colours of the style picture.",
)

# %% [markdown]
# *Your network, from your file. On the command line it is* `nst stylize photo.jpg -s output/my_style.onnx -o
# painted.png`. *[Lesson 10](10_onnx.ipynb) looks into the file, and in [lesson 12](12_compositing.ipynb) you
# step into it. If you train another style here, it replaces this one.*
#
# Compare it with what the optimiser finds in a search for this one photograph.

# %%
searched = nst.transfer_style(nst.resize(cat, 192), my_style, iterations=30, progress=False)
show_rows(
    [nst.resize(cat, 192), searched.image, my_painter(nst.resize(cat, 192))],
    titles=["a photograph", "searched for", "painted in one pass"],
    height=2.4,
    alt="A cat's face, as the optimiser and as the network paint it, in the same colours.",
)

# %% tags=["nbval-ignore-output"]
began = time.perf_counter()
for _ in range(5):
    my_painter(small_cat)
seconds_painted = (time.perf_counter() - began) / 5
print(f"one pass: {1000 * seconds_painted:.0f} ms; search: {searched.seconds:.1f} s")
print(f"training: {seconds_trained:.0f} s")

# %% [markdown]
# The search has found the shards themselves, in this one picture. Sixty steps have taught the network colours and
# lines, for all pictures; the four at the top learned for about 3,000 steps, or more. When does the training pay?
# Exercise 1 asks after how many pictures.
#
# ## Inside: residual blocks
#
# The blocks compute not the new features but a *change*, which is added to the old ones, $y = x + F(x)$
# (He, Zhang, Ren and Sun 2016). Why? You often read: because gradients vanish in deep networks. That can
# be tested. How long is the gradient for the first block's kernel, at the start of a training, in networks of
# ten blocks, as plain chains and with sums, with and without normalization?


# %%
def chain(blocks, residual, normalized):
    tf.keras.utils.set_random_seed(0)
    image = tf.keras.Input((None, None, 3))
    after = norm if normalized else lambda x: x
    x = conv(image, 16, 3)
    for _ in range(blocks):
        change = after(conv(relu(after(conv(x, 16, 3))), 16, 3))
        x = tf.keras.layers.Add()([x, change]) if residual else relu(change)
    return tf.keras.Model(image, conv(x, 3, 3))


batch = tf.constant(np.stack([nst.resize(photo, (32, 32)) for photo in photos])) - 0.5
print("length of the gradient, ten blocks    plain   residual")
# If sums were what keeps gradients from vanishing, the plain column would be small in both rows.
for normalized in (False, True):
    lengths = []
    for residual_ones in (False, True):
        deep = chain(10, residual_ones, normalized)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((deep(batch) - batch) ** 2)
        first_kernel = convolutions_of(deep)[1].kernel.value
        lengths.append(float(tf.norm(tape.gradient(loss, first_kernel))))
    label = "with" if normalized else "without"
    print(f"{label + ' instance normalization':34}", *(f"{float(f'{x:.1g}'):8g}" for x in lengths))

# %% [markdown]
# Without either, the gradient has all but vanished. But normalization alone is cure enough: the plain chain has
# plenty then. Our network is normalised throughout, as theirs was, and so He et al. themselves doubted this
# explanation. What they saw is called **degradation**: a plain network of 56 layers was worse than one of 20, *even
# on the photographs that it was trained on*. It could have copied the shorter one and let the other layers pass
# everything on. It seems hard for plain layers to learn to do nothing.
#
# For a residual block, doing nothing is easy: $F = 0$. Set scale and shift of a block's last normalization to zero,
# and it hands on what it got. Do that to all five blocks of your network.
#
# **Question.** What does the network paint then?
#
# - **a** plain grey
# - **b** noise
# - **c** the cat, with less of the style
# - **d** nothing: there is an error

# %% tags=["learner"]
nst.check("blocks_off", ...)

# %% tags=["solution"]
nst.check("blocks_off", "c")


# %% jupyter={"outputs_hidden": true}
def paint(network, image):
    return np.clip(network(255 * image[np.newaxis])[0] / 255, 0, 1)


def plain(x, channels):
    return norm(conv(relu(norm(conv(x, channels, 3))), channels, 3))


def with_blocks(on, block=residual):
    """A copy of your network in which the blocks after the first `on` add nothing."""
    copy = style_network(block=block)
    copy.set_weights(yours.get_weights())
    norms = [layer for layer in copy.layers if isinstance(layer, InstanceNormalization)]
    for number in range(on, 5):
        norms[3 + 2 * number].set_weights([np.zeros(48), np.zeros(48)])
    return copy


print("All blocks off, the first two on, and all on:")
show_rows(
    [paint(with_blocks(on), small_cat) for on in (0, 2, 5)],
    titles=["no block", "two blocks", "all five"],
    height=2.3,
    alt="Three versions of a painted cat. Without blocks the cat is there, without strokes and in "
    "harsh colours; with all five it has the style's.",
)

# %% jupyter={"outputs_hidden": true}
print("Spread of the picture without blocks:")
# If the sum made no difference, the plain chain would paint something, too.
for what, block in {"with sums": residual, "the same weights without sums": plain}.items():
    spread = paint(with_blocks(0, block), small_cat)[16:-16, 16:-16].std(axis=(0, 1)).max()
    print(f"{what:30}", "none: one colour" if spread < 0.001 else "a picture")

# %% [markdown]
# <details><summary>What you see</summary>
#
# Even without any block the cat comes through, because each block hands on what it got. What is missing is what the
# blocks had added: the strokes, and what turns harsh colours into the style's. Without the sums, the same weights paint
# one single colour.
#
# </details>
#
# ## Inside: instance normalization
#
# A painting's contrast is the style's business, not the photograph's: a mosaic of a foggy morning has the same
# bright tiles. So after each convolution but the last the features are normalised,
#
# $$ y = \gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta . $$
#
# **Instance normalization** (Ulyanov, Vedaldi and Lempitsky 2016) takes mean $\mu$ and variance $\sigma^2$ over
# the positions of one channel of one picture. **[Batch normalization](glossary.md#batch-normalization)**
# (Ioffe and Szegedy 2015) takes them over all pictures of the batch, and when the training is over, fixed
# ones that it remembers. (The tutorial says that the *input image* is normalised. More exactly, it is each
# channel of the *feature maps*, thirteen times over in our network.)
#
# By hand: two pictures of two pixels, one channel. The second is the first one in fog: a tenth of the contrast,
# and brighter.

# %%
clear_and_foggy = np.array([[1.0, 3.0], [4.9, 5.1]])


def standard(x, axis, epsilon=1e-5):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + epsilon)


# If fog were gone either way, each line would say the same twice.
for name, axis in {"instance": 1, "batch": (0, 1)}.items():
    clear, foggy = standard(clear_and_foggy, axis)
    print(f"{name:9} clear {clear[0]:7.4f} {clear[1]:7.4f}   foggy {foggy[0]:7.4f} {foggy[1]:7.4f}")

# %% [markdown]
# For instance normalization they are nearly the same picture. What is left, 0.0005, is the work of
# [ε](glossary.md#epsilon), which is there so that nothing is divided by 0. Batch normalization keeps
# the fog, and what it makes of the first picture depends on the second.
#
# Is that what the library's layer computes?

# %%
maps = np.random.default_rng(0).normal(5, 3, (2, 6, 7, 4)).astype(np.float32)
gamma, beta = np.float32([1, 2, 3, 4]), np.float32([0, 1, 0, -1])
layer = InstanceNormalization()
layer.build(maps.shape)
layer.set_weights([gamma, beta])
# If the comparison were blind, the second line would say 0.000 as well.
for name, axes in {"each picture alone": (1, 2), "over the batch": (0, 1, 2)}.items():
    in_numpy = gamma * standard(maps, axes) + beta
    print(f"NumPy, {name:18}: differs by {np.abs(layer(maps) - in_numpy).max():.3f}")

# %% [markdown]
# Now in your network. Exchange its normalizations for batch normalization with the same weights, and let that
# take its statistics from the six photographs. Then show both networks a cat and a foggy cat.
#
# **Question.** What will *your* network, with instance normalization, make of the fog?
#
# - **a** it hardly sees it
# - **b** it paints in foggy colours
# - **c** it paints with less contrast
# - **d** something else each time

# %% tags=["learner"]
nst.check("fog_seen", ...)

# %% tags=["solution"]
nst.check("fog_seen", "a")


# %%
def with_batch_norm(layer):
    if isinstance(layer, InstanceNormalization):
        return tf.keras.layers.BatchNormalization(momentum=0, epsilon=1e-5, name=layer.name)
    return type(layer).from_config(layer.get_config())


by_batch = tf.keras.models.clone_model(yours, clone_function=with_batch_norm)
for old, new in zip(yours.layers, by_batch.layers, strict=True):
    statistics = new.get_weights()[2:] if "BatchNorm" in type(new).__name__ else []
    new.set_weights([*old.get_weights(), *statistics])
six = np.stack([nst.resize(photo, (192, 192)) for photo in photos])
by_batch(255 * six, training=True)  # with a momentum of 0 it remembers exactly this batch

foggy_cat = 0.6 + 0.25 * small_cat
both = {"instance": yours, "batch": by_batch}
painted = {
    (name, weather): paint(network, image)
    for weather, image in {"clear": small_cat, "foggy": foggy_cat}.items()
    for name, network in both.items()
}
# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("A cat above, the same cat in fog below:")
show_rows(
    [small_cat, painted["instance", "clear"], painted["batch", "clear"]],
    [foggy_cat, painted["instance", "foggy"], painted["batch", "foggy"]],
    titles=["photograph", "instance", "batch", "in fog", "instance", "batch"],
    height=2.2,
    alt="A cat and a foggy cat: painted alike in the middle column; on the right the foggy one has lost "
    "most of its contrast.",
)

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
print("Mean difference between the two paintings, of 1:")
# If fog were nothing to networks of any kind, both lines would be below 0.01.
for name in both:
    fog = np.abs(painted[name, "clear"] - painted[name, "foggy"]).mean()
    print(f"{name:9}", "below 0.01" if fog < 0.01 else "above 0.01")

# %% [markdown]
# <details><summary>What you see</summary>
#
# The first convolution is linear. So fog multiplies its output by ¼ and adds a constant to each channel, and
# the normalization takes both away again, but for the $\epsilon$. Two things to be fair: our batch normalization
# was put into a network that had been trained without it; and a fog as even as this could also be
# removed from the input image. What the other twelve do is to keep up the style's contrast from layer to layer. Ulyanov
# et al. trained both kinds from the start, and theirs with instance normalization looked better.
#
# </details>
#
# ## Inside: upsampling without a checkerboard
#
# On the way back the features are enlarged, which is called [upsampling](glossary.md#upsampling). The classic
# layer for that is the **[transposed convolution](glossary.md#transposed-convolution)**: every input puts a
# whole kernel, multiplied by its value, into the output, two places further than the one before. Where
# kernels overlap, they are added.


# %%
def transposed_convolution(x, kernel, stride=2):
    y = np.zeros((len(x) - 1) * stride + len(kernel))
    for i, value in enumerate(x):
        y[i * stride : i * stride + len(kernel)] += value * kernel
    return y


def doubled_and_convolved(x, kernel):
    return np.convolve(np.repeat(x, 2), kernel[::-1], mode="valid")


flat, ones = np.ones(4), np.ones(3)
print("transposed:            ", transposed_convolution(flat, ones))
print("doubled, then convolved:", doubled_and_convolved(flat, ones))

layer = tf.keras.layers.Conv1DTranspose(1, 3, strides=2, kernel_initializer="ones")
print("Keras's transposed one: ", layer(flat.reshape(1, 4, 1)).numpy().ravel())

# %% [markdown]
# A flat input, and the transposed convolution makes stripes: 3 is no multiple of 2, so every other place is
# reached by two kernels and its neighbours by one. Repeating each value and then convolving has no such places.
#
# **Question.** Two such layers, one after the other, enlarge a plain grey by four. All kernels are as plain as
# can be, all ones, divided so that the mean brightness stays. What comes out?
#
# - **a** a plain grey
# - **b** a blur
# - **c** a grid of bright and dark places
# - **d** stripes in one direction

# %% tags=["learner"]
nst.check("grey_enlarged", ...)

# %% tags=["solution"]
nst.check("grey_enlarged", "c")


# %% jupyter={"source_hidden": true, "outputs_hidden": true}
def enlarged(image, transposed):
    x = image[np.newaxis]
    for _ in range(2):
        kernel = np.zeros((3, 3, 3, 3), np.float32)
        kernel[:, :, range(3), range(3)] = 4 / 9 if transposed else 1 / 9
        if transposed:
            size = [1, 2 * x.shape[1], 2 * x.shape[2], 3]
            x = tf.nn.conv2d_transpose(x, kernel, size, 2, "SAME")
        else:
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.conv2d(
                tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), kernel, 1, "VALID"
            )
    return np.clip(x[0], 0, 1)


face = nst.resize(nst.load_image("astronaut")[40:232, 130:322], (56, 56))
grey = np.full((56, 56, 3), 0.5, np.float32)
crop = np.s_[40:-40, 40:-40]
enlargements = [enlarged(x, transposed)[crop] for x in (face, grey) for transposed in (True, False)]
print("A face and a plain grey, enlarged by four:")
show_rows(
    [face[10:-10, 10:-10], *enlargements[:2]],
    [grey[10:-10, 10:-10], *enlargements[2:]],
    titles=["small", "transposed", "doubled, convolved"] * 2,
    height=2.9,
    alt="A face, the face under a dark grid, the face without a grid; a grey square, a grid, a grey square.",
)

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
by_transposed, by_doubling = enlargements[2:]
print("Brightness of the plain grey, 0.50 before:")
# If the pattern came from the picture, a plain grey would show none.
print(f"transposed: from {by_transposed.min():.2f} to {by_transposed.max():.2f}")
print(f"doubled:    from {by_doubling.min():.2f} to {by_doubling.max():.2f}")

# %% [markdown]
# <details><summary>What happened</summary>
#
# In two dimensions the stripes cross, and the result is a **[checkerboard](glossary.md#checkerboard)**
# (Odena, Dumoulin and Olah 2016). The pattern is in the layer, not in the picture. A training may find
# kernels that cancel it (½, 1, ½ does), but it has to find them in every channel, and mostly does so only
# nearly. Repeating leaves something, too: steps between one pixel's copies and the next one's, which later
# layers have to smooth. A light network has no layers left for that, and mixes neighbours instead of
# repeating them: [`interpolation="bilinear"`](glossary.md#bilinear).
#
# </details>
#
# ## Does a larger picture take on more style?
#
# The tutorial observes that a larger picture takes on more of the style. Before you measure that: how much of the
# photograph does one pixel of the painting see? Adding up layer by layer, each kernel brings its side less one,
# times how far its neighbours lie apart: $1 + 4 + 2 \cdot 2 + 10 \cdot 2 \cdot 4 + 2 \cdot 2 + 4 = 97$ pixels. Now
# by asking the network: with all kernels positive and no normalization, whatever is seen has a gradient.


# %% jupyter={"source_hidden": true}
def sees(interpolation):
    """How many rows of the photograph reach a pixel, for four pixels of the painting in a row."""

    def linear(layer):
        if isinstance(layer, (InstanceNormalization, tf.keras.layers.ReLU)):
            return tf.keras.layers.Activation("linear")
        return type(layer).from_config(layer.get_config())

    network = TransformerNet(**VARIANTS["lite"] | {"interpolation": interpolation})
    flat = tf.keras.models.clone_model(network, clone_function=linear)
    for layer in convolutions_of(flat):
        shape = layer.kernel.shape
        layer.set_weights([np.ones(shape) / np.prod(shape[:3]), np.zeros(shape[3])])
    photo, reached = tf.zeros((1, 256, 256, 3)), []
    for row in range(128, 132):
        with tf.GradientTape() as tape:
            tape.watch(photo)
            pixel = flat(photo)[0, row, 128, 0]
        rows = np.flatnonzero(tape.gradient(pixel, photo)[0].numpy().any(axis=(1, 2)))
        reached.append(int(rows[-1] - rows[0] + 1))
    return reached


# If mixing neighbours made no difference, both lines would be alike.
for interpolation in ("nearest", "bilinear"):
    print(f"{interpolation:9}", *sees(interpolation))

# %% [markdown]
# By repeating, it is the 97 of our sum. Mixing neighbours widens it to 101 or 105, depending on where the pixel
# lies in the grid. (Besides, each pixel knows means and spreads of the whole picture, by instance normalization.)
# So strokes have a size *in pixels*, and a photograph's face may be larger or smaller than that.
#
# **Question.** The same photograph, as a larger and larger picture, through the same network. What holds for
# every photograph that we tried?
#
# - **a** the style loss gets smaller: more style
# - **b** the style loss gets larger: less style
# - **c** the strokes get finer within the picture
# - **d** nothing changes but the size

# %% tags=["learner"]
nst.check("more_pixels", ...)

# %% tags=["solution"]
nst.check("more_pixels", "c")

# %% jupyter={"source_hidden": true, "outputs_hidden": true}
sizes = (128, 256, 512)
print("Painted at three sizes, shown at one:")
# If strokes grew with the picture, the three of a row would look alike.
show_rows(
    *(
        [nst.resize(my_painter(nst.resize(nst.load_image(name), side)), 384) for side in sizes]
        for name in ("chelsea", "coffee")
    ),
    titles=[f"painted at {side} pixels" for side in sizes] * 2,
    height=2.6,
    alt="A cat's face three times, and a cup of coffee three times: in coarse strokes at 128 pixels, in "
    "finer ones at 512.",
)
# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true, "outputs_hidden": true}
style_statistics = statistics_of(my_style)


def from_style(image):
    return float(nst.style_loss(judge(image[np.newaxis]), style_statistics))


print("At 128, 256 and 512 pixels:  from the style     unpainted          from the photograph")
# If the measure itself depended on the size, the unpainted photograph would show it: that is the control.
for name in ("astronaut", "coffee", "chelsea"):
    columns = [[], [], []]
    for side in sizes:
        photo = nst.resize(nst.load_image(name), side)
        painting = my_painter(photo)
        small = [nst.resize(picture, (96, 128)) for picture in (painting, photo)]
        columns[0].append(from_style(painting))
        columns[1].append(from_style(photo))
        columns[2].append(float(np.abs(small[0] - small[1]).mean()))
    rows = ["".join(f"{value:6.2f}" for value in column) for column in columns[:2]]
    print(f"{name:27}", *rows, "".join(f"{value:7.3f}" for value in columns[2]))

# %% [markdown]
# <details><summary>What we found</summary>
#
# The style is the picture that the network learned from, at the size at which it saw it, judged at the same
# layers as in training. The paintings lie close together: more pixels bring a little more style in some steps up,
# and a little less in others. Often the middle size is nearest, which is the size at which the network saw
# photographs while it learned. And look at the control. A photograph that nobody painted moves, too, just by being
# larger, and further than the paintings do. Had we looked at one [style loss](glossary.md#style-loss) alone,
# we might have taken the photograph's own change for the network's work.
#
# So the claim does not hold as a rule. Nor does the distance from the photograph, both looked at in one size: it may
# grow, as for the astronaut, or hardly change. What does hold for all three is what you see in two of them.
# Strokes have the same size in pixels, so within a larger picture they are finer, and small things such as the
# eyes come out better. If you want bold strokes, make the photograph *smaller* before it is painted. What is true
# about the claim: in more pixels there are more strokes to be seen.
#
# </details>
#
# ## Exercises
#
# The hints go from a nudge to nearly the answer; take one at a time.
#
# ### Exercise 1 · When it pays (10 minutes)
#
# Training takes `training` seconds, once. For a picture the optimiser takes `optimiser` seconds and the
# network `network`. From how many pictures on is the network's way no slower, training and all? Return a
# whole number, and `math.inf` if it never is. Guess first for the three times that this lesson measured, then
# put them in. And for the course's `mosaic`, which took about twenty minutes?
#
# <details><summary>Hint 1</summary>What does one picture save?</details>
# <details><summary>Hint 2</summary>Training is made up for once n · (what a picture saves) reaches it.</details>
# <details><summary>Hint 3</summary>Round up; and ask first whether anything is saved at all.</details>


# %% tags=["learner"]
def break_even(training, optimiser, network): ...


nst.check("break_even", break_even)


# %% tags=["solution"]
def break_even(training, optimiser, network):
    if network >= optimiser:
        return math.inf
    return math.ceil(training / (optimiser - network))


nst.check("break_even", break_even)

# %% [markdown] tags=["solution"]
# With 20 s for the training, 8 s for a search and 0.05 s for a pass, for instance: 20 / 7.95 = 2.5, so from the third
# picture on. Twenty minutes are made up for by 151 pictures: six seconds of a film.

# %% [markdown]
# ### Exercise 2 · A test that could not fail (15 minutes)
#
# A colleague writes instance normalization for `features` (B, H, W, C), `gamma` (C,) and `beta` (C,):
#
# ```python
# def instance_normalization(features, gamma, beta):
#     mean = features.mean(axis=(0, 1, 2))
#     variance = features.var(axis=(0, 1, 2))
#     return gamma * (features - mean) / np.sqrt(variance) + beta
# ```
#
# She tested it on one photograph's features against the library's layer, and both agreed. There are two faults in
# it all the same. Which test would have found each? Then write it right.
#
# <details><summary>Hint 1</summary>What does a mean over axis 0 do if there is only one picture?</details>
# <details><summary>Hint 2</summary>What happens in a channel that is the same everywhere?</details>
# <details><summary>Hint 3</summary><code>axis=(1, 2), keepdims=True</code>; 1e-5 belongs under the root.</details>


# %% tags=["learner"]
def instance_normalization(features, gamma, beta): ...


nst.check("instance_normalization", instance_normalization)


# %% tags=["solution"]
def instance_normalization(features, gamma, beta):
    mean = features.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt(features.var(axis=(1, 2), keepdims=True) + 1e-5)
    return gamma * (features - mean) / spread + beta


nst.check("instance_normalization", instance_normalization)

# %% [markdown] tags=["solution"]
# A batch of *two different* pictures finds the first: hers is batch normalization, and for a batch of one the two
# are the same thing. A flat channel, such as a dead ReLU's, finds the second: 0 / 0 is NaN. A photograph's features
# hardly ever contain one, so her test could not fail there either.

# %% [markdown]
# ### Exercise 3 · Will it leave a checkerboard? (15 minutes)
#
# For a transposed convolution in one dimension, count how many inputs reach each output. There are `length` inputs;
# each puts a kernel of size `kernel` into the output, `stride` further than the one before. Don't cut
# the ends. Predict first, on paper: with a [stride](glossary.md#stride) of 2, for which sizes of kernel from 2 to 6 are
# the counts the same everywhere but at the ends? And with a stride of 3?
#
# <details><summary>Hint 1</summary>Draw four kernels of 3 below each other, each two places further right.</details>
# <details><summary>Hint 2</summary>The output has (length − 1) · stride + kernel places.</details>
# <details><summary>Hint 3</summary>Add 1 to <code>counts[i * stride : i * stride + kernel]</code> for each input
# i.</details>


# %% tags=["learner"]
def overlaps(kernel, stride, length): ...


nst.check("overlaps", overlaps)


# %% tags=["solution"]
def overlaps(kernel, stride, length):
    counts = np.zeros((length - 1) * stride + kernel, int)
    for i in range(length):
        counts[i * stride : i * stride + kernel] += 1
    return counts


nst.check("overlaps", overlaps)
for stride_of in (2, 3):
    level = [k for k in range(2, 7) if len(set(overlaps(k, stride_of, 9)[k:-k])) == 1]
    print(f"stride {stride_of}: the same counts for kernels of", *level)

# %% [markdown] tags=["solution"]
# Those that the stride divides: 2, 4, 6 and 3, 6.

# %% [markdown]
# ### Exercise 4 · How many blocks for a stroke? (20 minutes)
#
# You want strokes 150 pixels long, so one pixel of the painting should depend on at least so much of the
# photograph, even without the help of normalization. How many residual blocks does a network like yours need,
# if it enlarges by repeating? Write it for any number of `pixels`. You know one case: five blocks see 97.
#
# <details><summary>Hint 1</summary>What is seen without any block? Take the sum above and leave the ten
# convolutions out.</details>
# <details><summary>Hint 2</summary>A block has two convolutions, and inside the blocks neighbours lie four pixels
# apart.</details>
# <details><summary>Hint 3</summary>17 + 16 · blocks ≥ pixels; blocks come whole, and not fewer than none.</details>


# %% tags=["learner"]
def blocks_for(pixels): ...


nst.check("blocks_for", blocks_for)


# %% tags=["solution"]
def blocks_for(pixels):
    return max(0, math.ceil((pixels - 17) / 16))


nst.check("blocks_for", blocks_for)
print("for 150 pixels:", blocks_for(150), "blocks")

# %% [markdown] tags=["solution"]
# Nine. There is a cheaper way: paint the photograph at half its size, and enlarge the painting. That costs a
# quarter, and sharpness.

# %% [markdown]
# ### Exercise 5 · The same thing after all (30 minutes)
#
# Repeating and then convolving is itself a transposed convolution with a stride of 2. With which kernel?
# `kernel` (K,) belongs to the convolution, as networks compute it: it slides over the repeated values
# without being turned round, as in `doubled_and_convolved`. Return the K + 1 numbers that a single input
# of 1 puts into the output, in the order of the outputs. Why can there be no checkerboard, whatever the kernel?
#
# <details><summary>Hint 1</summary>Draw it for K = 3: a single 1 is repeated, 0 0 1 1 0 0, and the kernel slides
# over it.</details>
# <details><summary>Hint 2</summary>Which number of the kernel meets the 1 at the lowest output?</details>
# <details><summary>Hint 3</summary>Two copies, one place apart: add the turned kernel to itself, shifted by
# one.</details>


# %% tags=["learner"]
def transposed_kernel(kernel): ...


nst.check("transposed_kernel", transposed_kernel)


# %% tags=["solution"]
def transposed_kernel(kernel):
    # The last number of the kernel is the first to meet the input. There are two copies of it.
    turned = kernel[::-1]
    return np.append(turned, 0) + np.append(0, turned)


nst.check("transposed_kernel", transposed_kernel)

# %% [markdown] tags=["solution"]
# A flat input gives at even places the sum of the even numbers of this kernel, and at odd places that of the odd
# ones. Both are the sum of `kernel`, since each of its numbers stands once at an even and once at an odd place. So
# whatever is learned, flat stays flat.

# %% [markdown]
# ### Exercise 6 · Your own style (open, an hour)
#
# Choose a picture of yours as `MY_STYLE`, and run the lesson again from there. Then change *one* thing: the
# learning rate, `STYLE_SIZE`, the weight of the content, the network to begin with, the number of blocks. Write
# down beforehand what you expect, and what you would see if it made no difference. How do you tell a difference
# from chance? Sixty steps are few: for the network that you keep, set `STEPS` to 300. Lessons 10 and 12 wait for it.
#
# <details><summary>Hint 1</summary>A different seed for the crops, with nothing else changed, shows how large chance
# is.</details>
# <details><summary>Hint 2</summary>Losses of two runs can be compared only if the weights, the layers and the style
# picture are the same.</details>
# <details><summary>Hint 3</summary>Judge by the cat, which neither has trained on, and look at it, too.</details>

# %% tags=["learner"]
my_answer = ...
print("still open" if my_answer is ... else "Now compare it with the solution edition.")

# %% [markdown] tags=["solution"]
# For instance: *STYLE_SIZE 192 instead of 384.* Expected: strokes half as large, nothing else. If it made no
# difference, the two cats could not be told apart better than two that differ in the seed of the crops alone; so
# train that one as well, three networks in all. The losses can't be compared, because the targets differ: a smaller
# style picture has other statistics. What can be compared is a measure that knows neither: the cat's own
# roughness after painting, or two friends who must say which is which. Another: *the content's weight 0.3 instead of
# 0.6.* Both terms can be compared without their weights. Expected: style lower, content higher. If only the sum
# changed, you would have measured the weight and not the network.

# %% [markdown]
# ## In this lesson you have
#
# - counted: a look with the gradient costs two looks; the heavy network does a two-hundredth of the work of a
#   search through VGG19, and the light one a tenth of that;
# - written the network, its loss and its training loop, and trained a style of your own twice: from nothing, and, with
#   the same steps, much nearer to the style, from another style;
# - saved it as `output/my_style.onnx`, for lessons 10 and 12;
# - seen that normalization alone keeps gradients alive, and that where a residual block hands a picture on, a plain
#   one leaves nothing of it;
# - shown your network two cats that are the same to it, one of them in fog, but for the work of $\epsilon$;
# - seen a transposed convolution put a checkerboard, from 0.10 to 0.89, on plain grey, where repeating
#   and convolving leaves it at 0.50;
# - measured 97, 101 and 105 pixels of sight, and tested a claim at three sizes: more pixels are not more style as a
#   rule. They are finer strokes.
#
# Next: [10 · ONNX](10_onnx.ipynb), which opens your file.
#
# ## Further reading
#
# - lemon-lime-honey, [*opencv-study*](https://github.com/lemon-lime-honey/opencv-study), chapter 9,
#   "Style transfer" (in Korean), notes on GitHub, undated.
# - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
#   super-resolution", ECCV 2016.
# - D. Ulyanov, V. Lebedev, A. Vedaldi and V. Lempitsky, "Texture networks: feed-forward synthesis of
#   textures and stylized images", ICML 2016: the same idea at the same time.
# - D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance normalization: the missing ingredient for fast
#   stylization", preprint, 2016; then in "Improved texture networks", CVPR 2017.
# - S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
#   covariate shift", ICML 2015.
# - K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016.
# - A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
# - V. Dumoulin, J. Shlens and M. Kudlur, "A learned representation for artistic style", ICLR 2017: many
#   styles in one network, which differ in the weights of the normalizations alone.
