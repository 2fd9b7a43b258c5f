"""Images as arrays: read, resized, coloured and saved."""
