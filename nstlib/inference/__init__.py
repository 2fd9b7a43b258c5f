"""Trained networks at work: painting pictures and finding people, without TensorFlow."""
