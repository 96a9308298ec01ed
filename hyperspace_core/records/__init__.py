"""Frozen records of everything stored; independent of stores and projects."""
