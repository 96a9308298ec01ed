"""Frozen records of everything that is stored; independent of stores, projects and user code."""
