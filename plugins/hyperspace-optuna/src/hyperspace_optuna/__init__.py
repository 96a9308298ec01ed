"""Optuna's samplers as tuners of hyperspace. Imports nothing heavy: `plugin` is loaded by every command."""
