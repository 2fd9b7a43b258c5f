"""Teaching a network to paint in the style of any picture.

:mod:`~nstlib.training.any_style.pictures` packs what to learn from into one file and cuts the
batches, :mod:`~nstlib.training.any_style.losses` judges, :mod:`~nstlib.training.any_style.teach`
is the training, in :mod:`nstlib.training.loop`. All of it runs on Keras with any backend, so that
it can go on where there is a graphics card but no TensorFlow.
"""
