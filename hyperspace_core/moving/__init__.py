"""Copying of runs between two stores, by the methods of the store port alone.

A copy may be killed at any time and started again: existing data is not copied twice, and nothing at the
destination is overwritten.
"""
