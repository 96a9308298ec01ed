"""Optuna's samplers as tuners of hyperspace; imports nothing heavy."""
