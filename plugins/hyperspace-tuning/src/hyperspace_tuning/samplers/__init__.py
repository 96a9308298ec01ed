"""Tuners that learn: a Gaussian process of our own, and Optuna's samplers."""
