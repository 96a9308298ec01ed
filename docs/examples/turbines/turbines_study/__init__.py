"""Predict the power of wind turbines from the wind."""
