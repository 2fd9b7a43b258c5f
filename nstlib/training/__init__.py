"""Teach the networks of the course: ``nst train`` says how with ``--help``."""
