"""Teach the networks of the course.

``python -m nstlib.training`` trains them from the command line, and says how with ``--help``.
"""
