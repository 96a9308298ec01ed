"""Reproduce past runs, and take classes of a notebook into the package. Light imports."""
