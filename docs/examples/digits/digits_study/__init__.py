"""Classify handwritten digits: an example project."""
