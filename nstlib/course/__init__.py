"""What only the lessons need: their exercises' checks and their figures."""
