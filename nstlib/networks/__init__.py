"""The networks that are trained here: their layers, without weights and without training."""
