"""Composition root: real clock, real randomness, one process per node."""
