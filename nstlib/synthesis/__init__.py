"""Recipes: build a loss, and optimise an image until it is small."""
