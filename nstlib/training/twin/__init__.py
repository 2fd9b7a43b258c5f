"""The small twin of VGG19, taught by VGG19 itself.

The twin has VGG19's convolutions under their names, fewer channels, and pools by means. It begins
in closed form (:mod:`nstlib.training.twin.start`): layer by layer the channels that tell most about
all of VGG19's are chosen, and VGG19's kernels are composed with the linear map that rebuilds its
inputs from the twin's. Then all layers are trained at once
(:mod:`nstlib.training.twin.distillation`): a linear map of each of the twin's layers, its head, is
to say what VGG19's layer says about the same picture (knowledge distillation; Romero et al. 2015
regress a teacher's inner layers in this way). The heads are thrown away.

Pictures to learn from are crops of photographs, of paintings and of drawn styles, with noise and
changed colours (:mod:`nstlib.training.twin.pictures`), and what the twin itself makes of them:
textures and transfers through the twin as it is (:mod:`nstlib.training.twin.painting`). Those are
the pictures that it will be asked about, and where it is wrong, it is wrong there.

:func:`nstlib.training.twin.run.train_twin` is the whole way; ``nst train twin`` calls it.
"""
